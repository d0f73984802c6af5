//! What a detector's findings on labelled pictures are worth: precision, false alarms, groups, honesty of scores.

use anyhow::Result;
use ocellus_judge::calib::{Calibrator, DetectionCalibration, ECE_BINS, detection_calibration, reliability, samples};
use ocellus_judge::coco::{
    CocoResult, Detections, Evaluation, ImageMatches, IouType, Params, Rle, match_all, matches_at,
};
use ocellus_judge::detect::{
    GroupReport, ImageCounts, OperatingCurve, class_curves, image_groups, mean_optimal_lrp, object_groups, size_tag,
};
use ocellus_judge::stats::{Bootstrap, Interval};
use serde_json::{Map, Value, json};

use super::data::Data;
use super::subject::Found;

/// A detection counts as right from this overlap on, wherever one threshold is meant.
const RIGHT_IOU: f64 = 0.5;

/// Everything one detector's findings come to on one data set.
pub struct Figures {
    /// AP and what lies beneath.
    pub evaluation: Evaluation,
    /// The twelve figures of COCO, by class too.
    pub coco: CocoResult,
    /// Matches at IoU 0.5.
    pub at_half: Vec<ImageMatches>,
    /// All operating points, classes pooled.
    pub curve: OperatingCurve,
    /// Counts at the run's threshold.
    pub counts: ImageCounts,
    /// Mean optimal LRP over the classes.
    pub olrp: Option<f64>,
    /// Of detections at or above the run's threshold.
    pub calibration: DetectionCalibration,
    /// Expected calibration error in 15 bins, of the same detections.
    pub ece: Option<f64>,
    /// Groups of images by tag; groups of objects by occlusion, distance, size.
    pub groups: Vec<(&'static str, GroupReport)>,
    /// AP of masks, where the network gives some and the labels have outlines.
    pub masks: Option<Evaluation>,
    /// The run's threshold.
    pub threshold: f64,
}

/// Kinds of groups of objects, by what their tags begin with.
const OBJECT_GROUPS: [&str; 3] = ["occlusion", "distance", "size"];

impl Figures {
    /// Judges `found` on `data`.
    pub fn new(data: &Data, found: &Found, params: &Params, threshold: f64) -> Result<Self> {
        let detections = &found.detections;
        let evaluation = match_all(&data.truth, detections, IouType::Bbox, params)?;
        let at_half = matches_at(&data.truth, detections, IouType::Bbox, RIGHT_IOU, params)?;
        let at_any = matches_at(&data.truth, detections, IouType::Bbox, 0.0, params)?;
        let (scores, right) = samples(&at_half, threshold);
        let mut groups = vec![("image", image_groups(&data.truth, &evaluation, &Bootstrap::default()))];
        for kind in OBJECT_GROUPS {
            groups.push((kind, object_groups(&at_half, threshold, |index| tags(data, index, kind))));
        }
        groups.retain(|(_, report)| !report.groups.is_empty());
        let per_class = class_curves(&at_half, data.truth.categories.len());
        Ok(Self {
            coco: evaluation.result(),
            counts: ImageCounts::new(&at_half, threshold, data.truth.images.len())?,
            curve: OperatingCurve::new(&at_half, None),
            olrp: mean_optimal_lrp(&per_class, RIGHT_IOU),
            calibration: detection_calibration(&at_half, &at_any, threshold, &Calibrator::Identity)?,
            ece: reliability(&scores, &right, ECE_BINS)?.ece,
            masks: masks(data, detections, params)?,
            evaluation,
            at_half,
            groups,
            threshold,
        })
    }

    /// 95 % interval of AP over images.
    pub fn ap_interval(&self) -> Option<Interval> {
        let (images, count) = (self.evaluation.images(), self.evaluation.image_count());
        Bootstrap::default().interval(images, count, |w| self.evaluation.ap_weighted(w))
    }

    /// AP of masks over weighted images.
    pub fn mask_ap(&self, weights: &[u32]) -> Option<f64> {
        self.masks.as_ref()?.ap_weighted(weights)
    }

    /// Weight 1 for each image judged.
    pub fn ones(&self) -> Vec<u32> {
        self.evaluation.ones()
    }

    /// The lowest figure of any group with 30 or more, its name and its size.
    pub fn worst_group(&self) -> Option<(String, f64, usize)> {
        let worst = self.groups.iter().filter_map(|(_, report)| report.worst_group());
        let valued = worst.filter_map(|g| Some((g.name.clone(), g.value?, g.n)));
        valued.min_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// As a program reads it. What is undefined is null, with its reason in `undefined`.
    pub fn to_json(&self, rate_hz: Option<f64>) -> Value {
        let point = self.curve.at_score(self.threshold);
        let per_hour = rate_hz.and_then(|hz| self.curve.false_alarms_per_hour(self.threshold, hz));
        let groups: Map<String, Value> = self.groups.iter().map(|(k, r)| ((*k).to_owned(), json!(r))).collect();
        let worst = self.worst_group().map(|(name, value, n)| json!({"name": name, "value": value, "n": n}));
        json!({
            "stats": self.coco.stats, "per_class": self.coco.per_class, "ap_interval": self.ap_interval(),
            "mask_ap": self.mask_ap(&self.ones()), "objects": self.curve.objects, "images": self.curve.images,
            "operating_point": {"score": self.threshold, "recall": point.recall, "precision": point.precision,
                "fppi": point.fppi, "tp": point.tp, "fp": point.fp},
            "false_alarms": {"fppi": point.fppi, "per_hour": per_hour, "rate_hz": rate_hz,
                "empty_scene_fppi": self.counts.empty_fppi(&self.ones()),
                "log_average_miss_rate": self.curve.log_average_miss_rate()},
            "olrp": self.olrp, "calibration": self.calibration, "ece": self.ece,
            "groups": groups, "worst_group": worst, "undefined": self.undefined(rate_hz),
        })
    }

    /// Why figures are undefined.
    fn undefined(&self, rate_hz: Option<f64>) -> Map<String, Value> {
        let of_coco = self.coco.undefined().into_iter().map(|(figure, why)| (figure.to_owned(), why.into()));
        let mut reasons: Map<String, Value> = of_coco.collect();
        let point = self.curve.at_score(self.threshold);
        let mut say = |missing: bool, figure: &str, why: &str| {
            if missing {
                reasons.insert(figure.to_owned(), why.into());
            }
        };
        say(self.olrp.is_none(), "olrp", "there is no object to find");
        say(point.recall.is_none(), "operating_point.recall", "there is no object to find");
        say(point.precision.is_none(), "operating_point.precision", "no detection reaches the threshold");
        say(self.masks.is_none(), "mask_ap", "the network gives no masks, or the labels have no outlines");
        say(self.ece.is_none(), "calibration", "no detection reaches the threshold");
        say(rate_hz.is_none(), "false_alarms.per_hour", "the pictures have no times");
        say(
            self.counts.empty_fppi(&self.ones()).is_none(),
            "false_alarms.empty_scene_fppi",
            "every picture has an object",
        );
        say(self.worst_group().is_none(), "worst_group", "no group has 30 or more: too few");
        reasons
    }
}

/// Masks against outlines, areas being those of the masks.
fn masks(data: &Data, detections: &Detections, params: &Params) -> Result<Option<Evaluation>> {
    let outlined = data.truth.objects.iter().any(|o| !o.crowd && o.segmentation.is_some());
    if !outlined || detections.objects.iter().all(|d| d.segmentation.is_none()) {
        return Ok(None);
    }
    let mut detections = detections.clone();
    for d in &mut detections.objects {
        let size = data.truth.images.get(d.image).and_then(|i| i.size);
        let mask = d.segmentation.as_ref().and_then(|s| Rle::from_segmentation(s, size).ok());
        d.area = mask.map_or(0.0, |m| m.area() as f64);
    }
    Ok(Some(match_all(&data.truth, &detections, IouType::Segm, params)?))
}

fn tags(data: &Data, index: usize, kind: &str) -> Vec<String> {
    let Some(object) = data.truth.objects.get(index) else { return Vec::new() };
    if kind == "size" {
        return vec![size_tag(object.area).to_owned()];
    }
    object.tags.iter().filter(|t| t.starts_with(kind)).cloned().collect()
}
