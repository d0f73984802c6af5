//! The cells of all scales as one list, and a network's raw outputs seen by cell.
//!
//! Cells are numbered scale by scale, finest first, row by row; a cell's centre is half a stride into it. An output of a
//! scale is (channels, rows, columns), so a cell's values lie a plane apart.

use ocellus_percept::detection::BoxPx;

use crate::net::student::STRIDES;

/// One scale's part of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scale {
    /// Pixels from cell to cell.
    pub stride: usize,
    /// Rows and columns.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
    /// Number of its first cell.
    pub first: usize,
}

impl Scale {
    /// Number of cells.
    pub fn plane(&self) -> usize {
        self.rows * self.columns
    }
}

/// The cells of a picture size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grid {
    /// Scales, finest first.
    pub scales: Vec<Scale>,
    /// Cells in all.
    pub cells: usize,
}

/// Where a cell's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// Index of its scale.
    pub scale: usize,
    /// Index in the scale's plane.
    pub at: usize,
}

impl Grid {
    /// The cells of a picture.
    pub fn new([height, width]: [usize; 2]) -> Self {
        let mut cells = 0;
        let scales = STRIDES.map(|stride| {
            let scale = Scale { stride, rows: height.div_ceil(stride), columns: width.div_ceil(stride), first: cells };
            cells += scale.plane();
            scale
        });
        Self { scales: scales.to_vec(), cells }
    }

    /// Where the values of a cell are.
    pub fn cell(&self, number: usize) -> Cell {
        let scale = self.scales.iter().rposition(|s| s.first <= number).unwrap_or(0);
        Cell { scale, at: number - self.scales[scale].first }
    }

    /// A cell's centre in pixels.
    pub fn centre(&self, cell: Cell) -> [f32; 2] {
        let scale = &self.scales[cell.scale];
        let half = 0.5;
        let (row, column) = (cell.at / scale.columns, cell.at % scale.columns);
        [(column as f32 + half) * scale.stride as f32, (row as f32 + half) * scale.stride as f32]
    }
}

/// One output of every scale for a batch, with the gradient that a loss gives it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Maps<'a> {
    /// By scale: (pictures, channels, rows, columns).
    pub values: Vec<&'a [f32]>,
    /// Likewise; empty until a loss writes to it.
    pub grads: Vec<Vec<f32>>,
    /// Channels.
    pub channels: usize,
}

impl<'a> Maps<'a> {
    /// Outputs without gradient yet.
    pub fn new(values: Vec<&'a [f32]>, channels: usize) -> Self {
        let grads = values.iter().map(|v| vec![0.0; v.len()]).collect();
        Self { values, grads, channels }
    }

    fn index(&self, grid: &Grid, picture: usize, cell: Cell, channel: usize) -> usize {
        let plane = grid.scales[cell.scale].plane();
        (picture * self.channels + channel) * plane + cell.at
    }

    /// A value.
    pub fn get(&self, grid: &Grid, picture: usize, cell: Cell, channel: usize) -> f32 {
        self.values[cell.scale][self.index(grid, picture, cell, channel)]
    }

    /// Adds to a value's gradient.
    pub fn push(&mut self, grid: &Grid, picture: usize, cell: Cell, channel: usize, grad: f32) {
        let index = self.index(grid, picture, cell, channel);
        self.grads[cell.scale][index] += grad;
    }
}

/// Softmax of some logits, in place.
pub fn softmax(logits: &mut [f32]) {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    logits.iter_mut().for_each(|v| *v = (*v - top).exp());
    let sum: f32 = logits.iter().sum();
    logits.iter_mut().for_each(|v| *v /= sum);
}

/// Logistic function.
pub fn sigmoid(logit: f32) -> f32 {
    if logit >= 0.0 {
        1.0 / (1.0 + (-logit).exp())
    } else {
        let e = logit.exp();
        e / (1.0 + e)
    }
}

/// Cross-entropy of a logit with a target of 0 to 1.
pub fn binary_cross_entropy(logit: f32, target: f32) -> f32 {
    logit.max(0.0) - logit * target + (-logit.abs()).exp().ln_1p()
}

/// The box that a cell's side distributions expect, and the distributions (left, top, right, bottom).
pub fn expected_box(grid: &Grid, maps: &Maps<'_>, picture: usize, cell: Cell) -> (BoxPx, Vec<f32>) {
    let bins = maps.channels / 4;
    let mut shares: Vec<f32> = (0..maps.channels).map(|c| maps.get(grid, picture, cell, c)).collect();
    let stride = grid.scales[cell.scale].stride as f32;
    let mut sides = [0.0; 4];
    for (side, share) in sides.iter_mut().zip(shares.chunks_exact_mut(bins)) {
        softmax(share);
        *side = share.iter().enumerate().map(|(k, p)| k as f32 * p).sum::<f32>() * stride;
    }
    let [x, y] = grid.centre(cell);
    (BoxPx { x0: x - sides[0], y0: y - sides[1], x1: x + sides[2], y1: y + sides[3] }, shares)
}
