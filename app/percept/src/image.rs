//! Pictures in memory: owned [`Image`] and borrowed [`ImageView`].
//!
//! Rows run top to bottom, pixels left to right, `u8` per channel. Pixel (0, 0) covers the square whose corners are
//! (0, 0) and (1, 1): boxes are in these continuous coordinates.

use thiserror::Error;

/// How the bytes of a picture are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PixelFormat {
    /// 3 bytes a pixel, red first.
    Rgb8,
    /// 3 bytes a pixel, blue first.
    Bgr8,
    /// 1 byte a pixel.
    Gray8,
    /// Packed 4:2:2, bytes Y0 U Y1 V for two pixels; even width.
    Yuyv,
    /// Plane of Y, then a plane of interleaved U V at half resolution both ways; even width and height.
    Nv12,
}

impl PixelFormat {
    /// Bytes of one tightly packed row of the first plane.
    pub fn row_bytes(self, width: usize) -> usize {
        match self {
            Self::Rgb8 | Self::Bgr8 => width * 3,
            Self::Gray8 | Self::Nv12 => width,
            Self::Yuyv => width * 2,
        }
    }

    /// Bytes of a tightly packed picture.
    pub fn image_bytes(self, width: usize, height: usize) -> usize {
        match self {
            Self::Nv12 => width * height + width * height / 2,
            _ => self.row_bytes(width) * height,
        }
    }
}

/// Why a picture's bytes cannot be viewed as its header says.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ImageError {
    /// Width or height is zero, or odd where the format subsamples.
    #[error("a {format:?} picture cannot be {width}x{height} px")]
    Size {
        /// Layout asked for.
        format: PixelFormat,
        /// Columns.
        width: usize,
        /// Rows.
        height: usize,
    },
    /// The buffer does not hold the picture.
    #[error("a {width}x{height} {format:?} picture needs {expected} bytes, got {got}")]
    Bytes {
        /// Layout asked for.
        format: PixelFormat,
        /// Columns.
        width: usize,
        /// Rows.
        height: usize,
        /// Bytes needed.
        expected: usize,
        /// Bytes there.
        got: usize,
    },
}

/// A tightly packed picture that owns its bytes. `reset` keeps the allocation, so that pools can reuse it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    width: usize,
    height: usize,
    format: PixelFormat,
    data: Vec<u8>,
}

impl Image {
    /// An empty (0x0) picture to be filled by [`Image::reset`].
    pub const fn empty() -> Self {
        Self { width: 0, height: 0, format: PixelFormat::Rgb8, data: Vec::new() }
    }

    /// Takes `data`, which must be exactly the tightly packed picture.
    pub fn from_vec(width: usize, height: usize, format: PixelFormat, data: Vec<u8>) -> Result<Self, ImageError> {
        ImageView::new(width, height, format, &data)?;
        Ok(Self { width, height, format, data })
    }

    /// Makes this a `width` x `height` picture of unspecified content and returns its bytes to be written.
    pub fn reset(&mut self, width: usize, height: usize, format: PixelFormat) -> &mut [u8] {
        self.width = width;
        self.height = height;
        self.format = format;
        self.data.resize(format.image_bytes(width, height), 0);
        &mut self.data
    }

    /// Columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Layout of the bytes.
    pub fn format(&self) -> PixelFormat {
        self.format
    }

    /// The bytes, tightly packed.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// Borrows the picture.
    pub fn view(&self) -> ImageView<'_> {
        ImageView { width: self.width, height: self.height, format: self.format, data: &self.data }
    }
}

/// A borrowed, tightly packed picture whose size and bytes are known to agree.
#[derive(Debug, Clone, Copy)]
pub struct ImageView<'a> {
    width: usize,
    height: usize,
    format: PixelFormat,
    data: &'a [u8],
}

impl<'a> ImageView<'a> {
    /// Views `data` as a picture; it must hold exactly the tightly packed picture.
    pub fn new(width: usize, height: usize, format: PixelFormat, data: &'a [u8]) -> Result<Self, ImageError> {
        let odd = match format {
            PixelFormat::Yuyv => width % 2 == 1,
            PixelFormat::Nv12 => width % 2 == 1 || height % 2 == 1,
            _ => false,
        };
        if width == 0 || height == 0 || odd {
            return Err(ImageError::Size { format, width, height });
        }
        let expected = format.image_bytes(width, height);
        if data.len() != expected {
            return Err(ImageError::Bytes { format, width, height, expected, got: data.len() });
        }
        Ok(Self { width, height, format, data })
    }

    /// Columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Layout of the bytes.
    pub fn format(&self) -> PixelFormat {
        self.format
    }

    /// The bytes, tightly packed.
    pub fn data(&self) -> &'a [u8] {
        self.data
    }
}
