//! Indexing a plain folder of pictures, and nuScenes samples by their names.
//!
//! Pictures are taken in the natural order of their names (`frame2` before `frame10`), with times from `timestamps.txt`
//! beside them (one stamp per picture), else index x 100 ms. Files named `<log>__<CHANNEL>__<microseconds>.jpg` or
//! `.pcd.bin` are nuScenes samples: a sensor per channel, times from the names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ocellus_percept::space::Rig;
use ocellus_percept::time::Timestamp;

use crate::calib;
use crate::drive::{DriveKind, SensorKind, TimeSource};
use crate::error::SenseError;
use crate::files::{FileDrive, FileFormat, FrameFile, Parts, SensorFiles, list_files};
use crate::points::PointLayout;
use crate::probe::OpenOptions;
use crate::stamps::{INDEXED, check_order, read_stamps, stamp_by_index};

/// Extensions of pictures.
pub(crate) const PICTURES: [&str; 3] = ["jpg", "jpeg", "png"];

/// The only camera's name.
pub(crate) const CAMERA: &str = "camera";

/// Indexes a plain folder of pictures.
pub(crate) fn open_pictures(path: &Path, options: &OpenOptions) -> Result<FileDrive, SenseError> {
    let files = list_files(path, &PICTURES)?;
    if files.is_empty() {
        return Err(SenseError::Empty { path: path.into(), expected: "jpg or png pictures".into() });
    }
    let mut notes = Vec::new();
    let stamps_file = path.join("timestamps.txt");
    let (stamps, time_source) = if stamps_file.is_file() {
        (stamps_for(&files, &stamps_file, options, &mut notes)?, TimeSource::Recorded)
    } else {
        ((0..files.len()).map(stamp_by_index).collect(), INDEXED)
    };
    let frames = files
        .into_iter()
        .zip(stamps)
        .enumerate()
        .map(|(i, (path, t))| FrameFile { t, seq: i as u64, path, rig: 0, labels: None })
        .collect();
    let sensors =
        vec![SensorFiles { name: CAMERA.into(), kind: SensorKind::Camera, format: FileFormat::Picture, frames }];
    finish(DriveKind::ImageFolder, path, sensors, time_source, options, notes)
}

fn stamps_for(
    files: &[PathBuf],
    stamps_file: &Path,
    options: &OpenOptions,
    notes: &mut Vec<String>,
) -> Result<Vec<Timestamp>, SenseError> {
    let stamps = read_stamps(stamps_file)?;
    if stamps.len() != files.len() {
        return Err(SenseError::Stamps {
            file: stamps_file.into(),
            line: stamps.len().min(files.len()) + 1,
            expected: format!("one stamp for each of the {} pictures beside it", files.len()),
            got: format!("{} stamps", stamps.len()),
        });
    }
    let lines: Vec<_> = stamps.iter().enumerate().map(|(i, t)| (i + 1, *t)).collect();
    notes.extend(check_order(stamps_file, &lines, options.stamps)?);
    Ok(stamps)
}

fn finish(
    kind: DriveKind,
    path: &Path,
    sensors: Vec<SensorFiles>,
    time_source: TimeSource,
    options: &OpenOptions,
    mut notes: Vec<String>,
) -> Result<FileDrive, SenseError> {
    let (rig, rig_source) = match &options.calib {
        Some(given) => {
            let slots: Vec<_> = sensors.iter().map(SensorFiles::slot).collect();
            (calib::read_for(given, &slots, None, &mut notes)?, Some(given.display().to_string()))
        }
        None => {
            notes.push("no calibration comes with this kind of drive; give one with --calib FILE for distances".into());
            (Rig::default(), None)
        }
    };
    Ok(FileDrive::new(Parts {
        kind,
        path: path.into(),
        sensors,
        time_source,
        rigs: vec![rig],
        rig_source,
        labels: Vec::new(),
        ego: None,
        notes,
    }))
}

/// A nuScenes sample's file name taken apart.
#[derive(Debug, PartialEq, Eq)]
struct SampleName<'a> {
    channel: &'a str,
    t: Timestamp,
}

/// `None` for any other name.
fn sample_name(path: &Path) -> Option<SampleName<'_>> {
    let name = path.file_name()?.to_str()?;
    let mut parts = name.split("__");
    let (_, channel, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let us: i64 = rest.split_once('.')?.0.parse().ok()?;
    let known = channel.starts_with("CAM_") || channel.starts_with("LIDAR_") || channel.starts_with("RADAR_");
    (known && parts.next().is_none()).then_some(SampleName { channel, t: Timestamp::from_nanos(us.checked_mul(1000)?) })
}

/// Folders that may hold samples: the path itself, or a folder per channel in it or in its `samples`.
fn sample_files(path: &Path) -> Result<Vec<PathBuf>, SenseError> {
    let mut files = Vec::new();
    for base in [path.to_path_buf(), path.join("samples")].iter().filter(|p| p.is_dir()) {
        files.extend(list_files(base, &SAMPLE_EXTENSIONS)?);
        for item in std::fs::read_dir(base).map_err(SenseError::io(base, "listing the folder"))? {
            let folder = item.map_err(SenseError::io(base, "listing the folder"))?.path();
            let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if folder.is_dir() && (name.starts_with("CAM_") || name.starts_with("LIDAR_")) {
                files.extend(list_files(&folder, &SAMPLE_EXTENSIONS)?);
            }
        }
    }
    files.retain(|f| sample_name(f).is_some());
    Ok(files)
}

const SAMPLE_EXTENSIONS: [&str; 3] = ["jpg", "png", "pcd.bin"];

/// Whether `path` holds nuScenes samples.
pub(crate) fn holds_samples(path: &Path) -> bool {
    sample_files(path).is_ok_and(|files| !files.is_empty())
}

/// Indexes nuScenes samples.
pub(crate) fn open_samples(path: &Path, options: &OpenOptions) -> Result<FileDrive, SenseError> {
    let mut channels: BTreeMap<String, Vec<(Timestamp, PathBuf)>> = BTreeMap::new();
    let mut notes = Vec::new();
    for file in sample_files(path)? {
        if let Some(name) = sample_name(&file) {
            channels.entry(name.channel.to_owned()).or_default().push((name.t, file.clone()));
        }
    }
    let mut sensors = Vec::new();
    for (name, mut stamped) in channels {
        let (kind, format) = match name.split('_').next() {
            Some("CAM") => (SensorKind::Camera, FileFormat::Picture),
            Some("LIDAR") => (SensorKind::Lidar, FileFormat::Points(PointLayout::NuScenes)),
            _ => {
                notes.push(format!("{name}: {} files are left out: radar is not read", stamped.len()));
                continue;
            }
        };
        if kind == SensorKind::Lidar {
            notes.push(format!("{name}: x right, y forward as stored; turned to x forward, y left"));
        }
        stamped.sort();
        let frames = stamped.into_iter().enumerate();
        let frames = frames.map(|(i, (t, path))| FrameFile { t, seq: i as u64, path, rig: 0, labels: None }).collect();
        sensors.push(SensorFiles { name, kind, format, frames });
    }
    finish(DriveKind::NuScenesSamples, path, sensors, TimeSource::Recorded, options, notes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nuscenes_names_are_told_from_others() {
        let parse = |n: &'static str| sample_name(Path::new(n));
        let name = parse("n015-2018-07-24-11-22-45+0800__CAM_FRONT__1532402927612460.jpg").unwrap();
        assert_eq!((name.channel, name.t.as_nanos()), ("CAM_FRONT", 1_532_402_927_612_460_000));
        assert!(parse("a__LIDAR_TOP__15.pcd.bin").is_some());
        for other in ["a__CAM_FRONT__x.jpg", "a__FRONT__15.jpg", "CAM_FRONT.jpg", "a__CAM__B__15.jpg", "a__CAM_A__15"] {
            assert!(parse(other).is_none(), "{other}");
        }
    }
}
