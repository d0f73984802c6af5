//! One report as one line of JSON, written by hand into the caller's buffer so that the bytes are ours alone to define
//! and nothing is allocated per line once the buffer has grown.

use std::fmt::Write;

use ocellus_percept::report::{FrameReport, Object, SensorState, Trigger};

/// Decimals of pixel coordinates: a hundredth of a pixel is below any detector's repeatability.
const PX_PLACES: usize = 2;
/// Decimals of metres, metres per second and seconds: a millimetre, a millisecond.
const METRE_PLACES: usize = 3;
/// Decimals of scores.
const SCORE_PLACES: usize = 4;

/// Appends `report` to `out` as one line of `objects.jsonl`, with its `\n`.
pub fn write_line(report: &FrameReport, out: &mut String) {
    out.push_str("{\"trigger\":\"");
    out.push_str(trigger_name(report.trigger));
    out.push_str("\",\"t_ns\":");
    write_integer(out, report.t.as_nanos());
    let sensor_key = match report.trigger {
        Trigger::Camera => Some("camera"),
        Trigger::Lidar => Some("lidar"),
        Trigger::Tick => None,
    };
    if let (Some(key), Some(sensor)) = (sensor_key, &report.sensor) {
        write_text(out, key, sensor);
    }
    if let Some(seq) = report.seq {
        write_key(out, "seq");
        write_integer(out, seq);
    }
    write_name(out, "state", state_name(report.state));
    if let Some(objects) = &report.objects {
        write_key(out, "objects");
        out.push('[');
        for (index, object) in objects.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            write_object(out, object);
        }
        out.push(']');
    }
    out.push_str("}\n");
}

fn write_object(out: &mut String, object: &Object) {
    out.push_str("{\"track\":");
    write_integer(out, object.track);
    write_text(out, "class", &object.class);
    write_number(out, "score", object.score.map(f64::from), SCORE_PLACES);
    let edges = object.box_px.map(|b| [b.x0, b.y0, b.x1, b.y1].map(f64::from));
    write_numbers(out, "box_px", edges, PX_PLACES);
    // A source or a sigma without its distance would say something about nothing.
    if let Some(distance_m) = object.distance_m.filter(|d| d.is_finite()) {
        write_number(out, "distance_m", Some(distance_m), METRE_PLACES);
        if let Some(source) = object.distance_source {
            write_name(out, "distance_source", source.name());
        }
        write_number(out, "distance_sigma_m", object.distance_sigma_m, METRE_PLACES);
    }
    write_number(out, "gap_m", object.gap_m, METRE_PLACES);
    write_numbers(out, "position_m", object.position_m, METRE_PLACES);
    write_numbers(out, "velocity_rel_mps", object.velocity_rel_mps, METRE_PLACES);
    write_numbers(out, "velocity_ground_mps", object.velocity_ground_mps, METRE_PLACES);
    write_number(out, "ttc_s", object.ttc_s, METRE_PLACES);
    if let Some(risk) = object.risk {
        write_name(out, "risk", risk.name());
    }
    if let Some(why) = &object.why {
        write_text(out, "why", why);
    }
    out.push('}');
}

/// `,"key":`
fn write_key(out: &mut String, key: &str) {
    out.push_str(",\"");
    out.push_str(key);
    out.push_str("\":");
}

/// `,"key":"name"`, for names that need no escape.
fn write_name(out: &mut String, key: &str, name: &str) {
    write_key(out, key);
    out.push('"');
    out.push_str(name);
    out.push('"');
}

/// `,"key":"text"` with what JSON wants escaped.
fn write_text(out: &mut String, key: &str, text: &str) {
    write_key(out, key);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => write_infallible(out, format_args!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// `,"key":1.5`, or nothing where the value is unknown or not finite.
fn write_number(out: &mut String, key: &str, value: Option<f64>, places: usize) {
    if let Some(value) = value.filter(|v| v.is_finite()) {
        write_key(out, key);
        write_decimal(out, value, places);
    }
}

/// `,"key":[1.5,2.0]`, or nothing where it is unknown or any part of it is not finite.
fn write_numbers<const N: usize>(out: &mut String, key: &str, values: Option<[f64; N]>, places: usize) {
    let Some(values) = values.filter(|v| v.iter().all(|x| x.is_finite())) else { return };
    write_key(out, key);
    for (index, value) in values.into_iter().enumerate() {
        out.push(if index == 0 { '[' } else { ',' });
        write_decimal(out, value, places);
    }
    out.push(']');
}

/// `value` correctly rounded to `places` (>= 1) decimals, trailing zeros but one left out, no negative zero.
fn write_decimal(out: &mut String, value: f64, places: usize) {
    let start = out.len();
    write_infallible(out, format_args!("{value:.places$}"));
    while out.ends_with('0') && !out.ends_with(".0") {
        out.pop();
    }
    if out.get(start..) == Some("-0.0") {
        out.truncate(start);
        out.push_str("0.0");
    }
}

fn write_integer(out: &mut String, value: impl std::fmt::Display) {
    write_infallible(out, format_args!("{value}"));
}

/// Formatting into a `String` cannot fail; there is no error to hand on.
fn write_infallible(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

pub(crate) fn trigger_name(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Camera => "camera",
        Trigger::Lidar => "lidar",
        Trigger::Tick => "tick",
    }
}

pub(crate) fn state_name(state: SensorState) -> &'static str {
    match state {
        SensorState::Fresh => "fresh",
        SensorState::Late => "late",
        SensorState::Stale => "stale",
        SensorState::Blind => "blind",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::samples::{bare_object, full_report};
    use ocellus_percept::report::DistanceSource;

    fn line_of(report: &FrameReport) -> String {
        let mut out = String::new();
        write_line(report, &mut out);
        out
    }

    fn decimal(value: f64, places: usize) -> String {
        let mut out = String::new();
        write_decimal(&mut out, value, places);
        out
    }

    #[test]
    fn a_full_line_has_every_key_in_the_contracts_order() {
        let expected = concat!(
            r#"{"trigger":"camera","t_ns":1317013200000000000,"camera":"image_02","seq":12,"state":"fresh","objects":["#,
            r#"{"track":7,"class":"car","score":0.9134,"box_px":[100.25,50.5,200.0,150.13],"distance_m":14.231,"#,
            r#""distance_source":"lidar","distance_sigma_m":0.1,"gap_m":12.0,"position_m":[14.0,-2.5,0.3],"#,
            r#""velocity_rel_mps":[-4.881,0.0,0.0],"velocity_ground_mps":[3.2,0.0,0.0],"ttc_s":2.914,"risk":"warn","#,
            r#""why":"closing at 4.9 m/s"}]}"#,
            "\n"
        );
        assert_eq!(line_of(&full_report()), expected);
    }

    #[test]
    fn what_is_unknown_or_not_finite_is_absent() {
        let mut report = full_report();
        let mut object = bare_object(1);
        object.score = Some(f32::NAN);
        object.distance_m = Some(f64::INFINITY);
        object.distance_source = Some(DistanceSource::Lidar);
        object.distance_sigma_m = Some(0.5);
        object.position_m = Some([1.0, f64::NAN, 0.0]);
        report.objects = Some(vec![object]);
        assert!(line_of(&report).ends_with("\"objects\":[{\"track\":1,\"class\":\"car\"}]}\n"));
    }

    #[test]
    fn triggers_name_their_sensor_each_in_its_own_key() {
        let mut report = full_report();
        report.objects = Some(Vec::new());
        report.trigger = Trigger::Lidar;
        report.sensor = Some("velodyne_points".to_owned());
        let lidar = r#"{"trigger":"lidar","t_ns":1317013200000000000,"lidar":"velodyne_points","seq":12,"state":"fresh","objects":[]}"#;
        assert_eq!(line_of(&report).trim_end(), lidar);
        report.trigger = Trigger::Tick;
        report.sensor = None;
        report.seq = None;
        report.state = SensorState::Stale;
        report.objects = None;
        assert_eq!(line_of(&report), "{\"trigger\":\"tick\",\"t_ns\":1317013200000000000,\"state\":\"stale\"}\n");
    }

    #[test]
    fn decimals_are_rounded_short_and_never_negative_zero() {
        assert_eq!(decimal(5.0, 3), "5.0");
        assert_eq!(decimal(0.1, 3), "0.1");
        assert_eq!(decimal(14.2309, 3), "14.231");
        assert_eq!(decimal(-0.0, 3), "0.0");
        assert_eq!(decimal(-0.0004, 3), "0.0");
        assert_eq!(decimal(-0.0006, 3), "-0.001");
        assert_eq!(decimal(100.0, 2), "100.0");
        assert_eq!(decimal(1e20, 3), "100000000000000000000.0");
    }

    #[test]
    fn text_is_escaped_as_json_wants() {
        let mut report = full_report();
        let mut object = bare_object(1);
        object.why = Some("a \"b\" \\ \n\u{1} ü".to_owned());
        report.objects = Some(vec![object]);
        let value: serde_json::Value = serde_json::from_str(&line_of(&report)).unwrap();
        assert_eq!(value["objects"][0]["why"], "a \"b\" \\ \n\u{1} ü");
    }

    #[test]
    fn a_grown_buffer_is_not_grown_again() {
        let report = full_report();
        let mut out = String::new();
        write_line(&report, &mut out);
        let capacity = out.capacity();
        out.clear();
        write_line(&report, &mut out);
        assert_eq!(out.capacity(), capacity);
    }
}
