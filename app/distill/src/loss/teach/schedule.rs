//! Weights of a teacher's losses over a training.

use serde::{Deserialize, Serialize};

/// How a weight rises and falls.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Schedule {
    /// Share of all steps over which it rises from 0, straight.
    pub ramp: f64,
    /// Share of all steps, at the end, over which it falls to 0, straight.
    pub decay: f64,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { ramp: 0.1, decay: 0.0 }
    }
}

impl Schedule {
    /// The factor at a step of `steps`, 0 to 1.
    pub fn factor(&self, step: usize, steps: usize) -> f64 {
        let at = step as f64 / steps.max(1) as f64;
        let rise = if self.ramp > 0.0 { (at / self.ramp).min(1.0) } else { 1.0 };
        let fall = if self.decay > 0.0 { ((1.0 - at) / self.decay).clamp(0.0, 1.0) } else { 1.0 };
        rise * fall
    }
}

/// A weight that fades as training goes on, `start * exp(-epoch / fade)` (the decay that Ada-KD's parameters suggest; its
/// formula is not published).
pub fn fading(start: f64, epoch: f64, fade: f64) -> f64 {
    start * (-epoch / fade).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_rise_stay_and_fall() {
        let s = Schedule { ramp: 0.1, decay: 0.2 };
        for (step, want) in [(0, 0.0), (5, 0.5), (10, 1.0), (50, 1.0), (80, 1.0), (90, 0.5), (100, 0.0)] {
            assert!((s.factor(step, 100) - want).abs() < 1e-12, "step {step}");
        }
        assert_eq!(Schedule { ramp: 0.0, decay: 0.0 }.factor(0, 10), 1.0);
        assert!((fading(4.0, 15.0, 15.0) - 4.0 / std::f64::consts::E).abs() < 1e-12);
    }
}
