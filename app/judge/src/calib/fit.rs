//! Maps from a raw score to an honest one: temperature, Platt, isotonic; stored with the model and applied at run time.

use serde::{Deserialize, Serialize};

use super::isotonic;
use super::{CalibError, reliability};

/// A monotone map of scores. Serialised as `{"kind": "temperature", "temperature": 1.7}` and the like.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Calibrator {
    /// Leaves scores as they are.
    #[default]
    Identity,
    /// sigmoid(logit(score) / temperature).
    Temperature {
        /// Above 1 for a detector that is too sure.
        temperature: f64,
    },
    /// sigmoid(slope * logit(score) + offset).
    Platt {
        /// Slope, not negative.
        slope: f64,
        /// Offset.
        offset: f64,
    },
    /// Straight lines between knots (score, calibrated), both ascending; constant beyond the ends.
    Isotonic {
        /// At most 64 knots.
        knots: Vec<(f64, f64)>,
    },
}

/// Which map to fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// One number.
    Temperature,
    /// Two numbers.
    Platt,
    /// A step function, smoothed to at most 64 knots.
    Isotonic,
}

/// Scores are kept this far from 0 and 1 before the logarithm.
const LOGIT_FLOOR: f64 = 1e-6;

/// Fewer right or wrong samples than this fit noise.
const LEAST: usize = 10;

impl Calibrator {
    /// The calibrated score; a score that is not a number stays one.
    pub fn apply(&self, score: f64) -> f64 {
        match self {
            Self::Identity => score,
            Self::Temperature { temperature } => sigmoid(logit(score) / temperature),
            Self::Platt { slope, offset } => sigmoid(slope * logit(score) + offset),
            Self::Isotonic { knots } => isotonic::interpolate(knots, score),
        }
    }

    /// The map as a table of at most 64 (raw, calibrated) knots with straight lines between: that of an isotonic one,
    /// with (0, 0) before it, so that scores below all it was fitted on keep their order; for the others within 0.002,
    /// their knots spread evenly in logits and so crowded where the map bends.
    pub fn knots(&self) -> Vec<(f64, f64)> {
        if let Self::Isotonic { knots } = self {
            let below = knots.first().is_some_and(|k| k.0 > 0.0) && knots.len() < isotonic::MAX_KNOTS;
            return below.then_some((0.0, 0.0)).into_iter().chain(knots.iter().copied()).collect();
        }
        // Scores of 1 in 400 and below hardly matter.
        let (end, last) = (6.0, isotonic::MAX_KNOTS - 3);
        let inner = (0..=last).map(|i| sigmoid(-end + 2.0 * end * i as f64 / last as f64));
        let raw = std::iter::once(0.0).chain(inner).chain([1.0]);
        raw.map(|raw| (raw, self.apply(raw))).collect()
    }
}

/// Fits a map to `confidences` and `targets` (0 wrong, 1 right, or an IoU for localisation-aware scores).
pub fn fit(method: Method, confidences: &[f64], targets: &[f64]) -> Result<Calibrator, CalibError> {
    reliability::check(confidences, targets)?;
    let right = targets.iter().filter(|t| **t >= 0.5).count();
    let wrong = targets.len() - right;
    if right.min(wrong) < LEAST {
        return Err(CalibError::TooFew { right, wrong, least: LEAST });
    }
    Ok(match method {
        Method::Temperature => Calibrator::Temperature { temperature: temperature(confidences, targets) },
        Method::Platt => {
            let (slope, offset) = platt(confidences, targets);
            Calibrator::Platt { slope, offset }
        }
        Method::Isotonic => Calibrator::Isotonic { knots: isotonic::fit(confidences, targets) },
    })
}

/// The temperature of least cross entropy, between 0.05 and 20, by golden-section search in its logarithm.
fn temperature(confidences: &[f64], targets: &[f64]) -> f64 {
    let logits: Vec<f64> = confidences.iter().map(|&c| logit(c)).collect();
    let loss = |log_t: f64| cross_entropy(&logits, targets, (-log_t).exp(), 0.0);
    let golden = (5.0_f64.sqrt() - 1.0) / 2.0;
    let (mut low, mut high) = (0.05_f64.ln(), 20.0_f64.ln());
    // 60 steps shrink the bracket of 6 to 1e-12.
    for _ in 0..60 {
        let (a, b) = (high - golden * (high - low), low + golden * (high - low));
        if loss(a) < loss(b) { high = b } else { low = a }
    }
    ((low + high) / 2.0).exp()
}

/// Slope and offset of least cross entropy by damped Newton steps (the loss is convex); the slope is kept positive.
fn platt(confidences: &[f64], targets: &[f64]) -> (f64, f64) {
    let logits: Vec<f64> = confidences.iter().map(|&c| logit(c)).collect();
    let (mut slope, mut offset) = (1.0, 0.0);
    for _ in 0..100 {
        let (mut gs, mut go, mut hss, mut hso, mut hoo) = (0.0, 0.0, 1e-9, 0.0, 1e-9);
        for (x, t) in logits.iter().zip(targets) {
            let p = sigmoid(slope * x + offset);
            let (error, weight) = (p - t, p * (1.0 - p));
            (gs, go) = (gs + error * x, go + error);
            (hss, hso, hoo) = (hss + weight * x * x, hso + weight * x, hoo + weight);
        }
        let det = hss * hoo - hso * hso;
        if det <= 0.0 {
            break;
        }
        let (ds, d_o) = ((hoo * gs - hso * go) / det, (hss * go - hso * gs) / det);
        let before = cross_entropy(&logits, targets, slope, offset);
        let mut step = 1.0;
        while step > 1e-6 && cross_entropy(&logits, targets, slope - step * ds, offset - step * d_o) > before {
            step /= 2.0;
        }
        (slope, offset) = (slope - step * ds, offset - step * d_o);
        if ds.abs() + d_o.abs() < 1e-10 {
            break;
        }
    }
    // A falling map would turn the ranking round: then the scores carry nothing, and a flat map says so.
    (slope.max(0.0), offset)
}

fn cross_entropy(logits: &[f64], targets: &[f64], slope: f64, offset: f64) -> f64 {
    let one = |(x, t): (&f64, &f64)| {
        let z = slope * x + offset;
        // ln(1 + e^z) - t z, written so that it cannot overflow.
        z.max(0.0) - t * z + (-z.abs()).exp().ln_1p()
    };
    logits.iter().zip(targets).map(one).sum()
}

fn logit(p: f64) -> f64 {
    let p = p.clamp(LOGIT_FLOOR, 1.0 - LOGIT_FLOOR);
    (p / (1.0 - p)).ln()
}

fn sigmoid(z: f64) -> f64 {
    if z >= 0.0 { 1.0 / (1.0 + (-z).exp()) } else { z.exp() / (1.0 + z.exp()) }
}

#[cfg(test)]
mod tests {
    use super::super::reliability::reliability;
    use super::*;
    use crate::stats::Rng;

    /// Honest scores `p`, their outcomes, and the scores a detector with the given logit distortion reports.
    fn distorted(n: usize, seed: u64, slope: f64, offset: f64) -> (Vec<f64>, Vec<f64>) {
        let mut rng = Rng::new(seed);
        let mut samples = (Vec::new(), Vec::new());
        for _ in 0..n {
            let p = rng.unit();
            samples.1.push(f64::from(u8::from(rng.unit() < p)));
            samples.0.push(sigmoid(slope * logit(p) + offset));
        }
        samples
    }

    fn ece(map: &Calibrator, (c, t): &(Vec<f64>, Vec<f64>)) -> f64 {
        let c: Vec<f64> = c.iter().map(|&c| map.apply(c)).collect();
        reliability(&c, t, 15).unwrap().ece.unwrap()
    }

    #[test]
    fn each_map_recovers_an_injected_error() {
        let (train, test) = (distorted(40_000, 1, 1.7, 0.0), distorted(40_000, 2, 1.7, 0.0));
        assert!(ece(&Calibrator::Identity, &test) > 0.05);
        for method in [Method::Temperature, Method::Platt, Method::Isotonic] {
            let map = fit(method, &train.0, &train.1).unwrap();
            assert!(ece(&map, &test) < 0.01, "{map:?}");
        }
        let Calibrator::Temperature { temperature } = fit(Method::Temperature, &train.0, &train.1).unwrap() else {
            panic!("not a temperature")
        };
        assert!((temperature - 1.7).abs() < 0.03, "{temperature}");
        let shifted = distorted(40_000, 3, 1.3, 0.8);
        for method in [Method::Platt, Method::Isotonic] {
            assert!(ece(&fit(method, &shifted.0, &shifted.1).unwrap(), &distorted(40_000, 4, 1.3, 0.8)) < 0.01);
        }
    }

    #[test]
    fn a_known_error_is_measured_to_a_hundredth() {
        let mut rng = Rng::new(9);
        let (mut c, mut t) = (Vec::new(), Vec::new());
        for _ in 0..40_000 {
            let p = 0.05 + 0.8 * rng.unit();
            c.push(p + 0.12);
            t.push(f64::from(u8::from(rng.unit() < p)));
        }
        assert!((reliability(&c, &t, 15).unwrap().ece.unwrap() - 0.12).abs() < 0.01);
    }

    #[test]
    fn maps_are_monotone_and_survive_json() {
        let samples = distorted(3000, 5, 0.6, 0.3);
        for method in [Method::Temperature, Method::Platt, Method::Isotonic] {
            let map = fit(method, &samples.0, &samples.1).unwrap();
            let values: Vec<f64> = (0..=200).map(|i| map.apply(f64::from(i) / 200.0)).collect();
            assert!(values.windows(2).all(|w| w[0] <= w[1]), "{map:?}");
            assert!(values.iter().all(|v| (0.0..=1.0).contains(v)));
            assert!(map.apply(f64::NAN).is_nan());
            let back: Calibrator = serde_json::from_str(&serde_json::to_string(&map).unwrap()).unwrap();
            assert_eq!(back, map);
        }
    }

    #[test]
    fn a_table_of_knots_is_the_map() {
        let samples = distorted(3000, 5, 1.6, 0.3);
        for method in [Method::Temperature, Method::Platt, Method::Isotonic] {
            let map = fit(method, &samples.0, &samples.1).unwrap();
            let knots = map.knots();
            assert!(
                knots.len() <= isotonic::MAX_KNOTS && knots.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 <= w[1].1)
            );
            // Beyond the knots next to 0 and 1 the table is a straight line, as its maker says.
            let (first, last) = (knots[1].0, knots[knots.len() - 2].0);
            for raw in (0..=1000).map(|i| f64::from(i) / 1000.0).filter(|raw| (first..=last).contains(raw)) {
                let gap = (isotonic::interpolate(&knots, raw) - map.apply(raw)).abs();
                assert!(gap < 0.002, "{map:?} at {raw}: {gap}");
            }
        }
    }

    #[test]
    fn too_little_is_refused() {
        let error = fit(Method::Isotonic, &[0.5; 12], &[1.0; 12]).unwrap_err();
        assert_eq!(error, CalibError::TooFew { right: 12, wrong: 0, least: 10 });
    }
}
