//! How long things took: histograms by name, and a frame's own stage marks.
//!
//! Contract: host monotonic clock, nanoseconds inside, milliseconds in snapshots; three significant digits from 100 ns to
//! 1000 s (longer counts as 1000 s in percentiles, `max` stays exact). Memory per series is fixed (about 110 KB).
//!
//! Each thread asks for its own [`Series`] of a name; a snapshot merges those of one name. So the mutex of a series is contended
//! only while a snapshot reads it (once a second live, once in a replay) and costs some 15 ns otherwise; unlike a recorder that
//! is merged when its thread ends, it can be read while the run goes on, and a panicking thread loses nothing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::lock;

/// Shorter is not told apart.
const LOWEST_NS: u64 = 100;
/// Longer counts as this.
const HIGHEST_NS: u64 = 1_000_000_000_000;
/// Three digits: the error is below 0.1 %.
const SIGNIFICANT_DIGITS: u8 = 3;
const NS_PER_MS: f64 = 1e6;
/// What a thread has counted so far of something that a series is to count beside time: allocations.
static COUNTER: OnceLock<fn() -> u64> = OnceLock::new();
/// Whether it is counted now.
static COUNTING: AtomicBool = AtomicBool::new(false);

/// What [`Series::time`] times can be counted by `counter` as well, a growing number of the calling thread. Only the first
/// call of a process has an effect.
pub fn count_by(counter: fn() -> u64) {
    // A second counter would mix two meanings.
    let _ = COUNTER.set(counter);
}

/// Steps that begin from now on are counted, or no step is that has not ended yet: buffers grow first.
pub fn count(on: bool) {
    COUNTING.store(on, Ordering::Relaxed);
}

/// What a series measures; the parts of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Work in a stage.
    Stage,
    /// Waiting in a queue.
    Queue,
    /// From the arrival of a frame, or its sensor time, to a result.
    EndToEnd,
}

/// All series of a run. Clones are the same.
#[derive(Clone, Default)]
pub struct Latency {
    series: Arc<Mutex<AllSeries>>,
}

/// The series of each name, one per thread.
type AllSeries = BTreeMap<(Kind, String), Vec<Series>>;

/// One thread's measurements under one name. Clones record to the same histogram.
#[derive(Clone)]
pub struct Series {
    data: Arc<Mutex<Data>>,
}

struct Data {
    histogram: Histogram<u64>,
    sum_ns: u128,
    max_ns: u64,
    counted: Counted,
}

/// What was counted of the steps of one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counted {
    /// Steps counted.
    pub steps: u64,
    /// What they counted altogether.
    pub total: u64,
    /// The most of one step.
    pub most: u64,
}

/// The figures of one name, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Summary {
    /// How many measurements.
    pub count: u64,
    /// Median.
    pub p50: f64,
    /// 95th percentile.
    pub p95: f64,
    /// 99th percentile.
    pub p99: f64,
    /// The longest, exactly.
    pub max: f64,
    /// Mean, exactly.
    pub mean: f64,
}

/// All figures at one moment, by name.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct LatencySnapshot {
    /// Work in stages.
    pub stages: BTreeMap<String, Summary>,
    /// Waiting in queues.
    pub queues: BTreeMap<String, Summary>,
    /// From arrival or sensor time to a result.
    pub end_to_end: BTreeMap<String, Summary>,
}

impl Latency {
    /// No series.
    pub fn new() -> Self {
        Self::default()
    }

    /// A series for the calling thread alone. One whose owner is gone is used again, so that restarts do not add up.
    pub fn series(&self, kind: Kind, name: &str) -> Series {
        let mut all = lock(&self.series);
        let same_name = all.entry((kind, name.to_owned())).or_default();
        if let Some(free) = same_name.iter().find(|series| Arc::strong_count(&series.data) == 1) {
            return free.clone();
        }
        let series = Series { data: Arc::new(Mutex::new(Data::new())) };
        same_name.push(series.clone());
        series
    }

    /// The figures now.
    pub fn snapshot(&self) -> LatencySnapshot {
        let mut snapshot = LatencySnapshot::default();
        for ((kind, name), same_name) in lock(&self.series).iter() {
            let mut merged = Data::new();
            for series in same_name {
                merged.add(&lock(&series.data));
            }
            let part = match kind {
                Kind::Stage => &mut snapshot.stages,
                Kind::Queue => &mut snapshot.queues,
                Kind::EndToEnd => &mut snapshot.end_to_end,
            };
            part.insert(name.clone(), merged.summary());
        }
        snapshot
    }

    /// What was counted of each stage; nothing where [`count_by`] was not called.
    pub fn counted(&self) -> BTreeMap<String, Counted> {
        let all = lock(&self.series);
        let stages = all.iter().filter(|((kind, _), _)| *kind == Kind::Stage);
        stages
            .map(|((_, name), same_name)| {
                let mut merged = Counted::default();
                for series in same_name {
                    let part = lock(&series.data).counted;
                    merged.steps += part.steps;
                    merged.total += part.total;
                    merged.most = merged.most.max(part.most);
                }
                (name.clone(), merged)
            })
            .collect()
    }
}

impl Series {
    /// Records one measurement.
    pub fn record(&self, duration: Duration) {
        lock(&self.data).record(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Records how long `work` took.
    pub fn time<R>(&self, work: impl FnOnce() -> R) -> R {
        let begun = Begun::now();
        let result = work();
        self.end(begun);
        result
    }

    /// Records what was begun: for work that ends in the middle of something.
    pub fn end(&self, begun: Begun) {
        self.record(begun.at.elapsed());
        let counter = COUNTER.get().filter(|_| COUNTING.load(Ordering::Relaxed));
        if let (Some(count), Some(before)) = (counter, begun.counted) {
            lock(&self.data).count(count() - before);
        }
    }
}

/// The beginning of a measurement.
pub struct Begun {
    at: Instant,
    counted: Option<u64>,
}

impl Begun {
    /// Work of this thread that begins now.
    pub fn now() -> Self {
        let counted = COUNTER.get().filter(|_| COUNTING.load(Ordering::Relaxed)).map(|count| count());
        Self { at: Instant::now(), counted }
    }
}

impl Data {
    fn new() -> Self {
        Self { histogram: empty_histogram(), sum_ns: 0, max_ns: 0, counted: Counted::default() }
    }

    fn record(&mut self, ns: u64) {
        self.histogram.saturating_record(ns);
        self.sum_ns += u128::from(ns);
        self.max_ns = self.max_ns.max(ns);
    }

    fn count(&mut self, counted: u64) {
        self.counted.steps += 1;
        self.counted.total += counted;
        self.counted.most = self.counted.most.max(counted);
    }

    fn add(&mut self, other: &Self) {
        // Both have the same bounds, so nothing can fall outside.
        let merged = self.histogram.add(&other.histogram);
        debug_assert!(merged.is_ok(), "histograms of one run have one shape");
        self.sum_ns += other.sum_ns;
        self.max_ns = self.max_ns.max(other.max_ns);
    }

    fn summary(&self) -> Summary {
        let count = self.histogram.len();
        if count == 0 {
            return Summary::default();
        }
        // A histogram answers with the upper end of a bucket, which may lie beyond what was measured.
        let percentile = |q: f64| self.histogram.value_at_quantile(q).min(self.max_ns) as f64 / NS_PER_MS;
        Summary {
            count,
            p50: percentile(0.50),
            p95: percentile(0.95),
            p99: percentile(0.99),
            max: self.max_ns as f64 / NS_PER_MS,
            mean: self.sum_ns as f64 / count as f64 / NS_PER_MS,
        }
    }
}

fn empty_histogram() -> Histogram<u64> {
    match Histogram::new_with_bounds(LOWEST_NS, HIGHEST_NS, SIGNIFICANT_DIGITS) {
        Ok(histogram) => histogram,
        Err(_) => unreachable!("the bounds are constants, and valid ones"),
    }
}

/// When a frame arrived, and when it passed each of `N` marks, which the caller numbers. Copied along with the frame.
#[derive(Debug, Clone, Copy)]
pub struct FrameClock<const N: usize> {
    /// When the frame arrived, on the host's clock.
    pub received_at: Instant,
    marks: [Option<Instant>; N],
}

impl<const N: usize> FrameClock<N> {
    /// A frame that arrived at `received_at` and passed no mark yet.
    pub fn new(received_at: Instant) -> Self {
        Self { received_at, marks: [None; N] }
    }

    /// The frame passes mark `index` now. An index that is no mark changes nothing.
    pub fn mark(&mut self, index: usize) {
        self.mark_at(index, Instant::now());
    }

    /// The frame passed mark `index` at `when`.
    pub fn mark_at(&mut self, index: usize, when: Instant) {
        if let Some(mark) = self.marks.get_mut(index) {
            *mark = Some(when);
        }
    }

    /// When the frame passed mark `index`, if it did.
    pub fn at(&self, index: usize) -> Option<Instant> {
        self.marks.get(index).copied().flatten()
    }

    /// How long it took from mark `from` to mark `to`, zero where they were passed in the other order. `None` where one was not passed.
    pub fn between(&self, from: usize, to: usize) -> Option<Duration> {
        Some(self.at(to)?.saturating_duration_since(self.at(from)?))
    }

    /// How long it took from arrival to mark `to`.
    pub fn since_received(&self, to: usize) -> Option<Duration> {
        Some(self.at(to)?.saturating_duration_since(self.received_at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_a_known_set_merge_over_threads_within_a_tenth_of_a_percent() {
        let latency = Latency::new();
        let (even, odd) = (latency.series(Kind::Stage, "decode"), latency.series(Kind::Stage, "decode"));
        for ms in 1..=1000_u64 {
            let series = if ms % 2 == 0 { &even } else { &odd };
            series.record(Duration::from_millis(ms));
        }
        let summary = latency.snapshot().stages["decode"];
        assert_eq!(summary.count, 1000);
        assert_eq!(summary.max, 1000.0);
        assert_eq!(summary.mean, 500.5);
        for (got, expected) in [(summary.p50, 500.0), (summary.p95, 950.0), (summary.p99, 990.0)] {
            assert!((got - expected).abs() <= expected * 1e-3, "{got} for {expected}");
        }
    }

    #[test]
    fn nothing_measured_and_more_than_the_range_are_ordinary() {
        let latency = Latency::new();
        let _unused = latency.series(Kind::Queue, "a");
        let long = latency.series(Kind::EndToEnd, "b");
        long.record(Duration::from_secs(5000));
        long.record(Duration::ZERO);
        let snapshot = latency.snapshot();
        assert_eq!(snapshot.queues["a"], Summary::default());
        assert_eq!(snapshot.end_to_end["b"].max, 5_000_000.0);
        assert_eq!(snapshot.end_to_end["b"].count, 2);
    }

    #[test]
    fn a_series_whose_owner_is_gone_is_used_again() {
        let latency = Latency::new();
        for _ in 0..100 {
            latency.series(Kind::Stage, "restarted").record(Duration::from_millis(1));
        }
        assert_eq!(latency.snapshot().stages["restarted"].count, 100);
        assert_eq!(lock(&latency.series).values().map(Vec::len).sum::<usize>(), 1);
    }

    #[test]
    fn a_frame_clock_knows_only_what_was_marked() {
        let start = Instant::now();
        let mut clock = FrameClock::<3>::new(start);
        clock.mark_at(0, start + Duration::from_millis(2));
        clock.mark_at(2, start + Duration::from_millis(7));
        clock.mark_at(3, start);
        assert_eq!(clock.between(0, 2), Some(Duration::from_millis(5)));
        assert_eq!(clock.between(2, 0), Some(Duration::ZERO));
        assert_eq!(clock.between(0, 1), None);
        assert_eq!(clock.since_received(0), Some(Duration::from_millis(2)));
    }
}
