//! Which of a camera's frames are taken where its rate is held down, by their stamps alone.

use ocellus_percept::time::Timestamp;

/// A frame due this share of an interval later is taken: stamps jitter.
const EARLY: f64 = 0.1;

/// One camera's.
#[derive(Debug, Clone, Default)]
pub struct Pace {
    due: Option<Timestamp>,
}

impl Pace {
    /// Whether the frame of `t` is taken at so many a second.
    pub fn takes(&mut self, t: Timestamp, hz: Option<f64>) -> bool {
        let Some(hz) = hz else {
            self.due = None;
            return true;
        };
        let interval_s = 1.0 / hz;
        let late_s = self.due.map_or(0.0, |due| t.seconds_since(due));
        if late_s < -EARLY * interval_s {
            return false;
        }
        // In step with the rate, so that 20 of 30 a second are 20; anew after a gap.
        let base = if late_s > interval_s { t } else { self.due.unwrap_or(t) };
        self.due = Some(base.plus_seconds(interval_s));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stamps of a second at `hz`, each off by up to `jitter_s`, of which so many are taken at `at_most`.
    fn taken(hz: f64, jitter_s: f64, at_most: f64) -> usize {
        let mut pace = Pace::default();
        let stamp = |k: usize| (k as f64 / hz) + if k.is_multiple_of(2) { jitter_s } else { -jitter_s };
        let t = |k| Timestamp::from_nanos(1_000_000_000).plus_seconds(stamp(k));
        (0..(10.0 * hz) as usize).filter(|&k| pace.takes(t(k), Some(at_most))).count()
    }

    #[test]
    fn as_many_are_taken_as_asked_for_and_never_more_than_there_are() {
        for (hz, jitter_s, at_most, expected) in [
            (30.0, 0.0, 10.0, 100),
            (30.0, 0.004, 10.0, 100),
            (30.0, 0.0, 20.0, 200),
            (10.0, 0.004, 10.0, 100),
            (10.0, 0.0, 30.0, 100),
        ] {
            let got = taken(hz, jitter_s, at_most);
            assert!(got.abs_diff(expected) <= 2, "{hz} Hz at {at_most}: {got}, expected {expected}");
        }
    }

    #[test]
    fn after_a_gap_there_is_no_burst() {
        let mut pace = Pace::default();
        let t = |s: f64| Timestamp::from_nanos(0).plus_seconds(s);
        assert!(pace.takes(t(0.0), Some(2.0)) && pace.takes(t(9.0), Some(2.0)));
        assert!(!pace.takes(t(9.1), Some(2.0)) && !pace.takes(t(9.4), Some(2.0)) && pace.takes(t(9.5), Some(2.0)));
        assert!(pace.takes(t(9.6), None), "nothing is held down any more");
    }
}
