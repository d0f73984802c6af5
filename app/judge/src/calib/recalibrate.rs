//! The whole way: split the images, fit a map on one part, judge it on the other.

use serde::Serialize;

use super::detection::{d_ece, samples};
use super::{CalibError, Calibrator, Method, Reliability, check_disjoint, fit, split};
use crate::coco::{GroundTruth, ImageMatches};

/// A fitted map and what it did on images it had not seen.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recalibration {
    /// The map, to be stored in the model's manifest.
    pub map: Calibrator,
    /// Reliability (D-ECE) on the test images before.
    pub before: Reliability,
    /// And after.
    pub after: Reliability,
    /// Images it was fitted on.
    pub fit_images: Vec<i64>,
    /// Images it was tested on.
    pub test_images: Vec<i64>,
    /// Seed of the split.
    pub seed: u64,
}

/// Fits a map to detections of at least `min_score`, matched at IoU 0.5, on a seeded `fit_share` of the images.
pub fn recalibrate(
    truth: &GroundTruth,
    matches: &[ImageMatches],
    method: Method,
    min_score: f64,
    (fit_share, seed): (f64, u64),
) -> Result<Recalibration, CalibError> {
    let id = |m: &ImageMatches| truth.images.get(m.image).map_or(0, |image| image.id);
    let ids: Vec<i64> = matches.iter().map(id).collect();
    let parts = split(&ids, fit_share, seed);
    check_disjoint(&parts.fit, &parts.test)?;
    let of = |ids: &[i64]| -> Vec<ImageMatches> {
        matches.iter().filter(|m| ids.binary_search(&id(m)).is_ok()).cloned().collect()
    };
    let (confidences, targets) = samples(&of(&parts.fit), min_score);
    let map = fit(method, &confidences, &targets)?;
    let test = of(&parts.test);
    Ok(Recalibration {
        before: d_ece(&test, min_score, &Calibrator::Identity)?,
        after: d_ece(&test, min_score, &map)?,
        map,
        fit_images: parts.fit,
        test_images: parts.test,
        seed,
    })
}
