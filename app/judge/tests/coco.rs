//! COCO figures against pycocotools' own: the golden files where real data is there, small cases made here.

#![allow(clippy::unwrap_used, clippy::panic)] // Helpers outside #[test] functions may unwrap too.

use std::path::PathBuf;

use ocellus_judge::coco::{CocoError, Detections, GroundTruth, IouType, Params, evaluate, match_all, matches_at};

fn data() -> Option<PathBuf> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data"));
    if path.exists() {
        return Some(path);
    }
    println!("skipped: no real data");
    None
}

fn near(got: Option<f64>, expected: Option<f64>, tolerance: f64, what: &str) {
    match (got, expected) {
        (Some(g), Some(e)) => assert!((g - e).abs() <= tolerance, "{what}: got {g}, expected {e}"),
        (g, e) => assert_eq!(g, e, "{what}"),
    }
}

#[test]
fn boxes_equal_the_golden_figures_and_classes() {
    let Some(data) = data() else { return };
    let read = |name: &str| std::fs::read_to_string(data.join("evalref").join(name)).unwrap();
    let truth = GroundTruth::parse(&read("cocoapi/instances_val2014_100.json")).unwrap();
    let found = Detections::parse(&read("cocoapi/instances_val2014_fakebbox100_results.json"), &truth).unwrap();
    let result = evaluate(&truth, &found, IouType::Bbox, &Params::default()).unwrap();
    let golden: serde_json::Value = serde_json::from_str(&read("golden_coco_val2014_100_bbox.json")).unwrap();
    for (i, stat) in golden["stats"].as_array().unwrap().iter().enumerate() {
        near(result.stats[i], stat.as_f64(), 1e-12, &format!("stat {i}"));
    }
    let classes = golden["per_category_AP_AP50"].as_object().unwrap();
    assert_eq!(classes.len(), result.per_class.len());
    for (name, pair) in classes {
        near(result.per_class[name], pair[0].as_f64(), 1e-6, name);
        let curve = result.curves.iter().find(|c| c.class == *name).unwrap();
        near(curve.ap50, pair[1].as_f64(), 1e-6, name);
    }
}

#[test]
fn masks_equal_the_published_summary() {
    let Some(data) = data() else { return };
    let read = |name: &str| std::fs::read_to_string(data.join("evalref/cocoapi").join(name)).unwrap();
    let truth = GroundTruth::parse(&read("instances_val2014_100.json")).unwrap();
    let found = Detections::parse(&read("instances_val2014_fakesegm100_results.json"), &truth).unwrap();
    let result = evaluate(&truth, &found, IouType::Segm, &Params::default()).unwrap();
    let published = [0.320, 0.562, 0.299, 0.387, 0.310, 0.327, 0.268, 0.415, 0.417, 0.469, 0.377, 0.381];
    for (i, expected) in published.into_iter().enumerate() {
        near(result.stats[i], Some(expected), 5.1e-4, &format!("stat {i}"));
    }
}

#[test]
fn detectors_equal_their_golden_summaries() {
    let Some(data) = data() else { return };
    let read = |name: &str| std::fs::read_to_string(data.join(name)).unwrap();
    let truth = std::fs::read_dir(data.join("coco_tiny/annotations")).unwrap().next().unwrap().unwrap().path();
    let truth = GroundTruth::parse(&std::fs::read_to_string(truth).unwrap()).unwrap();
    let golden: serde_json::Value = serde_json::from_str(&read("evalref/coco_golden/summary.json")).unwrap();
    for (name, stats) in golden.as_object().unwrap() {
        let file = format!("evalref/coco_golden/{}.json", name.replace('/', "_"));
        let found = Detections::parse(&read(&file), &truth).unwrap();
        let result = evaluate(&truth, &found, IouType::Bbox, &Params::default()).unwrap();
        for (i, expected) in stats.as_array().unwrap().iter().enumerate() {
            near(result.stats[i], expected.as_f64(), 1e-6, &format!("{name} stat {i}"));
        }
    }
}

fn small_truth(annotations: &str) -> Result<GroundTruth, CocoError> {
    GroundTruth::parse(&format!(
        r#"{{"images": [{{"id": 2, "width": 100, "height": 100}}, {{"id": 1, "width": 100, "height": 100}}],
            "categories": [{{"id": 1, "name": "car"}}, {{"id": 9, "name": "tram"}}], "annotations": [{annotations}]}}"#
    ))
}

const CAR: &str = r#"{"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 10, 20, 20], "area": 400, "iscrowd": 0}"#;
const HIT: &str = r#"[{"image_id": 1.0, "category_id": 1, "bbox": [10, 10, 20, 20], "score": 0.9}]"#;

fn result(annotations: &str, detections: &str) -> ocellus_judge::coco::CocoResult {
    let truth = small_truth(annotations).unwrap();
    let found = Detections::parse(detections, &truth).unwrap();
    evaluate(&truth, &found, IouType::Bbox, &Params::default()).unwrap()
}

#[test]
fn undefined_figures_are_null() {
    let perfect = result(CAR, HIT);
    assert!((perfect.ap().unwrap() - 1.0).abs() < 1e-9);
    assert_eq!(perfect.per_class["tram"], None);
    assert_eq!(perfect.stats[5], None, "there is no large object");
    let json = serde_json::to_value(&perfect).unwrap();
    assert!(json["stats"][5].is_null() && json["per_class"]["tram"].is_null());
    assert_eq!(result(CAR, "[]").ap(), Some(0.0), "an object that is missed is a true 0");
    let empty = result("", HIT);
    assert_eq!(empty.findings.count_of("without an object"), 1);
    let blind = result(CAR, "[]");
    assert_eq!((blind.ap(), blind.findings.count_of("without an entry")), (Some(0.0), 1));
    assert!(empty.stats.iter().all(Option::is_none), "without objects nothing is defined");
    assert_eq!(perfect.undefined()["APl"], "there is no object of 96 x 96 px or more to find");
    assert_eq!((empty.undefined().len(), perfect.undefined().len()), (13, 5), "{:?}", perfect.undefined());
}

#[test]
fn odd_entries_are_counted_and_named() {
    let odd = format!(
        r#"{CAR}, {{"id": 2, "image_id": 7, "category_id": 1, "bbox": [0,0,1,1]}},
        {{"id": 3, "image_id": 1, "category_id": 5, "bbox": [0,0,1,1]}},
        {{"id": 4, "image_id": 1, "category_id": 1, "bbox": [NaN, 0, Infinity, 1]}},
        {{"id": 5, "image_id": 1, "category_id": 1, "bbox": [5, 5, 0, 3], "area": 0}},
        {{"id": 6, "image_id": 1, "category_id": 1, "bbox": [5, 5, -2, 3]}},
        {{"id": 7, "image_id": 2, "category_id": 1, "bbox": [90, 90, 40, 40]}},
        {{"id": 8, "image_id": 2, "category_id": 1, "bbox": [40, 40, 40, 40], "area": NaN}}"#
    );
    let detections = r#"[{"image_id": 1, "category_id": 1, "bbox": [10, 10, 20, 20], "score": 0.9},
        {"image_id": 55, "category_id": 1, "bbox": [10, 10, 20, 20], "score": 0.9},
        {"image_id": 1, "category_id": 55, "bbox": [10, 10, 20, 20], "score": 0.9},
        {"image_id": 1, "category_id": 1, "bbox": [10, 10, 20, 20], "score": NaN},
        {"image_id": 1, "category_id": 1, "bbox": [10, 10, 20], "score": 0.5},
        {"image_id": 1, "category_id": 1, "bbox": [10, 10, 0, 20], "score": 0.5},
        {"image_id": 1, "category_id": 1, "bbox": [70, 70, 9, 9], "score": 1.5}]"#;
    let result = result(&odd, detections);
    let count = |part: &str| result.findings.count_of(part);
    for part in [
        "image that is not listed",
        "annotation of a category",
        "ground truth box that is missing",
        "zero area",
        "ground truth box of negative",
        "beyond its picture",
        "detection for an image",
        "detection of a category",
        "score is missing",
        "detection whose box is missing",
        "detection box of zero",
        "score is not within 0 to 1",
    ] {
        assert_eq!(count(part), 1, "{part}: {:?}", result.findings);
    }
    assert!(count("area is missing or not finite") >= 1, "{:?}", result.findings);
    let text: Vec<String> = result.findings.iter().map(ToString::to_string).collect();
    assert!(text.iter().any(|t| t.contains("[not finite, 0, not finite, 1]")), "{text:?}");
    assert!(text.iter().any(|t| t.contains("annotation 4 in image 1")), "{text:?}");
    assert!(result.stats.iter().flatten().all(|s| s.is_finite()));
}

#[test]
fn what_cannot_be_evaluated_is_refused() {
    let twice = format!("{CAR}, {CAR}");
    let error = small_truth(&twice).unwrap_err();
    assert_eq!(error, CocoError::DuplicateId { kind: "annotation", id: 1, first: 0, second: 1 });
    let truth = small_truth(CAR).unwrap();
    let foreign = r#"[{"image_id": 3, "category_id": 1, "bbox": [1,1,2,2], "score": 1}]"#;
    assert!(matches!(Detections::parse(foreign, &truth), Err(CocoError::AllForeign { count: 1, first: 3 })));
    for bad in ["", "{}", "[1]", r#"[{"image_id": "a", "category_id": 1, "score": 1}]"#, r#"[{"image_id": 1.5}]"#] {
        assert!(matches!(Detections::parse(bad, &truth), Err(CocoError::Json { .. })), "{bad}");
    }
    assert!(matches!(GroundTruth::parse(r#"{"images": [], "annotations": []}"#), Err(CocoError::Json { .. })));
    let none = r#"{"images": [], "annotations": [], "categories": []}"#;
    assert_eq!(GroundTruth::parse(none).unwrap_err(), CocoError::NoImages);
    let found = Detections::parse(HIT, &truth).unwrap();
    let params = Params { image_ids: Some(vec![77]), ..Params::default() };
    let error = evaluate(&truth, &found, IouType::Bbox, &params).unwrap_err();
    assert_eq!(error, CocoError::UnknownSelection { kind: "image", id: 77 });
}

#[test]
fn a_crowd_forgives_and_an_id_of_zero_matches() {
    let crowd = format!(
        r#"{CAR}, {{"id": 2, "image_id": 1, "category_id": 1, "bbox": [50, 50, 40, 40], "area": 1600, "iscrowd": 1}}"#
    );
    let detections = r#"[{"image_id": 1, "category_id": 1, "bbox": [52, 52, 10, 10], "score": 0.95},
        {"image_id": 1, "category_id": 1, "bbox": [60, 60, 10, 10], "score": 0.94},
        {"image_id": 1, "category_id": 1, "bbox": [10, 10, 20, 20], "score": 0.9}]"#;
    assert!((result(&crowd, detections).ap().unwrap() - 1.0).abs() < 1e-9);
    let truth = small_truth(&crowd).unwrap();
    assert_eq!((truth.crowd_regions(), truth.images_without_annotations()), (1, 1));
    let zero = result(&CAR.replace(r#""id": 1,"#, r#""id": 0,"#), HIT);
    assert!((zero.ap().unwrap() - 1.0).abs() < 1e-9);
    assert_eq!(zero.findings.count_of("id 0"), 1);
}

#[test]
fn weights_choose_images_and_matches_agree_with_them() {
    let two = format!(r#"{CAR}, {{"id": 2, "image_id": 2, "category_id": 1, "bbox": [0, 0, 30, 30], "area": 900}}"#);
    let truth = small_truth(&two).unwrap();
    let found = Detections::parse(HIT, &truth).unwrap();
    let all = match_all(&truth, &found, IouType::Bbox, &Params::default()).unwrap();
    assert!((all.ap_weighted(&all.only(&[0])).unwrap() - 1.0).abs() < 1e-9);
    assert_eq!(all.ap_weighted(&all.only(&[1])), Some(0.0));
    assert_eq!(all.ap_weighted(&[0, 0]), None);
    assert_eq!(all.ap_weighted(&all.ones()), all.result().ap());
    let only_first = Params { image_ids: Some(vec![1]), ..Params::default() };
    let matches = matches_at(&truth, &found, IouType::Bbox, 0.5, &only_first).unwrap();
    assert_eq!(matches.len(), 1);
    assert!(matches[0].detections[0].is_true() && matches[0].truths[0].found_at == Some(0.9));
}
