//! Truth as detector: a drive's own labels in place of a network's detections (`--model truth`).
//!
//! For tests, for demonstrations without a network, and to tell what fusion and tracking do by themselves. Labels that are
//! in no picture, or say that nothing is known there (`DontCare`), are no detections.

use std::sync::Arc;

use ocellus_percept::detection::Detection;
use ocellus_sense::Drive;
use ocellus_sense::labels::Label;

/// Regions of KITTI's labels in which nothing is known.
const IGNORED: &str = "DontCare";

/// Detections from labels.
#[derive(Clone)]
pub struct Truth {
    drive: Arc<dyn Drive>,
    classes: Vec<String>,
}

impl Truth {
    /// Of a drive that has labels.
    pub fn of(drive: &Arc<dyn Drive>) -> Option<Self> {
        let labels = drive.info().labels.as_ref()?;
        let classes = labels.classes.keys().filter(|c| *c != IGNORED).map(|c| class_name(c)).collect();
        Some(Self { drive: Arc::clone(drive), classes })
    }

    /// Names of its classes.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The labels of an entry that are in its picture of `size` (columns, rows), as sure detections.
    pub fn detections(&self, entry: usize, size: (usize, usize)) -> Vec<Detection> {
        let labels = self.drive.labels_at(entry).unwrap_or_default();
        labels.iter().filter_map(|label| self.detection(label, size)).collect()
    }

    fn detection(&self, label: &Label, size: (usize, usize)) -> Option<Detection> {
        let name = class_name(&label.class);
        let class = self.classes.iter().position(|c| *c == name)? as u32;
        let bbox = label.box_px?.within(size);
        (bbox.area() > 0.0).then_some(Detection { bbox, score: 1.0, class, mask: None })
    }
}

/// Data sets capitalise their classes; detectors do not.
fn class_name(label: &str) -> String {
    label.to_lowercase()
}
