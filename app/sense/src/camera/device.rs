//! What a live camera is to those who ask a drive: a name, a size, a calibration; no frames to read ahead.

use std::path::{Path, PathBuf};

use ocellus_percept::space::Rig;

use super::CameraMode;
use crate::calib::{self, SensorSlot};
use crate::drive::{Drive, DriveInfo, DriveKind, Entry, SensorInfo, SensorKind, TimeSource};
use crate::error::{ReadError, SenseError};
use crate::payload::Payload;

/// The only sensor's name, until the launch file gives it another.
const NAME: &str = "camera";

/// A camera that looks.
#[derive(Debug)]
struct Looking {
    info: DriveInfo,
}

/// A camera of `mode` as a drive without frames, calibrated by the file `calib`.
///
/// # Errors
/// A calibration that cannot be read, or that is of another camera.
pub fn as_drive(mode: &CameraMode, calib: Option<&Path>) -> Result<Box<dyn Drive>, SenseError> {
    let mut notes = Vec::new();
    let (rig, rig_source) = match calib {
        Some(given) => {
            let slot = SensorSlot { name: NAME, kind: SensorKind::Camera, size: Some(mode.size) };
            (calib::read_for(given, &[slot], None, &mut notes)?, Some(given.display().to_string()))
        }
        None => {
            notes.push("no calibration comes with a live camera; give one with `calib` for distances".to_owned());
            (Rig::default(), None)
        }
    };
    let (width, height) = mode.size;
    notes.push(format!("\"{}\" on {}: {} {width}x{height}", mode.name, mode.bus, mode.format));
    let sensor = SensorInfo {
        name: NAME.to_owned(),
        kind: SensorKind::Camera,
        count: 0,
        rate_hz: mode.hz,
        first: None,
        last: None,
        gaps: Vec::new(),
        resolution_px: Some(mode.size),
        encoding: mode.format.to_string(),
    };
    let info = DriveInfo {
        kind: DriveKind::Live,
        path: PathBuf::from(&mode.path),
        sensors: vec![sensor],
        rig,
        rig_source,
        time_source: TimeSource::Live,
        duration_s: 0.0,
        labels: None,
        ego: None,
        notes,
        lost: Vec::new(),
    };
    Ok(Box::new(Looking { info }))
}

impl Drive for Looking {
    fn info(&self) -> &DriveInfo {
        &self.info
    }

    fn entries(&self) -> &[Entry] {
        &[]
    }

    fn read_into(&self, index: usize, _out: &mut Payload) -> Result<(), ReadError> {
        Err(ReadError::NoSuchEntry { index, entries: 0 })
    }
}
