//! What a run saw, in the forms other evaluators read: COCO results, KITTI labels, MOTChallenge text.
//!
//! Pure text; file names, maps from names to ids and reading of `objects.jsonl` are the caller's. A box or score that is
//! not finite is left out and counted.

use std::fmt::Write;

use serde::Serialize;

use crate::findings::Findings;

/// One object of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportObject {
    /// Image id (COCO) or frame number from 1 (MOT); KITTI texts are written frame by frame.
    pub frame: i64,
    /// Track.
    pub track: Option<u64>,
    /// Class name.
    pub class: String,
    /// Category id of the ground truth, for COCO.
    pub category_id: Option<i64>,
    /// Confidence, 0 to 1.
    pub score: Option<f64>,
    /// Box x0, y0, x1, y1 in pixels of the source image.
    pub box_px: Option<[f64; 4]>,
    /// Centre of the object's bottom in the camera's optical frame, metres, where known.
    pub location_m: Option<[f64; 3]>,
}

/// Text, and what could not be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Exported {
    /// The file's content.
    pub text: String,
    /// Objects written.
    pub written: usize,
    /// Objects left out, and why.
    pub findings: Findings,
}

#[derive(Serialize)]
struct CocoLine {
    image_id: i64,
    category_id: i64,
    bbox: [f64; 4],
    score: f64,
}

/// The number in a file's name, by which COCO knows its image: the last run of digits before the extension.
pub fn number_in_name(name: &str) -> Option<u64> {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    stem.rsplit(|c: char| !c.is_ascii_digit()).find(|run| !run.is_empty())?.parse().ok()
}

/// Two decimals: a hundredth of a pixel.
fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

fn label(object: &ExportObject) -> String {
    format!("{} in frame {}", object.class, object.frame)
}

fn sound_box(object: &ExportObject, findings: &mut Findings) -> Option<[f64; 4]> {
    let bbox = object.box_px.filter(|b| b.iter().all(|v| v.is_finite()) && b[2] > b[0] && b[3] > b[1]);
    if bbox.is_none() {
        findings.note("object without a sound box in the picture", "left out", || label(object));
    }
    bbox
}

/// COCO results: a list of {image_id, category_id, bbox, score}.
pub fn coco_results(objects: &[ExportObject]) -> Exported {
    let mut findings = Findings::default();
    let mut lines = Vec::new();
    for object in objects {
        let Some([x0, y0, x1, y1]) = sound_box(object, &mut findings) else { continue };
        let Some(category_id) = object.category_id else {
            findings.note("object whose class the ground truth does not list", "left out", || label(object));
            continue;
        };
        let Some(score) = object.score.filter(|s| s.is_finite()) else {
            findings.note("object without a score", "left out", || label(object));
            continue;
        };
        let bbox = [x0, y0, x1 - x0, y1 - y0].map(rounded);
        lines.push(CocoLine { image_id: object.frame, category_id, bbox, score });
    }
    let line = |l: &CocoLine| serde_json::to_string(l).unwrap_or_default();
    let text = format!("[{}]\n", lines.iter().map(line).collect::<Vec<_>>().join(",\n "));
    Exported { text, written: lines.len(), findings }
}

/// One frame's KITTI object labels: type, truncation, occlusion, alpha, box, dimensions, location, rotation, score.
/// Unknown fields have KITTI's own marks (-1, -10, -1000).
pub fn kitti_labels(objects: &[ExportObject]) -> Exported {
    let (mut text, mut written, mut findings) = (String::new(), 0, Findings::default());
    for object in objects {
        let Some([x0, y0, x1, y1]) = sound_box(object, &mut findings) else { continue };
        let [x, y, z] = object.location_m.filter(|l| l.iter().all(|v| v.is_finite())).unwrap_or([-1000.0; 3]);
        let kind = kitti_class(&object.class);
        let score = object.score.filter(|s| s.is_finite()).map(|s| format!(" {s:.4}")).unwrap_or_default();
        // Writing to a String cannot fail.
        let _ =
            writeln!(text, "{kind} -1 -1 -10 {x0:.2} {y0:.2} {x1:.2} {y1:.2} -1 -1 -1 {x:.2} {y:.2} {z:.2} -10{score}");
        written += 1;
    }
    Exported { text, written, findings }
}

/// KITTI's name of a class; other classes keep theirs, capitalised and without blanks.
fn kitti_class(class: &str) -> String {
    match class {
        "person" | "pedestrian" => "Pedestrian".into(),
        "bicycle" | "cyclist" => "Cyclist".into(),
        "train" | "tram" => "Tram".into(),
        "unknown" => "Misc".into(),
        other => {
            let mut letters = other.chars().filter(|c| !c.is_whitespace());
            letters.next().map_or_else(|| "Misc".into(), |c| c.to_uppercase().chain(letters).collect())
        }
    }
}

/// MOTChallenge results: frame, id, x, y, width, height, score, and three -1. Objects without a track are left out.
pub fn mot_results(objects: &[ExportObject]) -> Exported {
    let (mut text, mut written, mut findings) = (String::new(), 0, Findings::default());
    for object in objects {
        let Some(track) = object.track else {
            findings.note("object without a track", "left out", || label(object));
            continue;
        };
        let Some([x0, y0, x1, y1]) = sound_box(object, &mut findings) else { continue };
        let score = object.score.filter(|s| s.is_finite()).unwrap_or(-1.0);
        let (w, h) = (x1 - x0, y1 - y0);
        let _ = writeln!(text, "{},{track},{x0:.2},{y0:.2},{w:.2},{h:.2},{score:.4},-1,-1,-1", object.frame);
        written += 1;
    }
    Exported { text, written, findings }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object() -> ExportObject {
        ExportObject {
            frame: 3,
            track: Some(7),
            class: "car".into(),
            category_id: Some(3),
            score: Some(0.91),
            box_px: Some([10.0, 20.0, 40.126, 60.0]),
            location_m: Some([1.0, 1.6, 14.2]),
        }
    }

    #[test]
    fn texts_are_as_others_read_them() {
        let coco = coco_results(&[object()]);
        assert_eq!(coco.text, "[{\"image_id\":3,\"category_id\":3,\"bbox\":[10.0,20.0,30.13,40.0],\"score\":0.91}]\n");
        assert_eq!(mot_results(&[object()]).text, "3,7,10.00,20.00,30.13,40.00,0.9100,-1,-1,-1\n");
        let kitti = kitti_labels(&[object()]).text;
        assert_eq!(kitti, "Car -1 -1 -10 10.00 20.00 40.13 60.00 -1 -1 -1 1.00 1.60 14.20 -10 0.9100\n");
        assert_eq!(kitti.split_whitespace().count(), 16);
        assert_eq!(kitti_class("traffic light"), "Trafficlight");
    }

    #[test]
    fn the_number_in_a_name_is_its_last() {
        assert_eq!(number_in_name("COCO_val2014_000000000042.jpg"), Some(42));
        assert_eq!(number_in_name("000139"), Some(139));
        assert_eq!((number_in_name("bus.jpg"), number_in_name("clip.mp4"), number_in_name("")), (None, None, None));
    }

    #[test]
    fn what_cannot_be_written_is_counted() {
        let odd = [
            ExportObject { box_px: None, ..object() },
            ExportObject { box_px: Some([0.0, 0.0, f64::NAN, 1.0]), ..object() },
            ExportObject { category_id: None, ..object() },
            ExportObject { score: None, ..object() },
        ];
        let got = coco_results(&odd);
        assert_eq!((got.text.as_str(), got.written), ("[]\n", 0));
        assert_eq!(got.findings.count_of("sound box"), 2);
        assert_eq!(got.findings.count_of("class"), 1);
        assert_eq!(mot_results(&[ExportObject { track: None, ..object() }]).findings.count_of("track"), 1);
    }

    #[test]
    fn a_round_trip_through_our_own_readers() {
        let text = mot_results(&[object()]).text;
        assert_eq!(crate::mot::evaluate(&text, &text).unwrap().mota, Some(1.0));
        let truth = r#"{"images":[{"id":3}],"categories":[{"id":3,"name":"car"}],
            "annotations":[{"id":1,"image_id":3,"category_id":3,"bbox":[10,20,30,40],"area":1200}]}"#;
        let truth = crate::coco::GroundTruth::parse(truth).unwrap();
        let found = crate::coco::Detections::parse(&coco_results(&[object()]).text, &truth).unwrap();
        let result = crate::coco::evaluate(&truth, &found, crate::coco::IouType::Bbox, &Default::default()).unwrap();
        assert!(result.ap().unwrap() > 0.99);
    }
}
