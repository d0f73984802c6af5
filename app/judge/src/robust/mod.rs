//! Robustness: seeded corruptions of pictures and sweeps, and the figures that sum up what they cost.
//!
//! A corruption with a seed yields the same bytes on every machine: integer randomness, and only arithmetic that IEEE 754
//! fixes to the bit (`libm` where a cosine or a power is needed). Severities follow ImageNet-C's 1, 3 and 5.

mod blur;
mod fog;
mod image;
mod jpeg;
mod lidar;
mod planted;
mod scores;

pub use image::{ImageCorruption, RobustError, corrupt_image};
pub use lidar::{CloudCorruption, corrupt_cloud};
pub use planted::{PlantedOutcome, SIZES_PX, SizeRecall, plant, recall_by_size};
pub use scores::{Corrupted, RobustScores, SubsetScore, robust_scores, sensor_subsets, subset_scores};

use serde::{Deserialize, Serialize};

/// How strong a corruption is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Visible, hardly disturbing.
    Mild,
    /// What bad weather brings.
    Moderate,
    /// The edge of use.
    Severe,
}

impl Severity {
    /// All, mild to severe.
    pub const ALL: [Self; 3] = [Self::Mild, Self::Moderate, Self::Severe];

    /// The element of a table of three that belongs to it.
    fn of<T: Copy>(self, table: [T; 3]) -> T {
        table[self as usize]
    }
}
