//! Sensor time: nanoseconds since the Unix epoch, UTC.
//!
//! Durations between stamps are `std::time::Duration` where they cannot be negative and seconds in `f64` where they can.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A point in sensor time, in nanoseconds since the Unix epoch (UTC). Never a host clock reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The stamp `ns` nanoseconds after the Unix epoch.
    pub const fn from_nanos(ns: i64) -> Self {
        Self(ns)
    }

    /// Nanoseconds since the Unix epoch.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Signed seconds from `earlier` to `self`.
    pub fn seconds_since(self, earlier: Self) -> f64 {
        self.0.saturating_sub(earlier.0) as f64 * 1e-9
    }

    /// The time from `earlier` to `self`, zero where `earlier` is later.
    pub fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// `self` moved by `seconds` (may be negative), saturating.
    pub fn plus_seconds(self, seconds: f64) -> Self {
        Self(self.0.saturating_add((seconds * 1e9).round() as i64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_signed_in_seconds_and_saturate_as_durations() {
        let a = Timestamp::from_nanos(1_000_000_000);
        let b = a.plus_seconds(0.25);
        assert_eq!(b.as_nanos(), 1_250_000_000);
        assert_eq!(b.seconds_since(a), 0.25);
        assert_eq!(a.seconds_since(b), -0.25);
        assert_eq!(a.saturating_since(b), Duration::ZERO);
    }
}
