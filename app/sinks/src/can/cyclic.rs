//! When what is sent: every cycle, from the newest report of each sensor at or before it.
//!
//! A replay's cycles are moments of its sensor time ([`CanSink::step`]); a live run's go by its clock, whether a report comes or
//! not ([`CanSink::hear`], [`CanSink::cycle`]). A sensor is current while its newest report is young enough and saw something.
//! All are current: everything is valid. Only some are: obstacles that these see are valid each; the state, the nearest and
//! empty places in the list are not, since what the others would see is not known. None is: nothing is valid, and what was
//! listed last stays listed. The nearest obstacle on the way has a place in the list, however many are more urgent. A tick is no
//! report of a sensor: it makes nothing valid, and nothing invalid that is young enough.

use std::collections::BTreeMap;

use ocellus_percept::report::{Object, Risk, SensorState, Trigger};
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
    /// The newest report of each sensor, by its name.
    newest: BTreeMap<String, CanReport>,
    /// The newest tick: when, and the worst state of any sensor then.
    tick: Option<(Timestamp, SensorState)>,
    /// The next cycle.
    due: Option<Timestamp>,
    counter: u8,
    /// Whether perception has said anything since the last cycle.
    advanced: bool,
    frames: u64,
    /// Whether cycles go by a clock: then a bus that takes nothing for a while is no failure.
    live: bool,
    /// Frames that a bus did not take, and why the last of them.
    unsent: u64,
    refusal: Option<CanError>,
}

impl CanSink {
    /// To all of `buses`.
    pub fn new(config: CanConfig, buses: Vec<CanBus>) -> Self {
        let (newest, tick, due, counter) = (BTreeMap::new(), None, None, COUNTER_MAX);
        Self {
            config,
            buses,
            newest,
            tick,
            due,
            counter,
            advanced: false,
            frames: 0,
            live: false,
            unsent: 0,
            refusal: None,
        }
    }

    /// Takes in a report of a replay, after sending the cycles that were due before it.
    pub fn step(&mut self, report: CanReport) -> Result<(), CanError> {
        let t = report.report.t;
        let due = *self.due.get_or_insert(t);
        if t.seconds_since(due).abs() > GAP_MAX_S {
            self.due = Some(t);
        } else {
            self.send_until(t, false)?;
        }
        self.hear(report);
        Ok(())
    }

    /// Takes in a report.
    pub fn hear(&mut self, report: CanReport) {
        let r = &report.report;
        self.due.get_or_insert(r.t);
        match &r.sensor {
            Some(sensor) if r.trigger != Trigger::Tick => {
                // Only what was seen is new; a lost frame says that nothing was.
                self.advanced |= r.objects.is_some();
                self.newest.insert(sensor.clone(), report);
            }
            _ => self.tick = Some((r.t, r.state)),
        }
    }

    /// When the next cycle is due; none before the first report.
    pub fn next_cycle(&self) -> Option<Timestamp> {
        self.due
    }

    /// Frames that a bus did not take so far.
    pub fn unsent(&self) -> u64 {
        self.unsent
    }

    /// Why a bus did not take a frame since this was asked last.
    pub fn take_refusal(&mut self) -> Option<CanError> {
        self.refusal.take()
    }

    /// Sends a live run's cycle where one is due at `now`; answers whether. Cycles that were missed are not sent late, nor is what a
    /// bus did not take.
    pub fn cycle(&mut self, now: Timestamp) -> Result<bool, CanError> {
        let Some(due) = self.due.filter(|due| *due <= now) else { return Ok(false) };
        self.live = true;
        self.send(now)?;
        let next = due.plus_seconds(self.config.cycle_s);
        self.due = Some(if next > now { next } else { now.plus_seconds(self.config.cycle_s) });
        Ok(true)
    }

    /// Sends the cycle of a replay's last report.
    pub fn finish(&mut self) -> Result<(), CanError> {
        let last = self.newest.values().map(|n| n.report.t).chain(self.tick.map(|(t, _)| t)).max();
        last.map_or(Ok(()), |t| self.send_until(t, true))
    }

    /// Sees everything out. Answers the number of frames sent.
    pub fn flush(mut self) -> Result<u64, CanError> {
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
        if std::mem::take(&mut self.advanced) {
            self.counter = if self.counter >= COUNTER_MAX { 0 } else { self.counter + 1 };
        }
        for frame in self.frames(now) {
            for bus in &mut self.buses {
                match bus.send(now, &frame) {
                    // A cyclic message is worth nothing later.
                    Err(error) if self.live && error.is_passing() => {
                        self.unsent += 1;
                        self.refusal = Some(error);
                    }
                    other => other?,
                }
            }
            self.frames += 1;
        }
        Ok(())
    }

    fn frames(&self, now: Timestamp) -> Vec<CanFrame> {
        let all = || self.newest.values();
        let age_s = |n: &CanReport| now.seconds_since(n.report.t).max(0.0);
        let young = |n: &CanReport| age_s(n) <= self.config.stale_s;
        let is_current = |n: &CanReport| young(n) && n.report.objects.is_some() && n.report.state.sees();
        let (any, whole) = (all().any(is_current), !self.newest.is_empty() && all().all(is_current));
        let mut listed =
            most_urgent(all().filter(|n| !any || is_current(n)).flat_map(|n| n.report.objects.iter().flatten()));
        let is_nearest = |o: &Object| all().any(|n| n.nearest == Some(o.track));
        let on_way = listed.iter().copied().enumerate().filter(|(_, o)| is_nearest(o));
        let nearest =
            on_way.min_by(|a, b| far(a.1).total_cmp(&far(b.1))).map(|(at, o)| (with_place(&mut listed, at), o));
        let state_of =
            |n: &CanReport| if young(n) { n.report.state } else { n.report.state.max_by_harm(SensorState::Stale) };
        let newest_t = all().map(|n| n.report.t).max();
        // A tick tells of sensors that are silent, as long as nothing newer came.
        let ticked = self.tick.filter(|(t, _)| newest_t.is_none_or(|newest| *t > newest)).map(|(_, state)| state);
        let oldest_s = all().map(age_s).fold(0.0, f64::max);
        let state = State {
            valid: whole,
            risk: listed.iter().filter_map(|o| o.risk).max().or_else(|| whole.then_some(Risk::Clear)),
            sensor: all().map(state_of).chain(ticked).reduce(SensorState::max_by_harm),
            objects: listed.len(),
            age_s: oldest_s,
            clock_ms: (newest_t.unwrap_or(now).as_nanos().rem_euclid(60_000_000_000) / 1_000_000) as u16,
        };
        let cycle = |valid: bool| Cycle { base_id: self.config.base_id, counter: self.counter, valid };
        let mut frames = vec![cycle(whole).state(&state), cycle(whole).nearest(nearest, oldest_s)];
        let slots = (0..OBJECT_SLOTS).map(|slot| (slot, listed.get(slot).copied()));
        frames.extend(slots.map(|(slot, object)| cycle(whole || (any && object.is_some())).object(slot, object)));
        frames
    }
}

/// Objects by risk, then by gap or distance, then by track.
fn most_urgent<'a>(objects: impl Iterator<Item = &'a Object>) -> Vec<&'a Object> {
    let mut listed: Vec<&Object> = objects.collect();
    listed.sort_by(|a, b| b.risk.cmp(&a.risk).then(far(a).total_cmp(&far(b))).then(a.track.cmp(&b.track)));
    listed
}

/// Gives the object at `at` a place in the list that is sent, the last one if no better; where it then stands.
fn with_place(listed: &mut [&Object], at: usize) -> usize {
    let last = OBJECT_SLOTS - 1;
    if at > last {
        listed[last..=at].rotate_right(1);
    }
    at.min(last)
}

/// How far off an object is, metres: along the path where that is known.
fn far(object: &Object) -> f64 {
    object.gap_m.or(object.distance_m).unwrap_or(f64::INFINITY)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

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
        sink.flush().unwrap();
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

    /// A report of `sensor` with one object, track `track`.
    fn of(sensor: &str, t_s: f64, track: u64) -> CanReport {
        let CanReport { report, .. } = at(t_s, true, SensorState::Fresh);
        let mut report = Arc::unwrap_or_clone(report);
        report.sensor = Some(sensor.to_owned());
        let mut objects = report.objects.take().unwrap();
        objects.truncate(1);
        objects[0].track = track;
        report.objects = Some(objects);
        CanReport { report: Arc::new(report), nearest: Some(track) }
    }

    #[test]
    fn the_nearest_on_the_way_has_a_place_among_more_urgent_ones() {
        let CanReport { report, .. } = of("front", 0.0, 1);
        let mut report = Arc::unwrap_or_clone(report);
        let one = report.objects.take().unwrap().remove(0);
        let object = |track: u64| Object { track, gap_m: Some(track as f64), ..one.clone() };
        report.objects = Some((1..=12).map(object).collect());
        let text = log(&[CanReport { report: Arc::new(report), nearest: Some(11) }]);
        let bytes = |row: &str| u64::from_str_radix(row.split('#').nth(1).unwrap(), 16).unwrap().swap_bytes();
        let rows: Vec<u64> = text.lines().map(bytes).collect();
        let tracks: Vec<u64> = rows[2..].iter().map(|row| row >> 16 & 0xFF).collect();
        assert_eq!(tracks, [1, 2, 3, 4, 5, 6, 7, 11]);
        assert_eq!((rows[1] >> 60, (rows[1] >> 16 & 0xFFF) as f64 * 0.05), (7, 11.0));
    }

    fn tick(t_s: f64) -> CanReport {
        let CanReport { report, .. } = at(t_s, false, SensorState::Late);
        let mut report = Arc::unwrap_or_clone(report);
        (report.trigger, report.sensor, report.seq) = (Trigger::Tick, None, None);
        CanReport { report: Arc::new(report), nearest: None }
    }

    /// By cycle: valid bits of state, nearest and the first three places of the list, and the sensor code.
    fn valid_bits(text: &str) -> Vec<([bool; 5], u8)> {
        let byte =
            |row: &str, k: usize| u8::from_str_radix(&row.split('#').nth(1).unwrap()[2 * k..2 * k + 2], 16).unwrap();
        let rows: Vec<&str> = text.lines().collect();
        let cycles = rows.chunks(2 + OBJECT_SLOTS);
        cycles.map(|c| ([0, 1, 2, 3, 4].map(|k| byte(c[k], 1) & 0x10 != 0), byte(c[0], 2) & 7)).collect()
    }

    #[test]
    fn with_one_of_two_cameras_lost_what_the_other_sees_is_valid_and_the_whole_is_not() {
        // Both to 0.3 s, then the left one alone, from 0.8 s on both again.
        let both = |k: i32| k <= 3 || k >= 8;
        let reports: Vec<_> = (0..12)
            .flat_map(|k| {
                let t_s = 0.1 * f64::from(k);
                [Some(of("left", t_s, 1)), both(k).then(|| of("front", t_s, 2))].into_iter().flatten()
            })
            .collect();
        let said = valid_bits(&log(&reports));
        let (whole, part) = ([true; 5], [false, false, true, false, false]);
        // The front camera's newest is of 0.3 s: young enough at 0.5 s, too old one cycle later.
        assert!(said[1..=5].iter().all(|s| *s == (whole, 0)), "{said:?}");
        assert!(said[6..=7].iter().all(|s| *s == (part, 2)), "{said:?}");
        assert!(said[9..].iter().all(|s| *s == (whole, 0)), "back without anything started anew: {said:?}");
        let counters: Vec<u8> = states(&log(&reports)).iter().map(|s| s.1).collect();
        assert!(counters.windows(2).all(|w| w[1] == (w[0] + 1) % 15), "one of them goes on: {counters:?}");
    }

    #[test]
    fn a_tick_makes_nothing_invalid_that_is_young_enough_and_nothing_valid() {
        let reports = [of("front", 0.0, 1), of("front", 0.1, 1), tick(0.25), tick(0.45), of("front", 0.6, 1)];
        let said = valid_bits(&log(&reports));
        let valid: Vec<bool> = said.iter().map(|s| s.0[0]).collect();
        assert_eq!(valid, [true, true, true, true, false, false, true]);
        assert_eq!(said[3].1, 1, "late, says the tick");
        assert_eq!(said[4].1, 2, "stale");
    }

    #[test]
    fn a_live_run_sends_by_its_clock_though_nothing_comes_and_never_late() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("can.log");
        let mut sink = CanSink::new(CanConfig::default(), vec![CanBus::log(&path).unwrap()]);
        let now = |ms: i64| Timestamp::from_nanos(ms * 1_000_000);
        assert_eq!(sink.next_cycle(), None);
        sink.cycle(now(0)).unwrap();
        for ms in (1000..2000).step_by(10) {
            // Frames of 10 Hz, 40 ms old when they are reported, until 1.4 s; this thread sleeps from 1.7 to 1.9 s.
            if ms % 100 == 40 && ms <= 1440 {
                sink.hear(of("front", (ms - 40) as f64 * 1e-3, 1));
            }
            if !(1700..1900).contains(&ms) {
                sink.cycle(now(ms)).unwrap();
            }
        }
        sink.flush().unwrap();
        let said = states(&std::fs::read_to_string(path).unwrap());
        let times: Vec<i64> = said.iter().map(|s| (s.0 * 1e3).round() as i64).collect();
        assert_eq!(times, [1040, 1100, 1200, 1300, 1400, 1500, 1600, 1900]);
        // The newest frame is of 1.4 s: 1.6 s is as old as may be.
        assert_eq!(said.iter().map(|s| s.2).collect::<Vec<_>>(), [true, true, true, true, true, true, true, false]);
    }
}
