//! The standing world in pieces of the road's length: ground, kerbs, houses, trees, furniture.
//!
//! A chunk is a function of the scenario, the seed and its index alone, so a drive may be as long as it likes.

use super::build::Stuff;
use super::{Material, Mesh, Paint, house, props, tree};
use crate::math::{Rng, Vec3, vec3};
use crate::road::{KERB_M, Road};
use crate::scenario::{RoadStyle, ScenerySpec};

/// Length of a chunk along the road.
pub(crate) const CHUNK_M: f64 = 24.0;
/// How far the ground reaches to both sides.
const LAND_M: f64 = 110.0;

/// One piece of the standing world; its mesh is relative to `origin` (world, metres).
#[derive(Debug, Clone)]
pub(crate) struct Chunk {
    pub(crate) origin: [f64; 3],
    pub(crate) mesh: Mesh,
}

/// What chunks are made from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Site<'a> {
    pub(crate) road: &'a Road,
    pub(crate) scenery: &'a ScenerySpec,
    pub(crate) lamps: bool,
    pub(crate) seed: u64,
}

struct Maker<'a> {
    site: Site<'a>,
    mesh: Mesh,
    rng: Rng,
    origin: [f64; 3],
    s0: f64,
}

/// Makes the chunk that begins at `index * CHUNK_M`.
pub(crate) fn chunk(site: Site<'_>, index: i64) -> Chunk {
    let s0 = index as f64 * CHUNK_M;
    let [x, y] = site.road.xy(s0, 0.0);
    let origin = [x, y, site.road.grade_height(s0)];
    let rng = Rng::new(site.seed, 0xc4a2 ^ (index as u64).wrapping_mul(0x1_0001));
    let mut maker = Maker { site, mesh: Mesh::default(), rng, origin, s0 };
    maker.ground();
    match site.road.spec.style {
        RoadStyle::City => maker.row_of_houses(true),
        RoadStyle::Suburb => maker.row_of_houses(false),
        RoadStyle::Country | RoadStyle::Motorway => maker.open_land(),
    }
    maker.roadside();
    Chunk { origin, mesh: maker.mesh.finish() }
}

impl Maker<'_> {
    /// A place on or above the ground, relative to the chunk's origin.
    fn at(&self, s: f64, d: f64) -> Vec3 {
        let [x, y] = self.site.road.xy(s, d);
        let z = self.site.road.height(s, d);
        vec3((x - self.origin[0]) as f32, (y - self.origin[1]) as f32, (z - self.origin[2]) as f32)
    }

    /// Unit vector across the road, to its left.
    fn left(&self, s: f64) -> Vec3 {
        (self.at(s, 1.0) - self.at(s, 0.0)).times(vec3(1.0, 1.0, 0.0)).unit()
    }

    fn ground(&mut self) {
        let spec = &self.site.road.spec;
        let bent = !spec.curve.is_empty() || spec.hill_m != 0.0 || spec.bumps_m > 0.0;
        let rows = if bent { 8 } else { 2 };
        let (right, left, walk) = (spec.kerb_right_m(), spec.kerb_left_m(), spec.sidewalk_m);
        let style = if spec.style == RoadStyle::Motorway { 1 } else { 0 };
        let seed = self.site.seed as u32;
        let paint = |kind: u8| Paint { kind, ..Paint::plain(Vec3::splat(0.1), seed) };
        let road = self.mesh.stuff(Material::Road, paint(style));
        let walkway = self.mesh.stuff(Material::Sidewalk, paint(0));
        let kerb = self.mesh.stuff(Material::Kerb, paint(0));
        let land = self.mesh.stuff(Material::Land, paint(0));
        self.strip(rows, &[left, 0.5 * (left + right), right], road);
        for (edge, side) in [(left, 1.0), (right, -1.0)] {
            if walk > 0.0 {
                self.kerb(rows, edge, side, kerb);
                self.strip_sided(rows, &[edge + side * 0.15, edge + side * walk], side, walkway);
            }
            let from = edge + side * (walk + if walk > 0.0 { 0.001 } else { 0.0 });
            let lands: Vec<f64> = [0.0, 3.0, 7.0, 14.0, 28.0, 55.0, LAND_M].iter().map(|o| from + side * o).collect();
            self.strip_sided(rows, &lands, side, land);
        }
    }

    fn strip_sided(&mut self, rows: usize, ds: &[f64], side: f64, stuff: Stuff) {
        let mut ds = ds.to_vec();
        if side > 0.0 {
            ds.reverse();
        }
        self.strip(rows, &ds, stuff);
    }

    /// Ground between offsets given from left to right.
    fn strip(&mut self, rows: usize, ds: &[f64], stuff: Stuff) {
        let station = |r: usize| self.s0 + CHUNK_M * r as f64 / rows as f64;
        let points: Vec<Vec<Vec3>> = (0..=rows).map(|r| ds.iter().map(|&d| self.at(station(r), d)).collect()).collect();
        let uvs: Vec<Vec<[f32; 2]>> =
            (0..=rows).map(|r| ds.iter().map(|&d| [station(r) as f32, d as f32]).collect()).collect();
        self.mesh.sheet(&points, |r, c| uvs[r][c], |_, _| Some(stuff));
    }

    fn kerb(&mut self, rows: usize, edge: f64, side: f64, stuff: Stuff) {
        let up = vec3(0.0, 0.0, KERB_M as f32);
        for r in 0..rows {
            let (s0, s1) =
                (self.s0 + CHUNK_M * r as f64 / rows as f64, self.s0 + CHUNK_M * (r + 1) as f64 / rows as f64);
            let (a, b) = (self.at(s0, edge), self.at(s1, edge));
            let (c, d) = (self.at(s1, edge + side * 0.15), self.at(s0, edge + side * 0.15));
            // Faces the road and the sky: the road lies to the right of the left kerb.
            let (face, top) = if side > 0.0 {
                ([a, b, b + up, a + up], [a + up, b + up, c, d])
            } else {
                ([b, a, a + up, b + up], [b + up, a + up, d, c])
            };
            let uv = [[s0 as f32, 0.0], [s1 as f32, 0.0], [s1 as f32, 1.0], [s0 as f32, 1.0]];
            self.mesh.quad_uv(face, uv, stuff);
            self.mesh.quad_uv(top, uv, stuff);
        }
    }

    /// Corners of a building plot: along the street from `s` to `s + length`, `depth` deep, the given side.
    fn plot(&self, s: f64, length: f64, setback: f64, depth: f64, side: f64) -> house::Plot {
        let spec = &self.site.road.spec;
        let edge = if side > 0.0 { spec.kerb_left_m() } else { spec.kerb_right_m() };
        let near = edge + side * (spec.sidewalk_m + setback);
        let far = near + side * depth;
        let level = self.at(s + length * 0.5, near).z;
        let corner = |s: f64, d: f64| {
            let p = self.at(s, d);
            vec3(p.x, p.y, level)
        };
        let (a, b) = (corner(s, near), corner(s + length, near));
        let (c, d) = (corner(s + length, far), corner(s, far));
        // Counter-clockwise from above: on the left side the street front runs back along the road... seen from outside.
        if side > 0.0 { [a, b, c, d] } else { [b, a, d, c] }
    }

    fn row_of_houses(&mut self, city: bool) {
        for side in [1.0, -1.0] {
            if !self.rng.chance(self.site.scenery.buildings as f32) {
                self.garden(side);
                continue;
            }
            let mut s = self.s0 + if city { 0.0 } else { self.rng.range_f64(1.0, 5.0) };
            let end = self.s0 + CHUNK_M;
            while s < end - 6.0 {
                let length = if city { self.rng.range_f64(8.0, 18.0) } else { self.rng.range_f64(8.0, 12.0) };
                let length = length.min(end - s);
                let setback = if city { self.rng.range_f64(0.05, 0.8) } else { self.rng.range_f64(4.0, 8.0) };
                let depth = if city { 14.0 } else { self.rng.range_f64(7.0, 10.0) };
                let plot = self.plot(s, length, setback, depth, side);
                if city {
                    house::block(&mut self.mesh, plot, &mut self.rng);
                    s += length + if self.rng.chance(0.15) { 3.0 } else { 0.0 };
                } else {
                    house::cottage(&mut self.mesh, plot, &mut self.rng);
                    s += length + self.rng.range_f64(4.0, 9.0);
                }
            }
            if !city {
                self.front_garden(side);
            }
        }
    }

    fn front_garden(&mut self, side: f64) {
        let spec = &self.site.road.spec;
        let edge = if side > 0.0 { spec.kerb_left_m() } else { spec.kerb_right_m() } + side * (spec.sidewalk_m + 0.4);
        if self.rng.chance(0.65) {
            let (from, to) = (self.s0 + self.rng.range_f64(0.0, 6.0), self.s0 + self.rng.range_f64(14.0, 23.0));
            let (a, b) = (self.at(from, edge), self.at(to, edge));
            props::fence(&mut self.mesh, a, b, &mut self.rng);
        }
        self.trees_within(side, (1.5, 4.5), 2);
    }

    fn garden(&mut self, side: f64) {
        self.trees_within(side, (2.0, 22.0), 6);
    }

    fn open_land(&mut self) {
        for side in [1.0, -1.0] {
            if self.rng.chance(self.site.scenery.buildings as f32) {
                let s = self.s0 + self.rng.range_f64(1.0, 8.0);
                let setback = self.rng.range_f64(12.0, 35.0);
                let plot = self.plot(s, 12.0, setback, 9.0, side);
                house::cottage(&mut self.mesh, plot, &mut self.rng);
            }
            self.trees_within(side, (4.0, 45.0), 8);
        }
    }

    /// Up to `count` trees and bushes between two distances beyond the sidewalk.
    fn trees_within(&mut self, side: f64, band: (f64, f64), count: usize) {
        let spec = &self.site.road.spec;
        let edge = if side > 0.0 { spec.kerb_left_m() } else { spec.kerb_right_m() } + side * spec.sidewalk_m;
        for _ in 0..count {
            let (s, out) = (self.s0 + self.rng.range_f64(0.0, CHUNK_M), self.rng.range_f64(band.0, band.1));
            if !self.rng.chance(self.site.scenery.trees as f32) {
                continue;
            }
            let at = self.at(s, edge + side * out);
            if self.rng.chance(0.3) {
                tree::bush(&mut self.mesh, at, &mut self.rng);
            } else if out > 3.0 || band.1 < 5.0 {
                tree::tree(&mut self.mesh, at, &mut self.rng);
            }
        }
    }

    /// What stands at the edge of the road: lamps, street trees, signs, rails.
    fn roadside(&mut self) {
        let spec = self.site.road.spec.clone();
        for side in [1.0, -1.0] {
            let kerb = if side > 0.0 { spec.kerb_left_m() } else { spec.kerb_right_m() };
            let edge = kerb + side * if spec.sidewalk_m > 0.0 { 0.55 } else { 1.6 };
            let to_road = self.left(self.s0 + 12.0) * -(side as f32);
            let lamp_here = self.site.lamps && ((self.s0 / CHUNK_M) as i64).rem_euclid(2) == i64::from(side > 0.0);
            if lamp_here {
                let at = self.at(self.s0 + LAMP_STATION_M, edge);
                props::street_lamp(&mut self.mesh, at, to_road);
            }
            if spec.style == RoadStyle::Motorway {
                let (a, b) = (self.at(self.s0, kerb + side * 0.6), self.at(self.s0 + CHUNK_M, kerb + side * 0.6));
                props::guard_rail(&mut self.mesh, a, b);
            }
            self.kerbside(side, edge, spec.sidewalk_m);
        }
        self.crossing_lights(&spec.crossings_m);
    }

    fn kerbside(&mut self, side: f64, edge: f64, walk: f64) {
        let furniture = self.site.scenery.furniture as f32;
        let toward = -self.left(self.s0) * (side as f32);
        // Signs face the traffic that drives on their side.
        let ahead = (self.at(self.s0 + 1.0, 0.0) - self.at(self.s0, 0.0)).times(vec3(1.0, 1.0, 0.0)).unit();
        let facing = ahead * (side as f32);
        if self.rng.chance(0.45 * furniture) {
            let s = self.s0 + self.rng.range_f64(1.0, 5.0);
            let at = self.at(s, edge);
            props::sign(&mut self.mesh, at, facing, &mut self.rng);
        }
        if walk > 1.2 && self.rng.chance(0.75 * furniture) {
            let s = self.s0 + self.rng.range_f64(14.0, 19.0);
            let at = self.at(s, edge + side * 0.2);
            props::furniture(&mut self.mesh, at, toward, &mut self.rng);
        }
        if walk > 2.0 {
            for s in [self.s0 + 7.0, self.s0 + 20.5] {
                if self.rng.chance(self.site.scenery.trees as f32 * 0.6) {
                    let at = self.at(s, edge + side * 0.2);
                    tree::tree(&mut self.mesh, at, &mut self.rng);
                }
            }
        }
    }

    fn crossing_lights(&mut self, crossings: &[f64]) {
        for &s in crossings {
            if s < self.s0 || s >= self.s0 + CHUNK_M {
                continue;
            }
            let spec = &self.site.road.spec;
            let (right, left) = (spec.kerb_right_m() - 0.5, spec.kerb_left_m() + 0.5);
            let ahead = (self.at(s + 1.0, 0.0) - self.at(s, 0.0)).unit();
            let (a, b) = (self.at(s - 2.6, right), self.at(s + 2.6, left));
            props::traffic_light(&mut self.mesh, a, -ahead, &mut self.rng);
            props::traffic_light(&mut self.mesh, b, ahead, &mut self.rng);
        }
    }
}

/// Where in its chunk a street lamp stands.
pub(crate) const LAMP_STATION_M: f64 = 10.0;
