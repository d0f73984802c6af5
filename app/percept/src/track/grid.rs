//! Boxes sorted into the cells of a grid, so that what meets a box is found without looking at all of them.
//!
//! Pixels. Exact: of any two boxes that meet, touching included, each is found from the other, once; what else is found lies in
//! the same cells, for the caller to tell apart. Scratch is kept between calls.

use crate::detection::BoxPx;

/// Most cells along one axis.
const CELLS_MAX: usize = 32;
/// Fewer boxes all lie in one cell: to look at each is as fast.
pub(super) const FEW: usize = 24;
/// Boxes that there is room for from the start, so that a crowd met on the way makes no frame allocate; and cells that each
/// may lie in.
pub(super) const ROOM: usize = 256;
const ROOM_CELLS: usize = 16;

/// What a box covers or reaches: x0, y0, x1, y1.
pub(super) type Reach = [f64; 4];

/// A box grown by `slack` px on each side.
pub(super) fn reach_of(b: &BoxPx, slack: f32) -> Reach {
    [b.x0 - slack, b.y0 - slack, b.x1 + slack, b.y1 + slack].map(f64::from)
}

/// First and last column, first and last row of the cells that a box covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cells {
    columns: (usize, usize),
    rows: (usize, usize),
}

impl Cells {
    /// Their numbers, row by row, in a grid of so many cells a row.
    fn each(self, per_row: usize) -> impl Iterator<Item = usize> {
        let (from, to) = self.columns;
        (self.rows.0..=self.rows.1).flat_map(move |row| row * per_row + from..=row * per_row + to)
    }
}

/// The grid. What lies beyond its bounds belongs to the cells at its edge.
#[derive(Debug, Clone)]
pub(super) struct Grid {
    /// Cells along each axis.
    cells: usize,
    /// Left and top bound, and cells per pixel in x and y.
    low: [f64; 2],
    per_px: [f64; 2],
    /// Where each box lies; `None` for what has no numbers.
    placed: Vec<Option<Cells>>,
    /// Of each cell, row by row, the first of its boxes in `boxes`; and the end.
    start: Vec<usize>,
    boxes: Vec<u32>,
}

impl Default for Grid {
    fn default() -> Self {
        Self {
            cells: 0,
            low: [0.0; 2],
            per_px: [0.0; 2],
            placed: Vec::with_capacity(ROOM),
            start: Vec::with_capacity(CELLS_MAX * CELLS_MAX + 1),
            boxes: Vec::with_capacity(ROOM * ROOM_CELLS),
        }
    }
}

impl Grid {
    /// Sorts `boxes` in anew; they are known by their place in that order. `None` and what holds a NaN is never found.
    pub(super) fn lay(&mut self, boxes: impl Iterator<Item = Option<Reach>> + Clone) {
        let known = |reach: Option<Reach>| reach.filter(|r| r.iter().all(|v| !v.is_nan()));
        let (mut low, mut high, mut count) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2], 0_usize);
        for [x0, y0, ..] in boxes.clone().filter_map(known) {
            (low, high) = ([low[0].min(x0), low[1].min(y0)], [high[0].max(x0), high[1].max(y0)]);
            count += 1;
        }
        self.cells = if count < FEW { 1 } else { count.isqrt().min(CELLS_MAX) };
        self.low = low;
        self.per_px = [0, 1].map(|axis| self.cells as f64 / (high[axis] - low[axis]));
        self.placed.clear();
        for reach in boxes {
            let placed = known(reach).map(|r| self.cells_of(&r));
            self.placed.push(placed);
        }
        self.fill();
    }

    /// Lists the boxes of each cell, by counting.
    fn fill(&mut self) {
        self.start.clear();
        self.start.resize(self.cells * self.cells + 1, 0);
        for placed in self.placed.iter().flatten() {
            placed.each(self.cells).for_each(|cell| self.start[cell] += 1);
        }
        let mut end = 0;
        for start in &mut self.start {
            end += *start;
            *start = end;
        }
        self.boxes.clear();
        self.boxes.resize(end, 0);
        for (index, placed) in self.placed.iter().enumerate() {
            for cell in placed.iter().flat_map(|p| p.each(self.cells)) {
                self.start[cell] -= 1;
                self.boxes[self.start[cell]] = index as u32;
            }
        }
    }

    /// Gives `visit` each box that may meet `reach`, once, in no order that means anything.
    pub(super) fn visit(&self, reach: &Reach, mut visit: impl FnMut(usize)) {
        let sought = self.cells_of(reach);
        for row in sought.rows.0..=sought.rows.1 {
            for column in sought.columns.0..=sought.columns.1 {
                let cell = row * self.cells + column;
                let Some(&[from, to]) = self.start.get(cell..cell + 2) else { continue };
                for &index in &self.boxes[from..to] {
                    // Where two lie in several cells together, the first of those speaks for them.
                    let first = self.placed[index as usize].is_some_and(|p| {
                        column == p.columns.0.max(sought.columns.0) && row == p.rows.0.max(sought.rows.0)
                    });
                    if first {
                        visit(index as usize);
                    }
                }
            }
        }
    }

    /// The cells of a box. No two boxes that meet have none in common, because rounding and the bounds keep the order of coordinates.
    fn cells_of(&self, [x0, y0, x1, y1]: &Reach) -> Cells {
        let last = self.cells.saturating_sub(1);
        // Casting brings what lies before the first cell, and what has no number as all lie in one place, into the first.
        let cell = |v: f64, axis: usize| (((v - self.low[axis]) * self.per_px[axis]) as usize).min(last);
        Cells { columns: (cell(*x0, 0), cell(*x1, 0)), rows: (cell(*y0, 1), cell(*y1, 1)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(grid: &Grid, reach: &Reach) -> Vec<usize> {
        let mut found = Vec::new();
        grid.visit(reach, |index| found.push(index));
        found.sort_unstable();
        assert!(found.windows(2).all(|w| w[0] != w[1]), "found twice: {found:?}");
        found
    }

    #[test]
    fn finds_all_that_meet_and_leaves_most_others() {
        let mut seed = 7_u64;
        let mut random = |span: f64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // In eighths, so that some touch.
            (8.0 * span * (seed >> 40) as f64 / f64::from(1_u32 << 24)).floor() / 8.0
        };
        let mut grid = Grid::default();
        for count in [1, 2, 30, 400] {
            let boxes: Vec<Reach> = (0..count)
                .map(|_| {
                    let (x, y) = (random(2000.0) - 100.0, random(1000.0));
                    [x, y, x + random(90.0), y + random(90.0)]
                })
                .collect();
            grid.lay(boxes.iter().map(|b| Some(*b)));
            let mut looked_at = 0;
            for a in &boxes {
                let near = found(&grid, a);
                looked_at += near.len();
                for (index, b) in boxes.iter().enumerate() {
                    let meet = a[0] <= b[2] && a[2] >= b[0] && a[1] <= b[3] && a[3] >= b[1];
                    assert!(!meet || near.contains(&index), "{a:?} meets {b:?}");
                }
            }
            assert!(count < 400 || looked_at * 10 < count * count, "{looked_at} of {count} squared");
        }
    }

    #[test]
    fn what_has_no_size_no_number_or_no_end_is_ordinary() {
        let mut grid = Grid::default();
        assert_eq!(found(&grid, &[0.0; 4]), []);
        grid.lay([].into_iter());
        assert_eq!(found(&grid, &[0.0; 4]), []);
        let everywhere = [f64::NEG_INFINITY, f64::NEG_INFINITY, f64::INFINITY, f64::INFINITY];
        let boxes = [Some([5.0; 4]), None, Some([f64::NAN; 4]), Some(everywhere), Some([5.0; 4])];
        grid.lay(boxes.into_iter());
        assert_eq!(found(&grid, &[5.0; 4]), [0, 3, 4]);
        assert_eq!(found(&grid, &everywhere), [0, 3, 4]);
        assert!(found(&grid, &[1e30, 0.0, 1e30, 9.0]).contains(&3));
    }
}
