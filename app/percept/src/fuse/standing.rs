//! What stands on the road in a depth map: obstacles without a class for a vehicle that has no LiDAR.
//!
//! On a plane the inverse depth is linear in the ray `(x, y, 1)`: `1/z = a x + b y + c` (the "v-disparity" line, Labayrade et
//! al., IV 2002, for any roll). The road's is found robustly where the mounting expects the road; its height, known from the
//! mounting, brings the map to metres, whatever the network's scale. Above it a cell at depth z stands by
//! `height (1 - z (a x + b y + c))`. Cells that stand and touch in the map at like depths are one obstacle; what is wider than
//! [`TILE_M`] comes in tiles. Weaker than a LiDAR in all: what is low, thin or far is not told from the depth's own error, and
//! where no road is seen there is no answer rather than a guess.

use nalgebra::{Matrix3, Vector3};

use super::cluster::{EXTENT_MAX_M, HEIGHT_MAX_M, Obstacle, TILE_M};
use super::ground::next_index;
use crate::depth::DepthMap;
use crate::space::camera::centred_from_continuous;
use crate::space::{Camera, Optical, Point3, Transform, Vehicle};

/// Obstacles are looked for from this range of the camera on, metres: nearer, the picture shows no road before a thing to hold
/// it against, and what is there has been seen before.
const RANGE_MIN_M: f64 = 4.0;
/// And up to this one: further out a network's depth tells nothing small from the road.
const RANGE_MAX_M: f64 = 25.0;
/// The road is looked for up to this range and to this side of the vehicle's middle, metres.
const ROAD_AHEAD_M: f64 = 20.0;
const ROAD_ASIDE_M: f64 = 3.5;
/// Cells of the map along a side that are looked at, at most: small maps whole, large ones in steps.
const ALONG_SIDE: usize = 160;
/// The road's depth may be off by this factor from what the mounting expects.
const SCALE_MAX: f64 = 1.8;
/// And its normal by this angle, rad: the vehicle pitches, the road rises.
const TILT_MAX_RAD: f64 = 0.07;
/// A cell is on the road within this share of its depth.
const ON_ROAD: f64 = 0.08;
/// Cells that the road needs, and the share of those where it is expected.
const ROAD_CELLS_MIN: usize = 60;
const ROAD_SHARE_MIN: f64 = 0.35;
/// Triples tried; with half of the cells on the road all of 60 miss it with probability 3e-4.
const TRIPLES: usize = 60;
/// Rounds of the refinement after the search.
const REFINEMENTS: usize = 4;
/// Seed of the triples' choice; any will do.
const SEED: u64 = 0x51a4_d179_0de9_7115;
/// Lower things are not told from the road, metres; nor what is not so many sigmas of the road's own unevenness above it.
const HEIGHT_MIN_M: f64 = 0.4;
const HEIGHT_SIGMAS: f64 = 4.0;
/// One sigma of a range, as a share of it: what the scale found on the road leaves.
const RANGE_SIGMA_SHARE: f64 = 0.12;
/// One sigma across the line of sight, as a share of the range.
const ACROSS_SIGMA_SHARE: f64 = 0.03;
/// Seen area of the smallest thing that is told, square metres: what is less is a fold in the depth of the road.
const PATCH_M2: f64 = 0.15;
/// Cells that prove a thing, at least where it is far and at most where it is near.
const CELLS_LEAST: f64 = 5.0;
const CELLS_MOST: f64 = 60.0;
/// Neighbours in the map whose depths differ by no more than this factor hang together.
const LIKE_DEPTH: f64 = 1.2;
/// Share of a thing's cells that may be nearer than its surface, and how much farther its own cells may be: edges smear.
const STRAYS: f64 = 0.15;
const SMEAR: f64 = 1.3;
/// Median absolute deviation to standard deviation of a normal distribution.
const SIGMA_OF_MAD: f64 = 1.4826;

/// The road as a depth map shows it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DepthRoad {
    /// What the map's depths are multiplied with to be metres.
    pub scale: f64,
    /// Share of the cells where the road is expected that lie on it.
    pub support: f64,
    /// How uneven the map makes the road: one sigma as a share of the depth.
    pub sigma: f64,
}

/// One cell of the map.
#[derive(Debug, Clone, Copy)]
struct Cell {
    /// Its ray in the optical frame; z is 1.
    ray: Vector3<f64>,
    /// Its depth as the map has it; no number where there is none.
    depth: f64,
}

/// A cell that stands: its range from the camera, and its place in the vehicle frame.
#[derive(Debug, Clone, Copy)]
struct Standing {
    range_m: f64,
    p: Vector3<f64>,
}

impl Cell {
    /// By how much the cell is nearer than the road `inverse . ray = 1/z`, as a share: 0 on it, 1 at the camera.
    fn before(&self, inverse: &Vector3<f64>) -> f64 {
        1.0 - self.depth * inverse.dot(&self.ray)
    }
}

/// Finds what stands in depth maps; keeps its memory from map to map.
#[derive(Debug, Clone, Default)]
pub struct StandingFinder {
    /// The map's cells that are looked at, row by row.
    cells: Vec<Cell>,
    columns: usize,
    /// Angle between neighbours, rad.
    apart_rad: f64,
    road: Vec<Cell>,
    off: Vec<f64>,
    standing: Vec<Option<Standing>>,
    stack: Vec<(usize, Standing)>,
    /// The cells of the thing at hand, each with its tile.
    members: Vec<(i32, Standing)>,
}

impl StandingFinder {
    /// Fills `out`, nearest first, from a map in metres (as a network has them) of a camera at `height_m` over the road. Where
    /// no road is found `out` stays empty and there is `None`: that is no clear road.
    pub fn find(
        &mut self,
        map: &DepthMap,
        camera: &Camera,
        (vehicle_from_optical, height_m): (&Transform<Vehicle, Optical>, f64),
        out: &mut Vec<Obstacle>,
    ) -> Option<DepthRoad> {
        out.clear();
        self.gather(map, camera);
        let up = vehicle_from_optical.inverse().rotate(&Vector3::z());
        self.expect_road(vehicle_from_optical, (&up, height_m));
        let inverse = self.refine(self.search((&up, height_m))?);
        let road = self.judge(&inverse, height_m)?;
        self.stand(&inverse, &road, (vehicle_from_optical, height_m));
        self.cluster(&vehicle_from_optical.isometry().translation.vector, out);
        Some(road)
    }

    fn gather(&mut self, map: &DepthMap, camera: &Camera) {
        self.cells.clear();
        let lens = camera.lens();
        let [rows, columns] = [map.height, map.width].map(|n| n.div_ceil(ALONG_SIDE).max(1));
        self.columns = map.width.div_ceil(columns);
        let apart = |cells: usize, focal: f64, scale: f32| cells as f64 / (focal * f64::from(scale));
        let area = apart(columns, camera.fx, map.scale_x) * apart(rows, camera.fy, map.scale_y);
        self.apart_rad = area.abs().sqrt().clamp(1e-4, 1.0);
        let (width, height) = (f64::from(camera.width), f64::from(camera.height));
        for row in (0..map.height).step_by(rows) {
            for column in (0..map.width).step_by(columns) {
                let depth = map.values.get(row * map.width + column).copied().unwrap_or(f32::NAN);
                let x = f64::from((column as f32 + 0.5 - map.offset_x) / map.scale_x);
                let y = f64::from((row as f32 + 0.5 - map.offset_y) / map.scale_y);
                let inside = x >= 0.0 && y >= 0.0 && x < width && y < height && depth > 0.0 && depth.is_finite();
                let ray =
                    if inside { camera.unproject_with(&lens, centred_from_continuous([x, y])).ok() } else { None };
                self.cells.push(match ray.filter(|ray| ray.z > 0.0) {
                    Some(ray) => Cell { ray: ray / ray.z, depth: f64::from(depth) },
                    None => Cell { ray: Vector3::z(), depth: f64::NAN },
                });
            }
        }
    }

    /// The cells where the mounting has the camera look at the road near the vehicle's way.
    fn expect_road(
        &mut self,
        vehicle_from_optical: &Transform<Vehicle, Optical>,
        (up, height_m): (&Vector3<f64>, f64),
    ) {
        self.road.clear();
        let on_way = |cell: &&Cell| {
            let down = -up.dot(&cell.ray);
            if down <= 0.0 || cell.depth.is_nan() {
                return false;
            }
            let foot = vehicle_from_optical.rotate(&(cell.ray * (height_m / down)));
            (0.0..ROAD_AHEAD_M).contains(&foot.x) && foot.y.abs() < ROAD_ASIDE_M
        };
        self.road.extend(self.cells.iter().filter(on_way));
    }

    /// The best supported road through three cells.
    fn search(&self, (up, height_m): (&Vector3<f64>, f64)) -> Option<Vector3<f64>> {
        if self.road.len() < ROAD_CELLS_MIN {
            return None;
        }
        let mut state = SEED;
        let mut best: Option<(i64, Vector3<f64>)> = None;
        for _ in 0..TRIPLES {
            let mut pick = || self.road.get(next_index(&mut state, self.road.len())).copied();
            let (Some(a), Some(b), Some(c)) = (pick(), pick(), pick()) else { continue };
            let rays = Matrix3::from_rows(&[a.ray.transpose(), b.ray.transpose(), c.ray.transpose()]);
            let depths = Vector3::new(1.0 / a.depth, 1.0 / b.depth, 1.0 / c.depth);
            let Some(inverse) = rays.lu().solve(&depths).filter(|i| is_road(i, up, height_m)) else { continue };
            // Nothing lies beneath a road: what is farther than it speaks against it.
            let vote = |cell: &Cell| {
                let before = cell.before(&inverse);
                i64::from(before.abs() < ON_ROAD) - i64::from(before < -2.0 * ON_ROAD)
            };
            let score = self.road.iter().map(vote).sum();
            if best.is_none_or(|(most, _)| score > most) {
                best = Some((score, inverse));
            }
        }
        best.map(|(_, inverse)| inverse)
    }

    /// Least squares of the relative depth with Tukey's weights about the road found.
    fn refine(&self, mut inverse: Vector3<f64>) -> Vector3<f64> {
        for _ in 0..REFINEMENTS {
            let (mut normal, mut right) = (Matrix3::zeros(), Vector3::zeros());
            for cell in &self.road {
                let q = cell.before(&inverse) / (2.0 * ON_ROAD);
                if q.abs() < 1.0 {
                    let (weight, row) = ((1.0 - q * q).powi(2), cell.ray * cell.depth);
                    normal += weight * row * row.transpose();
                    right += weight * row;
                }
            }
            let Some(next) = normal.cholesky().map(|c| c.solve(&right)).filter(|i| i.iter().all(|v| v.is_finite()))
            else {
                return inverse;
            };
            inverse = next;
        }
        inverse
    }

    /// What the road found is worth; `None` where too little of what is expected to be road lies on it.
    fn judge(&mut self, inverse: &Vector3<f64>, height_m: f64) -> Option<DepthRoad> {
        self.off.clear();
        self.off.extend(self.road.iter().map(|cell| cell.before(inverse).abs()).filter(|off| *off < 2.0 * ON_ROAD));
        let support = self.off.len() as f64 / self.road.len().max(1) as f64;
        if self.off.len() < ROAD_CELLS_MIN || support < ROAD_SHARE_MIN {
            return None;
        }
        let middle = self.off.len() / 2;
        let (_, median, _) = self.off.select_nth_unstable_by(middle, f64::total_cmp);
        Some(DepthRoad { scale: height_m * inverse.norm(), support, sigma: SIGMA_OF_MAD * *median })
    }

    /// The cells that stand on the road.
    fn stand(
        &mut self,
        inverse: &Vector3<f64>,
        road: &DepthRoad,
        (vehicle_from_optical, height_m): (&Transform<Vehicle, Optical>, f64),
    ) {
        let lowest_m = HEIGHT_MIN_M.max(HEIGHT_SIGMAS * road.sigma * height_m);
        let origin = vehicle_from_optical.isometry().translation.vector;
        self.standing.clear();
        self.standing.extend(self.cells.iter().map(|cell| {
            // No number fails every comparison.
            let height = height_m * cell.before(inverse);
            let offset = vehicle_from_optical.rotate(&(cell.ray * (cell.depth * road.scale)));
            let range_m = offset.norm();
            let stands = height >= lowest_m && height < HEIGHT_MAX_M && (RANGE_MIN_M..=RANGE_MAX_M).contains(&range_m);
            stands.then(|| Standing { range_m, p: origin + offset })
        }));
    }

    /// Turns the cells that stand into obstacles, nearest first.
    fn cluster(&mut self, origin: &Vector3<f64>, out: &mut Vec<Obstacle>) {
        for seed in 0..self.standing.len() {
            let Some(first) = self.standing.get_mut(seed).and_then(Option::take) else { continue };
            self.members.clear();
            self.stack.push((seed, first));
            while let Some((at, here)) = self.stack.pop() {
                self.members.push((0, here));
                for next in neighbours(at, self.columns) {
                    let slot = self.standing.get_mut(next);
                    let like =
                        |s: &mut Standing| s.range_m.max(here.range_m) <= LIKE_DEPTH * s.range_m.min(here.range_m);
                    if let Some(there) = slot.and_then(|slot| slot.take_if(like)) {
                        self.stack.push((next, there));
                    }
                }
            }
            self.emit(origin, out);
        }
        out.sort_by(|a, b| a.range_m.total_cmp(&b.range_m).then(a.nearest.xyz.y.total_cmp(&b.nearest.xyz.y)));
    }

    /// Turns the members into one obstacle, or one for each tile where they reach too far across.
    fn emit(&mut self, origin: &Vector3<f64>, out: &mut Vec<Obstacle>) {
        let across = self.members.iter().map(|(_, s)| s.p.y);
        let (right, left) = across.fold((f64::MAX, f64::MIN), |(low, high), y| (low.min(y), high.max(y)));
        if left - right > EXTENT_MAX_M {
            self.members.iter_mut().for_each(|(tile, s)| *tile = (s.p.y / TILE_M).round() as i32);
        }
        self.members.sort_by(|(a, s), (b, t)| a.cmp(b).then(s.range_m.total_cmp(&t.range_m)));
        for piece in self.members.chunk_by(|(a, _), (b, _)| a == b) {
            out.extend(obstacle(piece, origin, self.apart_rad));
        }
    }
}

/// Places of the eight cells around one in a map of so many columns; some lie outside it.
fn neighbours(at: usize, columns: usize) -> impl Iterator<Item = usize> {
    let (row, column) = (at / columns.max(1), at % columns.max(1));
    let rows = row.saturating_sub(1)..=row + 1;
    let across = column.saturating_sub(1)..=(column + 1).min(columns.saturating_sub(1));
    rows.flat_map(move |r| across.clone().map(move |c| r * columns + c)).filter(move |next| *next != at)
}

/// One obstacle of cells sorted by range; `None` where they are too few for it.
fn obstacle(cells: &[(i32, Standing)], origin: &Vector3<f64>, apart_rad: f64) -> Option<Obstacle> {
    let (_, surface) = *cells.get((STRAYS * cells.len() as f64) as usize)?;
    let own = cells.iter().map(|(_, s)| s).filter(|s| s.range_m <= SMEAR * surface.range_m);
    let empty = (Vector3::repeat(f64::MAX), Vector3::repeat(f64::MIN), 0u32);
    let (low, high, n_points) = own.fold(empty, |(low, high, n), s| (low.inf(&s.p), high.sup(&s.p), n + 1));
    let expected = PATCH_M2 / (apart_rad * surface.range_m).powi(2);
    if f64::from(n_points) < expected.clamp(CELLS_LEAST, CELLS_MOST) {
        return None;
    }
    let sight = (surface.p - origin).try_normalize(0.0)?;
    let [along, across] = [RANGE_SIGMA_SHARE, ACROSS_SIGMA_SHARE].map(|share| share * surface.range_m);
    let covariance =
        across * across * Matrix3::identity() + (along * along - across * across) * sight * sight.transpose();
    Some(Obstacle {
        nearest: Point3::from_vector(surface.p),
        range_m: surface.range_m,
        covariance,
        centre: Point3::from_vector(0.5 * (low + high)),
        size_m: (high - low).into(),
        n_points,
    })
}

/// Whether a plane can be the road, given where the mounting has it.
fn is_road(inverse: &Vector3<f64>, up: &Vector3<f64>, height_m: f64) -> bool {
    let (length, scale) = (inverse.norm(), inverse.norm() * height_m);
    let tilt = (-inverse.dot(up) / length).clamp(-1.0, 1.0).acos();
    tilt < TILT_MAX_RAD && (1.0 / SCALE_MAX..SCALE_MAX).contains(&scale)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DepthKind;
    use crate::space::Distortion;
    use nalgebra::{Isometry3, Rotation3, UnitQuaternion};

    const HEIGHT_M: f64 = 1.5;

    fn camera() -> Camera {
        Camera { width: 640, height: 384, fx: 460.0, fy: 460.0, cx: 319.5, cy: 191.5, distortion: Distortion::None }
    }

    /// Level but for `pitch`, looking ahead.
    fn mount(pitch: f64) -> Transform<Vehicle, Optical> {
        let axes = Matrix3::new(0.0, 0.0, 1.0, -1.0, 0.0, 0.0, 0.0, -1.0, 0.0);
        let turn = UnitQuaternion::from_rotation_matrix(&Rotation3::from_matrix_unchecked(axes));
        let pitched = UnitQuaternion::from_axis_angle(&Vector3::y_axis(), pitch);
        Transform::from_isometry(Isometry3::from_parts(Vector3::new(1.5, 0.0, HEIGHT_M).into(), pitched * turn))
    }

    /// A flat road with boxes (ahead, right, left, height) as a map whose depths are wrong by `scale` and `noise`.
    fn map(boxes: &[[f64; 4]], mount: &Transform<Vehicle, Optical>, scale: f64, noise: f64) -> DepthMap {
        let (width, height) = (80, 48);
        let mut state = 7;
        let mut values = Vec::new();
        for row in 0..height {
            for column in 0..width {
                let uv = [8.0 * (f64::from(column) + 0.5) - 0.5, 8.0 * (f64::from(row) + 0.5) - 0.5];
                let ray = camera().unproject(uv).unwrap();
                let d = mount.rotate(&(ray / ray.z));
                let mut z = if d.z < -1e-3 { HEIGHT_M / -d.z } else { 90.0 };
                for [ahead, right, left, high] in boxes {
                    let t = (ahead - 1.5) / d.x;
                    let (y, up) = (t * d.y, HEIGHT_M + t * d.z);
                    if (*right..*left).contains(&y) && (0.0..*high).contains(&up) {
                        z = z.min(t);
                    }
                }
                let wobble = 1.0 + noise * (next_index(&mut state, 2001) as f64 / 1000.0 - 1.0);
                values.push((z * scale * wobble) as f32);
            }
        }
        let scale_x = 80.0 / 640.0;
        DepthMap {
            width: width as usize,
            height: height as usize,
            values,
            kind: DepthKind::Metric,
            focal: None,
            scale_x,
            offset_x: 0.0,
            scale_y: scale_x,
            offset_y: 0.0,
        }
    }

    fn find(map: &DepthMap) -> (Vec<Obstacle>, Option<DepthRoad>) {
        let mut out = Vec::new();
        let road = StandingFinder::default().find(map, &camera(), (&mount(0.0), HEIGHT_M), &mut out);
        (out, road)
    }

    #[test]
    fn a_crate_and_a_wall_stand_and_a_road_of_wrong_scale_that_pitches_is_clear() {
        for (scale, pitch) in [(1.0, 0.0), (0.7, 0.02), (1.4, -0.02)] {
            let (found, road) = find(&map(&[], &mount(pitch), scale, 0.03));
            let road = road.unwrap();
            assert!(found.is_empty(), "{found:?}");
            assert!((road.scale * scale - 1.0).abs() < 0.05 && road.support > 0.9, "{road:?} of {scale}");
            let boxes = [[10.0, -0.5, 0.7, 1.0], [20.0, -4.0, 4.0, 2.5]];
            let (found, _) = find(&map(&boxes, &mount(pitch), scale, 0.03));
            let at = |x: f64| found.iter().filter(|o| (o.nearest.xyz.x - x).abs() < 0.15 * x).count();
            assert!(at(10.0) == 1 && at(20.0) >= 2 && found.len() == at(10.0) + at(20.0), "{found:?}");
            let along = found[0].nearest.xyz - Vector3::new(1.5, 0.0, HEIGHT_M);
            assert!((along.x - 8.5).abs() < 0.12 * 8.5 && along.y.abs() < 0.8, "{along}");
        }
    }

    #[test]
    fn without_a_road_there_is_no_answer() {
        let wall = map(&[[4.0, -9.0, 9.0, 9.0]], &mount(0.0), 1.0, 0.02);
        assert_eq!(find(&wall), (Vec::new(), None));
        let nothing = DepthMap { values: vec![f32::NAN; 80 * 48], ..wall.clone() };
        assert_eq!(find(&nothing), (Vec::new(), None));
        let empty = DepthMap { values: Vec::new(), width: 0, height: 0, ..wall };
        assert_eq!(find(&empty), (Vec::new(), None));
    }
}
