//! `[vehicle]` and `[risk]`: whose outline sweeps the corridor, and what counts as which risk.

use anyhow::Result;
use ocellus_percept::assess::{RiskConfig, VehicleShape};
use ocellus_percept::report::Risk;
use serde::{Deserialize, Serialize};

use super::plan::in_range;

/// `[vehicle]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VehicleTable {
    /// Width, mirrors apart, metres.
    pub width_m: Option<f64>,
    /// From axle to axle, metres.
    pub wheelbase_m: Option<f64>,
    /// From the vehicle frame's origin forward to the front, metres.
    pub front_m: Option<f64>,
    /// From the vehicle frame's origin forward to the rear axle, metres; negative where it lies behind.
    pub rear_axle_m: Option<f64>,
    /// Deceleration that can be counted on, m/s^2.
    pub deceleration_mps2: Option<f64>,
}

/// `[risk]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RiskTable {
    /// Contact within this is worth watching, seconds.
    pub watch_s: Option<f64>,
    /// Contact within this is warned of, seconds.
    pub warn_s: Option<f64>,
    /// Contact within this is critical, seconds.
    pub critical_s: Option<f64>,
    /// Probability at which a level is entered.
    pub enter: Option<f64>,
    /// Probability below which it is left.
    pub leave: Option<f64>,
    /// How long a warning's condition must hold, milliseconds.
    pub confirm_ms: Option<f64>,
    /// How long a level is kept after its condition has ended, milliseconds.
    pub hold_ms: Option<f64>,
    /// Latency that is counted on from light on the sensor to a warning, milliseconds.
    pub latency_ms: Option<f64>,
    /// Until somebody who is warned acts, milliseconds.
    pub reaction_ms: Option<f64>,
    /// The highest risk to which a network on clips may raise the nearest obstacle on the way: off, watch or warn.
    pub anticipation: Option<Anticipation>,
}

/// How far a network on clips is believed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Anticipation {
    /// It is told, and raises nothing.
    Off,
    /// It raises to watch: what it is worth on these pictures is not known.
    #[default]
    Watch,
    /// It raises to warn.
    Warn,
}

/// What is assessed, and how.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AssessPlan {
    /// The vehicle's outline, where told; the drive's own kind may know it.
    pub shape: Option<VehicleShape>,
    /// Levels.
    pub risk: RiskConfig,
    /// The highest risk to which a network on clips may raise an obstacle.
    pub anticipation: Risk,
}

impl AssessPlan {
    /// Validates both tables.
    pub fn new(vehicle: &VehicleTable, risk: &RiskTable) -> Result<Self> {
        let anticipation = match risk.anticipation.unwrap_or_default() {
            Anticipation::Off => Risk::Clear,
            Anticipation::Watch => Risk::Watch,
            Anticipation::Warn => Risk::Warn,
        };
        Ok(Self { shape: shape(vehicle)?, risk: levels(vehicle, risk)?, anticipation })
    }
}

fn shape(table: &VehicleTable) -> Result<Option<VehicleShape>> {
    let car = VehicleShape::CAR;
    let told = [table.width_m, table.wheelbase_m, table.front_m, table.rear_axle_m];
    if told.iter().all(Option::is_none) {
        return Ok(None);
    }
    let shape = VehicleShape {
        width_m: table.width_m.unwrap_or(car.width_m),
        wheelbase_m: table.wheelbase_m.unwrap_or(car.wheelbase_m),
        front_m: table.front_m.unwrap_or(car.front_m),
        rear_axle_m: table.rear_axle_m.unwrap_or(car.rear_axle_m),
    };
    in_range("vehicle.width_m", shape.width_m, 0.1, 10.0)?;
    in_range("vehicle.wheelbase_m", shape.wheelbase_m, 0.1, 30.0)?;
    in_range("vehicle.front_m", shape.front_m, -5.0, 30.0)?;
    in_range("vehicle.rear_axle_m", shape.rear_axle_m, -30.0, shape.front_m)?;
    Ok(Some(shape))
}

fn levels(vehicle: &VehicleTable, table: &RiskTable) -> Result<RiskConfig> {
    let usual = RiskConfig::default();
    let seconds = |ms: Option<f64>, usual: f64| ms.map_or(usual, |ms| ms * 1e-3);
    let risk = RiskConfig {
        watch_s: table.watch_s.unwrap_or(usual.watch_s),
        warn_s: table.warn_s.unwrap_or(usual.warn_s),
        critical_s: table.critical_s.unwrap_or(usual.critical_s),
        enter: table.enter.unwrap_or(usual.enter),
        leave: table.leave.unwrap_or(usual.leave),
        confirm_s: seconds(table.confirm_ms, usual.confirm_s),
        hold_s: seconds(table.hold_ms, usual.hold_s),
        deceleration_mps2: vehicle.deceleration_mps2.unwrap_or(usual.deceleration_mps2),
        latency_s: seconds(table.latency_ms, usual.latency_s),
        reaction_s: seconds(table.reaction_ms, usual.reaction_s),
    };
    in_range("vehicle.deceleration_mps2", risk.deceleration_mps2, 0.1, 12.0)?;
    in_range("risk.watch_s", risk.watch_s, 0.1, 30.0)?;
    in_range("risk.warn_s", risk.warn_s, 0.1, risk.watch_s)?;
    in_range("risk.critical_s", risk.critical_s, 0.0, risk.warn_s)?;
    in_range("risk.enter", risk.enter, 0.05, 1.0)?;
    in_range("risk.leave", risk.leave, 0.0, risk.enter)?;
    for (key, seconds) in [
        ("risk.confirm_ms", risk.confirm_s),
        ("risk.hold_ms", risk.hold_s),
        ("risk.latency_ms", risk.latency_s),
        ("risk.reaction_ms", risk.reaction_s),
    ] {
        in_range(key, seconds * 1e3, 0.0, 10_000.0)?;
    }
    Ok(risk)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_told_is_no_outline_and_contradictions_are_refused() {
        let plan = AssessPlan::new(&VehicleTable::default(), &RiskTable::default()).unwrap();
        assert_eq!((plan.shape, plan.risk), (None, RiskConfig::default()));
        let vehicle = VehicleTable { width_m: Some(0.6), ..VehicleTable::default() };
        assert_eq!(AssessPlan::new(&vehicle, &RiskTable::default()).unwrap().shape.map(|s| s.width_m), Some(0.6));
        for (risk, needle) in [
            (RiskTable { warn_s: Some(5.0), ..RiskTable::default() }, "risk.warn_s"),
            (RiskTable { leave: Some(0.9), ..RiskTable::default() }, "risk.leave"),
            (RiskTable { hold_ms: Some(-1.0), ..RiskTable::default() }, "risk.hold_ms"),
        ] {
            let error = AssessPlan::new(&VehicleTable::default(), &risk).unwrap_err().to_string();
            assert!(error.contains(needle), "{error}");
        }
    }
}
