//! `[can]`: whether and how obstacles go out on a CAN bus.

use std::path::PathBuf;

use anyhow::Result;
use ocellus_sinks::can::CanConfig;
use serde::{Deserialize, Serialize};

use super::plan::in_range;

/// `[can]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CanTable {
    /// A candump log to write.
    pub file: Option<PathBuf>,
    /// A SocketCAN interface that is up (Linux), e.g. `can0`.
    pub interface: Option<String>,
    /// Sensor time between cycles, milliseconds.
    pub cycle_ms: Option<f64>,
    /// A report older than this is sent as not valid, milliseconds.
    pub stale_ms: Option<f64>,
    /// Identifier of the state message; the others follow as `launch/ocellus.dbc` has them from 1536 (0x600) on.
    pub base_id: Option<u16>,
}

/// Where obstacles go on CAN, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct CanPlan {
    /// A candump log.
    pub file: Option<PathBuf>,
    /// A SocketCAN interface.
    pub interface: Option<String>,
    /// Cycle and identifiers.
    pub config: CanConfig,
}

impl CanPlan {
    /// Validates the table; `None` where nothing is sent.
    pub fn new(table: &CanTable) -> Result<Option<Self>> {
        let usual = CanConfig::default();
        let config = CanConfig {
            base_id: table.base_id.unwrap_or(usual.base_id),
            cycle_s: table.cycle_ms.map_or(usual.cycle_s, |ms| ms * 1e-3),
            stale_s: table.stale_ms.map_or(usual.stale_s, |ms| ms * 1e-3),
        };
        in_range("can.cycle_ms", config.cycle_s * 1e3, 1.0, 10_000.0)?;
        in_range("can.stale_ms", config.stale_s * 1e3, 1.0, 60_000.0)?;
        // The last message of eight slots must still have an identifier of 11 bits.
        in_range("can.base_id", config.base_id.into(), 1.0, f64::from(0x7FF - 23))?;
        let (file, interface) = (table.file.clone(), table.interface.clone());
        Ok((file.is_some() || interface.is_some()).then_some(Self { file, interface, config }))
    }
}
