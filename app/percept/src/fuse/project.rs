//! A sweep seen through a camera: which point lands on which pixel.
//!
//! Output is a structure of arrays in the order of the sweep, clipped to the picture and to [`Z_MIN_M`]; points that are
//! not finite are skipped and counted. Pixels are continuous coordinates (pixel (0, 0) covers 0 to 1), as boxes are.
//! Points are indexed by tiles of the picture, so that a box looks at its own tiles and not at the whole sweep. What hides behind
//! what is not judged here: a LiDAR on the roof sees points that the camera does not.

use super::surface::Sample;
use crate::cloud::Cloud;
use crate::detection::BoxPx;
use crate::space::{Camera, Distortion, Lens, Lidar, Optical, Transform};
use crate::wide;

/// Points nearer to the picture plane than this are the vehicle itself or noise, and their pixels are ill-defined.
pub const Z_MIN_M: f64 = 0.1;

/// Sides of the tiles that points are kept by: a few tiles for the smallest boxes of interest, and an index that stays in cache.
const TILE_PX: f32 = 16.0;

/// The part of a sweep that a camera sees. All vectors but the index of tiles have the same length.
#[derive(Debug, Clone, Default)]
pub struct Projected {
    /// Column, continuous pixel coordinates.
    pub u: Vec<f32>,
    /// Row, continuous pixel coordinates.
    pub v: Vec<f32>,
    /// The point in the optical frame, metres.
    pub xyz: Vec<[f32; 3]>,
    /// Distance from the camera's centre, metres.
    pub range_m: Vec<f32>,
    /// When the point was measured, seconds from the sweep's stamp; 0 where the sensor does not say.
    pub measured_s: Vec<f32>,
    /// Index of the point in the sweep.
    pub index: Vec<u32>,
    /// Points of the sweep that were not finite.
    pub not_finite: usize,
    /// Tiles over each other.
    rows: usize,
    /// Where each tile's points begin, column of tiles after column.
    tile_start: Vec<u32>,
    /// The points in the order of tiles, whole: so a box reads on and does not jump about.
    by_tile: Vec<Sample>,
    /// Points that a quick look did not rule out.
    maybe_seen: Vec<u32>,
}

impl Projected {
    /// Points in the picture.
    pub fn len(&self) -> usize {
        self.u.len()
    }

    /// Whether the camera sees no point.
    pub fn is_empty(&self) -> bool {
        self.u.is_empty()
    }

    /// Forgets the points and keeps the allocations.
    pub fn clear(&mut self) {
        self.u.clear();
        self.v.clear();
        self.xyz.clear();
        self.range_m.clear();
        self.measured_s.clear();
        self.index.clear();
        self.tile_start.clear();
        self.by_tile.clear();
        self.not_finite = 0;
    }

    /// The points inside a box in a fixed order (by tile, then by sweep), each with its place in that order of all points.
    pub(super) fn in_box(&self, bbox: BoxPx) -> impl Iterator<Item = (usize, &Sample)> {
        let columns = self.tile_start.len().saturating_sub(1) / self.rows.max(1);
        // Casts of negative or NaN edges saturate at 0.
        let tiles = |from: f32, to: f32, count: usize| {
            let first = ((from / TILE_PX) as usize).min(count);
            first..if to >= 0.0 { ((to / TILE_PX) as usize + 1).min(count) } else { first }
        };
        let (across, down) = (tiles(bbox.x0, bbox.x1, columns), tiles(bbox.y0, bbox.y1, self.rows));
        let inside = move |p: &Sample| p.u >= bbox.x0 && p.u < bbox.x1 && p.v >= bbox.y0 && p.v < bbox.y1;
        across.flat_map(move |column| {
            let start = |row: usize| self.tile_start.get(column * self.rows + row).map_or(0, |&s| s as usize);
            let (from, to) = (start(down.start), start(down.end.max(down.start)));
            let points = self.by_tile.get(from..to).unwrap_or_default();
            points.iter().enumerate().filter(move |(_, p)| inside(p)).map(move |(i, p)| (from + i, p))
        })
    }

    fn push(&mut self, u: f64, v: f64, p: [f64; 3], index: usize) {
        self.u.push(u as f32);
        self.v.push(v as f32);
        self.xyz.push([p[0] as f32, p[1] as f32, p[2] as f32]);
        self.range_m.push((p[0] * p[0] + p[1] * p[1] + p[2] * p[2]).sqrt() as f32);
        self.index.push(index as u32);
    }

    /// Counting sort of the points by tile; stable, so the order is that of the sweep within a tile.
    fn index_tiles(&mut self, width: u32, height: u32) {
        let tiles = |pixels: u32| (pixels as f32 / TILE_PX).ceil() as usize;
        let (columns, rows) = (tiles(width), tiles(height));
        // In single precision a point may be rounded onto the picture's far edge.
        let tile = |pixels: f32, count: usize| ((pixels / TILE_PX) as usize).min(count.saturating_sub(1));
        let tile_of = |u: f32, v: f32| tile(u, columns) * rows + tile(v, rows);
        self.rows = rows;
        self.tile_start.resize(columns * rows + 2, 0);
        for (&u, &v) in self.u.iter().zip(&self.v) {
            // Two places on, so that after the fill below each entry holds its own tile's start.
            if let Some(count) = self.tile_start.get_mut(tile_of(u, v) + 2) {
                *count += 1;
            }
        }
        let mut total = 0;
        for count in &mut self.tile_start {
            total += *count;
            *count = total;
        }
        self.by_tile.resize(self.u.len(), Sample::default());
        let pixels = self.u.iter().zip(&self.v);
        let points = self.xyz.iter().zip(&self.range_m).zip(&self.measured_s);
        for ((&u, &v), ((&xyz, &range_m), &measured_s)) in pixels.zip(points) {
            if let Some(next) = self.tile_start.get_mut(tile_of(u, v) + 1) {
                if let Some(slot) = self.by_tile.get_mut(*next as usize) {
                    *slot = Sample { u, v, xyz, range_m, measured_s };
                }
                *next += 1;
            }
        }
        self.tile_start.truncate(columns * rows + 1);
    }
}

/// Projects a sweep into `out`, which is cleared first. `camera` must be valid (`Camera::validate`) and of the
/// picture's own size; `lens` is its lens.
pub fn project_cloud(
    cloud: &Cloud,
    optical_from_lidar: &Transform<Optical, Lidar>,
    camera: &Camera,
    lens: &Lens,
    out: &mut Projected,
) {
    out.clear();
    let mut maybe_seen = std::mem::take(&mut out.maybe_seen);
    let r = optical_from_lidar.isometry().rotation.to_rotation_matrix();
    let t = optical_from_lidar.isometry().translation.vector;
    let row = |i: usize| [r[(i, 0)], r[(i, 1)], r[(i, 2)], t[i]];
    let rows = [row(0), row(1), row(2)];
    let (width, height) = (f64::from(camera.width), f64::from(camera.height));
    let rectified = camera.distortion == Distortion::None;
    let mut project = |index: usize, point: &[f32; 3]| {
        let p = point.map(f64::from);
        let z = dot(&rows[2], &p);
        if z < Z_MIN_M || !z.is_finite() {
            out.not_finite += usize::from(!point.iter().all(|c| c.is_finite()));
            return;
        }
        let (x, y) = (dot(&rows[0], &p), dot(&rows[1], &p));
        let plane = if rectified { Some([x / z, y / z]) } else { lens.distort(&nalgebra::Vector3::new(x, y, z)) };
        let Some([xd, yd]) = plane else { return };
        let (u, v) = (camera.fx * xd + camera.cx + 0.5, camera.fy * yd + camera.cy + 0.5);
        if u >= 0.0 && u < width && v >= 0.0 && v < height {
            out.push(u, v, [x, y, z], index);
            out.measured_s.push(cloud.measured_at_s(index));
        }
    };
    in_sight(&cloud.xyz, &Sight::new(&rows, camera), &mut maybe_seen);
    for &index in &maybe_seen {
        if let Some(point) = cloud.xyz.get(index as usize) {
            project(index as usize, point);
        }
    }
    out.maybe_seen = maybe_seen;
    out.index_tiles(camera.width, camera.height);
}

/// Points that are looked at together, for the compiler to vectorise.
const LANES: usize = 16;
/// Rounding of single precision errs by less than this share of the numbers that go in: the sum of a few times 6e-8.
const SLACK: f32 = 1e-5;

/// What lies within sight, told quickly and generously: most points of a sweep do not, and need no exact look.
struct Sight {
    rows: [[f32; 4]; 3],
    /// For columns and rows: focal length, and the offsets of the first and of the last pixel's edge; zeros where the lens bends.
    edges: [[f32; 3]; 2],
    /// What a metre of slack is in pixels times metres.
    slack_px: f32,
}

impl Sight {
    fn new(rows: &[[f64; 4]; 3], camera: &Camera) -> Self {
        let straight = if camera.distortion == Distortion::None { 1.0 } else { 0.0 };
        let edge = |f: f64, c: f64, pixels: u32| {
            [f, c + 0.5, c + 0.5 - f64::from(pixels)].map(|value| (straight * value) as f32)
        };
        let edges = [edge(camera.fx, camera.cx, camera.width), edge(camera.fy, camera.cy, camera.height)];
        let slack_px = edges.iter().flatten().map(|value| value.abs()).sum();
        Self { rows: rows.map(|row| row.map(|value| value as f32)), edges, slack_px }
    }

    /// Which points may be in the picture, or are not finite.
    #[inline(always)]
    fn of(&self, points: &[[f32; 3]; LANES]) -> [bool; LANES] {
        let mut moved = [[0.0_f32; LANES]; 3];
        let mut slack = [0.0_f32; LANES];
        let far = self.rows.iter().map(|row| row[3].abs()).sum::<f32>();
        // Plain loops over lanes: the compiler makes vectors of these and of nothing more elaborate.
        for ([a, b, c, d], out) in self.rows.iter().zip(&mut moved) {
            for ([x, y, z], out) in points.iter().zip(out) {
                *out = a * x + b * y + c * z + d;
            }
        }
        for ([x, y, z], out) in points.iter().zip(&mut slack) {
            *out = SLACK * (x.abs() + y.abs() + z.abs() + far);
        }
        let [[fx, left, right], [fy, top, bottom]] = self.edges;
        let [xs, ys, zs] = &moved;
        let mut near = [false; LANES];
        for ((((x, y), z), slack), near) in xs.iter().zip(ys).zip(zs).zip(&slack).zip(&mut near) {
            let slack_px = slack * self.slack_px;
            // Beyond an edge: none of these is true of NaN.
            let beyond = (z + slack < Z_MIN_M as f32)
                | (fx * x + left * z < -slack_px)
                | (fx * x + right * z > slack_px)
                | (fy * y + top * z < -slack_px)
                | (fy * y + bottom * z > slack_px);
            *near = !beyond;
        }
        near
    }
}

wide! {
    /// Indices of the points that may be in the picture, or are not finite, in order.
    fn in_sight(points: &[[f32; 3]], sight: &Sight, out: &mut Vec<u32>) = in_sight_of;
}

#[inline(always)]
fn in_sight_of(points: &[[f32; 3]], sight: &Sight, out: &mut Vec<u32>) {
    out.clear();
    let (blocks, rest) = points.as_chunks();
    for (block, points) in blocks.iter().enumerate() {
        let near = sight.of(points);
        let lanes = near.iter().enumerate().filter(|(_, near)| **near);
        out.extend(lanes.map(|(lane, _)| (block * LANES + lane) as u32));
    }
    out.extend((points.len() - rest.len()..points.len()).map(|index| index as u32));
}

fn dot(row: &[f64; 4], p: &[f64; 3]) -> f64 {
    row[0] * p[0] + row[1] * p[1] + row[2] * p[2] + row[3]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::Point3;
    use nalgebra::{Isometry3, Vector3};

    fn camera() -> Camera {
        Camera { width: 640, height: 480, fx: 500.0, fy: 500.0, cx: 319.5, cy: 239.5, distortion: Distortion::None }
    }

    fn looking_along_z() -> Transform<Optical, Lidar> {
        Transform::from_isometry(Isometry3::new(Vector3::new(0.1, -0.2, 0.05), Vector3::new(0.01, 0.02, -0.03)))
    }

    fn project(cloud: &Cloud, camera: &Camera) -> Projected {
        let mut out = Projected::default();
        project_cloud(cloud, &looking_along_z(), camera, &camera.lens(), &mut out);
        out
    }

    #[test]
    fn points_land_where_the_camera_says_and_broken_ones_are_counted() {
        let xyz = vec![
            [0.5, 0.2, 8.0],
            [f32::NAN, 0.0, 1.0],
            [0.0, 0.0, -5.0],
            [0.0, f32::INFINITY, 4.0],
            [0.0, 0.0, f32::INFINITY],
            [90.0, 0.0, 8.0],
            [-1.0, 0.4, 20.0],
        ];
        let cloud = Cloud { xyz, ..Cloud::default() };
        for distortion in [Distortion::None, Distortion::PlumbBob([-0.3, 0.1, 0.001, 0.0, 0.0])] {
            let camera = Camera { distortion, ..camera() };
            let out = project(&cloud, &camera);
            assert_eq!((out.index.as_slice(), out.not_finite), ([0, 6].as_slice(), 3));
            for (i, &index) in out.index.iter().enumerate() {
                let p = cloud.xyz[index as usize].map(f64::from);
                let optical = looking_along_z().apply(&Point3::new(p[0], p[1], p[2]));
                let expected = camera.project_continuous(&optical).unwrap();
                assert!((f64::from(out.u[i]) - expected[0]).abs() < 1e-3);
                assert!((f64::from(out.v[i]) - expected[1]).abs() < 1e-3);
                assert!((f64::from(out.range_m[i]) - optical.range_m()).abs() < 1e-4);
            }
        }
    }

    #[test]
    fn the_quick_look_rules_out_none_that_is_seen() {
        let part = |i: u32, by: u32| ((i.wrapping_mul(by) >> 7) % 20_011) as f32 / 20_011.0 - 0.5;
        let point = |i: u32| match i % 50 {
            0 => [f32::NAN, part(i, 7919), 1.0],
            1 => [1.0, f32::INFINITY, part(i, 7919)],
            // Many close by, where slack matters most, and some far out.
            _ => [part(i, 2_654_435_761), part(i, 2_246_822_519), part(i, 3_266_489_917)]
                .map(|v| v * [4.0, 40.0, 300.0][i as usize % 3]),
        };
        let cloud = Cloud { xyz: (0..20_003).map(point).collect(), ..Cloud::default() };
        for distortion in [Distortion::None, Distortion::PlumbBob([-0.1, 0.01, 0.0, 0.0, 0.0])] {
            let camera = Camera { distortion, ..camera() };
            let out = project(&cloud, &camera);
            let seen = |p: &[f32; 3]| {
                let p = p.map(f64::from);
                let optical = looking_along_z().apply(&Point3::new(p[0], p[1], p[2]));
                let pixel = camera.project_continuous(&optical).ok().filter(|_| optical.xyz.z >= Z_MIN_M);
                pixel.is_some_and(|[u, v]| (0.0..640.0).contains(&u) && (0.0..480.0).contains(&v))
            };
            let all: Vec<u32> = (0..cloud.len() as u32).filter(|&i| seen(&cloud.xyz[i as usize])).collect();
            assert!(all.len() > 1000, "{}", all.len());
            assert_eq!(out.index, all);
            assert_eq!(out.not_finite, cloud.xyz.iter().filter(|p| p.iter().any(|c| !c.is_finite())).count());
        }
    }

    #[test]
    fn tiles_give_what_a_full_scan_gives() {
        let mut cloud = Cloud::default();
        for i in 0..4000u32 {
            let x = ((i * 7919) % 997) as f32 / 997.0 * 16.0 - 8.0;
            let y = ((i * 104_729) % 991) as f32 / 991.0 * 10.0 - 5.0;
            cloud.xyz.push([x, y, 8.0]);
        }
        let out = project(&cloud, &camera());
        assert!(out.len() > 1000);
        let boxes =
            [[0.0, 0.0, 640.0, 480.0], [15.9, 10.0, 16.1, 470.0], [600.0, -5.0, 900.0, 500.0], [-9.0, 0.0, -1.0, 9.0]];
        for [x0, y0, x1, y1] in boxes.into_iter().chain([[300.0, 200.0, 301.0, 400.0], [f32::NAN; 4]]) {
            let bbox = BoxPx { x0, y0, x1, y1 };
            let pixel = |u: f32, v: f32| (u.to_bits(), v.to_bits());
            let mut found: Vec<_> = out.in_box(bbox).map(|(_, p)| pixel(p.u, p.v)).collect();
            assert!(out.in_box(bbox).all(|(place, p)| out.by_tile[place] == *p));
            let inside = |i: &usize| out.u[*i] >= x0 && out.u[*i] < x1 && out.v[*i] >= y0 && out.v[*i] < y1;
            let mut all: Vec<_> = (0..out.len()).filter(inside).map(|i| pixel(out.u[i], out.v[i])).collect();
            found.sort_unstable();
            all.sort_unstable();
            assert_eq!(found, all);
        }
    }

    #[test]
    fn an_empty_sweep_gives_nothing() {
        let out = project(&Cloud::default(), &camera());
        assert!(out.is_empty());
        assert_eq!(out.in_box(BoxPx { x0: 0.0, y0: 0.0, x1: 640.0, y1: 480.0 }).count(), 0);
    }
}
