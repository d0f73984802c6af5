//! `vision_msgs` 4: what was found in a picture, in two and in three dimensions.

use nalgebra::{Isometry3, Matrix3, Vector3};
use ocellus_percept::report::Object;
use ocellus_percept::time::Timestamp;

use super::cdr::CdrWriter;

/// One sigma across the line of sight as a share of the range: a box's edge is known to about half a degree.
const ACROSS_SHARE: f64 = 0.01;
/// Variance of an angle of which nothing is known, rad^2: half a turn.
const ANGLE_VARIANCE: f64 = std::f64::consts::PI * std::f64::consts::PI;

/// An object's position in the frame of the message and its covariance, where known.
pub(super) struct Placed {
    pub(super) xyz: Vector3<f64>,
    /// `None` where the distance has no sigma.
    pub(super) covariance: Option<Matrix3<f64>>,
}

/// The position of `object` in the frame that `frame_from_vehicle` leads to. Its sigma lies along the line of sight from
/// `eye` (the sensor in that frame).
pub(super) fn placed(object: &Object, frame_from_vehicle: &Isometry3<f64>, eye: &Vector3<f64>) -> Option<Placed> {
    let [x, y, z] = object.position_m?;
    let xyz = (frame_from_vehicle * nalgebra::Point3::new(x, y, z)).coords;
    if !xyz.iter().all(|v| v.is_finite()) {
        return None;
    }
    let sight = xyz - eye;
    let range = sight.norm();
    let covariance = object.distance_sigma_m.filter(|s| s.is_finite() && range > 0.0).map(|sigma| {
        let along = (sight / range) * (sight / range).transpose();
        let across = ACROSS_SHARE * range;
        along * (sigma * sigma) + (Matrix3::identity() - along) * (across * across)
    });
    Some(Placed { xyz, covariance })
}

/// `vision_msgs/Detection2DArray`; objects without a box are left out. `places` are theirs, in their order.
pub(super) fn detections_2d(
    cdr: &mut CdrWriter,
    t: Timestamp,
    frame: &str,
    objects: &[Object],
    places: &[Option<Placed>],
) {
    let boxed = || objects.iter().zip(places).filter_map(|(o, p)| Some((o, p.as_ref(), o.box_px?)));
    cdr.begin().header(t, frame).length(boxed().count());
    for (object, place, bbox) in boxed() {
        cdr.header(t, frame);
        hypothesis(cdr, object, place);
        let centre = [f64::from(bbox.x0 + bbox.x1) / 2.0, f64::from(bbox.y0 + bbox.y1) / 2.0];
        cdr.f64_array(&centre).f64(0.0).f64(bbox.width().into()).f64(bbox.height().into());
        cdr.string(&object.track.to_string());
    }
}

/// `vision_msgs/Detection3DArray`; objects without a position are left out. The box's centre is the visible surface and
/// its size is zero: how far an object reaches behind its surface is not known.
pub(super) fn detections_3d(
    cdr: &mut CdrWriter,
    t: Timestamp,
    frame: &str,
    objects: &[Object],
    places: &[Option<Placed>],
) {
    let known = || objects.iter().zip(places).filter_map(|(o, p)| Some((o, p.as_ref()?)));
    cdr.begin().header(t, frame).length(known().count());
    for (object, place) in known() {
        cdr.header(t, frame);
        hypothesis(cdr, object, Some(place));
        cdr.pose(&Isometry3::translation(place.xyz.x, place.xyz.y, place.xyz.z)).f64_array(&[0.0; 3]);
        cdr.string(&object.track.to_string());
    }
}

/// One `vision_msgs/ObjectHypothesisWithPose`: class by name, score (0 where the detector gave none), pose and covariance.
fn hypothesis(cdr: &mut CdrWriter, object: &Object, place: Option<&Placed>) {
    cdr.length(1).string(&object.class).f64(object.score.unwrap_or(0.0).into());
    let xyz = place.map_or_else(Vector3::zeros, |p| p.xyz);
    cdr.pose(&Isometry3::translation(xyz.x, xyz.y, xyz.z));
    cdr.f64_array(&covariance(place));
}

/// 6x6, row-major, x y z and the angles; its first number is -1 where nothing is known (as `sensor_msgs/Imu` has it).
fn covariance(place: Option<&Placed>) -> [f64; 36] {
    let mut all = [0.0; 36];
    let Some(known) = place.and_then(|p| p.covariance) else {
        all[0] = -1.0;
        return all;
    };
    for row in 0..3 {
        for column in 0..3 {
            all[row * 6 + column] = known[(row, column)];
        }
        all[(row + 3) * 7] = ANGLE_VARIANCE;
    }
    all
}
