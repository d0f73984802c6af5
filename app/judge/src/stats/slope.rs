//! Drift: does a figure rise or fall with time, and how sure is that?

use serde::Serialize;

use super::{Bootstrap, Interval, Rng, TOO_FEW};
use rayon::prelude::*;

/// A straight line through figures over time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Slope {
    /// Change of the figure for each unit of time.
    pub slope: f64,
    /// 95 % interval of the slope (bootstrap over points).
    pub interval: Option<Interval>,
    /// Value of the line at time 0.
    pub at_zero: f64,
    /// Points.
    pub n: usize,
    /// Fewer than 30 points.
    pub too_few: bool,
    /// Whether the interval excludes 0.
    pub drifts: bool,
}

/// Least-squares slope of (time, figure) points that are finite; `None` where fewer than two times differ.
pub fn drift(points: &[(f64, f64)], bootstrap: &Bootstrap) -> Option<Slope> {
    let points: Vec<(f64, f64)> = points.iter().copied().filter(|(t, v)| t.is_finite() && v.is_finite()).collect();
    let (slope, at_zero) = line(points.iter().copied())?;
    let draws: Vec<Option<f64>> = (0..bootstrap.resamples)
        .into_par_iter()
        .map(|i| {
            let mut rng = Rng::part(bootstrap.seed, i as u64);
            let drawn: Vec<_> =
                (0..points.len()).filter_map(|_| points.get(rng.below(points.len())).copied()).collect();
            line(drawn.into_iter()).map(|l| l.0)
        })
        .collect();
    let mut draws: Vec<f64> = draws.into_iter().flatten().collect();
    draws.sort_by(f64::total_cmp);
    let quantile = |q| super::quantile_sorted(&draws, q);
    let interval = quantile(0.025).zip(quantile(0.975)).map(|(low, high)| Interval { low, high });
    let drifts = interval.is_some_and(|i| i.low > 0.0 || i.high < 0.0);
    Some(Slope { slope, interval, at_zero, n: points.len(), too_few: points.len() < TOO_FEW, drifts })
}

fn line(points: impl ExactSizeIterator<Item = (f64, f64)> + Clone) -> Option<(f64, f64)> {
    let n = points.len() as f64;
    let (t, v) = points.clone().fold((0.0, 0.0), |(t, v), p| (t + p.0 / n, v + p.1 / n));
    let (tt, tv) = points.fold((0.0, 0.0), |(a, b), p| (a + (p.0 - t) * (p.0 - t), b + (p.0 - t) * (p.1 - v)));
    (tt > 0.0).then(|| (tv / tt, v - tv / tt * t))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_planted_drift_and_none_in_noise() {
        let mut rng = Rng::new(11);
        let noisy = |slope: f64, rng: &mut Rng| -> Vec<(f64, f64)> {
            (0..100).map(|i| (f64::from(i), 0.5 + slope * f64::from(i) + 0.05 * rng.normal())).collect()
        };
        let falling = drift(&noisy(-0.002, &mut rng), &Bootstrap::default()).unwrap();
        assert!(falling.drifts && (falling.slope + 0.002).abs() < 0.0005, "{falling:?}");
        assert!(!drift(&noisy(0.0, &mut rng), &Bootstrap::default()).unwrap().drifts);
        assert_eq!(drift(&[(1.0, 2.0), (1.0, 3.0)], &Bootstrap::default()), None);
        assert_eq!(drift(&[], &Bootstrap::default()), None);
    }
}
