//! What can be wrong with calibration. Every message names the file, the place, what was expected and what was found.

use std::path::PathBuf;

use ocellus_percept::space::frames::TransformError;
use thiserror::Error;

/// Why a calibration cannot be used.
#[derive(Debug, Error)]
pub enum CalibError {
    /// A drive's own calibration, or a file named by the user, is not there.
    #[error("{}: calibration missing: expected {expected}, found none; give one with --calib FILE", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
        /// What was looked for.
        expected: String,
    },
    /// The file system refuses.
    #[error("{}: cannot be read: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's own reason.
        source: std::io::Error,
    },
    /// The file is of no known form.
    #[error("{}: not a calibration file; looked for {looked_for}; found {found}", path.display())]
    Unrecognised {
        /// The file.
        path: PathBuf,
        /// The forms known.
        looked_for: &'static str,
        /// What is there.
        found: String,
    },
    /// A value is missing, of the wrong kind or out of range.
    #[error("{}: {place}: expected {expected}, got {got}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// Line and key.
        place: String,
        /// What should be there.
        expected: String,
        /// What is there.
        got: String,
    },
    /// A camera matrix that cannot project.
    #[error("{}: {place}: a singular camera matrix: expected finite focal lengths above 0, got fx {fx}, fy {fy}", path.display())]
    Singular {
        /// The file.
        path: PathBuf,
        /// Line and key.
        place: String,
        /// Focal length along x found.
        fx: f64,
        /// Focal length along y found.
        fy: f64,
    },
    /// A matrix that is no rigid transform.
    #[error("{}: {place}: {source}", path.display())]
    Transform {
        /// The file.
        path: PathBuf,
        /// Line and key.
        place: String,
        /// What is wrong with it.
        source: TransformError,
    },
    /// Two files describe the same sensor.
    #[error("{}: sensor {sensor} is calibrated a second time; expected each sensor once", path.display())]
    Twice {
        /// The second file.
        path: PathBuf,
        /// The sensor.
        sensor: String,
    },
    /// The calibration is for other sensors than the drive's.
    #[error("{}: calibrates {calibrated}, and the drive has {sensors}; expected the drive's sensor names", path.display())]
    OtherSensors {
        /// The file.
        path: PathBuf,
        /// Sensors in the file.
        calibrated: String,
        /// Sensors of the drive.
        sensors: String,
    },
}
