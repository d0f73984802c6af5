//! `eval --clips N`: warnings judged on simulated clips of known outcome, and on simulated driving in which nothing happens.
//!
//! Every clip goes through the whole pipeline (fusion, tracking, assessment) with the drive's own labels as detector, or a
//! network's detections, and is judged by what its `objects.jsonl` says. Half of the clips collide; the others are near
//! misses, crashes in another lane, receding traffic and close passes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Args;
use ocellus_judge::anticipate::{Anticipation, Clip, anticipation};
use ocellus_percept::report::{FrameReport, Risk};
use ocellus_sense::simulated::{START, open_scenario};
use ocellus_sense::{Drive, OpenOptions, SimulatedOptions};
use ocellus_sinks::objects::read_objects;
use ocellus_world::{ClipKind, Knobs, Quality, Scenario, World};
use serde::Serialize;
use serde_json::json;

use crate::exit::{self, Outcome};
use crate::launch::file::ModelTable;
use crate::launch::{LaunchFile, Plan, TRUTH};
use crate::measure::worlds::clip_kind;
use crate::wire;

/// What is judged on clips.
#[derive(Debug, Args)]
pub(super) struct ClipArgs {
    /// Simulated clips to judge warnings on: half of them collide. MODEL, else the clips' own truth, is the detector.
    #[arg(long, value_name = "N", conflicts_with_all = ["coco", "mot", "data"])]
    pub(super) clips: Option<usize>,
    /// Minutes of simulated driving in which nothing happens, for false alerts (of --clips).
    #[arg(long, value_name = "MINUTES", requires = "clips")]
    clean: Option<f64>,
    /// Seed of the first clip (of --clips).
    #[arg(long = "clips-seed", value_name = "SEED", default_value_t = 1)]
    first_seed: u64,
    /// Where the clips' runs go (of --clips).
    #[arg(long = "clips-out", value_name = "DIR", default_value = "out/clips")]
    clips_out: PathBuf,
}

/// Precision at which the time to alert is measured.
const PRECISION_MIN: f64 = 0.9;
/// Seconds of one drive in which nothing happens.
const CLEAN_DRIVE_S: f64 = 60.0;
/// Rates: of clips, and of drives in which nothing happens, where time matters less.
const CLIP_HZ: f64 = 10.0;
const CLEAN_HZ: f64 = 5.0;
/// Truth needs no fine picture.
const TRUTH_SIZE: (u32, u32) = (320, 192);
const TRUTH_QUALITY: Quality = Quality { samples: 1, shadow_cells: 64 };
const TRUTH_COLUMNS: usize = 720;
/// One clip's outcome.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    kind: String,
    collides_s: Option<f64>,
    /// First report of warn or critical before the collision, seconds.
    alert_s: Option<f64>,
    alerts: usize,
    peak: f64,
    why: Option<String>,
}

/// Everything that is said of the clips.
#[derive(Debug, Serialize)]
struct Judged {
    anticipation: Anticipation,
    other_lane: usize,
    other_lane_without_alert: usize,
    clean_minutes: f64,
    clean_alerts: usize,
    rows: Vec<Row>,
}

/// Judges; prints a table or JSON.
pub(super) fn run(args: &ClipArgs, model: Option<&Path>, as_json: bool) -> Result<Outcome> {
    let runner = Runner { model, out: &args.clips_out };
    let (mut clips, mut rows) = (Vec::new(), Vec::new());
    for k in 0..args.clips.unwrap_or(0) {
        let kind = clip_kind(k);
        let seed = args.first_seed + k as u64;
        let (clip, row) = runner.clip(&Scenario::random_clip(seed, kind), kind, CLIP_HZ)?;
        eprintln!("{}: {}", row.name, row.why.as_deref().unwrap_or("no alert"));
        clips.push(clip);
        rows.push(row);
    }
    let (clean_minutes, clean_rows) = clean_driving(&runner, args)?;
    let other: Vec<&Row> = rows.iter().filter(|r| r.kind == format!("{:?}", ClipKind::OtherLaneCrash)).collect();
    let judged = Judged {
        anticipation: anticipation(&clips, PRECISION_MIN),
        other_lane: other.len(),
        other_lane_without_alert: other.iter().filter(|r| r.alerts == 0).count(),
        clean_minutes,
        clean_alerts: clean_rows.iter().map(|r| r.alerts).sum(),
        rows: rows.into_iter().chain(clean_rows).collect(),
    };
    std::fs::write(args.clips_out.join("clips.json"), serde_json::to_string_pretty(&judged)? + "\n")?;
    if as_json {
        println!("{}", serde_json::to_string_pretty(&json!(judged))?);
    } else {
        print(&judged);
    }
    Ok(Outcome::Done)
}

/// Streets by seed; those in which the vehicle touches anything are no clean driving and are left out.
fn clean_driving(runner: &Runner<'_>, args: &ClipArgs) -> Result<(f64, Vec<Row>)> {
    let wanted_s = args.clean.unwrap_or(0.0) * 60.0;
    let knobs =
        Knobs { duration_s: CLEAN_DRIVE_S, clutter: 0.0, weather: [0.6, 0.3, 0.1, 0.0, 0.0], ..Knobs::default() };
    let (mut driven_s, mut rows, mut seed) = (0.0, Vec::new(), args.first_seed);
    while driven_s < wanted_s {
        let scenario = Scenario::random(seed, &knobs);
        seed += 1;
        let world = World::new(&scenario, scenario.seed).map_err(exit::usage)?;
        if world.collision_label(0.0, 0.0).at_s.is_some() {
            continue;
        }
        let (_, row) = runner.clip(&scenario, ClipKind::Receding, CLEAN_HZ)?;
        if let Some(why) = &row.why {
            eprintln!("{}: {why}", row.name);
        }
        driven_s += scenario.duration_s;
        rows.push(Row { kind: "Clean".to_owned(), ..row });
    }
    Ok((driven_s / 60.0, rows))
}

/// Runs clips through the pipeline.
struct Runner<'a> {
    model: Option<&'a Path>,
    out: &'a Path,
}

impl Runner<'_> {
    fn clip(&self, scenario: &Scenario, kind: ClipKind, hz: f64) -> Result<(Clip, Row)> {
        let name = scenario.name.replace(' ', "-").to_lowercase();
        let usual = SimulatedOptions { camera_hz: Some(hz), lidar_hz: Some(hz), ..SimulatedOptions::default() };
        let simulated = if self.model.is_some() {
            usual
        } else {
            let (resolution, lidar_columns) = (TRUTH_SIZE, Some(TRUTH_COLUMNS));
            SimulatedOptions { resolution, lidar_columns, quality: TRUTH_QUALITY, ..usual }
        };
        let options = OpenOptions { simulated, ..OpenOptions::default() };
        let drive: Arc<dyn Drive> = Arc::from(open_scenario(scenario, &options).map_err(exit::usage)?);
        let world = World::new(scenario, scenario.seed)?;
        let collides_s = world.collision_label(0.0, 0.0).at_s.filter(|at| *at <= scenario.duration_s);
        let mut file = LaunchFile::default();
        file.source.drive = Some(PathBuf::from(&name));
        file.output.dir = Some(self.out.join(&name));
        let path = Some(self.model.unwrap_or(Path::new(TRUTH)).to_owned());
        file.model = vec![ModelTable { path, ..ModelTable::default() }];
        let plan = Plan::from_file(&file)?;
        wire::run_quietly(&plan, drive).with_context(|| name.clone())?;
        let reports = read_objects(&plan.out.join("objects.jsonl"))?.collect::<Result<Vec<_>, _>>()?;
        Ok(judge_clip(name, kind, collides_s, &reports))
    }
}

fn judge_clip(name: String, kind: ClipKind, collides_s: Option<f64>, reports: &[FrameReport]) -> (Clip, Row) {
    let end = collides_s.unwrap_or(f64::INFINITY);
    let (mut scores, mut alert, mut alerts) = (Vec::new(), None, 0);
    let mut warned: Vec<u64> = Vec::new();
    for report in reports {
        let t_s = report.t.seconds_since(START);
        let objects = || report.objects.iter().flatten();
        scores.push((t_s, objects().map(|o| urgency(o.risk, o.ttc_s)).fold(0.0, f64::max)));
        for object in objects().filter(|o| o.risk >= Some(Risk::Warn) && t_s < end) {
            if !warned.contains(&object.track) {
                warned.push(object.track);
                alerts += 1;
                alert.get_or_insert((t_s, object.why.clone()));
            }
        }
    }
    let clip = Clip { scores, collides_s };
    let (alert_s, why) = alert.map_or((None, None), |(t, why)| (Some(t), why));
    let row = Row { name, kind: format!("{kind:?}"), collides_s, alert_s, alerts, peak: clip.peak(), why };
    (clip, row)
}

/// A frame's urgency, 0 to 1: the level of the risk, and within it how near contact is.
fn urgency(risk: Option<Risk>, ttc_s: Option<f64>) -> f64 {
    let level = match risk {
        None | Some(Risk::Clear) => return 0.0,
        Some(Risk::Watch) => 0.25,
        Some(Risk::Warn) => 0.5,
        Some(Risk::Critical) => 0.75,
    };
    level + 0.25 * ttc_s.map_or(0.0, |t| 1.0 / (1.0 + t))
}

fn print(judged: &Judged) {
    let a = &judged.anticipation;
    let shown = |v: Option<f64>| v.map_or_else(|| "undefined".to_owned(), |v| format!("{v:.3}"));
    println!("clips                {} ({} collide)", a.clips, a.colliding);
    println!("average precision    {}", shown(a.average_precision));
    println!(
        "time to accident     {} s mean, at precision {} and recall {}",
        shown(a.mean_time_to_accident_s),
        shown(a.precision),
        shown(a.recall)
    );
    println!("crash in other lane  {} of {} without an alert", judged.other_lane_without_alert, judged.other_lane);
    if judged.clean_minutes > 0.0 {
        let per_ten = judged.clean_alerts as f64 / judged.clean_minutes * 10.0;
        println!(
            "clean driving        {} alerts in {:.0} minutes: {per_ten:.2} per 10 minutes",
            judged.clean_alerts, judged.clean_minutes
        );
    }
}
