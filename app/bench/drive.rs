//! A drive end to end against its network alone, in one process: CPU time a frame of each, their ratio, allocations by stage.
//!
//! A drive too short to be measured is driven again and again; start-up is outside of what is measured. Bare network and bare
//! decoding are measured before and after each run of the pipeline, and each gives a ratio to the mean of both, so that a busy machine
//! weighs on all of them. Pictures and sweeps are held in memory as recorded, so that no disk is measured.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use ocellus_flow::latency::Counted;
use ocellus_infer::Runtime;
use ocellus_judge::stats::quantile_sorted;
use ocellus_percept::image::Image;
use ocellus_percept::tensor::Preprocessor;
use ocellus_sense::{Drive, Payload, SensorInfo, SensorKind, decode_image};
use serde::Serialize;

use super::cpu::ByThread;
use super::repeated::{Passed, Repeated};
use crate::launch::file::ModelTable;
use crate::launch::{LaunchFile, Plan};
use crate::measure::drives::{Held, Scratch};
use crate::models::{self, Model, ModelRequest};
use crate::wire::{self, Summary};

/// Pictures before the measured part of a turn: queues fill, and buffers grow, each to the largest picture there is.
pub const WARM_UP: usize = 100;
/// Runs of the bare network and of the bare decoder in a turn.
const BARE_RUNS: usize = 80;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Length {
    /// Turns of pipeline and bare network.
    pub turns: usize,
    /// Pictures of a turn.
    pub pictures: usize,
}

/// What a drive costs: medians over the turns, of a frame.
#[derive(Debug, Clone, Serialize)]
pub struct EndToEnd {
    /// The network.
    pub model: String,
    /// Whether a LiDAR took part.
    pub lidar: bool,
    /// Pictures measured.
    pub frames: u64,
    /// Pictures a second, reading to report.
    pub frames_per_s: f64,
    /// CPU time of all threads, milliseconds.
    pub cpu_ms: f64,
    /// CPU time of the network alone, milliseconds, same process and threads.
    pub bare_cpu_ms: f64,
    /// CPU time of decoding a picture alone (JPEG, PNG), milliseconds: no network sees a picture without.
    pub decode_ms: f64,
    /// CPU time without decoding, as a multiple of the network's: the median turn's, and the least and greatest.
    pub ratio: f64,
    /// The ratio of each turn, ascending.
    pub ratios: Vec<f64>,
    /// Resident memory of the process at the first and at the last of a turn's measured pictures, megabytes.
    pub memory_mb: [Option<f64>; 2],
    /// CPU time by thread, milliseconds; the network's own workers bear the program's name or that of the thread that asks them.
    pub threads_ms: BTreeMap<String, f64>,
    /// Mean wall-clock time of a step by stage, milliseconds.
    pub stages_ms: BTreeMap<String, f64>,
    /// Allocations a step by stage, once warm.
    pub allocations: BTreeMap<String, f64>,
    /// Allocations of all threads, sinks included.
    pub allocations_a_frame: f64,
}

/// Runs `model` on `drive` with these of its sensors (all where empty).
pub fn run(
    runtime: &Runtime,
    drive: &Arc<dyn Drive>,
    (model, sensors): (&Path, &[String]),
    length: Length,
) -> Result<EndToEnd> {
    let held: Arc<dyn Drive> = Arc::new(Held::new(Arc::clone(drive)));
    let mut bare = Bare::load(runtime, drive, model, sensors)?;
    let one = || Repeated::new(Arc::clone(&held), sensors, (WARM_UP, length.pictures));
    // The first turn fills memory; it is not measured.
    once(Repeated::new(Arc::clone(&held), sensors, (WARM_UP, 1))?, model, sensors)?;
    let mut turns = Vec::with_capacity(length.turns);
    let mut before = bare.ms()?;
    for _ in 0..length.turns.max(1) {
        let (passed, summary) = once(one()?, model, sensors)?;
        let after = bare.ms()?;
        let bare_ms = 0.5 * (before.0 + after.0);
        let decode_ms = 0.5 * (before.1 + after.1);
        turns.push(Turn { passed, summary, bare_ms, decode_ms });
        before = after;
    }
    let last = turns.last().context("a turn")?;
    let counted = last.summary.counted().iter().filter(|(_, c)| c.steps > 0);
    let a_step = |c: &Counted| c.total as f64 / c.steps as f64;
    let middle = |of: fn(&Turn) -> f64| {
        let mut values: Vec<f64> = turns.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        quantile_sorted(&values, 0.5).unwrap_or(f64::NAN)
    };
    let mut ratios: Vec<f64> = turns.iter().map(Turn::ratio).collect();
    ratios.sort_by(f64::total_cmp);
    Ok(EndToEnd {
        model: bare.model.spec.name.clone(),
        lidar: has_lidar(drive.as_ref(), sensors),
        frames: turns.iter().map(|t| t.passed.pictures).sum(),
        frames_per_s: middle(|t| t.passed.pictures as f64 / t.passed.wall_s),
        cpu_ms: middle(Turn::cpu_ms),
        bare_cpu_ms: middle(|t| t.bare_ms),
        decode_ms: middle(|t| t.decode_ms),
        ratio: middle(Turn::ratio),
        ratios,
        memory_mb: last.passed.memory_mb,
        threads_ms: last.passed.cpu.ms_each(last.passed.pictures),
        stages_ms: last.summary.stage_means_ms(),
        allocations: counted.map(|(stage, c)| (stage.clone(), a_step(c))).collect(),
        allocations_a_frame: middle(|t| t.passed.allocations as f64 / t.passed.pictures as f64),
    })
}

/// Pipeline, network alone and decoding alone within the same seconds.
struct Turn {
    passed: Passed,
    summary: Summary,
    bare_ms: f64,
    decode_ms: f64,
}

impl Turn {
    fn cpu_ms(&self) -> f64 {
        1e3 * self.passed.cpu.total_s() / self.passed.pictures as f64
    }

    fn ratio(&self) -> f64 {
        (self.cpu_ms() - self.decode_ms) / self.bare_ms
    }
}

fn takes_part(sensor: &SensorInfo, sensors: &[String]) -> bool {
    sensors.is_empty() || sensors.contains(&sensor.name)
}

fn has_lidar(drive: &dyn Drive, sensors: &[String]) -> bool {
    drive.info().sensors.iter().any(|s| takes_part(s, sensors) && s.kind == SensorKind::Lidar)
}

/// What came of one run.
pub fn once(repeated: Repeated, model: &Path, sensors: &[String]) -> Result<(Passed, Summary)> {
    let repeated = Arc::new(repeated);
    let scratch = Scratch::new()?;
    let mut file = LaunchFile::default();
    file.source.drive = Some(repeated.info().path.clone());
    file.source.sensors = (!sensors.is_empty()).then(|| sensors.to_vec());
    file.output.dir = Some(scratch.path().to_owned());
    file.model = vec![ModelTable { path: Some(model.to_owned()), ..ModelTable::default() }];
    let summary = wire::run_quietly(&Plan::from_file(&file)?, Arc::clone(&repeated) as Arc<dyn Drive>)?;
    Ok((repeated.passed()?, summary))
}

/// The network and the decoder without the pipeline.
struct Bare {
    model: Model,
    pictures: Vec<Payload>,
    image: Image,
}

impl Bare {
    fn load(runtime: &Runtime, drive: &Arc<dyn Drive>, path: &Path, sensors: &[String]) -> Result<Self> {
        let mut model = models::load(runtime, &ModelRequest::new(path.to_owned()))?;
        let of_camera = |sensor: usize| {
            let sensor = drive.info().sensors.get(sensor);
            sensor.is_some_and(|s| s.kind == SensorKind::Camera && takes_part(s, sensors))
        };
        let entries = drive.entries().iter().enumerate().filter(|(_, e)| of_camera(e.sensor)).map(|(i, _)| i);
        let pictures: Vec<Payload> = entries.take(BARE_RUNS).map(|i| drive.read(i)).collect::<Result<_, _>>()?;
        let mut image = Image::empty();
        let first = pictures.first().ok_or_else(|| anyhow!("the drive has no pictures of the sensors named"))?;
        decode_image(&first.clone().into_image(), &mut image)?;
        let mut preprocessor = Preprocessor::new(&model.spec.input)?;
        preprocessor.run(image.view(), model.network.input_mut(&model.spec.input.name)?)?;
        Ok(Self { model, pictures, image })
    }

    /// CPU time of the network and of decoding, each for a picture.
    fn ms(&mut self) -> Result<(f64, f64)> {
        Ok((self.network_ms()?, self.decode_ms()?))
    }

    /// CPU time of the network on a picture.
    fn network_ms(&mut self) -> Result<f64> {
        let network = &mut self.model.network;
        for _ in 0..BARE_RUNS / 10 {
            network.run(|outputs| outputs.len())?;
        }
        cpu_ms_of(BARE_RUNS, |_| network.run(|outputs| outputs.len()).map(drop).map_err(Into::into))
    }

    /// CPU time of decoding a picture.
    fn decode_ms(&mut self) -> Result<f64> {
        let encoded: Vec<_> = self.pictures.iter().map(|p| p.clone().into_image()).collect();
        let image = &mut self.image;
        cpu_ms_of(BARE_RUNS, |i| {
            encoded.get(i % encoded.len().max(1)).map_or(Ok(()), |picture| Ok(decode_image(picture, image)?))
        })
    }
}

/// CPU time of each of `count` steps in the mean, milliseconds.
fn cpu_ms_of(count: usize, mut step: impl FnMut(usize) -> Result<()>) -> Result<f64> {
    let before = ByThread::now()?;
    (0..count).try_for_each(&mut step)?;
    Ok(1e3 * ByThread::now()?.since(&before).total_s() / count as f64)
}
