//! `[faults]`: what is made to go wrong in a live run, so that it can be seen what comes of it. Seeded: the same file
//! makes the same faults at the same frames.

use std::path::Path;

use anyhow::{Result, anyhow};
use serde::{Deserialize, Serialize};

use super::live::number;
use super::plan::{is_called, listed};

/// A day: no fault begins later.
const AT_S_MAX: f64 = 86_400.0;
/// Longest delay that is still a delay, milliseconds.
const MS_MAX: f64 = 3_600_000.0;

/// `[faults]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultsTable {
    /// Seed of what happens by chance; 0 where absent.
    pub seed: Option<u64>,
    /// `[[faults.make]]`: the faults.
    #[serde(default)]
    pub make: Vec<FaultTable>,
}

/// `[[faults.make]]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultTable {
    /// What goes wrong.
    pub fault: FaultKind,
    /// The sensor it befalls; every one where absent.
    pub sensor: Option<String>,
    /// Seconds of the run at which it begins; at once where absent.
    pub at_s: Option<f64>,
    /// Seconds for which it lasts; to the end where absent.
    pub for_s: Option<f64>,
    /// Share of frames that it befalls meanwhile; all where absent.
    pub chance: Option<f64>,
    /// Milliseconds, of a delay, a slow stage or network, or a jump of the clock.
    pub ms: Option<f64>,
    /// The network that is slow; every one where absent.
    pub model: Option<String>,
}

/// Kinds of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The driver loses the frame.
    Drop,
    /// The frame comes `ms` late.
    Delay,
    /// The frame comes twice.
    Duplicate,
    /// The picture stays the same while stamps go on.
    Freeze,
    /// The picture is black.
    Blacken,
    /// The frame's bytes are damaged: a picture's so that it cannot be read, of a sweep every second point.
    Corrupt,
    /// The device is gone, and comes back when the fault is over.
    Disconnect,
    /// The driver does not return while the fault lasts.
    Stall,
    /// Preparing a frame takes `ms` longer.
    SlowStage,
    /// Every network, or one, takes `ms` longer to answer.
    SlowNetwork,
    /// Preparing a frame panics.
    Panic,
    /// The disk takes no more.
    FullDisk,
    /// The sensor's clock is off by `ms`.
    ClockJump,
    /// The computer says that it is held down, for its heat.
    HeldDown,
}

/// The faults of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FaultPlan {
    /// Seed of what happens by chance.
    pub seed: u64,
    /// The faults.
    pub make: Vec<Fault>,
}

/// One fault.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// The sensor it befalls; every one where `None`.
    pub sensor: Option<String>,
    /// Seconds of the run at which it begins.
    pub from_s: f64,
    /// Seconds of the run at which it ends; infinite where it does not.
    pub to_s: f64,
    /// Share of frames that it befalls.
    pub chance: f64,
    /// Milliseconds.
    pub ms: f64,
    /// Index of the network that is slow; every one where `None`.
    pub model: Option<usize>,
}

impl FaultPlan {
    /// Validates the table of a launch file with networks of these paths.
    pub(super) fn from_table(table: &FaultsTable, networks: &[&Path]) -> Result<Self> {
        let make = table.make.iter().enumerate().map(|(i, fault)| Fault::from_table(i, fault, networks));
        let make = make.collect::<Result<_>>()?;
        Ok(Self { seed: table.seed.unwrap_or(0), make })
    }
}

impl Fault {
    fn from_table(index: usize, table: &FaultTable, networks: &[&Path]) -> Result<Self> {
        let key = |name: &str| format!("faults.make.{index}.{name}");
        use FaultKind::{ClockJump, Delay, SlowNetwork, SlowStage};
        let needs_ms = matches!(table.fault, Delay | SlowStage | SlowNetwork | ClockJump);
        if needs_ms != table.ms.is_some() {
            let verb = if needs_ms { "is missing" } else { "has no meaning for this fault" };
            return Err(anyhow!("{} {verb}", key("ms")));
        }
        if table.model.is_some() && table.fault != SlowNetwork {
            return Err(anyhow!("{} has no meaning for this fault", key("model")));
        }
        let called = |name: &String| {
            let index = networks.iter().position(|path| is_called(path, name));
            index.ok_or_else(|| anyhow!("{}: {name} is none of {}", key("model"), listed(networks)))
        };
        let low = if table.fault == FaultKind::ClockJump { -MS_MAX } else { 0.0 };
        let from_s = number(&key("at_s"), table.at_s, 0.0, (0.0, AT_S_MAX))?;
        let for_s = number(&key("for_s"), table.for_s, f64::INFINITY, (0.0, f64::INFINITY))?;
        Ok(Self {
            kind: table.fault,
            sensor: table.sensor.clone(),
            from_s,
            to_s: from_s + for_s,
            chance: number(&key("chance"), table.chance, 1.0, (0.0, 1.0))?,
            ms: number(&key("ms"), table.ms, 0.0, (low, MS_MAX))?,
            model: table.model.as_ref().map(called).transpose()?,
        })
    }
}
