//! The operating curve: what each score threshold yields in hits, false alarms, and localisation error.

use serde::Serialize;

use crate::coco::ImageMatches;

/// What one score threshold yields.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct OperatingPoint {
    /// Detections with at least this score count.
    pub score: f64,
    /// Hits.
    pub tp: u64,
    /// False alarms.
    pub fp: u64,
    /// Hits over objects; `None` without objects.
    pub recall: Option<f64>,
    /// Hits over hits and false alarms; `None` where nothing is detected.
    pub precision: Option<f64>,
    /// False positives an image.
    pub fppi: f64,
    /// Sum of 1 - IoU over the hits.
    pub localisation: f64,
}

/// Localisation recall precision error (Oksuz et al. 2018, 2021) at a score threshold: 0 is perfect, 1 the worst.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Lrp {
    /// The error.
    pub lrp: f64,
    /// The score threshold; above 1 where detecting nothing is best.
    pub score: f64,
    /// Mean 1 - IoU of the hits.
    pub localisation: Option<f64>,
    /// 1 - precision.
    pub false_positive: Option<f64>,
    /// 1 - recall.
    pub false_negative: Option<f64>,
}

/// All operating points of a detector, highest score first, one for each distinct score.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OperatingCurve {
    /// Points.
    pub points: Vec<OperatingPoint>,
    /// Objects to find.
    pub objects: u64,
    /// Images looked at.
    pub images: u64,
}

/// The nine false-positive rates between 0.01 and 1 an image over which the miss rate is averaged (Dollar et al. 2012).
const LAMR_POINTS: usize = 9;

/// The smallest miss rate the logarithm is taken of.
const LAMR_FLOOR: f64 = 1e-10;

impl OperatingCurve {
    /// Of one category (index into the ground truth's), or of all pooled.
    pub fn new(matches: &[ImageMatches], category: Option<usize>) -> Self {
        let wanted = |c: usize| category.is_none_or(|only| only == c);
        let truths = matches.iter().flat_map(|m| &m.truths).filter(|t| wanted(t.category) && !t.ignored);
        let objects = truths.count() as u64;
        let found = matches.iter().flat_map(|m| &m.detections).filter(|d| wanted(d.category) && !d.ignored);
        let mut found: Vec<(f64, Option<f64>)> = found.map(|d| (d.score, d.truth.map(|_| d.iou))).collect();
        found.sort_by(|a, b| b.0.total_cmp(&a.0));
        let images = matches.len() as u64;
        let (mut points, mut tp, mut fp, mut localisation) = (Vec::new(), 0_u64, 0_u64, 0.0);
        for (i, (score, hit)) in found.iter().enumerate() {
            match hit {
                Some(iou) => (tp, localisation) = (tp + 1, localisation + (1.0 - iou)),
                None => fp += 1,
            }
            if found.get(i + 1).is_some_and(|next| next.0 == *score) {
                continue;
            }
            points.push(OperatingPoint {
                score: *score,
                tp,
                fp,
                recall: (objects > 0).then(|| tp as f64 / objects as f64),
                precision: Some(tp as f64 / (tp + fp) as f64),
                fppi: fp as f64 / images as f64,
                localisation,
            });
        }
        Self { points, objects, images }
    }

    /// The point of a score threshold: detections with at least that score.
    pub fn at_score(&self, threshold: f64) -> OperatingPoint {
        let n = self.points.partition_point(|p| p.score >= threshold);
        let nothing = OperatingPoint {
            score: threshold,
            tp: 0,
            fp: 0,
            recall: (self.objects > 0).then_some(0.0),
            precision: None,
            fppi: 0.0,
            localisation: 0.0,
        };
        n.checked_sub(1).and_then(|i| self.points.get(i)).map_or(nothing, |p| OperatingPoint { score: threshold, ..*p })
    }

    /// The highest threshold whose recall is at least `recall`; `None` where it is never reached.
    pub fn at_recall(&self, recall: f64) -> Option<OperatingPoint> {
        // Recalls are fractions of whole numbers: a hair of tolerance keeps equal ones equal.
        self.points.iter().find(|p| p.recall.is_some_and(|r| r >= recall - 1e-12)).copied()
    }

    /// False alarms an hour at `threshold` for a camera of `fps` frames a second; `None` without images or rate.
    pub fn false_alarms_per_hour(&self, threshold: f64, fps: f64) -> Option<f64> {
        (self.images > 0 && fps > 0.0 && fps.is_finite()).then(|| self.at_score(threshold).fppi * fps * 3600.0)
    }

    /// Log-average miss rate over false-positive rates 0.01 to 1 an image; `None` without objects or images.
    pub fn log_average_miss_rate(&self) -> Option<f64> {
        if self.objects == 0 || self.images == 0 {
            return None;
        }
        let sum: f64 = (0..LAMR_POINTS)
            .map(|i| {
                let limit = 10_f64.powf(-2.0 + 2.0 * i as f64 / (LAMR_POINTS - 1) as f64);
                let n = self.points.partition_point(|p| p.fppi <= limit);
                let recall = n.checked_sub(1).and_then(|i| self.points.get(i)?.recall).unwrap_or(0.0);
                (1.0 - recall).max(LAMR_FLOOR).ln()
            })
            .sum();
        Some((sum / LAMR_POINTS as f64).exp())
    }

    /// LRP at a score threshold for matches made at IoU `tau`; `None` where there is neither object nor detection.
    pub fn lrp_at(&self, threshold: f64, tau: f64) -> Option<Lrp> {
        let p = self.at_score(threshold);
        let missed = self.objects.saturating_sub(p.tp);
        let all = p.tp + p.fp + missed;
        (all > 0 && tau < 1.0).then(|| Lrp {
            lrp: (p.localisation / (1.0 - tau) + (p.fp + missed) as f64) / all as f64,
            score: threshold,
            localisation: (p.tp > 0).then(|| p.localisation / p.tp as f64),
            false_positive: p.precision.map(|precision| 1.0 - precision),
            false_negative: p.recall.map(|recall| 1.0 - recall),
        })
    }

    /// The smallest LRP over all thresholds, "detect nothing" (error 1) among them; `None` without objects.
    pub fn optimal_lrp(&self, tau: f64) -> Option<Lrp> {
        if self.objects == 0 {
            return None;
        }
        let scores = self.points.iter().map(|p| p.score);
        let points = std::iter::once(f64::INFINITY).chain(scores).filter_map(|s| self.lrp_at(s, tau));
        let best = points.min_by(|a, b| a.lrp.total_cmp(&b.lrp));
        best.map(|l| if l.score.is_finite() { l } else { Lrp { score: 1.0 + f64::EPSILON, ..l } })
    }

    /// At most `n` points for plots, evenly spread, the last kept.
    pub fn thinned(&self, n: usize) -> Vec<OperatingPoint> {
        let step = self.points.len().div_ceil(n.max(1)).max(1);
        let mut points: Vec<_> = self.points.iter().copied().step_by(step).collect();
        if let Some(last) = self.points.last().filter(|last| points.last() != Some(last)) {
            points.push(*last);
        }
        points
    }
}

/// One curve for each of `categories` categories.
pub fn class_curves(matches: &[ImageMatches], categories: usize) -> Vec<OperatingCurve> {
    (0..categories).map(|c| OperatingCurve::new(matches, Some(c))).collect()
}

/// Mean of the optimal LRP over the classes that have objects; `None` where no class has.
pub fn mean_optimal_lrp(curves: &[OperatingCurve], tau: f64) -> Option<f64> {
    let errors: Vec<f64> = curves.iter().filter_map(|c| c.optimal_lrp(tau)).map(|l| l.lrp).collect();
    (!errors.is_empty()).then(|| errors.iter().sum::<f64>() / errors.len() as f64)
}

/// False positives an image over the images without any object, at a score threshold, and how many such images there
/// are; `None` where there is no such image.
pub fn empty_scene_fppi(matches: &[ImageMatches], threshold: f64) -> Option<(f64, usize)> {
    let empty: Vec<&ImageMatches> = matches.iter().filter(|m| m.truths.is_empty()).collect();
    let alarms = empty.iter().flat_map(|m| &m.detections).filter(|d| d.is_false() && d.score >= threshold).count();
    (!empty.is_empty()).then(|| (alarms as f64 / empty.len() as f64, empty.len()))
}
