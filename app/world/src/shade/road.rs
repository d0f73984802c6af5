//! The road: asphalt, its wear and its markings, for a run of places side by side. Texture coordinates: station, offset.
//!
//! Every loop over lanes is free of branches, so that it vectorises; what no lane of a run shows is left out as a whole.
#![expect(clippy::needless_range_loop, reason = "a lane is the same place of many arrays")]

use super::ground::weathered;
use super::lanes::{LANES, Lane, Vec3s, whole};
use super::surface::{Answer, Setting, cover, detail};
use crate::math::hash::mix32;
use crate::math::{Vec3, fbm2, floor_i32, fract, hash2, least, lerp, most, noise2, smoothstep, unit, vec3};
use crate::mesh::Material;
use crate::scenario::{RoadSpec, RoadStyle};

/// Length of a zebra crossing's bars along the road.
const ZEBRA_M: f32 = 3.6;
/// Nothing of a crossing is farther from its middle, along the road.
const CROSSING_REACH_M: f32 = 9.0;

/// Places of the road.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    /// How many there are.
    pub(crate) len: usize,
    /// Station and offset.
    s: Lane,
    d: Lane,
    /// Size of a pixel along and across the road.
    along: Lane,
    foot: Lane,
}

impl Places {
    /// Room for a run.
    pub(crate) fn new() -> Self {
        Self { len: 0, s: [0.0; LANES], d: [0.0; LANES], along: [1.0; LANES], foot: [1.0; LANES] }
    }

    /// Adds a place; there must be room.
    #[inline(always)]
    pub(crate) fn push(&mut self, [s, d]: [f32; 2], foot: f32, facing: f32) {
        let k = self.len;
        self.len += 1;
        (self.s[k], self.d[k]) = (s, d);
        (self.along[k], self.foot[k]) = (foot / facing, foot);
    }

    /// The road's answer at a place of this own colour.
    #[inline(always)]
    pub(crate) fn answer(&self, k: usize, at: &Setting<'_>, albedo: Vec3) -> Answer {
        weathered(Material::Road, [self.s[k], self.d[k]], at, Answer::shiny(albedo, 0.03))
    }

    /// The road's own colour at each place.
    #[inline(always)]
    pub(crate) fn albedo(&self, at: &Setting<'_>, albedo: &mut Vec3s) {
        let grey = self.grey(at.seed, at.road.lane_width_m as f32);
        let paint = self.markings(at.road, at.seed);
        let warm = lerp(0.94, 1.04, unit(mix32(at.seed ^ 3)));
        let yellowish = at.seed.is_multiple_of(5);
        for k in 0..whole(self.len) {
            let (s, d, grey) = (self.s[k], self.d[k], grey[k]);
            let asphalt = vec3(grey * warm, grey, grey * (2.0 - warm) * 1.02);
            let worn = 0.70 + 0.3 * smoothstep(0.2, 0.5, noise2(s * 2.3, d * 5.0, at.seed ^ 21));
            let yellow = yellowish & (d.abs() < 0.3);
            let white = if yellow { vec3(0.62, 0.44, 0.07) } else { Vec3::splat(0.66) };
            albedo.set(k, asphalt.mix(white, paint[k] * worn));
        }
    }

    /// Brightness of the asphalt.
    #[inline(always)]
    fn grey(&self, seed: u32, lane: f32) -> Lane {
        let tone = lerp(0.075, 0.15, unit(mix32(seed)));
        let (mut greys, mut fines, mut cracks) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
        for k in 0..whole(self.len) {
            let (s, d) = (self.s[k], self.d[k]);
            let grey = tone * (0.82 + 0.36 * fbm2(s * 0.21, d * 0.55, 2, seed));
            greys[k] = grey * (1.0 - 0.14 * tracks(d, lane));
            fines[k] = detail(0.06, least(self.along[k], self.foot[k] * 3.0));
            cracks[k] = detail(0.10, self.along[k] * 0.5);
        }
        if shows(&fines[..self.len]) {
            for k in 0..whole(self.len) {
                let fine = noise2(self.s[k] * 23.0, self.d[k] * 23.0, seed ^ 5);
                greys[k] *= 1.0 + fines[k] * 0.35 * (fine - 0.5);
            }
        }
        let mut wear = [1.0; LANES];
        for k in 0..whole(self.len) {
            wear[k] = patched(self.s[k], self.d[k], self.along[k], seed);
        }
        if shows(&cracks[..self.len]) {
            for k in 0..whole(self.len) {
                wear[k] *= cracked(self.s[k], self.d[k], cracks[k], seed);
            }
        }
        for k in 0..whole(self.len) {
            greys[k] *= wear[k];
        }
        greys
    }

    /// Share of painted line.
    #[inline(always)]
    fn markings(&self, spec: &RoadSpec, seed: u32) -> Lane {
        let lane = spec.lane_width_m as f32;
        let edges = (spec.lanes_right_m() as f32, spec.lanes_left_m() as f32);
        let (right, left) = edges;
        let wide = spec.style == RoadStyle::Motorway;
        let mut paint = [0.0; LANES];
        for k in 1..spec.lanes_forward.max(spec.lanes_backward) {
            for line in [-(k as f32) * lane, k as f32 * lane] {
                if line > right && line < left {
                    self.line(&mut paint, (line, 0.07), Some(if wide { (6.0, 18.0) } else { (3.0, 9.0) }));
                }
            }
        }
        if spec.lanes_backward > 0 && spec.lanes_forward > 0 {
            let solid = seed % 3 == 1 && spec.style == RoadStyle::City;
            self.line(&mut paint, (0.0, 0.07), (!solid).then_some((3.0, 7.5)));
        }
        let edged = !matches!(spec.style, RoadStyle::City | RoadStyle::Suburb);
        for (edge, parking, side) in [(right, spec.parking_right, -1.0), (left, spec.parking_left, 1.0)] {
            if edged {
                self.line(&mut paint, (edge, if wide { 0.10 } else { 0.07 }), None);
            }
            if parking {
                self.parking(&mut paint, edge, side);
            }
        }
        for &crossing in &spec.crossings_m {
            self.crossing(&mut paint, crossing as f32, edges);
        }
        paint
    }

    /// A line along the road: its offset and half its width; painted and repeated over these lengths if dashed.
    #[inline(always)]
    fn line(&self, paint: &mut Lane, (offset, half): (f32, f32), dashed: Option<(f32, f32)>) {
        for k in 0..whole(self.len) {
            let across = cover(self.d[k], offset, half, self.foot[k]);
            let share = if let Some((on, period)) = dashed { dash(self.s[k], self.along[k], on, period) } else { 1.0 };
            paint[k] = most(across * share, paint[k]);
        }
    }

    /// The line beside parked cars and those between them.
    #[inline(always)]
    fn parking(&self, paint: &mut Lane, edge: f32, side: f32) {
        for k in 0..whole(self.len) {
            let (d, foot, along) = (self.d[k], self.foot[k], self.along[k]);
            let line = cover(d, edge, 0.05, foot) * 0.9;
            let across = cover(d, edge + side * 1.0, 1.0, foot);
            let x = fract(self.s[k] / 6.4) * 6.4;
            paint[k] = most(across * cover(x, 3.2, 0.05, least(along, 6.4)) * 0.9, most(line, paint[k]));
        }
    }

    /// A zebra crossing and its stop lines.
    #[inline(always)]
    fn crossing(&self, paint: &mut Lane, middle: f32, edges: (f32, f32)) {
        if self.s[..self.len].iter().all(|s| (s - middle).abs() > CROSSING_REACH_M) {
            return;
        }
        for k in 0..whole(self.len) {
            let (s, d, foot, along) = (self.s[k] - middle, self.d[k], self.foot[k], self.along[k]);
            let there = (s.abs() <= CROSSING_REACH_M) & (d >= edges.0) & (d <= edges.1);
            let bars = cover(fract(d) - 0.5, 0.0, 0.25, least(foot, 1.0)) * cover(s, 0.0, ZEBRA_M * 0.5, along);
            let stop = cover(s, if d < 0.0 { -ZEBRA_M * 0.5 - 1.4 } else { ZEBRA_M * 0.5 + 1.4 }, 0.2, along);
            paint[k] = if there { most(most(bars, stop), paint[k]) } else { paint[k] };
        }
    }
}

/// Whether any lane shows a detail.
fn shows(shares: &[f32]) -> bool {
    shares.iter().any(|share| *share > 0.0)
}

/// How much wheels run at an offset across the road, 0 to 1.
#[inline(always)]
pub(crate) fn tracks(d: f32, lane: f32) -> f32 {
    let across = (fract(d / lane) - 0.5) * lane;
    let wheel = across.abs() - 0.78;
    most(1.0 - wheel * wheel / 0.16, 0.0)
}

/// Mended patches and manholes: what is left of the brightness.
#[inline(always)]
fn patched(s: f32, d: f32, along: f32, seed: u32) -> f32 {
    let h = hash2(floor_i32(s / 9.0), floor_i32(d / 2.1), seed ^ 31);
    let (x, y) = (fract(s / 9.0) * 9.0, fract(d / 2.1) * 2.1);
    let (x0, y0) = (1.0 + 3.0 * unit(h.wrapping_mul(3)), 0.2);
    let patch = cover(x, x0 + 1.6, 1.6, along) * cover(y, y0 + 0.8, 0.8, 0.03);
    let (x, y) = (x - 4.5, y - 1.05);
    let r = (x * x + y * y).sqrt();
    let manhole = 0.45 * smoothstep(0.36, 0.32, r) * detail(0.7, along);
    let else_dark = if unit(h) > 0.975 { manhole } else { 0.0 };
    1.0 - if unit(h) < 0.10 { 0.32 * patch } else { else_dark }
}

/// The same of cracks, of which `shown` is seen.
#[inline(always)]
fn cracked(s: f32, d: f32, shown: f32, seed: u32) -> f32 {
    let n = noise2(s * 0.5, d * 1.1, seed ^ 41) + 0.25 * noise2(s * 3.0, d * 3.0, seed ^ 43);
    let line = smoothstep(0.012, 0.0, (n - 0.62).abs());
    1.0 - 0.28 * shown * line * smoothstep(0.45, 0.7, noise2(s * 0.09, d * 0.2, seed ^ 47))
}

/// Share of a dashed line that is painted: `on` metres of every `period`.
#[inline(always)]
fn dash(s: f32, along: f32, on: f32, period: f32) -> f32 {
    let x = fract(s / period) * period;
    let share = cover(x, on * 0.5, on * 0.5, least(along, period));
    // Far away dashes blend into a grey line.
    lerp(on / period, share, detail(period, along * 0.7))
}
