//! Road with markings and wear, sidewalk, kerb, land; snow and wet on them. Texture coordinates: station, offset.

use super::surface::{Answer, Point, Setting, cover, detail};
use crate::math::{Rgb, Vec3, fbm2, fract, hash2, lerp, noise2, smoothstep, unit, vec3};
use crate::mesh::{Material, Paint};
use crate::scenario::{RoadSpec, RoadStyle};

/// Length of a zebra crossing's bars along the road.
const ZEBRA_M: f32 = 3.6;

/// Shades a ground material.
#[inline(always)]
pub(crate) fn ground(material: Material, p: &Point<'_>, at: &Setting<'_>) -> Answer {
    let answer = match material {
        Material::Road => road(p, at),
        Material::Sidewalk => sidewalk(p, at),
        Material::Kerb => Answer::matt(Vec3::splat(0.30 + 0.1 * noise2(p.uv[0] * 1.1, 0.0, at.seed))),
        _ => land(p, at),
    };
    weathered(material, p, at, answer)
}

#[inline(always)]
fn weathered(material: Material, p: &Point<'_>, at: &Setting<'_>, answer: Answer) -> Answer {
    let [s, d] = p.uv;
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

/// How much wheels run at an offset across the road, 0 to 1.
#[inline(always)]
fn tracks(d: f32, lane: f32) -> f32 {
    let across = (fract(d / lane) - 0.5) * lane;
    let wheel = across.abs() - 0.78;
    (1.0 - wheel * wheel / 0.16).max(0.0)
}

#[inline(always)]
fn road(p: &Point<'_>, at: &Setting<'_>) -> Answer {
    let [s, d] = p.uv;
    let spec = at.road;
    let lane = spec.lane_width_m as f32;
    let tone = unit(crate::math::hash::mix32(at.seed));
    let along = p.foot / p.facing;
    let mut grey = lerp(0.075, 0.15, tone);
    grey *= 0.82 + 0.36 * fbm2(s * 0.21, d * 0.55, 2, at.seed);
    grey *= 1.0 - 0.14 * tracks(d, lane);
    let fine = detail(0.06, along.min(p.foot * 3.0));
    if fine > 0.0 {
        grey *= 1.0 + fine * 0.35 * (noise2(s * 23.0, d * 23.0, at.seed ^ 5) - 0.5);
    }
    grey *= wear(s, d, along, at.seed);
    let warm = lerp(0.94, 1.04, unit(crate::math::hash::mix32(at.seed ^ 3)));
    let asphalt = vec3(grey * warm, grey, grey * (2.0 - warm) * 1.02);
    let paint = markings(s, d, (along, p.foot), spec, at.seed);
    if paint <= 0.0 {
        return Answer::shiny(asphalt, 0.03);
    }
    let worn = 0.70 + 0.3 * smoothstep(0.2, 0.5, noise2(s * 2.3, d * 5.0, at.seed ^ 21));
    let yellow = at.seed.is_multiple_of(5) && d.abs() < 0.3;
    let white = if yellow { vec3(0.62, 0.44, 0.07) } else { Vec3::splat(0.66) };
    Answer::shiny(asphalt.mix(white, paint * worn), 0.03)
}

/// Patches, cracks and manholes.
#[inline(always)]
fn wear(s: f32, d: f32, along: f32, seed: u32) -> f32 {
    let mut factor = 1.0;
    let (ci, cj) = (crate::math::floor_i32(s / 9.0), crate::math::floor_i32(d / 2.1));
    let h = hash2(ci, cj, seed ^ 31);
    if unit(h) < 0.10 {
        let (x, y) = (fract(s / 9.0) * 9.0, fract(d / 2.1) * 2.1);
        let (x0, y0) = (1.0 + 3.0 * unit(h.wrapping_mul(3)), 0.2);
        let inside = cover(x, x0 + 1.6, 1.6, along) * cover(y, y0 + 0.8, 0.8, 0.03);
        factor *= 1.0 - 0.32 * inside;
    } else if unit(h) > 0.975 {
        let (x, y) = (fract(s / 9.0) * 9.0 - 4.5, fract(d / 2.1) * 2.1 - 1.05);
        let r = (x * x + y * y).sqrt();
        factor *= 1.0 - 0.45 * smoothstep(0.36, 0.32, r) * detail(0.7, along);
    }
    let crack = detail(0.10, along * 0.5);
    if crack > 0.0 {
        let n = noise2(s * 0.5, d * 1.1, seed ^ 41) + 0.25 * noise2(s * 3.0, d * 3.0, seed ^ 43);
        let line = smoothstep(0.012, 0.0, (n - 0.62).abs());
        if line > 0.0 {
            factor *= 1.0 - 0.28 * crack * line * smoothstep(0.45, 0.7, noise2(s * 0.09, d * 0.2, seed ^ 47));
        }
    }
    factor
}

/// Share of painted line at a place; `foot`: pixel size along and across the road.
#[inline(always)]
fn markings(s: f32, d: f32, foot: (f32, f32), spec: &RoadSpec, seed: u32) -> f32 {
    let lane = spec.lane_width_m as f32;
    let (right, left) = (spec.lanes_right_m() as f32, spec.lanes_left_m() as f32);
    let mut paint = 0.0f32;
    let dash = |on: f32, period: f32| {
        let x = fract(s / period) * period;
        let share = cover(x, on * 0.5, on * 0.5, foot.0.min(period));
        // Far away dashes blend into a grey line.
        lerp(on / period, share, detail(period, foot.0 * 0.7))
    };
    let wide = spec.style == RoadStyle::Motorway;
    for k in 1..spec.lanes_forward.max(spec.lanes_backward) {
        for line in [-(k as f32) * lane, k as f32 * lane] {
            if line > right && line < left {
                paint = paint.max(cover(d, line, 0.07, foot.1) * if wide { dash(6.0, 18.0) } else { dash(3.0, 9.0) });
            }
        }
    }
    if spec.lanes_backward > 0 && spec.lanes_forward > 0 {
        let solid = seed % 3 == 1 && spec.style == RoadStyle::City;
        paint = paint.max(cover(d, 0.0, 0.07, foot.1) * if solid { 1.0 } else { dash(3.0, 7.5) });
    }
    let edged = !matches!(spec.style, RoadStyle::City | RoadStyle::Suburb);
    for (edge, parking, side) in [(right, spec.parking_right, -1.0), (left, spec.parking_left, 1.0)] {
        if edged {
            paint = paint.max(cover(d, edge, if wide { 0.10 } else { 0.07 }, foot.1));
        }
        if parking {
            paint = paint.max(cover(d, edge, 0.05, foot.1) * 0.9);
            let across = cover(d, edge + side * 1.0, 1.0, foot.1);
            let x = fract(s / 6.4) * 6.4;
            paint = paint.max(across * cover(x, 3.2, 0.05, foot.0.min(6.4)) * 0.9);
        }
    }
    for &crossing in &spec.crossings_m {
        paint = paint.max(zebra(s - crossing as f32, d, foot, (right, left)));
    }
    paint
}

#[inline(always)]
fn zebra(s: f32, d: f32, foot: (f32, f32), edges: (f32, f32)) -> f32 {
    if s.abs() > 9.0 || d < edges.0 || d > edges.1 {
        return 0.0;
    }
    let bars = cover(fract(d) - 0.5, 0.0, 0.25, foot.1.min(1.0)) * cover(s, 0.0, ZEBRA_M * 0.5, foot.0);
    let stop = |line: f32| cover(s, line, 0.2, foot.0);
    let stop_line = if d < 0.0 { stop(-ZEBRA_M * 0.5 - 1.4) } else { stop(ZEBRA_M * 0.5 + 1.4) };
    bars.max(stop_line)
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
