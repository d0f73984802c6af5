//! Reliability diagrams and the errors read from them.

use serde::{Deserialize, Serialize};

use super::CalibError;

/// Bins of the expected calibration error (Guo et al. 2017).
pub const ECE_BINS: usize = 15;

/// Bins of the detection expected calibration error (Kueppers et al. 2020).
pub const DETECTION_BINS: usize = 10;

/// Bins of the localisation-aware error (Oksuz et al. 2023).
pub const LAECE_BINS: usize = 25;

/// One bin: confidences above `low` (the first bin: from 0) up to and including `high`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// Lower bound, excluded.
    pub low: f64,
    /// Upper bound, included.
    pub high: f64,
    /// Samples.
    pub n: usize,
    /// Mean confidence; `None` where the bin is empty.
    pub confidence: Option<f64>,
    /// Mean target: share of right ones.
    pub accuracy: Option<f64>,
}

/// A reliability diagram and its errors.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reliability {
    /// Bins from 0 to 1.
    pub bins: Vec<Bin>,
    /// Samples.
    pub n: usize,
    /// Expected calibration error: mean gap of the bins, weighted by their samples; `None` without samples.
    pub ece: Option<f64>,
    /// Largest gap of a bin.
    pub mce: Option<f64>,
    /// Mean square of confidence minus target.
    pub brier: Option<f64>,
}

/// Bins `confidences` against `targets` (0 wrong, 1 right, or a degree between) in `bins` bins of equal width.
pub fn reliability(confidences: &[f64], targets: &[f64], bins: usize) -> Result<Reliability, CalibError> {
    check(confidences, targets)?;
    let bins = bins.max(1);
    let mut sums = vec![(0_usize, 0.0, 0.0); bins];
    for (&c, &t) in confidences.iter().zip(targets) {
        if let Some(sum) = sums.get_mut(bin_of(c, bins)) {
            *sum = (sum.0 + 1, sum.1 + c, sum.2 + t);
        }
    }
    let edge = |i: usize| i as f64 / bins as f64;
    let bin = |(i, &(n, c, t)): (usize, &(usize, f64, f64))| Bin {
        low: edge(i),
        high: edge(i + 1),
        n,
        confidence: (n > 0).then(|| c / n as f64),
        accuracy: (n > 0).then(|| t / n as f64),
    };
    let bins: Vec<Bin> = sums.iter().enumerate().map(bin).collect();
    let n = confidences.len();
    let gaps: Vec<(usize, f64)> =
        bins.iter().filter_map(|b| Some((b.n, (b.confidence? - b.accuracy?).abs()))).collect();
    let squares: f64 = confidences.iter().zip(targets).map(|(c, t)| (c - t) * (c - t)).sum();
    Ok(Reliability {
        ece: (n > 0).then(|| gaps.iter().map(|(k, gap)| *k as f64 * gap).sum::<f64>() / n as f64),
        mce: gaps.iter().map(|g| g.1).max_by(f64::total_cmp),
        brier: (n > 0).then(|| squares / n as f64),
        bins,
        n,
    })
}

/// Index of the bin that holds `confidence`: bounds belong to the bin below.
fn bin_of(confidence: f64, bins: usize) -> usize {
    let guess = ((confidence * bins as f64).ceil() as usize).clamp(1, bins) - 1;
    // The product may round across a bound; the bounds themselves decide.
    let edge = |i: usize| i as f64 / bins as f64;
    if confidence <= edge(guess) && guess > 0 {
        guess - 1
    } else if confidence > edge(guess + 1) && guess + 1 < bins {
        guess + 1
    } else {
        guess
    }
}

pub(super) fn check(confidences: &[f64], targets: &[f64]) -> Result<(), CalibError> {
    if confidences.len() != targets.len() {
        return Err(CalibError::Lengths { confidences: confidences.len(), targets: targets.len() });
    }
    let bad = |v: &f64| !(0.0..=1.0).contains(v);
    if let Some(index) = confidences.iter().position(bad) {
        return Err(CalibError::Confidence { index, got: confidences.get(index).copied().unwrap_or(f64::NAN) });
    }
    if let Some(index) = targets.iter().position(bad) {
        return Err(CalibError::Target { index, got: targets.get(index).copied().unwrap_or(f64::NAN) });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_errors_and_undefined_ones() {
        let got = reliability(&[0.9, 0.9, 0.2, 0.2], &[1.0, 0.0, 0.0, 0.0], 10).unwrap();
        assert!((got.ece.unwrap() - 0.3).abs() < 1e-12);
        assert!((got.mce.unwrap() - 0.4).abs() < 1e-12);
        let none = reliability(&[], &[], 10).unwrap();
        assert_eq!((none.ece, none.mce, none.brier), (None, None, None));
        assert_eq!(
            reliability(&[0.5, f64::NAN], &[1.0, 0.0], 10).map_err(|e| e.to_string().contains("sample 1")),
            Err(true)
        );
        assert!(matches!(reliability(&[1.5], &[1.0], 10), Err(CalibError::Confidence { index: 0, .. })));
        assert!(matches!(reliability(&[0.5], &[], 10), Err(CalibError::Lengths { .. })));
    }

    #[test]
    fn bounds_belong_to_the_bin_below() {
        for bins in [10, 15, 25] {
            for i in 1..=bins {
                assert_eq!(bin_of(i as f64 / bins as f64, bins), i - 1, "{i}/{bins}");
            }
            assert_eq!(bin_of(0.0, bins), 0);
        }
    }
}
