//! Lines of objects.jsonl beside the simulated world's truth.

use ocellus_world::ObjectTruth;
use serde_json::Value;

/// Sensor time of a scenario's second 0, as drives of the world are stamped.
const START_NS: i64 = 1_767_225_600_000_000_000;

/// When in its scenario a line's frame was taken, seconds.
pub fn scenario_s(line: &Value) -> f64 {
    (line["t_ns"].as_i64().unwrap() - START_NS) as f64 * 1e-9
}

/// Whether a listed object's box is the visible box of a true one: so it is with truth as detector.
pub fn same_box(truth: &ObjectTruth, object: &Value) -> bool {
    let Some(b) = truth.box_visible else { return false };
    let got = object["box_px"].as_array().unwrap();
    [b.x0, b.y0, b.x1, b.y1].iter().zip(got).all(|(want, got)| (f64::from(*want) - got.as_f64().unwrap()).abs() < 0.02)
}
