//! `ocellus doctor`: what is wrong, one line each with its remedy. With `--drive`: whether a drive's cameras and LiDARs agree.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use serde_json::json;

use crate::exit::Outcome;

mod alignment;
mod bundle;
#[cfg(feature = "camera")]
mod cameras;
mod computer;
mod jetson;
mod library;
mod line;
mod network;

use line::{Level, Line};

/// Say what is wrong; exit code 1 if any line fails.
#[derive(Debug, Args)]
#[command(after_help = "Example: ocellus doctor\n         \
                        ocellus doctor --bundle report.json\n         \
                        ocellus doctor --drive /data/2011_09_26_drive_0001_sync\n\
                        Each line is ok, warn or FAIL, with its remedy. A provider counts as there where it has run a network of \
                        one node. With --drive, camera and LiDAR are compared by where things end: steps of depth against \
                        edges of the picture.")]
pub struct Doctor {
    /// A drive whose cameras and LiDARs are compared, in place of the computer.
    #[arg(long, value_name = "DRIVE")]
    drive: Option<PathBuf>,
    /// A calibration file that replaces the drive's own.
    #[arg(long, value_name = "FILE", requires = "drive")]
    calib: Option<PathBuf>,
    /// The ONNX Runtime library.
    #[arg(long, value_name = "FILE")]
    ort_lib: Option<PathBuf>,
    /// Write everything that a report of a fault needs into one file (JSON).
    #[arg(long, value_name = "FILE", conflicts_with = "drive")]
    bundle: Option<PathBuf>,
    /// Where the system's files are looked for.
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    root: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub(super) fn run(self) -> Result<Outcome> {
        if let Some(drive) = &self.drive {
            return alignment::look(drive, self.calib, self.json);
        }
        let mut lines = library::look(self.ort_lib.as_deref());
        lines.extend(jetson::look(&self.root));
        lines.extend(computer::look(&self.root));
        lines.extend(network::look(&self.root));
        #[cfg(feature = "camera")]
        lines.extend(cameras::look());
        if self.json {
            println!("{}", serde_json::to_string_pretty(&json!({"lines": lines}))?);
        } else {
            lines.iter().for_each(Line::print);
        }
        if let Some(path) = &self.bundle {
            let text = serde_json::to_string_pretty(&bundle::of(&lines, &self.root))?;
            std::fs::write(path, text + "\n").with_context(|| path.display().to_string())?;
            eprintln!(
                "{}: attach it to a report; it holds no picture and nothing of the environment but names that begin \
                       with ORT_, OCELLUS_, CUDA_ and LD_",
                path.display()
            );
        }
        Ok(if lines.iter().any(|l| l.level == Level::Fail) { Outcome::Different } else { Outcome::Done })
    }
}
