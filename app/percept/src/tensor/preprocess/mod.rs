//! A picture to a network's input in one pass: resize, colour order, normalisation, layout and padding.
//!
//! Output is one picture, NCHW (3 planes of `height` x `width` float32), value `(grey level - mean) * scale`. The
//! resize is bilinear with half-pixel centres and no antialiasing, in whole grey levels. On Rgb8, Bgr8 and Gray8 it
//! equals OpenCV's `cv2.resize(.., INTER_LINEAR)` on bytes bit for bit, truncations included (they come out 0.1 to 0.2
//! levels low on the mean): nearly every detector was trained and judged on those pixels, and what it gives here can be
//! compared with what it gives there. This holds up to 4096 columns of result. YUV pictures have each plane resized so
//! and are converted afterwards (BT.601, studio range unless told otherwise), which is a level or two off converting
//! first, more where colours saturate. After the first frame of a size nothing is allocated.

mod plan;
mod rows;

use thiserror::Error;

use crate::image::{ImageView, PixelFormat};
use crate::model::{ChannelOrder, InputSpec};
use crate::tensor::Letterbox;
use plan::{Plan, Plans, RowTap};
use rows::{Finish, Planes, Scratch};

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

/// What a picture was made of that was decoded to fewer pixels than it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reduced {
    /// Columns and rows of the whole picture: what its calibration speaks of, and boxes are given in.
    pub full: (usize, usize),
    /// Each pixel stands for so many of them across and down; 1 for a picture decoded whole.
    pub by: usize,
}

impl Reduced {
    /// A picture decoded whole.
    pub fn whole(width: usize, height: usize) -> Self {
        Self { full: (width, height), by: 1 }
    }
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
    rows: Scratch,
}

impl Preprocessor {
    /// Prepares for the input `spec` describes. Its element type is the runtime's business: output here is float32.
    pub fn new(spec: &InputSpec) -> Result<Self, PreprocessError> {
        if spec.width == 0 || spec.height == 0 {
            return Err(PreprocessError::InputSize { name: spec.name.clone(), width: spec.width, height: spec.height });
        }
        Ok(Self { spec: spec.clone(), yuv: YuvRange::default(), plans: Plans::default(), rows: Scratch::default() })
    }

    /// Takes YUV pictures to span `range`.
    #[must_use]
    pub fn with_yuv_range(mut self, range: YuvRange) -> Self {
        self.yuv = range;
        self
    }

    /// Columns and rows that a picture of size `source` takes in the input: fewer pixels of it would have to be stretched.
    pub fn content(&self, source: (usize, usize)) -> (usize, usize) {
        let map = Letterbox::new(self.spec.resize, source, (self.spec.width, self.spec.height));
        (map.content_width, map.content_height)
    }

    /// Floats [`Preprocessor::run`] writes: `3 * height * width`.
    pub fn output_len(&self) -> usize {
        3 * self.spec.width * self.spec.height
    }

    /// Writes the whole input tensor for `image` into `out`, padding included, and says where the picture lies in it.
    pub fn run(&mut self, image: ImageView<'_>, out: &mut [f32]) -> Result<Letterbox, PreprocessError> {
        self.run_reduced(image, Reduced::whole(image.width(), image.height()), out)
    }

    /// The same of a picture that has fewer pixels than its `source`, which it covers from the left upper corner on. It
    /// comes to lie where the whole one would, and what is answered speaks of the whole one's pixels.
    pub fn run_reduced(
        &mut self,
        image: ImageView<'_>,
        source: Reduced,
        out: &mut [f32],
    ) -> Result<Letterbox, PreprocessError> {
        let (width, height) = (self.spec.width, self.spec.height);
        if out.len() != self.output_len() {
            let (expected, got) = (self.output_len(), out.len());
            return Err(PreprocessError::OutputLength { width, height, expected, got });
        }
        let source = Reduced { by: source.by.max(1), ..source };
        let plan = self.plans.for_source(&self.spec, (image.width(), image.height()), source);
        let map = plan.letterbox;
        let (first, rest) = out.split_at_mut(width * height);
        let (second, third) = rest.split_at_mut(width * height);
        fill_padding(&self.spec, &map, [&mut *first, &mut *second, &mut *third]);
        let mut planes = Planes { first, second, third, width, left: map.left, content: map.content_width };
        let finish = Finish::new(&self.spec, self.yuv);
        self.rows.forget();
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

fn packed(plan: &Plan, scratch: &mut Scratch, image: ImageView<'_>, finish: &Finish, planes: &mut Planes<'_>) {
    let (data, stride) = (image.data(), image.width() * 3);
    let Scratch { neighbours, luma, .. } = scratch;
    for (y, tap) in plan.rows.iter().enumerate() {
        let pixels = luma.blend(tap, |row, out| neighbours.resample_packed(source_row(data, stride, row), plan, out));
        finish.packed(pixels, planes.row(plan.letterbox.top + y));
    }
}

fn gray(plan: &Plan, scratch: &mut Scratch, image: ImageView<'_>, finish: &Finish, planes: &mut Planes<'_>) {
    let (data, stride) = (image.data(), image.width());
    let Scratch { neighbours, luma, .. } = scratch;
    for (y, tap) in plan.rows.iter().enumerate() {
        let samples =
            luma.blend(tap, |row, out| neighbours.resample_channel(source_row(data, stride, row), |x| x, plan, out));
        finish.gray(samples, planes.row(plan.letterbox.top + y));
    }
}

fn yuyv(plan: &Plan, scratch: &mut Scratch, image: ImageView<'_>, finish: &Finish, planes: &mut Planes<'_>) {
    let (data, stride) = (image.data(), image.width() * 2);
    let Scratch { neighbours, luma, u, v } = scratch;
    for (y, tap) in plan.rows.iter().enumerate() {
        let row = |row| source_row(data, stride, row);
        let luma = luma.blend(tap, |y, out| neighbours.resample_channel(row(y), |x| 2 * x, plan, out));
        // Two pixels share their chroma: Y U Y V.
        let u = u.blend(tap, |y, out| neighbours.resample_channel(row(y), |x| x / 2 * 4 + 1, plan, out));
        let v = v.blend(tap, |y, out| neighbours.resample_channel(row(y), |x| x / 2 * 4 + 3, plan, out));
        finish.yuv(luma, u, v, planes.row(plan.letterbox.top + y));
    }
}

fn nv12(plan: &Plan, scratch: &mut Scratch, image: ImageView<'_>, finish: &Finish, planes: &mut Planes<'_>) {
    let stride = image.width();
    let (data, chroma) = image.data().split_at(stride * image.height());
    let Scratch { neighbours, luma, u, v } = scratch;
    for (y, tap) in plan.rows.iter().enumerate() {
        let luma = luma.blend(tap, |y, out| neighbours.resample_channel(source_row(data, stride, y), |x| x, plan, out));
        // Four pixels share their chroma, U and V side by side.
        let halved = RowTap { top: tap.top / 2, bottom: tap.bottom / 2, weights: tap.weights };
        let row = |row| source_row(chroma, stride, row);
        let u = u.blend(&halved, |y, out| neighbours.resample_channel(row(y), |x| x / 2 * 2, plan, out));
        let v = v.blend(&halved, |y, out| neighbours.resample_channel(row(y), |x| x / 2 * 2 + 1, plan, out));
        finish.yuv(luma, u, v, planes.row(plan.letterbox.top + y));
    }
}

#[cfg(test)]
mod tests;
