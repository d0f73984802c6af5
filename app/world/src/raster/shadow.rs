//! Shadows of the sun: a depth map seen along its rays, over the ground around the vehicle.
//!
//! What falls only where the camera does not look is left out: there the map holds nothing and is not asked.

use crate::math::{Affine, Vec3, least, most, vec3, wide};
use crate::mesh::{Material, Mesh};
use crate::shade::lanes::{Lane, Vec3s, whole};

/// Half the side of the square that has shadows, metres.
const REACH_M: f32 = 56.0;
/// How far ahead of the camera its middle lies.
pub(crate) const AHEAD_M: f32 = 42.0;
/// Surfaces are moved this far along their normal before the test, so that they do not shade themselves.
const OFFSET_M: f32 = 0.09;

/// Cells beyond the camera's field that are drawn all the same: for the neighbours that a lookup blends, and rounding.
const MARGIN_CELLS: f32 = 3.0;

/// Rows drawn together: a row's depths follow one from another, those of several rows do not wait for each other.
const ROWS: usize = 4;

/// Lowers the cells of rows to depths that begin at `depths` and grow by `dx` a cell.
#[inline(always)]
fn lower(mut cells: [&mut [f32]; ROWS], mut depths: [f32; ROWS], dx: f32) {
    let together = cells.iter().map(|row| row.len()).min().unwrap_or(0);
    {
        let [a, b, c, d] = cells.each_mut().map(|row| &mut row[..together]);
        for k in 0..together {
            a[k] = least(a[k], depths[0]);
            b[k] = least(b[k], depths[1]);
            c[k] = least(c[k], depths[2]);
            d[k] = least(d[k], depths[3]);
            depths = depths.map(|depth| depth + dx);
        }
    }
    for (row, mut depth) in cells.into_iter().zip(depths) {
        for cell in &mut row[together..] {
            *cell = least(*cell, depth);
            depth += dx;
        }
    }
}

/// One side of the camera's field as the map sees it: a point's distance beyond it, cells, is `away . p + at`.
#[derive(Debug, Clone, Copy)]
struct Side {
    away: [f32; 2],
    at: f32,
}

impl Side {
    /// How far beyond this side a point of the map lies, cells; negative within the field.
    fn beyond(&self, p: Vec3) -> f32 {
        self.away[0] * p.x + self.away[1] * p.y + self.at
    }
}

wide! {
    /// Draws a mesh that casts shadows.
    fn cast(map: &mut ShadowMap, mesh: &Mesh, world_from_mesh: &Affine, corners: &mut Vec<Vec3>) = ShadowMap::draw;
}

/// The map.
#[derive(Debug, Clone, Default)]
pub(crate) struct ShadowMap {
    side: usize,
    /// Distance along the light of the first surface, metres; infinite where there is none.
    depth: Vec<f32>,
    axes: [Vec3; 3],
    centre: Vec3,
    cells_per_m: f32,
    /// Left and right side of the camera's field; none where it is all around in the map.
    sides: Option<[Side; 2]>,
    /// Whether there is any sun to cast shadows.
    pub(crate) lit: bool,
}

impl ShadowMap {
    /// Starts an empty map of `side` x `side` cells for light from `to_sun`, around `centre` (world, near the camera).
    pub(crate) fn begin(&mut self, side: usize, to_sun: Vec3, centre: Vec3, lit: bool) {
        self.lit = lit;
        if !lit {
            return;
        }
        self.side = side;
        self.depth.clear();
        self.depth.resize(side * side, f32::INFINITY);
        let (u, v) = crate::mesh::build::across(to_sun);
        self.axes = [u, v, -to_sun];
        // Held to the cells' raster so that edges do not crawl as the vehicle moves.
        let cell = self.cell();
        self.cells_per_m = 1.0 / cell;
        let snap = |a: Vec3| crate::math::floor_i32(centre.dot(a) / cell) as f32 * cell;
        self.centre = u * snap(u) + v * snap(v) + to_sun * centre.dot(to_sun);
    }

    /// Leaves out what lies beyond the field of a camera at `eye`, whose corners are seen along `rays` (world). To be
    /// called before anything is drawn.
    pub(crate) fn look(&mut self, eye: Vec3, rays: [Vec3; 4]) {
        self.sides = None;
        if !self.lit {
            return;
        }
        let apex = self.to_map(eye);
        let flat = rays.map(|r| [r.dot(self.axes[0]), r.dot(self.axes[1])]);
        let turn = |a: [f32; 2], b: [f32; 2]| a[0] * b[1] - a[1] * b[0];
        let long = flat.iter().all(|d| d[0] * d[0] + d[1] * d[1] > 1e-4);
        let left = flat.iter().find(|l| flat.iter().all(|d| turn(**l, *d) <= 0.0));
        let right = flat.iter().find(|r| flat.iter().all(|d| turn(**r, *d) >= 0.0));
        let (true, Some(left), Some(right)) = (long, left, right) else { return };
        let margin = MARGIN_CELLS + OFFSET_M / self.cell();
        let side = |d: &[f32; 2], sign: f32| {
            let scale = sign / (d[0] * d[0] + d[1] * d[1]).sqrt();
            let away = [-d[1] * scale, d[0] * scale];
            Side { away, at: -(away[0] * apex.x + away[1] * apex.y) - margin }
        };
        self.sides = Some([side(left, 1.0), side(right, -1.0)]);
    }

    /// Whether something of radius `reach` cells around each of `points` lies wholly beyond one side of the field.
    fn unseen(&self, points: &[Vec3], reach: f32) -> bool {
        let wholly = |side: &Side| points.iter().all(|p| side.beyond(*p) > reach);
        self.sides.as_ref().is_some_and(|sides| sides.iter().any(wholly))
    }

    fn cell(&self) -> f32 {
        2.0 * REACH_M / self.side as f32
    }

    #[inline(always)]
    fn to_map(&self, p: Vec3) -> Vec3 {
        let q = p - self.centre;
        let (scale, half) = (self.cells_per_m, self.side as f32 * 0.5);
        vec3(q.dot(self.axes[0]) * scale + half, q.dot(self.axes[1]) * scale + half, q.dot(self.axes[2]))
    }

    /// Draws a mesh that casts shadows.
    pub(crate) fn add(&mut self, mesh: &Mesh, world_from_mesh: &Affine, corners: &mut Vec<Vec3>) {
        cast(self, mesh, world_from_mesh, corners);
    }

    #[inline(always)]
    fn draw(&mut self, mesh: &Mesh, world_from_mesh: &Affine, corners: &mut Vec<Vec3>) {
        let middle = self.to_map(world_from_mesh.apply(mesh.centre));
        let reach = mesh.radius / self.cell();
        let inside = |m: f32| m > -reach && m < self.side as f32 + reach;
        if !self.lit || !inside(middle.x) || !inside(middle.y) || self.unseen(&[middle], reach) {
            return;
        }
        corners.clear();
        corners.extend(mesh.verts.iter().map(|v| self.to_map(world_from_mesh.apply(v.p))));
        for tri in &mesh.tris {
            if !matches!(tri.material, Material::Road | Material::Sidewalk | Material::Land | Material::Kerb) {
                self.fill_lit(tri.v.map(|i| corners[i as usize]), tri.double);
            }
        }
    }

    /// Draws a triangle if it faces the sun: the first surface of a closed body always does.
    #[inline(always)]
    fn fill_lit(&mut self, v: [Vec3; 3], double: bool) {
        let (e1, e2) = (v[1] - v[0], v[2] - v[0]);
        // The first two axes and the way to the sun are right-handed: a lit face turns counter-clockwise in the map.
        let lit = double || e1.x * e2.y - e2.x * e1.y > 0.0;
        if !lit {
            return;
        }
        let last = self.side as f32;
        let bound = |x: f32| least(most(x + 0.5, 0.0), last) as usize;
        let lowest = |f: fn(Vec3) -> f32| least(least(f(v[0]), f(v[1])), f(v[2]));
        let highest = |f: fn(Vec3) -> f32| most(most(f(v[0]), f(v[1])), f(v[2]));
        let (x0, x1) = (bound(lowest(|p| p.x)), bound(highest(|p| p.x)));
        let (y0, y1) = (bound(lowest(|p| p.y)), bound(highest(|p| p.y)));
        // Every other triangle is too small to hold the middle of a cell.
        if x0 < x1 && y0 < y1 && !self.unseen(&v, 0.0) {
            self.fill(v, [x0, x1], [y0, y1]);
        }
    }

    /// Draws a triangle within its box, row by row from its left to its right edge.
    #[inline(always)]
    fn fill(&mut self, v: [Vec3; 3], [x0, x1]: [usize; 2], [y0, y1]: [usize; 2]) {
        let area = (v[1].x - v[0].x) * (v[2].y - v[0].y) - (v[2].x - v[0].x) * (v[1].y - v[0].y);
        if area.abs() < 1e-6 {
            return;
        }
        let last = self.side as f32;
        let bound = |x: f32| least(most(x + 0.5, 0.0), last) as usize;
        // Depth as a plane over the map.
        let (e1, e2) = (v[1] - v[0], v[2] - v[0]);
        let (dx, dy) = ((e1.z * e2.y - e2.z * e1.y) / area, (e2.z * e1.x - e1.z * e2.x) / area);
        let slopes: [f32; 3] = std::array::from_fn(|k| {
            let (a, b) = (v[k], v[(k + 1) % 3]);
            (b.x - a.x) / (b.y - a.y)
        });
        // Cells of a row and their depth are found for some rows, then drawn together.
        let span = |y: usize| {
            let py = y as f32 + 0.5;
            let (mut left, mut right) = (f32::INFINITY, f32::NEG_INFINITY);
            for k in 0..3 {
                let (a, b) = (v[k], v[(k + 1) % 3]);
                if (a.y <= py) != (b.y <= py) {
                    let x = a.x + (py - a.y) * slopes[k];
                    (left, right) = (least(x, left), most(x, right));
                }
            }
            let (from, to) = (bound(left).max(x0), bound(right).min(x1));
            (from..to.max(from), v[0].z + dy * (py - v[0].y) + dx * (from as f32 + 0.5 - v[0].x))
        };
        let side = self.side;
        for (k, rows) in self.depth[y0 * side..y1 * side].chunks_mut(ROWS * side).enumerate() {
            let mut depths = [0.0f32; ROWS];
            let mut cells: [&mut [f32]; ROWS] = Default::default();
            let lanes = depths.iter_mut().zip(&mut cells);
            for (r, ((depth, cells), row)) in lanes.zip(rows.chunks_exact_mut(side)).enumerate() {
                let (columns, first) = span(y0 + k * ROWS + r);
                (*depth, *cells) = (first, &mut row[columns]);
            }
            lower(cells, depths, dx);
        }
    }

    /// How much of the sun reaches each of the first `len` surface points: 0 to 1, smooth at edges.
    #[inline(always)]
    pub(crate) fn light_on(&self, (points, normals, len): (&Vec3s, &Vec3s, usize), share: &mut Lane) {
        let mut places = Vec3s::ZERO;
        for k in 0..whole(len) {
            places.set(k, self.to_map(points.get(k) + normals.get(k) * OFFSET_M));
        }
        for (k, share) in share.iter_mut().enumerate().take(len) {
            *share = self.light_at(places.get(k));
        }
    }

    /// The same at a place of the map.
    #[inline(always)]
    fn light_at(&self, m: Vec3) -> f32 {
        let (fx, fy) = (m.x - 0.5, m.y - 0.5);
        let (x, y) = (crate::math::floor_i32(fx), crate::math::floor_i32(fy));
        if x < 0 || y < 0 || x as usize + 1 >= self.side || y as usize + 1 >= self.side {
            return 1.0;
        }
        let at = y as usize * self.side + x as usize;
        let limit = m.z - 0.05;
        let lit = |i: usize| if self.depth[i] < limit { 0.0 } else { 1.0 };
        let (u, v) = (fx - x as f32, fy - y as f32);
        let top = lit(at) * (1.0 - u) + lit(at + 1) * u;
        let bottom = lit(at + self.side) * (1.0 - u) + lit(at + self.side + 1) * u;
        top * (1.0 - v) + bottom * v
    }
}
