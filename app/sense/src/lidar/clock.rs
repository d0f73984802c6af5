//! From a sensor's clock to Unix time, by when its packets arrive.
//!
//! A clock that shows UTC within `AGREES_S` of arrival is believed. One that counts only within the hour (Velodyne) is believed
//! where it agrees so within its hour. Any other clock keeps its own rhythm and is laid onto the time of arrival: by the least delay
//! seen, which may grow again by `DRIFT` of the time gone by. Causal: a stamp never depends on what came later. Off by whole
//! seconds that have a name, it is suspected aloud, and not set right by itself.

use ocellus_percept::time::Timestamp;

/// A clock this near to the time of arrival is the same clock.
const AGREES_S: f64 = 1.0;
/// How fast a free quartz may run off: 100 parts in a million.
const DRIFT: f64 = 100e-6;
const HOUR_NS: i64 = 3_600_000_000_000;
/// TAI is ahead of UTC by this since 2017.
const TAI_S: f64 = 37.0;
/// GPS time is ahead of UTC by this since 2017.
const GPS_S: f64 = 18.0;
/// A sensor's clock below this counts from its start: ten years of seconds.
const UNIX_S_MIN: f64 = 10.0 * 365.0 * 86_400.0;

/// What a sensor's clock turned out to show.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shows {
    /// Unix time, believed.
    Unix,
    /// The time within the hour, believed.
    WithinHour,
    /// Something else; it is this many seconds ahead of the time of arrival.
    Other {
        /// Seconds ahead.
        ahead_s: f64,
    },
}

/// One sensor's clock.
#[derive(Debug, Clone)]
pub struct SensorClock {
    within_hour: bool,
    state: Option<State>,
}

#[derive(Debug, Clone, Copy)]
struct State {
    shows: Shows,
    /// Unix minus sensor time, nanoseconds.
    offset_ns: i64,
    last_ns: i64,
}

impl SensorClock {
    /// `within_hour`: the clock begins again every hour.
    pub fn new(within_hour: bool) -> Self {
        Self { within_hour, state: None }
    }

    /// What the clock shows; `None` before the first stamp.
    pub fn shows(&self) -> Option<Shows> {
        self.state.map(|s| s.shows)
    }

    /// The Unix time of `sensor_ns`, which arrived at `arrived`.
    pub fn stamp(&mut self, sensor_ns: i64, arrived: Timestamp) -> Timestamp {
        let delay_ns = arrived.as_nanos().saturating_sub(sensor_ns);
        let state = match self.state {
            None => self.first(sensor_ns, delay_ns),
            Some(State { shows: shows @ Shows::Other { .. }, offset_ns, last_ns }) => {
                let gone_ns = sensor_ns.saturating_sub(last_ns).max(0);
                let offset_ns = offset_ns.saturating_add((gone_ns as f64 * DRIFT) as i64).min(delay_ns);
                State { shows, offset_ns, last_ns: sensor_ns }
            }
            Some(state) => State { last_ns: sensor_ns, ..state },
        };
        self.state = Some(state);
        Timestamp::from_nanos(sensor_ns.saturating_add(state.offset_ns))
    }

    fn first(&self, sensor_ns: i64, delay_ns: i64) -> State {
        let seconds = |ns: i64| ns as f64 * 1e-9;
        let in_hour_ns = delay_ns.saturating_add(HOUR_NS / 2).rem_euclid(HOUR_NS) - HOUR_NS / 2;
        let (shows, offset_ns) = if self.within_hour && seconds(in_hour_ns).abs() < AGREES_S {
            (Shows::WithinHour, delay_ns.saturating_sub(in_hour_ns))
        } else if seconds(delay_ns).abs() < AGREES_S {
            (Shows::Unix, 0)
        } else {
            let ahead_ns = if self.within_hour { in_hour_ns } else { delay_ns };
            (Shows::Other { ahead_s: -seconds(ahead_ns) }, delay_ns)
        };
        State { shows, offset_ns, last_ns: sensor_ns }
    }

    /// What is to be said of the clock.
    pub fn remark(&self) -> Option<String> {
        let state = self.state?;
        let Shows::Other { ahead_s } = state.shows else { return None };
        let guess = suspicion(ahead_s, state.last_ns as f64 * 1e-9, self.within_hour);
        Some(format!(
            "its clock is {:.3} s {} the time of arrival{guess}; stamps are times of arrival, smoothed by its clock",
            ahead_s.abs(),
            if ahead_s < 0.0 { "behind" } else { "ahead of" }
        ))
    }
}

/// What a clock so far ahead probably counts.
fn suspicion(ahead_s: f64, shows_s: f64, within_hour: bool) -> &'static str {
    let near = |s: f64| (ahead_s - s).abs() < AGREES_S;
    if near(TAI_S) {
        ": it probably shows TAI, which is 37 s ahead of UTC: set its PTP profile to UTC"
    } else if near(GPS_S) {
        ": it probably shows GPS time, which is 18 s ahead of UTC: set its leap seconds"
    } else if within_hour {
        ": it is not synchronised (no GPS or PTP)"
    } else if shows_s < UNIX_S_MIN {
        ": it counts from the sensor's start: not synchronised (no PTP)"
    } else if (ahead_s - ahead_s.round()).abs() < 0.02 {
        ": whole seconds, as of leap seconds or a clock set by hand"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000_000_000_000;
    const MS: i64 = 1_000_000;

    fn at(ns: i64) -> Timestamp {
        Timestamp::from_nanos(ns)
    }

    #[test]
    fn a_clock_in_unix_time_is_believed() {
        let mut clock = SensorClock::new(false);
        assert_eq!(clock.stamp(NOW, at(NOW + 3 * MS)), at(NOW));
        assert_eq!(clock.stamp(NOW + 100 * MS, at(NOW + 190 * MS)), at(NOW + 100 * MS));
        assert_eq!((clock.shows(), clock.remark()), (Some(Shows::Unix), None));
    }

    #[test]
    fn an_hour_clock_that_agrees_gives_the_hour_by_arrival() {
        let mut clock = SensorClock::new(true);
        let in_hour = NOW.rem_euclid(HOUR_NS);
        assert_eq!(clock.stamp(in_hour, at(NOW + 2 * MS)), at(NOW));
        assert_eq!(clock.shows(), Some(Shows::WithinHour));
    }

    #[test]
    fn a_free_clock_is_laid_on_the_least_delay() {
        let mut clock = SensorClock::new(false);
        // Counts from its start; frames arrive 5 ms late, 2 ms late, 40 ms late.
        let stamps: Vec<_> = [(0, 5), (100, 102), (200, 240)]
            .map(|(sensor, host)| clock.stamp(sensor * MS, at(NOW + host * MS)).as_nanos() - NOW)
            .to_vec();
        assert_eq!(stamps[0], 5 * MS);
        assert_eq!(stamps[1], 102 * MS);
        // Not 240: the packet was late, not the sensor. The drift allowed for is 10 us a frame.
        assert_eq!(stamps[2], 202 * MS + 10_000);
        assert!(clock.remark().unwrap().contains("start"), "{:?}", clock.remark());
    }

    #[test]
    fn whole_seconds_with_a_name_are_suspected_aloud() {
        for (ahead_s, needle) in [(37, "TAI"), (18, "GPS time"), (-5, "whole seconds")] {
            let mut clock = SensorClock::new(false);
            clock.stamp(NOW + ahead_s * 1_000 * MS - 2 * MS, at(NOW));
            let remark = clock.remark().unwrap();
            assert!(remark.contains(needle), "{ahead_s}: {remark}");
        }
    }
}
