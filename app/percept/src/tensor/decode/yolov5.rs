//! YOLOv5 with its decoding inside: (1, N, 5+C) of centre x, y, width, height in network pixels, objectness, classes.
//!
//! The score is objectness times the best class's score. A box whose objectness alone is too low is not read further.

use crate::model::{HeadFamily, IoInfo, ModelSpec, ScoreActivation};
use crate::tensor::TensorView;
use crate::tensor::decode::candidates::{Candidates, Floor, box_from_centre};
use crate::tensor::decode::scores::{activate, best_class};
use crate::tensor::decode::{DecodeError, Head, contract};

/// Values before the class scores.
pub(super) const BOX_AND_OBJECTNESS: usize = 5;

#[derive(Debug, Clone)]
pub(super) struct Yolov5 {
    classes: usize,
    activation: ScoreActivation,
}

impl Yolov5 {
    pub(super) fn new(spec: &ModelSpec, outputs: &[IoInfo]) -> Result<Self, DecodeError> {
        check_rows(HeadFamily::Yolov5, spec.classes.len(), outputs)?;
        Ok(Self { classes: spec.classes.len(), activation: spec.activation })
    }
}

/// Whether the model declares the one output (1, N, 5+C).
pub(super) fn check_rows(head: HeadFamily, classes: usize, outputs: &[IoInfo]) -> Result<(), DecodeError> {
    let row = classes + BOX_AND_OBJECTNESS;
    match outputs {
        [one] if contract::is_float(one) && contract::declares(one, &[None, Some(row)]) => Ok(()),
        _ => Err(contract::misfit(head, format!("one float output (1, N, {row}) for {classes} classes"), outputs)),
    }
}

/// The score and class of a row that begins with a box and an objectness, if it passes `floor`.
pub(super) fn score_row(
    row: &[f32],
    activation: ScoreActivation,
    floor: &Floor,
    found: &mut Candidates,
) -> Option<(usize, f32)> {
    let raw = row[BOX_AND_OBJECTNESS - 1];
    if !raw.is_finite() {
        found.non_finite += 1;
        return None;
    }
    let objectness = activate(activation, raw);
    if objectness < floor.common {
        return None;
    }
    let (class, raw) = best_class(row[BOX_AND_OBJECTNESS..].iter().copied(), found)?;
    let score = objectness * activate(activation, raw);
    floor.passes(class, score).then_some((class, score))
}

impl Head for Yolov5 {
    fn collect(
        &mut self,
        outputs: &[TensorView<'_>],
        floor: &Floor,
        found: &mut Candidates,
    ) -> Result<(), DecodeError> {
        let row_len = self.classes + BOX_AND_OBJECTNESS;
        let (_, data) = contract::floats(&outputs[0], [None, Some(row_len)])?;
        for (anchor, row) in data.chunks_exact(row_len).enumerate() {
            if let Some((class, score)) = score_row(row, self.activation, floor, found) {
                found.push(box_from_centre(row[0], row[1], row[2], row[3]), score, class, anchor);
            }
        }
        Ok(())
    }
}
