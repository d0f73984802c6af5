//! Distance, velocity and time to collision against truth: errors, and whether the stated uncertainty is honest.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::depth::median;
use crate::stats::{TOO_FEW, quantile_sorted};

/// An estimate beside its truth, in one unit (m, m/s or s).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// The estimate; `None` where none was given.
    pub estimate: Option<f64>,
    /// One sigma of the estimate, where it was given.
    pub sigma: Option<f64>,
    /// The truth.
    pub truth: f64,
}

/// Errors of a quantity; all `None` where there is no estimate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ValueErrors {
    /// Estimates judged.
    pub n: usize,
    /// Fewer than 30.
    pub too_few: bool,
    /// Truths without an estimate.
    pub missing: usize,
    /// Mean of estimate minus truth.
    pub bias: Option<f64>,
    /// Mean of |error|.
    pub mean_abs: Option<f64>,
    /// Median of |error|.
    pub median_abs: Option<f64>,
    /// 95 % of |errors| are below this.
    pub p95_abs: Option<f64>,
    /// Median of |error| / |truth| over truths that are not 0.
    pub median_abs_rel: Option<f64>,
    /// Share of errors within one sigma (0.683 is honest); `None` where no sigma was given.
    pub within_1_sigma: Option<f64>,
    /// Share within two sigma (0.954 is honest).
    pub within_2_sigma: Option<f64>,
    /// Why figures are undefined, by name.
    pub undefined: BTreeMap<&'static str, &'static str>,
}

/// Judges estimates of one quantity. Truths that are not finite are passed over; estimates that are not count as missing.
pub fn value_errors(values: &[Measured]) -> ValueErrors {
    let known: Vec<&Measured> = values.iter().filter(|v| v.truth.is_finite()).collect();
    let error = |v: &&Measured| v.estimate.filter(|e| e.is_finite()).map(|e| e - v.truth);
    let errors: Vec<f64> = known.iter().filter_map(error).collect();
    let mut abs: Vec<f64> = errors.iter().map(|e| e.abs()).collect();
    abs.sort_by(f64::total_cmp);
    let relative = known.iter().filter(|v| v.truth != 0.0).filter_map(|v| Some((error(v)? / v.truth).abs()));
    let mut relative: Vec<f64> = relative.collect();
    let sigmas = known.iter().filter_map(|v| Some((error(v)?.abs(), v.sigma.filter(|s| *s > 0.0 && s.is_finite())?)));
    let sigmas: Vec<(f64, f64)> = sigmas.collect();
    let within = |k: f64| {
        let inside = sigmas.iter().filter(|(e, s)| *e <= k * s).count();
        (!sigmas.is_empty()).then(|| inside as f64 / sigmas.len() as f64)
    };
    let n = errors.len();
    let mean = |sum: f64| (n > 0).then(|| sum / n as f64);
    let mut errors = ValueErrors {
        n,
        too_few: n < TOO_FEW,
        missing: known.len() - n,
        bias: mean(errors.iter().sum()),
        mean_abs: mean(abs.iter().sum()),
        median_abs: quantile_sorted(&abs, 0.5),
        p95_abs: quantile_sorted(&abs, 0.95),
        median_abs_rel: median(&mut relative),
        within_1_sigma: within(1.0),
        within_2_sigma: within(2.0),
        undefined: BTreeMap::new(),
    };
    errors.undefined = errors.reasons();
    errors
}

impl ValueErrors {
    fn reasons(&self) -> BTreeMap<&'static str, &'static str> {
        let or_no_estimate = |why| if self.n == 0 { "there is no estimate" } else { why };
        let all = [
            ("bias", self.bias, ""),
            ("mean_abs", self.mean_abs, ""),
            ("median_abs", self.median_abs, ""),
            ("p95_abs", self.p95_abs, ""),
            ("median_abs_rel", self.median_abs_rel, "there is no truth other than 0 to be a share of"),
            ("within_1_sigma", self.within_1_sigma, "no estimate has a sigma"),
            ("within_2_sigma", self.within_2_sigma, "no estimate has a sigma"),
        ];
        all.into_iter().filter(|f| f.1.is_none()).map(|(name, _, why)| (name, or_no_estimate(why))).collect()
    }
}

/// Errors of time to collision, where "no collision" (`None`) is itself an answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TtcErrors {
    /// Errors in seconds where truth and estimate both say a collision comes.
    pub both: ValueErrors,
    /// A collision comes and none was said: the dangerous error.
    pub missed: usize,
    /// None comes and one was said.
    pub false_alarms: usize,
    /// Neither says one comes.
    pub both_clear: usize,
}

/// Judges times to collision in seconds; pairs of (estimate, truth), `None` for no collision.
pub fn ttc_errors(pairs: &[(Option<f64>, Option<f64>)]) -> TtcErrors {
    let both = pairs.iter().filter_map(|(e, t)| Some(Measured { estimate: Some((*e)?), sigma: None, truth: (*t)? }));
    let count = |estimate: bool, truth: bool| {
        pairs.iter().filter(|(e, t)| e.is_some() == estimate && t.is_some() == truth).count()
    };
    TtcErrors {
        both: value_errors(&both.collect::<Vec<_>>()),
        missed: count(false, true),
        false_alarms: count(true, false),
        both_clear: count(false, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Rng;

    #[test]
    fn honest_sigmas_cover_as_they_should() {
        let mut rng = Rng::new(2);
        let values: Vec<Measured> = (0..4000)
            .map(|_| {
                let truth = 5.0 + 40.0 * rng.unit();
                Measured { estimate: Some(truth + 0.5 * rng.normal()), sigma: Some(0.5), truth }
            })
            .collect();
        let got = value_errors(&values);
        assert!((got.within_1_sigma.unwrap() - 0.683).abs() < 0.03, "{got:?}");
        assert!((got.within_2_sigma.unwrap() - 0.954).abs() < 0.02);
        assert!(got.bias.unwrap().abs() < 0.05 && !got.too_few);
    }

    #[test]
    fn what_is_missing_is_counted() {
        let value = |estimate, truth| Measured { estimate, sigma: None, truth };
        let got = value_errors(&[
            value(Some(3.0), 2.0),
            value(None, 2.0),
            value(Some(f64::NAN), 1.0),
            value(Some(1.0), f64::NAN),
        ]);
        assert_eq!((got.n, got.missing, got.bias, got.within_1_sigma), (1, 2, Some(1.0), None));
        assert_eq!(got.undefined.keys().copied().collect::<Vec<_>>(), ["within_1_sigma", "within_2_sigma"]);
        let none = value_errors(&[]);
        assert_eq!((none.median_abs, none.undefined.len(), none.undefined["bias"]), (None, 7, "there is no estimate"));
        let ttc = ttc_errors(&[(Some(2.0), Some(3.0)), (None, Some(1.0)), (Some(1.0), None), (None, None)]);
        assert_eq!((ttc.both.n, ttc.missed, ttc.false_alarms, ttc.both_clear), (1, 1, 1, 1));
    }
}
