//! Keeping sources alive: when to try again, and who has fallen silent.
//!
//! [`Restart`] and [`Heartbeats::overdue`] are pure functions of what they are told; [`supervised`] is the loop of a source
//! that restarts. No jitter: the same failures give the same delays.

use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::lock;
use crate::stop::Stop;
use crate::threads::{StageFailure, run_caught};

/// When a source that failed is started again: after `first`, then twice as long each time, at most `cap`.
#[derive(Debug, Clone)]
pub struct Restart {
    first: Duration,
    cap: Duration,
    settled_after: Duration,
    failures_in_a_row: u32,
}

impl Restart {
    /// A source that ran for `settled_after` counts as healthy: its next failure waits for `first` again.
    pub fn new(first: Duration, cap: Duration, settled_after: Duration) -> Self {
        Self { first, cap, settled_after, failures_in_a_row: 0 }
    }

    /// The source failed after it had run for `ran_for`; how long to wait before the next try.
    pub fn failed(&mut self, ran_for: Duration) -> Duration {
        if ran_for >= self.settled_after {
            self.failures_in_a_row = 0;
        }
        let factor = 2_u32.checked_pow(self.failures_in_a_row).unwrap_or(u32::MAX);
        self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
        self.first.saturating_mul(factor).min(self.cap)
    }

    /// Failures since the source last counted as healthy.
    pub fn failures_in_a_row(&self) -> u32 {
        self.failures_in_a_row
    }
}

impl Default for Restart {
    /// A camera takes about half a second to come back on the bus; a dead one is asked twice a minute; a minute of frames is healthy.
    fn default() -> Self {
        Self::new(Duration::from_millis(500), Duration::from_secs(30), Duration::from_secs(60))
    }
}

/// Runs `attempt` again and again, as `restart` says, until it returns `Ok` or a stop is asked for. A panic in it counts as a failure. `failed` is
/// told each failure and how long the pause after it will be.
pub fn supervised<E: Display>(
    name: &str,
    stop: &Stop,
    mut restart: Restart,
    mut attempt: impl FnMut() -> Result<(), E>,
    mut failed: impl FnMut(&StageFailure, Duration),
) {
    while !stop.is_stopping() {
        let started = Instant::now();
        let Err(failure) = run_caught(name, &mut attempt) else { return };
        let pause = restart.failed(started.elapsed());
        failed(&failure, pause);
        if !stop.sleep(pause) {
            return;
        }
    }
}

/// The hearts of all threads that a watchdog looks after. Clones are the same.
#[derive(Clone, Default)]
pub struct Heartbeats {
    hearts: Arc<Mutex<Vec<Watched>>>,
}

struct Watched {
    name: String,
    silence_max: Duration,
    last_ns: Arc<AtomicU64>,
}

/// One thread's heart: host time in ns of its last beat ([`crate::clock::now_ns`]). Dropping it ends the watch.
pub struct Heart {
    last_ns: Arc<AtomicU64>,
}

/// A thread that was silent for too long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overdue {
    /// Its name.
    pub name: String,
    /// For how long it has been silent.
    pub silent: Duration,
}

/// The value of a heart that rests: host time is never 0.
const RESTING: u64 = 0;

impl Heartbeats {
    /// Nobody to look after.
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks after a thread that must not be silent for longer than `silence_max` between a beat and the next beat or rest.
    pub fn watch(&self, name: &str, silence_max: Duration) -> Heart {
        let last_ns = Arc::new(AtomicU64::new(RESTING));
        let watched = Watched { name: name.to_owned(), silence_max, last_ns: Arc::clone(&last_ns) };
        lock(&self.hearts).push(watched);
        Heart { last_ns }
    }

    /// Who is overdue at host time `now_ns`, in the order in which they were added.
    pub fn overdue(&self, now_ns: u64) -> Vec<Overdue> {
        let mut hearts = lock(&self.hearts);
        hearts.retain(|watched| Arc::strong_count(&watched.last_ns) > 1);
        hearts.iter().filter_map(|watched| watched.overdue(now_ns)).collect()
    }

    /// Ends the watch over the threads called `name` (they were abandoned, and hold their hearts still).
    pub fn forget(&self, name: &str) {
        lock(&self.hearts).retain(|watched| watched.name != name);
    }
}

impl Watched {
    fn overdue(&self, now_ns: u64) -> Option<Overdue> {
        let last_ns = self.last_ns.load(Ordering::Relaxed);
        let silent = Duration::from_nanos(now_ns.saturating_sub(last_ns));
        (last_ns != RESTING && silent > self.silence_max).then(|| Overdue { name: self.name.clone(), silent })
    }
}

impl Heart {
    /// Alive at host time `now_ns`.
    pub fn beat(&self, now_ns: u64) {
        self.last_ns.store(now_ns.max(1), Ordering::Relaxed);
    }

    /// From now on silence is right: there is nothing to do.
    pub fn rest(&self) {
        self.last_ns.store(RESTING, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn pauses_double_up_to_the_cap_and_start_again_after_a_healthy_run() {
        let mut restart = Restart::new(S, 10 * S, 60 * S);
        let pauses: Vec<_> = (0..6).map(|_| restart.failed(2 * S)).collect();
        assert_eq!(pauses, [S, 2 * S, 4 * S, 8 * S, 10 * S, 10 * S]);
        assert_eq!(restart.failures_in_a_row(), 6);
        assert_eq!(restart.failed(60 * S), S);
        assert_eq!((0..200).map(|_| restart.failed(S)).last(), Some(10 * S), "no overflow");
    }

    #[test]
    fn a_source_restarts_after_errors_and_panics_and_ends_with_ok() {
        let (stop, mut tries, mut seen) = (Stop::new(), 0, Vec::new());
        let attempt = || {
            tries += 1;
            match tries {
                1 => Err("no such device"),
                2 => panic!("decoder"),
                _ => Ok(()),
            }
        };
        let restart = Restart::new(Duration::from_millis(1), S, S);
        supervised("camera", &stop, restart, attempt, |failure, _| {
            seen.push((failure.message.clone(), failure.panicked))
        });
        assert_eq!(seen, [("no such device".to_owned(), false), ("decoder".to_owned(), true)]);
    }

    #[test]
    fn a_stop_ends_the_pause_between_two_tries() {
        let (stop, mut tries) = (Stop::new(), 0);
        let attempt = || {
            tries += 1;
            Err::<(), _>("no such device")
        };
        supervised("camera", &stop, Restart::new(3600 * S, 3600 * S, S), attempt, |_, _| {
            stop.request(crate::stop::StopReason::Interrupt);
        });
        assert_eq!(tries, 1);
    }

    #[test]
    fn only_those_that_work_and_are_silent_are_overdue() {
        let hearts = Heartbeats::new();
        let [silent, alive, resting] = ["silent", "alive", "resting"].map(|name| hearts.watch(name, S));
        silent.beat(1);
        resting.beat(1);
        resting.rest();
        alive.beat(2_000_000_000);
        let overdue = hearts.overdue(2_500_000_001);
        assert_eq!(overdue, [Overdue { name: "silent".into(), silent: Duration::from_millis(2500) }]);
        assert_eq!(hearts.overdue(1_000_000_001), [], "exactly at the limit is not over it");
        hearts.forget("silent");
        drop(alive);
        assert_eq!(hearts.overdue(u64::MAX), []);
    }
}
