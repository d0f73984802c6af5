//! Which source pixels make each pixel of the resized picture, and with what weights: worked out once per source size.

use crate::model::InputSpec;
use crate::tensor::Letterbox;

/// Weight of 1 in the 15-bit weights below.
const WEIGHT_ONE: f64 = 32768.0;

/// Source sizes remembered: a few cameras may share a network.
const PLANS_KEPT: usize = 4;

/// Samples per gathered pixel: three channels and one lane that is never read.
pub(super) const LANES: usize = 4;
/// 16-bit lanes of the narrowest vector registers we meet (SSE2, NEON).
pub(super) const VECTOR: usize = 8;

/// One output column: source pixels `left` and `left + 1`, `weight / 32768` of the second. At the right edge the
/// weight is 0 and the second need not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ColumnTap {
    pub(super) left: u32,
    pub(super) weight: i16,
}

/// One output row: source rows `top` and `bottom`, `weight / 32768` of the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RowTap {
    pub(super) top: usize,
    pub(super) bottom: usize,
    /// The weight once per lane: loaded as a vector, it is multiplied in 16 bits, not widened beforehand.
    pub(super) weights: [i16; VECTOR],
}

/// The tables of one source size.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) letterbox: Letterbox,
    pub(super) columns: Vec<ColumnTap>,
    pub(super) rows: Vec<RowTap>,
}

impl Plan {
    fn new(spec: &InputSpec, width: usize, height: usize) -> Self {
        let letterbox = Letterbox::new(spec.resize, (width, height), (spec.width, spec.height));
        let columns = taps(width, letterbox.content_width)
            .map(|(left, weight)| ColumnTap { left: left as u32, weight })
            .collect();
        let rows = taps(height, letterbox.content_height)
            .map(|(top, weight)| RowTap { top, bottom: (top + 1).min(height - 1), weights: [weight; VECTOR] })
            .collect();
        Self { letterbox, columns, rows }
    }
}

/// For each of `output` samples over `source` ones: the lower source index and the 15-bit weight of the next.
fn taps(source: usize, output: usize) -> impl Iterator<Item = (usize, i16)> {
    let step = source as f64 / output as f64;
    (0..output).map(move |i| {
        let centre = (i as f64 + 0.5) * step - 0.5;
        let lower = centre.floor();
        if lower < 0.0 {
            return (0, 0);
        }
        if lower as usize >= source - 1 {
            return (source - 1, 0);
        }
        let weight = ((centre - lower) * WEIGHT_ONE).round().min(WEIGHT_ONE - 1.0);
        (lower as usize, weight as i16)
    })
}

/// The plans of the source sizes seen last.
#[derive(Debug, Clone, Default)]
pub(super) struct Plans {
    kept: Vec<Plan>,
    next: usize,
}

impl Plans {
    /// The plan for a `width` x `height` source, made if it is not among those kept.
    pub(super) fn for_source(&mut self, spec: &InputSpec, width: usize, height: usize) -> &Plan {
        let fits = |p: &Plan| p.letterbox.source_width == width && p.letterbox.source_height == height;
        let index = match self.kept.iter().position(fits) {
            Some(index) => index,
            None => self.insert(Plan::new(spec, width, height)),
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
