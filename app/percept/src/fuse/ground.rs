//! The ground under and ahead of the vehicle, found in one sweep.
//!
//! Everything is in the vehicle frame (z up, metres). The ground is a plane, the best supported one among the lowest
//! points of a grid of cells, so that the dense rings around the vehicle weigh no more than the sparse ones far out. The
//! search is seeded and the sums run in a fixed order: the same sweep gives the same plane. Where no plane has enough
//! support there is no ground, never a guess. Real ground bends: [`Ground::tolerance_m`] grows with range.

use nalgebra::{Matrix3, Vector3};

use crate::cloud::Cloud;
use crate::space::{Lidar, Optical, Transform, Vehicle};

/// Half the side of the square that is searched, about the LiDAR: further out the rings are too far apart.
const HALF_SIDE_M: f64 = 50.0;
/// Side of a cell: large enough for rings at 20 m to meet most cells, small enough for slopes not to matter in one.
const CELL_M: f64 = 1.0;
/// Cells along a side.
const CELLS: usize = (2.0 * HALF_SIDE_M / CELL_M) as usize;
/// Nearer than this the vehicle sees its own roof and bonnet.
const SELF_RADIUS_M: f64 = 2.0;
/// Steeper than any road (35 % slope) relative to the vehicle.
const SLOPE_MAX: f64 = 0.35;
/// The LiDAR sits above the ground it sees by at least this.
const SENSOR_HEIGHT_MIN_M: f64 = 0.05;
/// And by at most this (a lorry's roof).
const SENSOR_HEIGHT_MAX_M: f64 = 6.0;
/// Triples tried: with a third of the cells on the ground, all of 200 triples miss it with probability 6e-4.
const TRIPLES: usize = 200;
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
pub struct Ground {
    /// Upward unit normal in the vehicle frame.
    pub normal: Vector3<f64>,
    /// Signed distance of the plane from the vehicle frame's origin along the normal, metres.
    pub height_m: f64,
    /// Share of the cells with points whose lowest point lies on the plane, 0 to 1: how much to trust it.
    pub support: f64,
    /// Robust standard deviation of those cells' lowest points about the plane, metres.
    pub sigma_m: f64,
}

impl Ground {
    /// Height of a point of the vehicle frame above the ground, metres.
    pub fn height_above_m(&self, p: &Vector3<f64>) -> f64 {
        self.normal.dot(p) - self.height_m
    }

    /// Height below which a point at this range from the vehicle counts as ground: kerbs, camber and hills make the
    /// plane err more further out.
    pub fn tolerance_m(range_m: f64) -> f64 {
        0.15 + 0.008 * range_m
    }

    /// Whether a point of the vehicle frame is ground.
    pub fn is_ground(&self, p: &Vector3<f64>) -> bool {
        self.height_above_m(p) < Self::tolerance_m(p.norm())
    }

    /// The plane in a camera's optical frame: (upward unit normal n, h) with `n . p = h`.
    pub fn in_optical(&self, optical_from_vehicle: &Transform<Optical, Vehicle>) -> (Vector3<f64>, f64) {
        let normal = optical_from_vehicle.rotate(&self.normal);
        let shift = optical_from_vehicle.isometry().translation.vector;
        (normal, self.height_m + normal.dot(&shift))
    }
}

/// Finds the ground; keeps its scratch memory between sweeps.
#[derive(Debug, Clone, Default)]
pub struct GroundFinder {
    lowest: Vec<[f32; 3]>,
    cells: Vec<[f64; 3]>,
}

impl GroundFinder {
    /// The ground plane of a sweep; `None` where no plane below the LiDAR is well enough supported.
    pub fn find(&mut self, cloud: &Cloud, vehicle_from_lidar: &Transform<Vehicle, Lidar>) -> Option<Ground> {
        let origin = vehicle_from_lidar.isometry().translation.vector;
        self.gather(cloud, vehicle_from_lidar);
        if self.cells.len() < CELLS_MIN {
            return None;
        }
        let coarse = self.search(&origin)?;
        let plane = self.refine(coarse, &origin);
        let (mut on, mut sum) = (0usize, 0.0);
        for cell in &self.cells {
            let r = residual(&plane, cell);
            if r.abs() < tolerance(cell, &origin) {
                on += 1;
                sum += r.abs();
            }
        }
        let support = on as f64 / self.cells.len() as f64;
        if on < CELLS_MIN || support < SHARE_MIN || !below_sensor(&plane, &origin) {
            return None;
        }
        let length = (plane[0] * plane[0] + plane[1] * plane[1] + 1.0).sqrt();
        let normal = Vector3::new(-plane[0], -plane[1], 1.0) / length;
        // Mean absolute deviation to standard deviation of a normal distribution: sqrt(pi / 2).
        let sigma_m = sum / on as f64 * 1.2533;
        Some(Ground { normal, height_m: plane[2] / length, support, sigma_m })
    }

    /// The lowest point of each cell, in the vehicle frame.
    fn gather(&mut self, cloud: &Cloud, vehicle_from_lidar: &Transform<Vehicle, Lidar>) {
        self.lowest.clear();
        self.lowest.resize(CELLS * CELLS, [0.0, 0.0, f32::INFINITY]);
        let r = vehicle_from_lidar.isometry().rotation.to_rotation_matrix();
        let t = vehicle_from_lidar.isometry().translation.vector;
        for point in &cloud.xyz {
            let p = r * Vector3::new(f64::from(point[0]), f64::from(point[1]), f64::from(point[2]));
            let (dx, dy) = (p.x + HALF_SIDE_M, p.y + HALF_SIDE_M);
            // Also false for NaN.
            if !(dx >= 0.0 && dy >= 0.0 && p.z.is_finite()) || p.x * p.x + p.y * p.y < SELF_RADIUS_M * SELF_RADIUS_M {
                continue;
            }
            let (column, row) = ((dx / CELL_M) as usize, (dy / CELL_M) as usize);
            if column >= CELLS || row >= CELLS {
                continue;
            }
            if let Some(low) = self.lowest.get_mut(row * CELLS + column)
                && (p.z as f32) < low[2]
            {
                *low = [p.x as f32, p.y as f32, p.z as f32];
            }
        }
        self.cells.clear();
        let filled = self.lowest.iter().filter(|low| low[2].is_finite());
        self.cells.extend(filled.map(|low| std::array::from_fn(|i| f64::from(low[i]) + t[i])));
    }

    /// The best supported plane `z = a x + b y + c` through three cells.
    fn search(&self, origin: &Vector3<f64>) -> Option<[f64; 3]> {
        let mut state = SEED;
        let mut best: Option<(i64, [f64; 3])> = None;
        for _ in 0..TRIPLES {
            let mut pick = || self.cells.get(next_index(&mut state, self.cells.len())).copied();
            let (Some(a), Some(b), Some(c)) = (pick(), pick(), pick()) else { continue };
            let Some(plane) = plane_through(&a, &b, &c) else { continue };
            if plane[0].hypot(plane[1]) > SLOPE_MAX || !below_sensor(&plane, origin) {
                continue;
            }
            let score = self.score(&plane, origin);
            if best.is_none_or(|(most, _)| score > most) {
                best = Some((score, plane));
            }
        }
        best.map(|(_, plane)| plane)
    }

    /// Cells on the plane less cells below it: ground has nothing beneath it, a roof or a hedge has.
    fn score(&self, plane: &[f64; 3], origin: &Vector3<f64>) -> i64 {
        self.cells
            .iter()
            .map(|cell| {
                let (r, tolerance) = (residual(plane, cell), tolerance(cell, origin));
                i64::from(r.abs() < tolerance) - i64::from(r < -2.0 * tolerance)
            })
            .sum()
    }

    /// Least squares with Tukey's weights about the plane found.
    fn refine(&self, mut plane: [f64; 3], origin: &Vector3<f64>) -> [f64; 3] {
        for _ in 0..REFINEMENTS {
            let mut normal_matrix = Matrix3::zeros();
            let mut right = Vector3::zeros();
            for cell in &self.cells {
                let scale = tolerance(cell, origin);
                let q = residual(&plane, cell) / scale;
                if q.abs() >= 1.0 {
                    continue;
                }
                let weight = (1.0 - q * q).powi(2) / (scale * scale);
                let row = Vector3::new(cell[0], cell[1], 1.0);
                normal_matrix += weight * row * row.transpose();
                right += weight * cell[2] * row;
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

/// How far a cell's lowest point lies above the plane, metres.
fn residual(plane: &[f64; 3], cell: &[f64; 3]) -> f64 {
    cell[2] - (plane[0] * cell[0] + plane[1] * cell[1] + plane[2])
}

fn tolerance(cell: &[f64; 3], origin: &Vector3<f64>) -> f64 {
    FIT_TOLERANCE_M + FIT_TOLERANCE_PER_M * (cell[0] - origin.x).hypot(cell[1] - origin.y)
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
    ((*state >> 32) * len as u64 >> 32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use nalgebra::Isometry3;

    /// A spinning LiDAR's rings on the plane z = a x + b y + c, with a little deterministic noise.
    fn rings(plane: [f64; 3], noise_m: f64) -> Cloud {
        let mut cloud = Cloud::default();
        let mut state = 1;
        for ring in 0..40 {
            let radius = 3.0 * 1.07f64.powi(ring);
            for step in 0..360 {
                let (s, c) = f64::from(step).to_radians().sin_cos();
                let (x, y) = (radius * c, radius * s);
                let noise = (next_index(&mut state, 1000) as f64 / 500.0 - 1.0) * noise_m;
                let z = plane[0] * x + plane[1] * y + plane[2] + noise;
                cloud.xyz.push([x as f32, y as f32, z as f32]);
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
    fn a_sloped_ground_under_walls_ghosts_and_broken_points_is_found() {
        let truth = [0.03, -0.05, -1.7];
        let mut cloud = rings(truth, 0.03);
        wall(&mut cloud, 15.0, -1.0);
        wall(&mut cloud, -25.0, -1.7);
        cloud.xyz.extend([[f32::NAN, 1.0, 1.0], [5.0, 5.0, f32::NEG_INFINITY], [9.0, 9.0, -8.0], [9.0, -9.0, -12.0]]);
        let mut finder = GroundFinder::default();
        let ground = finder.find(&cloud, &Transform::identity()).unwrap();
        for (x, y) in [(0.0, 0.0), (20.0, 10.0), (-15.0, 30.0)] {
            let p = Vector3::new(x, y, truth[0] * x + truth[1] * y + truth[2]);
            assert!(ground.height_above_m(&p).abs() < 0.06, "{} at {x} {y}", ground.height_above_m(&p));
            assert!(ground.is_ground(&p) && !ground.is_ground(&(p + Vector3::new(0.0, 0.0, 0.6))));
        }
        assert!(ground.support > 0.5 && ground.sigma_m < 0.05, "{ground:?}");
        assert_eq!(finder.find(&cloud, &Transform::identity()), Some(ground), "the same sweep gives the same plane");
    }

    #[test]
    fn the_plane_is_in_the_vehicle_frame() {
        let cloud = rings([0.0, 0.0, -1.5], 0.0);
        let mount = Transform::from_isometry(Isometry3::new(Vector3::new(1.0, 0.0, 1.9), Vector3::zeros()));
        let ground = GroundFinder::default().find(&cloud, &mount).unwrap();
        assert!((ground.height_m - 0.4).abs() < 1e-6, "{ground:?}");
        let camera = Transform::<Optical, Vehicle>::from_isometry(Isometry3::new(
            Vector3::new(0.1, 1.2, 0.3),
            Vector3::new(1.2, -1.1, 1.3),
        ));
        let (n, h) = ground.in_optical(&camera);
        let p = camera.apply(&crate::space::Point3::new(3.0, 2.0, 0.4)).xyz;
        assert!((n.dot(&p) - h).abs() < 1e-9);
    }

    #[test]
    fn no_ground_is_said_not_guessed() {
        let mut finder = GroundFinder::default();
        assert_eq!(finder.find(&Cloud::default(), &Transform::identity()), None);
        let mut only_wall = Cloud::default();
        wall(&mut only_wall, 15.0, -1.0);
        assert_eq!(finder.find(&only_wall, &Transform::identity()), None);
        let above = rings([0.0, 0.0, 2.5], 0.02);
        assert_eq!(finder.find(&above, &Transform::identity()), None, "a ceiling is no ground");
    }
}
