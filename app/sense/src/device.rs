//! A live device as a drive: what it is called, how it is calibrated, and no frames to read ahead.
//!
//! Its frames come from `camera` or `lidar::udp`, one by one as they arrive; whoever asks it for an entry gets an error.

use std::path::PathBuf;

use ocellus_percept::space::Rig;

use crate::drive::{Drive, DriveInfo, DriveKind, Entry, SensorInfo, SensorKind, TimeSource};
use crate::error::ReadError;
use crate::payload::Payload;

/// A live device, as far as it is known before its first frame.
#[derive(Debug)]
pub(crate) struct Device {
    info: DriveInfo,
}

impl Device {
    /// A device at `path` (a device file, an address) with one sensor; `calibrated` is its rig and where that comes from.
    pub(crate) fn boxed(
        path: PathBuf,
        sensor: SensorInfo,
        calibrated: (Rig, Option<String>),
        notes: Vec<String>,
    ) -> Box<dyn Drive> {
        let (rig, rig_source) = calibrated;
        let info = DriveInfo {
            kind: DriveKind::Live,
            path,
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
        Box::new(Self { info })
    }

    /// A sensor of which no frame has come yet.
    pub(crate) fn sensor(name: &str, kind: SensorKind, encoding: String) -> SensorInfo {
        SensorInfo {
            name: name.to_owned(),
            kind,
            count: 0,
            rate_hz: None,
            first: None,
            last: None,
            gaps: Vec::new(),
            resolution_px: None,
            encoding,
        }
    }
}

impl Drive for Device {
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
