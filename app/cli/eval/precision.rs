//! `eval MODEL --reference MODEL --data DATA [--also MODEL]`: may twins of lower precision stand in? One table of all; exit
//! code 4 where one may not.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use clap::Args;
use ocellus_distill::onnx;
use ocellus_infer::Runtime;
use ocellus_infer::digest::sha256_of_bytes;
use ocellus_judge::coco::{IouType, Params};
use ocellus_judge::precision::{GateInput, GateTargets, NoiseCheck, PrecisionReport, calibration_check, gate};
use ocellus_judge::stats::Bootstrap;
use ocellus_percept::image::Image;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Eval, report, shown};
use crate::cli::quantize::METADATA;
use crate::exit::{self, Outcome};
use crate::measure::data::{Data, read_picture};
use crate::measure::graph::{Weight, weigh};
use crate::measure::layers::{Departure, departure};
use crate::measure::outcome;
use crate::measure::subject::{Found, Subject, judged};

/// What a twin was calibrated on.
#[derive(Debug, Serialize)]
struct CalibrationSet {
    folder: PathBuf,
    /// Of all pictures' bytes, in order of their names.
    sha256: String,
    check: NoiseCheck,
}

/// More networks of lower precision in the same table.
#[derive(Debug, Args)]
pub(super) struct PrecisionArgs {
    /// What the evaluated network (or file of detections) stands in for: exit code 4 where too much is lost.
    #[arg(long, value_name = "MODEL|DT.json")]
    pub(super) reference: Option<PathBuf>,
    /// Another twin of --reference beside MODEL in the same table (FP16 beside INT8); several times.
    #[arg(long, value_name = "MODEL", requires_all = ["reference", "model"])]
    also: Vec<PathBuf>,
    /// Pictures that MODEL was calibrated on when it was quantized: hashed, and noise is flagged (of --reference).
    #[arg(long, value_name = "FOLDER", requires = "reference")]
    calibration_set: Option<PathBuf>,
}

/// One network in the table.
struct Twin<'a> {
    path: &'a Path,
    subject: Subject,
    found: Found,
    weight: Option<Weight>,
}

/// What is said of a twin.
struct Judged {
    verdict: PrecisionReport,
    layers: Option<Departure>,
    /// By the twin's own file, of networks that `ocellus quantize` made.
    calibration: Option<Value>,
}

pub(super) fn run(eval: &Eval, candidate: &Path, reference: &Path) -> Result<Outcome> {
    let set = eval.precision.calibration_set.as_deref().map(calibration_set).transpose().map_err(exit::usage)?;
    let asked = eval.asked();
    let data = asked.open_labelled(false)?;
    let runtime = asked.runtime()?;
    let mut networks = Vec::new();
    let also = eval.precision.also.iter().map(PathBuf::as_path);
    for path in [reference, candidate].into_iter().chain(also) {
        let mut subject = asked.load(&runtime, path)?;
        let found = subject.detect_clean(&data)?;
        let weight = weigh(&subject.bytes()?).ok();
        networks.push(Twin { path, subject, found, weight });
    }
    let found: Vec<&Found> = networks.iter().map(|n| &n.found).collect();
    let (params, notes) = judged(&data, &found, &networks.iter().map(|n| &n.subject).collect::<Vec<_>>())?;
    notes.iter().for_each(|note| eprintln!("note: {note}"));
    let Some((whole, twins)) = networks.split_first() else { return Ok(Outcome::Done) };
    let mut list = Vec::new();
    for (i, twin) in twins.iter().enumerate() {
        let set = set.as_ref().filter(|_| i == 0);
        list.push(judge(eval, (&runtime, &data, &params), (whole, twin), set)?);
    }
    let first = list.first().context("a twin")?;
    if eval.json {
        let all: Vec<Value> = twins.iter().zip(&list).map(|(twin, judged)| row(twin, judged)).collect();
        let body = json!({"schema": {"name": report::SCHEMA.0, "version": report::SCHEMA.1}, "data": report::described(&data),
            "reference": whole.subject.card, "candidate": twins.first().map(|t| &t.subject.card), "gate": first.verdict,
            "layers": first.layers, "weight": {"reference": whole.weight, "candidate": twins.first().and_then(|t| t.weight)},
            "calibration_set": set, "twins": all});
        println!("{}", serde_json::to_string_pretty(&body)?);
    } else {
        print!("{}", text((whole, twins), &list, set.as_ref()));
    }
    let refused: Vec<String> = twins.iter().zip(&list).filter_map(|(t, judged)| refusal(whole, t, judged)).collect();
    if refused.is_empty() {
        return Ok(outcome(&whole.found.lost));
    }
    Err(exit::unmet(anyhow!("{}", refused.join("; and "))))
}

fn judge(
    eval: &Eval,
    (runtime, data, params): (&Runtime, &Data, &Params),
    (whole, twin): (&Twin<'_>, &Twin<'_>),
    set: Option<&CalibrationSet>,
) -> Result<Judged> {
    let input = GateInput {
        truth: &data.truth,
        reference: &whole.found.detections,
        candidate: &twin.found.detections,
        iou: IouType::Bbox,
        threshold: eval.threshold,
    };
    let mut verdict = gate(&input, params, GateTargets::default(), &Bootstrap::default())?;
    let noise = set.into_iter().flat_map(|s| &s.check.flags).filter(|flag| flag.contains("noise"));
    verdict.reasons.extend(noise.cloned());
    verdict.passed = verdict.reasons.is_empty();
    let layers = departure(runtime, &whole.subject, &twin.subject, data);
    if let Err(error) = &layers {
        eprintln!("note: layers of {} cannot be compared: {error:#}", twin.path.display());
    }
    Ok(Judged { verdict, layers: layers.ok(), calibration: calibration_in(&twin.subject) })
}

fn refusal(whole: &Twin<'_>, twin: &Twin<'_>, judged: &Judged) -> Option<String> {
    let (twin, whole, reasons) = (twin.path.display(), whole.path.display(), judged.verdict.reasons.join("; "));
    (!judged.verdict.passed).then(|| format!("{twin} must not stand in for {whole}: {reasons}"))
}

fn row(twin: &Twin<'_>, judged: &Judged) -> Value {
    json!({"model": twin.subject.card, "gate": judged.verdict, "layers": judged.layers, "weight": twin.weight,
        "calibration": judged.calibration})
}

/// What `ocellus quantize` wrote into the file of what it was calibrated on.
fn calibration_in(twin: &Subject) -> Option<Value> {
    let model = onnx::read(&twin.bytes().ok()?).ok()?;
    let told: Value = serde_json::from_str(model.metadata(METADATA)?).ok()?;
    if told["report"].is_null() {
        return Some(json!({"none": "half precision: nothing was calibrated"}));
    }
    Some(
        json!({"sha256": told["calibration_sha256"], "pictures": told["calibration_pictures"], "flags": told["flags"]}),
    )
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

/// A column for the reference and for each twin.
fn text((whole, twins): (&Twin<'_>, &[Twin<'_>]), list: &[Judged], set: Option<&CalibrationSet>) -> String {
    let megabytes = |w: &Twin<'_>| w.weight.map(|w| w.tensor_bytes as f64 / 1e6);
    let mut out = String::new();
    let mut line = |name: &str, first: String, others: Vec<String>| {
        let others: String = others.iter().map(|o| format!(" {o:>18}")).collect();
        let _ = writeln!(out, "{name:<34} {first:>18}{others}");
    };
    let short = |t: &Twin<'_>| t.subject.card.name.chars().take(18).collect::<String>();
    line("", short(whole), twins.iter().map(short).collect());
    let precision = |t: &Twin<'_>| {
        let told = t.subject.card.facts.iter().find(|(name, _)| name == "precision");
        told.map_or_else(|| "-".to_owned(), |(_, value)| value.clone())
    };
    line("precision by its manifest", precision(whole), twins.iter().map(precision).collect());
    type Pick = fn(&PrecisionReport) -> (Option<f64>, Option<f64>);
    type Own = fn(&PrecisionReport) -> Option<f64>;
    let rows: [(&str, Pick); 5] = [
        ("AP", |v| (v.ap.reference, v.ap.candidate)),
        ("D-ECE at the fixed threshold", |v| (v.d_ece.reference, v.d_ece.candidate)),
        ("D-ECE at the re-tuned threshold", |v| (v.d_ece_retuned.reference, v.d_ece_retuned.candidate)),
        ("false alarms an image", |v| (v.fppi.reference, v.fppi.candidate)),
        ("  at equal recall", |v| {
            (v.retuned.map(|r| r.reference.fppi), v.retuned.and_then(|r| r.candidate).map(|c| c.fppi))
        }),
    ];
    for (name, pick) in rows {
        let first = list.first().and_then(|j| pick(&j.verdict).0);
        line(name, shown(first, 4), list.iter().map(|j| shown(pick(&j.verdict).1, 4)).collect());
        if name == "AP" {
            line("  difference, 95 %", "-".to_owned(), list.iter().map(between).collect());
        }
    }
    let own: [(&str, usize, Own); 3] = [
        ("boxes both see", 3, |v| v.agreement),
        ("edges apart, px", 2, |v| v.box_offset_px),
        ("score above the reference's", 3, |v| v.score_shift),
    ];
    for (name, digits, pick) in own {
        line(name, "-".to_owned(), list.iter().map(|j| shown(pick(&j.verdict), digits)).collect());
    }
    line("all tensors, MB", shown(megabytes(whole), 2), twins.iter().map(|t| shown(megabytes(t), 2)).collect());
    let verdict = |j: &Judged| if j.verdict.passed { "may stand in" } else { "REFUSED" }.to_owned();
    line("verdict", "-".to_owned(), list.iter().map(verdict).collect());
    for (i, (twin, judged)) in twins.iter().zip(list).enumerate() {
        out += &details(twin, judged, set.filter(|_| i == 0));
    }
    out
}

/// The interval of the difference in AP.
fn between(judged: &Judged) -> String {
    judged.verdict.ap.interval.map_or_else(|| "undefined".to_owned(), |i| format!("{:+.4} to {:+.4}", i.low, i.high))
}

fn details(twin: &Twin<'_>, judged: &Judged, set: Option<&CalibrationSet>) -> String {
    let mut out = format!("{}\n", twin.subject.card.name);
    if let Some(layers) = &judged.layers {
        let (named, all) = (layers.report.worst.len(), layers.layers);
        let _ = writeln!(out, "  {named} of {all} layers are named alike in both; the worst by signal to noise:");
        for layer in layers.report.worst.iter().take(5) {
            let _ = writeln!(out, "    {:>7} dB  {}", shown(layer.sqnr_db, 1), layer.name);
        }
        if layers.report.first_layer_flagged == Some(true) {
            out += "    the FIRST layer lies below 15 dB: the picture itself is lost\n";
        }
    }
    match (set, &judged.calibration) {
        (Some(set), _) => {
            let _ = writeln!(out, "  calibration set {} pictures, sha256 {}", set.check.pictures, set.sha256);
            set.check.flags.iter().for_each(|flag| out += &format!("    {flag}\n"));
        }
        (None, Some(told)) if told["none"].is_string() => {
            let _ = writeln!(out, "  {}", told["none"].as_str().unwrap_or_default());
        }
        (None, Some(told)) => {
            let sha256 = told["sha256"].as_str().unwrap_or("unknown");
            let _ = writeln!(out, "  calibration set, by its file: {} pictures, sha256 {sha256}", told["pictures"]);
        }
        (None, None) => out += "  calibration set unknown: give it with --calibration-set\n",
    }
    out
}
