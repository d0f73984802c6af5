//! DETR exports with their post-processor inside: `labels`, `boxes` (x0, y0, x1, y1) and `scores`.
//!
//! Boxes come in pixels of whatever `orig_target_sizes` said, which is the network's own size here (see
//! [`crate::tensor::decode::extra_inputs`]). No suppression.

use crate::detection::BoxPx;
use crate::model::{ElementType, HeadFamily, IoInfo, ModelSpec};
use crate::tensor::decode::candidates::{Candidates, Floor};
use crate::tensor::decode::end_to_end::class_index;
use crate::tensor::decode::{DecodeError, Head, contract};
use crate::tensor::{TensorData, TensorView};

#[derive(Debug, Clone)]
pub(super) struct DetrDecoded {
    classes: usize,
    labels: usize,
    boxes: usize,
    scores: usize,
}

impl DetrDecoded {
    pub(super) fn new(spec: &ModelSpec, outputs: &[IoInfo]) -> Result<Self, DecodeError> {
        let named = |what: &str| outputs.iter().position(|o| o.name.contains(what));
        match (named("label"), named("box"), named("score")) {
            (Some(labels), Some(boxes), Some(scores))
                if contract::is_float(&outputs[boxes])
                    && contract::is_float(&outputs[scores])
                    && (contract::is_float(&outputs[labels]) || outputs[labels].element == Some(ElementType::I64)) =>
            {
                Ok(Self { classes: spec.classes.len(), labels, boxes, scores })
            }
            _ => {
                let expected = "labels (1, K), boxes (1, K, 4) and scores (1, K), so named";
                Err(contract::misfit(HeadFamily::DetrDecoded, expected, outputs))
            }
        }
    }
}

/// The label at `index`, as a number: exports give integers or whole floats.
fn label_at(labels: &TensorData<'_>, index: usize) -> Option<f64> {
    match labels {
        TensorData::I64(values) => values.get(index).map(|&v| v as f64),
        TensorData::F32(values) => values.get(index).map(|&v| f64::from(v)),
    }
}

impl Head for DetrDecoded {
    fn collect(
        &mut self,
        outputs: &[TensorView<'_>],
        floor: &Floor,
        found: &mut Candidates,
    ) -> Result<(), DecodeError> {
        let ([count], scores) = contract::floats(&outputs[self.scores], [None])?;
        let (_, boxes) = contract::floats(&outputs[self.boxes], [Some(count), Some(4)])?;
        let labels = &outputs[self.labels];
        contract::inner_dims(labels, [Some(count)])?;
        contract::check_len(labels, count)?;
        for (query, (&score, bbox)) in scores.iter().zip(boxes.as_chunks::<4>().0).enumerate() {
            if !score.is_finite() {
                found.non_finite += 1;
                continue;
            }
            let Some(label) = label_at(&labels.data, query) else { continue };
            if score < floor.common {
                continue;
            }
            let class = class_index(labels.name, label, self.classes)?;
            if floor.passes(class, score) {
                let [x0, y0, x1, y1] = *bbox;
                found.push(BoxPx { x0, y0, x1, y1 }, score, class, query);
            }
        }
        Ok(())
    }

    fn needs_suppression(&self) -> bool {
        false
    }
}
