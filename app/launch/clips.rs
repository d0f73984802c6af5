//! `[clips]`: whether the seconds around warnings are kept, how many, and how much room they may take.

use std::path::PathBuf;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::plan::in_range;

/// Seconds before and after a warning that say how it came about, and whether it was right.
const BEFORE_S: f64 = 4.0;
const AFTER_S: f64 = 2.0;
/// Longest that still fits the ring of frames kept in memory.
const SECONDS_MAX: f64 = 20.0;
/// Room for clips, MiB: at 2 MB a second some three minutes of warnings.
const QUOTA_MIB: f64 = 1024.0;

/// `[clips]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClipsTable {
    /// The folder that clips are kept in; none are where absent.
    pub dir: Option<PathBuf>,
    /// Seconds kept before a warning.
    pub before_s: Option<f64>,
    /// Seconds kept after its end.
    pub after_s: Option<f64>,
    /// Room they may take together, MiB; those of least risk go first, of those the oldest.
    pub quota_mib: Option<f64>,
}

/// How event clips are kept.
#[derive(Debug, Clone, PartialEq)]
pub struct ClipsPlan {
    /// Where.
    pub dir: PathBuf,
    /// Seconds kept before a warning.
    pub before_s: f64,
    /// Seconds kept after its end.
    pub after_s: f64,
    /// Room they may take together, bytes.
    pub quota_bytes: u64,
}

impl ClipsPlan {
    /// Validates the table; `None` where none are kept.
    pub fn new(table: &ClipsTable) -> Result<Option<Self>> {
        let (before_s, after_s) = (table.before_s.unwrap_or(BEFORE_S), table.after_s.unwrap_or(AFTER_S));
        let quota_mib = table.quota_mib.unwrap_or(QUOTA_MIB);
        in_range("clips.before_s", before_s, 0.0, SECONDS_MAX)?;
        in_range("clips.after_s", after_s, 0.0, SECONDS_MAX)?;
        in_range("clips.quota_mib", quota_mib, 1.0, 1e9)?;
        let quota_bytes = (quota_mib * f64::from(1 << 20)) as u64;
        Ok(table.dir.clone().map(|dir| Self { dir, before_s, after_s, quota_bytes }))
    }
}
