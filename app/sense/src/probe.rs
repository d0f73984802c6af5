//! Telling what a path is by looking at it, and opening it as that.

use std::path::{Path, PathBuf};

use crate::drive::{Drive, DriveKind};
use crate::error::SenseError;
use crate::files::{list_files, natural_cmp};
use crate::lidar::recorded;
use crate::simulated::{self, SimulatedOptions, TomlKind};
use crate::stamps::StampPolicy;
use crate::{argoverse, folder, kitti_object, kitti_raw, mcap, video};

/// The kinds of drive, for messages.
pub(crate) const KINDS_KNOWN: &str = "a KITTI raw drive folder (image_0N/data, velodyne_points/data), KITTI object frames \
     (image_2 with calib), an Argoverse 2 log (sensors/lidar, calibration), a folder of jpg or png pictures, an MCAP recording, \
     LiDAR packets (.pcap, .pcapng, rosbag2 .db3 with VelodyneScan), a video file, or a scenario of the simulated world (.toml)";

/// How to open a drive.
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    /// Calibration to use instead of the drive's own: a file or a folder of files.
    pub calib: Option<PathBuf>,
    /// What to do with stamps that run backwards or repeat.
    pub stamps: StampPolicy,
    /// Open a drive whose own calibration is missing, without calibration, instead of refusing it.
    pub uncalibrated: bool,
    /// The ffmpeg program for video files, with `ffprobe` beside it; `None` looks on PATH.
    pub ffmpeg: Option<PathBuf>,
    /// Metadata of the Ouster sensor whose packets are recorded; `None` looks beside the recording.
    pub meta: Option<PathBuf>,
    /// How a scenario becomes a drive; nothing else looks at it.
    pub simulated: SimulatedOptions,
}

/// What kind of drive `path` is.
pub fn probe(path: &Path) -> Result<DriveKind, SenseError> {
    if !path.exists() {
        return Err(SenseError::NotFound { path: path.into() });
    }
    let kind = if path.is_dir() { probe_folder(path)? } else { probe_file(path)? };
    kind.ok_or_else(|| SenseError::NotADrive {
        path: path.into(),
        looked_for: KINDS_KNOWN.into(),
        found: found(path),
        hint: hint(path),
    })
}

fn probe_folder(path: &Path) -> Result<Option<DriveKind>, SenseError> {
    let raw = kitti_raw::CAMERAS.iter().chain([&kitti_raw::LIDAR]);
    Ok(if raw.into_iter().any(|s| path.join(s).join("data").is_dir()) {
        Some(DriveKind::KittiRaw)
    } else if kitti_object::base(path).is_some() {
        Some(DriveKind::KittiObject)
    } else if argoverse::is_log(path) {
        Some(DriveKind::Argoverse2)
    } else if folder::holds_samples(path) {
        Some(DriveKind::NuScenesSamples)
    } else if !list_files(path, &folder::PICTURES)?.is_empty() {
        Some(DriveKind::ImageFolder)
    } else if list_files(path, &["mcap"])?.len() == 1 {
        Some(DriveKind::Mcap)
    } else if recorded::is_recording(path) {
        Some(DriveKind::LidarPackets)
    } else {
        None
    })
}

fn probe_file(path: &Path) -> Result<Option<DriveKind>, SenseError> {
    let extension = extension(path);
    Ok(match extension.as_str() {
        "mcap" => Some(DriveKind::Mcap),
        "toml" => (simulated::toml_kind(path)? == TomlKind::Scenario).then_some(DriveKind::Simulated),
        other if video::EXTENSIONS.contains(&other) => Some(DriveKind::Video),
        _ => recorded::is_recording(path).then_some(DriveKind::LidarPackets),
    })
}

/// In lower case; empty where there is none.
fn extension(path: &Path) -> String {
    path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_lowercase()
}

/// What is at a path that is no drive, for the message.
fn found(path: &Path) -> String {
    if path.is_file() {
        return match path.extension() {
            Some(extension) => format!("a .{} file", extension.to_string_lossy()),
            None => "a file without extension".into(),
        };
    }
    let names = names_in(path);
    match names.len() {
        0 => "an empty folder".into(),
        n if n <= NAMES_SHOWN => names.join(", "),
        n => format!(
            "{} and {} more",
            names.iter().take(NAMES_SHOWN).cloned().collect::<Vec<_>>().join(", "),
            n - NAMES_SHOWN
        ),
    }
}

/// What to do instead, where it can be guessed.
fn hint(path: &Path) -> String {
    if path.is_file() {
        return match extension(path).as_str() {
            "jpg" | "jpeg" | "png" => "; a single picture: give its folder".into(),
            "bag" => "; ROS 1 bags are not read: convert to MCAP".into(),
            "toml" if matches!(simulated::toml_kind(path), Ok(TomlKind::Launch)) => {
                "; a launch file, which names a drive: ocellus run runs it".into()
            }
            "toml" => "; a scenario has sections such as [road], [ego] and [[actor]]".into(),
            _ => String::new(),
        };
    }
    let drives: Vec<String> = names_in(path)
        .into_iter()
        .filter(|name| path.join(name).is_dir() && matches!(probe_folder(&path.join(name)), Ok(Some(_))))
        .take(NAMES_SHOWN)
        .collect();
    if drives.is_empty() { String::new() } else { format!("; a drive is in {}: give one of these", drives.join(", ")) }
}

/// Names shown in a message.
const NAMES_SHOWN: usize = 6;

fn names_in(folder: &Path) -> Vec<String> {
    let items = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = items.map(|i| i.file_name().to_string_lossy().into_owned()).collect();
    names.sort_by(|a, b| natural_cmp(a, b));
    names
}

/// Opens a drive: lists all its frames, reads its calibration, poses and labels. No frame's data is read yet.
pub fn open(path: &Path, options: &OpenOptions) -> Result<Box<dyn Drive>, SenseError> {
    Ok(match probe(path)? {
        DriveKind::KittiRaw => Box::new(kitti_raw::open(path, options)?),
        DriveKind::KittiObject => Box::new(kitti_object::open(path, options)?),
        DriveKind::Argoverse2 => Box::new(argoverse::open(path, options)?),
        DriveKind::NuScenesSamples => Box::new(folder::open_samples(path, options)?),
        DriveKind::ImageFolder => Box::new(folder::open_pictures(path, options)?),
        DriveKind::Video => Box::new(video::open(path, options)?),
        DriveKind::Mcap => Box::new(mcap::open(path, options)?),
        DriveKind::LidarPackets => Box::new(recorded::open(path, options)?),
        DriveKind::Simulated => Box::new(simulated::open(path, options)?),
        // No path is live sensors: a launch file names those one by one.
        DriveKind::Live => return Err(SenseError::NotFound { path: path.into() }),
    })
}
