//! Foxglove's drawings as its ROS 2 messages: `foxglove_msgs/ImageAnnotations` over a picture, `foxglove_msgs/SceneUpdate` in
//! space.

use nalgebra::Isometry3;
use ocellus_percept::report::{Object, Risk};
use ocellus_percept::time::Timestamp;

use super::cdr::CdrWriter;
use super::messages::seconds;
use super::vision::Placed;

/// Width of a box's line, pixels.
const LINE_PX: f64 = 2.0;
/// Height of the text, pixels.
const TEXT_PX: f64 = 14.0;
/// Diameter of the mark at an object's nearest surface, metres: seen from afar, hiding little.
const MARK_M: f64 = 0.5;
/// How long a mark stands when no report follows, nanoseconds: three periods of 10 Hz.
const LIFETIME_NS: u32 = 300_000_000;
/// `foxglove_msgs/PointsAnnotation.LINE_LOOP`.
const LINE_LOOP: u8 = 2;
/// No fill.
const CLEAR: [f64; 4] = [0.0; 4];
/// Behind text.
const SHADE: [f64; 4] = [0.0, 0.0, 0.0, 0.5];

/// Red, green, blue by risk, 0 to 1, and `alpha`; white where none was assessed.
fn colour(object: &Object, alpha: f64) -> [f64; 4] {
    let [r, g, b] = match object.risk {
        None => [1.0, 1.0, 1.0],
        Some(Risk::Clear) => [0.3, 0.85, 0.4],
        Some(Risk::Watch) => [1.0, 0.85, 0.2],
        Some(Risk::Warn) => [1.0, 0.5, 0.1],
        Some(Risk::Critical) => [1.0, 0.15, 0.15],
    };
    [r, g, b, alpha]
}

/// Class, track and distance.
fn caption(object: &Object) -> String {
    match object.distance_m {
        Some(distance) => format!("{} #{} {distance:.1} m", object.class, object.track),
        None => format!("{} #{}", object.class, object.track),
    }
}

impl CdrWriter {
    /// `builtin_interfaces/Time`.
    fn time(&mut self, t: Timestamp) -> &mut Self {
        let (sec, nanosec) = seconds(t);
        self.i32(sec).u32(nanosec)
    }
}

/// `foxglove_msgs/ImageAnnotations`: a box and a caption for each object seen in the picture.
pub(super) fn image_annotations(cdr: &mut CdrWriter, t: Timestamp, objects: &[Object]) {
    let seen = || objects.iter().filter_map(|o| Some((o, o.box_px?)));
    let count = seen().count();
    // No circles.
    cdr.begin().length(0).length(count);
    for (object, bbox) in seen() {
        let corners = [(bbox.x0, bbox.y0), (bbox.x1, bbox.y0), (bbox.x1, bbox.y1), (bbox.x0, bbox.y1)];
        cdr.time(t).u8(LINE_LOOP).length(corners.len());
        for (x, y) in corners {
            cdr.f64(x.into()).f64(y.into());
        }
        cdr.f64_array(&colour(object, 1.0)).length(0).f64_array(&CLEAR).f64(LINE_PX);
    }
    cdr.length(count);
    for (object, bbox) in seen() {
        cdr.time(t).f64(bbox.x0.into()).f64(bbox.y0.into()).string(&caption(object)).f64(TEXT_PX);
        cdr.f64_array(&colour(object, 1.0)).f64_array(&SHADE);
    }
}

/// `foxglove_msgs/SceneUpdate`: a mark at each object's nearest surface, with its caption and what is known of it.
pub(super) fn scene_update(
    cdr: &mut CdrWriter,
    t: Timestamp,
    frame: &str,
    objects: &[Object],
    places: &[Option<Placed>],
) {
    let known = || objects.iter().zip(places).filter_map(|(o, p)| Some((o, p.as_ref()?)));
    cdr.begin().length(0).length(known().count());
    for (object, place) in known() {
        let pose = Isometry3::translation(place.xyz.x, place.xyz.y, place.xyz.z);
        cdr.time(t).string(frame).string(&format!("track-{}", object.track)).i32(0).u32(LIFETIME_NS).boolean(true);
        metadata(cdr, object);
        // No arrows, no cubes, one sphere.
        cdr.length(0).length(0).length(1).pose(&pose).f64_array(&[MARK_M; 3]).f64_array(&colour(object, 0.8));
        // No cylinders, lines or triangles, one text, no models.
        cdr.length(0).length(0).length(0).length(1);
        cdr.pose(&pose).boolean(true).f64(TEXT_PX).boolean(true).f64_array(&colour(object, 1.0));
        cdr.string(&caption(object)).length(0);
    }
}

/// What is known of an object, as `foxglove_msgs/KeyValuePair`s.
fn metadata(cdr: &mut CdrWriter, object: &Object) {
    let pairs = [
        ("class", Some(object.class.clone())),
        ("distance_source", object.distance_source.map(|s| s.name().to_owned())),
        ("distance_sigma_m", object.distance_sigma_m.map(|v| format!("{v:.3}"))),
        ("ttc_s", object.ttc_s.map(|v| format!("{v:.2}"))),
        ("why", object.why.clone()),
    ];
    let known: Vec<(&str, String)> = pairs.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
    cdr.length(known.len());
    for (key, value) in known {
        cdr.string(key).string(&value);
    }
}
