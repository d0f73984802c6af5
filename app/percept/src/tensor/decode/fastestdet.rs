//! FastestDet: one map (1, 5+C, h, w) of objectness, box and class scores per cell.
//!
//! Score = objectness^0.6 * class^0.4; centre = (cell + tanh(offset)) / cells, size = sigmoid(value), both relative to
//! the network's input (FastestDet, `test.py`).

use crate::model::{HeadFamily, IoInfo, ModelSpec};
use crate::tensor::TensorView;
use crate::tensor::decode::candidates::{Candidates, Floor, box_from_centre};
use crate::tensor::decode::scores::{best_class, sigmoid};
use crate::tensor::decode::{DecodeError, Head, contract};

/// Channels before the classes: objectness, two offsets, two sizes.
const BEFORE_CLASSES: usize = 5;
/// Power of the objectness in the score.
const OBJECTNESS_POWER: f32 = 0.6;
/// Power of the class in the score.
const CLASS_POWER: f32 = 0.4;

#[derive(Debug, Clone)]
pub(super) struct Fastestdet {
    classes: usize,
    width: f32,
    height: f32,
}

impl Fastestdet {
    pub(super) fn new(spec: &ModelSpec, outputs: &[IoInfo]) -> Result<Self, DecodeError> {
        let classes = spec.classes.len();
        let channels = classes + BEFORE_CLASSES;
        match outputs {
            [one] if contract::is_float(one) && contract::declares(one, &[Some(channels), None, None]) => {
                Ok(Self { classes, width: spec.input.width as f32, height: spec.input.height as f32 })
            }
            _ => Err(contract::misfit(
                HeadFamily::Fastestdet,
                format!("one float output (1, {channels}, h, w)"),
                outputs,
            )),
        }
    }
}

impl Head for Fastestdet {
    fn collect(
        &mut self,
        outputs: &[TensorView<'_>],
        floor: &Floor,
        found: &mut Candidates,
    ) -> Result<(), DecodeError> {
        let want = [Some(self.classes + BEFORE_CLASSES), None, None];
        let ([_, rows, columns], data) = contract::floats(&outputs[0], want)?;
        let cells = rows * columns;
        // No class exceeds 1, so a score below the floor shows in the objectness alone.
        let lowest = floor.common.max(0.0).powf(1.0 / OBJECTNESS_POWER);
        for cell in 0..cells {
            let value = |channel: usize| data[channel * cells + cell];
            let objectness = value(0);
            if !objectness.is_finite() {
                found.non_finite += 1;
                continue;
            }
            if objectness < lowest * (1.0 - 1e-4) {
                continue;
            }
            let classes = (BEFORE_CLASSES..BEFORE_CLASSES + self.classes).map(value);
            let Some((class, best)) = best_class(classes, found) else { continue };
            let score = objectness.powf(OBJECTNESS_POWER) * best.powf(CLASS_POWER);
            if floor.passes(class, score) {
                let x = ((cell % columns) as f32 + value(1).tanh()) / columns as f32 * self.width;
                let y = ((cell / columns) as f32 + value(2).tanh()) / rows as f32 * self.height;
                let (w, h) = (sigmoid(value(3)) * self.width, sigmoid(value(4)) * self.height);
                found.push(box_from_centre(x, y, w, h), score, class, cell);
            }
        }
        Ok(())
    }
}
