//! Confidence intervals.

use serde::{Deserialize, Serialize};

/// An interval at 95 %.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// 97.5 % quantile of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// Wilson's score interval of `hits` out of `n`; `None` for n = 0.
pub fn wilson(hits: u64, n: u64) -> Option<Interval> {
    if n == 0 || hits > n {
        return None;
    }
    let (p, n) = (hits as f64 / n as f64, n as f64);
    let middle = p + Z * Z / (2.0 * n);
    let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    let whole = 1.0 + Z * Z / n;
    // At none and at all an end is exact, which rounding would miss.
    let low = if hits == 0 { 0.0 } else { ((middle - half) / whole).max(0.0) };
    let high = if p == 1.0 { 1.0 } else { ((middle + half) / whole).min(1.0) };
    Some(Interval { low, high })
}

/// Quantile `q` (0 to 1) of ascending values, linear between neighbours; `None` where there are none.
pub fn quantile_sorted(sorted: &[f64], q: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let at = q.clamp(0.0, 1.0) * last as f64;
    let (below, above) = (*sorted.get(at.floor() as usize)?, *sorted.get(at.ceil() as usize)?);
    Some(below + (above - below) * at.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_equals_the_textbook() {
        // R: prop.test(8, 10, correct = FALSE) gives 0.4901625 0.9433178.
        let got = wilson(8, 10).unwrap();
        assert!((got.low - 0.490_162_5).abs() < 1e-6 && (got.high - 0.943_317_8).abs() < 1e-6, "{got:?}");
        assert_eq!(wilson(0, 0), None);
        assert_eq!(wilson(0, 5).unwrap().low, 0.0);
        assert_eq!(wilson(5, 5).unwrap().high, 1.0);
    }

    #[test]
    fn quantiles_interpolate() {
        assert_eq!(quantile_sorted(&[1.0, 2.0, 3.0], 0.25), Some(1.5));
        assert_eq!(quantile_sorted(&[4.0], 0.9), Some(4.0));
        assert_eq!(quantile_sorted(&[], 0.5), None);
    }
}
