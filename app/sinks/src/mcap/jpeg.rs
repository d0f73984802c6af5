//! Pixels to JPEG, for recordings of pictures that are not files yet.

use jpeg_encoder::{ColorType, Encoder};
use ocellus_percept::image::{ImageView, PixelFormat};
use thiserror::Error;

/// Why a picture cannot become a JPEG.
#[derive(Debug, Error)]
pub enum JpegError {
    /// JPEG holds sides of 1 to 65535 pixels.
    #[error("a picture of {width}x{height} px cannot become a JPEG: expected sides of 1 to 65535")]
    Size {
        /// Columns.
        width: usize,
        /// Rows.
        height: usize,
    },
    /// The encoder's own reason.
    #[error("cannot encode a picture of {width}x{height} px as JPEG: {reason}")]
    Encode {
        /// Columns.
        width: usize,
        /// Rows.
        height: usize,
        /// What it says.
        reason: String,
    },
}

/// `image` as a JPEG of `quality` 1 to 100. Subsampled formats (YUYV, NV12) keep their luma and chroma values (BT.601,
/// stretched from video range to JPEG's full range).
pub fn jpeg_from_image(image: ImageView<'_>, quality: u8) -> Result<Vec<u8>, JpegError> {
    let (width, height) = (image.width(), image.height());
    let (Ok(columns), Ok(rows)) = (u16::try_from(width), u16::try_from(height)) else {
        return Err(JpegError::Size { width, height });
    };
    let mut jpeg = Vec::with_capacity(width * height / 4);
    let encoder = Encoder::new(&mut jpeg, quality.clamp(1, 100));
    let outcome = match image.format() {
        PixelFormat::Rgb8 => encoder.encode(image.data(), columns, rows, ColorType::Rgb),
        PixelFormat::Bgr8 => encoder.encode(image.data(), columns, rows, ColorType::Bgr),
        PixelFormat::Gray8 => encoder.encode(image.data(), columns, rows, ColorType::Luma),
        PixelFormat::Yuyv => encoder.encode(&ycbcr_from_yuyv(image.data()), columns, rows, ColorType::Ycbcr),
        PixelFormat::Nv12 => encoder.encode(&ycbcr_from_nv12(&image), columns, rows, ColorType::Ycbcr),
    };
    outcome.map_err(|e| JpegError::Encode { width, height, reason: e.to_string() })?;
    Ok(jpeg)
}

/// Video range (16 to 235 and 240) to full range.
fn full_range(y: u8, cb: u8, cr: u8) -> [u8; 3] {
    let stretch = |value: u8, zero: f32, span: f32, centre: f32| {
        ((f32::from(value) - zero) * 255.0 / span + centre).round().clamp(0.0, 255.0) as u8
    };
    [stretch(y, 16.0, 219.0, 0.0), stretch(cb, 128.0, 224.0, 128.0), stretch(cr, 128.0, 224.0, 128.0)]
}

fn ycbcr_from_yuyv(data: &[u8]) -> Vec<u8> {
    let pairs = data.as_chunks::<4>().0.iter();
    pairs.flat_map(|[y0, cb, y1, cr]| [full_range(*y0, *cb, *cr), full_range(*y1, *cb, *cr)]).flatten().collect()
}

fn ycbcr_from_nv12(image: &ImageView<'_>) -> Vec<u8> {
    let (width, height) = (image.width(), image.height());
    let (luma, chroma) = image.data().split_at(width * height);
    let mut out = Vec::with_capacity(width * height * 3);
    for (row, line) in luma.chunks_exact(width).enumerate() {
        let pairs = chroma.get(row / 2 * width..).unwrap_or_default().as_chunks::<2>().0;
        for ([y0, y1], [cb, cr]) in line.as_chunks::<2>().0.iter().zip(pairs) {
            out.extend(full_range(*y0, *cb, *cr));
            out.extend(full_range(*y1, *cb, *cr));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_becomes_a_jpeg_and_impossible_sizes_an_error() {
        for format in [PixelFormat::Rgb8, PixelFormat::Bgr8, PixelFormat::Gray8, PixelFormat::Yuyv, PixelFormat::Nv12] {
            let data = vec![128; format.image_bytes(18, 10)];
            let jpeg = jpeg_from_image(ImageView::new(18, 10, format, &data).unwrap(), 90).unwrap();
            assert_eq!(&jpeg[..3], &[0xFF, 0xD8, 0xFF], "{format:?}");
        }
        let data = vec![0; 70_000];
        let wide = ImageView::new(70_000, 1, PixelFormat::Gray8, &data).unwrap();
        assert!(matches!(jpeg_from_image(wide, 90), Err(JpegError::Size { .. })));
    }

    #[test]
    fn video_range_is_stretched_to_full_range() {
        assert_eq!(full_range(16, 128, 128), [0, 128, 128]);
        assert_eq!(full_range(235, 128, 128), [255, 128, 128]);
        assert_eq!(full_range(126, 240, 16)[1..], [255, 1]);
    }
}
