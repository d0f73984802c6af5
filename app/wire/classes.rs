//! The class names of all networks of a run in one numbering, and what to do where two networks see the same thing.

use std::collections::BTreeMap;

use ocellus_percept::detection::Detection;

/// Two boxes of one class from different networks that overlap more than this are one object: the usual bound of NMS.
const SAME_OBJECT_IOU: f32 = 0.55;

/// A detection and what its network's own listed score says of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The detection, its class in our numbering.
    pub detection: Detection,
    /// Whether it is listed; what is not keeps tracks alive.
    pub listed: bool,
}

/// Class names of a run. Index 0 is `unknown`.
#[derive(Debug, Clone)]
pub struct Classes {
    names: Vec<String>,
    /// By network: its own index to ours.
    ours: Vec<Vec<u32>>,
    detectors: usize,
}

impl Classes {
    /// Numbers the classes of `models`, each a list of names (empty for depth networks); the drive's own labels come last.
    pub fn new<'a>(models: impl IntoIterator<Item = &'a [String]>) -> Self {
        let mut names = vec!["unknown".to_owned()];
        let mut known: BTreeMap<String, u32> = BTreeMap::new();
        let mut number = |name: &String| {
            *known.entry(name.clone()).or_insert_with(|| {
                names.push(name.clone());
                names.len() as u32 - 1
            })
        };
        let ours: Vec<Vec<u32>> = models.into_iter().map(|list| list.iter().map(&mut number).collect()).collect();
        let detectors = ours.iter().filter(|list| !list.is_empty()).count();
        Self { names, ours, detectors }
    }

    /// Our number of a network's class.
    pub fn of(&self, model: usize, class: u32) -> u32 {
        self.ours.get(model).and_then(|list| list.get(class as usize)).copied().unwrap_or(self.unknown())
    }

    /// Our number of a class of the drive's own labels, which are numbered after the networks.
    pub fn of_truth(&self, class: u32) -> u32 {
        self.of(self.ours.len().saturating_sub(1), class)
    }

    /// The number of what no detector knows.
    pub fn unknown(&self) -> u32 {
        0
    }

    /// The name of our number.
    pub fn name(&self, class: u32) -> &str {
        self.names.get(class as usize).map_or("unknown", String::as_str)
    }

    /// All names, by our numbers.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Where several detectors look at one picture, keeps of each object the surest detection.
    pub fn suppress_across_models(&self, candidates: &mut Vec<Candidate>) {
        if self.detectors < 2 {
            return;
        }
        // What is listed goes before what is not: a network that is sure at a lower score is not silenced by one that is not.
        candidates.sort_by(|a, b| b.listed.cmp(&a.listed).then(b.detection.score.total_cmp(&a.detection.score)));
        let mut kept = 0;
        for index in 0..candidates.len() {
            let (before, rest) = candidates.split_at(index);
            let Some(Candidate { detection: new, .. }) = rest.first() else { break };
            let same =
                |k: &Candidate| k.detection.class == new.class && k.detection.bbox.iou(&new.bbox) > SAME_OBJECT_IOU;
            if !before.iter().take(kept).any(same) {
                candidates.swap(kept, index);
                kept += 1;
            }
        }
        candidates.truncate(kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ocellus_percept::detection::BoxPx;

    #[test]
    fn networks_share_numbers_by_name_and_one_object_is_kept_once() {
        let (a, b) = (vec!["person".to_owned(), "car".to_owned()], vec!["car".to_owned()]);
        let classes = Classes::new([a.as_slice(), b.as_slice()]);
        assert_eq!(classes.of(0, 1), classes.of(1, 0));
        assert_eq!(classes.name(classes.of(1, 0)), "car");
        assert_eq!(classes.name(classes.of(1, 9)), "unknown");
        let at = |x0: f32, score: f32, class: u32| {
            let bbox = BoxPx { x0, y0: 0.0, x1: x0 + 100.0, y1: 50.0 };
            Candidate { detection: Detection { bbox, score, class, mask: None }, listed: score >= 0.4 }
        };
        let mut found = vec![at(0.0, 0.6, 2), at(5.0, 0.9, 2), at(5.0, 0.8, 1), at(300.0, 0.5, 2)];
        // Another network's own listed score is higher: its surer detection is not listed and yields.
        found.push(Candidate { listed: false, ..at(302.0, 0.7, 2) });
        classes.suppress_across_models(&mut found);
        let scores: Vec<f32> = found.iter().map(|c| c.detection.score).collect();
        assert_eq!(scores, [0.9, 0.8, 0.5]);
    }
}
