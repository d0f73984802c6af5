//! Operating curves, groups, calibration of detectors and the precision gate: planted cases known exactly, then real ones.

#![allow(clippy::unwrap_used, clippy::panic)] // Helpers outside #[test] functions may unwrap too.

use std::path::PathBuf;

use ocellus_judge::calib::{
    Calibrator, Cuts, Method, d_ece, detection_calibration, la_ace0, la_ece, recalibrate, reliability,
};
use ocellus_judge::coco::{Detections, GroundTruth, ImageMatches, IouType, Params, match_all, matches_at};
use ocellus_judge::detect::{
    OperatingCurve, at_matched_recall, class_curves, distance_tag, empty_scene_fppi, image_groups, mean_optimal_lrp,
    object_groups, size_tag,
};
use ocellus_judge::precision::{GateInput, GateTargets, PrecisionReport, gate};
use ocellus_judge::stats::Bootstrap;
use serde_json::json;

fn data() -> Option<PathBuf> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data"));
    if path.exists() {
        return Some(path);
    }
    println!("skipped: no real data");
    None
}

/// 200 empty images (1 to 200) and 200 with a car each (201 to 400); the detector raises `alarms` false alarms of score
/// 0.6 on the first images and finds cars in the first `hits` busy ones with IoU 0.8 and score 0.9.
fn planted(alarms: usize, hits: usize) -> (GroundTruth, Detections) {
    let images: Vec<_> = (1..=400)
        .map(|id| json!({"id": id, "width": 640, "height": 480, "tags": [if id % 2 == 0 {"night"} else {"day"}]}))
        .collect();
    let cars: Vec<_> = (201..=400)
        .map(|id| json!({"id": id, "image_id": id, "category_id": 1, "bbox": [100, 100, 50, 40], "area": 2000}))
        .collect();
    let truth = json!({"images": images, "annotations": cars, "categories": [{"id": 1, "name": "car"}]});
    let truth = GroundTruth::parse(&truth.to_string()).unwrap();
    let found = |id: usize, bbox, score| json!({"image_id": id, "category_id": 1, "bbox": bbox, "score": score});
    let mut list: Vec<_> = (1..=alarms).map(|id| found(id, [300, 300, 20, 20], 0.6)).collect();
    list.extend((201..201 + hits).map(|id| found(id, [100, 100, 40, 40], 0.9)));
    let found = Detections::parse(&serde_json::Value::from(list).to_string(), &truth).unwrap();
    (truth, found)
}

fn matches(truth: &GroundTruth, found: &Detections, iou: f64) -> Vec<ImageMatches> {
    matches_at(truth, found, IouType::Bbox, iou, &Params::default()).unwrap()
}

#[test]
fn planted_false_alarms_are_reported_exactly() {
    let (truth, found) = planted(60, 150);
    let m = matches(&truth, &found, 0.5);
    let curve = OperatingCurve::new(&m, None);
    assert_eq!(curve.at_score(0.5).fppi, 60.0 / 400.0);
    assert_eq!(curve.at_score(0.7).fppi, 0.0);
    assert_eq!(curve.at_score(0.5).recall, Some(0.75));
    assert_eq!(curve.at_score(0.95).precision, None, "nothing is detected: precision is undefined");
    assert_eq!(empty_scene_fppi(&m, 0.5), Some((0.3, 200)));
    assert_eq!(curve.false_alarms_per_hour(0.5, 10.0), Some(0.15 * 36_000.0));
    assert_eq!(curve.false_alarms_per_hour(0.5, 0.0), None);
    // FPPI 0 up to recall 0.75: the miss rate is 0.25 at all nine rates.
    assert!((curve.log_average_miss_rate().unwrap() - 0.25).abs() < 1e-12);
    let lrp = curve.lrp_at(0.5, 0.5).unwrap();
    assert!((lrp.lrp - (150.0 * 0.2 / 0.5 + 60.0 + 50.0) / 260.0).abs() < 1e-9, "{lrp:?}");
    let best = curve.optimal_lrp(0.5).unwrap();
    assert!((best.lrp - (150.0 * 0.2 / 0.5 + 50.0) / 200.0).abs() < 1e-9 && best.score == 0.9);
    assert_eq!(mean_optimal_lrp(&class_curves(&m, 1), 0.5), Some(best.lrp));
    assert!(curve.thinned(1).len() <= 2);
}

#[test]
fn matched_recall_compares_false_alarms_fairly() {
    let (truth, reference) = planted(60, 150);
    let (_, candidate) = planted(20, 150);
    let (_, blind) = planted(0, 100);
    let curve = |d: &Detections| OperatingCurve::new(&matches(&truth, d, 0.5), None);
    let got = at_matched_recall(&curve(&reference), 0.5, &curve(&candidate)).unwrap();
    assert_eq!(got.candidate.unwrap().recall, got.reference.recall);
    assert_eq!((got.candidate.unwrap().fp, got.false_alarms_avoided), (0, Some(1.0)));
    let got = at_matched_recall(&curve(&reference), 0.5, &curve(&blind)).unwrap();
    assert_eq!((got.candidate, got.false_alarms_avoided), (None, None), "a recall that is not reached has no figure");
}

#[test]
fn the_weak_group_is_found_and_the_small_one_is_too_few() {
    let (truth, found) = planted(0, 200);
    // Every second car at night is lost.
    let mut weak = found.clone();
    weak.objects.retain(|o| truth.images[o.image].id % 4 != 0);
    let evaluation = match_all(&truth, &weak, IouType::Bbox, &Params::default()).unwrap();
    let report = image_groups(&truth, &evaluation, &Bootstrap { resamples: 200, seed: 1 });
    assert_eq!(report.worst.as_deref(), Some("night"));
    let night = report.worst_group().unwrap();
    let day = report.groups.iter().find(|g| g.name == "day").unwrap();
    assert!(night.interval.unwrap().high < day.value.unwrap() && night.n == 200 && !night.too_few);
    let m = matches(&truth, &weak, 0.5);
    let tags = |object: usize| {
        let night = truth.objects[object].id % 2 == 0;
        vec![if night { "far" } else { "near" }.to_owned(), if object < 5 { "hidden" } else { "seen" }.to_owned()]
    };
    let report = object_groups(&m, 0.5, tags);
    assert_eq!(report.worst.as_deref(), Some("far"));
    assert!((report.worst_group().unwrap().value.unwrap() - 0.5).abs() < 1e-12);
    assert!(report.groups.iter().any(|g| g.name == "hidden" && g.too_few));
    assert!((report.gap.unwrap() - 0.5).abs() < 1e-12);
    assert_eq!(size_tag(31.0 * 31.0), "size small (< 32 px)");
    assert_eq!(distance_tag(15.0).as_deref(), Some("distance 010 to 020 m"));
    assert_eq!((distance_tag(f64::NAN), distance_tag(90.0).as_deref()), (None, Some("distance beyond 080 m")));
}

#[test]
fn calibration_equals_the_golden_file() {
    let Some(data) = data() else { return };
    let golden = std::fs::read_to_string(data.join("evalref/golden_ece_detections.json")).unwrap();
    let golden: serde_json::Value = serde_json::from_str(&golden).unwrap();
    for (name, case) in golden.as_object().unwrap() {
        let list = |key: &str| case[key].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect::<Vec<_>>();
        let got = reliability(&list("conf"), &list("correct"), case["bins"].as_u64().unwrap() as usize).unwrap();
        assert_eq!(got.n as u64, case["n"].as_u64().unwrap());
        for (value, key) in [(got.ece, "ece_numpy"), (got.ece, "ece_sklearn"), (got.mce, "mce"), (got.brier, "brier")] {
            assert!((value.unwrap() - case[key].as_f64().unwrap()).abs() < 1e-12, "{name} {key}");
        }
    }
}

#[test]
fn detection_calibration_of_a_planted_detector() {
    let (truth, found) = planted(100, 100);
    let (half, any) = (matches(&truth, &found, 0.5), matches(&truth, &found, 0.0));
    let all = detection_calibration(&half, &any, 0.0, &Calibrator::Identity).unwrap();
    // Score 0.9 is always right, score 0.6 never.
    assert!((all.reliability.ece.unwrap() - (0.1 + 0.6) / 2.0).abs() < 1e-9);
    // Score 0.9 against IoU 0.8, score 0.6 against 0.
    assert!((all.la_ece.mean.unwrap() - (0.1 + 0.6) / 2.0).abs() < 1e-9);
    assert!((all.la_ace0.unwrap() - (0.1 + 0.6) / 2.0).abs() < 1e-9);
    let high = |_: usize| 0.7;
    assert!((la_ece(&half, high, &Calibrator::Identity).unwrap().mean.unwrap() - 0.1).abs() < 1e-9);
    assert!((la_ace0(&any, high, &Calibrator::Identity).unwrap().unwrap() - 0.1).abs() < 1e-9);
    assert_eq!(d_ece(&half, 0.95, &Calibrator::Identity).unwrap().ece, None);
    let map = Calibrator::Isotonic { knots: vec![(0.6, 0.0), (0.9, 1.0)] };
    assert!(d_ece(&half, 0.0, &map).unwrap().ece.unwrap() < 1e-9);
}

#[test]
fn a_map_is_fitted_on_other_images_than_it_is_tested_on() {
    let (truth, found) = planted(150, 200);
    let m = matches(&truth, &found, 0.5);
    let got = recalibrate(&truth, &m, Method::Isotonic, Cuts { fit: 0.0, judge: 0.0 }, (0.5, 3)).unwrap();
    assert!(got.before.ece.unwrap() > 0.3 && got.after.ece.unwrap() < 0.01, "{:?}", got.after.ece);
    assert_eq!((got.fit_images.len(), got.test_images.len()), (200, 200));
    assert!(got.fit_images.iter().all(|id| !got.test_images.contains(id)));
    assert!(
        recalibrate(&truth, &m, Method::Platt, Cuts { fit: 0.95, judge: 0.0 }, (0.5, 3)).is_err(),
        "nothing to fit on"
    );
}

fn real_gate(data: &std::path::Path, reference: &str, candidate: &str) -> PrecisionReport {
    let read = |name: &str| std::fs::read_to_string(data.join(name)).unwrap();
    let truth = GroundTruth::parse(&read("coco_tiny/annotations/instances_val2017.json")).unwrap();
    let detections =
        |name: &str| Detections::parse(&read(&format!("evalref/coco_golden/zz80_{name}.json")), &truth).unwrap();
    let (reference, candidate) = (detections(reference), detections(candidate));
    let input =
        GateInput { truth: &truth, reference: &reference, candidate: &candidate, iou: IouType::Bbox, threshold: 0.3 };
    let bootstrap = Bootstrap { resamples: 50, seed: 1 };
    gate(&input, &Params::default(), GateTargets::default(), &bootstrap).unwrap()
}

#[test]
fn the_collapsed_int8_network_is_refused_and_a_network_passes_beside_itself() {
    let Some(data) = data() else { return };
    let report = real_gate(&data, "deimv2_hgnetv2_atto_coco", "deimv2_atto_coco_int8");
    assert!(!report.passed);
    assert!(
        (report.ap.reference.unwrap() - 0.2795).abs() < 1e-3 && (report.ap.candidate.unwrap() - 0.0692).abs() < 1e-3
    );
    assert!(report.ap.interval.unwrap().high < -0.1);
    assert!(report.reasons[0].contains("AP fell from 0.280 to 0.069"), "{:?}", report.reasons);
    println!("{:#?}", report.reasons);
    let same = real_gate(&data, "deimv2_hgnetv2_atto_coco", "deimv2_hgnetv2_atto_coco");
    assert!(same.passed, "{:?}", same.reasons);
    assert_eq!((same.agreement, same.ap_drop_abs), (Some(1.0), Some(0.0)));
}

#[test]
fn a_gate_without_figures_refuses() {
    let (truth, found) = planted(10, 100);
    let none = Detections::default();
    let decide = |reference, candidate| {
        let input = GateInput { truth: &truth, reference, candidate, iou: IouType::Bbox, threshold: 0.5 };
        let bootstrap = Bootstrap { resamples: 20, seed: 1 };
        gate(&input, &Params::default(), GateTargets::default(), &bootstrap).unwrap()
    };
    assert!(!decide(&none, &none).passed);
    assert!(!decide(&found, &none).passed);
    assert!(decide(&found, &found).passed);
}
