//! What average precision hides: false alarms, the cost of an operating point, and the groups a detector fails in.
//!
//! Built on [`crate::coco::matches_at`]; nothing is matched again here.

mod counts;
mod curve;
mod groups;
mod matched;

pub use counts::ImageCounts;
pub use curve::{Lrp, OperatingCurve, OperatingPoint, class_curves, empty_scene_fppi, mean_optimal_lrp};
pub use groups::{Group, GroupKind, GroupReport, distance_tag, image_groups, object_groups, size_tag};
pub use matched::{MatchedRecall, at_matched_recall};
