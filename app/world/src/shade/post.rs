//! The camera: motion blur, glare, rain and snow in the air, vignetting, exposure, tone curve, sensor noise.

use rayon::prelude::*;

use super::lamps::{Lamps, halo};
use super::light::Light;
use crate::math::hash::mix32;
use crate::math::{Rgb, Rng, Vec3, clamp01, floor_i32, most, vec3, wide};
use crate::raster::lens::Lens;
use crate::raster::visibility::Visibility;
use crate::scenario::{LensSpec, Weather};

/// Taps of the motion blur at most.
const TAPS_MAX: i32 = 12;
/// Movements shorter than this within the shutter time leave no trace.
const BLUR_PX_MIN: f32 = 0.8;
/// Entries of the tone curve's table.
const CURVE: usize = 4096;

/// Scratch of the camera's effects.
#[derive(Debug, Clone, Default)]
pub(crate) struct Post {
    blurred: Vec<Rgb>,
    curve: Vec<f32>,
}

/// What the effects need to know of the frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shot<'a> {
    pub(crate) light: &'a Light,
    pub(crate) lens_spec: &'a LensSpec,
    pub(crate) lens: &'a Lens,
    pub(crate) lamps: &'a Lamps,
    /// What each pixel sees, and how far away.
    pub(crate) visibility: &'a Visibility,
    pub(crate) optical_from_world: crate::math::Affine,
    /// Changes the noise from frame to frame.
    pub(crate) frame_seed: u32,
}

impl Post {
    /// Turns radiance and motion into bytes (RGB, row-major).
    pub(crate) fn develop(&mut self, shot: &Shot<'_>, colour: &[Rgb], motion: &[[f32; 2]], rgb: &mut [u8]) {
        let width = shot.lens.width;
        self.blurred.resize(colour.len(), Vec3::ZERO);
        let exposure_s = shot.lens_spec.exposure_ms.map_or(shot.light.exposure_s, |ms| ms as f32 * 1e-3);
        let blur = if shot.lens_spec.motion_blur { exposure_s } else { 0.0 };
        let height = shot.lens.height;
        self.blurred.par_chunks_mut(width).enumerate().for_each(|(y, row)| {
            row.copy_from_slice(&colour[y * width..(y + 1) * width]);
            for (x, (out, [dx, dy])) in row.iter_mut().zip(&motion[y * width..(y + 1) * width]).enumerate() {
                let moved = [dx * blur, dy * blur];
                // Almost all of a calm picture is done here, without a root.
                if moved[0] * moved[0] + moved[1] * moved[1] > 0.9 * BLUR_PX_MIN * BLUR_PX_MIN {
                    *out = smeared(colour, moved, (x, y), (width, height));
                }
            }
        });
        glare(shot, &mut self.blurred);
        in_the_air(shot, &mut self.blurred);
        if self.curve.is_empty() {
            self.curve = curve();
        }
        let Some(table) = self.curve.first_chunk::<CURVE>() else { return };
        let stops = libm::exp2f(shot.lens_spec.exposure_stops as f32);
        let sensor = Sensor {
            table,
            gain: shot.light.balance * (shot.light.exposure * stops),
            noise: shot.light.noise * shot.lens_spec.noise as f32,
            seed: shot.frame_seed,
            size: (width, height),
        };
        let blurred = &self.blurred;
        rgb.par_chunks_mut(width * 3).enumerate().for_each(|(y, row)| {
            expose_row(&sensor, y, &blurred[y * width..(y + 1) * width], row);
        });
    }
}

/// Pixels that are exposed together.
const RUN: usize = 64;

/// What turns light into bytes.
#[derive(Debug, Clone, Copy)]
struct Sensor<'a> {
    /// The tone curve.
    table: &'a [f32; CURVE],
    gain: Rgb,
    noise: f32,
    seed: u32,
    /// Columns and rows.
    size: (usize, usize),
}

wide! {
    /// Bytes of row `y` from its light.
    fn expose_row(sensor: &Sensor<'_>, y: usize, light: &[Rgb], rgb: &mut [u8]) = expose_runs;
}

#[inline(always)]
fn expose_runs(sensor: &Sensor<'_>, y: usize, light: &[Rgb], rgb: &mut [u8]) {
    for (run, (light, rgb)) in light.chunks(RUN).zip(rgb.chunks_mut(3 * RUN)).enumerate() {
        expose_run(sensor, (run * RUN, y), light, rgb);
    }
}

/// Bytes of up to [`RUN`] pixels from column `x0`: step by step, each step alike for all, so that it vectorises.
#[inline(always)]
fn expose_run(sensor: &Sensor<'_>, (x0, y): (usize, usize), light: &[Rgb], rgb: &mut [u8]) {
    let (width, height) = sensor.size;
    let count = light.len().min(RUN);
    let mut values = [[0.0f32; RUN]; 3];
    let mut hashes = [[0u32; RUN]; 2];
    for (k, c) in light.iter().take(RUN).enumerate() {
        let c = c.times(sensor.gain) * vignette(x0 + k, y, width, height);
        (values[0][k], values[1][k], values[2][k]) = (c.x, c.y, c.z);
    }
    let first = (y * width + x0) as u32;
    let [hs, gs] = &mut hashes;
    for (k, (h, g)) in hs.iter_mut().zip(gs).enumerate() {
        *h = mix32(first.wrapping_add(k as u32).wrapping_mul(0x9e37_79b9) ^ sensor.seed);
        *g = mix32(*h ^ 0x51ed_270b);
    }
    for (channel, values) in values.iter_mut().enumerate() {
        let mut entries = [0i32; RUN];
        for (entry, value) in entries.iter_mut().zip(values.iter()) {
            let value = most(*value, 0.0);
            *entry = ((value / (1.0 + value)) * (CURVE - 1) as f32) as i32;
        }
        for (value, entry) in values.iter_mut().zip(entries) {
            *value = sensor.table[entry as usize & (CURVE - 1)];
        }
        for (k, level) in values.iter_mut().enumerate() {
            // Shot noise grows in the shadows of a display curve.
            let sigma = sensor.noise * (1.0 + 1.6 * (1.0 - *level * (1.0 / 255.0)));
            *level += grain(hashes[0][k], hashes[1][k], channel as u32) * sigma;
        }
    }
    for (k, out) in rgb.chunks_exact_mut(3).take(count).enumerate() {
        // The cast keeps to 0..=255.
        (out[0], out[1], out[2]) = ((values[0][k] + 0.5) as u8, (values[1][k] + 0.5) as u8, (values[2][k] + 0.5) as u8);
    }
}

/// Darkening towards the corners (about a third of a stop).
fn vignette(x: usize, y: usize, width: usize, height: usize) -> f32 {
    let (u, v) = (x as f32 / width as f32 - 0.5, y as f32 / height as f32 - 0.5);
    1.0 - 0.42 * (u * u + v * v)
}

/// A number about normal with sigma 1 from a pixel's two hashes, partly common to its channels.
#[inline(always)]
fn grain(h: u32, g: u32, channel: u32) -> f32 {
    let part = |h: u32, k: u32| ((h >> (10 * k)) & 1023) as i32 as f32 * (1.0 / 511.5) - 1.0;
    0.9 * (part(h, channel) + part(g, (channel + 1) % 3)) + 0.5 * part(g, 0)
}

/// Display level (0 to 255) by v / (1 + v) of the exposed radiance v: a soft shoulder, then the sRGB curve.
fn curve() -> Vec<f32> {
    let level = |i: usize| {
        let t = (i as f32 / (CURVE - 1) as f32).min(0.9999);
        let v = t / (1.0 - t);
        // Narkowicz's fit of the ACES curve, scaled so that mid grey keeps its place.
        let x = v * 0.72;
        let film = clamp01((x * (2.51 * x + 0.03)) / (x * (2.43 * x + 0.59) + 0.14));
        let srgb = if film <= 0.003_130_8 { 12.92 * film } else { 1.055 * libm::powf(film, 1.0 / 2.4) - 0.055 };
        255.0 * clamp01(srgb)
    };
    (0..CURVE).map(level).collect()
}

/// What a pixel gathers while the picture moves by (`dx`, `dy`) pixels.
fn smeared(colour: &[Rgb], [dx, dy]: [f32; 2], at: (usize, usize), size: (usize, usize)) -> Rgb {
    let (x, y) = at;
    let (width, height) = size;
    let length = (dx * dx + dy * dy).sqrt();
    if length.is_nan() || length <= BLUR_PX_MIN {
        return colour[y * width + x];
    }
    let taps = (length as i32 + 1).min(TAPS_MAX);
    let mut sum = Vec3::ZERO;
    for k in 0..=taps {
        let t = k as f32 / taps as f32 - 0.5;
        let (sx, sy) = (floor_i32(x as f32 + dx * t + 0.5), floor_i32(y as f32 + dy * t + 0.5));
        let (sx, sy) = (sx.clamp(0, width as i32 - 1) as usize, sy.clamp(0, height as i32 - 1) as usize);
        sum += colour[sy * width + sx];
    }
    sum * (1.0 / (taps + 1) as f32)
}

fn glare(shot: &Shot<'_>, colour: &mut [Rgb]) {
    let (width, height) = (shot.lens.width, shot.lens.height);
    for glare in &shot.lamps.glares {
        let p = shot.optical_from_world.apply(glare.at);
        if p.z < 0.5 {
            continue;
        }
        let pixel = shot.lens.project(p.array().map(f64::from));
        let (u, v) = (pixel[0] as f32, pixel[1] as f32);
        if !(u > -60.0 && v > -60.0 && u < width as f32 + 60.0 && v < height as f32 + 60.0) {
            continue;
        }
        let (cx, cy) = (floor_i32(u + 0.5), floor_i32(v + 0.5));
        let inside = cx >= 0 && cy >= 0 && cx < width as i32 && cy < height as i32;
        let hidden =
            inside && shot.visibility.inverse_z(cy as usize * width + cx as usize) > 1.0 / (p.z - 0.8).max(0.1);
        if hidden {
            continue;
        }
        let fade = 1.0 - shot.light.haze_share(p.norm());
        let foggy = 1.0 + 2.0 * clamp01(shot.light.haze_per_m * 40.0);
        let radius = (glare.size * height as f32 * (3.2 / (1.0 + 0.12 * p.z)) * foggy).max(1.5);
        add_halo(colour, (width, height), (u, v, radius), glare.colour * fade);
    }
}

fn add_halo(colour: &mut [Rgb], size: (usize, usize), circle: (f32, f32, f32), light: Rgb) {
    let (u, v, radius) = circle;
    let (width, height) = size;
    let span = |c: f32, n: usize| {
        let (a, b) = (floor_i32(c - radius).max(0), floor_i32(c + radius + 1.0).min(n as i32));
        (a as usize).min(n)..(b.max(a) as usize).min(n)
    };
    for y in span(v, height) {
        for x in span(u, width) {
            let (dx, dy) = (x as f32 - u, y as f32 - v);
            let r = (dx * dx + dy * dy).sqrt() / radius;
            if r < 1.0 {
                colour[y * width + x] += light * halo(r);
            }
        }
    }
}

/// Rain streaks and snowflakes near the camera.
fn in_the_air(shot: &Shot<'_>, colour: &mut [Rgb]) {
    let (width, height) = (shot.lens.width, shot.lens.height);
    let mut rng = Rng::new(u64::from(shot.frame_seed), 0xa12);
    let scale = height as f32 / 384.0;
    let bright = shot.light.haze * 1.1 + Vec3::splat(if shot.light.night { 0.02 } else { 0.05 });
    match shot.light.weather {
        Weather::Rain => {
            for _ in 0..260 {
                let (x, y) = (rng.range(0.0, width as f32), rng.range(-0.1, 1.0) * height as f32);
                let (length, alpha) = (rng.range(6.0, 26.0) * scale, rng.range(0.05, 0.22));
                let lean = rng.range(-0.08, 0.16);
                for k in 0..length as i32 {
                    let at = (x + lean * k as f32, y + k as f32);
                    blend(colour, (width, height), at, bright, alpha);
                }
            }
        }
        Weather::Snow => {
            let flakes = (500.0 * shot.light.snow) as usize;
            for _ in 0..flakes {
                let (x, y) = (rng.range(0.0, width as f32), rng.range(0.0, height as f32));
                let near = rng.unit();
                let (r, alpha) = ((0.5 + 2.6 * near * near * near * near) * scale, rng.range(0.25, 0.75));
                let white = bright.max(vec3(0.6, 0.6, 0.62) * if shot.light.night { 0.06 } else { 1.0 });
                let reach = r as i32 + 1;
                for j in -reach..=reach {
                    for i in -reach..=reach {
                        let d = ((i * i + j * j) as f32).sqrt();
                        let soft = clamp01(r + 0.5 - d) * alpha;
                        blend(colour, (width, height), (x + i as f32, y + j as f32), white, soft);
                    }
                }
            }
        }
        Weather::Clear | Weather::Cloudy | Weather::Fog => {}
    }
}

fn blend(colour: &mut [Rgb], size: (usize, usize), at: (f32, f32), light: Rgb, alpha: f32) {
    let (x, y) = (floor_i32(at.0), floor_i32(at.1));
    if x >= 0 && y >= 0 && x < size.0 as i32 && y < size.1 as i32 && alpha > 0.0 {
        let c = &mut colour[y as usize * size.0 + x as usize];
        *c = c.mix(light, alpha);
    }
}
