//! Suppression against OpenCV's `NMSBoxes` on the same boxes.

mod support;

use ocellus_percept::detection::BoxPx;
use ocellus_percept::tensor::Nms;
use serde_json::Value;

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

#[test]
fn what_opencv_keeps_is_kept() {
    let Some(data) = support::real_data() else { return };
    let text = std::fs::read_to_string(data.join("evalref/golden_nms_cv2.json")).unwrap();
    let golden: Value = serde_json::from_str(&text).unwrap();
    let floor = golden["score_thr"].as_f64().unwrap();
    let all_scores = numbers(&golden["scores"]);
    let corners = |xywh: &Value| {
        let v = numbers(xywh);
        BoxPx { x0: v[0] as f32, y0: v[1] as f32, x1: (v[0] + v[2]) as f32, y1: (v[1] + v[3]) as f32 }
    };
    let all_boxes: Vec<BoxPx> = golden["boxes_xywh"].as_array().unwrap().iter().map(corners).collect();
    let passing: Vec<usize> = (0..all_scores.len()).filter(|&i| all_scores[i] > floor).collect();
    let boxes: Vec<_> = passing.iter().map(|&i| all_boxes[i]).collect();
    let scores: Vec<_> = passing.iter().map(|&i| all_scores[i] as f32).collect();
    let classes = vec![0; boxes.len()];
    let keeps = golden["keeps"].as_object().unwrap();
    assert!(!keeps.is_empty());
    for (iou, expected) in keeps {
        let mut kept = Vec::new();
        Nms::default().keep(&boxes, &scores, &classes, iou.parse().unwrap(), &mut kept);
        let got: Vec<f64> = kept.iter().map(|&i| passing[i as usize] as f64).collect();
        assert_eq!(got, numbers(expected), "iou {iou}");
    }
}
