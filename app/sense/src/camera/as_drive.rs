//! A live camera as a drive: its name, size and calibration.

use std::path::{Path, PathBuf};

use ocellus_percept::space::Rig;

use super::CameraMode;
use crate::calib::{self, SensorSlot};
use crate::device::Device;
use crate::drive::{Drive, SensorInfo, SensorKind};
use crate::error::SenseError;

/// The only sensor's name, until the launch file gives it another.
const NAME: &str = "camera";

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
    let seen = Device::sensor(NAME, SensorKind::Camera, mode.format.to_string());
    let sensor = SensorInfo { rate_hz: mode.hz, resolution_px: Some(mode.size), ..seen };
    Ok(Device::boxed(PathBuf::from(&mode.path), sensor, (rig, rig_source), notes))
}
