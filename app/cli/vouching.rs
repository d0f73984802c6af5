//! Flags of verbs that write a Distillation Statement: what may be lost, what is accepted, on what is judged.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use clap::Args;
use ocellus_judge::statement::{Statement, Targets};

use crate::exit;
use crate::measure::asked::Asked;
use crate::measure::parts::Part;

/// What a student may lose.
#[derive(Debug, Args)]
pub(super) struct Accepting {
    /// What may be lost, instead of what ships (launch/targets.toml; of twins launch/targets_twin.toml).
    #[arg(long, value_name = "TARGETS.toml")]
    targets: Option<PathBuf>,
    /// A loss that is accepted, and why; several times. It stands in the statement.
    #[arg(long, value_name = "PROPERTY=WHY")]
    accept: Vec<String>,
}

impl Accepting {
    /// The targets, those told before `shipped`. Errors carry exit code 2.
    pub(super) fn targets(&self, shipped: fn() -> Targets) -> Result<Targets> {
        let mut targets = match &self.targets {
            Some(path) => {
                let read = || -> Result<Targets> { Ok(Targets::parse(&std::fs::read_to_string(path)?)?) };
                read().with_context(|| path.display().to_string()).map_err(exit::usage)?
            }
            None => shipped(),
        };
        for told in &self.accept {
            let (property, why) = told.split_once('=').ok_or_else(|| {
                exit::usage(anyhow!(
                    "--accept: expected PROPERTY=WHY, such as ap_small=\"no small objects indoors\", got `{told}`"
                ))
            })?;
            targets.accept(property.trim(), why.trim()).context("--accept").map_err(exit::usage)?;
        }
        Ok(targets)
    }

    /// For the page.
    pub(super) fn provenance(&self) -> (String, String) {
        ("targets".to_owned(), self.targets.as_ref().map_or("as shipped".to_owned(), |p| p.display().to_string()))
    }
}

/// What a network is judged on before it is let out.
#[derive(Debug, Args)]
pub(super) struct Judging {
    /// Where it is judged: a folder of pictures with COCO ground truth, a drive, or world:SCENARIO@SEEDS; several times.
    #[arg(long, value_name = "DATA")]
    pub(super) judge: Vec<String>,
    /// COCO ground truth of the pictures in --judge; found by itself in DATA/annotations.
    #[arg(long, value_name = "GT.json")]
    judge_gt: Option<PathBuf>,
    /// Frames at most that it is judged on, evenly spread.
    #[arg(long, value_name = "N")]
    pub(super) judge_frames: Option<usize>,
    /// What to measure beside detection, depth and cost.
    #[arg(long = "with", value_enum, value_name = "PART,...", value_delimiter = ',')]
    with: Vec<Part>,
    #[command(flatten)]
    pub(super) accepting: Accepting,
}

impl Judging {
    /// The measurement on what was told, else on `usual` sources.
    pub(super) fn asked(&self, usual: &[String], ort_lib: Option<&Path>) -> Asked {
        let sources = if self.judge.is_empty() { usual.to_vec() } else { self.judge.clone() };
        let mut asked = Asked::on(sources, ort_lib.map(Path::to_owned));
        (asked.data.gt, asked.data.frames) = (self.judge_gt.clone(), self.judge_frames);
        asked.parts.clone_from(&self.with);
        asked
    }
}

/// An error (exit code 4) where something is lost and not accepted; what was required and not measured is said aloud.
pub(super) fn let_out(statement: &Statement, what: &Path) -> Result<()> {
    let told = |list: &[&ocellus_judge::statement::Property]| -> String {
        list.iter().map(|p| format!("{}: {}", p.name, p.judgement.reason)).collect::<Vec<_>>().join("; ")
    };
    let lost = statement.lost();
    if !lost.is_empty() {
        return Err(exit::unmet(anyhow!(
            "{} was not written, for too much is lost: {}; the statement has all figures; what is worth it is told by \
             --accept PROPERTY=WHY or in --targets",
            what.display(),
            told(&lost)
        )));
    }
    let blocking = statement.blocking();
    if !blocking.is_empty() {
        eprintln!(
            "WARNING: no statement vouches for {}, and `run` refuses it where one is required: {}; \
             judge it on labelled pictures with --judge",
            what.display(),
            told(&blocking)
        );
    }
    Ok(())
}
