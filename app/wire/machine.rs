//! The computer's state while a run goes on: temperature, power, clocks, throttling, once a second, beside the run's latencies.
//!
//! Sampling is a thread of its own that nothing waits for. What a computer does not tell is absent; where it tells nothing at
//! all, nothing is sampled.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use ocellus_flow::threads::detach;
use serde::Serialize;

use super::notes::Notes;
use crate::machine::{clocks, heat, memory, rails};

/// From sample to sample: temperatures move in seconds.
const PERIOD: Duration = Duration::from_secs(1);
/// The rail that feeds a whole Jetson module.
const INPUT: &str = "VDD_IN";
/// Samples kept: an hour of seconds; then every other one goes, and from then on every other one is kept.
const KEPT_MAX: usize = 3600;

/// One look at the computer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sample {
    /// Seconds of the run.
    pub t_s: f64,
    /// The hottest zone, degrees Celsius.
    pub hottest_c: Option<f64>,
    /// Watts of the whole module.
    pub watts: Option<f64>,
    /// The slowest and the fastest thing that has a clock are of no use together: the processor's first, megahertz.
    pub cpu_mhz: Option<f64>,
    /// The GPU's clock, megahertz.
    pub gpu_mhz: Option<f64>,
    /// Memory that can be had, megabytes.
    pub available_mb: Option<u64>,
    /// What is held down, by the kernel's names; empty where nothing is.
    pub throttled: Vec<String>,
}

impl Sample {
    /// Whether it tells a temperature, power, or that something is held down.
    pub fn tells_heat(&self) -> bool {
        self.hottest_c.is_some() || self.watts.is_some() || !self.throttled.is_empty()
    }

    /// What it tells, by name with unit, to be plotted together: each is some tens at most.
    pub fn figures(&self) -> Vec<(String, f64)> {
        let held = (!self.throttled.is_empty()).then_some(self.throttled.len() as f64);
        let figures = [
            ("hottest, °C", self.hottest_c),
            ("module, W", self.watts),
            ("CPU, GHz", self.cpu_mhz.map(|mhz| mhz / 1e3)),
            ("GPU, GHz", self.gpu_mhz.map(|mhz| mhz / 1e3)),
            ("memory left, GB", self.available_mb.map(|mb| mb as f64 / 1e3)),
            ("held down", held.or_else(|| self.tells_heat().then_some(0.0))),
        ];
        figures.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

/// All that was sampled; in latency.json.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct MachineReport {
    /// Degrees Celsius, the hottest.
    pub hottest_c_max: Option<f64>,
    /// Mean watts.
    pub watts_mean: Option<f64>,
    /// Least memory that could be had, megabytes.
    pub available_mb_min: Option<u64>,
    /// Seconds in which something was held down.
    pub throttled_s: f64,
    /// The samples, in time.
    pub samples: Vec<Sample>,
}

/// Samples while it lives. Clones look at the same samples.
#[derive(Clone)]
pub struct MachineWatch {
    shared: Arc<Shared>,
}

struct Shared {
    kept: Mutex<Kept>,
    began: Instant,
}

struct Kept {
    newest: Option<Sample>,
    samples: Vec<Sample>,
    /// One of so many is kept.
    one_of: u32,
    /// Samples since the last that was kept.
    since: u32,
}

impl MachineWatch {
    /// Begins to sample the computer whose files lie below `root`.
    pub fn begin(root: &Path, notes: &Notes) -> Result<Self> {
        let shared = Arc::new(Shared::new());
        // So that there is one to look at from the beginning.
        shared.take(look(root, 0.0));
        let (theirs, root, notes) = (Arc::downgrade(&shared), root.to_owned(), notes.clone());
        detach("machine", move || {
            let mut throttled = Vec::new();
            std::thread::sleep(PERIOD);
            // It ends by itself when nobody looks any more.
            while let Some(shared) = theirs.upgrade() {
                let sample = look(&root, shared.began.elapsed().as_secs_f64());
                if sample.throttled != throttled {
                    let what =
                        if sample.throttled.is_empty() { "nothing".to_owned() } else { sample.throttled.join(", ") };
                    notes.say("machine", format!("held down from {:.0} s on: {what}", sample.t_s));
                    throttled.clone_from(&sample.throttled);
                }
                shared.take(sample);
                drop(shared);
                std::thread::sleep(PERIOD);
            }
        })?;
        Ok(Self { shared })
    }

    /// The newest sample.
    pub fn newest(&self) -> Option<Sample> {
        self.shared.kept().newest.clone()
    }

    /// All of it.
    pub fn report(&self) -> MachineReport {
        let kept = self.shared.kept();
        report(&kept.samples, f64::from(kept.one_of) * PERIOD.as_secs_f64())
    }
}

impl Shared {
    fn new() -> Self {
        let kept = Kept { newest: None, samples: Vec::new(), one_of: 1, since: 0 };
        Self { kept: Mutex::new(kept), began: Instant::now() }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the newest sample, and keeps it where it is one of those that are kept.
    fn take(&self, sample: Sample) {
        let mut kept = self.kept();
        kept.newest = Some(sample.clone());
        kept.since += 1;
        if kept.since < kept.one_of {
            return;
        }
        kept.since = 0;
        if kept.samples.len() >= KEPT_MAX {
            let mut index = 0;
            kept.samples.retain(|_| {
                index += 1;
                index % 2 == 1
            });
            kept.one_of *= 2;
        }
        kept.samples.push(sample);
    }
}

fn look(root: &Path, t_s: f64) -> Sample {
    let (heat, clocks) = (heat(root), clocks(root));
    let mhz = |gpu: bool| clocks.clocks.iter().find(|c| (c.name == "gpu") == gpu).and_then(|c| c.mhz);
    Sample {
        t_s,
        hottest_c: heat.hottest().map(|(_, celsius)| *celsius),
        watts: rails(root).into_iter().find(|rail| rail.name == INPUT).map(|rail| rail.watts),
        cpu_mhz: mhz(false),
        gpu_mhz: mhz(true),
        available_mb: memory(root).available_mb,
        throttled: heat.held_down.into_iter().map(|(name, ..)| name).collect(),
    }
}

fn report(samples: &[Sample], period_s: f64) -> MachineReport {
    let watts: Vec<f64> = samples.iter().filter_map(|s| s.watts).collect();
    MachineReport {
        hottest_c_max: samples.iter().filter_map(|s| s.hottest_c).max_by(f64::total_cmp),
        watts_mean: (!watts.is_empty()).then(|| watts.iter().sum::<f64>() / watts.len() as f64),
        available_mb_min: samples.iter().filter_map(|s| s.available_mb).min(),
        throttled_s: samples.iter().filter(|s| !s.throttled.is_empty()).count() as f64 * period_s,
        samples: samples.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hot_board_is_seen_and_a_silent_one_says_nothing() {
        let root = tempfile::tempdir().unwrap();
        let files = [
            ("sys/class/thermal/thermal_zone0/type", "tj-thermal"),
            ("sys/class/thermal/thermal_zone0/temp", "93000"),
            ("sys/class/thermal/cooling_device0/type", "gpu-throttle-alert"),
            ("sys/class/thermal/cooling_device0/cur_state", "1"),
            ("sys/class/thermal/cooling_device0/max_state", "1"),
        ];
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let hot = look(root.path(), 1.0);
        assert_eq!((hot.hottest_c, hot.watts), (Some(93.0), None));
        let silent = look(Path::new("/nothing"), 2.0);
        assert_eq!(hot.figures(), [("hottest, °C".to_owned(), 93.0), ("held down".to_owned(), 1.0)]);
        assert!(hot.tells_heat() && !silent.tells_heat() && silent.figures().is_empty());
        let told = report(&[hot, silent], 1.0);
        assert_eq!((told.hottest_c_max, told.throttled_s, told.watts_mean), (Some(93.0), 1.0, None));
    }

    #[test]
    fn samples_are_bounded_and_a_watch_that_nobody_holds_ends() {
        let shared = Shared::new();
        // Two hours: the newest is always there.
        for i in 0..2 * KEPT_MAX {
            shared.take(look(Path::new("/nothing"), i as f64));
            assert_eq!(shared.kept().newest.as_ref().unwrap().t_s, i as f64);
        }
        let kept = shared.kept();
        assert_eq!((kept.samples.len(), kept.one_of), (KEPT_MAX, 2));
        assert!(kept.samples.windows(2).all(|pair| pair[1].t_s - pair[0].t_s == 2.0));
        let root = tempfile::tempdir().unwrap();
        let watch = MachineWatch::begin(root.path(), &Notes::quiet()).unwrap();
        let weak = Arc::downgrade(&watch.shared);
        drop(watch);
        let started = Instant::now();
        while weak.strong_count() > 0 && started.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(weak.strong_count(), 0);
    }
}
