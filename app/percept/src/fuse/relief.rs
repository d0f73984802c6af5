//! How the ground departs from its plane: followed outward from the sensor, sector by sector.
//!
//! In each narrow sector the lowest points are taken ring by ring. One that lies close to the height reached so far is
//! ground and carries the height on; one that does not is an object or a ghost, and the height stays as it was. A
//! median over neighbouring sectors and rings then removes what one sector alone believes. Looked up from a grid of
//! cells. Knows heights over the plane only.

use nalgebra::Vector3;

use super::ground::{CELL_M, CELLS, HALF_SIDE_M};

/// Sectors of the circle: 3 degrees, a car's width at 35 m.
const SECTORS: usize = 120;
/// Width of a ring, metres: real rings on the ground lie about this far apart at 30 m.
const RING_M: f64 = 2.0;
/// Rings: the half side of the square and no more.
const RINGS: usize = (HALF_SIDE_M / RING_M) as usize;
/// A step that is still ground: a kerb.
const STEP_M: f64 = 0.12;
/// And per metre since the last ring that was ground: a change of slope that a road can have.
const STEP_PER_M: f64 = 0.05;
/// Sectors to either side, and rings to either side, in the median.
const NEIGHBOUR_SECTORS: usize = 2;
const NEIGHBOUR_RINGS: usize = 1;

/// Heights of the ground over the plane, metres.
#[derive(Debug, Clone, Default)]
pub(super) struct Relief {
    polar: Vec<f32>,
    followed: Vec<f32>,
    grid: Vec<f32>,
    /// The polar cell of each cell of the grid, the same for every sweep.
    polar_of_grid: Vec<u32>,
}

impl Relief {
    /// Follows the ground through the lowest points: (offset from the LiDAR in the vehicle's axes, height over the plane).
    pub(super) fn follow(&mut self, lowest: impl Iterator<Item = (Vector3<f64>, f64)>) {
        self.polar.clear();
        self.polar.resize(SECTORS * RINGS, f32::INFINITY);
        for (offset, above) in lowest {
            if let Some(cell) = polar_index(offset.x, offset.y, RINGS).and_then(|i| self.polar.get_mut(i)) {
                *cell = cell.min(above as f32);
            }
        }
        self.followed.clear();
        for sector in self.polar.chunks_exact(RINGS) {
            let (mut height, mut since) = (0.0f32, 0.0f32);
            for &low in sector {
                since += RING_M as f32;
                if (low - height).abs() < STEP_M as f32 + STEP_PER_M as f32 * since {
                    (height, since) = (low, 0.0);
                }
                self.followed.push(height);
            }
        }
        self.smooth();
        if self.polar_of_grid.is_empty() {
            let middle = |i: usize| (i as f64 + 0.5) * CELL_M - HALF_SIDE_M;
            let polar = |cell| polar_index(middle(cell % CELLS), middle(cell / CELLS), usize::MAX).unwrap_or(0) as u32;
            self.polar_of_grid.extend((0..CELLS * CELLS).map(polar));
        }
        self.grid.clear();
        let heights = self.polar_of_grid.iter().map(|&i| self.polar.get(i as usize).copied().unwrap_or(0.0));
        self.grid.extend(heights);
    }

    /// Height of the ground over the plane at an offset from the LiDAR; beyond the grid, that of its rim.
    pub(super) fn at(&self, x: f64, y: f64) -> f64 {
        // Casts saturate: below 0 and NaN give 0.
        let place = |offset: f64| (((offset + HALF_SIDE_M) / CELL_M) as usize).min(CELLS - 1);
        self.grid.get(place(y) * CELLS + place(x)).map_or(0.0, |&h| f64::from(h))
    }

    /// Medians of `followed` over neighbours, into `polar`. All rings of a sector are sorted side by side.
    fn smooth(&mut self) {
        for (sector, out) in self.polar.chunks_exact_mut(RINGS).enumerate() {
            // What lies beyond the first and the last ring is not there: as much below all as keeps the middle of the rest, and
            // as much above.
            let mut window = [[f32::INFINITY; RINGS]; WINDOW];
            for (ds, rows) in
                window.chunks_exact_mut(NEIGHBOUR_RINGS * 2 + 1).take(2 * NEIGHBOUR_SECTORS + 1).enumerate()
            {
                let s = (sector + SECTORS + ds - NEIGHBOUR_SECTORS) % SECTORS;
                let heights = self.followed.get(s * RINGS..(s + 1) * RINGS).unwrap_or_default();
                let missing = if ds < NEIGHBOUR_SECTORS { f32::NEG_INFINITY } else { f32::INFINITY };
                for (dr, row) in rows.iter_mut().enumerate() {
                    for (ring, place) in row.iter_mut().enumerate() {
                        let ring = (ring + dr).checked_sub(NEIGHBOUR_RINGS);
                        *place = ring.and_then(|r| heights.get(r)).copied().unwrap_or(missing);
                    }
                }
            }
            sort_rows(&mut window);
            out.copy_from_slice(&window[MIDDLE]);
        }
    }
}

/// Heights that a median is taken of, and one above all so that there are a power of two of them.
const WINDOW: usize = ((2 * NEIGHBOUR_SECTORS + 1) * (2 * NEIGHBOUR_RINGS + 1)).next_power_of_two();
/// Where the median of a window is, sorted.
const MIDDLE: usize = (2 * NEIGHBOUR_SECTORS + 1) * (2 * NEIGHBOUR_RINGS + 1) / 2;

/// Sorts each column: Batcher's odd-even merge sort, whose comparisons do not depend on what is compared.
fn sort_rows(rows: &mut [[f32; RINGS]; WINDOW]) {
    let mut p = 1;
    while p < WINDOW {
        let mut k = p;
        while k >= 1 {
            for start in (k % p..WINDOW - k).step_by(2 * k) {
                for low in start..start + k.min(WINDOW - k - start) {
                    if low / (2 * p) == (low + k) / (2 * p) {
                        let (a, b) = rows.split_at_mut(low + k);
                        if let (Some(a), Some(b)) = (a.get_mut(low), b.first_mut()) {
                            order(a, b);
                        }
                    }
                }
            }
            k /= 2;
        }
        p *= 2;
    }
}

/// The lesser of each pair to the first.
fn order(a: &mut [f32; RINGS], b: &mut [f32; RINGS]) {
    for (a, b) in a.iter_mut().zip(b) {
        (*a, *b) = if *a < *b { (*a, *b) } else { (*b, *a) };
    }
}

/// The polar cell of an offset, that of the last ring for what lies beyond it; `None` from `end` rings on.
fn polar_index(x: f64, y: f64, end: usize) -> Option<usize> {
    let ring = (x.hypot(y) / RING_M) as usize;
    let turn = y.atan2(x) / std::f64::consts::TAU + 0.5;
    let sector = ((turn * SECTORS as f64) as usize).min(SECTORS - 1);
    (ring < end).then_some(sector * RINGS + ring.min(RINGS - 1))
}
