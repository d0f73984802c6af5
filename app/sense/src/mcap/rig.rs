//! The rig of an MCAP recording: intrinsics beside the pictures, places by the tree of frames.
//!
//! The vehicle frame is `base_link` (REP-105) or what stands for it. A picture's frame is an optical frame (REP-103) unless
//! its axes show that it is not: a frame not called optical whose z axis points up is turned, and that is said.

use std::path::Path;

use nalgebra::{Isometry3, Matrix3, Rotation3, UnitQuaternion, Vector3};
use ocellus_percept::space::{Camera, CameraMount, LidarMount, Rig, Transform};

use super::index::Index;
use super::message::CameraMessage;
use super::names::{info_of, is_rectified};
use super::tree::FrameTree;
use crate::calib;
use crate::drive::SensorKind;

/// Frames taken for the vehicle's, the usual one first.
const VEHICLE_FRAMES: [&str; 5] = ["base_link", "base_footprint", "ego_vehicle", "vehicle", "base"];
/// Cosine of 60 degrees: no optical axis of a camera on a vehicle points further up.
const AXIS_UP_MIN: f64 = 0.5;

/// A sensor to be placed.
pub(crate) struct Mounted<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: SensorKind,
    pub(crate) topic: &'a str,
    pub(crate) frame: &'a str,
    /// Columns and rows of its first picture.
    pub(crate) size: Option<(u32, u32)>,
}

/// Which frame is the vehicle's, and a note where that is a guess.
pub(crate) fn vehicle_frame(
    tree: &FrameTree,
    index: &Index,
    sensors: &[Mounted<'_>],
) -> Option<(String, Option<String>)> {
    if let Some(frame) = VEHICLE_FRAMES.iter().find(|f| tree.has(f)) {
        let note = (*frame != "base_link").then(|| format!("no frame base_link: {frame} is taken as the vehicle's"));
        return Some(((*frame).to_owned(), note));
    }
    let by_odometry = index.poses.iter().map(|(_, _, pose)| pose.child.as_str()).find(|child| !child.is_empty());
    let (frame, why) = match by_odometry {
        Some(child) if tree.has(child) || VEHICLE_FRAMES.contains(&child) => (child, "the odometry's"),
        _ => (sensors.iter().find(|s| s.kind == SensorKind::Lidar)?.frame, "the LiDAR's"),
    };
    let note = format!(
        "no frame base_link in the transforms: the vehicle frame is taken to be {why} ({frame}), its axes and origin"
    );
    Some((frame.to_owned(), (frame != "base_link").then_some(note)))
}

/// Intrinsics and places of all sensors; what is missing is said.
pub(crate) fn build(
    path: &Path,
    sensors: &[Mounted<'_>],
    index: &Index,
    tree: &FrameTree,
    vehicle: Option<&str>,
    notes: &mut Vec<String>,
) -> Rig {
    let mut rig = Rig::default();
    for sensor in sensors {
        let place = place(sensor, tree, vehicle, notes);
        match sensor.kind {
            SensorKind::Lidar => {
                if let Some(vehicle_from_lidar) = place {
                    let vehicle_from_lidar = Transform::from_isometry(vehicle_from_lidar);
                    rig.lidars.insert(sensor.name.to_owned(), LidarMount { vehicle_from_lidar });
                }
            }
            SensorKind::Camera => {
                let Some(camera) = intrinsics(path, sensor, index, notes) else { continue };
                let vehicle_from_optical = place.map(|p| upright(sensor, p, notes));
                let optical_from_vehicle = vehicle_from_optical.map(|p| Transform::from_isometry(p.inverse()));
                rig.cameras.insert(sensor.name.to_owned(), CameraMount { camera, optical_from_vehicle });
            }
        }
    }
    rig
}

/// Where a sensor's frame stands in the vehicle's.
fn place(
    sensor: &Mounted<'_>,
    tree: &FrameTree,
    vehicle: Option<&str>,
    notes: &mut Vec<String>,
) -> Option<Isometry3<f64>> {
    let Mounted { name, frame, .. } = sensor;
    let vehicle = vehicle?;
    match tree.transform(vehicle, frame) {
        Some((vehicle_from_sensor, true)) => Some(vehicle_from_sensor),
        Some((vehicle_from_sensor, false)) => {
            notes.push(format!(
                "{name}: the transforms between {vehicle} and {frame} change: the first values are used"
            ));
            Some(vehicle_from_sensor)
        }
        None => {
            let why = if tree.is_empty() { "the recording has no transforms" } else { "no transforms join them" };
            notes.push(format!(
                "{name}: where its frame {frame:?} stands in {vehicle} is unknown ({why}): give a calibration with --calib FILE"
            ));
            None
        }
    }
}

/// x ahead, y left, z up to x right, y down, z ahead.
fn body_from_optical() -> UnitQuaternion<f64> {
    let matrix = Matrix3::new(0.0, 0.0, 1.0, -1.0, 0.0, 0.0, 0.0, -1.0, 0.0);
    UnitQuaternion::from_rotation_matrix(&Rotation3::from_matrix_unchecked(matrix))
}

/// Adds the optical rotation where a camera's frame is a body frame.
fn upright(sensor: &Mounted<'_>, vehicle_from_frame: Isometry3<f64>, notes: &mut Vec<String>) -> Isometry3<f64> {
    let axis_up = (vehicle_from_frame.rotation * Vector3::z()).z;
    if sensor.frame.contains("optical") || axis_up < AXIS_UP_MIN {
        return vehicle_from_frame;
    }
    notes.push(format!(
        "{}: frame {} has its z axis up: it is taken for a body frame, and the optical rotation (x right, y down, z ahead) is added",
        sensor.name, sensor.frame
    ));
    vehicle_from_frame * body_from_optical()
}

/// The intrinsics sent for a camera.
fn intrinsics(path: &Path, sensor: &Mounted<'_>, index: &Index, notes: &mut Vec<String>) -> Option<Camera> {
    let infos: Vec<(&str, &str)> =
        index.streams.iter().filter_map(|s| Some((s.topic.as_str(), s.camera.as_ref()?.0.frame.as_str()))).collect();
    let name = sensor.name;
    let Some(topic) = info_of(sensor.topic, sensor.frame, &infos) else {
        notes.push(format!("{name}: no CameraInfo for {}: give a calibration with --calib FILE", sensor.topic));
        return None;
    };
    let (message, differing) = index.streams.iter().filter(|s| s.topic == topic).find_map(|s| s.camera.as_ref())?;
    if *differing > 0 {
        notes.push(format!("{name}: {differing} messages on {topic} differ from the first: the first is used"));
    }
    match camera_of(path, topic, sensor, message) {
        Ok(camera) => Some(camera),
        Err(why) => {
            notes.push(format!("{name}: {why}; give a calibration with --calib FILE"));
            None
        }
    }
}

fn camera_of(path: &Path, topic: &str, sensor: &Mounted<'_>, message: &CameraMessage) -> Result<Camera, String> {
    let CameraMessage { k, p, d, model, .. } = message;
    let rectified = is_rectified(sensor.topic);
    let (k, model, d) = if rectified {
        ([p[0], p[1], p[2], p[4], p[5], p[6], p[8], p[9], p[10]], "rectified", &[][..])
    } else {
        (*k, model.as_str(), d.as_slice())
    };
    if k.iter().all(|v| *v == 0.0) {
        return Err(format!("uncalibrated: {topic} has a camera matrix of zeros"));
    }
    let size = match (message.width, message.height) {
        (0, _) | (_, 0) => sensor.size.ok_or_else(|| format!("{topic} gives no picture size"))?,
        size => size,
    };
    // Without a model's name, OpenCV's ordinary one.
    let model = if model.is_empty() { "opencv" } else { model };
    let mut camera = calib::camera_of_message(path, topic, &k, size, (model, d)).map_err(|e| e.to_string())?;
    if let Some([x, y, width, height]) = message.roi {
        camera = Camera { width, height, cx: camera.cx - f64::from(x), cy: camera.cy - f64::from(y), ..camera };
    }
    let [across, down] = message.binning.map(|b| b.max(1));
    if (across, down) != (1, 1) {
        camera = camera.scaled_to(camera.width / across, camera.height / down).map_err(|e| e.to_string())?;
    }
    Ok(camera)
}
