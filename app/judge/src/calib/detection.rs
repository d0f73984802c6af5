//! Calibration of detectors: D-ECE (Kueppers et al. 2020), LaECE (Oksuz et al. 2023), LaECE0 and LaACE0 (Kuzucu et al.
//! 2024).

use std::collections::BTreeMap;

use serde::Serialize;

use super::{CalibError, Calibrator, DETECTION_BINS, LAECE_BINS, Reliability, reliability};
use crate::coco::{ImageMatches, MatchedDetection};

/// LaECE of each class that has detections, and their mean.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LaEce {
    /// Mean over the classes; `None` where no class has a detection.
    pub mean: Option<f64>,
    /// By index of the category.
    pub per_class: BTreeMap<usize, f64>,
}

/// The calibration figures of a detector.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DetectionCalibration {
    /// Reliability of all detections pooled, right where matched at IoU 0.5; its `ece` is D-ECE.
    pub reliability: Reliability,
    /// LaECE at IoU 0.5.
    pub la_ece: LaEce,
    /// LaECE with any overlap.
    pub la_ece0: LaEce,
    /// Mean of |IoU - score|, class by class, with any overlap.
    pub la_ace0: Option<f64>,
    /// Detections below this score were left out.
    pub min_score: f64,
}

/// All figures: `at_half` matched at IoU 0.5, `at_any` at 0 ([`crate::coco::matches_at`]). D-ECE ignores misses: a
/// detector that outputs one box can score 0, so read it beside recall.
pub fn detection_calibration(
    at_half: &[ImageMatches],
    at_any: &[ImageMatches],
    min_score: f64,
    map: &Calibrator,
) -> Result<DetectionCalibration, CalibError> {
    Ok(DetectionCalibration {
        reliability: d_ece(at_half, min_score, map)?,
        la_ece: la_ece(at_half, |_| min_score, map)?,
        la_ece0: la_ece(at_any, |_| min_score, map)?,
        la_ace0: la_ace0(at_any, |_| min_score, map)?,
        min_score,
    })
}

/// D-ECE: all detections of at least `min_score` pooled in 10 bins, precision against mean score. `map` is applied to
/// the scores after the cut.
pub fn d_ece(matches: &[ImageMatches], min_score: f64, map: &Calibrator) -> Result<Reliability, CalibError> {
    let (scores, targets) = samples(matches, min_score);
    let confidences: Vec<f64> = scores.iter().map(|&s| map.apply(s)).collect();
    reliability(&confidences, &targets, DETECTION_BINS)
}

/// LaECE: in each class and each of 25 bins the gap between mean score and (sum of the hits' IoU) / detections.
/// `min_score` gives each category's threshold, usually that of its optimal LRP.
pub fn la_ece(
    matches: &[ImageMatches],
    min_score: impl Fn(usize) -> f64,
    map: &Calibrator,
) -> Result<LaEce, CalibError> {
    let mut per_class = BTreeMap::new();
    for (category, (confidences, targets)) in by_class(matches, min_score, map) {
        if let Some(ece) = reliability(&confidences, &targets, LAECE_BINS)?.ece {
            per_class.insert(category, ece);
        }
    }
    Ok(LaEce { mean: mean(per_class.values().copied()), per_class })
}

/// LaACE0: the mean over classes of the mean |IoU - score|; `matches` must be made with any overlap.
pub fn la_ace0(
    matches: &[ImageMatches],
    min_score: impl Fn(usize) -> f64,
    map: &Calibrator,
) -> Result<Option<f64>, CalibError> {
    let mut errors = Vec::new();
    for (_, (confidences, targets)) in by_class(matches, min_score, map) {
        super::reliability::check(&confidences, &targets)?;
        errors.extend(mean(confidences.iter().zip(&targets).map(|(c, t)| (c - t).abs())));
    }
    Ok(mean(errors.into_iter()))
}

/// Scores and outcomes (1 right, 0 wrong) of the detections of at least `min_score`, to fit a map on.
pub fn samples(matches: &[ImageMatches], min_score: f64) -> (Vec<f64>, Vec<f64>) {
    kept(matches, |_| min_score).iter().map(|d| (d.score, f64::from(u8::from(d.is_true())))).unzip()
}

fn kept(matches: &[ImageMatches], min_score: impl Fn(usize) -> f64) -> Vec<&MatchedDetection> {
    let all = matches.iter().flat_map(|m| &m.detections);
    all.filter(|d| !d.ignored && d.score >= min_score(d.category)).collect()
}

type Samples = (Vec<f64>, Vec<f64>);

fn by_class(matches: &[ImageMatches], min_score: impl Fn(usize) -> f64, map: &Calibrator) -> BTreeMap<usize, Samples> {
    let mut classes: BTreeMap<usize, Samples> = BTreeMap::new();
    for d in kept(matches, min_score) {
        let (confidences, targets) = classes.entry(d.category).or_default();
        confidences.push(map.apply(d.score));
        targets.push(if d.is_true() { d.iou.clamp(0.0, 1.0) } else { 0.0 });
    }
    classes
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (n, sum) = values.fold((0_usize, 0.0), |(n, sum), v| (n + 1, sum + v));
    (n > 0).then(|| sum / n as f64)
}
