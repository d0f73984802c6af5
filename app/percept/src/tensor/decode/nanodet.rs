//! NanoDet and PicoDet: per stride the classes (N, C) and, for each of left, top, right, bottom, a distribution over
//! `bins` distances (N, 4*bins). NanoDet-Plus has all in one output (1, N, C+4*bins).
//!
//! A distance is the mean of the softmax of its bins, in strides (generalized focal loss). The cell's centre is
//! (column + 1/2) * stride; in NanoDet-Plus its corner, column * stride.

use crate::detection::BoxPx;
use crate::model::{HeadFamily, IoInfo, ModelSpec, ScoreActivation};
use crate::tensor::TensorView;
use crate::tensor::decode::candidates::{Candidates, Floor};
use crate::tensor::decode::scores::{activate, best_class};
use crate::tensor::decode::{DecodeError, Head, contract};

/// Sides of a box: left, top, right, bottom.
const SIDES: usize = 4;

#[derive(Debug, Clone)]
pub(super) struct Nanodet {
    classes: usize,
    activation: ScoreActivation,
    levels: Vec<Level>,
    /// Position of a cell's centre within it, in cells.
    centre: f32,
    /// Cells of all levels where they share one output.
    shared_cells: Option<usize>,
}

/// One stride's grid and where its values are.
#[derive(Debug, Clone)]
struct Level {
    stride: f32,
    columns: usize,
    rows: usize,
    /// Index of the output with the classes, and of that with the distances.
    scores: usize,
    distances: usize,
    /// First row of the level in its output.
    first_row: usize,
}

impl Nanodet {
    pub(super) fn new(spec: &ModelSpec, outputs: &[IoInfo]) -> Result<Self, DecodeError> {
        let classes = spec.classes.len();
        let misfit = || {
            let (w, h, strides) = (spec.input.width, spec.input.height, &spec.strides);
            let expected = format!(
                "per stride of {strides:?} classes (1, N, {classes}) and distances (1, N, 4*bins) for a {w}x{h} input, \
                 or both in one (1, N, {classes}+4*bins)"
            );
            contract::misfit(HeadFamily::Nanodet, expected, outputs)
        };
        if spec.strides.is_empty()
            || !outputs.iter().all(|o| contract::is_float(o) && contract::declares(o, &[None; 2]))
        {
            return Err(misfit());
        }
        let (levels, shared) = match outputs {
            [_] => (shared_levels(spec), true),
            _ => (separate_levels(spec, outputs).ok_or_else(misfit)?, false),
        };
        let cells = levels.iter().map(|l| l.columns * l.rows).sum();
        let shared_cells = shared.then_some(cells);
        let centre = if shared { 0.0 } else { 0.5 };
        let nanodet = Self { classes, activation: spec.activation, levels, centre, shared_cells };
        if nanodet.levels.iter().all(|l| nanodet.level_fits(l, outputs)) { Ok(nanodet) } else { Err(misfit()) }
    }

    /// Whether the declared rows and columns can be the level's.
    fn level_fits(&self, level: &Level, outputs: &[IoInfo]) -> bool {
        let rows = Some(self.shared_cells.unwrap_or(level.columns * level.rows));
        let scores_width = if self.shared_cells.is_some() { None } else { Some(self.classes) };
        contract::declares(&outputs[level.scores], &[rows, scores_width])
            && contract::declares(&outputs[level.distances], &[rows, None])
    }

    fn collect_level(
        &self,
        level: &Level,
        outputs: &[TensorView<'_>],
        floor: &Floor,
        found: &mut Candidates,
    ) -> Result<(), DecodeError> {
        let rows = Some(self.shared_cells.unwrap_or(level.columns * level.rows));
        let (distances_from, scores_width) =
            if self.shared_cells.is_some() { (self.classes, None) } else { (0, Some(self.classes)) };
        let ([_, score_stride], scores) = contract::floats(&outputs[level.scores], [rows, scores_width])?;
        let ([_, side_stride], distances) = contract::floats(&outputs[level.distances], [rows, None])?;
        let bins = bins_of(side_stride, distances_from).ok_or_else(|| DecodeError::Shape {
            output: outputs[level.distances].name.to_owned(),
            expected: format!("(1, N, {distances_from}+4*bins)"),
            got: format!("(1, N, {side_stride})"),
        })?;
        for cell in 0..level.columns * level.rows {
            let row = level.first_row + cell;
            let classes = scores[row * score_stride..][..self.classes].iter().copied();
            let Some((class, raw)) = best_class(classes, found) else { continue };
            let score = activate(self.activation, raw);
            if floor.passes(class, score) {
                let sides = &distances[row * side_stride + distances_from..][..SIDES * bins];
                found.push(self.bbox(level, cell, sides, bins), score, class, row);
            }
        }
        Ok(())
    }

    /// The box of a cell; not finite where its distribution is not.
    fn bbox(&self, level: &Level, cell: usize, sides: &[f32], bins: usize) -> BoxPx {
        let x = ((cell % level.columns) as f32 + self.centre) * level.stride;
        let y = ((cell / level.columns) as f32 + self.centre) * level.stride;
        let distance = |side: usize| mean_of_softmax(&sides[side * bins..(side + 1) * bins]) * level.stride;
        BoxPx { x0: x - distance(0), y0: y - distance(1), x1: x + distance(2), y1: y + distance(3) }
    }
}

/// Bins per side, if the columns after `from` can be shared among the sides.
fn bins_of(width: usize, from: usize) -> Option<usize> {
    let values = width.checked_sub(from)?;
    (values >= SIDES && values % SIDES == 0).then_some(values / SIDES)
}

/// Levels that share output 0.
fn shared_levels(spec: &ModelSpec) -> Vec<Level> {
    let mut first_row = 0;
    let mut level = |&stride: &usize| {
        let (columns, rows) = contract::grid(spec.input.width, spec.input.height, stride);
        let level = Level { stride: stride as f32, columns, rows, scores: 0, distances: 0, first_row };
        first_row += columns * rows;
        level
    };
    spec.strides.iter().map(&mut level).collect()
}

/// Levels with two outputs each, in whatever order they are declared.
fn separate_levels(spec: &ModelSpec, outputs: &[IoInfo]) -> Option<Vec<Level>> {
    let is_scores = |io: &IoInfo| match io.shape.last() {
        // With as many classes as distances the shapes are alike, and the names decide.
        Some(&Some(width)) if width == spec.classes.len() => !names_distances(&io.name),
        Some(None) => !names_distances(&io.name),
        _ => false,
    };
    let (mut scores, mut distances): (Vec<_>, Vec<_>) = (0..outputs.len()).partition(|&i| is_scores(&outputs[i]));
    if scores.len() != spec.strides.len() || distances.len() != spec.strides.len() {
        return None;
    }
    // Finest first; a stable sort leaves undeclared sizes as they come.
    let cells = |&i: &usize| std::cmp::Reverse(outputs[i].shape.iter().rev().nth(1).copied().flatten().unwrap_or(0));
    scores.sort_by_key(cells);
    distances.sort_by_key(cells);
    let level = |((&stride, scores), distances): ((&usize, usize), usize)| {
        let (columns, rows) = contract::grid(spec.input.width, spec.input.height, stride);
        Level { stride: stride as f32, columns, rows, scores, distances, first_row: 0 }
    };
    Some(spec.strides.iter().zip(scores).zip(distances).map(level).collect())
}

/// Whether an output's name speaks of box distances.
pub(crate) fn names_distances(name: &str) -> bool {
    ["dis", "reg", "box", "loc"].iter().any(|part| name.to_ascii_lowercase().contains(part))
}

/// The mean bin of a softmax over `logits`.
pub(super) fn mean_of_softmax(logits: &[f32]) -> f32 {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (mut total, mut mean) = (0.0, 0.0);
    for (bin, &logit) in logits.iter().enumerate() {
        let weight = (logit - top).exp();
        total += weight;
        mean += weight * bin as f32;
    }
    mean / total
}

impl Head for Nanodet {
    fn collect(
        &mut self,
        outputs: &[TensorView<'_>],
        floor: &Floor,
        found: &mut Candidates,
    ) -> Result<(), DecodeError> {
        self.levels.iter().try_for_each(|level| self.collect_level(level, outputs, floor, found))
    }
}
