//! How good pseudo labels are, measured on pictures that people labelled.

use std::collections::BTreeMap;

use ocellus_percept::detection::BoxPx;
use serde::Serialize;

use super::agree::{Kind, Proposal, PseudoLabel};

/// A label is right where it overlaps an object of its class at least this much.
const RIGHT_IOU: f32 = 0.5;
/// COCO's borders between small, medium and large objects, px^2.
const AREAS: [(f32, &str); 2] = [(32.0 * 32.0, "small"), (96.0 * 96.0, "medium")];
/// Fewer detections than this tell no threshold.
const SAMPLES_MIN: usize = 10;

/// An object that people marked.
#[derive(Debug, Clone, PartialEq)]
pub struct Marked {
    /// Index into the common class list.
    pub class: usize,
    /// Where, pixels of the picture.
    pub bbox: BoxPx,
    /// A region of many: what is seen there is neither right nor wrong.
    pub crowd: bool,
    /// Groups it belongs to: `occluded`, ...
    pub tags: Vec<String>,
}

/// Counts of one group of objects.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Rates {
    /// Labels that are right.
    pub right: usize,
    /// Labels that are wrong.
    pub wrong: usize,
    /// Objects without a label.
    pub missed: usize,
    /// Of those, objects under a region to be ignored: lost to training, but not taught as background.
    pub missed_under_ignored: usize,
    /// right / (right + wrong).
    pub precision: Option<f64>,
    /// right / (right + missed).
    pub recall: Option<f64>,
    /// Mean overlap of right labels with their objects.
    pub mean_iou: Option<f64>,
    #[serde(skip)]
    iou_sum: f64,
}

impl Rates {
    fn settle(&mut self) {
        let ratio = |part: usize, whole: usize| (whole > 0).then(|| part as f64 / whole as f64);
        self.precision = ratio(self.right, self.right + self.wrong);
        self.recall = ratio(self.right, self.right + self.missed);
        self.mean_iou = (self.right > 0).then(|| self.iou_sum / self.right as f64);
    }
}

/// Rates over all, by size, and by the tags of objects. Wrong labels have a size but no tags.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Audit {
    /// Pictures.
    pub pictures: usize,
    /// All labels and objects.
    pub all: Rates,
    /// By group.
    pub groups: BTreeMap<String, Rates>,
}

impl Audit {
    /// Adds one picture.
    pub fn add(&mut self, labels: &[PseudoLabel], truth: &[Marked]) {
        self.pictures += 1;
        let taught: Vec<&PseudoLabel> = labels.iter().filter(|l| l.kind != Kind::Ignored).collect();
        let boxes: Vec<(usize, f64, BoxPx)> = taught.iter().map(|l| (l.class, l.score, l.bbox)).collect();
        let matches = assign(&boxes, truth);
        for (label, found) in taught.iter().zip(&matches) {
            match found {
                Match::Right(at, iou) => {
                    let Some(object) = truth.get(*at) else { continue };
                    self.count(&object.bbox, &object.tags, |r| {
                        r.right += 1;
                        r.iou_sum += f64::from(*iou);
                    });
                }
                Match::Wrong => self.count(&label.bbox, &[], |r| r.wrong += 1),
                Match::Neither => {}
            }
        }
        for (at, object) in truth.iter().enumerate().filter(|(_, o)| !o.crowd) {
            if matches.iter().any(|m| matches!(m, Match::Right(i, _) if *i == at)) {
                continue;
            }
            let covers = |l: &PseudoLabel| l.kind == Kind::Ignored && l.bbox.iou(&object.bbox) >= RIGHT_IOU;
            let excused = labels.iter().any(covers);
            self.count(&object.bbox, &object.tags, |r| {
                r.missed += 1;
                r.missed_under_ignored += usize::from(excused);
            });
        }
        self.all.settle();
        self.groups.values_mut().for_each(Rates::settle);
    }

    fn count(&mut self, bbox: &BoxPx, tags: &[String], change: impl Fn(&mut Rates)) {
        change(&mut self.all);
        let size = AREAS.iter().find(|(area, _)| bbox.area() < *area).map_or("large", |(_, name)| name);
        for group in std::iter::once(size).chain(tags.iter().map(String::as_str)) {
            change(self.groups.entry(group.to_owned()).or_default());
        }
    }
}

/// What one box is worth.
enum Match {
    /// The object it is, and the overlap.
    Right(usize, f32),
    Wrong,
    /// On a crowd.
    Neither,
}

/// Each box, surest first, takes the free object of its class that it overlaps most.
fn assign(boxes: &[(usize, f64, BoxPx)], truth: &[Marked]) -> Vec<Match> {
    let mut order: Vec<usize> = (0..boxes.len()).collect();
    order.sort_by(|a, b| boxes[*b].1.total_cmp(&boxes[*a].1).then(a.cmp(b)));
    let mut taken = vec![false; truth.len()];
    let mut matches: Vec<Match> = boxes.iter().map(|_| Match::Wrong).collect();
    for at in order {
        let (class, _, bbox) = &boxes[at];
        let same = truth.iter().enumerate().filter(|(_, o)| o.class == *class);
        let free = same.clone().filter(|(i, o)| !taken[*i] && !o.crowd).map(|(i, o)| (i, o.bbox.iou(bbox)));
        let best = free.max_by(|a, b| a.1.total_cmp(&b.1)).filter(|(_, iou)| *iou >= RIGHT_IOU);
        matches[at] = match best {
            Some((i, iou)) => {
                taken[i] = true;
                Match::Right(i, iou)
            }
            None if same.filter(|(_, o)| o.crowd).any(|(_, o)| covered(bbox, &o.bbox) >= RIGHT_IOU) => Match::Neither,
            None => Match::Wrong,
        };
    }
    matches
}

/// Share of `inner` that lies in `outer`.
fn covered(inner: &BoxPx, outer: &BoxPx) -> f32 {
    let width = (inner.x1.min(outer.x1) - inner.x0.max(outer.x0)).max(0.0);
    let height = (inner.y1.min(outer.y1) - inner.y0.max(outer.y0)).max(0.0);
    if inner.area() > 0.0 { width * height / inner.area() } else { 0.0 }
}

/// One detection of a teacher on a labelled picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Its class.
    pub class: usize,
    /// Its score.
    pub score: f64,
    /// Whether an object is there.
    pub right: bool,
}

/// The detections of one teacher in one picture, each right or wrong; those on crowds are left out.
pub fn samples(proposals: &[Proposal], truth: &[Marked]) -> Vec<Sample> {
    let boxes: Vec<(usize, f64, BoxPx)> = proposals.iter().map(|p| (p.class, p.score, p.bbox)).collect();
    let judged = proposals.iter().zip(assign(&boxes, truth));
    let sample = |(p, found): (&Proposal, Match)| match found {
        Match::Neither => None,
        found => Some(Sample { class: p.class, score: p.score, right: matches!(found, Match::Right(..)) }),
    };
    judged.filter_map(sample).collect()
}

/// The labels of one picture that teachers agree on, each right or wrong.
pub fn agreed_samples(labels: &[PseudoLabel], truth: &[Marked]) -> Vec<Sample> {
    let agreed = labels.iter().filter(|l| l.kind == Kind::Agreed);
    let proposals: Vec<Proposal> = agreed.map(|l| Proposal { class: l.class, score: l.score, bbox: l.bbox }).collect();
    samples(&proposals, truth)
}

/// The same threshold for all classes; `None` where too few were seen to tell, or no score is enough.
pub fn threshold(samples: &[Sample], precision: f64) -> Option<f64> {
    let pooled: Vec<Sample> = samples.iter().map(|s| Sample { class: 0, ..*s }).collect();
    thresholds(&pooled, 1, precision).into_iter().next().flatten()
}

/// By class: the lowest score from which on at least `precision` of the detections are right; `None` where too few were
/// seen to tell, or no score is enough.
pub fn thresholds(samples: &[Sample], classes: usize, precision: f64) -> Vec<Option<f64>> {
    let threshold = |class: usize| {
        let mut own: Vec<&Sample> = samples.iter().filter(|s| s.class == class).collect();
        own.sort_by(|a, b| b.score.total_cmp(&a.score));
        let (mut right, mut lowest) = (0, None);
        for (i, sample) in own.iter().enumerate() {
            right += usize::from(sample.right);
            let seen = i + 1;
            let last_of_score = own.get(seen).is_none_or(|next| next.score < sample.score);
            if last_of_score && seen >= SAMPLES_MIN && right as f64 >= precision * seen as f64 {
                lowest = Some(sample.score);
            }
        }
        lowest
    };
    (0..classes).map(threshold).collect()
}
