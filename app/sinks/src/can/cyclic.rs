//! When what is sent: every cycle of sensor time, from the newest report at or before it.

use std::sync::Arc;

use ocellus_percept::report::{FrameReport, Object, Risk, Trigger};
use ocellus_percept::time::Timestamp;

use super::CanReport;
use super::bus::{CanBus, CanError};
use super::e2e::COUNTER_MAX;
use super::layout::{CanFrame, Cycle, OBJECT_SLOTS, State};

/// Settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CanConfig {
    /// Identifier of the state message; the others follow.
    pub base_id: u16,
    /// Sensor time between cycles, seconds.
    pub cycle_s: f64,
    /// A report older than this is not valid any more, seconds.
    pub stale_s: f64,
}

impl Default for CanConfig {
    fn default() -> Self {
        Self { base_id: 0x600, cycle_s: 0.1, stale_s: 0.2 }
    }
}

/// A gap in sensor time longer than this is not filled with cycles, seconds: a recording with a pause, or a jump.
const GAP_MAX_S: f64 = 10.0;

/// Sends cycles to a bus.
#[derive(Debug)]
pub struct CanSink {
    config: CanConfig,
    buses: Vec<CanBus>,
    newest: Option<CanReport>,
    /// The next cycle.
    due: Option<Timestamp>,
    counter: u8,
    /// Whether perception has said anything since the last cycle.
    advanced: bool,
    frames: u64,
}

impl CanSink {
    /// To all of `buses`.
    pub fn new(config: CanConfig, buses: Vec<CanBus>) -> Self {
        Self { config, buses, newest: None, due: None, counter: COUNTER_MAX, advanced: false, frames: 0 }
    }

    /// Takes in a report, after sending the cycles that were due before it.
    pub fn step(&mut self, report: CanReport) -> Result<(), CanError> {
        let t = report.report.t;
        let due = *self.due.get_or_insert(t);
        if t.seconds_since(due).abs() > GAP_MAX_S {
            self.due = Some(t);
        } else {
            self.send_until(t, false)?;
        }
        // Only what was seen is new; a tick or a lost frame says that nothing was.
        self.advanced |= report.report.trigger != Trigger::Tick && report.report.objects.is_some();
        self.newest = Some(report);
        Ok(())
    }

    /// Sends the cycle of the last report and sees everything out. Answers the number of frames sent.
    pub fn finish(mut self) -> Result<u64, CanError> {
        if let Some(t) = self.newest.as_ref().map(|n| n.report.t) {
            self.send_until(t, true)?;
        }
        self.buses.iter_mut().try_for_each(CanBus::finish)?;
        Ok(self.frames)
    }

    /// Sends the cycles before `t`, or at it for the `last`.
    fn send_until(&mut self, t: Timestamp, last: bool) -> Result<(), CanError> {
        while let Some(due) = self.due.filter(|due| *due < t || (last && *due == t)) {
            self.send(due)?;
            self.due = Some(due.plus_seconds(self.config.cycle_s));
        }
        Ok(())
    }

    fn send(&mut self, now: Timestamp) -> Result<(), CanError> {
        let Some(newest) = self.newest.clone() else { return Ok(()) };
        if std::mem::take(&mut self.advanced) {
            self.counter = if self.counter >= COUNTER_MAX { 0 } else { self.counter + 1 };
        }
        for frame in self.frames(&newest, now) {
            for bus in &mut self.buses {
                bus.send(now, &frame)?;
            }
            self.frames += 1;
        }
        Ok(())
    }

    fn frames(&self, newest: &CanReport, now: Timestamp) -> Vec<CanFrame> {
        let report: &Arc<FrameReport> = &newest.report;
        let age_s = now.seconds_since(report.t).max(0.0);
        let seen = report.objects.is_some() && report.state.sees();
        let valid = seen && age_s <= self.config.stale_s;
        let listed = most_urgent(report.objects.as_deref().unwrap_or_default());
        let nearest = listed.iter().copied().enumerate().find(|(_, o)| Some(o.track) == newest.nearest);
        let cycle = Cycle { base_id: self.config.base_id, counter: self.counter, valid };
        let state = State {
            valid,
            risk: listed.iter().filter_map(|o| o.risk).max().or_else(|| seen.then_some(Risk::Clear)),
            sensor: Some(report.state),
            objects: listed.len(),
            age_s,
            clock_ms: (report.t.as_nanos().rem_euclid(60_000_000_000) / 1_000_000) as u16,
        };
        let mut frames = vec![cycle.state(&state), cycle.nearest(nearest, age_s)];
        frames.extend((0..OBJECT_SLOTS).map(|slot| cycle.object(slot, listed.get(slot).copied())));
        frames
    }
}

/// Objects by risk, then by gap or distance, then by track.
fn most_urgent(objects: &[Object]) -> Vec<&Object> {
    let mut listed: Vec<&Object> = objects.iter().collect();
    let far = |o: &Object| o.gap_m.or(o.distance_m).unwrap_or(f64::INFINITY);
    listed.sort_by(|a, b| b.risk.cmp(&a.risk).then(far(a).total_cmp(&far(b))).then(a.track.cmp(&b.track)));
    listed
}

#[cfg(test)]
mod tests {
    use ocellus_percept::report::SensorState;

    use super::*;
    use crate::objects::samples::full_report;

    fn at(t_s: f64, objects: bool, state: SensorState) -> CanReport {
        let mut report = full_report();
        report.t = Timestamp::from_nanos(0).plus_seconds(t_s);
        report.state = state;
        if !objects {
            report.objects = None;
        }
        CanReport { report: Arc::new(report), nearest: Some(7) }
    }

    /// (seconds, counter, valid) of each state message in a candump log.
    fn states(text: &str) -> Vec<(f64, u8, bool)> {
        let rows = text.lines().filter(|l| l.contains(" 600#"));
        rows.map(|l| {
            let seconds = l.split(['(', ')']).nth(1).unwrap().parse().unwrap();
            let second = u8::from_str_radix(&l.split('#').nth(1).unwrap()[2..4], 16).unwrap();
            (seconds, second & 0xF, second & 0x10 != 0)
        })
        .collect()
    }

    fn log(reports: &[CanReport]) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("can.log");
        let mut sink = CanSink::new(CanConfig::default(), vec![CanBus::log(&path).unwrap()]);
        reports.iter().for_each(|r| sink.step(r.clone()).unwrap());
        sink.finish().unwrap();
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn each_cycle_has_all_messages_and_the_counter_goes_round() {
        let reports: Vec<_> = (0..20).map(|k| at(0.1 * f64::from(k), true, SensorState::Fresh)).collect();
        let text = log(&reports);
        assert_eq!(text.lines().count(), 20 * (2 + OBJECT_SLOTS));
        let counters: Vec<u8> = states(&text).iter().map(|s| s.1).collect();
        assert_eq!(counters, (0..20).map(|k| k % 15).collect::<Vec<u8>>());
        assert!(states(&text).iter().all(|s| s.2));
    }

    #[test]
    fn what_is_stale_is_invalid_within_a_cycle_and_does_not_count() {
        // Nothing comes between 0.2 and 0.9 s.
        let mut reports: Vec<_> = (0..3).map(|k| at(0.1 * f64::from(k), true, SensorState::Fresh)).collect();
        reports.push(at(0.9, true, SensorState::Fresh));
        let states = states(&log(&reports));
        let valid: Vec<bool> = states.iter().map(|s| s.2).collect();
        assert_eq!(valid, [true, true, true, true, true, false, false, false, false, true]);
        let counters: Vec<u8> = states.iter().map(|s| s.1).collect();
        assert_eq!(counters, [0, 1, 2, 2, 2, 2, 2, 2, 2, 3]);
    }

    #[test]
    fn a_blind_sensor_is_invalid_at_once() {
        let reports =
            [at(0.0, true, SensorState::Fresh), at(0.1, false, SensorState::Blind), at(0.2, true, SensorState::Fresh)];
        let states = states(&log(&reports));
        assert_eq!(states.iter().map(|s| s.2).collect::<Vec<_>>(), [true, false, true]);
        assert_eq!(states.iter().map(|s| s.1).collect::<Vec<_>>(), [0, 0, 1]);
    }
}
