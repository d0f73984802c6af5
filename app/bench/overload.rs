//! More than can be done: a camera of 60 pictures a second before a network that answers five times, in a live run. What becomes of the
//! pictures that come in between, how old the newest result is, whether memory grows.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use ocellus_sense::Drive;
use serde::Serialize;

use super::repeated::Repeated;
use crate::launch::faults::{FaultKind, FaultTable};
use crate::launch::file::ModelTable;
use crate::launch::live::CameraTable;
use crate::launch::{LaunchFile, Plan};
use crate::measure::drives::{Held, Scratch};
use crate::measure::power::memory_mb;
use crate::wire;

/// Pictures a second.
const CAMERA_HZ: f64 = 60.0;
/// What is added to the network's own time, milliseconds: with that of a small network about a fifth of a second.
const SLOWER_MS: f64 = 185.0;
/// Seconds of the run, and of one before it: what memory it takes beyond that is growth.
const SECONDS: [f64; 2] = [5.0, 20.0];
/// The camera's name.
const CAMERA: &str = "camera";

/// What became of them.
#[derive(Debug, Clone, Serialize)]
pub struct Overload {
    /// Seconds.
    pub seconds: f64,
    /// Pictures that came.
    pub received: u64,
    /// Pictures that went the whole way.
    pub processed: u64,
    /// Pictures left out, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// Pictures lost, by reason.
    pub lost: BTreeMap<String, u64>,
    /// Whether the sums match.
    pub balanced: bool,
    /// From a picture's stamp to its report, milliseconds: median, 99th percentile, the most.
    pub age_ms: [f64; 3],
    /// Resident memory after a short run and after the whole one, megabytes.
    pub memory_mb: [Option<f64>; 2],
}

/// Runs `model` on the drive's pictures, faster than it can.
pub fn run(drive: &Arc<dyn Drive>, model: &Path) -> Result<Overload> {
    let held: Arc<dyn Drive> = Arc::new(Held::new(Arc::clone(drive)));
    let mut memory = [None; 2];
    let mut last = None;
    for (seconds, memory) in SECONDS.into_iter().zip(&mut memory) {
        last = Some(once(&held, model, seconds)?);
        *memory = memory_mb();
    }
    let overload = last.context("a run")?;
    Ok(Overload { memory_mb: memory, ..overload })
}

fn once(drive: &Arc<dyn Drive>, model: &Path, seconds: f64) -> Result<Overload> {
    let scratch = Scratch::new()?;
    let played = Repeated::paced(Arc::clone(drive), (seconds * CAMERA_HZ) as usize, CAMERA_HZ)?;
    let mut file = LaunchFile::default();
    let sensor = played.camera();
    file.camera = vec![CameraTable {
        name: Some(CAMERA.to_owned()),
        drive: Some(drive.info().path.clone()),
        sensor,
        ..CameraTable::default()
    }];
    file.live.seconds = Some(seconds);
    let slow = FaultKind::SlowNetwork;
    let ms = Some(SLOWER_MS);
    file.faults.make =
        vec![FaultTable { fault: slow, sensor: None, at_s: None, for_s: None, chance: None, ms, model: None }];
    file.output.dir = Some(scratch.path().to_owned());
    file.model = vec![ModelTable { path: Some(model.to_owned()), ..ModelTable::default() }];
    let summary = wire::run_live_quietly(&Plan::from_file(&file)?, vec![Arc::new(played) as Arc<dyn Drive>])?;
    let book = summary.book(CAMERA).context("the camera's books")?;
    let age = summary.end_to_end(CAMERA).context("the age of the camera's results")?;
    Ok(Overload {
        seconds,
        received: book.received,
        processed: book.processed,
        dropped: book.dropped.clone(),
        lost: book.lost.clone(),
        balanced: book.balanced,
        age_ms: [age.p50, age.p99, age.max],
        memory_mb: [None; 2],
    })
}
