//! Labels as JSON text, one message per camera frame: how a recording carries its truth beside its sensors.
//!
//! Schema: launch/schemas/truth.schema.json. Boxes in pixels of the source picture, cuboids in the vehicle frame, metres.

use nalgebra::{Isometry3, Quaternion, Translation3, UnitQuaternion};
use ocellus_percept::detection::BoxPx;
use ocellus_percept::space::Transform;
use ocellus_percept::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::labels::{Cuboid, Label};

/// The topic of truth messages in our own recordings, each a `std_msgs/String`.
pub const TRUTH_TOPIC: &str = "/ocellus/truth";

/// One camera frame's labels as written.
#[derive(Serialize, Deserialize)]
struct Message {
    t_ns: i64,
    camera: String,
    labels: Vec<Written>,
}

#[derive(Serialize, Deserialize)]
struct Written {
    class: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    track: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    truncated: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    occluded: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    box_px: Option<[f32; 4]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cuboid: Option<WrittenCuboid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    points_inside: Option<u32>,
}

#[derive(Serialize, Deserialize)]
struct WrittenCuboid {
    center_m: [f64; 3],
    /// x, y, z, w.
    orientation: [f64; 4],
    size_m: [f64; 3],
}

/// The labels of a camera's frame.
#[derive(Debug, Clone, PartialEq)]
pub struct TruthFrame {
    /// The camera's name.
    pub camera: String,
    /// The frame's sensor time.
    pub t: Timestamp,
    /// Its labels.
    pub labels: Vec<Label>,
}

/// The labels of a camera's frame as the text of a truth message.
pub fn truth_json(camera: &str, t: Timestamp, labels: &[Label]) -> String {
    let labels = labels.iter().map(written).collect();
    let message = Message { t_ns: t.as_nanos(), camera: camera.to_owned(), labels };
    // Plain numbers and strings: this cannot fail, and an empty object would be seen by the reader.
    serde_json::to_string(&message).unwrap_or_else(|_| "{}".to_owned())
}

/// The truth message in `text`.
///
/// # Errors
/// What serde says of a text that is no truth message.
pub fn parse_truth(text: &str) -> Result<TruthFrame, serde_json::Error> {
    let message: Message = serde_json::from_str(text)?;
    let labels = message.labels.into_iter().map(read).collect();
    Ok(TruthFrame { camera: message.camera, t: Timestamp::from_nanos(message.t_ns), labels })
}

fn written(label: &Label) -> Written {
    Written {
        class: label.class.clone(),
        track: label.track.clone(),
        truncated: label.truncated,
        occluded: label.occluded,
        box_px: label.box_px.map(|b| [b.x0, b.y0, b.x1, b.y1]),
        cuboid: label.cuboid.as_ref().map(|cuboid| {
            let pose = cuboid.vehicle_from_body.isometry();
            WrittenCuboid {
                center_m: pose.translation.vector.into(),
                orientation: pose.rotation.coords.into(),
                size_m: cuboid.size_m,
            }
        }),
        points_inside: label.points_inside,
    }
}

fn read(label: Written) -> Label {
    Label {
        class: label.class,
        track: label.track,
        truncated: label.truncated,
        occluded: label.occluded,
        box_px: label.box_px.map(|[x0, y0, x1, y1]| BoxPx { x0, y0, x1, y1 }),
        cuboid: label.cuboid.map(|cuboid| {
            let [x, y, z, w] = cuboid.orientation;
            let rotation = UnitQuaternion::from_quaternion(Quaternion::new(w, x, y, z));
            let pose = Isometry3::from_parts(Translation3::from(cuboid.center_m), rotation);
            Cuboid { vehicle_from_body: Transform::from_isometry(pose), size_m: cuboid.size_m }
        }),
        points_inside: label.points_inside,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_survive_the_text() {
        let pose = Isometry3::new([10.0, -2.5, 0.75].into(), [0.0, 0.0, 0.5].into());
        let label = Label {
            class: "car".to_owned(),
            track: Some("7".to_owned()),
            truncated: Some(0.25),
            occluded: None,
            box_px: Some(BoxPx { x0: 1.5, y0: 2.0, x1: 30.25, y1: 40.0 }),
            cuboid: Some(Cuboid { vehicle_from_body: Transform::from_isometry(pose), size_m: [4.0, 1.8, 1.5] }),
            points_inside: Some(12),
        };
        let t = Timestamp::from_nanos(1_700_000_000_000_000_001);
        let frame = parse_truth(&truth_json("camera", t, std::slice::from_ref(&label))).unwrap();
        assert_eq!((frame.camera.as_str(), frame.t), ("camera", t));
        let back = &frame.labels[0];
        assert_eq!((&back.class, &back.track, back.box_px), (&label.class, &label.track, label.box_px));
        let (a, b) = (label.cuboid.unwrap(), back.cuboid.as_ref().unwrap());
        assert!((a.centre().xyz - b.centre().xyz).norm() < 1e-12 && a.size_m == b.size_m);
        assert!(parse_truth("{}").is_err());
    }
}
