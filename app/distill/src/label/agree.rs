//! Labels of one picture from the detections of several teachers.

use ocellus_percept::detection::BoxPx;
use serde::Serialize;

/// Boxes of two teachers that overlap at least this much mean the same object.
const AGREE_IOU: f32 = 0.6;
/// Detections below this score are no opinion.
const LOW: f64 = 0.25;
/// The score from which one teacher alone is believed, where nothing was measured.
const HIGH: f64 = 0.8;

/// A teacher's detection.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Proposal {
    /// Index into the common class list.
    pub class: usize,
    /// Confidence, 0 to 1.
    pub score: f64,
    /// Where, pixels of the picture.
    pub bbox: BoxPx,
}

/// Which of the common classes a teacher can see at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Teacher {
    /// By class.
    pub knows: Vec<bool>,
}

/// When teachers agree, and when one alone is believed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rules {
    /// Least overlap of boxes that mean the same object.
    pub agree_iou: f32,
    /// Least score that counts as an opinion.
    pub low: f64,
    /// Least mean score of what teachers agree on; below it they agree that they are not sure.
    pub agreed: f64,
    /// By class: the score from which one teacher alone is believed.
    pub alone: Vec<f64>,
}

impl Rules {
    /// The usual ones for so many classes.
    pub fn usual(classes: usize) -> Self {
        Self { agree_iou: AGREE_IOU, low: LOW, agreed: 0.0, alone: vec![HIGH; classes] }
    }
}

/// What a label rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// At least half of the teachers that know the class, and no fewer than two, surely enough.
    Agreed,
    /// Too few teachers, but surely enough.
    Alone,
    /// Teachers differ: nothing is to be learnt here.
    Ignored,
}

/// A label, or a region to be ignored.
#[derive(Debug, Clone, PartialEq)]
pub struct PseudoLabel {
    /// Index into the common class list.
    pub class: usize,
    /// Where: the mean of the teachers' boxes by their scores.
    pub bbox: BoxPx,
    /// Mean score over the teachers that know the class, silence counting as 0.
    pub score: f64,
    /// How much it counts in training: 1 where agreed, the score where one is alone, 0 where ignored.
    pub weight: f64,
    /// What it rests on.
    pub kind: Kind,
    /// Indices of the teachers that saw it, ascending.
    pub teachers: Vec<usize>,
}

/// Detections of several teachers that mean one object.
#[derive(Debug)]
struct Cluster {
    class: usize,
    members: Vec<(usize, Proposal)>,
    best: f64,
}

/// Labels of one picture, those of higher score first. `proposals` are by teacher.
pub fn agree(teachers: &[Teacher], proposals: &[Vec<Proposal>], rules: &Rules) -> Vec<PseudoLabel> {
    let mut clusters = clusters(proposals, rules);
    clusters.sort_by(|a, b| b.members.len().cmp(&a.members.len()).then(b.best.total_cmp(&a.best)));
    let mut labels: Vec<PseudoLabel> = Vec::new();
    for cluster in &clusters {
        let mut label = judge(cluster, teachers, rules);
        let rival = |l: &&mut PseudoLabel| l.class != label.class && l.bbox.iou(&label.bbox) >= rules.agree_iou;
        match labels.iter_mut().find(rival) {
            // Outvoted by those who call it something else.
            Some(other) if other.kind == Kind::Agreed && label.kind != Kind::Agreed => continue,
            // Two opinions of one weight: neither is taught.
            Some(other) => {
                if other.kind != Kind::Agreed {
                    ignore(other);
                }
                ignore(&mut label);
            }
            None => {}
        }
        labels.push(label);
    }
    labels.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.class.cmp(&b.class)));
    labels
}

fn ignore(label: &mut PseudoLabel) {
    (label.kind, label.weight) = (Kind::Ignored, 0.0);
}

/// Each detection goes, surest first, to the cluster of its class that it overlaps most and that has none of its teacher.
fn clusters(proposals: &[Vec<Proposal>], rules: &Rules) -> Vec<Cluster> {
    let sound = |p: &Proposal| {
        let b = p.bbox;
        p.score >= rules.low && [b.x0, b.y0, b.x1, b.y1].iter().all(|v| v.is_finite()) && b.area() > 0.0
    };
    let each = proposals.iter().enumerate().flat_map(|(t, list)| list.iter().map(move |p| (t, *p)));
    let mut all: Vec<(usize, Proposal)> = each.filter(|(_, p)| sound(p)).collect();
    all.sort_by(|a, b| b.1.score.total_cmp(&a.1.score).then(a.0.cmp(&b.0)));
    let mut clusters: Vec<Cluster> = Vec::new();
    for (teacher, proposal) in all {
        let overlap = |c: &Cluster| c.members.first().map_or(0.0, |(_, seed)| seed.bbox.iou(&proposal.bbox));
        let open = |c: &&mut Cluster| {
            c.class == proposal.class && c.members.iter().all(|(t, _)| *t != teacher) && overlap(c) >= rules.agree_iou
        };
        match clusters.iter_mut().filter(open).max_by(|a, b| overlap(a).total_cmp(&overlap(b))) {
            Some(cluster) => cluster.members.push((teacher, proposal)),
            None => clusters.push(Cluster {
                class: proposal.class,
                members: vec![(teacher, proposal)],
                best: proposal.score,
            }),
        }
    }
    clusters
}

fn judge(cluster: &Cluster, teachers: &[Teacher], rules: &Rules) -> PseudoLabel {
    let knows = teachers.iter().filter(|t| t.knows.get(cluster.class) == Some(&true)).count();
    let votes = cluster.members.len();
    let sum: f64 = cluster.members.iter().map(|(_, p)| p.score).sum();
    let mean = |side: fn(&BoxPx) -> f32| {
        let weighted = cluster.members.iter().map(|(_, p)| p.score * f64::from(side(&p.bbox))).sum::<f64>();
        (weighted / sum.max(f64::MIN_POSITIVE)) as f32
    };
    let score = sum / knows.max(votes) as f64;
    let alone = rules.alone.get(cluster.class).copied().unwrap_or(HIGH);
    let (kind, weight) = if votes >= 2 && 2 * votes >= knows && score >= rules.agreed {
        (Kind::Agreed, 1.0)
    } else if cluster.best >= alone {
        (Kind::Alone, cluster.best)
    } else {
        (Kind::Ignored, 0.0)
    };
    let mut seen_by: Vec<usize> = cluster.members.iter().map(|(t, _)| *t).collect();
    seen_by.sort_unstable();
    let bbox = BoxPx { x0: mean(|b| b.x0), y0: mean(|b| b.y0), x1: mean(|b| b.x1), y1: mean(|b| b.y1) };
    PseudoLabel { class: cluster.class, bbox, score, weight, kind, teachers: seen_by }
}
