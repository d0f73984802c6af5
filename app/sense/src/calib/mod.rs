//! Calibration files to a [`Rig`]. Which form a file has is told by looking:
//!
//! - ROS `camera_info` YAML (the calibrator's file or a dumped message), one camera a file;
//! - OpenCV FileStorage YAML (`%YAML:1.0`), one camera a file;
//! - Kalibr camchain YAML, all cameras in one file;
//! - KITTI text: a raw day's folder (or its `calib_cam_to_cam.txt`), or one object frame's `NNNNNN.txt`;
//! - our rig YAML: `cameras:` and `lidars:`, each camera in `camera_info` form with its extrinsics beside it.
//!
//! A folder is all its YAML files together. In every YAML form a camera may carry `optical_from_vehicle` (or the inverse
//! `vehicle_from_optical`, or `optical_from_lidar`), and a LiDAR file is `lidar_name` with `vehicle_from_lidar`. A transform
//! is `{xyz: [m], quaternion_xyzw: [..]}`, `{xyz: [m], rpy: [radians]}` or 3x4 or 4x4 numbers. A singular or missing matrix
//! is an error; an extrinsic that looks inverted or lacks the optical rotation is said aloud in the notes.

mod camera_info;
mod error;
mod extrinsics;
mod intrinsics;
mod kalibr;
pub(crate) mod kitti;
mod matching;
mod place;
mod rig_file;
mod suspect;
mod yaml;

use std::path::Path;

use ocellus_percept::space::{Camera, Distortion, Rig};

pub use error::CalibError;
pub(crate) use matching::{SensorSlot, read_for};
use place::Place;
pub(crate) use suspect::suspicions;

/// A calibration as read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Calibration {
    /// The sensors it describes, under the names it gives them.
    pub rig: Rig,
    /// The form found, for people.
    pub form: String,
    /// What was assumed, passed over or suspected: to be said aloud.
    pub notes: Vec<String>,
}

/// Reads a calibration file or a folder of them.
pub fn read(path: &Path) -> Result<Calibration, CalibError> {
    let mut calibration = rig_file::read_path(path, None)?;
    calibration.notes.extend(suspect::suspicions(&calibration.rig));
    Ok(calibration)
}

/// A camera from a row of a table.
pub(crate) fn camera_of_row(
    path: &Path,
    row: usize,
    name: &str,
    k: &[f64; 9],
    size: (u32, u32),
) -> Result<Camera, CalibError> {
    let place = Place::key(path, 0, format!("row {row} ({name})"));
    intrinsics::camera_from_matrix(&place, k, size, Distortion::None)
}

/// A camera as a message has it: camera matrix, picture size, distortion model's name and coefficients.
pub(crate) fn camera_of_message(
    path: &Path,
    topic: &str,
    k: &[f64; 9],
    size: (u32, u32),
    (model, d): (&str, &[f64]),
) -> Result<Camera, CalibError> {
    let place = Place::key(path, 0, topic.to_owned());
    let distortion = intrinsics::distortion_from(&place, model, d)?;
    intrinsics::camera_from_matrix(&place, k, size, distortion)
}
