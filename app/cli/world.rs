//! `ocellus world SCENARIO --out DRIVE.mcap`: renders a drive of the simulated world, with its truth.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use ocellus_sense::{OpenOptions, SimulatedCamera, SimulatedOptions};

use super::record;
use crate::exit::{self, Outcome};
use crate::recording;

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
    /// Columns of one turn of the LiDAR.
    #[arg(long)]
    columns: Option<usize>,
    /// Width and height of pictures.
    #[arg(long, value_name = "WxH", value_parser = size)]
    size: Option<(u32, u32)>,
    /// Cameras, of camera, camera_left and camera_right.
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = camera)]
    cameras: Vec<SimulatedCamera>,
    /// Share of the pictures to leave out, chosen by the seed: a recording with dropped frames.
    #[arg(long, value_name = "0..0.9", default_value_t = 0.0)]
    missing: f64,
    /// JPEG quality of pictures.
    #[arg(long, default_value_t = recording::JPEG_QUALITY)]
    quality: u8,
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
            lidar_columns: self.columns,
            resolution: self.size.unwrap_or(default.resolution),
            cameras: if self.cameras.is_empty() { default.cameras } else { self.cameras },
            missing: self.missing,
            ..SimulatedOptions::default()
        };
        let options = OpenOptions { simulated, ..OpenOptions::default() };
        let drive = ocellus_sense::open(&self.scenario, &options).map_err(exit::usage)?;
        record::write(drive.as_ref(), &self.out, self.quality)
    }
}

fn camera(name: &str) -> Result<SimulatedCamera, String> {
    let unknown = || format!("expected camera, camera_left or camera_right, got {name}");
    SimulatedCamera::named(name).ok_or_else(unknown)
}

/// `640x384` as columns and rows.
fn size(text: &str) -> Result<(u32, u32), String> {
    let parsed = text.split_once('x').and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
    parsed.ok_or_else(|| format!("expected WIDTHxHEIGHT such as 640x384, got {text}"))
}
