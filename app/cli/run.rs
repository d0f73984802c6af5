//! `ocellus run LAUNCH`: runs a launch file.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::exit::Outcome;
use crate::launch::{LaunchFile, Plan};
use crate::wire;

/// Run a launch file.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: ocellus run launch/replay.toml --set source.drive=/data/drive_0001 --set output.dir=out"
)]
pub struct Run {
    /// The launch file (TOML).
    launch: PathBuf,
    /// Override a key, e.g. `model.0.score=0.4`; may be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Write obstacles as CAN frames to a candump log (see launch/ocellus.dbc).
    #[arg(long, value_name = "FILE")]
    can: Option<PathBuf>,
    /// Write results beside their frames as MCAP, for ROS 2 and Foxglove tools.
    #[arg(long, value_name = "FILE")]
    mcap: Option<PathBuf>,
    /// Build engines that were not prepared, which may take minutes (see `ocellus prepare`).
    #[arg(long)]
    allow_build: bool,
    /// Print the summary as JSON.
    #[arg(long)]
    json: bool,
}

impl Run {
    pub(super) fn run(self) -> Result<Outcome> {
        let mut file = LaunchFile::read(&self.launch, &self.set)?;
        file.can.file = self.can.or(file.can.file);
        file.output.mcap = self.mcap.or(file.output.mcap);
        let mut plan = Plan::from_file(&file)?;
        plan.engines.launch = Some(self.launch);
        plan.engines.allow_build |= self.allow_build;
        let summary = wire::run(&plan)?;
        summary.print(self.json)?;
        Ok(summary.outcome())
    }
}
