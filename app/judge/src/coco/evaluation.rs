//! Precision and recall from the matches, over all images or over weighted ones.
//!
//! An [`Evaluation`] keeps each detection's fate, so that average precision over any resampling or group of images
//! costs one pass over sorted detections, without matching again.

use rayon::prelude::*;

use super::matching::{Fate, MAX_DETECTIONS, Overlaps, Selection, cells, fates};
use super::result::{AREAS, ClassCurve, CocoResult, IOU_COUNT, RECALL_COUNT, recall_thresholds};
use super::{CocoError, Detections, GroundTruth, IouType, Params};
use crate::findings::Findings;

/// Size class and detections an image for each of the six curves COCO summarises.
const VIEWS: [(usize, u32); 6] = [
    (0, 1),
    (0, 10),
    (0, MAX_DETECTIONS as u32),
    (1, MAX_DETECTIONS as u32),
    (2, MAX_DETECTIONS as u32),
    (3, MAX_DETECTIONS as u32),
];

/// Index into [`VIEWS`] of all sizes, 100 detections.
const FULL: usize = 2;

/// All matches of a detector on a data set.
#[derive(Debug, Clone)]
pub struct Evaluation {
    iou: IouType,
    /// Selected images, as indices into the ground truth's images.
    images: Vec<usize>,
    image_count: usize,
    classes: Vec<ClassFates>,
    findings: Findings,
}

/// What happened in one category.
#[derive(Debug, Clone)]
struct ClassFates {
    name: String,
    /// Best score first; images in order of their ids among equal scores.
    fates: Vec<Fate>,
    /// Objects to find by size class, for each image that has any.
    wanted: Vec<(u32, [u32; AREAS.len()])>,
}

/// Precision at the recall thresholds and the recall reached, at one IoU threshold.
struct Curve {
    precision: [f64; RECALL_COUNT],
    score: [f64; RECALL_COUNT],
    recall: f64,
}

/// Evaluates detections as pycocotools does.
pub fn evaluate(
    truth: &GroundTruth,
    found: &Detections,
    iou: IouType,
    params: &Params,
) -> Result<CocoResult, CocoError> {
    Ok(match_all(truth, found, iou, params)?.result())
}

/// Matches detections at all ten IoU thresholds and four size classes.
pub fn match_all(
    truth: &GroundTruth,
    found: &Detections,
    iou: IouType,
    params: &Params,
) -> Result<Evaluation, CocoError> {
    let selection = Selection::new(truth, params)?;
    let cells = cells(truth, found, params, &selection);
    let parts: Vec<_> = cells
        .par_iter()
        .map(|cell| {
            let overlaps = Overlaps::new(cell, truth, found, iou, MAX_DETECTIONS);
            let (fates, wanted) = fates(cell, &overlaps, truth, found);
            (fates, wanted, overlaps.findings)
        })
        .collect();
    let mut findings = truth.findings.clone();
    findings.extend(&found.findings);
    let mut classes: Vec<ClassFates> = truth
        .categories
        .iter()
        .map(|c| ClassFates { name: c.name.clone(), fates: Vec::new(), wanted: Vec::new() })
        .collect();
    for (cell, (fates, wanted, odd)) in cells.iter().zip(parts) {
        findings.extend(&odd);
        if let Some(class) = classes.get_mut(cell.category) {
            class.fates.extend(fates);
            class.wanted.push((cell.image as u32, wanted));
        }
    }
    let mut kept = selection.categories.iter();
    classes.retain(|_| kept.next() == Some(&true));
    classes.par_iter_mut().for_each(|c| c.fates.sort_by(|a, b| b.score.total_cmp(&a.score)));
    let images = selection.images.iter().enumerate().filter(|(_, s)| **s).map(|(i, _)| i).collect();
    Ok(Evaluation { iou, images, image_count: truth.images.len(), classes, findings })
}

impl Evaluation {
    /// The twelve figures, AP of each class and its curve at IoU 0.5.
    pub fn result(&self) -> CocoResult {
        let weights = self.ones();
        let per_class: Vec<[Option<Vec<Curve>>; VIEWS.len()]> =
            self.classes.par_iter().map(|c| VIEWS.map(|view| c.curves(view, &weights))).collect();
        let view = |v: usize| per_class.iter().filter_map(move |c| c[v].as_ref());
        let ap = |v: usize, t: Option<usize>| mean(view(v).flat_map(|curves| pick(curves, t).map(Curve::ap)));
        let ar = |v: usize| mean(view(v).flat_map(|curves| curves.iter().map(|c| c.recall)));
        let stats = [
            ap(FULL, None),
            ap(FULL, Some(0)),
            ap(FULL, Some(5)),
            ap(3, None),
            ap(4, None),
            ap(5, None),
            ar(0),
            ar(1),
            ar(FULL),
            ar(3),
            ar(4),
            ar(5),
        ];
        let curves = self.classes.iter().zip(&per_class).map(|(class, views)| class.describe(views[FULL].as_deref()));
        let curves: Vec<ClassCurve> = curves.collect();
        CocoResult {
            iou_type: self.iou,
            stats,
            per_class: curves.iter().map(|c| (c.class.clone(), c.ap)).collect(),
            images: self.images.len(),
            curves,
            findings: self.findings.clone(),
        }
    }

    /// Number of images of the ground truth: the length of the weights below.
    pub fn image_count(&self) -> usize {
        self.image_count
    }

    /// The evaluated images, as indices into the ground truth's images.
    pub fn images(&self) -> &[usize] {
        &self.images
    }

    /// AP (all IoUs and sizes, 100 detections) with image i counted `weights[i]` times; `None` where no object counts.
    pub fn ap_weighted(&self, weights: &[u32]) -> Option<f64> {
        let per_class = self.classes.iter().filter_map(|c| c.curves(VIEWS[FULL], weights));
        mean(per_class.map(|curves| mean(curves.iter().map(Curve::ap)).unwrap_or(0.0)))
    }

    /// The same at IoU 0.5 alone.
    pub fn ap50_weighted(&self, weights: &[u32]) -> Option<f64> {
        mean(self.classes.iter().filter_map(|c| {
            let wanted = c.wanted_in(0, weights);
            (wanted > 0).then(|| c.curve(VIEWS[FULL], 0, wanted, weights).ap())
        }))
    }

    /// As [`Self::ap_weighted`], of one class.
    pub fn class_ap_weighted(&self, class: &str, weights: &[u32]) -> Option<f64> {
        let curves = self.classes.iter().find(|c| c.name == class)?.curves(VIEWS[FULL], weights)?;
        mean(curves.iter().map(Curve::ap))
    }

    /// The names of the classes.
    pub fn classes(&self) -> impl Iterator<Item = &str> {
        self.classes.iter().map(|c| c.name.as_str())
    }

    /// Weight 1 for each evaluated image, 0 for the others.
    pub fn ones(&self) -> Vec<u32> {
        self.only(&self.images)
    }

    /// Weight 1 for the evaluated images among `images` (indices into the ground truth's), 0 for the others.
    pub fn only(&self, images: &[usize]) -> Vec<u32> {
        let mut weights = vec![0; self.image_count];
        for i in images {
            if let Some(w) = weights.get_mut(*i).filter(|_| self.images.binary_search(i).is_ok()) {
                *w = 1;
            }
        }
        weights
    }
}

impl ClassFates {
    fn wanted_in(&self, area: usize, weights: &[u32]) -> u64 {
        self.wanted.iter().map(|(image, n)| u64::from(n[area]) * u64::from(weight(weights, *image))).sum()
    }

    /// Curves at the ten IoU thresholds, `None` where there is no object to find.
    fn curves(&self, view: (usize, u32), weights: &[u32]) -> Option<Vec<Curve>> {
        let wanted = self.wanted_in(view.0, weights);
        (wanted > 0).then(|| (0..IOU_COUNT).map(|t| self.curve(view, t, wanted, weights)).collect())
    }

    fn curve(&self, (area, limit): (usize, u32), t: usize, wanted: u64, weights: &[u32]) -> Curve {
        let (mut hits, mut alarms) = (0_u64, 0_u64);
        let mut points: Vec<(f64, f64, f64)> = Vec::with_capacity(self.fates.len());
        for fate in self.fates.iter().filter(|f| f.rank < limit) {
            let weight = u64::from(weight(weights, fate.image));
            if weight == 0 {
                continue;
            }
            if fate.ignored[area] >> t & 1 == 0 {
                let hit = fate.matched[area] >> t & 1 == 1;
                hits += if hit { weight } else { 0 };
                alarms += if hit { 0 } else { weight };
            }
            let (tp, fp) = (hits as f64, alarms as f64);
            points.push((tp / wanted as f64, tp / (fp + tp + f64::EPSILON), fate.score));
        }
        let recall = points.last().map_or(0.0, |p| p.0);
        for i in (1..points.len()).rev() {
            points[i - 1].1 = points[i - 1].1.max(points[i].1);
        }
        let mut curve = Curve { precision: [0.0; RECALL_COUNT], score: [0.0; RECALL_COUNT], recall };
        let mut at = 0;
        for (r, threshold) in recall_thresholds().into_iter().enumerate() {
            while points.get(at).is_some_and(|p| p.0 < threshold) {
                at += 1;
            }
            let Some(&(_, precision, score)) = points.get(at) else { break };
            curve.precision[r] = precision;
            curve.score[r] = score;
        }
        curve
    }

    fn describe(&self, curves: Option<&[Curve]>) -> ClassCurve {
        let at = |t: usize| curves.and_then(|c| c.get(t));
        ClassCurve {
            class: self.name.clone(),
            ap: curves.and_then(|c| mean(c.iter().map(Curve::ap))),
            ap50: at(0).map(Curve::ap),
            ap75: at(5).map(Curve::ap),
            objects: self.wanted.iter().map(|(_, n)| u64::from(n[0])).sum(),
            detections: self.fates.len(),
            precision_50: at(0).map(|c| c.precision.to_vec()),
            score_50: at(0).map(|c| c.score.to_vec()),
        }
    }
}

impl Curve {
    fn ap(&self) -> f64 {
        self.precision.iter().sum::<f64>() / RECALL_COUNT as f64
    }
}

fn pick(curves: &[Curve], threshold: Option<usize>) -> impl Iterator<Item = &Curve> {
    curves.iter().enumerate().filter(move |(t, _)| threshold.is_none_or(|only| only == *t)).map(|(_, c)| c)
}

fn weight(weights: &[u32], image: u32) -> u32 {
    weights.get(image as usize).copied().unwrap_or(0)
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (n, sum) = values.fold((0_u64, 0.0), |(n, sum), v| (n + 1, sum + v));
    (n > 0).then(|| sum / n as f64)
}
