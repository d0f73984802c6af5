//! What a lower precision costs: the gate that refuses a collapsed INT8 network, signal to noise by layer, and the check
//! of what it was calibrated on.

mod gate;
mod noise;
mod sqnr;

pub use gate::{GateError, GateInput, GateTargets, PrecisionReport, SideBySide, gate};
pub use noise::{NATURAL_CORRELATION_MIN, NoiseCheck, calibration_check};
pub use sqnr::{FIRST_LAYER_MIN_DB, LayerNoise, LayerReport, Sqnr, layer_report, sqnr_db};
