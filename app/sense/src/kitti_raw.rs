//! Indexing a KITTI raw drive: `image_0N/data`, `velodyne_points/data`, `oxts`, with the day's calibration beside it.
//!
//! A file's number is its line in the sensor's `timestamps.txt`. Stamps are text without a zone and are taken as UTC. The
//! velodyne's `timestamps.txt` (the moment it faced forward) is used, not the sweep's start or end.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ocellus_percept::space::Rig;
use ocellus_percept::time::Timestamp;

use crate::calib::{self, CalibError};
use crate::drive::{DriveKind, SensorKind, TimeSource};
use crate::ego::PoseTrack;
use crate::error::SenseError;
use crate::files::{FileDrive, FileFormat, FrameFile, Parts, SensorFiles, list_files, number_in_name, picture_size};
use crate::oxts;
use crate::points::PointLayout;
use crate::probe::OpenOptions;
use crate::stamps::{check_order, read_stamps};

/// The folders a drive may have.
pub(crate) const CAMERAS: [&str; 4] = ["image_00", "image_01", "image_02", "image_03"];
/// The LiDAR's folder.
pub(crate) const LIDAR: &str = "velodyne_points";

/// Indexes the drive folder `path`.
pub(crate) fn open(path: &Path, options: &OpenOptions) -> Result<FileDrive, SenseError> {
    let mut notes = vec!["stamps are text without a time zone and are taken as UTC".to_owned()];
    let mut sensors = Vec::new();
    for name in CAMERAS {
        sensors.extend(index_sensor(path, name, SensorKind::Camera, options, &mut notes)?);
    }
    sensors.extend(index_sensor(path, LIDAR, SensorKind::Lidar, options, &mut notes)?);
    if sensors.iter().all(|s| s.frames.is_empty()) {
        let expected = "pictures in image_0N/data or sweeps in velodyne_points/data".into();
        return Err(SenseError::Empty { path: path.into(), expected });
    }
    note_frames_without_sweep(&sensors, &mut notes);
    let day =
        path.canonicalize().ok().and_then(|p| p.parent().map(Path::to_path_buf)).unwrap_or_else(|| path.join(".."));
    let (rig, rig_source) = calibration(&day, &sensors, options, &mut notes)?;
    let ego = ego(path, &day, &mut notes)?;
    Ok(FileDrive::new(Parts {
        kind: DriveKind::KittiRaw,
        path: path.into(),
        sensors,
        time_source: TimeSource::Recorded,
        rigs: vec![rig],
        rig_source,
        labels: Vec::new(),
        ego,
        notes,
    }))
}

/// One sensor's frames; `None` where the drive has no such folder.
fn index_sensor(
    drive: &Path,
    name: &str,
    kind: SensorKind,
    options: &OpenOptions,
    notes: &mut Vec<String>,
) -> Result<Option<SensorFiles>, SenseError> {
    let folder = drive.join(name);
    let data = folder.join("data");
    if !data.is_dir() {
        return Ok(None);
    }
    let (format, extensions): (_, &[&str]) = match kind {
        SensorKind::Camera => (FileFormat::Picture, &["png", "jpg", "jpeg"]),
        SensorKind::Lidar => (FileFormat::Points(PointLayout::Kitti), &["bin"]),
    };
    let files = numbered(list_files(&data, extensions)?, name, notes);
    let stamps_file = folder.join("timestamps.txt");
    let stamps = read_stamps(&stamps_file)?;
    let mut frames = pair_with_stamps(&files, &stamps_file, &stamps)?;
    frames.extend(missing_inside(kind, name, &data, &files, &stamps, notes));
    frames.sort_by_key(|f| f.seq);
    let in_order: Vec<_> = frames.iter().map(|f| (f.seq as usize + 1, f.t)).collect();
    notes.extend(check_order(&stamps_file, &in_order, options.stamps)?);
    Ok(Some(SensorFiles { name: name.into(), kind, format, frames }))
}

/// The files whose names are numbers; the others are named in a note.
fn numbered(files: Vec<PathBuf>, name: &str, notes: &mut Vec<String>) -> Vec<(u64, PathBuf)> {
    let found = files.len();
    let numbered: Vec<_> = files.into_iter().filter_map(|path| Some((number_in_name(&path)?, path))).collect();
    if numbered.len() < found {
        notes.push(format!("{name}: {} files are left out: their names are no numbers", found - numbered.len()));
    }
    numbered
}

fn pair_with_stamps(
    files: &[(u64, PathBuf)],
    stamps_file: &Path,
    stamps: &[Timestamp],
) -> Result<Vec<FrameFile>, SenseError> {
    files
        .iter()
        .map(|(seq, path)| {
            let stamp = usize::try_from(*seq).ok().and_then(|n| stamps.get(n));
            let t = *stamp.ok_or_else(|| SenseError::Stamps {
                file: stamps_file.to_path_buf(),
                line: stamps.len() + 1,
                expected: format!("a stamp for each frame up to {} (line {})", path.display(), seq + 1),
                got: "the end of the file".into(),
            })?;
            Ok(FrameFile { t, seq: *seq, path: path.clone(), rig: 0, labels: None })
        })
        .collect()
}

/// Frames that have a stamp and no file, between the first and the last file.
///
/// A picture that was stamped and is gone is a lost input and stays in the index, so that it is counted. KITTI itself
/// lacks sweeps in places (they were never stored), so a missing sweep is only said.
fn missing_inside(
    kind: SensorKind,
    name: &str,
    data: &Path,
    files: &[(u64, PathBuf)],
    stamps: &[Timestamp],
    notes: &mut Vec<String>,
) -> Vec<FrameFile> {
    let (Some((first, _)), Some((last, path))) = (files.first(), files.last()) else { return Vec::new() };
    if stamps.len() as u64 > last + 1 || *first > 0 {
        notes.push(format!(
            "{name}: stamps for {} frames, files for numbers {first} to {last}; the others are taken as not part of this copy",
            stamps.len()
        ));
    }
    let there: std::collections::BTreeSet<u64> = files.iter().map(|(n, _)| *n).collect();
    let missing: Vec<u64> = (*first..*last).filter(|n| !there.contains(n)).collect();
    let Some(example) = missing.first() else { return Vec::new() };
    notes.push(format!(
        "{name}: {} of {} frames have a stamp and no file, the first is {example}",
        missing.len(),
        last - first + 1
    ));
    if kind == SensorKind::Lidar {
        return Vec::new();
    }
    let width = path.file_stem().map_or(10, |s| s.len());
    let extension = path.extension().map(|e| e.to_string_lossy().into_owned()).unwrap_or_default();
    missing
        .into_iter()
        .filter_map(|seq| {
            let t = *stamps.get(usize::try_from(seq).ok()?)?;
            Some(FrameFile { t, seq, path: data.join(format!("{seq:0width$}.{extension}")), rig: 0, labels: None })
        })
        .collect()
}

/// Says which pictures have no sweep of their number. They are processed all the same.
fn note_frames_without_sweep(sensors: &[SensorFiles], notes: &mut Vec<String>) {
    let Some(lidar) = sensors.iter().find(|s| s.kind == SensorKind::Lidar) else {
        notes.push("no velodyne_points: distances cannot come from LiDAR".into());
        return;
    };
    let swept: std::collections::BTreeSet<u64> = lidar.frames.iter().map(|f| f.seq).collect();
    for camera in sensors.iter().filter(|s| s.kind == SensorKind::Camera) {
        let mut without = camera.frames.iter().filter(|f| !swept.contains(&f.seq));
        if let Some(first) = without.next() {
            notes.push(format!(
                "{}: {} pictures have no LiDAR sweep of their number, the first is {}; they go on with what there is",
                camera.name,
                1 + without.count(),
                first.seq
            ));
        }
    }
}

fn calibration(
    day: &Path,
    sensors: &[SensorFiles],
    options: &OpenOptions,
    notes: &mut Vec<String>,
) -> Result<(Rig, Option<String>), SenseError> {
    if let Some(given) = &options.calib {
        let slots: Vec<_> = sensors.iter().map(SensorFiles::slot).collect();
        return Ok((calib::read_for(given, &slots, Some(LIDAR), notes)?, Some(given.display().to_string())));
    }
    let sizes: BTreeMap<String, (u32, u32)> = sensors
        .iter()
        .filter(|s| s.kind == SensorKind::Camera)
        .filter_map(|s| Some((s.name.clone(), s.frames.iter().find_map(|f| picture_size(&f.path))?)))
        .collect();
    match calib::kitti::read_raw_day(day, &sizes) {
        Ok(read) => {
            for name in read.unrectified {
                notes.push(format!("{name}: pictures have the unrectified size: K and D are used instead of P_rect"));
            }
            notes.push("the vehicle frame is the velodyne's: its axes and origin".into());
            Ok((read.rig, Some(format!("{} (calib_cam_to_cam.txt, calib_velo_to_cam.txt)", day.display()))))
        }
        Err(CalibError::Missing { path, .. }) if options.uncalibrated => {
            notes.push(format!("no calibration ({} is missing): no distances from LiDAR", path.display()));
            Ok((Rig::default(), None))
        }
        Err(error) => Err(error.into()),
    }
}

fn ego(drive: &Path, day: &Path, notes: &mut Vec<String>) -> Result<Option<(PoseTrack, String)>, SenseError> {
    let folder = drive.join("oxts");
    if !folder.join("data").is_dir() {
        notes.push("no oxts folder: ego motion is unknown".into());
        return Ok(None);
    }
    let velodyne_from_imu = match calib::kitti::read_velodyne_from_imu(day) {
        Ok(transform) => transform,
        Err(CalibError::Missing { path, .. }) => {
            notes.push(format!("oxts is there and {} is not: ego motion is left out", path.display()));
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    let imu_from_velodyne = velodyne_from_imu.inverse();
    let poses = oxts::read_imu_poses(&folder)?.into_iter().map(|(t, pose)| (t, pose * imu_from_velodyne)).collect();
    Ok(PoseTrack::from_ground_poses(poses).map(|track| (track, "oxts (GPS/IMU)".to_owned())))
}
