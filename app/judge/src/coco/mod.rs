//! COCO detection evaluation: boxes and masks, the twelve figures of pycocotools and what lies beneath them.
//!
//! [`GroundTruth::parse`] and [`Detections::parse`] read COCO's JSON; [`evaluate`] matches and accumulates as pycocotools
//! 2.0 does, to the last digits. Boxes are x, y, width, height in pixels of the source image. Odd input is refused with
//! a [`CocoError`] or counted in the result's findings. [`matches_at`] gives the matches at one IoU threshold, the base
//! of false alarms, calibration and groups. Not here: key points, panoptic quality.

mod detections;
mod evaluation;
mod matching;
mod overlap;
mod polygon;
mod result;
mod rle;
mod truth;
mod wire;

pub use detections::{DetectedObject, Detections};
pub use evaluation::{Evaluation, evaluate, match_all};
pub use matching::{ImageMatches, MatchedDetection, MatchedTruth, matches_at};
pub(crate) use overlap::box_iou;
pub use result::{
    AREAS, ClassCurve, CocoResult, IOU_COUNT, RECALL_COUNT, STAT_NAMES, iou_thresholds, recall_thresholds,
};
pub use rle::{MaskError, Rle};
pub use truth::{Category, GroundTruth, ImageInfo, TruthObject};
pub use wire::Segmentation;

use serde::{Deserialize, Serialize};

/// What overlaps are measured on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IouType {
    /// Boxes.
    #[default]
    Bbox,
    /// Masks.
    Segm,
}

/// What of the files is evaluated.
#[derive(Debug, Clone, Default)]
pub struct Params {
    /// Only these images; all of the ground truth's where `None`.
    pub image_ids: Option<Vec<i64>>,
    /// Only these categories; all where `None`.
    pub category_ids: Option<Vec<i64>>,
    /// Leaves out ground truth and detections whose box has no positive width and height, which nothing can match.
    /// pycocotools keeps them (as misses and false positives), and so does the default.
    pub exclude_degenerate: bool,
}

/// Why an evaluation cannot be made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CocoError {
    /// The text is no COCO JSON.
    #[error("{file} is not COCO JSON: {detail}; expected {expected}")]
    Json {
        /// `ground truth` or `detections`.
        file: &'static str,
        /// The parser's message with line and column.
        detail: String,
        /// What the file must hold.
        expected: &'static str,
    },
    /// Two entries claim one id.
    #[error("{kind} id {id} appears twice in the ground truth (entries {first} and {second}); ids must be unique")]
    DuplicateId {
        /// `image`, `category` or `annotation`.
        kind: &'static str,
        /// The id.
        id: i64,
        /// Index of the first entry.
        first: usize,
        /// Index of the second.
        second: usize,
    },
    /// The ground truth lists no image.
    #[error("the ground truth lists no images: nothing can be evaluated")]
    NoImages,
    /// The ground truth lists no category.
    #[error("the ground truth lists no categories: nothing can be evaluated")]
    NoCategories,
    /// Every detection is for an image the ground truth does not list.
    #[error(
        "none of the {count} detections is for an image of the ground truth (first: image {first}); \
         are the two files of the same data set? See how file names map to image ids"
    )]
    AllForeign {
        /// Detections in the file.
        count: usize,
        /// Image of the first one.
        first: i64,
    },
    /// A selected id does not exist.
    #[error("{kind} {id} was selected but is not in the ground truth")]
    UnknownSelection {
        /// `image` or `category`.
        kind: &'static str,
        /// The id.
        id: i64,
    },
}
