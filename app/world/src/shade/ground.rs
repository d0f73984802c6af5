//! Sidewalk, kerb and land; snow and wet on them and on the road. Texture coordinates: station, offset.

use super::road::tracks;
use super::surface::{Answer, Point, Setting, cover, detail};
use crate::math::{Rgb, Vec3, fbm2, fract, hash2, lerp, noise2, smoothstep, unit, vec3};
use crate::mesh::{Material, Paint};

/// Shades a ground material other than the road.
#[inline(always)]
pub(crate) fn ground(material: Material, p: &Point<'_>, at: &Setting<'_>) -> Answer {
    let answer = match material {
        Material::Sidewalk => sidewalk(p, at),
        Material::Kerb => Answer::matt(Vec3::splat(0.30 + 0.1 * noise2(p.uv[0] * 1.1, 0.0, at.seed))),
        _ => land(p, at),
    };
    weathered(material, p.uv, at, answer)
}

/// What rain and snow make of the ground.
#[inline(always)]
pub(crate) fn weathered(material: Material, [s, d]: [f32; 2], at: &Setting<'_>, answer: Answer) -> Answer {
    let mut out = answer;
    if at.light.wet > 0.0 {
        let puddle = smoothstep(0.52, 0.66, fbm2(s * 0.16, d * 0.35, 2, at.seed ^ 77));
        let hard = material != Material::Land;
        out.albedo = out.albedo * lerp(1.0, 0.58, at.light.wet);
        out.gloss = if hard { at.light.wet * lerp(0.35, 0.95, puddle) } else { 0.1 };
    }
    if at.light.snow > 0.0 {
        let lane = at.road.lane_width_m as f32;
        let track = if material == Material::Road { tracks(d, lane) } else { 0.0 };
        let patch = fbm2(s * 0.35, d * 0.5, 2, at.seed ^ 99);
        let cover = smoothstep(0.15, 0.5, at.light.snow * (0.55 + patch) - 0.85 * track - 0.12);
        let white = Vec3::splat(0.78) - vec3(0.05, 0.03, 0.0) * patch;
        out.albedo = out.albedo.mix(white, cover);
        out.gloss *= 1.0 - cover;
    }
    out
}

#[inline(always)]
fn sidewalk(p: &Point<'_>, at: &Setting<'_>) -> Answer {
    let [s, d] = p.uv;
    let along = p.foot / p.facing;
    let size = if at.seed & 64 == 0 { 0.5 } else { 0.8 };
    let (i, j) = (crate::math::floor_i32(s / size), crate::math::floor_i32(d / size));
    let tile = unit(hash2(i, j, at.seed)) - 0.5;
    let shown = detail(size, along);
    let base = lerp(0.20, 0.34, unit(crate::math::hash::mix32(at.seed ^ 11)));
    let mut grey = base * (0.88 + 0.24 * fbm2(s * 0.5, d * 0.5, 2, at.seed ^ 12)) * (1.0 + 0.16 * tile * shown);
    let seam = cover(fract(s / size), 0.0, 0.02, along / size).max(cover(fract(d / size), 0.0, 0.02, p.foot / size));
    grey *= 1.0 - 0.35 * seam * shown;
    Answer::matt(vec3(grey * 1.03, grey, grey * 0.95))
}

#[inline(always)]
fn land(p: &Point<'_>, at: &Setting<'_>) -> Answer {
    let [s, d] = p.uv;
    let along = p.foot / p.facing;
    let patch = fbm2(s * 0.11, d * 0.11, 3, at.seed ^ 51);
    let dry = unit(crate::math::hash::mix32(at.seed ^ 53));
    let lush: Rgb = vec3(0.055, 0.105, 0.025).mix(vec3(0.13, 0.135, 0.05), dry);
    let earth = vec3(0.16, 0.12, 0.075);
    let mut colour = lush.mix(earth, smoothstep(0.52, 0.75, patch));
    let blades = detail(0.12, along * 0.4);
    colour = colour * (0.75 + 0.5 * noise2(s * 1.7, d * 1.7, at.seed ^ 55));
    if blades > 0.0 {
        colour = colour * (1.0 + 0.7 * blades * (noise2(s * 11.0, d * 17.0, at.seed ^ 57) - 0.5));
    }
    Answer::matt(colour)
}

/// Paint of tiled roofs and other upward faces turns white under snow.
pub(crate) fn snow_on(answer: Answer, n_up: f32, at: &Setting<'_>) -> Answer {
    let cover = at.light.snow * smoothstep(0.45, 0.8, n_up);
    Answer { albedo: answer.albedo.mix(Vec3::splat(0.8), cover), gloss: answer.gloss * (1.0 - cover), ..answer }
}

/// Plain tiles or gravel of a roof.
pub(crate) fn roof(p: &Point<'_>, paint: &Paint) -> Answer {
    let rows = if paint.kind == 1 { 0.9 + 0.25 * fract(p.uv[1] * 3.2) } else { 1.0 };
    let shown = detail(0.3, p.foot / p.facing);
    let n = noise2(p.uv[0] * 2.0, p.uv[1] * 2.0, paint.seed);
    Answer::matt(paint.base * (lerp(1.0, rows, shown) * (0.85 + 0.3 * n)))
}
