//! YOLOv8 and YOLO11: (1, 4+C, N), channel-major: centre x, y, width, height in network pixels, then class scores.
//!
//! The scores are scanned class by class over blocks of columns, keeping each column's best and sum: both are
//! contiguous work. The class is looked up only for columns that pass, and a sum that is not finite betrays a column
//! with a bad value in it without a test per value.

use crate::model::{HeadFamily, IoInfo, ModelSpec, ScoreActivation};
use crate::tensor::TensorView;
use crate::tensor::decode::candidates::{Candidates, Floor, box_from_centre};
use crate::tensor::decode::scores::{activate, best_class, raw_floor};
use crate::tensor::decode::{DecodeError, Head, contract};

/// Values before the class scores.
pub(super) const BOX: usize = 4;
/// Columns scanned together: their best and sum stay in the first-level cache.
const BLOCK: usize = 1024;

#[derive(Debug, Clone)]
pub(super) struct Yolov8 {
    classes: usize,
    scan: Scan,
}

impl Yolov8 {
    pub(super) fn new(spec: &ModelSpec, outputs: &[IoInfo]) -> Result<Self, DecodeError> {
        let classes = spec.classes.len();
        let channels = classes + BOX;
        match outputs {
            [one] if contract::is_float(one) && contract::declares(one, &[Some(channels), None]) => {
                Ok(Self { classes, scan: Scan::new(classes, spec.activation) })
            }
            _ => {
                let expected = format!("one float output (1, {channels}, N) for {classes} classes");
                Err(contract::misfit(HeadFamily::Yolov8, expected, outputs))
            }
        }
    }
}

impl Head for Yolov8 {
    fn collect(
        &mut self,
        outputs: &[TensorView<'_>],
        floor: &Floor,
        found: &mut Candidates,
    ) -> Result<(), DecodeError> {
        let ([_, columns], data) = contract::floats(&outputs[0], [Some(self.classes + BOX), None])?;
        self.scan.collect(data, columns, floor, found);
        Ok(())
    }
}

/// The scan, shared with the head that has masks.
#[derive(Debug, Clone)]
pub(super) struct Scan {
    classes: usize,
    activation: ScoreActivation,
    best: Vec<f32>,
    sum: Vec<f32>,
}

impl Scan {
    pub(super) fn new(classes: usize, activation: ScoreActivation) -> Self {
        Self { classes, activation, best: vec![0.0; BLOCK], sum: vec![0.0; BLOCK] }
    }

    /// Collects from `data`, whose first `4 + classes` channels are rows of `columns` values.
    pub(super) fn collect(&mut self, data: &[f32], columns: usize, floor: &Floor, found: &mut Candidates) {
        if columns == 0 {
            return;
        }
        let scores = &data[BOX * columns..(BOX + self.classes) * columns];
        let lowest = raw_floor(self.activation, floor.common);
        for start in (0..columns).step_by(BLOCK) {
            let len = BLOCK.min(columns - start);
            let (best, sum) = (&mut self.best[..len], &mut self.sum[..len]);
            best.fill(f32::NEG_INFINITY);
            sum.fill(0.0);
            let mut rows = scores.chunks_exact(columns).map(|row| &row[start..start + len]);
            while let Some(first) = rows.next() {
                match (rows.next(), rows.next(), rows.next()) {
                    (Some(b), Some(c), Some(d)) => scan_rows([first, b, c, d], best, sum),
                    (b, c, _) => [Some(first), b, c].into_iter().flatten().for_each(|row| scan_rows([row], best, sum)),
                }
            }
            for offset in 0..len {
                if self.best[offset] >= lowest || !self.sum[offset].is_finite() {
                    self.candidate(data, columns, start + offset, floor, found);
                }
            }
        }
    }

    /// Reads one column in full.
    fn candidate(&self, data: &[f32], columns: usize, at: usize, floor: &Floor, found: &mut Candidates) {
        let value = |channel: usize| data[channel * columns + at];
        let Some((class, raw)) = best_class((BOX..BOX + self.classes).map(value), found) else { return };
        let score = activate(self.activation, raw);
        if floor.passes(class, score) {
            found.push(box_from_centre(value(0), value(1), value(2), value(3)), score, class, at);
        }
    }
}

/// Folds some classes' scores into the best and the sum of each column. Several at once, so that the best and the sum
/// are loaded and stored less often.
fn scan_rows<const ROWS: usize>(rows: [&[f32]; ROWS], best: &mut [f32], sum: &mut [f32]) {
    let len = best.len().min(sum.len());
    let rows = rows.map(|row| &row[..len.min(row.len())]);
    if rows.iter().any(|row| row.len() != len) {
        return;
    }
    for column in 0..len {
        let (mut top, mut total) = (best[column], sum[column]);
        for row in rows {
            let score = row[column];
            // Written so that NaN leaves the best as it was, and the comparison is one instruction.
            top = if score > top { score } else { top };
            total += score;
        }
        best[column] = top;
        sum[column] = total;
    }
}
