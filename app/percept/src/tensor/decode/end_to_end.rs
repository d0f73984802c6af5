//! End-to-end heads (YOLOv10, YOLO26): (1, M, 6) of x0, y0, x1, y1 in network pixels, score, class. No suppression.

use crate::detection::BoxPx;
use crate::model::{HeadFamily, IoInfo, ModelSpec};
use crate::tensor::TensorView;
use crate::tensor::decode::candidates::{Candidates, Floor};
use crate::tensor::decode::{DecodeError, Head, contract};

/// Values per detection.
const ROW: usize = 6;

#[derive(Debug, Clone)]
pub(super) struct EndToEnd {
    classes: usize,
}

impl EndToEnd {
    pub(super) fn new(spec: &ModelSpec, outputs: &[IoInfo]) -> Result<Self, DecodeError> {
        match outputs {
            [one] if contract::is_float(one) && contract::declares(one, &[None, Some(ROW)]) => {
                Ok(Self { classes: spec.classes.len() })
            }
            _ => Err(contract::misfit(HeadFamily::EndToEnd, "one float output (1, M, 6)", outputs)),
        }
    }
}

/// `class` as an index into `classes` names, or what is wrong with it.
pub(super) fn class_index(output: &str, class: f64, classes: usize) -> Result<usize, DecodeError> {
    if class >= 0.0 && class < classes as f64 && class.fract() == 0.0 {
        return Ok(class as usize);
    }
    Err(DecodeError::Class { output: output.to_owned(), class: class.to_string(), classes })
}

impl Head for EndToEnd {
    fn collect(
        &mut self,
        outputs: &[TensorView<'_>],
        floor: &Floor,
        found: &mut Candidates,
    ) -> Result<(), DecodeError> {
        let (_, data) = contract::floats(&outputs[0], [None, Some(ROW)])?;
        for (anchor, row) in data.as_chunks::<ROW>().0.iter().enumerate() {
            let &[x0, y0, x1, y1, score, class] = row;
            if !score.is_finite() || !class.is_finite() {
                found.non_finite += 1;
                continue;
            }
            if score < floor.common {
                continue;
            }
            let class = class_index(outputs[0].name, f64::from(class), self.classes)?;
            if floor.passes(class, score) {
                found.push(BoxPx { x0, y0, x1, y1 }, score, class, anchor);
            }
        }
        Ok(())
    }

    fn needs_suppression(&self) -> bool {
        false
    }
}
