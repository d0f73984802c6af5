//! What a network costs: time, memory and energy a frame, bytes, parameters, multiply-accumulates.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use ocellus_infer::Runtime;
use ocellus_judge::energy::EnergyReport;
use ocellus_judge::stats::quantile_sorted;
use ocellus_percept::image::Image;
use serde::Serialize;

use super::data::Data;
use super::graph::{Weight, macs, weigh};
use super::power::{Meter, peak_memory_mb};
use super::subject::Subject;

/// Runs before the clock starts, and runs that it times at least.
const WARM_UP: usize = 10;
const TIMED: usize = 50;
/// Declared power of one busy core where no sensor is readable, watts: between a Jetson's (about 2) and a desktop's (about 12).
pub const CORE_W: f64 = 8.0;
/// Bytes of a megabyte.
const MEGA: f64 = 1e6;

/// All costs. What could not be had is `None` and its reason is in `notes`.
#[derive(Debug, Clone, Serialize)]
pub struct Cost {
    /// Picture in memory to detections, milliseconds.
    pub latency_p50_ms: Option<f64>,
    /// 95 % are faster.
    pub latency_p95_ms: Option<f64>,
    /// Frames timed.
    pub frames: usize,
    /// CPU seconds of all threads a frame.
    pub cpu_s_per_frame: Option<f64>,
    /// Energy.
    pub energy: EnergyReport,
    /// Largest resident memory of the process so far, megabytes.
    pub memory_peak_mb: Option<f64>,
    /// Bytes of all tensors, megabytes.
    pub size_mb: f64,
    /// Bytes of the file, megabytes.
    pub file_mb: f64,
    /// Millions of parameters.
    pub parameters_m: f64,
    /// Billions of multiply-accumulates a frame.
    pub macs_g: Option<f64>,
    /// What is missing, and why; of energy see there.
    pub notes: Vec<String>,
}

/// Measures `subject` on the first readable pictures of `data`.
pub fn of(runtime: &Runtime, subject: &mut Subject, data: &Data, core_w: f64) -> Result<Cost> {
    let mut images = Vec::new();
    for frame in data.frames.iter().take(WARM_UP) {
        let mut image = Image::empty();
        if frame.read(&mut image).is_ok() {
            images.push(image);
        }
    }
    let first = images.first().context("no picture could be read")?;
    let mut found = Vec::new();
    for i in 0..WARM_UP {
        subject.look(&images[i % images.len()], &mut found)?;
    }
    let mut meter = Meter::start(Path::new("/"));
    let mut times = Vec::with_capacity(TIMED);
    for i in 0..TIMED {
        let started = Instant::now();
        subject.look(&images[i % images.len()], &mut found)?;
        times.push(started.elapsed().as_secs_f64() * 1e3);
        meter.tick();
    }
    let (energy, cpu_s) = meter.finish(TIMED as u64, core_w);
    // Before the file is taken apart, which costs memory of its own.
    let memory_peak_mb = peak_memory_mb();
    times.sort_by(f64::total_cmp);
    let bytes = subject.bytes()?;
    let Weight { file_bytes, tensor_bytes, parameters } = weigh(&bytes)?;
    let mut notes = Vec::new();
    let macs_g = match macs(runtime, subject.spec(), &bytes, first) {
        Ok(macs) => Some(macs as f64 / 1e9),
        Err(error) => {
            notes.push(format!("multiply-accumulates are unknown: {error:#}"));
            None
        }
    };
    Ok(Cost {
        latency_p50_ms: quantile_sorted(&times, 0.5),
        latency_p95_ms: quantile_sorted(&times, 0.95),
        frames: TIMED,
        cpu_s_per_frame: cpu_s.map(|s| s / TIMED as f64),
        energy,
        memory_peak_mb,
        size_mb: tensor_bytes as f64 / MEGA,
        file_mb: file_bytes as f64 / MEGA,
        parameters_m: parameters as f64 / MEGA,
        macs_g,
        notes,
    })
}
