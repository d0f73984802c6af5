//! What JPEG does to a picture, without a codec: 8x8 cosine transform, quantisation, and back, channel by channel.
//!
//! Colours are not subsampled; the luminance table serves all channels.

use super::Severity;
use super::image::{Pixels, to_byte};

/// Quality settings, as ImageNet-C's severities 1, 3 and 5.
const QUALITY: [f64; 3] = [25.0, 15.0, 7.0];

/// Luminance quantisation of JPEG (ITU-T T.81, table K.1).
const LUMINANCE: [u8; 64] = [
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51,
    87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103, 99,
];

/// Side of a block.
const SIDE: usize = 8;

type Block = [[f64; SIDE]; SIDE];

/// Compresses and expands the picture.
pub(super) fn compress(pixels: &mut Pixels, severity: Severity) {
    // The usual scaling of the table for qualities below 50.
    let scale = 5000.0 / severity.of(QUALITY);
    let steps: [f64; 64] = LUMINANCE.map(|q| ((f64::from(q) * scale + 50.0) / 100.0).floor().clamp(1.0, 255.0));
    let basis = cosines();
    for channel in 0..pixels.channels {
        for top in (0..pixels.height).step_by(SIDE) {
            for left in (0..pixels.width).step_by(SIDE) {
                block(pixels, (left, top, channel), &steps, &basis);
            }
        }
    }
}

fn block(pixels: &mut Pixels, (left, top, channel): (usize, usize, usize), steps: &[f64; 64], basis: &Block) {
    let (w, h, channels) = (pixels.width, pixels.height, pixels.channels);
    // Beyond the edge the last row and column repeat.
    let index = |x: usize, y: usize| ((top + y).min(h - 1) * w + (left + x).min(w - 1)) * channels + channel;
    let value = |x, y| pixels.data.get(index(x, y)).copied().map_or(0.0, |v| f64::from(v) - 128.0);
    let samples: Block = std::array::from_fn(|y| std::array::from_fn(|x| value(x, y)));
    let mut frequencies = transform(&samples, basis, false);
    for (v, row) in frequencies.iter_mut().enumerate() {
        for (u, f) in row.iter_mut().enumerate() {
            let step = steps[v * SIDE + u];
            *f = libm::round(*f / step) * step;
        }
    }
    let restored = transform(&frequencies, basis, true);
    for (y, row) in restored.iter().enumerate().take(h - top.min(h)) {
        for (x, sample) in row.iter().enumerate().take(w - left.min(w)) {
            if let Some(out) = pixels.data.get_mut(index(x, y)) {
                *out = to_byte(sample + 128.0);
            }
        }
    }
}

/// Row k: the k-th cosine of the orthonormal transform.
fn cosines() -> Block {
    let n = SIDE as f64;
    std::array::from_fn(|k| {
        let norm = libm::sqrt(if k == 0 { 1.0 / n } else { 2.0 / n });
        std::array::from_fn(|i| norm * libm::cos((2 * i + 1) as f64 * k as f64 * std::f64::consts::PI / (2.0 * n)))
    })
}

/// Two-dimensional transform, or its inverse.
fn transform(input: &Block, basis: &Block, inverse: bool) -> Block {
    let weight = |k: usize, i: usize| if inverse { basis[i][k] } else { basis[k][i] };
    let half: Block =
        std::array::from_fn(|y| std::array::from_fn(|u| (0..SIDE).map(|x| input[y][x] * weight(u, x)).sum()));
    std::array::from_fn(|v| std::array::from_fn(|u| (0..SIDE).map(|y| half[y][u] * weight(v, y)).sum()))
}
