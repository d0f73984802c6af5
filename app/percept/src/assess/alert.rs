//! Probabilities of a network on clips to alerts: smoothed, with hysteresis, held, and with a pause after each.
//!
//! The raw probability makes it worth watching, the smoothed one makes an alert; [`RiskState`] is the state machine. An alert
//! says nothing of what is seen, only that the pictures look as they do before collisions. Times are sensor time.

use super::risk::{Evidence, RiskConfig, RiskState};
use crate::report::Risk;
use crate::time::Timestamp;

/// After so long without an answer smoothing begins anew, seconds.
const FORGET_S: f64 = 1.0;

/// When a probability is an alert.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AlertConfig {
    /// The probability at which a level is entered.
    pub enter: f64,
    /// The probability below which it is left.
    pub leave: f64,
    /// Time constant of the smoothing, seconds.
    pub smooth_s: f64,
    /// How long the smoothed probability must stay at `enter`, seconds.
    pub confirm_s: f64,
    /// How long a level is kept after its probability has fallen, seconds.
    pub hold_s: f64,
    /// After an alert has ended no other is raised for so long, seconds: what goes on is told once.
    pub cooldown_s: f64,
}

impl Default for AlertConfig {
    fn default() -> Self {
        Self { enter: 0.7, leave: 0.4, smooth_s: 0.5, confirm_s: 0.1, hold_s: 0.6, cooldown_s: 3.0 }
    }
}

/// What is said after one answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Anticipated {
    /// The end of the clip.
    pub t: Timestamp,
    /// The network's answer.
    pub probability: f64,
    /// The answers of late, weighed.
    pub smoothed: f64,
    /// Clear, watch or warn; a network alone is never critical.
    pub risk: Risk,
    /// Whether an alert is raised now.
    pub alert: bool,
    /// Whether an alert is held back so shortly after the last.
    pub cooling: bool,
}

/// One camera's alerts over time.
#[derive(Debug, Clone)]
pub struct Alerts {
    config: AlertConfig,
    state: Option<RiskState>,
    last: Option<Anticipated>,
    /// When the last alert ended.
    ended: Option<Timestamp>,
}

impl Alerts {
    /// Nothing answered yet.
    pub fn new(config: AlertConfig) -> Self {
        Self { config, state: None, last: None, ended: None }
    }

    /// Its settings.
    pub fn config(&self) -> &AlertConfig {
        &self.config
    }

    /// Takes in the answer to the clip that ends at `t`. What is not a probability is taken as its nearest.
    pub fn step(&mut self, t: Timestamp, probability: f64) -> Anticipated {
        let c = self.config;
        let probability = if probability.is_nan() { 0.0 } else { probability.clamp(0.0, 1.0) };
        let recent = self.last.filter(|last| (0.0..=FORGET_S).contains(&t.seconds_since(last.t)));
        if recent.is_none() {
            (self.state, self.ended) = (None, None);
        }
        let smoothed = recent.map_or(probability, |last| {
            let keep = if c.smooth_s > 0.0 { (-t.seconds_since(last.t) / c.smooth_s).exp() } else { 0.0 };
            probability + keep * (last.smoothed - probability)
        });
        let cooling = self.ended.is_some_and(|ended| t.seconds_since(ended) < c.cooldown_s);
        let warn = if cooling { 0.0 } else { smoothed };
        let evidence = Evidence { watch: probability.max(smoothed), warn, critical: 0.0 };
        let levels = RiskConfig {
            enter: c.enter,
            leave: c.leave,
            confirm_s: c.confirm_s,
            hold_s: c.hold_s,
            ..RiskConfig::default()
        };
        let state = self.state.get_or_insert_with(|| RiskState::new(t));
        let before = state.level();
        state.step(t, &evidence, &levels);
        let risk = state.level();
        if before == Risk::Warn && risk < Risk::Warn {
            self.ended = Some(t);
        }
        let alert = before < Risk::Warn && risk == Risk::Warn;
        let said = Anticipated { t, probability, smoothed, risk, alert, cooling };
        self.last = Some(said);
        said
    }

    /// What was said last, where it is not older than `age_s_max` at `now`.
    pub fn now(&self, now: Timestamp, age_s_max: f64) -> Option<Anticipated> {
        self.last.filter(|last| (0.0..=age_s_max).contains(&now.seconds_since(last.t)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers at 8 Hz, as (how many, probability) in turn; what was said.
    fn said(alerts: &mut Alerts, answers: &[(usize, f64)]) -> Vec<Anticipated> {
        let begin = alerts.last.map_or(0.0, |last| last.t.seconds_since(Timestamp::default()) + 0.125);
        let all = answers.iter().flat_map(|&(count, p)| std::iter::repeat_n(p, count)).enumerate();
        all.map(|(k, p)| alerts.step(Timestamp::default().plus_seconds(begin + 0.125 * k as f64), p)).collect()
    }

    #[test]
    fn one_high_answer_is_watched_and_several_are_an_alert() {
        let mut alerts = Alerts::new(AlertConfig::default());
        let one = said(&mut alerts, &[(8, 0.05), (1, 0.95), (12, 0.05)]);
        assert!(one.iter().any(|a| a.risk == Risk::Watch) && one.iter().all(|a| !a.alert), "{one:?}");
        let several = said(&mut alerts, &[(12, 0.95)]);
        assert_eq!(several.iter().filter(|a| a.alert).count(), 1);
        let after_s = several.iter().position(|a| a.alert).unwrap() as f64 * 0.125;
        assert!((0.5..=1.0).contains(&after_s), "{after_s}");
        assert!(several.iter().all(|a| a.risk < Risk::Critical));
    }

    #[test]
    fn between_its_bounds_a_level_is_kept_and_after_an_alert_there_is_a_pause() {
        let mut alerts = Alerts::new(AlertConfig::default());
        said(&mut alerts, &[(16, 0.95)]);
        assert!(
            said(&mut alerts, &[(40, 0.5)]).iter().all(|a| a.risk == Risk::Warn),
            "0.5 lies between leave and enter"
        );
        // Over, then high again at once: watched, an alert only after the pause.
        let again = said(&mut alerts, &[(16, 0.0), (40, 0.95)]);
        let ended = again.iter().position(|a| a.risk < Risk::Warn).unwrap();
        let raised = again.iter().position(|a| a.alert).unwrap();
        let pause_s = (raised - ended) as f64 * 0.125;
        assert!((3.0..3.5).contains(&pause_s), "{pause_s}");
        assert!(again[ended + 16..raised].iter().any(|a| a.risk == Risk::Watch && a.cooling));
    }

    #[test]
    fn what_is_old_is_forgotten_and_what_is_no_probability_does_no_harm() {
        let mut alerts = Alerts::new(AlertConfig::default());
        let last = *said(&mut alerts, &[(16, 0.95)]).last().unwrap();
        assert_eq!(alerts.now(last.t.plus_seconds(0.4), 0.5), Some(last));
        assert_eq!(alerts.now(last.t.plus_seconds(0.6), 0.5), None);
        assert_eq!(alerts.now(last.t.plus_seconds(-0.1), 0.5), None);
        let later = alerts.step(last.t.plus_seconds(5.0), 0.1);
        assert_eq!((later.smoothed, later.risk), (0.1, Risk::Clear));
        assert_eq!(alerts.step(later.t.plus_seconds(0.1), f64::NAN).probability, 0.0);
        let backwards = alerts.step(Timestamp::default(), 0.3);
        assert_eq!(backwards.smoothed, 0.3);
    }

    #[test]
    fn without_smoothing_the_answer_itself_counts() {
        let mut alerts = Alerts::new(AlertConfig { smooth_s: 0.0, confirm_s: 0.0, ..AlertConfig::default() });
        assert!(said(&mut alerts, &[(1, 0.9)])[0].alert);
    }
}
