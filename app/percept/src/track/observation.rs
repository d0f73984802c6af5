//! What a tracker is fed: the frame's time and ego motion, and the observations in it.

use nalgebra::{Matrix3, Vector3};

use super::ego::VehicleTwist;
use crate::detection::BoxPx;
use crate::report::DistanceSource;
use crate::space::{CameraMount, Odom, Point3, Transform, Vehicle};
use crate::time::Timestamp;

/// When the frame was taken, and how the vehicle stood and moved then. What is not known is `None`.
#[derive(Debug, Clone, Copy)]
pub struct TrackFrame<'a> {
    /// Sensor time of the frame.
    pub t: Timestamp,
    /// Pose of the vehicle in a frame fixed to the ground. With it, or with a twist alone (then integrated), tracks are
    /// kept over ground; without either, relative to the vehicle.
    pub odom_from_vehicle: Option<&'a Transform<Odom, Vehicle>>,
    /// Speed and turning of the vehicle; taken from successive poses where absent.
    pub vehicle_twist: Option<VehicleTwist>,
    /// The camera that took the frame: with it, boxes are moved as the turning vehicle turns the camera.
    pub camera: Option<&'a CameraMount>,
    /// Width and height of the picture the boxes lie in, px: with it, boxes that the picture's edge cuts are understood.
    pub size_px: Option<(u32, u32)>,
}

impl TrackFrame<'_> {
    /// A frame of which nothing but the time is known.
    pub fn at(t: Timestamp) -> Self {
        Self { t, odom_from_vehicle: None, vehicle_twist: None, camera: None, size_px: None }
    }
}

/// A measured surface point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PositionMeasurement {
    /// The point in the vehicle frame of the tracked frame's time, metres: moved by ego motion where that is known.
    pub point: Point3<Vehicle>,
    /// Its covariance in the vehicle's axes, m^2.
    pub covariance: Matrix3<f64>,
    /// What it rests on. A change of source loosens the filter by what the former ones may have biased it.
    pub source: DistanceSource,
    /// How much older than the frame the measurement is, seconds: a sweep's age at the frame's time. The object's own
    /// motion since then is the filter's to add. The same sweep given twice counts once.
    pub age_s: f64,
}

/// A position's standard deviation across the ray is at least this share of the range: half a pixel at a focal length
/// of 500 px, or a LiDAR's beam width.
const BEARING_SIGMA_RAD: f64 = 1e-3;

impl PositionMeasurement {
    /// A point seen from `origin` (the sensor's centre in the vehicle frame) with `range_sigma_m` along the ray and
    /// `lateral_sigma_m` across it; age zero.
    pub fn along_ray(
        point: Point3<Vehicle>,
        origin: Point3<Vehicle>,
        (range_sigma_m, lateral_sigma_m): (f64, f64),
        source: DistanceSource,
    ) -> Self {
        let ray = point.xyz - origin.xyz;
        let range = ray.norm();
        let lateral = lateral_sigma_m.max(BEARING_SIGMA_RAD * range);
        let across = lateral * lateral;
        let u = if range > 0.0 { ray / range } else { Vector3::zeros() };
        let covariance = Matrix3::identity() * across + u * u.transpose() * (range_sigma_m * range_sigma_m - across);
        Self { point, covariance, source, age_s: 0.0 }
    }

    /// Standard deviation across the ray of a surface point found somewhere within a box `box_width_px` wide, metres.
    ///
    /// The point wanders over the visible face from frame to frame: an eighth of the width is what a robust centre of
    /// returns does, far less than the width / sqrt(12) of a point anywhere on it.
    pub fn lateral_sigma_m(box_width_px: f64, focal_px: f64, range_m: f64) -> f64 {
        if focal_px > 0.0 { (box_width_px / focal_px * range_m / 8.0).abs() } else { 0.0 }
    }
}

/// One thing seen in a frame: a detector's box, a point, or both.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation {
    /// Box in pixels of the source image; `None` for what only a LiDAR sees.
    pub bbox: Option<BoxPx>,
    /// Confidence, 0 to 1.
    pub score: f32,
    /// Whether it is to be listed, by its detector's own measure: then it begins a track where it fits none. What is not
    /// keeps a known track alive.
    pub listed: bool,
    /// Index into the classes; the caller keeps one numbering for all observations of a tracker.
    pub class: u32,
    /// Where it is, if known.
    pub position: Option<PositionMeasurement>,
}
