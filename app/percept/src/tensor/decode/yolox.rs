//! YOLOX without its decoding: (1, N, 5+C) of raw grid offsets and log sizes, then objectness and classes.
//!
//! Rows run through the strides' grids, finest first, each row by row. Centre = (offset + cell) * stride, size =
//! exp(value) * stride, in network pixels (YOLOX, `demo_postprocess`).

use crate::model::{HeadFamily, IoInfo, ModelSpec, ScoreActivation};
use crate::tensor::TensorView;
use crate::tensor::decode::candidates::{Candidates, Floor, box_from_centre};
use crate::tensor::decode::yolov5::{BOX_AND_OBJECTNESS, check_rows, score_row};
use crate::tensor::decode::{DecodeError, Head, contract};

#[derive(Debug, Clone)]
pub(super) struct Yolox {
    classes: usize,
    activation: ScoreActivation,
    /// Cells of all grids.
    cells: usize,
    grids: Vec<Grid>,
}

#[derive(Debug, Clone)]
struct Grid {
    stride: f32,
    columns: usize,
    rows: usize,
}

impl Yolox {
    pub(super) fn new(spec: &ModelSpec, outputs: &[IoInfo]) -> Result<Self, DecodeError> {
        let classes = spec.classes.len();
        check_rows(HeadFamily::Yolox, classes, outputs)?;
        let (width, height) = (spec.input.width, spec.input.height);
        let cells = contract::grid_cells(width, height, &spec.strides);
        if spec.strides.is_empty() || !contract::declares(&outputs[0], &[Some(cells), None]) {
            let strides = &spec.strides;
            let expected = format!("{cells} rows for a {width}x{height} input and strides {strides:?}");
            return Err(contract::misfit(HeadFamily::Yolox, expected, outputs));
        }
        let grids = spec.strides.iter().map(|&stride| {
            let (columns, rows) = contract::grid(width, height, stride);
            Grid { stride: stride as f32, columns, rows }
        });
        Ok(Self { classes, activation: spec.activation, cells, grids: grids.collect() })
    }
}

impl Head for Yolox {
    fn collect(
        &mut self,
        outputs: &[TensorView<'_>],
        floor: &Floor,
        found: &mut Candidates,
    ) -> Result<(), DecodeError> {
        let row_len = self.classes + BOX_AND_OBJECTNESS;
        let (_, data) = contract::floats(&outputs[0], [Some(self.cells), Some(row_len)])?;
        let mut rows = data.chunks_exact(row_len).enumerate();
        for grid in &self.grids {
            for (cell, (anchor, row)) in rows.by_ref().take(grid.columns * grid.rows).enumerate() {
                let Some((class, score)) = score_row(row, self.activation, floor, found) else { continue };
                let (column, line) = ((cell % grid.columns) as f32, (cell / grid.columns) as f32);
                let (x, y) = ((row[0] + column) * grid.stride, (row[1] + line) * grid.stride);
                let (width, height) = (row[2].exp() * grid.stride, row[3].exp() * grid.stride);
                found.push(box_from_centre(x, y, width, height), score, class, anchor);
            }
        }
        Ok(())
    }
}
