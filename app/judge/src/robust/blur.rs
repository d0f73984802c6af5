//! Motion blur: the mean along a straight stroke.

use super::Severity;
use super::image::{Pixels, to_byte};
use crate::stats::Rng;

/// Stroke lengths as a share of the picture's shorter side.
const STROKE: [f64; 3] = [0.02, 0.05, 0.1];

/// The eight directions a stroke may take; whole steps keep the sampling exact.
const DIRECTIONS: [(isize, isize); 8] = [(1, 0), (2, 1), (1, 1), (1, 2), (0, 1), (-1, 2), (-1, 1), (-2, 1)];

/// Averages each pixel with those along the stroke; the picture's edge is repeated.
pub(super) fn motion_blur(pixels: &mut Pixels, severity: Severity, rng: &mut Rng) {
    let shorter = pixels.width.min(pixels.height) as f64;
    let (dx, dy) = DIRECTIONS[rng.below(DIRECTIONS.len())];
    let step = libm::sqrt((dx * dx + dy * dy) as f64);
    let half = ((severity.of(STROKE) * shorter / step / 2.0) as isize).max(severity as isize + 1);
    let source = pixels.data.clone();
    let (w, h, channels) = (pixels.width as isize, pixels.height as isize, pixels.channels);
    let taps = (2 * half + 1) as f64;
    for (i, out) in pixels.data.iter_mut().enumerate() {
        let (pixel, channel) = ((i / channels) as isize, i % channels);
        let (x, y) = (pixel % w, pixel / w);
        let at = |k: isize| {
            let (sx, sy) = ((x + k * dx).clamp(0, w - 1), (y + k * dy).clamp(0, h - 1));
            source.get((sy * w + sx) as usize * channels + channel).copied().map_or(0, u32::from)
        };
        let sum: u32 = (-half..=half).map(at).sum();
        *out = to_byte(f64::from(sum) / taps);
    }
}
