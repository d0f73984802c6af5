//! Pictures from bytes: JPEG and PNG into 8-bit RGB or grey, in the caller's buffer.
//!
//! A picture that is not whole is an error, never a half-grey picture: a JPEG's end-of-image marker is looked for before
//! anything is decoded. JPEG pixels are those of libjpeg-turbo (the islow transform, fancy upsampling), bit by bit: what
//! OpenCV and Pillow gave when the networks were trained; decoded smaller, too, where that is asked for. Grey stays grey,
//! alpha is dropped, 16 bits are rounded to 8.
//! Colour profiles and EXIF orientation are not applied: calibration is for the pixels as recorded.

use std::io::Cursor;

use image::ImageDecoder;
use image::codecs::png::PngDecoder;
use libjpeg_turbo_rs::Decoder as JpegDecoder;
use libjpeg_turbo_rs::{PixelFormat as JpegFormat, ScalingFactor};
use ocellus_percept::image::{Image, ImageView, PixelFormat};
use ocellus_percept::tensor::Reduced;

use crate::error::ReadError;
use crate::payload::{EncodedImage, ImageEncoding};

/// Longest side accepted: beyond any camera, and what keeps a broken header from exhausting the memory.
pub const MAX_SIDE_PX: usize = 16_384;

/// Most pixels accepted (300 MB as RGB).
pub const MAX_PIXELS: usize = 100_000_000;

const JPEG_MAGIC: [u8; 3] = [0xFF, 0xD8, 0xFF];
const END_OF_IMAGE: u8 = 0xD9;
const PNG_MAGIC: [u8; 8] = [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n'];

/// By how much a JPEG may be decoded smaller, most first. By half is as dear as whole: the decoder has vector code for that of
/// whole blocks alone, and most of the rest is reading what was compressed.
const REDUCTIONS: [u32; 2] = [8, 4];

/// Decodes `encoded` into `out` (Rgb8, or Gray8 where the picture is grey; raw pixels keep their layout), reusing its
/// allocation. `out` is unspecified after an error.
pub fn decode_image(encoded: &EncodedImage, out: &mut Image) -> Result<(), ReadError> {
    // All that a picture has is needed.
    decode_image_for(encoded, |full| full, out).map(|_| ())
}

/// The same, but a JPEG of which `needed` asks for a quarter of its columns and rows or less, told how many it has, is decoded
/// to a quarter or an eighth of its size, whichever is still enough. Such pixels are means of the whole picture's, as
/// libjpeg-turbo makes them.
pub fn decode_image_for(
    encoded: &EncodedImage,
    needed: impl FnOnce((usize, usize)) -> (usize, usize),
    out: &mut Image,
) -> Result<Reduced, ReadError> {
    match encoded.encoding {
        ImageEncoding::Jpeg => return decode_jpeg(encoded, needed, out),
        ImageEncoding::Png => decode_png(encoded, out)?,
        ImageEncoding::Raw { format, width, height } => {
            let (width, height) = (width as usize, height as usize);
            check_size(&encoded.origin, width, height)?;
            ImageView::new(width, height, format, &encoded.bytes).map_err(|e| {
                corrupt(&encoded.origin, "pixels", "as many bytes as the picture's size says", &e.to_string())
            })?;
            out.reset(width, height, format).copy_from_slice(&encoded.bytes);
        }
    }
    Ok(Reduced::whole(out.width(), out.height()))
}

/// The encoding by the first bytes; `None` where it is neither JPEG nor PNG.
pub fn encoding_from_bytes(bytes: &[u8]) -> Option<ImageEncoding> {
    if bytes.starts_with(&JPEG_MAGIC) {
        Some(ImageEncoding::Jpeg)
    } else if bytes.starts_with(&PNG_MAGIC) {
        Some(ImageEncoding::Png)
    } else {
        None
    }
}

/// Columns and rows by the header of a JPEG or PNG; `bytes` may be the beginning of the file only.
pub fn size_from_header(bytes: &[u8]) -> Option<(u32, u32)> {
    match encoding_from_bytes(bytes)? {
        ImageEncoding::Png => {
            let word = |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes);
            Some((word(16)?, word(20)?))
        }
        ImageEncoding::Jpeg => Segments::new(bytes).find_map(|segment| segment.frame_size()),
        ImageEncoding::Raw { .. } => None,
    }
}

fn corrupt(origin: &str, place: &str, expected: &str, got: &str) -> ReadError {
    ReadError::Corrupt { origin: origin.into(), place: place.into(), expected: expected.into(), got: got.into() }
}

fn check_size(origin: &str, width: usize, height: usize) -> Result<(), ReadError> {
    if width == 0 || height == 0 {
        return Err(corrupt(origin, "header", "a picture of at least 1x1 px", &format!("{width}x{height}")));
    }
    if width > MAX_SIDE_PX || height > MAX_SIDE_PX || width * height > MAX_PIXELS {
        let (max_side, max_pixels) = (MAX_SIDE_PX, MAX_PIXELS);
        return Err(ReadError::TooLarge { origin: origin.into(), width, height, max_side, max_pixels });
    }
    Ok(())
}

fn decode_jpeg(
    encoded: &EncodedImage,
    needed: impl FnOnce((usize, usize)) -> (usize, usize),
    out: &mut Image,
) -> Result<Reduced, ReadError> {
    let origin = &encoded.origin;
    check_jpeg_whole(origin, &encoded.bytes)?;
    let fault = |e: libjpeg_turbo_rs::JpegError| corrupt(origin, "JPEG data", "a decodable picture", &e.to_string());
    let mut decoder = JpegDecoder::new(&encoded.bytes).map_err(fault)?;
    let header = decoder.header();
    let (width, height, grey) = (header.width(), header.height(), header.components.len() == 1);
    // 12 bits and lossless pictures the decoder gives whole only.
    let reducible = header.precision == 8 && !header.is_lossless;
    check_size(origin, width, height)?;
    let (from, to) =
        if grey { (JpegFormat::Grayscale, PixelFormat::Gray8) } else { (JpegFormat::Rgb, PixelFormat::Rgb8) };
    decoder.set_output_format(from);
    let (columns, rows) = needed((width, height));
    let enough = |by: &u32| width / *by as usize >= columns && height / *by as usize >= rows;
    let by = REDUCTIONS.into_iter().filter(|_| reducible).find(enough).unwrap_or(1);
    decoder.set_scale(ScalingFactor::new(1, by));
    let by = by as usize;
    decoder.decode_image_into(out.reset(width.div_ceil(by), height.div_ceil(by), to)).map_err(fault)?;
    Ok(Reduced { full: (width, height), by })
}

/// One segment of a JPEG (ITU-T T.81, annex B): its marker's code and what follows its length.
struct Segment<'a> {
    code: u8,
    payload: &'a [u8],
}

impl Segment<'_> {
    /// Columns and rows, where this is the header of a frame (SOF0 to SOF15 but for DHT, JPG and DAC, which share the range).
    fn frame_size(&self) -> Option<(u32, u32)> {
        let frame = matches!(self.code, 0xC0..=0xCF) && !matches!(self.code, 0xC4 | 0xC8 | 0xCC);
        match self.payload {
            [_precision, h1, h0, w1, w0, ..] if frame => {
                Some((u32::from(u16::from_be_bytes([*w1, *w0])), u32::from(u16::from_be_bytes([*h1, *h0]))))
            }
            _ => None,
        }
    }
}

/// The segments of a JPEG, entropy-coded data passed over; ends after the end-of-image marker, or where the bytes do.
struct Segments<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Segments<'a> {
    /// `bytes` begin with the start-of-image marker.
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 2 }
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = Segment<'a>;

    fn next(&mut self) -> Option<Segment<'a>> {
        loop {
            // To the next marker: FF and a code that is neither stuffing (00), fill (FF) nor a restart (D0 to D7).
            self.at += self.bytes.get(self.at..)?.iter().position(|&b| b == 0xFF)? + 1;
            let code = *self.bytes.get(self.at)?;
            match code {
                0xFF => {}
                0x00 | 0x01 | 0xD0..=0xD8 => self.at += 1,
                END_OF_IMAGE => {
                    self.at = self.bytes.len();
                    return Some(Segment { code, payload: &[] });
                }
                _ => {
                    let start = self.at + 1;
                    let length = self.bytes.get(start..start + 2)?;
                    self.at = start + usize::from(u16::from_be_bytes([length[0], length[1]]));
                    return Some(Segment { code, payload: self.bytes.get(start + 2..self.at).unwrap_or_default() });
                }
            }
        }
    }
}

/// A JPEG must go on to its end-of-image marker. Bytes after it are allowed: cameras pad.
fn check_jpeg_whole(origin: &str, bytes: &[u8]) -> Result<(), ReadError> {
    if !bytes.starts_with(&JPEG_MAGIC) {
        let got = format!("{:02X?}", &bytes[..bytes.len().min(3)]);
        return Err(corrupt(origin, "byte 0", "a JPEG's signature FF D8 FF", &got));
    }
    if Segments::new(bytes).any(|segment| segment.code == END_OF_IMAGE) {
        return Ok(());
    }
    Err(ReadError::Truncated {
        origin: origin.into(),
        bytes: bytes.len(),
        expected: "a JPEG's end-of-image marker (FF D9)".into(),
    })
}

fn decode_png(encoded: &EncodedImage, out: &mut Image) -> Result<(), ReadError> {
    let origin = &encoded.origin;
    if let Some((width, height)) = size_from_header(&encoded.bytes) {
        check_size(origin, width as usize, height as usize)?;
    }
    let fault = |e: image::ImageError| png_fault(origin, encoded.bytes.len(), &e);
    let decoder = PngDecoder::new(Cursor::new(&encoded.bytes[..])).map_err(fault)?;
    let (width, height) = decoder.dimensions();
    let (width, height) = (width as usize, height as usize);
    check_size(origin, width, height)?;
    let colour = decoder.color_type();
    let channels = usize::from(colour.channel_count());
    let wide = usize::from(colour.bytes_per_pixel()) == 2 * channels;
    let format = if channels <= 2 { PixelFormat::Gray8 } else { PixelFormat::Rgb8 };
    if !wide && (channels == 1 || channels == 3) {
        return decoder.read_image(out.reset(width, height, format)).map_err(fault);
    }
    // Rare layouts (alpha, 16 bits) go through a buffer of their own.
    let mut pixels = vec![0; usize::try_from(decoder.total_bytes()).unwrap_or(0)];
    decoder.read_image(&mut pixels).map_err(fault)?;
    reduce_pixels(&pixels, channels, wide, out.reset(width, height, format));
    Ok(())
}

/// Drops alpha and rounds 16 bits (native order) to 8. `out` holds 1 or 3 bytes a pixel.
fn reduce_pixels(pixels: &[u8], channels: usize, wide: bool, out: &mut [u8]) {
    let kept = if channels <= 2 { 1 } else { 3 };
    let sample_bytes = if wide { 2 } else { 1 };
    for (to, from) in out.chunks_exact_mut(kept).zip(pixels.chunks_exact(channels * sample_bytes)) {
        for (value, sample) in to.iter_mut().zip(from.chunks_exact(sample_bytes)) {
            *value = match sample {
                [low, high] => ((u32::from(u16::from_ne_bytes([*low, *high])) + 128) / 257) as u8,
                [byte] => *byte,
                _ => 0,
            };
        }
    }
}

fn png_fault(origin: &str, bytes: usize, error: &image::ImageError) -> ReadError {
    if let image::ImageError::IoError(_) = error {
        return ReadError::Truncated { origin: origin.into(), bytes, expected: "the rest of a PNG".into() };
    }
    let text = error.to_string();
    if text.contains("unexpected end") || text.contains("Unexpected end") {
        return ReadError::Truncated { origin: origin.into(), bytes, expected: "the rest of a PNG".into() };
    }
    corrupt(origin, "PNG data", "a decodable picture", &text)
}
