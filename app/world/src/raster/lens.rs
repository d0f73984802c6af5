//! From pixels to rays and back, through the lens's distortion, with the same bits on every machine.
//!
//! Pixel coordinates are OpenCV's (the centre of the first pixel is 0, 0); rays are (x/z, y/z) in the optical frame.

use ocellus_percept::space::{Camera, Distortion};

use super::bounds::{BLOCK_COLUMNS, Block, Bounds};
use super::visibility::BAND_ROWS;
use crate::math::{Vec3, wide};

/// Where within its pixel each sample lies; the first is the pixel's centre and carries the truths.
pub(crate) const SAMPLES: [[f64; 2]; 4] = [[0.0, 0.0], [0.10, -0.39], [-0.39, 0.11], [0.30, 0.29]];
/// Undistortion stops after this many steps; mild lenses need 5 to 10.
const STEPS_MAX: usize = 40;
/// Points that are projected together.
const RUN: usize = 32;
/// Rays steeper than this (tangent of the angle to the axis, 84 degrees) are not drawn.
const TANGENT_MAX: f64 = 10.0;

/// Applies the distortion to a point of the normalised image plane.
#[inline(always)]
pub(crate) fn distort(distortion: &Distortion, x: f64, y: f64) -> (f64, f64) {
    let r2 = x * x + y * y;
    match distortion {
        Distortion::None => (x, y),
        Distortion::PlumbBob(k) => plumb_bob(k, x, y),
        Distortion::Rational([k1, k2, p1, p2, k3, k4, k5, k6]) => {
            let radial = (1.0 + r2 * (k1 + r2 * (k2 + r2 * k3))) / (1.0 + r2 * (k4 + r2 * (k5 + r2 * k6)));
            tangential(x, y, r2, radial, (*p1, *p2))
        }
        Distortion::Equidistant([k1, k2, k3, k4]) => {
            let r = r2.sqrt();
            if r < 1e-9 {
                return (x, y);
            }
            let theta = libm::atan(r);
            let t2 = theta * theta;
            let scale = theta * (1.0 + t2 * (k1 + t2 * (k2 + t2 * (k3 + t2 * k4)))) / r;
            (x * scale, y * scale)
        }
    }
}

#[inline(always)]
fn plumb_bob([k1, k2, p1, p2, k3]: &[f64; 5], x: f64, y: f64) -> (f64, f64) {
    let r2 = x * x + y * y;
    let radial = 1.0 + r2 * (k1 + r2 * (k2 + r2 * k3));
    tangential(x, y, r2, radial, (*p1, *p2))
}

#[inline(always)]
fn tangential(x: f64, y: f64, r2: f64, radial: f64, p: (f64, f64)) -> (f64, f64) {
    let (p1, p2) = p;
    (x * radial + 2.0 * p1 * x * y + p2 * (r2 + 2.0 * x * x), y * radial + p1 * (r2 + 2.0 * y * y) + 2.0 * p2 * x * y)
}

/// Finds the ray that the lens bends to (x, y) of the normalised image plane; `None` where there is none.
pub(crate) fn undistort(distortion: &Distortion, x: f64, y: f64) -> Option<(f64, f64)> {
    let (mut u, mut v) = (x, y);
    if let Distortion::Equidistant(_) = distortion {
        // A start near the answer: the angle itself, without the polynomial.
        let theta = (x * x + y * y).sqrt();
        if theta > 1.47 {
            return None;
        }
        let scale = if theta > 1e-9 { libm::tan(theta) / theta } else { 1.0 };
        (u, v) = (x * scale, y * scale);
    }
    for _ in 0..STEPS_MAX {
        let (dx, dy) = distort(distortion, u, v);
        let (ex, ey) = (x - dx, y - dy);
        if ex * ex + ey * ey < 1e-22 {
            break;
        }
        let (du, dv) = newton(distortion, (u, v), (ex, ey));
        (u, v) = (u + du, v + dv);
    }
    let (dx, dy) = distort(distortion, u, v);
    let close = (x - dx) * (x - dx) + (y - dy) * (y - dy) < 1e-12;
    (close && u * u + v * v < TANGENT_MAX * TANGENT_MAX).then_some((u, v))
}

/// One step of Newton's method with a Jacobian by differences.
fn newton(distortion: &Distortion, at: (f64, f64), error: (f64, f64)) -> (f64, f64) {
    const H: f64 = 1e-6;
    let base = distort(distortion, at.0, at.1);
    let (a, b) = (distort(distortion, at.0 + H, at.1), distort(distortion, at.0, at.1 + H));
    let (j00, j10) = ((a.0 - base.0) / H, (a.1 - base.1) / H);
    let (j01, j11) = ((b.0 - base.0) / H, (b.1 - base.1) / H);
    let det = j00 * j11 - j01 * j10;
    if libm::fabs(det) < 1e-9 {
        return error;
    }
    ((error.0 * j11 - error.1 * j01) / det, (error.1 * j00 - error.0 * j10) / det)
}

wide! {
    /// Where up to [`RUN`] points fall: columns, then rows.
    fn project_run(lens: &Lens, points: &[Vec3], pixels: &mut [[f64; RUN]; 2]) = project_all;
}

#[inline(always)]
fn project_all(lens: &Lens, points: &[Vec3], pixels: &mut [[f64; RUN]; 2]) {
    // The usual lens has a loop of its own: to choose for each point would keep it from vectorising.
    match &lens.camera.distortion {
        Distortion::PlumbBob(k) => project_each(lens, points, pixels, |x, y| plumb_bob(k, x, y)),
        other => project_each(lens, points, pixels, |x, y| distort(other, x, y)),
    }
}

#[inline(always)]
fn project_each(
    lens: &Lens,
    points: &[Vec3],
    [us, vs]: &mut [[f64; RUN]; 2],
    distort: impl Fn(f64, f64) -> (f64, f64),
) {
    for ((p, u), v) in points.iter().zip(us).zip(vs) {
        [*u, *v] = lens.bend(p.array().map(f64::from), &distort);
    }
}

/// Smallest and largest ray coordinates, x and y.
pub(crate) type Field = ([f32; 2], [f32; 2]);

/// Rays of every sample of every pixel, and which rows and columns a range of rays can fall on.
#[derive(Debug, Clone)]
pub(crate) struct Lens {
    pub(crate) camera: Camera,
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// Samples a pixel.
    pub(crate) samples: usize,
    /// x/z and y/z of each pixel's samples, side by side, pixels row-major; NaN where the lens sees nothing.
    pub(crate) rays: [Vec<f32>; 2],
    /// The same of the pixels' centres alone, which are the first samples.
    pub(crate) centres: [Vec<f32>; 2],
    rows: Bounds,
    columns: Bounds,
    /// What the blocks of each band hold, from left to right, bands from the top.
    blocks: Vec<Block>,
    /// Radius within which the distortion is trusted: a tenth beyond the picture's corners.
    reach: f64,
}

impl Lens {
    /// Rays for a camera with `samples` samples a pixel (1 to 4).
    pub(crate) fn new(camera: &Camera, samples: usize) -> Self {
        let (width, height) = (camera.width as usize, camera.height as usize);
        let (mut rows, mut columns) = (Bounds::new(height), Bounds::new(width));
        let offsets = &SAMPLES[..samples.clamp(1, SAMPLES.len())];
        let mut rays = [(); 2].map(|()| Vec::with_capacity(width * height * offsets.len()));
        let across = width.div_ceil(BLOCK_COLUMNS);
        let mut blocks = vec![Block::EMPTY; across * height.div_ceil(BAND_ROWS)];
        for v in 0..height {
            for u in 0..width {
                for offset in offsets {
                    let x = (u as f64 + offset[0] - camera.cx) / camera.fx;
                    let y = (v as f64 + offset[1] - camera.cy) / camera.fy;
                    let ray = undistort(&camera.distortion, x, y);
                    let (x, y) = ray.map_or((f32::NAN, f32::NAN), |(x, y)| (x as f32, y as f32));
                    if ray.is_some() {
                        columns.add(u, x);
                        rows.add(v, y);
                        blocks[v / BAND_ROWS * across + u / BLOCK_COLUMNS].add(x, y);
                    }
                    rays[0].push(x);
                    rays[1].push(y);
                }
            }
        }
        rows.settle();
        columns.settle();
        let samples = offsets.len();
        let centres = rays.each_ref().map(|all| all.iter().step_by(samples).copied().collect());
        let mut lens =
            Self { camera: *camera, width, height, samples, rays, centres, rows, columns, blocks, reach: 0.0 };
        let (low, high) = lens.field();
        let x = f64::from(low[0].abs().max(high[0].abs()));
        let y = f64::from(low[1].abs().max(high[1].abs()));
        lens.reach = 1.1 * (x * x + y * y).sqrt().max(0.1);
        lens
    }

    /// Pixels that rays within the box can fall on: columns then rows, half-open.
    #[inline(always)]
    pub(crate) fn pixels(&self, low: [f32; 2], high: [f32; 2]) -> [usize; 4] {
        let (x0, x1) = self.columns.range(low[0], high[0]);
        let (y0, y1) = self.rows.range(low[1], high[1]);
        [x0, x1, y0, y1]
    }

    /// The blocks of a band, from left to right.
    #[inline]
    pub(crate) fn blocks(&self, band: usize) -> &[Block] {
        let across = self.width.div_ceil(BLOCK_COLUMNS);
        &self.blocks[band * across..(band + 1) * across]
    }

    /// Smallest and largest ray coordinates of the picture.
    pub(crate) fn field(&self) -> Field {
        ([self.columns.least(), self.rows.least()], [self.columns.most(), self.rows.most()])
    }

    /// Where a point of the optical frame falls, in OpenCV's pixel coordinates. `z` must be positive. Rays the lens
    /// cannot see are bent like the last it can.
    #[inline(always)]
    pub(crate) fn project(&self, p: [f64; 3]) -> [f64; 2] {
        self.bend(p, |x, y| distort(&self.camera.distortion, x, y))
    }

    #[inline(always)]
    fn bend(&self, p: [f64; 3], distort: impl Fn(f64, f64) -> (f64, f64)) -> [f64; 2] {
        let (x, y) = (p[0] / p[2], p[1] / p[2]);
        // Written without branches so that many points vectorise: all that is done by 1 changes nothing.
        let r = (x * x + y * y).sqrt();
        let beyond = if x * x + y * y > self.reach * self.reach { r / self.reach } else { 1.0 };
        let (dx, dy) = distort(x / beyond, y / beyond);
        [dx * beyond * self.camera.fx + self.camera.cx, dy * beyond * self.camera.fy + self.camera.cy]
    }

    /// Smallest and largest pixel coordinates that the points fall on; `None` where there are none.
    pub(crate) fn pixel_bounds(&self, points: &[Vec3]) -> Option<([f64; 2], [f64; 2])> {
        let (mut low, mut high) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
        for points in points.chunks(RUN) {
            let mut pixels = [[0.0; RUN]; 2];
            project_run(self, points, &mut pixels);
            for (axis, pixels) in pixels.iter().enumerate() {
                for &p in &pixels[..points.len()] {
                    low[axis] = if p < low[axis] { p } else { low[axis] };
                    high[axis] = if p > high[axis] { p } else { high[axis] };
                }
            }
        }
        (low[0] <= high[0]).then_some((low, high))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn camera(distortion: Distortion) -> Camera {
        Camera { width: 64, height: 40, fx: 50.0, fy: 50.0, cx: 31.5, cy: 19.5, distortion }
    }

    #[test]
    fn pixels_survive_the_way_to_the_ray_and_back() {
        let lenses = [
            Distortion::None,
            Distortion::PlumbBob([-0.12, 0.03, 0.001, -0.0005, 0.0]),
            Distortion::Rational([0.1, -0.02, 0.0, 0.0, 0.0, 0.05, 0.0, 0.0]),
            Distortion::Equidistant([0.01, -0.002, 0.0, 0.0]),
        ];
        for distortion in lenses {
            let lens = Lens::new(&camera(distortion), 1);
            for v in (0..40).step_by(5) {
                for u in (0..64).step_by(7) {
                    let (x, y) = (lens.rays[0][v * 64 + u], lens.rays[1][v * 64 + u]);
                    let p = lens.project([f64::from(x) * 7.0, f64::from(y) * 7.0, 7.0]);
                    assert!(
                        (p[0] - u as f64).abs() < 1e-3 && (p[1] - v as f64).abs() < 1e-3,
                        "{distortion:?} {u} {v} {p:?}"
                    );
                    let [x0, x1, y0, y1] = lens.pixels([x, y], [x, y]);
                    assert!((x0..x1).contains(&u) && (y0..y1).contains(&v));
                }
            }
        }
    }
}
