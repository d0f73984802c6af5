//! Boxes above the score threshold, as parallel columns, before suppression.

use crate::detection::BoxPx;

/// The lowest score that counts: one for all classes, and more for some.
#[derive(Debug, Clone, Default)]
pub(super) struct Floor {
    pub(super) common: f32,
    /// By class; may be shorter than the class list.
    pub(super) per_class: Vec<f32>,
}

impl Floor {
    /// Whether `score` counts for `class`. NaN never does.
    pub(super) fn passes(&self, class: usize, score: f32) -> bool {
        score >= self.common && self.per_class.get(class).is_none_or(|&floor| score >= floor)
    }
}

/// What a head collects. Box corners are in network pixels.
#[derive(Debug, Clone, Default)]
pub(super) struct Candidates {
    pub(super) boxes: Vec<BoxPx>,
    pub(super) scores: Vec<f32>,
    pub(super) classes: Vec<u32>,
    /// The head's own index of each box, to find its mask by.
    pub(super) anchors: Vec<u32>,
    /// Scores and boxes met that were not finite.
    pub(super) non_finite: usize,
}

impl Candidates {
    pub(super) fn clear(&mut self) {
        self.boxes.clear();
        self.scores.clear();
        self.classes.clear();
        self.anchors.clear();
        self.non_finite = 0;
    }

    /// Adds a box, unless it is not finite: then it is counted, once.
    pub(super) fn push(&mut self, bbox: BoxPx, score: f32, class: usize, anchor: usize) {
        if count_non_finite(&[bbox.x0, bbox.y0, bbox.x1, bbox.y1]) > 0 {
            self.non_finite += 1;
            return;
        }
        self.boxes.push(bbox);
        self.scores.push(score);
        self.classes.push(class as u32);
        self.anchors.push(anchor as u32);
    }
}

/// How many of `values` are NaN or infinite.
pub(super) fn count_non_finite(values: &[f32]) -> usize {
    values.iter().filter(|v| !v.is_finite()).count()
}

/// The box of a centre and a size.
pub(super) fn box_from_centre(x: f32, y: f32, width: f32, height: f32) -> BoxPx {
    let (w, h) = (width * 0.5, height * 0.5);
    BoxPx { x0: x - w, y0: y - h, x1: x + w, y1: y + h }
}
