//! The corridor: the ground the vehicle is about to sweep, from its outline, speed and yaw rate.
//!
//! The path is the circle (or line) that the middle of the rear axle follows at the present curvature. Points are placed on
//! it by arc length ahead of that axle and by offset to the left. In a turn the outer front corner swings beyond half the
//! width: that is part of the corridor. Metres, radians and seconds in the vehicle frame. Says nothing of what stands in it.

use nalgebra::{Matrix2, Vector2};
use serde::{Deserialize, Serialize};

/// Slower than this a yaw rate says nothing of the path: m/s. The corridor is straight then.
const SPEED_MIN_MPS: f64 = 1.5;
/// Less curvature than this is straight, 1/m: a radius of 10 km.
const CURVATURE_MIN: f64 = 1e-4;
/// Steering angle of a road vehicle's wheels at the stop, radians.
const STEERING_MAX_RAD: f64 = 0.7;
/// Nearer to the turn's centre than this share of its radius, or further round than this, a place on the path means nothing.
const RADIUS_SHARE_MIN: f64 = 0.3;
const ANGLE_MAX_RAD: f64 = std::f64::consts::FRAC_PI_2;

/// The vehicle's outline on the ground in its own frame, metres.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct VehicleShape {
    /// Width, mirrors apart.
    pub width_m: f64,
    /// From axle to axle.
    pub wheelbase_m: f64,
    /// From the vehicle frame's origin forward to the front.
    pub front_m: f64,
    /// From the vehicle frame's origin forward to the rear axle: 0 where the origin is there, negative where it lies behind.
    pub rear_axle_m: f64,
}

impl VehicleShape {
    /// A middle-sized car whose frame's origin is the middle of its rear axle.
    pub const CAR: Self = Self { width_m: 1.82, wheelbase_m: 2.7, front_m: 3.6, rear_axle_m: 0.0 };
}

/// How the vehicle itself moves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EgoMotion {
    /// Speed along its own axis, m/s, negative in reverse.
    pub speed_mps: f64,
    /// Turning to the left, rad/s.
    pub yaw_rate_rps: f64,
    /// Change of speed, m/s^2.
    pub acceleration_mps2: f64,
}

/// A place given along the path.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OnPath {
    /// Arc length ahead of the vehicle's front, metres; negative beside and behind it.
    pub gap_m: f64,
    /// Offset to the left of the path, metres.
    pub left_m: f64,
    /// Takes small changes of (x, y) to changes of (`gap_m`, `left_m`).
    pub jacobian: Matrix2<f64>,
}

/// The swept path at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Corridor {
    shape: VehicleShape,
    /// 1/m, positive to the left; 0 straight.
    curvature: f64,
}

impl Corridor {
    /// The corridor of a vehicle that goes on as it does; straight where its motion is not known or too slow to tell.
    pub fn new(shape: VehicleShape, ego: Option<&EgoMotion>) -> Self {
        let turning = ego.filter(|e| e.speed_mps >= SPEED_MIN_MPS && e.yaw_rate_rps.is_finite());
        let most = STEERING_MAX_RAD.tan() / shape.wheelbase_m.max(0.1);
        let curvature = turning.map_or(0.0, |e| (e.yaw_rate_rps / e.speed_mps).clamp(-most, most));
        Self { shape, curvature: if curvature.abs() < CURVATURE_MIN { 0.0 } else { curvature } }
    }

    /// Curvature of the path, 1/m, positive to the left.
    pub fn curvature(&self) -> f64 {
        self.curvature
    }

    /// How far the corridor reaches to the right and to the left of the path, metres, both positive.
    pub fn reach_m(&self) -> [f64; 2] {
        let half = 0.5 * self.shape.width_m;
        if self.curvature == 0.0 {
            return [half, half];
        }
        let radius = 1.0 / self.curvature.abs();
        let outer = (radius + half).hypot(self.shape.front_m - self.shape.rear_axle_m) - radius;
        if self.curvature > 0.0 { [outer, half] } else { [half, outer] }
    }

    /// Where on the path a point of the vehicle's ground plane lies; `None` where the path gives it no place.
    pub fn place(&self, x_m: f64, y_m: f64) -> Option<OnPath> {
        let ahead = x_m - self.shape.rear_axle_m;
        let front = self.shape.front_m - self.shape.rear_axle_m;
        if self.curvature == 0.0 {
            return Some(OnPath { gap_m: ahead - front, left_m: y_m, jacobian: Matrix2::identity() });
        }
        let (radius, side) = (1.0 / self.curvature.abs(), self.curvature.signum());
        // From the turn's centre, mirrored so that every turn is one to the left.
        let across = radius - side * y_m;
        let (rho, angle) = (ahead.hypot(across), ahead.atan2(across));
        if rho < RADIUS_SHARE_MIN * radius || angle.abs() > ANGLE_MAX_RAD {
            return None;
        }
        let (sin, cos) = angle.sin_cos();
        let stretch = radius / rho;
        let jacobian = Matrix2::new(cos * stretch, side * sin * stretch, -side * sin, cos);
        Some(OnPath { gap_m: radius * angle - front, left_m: side * (radius - rho), jacobian })
    }

    /// The point of the vehicle's ground plane that lies `along_m` ahead of the front and `left_m` beside the path: the inverse of
    /// [`Corridor::place`].
    pub fn point(&self, along_m: f64, left_m: f64) -> Vector2<f64> {
        let front = self.shape.front_m - self.shape.rear_axle_m;
        let along = along_m + front;
        if self.curvature == 0.0 {
            return Vector2::new(along + self.shape.rear_axle_m, left_m);
        }
        let (radius, side) = (1.0 / self.curvature.abs(), self.curvature.signum());
        let (rho, angle) = (radius - side * left_m, along / radius);
        Vector2::new(rho * angle.sin() + self.shape.rear_axle_m, side * (radius - rho * angle.cos()))
    }

    /// The corridor's right and left edges from the front to `length_m` ahead of it, `steps` pieces each: for drawing.
    pub fn edges(&self, length_m: f64, steps: usize) -> [Vec<Vector2<f64>>; 2] {
        let [right, left] = self.reach_m();
        // No further round than a quarter turn.
        let front = self.shape.front_m - self.shape.rear_axle_m;
        let most = if self.curvature == 0.0 { length_m } else { ANGLE_MAX_RAD / self.curvature.abs() - front };
        let length = length_m.min(most).max(0.0);
        [-right, left]
            .map(|offset| (0..=steps).map(|k| self.point(length * k as f64 / steps.max(1) as f64, offset)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turning(speed_mps: f64, yaw_rate_rps: f64) -> Corridor {
        Corridor::new(VehicleShape::CAR, Some(&EgoMotion { speed_mps, yaw_rate_rps, acceleration_mps2: 0.0 }))
    }

    #[test]
    fn unknown_or_slow_motion_makes_a_straight_corridor() {
        for corridor in [Corridor::new(VehicleShape::CAR, None), turning(0.5, 0.4), turning(10.0, f64::NAN)] {
            let place = corridor.place(13.6, -1.0).unwrap();
            assert_eq!((place.gap_m, place.left_m), (10.0, -1.0));
            assert_eq!(corridor.reach_m(), [0.91, 0.91]);
        }
    }

    #[test]
    fn what_lies_on_the_arc_is_in_its_middle_and_places_round_trip() {
        for yaw in [0.3, -0.3, 0.02, -1.0] {
            let corridor = turning(10.0, yaw);
            for (along, left) in [(0.0, 0.0), (5.0, 1.0), (12.0, -2.0), (2.0, 0.5)] {
                let p = corridor.point(along, left);
                let place = corridor.place(p.x, p.y).unwrap();
                assert!((place.gap_m - along).abs() < 1e-9 && (place.left_m - left).abs() < 1e-9, "{yaw}: {place:?}");
            }
        }
    }

    #[test]
    fn the_jacobian_is_the_derivative() {
        let corridor = turning(8.0, -0.5);
        let (x, y, h) = (9.0, -2.0, 1e-6);
        let at = |x, y| corridor.place(x, y).map(|p| Vector2::new(p.gap_m, p.left_m)).unwrap();
        let dx = (at(x + h, y) - at(x - h, y)) / (2.0 * h);
        let dy = (at(x, y + h) - at(x, y - h)) / (2.0 * h);
        let jacobian = corridor.place(x, y).unwrap().jacobian;
        assert!((jacobian - Matrix2::from_columns(&[dx, dy])).norm() < 1e-6, "{jacobian}");
    }

    #[test]
    fn the_outer_front_corner_swings_out_and_the_steering_has_a_stop() {
        let [right, left] = turning(5.0, 0.8).reach_m();
        assert!(left == 0.91 && right > 1.5, "a left turn swings to the right: {right}");
        assert!(turning(2.0, 50.0).curvature() < 0.32);
        // Behind the turn's centre there is no place on the path.
        assert!(turning(5.0, 0.8).place(2.0, 14.0).is_none());
    }
}
