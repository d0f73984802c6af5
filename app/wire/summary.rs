//! What a run comes to: ledger.json, latency.json, run.json, and the summary a person reads.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use ocellus_flow::latency::{Counted, LatencySnapshot, Summary as Figures};
use ocellus_flow::ledger::{LedgerSnapshot, SensorSnapshot};
use ocellus_flow::queue::QueueStats;
use ocellus_flow::threads::CrewReport;
use ocellus_sinks::files::{RunFile, write_run_file};
use serde_json::{Map, Value, json};

use super::governor::GovernorReport;
use super::live::HealthReport;
use super::machine::MachineReport;
use super::notes::Notes;
use super::seen::Seen;
use super::source::AS_RECORDED;
use crate::exit::Outcome;

/// What is known when a run has ended.
pub struct Ended {
    /// The run's folder.
    pub out: PathBuf,
    /// The books.
    pub ledger: LedgerSnapshot,
    /// Times.
    pub latency: LatencySnapshot,
    /// What was counted by stage, where something is counted.
    pub counted: BTreeMap<String, Counted>,
    /// Queues.
    pub queues: Vec<QueueStats>,
    /// The computer's state meanwhile.
    pub machine: MachineReport,
    /// How the threads ended.
    pub crew: CrewReport,
    /// What was said.
    pub notes: Notes,
    /// Objects, the nearest of them, and warnings.
    pub seen: Seen,
    /// The part of run.json known before the run.
    pub run: Map<String, Value>,
    /// Whether the recording itself was cut off or damaged.
    pub recording_lost: bool,
    /// How live sensors were; `None` for a recording.
    pub health: Option<HealthReport>,
    /// Wall-clock seconds of the run.
    pub wall_s: f64,
}

/// The summary of a run whose files are written.
pub struct Summary {
    ended: Ended,
}

impl Ended {
    /// Writes ledger.json, latency.json and run.json.
    pub fn write(mut self) -> Result<Summary> {
        write_run_file(&self.out, RunFile::Ledger, &self.ledger)?;
        write_run_file(&self.out, RunFile::Latency, &latency_json(&self.latency, &self.queues, &self.machine))?;
        let notes: Vec<Value> =
            self.notes.summary().iter().map(|n| json!({"kind": n.kind, "count": n.count, "first": n.first})).collect();
        self.run.insert("notes".into(), notes.into());
        self.run.insert("ended".into(), json!(self.crew));
        self.run.insert("wall_s".into(), json!(self.wall_s));
        if let Some(health) = &self.health {
            self.run.insert("live".into(), json!(health));
        }
        write_run_file(&self.out, RunFile::Run, &self.run)?;
        Ok(Summary { ended: self })
    }
}

fn latency_json(latency: &LatencySnapshot, queues: &[QueueStats], machine: &MachineReport) -> Value {
    let rows = |part: &BTreeMap<String, Figures>| -> Map<String, Value> {
        part.iter().map(|(name, f)| (name.clone(), figures_json(f))).collect()
    };
    json!({
        "stages": rows(&latency.stages),
        "queue_waits": rows(&latency.queues),
        "end_to_end": rows(&latency.end_to_end),
        "queues": queues,
        "machine": machine,
    })
}

fn figures_json(f: &Figures) -> Value {
    json!({"count": f.count, "p50_ms": f.p50, "p95_ms": f.p95, "p99_ms": f.p99, "max_ms": f.max, "mean_ms": f.mean})
}

impl Summary {
    /// How the run ended.
    pub fn outcome(&self) -> Outcome {
        let e = &self.ended;
        let whole = match &e.health {
            None => e.ledger.sensors.values().all(all_used),
            // Live, what is left out on purpose (a newer frame was there) is no loss.
            Some(health) => {
                let lost: u64 = e.ledger.sensors.values().map(SensorSnapshot::lost_total).sum();
                lost == 0 && health.whole() && e.crew.failures.is_empty()
            }
        };
        if whole && e.ledger.balanced() && !e.recording_lost { Outcome::Done } else { Outcome::LostData }
    }

    /// Mean time of a step by stage, milliseconds.
    pub fn stage_means_ms(&self) -> BTreeMap<String, f64> {
        let stages = self.ended.latency.stages.iter().filter(|(_, figures)| figures.count > 0);
        stages.map(|(stage, figures)| (stage.clone(), figures.mean)).collect()
    }

    /// From reading, or live from the frame's stamp, to a sensor's report.
    pub fn end_to_end(&self, sensor: &str) -> Option<Figures> {
        self.ended.latency.end_to_end.get(sensor).copied()
    }

    /// A sensor's books.
    pub fn book(&self, sensor: &str) -> Option<&SensorSnapshot> {
        self.ended.ledger.sensors.get(sensor)
    }

    /// What was counted by stage, where something is counted.
    pub fn counted(&self) -> &BTreeMap<String, Counted> {
        &self.ended.counted
    }

    /// Prints it, for people or as JSON.
    pub fn print(&self, json: bool) -> Result<()> {
        if json {
            println!("{}", serde_json::to_string_pretty(&self.to_json())?);
        } else {
            print!("{}", self.text());
        }
        Ok(())
    }

    fn to_json(&self) -> Value {
        let e = &self.ended;
        json!({
            "out": e.out, "frames": e.seen.frames, "objects": e.seen.objects, "tracks": e.seen.tracks, "wall_s": e.wall_s,
            "nearest": e.seen.nearest.as_ref().map(|(d, c, s)| json!({"distance_m": d, "class": c, "distance_source": s})),
            "warnings": e.seen.warnings.counts(), "ledger": e.ledger, "latency": latency_json(&e.latency, &e.queues, &e.machine), "run": e.run,
        })
    }

    fn text(&self) -> String {
        let e = &self.ended;
        let mut lines = Vec::new();
        let rate = e.seen.frames as f64 / e.wall_s.max(1e-9);
        lines.push(format!("{} frames in {:.2} s ({rate:.1} a second)", e.seen.frames, e.wall_s));
        let mut classes: Vec<(&String, &u64)> = e.seen.objects.iter().collect();
        classes.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        let tracks = |class: &String| e.seen.tracks.get(class).copied().unwrap_or(0);
        let rows: Vec<String> = classes.iter().map(|(c, n)| format!("{n} {c} ({} tracks)", tracks(c))).collect();
        lines.push(format!("  objects   {}", if rows.is_empty() { "none".to_owned() } else { rows.join(", ") }));
        if let Some((distance, class, source)) = &e.seen.nearest {
            lines.push(format!("  nearest   {class} at {distance:.2} m by {source}"));
        }
        lines.extend(e.seen.warnings.text().map(|text| format!("  warnings  {text}")));
        lines.extend(providers(&e.run));
        for (name, f) in &e.latency.end_to_end {
            lines.push(format!(
                "  age       {name}: p50 {:.1}, p95 {:.1}, p99 {:.1}, max {:.1} ms",
                f.p50, f.p95, f.p99, f.max
            ));
        }
        lines.extend(e.health.as_ref().and_then(|h| h.governor.as_ref()).map(GovernorReport::line));
        lines.push(format!("  time      {}", self.shares()));
        lines.extend(e.ledger.sensors.iter().map(|(name, book)| {
            let lost: u64 = book.lost.values().sum();
            let dropped: u64 = book.dropped.values().sum();
            let verdict = if book.balanced { "balanced" } else { "NOT BALANCED" };
            format!(
                "  ledger    {name}: {} received, {} processed, {dropped} dropped, {lost} lost: {verdict}",
                book.received, book.processed
            )
        }));
        let names = ["objects.jsonl", "ledger.json", "latency.json", "run.json", "drive.rrd"];
        let there: Vec<&str> = names.into_iter().filter(|n| e.out.join(n).is_file()).collect();
        lines.push(format!("  results   {}: {}", e.out.display(), there.join(", ")));
        lines.join("\n") + "\n"
    }

    /// Where the time went: each stage's share of all stages' time.
    fn shares(&self) -> String {
        let stages = &self.ended.latency.stages;
        let total: f64 = stages.values().map(|f| f.mean * f.count as f64).sum();
        let mut rows: Vec<(f64, &String)> =
            stages.iter().map(|(n, f)| (f.mean * f.count as f64 / total.max(1e-9), n)).collect();
        rows.sort_by(|a, b| b.0.total_cmp(&a.0));
        rows.iter().map(|(share, name)| format!("{name} {:.0} %", share * 100.0)).collect::<Vec<_>>().join(", ")
    }
}

/// Whether every frame was processed, but for those that the recorded run did not use either.
fn all_used(book: &SensorSnapshot) -> bool {
    book.received == book.processed + book.dropped.get(AS_RECORDED).copied().unwrap_or(0)
}

/// A line per network: which provider runs which share of its nodes.
fn providers(run: &Map<String, Value>) -> Vec<String> {
    let models = run.get("models").and_then(Value::as_array).into_iter().flatten();
    models
        .map(|model| {
            let nodes = model["nodes"].as_object().into_iter().flatten();
            let share = |v: &Value| v["share"].as_f64().unwrap_or(0.0) * 100.0;
            let mut rows: Vec<String> =
                nodes.map(|(name, v)| format!("{name} {:.0} % of the nodes", share(v))).collect();
            if rows.is_empty() {
                rows.push("this library does not tell who runs which node".to_owned());
            }
            let failed = model["providers_failed"].as_array().into_iter().flatten();
            rows.extend(failed.map(|f| format!("{} DOES NOT RUN", f["provider"].as_str().unwrap_or("?"))));
            format!("  network   {}: {}", model["name"].as_str().unwrap_or("?"), rows.join(", "))
        })
        .collect()
}
