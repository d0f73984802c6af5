//! The command line: one file per verb, each with its arguments and its `run`.

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::exit::Outcome;

mod bench;
mod cloud;
mod demo;
mod detect;
mod diff;
#[cfg(feature = "train")]
mod distill;
mod doctor;
mod eval;
#[cfg(feature = "train")]
mod experiment;
mod export;
mod inspect;
mod label;
mod prepare;
mod quantize;
mod record;
mod replay;
mod run;
mod setup;
#[cfg(feature = "train")]
mod training;
mod vouching;
mod world;

/// Perception for robots and vehicles: camera and LiDAR in, obstacles out, with proof of how old that knowledge is.
#[derive(Debug, Parser)]
#[command(name = "ocellus", version, max_term_width = 120)]
#[command(after_help = "Exit codes: 0 done; 1 failed; 2 wrong usage or configuration; 3 finished but lost data;\n\
                        4 a required provider, self-check, hash or statement was not met.")]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What the program can be asked to do.
#[derive(Debug, Subcommand)]
// One per program: its size does not matter.
#[allow(clippy::large_enum_variant)]
pub enum Verb {
    /// See a simulated drive with obstacles, distances and latency.
    Demo(demo::Demo),
    /// Run a launch file.
    Run(run::Run),
    /// Replay a recorded drive through networks, fusion and tracking.
    Replay(replay::Replay),
    /// Record what a drive's sensors give as MCAP.
    Record(record::Record),
    /// Render a drive of the simulated world.
    World(world::World),
    /// Say what is wrong: whether cameras and LiDARs agree.
    Doctor(doctor::Doctor),
    /// Compare the objects of two runs.
    Diff(diff::Diff),
    /// Evaluate detections or tracks against ground truth.
    Eval(eval::Eval),
    /// Write a run's objects in the forms that others' evaluators read.
    Export(export::Export),
    /// Bare detections on pictures, as COCO results.
    Detect(detect::Detect),
    /// Measure what each step costs, and a drive against its network alone.
    Bench(bench::Bench),
    /// Write a drive's LiDAR sweeps as .pcd files, one a frame.
    Cloud(cloud::Cloud),
    /// Train a network on the simulated world and write it as ONNX with its manifest.
    #[cfg(feature = "train")]
    Distill(distill::Distill),
    /// Train the arms of an experiment from several seeds and compare them.
    #[cfg(feature = "train")]
    Experiment(experiment::Experiment),
    /// Pseudo labels for a drive by agreement of several teachers.
    Label(label::Label),
    /// An INT8 or FP16 twin of a network, calibrated on real pictures.
    Quantize(quantize::Quantize),
    /// Build engines ahead of a run and check them against the CPU.
    Prepare(prepare::Prepare),
    /// Say what a drive, a model, a calibration or a launch file holds.
    Inspect(inspect::Inspect),
    /// Fetch ONNX Runtime into the user's cache.
    Setup(setup::Setup),
}

impl Verb {
    /// Does it.
    pub fn run(self) -> Result<Outcome> {
        match self {
            Self::Demo(verb) => verb.run(),
            Self::Record(verb) => verb.run(),
            Self::World(verb) => verb.run(),
            Self::Run(verb) => verb.run(),
            Self::Replay(verb) => verb.run(),
            Self::Diff(verb) => verb.run(),
            Self::Eval(verb) => verb.run(),
            Self::Export(verb) => verb.run(),
            Self::Detect(verb) => verb.run(),
            Self::Bench(verb) => verb.run(),
            Self::Cloud(verb) => verb.run(),
            #[cfg(feature = "train")]
            Self::Distill(verb) => verb.run(),
            #[cfg(feature = "train")]
            Self::Experiment(verb) => verb.run(),
            Self::Doctor(verb) => verb.run(),
            Self::Label(verb) => verb.run(),
            Self::Prepare(verb) => verb.run(),
            Self::Quantize(verb) => verb.run(),
            Self::Inspect(verb) => verb.run(),
            Self::Setup(verb) => verb.run(),
        }
    }
}
