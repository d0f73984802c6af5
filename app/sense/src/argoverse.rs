//! Indexing an Argoverse 2 sensor log: `sensors/lidar/<ns>.feather`, `sensors/cameras/<name>/<ns>.jpg`, `calibration`,
//! `city_SE3_egovehicle.feather`, `annotations.feather`.
//!
//! The vehicle frame is the log's `egovehicle` (x forward, y left, z up, origin at the middle of the rear axle). Sweeps are
//! stored in it, joined from two LiDARs and moved to their stamp by the data set; pictures are stored undistorted, so the
//! distortion coefficients of `intrinsics.feather` do not apply (Argoverse 2 user guide, sensor data set).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use nalgebra::{Isometry3, Quaternion, Translation3, UnitQuaternion};
use ocellus_percept::space::{Camera, CameraMount, LidarMount, Rig, Transform};
use ocellus_percept::time::Timestamp;

use crate::calib;
use crate::drive::{DriveKind, SensorKind, TimeSource};
use crate::ego::PoseTrack;
use crate::error::SenseError;
use crate::feather::Table;
use crate::files::{FileDrive, FileFormat, FrameFile, Parts, SensorFiles, list_files, number_in_name};
use crate::labels::{Cuboid, Label};
use crate::probe::OpenOptions;

/// The joined sweeps' name.
const LIDAR: &str = "lidar";

/// A quaternion this far from length 1 is no rotation: float columns are off by 1e-7.
const QUATERNION_ERROR_MAX: f64 = 1e-2;

/// Whether `path` looks like a log.
pub(crate) fn is_log(path: &Path) -> bool {
    path.join("sensors").join("lidar").is_dir()
        || path.join("sensors").join("cameras").is_dir()
        || path.join("calibration").join("egovehicle_SE3_sensor.feather").is_file()
}

/// Indexes the log `path`.
pub(crate) fn open(path: &Path, options: &OpenOptions) -> Result<FileDrive, SenseError> {
    let mut notes = vec![
        "the vehicle frame is the log's egovehicle; sweeps are given in it, already moved to their stamp".to_owned(),
        "stamps are the log's own clock and no date".to_owned(),
    ];
    let mut sensors = index_sensors(path)?;
    let (rig, rig_source) = match &options.calib {
        Some(given) => {
            let slots: Vec<_> = sensors.iter().map(SensorFiles::slot).collect();
            let rig = calib::read_for(given, &slots, Some(LIDAR), &mut notes)?;
            (rig, Some(given.display().to_string()))
        }
        None => calibration(path, options, &mut notes)?,
    };
    // A camera that is calibrated and has no picture is listed, with none.
    let listed: BTreeSet<String> = sensors.iter().map(|s| s.name.clone()).collect();
    for name in rig.cameras.keys().filter(|name| !listed.contains(*name)) {
        sensors.push(camera(name.clone(), Vec::new()));
    }
    if sensors.iter().all(|s| s.frames.is_empty()) {
        let expected = "sweeps in sensors/lidar or pictures in sensors/cameras".into();
        return Err(SenseError::Empty { path: path.into(), expected });
    }
    if sensors.iter().all(|s| s.kind == SensorKind::Lidar || s.frames.is_empty()) {
        notes.push("the log has no camera pictures: only LiDAR can be replayed".into());
    }
    let labels = annotations(path, &mut sensors)?;
    let ego = poses(path, &mut notes)?;
    Ok(FileDrive::new(Parts {
        kind: DriveKind::Argoverse2,
        path: path.into(),
        sensors,
        time_source: TimeSource::Recorded,
        rigs: vec![rig],
        rig_source,
        labels,
        ego,
        notes,
    }))
}

fn camera(name: String, frames: Vec<FrameFile>) -> SensorFiles {
    SensorFiles { name, kind: SensorKind::Camera, format: FileFormat::Picture, frames }
}

fn index_sensors(log: &Path) -> Result<Vec<SensorFiles>, SenseError> {
    let mut sensors = Vec::new();
    let lidar = log.join("sensors").join("lidar");
    if lidar.is_dir() {
        let frames = stamped_files(&lidar, &["feather"])?;
        sensors.push(SensorFiles {
            name: LIDAR.into(),
            kind: SensorKind::Lidar,
            format: FileFormat::FeatherSweep,
            frames,
        });
    }
    let cameras = log.join("sensors").join("cameras");
    if cameras.is_dir() {
        for item in std::fs::read_dir(&cameras).map_err(SenseError::io(&cameras, "listing the folder"))? {
            let folder = item.map_err(SenseError::io(&cameras, "listing the folder"))?.path();
            if let (true, Some(name)) = (folder.is_dir(), folder.file_name()) {
                sensors.push(camera(
                    name.to_string_lossy().into_owned(),
                    stamped_files(&folder, &["jpg", "jpeg", "png"])?,
                ));
            }
        }
    }
    Ok(sensors)
}

/// Files whose names are their stamps in nanoseconds; numbered in that order.
fn stamped_files(folder: &Path, extensions: &[&str]) -> Result<Vec<FrameFile>, SenseError> {
    let mut stamped = Vec::new();
    for path in list_files(folder, extensions)? {
        let ns = number_in_name(&path).and_then(|n| i64::try_from(n).ok()).ok_or_else(|| SenseError::Format {
            file: path.clone(),
            place: "the file's name".into(),
            expected: "a stamp in nanoseconds".into(),
            got: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        })?;
        stamped.push((ns, path));
    }
    stamped.sort();
    let frame =
        |(seq, (ns, path))| FrameFile { t: Timestamp::from_nanos(ns), seq: seq as u64, path, rig: 0, labels: None };
    Ok(stamped.into_iter().enumerate().map(frame).collect())
}

fn calibration(
    log: &Path,
    options: &OpenOptions,
    notes: &mut Vec<String>,
) -> Result<(Rig, Option<String>), SenseError> {
    let folder = log.join("calibration");
    let (intrinsics, extrinsics) = (folder.join("intrinsics.feather"), folder.join("egovehicle_SE3_sensor.feather"));
    for file in [&intrinsics, &extrinsics] {
        if !file.is_file() {
            if options.uncalibrated {
                notes.push(format!("no calibration ({} is missing)", file.display()));
                return Ok((sweeps_only(), None));
            }
            let expected = "an Argoverse 2 calibration table".into();
            return Err(calib::CalibError::Missing { path: file.clone(), expected }.into());
        }
    }
    let vehicle_from_sensor = read_poses(&extrinsics, "sensor_name")?;
    let table = Table::read(&intrinsics)?;
    let column = |name| table.numbers(name);
    let (fx, fy, cx, cy) = (column("fx_px")?, column("fy_px")?, column("cx_px")?, column("cy_px")?);
    let (width, height) = (column("width_px")?, column("height_px")?);
    let mut rig = sweeps_only();
    for (i, name) in table.texts("sensor_name")?.into_iter().enumerate() {
        let at = |values: &[f64]| values.get(i).copied().unwrap_or(f64::NAN);
        let size = (at(&width) as u32, at(&height) as u32);
        let k = [at(&fx), 0.0, at(&cx), 0.0, at(&fy), at(&cy), 0.0, 0.0, 1.0];
        let camera: Camera = calib::camera_of_row(&intrinsics, i, &name, &k, size)?;
        let optical_from_vehicle = vehicle_from_sensor.get(&name).map(|pose| Transform::from_isometry(pose.inverse()));
        rig.cameras.insert(name, CameraMount { camera, optical_from_vehicle });
    }
    Ok((rig, Some(folder.display().to_string())))
}

/// The sweeps are in the vehicle frame whatever else is known.
fn sweeps_only() -> Rig {
    let mut rig = Rig::default();
    rig.lidars.insert(LIDAR.into(), LidarMount { vehicle_from_lidar: Transform::identity() });
    rig
}

/// The rows of a table of poses: `qw qx qy qz tx_m ty_m tz_m`.
fn pose_rows(file: &Path, table: &Table) -> Result<Vec<Isometry3<f64>>, SenseError> {
    let columns: Vec<Vec<f64>> = ["qw", "qx", "qy", "qz", "tx_m", "ty_m", "tz_m"]
        .into_iter()
        .map(|name| table.numbers(name))
        .collect::<Result<_, _>>()?;
    (0..table.len())
        .map(|row| {
            let at = |c: usize| columns.get(c).and_then(|v| v.get(row)).copied().unwrap_or(f64::NAN);
            let q = Quaternion::new(at(0), at(1), at(2), at(3));
            let t = Translation3::new(at(4), at(5), at(6));
            if (q.norm() - 1.0).abs() < QUATERNION_ERROR_MAX && t.vector.iter().all(|v| v.is_finite()) {
                return Ok(Isometry3::from_parts(t, UnitQuaternion::from_quaternion(q)));
            }
            Err(SenseError::Format {
                file: file.into(),
                place: format!("row {row}"),
                expected: "a quaternion of length 1 and a finite translation".into(),
                got: format!("length {}, translation {:?}", q.norm(), t.vector.as_slice()),
            })
        })
        .collect()
}

fn read_poses(file: &Path, key: &str) -> Result<BTreeMap<String, Isometry3<f64>>, SenseError> {
    let table = Table::read(file)?;
    Ok(table.texts(key)?.into_iter().zip(pose_rows(file, &table)?).collect())
}

fn poses(log: &Path, notes: &mut Vec<String>) -> Result<Option<(PoseTrack, String)>, SenseError> {
    let file = log.join("city_SE3_egovehicle.feather");
    if !file.is_file() {
        notes.push("no city_SE3_egovehicle.feather: ego motion is unknown".into());
        return Ok(None);
    }
    let table = Table::read(&file)?;
    let stamps = table.integers("timestamp_ns")?.into_iter().map(Timestamp::from_nanos);
    let poses = stamps.zip(pose_rows(&file, &table)?).collect();
    Ok(PoseTrack::from_ground_poses(poses).map(|track| (track, "city_SE3_egovehicle.feather".to_owned())))
}

/// Labels per annotated moment; the sweeps get the index of theirs.
fn annotations(log: &Path, sensors: &mut [SensorFiles]) -> Result<Vec<Vec<Label>>, SenseError> {
    let file = log.join("annotations.feather");
    if !file.is_file() {
        return Ok(Vec::new());
    }
    let table = Table::read(&file)?;
    let stamps = table.integers("timestamp_ns")?;
    let (classes, tracks) = (table.texts("category")?, table.texts("track_uuid")?);
    let sizes = (table.numbers("length_m")?, table.numbers("width_m")?, table.numbers("height_m")?);
    let inside = table.numbers("num_interior_pts")?;
    let mut by_stamp: BTreeMap<i64, Vec<Label>> = BTreeMap::new();
    for (i, pose) in pose_rows(&file, &table)?.into_iter().enumerate() {
        let at = |values: &[f64]| values.get(i).copied().unwrap_or(f64::NAN);
        let size_m = [at(&sizes.0), at(&sizes.1), at(&sizes.2)];
        by_stamp.entry(stamps.get(i).copied().unwrap_or_default()).or_default().push(Label {
            class: classes.get(i).cloned().unwrap_or_default(),
            track: tracks.get(i).cloned(),
            truncated: None,
            occluded: None,
            box_px: None,
            cuboid: Some(Cuboid { vehicle_from_body: Transform::from_isometry(pose), size_m }),
            points_inside: Some(at(&inside) as u32),
        });
    }
    let places: Vec<i64> = by_stamp.keys().copied().collect();
    for frame in sensors.iter_mut().filter(|s| s.kind == SensorKind::Lidar).flat_map(|s| &mut s.frames) {
        frame.labels = places.binary_search(&frame.t.as_nanos()).ok();
    }
    Ok(by_stamp.into_values().collect())
}
