//! How the vehicle itself moves: pose and twist at the newest frame, from what the frame says of them.
//!
//! Three sources in order: given poses; a given twist, integrated into a pose of our own origin; the last twist for a
//! short while when both fail. A pose that jumps (a GPS correction, a new map origin) is told from motion.

use nalgebra::{Isometry3, Translation3, UnitQuaternion, Vector3};

use super::observation::TrackFrame;

/// Velocity of the vehicle over ground in its own axes (x forward, y left, z up), at its origin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VehicleTwist {
    /// Velocity, m/s.
    pub linear_mps: Vector3<f64>,
    /// Turning, rad/s, right-handed about each axis.
    pub angular_radps: Vector3<f64>,
}

impl VehicleTwist {
    fn is_finite(&self) -> bool {
        self.linear_mps.iter().chain(self.angular_radps.iter()).all(|v| v.is_finite())
    }

    /// The motion over `dt` seconds at this twist, as seen from its start.
    fn motion(&self, dt: f64) -> Isometry3<f64> {
        // The chord of an arc points along its middle, half the turn on.
        let half = UnitQuaternion::from_scaled_axis(self.angular_radps * (dt / 2.0));
        Isometry3::from_parts(Translation3::from(half * self.linear_mps * dt), half * half)
    }

    /// The twist that makes `motion` in `dt` seconds.
    fn of_motion(motion: &Isometry3<f64>, dt: f64) -> Self {
        let angular_radps = motion.rotation.scaled_axis() / dt;
        let half = UnitQuaternion::from_scaled_axis(angular_radps * (dt / 2.0));
        Self { linear_mps: half.inverse() * motion.translation.vector / dt, angular_radps }
    }
}

/// No road vehicle is faster; a pose that says so has jumped. Metres per second.
const SPEED_MAX_MPS: f64 = 100.0;
/// Nor does one turn faster, rad/s.
const TURN_MAX_RADPS: f64 = 6.0;
/// A missing pose is bridged by the last twist for this long, seconds.
const BRIDGE_S: f64 = 0.3;

/// Where the current pose comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PoseSource {
    /// The caller gave it (or it bridges given ones).
    Given,
    /// Integrated from twists, from an origin of our own.
    Integrated,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Pose {
    odom_from_vehicle: Isometry3<f64>,
    source: PoseSource,
    bridged_s: f64,
}

/// What became of the ground frame from one frame to the next; states kept in it must follow.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum GroundFrame {
    /// Ego motion is known, in the same ground frame as before.
    Kept,
    /// Ego motion is not known, nor was it before.
    Absent,
    /// Ego motion is now known: vehicle coordinates become ground coordinates.
    Gained,
    /// Ego motion is no longer known: what was kept over ground is to be read from this pose, dead-reckoned to now.
    Lost(Isometry3<f64>),
    /// The ground frame itself jumped: `new_from_old` takes coordinates in the old one to the new one.
    Jumped(Isometry3<f64>),
}

/// Ego motion at the newest frame.
#[derive(Debug, Clone, Default)]
pub(super) struct Ego {
    pose: Option<Pose>,
    twist: Option<VehicleTwist>,
    now_from_before: Option<UnitQuaternion<f64>>,
}

impl Ego {
    /// The pose, where ego motion is known.
    pub(super) fn odom_from_vehicle(&self) -> Option<&Isometry3<f64>> {
        self.pose.as_ref().map(|p| &p.odom_from_vehicle)
    }

    /// The twist, where known.
    pub(super) fn twist(&self) -> Option<&VehicleTwist> {
        self.twist.as_ref()
    }

    /// Rotation of vehicle axes from the previous frame's to this one's, where known.
    pub(super) fn now_from_before(&self) -> Option<&UnitQuaternion<f64>> {
        self.now_from_before.as_ref()
    }

    /// Moves on by `dt` (zero or more) seconds to `frame`. On `Lost` the twist of before is still there to be read;
    /// call [`Ego::forget_twist`] afterwards.
    pub(super) fn advance(&mut self, dt: f64, frame: &TrackFrame<'_>) -> GroundFrame {
        let given = frame.odom_from_vehicle.map(|t| *t.isometry()).filter(is_finite);
        let twist = frame.vehicle_twist.filter(VehicleTwist::is_finite);
        let before = self.pose;
        let change = match (given, before) {
            (Some(pose), Some(before)) => self.follow(dt, pose, before, twist),
            (Some(pose), None) => {
                self.pose = Some(Pose { odom_from_vehicle: pose, source: PoseSource::Given, bridged_s: 0.0 });
                self.twist = twist;
                GroundFrame::Gained
            }
            (None, _) => self.reckon(dt, twist),
        };
        self.now_from_before = match (change, before, self.pose) {
            (GroundFrame::Kept, Some(b), Some(n)) => {
                Some(n.odom_from_vehicle.rotation.inverse() * b.odom_from_vehicle.rotation)
            }
            _ => None,
        };
        change
    }

    /// Forgets the twist after ego motion was lost.
    pub(super) fn forget_twist(&mut self) {
        self.twist = None;
    }

    /// A new given pose after an earlier one: motion, or a jump of the ground frame.
    fn follow(&mut self, dt: f64, pose: Isometry3<f64>, before: Pose, twist: Option<VehicleTwist>) -> GroundFrame {
        let motion = before.odom_from_vehicle.inverse() * pose;
        self.pose = Some(Pose { odom_from_vehicle: pose, source: PoseSource::Given, bridged_s: 0.0 });
        let too_far = motion.translation.vector.norm() > SPEED_MAX_MPS * dt;
        let too_turned = motion.rotation.angle() > TURN_MAX_RADPS * dt;
        let moved = motion != Isometry3::identity();
        if before.source == PoseSource::Integrated || (moved && (too_far || too_turned)) {
            let twist = twist.or(self.twist);
            let expected = before.odom_from_vehicle * twist.map_or_else(Isometry3::identity, |t| t.motion(dt));
            self.twist = twist;
            return GroundFrame::Jumped(pose * expected.inverse());
        }
        let derived = (dt > 0.0).then(|| VehicleTwist::of_motion(&motion, dt));
        self.twist = twist.or(derived).or(self.twist);
        GroundFrame::Kept
    }

    /// No pose was given: integrate the twist, bridge a short gap with the last one, or give up.
    fn reckon(&mut self, dt: f64, twist: Option<VehicleTwist>) -> GroundFrame {
        let Some(twist_now) = twist.or(self.twist) else {
            return self.pose.take().map_or(GroundFrame::Absent, |p| GroundFrame::Lost(p.odom_from_vehicle));
        };
        self.twist = Some(twist_now);
        let Some(before) = self.pose else {
            let origin = Isometry3::identity();
            self.pose = Some(Pose { odom_from_vehicle: origin, source: PoseSource::Integrated, bridged_s: 0.0 });
            return GroundFrame::Gained;
        };
        let odom_from_vehicle = before.odom_from_vehicle * twist_now.motion(dt);
        let bridged_s = if twist.is_some() { 0.0 } else { before.bridged_s + dt };
        if bridged_s > BRIDGE_S {
            self.pose = None;
            return GroundFrame::Lost(odom_from_vehicle);
        }
        self.pose = Some(Pose { odom_from_vehicle, source: before.source, bridged_s });
        GroundFrame::Kept
    }
}

fn is_finite(iso: &Isometry3<f64>) -> bool {
    iso.translation.vector.iter().chain(iso.rotation.coords.iter()).all(|v| v.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::Transform;
    use crate::time::Timestamp;

    fn frame<'a>(pose: Option<&'a Transform<crate::space::Odom, crate::space::Vehicle>>) -> TrackFrame<'a> {
        TrackFrame { odom_from_vehicle: pose, ..TrackFrame::at(Timestamp::default()) }
    }

    #[test]
    fn a_turning_vehicle_s_twist_is_found_from_its_poses() {
        let twist =
            VehicleTwist { linear_mps: Vector3::new(12.0, 0.0, 0.0), angular_radps: Vector3::new(0.0, 0.0, 0.5) };
        let mut ego = Ego::default();
        let mut pose = Isometry3::identity();
        for k in 0..10 {
            let given = Transform::from_isometry(pose);
            let change = ego.advance(0.2, &frame(Some(&given)));
            assert_eq!(change, if k == 0 { GroundFrame::Gained } else { GroundFrame::Kept });
            pose *= twist.motion(0.2);
        }
        let found = ego.twist().unwrap();
        assert!((found.linear_mps - twist.linear_mps).norm() < 1e-9, "{found:?}");
        assert!((found.angular_radps - twist.angular_radps).norm() < 1e-9);
    }

    #[test]
    fn a_jump_is_no_motion_and_a_gap_is_bridged_then_lost() {
        let mut ego = Ego::default();
        let at = |x: f64| Transform::from_isometry(Isometry3::translation(x, 0.0, 0.0));
        ego.advance(0.1, &frame(Some(&at(0.0))));
        ego.advance(0.1, &frame(Some(&at(1.0))));
        let GroundFrame::Jumped(new_from_old) = ego.advance(0.1, &frame(Some(&at(502.0)))) else {
            panic!("no jump seen")
        };
        assert!((new_from_old.translation.vector.x - 500.0).abs() < 1e-9);
        for _ in 0..3 {
            assert_eq!(ego.advance(0.09, &frame(None)), GroundFrame::Kept);
        }
        assert!(matches!(ego.advance(0.1, &frame(None)), GroundFrame::Lost(_)));
        ego.forget_twist();
        assert_eq!(ego.advance(0.1, &frame(None)), GroundFrame::Absent);
    }
}
