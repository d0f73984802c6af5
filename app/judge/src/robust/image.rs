//! Six corruptions of pictures after ImageNet-C (Hendrycks and Dietterich 2019), on 8-bit RGB, BGR or grey pixels.

use ocellus_percept::image::{Image, ImageError, PixelFormat};
use serde::{Deserialize, Serialize};

use super::{Severity, blur, fog, jpeg};
use crate::stats::Rng;

/// Why a picture or sweep cannot be corrupted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RobustError {
    /// A layout without separate channels.
    #[error("a {got:?} picture cannot be corrupted: convert it to Rgb8, Bgr8 or Gray8 first")]
    Format {
        /// The layout.
        got: PixelFormat,
    },
    /// The picture is empty or its bytes do not fit.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// An object to be planted does not fit.
    #[error("an object of {width}x{height} px does not fit into a picture of {image_width}x{image_height} px")]
    DoesNotFit {
        /// Columns of the object.
        width: usize,
        /// Rows of the object.
        height: usize,
        /// Columns of the picture.
        image_width: usize,
        /// Rows of the picture.
        image_height: usize,
    },
}

/// A corruption of pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageCorruption {
    /// Sensor noise.
    GaussianNoise,
    /// A moving camera, in a seeded direction.
    MotionBlur,
    /// Patchy fog, denser towards the horizon.
    Fog,
    /// Overexposure.
    Brightness,
    /// Coarse 8x8 DCT quantisation.
    Jpeg,
    /// Streaks of falling snow.
    Snow,
}

impl ImageCorruption {
    /// All six.
    pub const ALL: [Self; 6] =
        [Self::GaussianNoise, Self::MotionBlur, Self::Fog, Self::Brightness, Self::Jpeg, Self::Snow];

    /// Name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::GaussianNoise => "gaussian noise",
            Self::MotionBlur => "motion blur",
            Self::Fog => "fog",
            Self::Brightness => "brightness",
            Self::Jpeg => "jpeg",
            Self::Snow => "snow",
        }
    }
}

/// A picture being changed: `channels` interleaved bytes a pixel.
pub(super) struct Pixels {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) channels: usize,
    pub(super) data: Vec<u8>,
}

impl Pixels {
    /// Replaces the value of each channel of each pixel by `change(x, y, value)`.
    pub(super) fn map(&mut self, mut change: impl FnMut(usize, usize, f64) -> f64) {
        let (width, channels) = (self.width, self.channels);
        for (i, value) in self.data.iter_mut().enumerate() {
            let pixel = i / channels;
            *value = to_byte(change(pixel % width, pixel / width, f64::from(*value)));
        }
    }
}

pub(super) fn to_byte(value: f64) -> u8 {
    // Saturates; rounds halves up, which every machine does alike.
    (value + 0.5) as u8
}

/// A corrupted copy; the same seed gives the same bytes.
pub fn corrupt_image(
    image: &Image,
    kind: ImageCorruption,
    severity: Severity,
    seed: u64,
) -> Result<Image, RobustError> {
    let channels = match image.format() {
        PixelFormat::Rgb8 | PixelFormat::Bgr8 => 3,
        PixelFormat::Gray8 => 1,
        got => return Err(RobustError::Format { got }),
    };
    let (width, height, format) = (image.width(), image.height(), image.format());
    let mut pixels = Pixels { width, height, channels, data: image.data().to_vec() };
    let mut rng = Rng::part(seed, kind as u64);
    match kind {
        ImageCorruption::GaussianNoise => {
            // Standard deviations of ImageNet-C in units of 255.
            let sigma = severity.of([0.08, 0.18, 0.38]) * 255.0;
            pixels.map(|_, _, v| v + sigma * rng.normal());
        }
        ImageCorruption::Brightness => {
            let lift = severity.of([0.1, 0.3, 0.5]) * 255.0;
            pixels.map(|_, _, v| v + lift);
        }
        ImageCorruption::MotionBlur => blur::motion_blur(&mut pixels, severity, &mut rng),
        ImageCorruption::Fog => fog::fog(&mut pixels, severity, &mut rng),
        ImageCorruption::Snow => fog::snow(&mut pixels, severity, &mut rng),
        ImageCorruption::Jpeg => jpeg::compress(&mut pixels, severity),
    }
    Ok(Image::from_vec(width, height, format, pixels.data)?)
}
