//! A LiDAR heard over UDP as a drive: its name, its model, its place on the vehicle.

use std::path::{Path, PathBuf};

use super::UdpOptions;
use crate::device::Device;
use crate::drive::{Drive, SensorKind};
use crate::error::SenseError;
use crate::lidar::mount::rig;

/// The LiDAR of `options` as a drive without frames, placed by the calibration `calib`.
///
/// # Errors
/// A calibration that cannot be read.
pub fn heard(options: &UdpOptions, calib: Option<&Path>) -> Result<Box<dyn Drive>, SenseError> {
    const NAME: &str = "lidar";
    let mut notes = Vec::new();
    let calibrated = rig(&[NAME], calib, &mut notes)?;
    let sensor = Device::sensor(NAME, SensorKind::Lidar, format!("packets of a {}", options.model));
    Ok(Device::boxed(PathBuf::from(format!("udp {}", options.address)), sensor, calibrated, notes))
}
