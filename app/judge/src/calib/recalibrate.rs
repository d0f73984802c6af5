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

/// From which scores on detections count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cuts {
    /// A map is fitted on detections of at least this raw score. Far below what is ever reported most detections are
    /// wrong, and a map of few parameters would fit nothing else.
    pub fit: f64,
    /// It is judged on detections whose reported score is at least this.
    pub judge: f64,
}

/// Fits a map to detections matched at IoU 0.5 on a seeded `fit_share` of the images, and judges its table on the rest.
///
/// # Errors
/// Too few right or wrong detections to fit on.
pub fn recalibrate(
    truth: &GroundTruth,
    matches: &[ImageMatches],
    method: Method,
    cuts: Cuts,
    (fit_share, seed): (f64, u64),
) -> Result<Recalibration, CalibError> {
    let id = |m: &ImageMatches| truth.images.get(m.image).map_or(0, |image| image.id);
    let ids: Vec<i64> = matches.iter().map(id).collect();
    let parts = split(&ids, fit_share, seed);
    check_disjoint(&parts.fit, &parts.test)?;
    let of = |ids: &[i64]| -> Vec<ImageMatches> {
        matches.iter().filter(|m| ids.binary_search(&id(m)).is_ok()).cloned().collect()
    };
    let (confidences, targets) = samples(&of(&parts.fit), cuts.fit);
    let map = fit(method, &confidences, &targets)?;
    let table = Calibrator::Isotonic { knots: map.knots() };
    let test = of(&parts.test);
    let mut honest = test.clone();
    honest.iter_mut().flat_map(|m| &mut m.detections).for_each(|d| d.score = table.apply(d.score));
    Ok(Recalibration {
        before: d_ece(&test, cuts.judge, &Calibrator::Identity)?,
        after: d_ece(&honest, cuts.judge, &Calibrator::Identity)?,
        map,
        fit_images: parts.fit,
        test_images: parts.test,
        seed,
    })
}
