//! Whether a sensor that still gives data shows anything: pictures that are black, blank or frozen, sweeps without points or
//! frozen.
//!
//! A [`BlindWatch`] follows one sensor and looks at a fixed sample of each frame, some microseconds' work. Real sensors
//! have noise: frames that are equal to the last bit in a row mean that a buffer is given out again and again. A dark
//! night is not blindness: a lamp, a sky, a reflection stays brighter than the limits.

use crate::cloud::Cloud;
use crate::image::{ImageView, PixelFormat};

/// Samples of a picture.
const SAMPLES: usize = 4096;
/// Equal frames in a row that are frozen: a duplicate or two happens, half a second at 10 Hz does not.
const FROZEN_FRAMES: u32 = 5;
/// A picture whose 99th percentile is below this shows nothing: a covered lens, a cut cable. Of 255.
const BLACK_BELOW: usize = 12;
/// A picture whose samples all lie within this range shows nothing: a white-out, a driver's grey. Of 255.
const BLANK_WITHIN: usize = 4;
/// Points with finite coordinates below which a sweep shows nothing; every road gives more.
const POINTS_MIN: usize = 16;
/// FNV-1a's offset and prime.
const FNV: (u64, u64) = (0xcbf2_9ce4_8422_2325, 0x0000_0100_0000_01b3);

/// Why a sensor is blind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blindness {
    /// The picture is black.
    Black,
    /// The picture is of one colour.
    Blank,
    /// The same frame comes again and again.
    Frozen,
    /// The sweep has no points.
    Empty,
}

impl Blindness {
    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Black => "black",
            Self::Blank => "blank",
            Self::Frozen => "frozen",
            Self::Empty => "empty",
        }
    }
}

/// Follows one sensor's frames.
#[derive(Debug, Clone, Default)]
pub struct BlindWatch {
    last: Option<u64>,
    equal: u32,
}

impl BlindWatch {
    /// Looks at a camera's next picture.
    pub fn picture(&mut self, picture: ImageView<'_>) -> Option<Blindness> {
        // Brightness: of planar and packed formats alike the first plane, or every second byte, is luma.
        let (bytes, luma_step) = match picture.format() {
            PixelFormat::Yuyv => (picture.data(), 2),
            PixelFormat::Nv12 => (picture.data().get(..picture.width() * picture.height()).unwrap_or_default(), 1),
            PixelFormat::Rgb8 | PixelFormat::Bgr8 | PixelFormat::Gray8 => (picture.data(), 1),
        };
        let step = (bytes.len() / SAMPLES).max(1).next_multiple_of(luma_step);
        let mut histogram = [0_usize; 256];
        let (mut hash, mut samples) = (FNV.0, 0);
        for byte in bytes.iter().step_by(step) {
            histogram[usize::from(*byte)] += 1;
            hash = (hash ^ u64::from(*byte)).wrapping_mul(FNV.1);
            samples += 1;
        }
        let frozen = self.follow(hash);
        let level = |share: f64| {
            let mut left = (share * samples as f64) as usize;
            histogram.iter().position(|count| {
                let here = left < *count;
                left = left.saturating_sub(*count);
                here
            })
        };
        let (low, high) = (level(0.01)?, level(0.99)?);
        if high < BLACK_BELOW {
            Some(Blindness::Black)
        } else if high - low < BLANK_WITHIN {
            Some(Blindness::Blank)
        } else {
            frozen.then_some(Blindness::Frozen)
        }
    }

    /// Looks at a LiDAR's next sweep.
    pub fn sweep(&mut self, cloud: &Cloud) -> Option<Blindness> {
        let finite = cloud.xyz.iter().filter(|p| p.iter().all(|c| c.is_finite())).take(POINTS_MIN).count();
        let step = (cloud.len() / SAMPLES).max(1);
        let coordinates = cloud.xyz.iter().step_by(step).flatten();
        let hash = coordinates.fold(FNV.0, |hash, c| (hash ^ u64::from(c.to_bits())).wrapping_mul(FNV.1));
        let frozen = self.follow(hash);
        if finite < POINTS_MIN { Some(Blindness::Empty) } else { frozen.then_some(Blindness::Frozen) }
    }

    /// Whether this is one equal frame too many.
    fn follow(&mut self, hash: u64) -> bool {
        self.equal = if self.last.replace(hash) == Some(hash) { self.equal.saturating_add(1) } else { 0 };
        self.equal + 1 >= FROZEN_FRAMES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Image;

    /// A picture of a ramp, shifted by `shift`.
    fn ramp(shift: usize, format: PixelFormat) -> Image {
        let data = (0..format.image_bytes(64, 48)).map(|i| ((i + shift) % 200 + 20) as u8).collect();
        Image::from_vec(64, 48, format, data).unwrap()
    }

    #[test]
    fn pictures_that_change_are_seen_and_those_that_do_not_are_frozen_and_thaw() {
        for format in [PixelFormat::Rgb8, PixelFormat::Gray8, PixelFormat::Yuyv, PixelFormat::Nv12] {
            let mut watch = BlindWatch::default();
            for shift in 0..20 {
                assert_eq!(watch.picture(ramp(shift, format).view()), None);
            }
            let still = ramp(7, format);
            let said: Vec<_> = (0..6).map(|_| watch.picture(still.view())).collect();
            assert_eq!(said, [None, None, None, None, Some(Blindness::Frozen), Some(Blindness::Frozen)]);
            assert_eq!(watch.picture(ramp(8, format).view()), None);
        }
    }

    #[test]
    fn black_and_blank_pictures_are_blind_at_once_and_a_night_with_a_lamp_is_not() {
        let picture = |fill: &dyn Fn(usize) -> u8| {
            Image::from_vec(64, 48, PixelFormat::Gray8, (0..64 * 48).map(fill).collect()).unwrap()
        };
        let mut watch = BlindWatch::default();
        assert_eq!(watch.picture(picture(&|i| (i % 7) as u8).view()), Some(Blindness::Black));
        assert_eq!(watch.picture(picture(&|i| 128 + (i % 3) as u8).view()), Some(Blindness::Blank));
        assert_eq!(watch.picture(picture(&|i| if i % 40 == 0 { 220 } else { (i % 9) as u8 }).view()), None);
    }

    #[test]
    fn sweeps_without_points_are_empty_and_equal_ones_frozen() {
        let mut watch = BlindWatch::default();
        assert_eq!(watch.sweep(&Cloud::default()), Some(Blindness::Empty));
        let nan = Cloud { xyz: vec![[f32::NAN; 3]; 100], ..Cloud::default() };
        assert_eq!(watch.sweep(&nan), Some(Blindness::Empty));
        let cloud =
            |shift: f32| Cloud { xyz: (0..100).map(|i| [i as f32 + shift, 1.0, 0.0]).collect(), ..Cloud::default() };
        assert_eq!(watch.sweep(&cloud(0.1)), None);
        let said: Vec<_> = (0..5).map(|_| watch.sweep(&cloud(0.2))).collect();
        assert_eq!(said[3..], [None, Some(Blindness::Frozen)]);
    }
}
