//! `ocellus label` through the whole program: two teachers of known answer, COCO out, a drive's recording out.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{ocellus, root};

fn network(name: &str) -> PathBuf {
    root().join("tests/data/networks").join(name)
}

/// One picture with a red cell of 16 pixels, row 6, column 10: a box of 48 x 48 around its centre.
fn pictures(folder: &Path) -> PathBuf {
    let pictures = folder.join("pictures");
    fs::create_dir(&pictures).unwrap();
    for i in 1..3 {
        let red = |x: u32, y: u32| image::Rgb(if x / 16 == 10 && y / 16 == 6 { [255, 0, 0] } else { [0, 0, 0] });
        image::RgbImage::from_fn(320, 192, red).save(pictures.join(format!("{i:06}.png"))).unwrap();
    }
    pictures
}

#[test]
fn teachers_that_agree_make_labels_with_provenance_and_a_recording() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = pictures(folder.path());
    let (out, mcap) = (folder.path().join("labels.json"), folder.path().join("labelled.mcap"));
    let (a, b) = (network("yolov8_nonsquare_fp32.onnx"), network("yolov8_nonsquare_fp16.onnx"));
    let words = ["label".as_ref(), pictures.as_os_str(), "--teacher".as_ref(), a.as_os_str(), "--teacher".as_ref()];
    let words = words.into_iter().chain([b.as_os_str(), "--out".as_ref(), out.as_os_str()]);
    let said = ocellus(words.chain(["--mcap".as_ref(), mcap.as_os_str(), "--same".as_ref(), "red=car".as_ref()]));
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    let labels: Value = serde_json::from_str(&fs::read_to_string(&out).unwrap()).unwrap();
    let found = labels["annotations"].as_array().unwrap();
    assert_eq!((found.len(), labels["images"].as_array().unwrap().len()), (2, 2));
    for (i, want) in [144.0, 80.0, 48.0, 48.0].into_iter().enumerate() {
        assert!((found[0]["bbox"][i].as_f64().unwrap() - want).abs() < 0.6, "{}", found[0]);
    }
    assert_eq!((&found[0]["source"], &found[0]["iscrowd"]), (&"agreed".into(), &0.into()));
    assert_eq!(labels["categories"][0]["name"], "car");
    let teachers = labels["info"]["teachers"].as_array().unwrap();
    assert!(teachers.len() == 2 && teachers.iter().all(|t| t["sha256"].as_str().unwrap().len() == 64));
    // The program itself reads both: the labels as ground truth, the recording as a labelled drive.
    let perfect = folder.path().join("dt.json");
    let detections: Vec<Value> = found
        .iter()
        .map(|f| serde_json::json!({"image_id": f["image_id"], "category_id": f["category_id"], "bbox": f["bbox"], "score": 1.0}))
        .collect();
    fs::write(&perfect, serde_json::to_string(&detections).unwrap()).unwrap();
    let words = ["eval".as_ref(), "--coco".as_ref(), out.as_os_str(), perfect.as_os_str(), "--json".as_ref()];
    let eval: Value = serde_json::from_str(&ocellus(words).out).unwrap();
    assert_eq!(eval["stats"][0].as_f64(), Some(1.0));
    let said = ocellus(["inspect".as_ref(), mcap.as_os_str()]);
    assert!(said.out.contains("2 objects in 2 frames: 2 car"), "{}\n{}", said.out, said.err);
}

#[test]
fn bad_requests_for_labels_say_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = pictures(folder.path());
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let out = folder.path().join("labels.json");
    let (detector, depth) = (network("yolov8_nonsquare_fp32.onnx"), network("depth_metric.onnx"));
    let cases: [(&Path, &Path, &[&str], &str); 6] = [
        (&pictures, &depth, &[], "at least one detector"),
        (&empty, &detector, &[], "empty"),
        (&pictures, &detector, &["--threshold", "wolf=0.5"], "no teacher knows"),
        (&pictures, &detector, &["--threshold", "red"], "NAME=VALUE"),
        (&pictures, &detector, &["--score", "7"], "0 to 1"),
        (&pictures, &folder.path().join("none.onnx"), &[], "no such file"),
    ];
    for (data, teacher, more, said_so) in cases {
        let words = ["label".as_ref(), data.as_os_str(), "--teacher".as_ref(), teacher.as_os_str(), "--out".as_ref()];
        let said = ocellus(words.into_iter().chain([out.as_os_str()]).chain(more.iter().map(|w| w.as_ref())));
        assert_eq!(said.code, 2, "{said_so}: {}", said.err);
        assert!(said.err.contains(said_so), "{said_so}: {}", said.err);
        assert!(!out.exists());
    }
}
