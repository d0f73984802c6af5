//! What one frame alone tells of whether its sensor sees: figures of a fixed sample of it, some tens of microseconds' work.
//!
//! A worker may take the look of any frame at any time; [`super::BlindWatch`] judges the looks of one sensor in order.

use crate::cloud::Cloud;
use crate::image::{ImageView, PixelFormat};

/// Samples of a picture's brightness, and of a sweep's coordinates.
const SAMPLES: usize = 4096;
/// Rows that sharpness is measured on.
const ROWS: usize = 64;
/// The fine step is this share of the picture's width, one pixel at least: what is finer is lost on the way to a network's
/// input, so that it does not matter whether it is there.
const FINE_STEPS: usize = 320;
/// The coarse step is this many fine ones.
const COARSE: usize = 4;
/// Rows and columns of tiles that are looked at for detail, and samples a side in each.
const TILES: [usize; 2] = [6, 8];
const TILE_SAMPLES: usize = 16;
/// A tile whose brightness spans less than this, its extremes left out, has no detail: about what noise alone spans. Of 255.
const DETAIL_MIN: u8 = 8;
/// From this on a sample is saturated. Of 255.
const SATURATED: usize = 250;
/// FNV-1a's offset and prime.
const FNV: (u64, u64) = (0xcbf2_9ce4_8422_2325, 0x0000_0100_0000_01b3);

/// Figures of one frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Look {
    /// Of the sample: equal frames have equal ones.
    pub(super) hash: u64,
    /// What it is of.
    pub(super) of: Of,
}

/// What a look is of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Of {
    /// A picture.
    Picture(PictureLook),
    /// A sweep: its points with finite coordinates.
    Sweep(usize),
}

/// Figures of a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct PictureLook {
    /// 1st and 99th percentile of brightness, of 255.
    pub range: [usize; 2],
    /// Share of saturated samples.
    pub saturated: f32,
    /// Share of tiles without detail.
    pub empty_tiles: f32,
    /// Mean square of brightness differences over the coarse step.
    pub contrast: f32,
    /// That over the fine step as a share of it: 1/4 of a sharp edge, 1/16 of one as wide as the coarse step.
    pub sharpness: f32,
}

impl Look {
    /// Of a picture; `None` of one without pixels.
    pub fn of_picture(picture: ImageView<'_>) -> Option<Self> {
        let luma = Luma::new(picture)?;
        let mut histogram = [0_usize; 256];
        let (mut hash, mut samples) = (FNV.0, 0_usize);
        for byte in luma.spread() {
            histogram[usize::from(byte)] += 1;
            hash = (hash ^ u64::from(byte)).wrapping_mul(FNV.1);
            samples += 1;
        }
        let saturated = histogram.iter().skip(SATURATED).sum::<usize>() as f32 / samples as f32;
        let level = |share: f64| {
            let mut left = (share * samples as f64) as usize;
            histogram.iter().position(|count| {
                let here = left < *count;
                left = left.saturating_sub(*count);
                here
            })
        };
        let range = [level(0.01)?, level(0.99)?];
        let (contrast, sharpness) = luma.sharpness();
        let of = PictureLook { range, saturated, empty_tiles: luma.empty_tiles(), contrast, sharpness };
        Some(Self { hash, of: Of::Picture(of) })
    }

    /// Of a sweep.
    pub fn of_sweep(cloud: &Cloud) -> Self {
        let finite = cloud.xyz.iter().filter(|p| p.iter().all(|c| c.is_finite())).count();
        let step = (cloud.len() / SAMPLES).max(1);
        let coordinates = cloud.xyz.iter().step_by(step).flatten();
        let hash = coordinates.fold(FNV.0, |hash, c| (hash ^ u64::from(c.to_bits())).wrapping_mul(FNV.1));
        Self { hash, of: Of::Sweep(finite) }
    }
}

/// Brightness of a picture of any format: of colours the green, which most of brightness is.
struct Luma<'a> {
    data: &'a [u8],
    width: usize,
    height: usize,
    /// Bytes from one pixel to the next, and to its brightness.
    pixel: usize,
    offset: usize,
}

impl<'a> Luma<'a> {
    fn new(picture: ImageView<'a>) -> Option<Self> {
        let (width, height) = (picture.width(), picture.height());
        let (pixel, offset) = match picture.format() {
            PixelFormat::Rgb8 | PixelFormat::Bgr8 => (3, 1),
            PixelFormat::Yuyv => (2, 0),
            PixelFormat::Gray8 | PixelFormat::Nv12 => (1, 0),
        };
        let data = picture.data().get(..width * height * pixel)?;
        (!data.is_empty()).then_some(Self { data, width, height, pixel, offset })
    }

    fn at(&self, x: usize, y: usize) -> u8 {
        self.data.get((y * self.width + x) * self.pixel + self.offset).copied().unwrap_or(0)
    }

    /// Samples from all over the picture.
    fn spread(&self) -> impl Iterator<Item = u8> + '_ {
        let pixels = self.width * self.height;
        let step = (pixels / SAMPLES).max(1);
        (0..pixels).step_by(step).map(|i| self.at(i % self.width, i / self.width))
    }

    /// Contrast over the coarse step, and sharpness.
    fn sharpness(&self) -> (f32, f32) {
        let fine = (self.width / FINE_STEPS).max(1);
        let coarse = COARSE * fine;
        let (mut sums, mut count) = ([0_u64; 2], 0_u64);
        for row in 0..ROWS.min(self.height) {
            let y = row * self.height / ROWS.min(self.height);
            for x in (0..self.width.saturating_sub(coarse)).step_by(fine) {
                let here = i64::from(self.at(x, y));
                for (sum, step) in sums.iter_mut().zip([fine, coarse]) {
                    *sum += (i64::from(self.at(x + step, y)) - here).pow(2).unsigned_abs();
                }
                count += 1;
            }
        }
        let contrast = sums[1] as f32 / count.max(1) as f32;
        (contrast, if sums[1] > 0 { sums[0] as f32 / sums[1] as f32 } else { 0.0 })
    }

    /// Share of tiles without detail.
    fn empty_tiles(&self) -> f32 {
        let [rows, columns] = TILES;
        let empty = (0..rows * columns).filter(|tile| {
            let (top, left) = (tile / columns * self.height / rows, tile % columns * self.width / columns);
            let (height, width) = (self.height / rows, self.width / columns);
            let mut samples = [0_u8; TILE_SAMPLES * TILE_SAMPLES];
            for (i, sample) in samples.iter_mut().enumerate() {
                let (row, column) = (i / TILE_SAMPLES, i % TILE_SAMPLES);
                *sample = self.at(left + column * width / TILE_SAMPLES, top + row * height / TILE_SAMPLES);
            }
            samples.sort_unstable();
            let twentieth = samples.len() / 20;
            samples[samples.len() - 1 - twentieth] - samples[twentieth] < DETAIL_MIN
        });
        empty.count() as f32 / (rows * columns) as f32
    }
}
