//! Pictures for a page: boxes drawn in, shrunk, as a `data:` address that needs no file.

use anyhow::{Result, anyhow};
use ocellus_percept::detection::BoxPx;
use ocellus_percept::image::{Image, PixelFormat};
use ocellus_sinks::mcap::jpeg_from_image;

/// Widest picture on a page.
const WIDTH_MAX: usize = 640;
const QUALITY: u8 = 80;

/// A box and how it is drawn.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    /// Where, in pixels of the picture.
    pub bbox: BoxPx,
    /// Colour of its outline.
    pub rgb: [u8; 3],
    /// Width of the outline on the page, px.
    pub width: usize,
}

/// `image` with `marks`, as `data:image/jpeg;base64,...`.
pub fn data_address(image: &Image, marks: &[Mark]) -> Result<String> {
    let mut small = shrunk(image)?;
    let scale = small.width() as f32 / image.width() as f32;
    let (width, height) = (small.width(), small.height());
    let pixels = small.reset(width, height, PixelFormat::Rgb8);
    for mark in marks {
        outline(pixels, (width, height), mark, scale);
    }
    Ok(format!("data:image/jpeg;base64,{}", base64(&jpeg_from_image(small.view(), QUALITY)?)))
}

/// An RGB copy, each pixel the mean of those it stands for, by a whole factor.
fn shrunk(image: &Image) -> Result<Image> {
    let channels = match image.format() {
        PixelFormat::Rgb8 => 3,
        PixelFormat::Gray8 => 1,
        other => return Err(anyhow!("a {other:?} picture cannot be drawn on")),
    };
    let factor = image.width().div_ceil(WIDTH_MAX).max(1);
    let (width, height) = (image.width() / factor, image.height() / factor);
    let mut data = Vec::with_capacity(3 * width * height);
    for y in 0..height {
        for x in 0..width {
            for c in 0..3 {
                let mut sum = 0_usize;
                for dy in 0..factor {
                    for dx in 0..factor {
                        let pixel = (y * factor + dy) * image.width() + x * factor + dx;
                        sum +=
                            usize::from(image.data().get(pixel * channels + c.min(channels - 1)).copied().unwrap_or(0));
                    }
                }
                data.push((sum / (factor * factor)) as u8);
            }
        }
    }
    Ok(Image::from_vec(width, height, PixelFormat::Rgb8, data)?)
}

fn outline(pixels: &mut [u8], (width, height): (usize, usize), mark: &Mark, scale: f32) {
    let at = |v: f32, end: usize| ((v * scale).round().max(0.0) as usize).min(end.saturating_sub(1));
    let (x0, x1) = (at(mark.bbox.x0, width), at(mark.bbox.x1, width));
    let (y0, y1) = (at(mark.bbox.y0, height), at(mark.bbox.y1, height));
    for y in y0..=y1 {
        for x in x0..=x1 {
            let edge = (x - x0).min(x1 - x).min(y - y0).min(y1 - y);
            if edge < mark.width
                && let Some(pixel) = pixels.get_mut(3 * (y * width + x)..3 * (y * width + x) + 3)
            {
                pixel.copy_from_slice(&mark.rgb);
            }
        }
    }
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let byte = |i: usize| u32::from(three.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * i) & 63) as usize];
            text.push(if i <= three.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_equals_the_standards_vectors() {
        for (plain, coded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn a_mark_is_drawn_where_it_is_also_on_a_shrunk_picture_and_beyond_its_edge() {
        let image = Image::from_vec(1280, 720, PixelFormat::Rgb8, vec![0; 1280 * 720 * 3]).unwrap();
        let bbox = BoxPx { x0: 100.0, y0: 50.0, x1: 200.0, y1: 9000.0 };
        let mut small = shrunk(&image).unwrap();
        assert_eq!((small.width(), small.height()), (640, 360));
        let pixels = small.reset(640, 360, PixelFormat::Rgb8);
        outline(pixels, (640, 360), &Mark { bbox, rgb: [255, 0, 0], width: 2 }, 0.5);
        let red = |x: usize, y: usize| pixels[3 * (y * 640 + x)];
        assert_eq!((red(50, 100), red(51, 100), red(52, 100), red(75, 359), red(75, 100)), (255, 255, 0, 255, 0));
        assert!(data_address(&image, &[]).unwrap().starts_with("data:image/jpeg;base64,/9j/"));
    }
}
