//! What a training took, by its log: a line a step with what its session has spent so far.
//!
//! A session begins where the step does not go on or its energy falls. Steps that were done twice, for the first time was
//! cut off before its checkpoint, were paid for twice and count twice. Logs without energy give an estimate by time.

use std::path::Path;

use anyhow::{Context, Result};
use ocellus_judge::energy::{EnergyReport, EnergySource};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::power::Meter;

/// What a session has spent so far.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spent {
    /// Who says so.
    pub source: EnergySource,
    /// Joules, net of an idle machine where known.
    pub joules: f64,
}

/// Measures a session.
pub struct Watt {
    meter: Meter,
    core_w: f64,
}

impl Watt {
    /// Starts; `core_w` is the declared power of a busy core, where there is no sensor.
    pub fn start(core_w: f64) -> Self {
        Self { meter: Meter::start(Path::new("/")), core_w }
    }

    /// What it has spent on `frames` frames; `None` where nothing can be read nor estimated.
    pub fn spent(&mut self, frames: u64) -> Option<Spent> {
        self.meter.tick();
        let (report, _) = self.meter.so_far(frames, self.core_w);
        let joules = report.joules_net.or(report.joules).filter(|j| *j > 0.0)?;
        Some(Spent { source: report.source?, joules })
    }
}

/// What of a training's log tells its energy.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TrainingLog {
    /// What each session had spent at its end.
    sessions: Vec<Spent>,
    /// Steps whose energy is known, and all.
    metered: usize,
    steps: usize,
    /// Views a second at the end.
    rate: Option<f64>,
}

impl TrainingLog {
    /// Reads a log; one that is not there is empty.
    pub fn read(path: &Path) -> Result<Self> {
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Self::parse(&text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| path.display().to_string()),
        }
    }

    fn parse(text: &str) -> Self {
        let mut log = Self::default();
        let mut last: Option<(u64, f64)> = None;
        // The last line may be cut off.
        for line in text.lines().filter_map(|l| serde_json::from_str::<Value>(l).ok()) {
            log.steps += 1;
            log.rate = line["views_per_s"].as_f64().filter(|r| r.is_finite() && *r > 0.0).or(log.rate);
            let step = line["step"].as_u64().unwrap_or(0);
            let Some(spent) = Spent::deserialize(&line["energy"]).ok().filter(|s| s.joules.is_finite()) else {
                continue;
            };
            log.metered += 1;
            let goes_on = last.is_some_and(|(before, joules)| step > before && spent.joules >= joules);
            match log.sessions.last_mut().filter(|_| goes_on) {
                Some(session) => *session = spent,
                None => log.sessions.push(spent),
            }
            last = Some((step, spent.joules));
        }
        log
    }

    /// Energy of `steps` steps of `batch` views.
    pub fn energy(&self, (batch, steps): (usize, usize), core_w: f64) -> EnergyReport {
        let views = (batch * steps) as u64;
        let Some(first) = self.sessions.first() else { return self.by_time(views, core_w) };
        let sum: f64 = self.sessions.iter().map(|s| s.joules).sum();
        // Steps without a figure took as much as the others.
        let joules = sum * self.steps.max(self.metered) as f64 / self.metered.max(1) as f64;
        let mut report = if first.source == EnergySource::CpuSecondsEstimate {
            EnergyReport::estimate(joules / core_w, core_w, views)
        } else {
            EnergyReport::from_counter(first.source, joules, 0.0, None, views)
        };
        if self.metered < self.steps {
            report.notes.push(format!("{} of {} steps were metered, the others taken alike", self.metered, self.steps));
        }
        report
    }

    fn by_time(&self, views: u64, core_w: f64) -> EnergyReport {
        let Some(rate) = self.rate.filter(|_| views > 0) else {
            return EnergyReport::missing("the training was not metered, nor is there a log of its time", views);
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let seconds = views as f64 / rate;
        let mut report = EnergyReport::estimate(seconds * cores as f64, core_w, views);
        report.notes.push(format!(
            "the training was not metered: {seconds:.0} s by the log's {rate:.1} views a second, all {cores} cores taken as busy"
        ));
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(step: usize, joules: f64) -> String {
        format!(
            "{{\"step\": {step}, \"views_per_s\": 20.0, \"energy\": {{\"source\": \"rapl\", \"joules\": {joules}}}}}"
        )
    }

    #[test]
    fn sessions_are_summed_and_repeated_steps_are_paid_twice() {
        let lines =
            [line(1, 10.0), line(2, 20.0), line(3, 30.0), line(3, 8.0), line(4, 16.0), "{\"step\": 5, \"en".into()];
        let log = TrainingLog::parse(&lines.join("\n"));
        assert_eq!(log.sessions.iter().map(|s| s.joules).collect::<Vec<_>>(), [30.0, 16.0]);
        let report = log.energy((8, 4), 8.0);
        assert_eq!((report.source, report.joules, report.frames), (Some(EnergySource::Rapl), Some(46.0), 32));
    }

    #[test]
    fn what_was_not_metered_is_an_estimate_or_missing_and_never_0() {
        let log = TrainingLog::parse("{\"step\": 1, \"views_per_s\": 16.0}\n{\"step\": 2, \"views_per_s\": 16.0}");
        let report = log.energy((8, 2), 8.0);
        assert!(report.joules.unwrap() >= 8.0 && report.notes.iter().any(|n| n.starts_with("ESTIMATE")), "{report:?}");
        assert!(report.notes.iter().any(|n| n.contains("not metered")));
        let nothing = TrainingLog::default().energy((8, 2), 8.0);
        assert_eq!((nothing.joules, nothing.source), (None, None));
    }
}
