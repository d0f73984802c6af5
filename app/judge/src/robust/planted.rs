//! Planted objects: how small may an object be and still be found?

use ocellus_percept::detection::BoxPx;
use ocellus_percept::image::{Image, PixelFormat};
use serde::Serialize;

use super::RobustError;
use crate::stats::{Interval, Rng, TOO_FEW, wilson};

/// Heights planted, px.
pub const SIZES_PX: [usize; 7] = [8, 12, 16, 24, 32, 48, 64];

/// A copy of `scene` with `object` scaled (area mean) to `height_px` rows and pasted at a seeded place, and the box it
/// takes. `alpha` has one byte a pixel of `object`, 0 outside it; empty means all of it.
pub fn plant(
    scene: &Image,
    object: &Image,
    alpha: &[u8],
    height_px: usize,
    seed: u64,
) -> Result<(Image, BoxPx), RobustError> {
    let channels = match scene.format() {
        PixelFormat::Rgb8 | PixelFormat::Bgr8 => 3,
        PixelFormat::Gray8 => 1,
        got => return Err(RobustError::Format { got }),
    };
    if object.format() != scene.format() {
        return Err(RobustError::Format { got: object.format() });
    }
    let (w, h) = (scene.width(), scene.height());
    let width_px = (object.width() * height_px).checked_div(object.height()).unwrap_or(0).max(1);
    if height_px == 0 || width_px > w || height_px > h {
        let (width, height, image_width, image_height) = (width_px, height_px, w, h);
        return Err(RobustError::DoesNotFit { width, height, image_width, image_height });
    }
    let mut rng = Rng::new(seed);
    let (left, top) = (rng.below(w - width_px + 1), rng.below(h - height_px + 1));
    let mut data = scene.data().to_vec();
    for y in 0..height_px {
        for x in 0..width_px {
            let (cover, colour) = area_mean(object, alpha, channels, (x, y), (width_px, height_px));
            for (c, value) in colour.iter().enumerate().take(channels) {
                if let Some(out) = data.get_mut(((top + y) * w + left + x) * channels + c) {
                    *out = super::image::to_byte(f64::from(*out) * (1.0 - cover) + value * cover);
                }
            }
        }
    }
    let (x0, y0) = (left as f32, top as f32);
    let bbox = BoxPx { x0, y0, x1: x0 + width_px as f32, y1: y0 + height_px as f32 };
    Ok((Image::from_vec(w, h, scene.format(), data)?, bbox))
}

/// Mean cover (0 to 1) and colour of the object's pixels beneath pixel (x, y) of its scaled copy.
fn area_mean(
    object: &Image,
    alpha: &[u8],
    channels: usize,
    (x, y): (usize, usize),
    (width, height): (usize, usize),
) -> (f64, [f64; 3]) {
    let span = |i: usize, n: usize, of: usize| {
        let (from, to) = (i * of / n, ((i + 1) * of).div_ceil(n));
        from..to.max(from + 1).min(of)
    };
    let (mut cover, mut colour, mut n) = (0.0, [0.0; 3], 0.0);
    for sy in span(y, height, object.height()) {
        for sx in span(x, width, object.width()) {
            let pixel = sy * object.width() + sx;
            let a = if alpha.is_empty() { 1.0 } else { alpha.get(pixel).map_or(0.0, |&a| f64::from(a) / 255.0) };
            for (c, sum) in colour.iter_mut().enumerate().take(channels) {
                *sum += a * object.data().get(pixel * channels + c).map_or(0.0, |&v| f64::from(v));
            }
            (cover, n) = (cover + a, n + 1.0);
        }
    }
    if cover == 0.0 {
        return (0.0, colour);
    }
    (cover / n, colour.map(|sum| sum / cover))
}

/// Whether one planted object was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlantedOutcome {
    /// Its height, px.
    pub size_px: usize,
    /// Whether a detection of its class overlapped it enough.
    pub found: bool,
}

/// Recall at one size.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SizeRecall {
    /// Height, px.
    pub size_px: usize,
    /// Objects planted.
    pub n: usize,
    /// Share found.
    pub recall: f64,
    /// Wilson's 95 % interval.
    pub interval: Option<Interval>,
    /// Fewer than 30.
    pub too_few: bool,
}

/// Recall against size, smallest first; sizes never planted are absent.
pub fn recall_by_size(outcomes: &[PlantedOutcome]) -> Vec<SizeRecall> {
    let mut sizes: Vec<usize> = outcomes.iter().map(|o| o.size_px).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let at = |size_px: usize| {
        let n = outcomes.iter().filter(|o| o.size_px == size_px).count();
        let hits = outcomes.iter().filter(|o| o.size_px == size_px && o.found).count();
        let interval = wilson(hits as u64, n as u64);
        SizeRecall { size_px, n, recall: hits as f64 / n as f64, interval, too_few: n < TOO_FEW }
    };
    sizes.into_iter().map(at).collect()
}
