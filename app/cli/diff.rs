//! `ocellus diff A B`: what differs between the objects of two runs.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use clap::Args;
use ocellus_sinks::diff::{Tolerance, compare};
use ocellus_sinks::objects::FILE_NAME;

use crate::exit::{self, Outcome};

/// Compare the objects of two runs: exit code 0 equal, 1 different, 2 error.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: ocellus diff out/laptop out/jetson --tol\n         ocellus diff out/a out/b --tol px=2,m=0.1"
)]
pub struct Diff {
    /// A run's folder, or an objects.jsonl.
    a: PathBuf,
    /// Another.
    b: PathBuf,
    /// Allow what another kind of CPU may change; `px=`, `score=`, `m=`, `mps=`, `s=` set single bounds. Exact where absent.
    #[arg(long, value_name = "px=P,...", num_args = 0..=1, default_missing_value = "")]
    tol: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Diff {
    pub(super) fn run(self) -> Result<Outcome> {
        let tolerance = self.tol.as_deref().map_or(Ok(Tolerance::exact()), tolerance).map_err(exit::usage)?;
        let (a, b) = (objects_file(&self.a)?, objects_file(&self.b)?);
        let report = compare(&a, &b, &tolerance).map_err(exit::usage)?;
        if self.json {
            println!("{}", serde_json::to_string_pretty(&report)?);
        } else {
            print!("{report}");
        }
        Ok(if report.is_equal() { Outcome::Done } else { Outcome::Different })
    }
}

fn objects_file(path: &Path) -> Result<PathBuf> {
    let file = if path.is_dir() { path.join(FILE_NAME) } else { path.to_owned() };
    if file.is_file() {
        return Ok(file);
    }
    Err(exit::usage(anyhow!("{}: expected a run's folder with {FILE_NAME} in it, or such a file", path.display())))
}

/// The bounds of `--tol`: those of another machine, with single ones set anew.
fn tolerance(text: &str) -> Result<Tolerance> {
    let mut tolerance = Tolerance::other_machine();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let bound = part.split_once('=').and_then(|(key, value)| Some((key, value.parse::<f64>().ok()?)));
        let Some((key, value)) = bound.filter(|(_, value)| *value >= 0.0) else {
            return Err(anyhow!("--tol {part}: expected a name and a number from 0, such as px=1"));
        };
        *match key {
            "px" => &mut tolerance.box_px,
            "score" => &mut tolerance.score,
            "m" => &mut tolerance.distance_m,
            "mps" => &mut tolerance.velocity_mps,
            "s" => &mut tolerance.ttc_s,
            _ => return Err(anyhow!("--tol {part}: expected one of px, score, m, mps, s; got `{key}`")),
        } = value;
    }
    Ok(tolerance)
}
