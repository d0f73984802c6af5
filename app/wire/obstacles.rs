//! Obstacles without a class, from points alone: how the tracker sees them, and how they are listed.

use ocellus_percept::assess::{TtcConfig, ttc_from_kinematics};
use ocellus_percept::fuse::Obstacle;
use ocellus_percept::report::{DistanceSource, Object};
use ocellus_percept::track::{Observation, PositionMeasurement, TrackOutput};

/// Points are no guess: what stands above the ground is there.
const SCORE: f32 = 1.0;
/// One sigma of a LiDAR range where the cluster's own covariance says nothing, metres.
const RANGE_SIGMA_M: f64 = 0.03;

/// What the tracker is told of an obstacle.
pub fn observation(obstacle: &Obstacle, class: u32) -> Observation {
    let position = PositionMeasurement {
        point: obstacle.nearest,
        covariance: obstacle.covariance,
        source: DistanceSource::Lidar,
        age_s: 0.0,
    };
    Observation { bbox: None, score: SCORE, listed: true, class, position: Some(position) }
}

/// An obstacle as it is listed: distance from the LiDAR, as there is no camera.
pub fn object(obstacle: &Obstacle, tracked: &TrackOutput) -> Option<Object> {
    let kinematics = tracked.kinematics.as_ref();
    let ray = obstacle.nearest.xyz.normalize();
    let along = (ray.transpose() * obstacle.covariance * ray).x;
    Some(Object {
        track: tracked.track?,
        class: "unknown".to_owned(),
        score: None,
        box_px: None,
        distance_m: Some(obstacle.range_m),
        distance_source: Some(DistanceSource::Lidar),
        distance_sigma_m: Some(if along > 0.0 { along.sqrt() } else { RANGE_SIGMA_M }),
        gap_m: None,
        position_m: Some(obstacle.nearest.xyz.into()),
        velocity_rel_mps: kinematics.and_then(|k| k.velocity).map(|v| v.mps.into()),
        velocity_ground_mps: kinematics.and_then(|k| k.velocity_ground_mps).map(Into::into),
        ttc_s: kinematics.and_then(|k| ttc_from_kinematics(k, &TtcConfig::default())).map(|t| t.ttc_s),
        risk: None,
        why: None,
    })
}
