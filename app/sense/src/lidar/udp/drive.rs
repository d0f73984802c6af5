//! What a LiDAR heard over UDP is to those who ask a drive: a name, a model, a place on the vehicle; no frames to read ahead.

use std::path::{Path, PathBuf};

use super::UdpOptions;
use crate::drive::{Drive, DriveInfo, DriveKind, Entry, SensorInfo, SensorKind, TimeSource};
use crate::error::{ReadError, SenseError};
use crate::lidar::mount::rig;
use crate::payload::Payload;

/// A LiDAR that is listened to.
#[derive(Debug)]
struct Heard {
    info: DriveInfo,
}

/// The LiDAR of `options` as a drive without frames, placed by the calibration `calib`.
///
/// # Errors
/// A calibration that cannot be read.
pub fn heard(options: &UdpOptions, calib: Option<&Path>) -> Result<Box<dyn Drive>, SenseError> {
    const NAME: &str = "lidar";
    let mut notes = Vec::new();
    let (rig, rig_source) = rig(&[NAME], calib, &mut notes)?;
    let sensor = SensorInfo {
        name: NAME.to_owned(),
        kind: SensorKind::Lidar,
        count: 0,
        rate_hz: None,
        first: None,
        last: None,
        gaps: Vec::new(),
        resolution_px: None,
        encoding: format!("packets of a {}", options.model),
    };
    let info = DriveInfo {
        kind: DriveKind::Live,
        path: PathBuf::from(format!("udp {}", options.address)),
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
    Ok(Box::new(Heard { info }))
}

impl Drive for Heard {
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
