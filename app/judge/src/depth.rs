//! Depth maps against truth, in metres: AbsRel, RMSE, log RMSE, delta 1 to 3, raw and aligned, by band and by object.
//!
//! Pixels whose truth is not a positive finite number are no truth and are passed over; pixels whose prediction is not
//! are counted and left out. Not here: disparity, edges.

use serde::{Deserialize, Serialize};

/// Why two maps cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DepthError {
    /// The maps differ in size.
    #[error("the predicted map has {predicted} pixels, the true one {truth}")]
    Size {
        /// Pixels of the prediction.
        predicted: usize,
        /// Pixels of the truth.
        truth: usize,
    },
    /// A pixel index beyond the map.
    #[error("pixel {pixel} lies beyond the map of {pixels} pixels")]
    Pixel {
        /// The index.
        pixel: usize,
        /// Pixels of the map.
        pixels: usize,
    },
}

/// How a prediction is brought to the truth's scale before it is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alignment {
    /// As it is: for metric depth.
    #[default]
    Raw,
    /// Times median(truth) / median(prediction) of the picture.
    MedianScale,
    /// Scale and shift of least squares.
    ScaleShift,
}

/// Errors over a set of pixels; all `None` where the set is empty.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct DepthErrors {
    /// Pixels judged.
    pub n: usize,
    /// Mean |d - g| / g.
    pub abs_rel: Option<f64>,
    /// Root mean square of d - g, metres.
    pub rmse_m: Option<f64>,
    /// Root mean square of ln d - ln g.
    pub rmse_log: Option<f64>,
    /// Shares of pixels with max(d/g, g/d) below 1.25, 1.25^2, 1.25^3.
    pub delta: [Option<f64>; 3],
}

/// One distance band.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct DepthBand {
    /// Nearest true depth, metres, included.
    pub from_m: f64,
    /// Farthest true depth, metres, excluded.
    pub to_m: f64,
    /// Errors of its pixels.
    pub errors: DepthErrors,
}

/// Errors of one map.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DepthReport {
    /// How the prediction was aligned.
    pub alignment: Alignment,
    /// Scale and shift that were applied; `None` where they could not be found (then nothing is judged).
    pub scale_shift: Option<(f64, f64)>,
    /// All pixels with truth and prediction.
    pub all: DepthErrors,
    /// By distance.
    pub bands: Vec<DepthBand>,
    /// Pixels with truth whose (aligned) prediction is no positive finite number.
    pub unpredicted: usize,
}

/// Distance of one object.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ObjectDepth {
    /// Pixels judged.
    pub n: usize,
    /// Median of d - g, metres; `None` without pixels.
    pub median_error_m: Option<f64>,
    /// Median of |d - g| / g.
    pub median_abs_rel: Option<f64>,
}

/// Bounds of the bands, metres.
pub const BANDS_M: [(f64, f64); 5] = [(0.0, 10.0), (10.0, 20.0), (20.0, 40.0), (40.0, 80.0), (80.0, f64::INFINITY)];

fn valid(depth: f64) -> bool {
    depth > 0.0 && depth.is_finite()
}

/// Judges a map of metres against the truth, both of the same pixels.
pub fn evaluate(predicted: &[f32], truth: &[f32], alignment: Alignment) -> Result<DepthReport, DepthError> {
    if predicted.len() != truth.len() {
        return Err(DepthError::Size { predicted: predicted.len(), truth: truth.len() });
    }
    let pairs: Vec<(f64, f64)> = predicted.iter().zip(truth).map(|(d, g)| (f64::from(*d), f64::from(*g))).collect();
    let known = pairs.iter().filter(|p| valid(p.1)).count();
    let usable: Vec<(f64, f64)> = pairs.into_iter().filter(|(d, g)| valid(*g) && d.is_finite()).collect();
    let scale_shift = align(&usable, alignment);
    let aligned: Vec<(f64, f64)> = match scale_shift {
        Some((scale, shift)) => usable.iter().map(|(d, g)| (scale * d + shift, *g)).filter(|p| valid(p.0)).collect(),
        None => Vec::new(),
    };
    let band = |&(from_m, to_m): &(f64, f64)| {
        let inside = aligned.iter().copied().filter(|p| p.1 >= from_m && p.1 < to_m);
        DepthBand { from_m, to_m, errors: errors(inside) }
    };
    Ok(DepthReport {
        alignment,
        scale_shift,
        all: errors(aligned.iter().copied()),
        bands: BANDS_M.iter().map(band).collect(),
        unpredicted: known - aligned.len(),
    })
}

/// Errors on one object's pixels (indices into the maps).
pub fn evaluate_object(predicted: &[f32], truth: &[f32], pixels: &[usize]) -> Result<ObjectDepth, DepthError> {
    let (mut errors, mut relative) = (Vec::new(), Vec::new());
    for &pixel in pixels {
        let (Some(&d), Some(&g)) = (predicted.get(pixel), truth.get(pixel)) else {
            return Err(DepthError::Pixel { pixel, pixels: predicted.len().min(truth.len()) });
        };
        let (d, g) = (f64::from(d), f64::from(g));
        if valid(d) && valid(g) {
            errors.push(d - g);
            relative.push((d - g).abs() / g);
        }
    }
    Ok(ObjectDepth { n: errors.len(), median_error_m: median(&mut errors), median_abs_rel: median(&mut relative) })
}

fn align(pairs: &[(f64, f64)], alignment: Alignment) -> Option<(f64, f64)> {
    match alignment {
        Alignment::Raw => Some((1.0, 0.0)),
        Alignment::MedianScale => {
            let d = median(&mut pairs.iter().map(|p| p.0).collect::<Vec<_>>())?;
            let g = median(&mut pairs.iter().map(|p| p.1).collect::<Vec<_>>())?;
            (d > 0.0).then(|| (g / d, 0.0))
        }
        Alignment::ScaleShift => {
            let n = pairs.len() as f64;
            let (d, g) = pairs.iter().fold((0.0, 0.0), |(d, g), p| (d + p.0 / n, g + p.1 / n));
            let (dd, dg) =
                pairs.iter().fold((0.0, 0.0), |(a, b), p| (a + (p.0 - d).powi(2), b + (p.0 - d) * (p.1 - g)));
            // A flat prediction has no scale.
            (dd > f64::EPSILON * d * d * n).then(|| (dg / dd, g - dg / dd * d))
        }
    }
}

fn errors(pairs: impl Iterator<Item = (f64, f64)>) -> DepthErrors {
    let (mut n, mut rel, mut square, mut log, mut within) = (0_usize, 0.0, 0.0, 0.0, [0_usize; 3]);
    for (d, g) in pairs {
        n += 1;
        rel += (d - g).abs() / g;
        square += (d - g) * (d - g);
        log += (d.ln() - g.ln()).powi(2);
        let ratio = (d / g).max(g / d);
        for (i, count) in within.iter_mut().enumerate() {
            *count += usize::from(ratio < 1.25_f64.powi(i as i32 + 1));
        }
    }
    let mean = |sum: f64| (n > 0).then(|| sum / n as f64);
    DepthErrors {
        n,
        abs_rel: mean(rel),
        rmse_m: mean(square).map(f64::sqrt),
        rmse_log: mean(log).map(f64::sqrt),
        delta: within.map(|count| mean(count as f64)),
    }
}

/// The errors of all pixels of several sets together.
pub fn pool(sets: &[DepthErrors]) -> DepthErrors {
    let n: usize = sets.iter().map(|s| s.n).sum();
    let mean = |of: &dyn Fn(&DepthErrors) -> Option<f64>| {
        let sum: f64 = sets.iter().filter_map(|s| Some(of(s)? * s.n as f64)).sum();
        (n > 0).then(|| sum / n as f64)
    };
    DepthErrors {
        n,
        abs_rel: mean(&|s| s.abs_rel),
        rmse_m: mean(&|s| s.rmse_m.map(|r| r * r)).map(f64::sqrt),
        rmse_log: mean(&|s| s.rmse_log.map(|r| r * r)).map(f64::sqrt),
        delta: std::array::from_fn(|i| mean(&|s| s.delta[i])),
    }
}

pub(crate) fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    crate::stats::quantile_sorted(values, 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_errors() {
        let got = evaluate(&[2.0, 12.0, f32::NAN, 5.0], &[1.0, 10.0, 4.0, 0.0], Alignment::Raw).unwrap();
        assert_eq!((got.all.n, got.unpredicted), (2, 1));
        assert!((got.all.abs_rel.unwrap() - 0.6).abs() < 1e-12);
        assert!((got.all.rmse_m.unwrap() - 2.5_f64.sqrt()).abs() < 1e-12);
        assert_eq!(got.all.delta, [Some(0.5), Some(0.5), Some(0.5)]);
        assert_eq!((got.bands[0].errors.n, got.bands[1].errors.n, got.bands[2].errors.n), (1, 1, 0));
        assert_eq!(got.bands[2].errors.rmse_m, None);
        assert!(evaluate(&[1.0], &[], Alignment::Raw).is_err());
    }

    #[test]
    fn sets_pooled_are_the_whole() {
        let (d, g): (Vec<f32>, Vec<f32>) = (1..60).map(|i| (i as f32 * 1.1 + 0.3, i as f32)).unzip();
        let raw = |r: std::ops::Range<usize>| evaluate(&d[r.clone()], &g[r], Alignment::Raw).unwrap().all;
        let (whole, parts) = (raw(0..59), pool(&[raw(0..10), raw(10..10), raw(10..59)]));
        assert_eq!((whole.n, whole.delta), (parts.n, parts.delta));
        for (a, b) in [(whole.abs_rel, parts.abs_rel), (whole.rmse_m, parts.rmse_m), (whole.rmse_log, parts.rmse_log)] {
            assert!((a.unwrap() - b.unwrap()).abs() < 1e-12);
        }
        assert_eq!(pool(&[]), DepthErrors::default());
    }

    #[test]
    fn alignment_undoes_scale_and_shift() {
        let truth: Vec<f32> = (1..50).map(|i| i as f32).collect();
        let scaled: Vec<f32> = truth.iter().map(|g| g / 4.0).collect();
        let shifted: Vec<f32> = truth.iter().map(|g| g / 4.0 + 3.0).collect();
        assert!(evaluate(&scaled, &truth, Alignment::MedianScale).unwrap().all.rmse_m.unwrap() < 1e-5);
        let fitted = evaluate(&shifted, &truth, Alignment::ScaleShift).unwrap();
        assert!(fitted.all.rmse_m.unwrap() < 1e-5 && (fitted.scale_shift.unwrap().0 - 4.0).abs() < 1e-5);
        let flat = evaluate(&[7.0; 49], &truth, Alignment::ScaleShift).unwrap();
        assert_eq!((flat.scale_shift, flat.all.n, flat.all.abs_rel), (None, 0, None));
    }

    #[test]
    fn objects_by_median() {
        let got = evaluate_object(&[5.0, 6.0, 90.0], &[5.0, 5.0, 5.0], &[0, 1, 2]).unwrap();
        assert_eq!((got.n, got.median_error_m, got.median_abs_rel), (3, Some(1.0), Some(0.2)));
        assert_eq!(evaluate_object(&[], &[], &[]).unwrap().median_error_m, None);
        assert_eq!(evaluate_object(&[1.0], &[1.0], &[4]), Err(DepthError::Pixel { pixel: 4, pixels: 1 }));
    }
}
