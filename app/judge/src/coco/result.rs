//! What a COCO evaluation says, ready to be serialised.

use std::collections::BTreeMap;

use serde::Serialize;

use super::IouType;
use crate::findings::Findings;

/// IoU thresholds 0.50, 0.55, ... 0.95.
pub const IOU_COUNT: usize = 10;

/// Recall thresholds 0.00, 0.01, ... 1.00.
pub const RECALL_COUNT: usize = 101;

/// COCO's size classes by area in px^2, bounds included.
pub const AREAS: [(&str, f64, f64); 4] =
    [("all", 0.0, 1e10), ("small", 0.0, 1024.0), ("medium", 1024.0, 9216.0), ("large", 9216.0, 1e10)];

/// Names of the twelve figures, in COCO's order.
pub const STAT_NAMES: [&str; 12] =
    ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"];

/// The IoU thresholds, bit for bit those of `numpy.linspace(0.5, 0.95, 10)`: a box that overlaps by exactly 0.6 must fall
/// on the same side.
pub fn iou_thresholds() -> [f64; IOU_COUNT] {
    linspace(0.5, 0.95)
}

/// The recall thresholds of `numpy.linspace(0, 1, 101)`.
pub fn recall_thresholds() -> [f64; RECALL_COUNT] {
    linspace(0.0, 1.0)
}

fn linspace<const N: usize>(start: f64, stop: f64) -> [f64; N] {
    let step = (stop - start) / (N - 1) as f64;
    std::array::from_fn(|i| if i + 1 == N { stop } else { i as f64 * step + start })
}

/// Figures of one evaluation. Undefined figures (pycocotools' -1) are `None`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CocoResult {
    /// What overlaps were measured on.
    pub iou_type: IouType,
    /// The twelve figures, in the order of [`STAT_NAMES`].
    pub stats: [Option<f64>; 12],
    /// AP (all IoUs) of each class by name.
    pub per_class: BTreeMap<String, Option<f64>>,
    /// Images evaluated.
    pub images: usize,
    /// Each class's curve, in order of category ids.
    pub curves: Vec<ClassCurve>,
    /// What was odd about the input.
    pub findings: Findings,
}

impl CocoResult {
    /// AP over IoU 0.50 to 0.95, all sizes, 100 detections.
    pub fn ap(&self) -> Option<f64> {
        self.stats[0]
    }

    /// Why figures are undefined, by name: only for want of objects are they.
    pub fn undefined(&self) -> BTreeMap<&'static str, &'static str> {
        let figures = STAT_NAMES.into_iter().zip(self.stats).filter(|(_, value)| value.is_none());
        let mut reasons: BTreeMap<_, _> = figures.map(|(name, _)| (name, why_undefined(name))).collect();
        if self.per_class.values().any(Option::is_none) {
            reasons.insert("per_class", "null where the ground truth has no object of the class");
        }
        reasons
    }
}

fn why_undefined(figure: &str) -> &'static str {
    match figure.chars().last() {
        Some('s') => "there is no object of up to 32 x 32 px to find",
        Some('m') => "there is no object between 32 x 32 and 96 x 96 px to find",
        Some('l') => "there is no object of 96 x 96 px or more to find",
        _ => "there is no object to find",
    }
}

/// One class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassCurve {
    /// Name.
    pub class: String,
    /// AP over all IoUs.
    pub ap: Option<f64>,
    /// AP at IoU 0.5.
    pub ap50: Option<f64>,
    /// AP at IoU 0.75.
    pub ap75: Option<f64>,
    /// Objects to find.
    pub objects: u64,
    /// Detections looked at.
    pub detections: usize,
    /// Precision at recall 0.00, 0.01, ... 1.00, IoU 0.5.
    pub precision_50: Option<Vec<f64>>,
    /// Score at those recalls; 0 where the recall is not reached.
    pub score_50: Option<Vec<f64>>,
}
