//! Launch files, in two steps: [`mod@file`] is the TOML as written, [`plan`] is what was validated and is run.
//!
//! `replay DRIVE ...` builds the same [`file::LaunchFile`] from flags, so that a run and a replay differ in nothing else.

mod assess;
pub mod file;
pub mod plan;
pub mod text;

pub use assess::AssessPlan;
pub use file::LaunchFile;
pub use plan::{ModelPlan, Plan, Speed, TRUTH, ViewerPlan};
