//! Pictures of messages into [`EncodedImage`]: file formats by their bytes, pixels by their encoding's name.
//!
//! Rows are packed tightly, alpha is dropped, 16 bits of grey are rounded to 8 and the byte orders that
//! [`PixelFormat`] does not have are turned into ones it has. Bayer patterns and depth are refused by name.

use ocellus_percept::image::PixelFormat;

use super::fault::Fault;
use super::message::{CompressedPicture, RawPicture};
use crate::decode::encoding_from_bytes;
use crate::payload::{EncodedImage, ImageEncoding};

/// How the rows of an encoding become rows of a [`PixelFormat`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repack {
    /// As they are.
    Copy,
    /// Four bytes a pixel, the fourth dropped.
    DropFourth,
    /// Two bytes a pixel to one.
    SixteenToEight,
    /// Neighbouring bytes change places.
    SwapPairs,
    /// The same, below the first plane.
    SwapChroma,
}

/// Layout, source bytes per pixel of the first plane, and what is to be done.
fn layout(encoding: &str) -> Option<(PixelFormat, usize, Repack)> {
    Some(match encoding.to_ascii_lowercase().as_str() {
        "rgb8" => (PixelFormat::Rgb8, 3, Repack::Copy),
        // OpenCV's colour pictures are blue first.
        "bgr8" | "8uc3" => (PixelFormat::Bgr8, 3, Repack::Copy),
        "mono8" | "8uc1" => (PixelFormat::Gray8, 1, Repack::Copy),
        "rgba8" => (PixelFormat::Rgb8, 4, Repack::DropFourth),
        "bgra8" | "8uc4" => (PixelFormat::Bgr8, 4, Repack::DropFourth),
        "mono16" => (PixelFormat::Gray8, 2, Repack::SixteenToEight),
        "yuv422_yuy2" | "yuyv" | "yuy2" => (PixelFormat::Yuyv, 2, Repack::Copy),
        // ROS calls UYVY by the subsampling's name.
        "yuv422" | "uyvy" => (PixelFormat::Yuyv, 2, Repack::SwapPairs),
        "nv12" => (PixelFormat::Nv12, 1, Repack::Copy),
        "nv21" => (PixelFormat::Nv12, 1, Repack::SwapChroma),
        _ => return None,
    })
}

/// Whether pictures of this encoding are read.
pub(crate) fn is_known(encoding: &str) -> bool {
    layout(encoding).is_some()
}

/// The encodings read, for messages.
const ENCODINGS: &str = "one of rgb8, bgr8, rgba8, bgra8, mono8, mono16, yuv422_yuy2, uyvy, nv12, nv21";

/// Packs the pixels of `picture` into `out`, whose origin is left as it is.
pub(crate) fn pack_raw(picture: &RawPicture<'_>, out: &mut EncodedImage) -> Result<(), Fault> {
    let (format, pixel_bytes, repack) = layout(picture.encoding)
        .ok_or_else(|| Fault::value("encoding", ENCODINGS, format!("{:?}", picture.encoding)))?;
    let (width, height) = (picture.width as usize, picture.height as usize);
    let fault = |what: &str, got: String| Fault::value("picture", what.to_owned(), got);
    if width == 0 || height == 0 {
        return Err(fault("at least 1x1 px", format!("{width}x{height}")));
    }
    let row = width * pixel_bytes;
    let rows = if format == PixelFormat::Nv12 { height + height / 2 } else { height };
    // Foxglove allows a step of zero for rows without padding.
    let step = if picture.step == 0 { row } else { picture.step };
    if step < row {
        return Err(fault("a step of at least one row", format!("step {step}, {row} bytes a row of {width} px")));
    }
    let needed = step.checked_mul(rows - 1).and_then(|n| n.checked_add(row));
    if needed.is_none_or(|n| n > picture.data.len()) {
        let expected = format!("{rows} rows of {step} bytes ({width}x{height} {})", picture.encoding);
        return Err(Fault::truncated("data", expected, picture.data.len()));
    }
    out.encoding = ImageEncoding::Raw { format, width: picture.width, height: picture.height };
    out.bytes.clear();
    out.bytes.reserve(format.image_bytes(width, height));
    for (number, line) in picture.data.chunks(step).take(rows).enumerate() {
        let line = line.get(..row).unwrap_or(line);
        pack_row(line, repack, picture.big_endian, number >= height, &mut out.bytes);
    }
    Ok(())
}

fn pack_row(row: &[u8], repack: Repack, big_endian: bool, chroma: bool, out: &mut Vec<u8>) {
    match repack {
        Repack::SwapPairs => out.extend(row.as_chunks::<2>().0.iter().flat_map(|[a, b]| [*b, *a])),
        Repack::SwapChroma if chroma => out.extend(row.as_chunks::<2>().0.iter().flat_map(|[a, b]| [*b, *a])),
        Repack::Copy | Repack::SwapChroma => out.extend_from_slice(row),
        Repack::DropFourth => out.extend(row.as_chunks::<4>().0.iter().flat_map(|[a, b, c, _]| [*a, *b, *c])),
        Repack::SixteenToEight => out.extend(row.as_chunks::<2>().0.iter().map(|pair| {
            let value = if big_endian { u16::from_be_bytes(*pair) } else { u16::from_le_bytes(*pair) };
            ((u32::from(value) + 128) / 257) as u8
        })),
    }
}

/// Takes the bytes of `picture` as they are into `out`, whose origin is left as it is. The bytes themselves say what they
/// are: the format's text is free and often wrong.
pub(crate) fn take_compressed(picture: &CompressedPicture<'_>, out: &mut EncodedImage) -> Result<(), Fault> {
    let format = picture.format;
    if picture.data.is_empty() {
        return Err(Fault::truncated("data", format!("a picture (format {format:?})"), 0));
    }
    out.encoding = encoding_from_bytes(picture.data).ok_or_else(|| {
        let first = picture.data.get(..8).unwrap_or(picture.data);
        Fault::value("data", "a JPEG or PNG picture", format!("{first:02X?} (format {format:?})"))
    })?;
    out.bytes.clear();
    out.bytes.extend_from_slice(picture.data);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(encoding: &str, (width, height): (u32, u32), step: usize, data: &[u8]) -> Result<EncodedImage, Fault> {
        let mut out = EncodedImage::default();
        pack_raw(&RawPicture { width, height, encoding, big_endian: false, step, data }, &mut out).map(|()| out)
    }

    #[test]
    fn padding_is_dropped_and_orders_are_turned() {
        assert_eq!(packed("rgb8", (1, 2), 4, &[1, 2, 3, 0, 4, 5, 6]).unwrap().bytes, [1, 2, 3, 4, 5, 6]);
        assert_eq!(packed("BGRA8", (1, 1), 4, &[1, 2, 3, 9]).unwrap().bytes, [1, 2, 3]);
        assert_eq!(packed("yuv422", (2, 1), 4, &[1, 2, 3, 4]).unwrap().bytes, [2, 1, 4, 3]);
        assert_eq!(packed("mono16", (2, 1), 0, &[0xFF, 0xFF, 0x7F, 0x80]).unwrap().bytes, [255, 128]);
        let nv = packed("nv21", (2, 2), 3, &[1, 2, 0, 3, 4, 0, 5, 6, 0]).unwrap();
        assert_eq!(nv.bytes, [1, 2, 3, 4, 6, 5]);
        assert_eq!(nv.encoding, ImageEncoding::Raw { format: PixelFormat::Nv12, width: 2, height: 2 });
    }

    #[test]
    fn what_lies_about_itself_is_named() {
        let text = |r: Result<EncodedImage, Fault>| r.unwrap_err().to_string();
        assert!(text(packed("rgb8", (640, 480), 1920, &[0; 30])).contains("480 rows of 1920 bytes"));
        assert!(text(packed("rgb8", (2, 1), 3, &[0; 6])).contains("step 3"));
        assert!(text(packed("bayer_rggb8", (2, 2), 2, &[0; 4])).contains("bayer_rggb8"));
        assert!(text(packed("32FC1", (1, 1), 4, &[0; 4])).contains("32FC1"));
        assert!(text(packed("rgb8", (0, 1), 0, &[])).contains("0x1"));
        assert!(packed("rgb8", (u32::MAX, u32::MAX), usize::MAX, &[0; 4]).is_err());
    }

    #[test]
    fn a_picture_is_what_its_bytes_are_whatever_the_format_says() {
        let mut out = EncodedImage::default();
        let jpeg = [0xFF, 0xD8, 0xFF, 0xE0];
        for format in ["jpeg", "rgb8; jpeg compressed bgr8", "png", ""] {
            take_compressed(&CompressedPicture { format, data: &jpeg }, &mut out).unwrap();
            assert_eq!(out.encoding, ImageEncoding::Jpeg);
        }
        let fault = take_compressed(&CompressedPicture { format: "h264", data: &[0, 0, 0, 1] }, &mut out).unwrap_err();
        assert!(fault.to_string().contains("h264"), "{fault}");
        assert!(take_compressed(&CompressedPicture { format: "jpeg", data: &[] }, &mut out).is_err());
    }
}
