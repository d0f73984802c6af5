//! Calibration: does a score of 0.8 mean right four times in five?
//!
//! Confidences are in 0 to 1; anything else is an error that names the sample. Errors are measured in bins
//! ([`reliability`], and for detectors [`d_ece`], [`la_ece`], [`la_ace0`]) and repaired by a monotone map fitted on other
//! images than it is tested on ([`fit`], [`check_disjoint`]).

mod detection;
mod fit;
mod isotonic;
mod recalibrate;
mod reliability;
mod split;

pub use detection::{DetectionCalibration, LaEce, d_ece, detection_calibration, la_ace0, la_ece, samples};
pub use fit::{Calibrator, Method, fit};
pub use isotonic::MAX_KNOTS;
pub use recalibrate::{Cuts, Recalibration, recalibrate};
pub use reliability::{Bin, DETECTION_BINS, ECE_BINS, LAECE_BINS, Reliability, reliability};
pub use split::{Split, check_disjoint, split};

/// Why calibration cannot be measured or fitted.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CalibError {
    /// A confidence outside 0 to 1, or not a number.
    #[error("sample {index}: confidence {got} is not in 0 to 1; detectors that give logits need a sigmoid first")]
    Confidence {
        /// Index of the sample.
        index: usize,
        /// The value.
        got: f64,
    },
    /// A target outside 0 to 1, or not a number.
    #[error("sample {index}: target {got} is not in 0 to 1 (0 wrong, 1 right, or an IoU)")]
    Target {
        /// Index of the sample.
        index: usize,
        /// The value.
        got: f64,
    },
    /// Confidences and targets differ in number.
    #[error("{confidences} confidences but {targets} targets")]
    Lengths {
        /// Number of confidences.
        confidences: usize,
        /// Number of targets.
        targets: usize,
    },
    /// Too little to fit a map on.
    #[error("a map cannot be fitted: {right} right and {wrong} wrong samples, at least {least} of each are needed")]
    TooFew {
        /// Right samples.
        right: usize,
        /// Wrong samples.
        wrong: usize,
        /// Least of each.
        least: usize,
    },
    /// Images are in the fit and in the test.
    #[error(
        "{count} images are in the fit and in the test (first: {first}); a map must be tested on images it was not fitted on"
    )]
    Overlap {
        /// How many.
        count: usize,
        /// The first.
        first: i64,
    },
}
