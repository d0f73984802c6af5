//! Cloth, skin, leaves, bark, wood, metal, signs, lamps.

use super::surface::{Answer, Point, Setting, cover, detail};
use crate::math::{Vec3, fbm2, floor_i32, fract, hash2, noise2, noise3, smoothstep, unit, vec3};

/// Clothes. `kind`: 3 stripes around, 4 stripes down, 5 check, else plain; uv: around, along.
pub(crate) fn cloth(p: &Point<'_>) -> Answer {
    let paint = p.paint;
    let (around, along) = (fract(p.uv[0] * 12.0) < 0.5, fract(p.uv[1] * 7.0) < 0.5);
    let patterned = match paint.kind {
        3 => along,
        4 => around,
        5 => around ^ along,
        _ => false,
    };
    let colour = if patterned { paint.base.mix(paint.accent, detail(0.08, p.foot).max(0.4)) } else { paint.base };
    let folds = 0.8 + 0.4 * noise3(p.local * 9.0, paint.seed);
    Answer::matt(colour * folds)
}

pub(crate) fn leaf(p: &Point<'_>) -> Answer {
    let paint = p.paint;
    let clump = noise3(p.local * 2.2, paint.seed);
    let shown = detail(0.25, p.foot);
    let fine = noise3(p.local * 7.5, paint.seed ^ 1);
    let shade = 0.45 + 0.75 * clump + 0.75 * (fine - 0.5) * shown;
    let gaps = 1.0 - 0.55 * smoothstep(0.62, 0.75, fine) * shown;
    Answer::matt(paint.base * (shade * gaps))
}

pub(crate) fn bark(p: &Point<'_>) -> Answer {
    let n = noise2(p.uv[0] * 14.0, p.local.z * 3.0, p.paint.seed);
    Answer::matt(p.paint.base * (0.7 + 0.6 * n))
}

pub(crate) fn wood(p: &Point<'_>) -> Answer {
    let grain = fbm2(p.local.x * 3.0 + p.local.y * 3.0, p.local.z * 22.0 + p.local.y * 19.0, 2, p.paint.seed);
    Answer::matt(p.paint.base * (0.7 + 0.6 * grain))
}

pub(crate) fn cardboard(p: &Point<'_>) -> Answer {
    let tape = (p.local.x.abs() < 0.03 || p.local.y.abs() < 0.03) && p.local_n.z.abs() < 0.99;
    let base = if tape { p.paint.base.mix(vec3(0.6, 0.5, 0.35), 0.5) } else { p.paint.base };
    Answer::matt(base * (0.9 + 0.2 * noise2(p.local.x * 5.0, p.local.z * 5.0, p.paint.seed)))
}

/// Bands of two colours. `p[0]`: width of a band; `kind` 1: along u, else up.
pub(crate) fn striped(p: &Point<'_>) -> Answer {
    let paint = p.paint;
    let width = paint.p[0].max(0.02);
    let along = if paint.kind == 1 { p.uv[0] } else { p.local.z };
    let band = floor_i32(along / width) & 1 == 0;
    Answer::matt(if band { paint.base } else { paint.accent })
}

/// Signs: 0 red ring, 1 blue square, 2 yellow, 3 triangle with red rim, 9 poster.
pub(crate) fn sign(p: &Point<'_>, at: &Setting<'_>) -> Answer {
    let paint = p.paint;
    let (u, v) = (p.uv[0] - 0.5, p.uv[1] - 0.5);
    let r = (u * u + v * v).sqrt() * 2.0;
    let figure = noise2(p.uv[0] * 4.0, p.uv[1] * 4.0, paint.seed) > 0.55 && r < 0.6;
    let colour = match paint.kind {
        0 => {
            if r > 0.72 {
                paint.base
            } else if figure {
                Vec3::splat(0.02)
            } else {
                paint.accent
            }
        }
        3 => {
            if r > 0.55 {
                paint.base
            } else if figure {
                Vec3::splat(0.02)
            } else {
                paint.accent
            }
        }
        9 => {
            let n = fbm2(p.uv[0] * 3.0, p.uv[1] * 4.0, 2, paint.seed);
            let text = fract(p.uv[1] * 9.0) < 0.4
                && hash2((p.uv[0] * 14.0) as i32, (p.uv[1] * 9.0) as i32, paint.seed) & 1 == 0;
            let back = paint.base.mix(paint.accent, smoothstep(0.4, 0.6, n));
            if text && p.uv[1] < 0.45 { Vec3::splat(0.75) } else { back }
        }
        _ => {
            if figure {
                paint.accent
            } else {
                paint.base
            }
        }
    };
    let glow = if paint.kind == 9 && at.light.lamps_on_or_dark() { colour * 0.06 } else { Vec3::ZERO };
    Answer { albedo: colour, gloss: 0.1, glow }
}

/// Lamps: 0 white when vehicles have lights on, 1 tail lamp, 2 street lamp, 3 always lit.
pub(crate) fn lamp(p: &Point<'_>, at: &Setting<'_>) -> Answer {
    let paint = p.paint;
    let glow = match paint.kind {
        1 if p.state.brakes => vec3(1.0, 0.05, 0.03) * 2.0,
        1 if p.state.lights => vec3(1.0, 0.03, 0.02) * 0.4,
        2 if at.light.lamps_on => vec3(1.0, 0.80, 0.5) * 3.0,
        3 => paint.base * if at.light.night { 0.8 } else { 1.5 },
        0 if p.state.lights && paint.base.luma() > 0.3 => vec3(1.0, 0.95, 0.85) * 2.0,
        _ => Vec3::ZERO,
    };
    Answer { albedo: paint.base * 0.6, gloss: 0.4, glow }
}

pub(crate) fn metal(p: &Point<'_>) -> Answer {
    let n = noise2(p.local.x * 3.0 + p.local.y * 2.0, p.local.z * 3.0, p.paint.seed);
    Answer::shiny(p.paint.base * (0.85 + 0.3 * n), 0.25)
}

pub(crate) fn skin(p: &Point<'_>) -> Answer {
    Answer::shiny(p.paint.base, 0.03)
}

/// Hair, plastic and whatever has one colour.
pub(crate) fn plain(p: &Point<'_>) -> Answer {
    let fine = 1.0 + 0.2 * (unit(hash2((p.local.x * 90.0) as i32, (p.local.z * 90.0) as i32, p.paint.seed)) - 0.5);
    let edge = cover(p.uv[1], 0.0, 0.01, 0.01);
    Answer::shiny(p.paint.base * (fine * (1.0 - 0.1 * edge)), 0.08)
}
