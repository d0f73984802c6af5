//! What `ocellus bench` measures: single steps on real and made inputs, a drive end to end, and how costs grow.
//!
//! Contract: host monotonic clock, microseconds; percentiles are of single runs, after a warm-up, the machine as it is:
//! compare figures of one run of the program, not of two. Allocations are those of the measuring thread.

pub mod counting;
mod cpu;
pub mod drive;
pub mod growth;
mod made;
pub mod overload;
mod repeated;
pub mod stages;
pub mod viewer;

use std::time::{Duration, Instant};

use ocellus_judge::stats::quantile_sorted;
use serde::Serialize;

/// Runs before the clock starts: buffers grow, caches fill.
const WARM_UP: usize = 5;
/// At least so many runs are timed, however long they take.
const RUNS_MIN: usize = 15;
/// No percentile gets better by more.
const RUNS_MAX: usize = 20_000;

/// How long one step takes, microseconds.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The step, and on what.
    pub step: String,
    /// Runs timed.
    pub runs: usize,
    /// The fastest.
    pub min_us: f64,
    /// Median.
    pub p50_us: f64,
    /// 90 % are faster.
    pub p90_us: f64,
    /// 99 % are faster.
    pub p99_us: f64,
    /// Allocations a run, once warm.
    pub allocations: f64,
}

/// Where rows are gathered.
pub struct Clock {
    budget: Duration,
    /// Done so far.
    pub rows: Vec<Row>,
}

impl Clock {
    /// A clock that gives each step about `budget`.
    pub fn new(budget: Duration) -> Self {
        Self { budget, rows: Vec::new() }
    }

    /// Times `step`, run by run.
    pub fn time(&mut self, name: impl Into<String>, mut step: impl FnMut()) {
        self.time_each(name, |clocked| clocked.run(&mut step));
    }

    /// Adds what was measured otherwise, once.
    pub fn add(&mut self, step: String, us: f64, runs: usize) {
        let (min_us, p50_us, p90_us, p99_us) = (us, us, us, us);
        self.rows.push(Row { step, runs, min_us, p50_us, p90_us, p99_us, allocations: f64::NAN });
    }

    /// Times what `turn` gives to the clock, so that it can make ready and clear away off the clock.
    pub fn time_each(&mut self, name: impl Into<String>, mut turn: impl FnMut(&mut Clocked)) {
        let mut clocked = Clocked { times: Vec::with_capacity(RUNS_MAX), allocations: 0 };
        for _ in 0..WARM_UP {
            turn(&mut clocked);
        }
        clocked.times.clear();
        clocked.allocations = 0;
        let started = Instant::now();
        while clocked.times.len() < RUNS_MIN || (started.elapsed() < self.budget && clocked.times.len() < RUNS_MAX) {
            turn(&mut clocked);
        }
        self.rows.push(clocked.row(name.into()));
    }
}

/// The clock of one step.
pub struct Clocked {
    times: Vec<f64>,
    allocations: u64,
}

impl Clocked {
    /// Runs what is timed.
    pub fn run<R>(&mut self, step: impl FnOnce() -> R) -> R {
        let before = counting::on_this_thread();
        let started = Instant::now();
        let result = step();
        let us = started.elapsed().as_secs_f64() * 1e6;
        self.allocations += counting::on_this_thread() - before;
        // The room was made beforehand: this allocates nothing.
        self.times.push(us);
        result
    }

    fn row(mut self, step: String) -> Row {
        self.times.sort_by(f64::total_cmp);
        let at = |q| quantile_sorted(&self.times, q).unwrap_or(f64::NAN);
        Row {
            step,
            runs: self.times.len(),
            min_us: self.times.first().copied().unwrap_or(f64::NAN),
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            allocations: self.allocations as f64 / self.times.len().max(1) as f64,
        }
    }
}

/// Where it was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// Logical cores that may be used.
    pub cores: usize,
    /// Tasks that wanted to run in the last minute; above the cores' number, times are too long.
    pub load: Option<f64>,
    /// Version of this program.
    pub version: &'static str,
}

impl Machine {
    /// This one, now.
    pub fn here() -> Self {
        let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let named = info.lines().find(|l| l.starts_with("model name") || l.starts_with("Model"));
        let processor = named.and_then(|l| l.split_once(':')).map_or("unknown", |(_, name)| name.trim()).to_owned();
        let load = std::fs::read_to_string("/proc/loadavg").ok();
        Self {
            processor,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            load: load.and_then(|l| l.split_whitespace().next()?.parse().ok()),
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_and_allocations_are_of_the_timed_part_alone() {
        let mut clock = Clock::new(Duration::ZERO);
        let mut kept = Vec::new();
        clock.time_each("two boxes", |clocked| {
            kept = vec![0_u8; 100];
            let made = clocked.run(|| [Box::new(1_u64), Box::new(2_u64)]);
            assert_eq!(*made[0] + *made[1], 3);
        });
        clock.time("nothing", || std::hint::black_box(()));
        let [boxes, nothing] = clock.rows.as_slice() else { panic!("{:?}", clock.rows) };
        assert_eq!((boxes.runs, boxes.allocations, nothing.allocations), (RUNS_MIN, 2.0, 0.0));
        assert!(boxes.min_us <= boxes.p50_us && boxes.p50_us <= boxes.p90_us && boxes.p90_us <= boxes.p99_us);
    }
}
