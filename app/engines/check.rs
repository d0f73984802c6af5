//! The self-check: what an engine says of golden pictures against what the CPU says, with limits by precision.
//!
//! A box counts as lost where the other side has nothing alike even at a lower score, so one that crosses the threshold by a
//! hair is no difference. Where the CPU sees no box and no depth, the raw outputs decide.

use ocellus_judge::agreement::{SAME_BOX_IOU, Seen, compare_frame};
use ocellus_judge::precision::sqnr_db;
use ocellus_percept::model::manifest::Precision;
use serde::{Deserialize, Serialize};

use super::answer::Answer;

/// Boxes that must be found by both sides.
const SCORE: f64 = 0.25;
/// Scores down to which a box of the other side is looked for.
const SCORE_TWIN: f64 = 0.15;

/// How far an engine may be from the CPU.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Boxes that one side alone has, as a share of all.
    pub lost_share: f64,
    /// Mean change of score.
    pub score: f64,
    /// Mean distance of edges, as a share of the box's size.
    pub offset: f64,
    /// Mean intersection over union of masks, at least.
    pub mask_iou: f64,
    /// 95 % of depths are nearer than this, as a share.
    pub depth: f64,
    /// Signal over noise of raw outputs, dB, at least: decides only where nothing else was seen.
    pub raw_db: f64,
}

impl Limits {
    /// Whole floats differ by the order of sums alone; half floats keep three digits; whole numbers of 8 bits may cost what the
    /// gate of `eval --reference` lets pass.
    pub fn of(precision: Precision) -> Self {
        match precision {
            Precision::Fp32 => {
                Self { lost_share: 0.02, score: 0.01, offset: 0.01, mask_iou: 0.98, depth: 0.01, raw_db: 40.0 }
            }
            Precision::Fp16 => {
                Self { lost_share: 0.08, score: 0.03, offset: 0.03, mask_iou: 0.95, depth: 0.03, raw_db: 20.0 }
            }
            Precision::Int8 => {
                Self { lost_share: 0.25, score: 0.08, offset: 0.08, mask_iou: 0.85, depth: 0.10, raw_db: 10.0 }
            }
        }
    }
}

/// What was compared, over all pictures. `None` where there was nothing to compare.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// Pictures.
    pub frames: usize,
    /// Boxes of the CPU at or above the threshold.
    pub boxes: usize,
    /// Of them, those with a twin.
    pub matched: usize,
    /// Boxes that only the engine sees.
    pub extra: usize,
    /// Mean absolute change of score over pairs.
    pub score_difference: Option<f64>,
    /// Mean distance of edges over pairs, as a share of the box's size.
    pub offset: Option<f64>,
    /// The same in pixels, the largest.
    pub offset_px_max: Option<f64>,
    /// Mean intersection over union of the pairs' masks.
    pub mask_iou: Option<f64>,
    /// 95 % of depths differ by less than this share.
    pub depth_difference: Option<f64>,
    /// Raw outputs, dB.
    pub raw_db: Option<f64>,
    /// Picture by picture.
    pub pictures: Vec<PictureCheck>,
    /// The limits.
    pub limits: Limits,
    /// What is beyond them; empty where the engine is to be trusted.
    pub faults: Vec<String>,
}

/// What was compared of one picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PictureCheck {
    /// Boxes of the CPU.
    pub boxes: usize,
    /// Of them, those with a twin.
    pub matched: usize,
    /// Boxes that only the engine sees.
    pub extra: usize,
    /// Mean absolute change of score.
    pub score_difference: Option<f64>,
    /// Largest distance of edges, px.
    pub offset_px_max: Option<f64>,
    /// Raw outputs, dB.
    pub raw_db: Option<f64>,
}

/// Sums over pictures.
#[derive(Default)]
struct Sums {
    boxes: usize,
    matched: usize,
    extra: usize,
    scores: Vec<f64>,
    offsets: Vec<f64>,
    offset_px_max: Option<f64>,
    masks: Vec<f64>,
    depths: Vec<f64>,
    depths_lost: usize,
    non_finite: usize,
    signal: Vec<f32>,
    got: Vec<f32>,
}

/// Compares picture by picture; both lists are of the same pictures in the same order.
pub fn compare(reference: &[Answer], engine: &[Answer], limits: Limits) -> Check {
    let mut sums = Sums::default();
    reference.iter().zip(engine).for_each(|(r, e)| sums.add(r, e));
    let pictures = reference.iter().zip(engine).map(|(r, e)| Sums::of_one(r, e)).collect();
    let frames = reference.len().min(engine.len());
    let mut check = Check {
        frames,
        boxes: sums.boxes,
        matched: sums.matched,
        extra: sums.extra,
        score_difference: mean(&sums.scores),
        offset: mean(&sums.offsets),
        offset_px_max: sums.offset_px_max,
        mask_iou: mean(&sums.masks),
        depth_difference: percentile_95(&mut sums.depths),
        raw_db: sqnr_db(&sums.signal, &sums.got),
        pictures,
        limits,
        faults: Vec::new(),
    };
    check.faults = faults(&check, &sums);
    check
}

impl Sums {
    fn of_one(reference: &Answer, engine: &Answer) -> PictureCheck {
        let mut sums = Self::default();
        sums.add(reference, engine);
        PictureCheck {
            boxes: sums.boxes,
            matched: sums.matched,
            extra: sums.extra,
            score_difference: mean(&sums.scores),
            offset_px_max: sums.offset_px_max,
            raw_db: sqnr_db(&sums.signal, &sums.got),
        }
    }

    fn add(&mut self, reference: &Answer, engine: &Answer) {
        let seen = |answer: &Answer, score: f64| -> Vec<Seen> {
            answer.boxes.iter().map(super::answer::SeenBox::seen).filter(|s| s.score >= score).collect()
        };
        let found = compare_frame(&seen(reference, SCORE), &seen(engine, SCORE_TWIN), 0.0, SAME_BOX_IOU);
        let back = compare_frame(&seen(reference, SCORE_TWIN), &seen(engine, SCORE), 0.0, SAME_BOX_IOU);
        self.boxes += found.matched + found.only_teacher;
        self.matched += found.matched;
        self.extra += back.only_student;
        self.pairs(reference, engine);
        self.non_finite += engine.non_finite.saturating_sub(reference.non_finite);
        for (r, e) in reference.depth.iter().zip(&engine.depth) {
            match (r, e) {
                (Some(r), Some(e)) => self.depths.push(f64::from((e - r).abs() / r.max(f32::MIN_POSITIVE))),
                (Some(_), None) => self.depths_lost += 1,
                (None, _) => {}
            }
        }
        if reference.raw.len() == engine.raw.len() {
            self.signal.extend(&reference.raw);
            self.got.extend(&engine.raw);
        }
    }

    /// Each box of the CPU with the engine's that overlaps it most.
    fn pairs(&mut self, reference: &Answer, engine: &Answer) {
        for ours in reference.boxes.iter().filter(|b| f64::from(b.score) >= SCORE) {
            let a = ours.seen().bbox;
            let alike = engine.boxes.iter().filter(|b| b.class == ours.class);
            let twin = alike.map(|b| (a.iou(&b.seen().bbox), b)).max_by(|x, y| x.0.total_cmp(&y.0));
            let Some((_, twin)) = twin.filter(|(iou, _)| *iou >= SAME_BOX_IOU) else { continue };
            let edges = ours.bbox.iter().zip(&twin.bbox).map(|(x, y)| f64::from((x - y).abs()));
            let px = edges.fold(0.0, f64::max);
            let size = f64::from(a.width().max(a.height()).max(1.0));
            self.scores.push(f64::from((twin.score - ours.score).abs()));
            self.offsets.push(px / size);
            self.offset_px_max = Some(self.offset_px_max.map_or(px, |max| max.max(px)));
            if let (Some(x), Some(y)) = (&ours.mask, &twin.mask) {
                self.masks.push(x.iou(y));
            }
        }
    }
}

fn faults(check: &Check, sums: &Sums) -> Vec<String> {
    let limits = check.limits;
    let mut faults = Vec::new();
    if sums.non_finite > 0 {
        faults.push(format!("{} output values are not finite", sums.non_finite));
    }
    let lost = check.boxes - check.matched + check.extra;
    let all = check.boxes + check.extra;
    // One box of a few may go either way.
    if lost > 1 && lost as f64 > limits.lost_share * all as f64 {
        faults.push(format!(
            "{} of the CPU's {} boxes are missing and {} are new; at most {:.0} % may differ",
            check.boxes - check.matched,
            check.boxes,
            check.extra,
            limits.lost_share * 100.0
        ));
    }
    let mut above = |what: &str, value: Option<f64>, limit: f64| {
        if let Some(value) = value.filter(|v| *v > limit) {
            faults.push(format!("{what} {value:.4}, at most {limit}"));
        }
    };
    above("mean change of score", check.score_difference, limits.score);
    above("mean distance of edges as a share of the box", check.offset, limits.offset);
    above("relative change of depth (95 %)", check.depth_difference, limits.depth);
    above("share of depths lost", share(sums.depths_lost, sums.depths.len()), limits.depth);
    if let Some(iou) = check.mask_iou.filter(|v| *v < limits.mask_iou) {
        faults.push(format!("masks overlap by {iou:.3}, at least {}", limits.mask_iou));
    }
    let nothing_seen = check.boxes == 0 && sums.depths.is_empty();
    if let Some(db) = check.raw_db.filter(|db| nothing_seen && *db < limits.raw_db) {
        faults.push(format!("raw outputs are {db:.1} dB above their noise, at least {}", limits.raw_db));
    }
    if check.frames == 0 {
        faults.push("there was no picture to check on".to_owned());
    }
    faults
}

fn share(lost: usize, kept: usize) -> Option<f64> {
    (lost > 0).then(|| lost as f64 / (lost + kept) as f64)
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

fn percentile_95(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() * 95 / 100).copied()
}

impl Check {
    /// A line for each picture: what stands below a failure.
    pub fn table(&self) -> String {
        let number = |v: Option<f64>| v.map_or_else(|| "-".to_owned(), |v| format!("{v:.3}"));
        let mut text = "picture  boxes  matched  new  score   edges px  raw dB".to_owned();
        for (i, p) in self.pictures.iter().enumerate() {
            let (score, edges, raw) = (number(p.score_difference), number(p.offset_px_max), number(p.raw_db));
            let (boxes, matched, extra) = (p.boxes, p.matched, p.extra);
            text += &format!("\n{i:03}      {boxes:>5}  {matched:>7}  {extra:>3}  {score:<6}  {edges:>8}  {raw:>6}");
        }
        text
    }

    /// One line for people.
    pub fn line(&self) -> String {
        let mut parts = vec![format!("{} pictures", self.frames)];
        let mut part = |text: Option<String>| parts.extend(text);
        part((self.boxes + self.extra > 0).then(|| {
            let more = if self.extra > 0 { format!(" and {} more", self.extra) } else { String::new() };
            format!("{} of {} boxes matched{more}", self.matched, self.boxes)
        }));
        part(self.score_difference.map(|v| format!("score +-{v:.4}")));
        part(self.offset_px_max.map(|v| format!("edges within {v:.2} px")));
        part(self.mask_iou.map(|v| format!("masks {v:.3}")));
        part(self.depth_difference.map(|v| format!("depth +-{:.2} %", v * 100.0)));
        part(self.raw_db.filter(|db| db.is_finite()).map(|v| format!("raw {v:.0} dB")));
        parts.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::super::answer::{SeenBox, SeenMask};
    use super::*;

    fn seen(x: f32, score: f32) -> SeenBox {
        let mask = SeenMask { place: [x as u32, 0, 10, 2], runs: vec![5, 10, 5] };
        SeenBox { class: "car".into(), score, bbox: [x, 0.0, x + 100.0, 50.0], mask: Some(mask) }
    }

    fn answer(boxes: &[SeenBox]) -> Answer {
        Answer {
            boxes: boxes.to_vec(),
            depth: vec![Some(10.0); 20],
            raw: (0..100).map(|i| i as f32).collect(),
            non_finite: 0,
        }
    }

    #[test]
    fn the_same_passes_at_every_precision() {
        let said = [answer(&[seen(0.0, 0.9), seen(200.0, 0.26)]), answer(&[])];
        let check = compare(&said, &said, Limits::of(Precision::Fp32));
        assert!(check.faults.is_empty(), "{:?}", check.faults);
        assert_eq!((check.boxes, check.matched, check.extra), (2, 2, 0));
        assert_eq!((check.mask_iou, check.depth_difference, check.score_difference), (Some(1.0), Some(0.0), Some(0.0)));
    }

    #[test]
    fn a_box_that_crosses_the_threshold_by_a_hair_is_no_difference() {
        let check = compare(
            &[answer(&[seen(0.0, 0.251), seen(200.0, 0.249)])],
            &[answer(&[seen(0.0, 0.249), seen(200.0, 0.251)])],
            Limits::of(Precision::Fp32),
        );
        assert!(check.faults.is_empty(), "{:?}", check.faults);
        assert_eq!((check.matched, check.extra), (1, 0));
    }

    #[test]
    fn each_kind_of_difference_is_a_fault_of_its_own() {
        let base = answer(&[seen(0.0, 0.9), seen(200.0, 0.8), seen(400.0, 0.7)]);
        let fault = |change: &dyn Fn(&mut Answer)| {
            let mut other = base.clone();
            change(&mut other);
            compare(std::slice::from_ref(&base), &[other], Limits::of(Precision::Fp16)).faults.join("; ")
        };
        assert_eq!(fault(&|_| {}), "");
        assert!(fault(&|a| a.boxes.truncate(1)).contains("2 of the CPU's 3 boxes are missing"));
        assert!(fault(&|a| a.boxes.extend([seen(600.0, 0.9), seen(800.0, 0.9)])).contains("2 are new"));
        assert!(fault(&|a| a.boxes.iter_mut().for_each(|b| b.score -= 0.1)).contains("change of score"));
        assert!(fault(&|a| a.boxes.iter_mut().for_each(|b| b.bbox[0] += 5.0)).contains("distance of edges"));
        let no_mask = |a: &mut Answer| {
            a.boxes.iter_mut().for_each(|b| b.mask = Some(SeenMask { place: [0, 0, 10, 2], runs: vec![20] }));
        };
        assert!(fault(&no_mask).contains("masks overlap"));
        assert!(fault(&|a| a.depth.iter_mut().for_each(|d| *d = Some(11.0))).contains("change of depth"));
        assert!(fault(&|a| a.depth.iter_mut().for_each(|d| *d = None)).contains("depths lost"));
        assert!(fault(&|a| a.non_finite = 3).contains("not finite"));
        // Raw outputs alone do not decide where boxes do.
        assert_eq!(fault(&|a| a.raw.iter_mut().for_each(|v| *v = 0.0)), "");
    }

    #[test]
    fn where_nothing_is_seen_raw_outputs_decide_and_no_picture_is_a_fault() {
        let blind = Answer { depth: Vec::new(), ..answer(&[]) };
        let broken = Answer { raw: vec![0.0; 100], ..blind.clone() };
        let check = compare(std::slice::from_ref(&blind), &[broken], Limits::of(Precision::Int8));
        assert!(check.faults[0].contains("dB above their noise"), "{:?}", check.faults);
        assert!(
            compare(std::slice::from_ref(&blind), std::slice::from_ref(&blind), Limits::of(Precision::Fp32))
                .faults
                .is_empty()
        );
        assert!(compare(&[], &[], Limits::of(Precision::Fp32)).faults[0].contains("no picture"));
    }
}
