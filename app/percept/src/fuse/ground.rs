//! The ground under and about the vehicle, found in one sweep: a plane, and on it a relief for kerbs, camber and hills.
//!
//! Everything is in the vehicle frame (z up, metres). The plane is the best supported one among the lowest points of a
//! grid of cells, so that the dense rings around the vehicle weigh no more than the sparse ones far out; the relief
//! follows those lowest points outward from it (see `relief`). The search is seeded and the sums run in a fixed order: the same
//! sweep gives the same ground. Where no plane has enough support there is no ground, never a guess.

use nalgebra::{Matrix3, Vector3};

use super::relief::Relief;
use crate::cloud::Cloud;
use crate::space::{Lidar, Optical, Transform, Vehicle};
use crate::wide;

/// Half the side of the square that is looked at, about the LiDAR.
pub(super) const HALF_SIDE_M: f64 = 80.0;
/// Side of a cell: large enough for rings at 20 m to meet most cells, small enough for slopes not to matter in one.
pub(super) const CELL_M: f64 = 1.0;
/// Cells along a side.
pub(super) const CELLS: usize = (2.0 * HALF_SIDE_M / CELL_M) as usize;
/// Nearer than this the vehicle sees its own roof and bonnet.
const SELF_RADIUS_M: f64 = 2.0;
/// The plane is fitted to cells within this radius: further out the road has its own slope.
const PLANE_RADIUS_M: f64 = 40.0;
/// Steeper than any road (35 % slope) relative to the vehicle.
const SLOPE_MAX: f64 = 0.35;
/// The LiDAR sits above the ground it sees by at least this.
const SENSOR_HEIGHT_MIN_M: f64 = 0.05;
/// And by at most this (a lorry's roof).
const SENSOR_HEIGHT_MAX_M: f64 = 6.0;
/// Triples tried: with a third of the cells on the ground, all of 200 triples miss it with probability 6e-4.
const TRIPLES: usize = 200;
/// Cells that a triple's plane is scored on, at most.
const SCORED_MAX: usize = 800;
/// Votes that are counted before it is asked whether the rest can still matter.
const VOTES: usize = 64;
/// Seed of the triples' choice; any will do.
const SEED: u64 = 0x0ce1_1050_9e37_79b9;
/// Half-width within which a cell's lowest point belongs to a plane, at range 0 and per metre of range.
const FIT_TOLERANCE_M: f64 = 0.12;
const FIT_TOLERANCE_PER_M: f64 = 0.006;
/// A plane needs this many cells and this share of all cells that have points.
const CELLS_MIN: usize = 25;
const SHARE_MIN: f64 = 0.2;
/// Rounds of the robust refinement after the search.
const REFINEMENTS: usize = 5;

/// A ground plane in the vehicle frame: `normal . p = height_m`, `normal` a unit vector that points up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GroundPlane {
    /// Upward unit normal in the vehicle frame.
    pub normal: Vector3<f64>,
    /// Signed distance of the plane from the vehicle frame's origin along the normal, metres.
    pub height_m: f64,
    /// Share of the cells with points whose lowest point lies on the plane, 0 to 1: how much to trust it.
    pub support: f64,
    /// Robust standard deviation of those cells' lowest points about the plane, metres.
    pub sigma_m: f64,
}

impl GroundPlane {
    /// Height of a point of the vehicle frame above the plane, metres.
    pub fn height_above_m(&self, p: &Vector3<f64>) -> f64 {
        self.normal.dot(p) - self.height_m
    }

    /// The plane in a camera's optical frame: (upward unit normal n, h) with `n . p = h`.
    pub fn in_optical(&self, optical_from_vehicle: &Transform<Optical, Vehicle>) -> (Vector3<f64>, f64) {
        let normal = optical_from_vehicle.rotate(&self.normal);
        let shift = optical_from_vehicle.isometry().translation.vector;
        (normal, self.height_m + normal.dot(&shift))
    }
}

/// Height below which a point at this range counts as ground: the relief errs more further out, where rings are far
/// apart. Grass, kerbs and the LiDAR's own noise make up the part at range 0.
pub fn ground_tolerance_m(range_m: f64) -> f64 {
    0.15 + 0.004 * range_m
}

/// The lowest point of one cell and how far it may lie off a plane.
#[derive(Debug, Clone, Copy)]
struct Cell {
    p: [f64; 3],
    tolerance: f64,
}

impl Cell {
    /// How far the point lies above the plane `z = a x + b y + c`, metres.
    fn above(&self, plane: &[f64; 3]) -> f64 {
        self.p[2] - (plane[0] * self.p[0] + plane[1] * self.p[1] + plane[2])
    }
}

/// Points that are placed together, for the compiler to vectorise.
const LANES: usize = 16;

/// Where points lie.
struct Placed {
    /// From the LiDAR, along the vehicle's axes.
    offset: [[f32; LANES]; 3],
    /// Their cells; beyond all cells for what is not looked at.
    cell: [u32; LANES],
}

impl Placed {
    /// Places points, those of `rotation` into the vehicle's axes.
    #[inline(always)]
    fn of(points: &[[f32; 3]; LANES], rotation: &[[f32; 3]; 3]) -> Self {
        let (half, side) = (HALF_SIDE_M as f32, 2.0 * HALF_SIDE_M as f32);
        let self_radius_sq = (SELF_RADIUS_M * SELF_RADIUS_M) as f32;
        let mut placed = Self { offset: [[0.0; LANES]; 3], cell: [u32::MAX; LANES] };
        // Plain loops over lanes, one step each: the compiler makes vectors of these and of nothing more elaborate.
        for ([a, b, c], out) in rotation.iter().zip(&mut placed.offset) {
            for ([x, y, z], out) in points.iter().zip(out) {
                *out = a * x + b * y + c * z;
            }
        }
        let [xs, ys, zs] = &placed.offset;
        for (((x, y), z), cell) in xs.iter().zip(ys).zip(zs).zip(&mut placed.cell) {
            let (dx, dy) = (x + half, y + half);
            // Also false for NaN.
            let inside = (dx >= 0.0) & (dx < side) & (dy >= 0.0) & (dy < side) & (z.abs() < f32::INFINITY);
            let seen = inside & (x * x + y * y >= self_radius_sq);
            let index = |d: f32| -> i32 {
                let cells = if seen { d / CELL_M as f32 } else { 0.0 };
                // SAFETY: from 0 to CELLS, which is far from an i32's bounds. The checked cast is not vectorised.
                unsafe { cells.to_int_unchecked() }
            };
            let place = index(dy) * CELLS as i32 + index(dx);
            *cell = if seen { place as u32 } else { u32::MAX };
        }
        placed
    }
}

wide! {
    /// Lowers the cells that points lie lower in.
    fn lower(blocks: &[[[f32; 3]; LANES]], rotation: &[[f32; 3]; 3], origin: &[f32; 3], lowest: &mut [[f32; 3]]) = lower_all;
}

#[inline(always)]
fn lower_all(blocks: &[[[f32; 3]; LANES]], rotation: &[[f32; 3]; 3], origin: &[f32; 3], lowest: &mut [[f32; 3]]) {
    for block in blocks {
        let placed = Placed::of(block, rotation);
        let [xs, ys, zs] = &placed.offset;
        for (((x, y), z), &cell) in xs.iter().zip(ys).zip(zs).zip(&placed.cell) {
            let z = z + origin[2];
            if let Some(low) = lowest.get_mut(cell as usize)
                && z < low[2]
            {
                *low = [x + origin[0], y + origin[1], z];
            }
        }
    }
}

/// The ground of the sweep last looked at; keeps its memory between sweeps.
#[derive(Debug, Clone, Default)]
pub struct GroundFinder {
    plane: Option<GroundPlane>,
    origin: Vector3<f64>,
    lowest: Vec<[f32; 3]>,
    cells: Vec<Cell>,
    relief: Relief,
}

impl GroundFinder {
    /// Finds the ground of a sweep; `None` where no plane below the LiDAR is well enough supported.
    pub fn find(&mut self, cloud: &Cloud, vehicle_from_lidar: &Transform<Vehicle, Lidar>) -> Option<GroundPlane> {
        self.origin = vehicle_from_lidar.isometry().translation.vector;
        self.gather(cloud, vehicle_from_lidar);
        self.plane = self.fit();
        let plane = self.plane?;
        let lowest = self.lowest.iter().filter(|low| low[2].is_finite());
        let above = lowest.map(|low| {
            let p = Vector3::new(f64::from(low[0]), f64::from(low[1]), f64::from(low[2]));
            (p - self.origin, plane.height_above_m(&p))
        });
        self.relief.follow(above);
        Some(plane)
    }

    /// The plane of the sweep last looked at.
    pub fn plane(&self) -> Option<GroundPlane> {
        self.plane
    }

    /// Height of a point of the vehicle frame above the ground, relief included; `None` where there is no ground.
    pub fn height_above_m(&self, p: &Vector3<f64>) -> Option<f64> {
        Some(self.plane?.height_above_m(p) - self.relief.at(p.x - self.origin.x, p.y - self.origin.y))
    }

    /// Height of the ground over the plane at an offset from the LiDAR along the vehicle's axes, metres.
    pub(super) fn relief_m(&self, x: f64, y: f64) -> f64 {
        self.relief.at(x, y)
    }

    /// The lowest point of each cell, in the vehicle frame.
    fn gather(&mut self, cloud: &Cloud, vehicle_from_lidar: &Transform<Vehicle, Lidar>) {
        self.lowest.clear();
        self.lowest.resize(CELLS * CELLS, [0.0, 0.0, f32::INFINITY]);
        let rotation = vehicle_from_lidar.isometry().rotation.to_rotation_matrix();
        let rotation = [0, 1, 2].map(|row| [0, 1, 2].map(|column| rotation[(row, column)] as f32));
        let origin = [self.origin.x as f32, self.origin.y as f32, self.origin.z as f32];
        let (blocks, rest) = cloud.xyz.as_chunks();
        lower(blocks, &rotation, &origin, &mut self.lowest);
        let mut last = [[f32::NAN; 3]; LANES];
        last.iter_mut().zip(rest).for_each(|(place, point)| *place = *point);
        lower(&[last], &rotation, &origin, &mut self.lowest);
    }

    fn fit(&mut self) -> Option<GroundPlane> {
        self.cells.clear();
        let origin = self.origin;
        let cells = self.lowest.iter().filter(|low| low[2].is_finite()).map(|low| {
            let p = low.map(f64::from);
            let range = (p[0] - origin.x).hypot(p[1] - origin.y);
            (range, Cell { p, tolerance: FIT_TOLERANCE_M + FIT_TOLERANCE_PER_M * range })
        });
        self.cells.extend(cells.filter(|(range, _)| *range < PLANE_RADIUS_M).map(|(_, cell)| cell));
        if self.cells.len() < CELLS_MIN {
            return None;
        }
        let plane = self.refine(self.search()?);
        let (mut on, mut sum) = (0usize, 0.0);
        for off in self.cells.iter().map(|c| (c.above(&plane).abs(), c.tolerance)).filter(|(off, t)| off < t) {
            on += 1;
            sum += off.0;
        }
        let support = on as f64 / self.cells.len() as f64;
        if on < CELLS_MIN || support < SHARE_MIN || !below_sensor(&plane, &origin) {
            return None;
        }
        let length = (plane[0] * plane[0] + plane[1] * plane[1] + 1.0).sqrt();
        let normal = Vector3::new(-plane[0], -plane[1], 1.0) / length;
        // Mean absolute deviation to standard deviation of a normal distribution: sqrt(pi / 2).
        let sigma_m = sum / on as f64 * 1.2533;
        Some(GroundPlane { normal, height_m: plane[2] / length, support, sigma_m })
    }

    /// The best supported plane `z = a x + b y + c` through three cells.
    fn search(&self) -> Option<[f64; 3]> {
        let mut state = SEED;
        let step = self.cells.len().div_ceil(SCORED_MAX).max(1);
        let mut best: Option<(i64, [f64; 3])> = None;
        for _ in 0..TRIPLES {
            let mut pick = || self.cells.get(next_index(&mut state, self.cells.len())).map(|cell| cell.p);
            let (Some(a), Some(b), Some(c)) = (pick(), pick(), pick()) else { continue };
            let Some(plane) = plane_through(&a, &b, &c) else { continue };
            if plane[0].hypot(plane[1]) > SLOPE_MAX || !below_sensor(&plane, &self.origin) {
                continue;
            }
            let most = best.map_or(i64::MIN, |(most, _)| most);
            let Some(score) = self.score(&plane, step, most) else { continue };
            best = Some((score, plane));
        }
        best.map(|(_, plane)| plane)
    }

    /// Every `step`-th cell's vote on a plane; `None` as soon as no more than `most` can come of it.
    fn score(&self, plane: &[f64; 3], step: usize, most: i64) -> Option<i64> {
        // Cells on the plane less cells below it: ground has nothing beneath it, a roof or a hedge has.
        let vote = |cell: &Cell| {
            let above = cell.above(plane);
            i64::from(above.abs() < cell.tolerance) - i64::from(above < -2.0 * cell.tolerance)
        };
        let (mut score, mut left) = (0, self.cells.len().div_ceil(step) as i64);
        for part in self.cells.chunks(step * VOTES) {
            let votes = part.len().div_ceil(step) as i64;
            score += part.iter().step_by(step).map(vote).sum::<i64>();
            left -= votes;
            if score.saturating_add(left) <= most {
                return None;
            }
        }
        Some(score)
    }

    /// Least squares with Tukey's weights about the plane found.
    fn refine(&self, mut plane: [f64; 3]) -> [f64; 3] {
        for _ in 0..REFINEMENTS {
            let mut normal_matrix = Matrix3::zeros();
            let mut right = Vector3::zeros();
            for cell in &self.cells {
                let q = cell.above(&plane) / cell.tolerance;
                if q.abs() >= 1.0 {
                    continue;
                }
                let weight = (1.0 - q * q).powi(2) / (cell.tolerance * cell.tolerance);
                let row = Vector3::new(cell.p[0], cell.p[1], 1.0);
                normal_matrix += weight * row * row.transpose();
                right += weight * cell.p[2] * row;
            }
            let Some(solution) = normal_matrix.cholesky().map(|c| c.solve(&right)) else { return plane };
            let next = [solution.x, solution.y, solution.z];
            if !next.iter().all(|v| v.is_finite()) || next[0].hypot(next[1]) > SLOPE_MAX {
                return plane;
            }
            plane = next;
        }
        plane
    }
}

/// Whether the plane passes below the LiDAR at a height a LiDAR is mounted at.
fn below_sensor(plane: &[f64; 3], origin: &Vector3<f64>) -> bool {
    let height = origin.z - (plane[0] * origin.x + plane[1] * origin.y + plane[2]);
    (SENSOR_HEIGHT_MIN_M..SENSOR_HEIGHT_MAX_M).contains(&height)
}

/// `z = a x + b y + c` through three points; `None` where they lie on a line seen from above.
fn plane_through(a: &[f64; 3], b: &[f64; 3], c: &[f64; 3]) -> Option<[f64; 3]> {
    let (x1, y1, z1) = (b[0] - a[0], b[1] - a[1], b[2] - a[2]);
    let (x2, y2, z2) = (c[0] - a[0], c[1] - a[1], c[2] - a[2]);
    let determinant = x1 * y2 - x2 * y1;
    // Twice the triangle's area: below a cell or two the slope is noise.
    if determinant.abs() < 4.0 * CELL_M * CELL_M {
        return None;
    }
    let slope_x = (z1 * y2 - z2 * y1) / determinant;
    let slope_y = (x1 * z2 - x2 * z1) / determinant;
    Some([slope_x, slope_y, a[2] - slope_x * a[0] - slope_y * a[1]])
}

/// The next index below `len` (which is not 0) of a xorshift64 sequence (Marsaglia, "Xorshift RNGs", 2003).
pub(super) fn next_index(state: &mut u64, len: usize) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (((*state >> 32) * len as u64) >> 32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use nalgebra::Isometry3;

    /// A spinning LiDAR's rings on the ground z = f(x, y), with a little deterministic noise.
    fn rings(ground: impl Fn(f64, f64) -> f64, noise_m: f64) -> Cloud {
        let mut cloud = Cloud::default();
        let mut state = 1;
        for ring in 0..45 {
            let radius = 3.0 * 1.07f64.powi(ring);
            for step in 0..720 {
                let (s, c) = (f64::from(step) * 0.5).to_radians().sin_cos();
                let (x, y) = (radius * c, radius * s);
                let noise = (next_index(&mut state, 1000) as f64 / 500.0 - 1.0) * noise_m;
                cloud.xyz.push([x as f32, y as f32, (ground(x, y) + noise) as f32]);
            }
        }
        cloud
    }

    fn wall(cloud: &mut Cloud, x: f32, z0: f32) {
        for i in 0..4000 {
            cloud.xyz.push([x, (i % 80) as f32 - 40.0, z0 + (i / 80) as f32 * 0.1]);
        }
    }

    #[test]
    fn points_placed_in_blocks_lie_where_each_alone_does() {
        let mut cloud = rings(|x, y| 0.1 * x + 0.2 * y - 1.5, 0.5);
        cloud.xyz.extend([
            [f32::NAN, 1.0, 1.0],
            [5.0, 5.0, f32::NEG_INFINITY],
            [-79.99, 79.99, -9.0],
            [81.0, 0.0, -9.0],
        ]);
        let isometry = Isometry3::new(Vector3::new(1.0, -0.5, 1.7), Vector3::new(0.02, -0.03, 0.7));
        let vehicle_from_lidar: Transform<Vehicle, Lidar> = Transform::from_isometry(isometry);
        let mut finder = GroundFinder::default();
        finder.find(&cloud, &vehicle_from_lidar);
        let (r, t) =
            (isometry.rotation.to_rotation_matrix().matrix().cast::<f32>(), isometry.translation.vector.cast());
        let mut lowest = vec![[0.0, 0.0, f32::INFINITY]; CELLS * CELLS];
        for point in &cloud.xyz {
            let p = r * Vector3::from(*point);
            let (column, row) = ((p.x + 80.0).floor(), (p.y + 80.0).floor());
            let inside = (0.0..160.0).contains(&column) && (0.0..160.0).contains(&row) && p.z.is_finite();
            if inside && p.x * p.x + p.y * p.y >= 4.0 {
                let low = &mut lowest[row as usize * CELLS + column as usize];
                if p.z + t.z < low[2] {
                    *low = (p + t).into();
                }
            }
        }
        assert!(lowest.iter().filter(|low| low[2].is_finite()).count() > 2000);
        assert_eq!(finder.lowest, lowest);
    }

    #[test]
    fn a_sloped_ground_under_walls_ghosts_and_broken_points_is_found() {
        let truth = |x: f64, y: f64| 0.03 * x - 0.05 * y - 1.7;
        let mut cloud = rings(truth, 0.03);
        wall(&mut cloud, 15.0, -1.0);
        wall(&mut cloud, -25.0, -1.7);
        cloud.xyz.extend([[f32::NAN, 1.0, 1.0], [5.0, 5.0, f32::NEG_INFINITY], [9.0, 9.0, -8.0], [9.0, -9.0, -12.0]]);
        let mut finder = GroundFinder::default();
        let plane = finder.find(&cloud, &Transform::identity()).unwrap();
        for (x, y) in [(0.0, 0.0), (20.0, 10.0), (-15.0, 30.0)] {
            let p = Vector3::new(x, y, truth(x, y));
            assert!(plane.height_above_m(&p).abs() < 0.06, "{} at {x} {y}", plane.height_above_m(&p));
            assert!(finder.height_above_m(&p).unwrap().abs() < 0.1);
        }
        assert!(plane.support > 0.5 && plane.sigma_m < 0.05, "{plane:?}");
        assert_eq!(finder.find(&cloud, &Transform::identity()), Some(plane), "the same sweep gives the same plane");
    }

    #[test]
    fn a_hill_and_a_pavement_are_ground_and_a_car_on_them_is_not() {
        let truth =
            |x: f64, y: f64| -1.7 + if x > 25.0 { 0.06 * (x - 25.0) } else { 0.0 } + if y > 4.0 { 0.12 } else { 0.0 };
        let mut cloud = rings(truth, 0.02);
        for i in 0..400 {
            let height = 0.2 + f64::from(i / 20) * 0.07;
            let y = -1.0 + f64::from(i % 20) * 0.1;
            cloud.xyz.push([50.0, y as f32, (truth(50.0, y) + height) as f32]);
        }
        let mut finder = GroundFinder::default();
        finder.find(&cloud, &Transform::identity()).unwrap();
        for (x, y) in [(12.0, 0.0), (10.0, 12.0), (45.0, -10.0), (55.0, 15.0)] {
            let above = finder.height_above_m(&Vector3::new(x, y, truth(x, y))).unwrap();
            assert!(above.abs() < ground_tolerance_m(x.hypot(y)), "{above} at {x} {y}");
        }
        let roof = finder.height_above_m(&Vector3::new(50.0, 0.0, truth(50.0, 0.0) + 1.5)).unwrap();
        assert!((roof - 1.5).abs() < 0.4, "{roof}");
    }

    #[test]
    fn the_plane_is_in_the_vehicle_frame() {
        let cloud = rings(|_, _| -1.5, 0.0);
        let mount = Transform::from_isometry(Isometry3::new(Vector3::new(1.0, 0.0, 1.9), Vector3::zeros()));
        let plane = GroundFinder::default().find(&cloud, &mount).unwrap();
        assert!((plane.height_m - 0.4).abs() < 1e-6, "{plane:?}");
        let camera = Transform::<Optical, Vehicle>::from_isometry(Isometry3::new(
            Vector3::new(0.1, 1.2, 0.3),
            Vector3::new(1.2, -1.1, 1.3),
        ));
        let (n, h) = plane.in_optical(&camera);
        let p = Vector3::new(3.0, 2.0, 0.9);
        let optical = camera.apply(&crate::space::Point3::from_vector(p)).xyz;
        assert!((n.dot(&optical) - h - plane.height_above_m(&p)).abs() < 1e-9);
    }

    #[test]
    fn no_ground_is_said_not_guessed() {
        let mut finder = GroundFinder::default();
        assert_eq!(finder.find(&Cloud::default(), &Transform::identity()), None);
        let mut only_wall = Cloud::default();
        wall(&mut only_wall, 15.0, -1.0);
        assert_eq!(finder.find(&only_wall, &Transform::identity()), None);
        let above = rings(|_, _| 2.5, 0.02);
        assert_eq!(finder.find(&above, &Transform::identity()), None, "a ceiling is no ground");
        assert_eq!(finder.height_above_m(&Vector3::zeros()), None);
    }
}
