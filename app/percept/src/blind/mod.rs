//! Whether a sensor that still gives data shows anything: pictures that are black, blank, over-exposed, covered, blurred or
//! frozen; sweeps that are empty, thin or frozen.
//!
//! A [`Look`] is taken of each frame by itself; a [`BlindWatch`] follows the looks of one sensor in order. Real sensors have
//! noise: frames that are equal to the last bit in a row mean that a buffer is given out again and again. A dark night is not
//! blindness: a lamp, a sky, a reflection stays brighter than the limits. The limits of pictures lie between 105 photographs of
//! roads and of everyday scenes, none of which is blind, and the same photographs altered.

mod look;

pub use look::Look;

use crate::cloud::Cloud;
use crate::image::ImageView;
use crate::time::Timestamp;
use look::{Of, PictureLook};

/// Frames equal to the one before, in a row, that are frozen where they come over [`FROZEN_S`]: one duplicate happens.
const FROZEN_EQUAL: u32 = 2;
/// How long the same frame must have come, seconds of capture time: two intervals at 10 Hz, jitter apart. By time and not by
/// counting, so that a computer that drops frames tells as soon as one that does not.
const FROZEN_S: f64 = 0.18;
/// A picture whose 99th percentile is below this shows nothing: a covered lens, a cut cable. Of 255.
const BLACK_BELOW: usize = 12;
/// A picture whose samples all lie within this range shows nothing: a white-out, a driver's grey. Of 255.
const BLANK_WITHIN: usize = 4;
/// A picture with more saturated samples is over-exposed: of the photographs a piste in the sun has most, 0.66.
const SATURATED_MAX: f32 = 0.75;
/// A picture with more tiles without detail is covered: of the photographs 0.56 at most have none.
const EMPTY_TILES_MAX: f32 = 0.8;
/// A picture that is less sharp is blurred: the least sharp photograph has 0.13, and blurred by four pixels in 640 none has more
/// than 0.08.
const SHARPNESS_MIN: f32 = 0.09;
/// Nothing is said of sharpness where there is less contrast to measure it on; the flattest photograph has 61.
const CONTRAST_MIN: f32 = 20.0;
/// Covered, over-exposed, blurred and thin frames in a row before the sensor is blind: the side of a lorry, the end of a tunnel, a
/// pothole and a sweep that was cut off pass.
const LASTING_FRAMES: u32 = 3;
/// Points with finite coordinates below which a sweep shows nothing; every road gives more.
const POINTS_MIN: usize = 16;
/// A sweep with fewer than this share of its LiDAR's usual points is thin: from a street to a field half of them go, not nine
/// in ten.
const THIN_SHARE: f32 = 0.1;
/// How fast what is usual follows what comes, per sweep.
const USUAL_GAIN: f32 = 0.02;

/// Why a sensor is blind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blindness {
    /// The picture is black.
    Black,
    /// The picture is of one colour.
    Blank,
    /// Most of the picture is white.
    Overexposed,
    /// Most of the picture has no detail: something is on the lens.
    Covered,
    /// The picture is out of focus, or the lens is wet or dirty.
    Blurred,
    /// The same frame comes again and again.
    Frozen,
    /// The sweep has no points.
    Empty,
    /// The sweep has far fewer points than usual.
    Thin,
}

impl Blindness {
    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Black => "black",
            Self::Blank => "blank",
            Self::Overexposed => "over-exposed",
            Self::Covered => "covered",
            Self::Blurred => "blurred",
            Self::Frozen => "frozen",
            Self::Empty => "empty",
            Self::Thin => "thin",
        }
    }
}

/// Follows one sensor's frames.
#[derive(Debug, Clone, Default)]
pub struct BlindWatch {
    /// The last frame's hash, and when the first frame equal to it was taken.
    last: Option<(u64, Timestamp)>,
    equal: u32,
    /// What the last pictures lacked, and how many of them in a row.
    lacking: Option<(Blindness, u32)>,
    /// Points of a usual sweep, and how many in a row had far fewer.
    usual: Option<f32>,
    thin: u32,
}

impl BlindWatch {
    /// Looks at a camera's next picture, taken at `t`.
    pub fn picture(&mut self, t: Timestamp, picture: ImageView<'_>) -> Option<Blindness> {
        Look::of_picture(picture).map_or(Some(Blindness::Blank), |look| self.step(t, &look))
    }

    /// Looks at a LiDAR's next sweep, taken at `t`.
    pub fn sweep(&mut self, t: Timestamp, cloud: &Cloud) -> Option<Blindness> {
        self.step(t, &Look::of_sweep(cloud))
    }

    /// Whether the last frame was the one before once more: what it shows is as old as that.
    pub fn repeats(&self) -> bool {
        self.equal > 0
    }

    /// Takes in the look of the sensor's next frame, taken at `t`.
    pub fn step(&mut self, t: Timestamp, look: &Look) -> Option<Blindness> {
        let frozen = self.follow(t, look.hash).then_some(Blindness::Frozen);
        match look.of {
            Of::Picture(look) => self.judge_picture(&look).or(frozen),
            Of::Sweep(points) => self.judge_sweep(points).or(frozen),
        }
    }

    fn judge_picture(&mut self, look: &PictureLook) -> Option<Blindness> {
        let [low, high] = look.range;
        if high < BLACK_BELOW {
            return Some(Blindness::Black);
        }
        if high - low < BLANK_WITHIN {
            return Some(Blindness::Blank);
        }
        let lacks = if look.saturated > SATURATED_MAX {
            Some(Blindness::Overexposed)
        } else if look.empty_tiles > EMPTY_TILES_MAX {
            Some(Blindness::Covered)
        } else if look.contrast >= CONTRAST_MIN && look.sharpness < SHARPNESS_MIN {
            Some(Blindness::Blurred)
        } else {
            None
        };
        self.lacking = lacks.map(|lack| (lack, self.lacking.map_or(1, |(_, frames)| frames.saturating_add(1))));
        self.lacking.filter(|(_, frames)| *frames >= LASTING_FRAMES).map(|(lack, _)| lack)
    }

    fn judge_sweep(&mut self, points: usize) -> Option<Blindness> {
        if points < POINTS_MIN {
            return Some(Blindness::Empty);
        }
        let points = points as f32;
        let usual = *self.usual.get_or_insert(points);
        if points < THIN_SHARE * usual {
            self.thin = self.thin.saturating_add(1);
            return (self.thin >= LASTING_FRAMES).then_some(Blindness::Thin);
        }
        self.thin = 0;
        // What is blind teaches nothing of what is usual; the first sweeps may be of a LiDAR that still spins up.
        self.usual = Some(points.max(usual + USUAL_GAIN * (points - usual)));
        None
    }

    /// Whether the same frame has come for too long.
    fn follow(&mut self, t: Timestamp, hash: u64) -> bool {
        let since = self.last.filter(|(last, _)| *last == hash).map(|(_, since)| since);
        self.equal = if since.is_some() { self.equal.saturating_add(1) } else { 0 };
        let since = since.unwrap_or(t);
        self.last = Some((hash, since));
        self.equal >= FROZEN_EQUAL && t.seconds_since(since) >= FROZEN_S
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{Image, PixelFormat};

    /// The `k`-th moment at 10 Hz.
    fn at(k: usize) -> Timestamp {
        Timestamp::default().plus_seconds(0.1 * k as f64)
    }

    /// A picture full of detail, shifted by `shift`.
    fn detailed(shift: usize, format: PixelFormat) -> Image {
        let data = (0..format.image_bytes(64, 48)).map(|i| (((i + shift) * 73) % 200 + 20) as u8).collect();
        Image::from_vec(64, 48, format, data).unwrap()
    }

    #[test]
    fn pictures_that_change_are_seen_and_those_that_do_not_are_frozen_and_thaw() {
        for format in [PixelFormat::Rgb8, PixelFormat::Gray8, PixelFormat::Yuyv, PixelFormat::Nv12] {
            let mut watch = BlindWatch::default();
            for shift in 0..20 {
                assert_eq!(watch.picture(at(shift), detailed(shift, format).view()), None);
                assert!(!watch.repeats());
            }
            let still = detailed(7, format);
            let said: Vec<_> = (20..25).map(|k| (watch.picture(at(k), still.view()), watch.repeats())).collect();
            let frozen = Some(Blindness::Frozen);
            assert_eq!(said, [(None, false), (None, true), (frozen, true), (frozen, true), (frozen, true)]);
            assert_eq!((watch.picture(at(25), detailed(8, format).view()), watch.repeats()), (None, false));
        }
    }

    #[test]
    fn a_frozen_camera_is_told_within_300_ms_of_its_last_picture_at_any_rate_and_a_doubled_frame_is_not_frozen() {
        let still = detailed(7, PixelFormat::Gray8);
        for (interval_ms, within_ms) in [(16.6, 300.0), (33.3, 300.0), (100.0, 300.0), (150.0, 300.0), (300.0, 600.0)] {
            let mut watch = BlindWatch::default();
            let stamp = |k: u32| Timestamp::default().plus_seconds(f64::from(k) * interval_ms * 1e-3);
            let told = (0..100).find(|k| watch.picture(stamp(*k), still.view()).is_some()).unwrap();
            assert!(f64::from(told) * interval_ms <= within_ms, "every {interval_ms} ms: at frame {told}");
        }
        // 24 pictures a second shown 60 times a second: two or three of each.
        let mut watch = BlindWatch::default();
        for k in 0..120_usize {
            let t = Timestamp::default().plus_seconds(k as f64 / 60.0);
            assert_eq!(watch.picture(t, detailed(k * 24 / 60, PixelFormat::Gray8).view()), None, "{k}");
        }
    }

    #[test]
    fn black_and_blank_pictures_are_blind_at_once_and_a_night_with_a_lamp_is_not() {
        let picture = |fill: &dyn Fn(usize) -> u8| {
            Image::from_vec(64, 48, PixelFormat::Gray8, (0..64 * 48).map(fill).collect()).unwrap()
        };
        let mut watch = BlindWatch::default();
        assert_eq!(watch.picture(at(0), picture(&|i| (i % 7) as u8).view()), Some(Blindness::Black));
        assert_eq!(watch.picture(at(0), picture(&|i| 128 + (i % 3) as u8).view()), Some(Blindness::Blank));
        assert_eq!(watch.picture(at(0), picture(&|i| if i % 40 == 0 { 220 } else { (i % 9) as u8 }).view()), None);
    }

    /// A picture whose brightness is `fill` of column and row, three times in a row, each time with other noise.
    fn three(watch: &mut BlindWatch, fill: impl Fn(usize, usize) -> u8) -> Vec<Option<Blindness>> {
        let picture = |k: usize| {
            let data = (0..640 * 480).map(|i| fill(i % 640, i / 640).saturating_add(((i * 31 + k * 17) % 3) as u8));
            Image::from_vec(640, 480, PixelFormat::Gray8, data.collect()).unwrap()
        };
        (0..3).map(|k| watch.picture(at(k), picture(k).view())).collect()
    }

    #[test]
    fn what_is_covered_over_exposed_or_blurred_for_long_is_blind_and_recovers_at_once() {
        let chequer = |x: usize, y: usize, side: usize| if (x / side + y / side).is_multiple_of(2) { 60 } else { 180 };
        let mut watch = BlindWatch::default();
        let covered = three(&mut watch, |x, y| if x > 560 { chequer(x, y, 20) } else { 30 });
        assert_eq!(covered, [None, None, Some(Blindness::Covered)]);
        assert_eq!(three(&mut watch, |x, y| chequer(x, y, 20)), [None; 3], "sharp");
        let over = three(&mut watch, |x, y| if y > 400 { chequer(x, y, 20) } else { 252 });
        assert_eq!(over, [None, None, Some(Blindness::Overexposed)]);
        // Waves of 160 pixels: no edge anywhere.
        let wave = |x: usize| (120.0 + 80.0 * (x as f64 * std::f64::consts::TAU / 160.0).sin()) as u8;
        // What was blind for one reason and is for another was blind all the time.
        assert_eq!(three(&mut watch, |x, y| wave(x + y)), [Some(Blindness::Blurred); 3]);
        assert_eq!(three(&mut watch, |x, y| chequer(x, y, 20)), [None; 3]);
        // Half a picture without detail is a sky or a wall.
        assert_eq!(three(&mut watch, |x, y| if y > 240 { chequer(x, y, 20) } else { 200 }), [None; 3]);
    }

    #[test]
    fn a_sweep_is_thin_by_what_its_lidar_usually_gives() {
        let cloud = |points: usize, shift: usize| Cloud {
            xyz: (0..points).map(|i| [i as f32, shift as f32, 0.0]).collect(),
            ..Cloud::default()
        };
        let mut watch = BlindWatch::default();
        assert_eq!(watch.sweep(at(0), &cloud(200, 0)), None, "a small LiDAR");
        assert_eq!(watch.sweep(at(1), &cloud(20_000, 1)), None);
        assert_eq!(watch.sweep(at(2), &cloud(8_000, 2)), None, "a field after a street");
        assert_eq!([3, 4].map(|k| watch.sweep(at(k), &cloud(1_500, k))), [None; 2], "cut off");
        assert_eq!(watch.sweep(at(5), &cloud(1_500, 5)), Some(Blindness::Thin));
        assert_eq!(watch.sweep(at(6), &cloud(18_000, 6)), None);
    }

    #[test]
    fn sweeps_without_points_are_empty_and_equal_ones_frozen() {
        let mut watch = BlindWatch::default();
        assert_eq!(watch.sweep(at(0), &Cloud::default()), Some(Blindness::Empty));
        let nan = Cloud { xyz: vec![[f32::NAN; 3]; 100], ..Cloud::default() };
        assert_eq!(watch.sweep(at(1), &nan), Some(Blindness::Empty));
        let cloud =
            |shift: f32| Cloud { xyz: (0..100).map(|i| [i as f32 + shift, 1.0, 0.0]).collect(), ..Cloud::default() };
        assert_eq!(watch.sweep(at(2), &cloud(0.1)), None);
        let said: Vec<_> = (3..6).map(|k| watch.sweep(at(k), &cloud(0.2))).collect();
        assert_eq!(said, [None, None, Some(Blindness::Frozen)]);
    }
}
