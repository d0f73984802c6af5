//! Was a network calibrated on pictures, or on noise?
//!
//! In pictures of the world neighbouring pixels are nearly alike; in random data they are not. The correlation of each
//! pixel with its right neighbour tells the two apart.

use ocellus_percept::image::{ImageView, PixelFormat};
use serde::Serialize;

/// Pictures of the world lie above 0.8 even when noisy; random pixels near 0.
pub const NATURAL_CORRELATION_MIN: f64 = 0.5;

/// Fewer calibration pictures than this do not span the ranges of a network's activations.
const PICTURES_MIN: usize = 100;

/// What the calibration set looks like.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NoiseCheck {
    /// Pictures given.
    pub pictures: usize,
    /// Median correlation of neighbouring pixels; `None` where no picture has any contrast.
    pub correlation: Option<f64>,
    /// Share of pictures that look like noise.
    pub noisy_share: Option<f64>,
    /// What is wrong with the set, in words; empty where nothing is.
    pub flags: Vec<String>,
}

/// Checks the pictures a network was calibrated on.
pub fn calibration_check(pictures: &[ImageView<'_>]) -> NoiseCheck {
    let mut correlations: Vec<f64> = pictures.iter().filter_map(neighbour_correlation).collect();
    let noisy = correlations.iter().filter(|c| **c < NATURAL_CORRELATION_MIN).count();
    let noisy_share = (!correlations.is_empty()).then(|| noisy as f64 / correlations.len() as f64);
    let correlation = crate::depth::median(&mut correlations);
    let mut flags = Vec::new();
    match correlation {
        None => flags.push("no calibration picture has any contrast".to_owned()),
        Some(c) if c < NATURAL_CORRELATION_MIN => flags.push(format!(
            "calibrated on noise: neighbouring pixels correlate by {c:.2}, pictures of the world by more than 0.8"
        )),
        Some(_) if noisy > 0 => {
            flags.push(format!("{noisy} of {} calibration pictures look like noise", correlations.len()));
        }
        Some(_) => {}
    }
    if pictures.len() < PICTURES_MIN {
        flags.push(format!("{} calibration pictures, at least {PICTURES_MIN} are advised", pictures.len()));
    }
    NoiseCheck { pictures: pictures.len(), correlation, noisy_share, flags }
}

/// Correlation of the first channel (luma for YUV) of each pixel with its right neighbour; `None` without contrast.
fn neighbour_correlation(picture: &ImageView<'_>) -> Option<f64> {
    let (step, row_bytes) = match picture.format() {
        PixelFormat::Rgb8 | PixelFormat::Bgr8 => (3, 3 * picture.width()),
        PixelFormat::Yuyv => (2, 2 * picture.width()),
        PixelFormat::Gray8 | PixelFormat::Nv12 => (1, picture.width()),
    };
    let (mut n, mut a, mut b, mut aa, mut bb, mut ab) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
    for row in picture.data().chunks_exact(row_bytes).take(picture.height()) {
        for (l, r) in row.iter().step_by(step).zip(row.iter().skip(step).step_by(step)) {
            let (l, r) = (f64::from(*l), f64::from(*r));
            (n, a, b, aa, bb, ab) = (n + 1.0, a + l, b + r, aa + l * l, bb + r * r, ab + l * r);
        }
    }
    let (va, vb) = (n * aa - a * a, n * bb - b * b);
    (va > 0.0 && vb > 0.0).then(|| (n * ab - a * b) / (va.sqrt() * vb.sqrt()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Rng;
    use ocellus_percept::image::Image;

    #[test]
    fn noise_is_flagged_and_a_picture_is_not() {
        let mut rng = Rng::new(4);
        let noise: Vec<u8> = (0..64 * 48 * 3).map(|_| rng.bits() as u8).collect();
        let noise = Image::from_vec(64, 48, PixelFormat::Rgb8, noise).unwrap();
        let smooth = (0..64 * 48 * 3).map(|i| (i / 3 % 64 * 3 + i / 192) as u8).collect();
        let smooth = Image::from_vec(64, 48, PixelFormat::Rgb8, smooth).unwrap();
        let got = calibration_check(&vec![noise.view(); 200]);
        assert!(got.flags[0].contains("calibrated on noise"), "{got:?}");
        assert!(calibration_check(&vec![smooth.view(); 200]).flags.is_empty());
        assert_eq!(calibration_check(&[smooth.view(), noise.view()]).flags.len(), 2);
        assert!(calibration_check(&[]).correlation.is_none());
    }
}
