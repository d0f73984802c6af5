//! The vehicle's own motion: recorded poses, interpolated in time.
//!
//! Poses are `odom_from_vehicle` with the origin at the first pose (position and heading). Between poses the position is
//! taken linearly and the rotation along the shortest arc; across a long pause and well outside the recorded time there
//! is no answer rather than a guess.

use nalgebra::Isometry3;
use ocellus_percept::space::{Odom, Transform, Vehicle};
use ocellus_percept::time::Timestamp;

use crate::drive::EgoInfo;

/// No interpolation across a longer pause: a car turns and brakes within a second.
const PAUSE_S_MAX: f64 = 1.0;

/// How far beyond the ends the motion is continued at constant velocity: one period of a 10 Hz sensor.
const BEYOND_S_MAX: f64 = 0.1;

/// Poses over time.
#[derive(Debug, Clone)]
pub(crate) struct PoseTrack {
    poses: Vec<(Timestamp, Isometry3<f64>)>,
}

impl PoseTrack {
    /// From poses in any one ground frame, at any order of times; of equal times the first counts. `None` without a pose.
    pub(crate) fn from_ground_poses(mut poses: Vec<(Timestamp, Isometry3<f64>)>) -> Option<Self> {
        poses.sort_by_key(|(t, _)| *t);
        poses.dedup_by_key(|(t, _)| *t);
        let odom_from_ground = poses.first()?.1.inverse();
        for (_, pose) in &mut poses {
            *pose = odom_from_ground * *pose;
        }
        Some(Self { poses })
    }

    /// The pose at `t`, or `None` where it is not known.
    pub(crate) fn at(&self, t: Timestamp) -> Option<Transform<Odom, Vehicle>> {
        let after = self.poses.partition_point(|(stamp, _)| *stamp < t);
        if let Some((stamp, pose)) = self.poses.get(after)
            && *stamp == t
        {
            return Some(Transform::from_isometry(*pose));
        }
        // The pair around `t`, or the nearest pair where `t` is beyond an end.
        let right = after.clamp(1, self.poses.len().saturating_sub(1).max(1));
        let ((t0, a), (t1, b)) = (self.poses.get(right - 1)?, self.poses.get(right)?);
        let span_s = t1.seconds_since(*t0);
        let beyond_s = t0.seconds_since(t).max(t.seconds_since(*t1));
        if span_s > PAUSE_S_MAX || beyond_s > BEYOND_S_MAX {
            return None;
        }
        let share = t.seconds_since(*t0) / span_s;
        let translation = a.translation.vector.lerp(&b.translation.vector, share);
        let rotation = a.rotation * (a.rotation.inverse() * b.rotation).powf(share);
        Some(Transform::from_isometry(Isometry3::from_parts(translation.into(), rotation)))
    }

    /// For people.
    pub(crate) fn info(&self, source: &str) -> Option<EgoInfo> {
        let (first, last) = (self.poses.first()?, self.poses.last()?);
        let path_m = self
            .poses
            .windows(2)
            .map(|w| match w {
                [a, b] => (b.1.translation.vector - a.1.translation.vector).norm(),
                _ => 0.0,
            })
            .sum();
        Some(EgoInfo { poses: self.poses.len(), first: first.0, last: last.0, path_m, source: source.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use nalgebra::{UnitQuaternion, Vector3};

    use super::*;

    fn pose(x: f64, yaw: f64) -> Isometry3<f64> {
        Isometry3::from_parts(Vector3::new(x, 5.0, 0.0).into(), UnitQuaternion::from_euler_angles(0.0, 0.0, yaw))
    }

    fn at_ms(ms: i64) -> Timestamp {
        Timestamp::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn poses_are_relative_to_the_first_and_interpolated() {
        let track =
            PoseTrack::from_ground_poses(vec![(at_ms(100), pose(12.0, 0.2)), (at_ms(0), pose(10.0, 0.0))]).unwrap();
        let middle = track.at(at_ms(50)).unwrap();
        assert!((middle.isometry().translation.vector - Vector3::new(1.0, 0.0, 0.0)).norm() < 1e-12);
        assert!((middle.isometry().rotation.angle() - 0.1).abs() < 1e-12);
        assert!((track.at(at_ms(100)).unwrap().isometry().translation.x - 2.0).abs() < 1e-12);
        assert_eq!(track.info("test").unwrap().path_m, 2.0);
    }

    #[test]
    fn constant_velocity_shortly_beyond_the_ends_and_nothing_further() {
        let track =
            PoseTrack::from_ground_poses(vec![(at_ms(0), pose(0.0, 0.0)), (at_ms(100), pose(1.0, 0.0))]).unwrap();
        assert!((track.at(at_ms(150)).unwrap().isometry().translation.x - 1.5).abs() < 1e-12);
        assert!((track.at(at_ms(-50)).unwrap().isometry().translation.x + 0.5).abs() < 1e-12);
        assert!(track.at(at_ms(201)).is_none() && track.at(at_ms(-101)).is_none());
    }

    #[test]
    fn no_guess_across_a_pause_or_from_a_single_pose() {
        let track =
            PoseTrack::from_ground_poses(vec![(at_ms(0), pose(0.0, 0.0)), (at_ms(1500), pose(1.0, 0.0))]).unwrap();
        assert!(track.at(at_ms(700)).is_none() && track.at(at_ms(0)).is_some());
        let single = PoseTrack::from_ground_poses(vec![(at_ms(0), pose(0.0, 0.0))]).unwrap();
        assert!(single.at(at_ms(0)).is_some() && single.at(at_ms(1)).is_none());
        assert!(PoseTrack::from_ground_poses(Vec::new()).is_none());
    }
}
