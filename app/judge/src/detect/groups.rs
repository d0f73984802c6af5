//! Groups: where a detector is weak. Images by tag (night, rain), objects by tag (occluded, far, small).

use std::collections::BTreeMap;

use serde::Serialize;

use crate::coco::{Evaluation, GroundTruth, ImageMatches};
use crate::stats::{Bootstrap, Interval, TOO_FEW, wilson};

/// What a group's figure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupKind {
    /// AP over the group's images, with a bootstrap interval over them.
    ImageAp,
    /// Recall of the group's objects at a score threshold, with Wilson's interval.
    ObjectRecall,
}

/// One group.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    /// Tag.
    pub name: String,
    /// Images or objects in it.
    pub n: usize,
    /// Its figure; `None` where there is no object.
    pub value: Option<f64>,
    /// 95 % interval.
    pub interval: Option<Interval>,
    /// Fewer than 30: the figure says little, and the group cannot be the worst.
    pub too_few: bool,
}

/// All groups, and the worst of those large enough.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GroupReport {
    /// What the figures are.
    pub kind: GroupKind,
    /// Groups by name.
    pub groups: Vec<Group>,
    /// Name of the lowest with at least 30; `None` where no group is large enough.
    pub worst: Option<String>,
    /// Best minus worst among those large enough.
    pub gap: Option<f64>,
    /// Why these two are undefined.
    pub undefined: Option<&'static str>,
}

impl GroupReport {
    fn new(kind: GroupKind, groups: Vec<Group>) -> Self {
        let sound = || groups.iter().filter(|g| !g.too_few).filter_map(|g| g.value.map(|v| (g, v)));
        let worst = sound().min_by(|a, b| a.1.total_cmp(&b.1));
        let best = sound().max_by(|a, b| a.1.total_cmp(&b.1));
        let gap = best.zip(worst).map(|(b, w)| b.1 - w.1);
        let undefined = worst.is_none().then_some("no group has 30 or more, or none has a figure");
        Self { kind, worst: worst.map(|w| w.0.name.clone()), gap, undefined, groups }
    }

    /// The worst group.
    pub fn worst_group(&self) -> Option<&Group> {
        self.groups.iter().find(|g| Some(&g.name) == self.worst.as_ref())
    }
}

/// AP of each group of images, by the images' tags.
pub fn image_groups(truth: &GroundTruth, evaluation: &Evaluation, bootstrap: &Bootstrap) -> GroupReport {
    let mut members: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for &i in evaluation.images() {
        for tag in truth.images.get(i).iter().flat_map(|image| &image.tags) {
            let list = members.entry(tag).or_default();
            if list.last() != Some(&i) {
                list.push(i);
            }
        }
    }
    let group = |(name, images): (&str, Vec<usize>)| Group {
        name: name.to_owned(),
        n: images.len(),
        value: evaluation.ap_weighted(&evaluation.only(&images)),
        interval: bootstrap.interval(&images, evaluation.image_count(), |w| evaluation.ap_weighted(w)),
        too_few: images.len() < TOO_FEW,
    };
    GroupReport::new(GroupKind::ImageAp, members.into_iter().map(group).collect())
}

/// Recall at a score threshold of each group of objects; `tags_of` gives the groups of an object (index into the ground
/// truth's objects).
pub fn object_groups(matches: &[ImageMatches], threshold: f64, tags_of: impl Fn(usize) -> Vec<String>) -> GroupReport {
    let mut counts: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for object in matches.iter().flat_map(|m| &m.truths).filter(|t| !t.ignored) {
        let hit = object.found_at.is_some_and(|score| score >= threshold);
        for tag in tags_of(object.index) {
            let (hits, n) = counts.entry(tag).or_default();
            (*hits, *n) = (*hits + u64::from(hit), *n + 1);
        }
    }
    let group = |(name, (hits, n)): (String, (u64, u64))| Group {
        name,
        n: n as usize,
        value: (n > 0).then(|| hits as f64 / n as f64),
        interval: wilson(hits, n),
        too_few: (n as usize) < TOO_FEW,
    };
    GroupReport::new(GroupKind::ObjectRecall, counts.into_iter().map(group).collect())
}

/// COCO's size class of an area in px^2.
pub fn size_tag(area_px2: f64) -> &'static str {
    if area_px2 < 1024.0 {
        "size small (< 32 px)"
    } else if area_px2 < 9216.0 {
        "size medium (32 to 96 px)"
    } else {
        "size large (> 96 px)"
    }
}

/// Bounds of the distance bands in metres: braking, town, country road, beyond.
const DISTANCE_BANDS_M: [f64; 4] = [10.0, 20.0, 40.0, 80.0];

/// The distance band of a range in metres; `None` where it is not a positive number.
pub fn distance_tag(range_m: f64) -> Option<String> {
    if !(range_m >= 0.0 && range_m.is_finite()) {
        return None;
    }
    let upper = DISTANCE_BANDS_M.iter().position(|&bound| range_m < bound);
    let lower = |i: usize| i.checked_sub(1).and_then(|i| DISTANCE_BANDS_M.get(i)).copied().unwrap_or(0.0);
    Some(match upper {
        Some(i) => format!("distance {:03} to {:03} m", lower(i), DISTANCE_BANDS_M[i]),
        None => format!("distance beyond {:03} m", lower(DISTANCE_BANDS_M.len())),
    })
}
