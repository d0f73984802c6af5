//! The row kernels of preprocessing: OpenCV's fixed-point bilinear, step by step.
//!
//! OpenCV resizes columns first, with 11-bit weights: `h = (w0 * a + w1 * b) >> 4` is a grey level times 128, and fits
//! in an `i16`. Rows then are `q = (v0 * h_top >> 16) + (v1 * h_bottom >> 16)`, a grey level times 4, and the result is
//! `(q + 2) >> 2`. The truncations matter: any other order of the work gives other bytes. So a source row is resampled
//! once and kept while output rows need it. Kernels work on whole rows of 16-bit lanes, for the compiler to vectorise.

use super::YuvRange;
use super::plan::{ColumnTap, LANES, Plan, RowTap, VECTOR};
use crate::model::{ChannelOrder, InputSpec};

/// The high half of a product: one instruction wherever there are 16-bit lanes.
#[inline(always)]
fn mul_high(a: i16, b: i16) -> i16 {
    ((i32::from(a) * i32::from(b)) >> 16) as i16
}

/// `((2048 - w) * left + w * right) >> 4` where `weight` is `(w - 1024) * 32`: the middle of both, which is exact, and
/// the way from there. Written so, every intermediate value fits in 16 bits.
#[inline(always)]
fn lerp(left: u8, right: u8, weight: i16) -> i16 {
    let (left, right) = (i16::from(left), i16::from(right));
    ((left + right) << 6) + mul_high((right - left) << 7, weight)
}

/// The left and right neighbours of every output sample, gathered so that the rest is whole-vector work.
#[derive(Debug, Clone, Default)]
pub(super) struct Neighbours {
    left: Vec<u8>,
    right: Vec<u8>,
}

impl Neighbours {
    /// Resamples a row of three-channel pixels: [`LANES`] samples per column into `out`.
    pub(super) fn resample_packed(&mut self, row: &[u8], plan: &Plan, out: &mut Vec<i16>) {
        self.resize(plan.lane_weights.len());
        let (left, right) = (self.left.as_chunks_mut::<LANES>().0, self.right.as_chunks_mut::<LANES>().0);
        for ((left, right), tap) in left.iter_mut().zip(right).zip(&plan.columns) {
            let at = tap.left as usize * 3;
            let both = u64::from_le_bytes(match row.get(at..at + 8).and_then(<[u8]>::first_chunk) {
                Some(&bytes) => bytes,
                None => at_row_end(row, at),
            });
            (*left, *right) = ((both as u32).to_le_bytes(), ((both >> 24) as u32).to_le_bytes());
        }
        self.lerp(&plan.lane_weights, out);
    }

    /// Resamples one channel of a row: `channel` says where pixel `i`'s sample lies.
    pub(super) fn resample_channel(
        &mut self,
        row: &[u8],
        channel: impl Fn(usize) -> usize,
        plan: &Plan,
        out: &mut Vec<i16>,
    ) {
        self.resize(plan.columns.len());
        for ((left, right), &ColumnTap { left: a, right: b }) in
            self.left.iter_mut().zip(&mut self.right).zip(&plan.columns)
        {
            if let (Some(&a), Some(&b)) = (row.get(channel(a as usize)), row.get(channel(b as usize))) {
                (*left, *right) = (a, b);
            }
        }
        self.lerp(&plan.column_weights, out);
    }

    fn resize(&mut self, samples: usize) {
        self.left.resize(samples, 0);
        self.right.resize(samples, 0);
    }

    fn lerp(&self, weights: &[i16], out: &mut Vec<i16>) {
        out.resize(weights.len(), 0);
        for (((sample, &left), &right), &weight) in out.iter_mut().zip(&self.left).zip(&self.right).zip(weights) {
            *sample = lerp(left, right, weight);
        }
    }
}

/// The eight bytes from `at` on, zeros past the row's end.
#[cold]
fn at_row_end(row: &[u8], at: usize) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes.iter_mut().zip(row.iter().skip(at)).for_each(|(byte, &value)| *byte = value);
    bytes
}

/// The two resampled source rows used last, and the output row made of them.
#[derive(Debug, Clone, Default)]
pub(super) struct RowPair {
    rows: [Resampled; 2],
    levels: Vec<u8>,
}

/// A source row with its columns resampled.
#[derive(Debug, Clone, Default)]
struct Resampled {
    /// Which source row; `None` once it is another picture's.
    source: Option<usize>,
    samples: Vec<i16>,
}

impl RowPair {
    /// Another picture comes.
    pub(super) fn forget(&mut self) {
        self.rows.iter_mut().for_each(|row| row.source = None);
    }

    /// The output row of `tap` in whole grey levels; `resample` makes the source row of a number, where it is not there
    /// yet.
    pub(super) fn blend(&mut self, tap: &RowTap, resample: impl FnMut(usize, &mut Vec<i16>)) -> &[u8] {
        let (top, bottom) = fetch_both(&mut self.rows, tap, resample);
        blend_rows(top, bottom, &tap.weights, &mut self.levels);
        &self.levels
    }
}

/// The top and bottom row of `tap`, resampled now where they are not there yet.
fn fetch_both<'a>(
    rows: &'a mut [Resampled; 2],
    tap: &RowTap,
    mut resample: impl FnMut(usize, &mut Vec<i16>),
) -> (&'a [i16], &'a [i16]) {
    if rows[0].source != Some(tap.top) {
        // What was the bottom row often becomes the top one.
        rows.swap(0, 1);
    }
    let [top, bottom] = rows;
    top.fetch(tap.top, &mut resample);
    if tap.bottom == tap.top || tap.weights[1][0] == 0 {
        return (&top.samples, &top.samples);
    }
    bottom.fetch(tap.bottom, &mut resample);
    (&top.samples, &bottom.samples)
}

/// The sum of both high products is in quarters of a level; it is rounded here.
#[inline(always)]
fn blend(a: i16, b: i16, w0: i16, w1: i16) -> u8 {
    ((mul_high(a, w0) + mul_high(b, w1) + 2) >> 2) as u8
}

fn blend_rows(top: &[i16], bottom: &[i16], [w0, w1]: &[[i16; VECTOR]; 2], levels: &mut Vec<u8>) {
    levels.resize(top.len(), 0);
    let (top, top_end) = top.as_chunks::<VECTOR>();
    let (bottom, bottom_end) = bottom.as_chunks::<VECTOR>();
    let (levels, levels_end) = levels.as_chunks_mut::<VECTOR>();
    for ((level, a), b) in levels.iter_mut().zip(top).zip(bottom) {
        for lane in 0..VECTOR {
            level[lane] = blend(a[lane], b[lane], w0[lane], w1[lane]);
        }
    }
    for ((level, &a), &b) in levels_end.iter_mut().zip(top_end).zip(bottom_end) {
        *level = blend(a, b, w0[0], w1[0]);
    }
}

impl Resampled {
    fn fetch(&mut self, source: usize, resample: &mut impl FnMut(usize, &mut Vec<i16>)) {
        if self.source != Some(source) {
            resample(source, &mut self.samples);
            self.source = Some(source);
        }
    }
}

/// Row buffers, kept between frames: one pair for packed pixels or luma, one each for chroma.
#[derive(Debug, Clone, Default)]
pub(super) struct Scratch {
    pub(super) neighbours: Neighbours,
    pub(super) luma: RowPair,
    pub(super) u: RowPair,
    pub(super) v: RowPair,
}

impl Scratch {
    /// Another picture comes.
    pub(super) fn forget(&mut self) {
        [&mut self.luma, &mut self.u, &mut self.v].into_iter().for_each(RowPair::forget);
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
    /// Whether packed pixels have their channels the other way round than the planes.
    reversed: bool,
    order: ChannelOrder,
    matrix: YuvMatrix,
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
        Self { mean: spec.mean, scale: spec.scale, reversed: false, order: spec.order, matrix }
    }

    /// For packed pictures whose channels come in `source` order.
    pub(super) fn order(mut self, source: ChannelOrder) -> Self {
        self.reversed = source != self.order;
        self
    }

    /// A row of packed pixels, [`LANES`] bytes each.
    pub(super) fn packed(&self, pixels: &[u8], planes: [&mut [f32]; 3]) {
        let [mut a, b, mut c] = planes;
        let ([mut ma, mb, mut mc], [mut sa, sb, mut sc]) = (self.mean, self.scale);
        if self.reversed {
            std::mem::swap(&mut a, &mut c);
            std::mem::swap(&mut ma, &mut mc);
            std::mem::swap(&mut sa, &mut sc);
        }
        let pixels = pixels.as_chunks::<LANES>().0;
        for (((a, b), c), &pixel) in a.iter_mut().zip(b.iter_mut()).zip(c.iter_mut()).zip(pixels) {
            // Splitting words is whole-vector work, where picking every fourth byte is not.
            let word = i32::from_le_bytes(pixel);
            *a = ((word & 0xFF) as f32 - ma) * sa;
            *b = ((word >> 8 & 0xFF) as f32 - mb) * sb;
            *c = ((word >> 16 & 0xFF) as f32 - mc) * sc;
        }
    }

    /// A row of one channel, into all three planes.
    pub(super) fn gray(&self, luma: &[u8], planes: [&mut [f32]; 3]) {
        for (channel, plane) in planes.into_iter().enumerate() {
            let (mean, scale) = (self.mean[channel], self.scale[channel]);
            for (o, &y) in plane.iter_mut().zip(luma) {
                *o = (f32::from(y) - mean) * scale;
            }
        }
    }

    /// A row of YUV samples.
    pub(super) fn yuv(&self, luma: &[u8], u: &[u8], v: &[u8], planes: [&mut [f32]; 3]) {
        let m = self.matrix;
        let [first, second, third] = planes;
        let (red, blue, r, b) = match self.order {
            ChannelOrder::Rgb => (first, third, 0, 2),
            ChannelOrder::Bgr => (third, first, 2, 0),
        };
        let (mean, scale) = (self.mean, self.scale);
        let colours = red.iter_mut().zip(second.iter_mut()).zip(blue.iter_mut());
        for (((red, green), blue), ((&y, &u), &v)) in colours.zip(luma.iter().zip(u).zip(v)) {
            let y = (f32::from(y) - m.black) * m.y;
            let (u, v) = (f32::from(u) - 128.0, f32::from(v) - 128.0);
            *red = (whole(y + m.rv * v) - mean[r]) * scale[r];
            *green = (whole(y + m.gu * u + m.gv * v) - mean[1]) * scale[1];
            *blue = (whole(y + m.bu * u) - mean[b]) * scale[b];
        }
    }
}
