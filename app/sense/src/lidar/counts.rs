//! How many packets came and what became of them.
//!
//! `received = used + late + duplicate + foreign + malformed + auxiliary`, always; `lost` packets never came.

use serde::Serialize;

use super::fault::PacketFault;

/// A stream's packets by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct PacketCounts {
    /// All that came.
    pub received: u64,
    /// Their points are in a frame.
    pub used: u64,
    /// Came after their frame was closed: dropped.
    pub late: u64,
    /// Came a second time: dropped.
    pub duplicate: u64,
    /// Not of this sensor: dropped.
    pub foreign: u64,
    /// Of this sensor by its length, broken by its contents: dropped.
    pub malformed: u64,
    /// Of this sensor, without points.
    pub auxiliary: u64,
    /// Of `used` and `late`: came after a later one.
    pub reordered: u64,
    /// Never came: gaps in the sender's sequence.
    pub lost: u64,
    /// Times the sender started its sequence again.
    pub restarts: u64,
}

impl PacketCounts {
    /// Counts a packet that is not used.
    pub(super) fn fault(&mut self, fault: PacketFault) {
        match fault {
            PacketFault::Foreign { .. } => self.foreign += 1,
            PacketFault::Malformed { .. } => self.malformed += 1,
            PacketFault::Auxiliary => self.auxiliary += 1,
        }
    }

    /// Whether every packet that came is in one of the classes.
    pub fn balanced(&self) -> bool {
        let told = self.used + self.late + self.duplicate + self.foreign + self.malformed + self.auxiliary;
        self.received == told
    }

    /// Packets of the sensor that did not come or could not be used, and were not merely copies.
    pub fn unusable(&self) -> u64 {
        self.lost + self.late + self.malformed
    }
}
