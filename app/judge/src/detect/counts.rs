//! What one score threshold yields image by image, so that recall, false alarms and D-ECE of any resampling of the images
//! cost one pass over counts.

use crate::calib::{CalibError, DETECTION_BINS, reliability};
use crate::coco::ImageMatches;

/// Counts of one image.
#[derive(Debug, Clone, Default)]
struct Counts {
    objects: u64,
    hits: u64,
    alarms: u64,
    /// By bin of the score: detections, sum of scores, hits.
    bins: [(u64, f64, u64); DETECTION_BINS],
}

/// Counts of all images at a score threshold.
#[derive(Debug, Clone)]
pub struct ImageCounts {
    /// By index of the ground truth's images.
    images: Vec<Counts>,
}

impl ImageCounts {
    /// Counts detections of at least `threshold`; `image_count` is the ground truth's number of images.
    ///
    /// # Errors
    /// A score that is no confidence.
    pub fn new(matches: &[ImageMatches], threshold: f64, image_count: usize) -> Result<Self, CalibError> {
        let mut images = vec![Counts::default(); image_count];
        for m in matches {
            let Some(counts) = images.get_mut(m.image) else { continue };
            counts.objects = m.truths.iter().filter(|t| !t.ignored).count() as u64;
            let kept = m.detections.iter().filter(|d| !d.ignored && d.score >= threshold);
            let (scores, right): (Vec<f64>, Vec<f64>) =
                kept.map(|d| (d.score, f64::from(u8::from(d.is_true())))).unzip();
            for (sum, bin) in counts.bins.iter_mut().zip(reliability(&scores, &right, DETECTION_BINS)?.bins) {
                let n = bin.n as f64;
                *sum =
                    (bin.n as u64, bin.confidence.unwrap_or(0.0) * n, (bin.accuracy.unwrap_or(0.0) * n).round() as u64);
            }
            counts.hits = counts.bins.iter().map(|b| b.2).sum();
            counts.alarms = counts.bins.iter().map(|b| b.0 - b.2).sum();
        }
        Ok(Self { images })
    }

    fn sum(&self, weights: &[u32], of: impl Fn(&Counts) -> u64) -> u64 {
        self.images.iter().zip(weights).map(|(c, w)| of(c) * u64::from(*w)).sum()
    }

    /// Hits over objects with image i counted `weights[i]` times; `None` without objects.
    pub fn recall(&self, weights: &[u32]) -> Option<f64> {
        ratio(self.sum(weights, |c| c.hits), self.sum(weights, |c| c.objects))
    }

    /// Hits over detections; `None` without detections.
    pub fn precision(&self, weights: &[u32]) -> Option<f64> {
        let hits = self.sum(weights, |c| c.hits);
        ratio(hits, hits + self.sum(weights, |c| c.alarms))
    }

    /// False alarms an image; `None` without images.
    pub fn fppi(&self, weights: &[u32]) -> Option<f64> {
        ratio(self.sum(weights, |c| c.alarms), weights.iter().map(|w| u64::from(*w)).sum())
    }

    /// False alarms an image over images without any object; `None` without such images.
    pub fn empty_fppi(&self, weights: &[u32]) -> Option<f64> {
        let empty: Vec<u32> =
            self.images.iter().zip(weights).map(|(c, w)| if c.objects == 0 { *w } else { 0 }).collect();
        self.fppi(&empty)
    }

    /// D-ECE; `None` without detections.
    pub fn d_ece(&self, weights: &[u32]) -> Option<f64> {
        let (mut all, mut gaps) = (0.0, 0.0);
        for bin in 0..DETECTION_BINS {
            let (mut n, mut score, mut hits) = (0.0, 0.0, 0.0);
            for (counts, weight) in self.images.iter().zip(weights) {
                let (w, (count, sum, right)) = (f64::from(*weight), counts.bins[bin]);
                (n, score, hits) = (n + w * count as f64, score + w * sum, hits + w * right as f64);
            }
            all += n;
            gaps += (score - hits).abs();
        }
        (all > 0.0).then(|| gaps / all)
    }

    /// Recall of each image; `None` where it has no object.
    pub fn recall_by_image(&self) -> Vec<Option<f64>> {
        self.images.iter().map(|c| ratio(c.hits, c.objects)).collect()
    }

    /// (missed objects, false alarms) of each image.
    pub fn errors_by_image(&self) -> Vec<(u64, u64)> {
        self.images.iter().map(|c| (c.objects.saturating_sub(c.hits), c.alarms)).collect()
    }
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calib::{Calibrator, d_ece};
    use crate::coco::{MatchedDetection, MatchedTruth};
    use crate::detect::OperatingCurve;
    use crate::stats::Rng;

    fn matches() -> Vec<ImageMatches> {
        let mut rng = Rng::new(6);
        let image = |image: usize, rng: &mut Rng| {
            let n = rng.below(6);
            let detection = |rng: &mut Rng| {
                let (score, right) = (rng.unit(), rng.unit() < 0.6);
                MatchedDetection { index: 0, category: 0, score, truth: right.then_some(0), iou: 0.7, ignored: false }
            };
            let detections: Vec<_> = (0..n).map(|_| detection(rng)).collect();
            let objects = detections.iter().filter(|d| d.is_true()).count() + image % 2;
            let truth = MatchedTruth { index: 0, category: 0, ignored: false, found_at: None };
            ImageMatches { image, detections, truths: vec![truth; objects] }
        };
        (0..60).map(|i| image(i, &mut rng)).collect()
    }

    #[test]
    fn with_weight_one_the_counts_are_the_curve_and_the_diagram() {
        let matches = matches();
        let counts = ImageCounts::new(&matches, 0.4, 60).unwrap();
        let point = OperatingCurve::new(&matches, None).at_score(0.4);
        let ones = vec![1; 60];
        assert_eq!((counts.recall(&ones), counts.precision(&ones)), (point.recall, point.precision));
        assert_eq!(counts.fppi(&ones), Some(point.fppi));
        let whole = d_ece(&matches, 0.4, &Calibrator::Identity).unwrap().ece.unwrap();
        assert!((counts.d_ece(&ones).unwrap() - whole).abs() < 1e-12);
        let mut doubled = matches.clone();
        doubled.extend(matches.iter().cloned().map(|m| ImageMatches { image: m.image + 60, ..m }));
        let twice = ImageCounts::new(&doubled, 0.4, 120).unwrap();
        assert_eq!(twice.recall(&vec![1; 120]), counts.recall(&vec![2; 60]));
        assert_eq!((counts.recall(&[]), counts.fppi(&vec![0; 60]), counts.d_ece(&[])), (None, None, None));
    }
}
