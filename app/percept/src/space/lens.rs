//! Distortion of a lens as a map between normalised picture coordinates, both ways, and how far out it holds.
//!
//! Coordinates are those of the plane z = 1 of the optical frame: `x = X/Z`, `y = Y/Z`. The polynomials are OpenCV's
//! (`calib3d`, "Detailed Description": plumb_bob and rational; `fisheye`: equidistant). A calibration's polynomial is
//! fitted inside the picture only: further out it turns over and folds far directions back into the picture, so each
//! [`Lens`] knows the angle up to which its radial part grows, and refuses what lies beyond. Knows no pixels.

use nalgebra::Vector3;

use super::Distortion;

/// Steps of the search for the angle at which the radial polynomial turns over: finer than the lens's own curvature.
const LIMIT_STEPS: usize = 256;
/// The last angle looked at for models on the plane z = 1, which ends at 90 degrees.
const PLANE_ANGLE_MAX_RAD: f64 = 89.5 * std::f64::consts::PI / 180.0;
/// Newton's method doubles its digits each step; from the radial solution it needs 3 to 5.
const NEWTON_STEPS_MAX: usize = 30;
/// Residual, in normalised units, at which an inverse counts as found: a millionth of a pixel at a focal length of 1e4.
const CONVERGED_RESIDUAL: f64 = 1e-10;

/// A distortion model prepared for use: how far from the axis it holds is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lens {
    distortion: Distortion,
    /// Largest radius on the plane z = 1, or largest angle in radians for the equidistant model.
    limit: f64,
}

impl Lens {
    /// Prepares `distortion`, whose coefficients must be finite (see `Camera::validate`).
    pub fn new(distortion: Distortion) -> Self {
        Self { distortion, limit: monotonic_limit(&distortion) }
    }

    /// Angle from the optical axis in radians up to which the model holds.
    pub fn limit_rad(&self) -> f64 {
        match self.distortion {
            Distortion::Equidistant(_) => self.limit,
            _ => self.limit.atan(),
        }
    }

    /// Distorted normalised coordinates of a direction of the optical frame; `None` beyond the model's range, behind
    /// the camera (for models on the plane z = 1) or where a number is not finite.
    pub fn distort(&self, ray: &Vector3<f64>) -> Option<[f64; 2]> {
        if let Distortion::Equidistant(k) = &self.distortion {
            let radius = ray.x.hypot(ray.y);
            let angle = radius.atan2(ray.z);
            if angle.is_nan() || angle > self.limit {
                return None;
            }
            if radius == 0.0 {
                return Some([0.0, 0.0]);
            }
            let scale = angle * equidistant_gain(k, angle * angle).0 / radius;
            return Some([ray.x * scale, ray.y * scale]);
        }
        if ray.z.is_nan() || ray.z <= 0.0 {
            return None;
        }
        let (x, y) = (ray.x / ray.z, ray.y / ray.z);
        let radius = x.hypot(y);
        if radius.is_nan() || radius > self.limit {
            return None;
        }
        Some(self.distort_plane(x, y).0)
    }

    /// The unit direction in the optical frame that distorts to (x, y); `None` where there is none within the range.
    pub fn undistort(&self, x: f64, y: f64) -> Option<Vector3<f64>> {
        if !(x.is_finite() && y.is_finite()) {
            return None;
        }
        match &self.distortion {
            Distortion::None => Some(Vector3::new(x, y, 1.0).normalize()),
            Distortion::Equidistant(_) => {
                let distorted = x.hypot(y);
                let angle = self.invert_radial(distorted)?;
                let scale = if distorted > 0.0 { angle.sin() / distorted } else { 0.0 };
                Some(Vector3::new(x * scale, y * scale, angle.cos()))
            }
            _ => self.undistort_plane(x, y),
        }
    }

    /// The distorted point and the Jacobian [dxd/dx, dxd/dy, dyd/dx, dyd/dy] of the models on the plane z = 1.
    fn distort_plane(&self, x: f64, y: f64) -> ([f64; 2], [f64; 4]) {
        let s = x * x + y * y;
        let (gain, slope) = self.plane_gain(s);
        let (p1, p2) = match &self.distortion {
            Distortion::PlumbBob(k) => (k[2], k[3]),
            Distortion::Rational(k) => (k[2], k[3]),
            _ => (0.0, 0.0),
        };
        let distorted = [
            x * gain + 2.0 * p1 * x * y + p2 * (s + 2.0 * x * x),
            y * gain + p1 * (s + 2.0 * y * y) + 2.0 * p2 * x * y,
        ];
        let cross = 2.0 * x * y * slope + 2.0 * p1 * x + 2.0 * p2 * y;
        let jacobian = [
            gain + 2.0 * x * x * slope + 2.0 * p1 * y + 6.0 * p2 * x,
            cross,
            cross,
            gain + 2.0 * y * y * slope + 6.0 * p1 * y + 2.0 * p2 * x,
        ];
        (distorted, jacobian)
    }

    /// Radial gain at squared radius `s` and its derivative by `s`, for the models on the plane z = 1.
    fn plane_gain(&self, s: f64) -> (f64, f64) {
        match &self.distortion {
            Distortion::PlumbBob(k) => cubic(k[0], k[1], k[4], s),
            Distortion::Rational(k) => {
                let (top, top_slope) = cubic(k[0], k[1], k[4], s);
                let (bottom, bottom_slope) = cubic(k[5], k[6], k[7], s);
                (top / bottom, (top_slope * bottom - top * bottom_slope) / (bottom * bottom))
            }
            _ => (1.0, 0.0),
        }
    }

    /// Distorted radius at radius (or angle) `t`, without the tangential part.
    fn radial(&self, t: f64) -> f64 {
        match &self.distortion {
            Distortion::Equidistant(k) => t * equidistant_gain(k, t * t).0,
            _ => t * self.plane_gain(t * t).0,
        }
    }

    /// The radius (or angle) within the range whose distorted radius is `distorted`, by bisection of the growing part.
    fn invert_radial(&self, distorted: f64) -> Option<f64> {
        let (mut low, mut high) = (0.0, self.limit);
        if distorted > self.radial(high) {
            return None;
        }
        // 80 halvings of at most 180 degrees or 115 focal lengths end below the spacing of f64.
        for _ in 0..80 {
            let middle = 0.5 * (low + high);
            if self.radial(middle) < distorted {
                low = middle;
            } else {
                high = middle;
            }
        }
        Some(0.5 * (low + high))
    }

    /// Newton's method in two dimensions from the radial solution.
    fn undistort_plane(&self, x: f64, y: f64) -> Option<Vector3<f64>> {
        let distorted = x.hypot(y);
        // The tangential part may carry a point at the rim just beyond the radial range: begin at the rim then.
        let radius = self.invert_radial(distorted).unwrap_or(self.limit);
        let scale = if distorted > 0.0 { radius / distorted } else { 1.0 };
        let mut estimate = [x * scale, y * scale];
        for _ in 0..NEWTON_STEPS_MAX {
            let (at, jacobian) = self.distort_plane(estimate[0], estimate[1]);
            let residual = [at[0] - x, at[1] - y];
            if residual[0].hypot(residual[1]) < CONVERGED_RESIDUAL {
                let inside = estimate[0].hypot(estimate[1]) <= self.limit;
                return inside.then(|| Vector3::new(estimate[0], estimate[1], 1.0).normalize());
            }
            let determinant = jacobian[0] * jacobian[3] - jacobian[1] * jacobian[2];
            if determinant.is_nan() || determinant.abs() <= f64::EPSILON {
                return None;
            }
            estimate[0] -= (jacobian[3] * residual[0] - jacobian[1] * residual[1]) / determinant;
            estimate[1] -= (jacobian[0] * residual[1] - jacobian[2] * residual[0]) / determinant;
        }
        None
    }
}

/// `1 + a s + b s^2 + c s^3` and its derivative by `s`.
fn cubic(a: f64, b: f64, c: f64, s: f64) -> (f64, f64) {
    (1.0 + s * (a + s * (b + s * c)), a + s * (2.0 * b + s * 3.0 * c))
}

/// The equidistant model's `1 + k1 s + k2 s^2 + k3 s^3 + k4 s^4` and its derivative by `s`, `s` the squared angle.
fn equidistant_gain(k: &[f64; 4], s: f64) -> (f64, f64) {
    let value = 1.0 + s * (k[0] + s * (k[1] + s * (k[2] + s * k[3])));
    let slope = k[0] + s * (2.0 * k[1] + s * (3.0 * k[2] + s * 4.0 * k[3]));
    (value, slope)
}

/// Where the distorted radius stops growing: a radius on the plane z = 1, or an angle for the equidistant model.
fn monotonic_limit(distortion: &Distortion) -> f64 {
    let (end, equidistant) = match distortion {
        Distortion::None => return f64::INFINITY,
        Distortion::Equidistant(_) => (std::f64::consts::PI, true),
        Distortion::PlumbBob(_) | Distortion::Rational(_) => (PLANE_ANGLE_MAX_RAD, false),
    };
    let probe = Lens { distortion: *distortion, limit: f64::INFINITY };
    let grows = |angle: f64| {
        let t = if equidistant { angle } else { angle.tan() };
        let s = t * t;
        let (gain, slope) = match distortion {
            Distortion::Equidistant(k) => equidistant_gain(k, s),
            _ => probe.plane_gain(s),
        };
        // A gain at or below zero also marks a pole of the rational model.
        gain > 0.0 && gain + 2.0 * s * slope > 0.0
    };
    let step = end / LIMIT_STEPS as f64;
    let mut good = end;
    for i in 1..=LIMIT_STEPS {
        if !grows(step * i as f64) {
            let (mut low, mut high) = (step * (i - 1) as f64, step * i as f64);
            for _ in 0..40 {
                let middle = 0.5 * (low + high);
                if grows(middle) {
                    low = middle;
                } else {
                    high = middle;
                }
            }
            good = low;
            break;
        }
    }
    if equidistant { good } else { good.tan() }
}
