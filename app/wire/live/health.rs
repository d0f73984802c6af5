//! How the sensors of a live run are: their states by time-outs, restarts, and what was lost. Read by the watching thread,
//! by `/health` and `/metrics`, and at the end of the run.
//!
//! A sensor is fresh while its frames come at its rate, late after `late` without one, stale after `stale`, blind where
//! frames come and show nothing. A sensor whose source has ended orderly has no state.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ocellus_percept::report::SensorState;
use serde::Serialize;

use crate::launch::GovernorPlan;
use crate::wire::governor::{Governor, GovernorReport};

/// Intervals without a frame after which a sensor is late: one frame missing may be jitter, two are not.
const LATE_INTERVALS: f64 = 2.5;
/// Intervals without a frame after which it is stale.
const STALE_INTERVALS: f64 = 6.0;
/// Shortest limits: a fast sensor on a busy computer is not late for a hiccup of the scheduler.
const LATE_MIN: Duration = Duration::from_millis(150);
const STALE_MIN: Duration = Duration::from_millis(400);
/// The rate of a sensor that tells none.
const HZ_DEFAULT: f64 = 10.0;
/// Changes of state kept for run.json; the rest is counted.
const CHANGES_KEPT_MAX: usize = 1000;

/// When a sensor without frames is late, and when stale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Late after this.
    pub late: Duration,
    /// Stale after this.
    pub stale: Duration,
}

impl Limits {
    /// What the plan says, else by the sensor's rate.
    pub fn new(late: Option<Duration>, stale: Option<Duration>, hz: Option<f64>) -> Self {
        let interval_s = 1.0 / hz.filter(|hz| *hz > 0.0).unwrap_or(HZ_DEFAULT);
        let late = late.unwrap_or_else(|| Duration::from_secs_f64(LATE_INTERVALS * interval_s).max(LATE_MIN));
        let stale = stale.unwrap_or_else(|| Duration::from_secs_f64(STALE_INTERVALS * interval_s).max(STALE_MIN));
        Self { late, stale: stale.max(late) }
    }
}

/// The health of all sensors.
pub struct Health {
    sensors: Vec<Mutex<Entry>>,
    run: Mutex<Run>,
    began: Instant,
    governor: Option<Arc<Governor>>,
}

struct Entry {
    name: String,
    limits: Limits,
    last_frame: Option<Instant>,
    blind: bool,
    ended: bool,
    down: bool,
    state: SensorState,
    restarts: u64,
    abandoned: u64,
    clock_faults: u64,
}

#[derive(Default)]
struct Run {
    last_line: Option<Instant>,
    ticks: u64,
    lines_lost: u64,
    panics: u64,
    changes: Vec<Change>,
    changes_more: u64,
}

/// A sensor's change of state.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// Seconds of the run.
    pub at_s: f64,
    /// Which sensor.
    pub sensor: String,
    /// What it was.
    pub from: SensorState,
    /// What it is.
    pub to: SensorState,
}

/// One sensor at one moment.
#[derive(Debug, Clone, Serialize)]
pub struct SensorHealth {
    /// Its name.
    pub name: String,
    /// Its state; `None` where its source has ended orderly.
    pub state: Option<SensorState>,
    /// Seconds since its last frame.
    pub silent_s: f64,
    /// Whether its source is not open.
    pub down: bool,
    /// How often it was opened again.
    pub restarts: u64,
    /// Threads of it that were given up.
    pub abandoned: u64,
    /// Stamps that could not be believed.
    pub clock_faults: u64,
}

/// All of it at one moment.
#[derive(Debug, Clone, Serialize)]
pub struct HealthReport {
    /// The worst state of any sensor.
    pub state: Option<SensorState>,
    /// The sensors.
    pub sensors: Vec<SensorHealth>,
    /// Ticks given out.
    pub ticks: u64,
    /// Lines that the disk did not take.
    pub lines_lost: u64,
    /// Stages that panicked and were built anew.
    pub panics: u64,
    /// Changes of state, the first of them.
    pub changes: Vec<Change>,
    /// Changes not kept.
    pub changes_more: u64,
    /// What was done less of, where that is governed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub governor: Option<GovernorReport>,
}

impl HealthReport {
    /// Whether nothing was lost that the ledger does not know: no sensor is down, every line was written.
    pub fn whole(&self) -> bool {
        self.lines_lost == 0 && !self.sensors.iter().any(|s| s.down)
    }
}

impl Health {
    /// Sensors from which nothing has come yet.
    pub fn new(sensors: impl IntoIterator<Item = (String, Limits)>) -> Self {
        let entry = |(name, limits)| {
            Mutex::new(Entry {
                name,
                limits,
                last_frame: None,
                blind: false,
                ended: false,
                down: false,
                state: SensorState::Fresh,
                restarts: 0,
                abandoned: 0,
                clock_faults: 0,
            })
        };
        let sensors = sensors.into_iter().map(entry).collect();
        Self { sensors, run: Mutex::default(), began: Instant::now(), governor: None }
    }

    /// The same, of a run whose load is governed by a plan.
    pub fn governed(self, plan: Option<GovernorPlan>) -> Self {
        Self { governor: plan.map(|plan| Arc::new(Governor::new(plan))), ..self }
    }

    /// What governs the run's load.
    pub fn governor(&self) -> Option<Arc<Governor>> {
        self.governor.clone()
    }

    /// A frame of the sensor came.
    pub fn came(&self, sensor: usize, at: Instant) {
        self.change(sensor, |s| {
            s.last_frame = Some(at);
            s.down = false;
        });
    }

    /// Whether the sensor's frames show nothing; whether that is news.
    pub fn blind(&self, sensor: usize, blind: bool) -> bool {
        let mut news = false;
        self.change(sensor, |s| news = std::mem::replace(&mut s.blind, blind) != blind);
        news
    }

    /// The sensor's source failed and will be opened again.
    pub fn failed(&self, sensor: usize) {
        self.change(sensor, |s| {
            s.down = true;
            s.restarts += 1;
        });
    }

    /// A thread of the sensor was given up.
    pub fn abandoned(&self, sensor: usize) {
        self.change(sensor, |s| {
            s.down = true;
            s.abandoned += 1;
        });
    }

    /// A stamp of the sensor could not be believed.
    pub fn clock_fault(&self, sensor: usize) {
        self.change(sensor, |s| s.clock_faults += 1);
    }

    /// The sensor's source has no more frames.
    pub fn ended(&self, sensor: usize) {
        self.change(sensor, |s| s.ended = true);
    }

    /// A line about a frame was given out.
    pub fn line(&self) {
        self.run().last_line = Some(Instant::now());
    }

    /// Whether a tick is due at `now`, asked every `look`: so that from one line or tick to the next `period` passes at most.
    /// It counts as given out.
    pub fn tick_due(&self, now: Instant, period: Duration, look: Duration) -> bool {
        let mut run = self.run();
        let silent = now.saturating_duration_since(run.last_line.unwrap_or(self.began));
        let due = silent + look > period;
        if due {
            run.last_line = Some(now);
            run.ticks += 1;
        }
        due
    }

    /// Lines were lost on the way to the disk.
    pub fn lines_lost(&self, lines: u64) {
        self.run().lines_lost += lines;
    }

    /// A stage panicked and was built anew.
    pub fn panicked(&self) {
        self.run().panics += 1;
    }

    /// The state of a sensor's frame that was `age` old when it was reported.
    pub fn state_of_frame(&self, sensor: usize, age: Duration) -> SensorState {
        let Some(entry) = self.sensors.get(sensor).map(lock) else { return SensorState::Fresh };
        if age > entry.limits.late { SensorState::Late } else { SensorState::Fresh }
    }

    /// Brings all states up to `now`; the changes.
    pub fn update(&self, now: Instant) -> Vec<Change> {
        let mut changes = Vec::new();
        for entry in &self.sensors {
            let mut entry = lock(entry);
            let Some(to) = entry.state_at(now, self.began) else { continue };
            let from = std::mem::replace(&mut entry.state, to);
            if from != to {
                let at_s = now.saturating_duration_since(self.began).as_secs_f64();
                changes.push(Change { at_s, sensor: entry.name.clone(), from, to });
            }
        }
        let mut run = self.run();
        for change in &changes {
            if run.changes.len() < CHANGES_KEPT_MAX {
                run.changes.push(change.clone());
            } else {
                run.changes_more += 1;
            }
        }
        changes
    }

    /// Everything now.
    pub fn report(&self) -> HealthReport {
        let now = Instant::now();
        let sensors: Vec<SensorHealth> = self.sensors.iter().map(|s| lock(s).health_at(now, self.began)).collect();
        let state = sensors.iter().filter_map(|s| s.state).reduce(SensorState::max_by_harm);
        let run = self.run();
        HealthReport {
            state,
            sensors,
            ticks: run.ticks,
            lines_lost: run.lines_lost,
            panics: run.panics,
            changes: run.changes.clone(),
            changes_more: run.changes_more,
            governor: self.governor.as_ref().map(|governor| governor.report()),
        }
    }

    fn change(&self, sensor: usize, act: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.sensors.get(sensor) {
            act(&mut lock(entry));
        }
    }

    fn run(&self) -> MutexGuard<'_, Run> {
        lock(&self.run)
    }
}

impl Entry {
    fn state_at(&self, now: Instant, began: Instant) -> Option<SensorState> {
        let silent = now.saturating_duration_since(self.last_frame.unwrap_or(began));
        if self.ended {
            None
        } else if silent > self.limits.stale {
            Some(SensorState::Stale)
        } else if self.blind {
            Some(SensorState::Blind)
        } else if silent > self.limits.late {
            Some(SensorState::Late)
        } else {
            Some(SensorState::Fresh)
        }
    }

    fn health_at(&self, now: Instant, began: Instant) -> SensorHealth {
        SensorHealth {
            name: self.name.clone(),
            state: self.state_at(now, began),
            silent_s: now.saturating_duration_since(self.last_frame.unwrap_or(began)).as_secs_f64(),
            down: self.down,
            restarts: self.restarts,
            abandoned: self.abandoned,
            clock_faults: self.clock_faults,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states(health: &Health, after: Duration) -> Option<SensorState> {
        health.update(health.began + after);
        let entry = lock(&health.sensors[0]);
        entry.state_at(health.began + after, health.began)
    }

    #[test]
    fn silence_makes_a_sensor_late_then_stale_and_a_frame_makes_it_fresh() {
        let health = Health::new([("front".to_owned(), Limits::new(None, None, Some(10.0)))]);
        let ms = Duration::from_millis;
        assert_eq!(states(&health, ms(100)), Some(SensorState::Fresh));
        assert_eq!(states(&health, ms(260)), Some(SensorState::Late));
        assert_eq!(states(&health, ms(700)), Some(SensorState::Stale));
        health.came(0, health.began + ms(700));
        assert_eq!(states(&health, ms(710)), Some(SensorState::Fresh));
        let changes = health.report().changes;
        let to: Vec<_> = changes.iter().map(|c| c.to).collect();
        assert_eq!(to, [SensorState::Late, SensorState::Stale, SensorState::Fresh]);
        assert!(health.blind(0, true) && !health.blind(0, true), "news once");
        assert_eq!(states(&health, ms(720)), Some(SensorState::Blind));
        health.ended(0);
        assert_eq!(states(&health, ms(9000)), None);
    }

    #[test]
    fn an_old_frame_is_late_by_its_age() {
        let health = Health::new([("front".to_owned(), Limits::new(None, None, Some(10.0)))]);
        assert_eq!(health.state_of_frame(0, Duration::from_millis(90)), SensorState::Fresh);
        assert_eq!(health.state_of_frame(0, Duration::from_millis(900)), SensorState::Late);
    }

    #[test]
    fn without_lines_ticks_come_a_period_apart_at_most_and_never_beside_lines() {
        let ms = Duration::from_millis;
        for (period, look) in [(250, 20), (200, 20), (100, 20), (200, 33)] {
            let health = Health::new([]);
            let due_at = |at: u64| health.tick_due(health.began + ms(at), ms(period), ms(look));
            let ticks: Vec<u64> = (0..2000).step_by(look as usize).filter(|at| due_at(*at)).collect();
            assert!(ticks[0] <= period && ticks.windows(2).all(|w| w[1] - w[0] <= period), "{period}: {ticks:?}");
            assert!(ticks.windows(2).all(|w| w[1] - w[0] + 2 * look >= period), "{period}: {ticks:?}");
            assert_eq!(health.report().ticks, ticks.len() as u64);
        }
        let health = Health::new([]);
        health.line();
        assert!(!health.tick_due(Instant::now(), Duration::from_secs(60), ms(20)));
    }
}
