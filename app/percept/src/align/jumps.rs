//! Edges of depth in a sweep: where a near thing ends before something far.
//!
//! Rings by columns of azimuth make a picture of ranges; a step in it is an edge of the nearer thing. The edge lies between the
//! two beams: it is put halfway, at the nearer range, so that things are neither shrunk nor grown by half a beam. Steps
//! along the ground, whose range grows from ring to ring by itself, are left out by their height.

use crate::cloud::Cloud;

use super::picture::Edge;

/// Columns of a turn: finer than any beam's step.
const COLUMNS: usize = 2048;
/// Columns between one beam and its neighbour at most.
const GAP_MAX: usize = 5;
/// A step of range that is an edge, metres, and as a share of the range.
const STEP_M: f32 = 0.7;
const STEP_SHARE: f32 = 0.08;
/// Farther edges are a pixel's worth of noise, nearer ones the vehicle itself.
const RANGE_M: std::ops::RangeInclusive<f32> = 2.5..=45.0;
/// Above the ground by so much a step is none of the ground's.
const ABOVE_GROUND_M: f32 = 0.45;
/// The ground is where this share of the points is lower.
const GROUND_SHARE: f64 = 0.05;

/// One edge.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Jump {
    /// In the LiDAR's frame, metres.
    pub xyz: [f32; 3],
    /// Seconds from the sweep's stamp.
    pub offset_s: f32,
    /// Which way it runs.
    pub edge: Edge,
}

/// The edges of a sweep; none where its points have no ring.
pub fn depth_jumps(cloud: &Cloud) -> Vec<Jump> {
    let Some(rings) = cloud.ring.iter().max().map(|r| usize::from(*r) + 1).filter(|_| cloud.ring.len() == cloud.len())
    else {
        return Vec::new();
    };
    let grid = Grid::new(cloud, rings);
    let mut jumps = Vec::new();
    for ring in 0..rings {
        for column in 0..COLUMNS {
            let Some(here) = grid.at(ring, column) else { continue };
            grid.beside(ring, column, here, &mut jumps);
            grid.above(ring, column, here, &mut jumps);
        }
    }
    jumps
}

/// A sweep by ring and column.
struct Grid<'a> {
    cloud: &'a Cloud,
    /// Index of the point plus one, 0 for none.
    cells: Vec<u32>,
    ranges: Vec<f32>,
    ground_z: f32,
    /// Which way rings are numbered: upwards or downwards.
    up: bool,
    rings: usize,
}

impl<'a> Grid<'a> {
    fn new(cloud: &'a Cloud, rings: usize) -> Self {
        let ranges: Vec<f32> = cloud.xyz.iter().map(|[x, y, z]| (x * x + y * y + z * z).sqrt()).collect();
        let mut cells = vec![0; rings * COLUMNS];
        let mut elevations = vec![(0.0_f64, 0_u32); rings];
        for (i, ((xyz, ring), range)) in cloud.xyz.iter().zip(&cloud.ring).zip(&ranges).enumerate() {
            if !range.is_finite() || *range <= 0.0 {
                continue;
            }
            let turn = (xyz[1].atan2(xyz[0]) / std::f32::consts::TAU).rem_euclid(1.0);
            let column = ((turn * COLUMNS as f32) as usize).min(COLUMNS - 1);
            if let Some(cell) = cells.get_mut(usize::from(*ring) * COLUMNS + column) {
                *cell = i as u32 + 1;
            }
            if let Some((sum, count)) = elevations.get_mut(usize::from(*ring)) {
                *sum += f64::from(xyz[2] / range);
                *count += 1;
            }
        }
        let mean = |(sum, count): &(f64, u32)| sum / f64::from((*count).max(1));
        let seen = || elevations.iter().filter(|(_, count)| *count > 0).map(mean);
        let up = seen().next_back().unwrap_or(0.0) >= seen().next().unwrap_or(0.0);
        let mut heights: Vec<f32> = cloud.xyz.iter().map(|p| p[2]).filter(|z| z.is_finite()).collect();
        let rank = (GROUND_SHARE * heights.len() as f64) as usize;
        let ground_z = if heights.is_empty() { 0.0 } else { *heights.select_nth_unstable_by(rank, f32::total_cmp).1 };
        Self { cloud, cells, ranges, ground_z, up, rings }
    }

    fn at(&self, ring: usize, column: usize) -> Option<usize> {
        let cell = self.cells.get(ring * COLUMNS + column % COLUMNS)?;
        cell.checked_sub(1).map(|i| i as usize)
    }

    fn range(&self, point: usize) -> f32 {
        self.ranges.get(point).copied().unwrap_or(f32::INFINITY)
    }

    /// The edge between a point and its neighbour in the ring, whichever is nearer.
    fn beside(&self, ring: usize, column: usize, here: usize, jumps: &mut Vec<Jump>) {
        let Some(next) = (1..=GAP_MAX).find_map(|gap| self.at(ring, column + gap)) else { return };
        let (near, far) = if self.range(here) < self.range(next) { (here, next) } else { (next, here) };
        self.push(near, far, Edge::Standing, jumps);
    }

    /// The upper end of a thing: the ring above sees something farther.
    fn above(&self, ring: usize, column: usize, here: usize, jumps: &mut Vec<Jump>) {
        let upper = if self.up { ring.checked_add(1).filter(|r| *r < self.rings) } else { ring.checked_sub(1) };
        let Some(upper) = upper else { return };
        let sideways = [0, 1, COLUMNS - 1, 2, COLUMNS - 2];
        let Some(over) = sideways.into_iter().find_map(|side| self.at(upper, column + side)) else { return };
        if self.range(over) > self.range(here) {
            self.push(here, over, Edge::Lying, jumps);
        }
    }

    fn push(&self, near: usize, far: usize, edge: Edge, jumps: &mut Vec<Jump>) {
        let (a, b) = (self.range(near), self.range(far));
        let (Some(from), Some(to)) = (self.cloud.xyz.get(near), self.cloud.xyz.get(far)) else { return };
        let high = from[2] - self.ground_z > ABOVE_GROUND_M;
        if !RANGE_M.contains(&a) || b - a < STEP_M + STEP_SHARE * a || !high {
            return;
        }
        let between: [f32; 3] = std::array::from_fn(|k| from[k] / a + to[k] / b);
        let [x, y, z] = between;
        let length = (x * x + y * y + z * z).sqrt();
        let offset_s = self.cloud.time_offset_s.get(near).copied().unwrap_or(0.0);
        jumps.push(Jump { xyz: between.map(|v| v * a / length.max(1e-6)), offset_s, edge });
    }
}
