//! What one entry of a drive (or one capture of a live sensor) carries, before decoding.
//!
//! Reading is sequential and cheap, decoding is parallel and dear: a picture travels as its encoded bytes and becomes
//! pixels in [`crate::decode_image`]. Points need no decoding worth a stage of its own. A [`Payload`] is meant to be
//! kept and filled again: its buffers keep their allocations.

use ocellus_percept::cloud::Cloud;
use ocellus_percept::image::PixelFormat;

/// How the bytes of a picture are coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageEncoding {
    /// JPEG, as recorded.
    Jpeg,
    /// PNG, as recorded.
    Png,
    /// Tightly packed pixels.
    Raw {
        /// Layout of the bytes.
        format: PixelFormat,
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
    },
}

impl ImageEncoding {
    /// Name for people: `jpeg`, `png`, `raw`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "jpeg",
            Self::Png => "png",
            Self::Raw { .. } => "raw",
        }
    }
}

/// A picture as it was recorded or captured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedImage {
    /// Where it came from, for messages: a file, a topic and place, a device.
    pub origin: String,
    /// How the bytes are coded.
    pub encoding: ImageEncoding,
    /// The bytes, as recorded.
    pub bytes: Vec<u8>,
}

impl Default for EncodedImage {
    /// No bytes, from nowhere; to be filled.
    fn default() -> Self {
        Self { origin: String::new(), encoding: ImageEncoding::Jpeg, bytes: Vec::new() }
    }
}

/// The data of one entry.
#[derive(Debug, Clone, PartialEq)]
pub enum Payload {
    /// A camera frame, still encoded.
    Image(EncodedImage),
    /// A LiDAR sweep in the LiDAR's own frame.
    Cloud(Cloud),
}

impl Default for Payload {
    /// An empty payload to be filled.
    fn default() -> Self {
        Self::Image(EncodedImage::default())
    }
}

impl Payload {
    /// The picture in it; an empty one where it is a sweep.
    pub fn into_image(self) -> EncodedImage {
        if let Self::Image(image) = self { image } else { EncodedImage::default() }
    }

    /// The sweep in it; an empty one where it is a picture.
    pub fn into_cloud(self) -> Cloud {
        if let Self::Cloud(cloud) = self { cloud } else { Cloud::default() }
    }

    /// Takes the picture out to be filled again, emptied, its buffers kept; a new one where this was a sweep.
    pub fn take_image(&mut self) -> EncodedImage {
        match std::mem::take(self) {
            Self::Image(mut image) => {
                image.bytes.clear();
                image
            }
            Self::Cloud(_) => EncodedImage::default(),
        }
    }

    /// Takes the sweep out to be filled again, emptied, its buffers kept; a new one where this was a picture.
    pub fn take_cloud(&mut self) -> Cloud {
        match std::mem::take(self) {
            Self::Cloud(mut cloud) => {
                cloud.clear();
                cloud
            }
            Self::Image(_) => Cloud::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_survive_refilling_and_a_change_of_kind_starts_anew() {
        let mut payload = Payload::Image(EncodedImage { bytes: Vec::with_capacity(1000), ..Default::default() });
        let image = payload.take_image();
        assert!(image.bytes.capacity() >= 1000 && image.bytes.is_empty());
        payload = Payload::Image(image);
        let cloud = payload.take_cloud();
        assert!(cloud.is_empty());
    }
}
