//! `eval MODEL --data DATA --fit METHOD --into model.toml`: a map to honest scores, fitted on some pictures, tested on
//! others, stored in the manifest.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use clap::{Args, ValueEnum};
use ocellus_judge::calib::{Cuts, Method, Recalibration, recalibrate};
use ocellus_percept::model::ModelManifest;
use serde_json::json;

use super::{Eval, report, shown};
use crate::exit::{self, Outcome};
use crate::measure::figures::Figures;
use crate::measure::subject::judged;
use crate::measure::{manifest, outcome};

/// Raw score from which detections are fitted on: what the tracker still heeds.
const FIT_FROM: f64 = 0.1;

/// How scores are made honest.
#[derive(Debug, Args)]
pub(super) struct FitArgs {
    /// Fit a map from raw to honest scores on one part of the pictures and test it on the other.
    #[arg(long = "fit", value_enum, value_name = "METHOD", requires = "model", conflicts_with = "reference")]
    pub(super) method: Option<FitMethod>,
    /// The manifest that takes the map as its `[calibration]`.
    #[arg(long, value_name = "model.toml", requires = "method")]
    into: Option<PathBuf>,
    /// Share of the pictures that the map is fitted on.
    #[arg(long, default_value_t = 0.5, value_name = "0..1")]
    fit_share: f64,
    /// Seed of the split.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Which map.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum FitMethod {
    /// One number: sigmoid(logit(score) / T).
    Temperature,
    /// The rising step function nearest to the outcomes, at most 64 knots.
    Isotonic,
}

pub(super) fn run(eval: &Eval, model: &Path) -> Result<Outcome> {
    let args = &eval.fit;
    if !(0.05..=0.95).contains(&args.fit_share) {
        return Err(exit::usage(anyhow!("--fit-share: expected 0.05 to 0.95, got {}", args.fit_share)));
    }
    // Read first: a manifest that cannot be written must not cost a measurement.
    let manifest_text = args.into.as_deref().map(read_manifest).transpose()?;
    let asked = eval.asked();
    let data = asked.open_labelled(false)?;
    let mut subject = asked.load(&asked.runtime()?, model)?;
    let found = subject.detect_clean(&data)?;
    let (params, notes) = judged(&data, &[&found], &[&subject])?;
    notes.iter().for_each(|note| eprintln!("note: {note}"));
    let figures = Figures::new(&data, &found, &params, eval.threshold)?;
    let method = match args.method {
        Some(FitMethod::Temperature) => Method::Temperature,
        _ => Method::Isotonic,
    };
    let cuts = Cuts { fit: FIT_FROM.min(eval.threshold), judge: eval.threshold };
    let fitted =
        recalibrate(&data.truth, &figures.at_half, method, cuts, (args.fit_share, args.seed)).map_err(exit::usage)?;
    let worse = fitted.before.ece.zip(fitted.after.ece).filter(|(before, after)| after > before);
    if let Some((before, after)) = worse.filter(|_| args.into.is_some()) {
        return Err(exit::unmet(anyhow!(
            "the map makes scores less honest on pictures it was not fitted on (D-ECE {before:.4} -> {after:.4}): nothing was \
             stored; try the other --fit, or more pictures"
        )));
    }
    if let (Some(path), Some(text)) = (&args.into, manifest_text) {
        let provenance = format!(
            "fitted on {} pictures, tested on {} others (seed {}) of {}, data sha256 {}",
            fitted.fit_images.len(),
            fitted.test_images.len(),
            fitted.seed,
            data.sources.join(", "),
            data.sha256
        );
        let text = manifest::with_calibration(&text, &manifest::section(method, &fitted, &provenance))?;
        std::fs::write(path, text).with_context(|| path.display().to_string()).map_err(exit::usage)?;
    }
    say(eval, &data, &fitted)?;
    Ok(outcome(&found.lost))
}

fn say(eval: &Eval, data: &crate::measure::data::Data, fitted: &Recalibration) -> Result<()> {
    if eval.json {
        let body = json!({"schema": {"name": report::SCHEMA.0, "version": report::SCHEMA.1}, "data": report::described(data),
            "map": fitted.map, "d_ece": {"before": fitted.before.ece, "after": fitted.after.ece},
            "fit_images": fitted.fit_images, "test_images": fitted.test_images, "seed": fitted.seed,
            "into": eval.fit.into});
        println!("{}", serde_json::to_string_pretty(&body)?);
        return Ok(());
    }
    let (fit, test) = (fitted.fit_images.len(), fitted.test_images.len());
    println!("fitted on {fit} pictures, tested on {test} others, seed {}", fitted.seed);
    println!(
        "  D-ECE at score {} and above: {} -> {}",
        eval.threshold,
        shown(fitted.before.ece, 4),
        shown(fitted.after.ece, 4)
    );
    if let Some(path) = &eval.fit.into {
        println!("  stored in {}", path.display());
    }
    Ok(())
}

fn read_manifest(path: &Path) -> Result<String> {
    let read = || -> Result<String> {
        let text = std::fs::read_to_string(path)?;
        ModelManifest::parse(&text)?;
        Ok(text)
    };
    read().with_context(|| format!("{}: a model.toml is wanted", path.display())).map_err(exit::usage)
}
