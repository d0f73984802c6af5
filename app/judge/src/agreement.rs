//! Two networks on the same frames, without labels: where do they part?
//!
//! Boxes are matched one to one within a class, best overlap first. The result ranks frames, so that an engineer looks
//! at the few where student and teacher differ most.

use ocellus_percept::detection::BoxPx;
use serde::Serialize;

/// Boxes that overlap at least this much are the same object (the usual bar for quantized twins).
pub const SAME_BOX_IOU: f32 = 0.7;

/// What a network says of one object.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// Class name.
    pub class: String,
    /// Confidence, 0 to 1.
    pub score: f64,
    /// Where, pixels of the source image.
    pub bbox: BoxPx,
    /// Distance in metres, where the network or fusion gives one.
    pub distance_m: Option<f64>,
}

/// How two networks agree on one frame.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FrameAgreement {
    /// Pairs of boxes that are the same object.
    pub matched: usize,
    /// Boxes of the teacher (or reference) alone.
    pub only_teacher: usize,
    /// Boxes of the student (or candidate) alone.
    pub only_student: usize,
    /// Mean of student minus teacher score over the pairs; `None` without pairs.
    pub score_shift: Option<f64>,
    /// Mean overlap of the pairs.
    pub mean_iou: Option<f64>,
    /// Mean over the pairs of the largest distance of an edge, pixels.
    pub box_offset_px: Option<f64>,
    /// Mean of |student - teacher| distance, metres, over pairs where both give one.
    pub distance_difference_m: Option<f64>,
    /// 0 for the same boxes with the same scores, 1 for nothing in common: one minus the share of score mass that both
    /// agree on, weighted by overlap.
    pub disagreement: f64,
}

/// Agreement over many frames.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Agreement {
    /// Frames compared.
    pub frames: usize,
    /// Pairs.
    pub matched: usize,
    /// Pairs over all distinct objects either saw; `None` where neither saw any.
    pub share: Option<f64>,
    /// Frames with the same boxes on both sides, over all.
    pub fidelity: Option<f64>,
    /// Mean score shift, weighted by pairs.
    pub score_shift: Option<f64>,
    /// Mean distance of the pairs' farthest edges, pixels, weighted by pairs.
    pub box_offset_px: Option<f64>,
    /// Mean difference of distances, metres, over frames that have one.
    pub distance_difference_m: Option<f64>,
    /// Frames (index, disagreement), worst first; equal ones in order of frames.
    pub ranked: Vec<(usize, f64)>,
}

/// Compares one frame; boxes of a score below `min_score` or with a coordinate that is not finite are passed over.
pub fn compare_frame(teacher: &[Seen], student: &[Seen], min_score: f64, same_iou: f32) -> FrameAgreement {
    let sound = |s: &&Seen| {
        let b = s.bbox;
        s.score >= min_score && [b.x0, b.y0, b.x1, b.y1].iter().all(|v| v.is_finite())
    };
    let teacher: Vec<&Seen> = teacher.iter().filter(sound).collect();
    let student: Vec<&Seen> = student.iter().filter(sound).collect();
    let pairs = pair(&teacher, &student, same_iou);
    let mean = |values: Vec<f64>| {
        let n = values.len();
        (n > 0).then(|| values.iter().sum::<f64>() / n as f64)
    };
    let distances = pairs.iter().filter_map(|(t, s, _)| Some((s.distance_m? - t.distance_m?).abs()));
    let mass: f64 = teacher.iter().chain(&student).map(|s| s.score).sum();
    let common: f64 = pairs.iter().map(|(t, s, iou)| 2.0 * t.score.min(s.score) * iou).sum();
    FrameAgreement {
        matched: pairs.len(),
        only_teacher: teacher.len() - pairs.len(),
        only_student: student.len() - pairs.len(),
        score_shift: mean(pairs.iter().map(|(t, s, _)| s.score - t.score).collect()),
        mean_iou: mean(pairs.iter().map(|p| p.2).collect()),
        box_offset_px: mean(pairs.iter().map(|(t, s, _)| offset(&t.bbox, &s.bbox)).collect()),
        distance_difference_m: mean(distances.collect()),
        disagreement: if mass > 0.0 { (1.0 - common / mass).clamp(0.0, 1.0) } else { 0.0 },
    }
}

fn offset(a: &BoxPx, b: &BoxPx) -> f64 {
    let edges = [a.x0 - b.x0, a.y0 - b.y0, a.x1 - b.x1, a.y1 - b.y1];
    edges.into_iter().map(|d| f64::from(d.abs())).fold(0.0, f64::max)
}

/// Greedy pairs of one class, best overlap first.
fn pair<'a>(teacher: &[&'a Seen], student: &[&'a Seen], same_iou: f32) -> Vec<(&'a Seen, &'a Seen, f64)> {
    let mut candidates: Vec<(usize, usize, f32)> = Vec::new();
    for (i, t) in teacher.iter().enumerate() {
        for (j, s) in student.iter().enumerate().filter(|(_, s)| s.class == t.class) {
            let iou = t.bbox.iou(&s.bbox);
            if iou >= same_iou {
                candidates.push((i, j, iou));
            }
        }
    }
    candidates.sort_by(|a, b| b.2.total_cmp(&a.2).then((a.0, a.1).cmp(&(b.0, b.1))));
    let (mut teacher_free, mut student_free) = (vec![true; teacher.len()], vec![true; student.len()]);
    let mut pairs = Vec::new();
    for (i, j, iou) in candidates {
        if teacher_free[i] && student_free[j] {
            (teacher_free[i], student_free[j]) = (false, false);
            pairs.push((teacher[i], student[j], f64::from(iou)));
        }
    }
    pairs
}

/// Sums up frames, in their order.
pub fn sum_up(frames: &[FrameAgreement]) -> Agreement {
    let matched: usize = frames.iter().map(|f| f.matched).sum();
    let alone: usize = frames.iter().map(|f| f.only_teacher + f.only_student).sum();
    let same = frames.iter().filter(|f| f.only_teacher + f.only_student == 0).count();
    let weighted = |of: fn(&FrameAgreement) -> Option<f64>| -> Option<f64> {
        let sum: f64 = frames.iter().filter_map(|f| Some(of(f)? * f.matched as f64)).sum();
        (matched > 0).then(|| sum / matched as f64)
    };
    let distances: Vec<f64> = frames.iter().filter_map(|f| f.distance_difference_m).collect();
    let mut ranked: Vec<(usize, f64)> = frames.iter().map(|f| f.disagreement).enumerate().collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    let ratio = |part: usize, whole: usize| (whole > 0).then(|| part as f64 / whole as f64);
    Agreement {
        frames: frames.len(),
        matched,
        share: ratio(matched, matched + alone),
        fidelity: ratio(same, frames.len()),
        score_shift: weighted(|f| f.score_shift),
        box_offset_px: weighted(|f| f.box_offset_px),
        distance_difference_m: (!distances.is_empty()).then(|| distances.iter().sum::<f64>() / distances.len() as f64),
        ranked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(class: &str, score: f64, x: f32) -> Seen {
        let bbox = BoxPx { x0: x, y0: 0.0, x1: x + 10.0, y1: 10.0 };
        Seen { class: class.into(), score, bbox, distance_m: Some(f64::from(x)) }
    }

    #[test]
    fn the_same_agrees_and_the_different_ranks_first() {
        let teacher = [seen("car", 0.9, 0.0), seen("car", 0.8, 50.0)];
        let same = compare_frame(&teacher, &teacher, 0.25, SAME_BOX_IOU);
        assert_eq!((same.matched, same.disagreement, same.score_shift), (2, 0.0, Some(0.0)));
        let other = compare_frame(&teacher, &[seen("dog", 0.9, 0.0), seen("car", 0.6, 51.0)], 0.25, SAME_BOX_IOU);
        assert_eq!((other.matched, other.only_teacher, other.only_student), (1, 1, 1));
        assert!((other.score_shift.unwrap() + 0.2).abs() < 1e-9);
        assert_eq!((other.distance_difference_m, other.box_offset_px), (Some(1.0), Some(1.0)));
        let empty = compare_frame(&[], &[], 0.25, SAME_BOX_IOU);
        assert_eq!((empty.disagreement, empty.mean_iou), (0.0, None));
        let all = sum_up(&[same, other, empty]);
        assert_eq!(all.ranked[0].0, 1);
        assert_eq!((all.share, all.fidelity), (Some(0.6), Some(2.0 / 3.0)));
        assert_eq!(sum_up(&[]).share, None);
    }
}
