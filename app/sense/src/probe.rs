//! Telling what a path is by looking at it, and opening it as that.

use std::path::{Path, PathBuf};

use crate::drive::{Drive, DriveKind};
use crate::error::SenseError;
use crate::kitti_raw;
use crate::stamps::StampPolicy;

/// The kinds of drive, for messages.
pub(crate) const KINDS_KNOWN: &str = "a KITTI raw drive folder (image_0N/data, velodyne_points/data), KITTI object frames \
     (image_2 with calib), an Argoverse 2 log (sensors/lidar, calibration), a folder of jpg or png pictures, or a video file";

/// How to open a drive.
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    /// Calibration to use instead of the drive's own: a file or a folder of files.
    pub calib: Option<PathBuf>,
    /// What to do with stamps that run backwards or repeat.
    pub stamps: StampPolicy,
    /// Open a drive whose own calibration is missing, without calibration, instead of refusing it.
    pub uncalibrated: bool,
}

/// What kind of drive `path` is.
pub fn probe(path: &Path) -> Result<DriveKind, SenseError> {
    if !path.exists() {
        return Err(SenseError::NotFound { path: path.into() });
    }
    if kitti_raw::CAMERAS.iter().chain([&kitti_raw::LIDAR]).any(|s| path.join(s).join("data").is_dir()) {
        return Ok(DriveKind::KittiRaw);
    }
    Err(SenseError::NotADrive { path: path.into(), looked_for: KINDS_KNOWN.into(), found: "?".into(), hint: String::new() })
}

/// Opens a drive: lists all its frames, reads its calibration, poses and labels. No frame's data is read yet.
pub fn open(path: &Path, options: &OpenOptions) -> Result<Box<dyn Drive>, SenseError> {
    match probe(path)? {
        DriveKind::KittiRaw => Ok(Box::new(kitti_raw::open(path, options)?)),
        _ => Err(SenseError::NotFound { path: path.into() }),
    }
}
