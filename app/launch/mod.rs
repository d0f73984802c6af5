//! Launch files, in two steps: [`mod@file`] is the TOML as written, [`plan`] is what was validated and is run.
//!
//! `replay DRIVE ...` builds the same [`file::LaunchFile`] from flags, so that a run and a replay differ in nothing else.

mod assess;
mod camera;
mod can;
mod clips;
mod engines;
pub mod faults;
pub mod file;
pub mod governor;
pub mod live;
pub mod plan;
pub mod text;
mod udp;

pub use assess::{AssessPlan, VehicleTable};
pub use can::CanPlan;
pub use clips::ClipsPlan;
pub use engines::{EnginesPlan, Fallback};
pub use faults::{Fault, FaultKind, FaultPlan};
pub use file::LaunchFile;
pub use governor::GovernorPlan;
pub use live::{LivePlan, SensorPlan, SensorSource};
pub use plan::{LIVE, ModelPlan, NetworksPlan, Plan, Speed, TRUTH, ViewerPlan};
pub use udp::UdpPlan;
