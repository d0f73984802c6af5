//! `ocellus eval` against what independent evaluators say of the same files, and AP of every network through the whole chain.

use serde_json::Value;

use crate::support::{ocellus, real_data};

fn json(words: &[&std::ffi::OsStr]) -> Value {
    let said = ocellus(words);
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    serde_json::from_str(&said.out).unwrap()
}

fn file(path: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(real_data(path).unwrap()).unwrap()).unwrap()
}

#[test]
fn coco_figures_equal_pycocotools() {
    let Some(truth) = real_data("evalref/cocoapi/instances_val2014_100.json") else { return };
    let found = real_data("evalref/cocoapi/instances_val2014_fakebbox100_results.json").unwrap();
    let result = json(&["eval".as_ref(), "--coco".as_ref(), truth.as_ref(), found.as_ref(), "--json".as_ref()]);
    let expected = [0.505, 0.697, 0.573, 0.586, 0.519, 0.501, 0.387, 0.594, 0.595, 0.640, 0.566, 0.564];
    for (i, want) in expected.iter().enumerate() {
        let got = result["stats"][i].as_f64().unwrap();
        assert!((got - want).abs() < 6e-4, "figure {i}: {got} against {want}");
    }
    assert!(result["per_class"].as_object().unwrap().len() > 50);
}

#[test]
fn tracking_figures_equal_motmetrics_and_trackeval() {
    for (sequence, mota, idf1, hota) in [("TUD-Campus", 52.6, 55.8, 39.14), ("TUD-Stadtmitte", 56.4, 64.5, 39.78)] {
        let Some(truth) = real_data(&format!("evalref/motmetrics/{sequence}/gt.txt")) else { return };
        let found = real_data(&format!("evalref/motmetrics/{sequence}/test.txt")).unwrap();
        let result = json(&["eval".as_ref(), "--mot".as_ref(), truth.as_ref(), found.as_ref(), "--json".as_ref()]);
        for (name, want, digits) in [("mota", mota, 0.05), ("idf1", idf1, 0.05), ("hota", hota, 0.005)] {
            let got = result[name].as_f64().unwrap() * 100.0;
            assert!((got - want).abs() <= digits + 1e-9, "{sequence} {name}: {got} against {want}");
        }
    }
}

/// How far AP may lie from that of each network's reference detections, above or below: pixels, boxes and ranks are the same.
const AP_MARGIN: f64 = 0.005;

#[test]
fn every_network_has_its_reference_ap_through_the_whole_chain() {
    let Some(pictures) = real_data("coco_tiny/val2017") else { return };
    let truth = real_data("coco_tiny/annotations/instances_val2017.json").unwrap();
    let summary = file("evalref/coco_golden/summary.json");
    let folder = tempfile::tempdir().unwrap();
    let mut apart = Vec::new();
    for network in [
        "yolox_nano",
        "nanodet_m_320",
        "yolov8n_320_int8",
        "yolo26n_640_int8",
        "v5Lite-e-320-decoded",
        "deimv2_hgnetv2_atto_coco",
        "deimv2_atto_coco_int8",
        "FastestDet",
    ] {
        let model = real_data(&format!("detectors/{network}.onnx")).unwrap();
        let out = folder.path().join(format!("{network}.json"));
        let words = ["detect".as_ref(), model.as_os_str(), pictures.as_os_str(), "--coco".as_ref(), out.as_os_str()];
        let said = ocellus(words);
        assert_eq!(said.code, 0, "{network}: {}\n{}", said.out, said.err);
        let result = json(&["eval".as_ref(), "--coco".as_ref(), truth.as_ref(), out.as_ref(), "--json".as_ref()]);
        let ap = result["stats"][0].as_f64().unwrap();
        let reference = summary[format!("zz80/{network}")][0].as_f64().unwrap();
        println!("{network:<28} AP {ap:.4}, reference {reference:.4}");
        if (ap - reference).abs() > AP_MARGIN {
            apart.push(format!("{network}: {ap:.4} against {reference:.4}"));
        }
    }
    assert!(apart.is_empty(), "{apart:?}");
    // The gate refuses the network whose quantization collapsed, beside its twin.
    let (fp32, int8) =
        (folder.path().join("deimv2_hgnetv2_atto_coco.json"), folder.path().join("deimv2_atto_coco_int8.json"));
    let words = [
        "eval".as_ref(),
        "--coco".as_ref(),
        truth.as_os_str(),
        int8.as_os_str(),
        "--reference".as_ref(),
        fp32.as_os_str(),
    ];
    let said = ocellus(words);
    assert_eq!(said.code, 4, "{}\n{}", said.out, said.err);
}

#[test]
fn bad_evaluation_input_exits_2_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("bad.json");
    std::fs::write(&bad, "{\"images\": [").unwrap();
    let said = ocellus(["eval".as_ref(), "--coco".as_ref(), bad.as_os_str(), bad.as_os_str()]);
    assert_eq!(said.code, 2, "{}", said.err);
    assert!(said.err.contains("bad.json"), "{}", said.err);
    let said = ocellus(["eval"]);
    assert_eq!(said.code, 2, "{}", said.err);
}
