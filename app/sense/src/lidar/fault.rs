//! Why one packet is not used. Small and without allocation: a flood of strangers' packets must cost nothing.

use thiserror::Error;

/// What is wrong with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PacketFault {
    /// Not of this sensor at all: another length, or another maker's marks.
    #[error("foreign: {place}: expected {expected}, got {got}")]
    Foreign {
        /// What was looked at.
        place: &'static str,
        /// What this sensor sends.
        expected: u64,
        /// What is there.
        got: u64,
    },
    /// The right length, and contents that this sensor never sends.
    #[error("malformed: {place}: expected {expected}, got {got}")]
    Malformed {
        /// What was looked at.
        place: &'static str,
        /// What this sensor sends there.
        expected: &'static str,
        /// What is there.
        got: u64,
    },
    /// The sensor's own, and no points: inertial readings, position.
    #[error("no points in it")]
    Auxiliary,
}

/// A packet of another length than the sensor's.
pub(super) fn foreign_length(expected: usize, got: usize) -> PacketFault {
    PacketFault::Foreign { place: "length", expected: expected as u64, got: got as u64 }
}
