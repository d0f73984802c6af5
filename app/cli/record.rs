//! `ocellus record SOURCE --out FILE.mcap`: what a drive's sensors give, as an MCAP recording that other tools read.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::Result;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use ocellus_sense::{Drive, OpenOptions};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::exit::{self, Outcome};
use crate::recording;

/// Record what a drive's sensors give as MCAP.
#[derive(Debug, Args)]
#[command(after_help = "Example: ocellus record /data/2011_09_26_drive_0001_sync --out drive.mcap")]
pub struct Record {
    /// A drive, or a scenario of the simulated world.
    source: PathBuf,
    /// The recording to write.
    #[arg(long, value_name = "FILE.mcap")]
    out: PathBuf,
    /// A calibration file that replaces the drive's own.
    #[arg(long, value_name = "FILE")]
    calib: Option<PathBuf>,
}

impl Record {
    pub(super) fn run(self) -> Result<Outcome> {
        let options = OpenOptions { calib: self.calib.clone(), uncalibrated: true, ..OpenOptions::default() };
        let drive = ocellus_sense::open(&self.source, &options).map_err(exit::usage)?;
        write(drive.as_ref(), &self.out, recording::JPEG_QUALITY)
    }
}

/// Writes all of a drive, with a progress bar on a terminal and plain lines elsewhere; Ctrl-C ends it orderly.
pub(super) fn write(drive: &dyn Drive, out: &Path, quality: u8) -> Result<Outcome> {
    for note in &drive.info().notes {
        eprintln!("drive: {note}");
    }
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let started = Instant::now();
    let bar = ProgressBar::new(drive.entries().len() as u64);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} frames, {per_sec}, {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let mut tenth = 0;
    let mut progress = |done: usize, all: usize| {
        bar.set_position(done as u64);
        let now = done * 10 / all.max(1);
        if bar.is_hidden() && now > tenth {
            tenth = now;
            eprintln!("{done} of {all} frames");
        }
    };
    let recorded = recording::record(drive, (out, quality), &mut progress, &|| stop.load(Ordering::Relaxed))?;
    bar.finish_and_clear();
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{}: {} frames, {} messages, {:.1} MB in {seconds:.1} s ({:.1} frames a second)",
        out.display(),
        recorded.frames,
        recorded.messages,
        recorded.bytes as f64 / 1e6,
        recorded.frames as f64 / seconds.max(1e-9)
    );
    Ok(if recorded.lost > 0 { Outcome::LostData } else { Outcome::Done })
}
