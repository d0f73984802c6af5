//! A picture to a network's input in one pass: resize, colour order, normalisation, layout and padding.
//!
//! Output is one picture, NCHW (3 planes of `height` x `width` float32), value `(grey level - mean) * scale`. The
//! resize is bilinear with half-pixel centres and no antialiasing, rounded to whole grey levels, as OpenCV's
//! `INTER_LINEAR` on bytes; it agrees with it to one grey level (OpenCV truncates on its way and comes out 0.12 levels
//! low on the mean, except when halving; here rounding is unbiased). YUV pictures are interpolated before they are
//! converted (BT.601, studio range unless told otherwise), which differs from converting first only where colours
//! saturate. After the first frame of a size nothing is allocated.

mod plan;
mod rows;

use thiserror::Error;

use crate::image::{ImageView, PixelFormat};
use crate::model::{ChannelOrder, InputSpec};
use crate::tensor::Letterbox;
use plan::{Plan, Plans, RowTap};
use rows::{Finish, Planes};

/// Why a picture could not be made into a network's input.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PreprocessError {
    /// The specification's input size has no pixels.
    #[error(
        "network input {name:?} is {width}x{height} px; both sides must be at least 1 (give its size in the manifest)"
    )]
    InputSize {
        /// The input's name.
        name: String,
        /// Columns.
        width: usize,
        /// Rows.
        height: usize,
    },
    /// The caller's buffer does not hold the tensor.
    #[error("input tensor {width}x{height}x3 needs {expected} floats, the buffer has {got}")]
    OutputLength {
        /// Columns.
        width: usize,
        /// Rows.
        height: usize,
        /// Floats needed.
        expected: usize,
        /// Floats there.
        got: usize,
    },
}

/// Which levels the luma of a YUV picture spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum YuvRange {
    /// 16 to 235: what V4L2 and OpenCV take a camera's YUYV and NV12 to be.
    #[default]
    Limited,
    /// 0 to 255: JPEG's.
    Full,
}

/// Makes network inputs of pictures. Keeps its tables for the last few source sizes.
#[derive(Debug, Clone)]
pub struct Preprocessor {
    spec: InputSpec,
    yuv: YuvRange,
    plans: Plans,
    rows: rows::Scratch,
}

impl Preprocessor {
    /// Prepares for the input `spec` describes. Its element type is the runtime's business: output here is float32.
    pub fn new(spec: &InputSpec) -> Result<Self, PreprocessError> {
        if spec.width == 0 || spec.height == 0 {
            return Err(PreprocessError::InputSize { name: spec.name.clone(), width: spec.width, height: spec.height });
        }
        Ok(Self {
            spec: spec.clone(),
            yuv: YuvRange::default(),
            plans: Plans::default(),
            rows: rows::Scratch::default(),
        })
    }

    /// Takes YUV pictures to span `range`.
    #[must_use]
    pub fn with_yuv_range(mut self, range: YuvRange) -> Self {
        self.yuv = range;
        self
    }

    /// Floats [`Preprocessor::run`] writes: `3 * height * width`.
    pub fn output_len(&self) -> usize {
        3 * self.spec.width * self.spec.height
    }

    /// Writes the whole input tensor for `image` into `out`, padding included, and says where the picture lies in it.
    pub fn run(&mut self, image: ImageView<'_>, out: &mut [f32]) -> Result<Letterbox, PreprocessError> {
        let (width, height) = (self.spec.width, self.spec.height);
        if out.len() != self.output_len() {
            let (expected, got) = (self.output_len(), out.len());
            return Err(PreprocessError::OutputLength { width, height, expected, got });
        }
        let plan = self.plans.for_source(&self.spec, image.width(), image.height());
        let map = plan.letterbox;
        let (first, rest) = out.split_at_mut(width * height);
        let (second, third) = rest.split_at_mut(width * height);
        fill_padding(&self.spec, &map, [&mut *first, &mut *second, &mut *third]);
        let mut planes = Planes { first, second, third, width, left: map.left, content: map.content_width };
        let finish = Finish::new(&self.spec, self.yuv);
        match image.format() {
            PixelFormat::Rgb8 => packed(plan, &mut self.rows, image, &finish.order(ChannelOrder::Rgb), &mut planes),
            PixelFormat::Bgr8 => packed(plan, &mut self.rows, image, &finish.order(ChannelOrder::Bgr), &mut planes),
            PixelFormat::Gray8 => gray(plan, &mut self.rows, image, &finish, &mut planes),
            PixelFormat::Yuyv => yuyv(plan, &mut self.rows, image, &finish, &mut planes),
            PixelFormat::Nv12 => nv12(plan, &mut self.rows, image, &finish, &mut planes),
        }
        Ok(map)
    }
}

/// Writes the fill colour around the picture.
fn fill_padding(spec: &InputSpec, map: &Letterbox, planes: [&mut [f32]; 3]) {
    let (width, bottom) = (map.network_width, map.top + map.content_height);
    let right = map.left + map.content_width;
    for (channel, plane) in planes.into_iter().enumerate() {
        let value = (f32::from(spec.fill) - spec.mean[channel]) * spec.scale[channel];
        for (y, row) in plane.chunks_exact_mut(width).enumerate() {
            if y < map.top || y >= bottom {
                row.fill(value);
            } else {
                row[..map.left].fill(value);
                row[right..].fill(value);
            }
        }
    }
}

/// Row `y` of a plane whose rows are `stride` bytes.
fn source_row(data: &[u8], stride: usize, y: usize) -> &[u8] {
    &data[y * stride..(y + 1) * stride]
}

/// The two source rows of `tap`, blended.
fn blend<'a>(data: &[u8], stride: usize, tap: &RowTap, buffer: &'a mut Vec<i16>) -> &'a [i16] {
    let (top, bottom) = (source_row(data, stride, tap.top), source_row(data, stride, tap.bottom));
    rows::blend_rows(top, bottom, tap.weight, buffer)
}

fn packed(plan: &Plan, scratch: &mut rows::Scratch, image: ImageView<'_>, finish: &Finish, planes: &mut Planes<'_>) {
    let stride = image.width() * 3;
    for (y, tap) in plan.rows.iter().enumerate() {
        let row = blend(image.data(), stride, tap, &mut scratch.luma);
        rows::sample_packed(row, &plan.columns, &mut scratch.pixels);
        finish.packed(&scratch.pixels, planes.row(plan.letterbox.top + y));
    }
}

fn gray(plan: &Plan, scratch: &mut rows::Scratch, image: ImageView<'_>, finish: &Finish, planes: &mut Planes<'_>) {
    for (y, tap) in plan.rows.iter().enumerate() {
        let row = blend(image.data(), image.width(), tap, &mut scratch.luma);
        rows::sample_luma(row, 1, &plan.columns, &mut scratch.y);
        finish.gray(&scratch.y, planes.row(plan.letterbox.top + y));
    }
}

fn yuyv(plan: &Plan, scratch: &mut rows::Scratch, image: ImageView<'_>, finish: &Finish, planes: &mut Planes<'_>) {
    let stride = image.width() * 2;
    for (y, tap) in plan.rows.iter().enumerate() {
        let row = blend(image.data(), stride, tap, &mut scratch.luma);
        rows::sample_luma(row, 2, &plan.columns, &mut scratch.y);
        rows::sample_chroma(row, 4, 1, &plan.columns, &mut scratch.u);
        rows::sample_chroma(row, 4, 3, &plan.columns, &mut scratch.v);
        finish.yuv(&scratch.y, &scratch.u, &scratch.v, planes.row(plan.letterbox.top + y));
    }
}

fn nv12(plan: &Plan, scratch: &mut rows::Scratch, image: ImageView<'_>, finish: &Finish, planes: &mut Planes<'_>) {
    let stride = image.width();
    let (luma, chroma) = image.data().split_at(stride * image.height());
    for (y, tap) in plan.rows.iter().enumerate() {
        let row = blend(luma, stride, tap, &mut scratch.luma);
        rows::sample_luma(row, 1, &plan.columns, &mut scratch.y);
        let halved = RowTap { top: tap.top / 2, bottom: tap.bottom / 2, weight: tap.weight };
        let row = blend(chroma, stride, &halved, &mut scratch.chroma);
        rows::sample_chroma(row, 2, 0, &plan.columns, &mut scratch.u);
        rows::sample_chroma(row, 2, 1, &plan.columns, &mut scratch.v);
        finish.yuv(&scratch.y, &scratch.u, &scratch.v, planes.row(plan.letterbox.top + y));
    }
}

#[cfg(test)]
mod tests;
