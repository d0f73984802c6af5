//! Energy of a long job by its stages, and of the whole by the same meter: what no stage accounts for is seen.

use std::path::Path;

use anyhow::{Context, Result};
use ocellus_judge::energy::{EnergyReport, StageSum, stage_sum};
use serde::Serialize;

use super::power::Meter;

/// A job under one meter.
pub struct Stages {
    meter: Meter,
    core_w: f64,
    done: Vec<Stage>,
}

/// What a stage took; `None` where nothing can be read or estimated, or it was too short to tell.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Stage {
    name: &'static str,
    joules: Option<f64>,
}

/// The account of a job.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Account {
    stages: Vec<Stage>,
    /// Of all, from the first stage's beginning to now.
    whole: EnergyReport,
    /// The stages against the whole; `None` where the whole is unknown.
    sum: Option<StageSum>,
}

impl Stages {
    /// Starts; `core_w` is the declared power of a busy core, where there is no sensor.
    pub fn start(core_w: f64) -> Self {
        Self { meter: Meter::start(Path::new("/")), core_w, done: Vec::new() }
    }

    /// Does a stage's work and books what it took.
    pub fn run<R>(&mut self, name: &'static str, work: impl FnOnce() -> R) -> R {
        let before = self.joules();
        let made = work();
        self.meter.tick();
        let joules = self.joules().map(|now| now - before.unwrap_or(0.0)).filter(|j| *j > 0.0);
        self.done.push(Stage { name, joules });
        made
    }

    fn joules(&self) -> Option<f64> {
        joules(&self.meter.so_far(0, self.core_w).0)
    }

    /// The account so far.
    pub fn account(&self) -> Account {
        let whole = self.meter.so_far(0, self.core_w).0;
        let known: Vec<f64> = self.done.iter().filter_map(|s| s.joules).collect();
        let sum = joules(&whole).map(|total| stage_sum(&known, total));
        Account { stages: self.done.clone(), whole, sum }
    }
}

/// Net of an idle machine where that is known.
fn joules(report: &EnergyReport) -> Option<f64> {
    report.joules_net.or(report.joules)
}

impl Account {
    /// Writes it as JSON.
    pub fn write(&self, path: &Path) -> Result<()> {
        std::fs::write(path, serde_json::to_vec_pretty(self)?).with_context(|| path.display().to_string())
    }
}

impl std::fmt::Display for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = |j: Option<f64>| j.map_or_else(|| "unknown".to_owned(), |j| format!("{j:.1} J"));
        write!(f, "energy")?;
        for stage in &self.stages {
            write!(f, "  {} {}", stage.name, shown(stage.joules))?;
        }
        match self.sum.as_ref().and_then(|s| Some((s, s.deviation?))) {
            Some((sum, deviation)) => {
                let verdict = if sum.adds_up { "adds up" } else { "DOES NOT ADD UP: something else took the rest" };
                write!(
                    f,
                    "  whole {}, stages {:+.1} % of it apart: {verdict}",
                    shown(Some(sum.total_j)),
                    100.0 * deviation
                )?;
            }
            None => write!(f, "  whole unknown")?,
        }
        self.whole.notes.iter().try_for_each(|note| write!(f, "\n  {note}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keeps a core busy until the process has used so many CPU seconds more.
    fn burn(seconds: f64) {
        let start = super::super::power::cpu_seconds().unwrap();
        while super::super::power::cpu_seconds().unwrap() - start < seconds {
            std::hint::black_box((0..1000_u64).sum::<u64>());
        }
    }

    #[test]
    fn stages_add_up_to_the_whole_and_what_lies_between_is_seen() {
        let mut stages = Stages::start(8.0);
        assert_eq!(stages.run("training", || burn(0.6)), ());
        stages.run("judging", || burn(0.3));
        let account = stages.account();
        let of = |i: usize| account.stages[i].joules.unwrap();
        assert!(of(0) > of(1) && of(1) > 0.0, "{account:?}");
        assert!(account.sum.as_ref().unwrap().adds_up, "{account}");
        burn(0.3);
        let gap = stages.account();
        assert!(!gap.sum.as_ref().unwrap().adds_up && gap.to_string().contains("DOES NOT ADD UP"), "{gap}");
        assert!(gap.whole.joules > account.whole.joules);
    }
}
