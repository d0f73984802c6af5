//! `eval MODEL --reference MODEL --data DATA`: may a twin of lower precision stand in? Exit code 4 where it may not.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use ocellus_infer::digest::sha256_of_bytes;
use ocellus_judge::coco::IouType;
use ocellus_judge::precision::{GateInput, GateTargets, NoiseCheck, PrecisionReport, calibration_check, gate};
use ocellus_judge::stats::Bootstrap;
use ocellus_percept::image::Image;
use serde::Serialize;
use serde_json::json;

use super::{Eval, outcome, report, shown};
use crate::exit::{self, Outcome};
use crate::measure::data::read_picture;
use crate::measure::graph::{Weight, weigh};
use crate::measure::layers::{Departure, departure};
use crate::measure::subject::judged;

/// What a twin was calibrated on.
#[derive(Debug, Serialize)]
struct CalibrationSet {
    folder: PathBuf,
    /// Of all pictures' bytes, in order of their names.
    sha256: String,
    check: NoiseCheck,
}

pub(super) fn run(eval: &Eval, candidate: &Path, reference: &Path) -> Result<Outcome> {
    let set = eval.calibration_set.as_deref().map(calibration_set).transpose().map_err(exit::usage)?;
    let data = eval.open_labelled(false)?;
    let runtime = eval.runtime()?;
    let (mut whole, mut twin) = (eval.load(&runtime, reference)?, eval.load(&runtime, candidate)?);
    let (before, after) = (whole.detect_clean(&data)?, twin.detect_clean(&data)?);
    let (params, notes) = judged(&data, &[&before, &after], &[&whole, &twin])?;
    notes.iter().for_each(|note| eprintln!("note: {note}"));
    let input = GateInput {
        truth: &data.truth,
        reference: &before.detections,
        candidate: &after.detections,
        iou: IouType::Bbox,
        threshold: eval.threshold,
    };
    let mut verdict = gate(&input, &params, GateTargets::default(), &Bootstrap::default())?;
    let noise = set.iter().flat_map(|s| &s.check.flags).filter(|flag| flag.contains("noise"));
    verdict.reasons.extend(noise.cloned());
    verdict.passed = verdict.reasons.is_empty();
    let layers = departure(&runtime, &whole, &twin, &data);
    if let Err(error) = &layers {
        eprintln!("note: layers cannot be compared: {error:#}");
    }
    let layers = layers.ok();
    let weights = (weigh(&whole.bytes()?).ok(), weigh(&twin.bytes()?).ok());
    if eval.json {
        let body = json!({"schema": {"name": report::SCHEMA.0, "version": report::SCHEMA.1}, "data": report::described(&data),
            "reference": whole.card, "candidate": twin.card, "gate": verdict, "layers": layers,
            "weight": {"reference": weights.0, "candidate": weights.1}, "calibration_set": set});
        println!("{}", serde_json::to_string_pretty(&body)?);
    } else {
        print!("{}", text(&verdict, layers.as_ref(), weights, set.as_ref()));
    }
    if verdict.passed {
        return Ok(outcome(&before.lost));
    }
    let (twin, whole) = (candidate.display(), reference.display());
    Err(exit::unmet(anyhow!("{twin} must not stand in for {whole}: {}", verdict.reasons.join("; "))))
}

/// Hash and look of the pictures in a folder.
fn calibration_set(folder: &Path) -> Result<CalibrationSet> {
    let told = || folder.display().to_string();
    let entries = std::fs::read_dir(folder).with_context(told)?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|e| e.path()).filter(|p| p.is_file()).collect();
    files.sort();
    let (mut hashes, mut images) = (String::new(), Vec::new());
    for file in files {
        let mut image = Image::empty();
        if read_picture(&file, &mut image).is_ok() {
            hashes += &sha256_of_bytes(&std::fs::read(&file)?);
            images.push(image);
        }
    }
    if images.is_empty() {
        return Err(anyhow!("{}: no picture of a calibration set is in this folder", told()));
    }
    let views: Vec<_> = images.iter().map(Image::view).collect();
    let check = calibration_check(&views);
    Ok(CalibrationSet { folder: folder.to_owned(), sha256: sha256_of_bytes(hashes.as_bytes()), check })
}

fn text(
    verdict: &PrecisionReport,
    layers: Option<&Departure>,
    weights: (Option<Weight>, Option<Weight>),
    set: Option<&CalibrationSet>,
) -> String {
    let mut out = format!("{:<34} {:>10} {:>10}\n", "", "reference", "twin");
    let megabytes = |w: Option<Weight>| w.map(|w| w.tensor_bytes as f64 / 1e6);
    for (name, a, b) in [
        ("AP", verdict.ap.reference, verdict.ap.candidate),
        ("D-ECE at the fixed threshold", verdict.d_ece.reference, verdict.d_ece.candidate),
        ("D-ECE at the re-tuned threshold", verdict.d_ece_retuned.reference, verdict.d_ece_retuned.candidate),
        ("false alarms an image", verdict.fppi.reference, verdict.fppi.candidate),
        (
            "  at equal recall",
            verdict.retuned.map(|r| r.reference.fppi),
            verdict.retuned.and_then(|r| r.candidate).map(|c| c.fppi),
        ),
        ("all tensors, MB", megabytes(weights.0), megabytes(weights.1)),
    ] {
        let _ = writeln!(out, "{name:<34} {:>10} {:>10}", shown(a, 4), shown(b, 4));
    }
    let _ = writeln!(
        out,
        "boxes both see {}, edges apart {} px",
        shown(verdict.agreement, 3),
        shown(verdict.box_offset_px, 2)
    );
    if let Some(layers) = layers {
        let named = layers.report.worst.len();
        let _ =
            writeln!(out, "{named} of {} layers are named alike in both; the worst by signal to noise:", layers.layers);
        for layer in layers.report.worst.iter().take(5) {
            let _ = writeln!(out, "  {:>7} dB  {}", shown(layer.sqnr_db, 1), layer.name);
        }
        if layers.report.first_layer_flagged == Some(true) {
            let _ = writeln!(out, "  the FIRST layer lies below 15 dB: the picture itself is lost");
        }
    }
    match set {
        Some(set) => {
            let _ = writeln!(out, "calibration set {} pictures, sha256 {}", set.check.pictures, set.sha256);
            set.check.flags.iter().for_each(|flag| out += &format!("  {flag}\n"));
        }
        None => out += "calibration set unknown: give it with --calibration-set\n",
    }
    out
}
