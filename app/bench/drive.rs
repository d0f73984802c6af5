//! A drive end to end against its network alone, in one process: CPU time a frame of each, their ratio, allocations by stage.
//!
//! What start-up costs is taken out by running the drive once whole and once in part: a frame's cost is the difference by
//! the frames between. Pictures and sweeps are held in memory as recorded, so that no disk is measured.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use ocellus_flow::latency::Counted;
use ocellus_infer::Runtime;
use ocellus_percept::image::Image;
use ocellus_percept::tensor::Preprocessor;
use ocellus_sense::{Drive, SensorInfo, SensorKind, decode_image};
use serde::Serialize;

use super::stages::first_of;
use crate::launch::file::ModelTable;
use crate::launch::{LaunchFile, Plan};
use crate::measure::drives::{FirstEntries, Held, Scratch};
use crate::measure::power::{cpu_seconds, peak_memory_mb};
use crate::models::{self, ModelRequest};
use crate::wire::{self, Summary};

/// Runs of the bare network; CPU time is told in hundredths of a second.
const BARE_RUNS: usize = 100;
/// Share of the drive that the short run sees.
const SHORT: usize = 4;

/// What a drive costs.
#[derive(Debug, Clone, Serialize)]
pub struct EndToEnd {
    /// The network.
    pub model: String,
    /// Whether a LiDAR took part.
    pub lidar: bool,
    /// Pictures between the short and the whole run.
    pub frames: u64,
    /// Pictures a second, reading to report.
    pub frames_per_s: f64,
    /// CPU time of all threads a picture, milliseconds.
    pub cpu_ms: f64,
    /// CPU time of the network alone a picture, milliseconds, same process and threads.
    pub bare_cpu_ms: f64,
    /// Time a picture took to decode (JPEG, PNG), milliseconds: no network sees a picture without.
    pub decode_ms: f64,
    /// CPU time without decoding, as a multiple of the network's.
    pub ratio: f64,
    /// Largest resident memory of the process, megabytes.
    pub peak_memory_mb: Option<f64>,
    /// Allocations a step by stage, once warm.
    pub allocations: BTreeMap<String, f64>,
}

/// Runs `model` on `drive` with these of its sensors (all where empty).
pub fn run(runtime: &Runtime, drive: &Arc<dyn Drive>, model: &Path, sensors: &[String]) -> Result<EndToEnd> {
    let held: Arc<dyn Drive> = Arc::new(Held::new(Arc::clone(drive)));
    let entries = held.entries().len();
    let part: Arc<dyn Drive> = Arc::new(FirstEntries::new(Arc::clone(&held), entries / SHORT));
    // The first run of the whole drive fills memory; it is not measured.
    once(&held, model, sensors)?;
    let short = once(&part, model, sensors)?;
    let whole = once(&held, model, sensors)?;
    let frames = whole.frames.checked_sub(short.frames).filter(|n| *n > 0);
    let frames = frames.ok_or_else(|| anyhow!("the drive is too short: {} pictures", whole.frames))?;
    let cpu_ms = 1e3 * (whole.cpu_s - short.cpu_s) / frames as f64;
    let (name, bare_cpu_ms) = bare(runtime, drive, model)?;
    let decode_ms = whole.summary.stage_mean_ms("decode").unwrap_or(0.0);
    let counted = whole.summary.counted().iter().filter(|(_, c)| c.steps > 0);
    let a_step = |c: &Counted| c.total as f64 / c.steps as f64;
    Ok(EndToEnd {
        model: name,
        lidar: has_lidar(drive.as_ref(), sensors),
        frames,
        frames_per_s: frames as f64 / (whole.wall_s - short.wall_s).max(f64::EPSILON),
        cpu_ms,
        bare_cpu_ms,
        decode_ms,
        ratio: (cpu_ms - decode_ms) / bare_cpu_ms,
        peak_memory_mb: peak_memory_mb(),
        allocations: counted.map(|(stage, c)| (stage.clone(), a_step(c))).collect(),
    })
}

fn has_lidar(drive: &dyn Drive, sensors: &[String]) -> bool {
    let takes_part = |s: &&SensorInfo| sensors.is_empty() || sensors.contains(&s.name);
    drive.info().sensors.iter().filter(takes_part).any(|s| s.kind == SensorKind::Lidar)
}

/// One run and what it cost.
struct Once {
    summary: Summary,
    frames: u64,
    cpu_s: f64,
    wall_s: f64,
}

fn once(drive: &Arc<dyn Drive>, model: &Path, sensors: &[String]) -> Result<Once> {
    let scratch = Scratch::new()?;
    let mut file = LaunchFile::default();
    file.source.drive = Some(drive.info().path.clone());
    file.source.sensors = (!sensors.is_empty()).then(|| sensors.to_vec());
    file.output.dir = Some(scratch.path().to_owned());
    file.model = vec![ModelTable { path: Some(model.to_owned()), ..ModelTable::default() }];
    let cpu = || cpu_seconds().context("the process's CPU time cannot be read on this system");
    let before = cpu()?;
    let summary = wire::run_quietly(&Plan::from_file(&file)?, Arc::clone(drive))?;
    let (cpu_s, wall_s) = (cpu()? - before, summary.wall_s());
    Ok(Once { frames: summary.frames(), summary, cpu_s, wall_s })
}

/// The network's name and its CPU time a picture, milliseconds.
fn bare(runtime: &Runtime, drive: &Arc<dyn Drive>, path: &Path) -> Result<(String, f64)> {
    let mut model = models::load(runtime, &ModelRequest::new(path.to_owned()))?;
    let (_, payload) = first_of(drive.as_ref(), SensorKind::Camera)?.context("the drive has no pictures")?;
    let mut image = Image::empty();
    decode_image(&payload.into_image(), &mut image)?;
    let mut preprocessor = Preprocessor::new(&model.spec.input)?;
    preprocessor.run(image.view(), model.network.input_mut(&model.spec.input.name)?)?;
    for _ in 0..BARE_RUNS / 10 {
        model.network.run(|outputs| outputs.len())?;
    }
    let before = cpu_seconds().context("the process's CPU time cannot be read")?;
    for _ in 0..BARE_RUNS {
        model.network.run(|outputs| outputs.len())?;
    }
    let after = cpu_seconds().context("the process's CPU time cannot be read")?;
    Ok((model.spec.name, 1e3 * (after - before) / BARE_RUNS as f64))
}
