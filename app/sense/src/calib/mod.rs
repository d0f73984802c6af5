//! Calibration files to a [`Rig`]: which form a file has is told by looking.

pub mod error;
mod intrinsics;
pub(crate) mod kitti;
mod place;

use std::path::Path;

use ocellus_percept::space::Rig;

pub use error::CalibError;

/// Reads the calibration a user gave for a drive with these sensors.
pub(crate) fn read_for<'a>(
    path: &Path,
    _sensors: impl Iterator<Item = &'a str>,
    _notes: &mut Vec<String>,
) -> Result<Rig, CalibError> {
    Err(CalibError::Missing { path: path.into(), expected: "x".into() })
}
