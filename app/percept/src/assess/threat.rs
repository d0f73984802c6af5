//! What one obstacle means for the vehicle: its gap along the path, when contact is due, and how sure that is.
//!
//! Along the path gap and closing speed are jointly Gaussian, so the probability of contact before a bound is exact (see
//! [`super::ttc`]); across it the obstacle's offset at that time is Gaussian too, and the probability that it is in the corridor
//! then multiplies the first. The two are taken as independent. Constant velocity is assumed of obstacles; the vehicle's own
//! present deceleration is heeded, since a driver who stops in good time needs no warning.

use nalgebra::{Matrix2, Vector2};

use super::corridor::{Corridor, EgoMotion, OnPath};
use super::extent::Extent;
use super::ttc::{ClosingMotion, TimeToCollision, TtcConfig, normal_cdf, time_to_collision};
use crate::track::Kinematics;

/// An obstacle beside the front this long after it was reached is passed, seconds.
const PASSING_S: f64 = 0.3;
/// The vehicle's deceleration that is heeded at most, m/s^2: more is a slip of the pose, or a crash.
const EGO_DECELERATION_MAX_MPS2: f64 = 9.0;
/// Deceleration below this is coasting and engine drag, m/s^2: nobody has reacted yet.
const EGO_DECELERATION_MIN_MPS2: f64 = 0.8;
/// What moves along the path this many times faster than across it changes lanes and does not cross...
const ALONG_OVER_ACROSS: f64 = 3.0;
/// ...so that its way across dies away with this time constant, seconds: half of a lane change.
const SETTLING_S: f64 = 1.2;

/// An obstacle on the path, as the tracker knows it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Threat {
    /// From the front along the path to the obstacle's nearest surface in the corridor, or to the nearest of all where none will be
    /// in it, metres; negative beside and behind the front.
    pub gap_m: f64,
    /// Offset of the surface point to the left of the path, metres.
    pub left_m: f64,
    /// Rate of that offset, m/s.
    pub left_mps: f64,
    /// Gap and closing speed along the path with their covariance.
    pub motion: ClosingMotion,
    /// Time to contact along the path, whether or not it is in the corridor then; `None` for what recedes, stands, or is
    /// not known well enough.
    pub time: Option<TimeToCollision>,
    /// The probability that it is in the corridor when the front gets there, 0 to 1.
    pub in_path: f64,
    /// Seconds until something that moves across enters the corridor; `None` where it is in it, or does not come.
    pub enters_s: Option<f64>,
    /// The vehicle's own deceleration that is heeded, m/s^2, zero or more.
    own_deceleration_mps2: f64,
}

/// Offset across the path and its rate.
struct Across {
    left_m: f64,
    left_mps: f64,
    /// Whether it changes lanes rather than crosses.
    settles: bool,
    var: [f64; 3],
    /// The corridor's bounds widened by the obstacle's own reach, right (negative) and left.
    bounds: [f64; 2],
}

impl Across {
    /// For how long it moves on across the path within `t_s`, were its rate to stay.
    fn moves_for_s(&self, t_s: f64) -> f64 {
        if self.settles { SETTLING_S * (1.0 - (-t_s / SETTLING_S).exp()) } else { t_s }
    }

    /// How far it moves to the left within `t_s`, metres.
    fn moved_m(&self, t_s: f64) -> f64 {
        self.left_mps * self.moves_for_s(t_s)
    }

    /// The probability that the obstacle is in the corridor at time `t_s`.
    fn inside_at(&self, t_s: f64) -> f64 {
        let t_s = self.moves_for_s(t_s);
        let mean = self.left_m + self.left_mps * t_s;
        let var = self.var[0] + 2.0 * t_s * self.var[1] + t_s * t_s * self.var[2];
        let sigma = var.max(1e-6).sqrt();
        (normal_cdf((self.bounds[1] - mean) / sigma) - normal_cdf((self.bounds[0] - mean) / sigma)).max(0.0)
    }

    /// The largest such probability while the front passes.
    fn inside_while_passing(&self, from_s: f64) -> f64 {
        [0.0, 0.5, 1.0].map(|share| self.inside_at(from_s + share * PASSING_S)).into_iter().fold(0.0, f64::max)
    }

    fn enters_s(&self) -> Option<f64> {
        let outside = if self.left_m < self.bounds[0] {
            self.bounds[0] - self.left_m
        } else if self.left_m > self.bounds[1] {
            self.bounds[1] - self.left_m
        } else {
            return None;
        };
        let settled = 1.0 - outside / (self.left_mps * SETTLING_S);
        let t_s = if self.settles { -SETTLING_S * settled.ln() } else { outside / self.left_mps };
        (t_s.is_finite() && t_s > 0.0).then_some(t_s)
    }
}

impl Threat {
    /// The threat of a tracked obstacle of some extent: of the part of it that will be in the corridor when the front gets there.
    /// `None` where its velocity is not known or the path gives it no place.
    pub fn new(
        object: &Kinematics,
        extent: &Extent,
        corridor: &Corridor,
        ego: Option<&EgoMotion>,
        config: &TtcConfig,
    ) -> Option<Self> {
        let velocity = object.velocity?;
        let p = object.position.xyz;
        let place = corridor.place(p.x, p.y)?;
        let OnPath { gap_m, left_m, jacobian } = place;
        // Over ground, turned to the path, less the vehicle's own way along it.
        let (speed, yaw) = ego.map_or((0.0, 0.0), |e| (e.speed_mps, e.yaw_rate_rps));
        let (speed, yaw) = if corridor.curvature() == 0.0 { (0.0, 0.0) } else { (speed, yaw) };
        let ground = Vector2::new(velocity.mps.x + speed - yaw * p.y, velocity.mps.y + yaw * p.x);
        let rate = jacobian * ground - Vector2::new(speed, 0.0);
        let flat = |m: &nalgebra::Matrix3<f64>| jacobian * m.fixed_view::<2, 2>(0, 0) * jacobian.transpose();
        let pp: Matrix2<f64> = flat(&object.position_covariance);
        let pv: Matrix2<f64> = flat(&velocity.cross_covariance);
        let vv: Matrix2<f64> = flat(&velocity.covariance);
        let [right, left] = corridor.reach_m();
        let reach = extent.across_m();
        let across = Across {
            left_m,
            left_mps: rate.y,
            settles: ego.is_some_and(|e| (rate.x + e.speed_mps).abs() > ALONG_OVER_ACROSS * rate.y.abs()),
            var: [pp[(1, 1)], pv[(1, 1)], vv[(1, 1)]],
            bounds: [-right - reach[1], left - reach[0]],
        };
        let numbers = [gap_m, left_m, rate.x, rate.y, pp.sum(), pv.sum(), vv.sum(), reach[0], reach[1]];
        if numbers.iter().any(|v| !v.is_finite()) {
            return None;
        }
        // Where it will be beside the path when its surface point is reached decides which part of it is met.
        let moved_m = if rate.x < 0.0 { across.moved_m(gap_m.max(0.0) / -rate.x) } else { 0.0 };
        let beside_m = left_m + moved_m;
        let gap_m = gap_m + extent.met_between_m([-right - beside_m, left - beside_m]);
        let motion = ClosingMotion {
            range: gap_m.max(0.0),
            closing: -rate.x,
            var_range: pp[(0, 0)],
            covariance: -pv[(0, 0)],
            var_closing: vv[(0, 0)],
        };
        // What has passed the front is no longer ahead of it.
        let time = time_to_collision(&motion, config.closing_min_mps, config).filter(|_| gap_m > -1.0);
        let in_path = time.map_or_else(|| across.inside_at(0.0), |t| across.inside_while_passing(t.ttc_s));
        let own = ego.map_or(0.0, |e| (-e.acceleration_mps2).clamp(0.0, EGO_DECELERATION_MAX_MPS2));
        Some(Self {
            gap_m,
            left_m,
            left_mps: rate.y,
            motion,
            time,
            in_path,
            enters_s: across.enters_s(),
            own_deceleration_mps2: if own >= EGO_DECELERATION_MIN_MPS2 { own } else { 0.0 },
        })
    }

    /// Whether contact lies ahead at all.
    fn comes(&self) -> bool {
        self.time.is_some()
    }

    /// The probability of contact within `bound_s`, 0 to 1: of closing so far and of being in the corridor then. The
    /// vehicle's own deceleration counts as going on.
    pub fn probability_within(&self, bound_s: f64) -> f64 {
        if !self.comes() {
            return 0.0;
        }
        let (c, a) = (self.motion.closing, self.own_deceleration_mps2);
        if a <= 0.0 {
            return self.motion.probability_within(bound_s) * self.in_path;
        }
        // Under deceleration the way made good by time b is c*b - a*b^2/2, and no more after c/a.
        let b = bound_s.min(c / a);
        let way = self.motion.probability_of_way(b, -0.5 * a * b * b);
        way * self.in_path
    }

    /// The same if nobody did anything: the vehicle's own deceleration does not count.
    pub fn probability_as_is_within(&self, bound_s: f64) -> f64 {
        if self.comes() { self.motion.probability_within(bound_s) * self.in_path } else { 0.0 }
    }

    /// The probability that the gap does not suffice to come to rest (over the obstacle's own speed) with `deceleration_mps2`
    /// after `delay_s`, 0 to 1.
    pub fn probability_gap_too_short(&self, deceleration_mps2: f64, delay_s: f64) -> f64 {
        if !self.comes() || deceleration_mps2.is_nan() || deceleration_mps2 <= 0.0 {
            return 0.0;
        }
        let m = &self.motion;
        let deceleration_mps2 = deceleration_mps2.max(self.own_deceleration_mps2);
        // Who decelerates already needs no time to begin.
        let delay_s = if self.own_deceleration_mps2 > 0.0 { 0.0 } else { delay_s };
        let margin = stopping_distance_m(m.closing, deceleration_mps2, delay_s) - m.range;
        let by_closing = delay_s + m.closing / deceleration_mps2;
        let variance = m.var_range - 2.0 * by_closing * m.covariance + by_closing * by_closing * m.var_closing;
        let sigma = variance.max(1e-6).sqrt();
        normal_cdf(margin / sigma) * self.in_path
    }
}

/// Way to come to rest from `speed_mps` with `deceleration_mps2` after `delay_s`, metres.
pub fn stopping_distance_m(speed_mps: f64, deceleration_mps2: f64, delay_s: f64) -> f64 {
    speed_mps * delay_s + speed_mps * speed_mps / (2.0 * deceleration_mps2)
}

#[cfg(test)]
mod tests {
    use nalgebra::{Matrix3, Vector3};

    use super::*;
    use crate::assess::VehicleShape;
    use crate::report::DistanceSource;
    use crate::space::Point3;
    use crate::track::RelativeVelocity;

    const FACE: [f64; 2] = [-0.3, 0.3];

    fn object(x: f64, y: f64, v: [f64; 2]) -> Kinematics {
        Kinematics {
            position: Point3::new(x, y, 0.5),
            position_covariance: Matrix3::identity() * 0.01,
            velocity: Some(RelativeVelocity {
                mps: Vector3::new(v[0], v[1], 0.0),
                covariance: Matrix3::identity() * 0.04,
                cross_covariance: Matrix3::zeros(),
            }),
            velocity_ground_mps: None,
            velocity_ground_covariance: Matrix3::zeros(),
            source: DistanceSource::Lidar,
            since_measured_s: 0.0,
        }
    }

    fn threat(object: &Kinematics, ego: Option<EgoMotion>) -> Threat {
        let corridor = Corridor::new(VehicleShape::CAR, ego.as_ref());
        Threat::new(object, &Extent::face(FACE), &corridor, ego.as_ref(), &TtcConfig::default()).unwrap()
    }

    #[test]
    fn straight_ahead_time_is_gap_over_closing_speed_from_the_front() {
        let t = threat(&object(23.6, 0.0, [-10.0, 0.0]), None);
        assert!((t.gap_m - 20.0).abs() < 1e-9 && (t.time.unwrap().ttc_s - 2.0).abs() < 1e-9);
        assert!(t.in_path > 0.99 && t.probability_within(2.5) > 0.99 && t.probability_within(1.5) < 0.01);
    }

    #[test]
    fn what_stands_beside_the_corridor_or_recedes_is_no_threat() {
        let beside = threat(&object(23.6, -2.2, [-10.0, 0.0]), None);
        assert!(beside.in_path < 0.2, "{}", beside.in_path);
        let far_beside = threat(&object(23.6, -3.5, [-10.0, 0.0]), None);
        assert!(far_beside.probability_within(4.0) < 0.01);
        let receding = threat(&object(23.6, 0.0, [3.0, 0.0]), None);
        assert!(receding.time.is_none() && receding.probability_within(30.0) == 0.0);
        assert_eq!(receding.probability_gap_too_short(6.0, 0.2), 0.0);
    }

    #[test]
    fn who_crosses_matters_if_there_when_the_front_is() {
        // Two seconds away; reaches the corridor's edge (1.21 m with its own half width) in 1.4 s.
        let meets = threat(&object(23.6, -4.0, [-10.0, 2.0]), None);
        assert!(meets.in_path > 0.9, "{}", meets.in_path);
        assert!((meets.enters_s.unwrap() - 1.395).abs() < 1e-3);
        let clears = threat(&object(23.6, -2.0, [-10.0, 3.0]), None);
        assert!(clears.in_path < 0.05, "{}", clears.in_path);
        let away = threat(&object(23.6, -4.0, [-10.0, -1.0]), None);
        assert!(away.enters_s.is_none() && away.in_path < 0.01);
    }

    #[test]
    fn of_what_stands_askew_the_part_in_the_corridor_counts_and_no_nearer_one() {
        use crate::assess::Offset;
        let at = |along_m: f64, left_m: f64| Offset { along_m, left_m };
        // A van's rear, 3 m beside the path and 10 m ahead; its far corner, 6 m farther, is in the middle of the path.
        let van = Extent::new([at(0.0, -1.0), at(0.0, 0.0)], [at(0.0, -1.0), at(6.0, 3.0)]);
        let (it, corridor) = (object(13.6, -3.0, [-6.0, 0.0]), Corridor::new(VehicleShape::CAR, None));
        let of = |extent: &Extent| Threat::new(&it, extent, &corridor, None, &TtcConfig::default()).unwrap();
        let threat = of(&van);
        // The corridor's edge is at 0.91 m, to within 0.3 m: 1.79 of the flank's 3 m.
        assert!((threat.gap_m - (10.0 + 6.0 * 1.79 / 3.0)).abs() < 1e-9 && threat.in_path > 0.9, "{threat:?}");
        let beside = of(&Extent::face([-1.0, 0.0]));
        assert!(beside.gap_m == 10.0 && beside.in_path < 0.01, "{beside:?}");
    }

    #[test]
    fn in_a_turn_the_path_decides_and_not_the_bonnet() {
        // Radius 25 m to the left at 10 m/s: something that stands on the arc seems to come from the side.
        let ego = EgoMotion { speed_mps: 10.0, yaw_rate_rps: 0.4, acceleration_mps2: 0.0 };
        let corridor = Corridor::new(VehicleShape::CAR, Some(&ego));
        let standing = |along: f64, left: f64| {
            let p = corridor.point(along, left);
            object(p.x, p.y, [-10.0 + 0.4 * p.y, -0.4 * p.x])
        };
        let on_arc = threat(&standing(15.0, 0.0), Some(ego));
        assert!((on_arc.time.unwrap().ttc_s - 1.5).abs() < 1e-6 && on_arc.in_path > 0.95, "{on_arc:?}");
        let ahead_of_bonnet = threat(&object(18.6, 0.0, [-10.0, -0.4 * 18.6]), Some(ego));
        assert!(ahead_of_bonnet.in_path < 0.05, "{ahead_of_bonnet:?}");
    }

    #[test]
    fn a_driver_who_stops_in_time_is_not_warned_and_one_too_late_is() {
        let slowing = |a: f64| EgoMotion { speed_mps: 10.0, yaw_rate_rps: 0.0, acceleration_mps2: -a };
        let it = object(18.6, 0.0, [-10.0, 0.0]);
        let stops = threat(&it, Some(slowing(5.0)));
        assert!(stops.probability_within(10.0) < 0.05, "{}", stops.probability_within(10.0));
        let too_late = threat(&it, Some(slowing(2.0)));
        assert!(too_late.probability_within(3.0) > 0.95);
        // From 10 m/s with 6 m/s^2: 8.3 m, and 2 m more for 0.2 s; 15 m suffice, 9 m do not.
        assert!((stopping_distance_m(10.0, 6.0, 0.2) - 10.333).abs() < 1e-3);
        assert!(threat(&it, None).probability_gap_too_short(6.0, 0.2) < 0.01);
        let near = threat(&object(12.6, 0.0, [-10.0, 0.0]), None);
        assert!(near.probability_gap_too_short(6.0, 0.2) > 0.95);
    }
}
