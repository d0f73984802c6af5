//! The two files side by side: frame by frame, identities numbered from 0, overlaps computed once.

use std::collections::BTreeMap;

use super::parse::{Boxes, TrackBox};
use crate::coco::box_iou;

/// IoU from which a box may match an object (CLEAR and identity figures).
pub(super) const MATCH_IOU: f64 = 0.5;

/// One frame.
pub(super) struct Frame {
    /// Numbers of the true identities, in the file's order.
    pub(super) truth: Vec<usize>,
    /// Numbers of the output identities, in the file's order.
    pub(super) found: Vec<usize>,
    /// IoU, a row for each true box.
    pub(super) iou: Vec<f64>,
}

impl Frame {
    /// IoU of a true box and an output box.
    pub(super) fn iou(&self, truth: usize, found: usize) -> f64 {
        self.iou.get(truth * self.found.len() + found).copied().unwrap_or(0.0)
    }

    /// Distance 1 - IoU where the two may match.
    pub(super) fn distance(&self, truth: usize, found: usize) -> Option<f64> {
        // In this order of operations 1 - IoU decides the case of exactly one half as py-motmetrics does.
        let distance = 1.0 - self.iou(truth, found);
        (distance <= 1.0 - MATCH_IOU).then_some(distance)
    }
}

/// A whole sequence.
pub(super) struct Sequence {
    /// Frames that have a box, in order.
    pub(super) frames: Vec<Frame>,
    /// Number of true identities.
    pub(super) truth_ids: usize,
    /// Number of output identities.
    pub(super) found_ids: usize,
}

impl Sequence {
    pub(super) fn new(truth: &Boxes, found: &Boxes) -> Self {
        let (truth_numbers, found_numbers) = (numbers(truth), numbers(found));
        let mut frames: Vec<i64> = truth.keys().chain(found.keys()).copied().collect();
        frames.sort_unstable();
        frames.dedup();
        let of = |boxes: &Boxes, frame: i64| boxes.get(&frame).cloned().unwrap_or_default();
        let number = |numbers: &BTreeMap<i64, usize>, boxes: &[TrackBox]| {
            boxes.iter().filter_map(|b| numbers.get(&b.id).copied()).collect()
        };
        let frames = frames.into_iter().map(|frame| {
            let (t, f) = (of(truth, frame), of(found, frame));
            let iou = t.iter().flat_map(|a| f.iter().map(|b| box_iou(&b.bbox, &a.bbox, false))).collect();
            Frame { truth: number(&truth_numbers, &t), found: number(&found_numbers, &f), iou }
        });
        Self { frames: frames.collect(), truth_ids: truth_numbers.len(), found_ids: found_numbers.len() }
    }

    pub(super) fn truth_boxes(&self) -> u64 {
        self.frames.iter().map(|f| f.truth.len() as u64).sum()
    }

    pub(super) fn found_boxes(&self) -> u64 {
        self.frames.iter().map(|f| f.found.len() as u64).sum()
    }
}

fn numbers(boxes: &Boxes) -> BTreeMap<i64, usize> {
    let mut ids: Vec<i64> = boxes.values().flatten().map(|b| b.id).collect();
    ids.sort_unstable();
    ids.dedup();
    ids.into_iter().enumerate().map(|(number, id)| (id, number)).collect()
}
