//! Weather drawn over a picture: patchy fog and streaks of snow.

use super::Severity;
use super::image::Pixels;
use crate::stats::Rng;

/// Grey of fog lit by an overcast sky.
const AIRLIGHT: f64 = 218.0;

/// Optical thickness at the horizon.
const THICKNESS: [f64; 3] = [0.7, 1.5, 3.0];

/// Blends towards [`AIRLIGHT`]: densest at the horizon (taken at 45 % of the height, as cameras on vehicles see it) and
/// thinning towards the near ground, with patches.
pub(super) fn fog(pixels: &mut Pixels, severity: Severity, rng: &mut Rng) {
    let patches = ValueNoise::new(pixels.width, pixels.height, rng);
    let thickness = severity.of(THICKNESS);
    let horizon = 0.45 * pixels.height as f64;
    let below = (pixels.height as f64 - horizon).max(1.0);
    let mut transmission = vec![0.0; pixels.width * pixels.height];
    for (i, t) in transmission.iter_mut().enumerate() {
        let (x, y) = (i % pixels.width, i / pixels.width);
        // Distance on flat ground falls as 1 / (rows below the horizon); half of the thickness remains at the bumper.
        let near = ((y as f64 - horizon) / below).clamp(0.0, 1.0);
        let depth = 1.0 - 0.5 * near;
        *t = libm::exp(-thickness * depth * (0.6 + 0.8 * patches.at(x, y)));
    }
    let width = pixels.width;
    pixels.map(|x, y, v| {
        let t = transmission.get(y * width + x).copied().unwrap_or(1.0);
        v * t + AIRLIGHT * (1.0 - t)
    });
}

/// Flakes for each 10,000 pixels.
const FLAKES: [f64; 3] = [4.0, 12.0, 30.0];

/// Length of a flake's streak as a share of the picture's height.
const STREAK: [f64; 3] = [0.012, 0.02, 0.03];

/// Paleness of the air between the flakes.
const VEIL: [f64; 3] = [0.06, 0.14, 0.25];

/// Draws streaks of one seeded slant over a pale veil.
pub(super) fn snow(pixels: &mut Pixels, severity: Severity, rng: &mut Rng) {
    let (w, h) = (pixels.width, pixels.height);
    let slant = rng.unit() - 0.5;
    let mut white = vec![0.0_f64; w * h];
    let flakes = (severity.of(FLAKES) * (w * h) as f64 / 10_000.0).ceil() as usize;
    for _ in 0..flakes {
        let (x, y) = (rng.below(w) as f64, rng.below(h) as f64);
        let size = 0.5 + rng.unit();
        let length = (severity.of(STREAK) * h as f64 * size).max(2.0) as usize;
        let breadth = ((severity as usize + 1) as f64 * size).max(1.0) as usize;
        let light = 0.5 + 0.45 * rng.unit();
        for step in 0..length {
            for side in 0..breadth {
                let (px, py) = (x + slant * step as f64 + side as f64, y + step as f64);
                let inside = px >= 0.0 && (px as usize) < w && (py as usize) < h;
                if let Some(v) = white.get_mut(py as usize * w + px as usize).filter(|_| inside) {
                    *v = v.max(light);
                }
            }
        }
    }
    let veil = severity.of(VEIL);
    pixels.map(|x, y, v| {
        let cover = white.get(y * w + x).copied().unwrap_or(0.0).max(veil);
        v * (1.0 - cover) + 245.0 * cover
    });
}

/// Smooth random patches in 0 to 1: three octaves of values on a lattice, blended linearly.
struct ValueNoise {
    octaves: [Vec<f64>; 3],
    cell: f64,
    columns: usize,
}

impl ValueNoise {
    fn new(width: usize, height: usize, rng: &mut Rng) -> Self {
        // Patches of a quarter of the shorter side, then halves of that.
        let cell = (width.min(height) as f64 / 4.0).max(4.0);
        let columns = (4.0 * width as f64 / cell) as usize + 3;
        let rows = (4.0 * height as f64 / cell) as usize + 3;
        let mut lattice = || (0..columns * rows).map(|_| rng.unit()).collect();
        Self { octaves: [lattice(), lattice(), lattice()], cell, columns }
    }

    fn at(&self, x: usize, y: usize) -> f64 {
        let mut value = 0.0;
        for (octave, weight, scale) in [(0, 4.0 / 7.0, 1.0), (1, 2.0 / 7.0, 2.0), (2, 1.0 / 7.0, 4.0)] {
            let (fx, fy) = (x as f64 * scale / self.cell, y as f64 * scale / self.cell);
            let (ix, iy) = (fx as usize, fy as usize);
            let (ux, uy) = (fx - ix as f64, fy - iy as f64);
            let lattice = &self.octaves[octave];
            let node = |dx: usize, dy: usize| lattice.get((iy + dy) * self.columns + ix + dx).copied().unwrap_or(0.5);
            let upper = node(0, 0) * (1.0 - ux) + node(1, 0) * ux;
            let lower = node(0, 1) * (1.0 - ux) + node(1, 1) * ux;
            value += weight * (upper * (1.0 - uy) + lower * uy);
        }
        value
    }
}
