//! A camera's picture: as recorded where it is a file, compressed where it is pixels.

use jpeg_encoder::{ColorType, Encoder, EncodingError};
use ocellus_percept::image::{Image, PixelFormat};
use rerun::RecordingStream;
use rerun::archetypes::EncodedImage;

use super::ViewerError;
use super::message::Picture;
use super::scene::picture_path;

/// Quality of compressed pixels: no artefact that disturbs a viewer, a tenth of the bytes.
const JPEG_QUALITY: u8 = 80;

/// Logs the picture of `camera`.
pub(super) fn log_picture(rec: &RecordingStream, camera: &str, picture: &Picture) -> Result<(), ViewerError> {
    let path = picture_path(camera);
    let encoded = match picture {
        Picture::Encoded(bytes) => encoded_image(bytes.to_vec()),
        Picture::Raw(image) => match jpeg_of(image) {
            Some(outcome) => encoded_image(outcome.map_err(|e| ViewerError::Picture {
                camera: camera.to_owned(),
                width: image.width(),
                height: image.height(),
                reason: e.to_string(),
            })?),
            None => return log_subsampled(rec, &path, image),
        },
    };
    rec.log(path.as_str(), &encoded).map_err(ViewerError::rerun(&path))
}

/// The file's bytes with their media type told from the first of them.
fn encoded_image(bytes: Vec<u8>) -> EncodedImage {
    let media_type = match bytes.as_slice() {
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [0x89, b'P', b'N', b'G', ..] => Some("image/png"),
        _ => None,
    };
    let image = EncodedImage::from_file_contents(bytes);
    media_type.map_or(image.clone(), |media_type| image.with_media_type(media_type))
}

/// The picture as JPEG; `None` for the subsampled formats, which the viewer takes as they are at 1.5 or 2 bytes a
/// pixel.
fn jpeg_of(image: &Image) -> Option<Result<Vec<u8>, EncodingError>> {
    let colour = match image.format() {
        PixelFormat::Rgb8 => ColorType::Rgb,
        PixelFormat::Bgr8 => ColorType::Bgr,
        PixelFormat::Gray8 => ColorType::Luma,
        PixelFormat::Yuyv | PixelFormat::Nv12 => return None,
    };
    let mut jpeg = Vec::new();
    // A size that JPEG cannot hold becomes 0, which the encoder refuses by name.
    let (width, height) = (u16::try_from(image.width()).unwrap_or(0), u16::try_from(image.height()).unwrap_or(0));
    let outcome = Encoder::new(&mut jpeg, JPEG_QUALITY).encode(image.data(), width, height, colour);
    Some(outcome.map(|()| jpeg))
}

fn log_subsampled(rec: &RecordingStream, path: &str, image: &Image) -> Result<(), ViewerError> {
    let format = match image.format() {
        PixelFormat::Nv12 => rerun::datatypes::PixelFormat::NV12,
        _ => rerun::datatypes::PixelFormat::YUY2,
    };
    let size = [image.width() as u32, image.height() as u32];
    let archetype = rerun::archetypes::Image::from_pixel_format(size, format, image.data().to_vec());
    rec.log(path, &archetype).map_err(ViewerError::rerun(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_become_a_jpeg_and_impossible_sizes_an_error() {
        let image = Image::from_vec(16, 8, PixelFormat::Bgr8, vec![90; 16 * 8 * 3]).unwrap();
        let jpeg = jpeg_of(&image).unwrap().unwrap();
        assert_eq!(&jpeg[..3], &[0xff, 0xd8, 0xff]);
        let wide = Image::from_vec(70_000, 1, PixelFormat::Gray8, vec![0; 70_000]).unwrap();
        assert!(jpeg_of(&wide).unwrap().is_err());
        let nv12 = Image::from_vec(2, 2, PixelFormat::Nv12, vec![0; 6]).unwrap();
        assert!(jpeg_of(&nv12).is_none());
    }
}
