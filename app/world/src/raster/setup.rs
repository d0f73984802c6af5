//! From meshes to triangles ready for coverage tests, culled against the camera's field.
//!
//! A triangle (v0, v1, v2) in the optical frame is seen along the ray d = (x, y, 1) where the three products
//! e_i . d, with e_0 = v1 x v2 / det and so on, are all positive; their sum is 1/z (2D homogeneous rasterisation,
//! Olano and Greer 1997). No clipping is needed and rays may be bent in any way.

use super::lens::{Field, Lens};
use crate::math::{Affine, Vec3, least, most, vec3, wide};
use crate::mesh::{Mesh, Tri};

/// Nearer than this nothing is drawn.
pub(crate) const NEAR_M: f32 = 0.12;

/// One mesh to draw.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Draw<'a> {
    pub(crate) mesh: &'a Mesh,
    /// Optical frame from the mesh's own.
    pub(crate) optical_from_mesh: Affine,
    /// World (relative to the frame's anchor, see the scene) from the mesh's own.
    pub(crate) world_from_mesh: Affine,
    /// Velocity relative to the camera's place, optical axes, for motion blur.
    pub(crate) drift: Vec3,
    /// Instance id of part 0, 0 for the standing world; part 1 has the next one.
    pub(crate) instance: u32,
    /// Class of part 0 and of part 1, for the class mask; unused for the standing world.
    pub(crate) classes: [u8; 2],
    pub(crate) state: DrawState,
}

/// What changes a mesh's looks from frame to frame.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct DrawState {
    /// Head and tail lamps are lit.
    pub(crate) lights: bool,
    /// Brake lamps are lit.
    pub(crate) brakes: bool,
    /// Indicator: 1 left, -1 right, 0 none.
    pub(crate) indicator: i8,
    /// Angle of the wheels, rad.
    pub(crate) roll: f32,
}

/// A triangle ready for coverage tests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ready {
    pub(crate) e: [Vec3; 3],
    /// Columns and rows, half-open.
    pub(crate) x: [u16; 2],
    pub(crate) y: [u16; 2],
    pub(crate) draw: u32,
    pub(crate) tri: u32,
}

impl Ready {
    /// Sum of the three edges: 1/z along (x, y, 1).
    #[inline(always)]
    pub(crate) fn plane(&self) -> Vec3 {
        self.e[0] + self.e[1] + self.e[2]
    }
}

/// Whether a sphere (optical frame) can be in the picture.
pub(crate) fn sphere_visible(lens_field: &Field, centre: Vec3, radius: f32, far_m: f32) -> bool {
    let (low, high) = lens_field;
    if centre.z + radius < NEAR_M || centre.norm() - radius > far_m {
        return false;
    }
    let outside =
        |along: f32, bound: f32, sign: f32| sign * (along - bound * centre.z) > radius * (1.0 + bound * bound).sqrt();
    !(outside(centre.x, high[0], 1.0)
        || outside(centre.x, low[0], -1.0)
        || outside(centre.y, high[1], 1.0)
        || outside(centre.y, low[1], -1.0))
}

/// A vertex as the camera sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Corner {
    /// In the optical frame.
    p: Vec3,
    /// Its ray, of use where it lies beyond the near plane.
    ray: [f32; 2],
}

wide! {
    /// Makes a draw's triangles ready, in the mesh's order. `corners` is scratch for transformed vertices.
    pub(crate) fn prepare(lens: &Lens, draw: &Draw<'_>, index: u32, corners: &mut Vec<Corner>, out: &mut Vec<Ready>) = prepare_all;
}

#[inline(always)]
fn prepare_all(lens: &Lens, draw: &Draw<'_>, index: u32, corners: &mut Vec<Corner>, out: &mut Vec<Ready>) {
    out.clear();
    corners.clear();
    corners.extend(draw.mesh.verts.iter().map(|v| {
        let p = draw.optical_from_mesh.apply(v.p);
        Corner { p, ray: [p.x / p.z, p.y / p.z] }
    }));
    let field = lens.field();
    for (i, tri) in draw.mesh.tris.iter().enumerate() {
        let v = [&corners[tri.v[0] as usize], &corners[tri.v[1] as usize], &corners[tri.v[2] as usize]];
        if let Some(ready) = ready((lens, &field), tri, v) {
            out.push(Ready { draw: index, tri: i as u32, ..ready });
        }
    }
}

#[inline(always)]
fn ready((lens, field): (&Lens, &Field), tri: &Tri, corners: [&Corner; 3]) -> Option<Ready> {
    let (low, high) = ray_bounds(corners)?;
    let (least, most) = field;
    if high[0] < least[0] || high[1] < least[1] || low[0] > most[0] || low[1] > most[1] {
        return None;
    }
    let v = corners.map(|c| c.p);
    let e = [v[1].cross(v[2]), v[2].cross(v[0]), v[0].cross(v[1])];
    let det = v[0].dot(e[0]);
    // Seen from outside the determinant is negative (the normal looks back at the camera).
    if det >= 0.0 && !tri.double || det.abs() < 1e-12 {
        return None;
    }
    let [x0, x1, y0, y1] = lens.pixels(low, high);
    if x0 >= x1 || y0 >= y1 {
        return None;
    }
    let scale = 1.0 / det;
    let (x, y) = ([x0 as u16, x1 as u16], [y0 as u16, y1 as u16]);
    Some(Ready { e: [e[0] * scale, e[1] * scale, e[2] * scale], x, y, draw: 0, tri: 0 })
}

/// Box around the rays to a triangle's part beyond the near plane; `None` where there is none.
#[inline(always)]
fn ray_bounds(corners: [&Corner; 3]) -> Option<Field> {
    if corners.iter().all(|c| c.p.z >= NEAR_M) {
        let [a, b, c] = corners.map(|c| c.ray);
        let low = [least(least(a[0], b[0]), c[0]), least(least(a[1], b[1]), c[1])];
        return Some((low, [most(most(a[0], b[0]), c[0]), most(most(a[1], b[1]), c[1])]));
    }
    cut_bounds(&corners.map(|c| c.p))
}

/// The same where the near plane may cut the triangle.
#[cold]
fn cut_bounds(v: &[Vec3; 3]) -> Option<Field> {
    let (mut low, mut high) = ([f32::INFINITY; 2], [f32::NEG_INFINITY; 2]);
    let mut add = |p: Vec3| {
        let (x, y) = (p.x / p.z, p.y / p.z);
        low = [low[0].min(x), low[1].min(y)];
        high = [high[0].max(x), high[1].max(y)];
    };
    for i in 0..3 {
        let (a, b) = (v[i], v[(i + 1) % 3]);
        if a.z >= NEAR_M {
            add(a);
        }
        if (a.z >= NEAR_M) != (b.z >= NEAR_M) {
            let t = (NEAR_M - a.z) / (b.z - a.z);
            let cut = a.mix(b, t);
            add(vec3(cut.x, cut.y, NEAR_M));
        }
    }
    (low[0] <= high[0]).then_some((low, high))
}
