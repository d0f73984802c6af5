//! Indexing KITTI object detection frames: `image_2`, `velodyne`, `calib`, `label_2`, here or in a folder `training`.
//!
//! The frames are single moments of many drives: they have no stamps (index x 100 ms is used and said), no ego motion, and
//! each its own calibration.

use std::path::{Path, PathBuf};

use ocellus_percept::space::Rig;

use crate::calib::{self, CalibError};
use crate::drive::{DriveKind, SensorKind};
use crate::error::SenseError;
use crate::files::{FileDrive, FileFormat, FrameFile, Parts, SensorFiles, list_files, number_in_name, picture_size};
use crate::labels::{self, Label};
use crate::points::PointLayout;
use crate::probe::OpenOptions;
use crate::stamps::{INDEXED, stamp_by_index};

/// The picture folders.
pub(crate) const CAMERAS: [&str; 4] = ["image_0", "image_1", "image_2", "image_3"];
/// The LiDAR's folder.
pub(crate) const LIDAR: &str = "velodyne";

/// The folder that holds the frames: `path` itself or its `training` or `testing`.
pub(crate) fn base(path: &Path) -> Option<PathBuf> {
    let holds_frames = |p: &Path| {
        CAMERAS.iter().chain([&LIDAR]).any(|s| p.join(s).is_dir())
            && (p.join("calib").is_dir() || p.join("label_2").is_dir())
    };
    [path.to_path_buf(), path.join("training"), path.join("testing")].into_iter().find(|p| holds_frames(p))
}

/// Indexes the frames of `path`.
pub(crate) fn open(path: &Path, options: &OpenOptions) -> Result<FileDrive, SenseError> {
    let base = base(path).unwrap_or_else(|| path.to_path_buf());
    let mut notes =
        vec!["frames are single moments, not a drive: no stamps, no ego motion, and tracks mean nothing".to_owned()];
    let mut sensors = Vec::new();
    for (name, kind) in CAMERAS.iter().map(|c| (*c, SensorKind::Camera)).chain([(LIDAR, SensorKind::Lidar)]) {
        sensors.extend(index_sensor(&base, name, kind)?);
    }
    let mut numbers: Vec<u64> = sensors.iter().flat_map(|s: &SensorFiles| s.frames.iter().map(|f| f.seq)).collect();
    numbers.sort_unstable();
    numbers.dedup();
    if numbers.is_empty() {
        let expected = "pictures in image_2 or sweeps in velodyne".into();
        return Err(SenseError::Empty { path: path.into(), expected });
    }
    note_frames_without_sweep(&sensors, &mut notes);
    let calibration = calibrations(&base, &numbers, &sensors, options, &mut notes)?;
    let labels = read_labels(&base, &numbers, &calibration)?;
    for frame in sensors.iter_mut().flat_map(|s| &mut s.frames) {
        // The number's place among all frames is its time, its calibration and its labels.
        let place = numbers.binary_search(&frame.seq).unwrap_or_default();
        frame.t = stamp_by_index(place);
        frame.rig = if calibration.rigs.len() > 1 { place } else { 0 };
        frame.labels = labels.of_number.get(place).copied().flatten();
    }
    Ok(FileDrive::new(Parts {
        kind: DriveKind::KittiObject,
        path: path.into(),
        sensors,
        time_source: INDEXED,
        rigs: calibration.rigs,
        rig_source: calibration.source,
        labels: labels.all,
        ego: None,
        notes,
    }))
}

fn index_sensor(base: &Path, name: &str, kind: SensorKind) -> Result<Option<SensorFiles>, SenseError> {
    let folder = base.join(name);
    if !folder.is_dir() {
        return Ok(None);
    }
    let (format, extensions): (_, &[&str]) = match kind {
        SensorKind::Camera => (FileFormat::Picture, &["png", "jpg", "jpeg"]),
        SensorKind::Lidar => (FileFormat::Points(PointLayout::Kitti), &["bin"]),
    };
    let frames = list_files(&folder, extensions)?
        .into_iter()
        .filter_map(|path| {
            Some(FrameFile { t: stamp_by_index(0), seq: number_in_name(&path)?, path, rig: 0, labels: None })
        })
        .collect();
    Ok(Some(SensorFiles { name: name.into(), kind, format, frames }))
}

/// Says which pictures have no sweep. They are processed all the same.
fn note_frames_without_sweep(sensors: &[SensorFiles], notes: &mut Vec<String>) {
    let Some(lidar) = sensors.iter().find(|s| s.kind == SensorKind::Lidar) else {
        notes.push("no velodyne folder: distances cannot come from LiDAR".into());
        return;
    };
    let swept: std::collections::BTreeSet<u64> = lidar.frames.iter().map(|f| f.seq).collect();
    for camera in sensors.iter().filter(|s| s.kind == SensorKind::Camera) {
        let without = camera.frames.iter().filter(|f| !swept.contains(&f.seq)).count();
        if without > 0 {
            notes.push(format!(
                "{}: {without} pictures have no LiDAR sweep; they go on with what there is",
                camera.name
            ));
        }
    }
}

/// Calibration per frame number, or one for all.
struct Calibrations {
    rigs: Vec<Rig>,
    frames: Vec<Option<calib::kitti::ObjectFrame>>,
    source: Option<String>,
}

fn calibrations(
    base: &Path,
    numbers: &[u64],
    sensors: &[SensorFiles],
    options: &OpenOptions,
    notes: &mut Vec<String>,
) -> Result<Calibrations, SenseError> {
    if let Some(given) = &options.calib {
        let slots: Vec<_> = sensors.iter().map(SensorFiles::slot).collect();
        let rig = calib::read_for(given, &slots, Some(LIDAR), notes)?;
        return Ok(Calibrations { rigs: vec![rig], frames: Vec::new(), source: Some(given.display().to_string()) });
    }
    let folder = base.join("calib");
    let mut all = Calibrations { rigs: Vec::new(), frames: Vec::new(), source: None };
    let mut missing = 0;
    for number in numbers {
        let pictures: Vec<(&str, usize, (u32, u32))> = sensors
            .iter()
            .filter(|s| s.kind == SensorKind::Camera)
            .filter_map(|s| {
                let frame = s.frames.iter().find(|f| f.seq == *number)?;
                let index = s.name.strip_prefix("image_")?.parse().ok()?;
                Some((s.name.as_str(), index, picture_size(&frame.path)?))
            })
            .collect();
        match calib::kitti::read_object_frame(&folder.join(format!("{number:06}.txt")), &pictures) {
            Ok(frame) => {
                all.rigs.push(frame.rig.clone());
                all.frames.push(Some(frame));
            }
            Err(CalibError::Missing { .. }) if options.uncalibrated => {
                missing += 1;
                all.rigs.push(Rig::default());
                all.frames.push(None);
            }
            Err(error) => return Err(error.into()),
        }
    }
    if missing > 0 {
        notes.push(format!("{missing} of {} frames have no calibration: no distances from LiDAR there", numbers.len()));
    }
    if missing < numbers.len() {
        all.source = Some(format!("{} (one file per frame)", folder.display()));
        notes.push("the vehicle frame is the velodyne's: its axes and origin".into());
    }
    Ok(all)
}

/// Labels of the frames that have a label file.
struct Labels {
    /// For each frame number the index of its labels.
    of_number: Vec<Option<usize>>,
    all: Vec<Vec<Label>>,
}

fn read_labels(base: &Path, numbers: &[u64], calibration: &Calibrations) -> Result<Labels, SenseError> {
    let folder = base.join("label_2");
    let mut read = Labels { of_number: Vec::with_capacity(numbers.len()), all: Vec::new() };
    for (i, number) in numbers.iter().enumerate() {
        let file = folder.join(format!("{number:06}.txt"));
        if !file.is_file() {
            read.of_number.push(None);
            continue;
        }
        let text = std::fs::read_to_string(&file).map_err(SenseError::io(&file, "reading the labels"))?;
        let frame = calibration.frames.get(i).and_then(Option::as_ref);
        let to_camera = frame.map(|f| &f.rectified_from_vehicle);
        read.of_number.push(Some(read.all.len()));
        read.all.push(labels::parse_kitti(&file, &text)?.iter().map(|l| l.to_label(to_camera)).collect());
    }
    Ok(read)
}
