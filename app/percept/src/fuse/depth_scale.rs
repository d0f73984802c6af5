//! A depth network's output brought to metres by the LiDAR of the same moment.
//!
//! Model: inverse depth `1/z = scale * d + shift`, where `d` is the network's relative inverse depth, or the inverse of
//! its metric depth. The fit is one per picture (MiDaS-type outputs are free up to these two numbers each time): RANSAC
//! over pairs, then least squares with Huber's weights on the relative error of depth `(scale d + shift) z - 1`, so that
//! near and far count alike. LiDAR points that the camera does not see (hidden behind a car whose roof the LiDAR looks
//! over) are outliers here. A fit that explains too little is refused: a relative map then stays relative.

use thiserror::Error;

use super::ground::next_index;
use super::project::Projected;
use crate::depth::DepthMap;
use crate::model::DepthKind;

/// Pairs used at most; beyond this the fit's error is the model's, not the sampling's.
const PAIRS_MAX: usize = 4000;
/// Fewer pairs are no fit.
const PAIRS_MIN: usize = 30;
/// Relative error of depth within which a pair supports a fit: twice that of good monocular depth.
const INLIER_ERROR: f64 = 0.15;
/// Share of the pairs that must support it.
const INLIER_SHARE_MIN: f64 = 0.5;
/// Pairs tried: with half the pairs outliers, all of 128 are spoilt with probability 1e-16.
const TRIALS: usize = 128;
/// Pairs that a trial is scored on.
const SCORED_MAX: usize = 1000;
/// Rounds of reweighting; the weights settle within a few.
const ROUNDS: usize = 10;
/// Huber's constant in units of the residuals' robust sigma (95 % efficient for normal errors).
const HUBER: f64 = 1.345;
/// The pairs that support a fit must span at least this ratio of depths (10th to 90th percentile): before a wall any
/// scale fits, and says nothing of what stands before it.
const DEPTH_SPREAD_MIN: f64 = 1.3;
/// Seed of the trials.
const SEED: u64 = 0x5eed_0f0d_e974_1357;

/// How a map becomes metres: `z = 1 / (scale * d + shift)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DepthFit {
    /// Inverse metres per unit of the map (per inverse unit for metric maps: 1 where the network is right).
    pub scale: f64,
    /// Inverse metres.
    pub shift: f64,
    /// Robust standard deviation of the relative error of depth over all pairs: those that do not support the fit count as well, as
    /// an object may be one of them.
    pub residual: f64,
    /// Share of the pairs that support it.
    pub inlier_share: f64,
    /// Pairs of map and LiDAR looked at.
    pub pairs: usize,
}

impl DepthFit {
    /// Depth along the optical axis in metres for a map value of `kind`; `None` where the fit says infinity or beyond.
    pub fn depth_m(&self, kind: DepthKind, value: f32) -> Option<f32> {
        let d = inverse(kind, value)?;
        let inverse_z = self.scale * d + self.shift;
        (inverse_z > 1e-4).then(|| (1.0 / inverse_z) as f32)
    }
}

/// Why a map cannot be brought to metres by this sweep.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum DepthFitError {
    /// Too few LiDAR points fall on known cells of the map.
    #[error("depth scale: {found} LiDAR points fall on the depth map, expected at least {wanted}")]
    TooFewPairs {
        /// Pairs found.
        found: usize,
        /// Pairs wanted.
        wanted: usize,
    },
    /// The map or the LiDAR depth is nearly the same everywhere, so scale and shift cannot be told apart.
    #[error(
        "depth scale: the depth map or the LiDAR depth hardly varies over the {pairs} points compared, so no scale can be told"
    )]
    Flat {
        /// Pairs looked at.
        pairs: usize,
    },
    /// Near in the map is far for the LiDAR.
    #[error(
        "depth scale: the depth map falls where LiDAR rises (scale {scale:.4}); is it depth where inverse depth is expected?"
    )]
    Reversed {
        /// The scale found.
        scale: f64,
    },
    /// Too few pairs agree with the best fit.
    #[error(
        "depth scale: {share:.2} of {pairs} LiDAR points agree with the best fit within 15 %, expected at least 0.5; the \
         map stays without scale (check time stamps and calibration if this stays so)"
    )]
    TooFewAgree {
        /// Share that agrees.
        share: f64,
        /// Pairs looked at.
        pairs: usize,
    },
}

/// Fits maps to sweeps; keeps its scratch memory between pictures.
#[derive(Debug, Clone, Default)]
pub struct DepthScaler {
    /// Map value (inverse) and LiDAR depth along the optical axis.
    pairs: Vec<[f64; 2]>,
    errors: Vec<f64>,
}

impl DepthScaler {
    /// Scale and shift of `map` by the points that the camera sees.
    pub fn fit(&mut self, map: &DepthMap, points: &Projected) -> Result<DepthFit, DepthFitError> {
        self.pairs.clear();
        // Every k-th point, so that all of the picture counts.
        let step = points.len().div_ceil(PAIRS_MAX).max(1);
        for i in (0..points.len()).step_by(step) {
            let (Some(&u), Some(&v), Some(p)) = (points.u.get(i), points.v.get(i), points.xyz.get(i)) else { break };
            if let Some(d) = map.at_source(u, v).and_then(|value| inverse(map.kind, value)) {
                self.pairs.push([d, f64::from(p[2])]);
            }
        }
        self.fit_pairs()
    }

    /// Scale and shift by pairs of map values of `kind` and depths along the optical axis in metres; pairs without a
    /// meaning (depth that is not positive) are passed over.
    pub fn fit_values(
        &mut self,
        kind: DepthKind,
        pairs: impl Iterator<Item = (f32, f32)>,
    ) -> Result<DepthFit, DepthFitError> {
        self.pairs.clear();
        let sound = pairs.filter(|(_, z)| z.is_finite() && *z > 0.0);
        self.pairs.extend(sound.filter_map(|(value, z)| Some([inverse(kind, value)?, f64::from(z)])));
        let step = self.pairs.len().div_ceil(PAIRS_MAX).max(1);
        let mut index = 0;
        self.pairs.retain(|_| {
            index += 1;
            (index - 1) % step == 0
        });
        self.fit_pairs()
    }

    fn fit_pairs(&mut self) -> Result<DepthFit, DepthFitError> {
        let n = self.pairs.len();
        if n < PAIRS_MIN {
            return Err(DepthFitError::TooFewPairs { found: n, wanted: PAIRS_MIN });
        }
        let coarse = self.search().ok_or(DepthFitError::Flat { pairs: n })?;
        let [scale, shift] = self.refine(coarse);
        if scale <= 0.0 {
            return Err(DepthFitError::Reversed { scale });
        }
        self.errors.clear();
        self.errors.extend(self.pairs.iter().map(|p| error([scale, shift], p).abs()));
        let share = self.errors.iter().filter(|e| **e < INLIER_ERROR).count() as f64 / n as f64;
        if share < INLIER_SHARE_MIN {
            return Err(DepthFitError::TooFewAgree { share, pairs: n });
        }
        let residual = 1.4826 * median(&mut self.errors);
        if self.depth_spread([scale, shift]) < DEPTH_SPREAD_MIN {
            return Err(DepthFitError::Flat { pairs: n });
        }
        Ok(DepthFit { scale, shift, residual, inlier_share: share, pairs: n })
    }

    /// The line through two pairs that most others support; `None` where no two pairs differ.
    fn search(&self) -> Option<[f64; 2]> {
        let step = self.pairs.len().div_ceil(SCORED_MAX).max(1);
        let mut state = SEED;
        let mut best: Option<(usize, [f64; 2])> = None;
        for _ in 0..TRIALS {
            let mut pick = || self.pairs.get(next_index(&mut state, self.pairs.len())).copied();
            let (Some([d0, z0]), Some([d1, z1])) = (pick(), pick()) else { continue };
            if (d1 - d0).abs() <= 1e-6 * (d0.abs() + d1.abs()) {
                continue;
            }
            let scale = (1.0 / z1 - 1.0 / z0) / (d1 - d0);
            let line = [scale, 1.0 / z0 - scale * d0];
            let votes = self.pairs.iter().step_by(step).filter(|p| error(line, p).abs() < INLIER_ERROR).count();
            if best.is_none_or(|(most, _)| votes > most) {
                best = Some((votes, line));
            }
        }
        best.map(|(_, line)| line)
    }

    /// Ratio of the 90th to the 10th percentile of LiDAR depth among the pairs that support the fit.
    fn depth_spread(&mut self, line: [f64; 2]) -> f64 {
        self.errors.clear();
        self.errors.extend(self.pairs.iter().filter(|p| error(line, p).abs() < INLIER_ERROR).map(|p| p[1]));
        self.errors.sort_unstable_by(f64::total_cmp);
        let at = |tenths: usize| self.errors.get(self.errors.len() * tenths / 10).copied().unwrap_or(1.0);
        at(9) / at(1)
    }

    /// Iteratively reweighted least squares on the relative error of depth.
    fn refine(&mut self, mut line: [f64; 2]) -> [f64; 2] {
        for _ in 0..ROUNDS {
            self.errors.clear();
            self.errors.extend(self.pairs.iter().map(|p| error(line, p).abs()).filter(|e| *e < 2.0 * INLIER_ERROR));
            let limit = HUBER * (1.4826 * median(&mut self.errors)).max(1e-6);
            let (mut aa, mut ab, mut bb, mut ra, mut rb) = (0.0, 0.0, 0.0, 0.0, 0.0);
            for pair in &self.pairs {
                let e = error(line, pair).abs();
                if e >= 2.0 * INLIER_ERROR {
                    continue;
                }
                let weight = if e <= limit { 1.0 } else { limit / e };
                let (a, b) = (pair[0] * pair[1], pair[1]);
                aa += weight * a * a;
                ab += weight * a * b;
                bb += weight * b * b;
                ra += weight * a;
                rb += weight * b;
            }
            let determinant = aa * bb - ab * ab;
            if determinant.is_nan() || determinant <= 1e-12 * aa * bb {
                return line;
            }
            line = [(ra * bb - rb * ab) / determinant, (rb * aa - ra * ab) / determinant];
        }
        line
    }
}

/// Relative error of depth of a pair under a fit.
fn error(line: [f64; 2], pair: &[f64; 2]) -> f64 {
    (line[0] * pair[0] + line[1]) * pair[1] - 1.0
}

/// The quantity that is linear in inverse depth.
fn inverse(kind: DepthKind, value: f32) -> Option<f64> {
    let value = f64::from(value);
    match kind {
        _ if !(value.is_finite() && value > 0.0) => None,
        DepthKind::RelativeInverse => Some(value),
        DepthKind::Metric => Some(1.0 / value),
    }
}

/// The median, 0 of nothing; reorders.
pub(super) fn median(values: &mut [f64]) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scaler(pairs: impl IntoIterator<Item = [f64; 2]>) -> DepthScaler {
        DepthScaler { pairs: pairs.into_iter().collect(), errors: Vec::new() }
    }

    /// Pairs of a scene from 3 to 60 m under 1/z = 0.004 d + 0.01, with 2 % of ripple.
    fn scene(n: usize) -> Vec<[f64; 2]> {
        let mut state = 7;
        let mut uniform = || next_index(&mut state, 10_000) as f64 / 10_000.0;
        (0..n)
            .map(|_| {
                let z = 3.0 + 57.0 * uniform();
                [(1.0 / (z * (1.0 + 0.04 * (uniform() - 0.5))) - 0.01) / 0.004, z]
            })
            .collect()
    }

    #[test]
    fn scale_and_shift_are_recovered_with_thirty_percent_outliers() {
        let mut pairs = scene(1000);
        for (i, pair) in pairs.iter_mut().enumerate().filter(|(i, _)| i % 10 < 3) {
            pair[1] *= if i % 2 == 0 { 2.5 } else { 4.0 };
        }
        let fit = scaler(pairs).fit_pairs().unwrap();
        assert!((fit.scale / 0.004 - 1.0).abs() < 0.01 && (fit.shift / 0.01 - 1.0).abs() < 0.02, "{fit:?}");
        assert!((fit.inlier_share - 0.7).abs() < 0.02 && fit.residual < 0.03, "{fit:?}");
        let near = fit.depth_m(DepthKind::RelativeInverse, ((1.0 / 10.0 - 0.01) / 0.004) as f32).unwrap();
        assert!((near - 10.0).abs() < 0.1);
    }

    #[test]
    fn what_cannot_be_fitted_is_refused_with_its_reason() {
        assert!(matches!(scaler(scene(10)).fit_pairs(), Err(DepthFitError::TooFewPairs { found: 10, .. })));
        let flat = (0..100).map(|i| [5.0, 3.0 + f64::from(i)]);
        assert_eq!(scaler(flat).fit_pairs(), Err(DepthFitError::Flat { pairs: 100 }));
        let reversed = scene(500).into_iter().map(|[d, z]| [300.0 - d, z]);
        assert!(matches!(scaler(reversed).fit_pairs(), Err(DepthFitError::Reversed { .. })));
        let mut state = 3;
        let noise = scene(800).into_iter().map(|[_, z]| [1.0 + next_index(&mut state, 100) as f64, z]);
        let refused = scaler(noise.collect::<Vec<_>>()).fit_pairs();
        assert!(
            matches!(refused, Err(DepthFitError::TooFewAgree { .. } | DepthFitError::Reversed { .. })),
            "{refused:?}"
        );
    }

    #[test]
    fn a_metric_map_that_is_off_by_a_factor_is_seen() {
        let pairs = scene(500).into_iter().map(|[_, z]| [1.0 / (1.25 * z), z]);
        let fit = scaler(pairs).fit_pairs().unwrap();
        assert!((fit.scale - 1.25).abs() < 1e-6 && fit.shift.abs() < 1e-6, "{fit:?}");
        assert!((fit.depth_m(DepthKind::Metric, 12.5).unwrap() - 10.0).abs() < 1e-3);
        assert_eq!(fit.depth_m(DepthKind::Metric, f32::NAN), None);
    }

    #[test]
    fn points_are_paired_with_the_cells_they_fall_on() {
        let mut points = Projected::default();
        for i in 0..400u32 {
            let (column, row) = (i % 20, i / 20);
            let z = 4.0 + column as f32 + 0.5 * row as f32;
            points.u.push(column as f32 * 10.0 + 5.0);
            points.v.push(row as f32 * 10.0 + 5.0);
            points.xyz.push([0.0, 0.0, z]);
            points.range_m.push(z);
            points.index.push(i);
        }
        let values = (0..400).map(|i| 3.0 / points.xyz[i][2] + 0.2).collect();
        let map = DepthMap {
            width: 20,
            height: 20,
            values,
            kind: DepthKind::RelativeInverse,
            focal: None,
            scale_x: 0.1,
            offset_x: 0.0,
            scale_y: 0.1,
            offset_y: 0.0,
        };
        let fit = DepthScaler::default().fit(&map, &points).unwrap();
        assert!((fit.scale - 1.0 / 3.0).abs() < 1e-4 && (fit.shift + 0.2 / 3.0).abs() < 1e-4, "{fit:?}");
        assert_eq!((fit.pairs, fit.inlier_share), (400, 1.0));
    }
}
