//! `ocellus eval`: what detections and tracks are worth against ground truth, by the measures others use.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use clap::{Args, ValueEnum};
use ocellus_judge::coco::{self, Detections, GroundTruth, IouType, Params, STAT_NAMES};
use ocellus_judge::findings::Findings;
use ocellus_judge::mot;
use ocellus_judge::precision::{GateInput, GateTargets, gate};
use ocellus_judge::stats::Bootstrap;
use serde_json::{Value, json};

use crate::exit::{self, Outcome};

/// Evaluate detections (COCO), tracks (MOTChallenge), or a smaller network against its reference.
#[derive(Debug, Args)]
#[command(after_help = "Example: ocellus eval --coco instances.json detections.json --json\n         \
                        ocellus eval --coco instances.json int8.json --reference fp32.json\n         \
                        ocellus eval --mot gt.txt tracks.txt")]
pub struct Eval {
    /// COCO ground truth and detections.
    #[arg(long, num_args = 2, value_names = ["GT.json", "DT.json"], required_unless_present = "mot", conflicts_with = "mot")]
    coco: Option<Vec<PathBuf>>,
    /// MOTChallenge ground truth and tracker output.
    #[arg(long, num_args = 2, value_names = ["GT.txt", "DT.txt"])]
    mot: Option<Vec<PathBuf>>,
    /// What overlaps are measured on.
    #[arg(long, value_enum, default_value_t = Iou::Bbox)]
    iou: Iou,
    /// Evaluate only these image ids (of --coco).
    #[arg(long, value_name = "ID,...", value_delimiter = ',')]
    images: Vec<i64>,
    /// Detections of the network that the evaluated one stands in for: exit code 4 where too much is lost.
    #[arg(long, value_name = "DT.json", requires = "coco")]
    reference: Option<PathBuf>,
    /// Score from which a detection counts as an alarm, for --reference.
    #[arg(long, default_value_t = 0.25, requires = "reference")]
    threshold: f64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What overlaps are measured on.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Iou {
    /// Boxes.
    Bbox,
    /// Masks.
    Segm,
}

impl Eval {
    pub(super) fn run(self) -> Result<Outcome> {
        if let Some([truth, found]) = self.mot.as_deref() {
            return self.tracks(truth, found);
        }
        match self.coco.as_deref() {
            Some([truth, found]) => self.detections(truth, found),
            _ => Err(exit::usage(anyhow!("give --coco GT.json DT.json or --mot GT.txt DT.txt"))),
        }
    }

    fn tracks(&self, truth: &Path, found: &Path) -> Result<Outcome> {
        let between = || format!("{} against {}", found.display(), truth.display());
        let result = mot::evaluate(&read(truth)?, &read(found)?).with_context(between).map_err(exit::usage)?;
        say(&result.findings);
        if self.json {
            println!("{}", serde_json::to_string_pretty(&result)?);
            return Ok(Outcome::Done);
        }
        let rows = [
            ("HOTA", result.hota),
            ("MOTA", result.mota),
            ("IDF1", result.idf1),
            ("recall", result.recall),
            ("precision", result.precision),
        ];
        rows.iter().for_each(|(name, value)| println!("{name:<10} {}", percent(*value)));
        println!("switches   {}", result.id_switches);
        Ok(Outcome::Done)
    }

    fn detections(&self, truth_path: &Path, found_path: &Path) -> Result<Outcome> {
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
        let lost = match &self.reference {
            Some(path) => {
                let reference = parse(path)?;
                let input = GateInput {
                    truth: &truth,
                    reference: &reference,
                    candidate: &found,
                    iou,
                    threshold: self.threshold,
                };
                Some(
                    gate(&input, &params, GateTargets::default(), &Bootstrap::default())
                        .with_context(|| shown(path))
                        .map_err(exit::usage)?,
                )
            }
            None => None,
        };
        if self.json {
            let mut body = json!({"stats": result.stats, "per_class": result.per_class, "images": result.images,
                "findings": result.findings});
            if let (Some(report), Value::Object(map)) = (&lost, &mut body) {
                map.insert("gate".into(), json!(report));
            }
            println!("{}", serde_json::to_string_pretty(&body)?);
        } else {
            let mut text = String::new();
            for (name, value) in STAT_NAMES.iter().zip(result.stats) {
                let _ = writeln!(
                    text,
                    "{name:<12} {}",
                    value.map_or_else(|| "undefined".to_owned(), |v| format!("{v:.4}"))
                );
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

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| shown(path)).map_err(exit::usage)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn percent(value: Option<f64>) -> String {
    value.map_or_else(|| "undefined".to_owned(), |v| format!("{:.2}", v * 100.0))
}

fn say(findings: &Findings) {
    for finding in findings.iter() {
        eprintln!("found: {} x {} ({}), first: {}", finding.count, finding.what, finding.effect, finding.first);
    }
}
