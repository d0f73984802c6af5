//! Obstacles without a class: what stands above the ground in a sweep, clustered as seen from above.
//!
//! Everything is in the vehicle frame, metres. Points between [`HEIGHT_MIN_M`] and [`HEIGHT_MAX_M`] above the ground fall
//! into a grid of cells; occupied cells that touch (at distance, that almost touch) are one obstacle. What is larger than
//! [`EXTENT_MAX_M`] (a wall, a hedge, a row of parked cars) comes in tiles of [`TILE_M`], so that the trailer that touches the
//! wall has a nearest surface of its own. No classes, no tracking; order is by range, then by place, and the same sweep
//! gives the same list. A sweep of few beams shows little of a pole or a cone: what has fewer returns than one sweep proves is given
//! as well, and [`Obstacle::is_sure`] says after how many sweeps it is believed.

use nalgebra::{Matrix3, Vector3};

use super::ground::{GroundFinder, GroundPlane, ground_tolerance_m};
use crate::cloud::Cloud;
use crate::space::{Lidar, Point3, Transform, Vehicle};

/// Lower things are kerbs, grass and ruts.
pub const HEIGHT_MIN_M: f64 = 0.3;
/// Higher things are bridges, signs and branches that a vehicle passes under.
pub const HEIGHT_MAX_M: f64 = 2.8;
/// Largest side of a whole obstacle seen from above: a car with room to spare.
pub const EXTENT_MAX_M: f64 = 6.0;
/// Side of the tiles that larger ones are cut into, one of them centred straight ahead: a lane's width of path each.
pub const TILE_M: f64 = 2.5;

/// Half the side of the square looked at, about the LiDAR.
const HALF_SIDE_M: f64 = 60.0;
/// Side of a cell: people who stand an arm's length apart stay apart.
const CELL_M: f64 = 0.2;
const CELLS: usize = (2.0 * HALF_SIDE_M / CELL_M) as usize;
/// Nearer than this the vehicle sees itself.
const SELF_RADIUS_M: f64 = 2.0;
/// Beyond this returns lie further apart than a cell, so the next cell but one still touches.
const SPARSE_FROM_M: f64 = 30.0;
/// Neither road nor obstacle lies further from the plane within the square.
const OVER_PLANE_MAX_M: f32 = 12.0;
/// Returns that make an obstacle in one sweep, near and beyond the sparse range.
const POINTS_SURE_NEAR: u32 = 6;
const POINTS_SURE_FAR: u32 = 3;
/// Fewer than this are never looked at: a single return is a drop of rain or a fault.
const POINTS_MIN: u32 = 2;
/// What must not be driven into is at least this large, square metres as seen from ahead: of a cone or a pole that stands half a
/// metre out of what counts as ground.
const PATCH_M2: f64 = 0.09;
/// Solid angle that a LiDAR's returns are spread over: all round, 40 degrees high.
const SWEEP_SR: f64 = 4.4;
/// Share of the returns that such a patch gives: it is slanted or dark, or lies between two rows.
const RETURNED_SHARE: f64 = 0.5;
/// Sigma of the nearest surface along the line of sight, at range 0 and per metre, and across it.
const SIGMA_ALONG_M: f64 = 0.05;
const SIGMA_ALONG_PER_M: f64 = 0.002;
const SIGMA_ACROSS_M: f64 = 0.15;
const SIGMA_ACROSS_PER_M: f64 = 0.003;

/// Something that stands on the ground.
#[derive(Debug, Clone, PartialEq)]
pub struct Obstacle {
    /// Nearest surface point.
    pub nearest: Point3<Vehicle>,
    /// Distance of that point from the LiDAR.
    pub range_m: f64,
    /// Covariance of the nearest point, square metres.
    pub covariance: Matrix3<f64>,
    /// Middle of its bounding box along the vehicle's axes.
    pub centre: Point3<Vehicle>,
    /// Sides of that box: along x, y, z.
    pub size_m: [f64; 3],
    /// Points on it.
    pub n_points: u32,
}

impl Obstacle {
    /// Whether `sweeps` that showed it alike prove it: as many returns together as make an obstacle in one.
    pub fn is_sure(&self, sweeps: u32) -> bool {
        self.n_points.saturating_mul(sweeps) >= points_sure(self.range_m)
    }
}

/// Returns that make an obstacle in one sweep.
fn points_sure(range_m: f64) -> u32 {
    if range_m < SPARSE_FROM_M { POINTS_SURE_NEAR } else { POINTS_SURE_FAR }
}

/// Returns that something small gives at a range in a sweep of `returns`, as many as are looked at.
fn points_min(range_m: f64, returns: usize) -> u32 {
    let expected = returns as f64 / SWEEP_SR * PATCH_M2 / (range_m * range_m).max(1.0);
    ((RETURNED_SHARE * expected) as u32).clamp(POINTS_MIN, points_sure(range_m))
}

/// One cell of the grid.
#[derive(Debug, Clone, Copy)]
struct Cell {
    /// Place in the grid.
    place: u32,
    points: u32,
    low: [f32; 3],
    high: [f32; 3],
    nearest: [f32; 3],
    /// Squared distance of `nearest` from the LiDAR.
    nearest_sq: f32,
    /// Whether the nearest point is its cell's only one.
    lone: bool,
    taken: bool,
}

/// Finds obstacles; keeps its scratch memory between sweeps.
#[derive(Debug, Clone, Default)]
pub struct ObstacleFinder {
    ground: GroundFinder,
    /// For each place, 1 + index into `cells`, or 0.
    grid: Vec<u32>,
    cells: Vec<Cell>,
    stack: Vec<u32>,
    /// Tile and index of the cells of the obstacle at hand.
    members: Vec<(u32, u32)>,
}

impl ObstacleFinder {
    /// Fills `out`, nearest first, and returns the ground. Where no ground is found `out` stays empty and there is
    /// `None`: say so, do not take it for a clear road.
    pub fn find(
        &mut self,
        cloud: &Cloud,
        vehicle_from_lidar: &Transform<Vehicle, Lidar>,
        out: &mut Vec<Obstacle>,
    ) -> Option<GroundPlane> {
        out.clear();
        let plane = self.ground.find(cloud, vehicle_from_lidar)?;
        self.fill_grid(cloud, vehicle_from_lidar);
        let origin = vehicle_from_lidar.isometry().translation.vector;
        for seed in 0..self.cells.len() {
            if self.cells.get(seed).is_some_and(|c| !c.taken) {
                self.grow(seed, &origin);
                self.emit(&origin, cloud.len(), out);
            }
        }
        // Of equals there is none: an obstacle's nearest point is in one cell, and a cell in one obstacle.
        out.sort_unstable_by(|a, b| {
            let (p, q) = (&a.nearest.xyz, &b.nearest.xyz);
            a.range_m.total_cmp(&b.range_m).then(p.x.total_cmp(&q.x)).then(p.y.total_cmp(&q.y))
        });
        Some(plane)
    }

    fn fill_grid(&mut self, cloud: &Cloud, vehicle_from_lidar: &Transform<Vehicle, Lidar>) {
        self.grid.clear();
        self.grid.resize(CELLS * CELLS, 0);
        self.cells.clear();
        let Some(plane) = self.ground.plane() else { return };
        let r = vehicle_from_lidar.isometry().rotation.to_rotation_matrix().matrix().cast::<f32>();
        let origin = vehicle_from_lidar.isometry().translation.vector;
        // The plane over offsets from the LiDAR, in f32: a millimetre at 60 m.
        let normal = plane.normal.cast::<f32>();
        let lift = (plane.normal.dot(&origin) - plane.height_m) as f32;
        let (half, side) = (HALF_SIDE_M as f32, 2.0 * HALF_SIDE_M as f32);
        for point in &cloud.xyz {
            let offset = r * Vector3::from(*point);
            let over_plane = normal.dot(&offset) + lift;
            // Cheapest first: most points are ground. NaN fails every comparison that lets a point pass.
            let (x, y) = (offset.x + half, offset.y + half);
            let inside = x >= 0.0 && x < side && y >= 0.0 && y < side && over_plane.abs() < OVER_PLANE_MAX_M;
            let flat_sq = offset.x * offset.x + offset.y * offset.y;
            if !inside || flat_sq < (SELF_RADIUS_M * SELF_RADIUS_M) as f32 {
                continue;
            }
            let height = f64::from(over_plane) - self.ground.relief_m(f64::from(offset.x), f64::from(offset.y));
            let low_limit = HEIGHT_MIN_M.max(ground_tolerance_m(f64::from(flat_sq.sqrt())) + 0.1);
            if height < low_limit || height > HEIGHT_MAX_M {
                continue;
            }
            let place = (y / CELL_M as f32) as usize * CELLS + (x / CELL_M as f32) as usize;
            self.add(place, (offset + origin.cast::<f32>()).into(), offset.norm_squared());
        }
    }

    fn add(&mut self, place: usize, p: [f32; 3], distance_sq: f32) {
        let Some(slot) = self.grid.get_mut(place) else { return };
        if *slot == 0 {
            let place = place as u32;
            let (points, lone, taken) = (0, true, false);
            self.cells.push(Cell { place, points, low: p, high: p, nearest: p, nearest_sq: distance_sq, lone, taken });
            *slot = self.cells.len() as u32;
        }
        let Some(cell) = self.cells.get_mut(*slot as usize - 1) else { return };
        cell.points += 1;
        cell.lone = cell.points == 1;
        cell.low = std::array::from_fn(|i| cell.low[i].min(p[i]));
        cell.high = std::array::from_fn(|i| cell.high[i].max(p[i]));
        if distance_sq < cell.nearest_sq {
            (cell.nearest, cell.nearest_sq) = (p, distance_sq);
        }
    }

    /// Collects all cells that hang together with `seed` in `self.members`.
    fn grow(&mut self, seed: usize, origin: &Vector3<f64>) {
        self.members.clear();
        self.stack.clear();
        self.take(seed);
        while let Some(index) = self.stack.pop() {
            let Some(cell) = self.cells.get(index as usize) else { continue };
            let range = (f64::from(cell.nearest[0]) - origin.x).hypot(f64::from(cell.nearest[1]) - origin.y);
            let reach = if range < SPARSE_FROM_M { 1 } else { 2 };
            let (row, column) = (cell.place as usize / CELLS, cell.place as usize % CELLS);
            self.members.push((tile(row, column), index));
            for r in row.saturating_sub(reach)..=(row + reach).min(CELLS - 1) {
                for c in column.saturating_sub(reach)..=(column + reach).min(CELLS - 1) {
                    if let Some(next) = self.grid.get(r * CELLS + c).and_then(|i| i.checked_sub(1)) {
                        self.take(next as usize);
                    }
                }
            }
        }
    }

    /// Puts a cell on the stack, once.
    fn take(&mut self, index: usize) {
        if let Some(cell) = self.cells.get_mut(index).filter(|c| !c.taken) {
            cell.taken = true;
            self.stack.push(index as u32);
        }
    }

    /// Turns the members into one obstacle, or one for each tile where they reach too far.
    fn emit(&mut self, origin: &Vector3<f64>, returns: usize, out: &mut Vec<Obstacle>) {
        let cells = &self.cells;
        let join = |members: &[(u32, u32)]| {
            members.iter().filter_map(|(_, i)| cells.get(*i as usize).copied()).reduce(|a, b| merge(&a, &b))
        };
        let Some(whole) = join(&self.members) else { return };
        if (0..2).all(|i| f64::from(whole.high[i] - whole.low[i]) <= EXTENT_MAX_M) {
            out.extend(obstacle(&whole, origin, returns));
            return;
        }
        self.members.sort_unstable();
        for piece in self.members.chunk_by(|a, b| a.0 == b.0) {
            out.extend(join(piece).and_then(|cell| obstacle(&cell, origin, returns)));
        }
    }
}

/// The tile of a cell.
fn tile(row: usize, column: usize) -> u32 {
    let of = |line: usize| (((line as f64 + 0.5) * CELL_M - HALF_SIDE_M + 0.5 * TILE_M) / TILE_M).floor() as i32 + 128;
    ((of(row) << 16) | of(column)) as u32
}

/// Two cells as one.
fn merge(a: &Cell, b: &Cell) -> Cell {
    // A single return is no surface: it sets the nearest point only among its like.
    let b_nearer = (b.lone, b.nearest_sq) < (a.lone, a.nearest_sq);
    let from = if b_nearer { b } else { a };
    Cell {
        points: a.points + b.points,
        low: std::array::from_fn(|i| a.low[i].min(b.low[i])),
        high: std::array::from_fn(|i| a.high[i].max(b.high[i])),
        ..*from
    }
}

fn obstacle(whole: &Cell, origin: &Vector3<f64>, returns: usize) -> Option<Obstacle> {
    let range_m = f64::from(whole.nearest_sq).sqrt();
    if whole.points < points_min(range_m, returns) {
        return None;
    }
    let [low, high] = [whole.low, whole.high].map(|p| Vector3::from(p.map(f64::from)));
    let nearest = Vector3::from(whole.nearest.map(f64::from));
    let sight = (nearest - origin).try_normalize(0.0)?;
    let along = SIGMA_ALONG_M + SIGMA_ALONG_PER_M * range_m;
    let across = SIGMA_ACROSS_M + SIGMA_ACROSS_PER_M * range_m;
    let covariance =
        across * across * Matrix3::identity() + (along * along - across * across) * sight * sight.transpose();
    Some(Obstacle {
        nearest: Point3::from_vector(nearest),
        range_m,
        covariance,
        centre: Point3::from_vector(0.5 * (low + high)),
        size_m: (high - low).into(),
        n_points: whole.points,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Flat ground 1.7 m below the LiDAR, as rings.
    fn ground() -> Cloud {
        let mut cloud = Cloud::default();
        for ring in 0..45 {
            let radius = 3.0 * 1.07f64.powi(ring);
            for step in 0..720 {
                let (s, c) = (f64::from(step) * 0.5).to_radians().sin_cos();
                cloud.xyz.push([(radius * c) as f32, (radius * s) as f32, -1.7]);
            }
        }
        cloud
    }

    /// The near face of a box: points 10 cm apart.
    fn face(cloud: &mut Cloud, x: f32, y: (i32, i32), z: (i32, i32)) {
        for i in y.0..y.1 {
            for k in z.0..z.1 {
                cloud.xyz.push([x, i as f32 * 0.1, -1.7 + k as f32 * 0.1]);
            }
        }
    }

    fn find(cloud: &Cloud) -> Vec<Obstacle> {
        let mut out = Vec::new();
        ObstacleFinder::default().find(cloud, &Transform::identity(), &mut out).unwrap();
        out
    }

    #[test]
    fn a_pallet_a_pole_and_a_wall_are_found_and_the_road_and_a_bridge_are_not() {
        let mut cloud = ground();
        face(&mut cloud, 10.0, (-6, 6), (0, 8));
        face(&mut cloud, 18.0, (50, 52), (0, 25));
        face(&mut cloud, 30.0, (-200, -50), (0, 25));
        face(&mut cloud, 25.0, (-40, 40), (45, 50));
        cloud.xyz.extend([[f32::NAN, 0.0, 0.0], [6.0, 6.0, 0.0], [0.5, 0.5, -0.5]]);
        let found = find(&cloud);
        assert_eq!(found.len(), 2 + 7, "pallet, pole, a wall of 15 m in tiles: {found:#?}");
        assert!((found[0].nearest.xyz.x - 10.0).abs() < 1e-5 && found[0].nearest.xyz.y.abs() < 0.11);
        assert!((found[0].size_m[1] - 1.1).abs() < 0.01);
        assert!((found[1].nearest.xyz - Vector3::new(18.0, 5.0, 0.0)).xy().norm() < 0.11);
        assert!(found[2..].iter().all(|o| o.size_m[1] <= TILE_M + 0.01 && o.nearest.xyz.x > 29.9));
        for o in &found {
            assert!((o.covariance - o.covariance.transpose()).norm() < 1e-12 && o.covariance.cholesky().is_some());
        }
        assert_eq!(found, find(&cloud), "the same sweep gives the same list");
    }

    #[test]
    fn what_few_returns_show_is_believed_after_several_sweeps() {
        let mut cloud = ground();
        // A pole that three rows of a coarse LiDAR hit once each, and a single return.
        cloud.xyz.extend([[20.0, 0.0, -1.2], [20.0, 0.0, -0.8], [20.0, 0.0, -0.4], [15.0, 3.0, -0.9]]);
        let found = find(&cloud);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(!found[0].is_sure(1) && found[0].is_sure(2) && found[0].is_sure(u32::MAX));
        // So little of something near, or in a sweep of many returns, is nothing.
        assert_eq!((points_min(20.0, 30_000), points_min(8.0, 30_000), points_min(15.0, 120_000)), (2, 4, 5));
        assert_eq!((points_min(5.0, 120_000), points_min(50.0, 120_000)), (POINTS_SURE_NEAR, POINTS_MIN));
    }

    #[test]
    fn a_clear_road_has_none_and_no_ground_is_said() {
        assert!(find(&ground()).is_empty());
        let mut out = vec![];
        assert_eq!(ObstacleFinder::default().find(&Cloud::default(), &Transform::identity(), &mut out), None);
        assert!(out.is_empty());
    }
}
