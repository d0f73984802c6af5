//! Which rows or columns of a picture a range of rays can fall on, and what rays a block of pixels holds.

/// Cells of the table that shortens the search for a row or column; about two to a column of a wide picture.
const CELLS: usize = 1024;
/// Columns of a block of pixels; its rows are those of a band.
pub(crate) const BLOCK_COLUMNS: usize = 8;

/// Smallest and largest ray coordinate of each row (or column), both increasing.
#[derive(Debug, Clone)]
pub(crate) struct Bounds {
    low: Vec<f32>,
    high: Vec<f32>,
    /// Where the search for a coordinate begins, in `high` and in `low`, by the coordinate's cell; never beyond its place.
    starts: Vec<[u32; 2]>,
    first: f32,
    cells_per_unit: f32,
}

impl Bounds {
    pub(crate) fn new(count: usize) -> Self {
        let (low, high) = (vec![f32::INFINITY; count], vec![f32::NEG_INFINITY; count]);
        Self { low, high, starts: vec![[0; 2]; CELLS], first: 0.0, cells_per_unit: 0.0 }
    }

    pub(crate) fn add(&mut self, index: usize, value: f32) {
        self.low[index] = self.low[index].min(value);
        self.high[index] = self.high[index].max(value);
    }

    /// Makes both increasing, whatever the lens does at its rim.
    pub(crate) fn settle(&mut self) {
        for i in 1..self.high.len() {
            self.high[i] = self.high[i].max(self.high[i - 1]);
        }
        for i in (0..self.low.len().saturating_sub(1)).rev() {
            self.low[i] = self.low[i].min(self.low[i + 1]);
        }
        let (least, most) = (self.least(), self.most());
        if least < most {
            (self.first, self.cells_per_unit) = (least, CELLS as f32 / (most - least));
            // From one cell below: whatever rounding does to a coordinate's cell, its place is not before that.
            let below = |c: usize| least + (c - 1) as f32 / self.cells_per_unit;
            let start = |v: f32| [self.high.partition_point(|h| *h < v), self.low.partition_point(|l| *l <= v)];
            let starts = (1..CELLS).map(|c| start(below(c)).map(|s| s as u32));
            self.starts = std::iter::once([0; 2]).chain(starts).collect();
        }
    }

    /// The smallest ray coordinate of all.
    pub(crate) fn least(&self) -> f32 {
        self.low.iter().copied().fold(f32::INFINITY, f32::min)
    }

    /// The largest ray coordinate of all.
    pub(crate) fn most(&self) -> f32 {
        self.high.iter().copied().fold(f32::NEG_INFINITY, f32::max)
    }

    /// Indices whose range meets `low..=high`, as a half-open range.
    #[inline(always)]
    pub(crate) fn range(&self, low: f32, high: f32) -> (usize, usize) {
        let start = |v: f32| self.starts[(((v - self.first) * self.cells_per_unit) as usize).min(CELLS - 1)];
        let from = settled(&self.high, start(low)[0] as usize, |h| h < low);
        (from, settled(&self.low, start(high)[1] as usize, |l| l <= high))
    }
}

/// How many of the increasing `values` come before the rest, sought upwards from `at`, which is not above.
#[inline(always)]
fn settled(values: &[f32], mut at: usize, before: impl Fn(f32) -> bool) -> usize {
    while values.get(at).is_some_and(|v| before(*v)) {
        at += 1;
    }
    at
}

/// Smallest and largest ray coordinates within a block of pixels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block {
    x: [f32; 2],
    y: [f32; 2],
}

impl Block {
    /// A block without rays.
    pub(crate) const EMPTY: Self =
        Self { x: [f32::INFINITY, f32::NEG_INFINITY], y: [f32::INFINITY, f32::NEG_INFINITY] };

    /// Adds a ray; what the lens does not see (NaN) is left out.
    pub(crate) fn add(&mut self, x: f32, y: f32) {
        self.x = [self.x[0].min(x), self.x[1].max(x)];
        self.y = [self.y[0].min(y), self.y[1].max(y)];
    }

    /// Whether the product `e . (x, y, 1)` may reach zero on a ray of the block. Rounding keeps order, so with the same
    /// operations as on a ray the corner's product bounds every ray's: no ray that passes is ever left out.
    #[inline(always)]
    pub(crate) fn may_reach(&self, e: crate::math::Vec3) -> bool {
        let x = if e.x >= 0.0 { self.x[1] } else { self.x[0] };
        let y = if e.y >= 0.0 { self.y[1] } else { self.y[0] };
        let largest = e.x * x + e.y * y + e.z;
        // In an empty block it may be no number.
        largest >= 0.0 || largest.is_nan()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::vec3;

    /// A row of rays that is neither even nor without gaps and overlaps, as a lens's.
    fn bounds(count: usize) -> Bounds {
        let mut bounds = Bounds::new(count);
        for i in 0..count {
            let middle = i as f32 * 0.01 + 0.002 * libm::sinf(i as f32);
            bounds.add(i, middle - 0.006);
            bounds.add(i, middle + 0.004);
        }
        bounds.settle();
        bounds
    }

    #[test]
    fn the_table_finds_what_a_search_finds() {
        for count in [1, 2, 63, 160] {
            let bounds = bounds(count);
            for k in -300..2300 {
                let (low, high) = (k as f32 * 0.001, k as f32 * 0.001 + 0.013);
                let from = bounds.high.partition_point(|h| *h < low);
                let to = bounds.low.partition_point(|l| *l <= high);
                assert_eq!(bounds.range(low, high), (from, to), "{count} {low}");
            }
            for wild in [f32::NEG_INFINITY, f32::INFINITY, f32::MAX, f32::MIN] {
                assert_eq!(bounds.range(wild, wild).0, bounds.high.partition_point(|h| *h < wild));
            }
        }
    }

    #[test]
    fn a_block_leaves_out_no_ray_that_passes() {
        let mut rng = crate::math::Rng::new(3, 4);
        for _ in 0..2000 {
            let rays: Vec<[f32; 2]> = (0..8).map(|_| [rng.range(-0.9, 0.9), rng.range(-0.5, 0.5)]).collect();
            let mut block = Block::EMPTY;
            rays.iter().for_each(|r| block.add(r[0], r[1]));
            let e = vec3(rng.range(-3.0, 3.0), rng.range(-3.0, 3.0), rng.range(-1.0, 1.0));
            if rays.iter().any(|r| e.x * r[0] + e.y * r[1] + e.z >= 0.0) {
                assert!(block.may_reach(e));
            }
        }
    }
}
