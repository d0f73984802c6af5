//! `ocellus record SOURCE --out FILE.mcap`: what a drive's or live sensors give, as an MCAP recording that other tools read.

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
use crate::launch::{LaunchFile, LivePlan};
use crate::recording;
use crate::wire;

/// Record what a drive's sensors, or those of a live launch file, give as MCAP.
#[derive(Debug, Args)]
#[command(after_help = "Examples: ocellus record /data/2011_09_26_drive_0001_sync --out drive.mcap\n\
                        \x20         ocellus record launch/live.toml --out today.mcap --set live.seconds=60\n\
                        Of live sensors all frames are written in the order in which they came; after a kill all but the\n\
                        last second can be read. `replay --as-recorded` gives them in that order.")]
pub struct Record {
    /// A drive, a scenario of the simulated world, or a launch file with live sensors.
    source: PathBuf,
    /// The recording to write.
    #[arg(long, value_name = "FILE.mcap")]
    out: PathBuf,
    /// A calibration file that replaces the drive's own.
    #[arg(long, value_name = "FILE")]
    calib: Option<PathBuf>,
    /// Override a key of the launch file; may be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Metadata (JSON) of the Ouster sensor whose packets are recorded; looked for beside the recording unless told.
    #[arg(long, value_name = "JSON")]
    meta: Option<PathBuf>,
}

impl Record {
    pub(super) fn run(self) -> Result<Outcome> {
        if let Some(plan) = self.live()? {
            let ended = wire::record_live(&plan, self.calib.as_deref(), &self.out)?;
            return live_ended(&ended, &self.out);
        }
        let (calib, meta) = (self.calib.clone(), self.meta.clone());
        let options = OpenOptions { calib, meta, uncalibrated: true, ..OpenOptions::default() };
        let drive = ocellus_sense::open(&self.source, &options).map_err(exit::usage)?;
        write(drive.as_ref(), &self.out, recording::JPEG_QUALITY)
    }
}

impl Record {
    /// The live sensors, where the source is a launch file that has some.
    fn live(&self) -> Result<Option<LivePlan>> {
        let is_toml = self.source.extension().is_some_and(|e| e == "toml");
        // A scenario is TOML too, and no launch file.
        if !is_toml || LaunchFile::read(&self.source, &[]).is_err() {
            return Ok(None);
        }
        LaunchFile::read(&self.source, &self.set)?.live_plan()
    }
}

/// Says what became of a live recording.
fn live_ended(ended: &wire::RecordEnd, out: &Path) -> Result<Outcome> {
    let bytes = std::fs::metadata(out).map_or(0, |m| m.len());
    println!("{}: {:.1} MB", out.display(), bytes as f64 / 1e6);
    for (name, book) in &ended.ledger.sensors {
        let (dropped, lost) = (book.dropped_total(), book.lost_total());
        println!("  {name}: {} received, {} recorded, {dropped} dropped, {lost} lost", book.received, book.processed);
    }
    if let Some(failure) = ended.report.failures.first() {
        anyhow::bail!("{failure}");
    }
    let whole = ended.ledger.lossless() && ended.ledger.balanced() && ended.health.whole();
    Ok(if whole { Outcome::Done } else { Outcome::LostData })
}

/// Writes all of a drive, with a progress bar on a terminal and plain lines elsewhere; Ctrl-C ends it orderly.
pub(super) fn write(drive: &dyn Drive, out: &Path, quality: u8) -> Result<Outcome> {
    for note in &drive.info().notes {
        eprintln!("drive: {note}");
    }
    for lost in &drive.info().lost {
        eprintln!("lost: {lost}");
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
    let whole = recorded.lost == 0 && drive.info().lost.is_empty();
    Ok(if whole { Outcome::Done } else { Outcome::LostData })
}
