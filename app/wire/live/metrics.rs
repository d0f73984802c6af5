//! `/metrics` (Prometheus's text form) and `/health` (JSON) of a live run, from the same books as the run's files.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use ocellus_flow::latency::{Latency, Summary};
use ocellus_flow::ledger::Ledger;
use ocellus_flow::stop::Stop;
use ocellus_flow::threads::Crew;
use ocellus_percept::report::SensorState;
use ocellus_sinks::http::{HttpServer, Response};

use serde::Serialize;

use super::health::{Health, HealthReport};
use crate::engines::EngineInUse;
use crate::wire::machine::MachineWatch;

/// How often those who ask are looked after.
const LOOK: Duration = Duration::from_millis(25);

/// Where the figures are.
pub struct Metrics {
    /// The books.
    pub ledger: Ledger,
    /// Times.
    pub latency: Latency,
    /// Queues.
    pub crew: Crew,
    /// Sensors.
    pub health: Arc<Health>,
    /// What runs networks whose providers build engines.
    pub engines: Vec<EngineInUse>,
    /// The computer.
    pub machine: Option<MachineWatch>,
}

/// What `/health` answers.
#[derive(Serialize)]
struct HealthPage<'a> {
    #[serde(flatten)]
    sensors: &'a HealthReport,
    engines: &'a [EngineInUse],
}

impl Metrics {
    /// Answers until the run stops.
    pub fn serve(&self, server: &HttpServer, stop: &Stop) {
        while stop.sleep(LOOK) {
            server.serve_pending(&mut |path| self.answer(path));
        }
    }

    fn answer(&self, path: &str) -> Response {
        match path {
            "/metrics" => Response { status: 200, content_type: "text/plain; version=0.0.4", body: self.prometheus() },
            "/health" => {
                let report = self.health.report();
                let body = serde_json::to_string_pretty(&HealthPage { sensors: &report, engines: &self.engines })
                    .unwrap_or_default()
                    + "\n";
                Response { status: if is_well(&report) { 200 } else { 503 }, content_type: "application/json", body }
            }
            _ => Response::not_found(),
        }
    }

    fn prometheus(&self) -> String {
        let mut text = Text(String::new());
        self.frames(&mut text);
        self.sensors(&mut text);
        self.engines(&mut text);
        self.machine(&mut text);
        self.times(&mut text);
        text.kind("ocellus_queue_depth", "gauge", "Elements in a queue now.");
        let queues = self.crew.queue_stats();
        for queue in &queues {
            text.row("ocellus_queue_depth", &[("queue", &queue.name)], queue.depth as f64);
        }
        text.kind("ocellus_queue_dropped_total", "counter", "Elements that made room for newer ones.");
        for queue in &queues {
            text.row("ocellus_queue_dropped_total", &[("queue", &queue.name)], queue.dropped as f64);
        }
        text.0
    }

    fn frames(&self, text: &mut Text) {
        text.kind("ocellus_frames_total", "counter", "Frames of a sensor by what became of them, and why.");
        for (sensor, book) in &self.ledger.snapshot().sensors {
            let mut row = |outcome: &str, reason: &str, n: u64| {
                text.row(
                    "ocellus_frames_total",
                    &[("sensor", sensor), ("outcome", outcome), ("reason", reason)],
                    n as f64,
                );
            };
            row("received", "", book.received);
            row("processed", "", book.processed);
            for (reason, n) in &book.dropped {
                row("dropped", reason, *n);
            }
            for (reason, n) in &book.lost {
                row("lost", reason, *n);
            }
        }
    }

    fn sensors(&self, text: &mut Text) {
        let report = self.health.report();
        text.kind("ocellus_sensor_state", "gauge", "1 for the state that a sensor is in.");
        for sensor in &report.sensors {
            for state in [SensorState::Fresh, SensorState::Late, SensorState::Stale, SensorState::Blind] {
                let name = format!("{state:?}").to_lowercase();
                let is = f64::from(u8::from(sensor.state == Some(state)));
                text.row("ocellus_sensor_state", &[("sensor", &sensor.name), ("state", &name)], is);
            }
        }
        text.kind("ocellus_sensor_restarts_total", "counter", "How often a sensor was opened again.");
        for sensor in &report.sensors {
            text.row("ocellus_sensor_restarts_total", &[("sensor", &sensor.name)], sensor.restarts as f64);
        }
        text.kind("ocellus_threads_abandoned_total", "counter", "Threads that a driver did not give back.");
        for sensor in &report.sensors {
            text.row("ocellus_threads_abandoned_total", &[("sensor", &sensor.name)], sensor.abandoned as f64);
        }
        if let Some(governor) = &report.governor {
            text.kind("ocellus_governor_step", "gauge", "How far the load is stepped down; 0 is everything.");
            text.row("ocellus_governor_step", &[], governor.step as f64);
            text.kind("ocellus_governor_steps_total", "counter", "Steps taken, down and up.");
            text.row("ocellus_governor_steps_total", &[], governor.taken.len() as f64 + governor.taken_more as f64);
        }
        for (name, help, value) in [
            ("ocellus_ticks_total", "Lines given out for want of a frame.", report.ticks),
            ("ocellus_lines_lost_total", "Lines that the disk did not take.", report.lines_lost),
            ("ocellus_panics_total", "Stages that panicked and were built anew.", report.panics),
        ] {
            text.kind(name, "counter", help);
            text.row(name, &[], value as f64);
        }
    }

    fn engines(&self, text: &mut Text) {
        text.kind("ocellus_engine", "gauge", "What runs a network: 1, or 2 where it stands in for what was asked for.");
        for engine in &self.engines {
            let labels = [
                ("model", engine.model.as_str()),
                ("provider", engine.provider.name()),
                ("precision", engine.precision),
            ];
            text.row("ocellus_engine", &labels, if engine.instead_of.is_empty() { 1.0 } else { 2.0 });
        }
    }

    fn machine(&self, text: &mut Text) {
        let Some(sample) = self.machine.as_ref().and_then(MachineWatch::newest) else { return };
        for (name, help, value) in [
            ("ocellus_machine_celsius", "The hottest zone.", sample.hottest_c),
            ("ocellus_machine_watts", "Power of the whole module.", sample.watts),
            (
                "ocellus_machine_available_bytes",
                "Memory that can be had.",
                sample.available_mb.map(|mb| mb as f64 * 1e6),
            ),
            ("ocellus_machine_throttled", "Things that are held down.", Some(sample.throttled.len() as f64)),
        ] {
            if let Some(value) = value {
                text.kind(name, "gauge", help);
                text.row(name, &[], value);
            }
        }
    }

    fn times(&self, text: &mut Text) {
        let snapshot = self.latency.snapshot();
        for (metric, label, help, rows) in [
            ("ocellus_age_seconds", "sensor", "From a frame's stamp to its report.", &snapshot.end_to_end),
            ("ocellus_stage_seconds", "stage", "Work of a stage on a frame.", &snapshot.stages),
        ] {
            text.kind(metric, "summary", help);
            for (name, summary) in rows {
                text.summary(metric, (label, name), summary);
            }
        }
    }
}

/// Whether every sensor gives frames that show something.
fn is_well(report: &HealthReport) -> bool {
    let bad = |state| matches!(state, Some(SensorState::Stale | SensorState::Blind));
    !report.sensors.iter().any(|s| s.down || bad(s.state))
}

/// Prometheus's text form.
struct Text(String);

impl Text {
    fn kind(&mut self, name: &str, kind: &str, help: &str) {
        self.put(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    fn row(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let text: Vec<String> = labels.iter().map(|(key, value)| format!("{key}=\"{}\"", escaped(value))).collect();
        let braces = if text.is_empty() { String::new() } else { format!("{{{}}}", text.join(",")) };
        self.put(format_args!("{name}{braces} {value}\n"));
    }

    fn summary(&mut self, metric: &str, label: (&str, &str), summary: &Summary) {
        for (quantile, ms) in [("0.5", summary.p50), ("0.95", summary.p95), ("0.99", summary.p99)] {
            self.row(metric, &[label, ("quantile", quantile)], ms * 1e-3);
        }
        self.row(&format!("{metric}_sum"), &[label], summary.mean * summary.count as f64 * 1e-3);
        self.row(&format!("{metric}_count"), &[label], summary.count as f64);
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = self.0.write_fmt(text);
    }
}

/// A label's value as the text form wants it.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_in_prometheus_text_form() {
        let mut text = Text(String::new());
        text.kind("a_total", "counter", "What.");
        text.row("a_total", &[("sensor", "fr\"ont\\"), ("reason", "")], 3.0);
        text.row("b", &[], 0.25);
        let expected =
            "# HELP a_total What.\n# TYPE a_total counter\na_total{sensor=\"fr\\\"ont\\\\\",reason=\"\"} 3\nb 0.25\n";
        assert_eq!(text.0, expected);
    }
}
