//! `eval --coco`, `eval --mot`: what files of detections and tracks are worth against ground truth, by others' measures.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use clap::{Args, ValueEnum};
use ocellus_judge::coco::{self, Detections, GroundTruth, IouType, Params, STAT_NAMES};
use ocellus_judge::mot;
use ocellus_judge::precision::{GateInput, GateTargets, gate};
use ocellus_judge::stats::Bootstrap;
use serde_json::{Value, json};

use crate::exit::{self, Outcome};
use crate::measure::say;

/// Files of detections or tracks, and what they are held against.
#[derive(Debug, Args)]
pub(super) struct Files {
    /// COCO ground truth and detections.
    #[arg(long, num_args = 2, value_names = ["GT.json", "DT.json"], conflicts_with = "mot")]
    pub(super) coco: Option<Vec<PathBuf>>,
    /// MOTChallenge ground truth and tracker output.
    #[arg(long, num_args = 2, value_names = ["GT.txt", "DT.txt"])]
    pub(super) mot: Option<Vec<PathBuf>>,
    /// What overlaps are measured on (of --coco).
    #[arg(long, value_enum, default_value_t = Iou::Bbox)]
    iou: Iou,
    /// Evaluate only these image ids (of --coco).
    #[arg(long, value_name = "ID,...", value_delimiter = ',')]
    images: Vec<i64>,
}

/// What overlaps are measured on.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Iou {
    /// Boxes.
    Bbox,
    /// Masks.
    Segm,
}

impl Files {
    /// Tracks of `--mot`.
    pub(super) fn tracks(&self, truth: &Path, found: &Path, as_json: bool) -> Result<Outcome> {
        let between = || format!("{} against {}", found.display(), truth.display());
        let result = mot::evaluate(&read(truth)?, &read(found)?).with_context(between).map_err(exit::usage)?;
        say(&result.findings);
        if as_json {
            let mut body = json!(result);
            body["undefined"] = json!(result.undefined());
            println!("{}", serde_json::to_string_pretty(&body)?);
            return Ok(Outcome::Done);
        }
        let (rows, why) = (
            [
                ("HOTA", "hota", result.hota),
                ("MOTA", "mota", result.mota),
                ("IDF1", "idf1", result.idf1),
                ("recall", "recall", result.recall),
                ("precision", "precision", result.precision),
            ],
            result.undefined(),
        );
        for (name, key, value) in rows {
            let reason = || format!("undefined: {}", why.get(key).copied().unwrap_or_default());
            println!("{name:<10} {}", value.map_or_else(reason, |v| format!("{:.2}", v * 100.0)));
        }
        println!("switches   {}", result.id_switches);
        Ok(Outcome::Done)
    }

    /// Detections of `--coco`, and whether they may stand in for those of `reference`, alarms counting from a score on.
    pub(super) fn detections(
        &self,
        (truth_path, found_path): (&Path, &Path),
        reference: Option<(&Path, f64)>,
        as_json: bool,
    ) -> Result<Outcome> {
        let truth = GroundTruth::parse(&read(truth_path)?).with_context(|| shown(truth_path)).map_err(exit::usage)?;
        let parse = |path: &Path| -> Result<Detections> {
            Detections::parse(&read(path)?, &truth).with_context(|| shown(path)).map_err(exit::usage)
        };
        let found = parse(found_path)?;
        let iou = match self.iou {
            Iou::Bbox => IouType::Bbox,
            Iou::Segm => IouType::Segm,
        };
        let params = Params { image_ids: (!self.images.is_empty()).then(|| self.images.clone()), ..Params::default() };
        let result =
            coco::evaluate(&truth, &found, iou, &params).with_context(|| shown(found_path)).map_err(exit::usage)?;
        say(&result.findings);
        let lost = match reference {
            Some((path, threshold)) => {
                let reference = parse(path)?;
                let input = GateInput { truth: &truth, reference: &reference, candidate: &found, iou, threshold };
                Some(
                    gate(&input, &params, GateTargets::default(), &Bootstrap::default())
                        .with_context(|| shown(path))
                        .map_err(exit::usage)?,
                )
            }
            None => None,
        };
        if as_json {
            let mut body = json!({"stats": result.stats, "per_class": result.per_class, "images": result.images,
                "undefined": result.undefined(), "findings": result.findings, "ground_truth": described(&truth)});
            if let (Some(report), Value::Object(map)) = (&lost, &mut body) {
                map.insert("gate".into(), json!(report));
            }
            println!("{}", serde_json::to_string_pretty(&body)?);
        } else {
            let (mut text, why) = (String::new(), result.undefined());
            let (crowds, bare) = (truth.crowd_regions(), truth.images_without_annotations());
            let _ =
                writeln!(text, "{} images, {bare} of them without an object, {crowds} crowd regions", result.images);
            for (name, value) in STAT_NAMES.into_iter().zip(result.stats) {
                let reason = || format!("undefined: {}", why.get(name).copied().unwrap_or_default());
                let _ = writeln!(text, "{name:<12} {}", value.map_or_else(reason, |v| format!("{v:.4}")));
            }
            print!("{text}");
        }
        match lost {
            Some(report) if !report.passed => {
                Err(exit::unmet(anyhow!("{} must not stand in: {}", found_path.display(), report.reasons.join("; "))))
            }
            _ => Ok(Outcome::Done),
        }
    }
}

/// What the ground truth holds beside plain objects.
fn described(truth: &GroundTruth) -> Value {
    json!({"annotations": truth.objects.len(), "crowd_regions": truth.crowd_regions(),
        "images_without_annotations": truth.images_without_annotations()})
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| shown(path)).map_err(exit::usage)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
