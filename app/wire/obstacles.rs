//! Obstacles without a class, from a LiDAR's points or a camera's depth: how the tracker sees them, and how they are listed.

use ocellus_percept::assess::Extent;
use ocellus_percept::fuse::Obstacle;
use ocellus_percept::report::{DistanceSource, Object};
use ocellus_percept::track::{Observation, PositionMeasurement, TrackOutput};

use super::assess::{Assess, Listed};

/// Points are no guess: what stands above the ground is there. The tracker's alone; no score is listed.
const SCORE: f32 = 1.0;
/// One sigma of a LiDAR range where the cluster's own covariance says nothing, metres.
const RANGE_SIGMA_M: f64 = 0.03;

/// What the tracker is told of an obstacle.
pub fn observation(obstacle: &Obstacle, class: u32, source: DistanceSource) -> Observation {
    let position = PositionMeasurement { point: obstacle.nearest, covariance: obstacle.covariance, source, age_s: 0.0 };
    Observation { bbox: None, score: SCORE, listed: true, class, position: Some(position) }
}

/// An obstacle as it is listed: its distance is that from the sensor which showed it.
pub fn object(
    obstacle: &Obstacle,
    tracked: &TrackOutput,
    source: DistanceSource,
    assess: &mut Assess,
) -> Option<Object> {
    let kinematics = tracked.kinematics.as_ref();
    let ray = obstacle.nearest.xyz.normalize();
    let along = (ray.transpose() * obstacle.covariance * ray).x;
    let mut object = Object {
        track: tracked.track?,
        class: "unknown".to_owned(),
        score: None,
        box_px: None,
        distance_m: Some(obstacle.range_m),
        distance_source: Some(source),
        distance_sigma_m: Some(if along > 0.0 { along.sqrt() } else { RANGE_SIGMA_M }),
        gap_m: None,
        position_m: Some(obstacle.nearest.xyz.into()),
        velocity_rel_mps: kinematics.and_then(|k| k.velocity).map(|v| v.mps.into()),
        velocity_ground_mps: kinematics.and_then(|k| k.velocity_ground_mps).map(Into::into),
        ttc_s: None,
        risk: None,
        why: None,
    };
    let extent = Some(Extent::face(across_m(obstacle)));
    assess.apply(&mut object, &Listed { tracked, extent, sides: None, growth: None });
    Some(object)
}

/// How far an obstacle reaches to the right and left of its nearest point.
pub fn across_m(obstacle: &Obstacle) -> [f64; 2] {
    let (middle, half) = (obstacle.centre.xyz.y - obstacle.nearest.xyz.y, 0.5 * obstacle.size_m[1]);
    [(middle - half).min(0.0), (middle + half).max(0.0)]
}
