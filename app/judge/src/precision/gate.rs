//! A network beside its twin of lower precision: may the twin be shipped?

use serde::{Deserialize, Serialize};

use crate::agreement::{Seen, compare_frame, sum_up};
use crate::calib::{CalibError, Calibrator, d_ece};
use crate::coco::{CocoError, Detections, GroundTruth, IouType, Params, match_all, matches_at};
use crate::detect::{MatchedRecall, OperatingCurve, at_matched_recall};
use crate::stats::{Bootstrap, Direction, PairedDifference};
use ocellus_percept::detection::BoxPx;

/// Limits of the gate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GateTargets {
    /// Largest drop of AP over the reference's AP.
    pub ap_drop_rel_max: f64,
    /// Largest drop of AP.
    pub ap_drop_abs_max: f64,
    /// Largest rise of D-ECE.
    pub d_ece_rise_max: f64,
    /// Largest rise of false alarms at equal recall, over the reference's.
    pub false_alarm_rise_max: f64,
    /// Least share of boxes that both see.
    pub agreement_min: f64,
}

impl Default for GateTargets {
    fn default() -> Self {
        Self {
            // 5 % is the pass line for properly calibrated INT8.
            ap_drop_rel_max: 0.05,
            ap_drop_abs_max: 0.02,
            d_ece_rise_max: 0.05,
            false_alarm_rise_max: 0.25,
            agreement_min: 0.7,
        }
    }
}

/// What the gate compares.
#[derive(Debug, Clone, Copy)]
pub struct GateInput<'a> {
    /// Labels.
    pub truth: &'a GroundTruth,
    /// Detections of the network of full precision.
    pub reference: &'a Detections,
    /// Detections of its twin.
    pub candidate: &'a Detections,
    /// Boxes or masks.
    pub iou: IouType,
    /// The score threshold the reference is run at.
    pub threshold: f64,
}

/// A figure of both.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SideBySide {
    /// The network of full precision.
    pub reference: Option<f64>,
    /// Its twin.
    pub candidate: Option<f64>,
}

/// What the gate saw, and its verdict.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PrecisionReport {
    /// AP with the paired interval of the difference.
    pub ap: PairedDifference,
    /// Reference minus candidate.
    pub ap_drop_abs: Option<f64>,
    /// The same over the reference; `None` where the reference's AP is 0.
    pub ap_drop_rel: Option<f64>,
    /// D-ECE of detections at or above the fixed threshold.
    pub d_ece: SideBySide,
    /// D-ECE with the candidate at the threshold that restores the reference's recall.
    pub d_ece_retuned: SideBySide,
    /// False positives an image at the fixed threshold.
    pub fppi: SideBySide,
    /// Both at the reference's recall: the candidate's threshold is tuned anew.
    pub retuned: Option<MatchedRecall>,
    /// Share of boxes (score at or above the threshold) that both see, IoU >= 0.7 and the same class.
    pub agreement: Option<f64>,
    /// Mean of candidate minus reference score over those.
    pub score_shift: Option<f64>,
    /// Mean distance of their farthest edges, pixels.
    pub box_offset_px: Option<f64>,
    /// The limits.
    pub targets: GateTargets,
    /// Each limit that is broken or could not be judged, in words and numbers; empty: the candidate passes.
    pub reasons: Vec<String>,
    /// Whether the candidate may be shipped.
    pub passed: bool,
}

/// Compares the two on labelled pictures. A figure that cannot be computed refuses: silence is no proof.
pub fn gate(
    input: &GateInput<'_>,
    params: &Params,
    targets: GateTargets,
    bootstrap: &Bootstrap,
) -> Result<PrecisionReport, GateError> {
    let evaluation = |d| match_all(input.truth, d, input.iou, params);
    let (reference, candidate) = (evaluation(input.reference)?, evaluation(input.candidate)?);
    let scope = (reference.images(), reference.image_count());
    let ap =
        bootstrap.compare(scope, Direction::HigherIsBetter, |w| reference.ap_weighted(w), |w| candidate.ap_weighted(w));
    let at_half = |d| matches_at(input.truth, d, input.iou, 0.5, params);
    let (reference, candidate) = (at_half(input.reference)?, at_half(input.candidate)?);
    let curves = (OperatingCurve::new(&reference, None), OperatingCurve::new(&candidate, None));
    let retuned = at_matched_recall(&curves.0, input.threshold, &curves.1);
    let d_ece = |m, threshold| d_ece(m, threshold, &Calibrator::Identity).map(|r| r.ece);
    let own = d_ece(&reference, input.threshold)?;
    let tuned = match retuned.and_then(|r| r.candidate) {
        Some(point) => d_ece(&candidate, point.score)?,
        None => None,
    };
    let fppi = |curve: &OperatingCurve| (curve.images > 0).then(|| curve.at_score(input.threshold).fppi);
    let frames = sum_up(&frames(input));
    let ap_drop_abs = ap.difference.map(|d| -d);
    let ap_drop_rel = ap_drop_abs.zip(ap.reference).filter(|(_, r)| *r > 0.0).map(|(drop, r)| drop / r);
    let mut report = PrecisionReport {
        ap,
        ap_drop_abs,
        ap_drop_rel,
        d_ece: SideBySide { reference: own, candidate: d_ece(&candidate, input.threshold)? },
        d_ece_retuned: SideBySide { reference: own, candidate: tuned },
        fppi: SideBySide { reference: fppi(&curves.0), candidate: fppi(&curves.1) },
        retuned,
        agreement: frames.share,
        score_shift: frames.score_shift,
        box_offset_px: frames.box_offset_px,
        targets,
        reasons: Vec::new(),
        passed: false,
    };
    report.reasons = reasons(&report);
    report.passed = report.reasons.is_empty();
    Ok(report)
}

/// Why the comparison could not be made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum GateError {
    /// The files cannot be evaluated.
    #[error(transparent)]
    Coco(#[from] CocoError),
    /// The scores are no confidences.
    #[error(transparent)]
    Calib(#[from] CalibError),
}

fn frames(input: &GateInput<'_>) -> Vec<crate::agreement::FrameAgreement> {
    let by_image = |d: &Detections| {
        let mut images = vec![Vec::new(); input.truth.images.len()];
        for object in &d.objects {
            let [x, y, w, h] = object.bbox.map(|v| v as f32);
            let bbox = BoxPx { x0: x, y0: y, x1: x + w, y1: y + h };
            let class = object.category.to_string();
            if let Some(image) = images.get_mut(object.image) {
                image.push(Seen { class, score: object.score, bbox, distance_m: None });
            }
        }
        images
    };
    let (reference, candidate) = (by_image(input.reference), by_image(input.candidate));
    let compare =
        |(r, c): (&Vec<Seen>, &Vec<Seen>)| compare_frame(r, c, input.threshold, crate::agreement::SAME_BOX_IOU);
    reference.iter().zip(&candidate).map(compare).collect()
}

fn reasons(report: &PrecisionReport) -> Vec<String> {
    let t = &report.targets;
    let mut reasons = Vec::new();
    match (report.ap_drop_abs, report.ap_drop_rel, report.ap.reference, report.ap.candidate) {
        (Some(abs), Some(rel), Some(reference), Some(candidate)) => {
            if rel > t.ap_drop_rel_max || abs > t.ap_drop_abs_max {
                reasons.push(format!(
                    "AP fell from {reference:.3} to {candidate:.3}: {:.1} % relative (limit {:.1} %), {abs:.3} absolute (limit {:.3})",
                    100.0 * rel, 100.0 * t.ap_drop_rel_max, t.ap_drop_abs_max
                ));
            }
        }
        _ => reasons.push("AP cannot be compared: the reference has none above 0 on these pictures".into()),
    }
    if let SideBySide { reference: Some(a), candidate: Some(b) } = report.d_ece
        && b - a > t.d_ece_rise_max
    {
        reasons.push(format!("D-ECE rose from {a:.3} to {b:.3} (limit +{:.3})", t.d_ece_rise_max));
    }
    match report.retuned.map(|r| (r.reference, r.candidate)) {
        Some((reference, None)) => reasons.push(format!(
            "the candidate never reaches the reference's recall of {:.3}, at any threshold",
            reference.recall.unwrap_or(0.0)
        )),
        Some((reference, Some(candidate))) => {
            let limit = reference.fp as f64 * (1.0 + t.false_alarm_rise_max);
            if candidate.fp as f64 > limit {
                reasons.push(format!(
                    "at equal recall false alarms rose from {} to {} (limit {limit:.0})",
                    reference.fp, candidate.fp
                ));
            }
        }
        None => reasons.push("false alarms at equal recall cannot be compared: there is no object".into()),
    }
    match report.agreement {
        Some(share) if share < t.agreement_min => reasons.push(format!(
            "only {:.1} % of the boxes are seen by both (limit {:.1} %)",
            100.0 * share,
            100.0 * t.agreement_min
        )),
        None => reasons.push("no box of either reaches the threshold: agreement cannot be judged".into()),
        Some(_) => {}
    }
    reasons
}
