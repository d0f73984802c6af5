//! Obstacles on a CAN bus: nearest obstacle, obstacle list and system state, as `launch/ocellus.dbc` describes them.
//!
//! Contract: classical frames of 8 bytes, cyclic, protected end to end by AUTOSAR profile 1 (`e2e`). Values
//! are what `objects.jsonl` says, at the resolution of the signal (`layout`); an unknown value has its own code. The counter
//! advances only when perception has said something new since the last cycle: a process that hangs repeats it, one that died
//! sends nothing. What is older than [`CanConfig::stale_s`] is sent with its valid bit off, sensor by sensor (`cyclic`). It is advice: no message
//! asks for anything. The way out is a candump log (`bus`).

mod bus;
mod cyclic;
mod e2e;
mod layout;

pub use bus::{CanBus, CanError};
pub use cyclic::{CanConfig, CanSink};
pub use e2e::{COUNTER_MAX, crc8_sae_j1850, protect};
pub use layout::{CanFrame, OBJECT_SLOTS};

/// What a cycle tells: a report, and the nearest obstacle in the vehicle's corridor.
#[derive(Debug, Clone)]
pub struct CanReport {
    /// The report.
    pub report: std::sync::Arc<ocellus_percept::report::FrameReport>,
    /// Track of the nearest obstacle in the corridor.
    pub nearest: Option<u64>,
}
