//! Reports for tests.

use ocellus_percept::detection::BoxPx;
use ocellus_percept::report::{DistanceSource, FrameReport, Object, Risk, SensorState, Trigger};
use ocellus_percept::time::Timestamp;

/// An object of which nothing but its class is known.
pub(crate) fn bare_object(track: u64) -> Object {
    Object::new(track, "car")
}

/// An object of which everything is known.
pub(crate) fn full_object(track: u64) -> Object {
    Object {
        track,
        class: "car".to_owned(),
        score: Some(0.91342),
        box_px: Some(BoxPx { x0: 100.25, y0: 50.5, x1: 200.0, y1: 150.127 }),
        distance_m: Some(14.2309),
        distance_source: Some(DistanceSource::Lidar),
        distance_sigma_m: Some(0.1),
        gap_m: Some(12.0),
        position_m: Some([14.0, -2.5, 0.3]),
        velocity_rel_mps: Some([-4.8812, -0.0, 0.0]),
        velocity_ground_mps: Some([3.2, 0.0, 0.0]),
        ttc_s: Some(2.9142),
        risk: Some(Risk::Warn),
        why: Some("closing at 4.9 m/s".to_owned()),
    }
}

/// One camera frame with one full object.
pub(crate) fn full_report() -> FrameReport {
    FrameReport {
        trigger: Trigger::Camera,
        t: Timestamp::from_nanos(1_317_013_200_000_000_000),
        sensor: Some("image_02".to_owned()),
        seq: Some(12),
        state: SensorState::Fresh,
        objects: Some(vec![full_object(7)]),
    }
}
