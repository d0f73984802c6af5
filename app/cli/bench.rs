//! `ocellus bench`: what each step costs, what a drive costs beside its network, and how costs grow.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use clap::{Args, ValueEnum};
use ocellus_percept::image::Image;
use ocellus_sense::{Drive, OpenOptions, SensorKind, decode_image};
use serde_json::json;

use crate::bench::drive::{EndToEnd, Length};
use crate::bench::overload::Overload;
use crate::bench::viewer::Viewers;
use crate::bench::{Clock, Machine, Row, counting, drive, growth, overload, stages, viewer};
use crate::exit::{self, Outcome};
use crate::models;

/// What to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Single steps.
    Stages,
    /// A drive end to end against its network alone.
    Drive,
    /// Costs against numbers of objects and points and sizes of pictures.
    Growth,
    /// Sixty pictures a second before a network that does five.
    Overload,
    /// A viewer that stalls and one that dies, beside none.
    Viewer,
}

/// Measure what each step costs, and a drive against its network alone.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: ocellus bench\n         ocellus bench drive --model yolox_nano.onnx --sensors front\n\
                        Compare figures of one run, not of two: the machine's load is in all of them."
)]
pub struct Bench {
    /// What to measure; stages unless told.
    #[arg(value_enum)]
    parts: Vec<Part>,
    /// The drive: pictures, sweeps and labels come from it; the demo's unless told.
    #[arg(long, value_name = "DRIVE")]
    drive: Option<PathBuf>,
    /// Networks to measure (ONNX file, folder with model.toml, or name).
    #[arg(long = "model", value_name = "FILE|NAME")]
    models: Vec<PathBuf>,
    /// Only these of the drive's sensors take part end to end.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    sensors: Vec<String>,
    /// Milliseconds given to each step.
    #[arg(long, default_value_t = 300, value_name = "MS")]
    each: u64,
    /// Turns of a drive and its network alone.
    #[arg(long, default_value_t = 9, value_name = "N")]
    turns: usize,
    /// Pictures of a turn; a few hundred thousand show whether memory grows.
    #[arg(long, default_value_t = 80, value_name = "N")]
    pictures: usize,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Bench {
    pub(super) fn run(self) -> Result<Outcome> {
        let parts = if self.parts.is_empty() { vec![Part::Stages] } else { self.parts.clone() };
        let mut clock = Clock::new(Duration::from_millis(self.each));
        let machine = Machine::here();
        let (mut ends, mut overloads, mut viewers) = (Vec::new(), Vec::new(), Vec::new());
        for part in parts {
            match part {
                Part::Stages => self.stages(&mut clock)?,
                Part::Drive => ends = self.end_to_end()?,
                Part::Growth => self.growth(&mut clock)?,
                Part::Overload => overloads = self.each_model(overload::run)?,
                Part::Viewer => viewers = self.each_model(viewer::run)?,
            }
        }
        if self.json {
            println!(
                "{}",
                json!({"schema": "ocellus.bench/1", "machine": machine, "steps": clock.rows, "drives": ends,
                    "overload": overloads, "viewer": viewers})
            );
            return Ok(Outcome::Done);
        }
        let load = machine.load.map_or_else(String::new, |load| format!(", load {load}"));
        println!("{}, {} cores{load}, version {}", machine.processor, machine.cores, machine.version);
        print_rows(&clock.rows);
        ends.iter().for_each(print_end);
        overloads.iter().for_each(print_overload);
        viewers.iter().for_each(print_viewers);
        Ok(Outcome::Done)
    }

    fn open(&self) -> Result<Arc<dyn Drive>> {
        let path = match &self.drive {
            Some(path) => path.clone(),
            None => super::demo::drive()
                .ok_or_else(|| exit::usage(anyhow!("the demo's drive is not found: give --drive")))?,
        };
        Ok(Arc::from(ocellus_sense::open(&path, &OpenOptions::default()).map_err(exit::usage)?))
    }

    fn stages(&self, clock: &mut Clock) -> Result<()> {
        stages::on_made_inputs(clock)?;
        let drive = self.open()?;
        stages::on_a_drive(clock, &drive)?;
        if self.models.is_empty() {
            return Ok(());
        }
        let runtime = models::start_runtime(None)?;
        let (_, payload) = stages::first_of(drive.as_ref(), SensorKind::Camera)?
            .ok_or_else(|| exit::usage(anyhow!("the drive has no pictures for --model")))?;
        let mut image = Image::empty();
        decode_image(&payload.into_image(), &mut image)?;
        for model in &self.models {
            stages::of_a_network(clock, &runtime, model, &image).with_context(|| model.display().to_string())?;
        }
        Ok(())
    }

    fn growth(&self, clock: &mut Clock) -> Result<()> {
        growth::run(clock)?;
        let drive = self.open()?;
        self.models.iter().try_for_each(|model| growth::cameras(clock, &drive, model))
    }

    fn each_model<R>(&self, run: impl Fn(&Arc<dyn Drive>, &Path) -> Result<R>) -> Result<Vec<R>> {
        if self.models.is_empty() {
            return Err(exit::usage(anyhow!("a run needs a network: give --model")));
        }
        let drive = self.open()?;
        self.models.iter().map(|model| run(&drive, model)).collect()
    }

    fn end_to_end(&self) -> Result<Vec<EndToEnd>> {
        if self.models.is_empty() {
            return Err(exit::usage(anyhow!("a drive is measured against a network: give --model")));
        }
        ocellus_flow::latency::count_by(counting::on_this_thread);
        counting::count_everywhere();
        let drive = self.open()?;
        let runtime = models::start_runtime(None)?;
        let length = Length { turns: self.turns, pictures: self.pictures };
        self.models.iter().map(|model| drive::run(&runtime, &drive, (model, &self.sensors), length)).collect()
    }
}

fn print_rows(rows: &[Row]) {
    if rows.is_empty() {
        return;
    }
    let width = rows.iter().map(|r| r.step.chars().count()).max().unwrap_or(0);
    println!(
        "{:width$} {:>10} {:>10} {:>10} {:>10} {:>7} {:>7}  (us)",
        "step", "min", "p50", "p90", "p99", "runs", "allocs"
    );
    for r in rows {
        let (min, p50, p90, p99) = (r.min_us, r.p50_us, r.p90_us, r.p99_us);
        println!(
            "{:width$} {min:>10.1} {p50:>10.1} {p90:>10.1} {p99:>10.1} {:>7} {:>7.1}",
            r.step, r.runs, r.allocations
        );
    }
}

fn print_end(end: &EndToEnd) {
    let lidar = if end.lidar { "camera and LiDAR" } else { "camera alone" };
    println!("{} end to end, {lidar}, {} frames", end.model, end.frames);
    println!("  throughput   {:.1} frames a second", end.frames_per_s);
    let (cpu, bare, decode) = (end.cpu_ms, end.bare_cpu_ms, end.decode_ms);
    println!("  CPU a frame  {cpu:.2} ms; the network alone {bare:.2} ms; decoding pictures {decode:.2} ms");
    let (least, most) =
        (end.ratios.first().copied().unwrap_or(end.ratio), end.ratios.last().copied().unwrap_or(end.ratio));
    println!("  ratio        {:.3} (without decoding; {} turns, {least:.3} to {most:.3})", end.ratio, end.ratios.len());
    let threads: Vec<String> = end.threads_ms.iter().map(|(thread, ms)| format!("{thread} {ms:.2}")).collect();
    println!("  threads      ms of CPU time a frame: {}", threads.join(", "));
    let stages: Vec<String> = end.stages_ms.iter().map(|(stage, ms)| format!("{stage} {ms:.2}")).collect();
    println!("  stages       ms of wall-clock time a step: {}", stages.join(", "));
    if let [Some(first), Some(last)] = end.memory_mb {
        println!("  memory       {first:.1} MB at the first picture of a turn, {last:.1} MB at the last");
    }
    let counts: Vec<String> = end.allocations.iter().map(|(stage, n)| format!("{stage} {n:.1}")).collect();
    println!(
        "  allocations  a step, once warm: {}; {:.1} a frame in all, with its report and line",
        counts.join(", "),
        end.allocations_a_frame
    );
}

fn print_overload(run: &Overload) {
    let Overload { seconds, received, processed, dropped, lost, .. } = run;
    println!(
        "overload, {seconds} s: {received} pictures came, {processed} were processed; dropped {dropped:?}, lost {lost:?}"
    );
    let [p50, p99, most] = run.age_ms;
    println!(
        "  age of a result  p50 {p50:.0} ms, p99 {p99:.0} ms, {most:.0} ms at most; the books balance: {}",
        run.balanced
    );
    if let [Some(short), Some(whole)] = run.memory_mb {
        println!("  memory           {short:.0} MB after 5 s, {whole:.0} MB after {seconds} s");
    }
}

fn print_viewers(run: &Viewers) {
    let ([p50, p99], turns) = (run.absent_ms, run.turns.len());
    println!("without a viewer: p50 {p50:.2} ms, p99 {p99:.2} ms from reading to report (medians of {turns} turns)");
    for (name, [p50, p99]) in [("stalls", run.stalled), ("dies", run.dying)] {
        println!("  with one that {name:6}  p50 x {p50:.3}, p99 x {p99:.3}");
    }
}
