//! Ground truth: images, categories and annotated objects, ids checked, oddities counted.

use std::collections::BTreeMap;

use super::wire::{self, Segmentation, TruthFile};
use super::{CocoError, Rle};
use crate::findings::Findings;

/// One image.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageInfo {
    /// COCO id.
    pub id: i64,
    /// Rows and columns, where the file says.
    pub size: Option<(u32, u32)>,
    /// Name as written, empty where there is none.
    pub file_name: String,
    /// Groups it belongs to (`tags` in the file, or set by the caller): `night`, `rain`, ...
    pub tags: Vec<String>,
}

/// One category.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Category {
    /// COCO id.
    pub id: i64,
    /// Unique name: the file's, with the id added where two categories share one.
    pub name: String,
}

/// One annotated object.
#[derive(Debug, Clone, PartialEq)]
pub struct TruthObject {
    /// COCO id, or 1 + its index where the file has none.
    pub id: i64,
    /// Index into [`GroundTruth::images`].
    pub image: usize,
    /// Index into [`GroundTruth::categories`].
    pub category: usize,
    /// x, y, width, height in pixels.
    pub bbox: [f64; 4],
    /// Area in px^2 that decides the size class.
    pub area: f64,
    /// A region of many: detections inside are neither right nor wrong.
    pub crowd: bool,
    /// The region, where the file has one.
    pub segmentation: Option<Segmentation>,
    /// Groups it belongs to: `occluded`, `far`, ...
    pub tags: Vec<String>,
}

/// A data set's annotations, images and categories in order of their ids.
#[derive(Debug, Clone, Default)]
pub struct GroundTruth {
    /// Images by ascending id.
    pub images: Vec<ImageInfo>,
    /// Categories by ascending id.
    pub categories: Vec<Category>,
    /// Objects in the file's order.
    pub objects: Vec<TruthObject>,
    /// What was odd.
    pub findings: Findings,
}

const EXPECTED: &str = "an object with `images`, `annotations` and `categories`";

impl GroundTruth {
    /// Reads COCO's ground truth (`instances_*.json`).
    pub fn parse(json: &str) -> Result<Self, CocoError> {
        let text = wire::without_bare_nan(json);
        let file: TruthFile = serde_json::from_str(&text).map_err(|e| CocoError::Json {
            file: "the ground truth",
            detail: e.to_string(),
            expected: EXPECTED,
        })?;
        let mut truth = Self::default();
        truth.read_images(file.images)?;
        truth.read_categories(file.categories)?;
        truth.read_annotations(file.annotations)?;
        if truth.objects.is_empty() {
            let listed = format!("{} images, {} categories", truth.images.len(), truth.categories.len());
            truth.findings.note("ground truth without an object", "figures that need one are undefined", || listed);
        }
        Ok(truth)
    }

    /// Index of the image with this id.
    pub fn image_index(&self, id: i64) -> Option<usize> {
        self.images.binary_search_by_key(&id, |i| i.id).ok()
    }

    /// Images on which nothing is annotated: each detection there is a false one.
    pub fn images_without_annotations(&self) -> usize {
        let mut annotated: Vec<usize> = self.objects.iter().map(|o| o.image).collect();
        annotated.sort_unstable();
        annotated.dedup();
        self.images.len() - annotated.len()
    }

    /// Regions of many objects: a detection inside is neither right nor wrong.
    pub fn crowd_regions(&self) -> usize {
        self.objects.iter().filter(|o| o.crowd).count()
    }

    /// Index of the category with this id.
    pub fn category_index(&self, id: i64) -> Option<usize> {
        self.categories.binary_search_by_key(&id, |c| c.id).ok()
    }

    fn read_images(&mut self, entries: Vec<wire::ImageEntry>) -> Result<(), CocoError> {
        unique("image", entries.iter().map(|e| e.id.0))?;
        for entry in entries {
            let whole = |v: Option<f64>| v.filter(|v| *v >= 1.0 && *v <= f64::from(u32::MAX)).map(|v| v as u32);
            self.images.push(ImageInfo {
                id: entry.id.0,
                size: whole(entry.height).zip(whole(entry.width)),
                file_name: entry.file_name.unwrap_or_default(),
                tags: entry.tags,
            });
        }
        self.images.sort_by_key(|i| i.id);
        if self.images.is_empty() { Err(CocoError::NoImages) } else { Ok(()) }
    }

    fn read_categories(&mut self, entries: Vec<wire::CategoryEntry>) -> Result<(), CocoError> {
        unique("category", entries.iter().map(|e| e.id.0))?;
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for entry in &entries {
            *seen.entry(entry.name.clone().unwrap_or_default()).or_default() += 1;
        }
        for entry in entries {
            let name = entry.name.unwrap_or_default();
            let shared = seen.get(&name).is_some_and(|&n| n > 1);
            let name = match (name.is_empty(), shared) {
                (true, _) => format!("category {}", entry.id.0),
                (_, true) => format!("{name} ({})", entry.id.0),
                _ => name,
            };
            self.categories.push(Category { id: entry.id.0, name });
        }
        self.categories.sort_by_key(|c| c.id);
        if self.categories.is_empty() { Err(CocoError::NoCategories) } else { Ok(()) }
    }

    fn read_annotations(&mut self, entries: Vec<wire::AnnotationEntry>) -> Result<(), CocoError> {
        unique("annotation", entries.iter().filter_map(|e| e.id).map(|id| id.0))?;
        for (index, entry) in entries.into_iter().enumerate() {
            let place = format!("annotation {} in image {}", label(&entry, index), entry.image_id.0);
            if let Some(object) = self.read_annotation(index, entry, &place) {
                self.objects.push(object);
            }
        }
        Ok(())
    }

    fn read_annotation(&mut self, index: usize, entry: wire::AnnotationEntry, place: &str) -> Option<TruthObject> {
        let (image, category) = (self.image_index(entry.image_id.0), self.category_index(entry.category_id.0));
        let bounds = match (&entry.bbox, image) {
            (Some(written), _) => wire::four(written),
            (None, Some(image)) => self.bounds_of(entry.segmentation.as_ref(), image),
            (None, None) => None,
        };
        let mut exclude = |what: &str, detail: &str| {
            self.findings.note(what, "excluded", || format!("{place}{detail}"));
            None
        };
        let Some(image) = image else {
            return exclude("annotation for an image that is not listed", "");
        };
        let Some(category) = category else {
            return exclude(
                "annotation of a category that is not listed",
                &format!(": category {}", entry.category_id.0),
            );
        };
        let Some(bbox) = bounds.filter(|b| b.iter().all(|v| v.is_finite())) else {
            return exclude(
                "ground truth box that is missing, not finite or not 4 numbers",
                &wire::written(entry.bbox.as_deref()),
            );
        };
        let area = entry.area.filter(|a| a.is_finite()).unwrap_or_else(|| {
            let what = "annotation whose area is missing or not finite";
            self.findings.note(what, "its box's area decides its size class", || place.to_owned());
            bbox[2] * bbox[3]
        });
        let id = entry.id.map_or(index as i64 + 1, |id| id.0);
        self.note_oddities((bbox, area), id, image, place);
        let crowd = entry.iscrowd.0;
        Some(TruthObject { id, image, category, bbox, area, crowd, segmentation: entry.segmentation, tags: entry.tags })
    }

    fn note_oddities(&mut self, (bbox, area): ([f64; 4], f64), id: i64, image: usize, place: &str) {
        const KEPT: &str = "kept as an object that nothing can match, as pycocotools does";
        const OF_NO_SIZE: &str = "of negative area, so of no size class and left out of all, as pycocotools does";
        let [x, y, w, h] = bbox;
        if w < 0.0 || h < 0.0 {
            self.findings.note("ground truth box of negative size", if area < 0.0 { OF_NO_SIZE } else { KEPT }, || {
                format!("{place}: {bbox:?}")
            });
        } else if w == 0.0 || h == 0.0 {
            self.findings.note("ground truth box of zero area", KEPT, || format!("{place}: {bbox:?}"));
        }
        if let Some((rows, columns)) = self.images.get(image).and_then(|i| i.size) {
            // Rounding in annotation tools reaches a pixel beyond the edge; more is worth a word.
            let (right, bottom) = (f64::from(columns) + 1.0, f64::from(rows) + 1.0);
            if x < -1.0 || y < -1.0 || x + w > right || y + h > bottom {
                self.findings.note("ground truth box beyond its picture", "kept as written", || {
                    format!("{place}: {bbox:?} on {columns} x {rows} px")
                });
            }
        }
        if id == 0 {
            self.findings.note(
                "annotation id 0",
                "a match with it counts as a match; pycocotools takes id 0 for none and counts a false positive",
                || place.to_owned(),
            );
        }
    }

    fn bounds_of(&self, region: Option<&Segmentation>, image: usize) -> Option<[f64; 4]> {
        let size = self.images.get(image).and_then(|i| i.size);
        Rle::from_segmentation(region?, size).ok().map(|mask| mask.bounds())
    }
}

fn label(entry: &wire::AnnotationEntry, index: usize) -> String {
    entry.id.map_or_else(|| format!("number {}", index + 1), |id| id.0.to_string())
}

fn unique(kind: &'static str, ids: impl Iterator<Item = i64>) -> Result<(), CocoError> {
    let mut seen = BTreeMap::new();
    for (second, id) in ids.enumerate() {
        if let Some(first) = seen.insert(id, second) {
            return Err(CocoError::DuplicateId { kind, id, first, second });
        }
    }
    Ok(())
}
