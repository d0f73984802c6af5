//! DETR heads (RT-DETR, D-FINE, DEIM) as they leave the network: logits (1, Q, C) and boxes (1, Q, 4), centre x, y,
//! width, height relative to the network's input. No suppression.
//!
//! The best of all queries and classes together are kept by their sigmoid, as the family's own post-processor does: a
//! query may answer for two classes.

use crate::model::{HeadFamily, IoInfo, ModelSpec, ScoreActivation};
use crate::tensor::TensorView;
use crate::tensor::decode::candidates::{Candidates, Floor, box_from_centre};
use crate::tensor::decode::scores::{activate, raw_floor};
use crate::tensor::decode::{DecodeError, Head, contract};

#[derive(Debug, Clone)]
pub(super) struct Detr {
    classes: usize,
    activation: ScoreActivation,
    /// Index of the logits' output and of the boxes'.
    logits: usize,
    boxes: usize,
    width: f32,
    height: f32,
}

impl Detr {
    pub(super) fn new(spec: &ModelSpec, outputs: &[IoInfo]) -> Result<Self, DecodeError> {
        let classes = spec.classes.len();
        let fits = |logits: &IoInfo, boxes: &IoInfo| {
            let floats = contract::is_float(logits) && contract::is_float(boxes);
            floats
                && contract::declares(logits, &[None, Some(classes)])
                && contract::declares(boxes, &[None, Some(4)])
                // With four classes the shapes are alike, and the names decide.
                && !(classes == 4 && logits.name.contains("box"))
        };
        let (logits, boxes) = match outputs {
            [a, b] if fits(a, b) => (0, 1),
            [a, b] if fits(b, a) => (1, 0),
            _ => {
                let expected = format!("logits (1, Q, {classes}) and boxes (1, Q, 4)");
                return Err(contract::misfit(HeadFamily::Detr, expected, outputs));
            }
        };
        let (width, height) = (spec.input.width as f32, spec.input.height as f32);
        Ok(Self { classes, activation: spec.activation, logits, boxes, width, height })
    }
}

impl Head for Detr {
    fn collect(
        &mut self,
        outputs: &[TensorView<'_>],
        floor: &Floor,
        found: &mut Candidates,
    ) -> Result<(), DecodeError> {
        let ([queries, _], logits) = contract::floats(&outputs[self.logits], [None, Some(self.classes)])?;
        let (_, boxes) = contract::floats(&outputs[self.boxes], [Some(queries), Some(4)])?;
        let lowest = raw_floor(self.activation, floor.common);
        let rows = logits.chunks_exact(self.classes.max(1));
        for ((query, row), bbox) in rows.enumerate().zip(boxes.as_chunks::<4>().0) {
            for (class, &raw) in row.iter().enumerate() {
                if !raw.is_finite() {
                    found.non_finite += 1;
                } else if raw >= lowest {
                    let score = activate(self.activation, raw);
                    if floor.passes(class, score) {
                        let [x, y, w, h] = *bbox;
                        let (x, w) = (x * self.width, w * self.width);
                        let (y, h) = (y * self.height, h * self.height);
                        found.push(box_from_centre(x, y, w, h), score, class, query);
                    }
                }
            }
        }
        Ok(())
    }

    fn needs_suppression(&self) -> bool {
        false
    }
}
