//! `ocellus world SCENARIO --out DRIVE.mcap`: renders a drive of the simulated world, with its truth.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use ocellus_sense::{OpenOptions, SimulatedOptions};

use super::record;
use crate::exit::{self, Outcome};

/// Render a drive of the simulated world.
#[derive(Debug, Args)]
#[command(after_help = "Example: ocellus world launch/worlds/street.toml --out street.mcap --seed 7 --seconds 12")]
pub struct World {
    /// A scenario (TOML); launch/worlds/ has some.
    scenario: PathBuf,
    /// The recording to write.
    #[arg(long, value_name = "DRIVE.mcap")]
    out: PathBuf,
    /// What is left open by the scenario is drawn by this number: the same number, the same bytes.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Length; the scenario's own unless told.
    #[arg(long)]
    seconds: Option<f64>,
    /// Pictures a second.
    #[arg(long, value_name = "HZ")]
    camera_hz: Option<f64>,
    /// Turns of the LiDAR a second.
    #[arg(long, value_name = "HZ")]
    lidar_hz: Option<f64>,
    /// Beams of the LiDAR: 16, 32 or 64.
    #[arg(long)]
    beams: Option<usize>,
}

impl World {
    pub(super) fn run(self) -> Result<Outcome> {
        let default = SimulatedOptions::default();
        let simulated = SimulatedOptions {
            seed: self.seed,
            seconds: self.seconds,
            camera_hz: self.camera_hz,
            lidar_hz: self.lidar_hz,
            lidar_beams: self.beams.unwrap_or(default.lidar_beams),
            ..default
        };
        let options = OpenOptions { simulated, ..OpenOptions::default() };
        let drive = ocellus_sense::open(&self.scenario, &options).map_err(exit::usage)?;
        record::write(drive.as_ref(), &self.out)
    }
}
