//! What a shader is given of a surface point and what it says of it.

use super::light::Light;
use crate::math::{Rgb, Vec3, clamp01, least, most};
use crate::mesh::Paint;
use crate::raster::setup::DrawState;
use crate::scenario::RoadSpec;

/// A point of a surface as seen by one pixel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Point<'a> {
    /// In the mesh's own frame, metres.
    pub(crate) local: Vec3,
    /// Normal in the mesh's own frame.
    pub(crate) local_n: Vec3,
    pub(crate) uv: [f32; 2],
    pub(crate) paint: &'a Paint,
    pub(crate) state: DrawState,
    /// Width of the pixel at that distance, metres, seen face on.
    pub(crate) foot: f32,
    /// Cosine between normal and line of sight, at least a little.
    pub(crate) facing: f32,
}

/// What all shaders share in one frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting<'a> {
    pub(crate) light: &'a Light,
    pub(crate) road: &'a RoadSpec,
    pub(crate) seed: u32,
}

/// A surface's answer to light.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer {
    pub(crate) albedo: Rgb,
    /// Strength of the mirror-like part, 0 to 1, before Fresnel.
    pub(crate) gloss: f32,
    /// Light it gives by itself.
    pub(crate) glow: Rgb,
}

impl Answer {
    #[inline(always)]
    pub(crate) fn matt(albedo: Rgb) -> Self {
        Self { albedo, gloss: 0.0, glow: Vec3::ZERO }
    }

    #[inline(always)]
    pub(crate) fn shiny(albedo: Rgb, gloss: f32) -> Self {
        Self { albedo, gloss, glow: Vec3::ZERO }
    }
}

/// Share of a pixel of width `foot` around `x` that lies within `half` of `centre`.
#[inline(always)]
pub(crate) fn cover(x: f32, centre: f32, half: f32, foot: f32) -> f32 {
    let (low, high) = (most(x - foot * 0.5, centre - half), least(x + foot * 0.5, centre + half));
    clamp01((high - low) / most(foot, 1e-6))
}

/// How much of a detail of the given size a pixel of width `foot` still shows, 1 to 0.
#[inline(always)]
pub(crate) fn detail(size: f32, foot: f32) -> f32 {
    clamp01(1.6 - foot / size * 1.6)
}
