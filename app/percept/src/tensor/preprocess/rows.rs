//! The row kernels of preprocessing. Between the passes a sample is a grey level times 64 in an `i16`.
//!
//! Rows are blended before columns: blending whole rows is contiguous work, and when a picture shrinks it halves what
//! is left for the gather along the row. Weights have 15 bits, so that a product's high half is one instruction
//! wherever there are 16-bit lanes; the two truncations lose at most 1/32 of a grey level.

use super::YuvRange;
use super::plan::ColumnTap;
use crate::model::{ChannelOrder, InputSpec};

/// Fractional bits of a sample.
const FRACTION_BITS: u32 = 6;
/// Half a grey level, plus the mean of what both truncations lose (half a sample step each).
const ROUNDING: i16 = 33;
/// Samples readable past a row's end, for the gather at the right edge, where their weight is 0.
const ROW_SLACK: usize = 8;
/// Samples per gathered pixel: three channels and one lane that is never read.
const LANES: usize = 4;

/// Row buffers, kept between frames.
#[derive(Debug, Clone, Default)]
pub(super) struct Scratch {
    pub(super) luma: Vec<i16>,
    pub(super) chroma: Vec<i16>,
    pub(super) pixels: Vec<i16>,
    pub(super) y: Vec<i16>,
    pub(super) u: Vec<i16>,
    pub(super) v: Vec<i16>,
}

/// `a + (b - a) * weight / 32768` on bytes, as a sample.
#[inline(always)]
fn lerp_bytes(a: u8, b: u8, weight: i16) -> i16 {
    let (a, b) = (i16::from(a), i16::from(b));
    // 9 bits of difference, raised by 7, times 15 bits of weight, less 16: 6 fractional bits.
    let rise = (i32::from((b - a) << 7) * i32::from(weight)) >> 16;
    (a << FRACTION_BITS) + rise as i16
}

/// `a + (b - a) * weight / 32768` on samples.
#[inline(always)]
fn lerp_samples(a: i16, b: i16, weight: i16) -> i16 {
    let rise = (i32::from(b.wrapping_sub(a).wrapping_mul(2)) * i32::from(weight)) >> 16;
    a.wrapping_add(rise as i16)
}

/// Two rows of bytes blended into samples; the result has [`ROW_SLACK`] zeros more.
pub(super) fn blend_rows<'a>(top: &[u8], bottom: &[u8], weight: i16, buffer: &'a mut Vec<i16>) -> &'a [i16] {
    buffer.resize(top.len() + ROW_SLACK, 0);
    let (row, slack) = buffer.split_at_mut(top.len());
    slack.fill(0);
    if weight == 0 {
        for (sample, &a) in row.iter_mut().zip(top) {
            *sample = i16::from(a) << FRACTION_BITS;
        }
    } else {
        for ((sample, &a), &b) in row.iter_mut().zip(top).zip(bottom) {
            *sample = lerp_bytes(a, b, weight);
        }
    }
    buffer
}

/// Gathers three-channel pixels: [`LANES`] samples per column into `pixels`.
pub(super) fn sample_packed(row: &[i16], columns: &[ColumnTap], pixels: &mut Vec<i16>) {
    pixels.resize(columns.len() * LANES, 0);
    for (pixel, tap) in pixels.as_chunks_mut::<LANES>().0.iter_mut().zip(columns) {
        let at = tap.left as usize * 3;
        let Some(&[a0, a1, a2, b0, b1, b2, b3]) = row.get(at..at + 7).and_then(|s| s.first_chunk::<7>()) else {
            continue;
        };
        let (left, right) = ([a0, a1, a2, b0], [b0, b1, b2, b3]);
        for lane in 0..LANES {
            pixel[lane] = lerp_samples(left[lane], right[lane], tap.weight);
        }
    }
}

/// Gathers one channel whose pixels lie `step` samples apart.
pub(super) fn sample_luma(row: &[i16], step: usize, columns: &[ColumnTap], out: &mut Vec<i16>) {
    out.resize(columns.len(), 0);
    for (sample, tap) in out.iter_mut().zip(columns) {
        let at = tap.left as usize * step;
        if let (Some(&a), Some(&b)) = (row.get(at), row.get(at + step)) {
            *sample = lerp_samples(a, b, tap.weight);
        }
    }
}

/// Gathers one chroma channel: two pixels share the sample at `pair * step + offset`.
pub(super) fn sample_chroma(row: &[i16], step: usize, offset: usize, columns: &[ColumnTap], out: &mut Vec<i16>) {
    out.resize(columns.len(), 0);
    for (sample, tap) in out.iter_mut().zip(columns) {
        let left = tap.left as usize;
        let (a, b) = (left / 2 * step + offset, left.div_ceil(2) * step + offset);
        // `left + 1` is in pair (left + 1) / 2, which is div_ceil(left, 2).
        if let (Some(&a), Some(&b)) = (row.get(a), row.get(b)) {
            *sample = lerp_samples(a, b, tap.weight);
        }
    }
}

/// The three planes of the tensor and where the picture lies in them.
pub(super) struct Planes<'a> {
    pub(super) first: &'a mut [f32],
    pub(super) second: &'a mut [f32],
    pub(super) third: &'a mut [f32],
    pub(super) width: usize,
    pub(super) left: usize,
    pub(super) content: usize,
}

impl Planes<'_> {
    /// The picture's part of network row `y`, in each plane.
    pub(super) fn row(&mut self, y: usize) -> [&mut [f32]; 3] {
        let start = y * self.width + self.left;
        let range = start..start + self.content;
        [&mut self.first[range.clone()], &mut self.second[range.clone()], &mut self.third[range]]
    }
}

/// BT.601 from YUV less its offsets: R = y*Y + rv*V, G = y*Y + gu*U + gv*V, B = y*Y + bu*U.
#[derive(Debug, Clone, Copy)]
struct YuvMatrix {
    black: f32,
    y: f32,
    rv: f32,
    gu: f32,
    gv: f32,
    bu: f32,
}

impl YuvMatrix {
    /// ITU-R BT.601-7 2.5.1 with Kr = 0.299, Kb = 0.114; studio range scales luma by 255/219 and chroma by 255/224.
    const fn new(range: YuvRange) -> Self {
        let (black, y, chroma) = match range {
            YuvRange::Limited => (16.0, 255.0 / 219.0, 255.0 / 224.0),
            YuvRange::Full => (0.0, 1.0, 1.0),
        };
        Self { black, y, rv: 1.402 * chroma, gu: -0.344_136 * chroma, gv: -0.714_136 * chroma, bu: 1.772 * chroma }
    }
}

/// The last step: samples to normalised floats in the network's channel order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Finish {
    mean: [f32; 3],
    scale: [f32; 3],
    /// Which lane of a packed pixel each plane takes.
    lanes: [usize; 3],
    order: ChannelOrder,
    matrix: YuvMatrix,
}

/// A sample rounded to a whole grey level.
#[inline(always)]
fn level(sample: i16) -> f32 {
    f32::from((sample + ROUNDING) >> FRACTION_BITS)
}

/// Adding this to a float of magnitude below 2^22 rounds it to an integer.
const ROUND_MAGIC: f32 = 12_582_912.0;

/// A colour rounded to a whole grey level within 0..255.
#[inline(always)]
fn whole(colour: f32) -> f32 {
    (colour.clamp(0.0, 255.0) + ROUND_MAGIC) - ROUND_MAGIC
}

impl Finish {
    pub(super) fn new(spec: &InputSpec, yuv: YuvRange) -> Self {
        let matrix = YuvMatrix::new(yuv);
        Self { mean: spec.mean, scale: spec.scale, lanes: [0, 1, 2], order: spec.order, matrix }
    }

    /// For packed pictures whose channels come in `source` order.
    pub(super) fn order(mut self, source: ChannelOrder) -> Self {
        self.lanes = if source == self.order { [0, 1, 2] } else { [2, 1, 0] };
        self
    }

    /// A row of packed pixels.
    pub(super) fn packed(&self, pixels: &[i16], planes: [&mut [f32]; 3]) {
        let pixels = pixels.as_chunks::<LANES>().0;
        for (channel, plane) in planes.into_iter().enumerate() {
            let (mean, scale) = (self.mean[channel], self.scale[channel]);
            match self.lanes[channel] {
                0 => plane.iter_mut().zip(pixels).for_each(|(o, p)| *o = (level(p[0]) - mean) * scale),
                1 => plane.iter_mut().zip(pixels).for_each(|(o, p)| *o = (level(p[1]) - mean) * scale),
                _ => plane.iter_mut().zip(pixels).for_each(|(o, p)| *o = (level(p[2]) - mean) * scale),
            }
        }
    }

    /// A row of one channel, into all three planes.
    pub(super) fn gray(&self, luma: &[i16], planes: [&mut [f32]; 3]) {
        for (channel, plane) in planes.into_iter().enumerate() {
            let (mean, scale) = (self.mean[channel], self.scale[channel]);
            for (o, &y) in plane.iter_mut().zip(luma) {
                *o = (level(y) - mean) * scale;
            }
        }
    }

    /// A row of YUV samples.
    pub(super) fn yuv(&self, luma: &[i16], u: &[i16], v: &[i16], planes: [&mut [f32]; 3]) {
        /// Levels per sample step.
        const UNIT: f32 = 1.0 / (1 << FRACTION_BITS) as f32;
        let m = self.matrix;
        let [first, second, third] = planes;
        let (red, blue, r, b) = match self.order {
            ChannelOrder::Rgb => (first, third, 0, 2),
            ChannelOrder::Bgr => (third, first, 2, 0),
        };
        let (mean, scale) = (self.mean, self.scale);
        let colours = red.iter_mut().zip(second.iter_mut()).zip(blue.iter_mut());
        for (((red, green), blue), ((&y, &u), &v)) in colours.zip(luma.iter().zip(u).zip(v)) {
            let y = (f32::from(y) * UNIT - m.black) * m.y;
            let (u, v) = (f32::from(u) * UNIT - 128.0, f32::from(v) * UNIT - 128.0);
            *red = (whole(y + m.rv * v) - mean[r]) * scale[r];
            *green = (whole(y + m.gu * u + m.gv * v) - mean[1]) * scale[1];
            *blue = (whole(y + m.bu * u) - mean[b]) * scale[b];
        }
    }
}
