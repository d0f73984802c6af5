//! The clock of a live run, and stamps that cannot be believed.
//!
//! The wall clock is read once, at the start; from then on time is the host's monotonic clock counted from there, so that
//! a wall clock that is set meanwhile changes nothing. Sensor time (UTC, ns) and host time are turned into one another
//! here and nowhere else.

use std::time::{Duration, Instant, SystemTime};

use ocellus_percept::time::Timestamp;

/// A stamp further ahead of the host's clock than this is not of this moment: a clock not set, or set anew (TAI is 37 s off).
const AHEAD_MAX_S: f64 = 1.0;
/// Nor is one further back than this: a frame may be held up for seconds.
const BEHIND_MAX_S: f64 = 5.0;
/// Share of the newest frame in the typical age of a sensor's frames.
const AGE_SHARE: f64 = 0.1;

/// The clock of a run. Copies are the same clock.
#[derive(Debug, Clone, Copy)]
pub struct LiveClock {
    utc: Timestamp,
    origin: Instant,
}

impl LiveClock {
    /// Starts now.
    pub fn start() -> Self {
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let utc = Timestamp::from_nanos(i64::try_from(since_1970.as_nanos()).unwrap_or(i64::MAX));
        Self { utc, origin: Instant::now() }
    }

    /// The run's beginning in sensor time.
    pub fn began(&self) -> Timestamp {
        self.utc
    }

    /// Sensor time now.
    pub fn now(&self) -> Timestamp {
        self.at(Instant::now())
    }

    /// A moment of the host in sensor time.
    pub fn at(&self, moment: Instant) -> Timestamp {
        self.utc.plus_seconds(moment.saturating_duration_since(self.origin).as_secs_f64())
    }

    /// A sensor time as a moment of the host; the run's beginning for what is earlier.
    pub fn moment(&self, t: Timestamp) -> Instant {
        self.origin.checked_add(t.saturating_since(self.utc)).unwrap_or(self.origin)
    }

    /// Seconds of the run until `t`.
    pub fn seconds(&self, t: Timestamp) -> f64 {
        t.seconds_since(self.utc)
    }
}

/// What a [`StampGuard`] makes of a stamp.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Stamp {
    /// It is the sensor's own.
    Own(Timestamp),
    /// The sensor's could not be believed: when the frame came, less the sensor's usual delay.
    ByHost(Timestamp),
    /// It is of this moment and not after the last one: the frame was overtaken.
    Overtaken,
}

/// Watches over one sensor's stamps: they must rise, and be of this moment.
#[derive(Debug, Clone, Default)]
pub struct StampGuard {
    last: Option<Timestamp>,
    /// From stamp to arrival, typically.
    age_s: f64,
}

impl StampGuard {
    /// Judges the stamp `t` of a frame that came at `received` (the run's clock). Stamps that are answered rise from frame to frame.
    pub fn judge(&mut self, t: Timestamp, received: Timestamp) -> Stamp {
        let age_s = received.seconds_since(t);
        let rises = self.last.is_none_or(|last| t > last);
        if (-AHEAD_MAX_S..=BEHIND_MAX_S).contains(&age_s) {
            if !rises {
                return Stamp::Overtaken;
            }
            self.age_s += AGE_SHARE * (age_s.max(0.0) - self.age_s);
            self.last = Some(t);
            return Stamp::Own(t);
        }
        let by_host = received.plus_seconds(-self.age_s);
        let after_last = self.last.map_or(by_host, |last| by_host.max(Timestamp::from_nanos(last.as_nanos() + 1)));
        self.last = Some(after_last);
        Stamp::ByHost(after_last)
    }
}

/// How long until `moment`; zero where it has passed.
pub fn until(moment: Instant) -> Duration {
    moment.saturating_duration_since(Instant::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> Timestamp {
        Timestamp::from_nanos(1_700_000_000_000_000_000).plus_seconds(seconds)
    }

    #[test]
    fn stamps_of_this_moment_pass_and_others_are_replaced_by_the_hosts_less_the_usual_delay() {
        let mut guard = StampGuard::default();
        for k in 0..100 {
            let t = 0.1 * f64::from(k);
            assert_eq!(guard.judge(at(t), at(t + 0.04)), Stamp::Own(at(t)));
        }
        let Stamp::ByHost(t) = guard.judge(at(3600.0), at(10.04)) else { panic!("an hour ahead was believed") };
        assert!((t.seconds_since(at(10.0))).abs() < 0.002, "{}", t.seconds_since(at(10.0)));
        assert_eq!(guard.judge(at(10.1), at(10.14)), Stamp::Own(at(10.1)), "the clock came back");
    }

    #[test]
    fn what_is_answered_always_rises() {
        let mut guard = StampGuard::default();
        let mut last = at(-1.0);
        for (t, received) in [(0.0, 0.0), (0.0, 0.0), (-0.5, 0.0), (0.9, 0.1), (0.2, 0.2), (-40.0, 0.3), (0.31, 0.31)] {
            if let Stamp::Own(stamp) | Stamp::ByHost(stamp) = guard.judge(at(t), at(received)) {
                assert!(stamp > last, "{t} at {received}");
                last = stamp;
            }
        }
    }

    #[test]
    fn a_frame_that_was_overtaken_gets_no_stamp_of_another_moment() {
        let mut guard = StampGuard::default();
        assert_eq!(guard.judge(at(1.0), at(1.1)), Stamp::Own(at(1.0)));
        assert_eq!(guard.judge(at(0.5), at(1.2)), Stamp::Overtaken);
        assert_eq!(guard.judge(at(1.1), at(1.2)), Stamp::Own(at(1.1)));
    }

    #[test]
    fn moments_and_stamps_turn_into_one_another() {
        let clock = LiveClock::start();
        let t = clock.began().plus_seconds(12.5);
        assert!((clock.at(clock.moment(t)).seconds_since(t)).abs() < 1e-6);
        assert_eq!(clock.moment(clock.began().plus_seconds(-3.0)), clock.moment(clock.began()));
    }
}
