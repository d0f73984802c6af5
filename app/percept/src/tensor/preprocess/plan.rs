//! Which source pixels make each pixel of the resized picture, and with what weights: worked out once per source size.

use super::Reduced;
use crate::model::InputSpec;
use crate::tensor::Letterbox;

/// Weight of 1 in OpenCV's 8-bit resize: `INTER_RESIZE_COEF_SCALE`, 11 bits.
pub(super) const WEIGHT_ONE: i16 = 2048;

/// Source sizes remembered: a few cameras may share a network.
const PLANS_KEPT: usize = 4;

/// Samples per gathered pixel: three channels and one lane that is never read.
pub(super) const LANES: usize = 4;
/// 16-bit lanes of the narrowest vector registers we meet (SSE2, NEON).
pub(super) const VECTOR: usize = 8;

/// One output column: source pixels `left` and `right`, neighbours but at the picture's right edge, where they are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ColumnTap {
    pub(super) left: u32,
    pub(super) right: u32,
}

/// One output row: source rows `top` and `bottom`, the same one beyond the picture's edges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RowTap {
    pub(super) top: usize,
    pub(super) bottom: usize,
    /// Weights of the two, in units of 1 / [`WEIGHT_ONE`], once per lane: loaded as vectors they are multiplied in
    /// 16 bits, not widened beforehand.
    pub(super) weights: [[i16; VECTOR]; 2],
}

/// The tables of one source size.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) letterbox: Letterbox,
    /// Size of the picture that is read.
    image: (usize, usize),
    source: Reduced,
    pub(super) columns: Vec<ColumnTap>,
    /// The right pixel's weight above one half, per column, times 32: see `rows::lerp`.
    pub(super) column_weights: Vec<i16>,
    /// The same, [`LANES`] times each.
    pub(super) lane_weights: Vec<i16>,
    pub(super) rows: Vec<RowTap>,
}

impl Plan {
    fn new(spec: &InputSpec, image: (usize, usize), source: Reduced) -> Self {
        let letterbox = Letterbox::new(spec.resize, source.full, (spec.width, spec.height));
        // A reduced picture's last column and row may reach beyond the whole one's edge.
        let [across, down] = [source.full.0, source.full.1].map(|side| side as f64 / source.by as f64);
        let (columns, column_weights): (Vec<_>, Vec<_>) =
            taps(across, letterbox.content_width).map(|tap| column(tap, image.0)).unzip();
        let lane_weights = column_weights.iter().flat_map(|&weight| [weight; LANES]).collect();
        let rows = taps(down, letterbox.content_height).map(|tap| row(tap, image.1)).collect();
        Self { letterbox, image, source, columns, column_weights, lane_weights, rows }
    }
}

/// For each of `output` samples over `source` ones: the lower source index, -1 before the first, and the distance from
/// it. Computed in OpenCV's precisions, down to the scale that is one over its inverse: they decide which way a weight
/// is rounded.
fn taps(source: f64, output: usize) -> impl Iterator<Item = (i64, f32)> {
    let step = 1.0 / (output as f64 / source);
    (0..output).map(move |i| {
        let centre = ((i as f64 + 0.5) * step - 0.5) as f32;
        (centre.floor() as i64, centre - centre.floor())
    })
}

/// `fraction` in units of 1 / [`WEIGHT_ONE`]; halves go to the even number, as in OpenCV's `saturate_cast`.
fn weight(fraction: f32) -> i16 {
    (fraction * f32::from(WEIGHT_ONE)).round_ties_even() as i16
}

/// A column's pixels and weight. Outside of the picture the edge pixel counts alone.
///
/// OpenCV rounds both weights; here the left one is what the right one leaves. They differ only where `1 - fraction`
/// is inexact in f32 and ends on a half: before the second source column, and only where more than 4096 columns come out.
fn column((lower, fraction): (i64, f32), width: usize) -> (ColumnTap, i16) {
    let last = width - 1;
    let (left, second) = match usize::try_from(lower) {
        Err(_) => (0, 0),
        Ok(left) if left >= last => (last, 0),
        // A weight that rounds to one is the next pixel's own: the kernel has no room for it.
        Ok(left) if weight(fraction) == WEIGHT_ONE => (left + 1, 0),
        Ok(left) => (left, weight(fraction)),
    };
    let right = (left + 1).min(last);
    (ColumnTap { left: left as u32, right: right as u32 }, (second - WEIGHT_ONE / 2) * 32)
}

/// A row's source rows and weights. Unlike a column, one outside of the picture keeps both weights (the two truncations
/// then take more from it than one would).
fn row((lower, fraction): (i64, f32), height: usize) -> RowTap {
    let inside = |y: i64| y.clamp(0, height as i64 - 1) as usize;
    let weights = [1.0 - fraction, fraction].map(|share| [weight(share); VECTOR]);
    RowTap { top: inside(lower), bottom: inside(lower + 1), weights }
}

/// The plans of the source sizes seen last.
#[derive(Debug, Clone, Default)]
pub(super) struct Plans {
    kept: Vec<Plan>,
    next: usize,
}

impl Plans {
    /// The plan for a picture of size `image` made of `source`, made if it is not among those kept.
    pub(super) fn for_source(&mut self, spec: &InputSpec, image: (usize, usize), source: Reduced) -> &Plan {
        let index = match self.kept.iter().position(|p| (p.image, p.source) == (image, source)) {
            Some(index) => index,
            None => self.insert(Plan::new(spec, image, source)),
        };
        &self.kept[index]
    }

    fn insert(&mut self, plan: Plan) -> usize {
        if self.kept.len() < PLANS_KEPT {
            self.kept.push(plan);
            return self.kept.len() - 1;
        }
        let index = self.next;
        self.kept[index] = plan;
        self.next = (index + 1) % PLANS_KEPT;
        index
    }
}
