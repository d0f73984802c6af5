//! The sky: gradient, sun, clouds, stars, and the silhouette of what lies beyond the drawn world.

use super::light::Light;
use crate::math::{Rgb, Vec3, clamp01, fbm2, hash2, noise2, smoothstep, unit, vec3};

/// What is seen along a direction where there is nothing near.
pub(crate) fn sky(light: &Light, dir: Vec3) -> Rgb {
    let up = dir.z.max(0.0);
    let rise = 1.0 - (1.0 - up).max(0.0) * (1.0 - up) * (1.0 - up);
    let mut colour = light.horizon.mix(light.zenith, clamp01(rise * 1.35));
    let toward = dir.dot(light.to_sun).max(0.0);
    if light.sun.x > 0.0 {
        let t4 = toward * toward * toward * toward;
        let t32 = t4 * t4 * t4 * t4 * t4 * t4 * t4 * t4;
        colour += light.sun * (0.06 * t4 + 0.25 * t32);
        colour += light.sun * (30.0 * smoothstep(0.99960, 0.99985, toward));
    }
    if light.night {
        colour += stars(light, dir);
    }
    if up > 0.015 {
        colour = clouds(light, dir, up, colour);
    }
    let colour = skyline(light, dir, colour);
    // Haze hides the sky near the horizon: the air there is some kilometres thick.
    let thick = 1800.0 / (1.0 + 60.0 * up * up + 12.0 * up);
    colour.mix(light.haze, light.haze_share(thick).min(1.0) * if light.haze_per_m > 0.005 { 1.0 } else { 0.6 })
}

fn clouds(light: &Light, dir: Vec3, up: f32, sky: Rgb) -> Rgb {
    let (x, y) = (dir.x / (up + 0.12), dir.y / (up + 0.12));
    let n = fbm2(x * 1.6, y * 1.6, 4, light.seed);
    let edge = 0.72 - 0.45 * light.cloud;
    let cover = smoothstep(edge, edge + 0.22, n) * smoothstep(0.015, 0.12, up);
    if cover <= 0.0 {
        return sky;
    }
    let bright = light.horizon.mix(light.zenith, 0.25) + light.sun * 0.22;
    let dark = (light.zenith + light.bounce) * 0.75;
    let depth = smoothstep(edge + 0.05, edge + 0.45, n);
    sky.mix(bright.mix(dark, depth * 0.8), cover * 0.92)
}

fn stars(light: &Light, dir: Vec3) -> Rgb {
    if dir.z < 0.05 {
        return Vec3::ZERO;
    }
    let scale = 160.0 / (dir.z + 0.4);
    let (x, y) = (dir.x * scale, dir.y * scale);
    let (i, j) = (crate::math::floor_i32(x), crate::math::floor_i32(y));
    let h = hash2(i, j, light.seed);
    let near = (x - i as f32 - 0.5) * (x - i as f32 - 0.5) + (y - j as f32 - 0.5) * (y - j as f32 - 0.5) < 0.06;
    if near && unit(h) > 0.985 { Vec3::splat(0.05 * (1.0 - light.cloud)) } else { Vec3::ZERO }
}

/// Hills, trees and roofs far away, or the ground where the drawn world ends.
fn skyline(light: &Light, dir: Vec3, sky: Rgb) -> Rgb {
    let flat = (dir.x * dir.x + dir.y * dir.y).sqrt().max(1e-6);
    let slope = dir.z / flat;
    if slope > 0.11 {
        return sky;
    }
    let (x, y) = (dir.x / flat, dir.y / flat);
    let around = |scale: f32, salt: u32| noise2(x * scale + 40.0, y * scale + 40.0, light.seed ^ salt);
    let hills = 0.015 + 0.035 * around(3.0, 1) + 0.012 * around(17.0, 2);
    let blocky = |scale: f32, salt: u32| {
        // Roofs: steps in azimuth by the direction's cell on a square around the viewer.
        let cell = crate::math::floor_i32((x - y * 0.37) * scale);
        unit(hash2(cell, i32::from(y > 0.0), light.seed ^ salt))
    };
    let roofs = 0.01 + 0.035 * blocky(60.0, 3) * smoothstep(0.4, 0.6, around(4.0, 5));
    let lit = light.ambient(vec3(0.0, 0.0, 0.4)) + light.sun * 0.25;
    let far = light.haze_share(1500.0);
    let land = if light.snow > 0.0 { Vec3::splat(0.6) } else { vec3(0.13, 0.15, 0.10) };
    let mut colour = sky;
    let edge = 0.002;
    colour = colour.mix(land.times(lit).mix(light.haze, far.max(0.45)), smoothstep(hills + edge, hills - edge, slope));
    colour = colour
        .mix(Vec3::splat(0.2).times(lit).mix(light.haze, far.max(0.3)), smoothstep(roofs + edge, roofs - edge, slope));
    if slope < 0.0 {
        colour = land.times(lit).mix(light.haze, light.haze_share(300.0).max(0.3));
    }
    colour
}
