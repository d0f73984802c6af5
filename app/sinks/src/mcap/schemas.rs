//! JSON Schemas of what is written as JSON: Foxglove's drawings (the fields used here, with foxglove-sdk's names) and our own
//! lines.

use serde_json::{Value, json};

/// Schema name of `foxglove.ImageAnnotations`.
pub(super) const IMAGE_ANNOTATIONS: &str = "foxglove.ImageAnnotations";
/// Schema name of `foxglove.SceneUpdate`.
pub(super) const SCENE_UPDATE: &str = "foxglove.SceneUpdate";
/// Schema name of a line of `objects.jsonl`.
pub(super) const OBJECTS: &str = "ocellus.Objects";

/// An object with these properties.
fn object(title: &str, properties: &[(&str, Value)]) -> Value {
    let properties: serde_json::Map<String, Value> =
        properties.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    json!({"title": title, "type": "object", "properties": properties})
}

fn array(items: &Value) -> Value {
    json!({"type": "array", "items": items})
}

fn number() -> Value {
    json!({"type": "number"})
}

fn text() -> Value {
    json!({"type": "string"})
}

fn boolean() -> Value {
    json!({"type": "boolean"})
}

fn whole() -> Value {
    json!({"type": "integer", "minimum": 0})
}

fn numbers(title: &str, names: &[&str]) -> Value {
    let properties: Vec<(&str, Value)> = names.iter().map(|name| (*name, number())).collect();
    object(title, &properties)
}

fn time() -> Value {
    object("time", &[("sec", json!({"type": "integer"})), ("nsec", whole())])
}

fn colour() -> Value {
    numbers("foxglove.Color", &["r", "g", "b", "a"])
}

fn pose() -> Value {
    let position = numbers("foxglove.Vector3", &["x", "y", "z"]);
    let orientation = numbers("foxglove.Quaternion", &["x", "y", "z", "w"]);
    object("foxglove.Pose", &[("position", position), ("orientation", orientation)])
}

fn pairs() -> Value {
    array(&object("foxglove.KeyValuePair", &[("key", text()), ("value", text())]))
}

/// The schema of `foxglove.ImageAnnotations`.
pub(super) fn image_annotations() -> String {
    let point = numbers("foxglove.Point2", &["x", "y"]);
    let points = object(
        "foxglove.PointsAnnotation",
        &[
            ("timestamp", time()),
            ("type", whole()),
            ("points", array(&point)),
            ("outline_color", colour()),
            ("outline_colors", array(&colour())),
            ("fill_color", colour()),
            ("thickness", number()),
        ],
    );
    let texts = object(
        "foxglove.TextAnnotation",
        &[
            ("timestamp", time()),
            ("position", point.clone()),
            ("text", text()),
            ("font_size", number()),
            ("text_color", colour()),
            ("background_color", colour()),
        ],
    );
    let circles = object(
        "foxglove.CircleAnnotation",
        &[
            ("timestamp", time()),
            ("position", point),
            ("diameter", number()),
            ("thickness", number()),
            ("fill_color", colour()),
            ("outline_color", colour()),
        ],
    );
    let all =
        [("timestamp", time()), ("circles", array(&circles)), ("points", array(&points)), ("texts", array(&texts))];
    object(IMAGE_ANNOTATIONS, &all).to_string()
}

/// The schema of `foxglove.SceneUpdate`.
pub(super) fn scene_update() -> String {
    let size = numbers("foxglove.Vector3", &["x", "y", "z"]);
    let sphere = object("foxglove.SpherePrimitive", &[("pose", pose()), ("size", size), ("color", colour())]);
    let texts = object(
        "foxglove.TextPrimitive",
        &[
            ("pose", pose()),
            ("billboard", boolean()),
            ("font_size", number()),
            ("scale_invariant", boolean()),
            ("color", colour()),
            ("text", text()),
        ],
    );
    // Kinds of marks that are never drawn here stand as arrays of anything.
    let anything = array(&json!({"type": "object"}));
    let entity = object(
        "foxglove.SceneEntity",
        &[
            ("timestamp", time()),
            ("frame_id", text()),
            ("id", text()),
            ("lifetime", object("duration", &[("sec", json!({"type": "integer"})), ("nsec", whole())])),
            ("frame_locked", boolean()),
            ("metadata", pairs()),
            ("arrows", anything.clone()),
            ("cubes", anything.clone()),
            ("spheres", array(&sphere)),
            ("cylinders", anything.clone()),
            ("lines", anything.clone()),
            ("triangles", anything.clone()),
            ("texts", array(&texts)),
            ("models", anything),
        ],
    );
    let deletion = object("foxglove.SceneEntityDeletion", &[("timestamp", time()), ("type", whole()), ("id", text())]);
    object(SCENE_UPDATE, &[("deletions", array(&deletion)), ("entities", array(&entity))]).to_string()
}

/// The schema of a line of `objects.jsonl`: its outline; the file's own schema ships with the program.
pub(super) fn objects() -> String {
    let properties = [
        ("trigger", text()),
        ("t_ns", json!({"type": "integer"})),
        ("camera", text()),
        ("lidar", text()),
        ("seq", whole()),
        ("state", text()),
        ("objects", array(&json!({"type": "object"}))),
    ];
    object(OBJECTS, &properties).to_string()
}
