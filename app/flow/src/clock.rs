//! Host time, and the pace of a replay.
//!
//! Host time is monotonic nanoseconds since the process first asked; it is never compared with sensor time. A [`Pacer`]
//! turns sensor time (ns, any epoch) into moments of host time.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::stop::Stop;

/// A longer gap between two frames of a recording, or a jump back by more than this, is not waited for: it is a pause or a broken stamp.
pub const GAP_MAX: Duration = Duration::from_secs(10);

static ORIGIN: OnceLock<Instant> = OnceLock::new();

/// Host time now, in ns since the first call; never 0.
pub fn now_ns() -> u64 {
    let origin = ORIGIN.get_or_init(Instant::now);
    u64::try_from(origin.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1)
}

/// How fast a recording is given out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Speed {
    /// As fast as the pipeline takes it.
    Max,
    /// This many seconds of sensor time per second of host time; 1.0 as it was recorded. Not above zero means `Max`.
    Times(f64),
}

/// What a wait of a [`Pacer`] came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// The frame is due, by this much overdue.
    Due {
        /// How much later than its moment.
        late: Duration,
    },
    /// A stop was asked for.
    Stopped,
}

/// Gives out frames at the pace of their sensor time.
#[derive(Debug)]
pub struct Pacer {
    speed: Speed,
    anchor: Option<Anchor>,
}

#[derive(Debug, Clone, Copy)]
struct Anchor {
    sensor_ns: i64,
    at: Instant,
    newest_ns: i64,
}

impl Pacer {
    /// The first frame will be due at once.
    pub fn new(speed: Speed) -> Self {
        Self { speed, anchor: None }
    }

    /// Waits until the frame of sensor time `sensor_ns` is due, or a stop is asked for.
    pub fn wait(&mut self, sensor_ns: i64, stop: &Stop) -> Pace {
        let now = Instant::now();
        let due = self.due_at(sensor_ns, now);
        if due <= now {
            return if stop.is_stopping() { Pace::Stopped } else { Pace::Due { late: now.duration_since(due) } };
        }
        if stop.sleep(due.duration_since(now)) { Pace::Due { late: due.elapsed() } } else { Pace::Stopped }
    }

    /// When the frame of sensor time `sensor_ns` is due, seen from `now`.
    pub fn due_at(&mut self, sensor_ns: i64, now: Instant) -> Instant {
        let Speed::Times(factor) = self.speed else { return now };
        if factor.is_nan() || factor <= 0.0 {
            return now;
        }
        let gap_max_ns = GAP_MAX.as_nanos() as i64;
        let follows =
            |anchor: &Anchor| (-gap_max_ns..=gap_max_ns).contains(&sensor_ns.saturating_sub(anchor.newest_ns));
        let Some(anchor) = self.anchor.as_mut().filter(|anchor| follows(anchor)) else {
            self.anchor = Some(Anchor { sensor_ns, at: now, newest_ns: sensor_ns });
            return now;
        };
        anchor.newest_ns = anchor.newest_ns.max(sensor_ns);
        let ahead_s = sensor_ns.saturating_sub(anchor.sensor_ns).max(0) as f64 * 1e-9 / factor;
        let ahead = Duration::try_from_secs_f64(ahead_s).unwrap_or(Duration::MAX);
        anchor.at.checked_add(ahead).unwrap_or(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    fn due_ms(pacer: &mut Pacer, sensor_ms: i64, start: Instant, now_ms: u64) -> i64 {
        let due = pacer.due_at(sensor_ms * MS, start + Duration::from_millis(now_ms));
        due.duration_since(start).as_millis() as i64
    }

    #[test]
    fn frames_are_due_at_their_sensor_time_without_drift() {
        let (mut pacer, start) = (Pacer::new(Speed::Times(1.0)), Instant::now());
        assert_eq!(due_ms(&mut pacer, 5000, start, 0), 0);
        assert_eq!(due_ms(&mut pacer, 5100, start, 40), 100);
        assert_eq!(due_ms(&mut pacer, 5200, start, 350), 200, "late once, and still on the recording's time");
        assert_eq!(due_ms(&mut pacer, 5300, start, 351), 300);
        let mut twice = Pacer::new(Speed::Times(2.0));
        assert_eq!(due_ms(&mut twice, 0, start, 0), 0);
        assert_eq!(due_ms(&mut twice, 100, start, 0), 50);
    }

    #[test]
    fn broken_stamps_and_pauses_are_not_waited_for() {
        let (mut pacer, start) = (Pacer::new(Speed::Times(1.0)), Instant::now());
        assert_eq!(due_ms(&mut pacer, 1000, start, 0), 0);
        assert_eq!(due_ms(&mut pacer, 900, start, 7), 0, "a little back: due already");
        assert_eq!(due_ms(&mut pacer, 1200, start, 8), 200);
        assert_eq!(due_ms(&mut pacer, 3_600_000, start, 300), 300, "an hour's pause is skipped");
        assert_eq!(due_ms(&mut pacer, 3_600_100, start, 300), 400);
        assert_eq!(due_ms(&mut pacer, 0, start, 500), 500, "the clock was set back");
        let _no_overflow = pacer.due_at(i64::MIN, start);
        let _no_overflow = pacer.due_at(i64::MAX, start);
    }

    #[test]
    fn at_full_speed_and_at_senseless_speeds_all_is_due_at_once() {
        let start = Instant::now();
        for speed in [Speed::Max, Speed::Times(0.0), Speed::Times(f64::NAN), Speed::Times(-1.0)] {
            let mut pacer = Pacer::new(speed);
            assert_eq!(due_ms(&mut pacer, 0, start, 3), 3);
            assert_eq!(due_ms(&mut pacer, 1000, start, 4), 4);
        }
    }

    #[test]
    fn a_stop_ends_a_wait() {
        let (mut pacer, stop) = (Pacer::new(Speed::Times(1.0)), Stop::new());
        assert!(matches!(pacer.wait(0, &stop), Pace::Due { .. }));
        assert!(matches!(pacer.wait(2 * MS, &stop), Pace::Due { .. }));
        stop.request(crate::stop::StopReason::Interrupt);
        assert_eq!(pacer.wait(5000 * MS, &stop), Pace::Stopped);
        assert_eq!(pacer.wait(0, &stop), Pace::Stopped);
    }

    #[test]
    fn host_time_never_goes_back_and_is_never_zero() {
        let first = now_ns();
        assert!(first > 0 && now_ns() >= first);
    }
}
