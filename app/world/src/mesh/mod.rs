//! Triangle meshes of everything in the world, with what each triangle is made of.
//!
//! Local frames: x forward, y left, z up, metres; front faces are counter-clockwise seen from outside.

pub(crate) mod build;
pub(crate) mod car;
pub(crate) mod chunk;
pub(crate) mod cycle;
pub(crate) mod house;
pub(crate) mod lorry;
pub(crate) mod person;
pub(crate) mod props;
pub(crate) mod things;
pub(crate) mod tree;

use crate::math::{Rgb, Vec3};

/// What a triangle is made of: chooses its shader and its semantic class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Material {
    /// uv: station, offset.
    Road,
    Sidewalk,
    Kerb,
    /// uv: station, offset.
    Land,
    /// uv: metres along and up a wall.
    Facade,
    Roof,
    /// Plain wall: plaster, concrete or brick by the paint's kind.
    Wall,
    CarBody,
    /// uv: along the car (-0.5..0.5), up the window (0..1).
    CarGlass,
    /// uv: polar on the disc, (-1..1) each.
    Wheel,
    /// Side wall of a bus or the box of a truck.
    Panel,
    Cloth,
    Skin,
    Hair,
    Bark,
    Leaf,
    Metal,
    Wood,
    Cardboard,
    /// uv: 0..1 on the board.
    Sign,
    /// Striped rubber or plastic: cones, bollards.
    Striped,
    /// Glows at night.
    Lamp,
    Plastic,
}

/// Colours and parameters of a surface; what they mean depends on the material.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Paint {
    pub(crate) base: Rgb,
    pub(crate) accent: Rgb,
    pub(crate) seed: u32,
    pub(crate) kind: u8,
    pub(crate) p: [f32; 4],
}

impl Paint {
    pub(crate) fn plain(base: Rgb, seed: u32) -> Self {
        Self { base, accent: base * 0.6, seed, kind: 0, p: [0.0; 4] }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Vertex {
    pub(crate) p: Vec3,
    pub(crate) n: Vec3,
    pub(crate) uv: [f32; 2],
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Tri {
    pub(crate) v: [u32; 3],
    pub(crate) material: Material,
    pub(crate) paint: u16,
    /// Seen from both sides.
    pub(crate) double: bool,
    /// Which of the actor's objects it belongs to: 0 the thing itself, 1 its rider.
    pub(crate) part: u8,
}

/// A mesh in its own frame.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mesh {
    pub(crate) verts: Vec<Vertex>,
    pub(crate) tris: Vec<Tri>,
    pub(crate) paints: Vec<Paint>,
    /// Middle and radius of a sphere around all vertices, see [`Mesh::finish`].
    pub(crate) centre: Vec3,
    pub(crate) radius: f32,
    /// Smallest and largest coordinates of the triangles of each part; zero where it has none.
    pub(crate) parts: [(Vec3, Vec3); 2],
}

impl Mesh {
    /// Computes the bounding sphere and the parts' bounds; call once when all is built.
    pub(crate) fn finish(mut self) -> Self {
        self.parts = [0, 1].map(|part| self.part_bounds(part));
        let (low, high) = self.bounds();
        self.centre = (low + high) * 0.5;
        self.radius = self.verts.iter().map(|v| (v.p - self.centre).norm()).fold(0.0, f32::max);
        self
    }

    /// Smallest and largest coordinates.
    pub(crate) fn bounds(&self) -> (Vec3, Vec3) {
        let start = self.verts.first().map_or(Vec3::ZERO, |v| v.p);
        self.verts.iter().fold((start, start), |(low, high), v| (low.min(v.p), high.max(v.p)))
    }

    fn part_bounds(&self, part: u8) -> (Vec3, Vec3) {
        let corners = self.tris.iter().filter(|t| t.part == part).flat_map(|t| self.corners(t));
        let start = (Vec3::splat(f32::INFINITY), Vec3::splat(f32::NEG_INFINITY));
        let (low, high) = corners.fold(start, |(low, high), p| (low.min(p), high.max(p)));
        if low.x <= high.x { (low, high) } else { (Vec3::ZERO, Vec3::ZERO) }
    }

    /// Corners of a triangle.
    #[inline(always)]
    pub(crate) fn corners(&self, tri: &Tri) -> [Vec3; 3] {
        [self.verts[tri.v[0] as usize].p, self.verts[tri.v[1] as usize].p, self.verts[tri.v[2] as usize].p]
    }
}
