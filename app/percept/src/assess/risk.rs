//! Risk as an explicit state machine per track: clear, watch, warn, critical. Advice, never a command.
//!
//! A level is entered when the probability of its condition reaches `enter` and, for warn and critical, has been there for
//! `confirm_s`; it is left when the probability has been below `leave` for `hold_s`, so that a warning neither blinks nor
//! lingers. Times are sensor time.

use crate::report::Risk;
use crate::time::Timestamp;

/// What counts as which risk.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RiskConfig {
    /// Contact within this is worth watching, seconds.
    pub watch_s: f64,
    /// Contact within this is warned of, seconds: forward collision warnings come at 2 to 2.7 s.
    pub warn_s: f64,
    /// Contact within this is critical, seconds.
    pub critical_s: f64,
    /// The probability at which a level is entered.
    pub enter: f64,
    /// The probability below which it is left.
    pub leave: f64,
    /// How long a warning's condition must hold before it is entered, seconds: no single frame warns.
    pub confirm_s: f64,
    /// How long a level is kept after its condition has ended, seconds.
    pub hold_s: f64,
    /// Deceleration the vehicle can be counted on for, m/s^2: 6 on a dry road; less on a wet one.
    pub deceleration_mps2: f64,
    /// From light on the sensor to a warning's end, seconds: latency of sensor, this program and what shows it. Configured and
    /// not measured, so that a replay says the same; `latency.json` has what was measured.
    pub latency_s: f64,
    /// Until somebody who is warned acts, seconds; a warning leaves that much time beside the stopping distance.
    pub reaction_s: f64,
}

impl Default for RiskConfig {
    fn default() -> Self {
        Self {
            watch_s: 4.0,
            warn_s: 2.4,
            critical_s: 1.0,
            enter: 0.7,
            leave: 0.4,
            confirm_s: 0.1,
            hold_s: 0.6,
            deceleration_mps2: 6.0,
            latency_s: 0.2,
            reaction_s: 1.0,
        }
    }
}

/// Probabilities that the conditions of the levels hold, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Evidence {
    /// Of watch.
    pub watch: f64,
    /// Of warn.
    pub warn: f64,
    /// Of critical.
    pub critical: f64,
}

impl Evidence {
    /// The highest level whose probability is at least `bound`.
    fn level(&self, bound: f64) -> Risk {
        match self {
            e if e.critical >= bound => Risk::Critical,
            e if e.warn >= bound => Risk::Warn,
            e if e.watch >= bound => Risk::Watch,
            _ => Risk::Clear,
        }
    }
}

/// One track's risk over time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RiskState {
    level: Risk,
    /// When the evidence last supported the present level.
    supported: Timestamp,
    /// The level to which the evidence has been rising, and since when.
    rising: Option<(Risk, Timestamp)>,
    /// When the present level was entered.
    since: Timestamp,
}

impl RiskState {
    /// Nothing known of yet.
    pub fn new(now: Timestamp) -> Self {
        Self { level: Risk::Clear, supported: now, rising: None, since: now }
    }

    /// The present level.
    pub fn level(&self) -> Risk {
        self.level
    }

    /// When the present level was entered.
    pub fn since(&self) -> Timestamp {
        self.since
    }

    /// Takes in what is known at `now`; answers the level. `risen` in the answer says that it has gone up just now.
    pub fn step(&mut self, now: Timestamp, evidence: &Evidence, config: &RiskConfig) -> Risen {
        let entered = evidence.level(config.enter);
        let kept = evidence.level(config.leave).max(entered);
        if kept >= self.level {
            self.supported = now;
        }
        self.rising = match (entered > self.level, self.rising) {
            (false, _) => None,
            (true, Some((level, since))) => Some((level.min(entered), since)),
            (true, None) => Some((entered, now)),
        };
        let waited = |since: Timestamp| now.seconds_since(since) >= config.confirm_s;
        let before = self.level;
        match self.rising {
            Some((level, since)) if level >= Risk::Warn && waited(since) => self.enter(entered.min(level), now),
            // Watch is no warning: it needs no confirmation. What rises on goes on rising.
            Some((level, since)) if self.level < Risk::Watch => {
                self.enter(Risk::Watch, now);
                self.rising = (level > Risk::Watch).then_some((level, since));
            }
            Some(_) => {}
            None if kept < self.level && now.seconds_since(self.supported) >= config.hold_s => self.enter(kept, now),
            None => {}
        }
        if self.level > before { Risen::Up } else { Risen::No }
    }

    fn enter(&mut self, level: Risk, now: Timestamp) {
        *self = Self { level, supported: now, rising: None, since: now };
    }
}

/// Whether a step raised the level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Risen {
    /// The level is higher than before.
    Up,
    /// It is not.
    No,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: f64) -> Timestamp {
        Timestamp::default().plus_seconds(s)
    }

    fn warn(p: f64) -> Evidence {
        Evidence { watch: p, warn: p, critical: 0.0 }
    }

    /// Steps at 10 Hz from `state`'s beginning; the level after each.
    fn levels(evidence: &[Evidence]) -> Vec<Risk> {
        let mut state = RiskState::new(at(0.0));
        let config = RiskConfig::default();
        let steps = evidence.iter().enumerate();
        steps
            .map(|(k, e)| {
                state.step(at(0.1 * k as f64), e, &config);
                state.level()
            })
            .collect()
    }

    #[test]
    fn one_frame_watches_two_warn_and_what_is_both_goes_to_the_top() {
        use Risk::{Clear, Critical, Warn, Watch};
        assert_eq!(levels(&[warn(0.9), warn(0.9), warn(0.9)]), [Watch, Warn, Warn]);
        assert_eq!(levels(&[warn(0.9), warn(0.1), warn(0.1)]), [Watch, Watch, Watch]);
        let top = Evidence { watch: 1.0, warn: 1.0, critical: 1.0 };
        assert_eq!(levels(&[warn(0.1), top, top]), [Clear, Watch, Critical]);
        assert_eq!(levels(&[warn(0.9), top, top, top]), [Watch, Warn, Watch.max(Warn), Critical]);
    }

    #[test]
    fn a_level_is_kept_between_its_two_bounds_and_held_for_its_time() {
        let mut steps = vec![warn(0.9); 3];
        steps.extend([warn(0.5); 20]);
        assert_eq!(levels(&steps).last(), Some(&Risk::Warn), "0.5 lies between leave and enter");
        steps.extend([warn(0.1); 5]);
        assert_eq!(levels(&steps).last(), Some(&Risk::Warn), "held");
        steps.extend([warn(0.1); 3]);
        assert_eq!(levels(&steps).last(), Some(&Risk::Clear));
    }

    #[test]
    fn evidence_that_flickers_below_the_upper_bound_never_warns() {
        let steps: Vec<Evidence> = (0..40).map(|k| warn(if k % 2 == 0 { 0.9 } else { 0.6 })).collect();
        assert!(levels(&steps).iter().all(|l| *l < Risk::Warn));
    }
}
