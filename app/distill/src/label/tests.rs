//! Labels from teachers whose errors are known: the truth with objects missing, invented and shifted.

use ocellus_percept::depth::DepthMap;
use ocellus_percept::detection::BoxPx;
use ocellus_percept::fuse::DepthScaler;
use ocellus_percept::model::DepthKind;

use super::*;

/// Numbers from 0 to 1, the same for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn bbox(&mut self) -> BoxPx {
        let (x, y) = (self.roll() as f32 * 560.0, self.roll() as f32 * 300.0);
        let (w, h) = (12.0 + self.roll() as f32 * 130.0, 12.0 + self.roll() as f32 * 110.0);
        BoxPx { x0: x, y0: y, x1: x + w, y1: y + h }
    }
}

const CLASSES: usize = 3;

fn truth(dice: &mut Dice) -> Vec<Marked> {
    let mut objects: Vec<Marked> = Vec::new();
    for _ in 0..12 {
        let bbox = dice.bbox();
        // Objects of a street seldom hide each other wholly.
        if objects.iter().all(|o| o.bbox.iou(&bbox) < 0.3) {
            let tags = if dice.roll() < 0.3 { vec!["occluded".to_owned()] } else { Vec::new() };
            let class = (dice.roll() * CLASSES as f64) as usize;
            objects.push(Marked { class, bbox, crowd: false, tags });
        }
    }
    objects
}

/// The oracle with 20 % missed, 15 % invented, boxes shifted by up to a tenth of their size, and one in twenty by half.
fn noisy(truth: &[Marked], dice: &mut Dice) -> Vec<Proposal> {
    let mut seen = Vec::new();
    for object in truth {
        if dice.roll() < 0.2 {
            continue;
        }
        let far = if dice.roll() < 0.05 { 0.5 } else { 0.1 };
        let b = object.bbox;
        let mut shift = |size: f32| (dice.roll() as f32 * 2.0 - 1.0) * far * size;
        let (dx, dy) = (shift(b.width()), shift(b.height()));
        let bbox = BoxPx { x0: b.x0 + dx, y0: b.y0 + dy, x1: b.x1 + dx, y1: b.y1 + dy };
        seen.push(Proposal { class: object.class, score: 0.4 + 0.6 * dice.roll(), bbox });
    }
    for _ in 0..truth.len() {
        if dice.roll() < 0.15 {
            let class = (dice.roll() * CLASSES as f64) as usize;
            seen.push(Proposal { class, score: 0.3 + 0.5 * dice.roll(), bbox: dice.bbox() });
        }
    }
    seen
}

fn everyone(count: usize) -> Vec<Teacher> {
    vec![Teacher { knows: vec![true; CLASSES] }; count]
}

#[test]
fn agreement_filters_injected_noise() {
    for seed in [1, 2, 3] {
        let mut dice = Dice(seed);
        let (mut raw, mut filtered) = (Audit::default(), Audit::default());
        let believed = Rules { low: 0.0, alone: vec![0.0; CLASSES], ..Rules::usual(CLASSES) };
        for _ in 0..200 {
            let objects = truth(&mut dice);
            let teachers: Vec<Vec<Proposal>> = (0..3).map(|_| noisy(&objects, &mut dice)).collect();
            raw.add(&agree(&everyone(1), &teachers[..1], &believed), &objects);
            filtered.add(&agree(&everyone(3), &teachers, &Rules::usual(CLASSES)), &objects);
        }
        let (before, after) = (raw.all, filtered.all);
        println!("seed {seed}: raw {before:?}\n        filtered {after:?}\n        by group {:?}", filtered.groups);
        assert!((0.75..0.86).contains(&before.precision.unwrap()), "{before:?}");
        assert!(after.precision.unwrap() >= 0.9, "{after:?}");
        assert!(after.recall.unwrap() >= before.recall.unwrap(), "{after:?}");
        // What is missed is mostly known to be doubtful, not taught as background.
        assert!(after.missed_under_ignored > 0);
        assert!(["small", "medium", "large", "occluded"].iter().all(|g| filtered.groups.contains_key(*g)));
    }
}

#[test]
fn a_measured_threshold_makes_one_teacher_precise() {
    let mut dice = Dice(9);
    let mut seen = Vec::new();
    let mut pictures = Vec::new();
    for _ in 0..300 {
        let objects = truth(&mut dice);
        let proposals = noisy(&objects, &mut dice);
        seen.extend(samples(&proposals, &objects));
        pictures.push((objects, proposals));
    }
    let measured = thresholds(&seen, CLASSES, 0.9);
    let alone: Vec<f64> = measured.iter().map(|t| t.unwrap()).collect();
    let rules = Rules { alone, ..Rules::usual(CLASSES) };
    let mut audit = Audit::default();
    for (objects, proposals) in pictures {
        audit.add(&agree(&everyone(1), &[proposals], &rules), &objects);
    }
    assert!(audit.all.precision.unwrap() >= 0.895, "{:?}", audit.all);
    assert_eq!(thresholds(&seen[..3], CLASSES, 0.9), [None; CLASSES]);
    let pooled = threshold(&seen, 0.9).unwrap();
    let above = || seen.iter().filter(|s| s.score >= pooled);
    assert!(above().filter(|s| s.right).count() as f64 >= 0.9 * above().count() as f64);
}

fn at(x: f32, class: usize, score: f64) -> Proposal {
    Proposal { class, score, bbox: BoxPx { x0: x, y0: 0.0, x1: x + 40.0, y1: 40.0 } }
}

#[test]
fn disagreement_is_ignored_and_never_background() {
    let rules = Rules::usual(CLASSES);
    let kinds = |proposals: &[Vec<Proposal>]| -> Vec<(usize, Kind)> {
        agree(&everyone(proposals.len()), proposals, &rules).iter().map(|l| (l.class, l.kind)).collect()
    };
    assert_eq!(kinds(&[vec![at(0.0, 0, 0.5)], vec![at(2.0, 0, 0.4)]]), [(0, Kind::Agreed)]);
    assert_eq!(kinds(&[vec![at(0.0, 0, 0.5)], vec![]]), [(0, Kind::Ignored)]);
    let strict = Rules { agreed: 0.5, ..rules.clone() };
    assert_eq!(agree(&everyone(2), &[vec![at(0.0, 0, 0.5)], vec![at(2.0, 0, 0.4)]], &strict)[0].kind, Kind::Ignored);
    assert_eq!(kinds(&[vec![at(0.0, 0, 0.9)], vec![]]), [(0, Kind::Alone)]);
    assert_eq!(kinds(&[vec![at(0.0, 0, 0.2)], vec![]]), []);
    // One place, two classes: neither, however sure; but a majority outvotes one.
    assert_eq!(kinds(&[vec![at(0.0, 0, 0.9)], vec![at(1.0, 1, 0.95)]]), [(1, Kind::Ignored), (0, Kind::Ignored)]);
    assert_eq!(kinds(&[vec![at(0.0, 0, 0.5)], vec![at(1.0, 0, 0.5)], vec![at(1.0, 1, 0.95)]]), [(0, Kind::Agreed)]);
    // A class that only one teacher knows needs no second opinion, but its score.
    let mut teachers = everyone(2);
    teachers[1].knows[2] = false;
    let labels = agree(&teachers, &[vec![at(0.0, 2, 0.85)], vec![]], &rules);
    assert_eq!((labels[0].kind, labels[0].score, labels[0].weight), (Kind::Alone, 0.85, 0.85));
    let broken = Proposal { bbox: BoxPx { x0: f32::NAN, ..BoxPx::default() }, ..at(0.0, 0, 0.9) };
    assert_eq!(kinds(&[vec![broken, at(0.0, 0, f64::NAN)], vec![]]), []);
}

#[test]
fn depth_maps_meet_on_the_metric_one() {
    let size = (64, 48);
    let depth = |i: usize| 4.0 + (i / 64) as f32 * 0.5 + (i % 7) as f32;
    let map = |kind, value: &dyn Fn(f32) -> f32| DepthMap {
        width: 64,
        height: 48,
        values: (0..64 * 48).map(|i| value(depth(i))).collect(),
        kind,
        scale_x: 1.0,
        offset_x: 0.0,
        scale_y: 1.0,
        offset_y: 0.0,
        focal: None,
    };
    let metric = map(DepthKind::Metric, &|z| z);
    let relative = map(DepthKind::RelativeInverse, &|z| (1.0 / z - 0.02) / 0.3);
    let twice = map(DepthKind::Metric, &|z| 2.0 * z);
    let mut scaler = DepthScaler::default();
    assert!(fuse(std::slice::from_ref(&relative), size, &mut scaler).is_none());
    let fused = fuse(&[relative, metric.clone(), twice], size, &mut scaler).unwrap();
    assert_eq!(fused.fits.len(), 2);
    assert!(!fused.is_doubtful());
    for (got, want) in fused.depth_m.iter().zip(&metric.values) {
        assert!((got / want - 1.0).abs() < 0.02, "{got} against {want}");
    }
    let depth = fused.of_box(&BoxPx { x0: 0.0, y0: 20.0, x1: 64.0, y1: 28.0 }).unwrap();
    assert!((15.0..21.0).contains(&depth), "{depth}");
    let flat = map(DepthKind::RelativeInverse, &|_| 1.0);
    assert!(fuse(&[metric, flat], size, &mut scaler).unwrap().is_doubtful());
}
