//! A detector's results, tied to a ground truth's images and categories; what cannot be tied is counted and left out.

use super::wire::{self, ResultEntry, Segmentation};
use super::{CocoError, GroundTruth, Rle};
use crate::findings::Findings;

/// One detection.
#[derive(Debug, Clone, PartialEq)]
pub struct DetectedObject {
    /// Index into [`GroundTruth::images`].
    pub image: usize,
    /// Index into [`GroundTruth::categories`].
    pub category: usize,
    /// x, y, width, height in pixels.
    pub bbox: [f64; 4],
    /// Area in px^2 that decides the size class.
    pub area: f64,
    /// Confidence; any finite number.
    pub score: f64,
    /// The region, where the detector gives one.
    pub segmentation: Option<Segmentation>,
}

/// A detector's results on one ground truth, in the file's order.
#[derive(Debug, Clone, Default)]
pub struct Detections {
    /// The detections that can be evaluated.
    pub objects: Vec<DetectedObject>,
    /// What was odd.
    pub findings: Findings,
}

/// What is odd about a detection that is kept.
fn note_oddities(findings: &mut Findings, bbox: [f64; 4], score: f64, place: impl Fn() -> String) {
    if bbox[2] <= 0.0 || bbox[3] <= 0.0 {
        let effect = "kept as a detection that can match nothing, as pycocotools does (of negative area: left out)";
        findings.note("detection box of zero or negative size", effect, || format!("{}: {bbox:?}", place()));
    }
    if !(0.0..=1.0).contains(&score) {
        let effect = "kept: the order of scores is all that counts here";
        findings.note("detection whose score is not within 0 to 1", effect, || format!("{}: {score}", place()));
    }
}

const EXPECTED: &str = "a list of {image_id, category_id, bbox or segmentation, score}";

impl Detections {
    /// Reads COCO's results format. An empty list is a detector that found nothing.
    pub fn parse(json: &str, truth: &GroundTruth) -> Result<Self, CocoError> {
        let text = wire::without_bare_nan(json);
        let entries: Vec<ResultEntry> = serde_json::from_str(&text).map_err(|e| CocoError::Json {
            file: "the detections file",
            detail: e.to_string(),
            expected: EXPECTED,
        })?;
        let mut detections = Self::default();
        // As pycocotools: the first entry decides whether a detection's size is its box's or its mask's.
        let size_from_box = entries.first().is_some_and(|e| e.bbox.as_ref().is_some_and(|b| !b.is_empty()));
        let (count, first_image) = (entries.len(), entries.first().map(|e| e.image_id.0));
        let mut foreign = 0;
        for (index, entry) in entries.into_iter().enumerate() {
            foreign += usize::from(truth.image_index(entry.image_id.0).is_none());
            if let Some(object) = detections.read(truth, index, entry, size_from_box) {
                detections.objects.push(object);
            }
        }
        if count == 0 {
            detections.findings.note("list of detections without an entry", "every object counts as missed", || {
                "the file holds an empty list".to_owned()
            });
        }
        match first_image {
            Some(first) if foreign == count => Err(CocoError::AllForeign { count, first }),
            _ => Ok(detections),
        }
    }

    fn read(
        &mut self,
        truth: &GroundTruth,
        index: usize,
        entry: ResultEntry,
        size_from_box: bool,
    ) -> Option<DetectedObject> {
        let place = || format!("detection number {} in image {}", index + 1, entry.image_id.0);
        let mut exclude = |what: &str, detail: String| {
            self.findings.note(what, "excluded", || format!("{}{detail}", place()));
            None
        };
        let Some(image) = truth.image_index(entry.image_id.0) else {
            return exclude("detection for an image that the ground truth does not list", String::new());
        };
        let Some(category) = truth.category_index(entry.category_id.0) else {
            let detail = format!(": category {}", entry.category_id.0);
            return exclude("detection of a category that the ground truth does not list", detail);
        };
        let Some(score) = entry.score.filter(|s| s.is_finite()) else {
            return exclude("detection whose score is missing or not finite", String::new());
        };
        let size = truth.images.get(image).and_then(|i| i.size);
        let mask = match (&entry.segmentation, &entry.bbox, size_from_box) {
            (Some(region), None, _) | (Some(region), _, false) => match Rle::from_segmentation(region, size) {
                Ok(mask) => Some(mask),
                Err(e) => return exclude("detection whose mask is broken", format!(": {e}")),
            },
            _ => None,
        };
        let bbox = match (&entry.bbox, &mask) {
            (Some(written), _) => wire::four(written),
            (None, mask) => mask.as_ref().map(Rle::bounds),
        };
        let Some(bbox) = bbox.filter(|b| b.iter().all(|v| v.is_finite())) else {
            return exclude(
                "detection whose box is missing, not finite or not 4 numbers",
                wire::written(entry.bbox.as_deref()),
            );
        };
        note_oddities(&mut self.findings, bbox, score, place);
        let area = match &mask {
            Some(mask) if !size_from_box => mask.area() as f64,
            _ => bbox[2] * bbox[3],
        };
        Some(DetectedObject { image, category, bbox, area, score, segmentation: entry.segmentation })
    }
}
