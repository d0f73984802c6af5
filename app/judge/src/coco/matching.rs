//! Which detection found which object: COCO's greedy matching, image by image and category by category.
//!
//! Detections, best score first, each take the free object they overlap most, if at least by the threshold; objects
//! that are ignored (crowds, other sizes) come last and make the detection ignored too.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::overlap::Shape;
use super::result::{AREAS, IOU_COUNT, iou_thresholds};
use super::{CocoError, Detections, GroundTruth, IouType, Params};
use crate::findings::Findings;

/// Detections an image and category that COCO looks at.
pub(super) const MAX_DETECTIONS: usize = 100;

/// An overlap this small counts for the threshold 0, "any overlap".
const ANY_OVERLAP: f64 = 1e-12;

/// What is evaluated: a flag for each image and each category.
pub(super) struct Selection {
    pub(super) images: Vec<bool>,
    pub(super) categories: Vec<bool>,
}

impl Selection {
    pub(super) fn new(truth: &GroundTruth, params: &Params) -> Result<Self, CocoError> {
        let flags = |ids: &Option<Vec<i64>>, n: usize, kind, find: &dyn Fn(i64) -> Option<usize>| {
            let Some(ids) = ids else { return Ok(vec![true; n]) };
            let mut flags = vec![false; n];
            for &id in ids {
                let index = find(id).ok_or(CocoError::UnknownSelection { kind, id })?;
                if let Some(flag) = flags.get_mut(index) {
                    *flag = true;
                }
            }
            Ok(flags)
        };
        Ok(Self {
            images: flags(&params.image_ids, truth.images.len(), "image", &|id| truth.image_index(id))?,
            categories: flags(&params.category_ids, truth.categories.len(), "category", &|id| {
                truth.category_index(id)
            })?,
        })
    }

    fn has(&self, image: usize, category: usize) -> bool {
        self.images.get(image) == Some(&true) && self.categories.get(category) == Some(&true)
    }
}

/// The objects of one category in one image, as indices into truth and detections.
#[derive(Default)]
pub(super) struct Cell {
    pub(super) category: usize,
    pub(super) image: usize,
    truths: Vec<usize>,
    detections: Vec<usize>,
}

/// The cells that hold anything, by category, then image; detections best first (stable: the file's order decides ties).
pub(super) fn cells(truth: &GroundTruth, found: &Detections, params: &Params, selection: &Selection) -> Vec<Cell> {
    let sound = |b: &[f64; 4]| !params.exclude_degenerate || (b[2] > 0.0 && b[3] > 0.0);
    let mut cells: BTreeMap<(usize, usize), Cell> = BTreeMap::new();
    let mut cell = |category, image, write: &dyn Fn(&mut Cell)| {
        let entry = cells.entry((category, image)).or_insert_with(|| Cell { category, image, ..Cell::default() });
        write(entry);
    };
    for (i, o) in truth.objects.iter().enumerate() {
        if selection.has(o.image, o.category) && sound(&o.bbox) {
            cell(o.category, o.image, &|c| c.truths.push(i));
        }
    }
    for (i, o) in found.objects.iter().enumerate() {
        if selection.has(o.image, o.category) && sound(&o.bbox) {
            cell(o.category, o.image, &|c| c.detections.push(i));
        }
    }
    let score = |i: usize| found.objects.get(i).map_or(f64::NEG_INFINITY, |o| o.score);
    let mut cells: Vec<Cell> = cells.into_values().collect();
    for cell in &mut cells {
        cell.detections.sort_by(|&a, &b| score(b).total_cmp(&score(a)));
    }
    cells
}

/// Overlaps of a cell's detections (rows) with its objects (columns).
pub(super) struct Overlaps {
    /// Indices into the ground truth's objects.
    truths: Vec<usize>,
    /// Indices into the detections' objects, best score first.
    detections: Vec<usize>,
    crowd: Vec<bool>,
    iou: Vec<f64>,
    pub(super) findings: Findings,
}

impl Overlaps {
    /// Of at most `limit` detections; objects without a usable mask are left out and noted.
    pub(super) fn new(cell: &Cell, truth: &GroundTruth, found: &Detections, iou: IouType, limit: usize) -> Self {
        let mut findings = Findings::default();
        let (mut truths, mut crowd, mut truth_shapes) = (Vec::new(), Vec::new(), Vec::new());
        for &i in &cell.truths {
            let Some(object) = truth.objects.get(i) else { continue };
            match Shape::of_truth(object, truth, iou) {
                Ok(shape) => {
                    truths.push(i);
                    crowd.push(object.crowd);
                    truth_shapes.push(shape);
                }
                Err(e) => findings.note("ground truth object without a usable mask", "excluded", || {
                    format!("annotation {}: {e}", object.id)
                }),
            }
        }
        let (mut detections, mut shapes) = (Vec::new(), Vec::new());
        for &i in &cell.detections {
            let Some(object) = found.objects.get(i).filter(|_| detections.len() < limit) else { continue };
            match Shape::of_detection(object, truth, iou) {
                Ok(shape) => {
                    detections.push(i);
                    shapes.push(shape);
                }
                Err(e) => findings.note("detection without a usable mask", "excluded", || {
                    let image = truth.images.get(object.image).map_or(0, |image| image.id);
                    format!("a detection in image {image}: {e}")
                }),
            }
        }
        let rows = shapes.iter().flat_map(|s| truth_shapes.iter().zip(&crowd).map(|(t, &c)| s.iou(t, c)));
        let iou = rows.collect();
        Self { truths, detections, crowd, iou, findings }
    }

    fn row(&self, detection: usize) -> &[f64] {
        let n = self.truths.len();
        self.iou.get(detection * n..(detection + 1) * n).unwrap_or_default()
    }

    /// Greedy matching at `threshold`: for each detection the column it takes. `order` lists columns, ignored ones last.
    fn assign(
        &self,
        threshold: f64,
        order: &[usize],
        ignored: &[bool],
        taken: &mut [bool],
        out: &mut Vec<Option<usize>>,
    ) {
        taken.fill(false);
        out.clear();
        for detection in 0..self.detections.len() {
            let row = self.row(detection);
            // A perfect overlap must pass the threshold 1 in spite of rounding; the constant is the definition's.
            let mut best = threshold.min(1.0 - 1e-10);
            let mut chosen: Option<usize> = None;
            for &column in order {
                if taken[column] && !self.crowd[column] {
                    continue;
                }
                if ignored[column] && chosen.is_some_and(|c| !ignored[c]) {
                    break;
                }
                // NaN overlaps never match.
                if row[column] >= best {
                    best = row[column];
                    chosen = Some(column);
                }
            }
            if let Some(column) = chosen {
                taken[column] = true;
            }
            out.push(chosen);
        }
    }
}

/// One detection's fate at every threshold (bits) in every size class.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fate {
    pub(super) score: f64,
    pub(super) image: u32,
    /// Place among the detections of its image and category, best first.
    pub(super) rank: u32,
    /// Bit t: matched at threshold t.
    pub(super) matched: [u16; AREAS.len()],
    /// Bit t: neither right nor wrong at threshold t.
    pub(super) ignored: [u16; AREAS.len()],
}

/// Matches one cell at all thresholds and sizes: fates of its detections and the number of objects to find by size.
pub(super) fn fates(
    cell: &Cell,
    overlaps: &Overlaps,
    truth: &GroundTruth,
    found: &Detections,
) -> (Vec<Fate>, [u32; AREAS.len()]) {
    let detected = |d: usize| overlaps.detections.get(d).and_then(|&i| found.objects.get(i));
    let mut fates: Vec<Fate> = (0..overlaps.detections.len())
        .map(|d| Fate {
            score: detected(d).map_or(f64::NEG_INFINITY, |o| o.score),
            image: cell.image as u32,
            rank: d as u32,
            matched: [0; AREAS.len()],
            ignored: [0; AREAS.len()],
        })
        .collect();
    let mut wanted = [0; AREAS.len()];
    let n = overlaps.truths.len();
    let (mut taken, mut chosen) = (vec![false; n], Vec::new());
    for (a, (_, low, high)) in AREAS.iter().enumerate() {
        let outside = |area: f64| area < *low || area > *high;
        let object = |c: usize| overlaps.truths.get(c).and_then(|&i| truth.objects.get(i));
        let ignored: Vec<bool> = (0..n).map(|c| object(c).is_none_or(|o| o.crowd || outside(o.area))).collect();
        wanted[a] = ignored.iter().filter(|i| !**i).count() as u32;
        let order: Vec<usize> = in_order(&ignored);
        for (t, threshold) in iou_thresholds().into_iter().enumerate() {
            debug_assert!(t < IOU_COUNT);
            overlaps.assign(threshold, &order, &ignored, &mut taken, &mut chosen);
            for (d, (fate, &column)) in fates.iter_mut().zip(&chosen).enumerate() {
                let ignore = match column {
                    Some(column) => ignored[column],
                    None => detected(d).is_some_and(|o| outside(o.area)),
                };
                fate.matched[a] |= u16::from(column.is_some()) << t;
                fate.ignored[a] |= u16::from(ignore) << t;
            }
        }
    }
    (fates, wanted)
}

/// Columns with the ignored ones last, otherwise in order.
fn in_order(ignored: &[bool]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..ignored.len()).collect();
    order.sort_by_key(|&c| ignored[c]);
    order
}

/// A detection and what it found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MatchedDetection {
    /// Index into [`Detections::objects`].
    pub index: usize,
    /// Index into [`GroundTruth::categories`].
    pub category: usize,
    /// Confidence.
    pub score: f64,
    /// Index into [`GroundTruth::objects`] of what it found.
    pub truth: Option<usize>,
    /// Overlap with it, 0 where it found nothing.
    pub iou: f64,
    /// Matched a crowd: neither right nor wrong.
    pub ignored: bool,
}

impl MatchedDetection {
    /// Whether it is right.
    pub fn is_true(&self) -> bool {
        self.truth.is_some() && !self.ignored
    }

    /// Whether it is a false alarm.
    pub fn is_false(&self) -> bool {
        self.truth.is_none() && !self.ignored
    }
}

/// A true object and whether it was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MatchedTruth {
    /// Index into [`GroundTruth::objects`].
    pub index: usize,
    /// Index into [`GroundTruth::categories`].
    pub category: usize,
    /// A crowd: need not be found.
    pub ignored: bool,
    /// Score of the detection that found it.
    pub found_at: Option<f64>,
}

/// All matches of one image.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ImageMatches {
    /// Index into [`GroundTruth::images`].
    pub image: usize,
    /// Detections by category, best first.
    pub detections: Vec<MatchedDetection>,
    /// True objects by category.
    pub truths: Vec<MatchedTruth>,
}

/// Matches at one IoU threshold (0: any overlap), every selected image having an entry. Because matching is greedy by
/// score, what a detection finds does not depend on detections of lower score: any score threshold may be applied later.
pub fn matches_at(
    truth: &GroundTruth,
    found: &Detections,
    iou: IouType,
    threshold: f64,
    params: &Params,
) -> Result<Vec<ImageMatches>, CocoError> {
    let selection = Selection::new(truth, params)?;
    let cells = cells(truth, found, params, &selection);
    let threshold = threshold.max(ANY_OVERLAP);
    let parts: Vec<(Vec<MatchedDetection>, Vec<MatchedTruth>)> = cells
        .par_iter()
        .map(|cell| {
            let overlaps = Overlaps::new(cell, truth, found, iou, usize::MAX);
            match_cell(cell, &overlaps, truth, found, threshold)
        })
        .collect();
    let mut by_image: BTreeMap<usize, ImageMatches> = selection
        .images
        .iter()
        .enumerate()
        .filter(|(_, selected)| **selected)
        .map(|(image, _)| (image, ImageMatches { image, ..ImageMatches::default() }))
        .collect();
    for (cell, (detections, truths)) in cells.iter().zip(parts) {
        if let Some(entry) = by_image.get_mut(&cell.image) {
            entry.detections.extend(detections);
            entry.truths.extend(truths);
        }
    }
    Ok(by_image.into_values().collect())
}

fn match_cell(
    cell: &Cell,
    overlaps: &Overlaps,
    truth: &GroundTruth,
    found: &Detections,
    threshold: f64,
) -> (Vec<MatchedDetection>, Vec<MatchedTruth>) {
    let (mut taken, mut chosen) = (vec![false; overlaps.truths.len()], Vec::new());
    let order = in_order(&overlaps.crowd);
    overlaps.assign(threshold, &order, &overlaps.crowd, &mut taken, &mut chosen);
    let category = cell.category;
    let mut truths: Vec<MatchedTruth> = overlaps
        .truths
        .iter()
        .zip(&overlaps.crowd)
        .map(|(&index, &ignored)| MatchedTruth { index, category, ignored, found_at: None })
        .collect();
    debug_assert!(truths.iter().all(|t| t.index < truth.objects.len()));
    let mut detections = Vec::with_capacity(chosen.len());
    for (d, (&index, &column)) in overlaps.detections.iter().zip(&chosen).enumerate() {
        let score = found.objects.get(index).map_or(f64::NEG_INFINITY, |o| o.score);
        let hit = column.and_then(|c| truths.get_mut(c));
        let ignored = hit.as_ref().is_some_and(|t| t.ignored);
        let object = hit.as_ref().map(|t| t.index);
        if let Some(hit) = hit {
            hit.found_at = hit.found_at.or(Some(score));
        }
        let iou = column.and_then(|c| overlaps.row(d).get(c)).copied().unwrap_or(0.0);
        detections.push(MatchedDetection { index, category, score, truth: object, iou, ignored });
    }
    (detections, truths)
}
