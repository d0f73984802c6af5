//! Foxglove's drawings as JSON: `foxglove.ImageAnnotations` over a picture, `foxglove.SceneUpdate` in space.
//!
//! Field names are those of foxglove-sdk's JSON schemas; times and durations are `{sec, nsec}`.

use ocellus_percept::report::{Object, Risk};
use ocellus_percept::time::Timestamp;
use serde_json::{Value, json};

use super::messages::seconds;
use super::vision::Placed;

/// Width of a box's line, pixels.
const LINE_PX: f64 = 2.0;
/// Height of the text, pixels.
const TEXT_PX: f64 = 14.0;
/// Diameter of the mark at an object's nearest surface, metres: seen from afar, hiding little.
const MARK_M: f64 = 0.5;
/// How long a mark stands when no report follows, nanoseconds: three periods of 10 Hz.
const LIFETIME_NS: u64 = 300_000_000;
/// `foxglove.PointsAnnotation` type of a closed line.
const LINE_LOOP: u32 = 2;

fn time(t: Timestamp) -> Value {
    let (sec, nsec) = seconds(t);
    json!({"sec": sec, "nsec": nsec})
}

/// By risk; white where none was assessed.
fn colour(object: &Object, alpha: f64) -> Value {
    let [r, g, b] = match object.risk {
        None => [1.0, 1.0, 1.0],
        Some(Risk::Clear) => [0.3, 0.85, 0.4],
        Some(Risk::Watch) => [1.0, 0.85, 0.2],
        Some(Risk::Warn) => [1.0, 0.5, 0.1],
        Some(Risk::Critical) => [1.0, 0.15, 0.15],
    };
    json!({"r": r, "g": g, "b": b, "a": alpha})
}

/// Class, track and distance.
fn caption(object: &Object) -> String {
    match object.distance_m {
        Some(distance) => format!("{} #{} {distance:.1} m", object.class, object.track),
        None => format!("{} #{}", object.class, object.track),
    }
}

/// `foxglove.ImageAnnotations`: a box and a caption for each object seen in the picture.
pub(super) fn image_annotations(t: Timestamp, objects: &[Object]) -> Value {
    let mut boxes = Vec::new();
    let mut texts = Vec::new();
    for object in objects {
        let Some(bbox) = object.box_px else { continue };
        let corners = [(bbox.x0, bbox.y0), (bbox.x1, bbox.y0), (bbox.x1, bbox.y1), (bbox.x0, bbox.y1)];
        let points: Vec<Value> = corners.iter().map(|(x, y)| json!({"x": x, "y": y})).collect();
        boxes.push(json!({
            "timestamp": time(t), "type": LINE_LOOP, "points": points, "outline_color": colour(object, 1.0),
            "outline_colors": [], "fill_color": colour(object, 0.0), "thickness": LINE_PX,
        }));
        texts.push(json!({
            "timestamp": time(t), "position": {"x": bbox.x0, "y": bbox.y0}, "text": caption(object),
            "font_size": TEXT_PX, "text_color": colour(object, 1.0),
            "background_color": {"r": 0.0, "g": 0.0, "b": 0.0, "a": 0.5},
        }));
    }
    json!({"timestamp": time(t), "circles": [], "points": boxes, "texts": texts})
}

/// `foxglove.SceneUpdate`: a mark at each object's nearest surface, with its caption and what is known of it.
pub(super) fn scene_update(t: Timestamp, frame: &str, objects: &[Object], places: &[Option<Placed>]) -> Value {
    let entities: Vec<Value> = objects
        .iter()
        .zip(places)
        .filter_map(|(object, place)| Some((object, place.as_ref()?)))
        .map(|(object, place)| {
            let pose = json!({
                "position": {"x": place.xyz.x, "y": place.xyz.y, "z": place.xyz.z},
                "orientation": {"x": 0.0, "y": 0.0, "z": 0.0, "w": 1.0},
            });
            json!({
                "timestamp": time(t), "frame_id": frame, "id": format!("track-{}", object.track),
                "lifetime": {"sec": 0, "nsec": LIFETIME_NS}, "frame_locked": true, "metadata": metadata(object),
                "arrows": [], "cubes": [], "cylinders": [], "lines": [], "triangles": [], "models": [],
                "spheres": [{"pose": pose, "size": {"x": MARK_M, "y": MARK_M, "z": MARK_M}, "color": colour(object, 0.8)}],
                "texts": [{
                    "pose": pose, "billboard": true, "font_size": TEXT_PX, "scale_invariant": true,
                    "color": colour(object, 1.0), "text": caption(object),
                }],
            })
        })
        .collect();
    json!({"deletions": [], "entities": entities})
}

/// What is known of an object, as `foxglove.KeyValuePair`s.
fn metadata(object: &Object) -> Vec<Value> {
    let pairs = [
        ("class", Some(object.class.clone())),
        ("distance_source", object.distance_source.map(|s| s.name().to_owned())),
        ("distance_sigma_m", object.distance_sigma_m.map(|v| format!("{v:.3}"))),
        ("ttc_s", object.ttc_s.map(|v| format!("{v:.2}"))),
        ("why", object.why.clone()),
    ];
    pairs.into_iter().filter_map(|(key, value)| Some(json!({"key": key, "value": value?}))).collect()
}
