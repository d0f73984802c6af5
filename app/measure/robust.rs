//! Robustness on pictures: the six corruptions at three severities, each on every picture, the same bytes each time.

use anyhow::Result;
use ocellus_judge::coco::{IouType, Params, match_all};
use ocellus_judge::robust::{Corrupted, ImageCorruption, RobustScores, Severity, corrupt_image, robust_scores};

use super::data::Data;
use super::subject::Subject;

/// Seed of all corruptions; a picture's own is this plus its index.
pub const SEED: u64 = 20_261;

/// AP of `subject` under every corruption, in the order of [`ImageCorruption::ALL`] and [`Severity::ALL`].
pub fn under_corruption(subject: &mut Subject, data: &Data, params: &Params) -> Result<Vec<Corrupted>> {
    let mut runs = Vec::new();
    for kind in ImageCorruption::ALL {
        for severity in Severity::ALL {
            let alter = |index, image: &_| Ok(Some(corrupt_image(image, kind, severity, SEED + index as u64)?));
            let found = subject.detect_all(data, alter, |_, _, _| Ok(()))?;
            let evaluation = match_all(&data.truth, &found.detections, IouType::Bbox, params)?;
            let score = evaluation.ap_weighted(&evaluation.ones()).unwrap_or(f64::NAN);
            runs.push(Corrupted { corruption: kind.name().to_owned(), severity, score, reference: None });
        }
    }
    Ok(runs)
}

/// Sums up, against a reference on the same corruptions where there is one; `None` where the clean AP is undefined.
pub fn sum_up(clean: Option<f64>, runs: &[Corrupted], reference: Option<&[Corrupted]>) -> Option<RobustScores> {
    let of_reference = |i: usize| reference.and_then(|r| r.get(i)).map(|r| r.score).filter(|s| s.is_finite());
    let runs: Vec<Corrupted> =
        runs.iter().enumerate().map(|(i, r)| Corrupted { reference: of_reference(i), ..r.clone() }).collect();
    Some(robust_scores(clean?, &runs))
}
