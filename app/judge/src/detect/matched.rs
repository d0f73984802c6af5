//! Two detectors at the same recall: who raises more false alarms?

use serde::Serialize;

use super::curve::{OperatingCurve, OperatingPoint};

/// A candidate brought to the reference's recall.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct MatchedRecall {
    /// The reference at its own threshold.
    pub reference: OperatingPoint,
    /// The candidate at the highest threshold that reaches that recall; `None` where none does.
    pub candidate: Option<OperatingPoint>,
    /// Share of the reference's false alarms that the candidate avoids, 1 - FP/FP_ref; `None` where the recall is not
    /// reached or the reference has no false alarm.
    pub false_alarms_avoided: Option<f64>,
}

/// Compares at the recall the reference has at `threshold`; `None` where there is no object.
pub fn at_matched_recall(
    reference: &OperatingCurve,
    threshold: f64,
    candidate: &OperatingCurve,
) -> Option<MatchedRecall> {
    let own = reference.at_score(threshold);
    let matched = candidate.at_recall(own.recall?);
    let avoided = matched.filter(|_| own.fp > 0).map(|m| 1.0 - m.fp as f64 / own.fp as f64);
    Some(MatchedRecall { reference: own, candidate: matched, false_alarms_avoided: avoided })
}
