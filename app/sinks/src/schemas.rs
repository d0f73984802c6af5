//! The JSON Schemas in `launch/schemas/` against what is written: a small checker of the keywords they use, which
//! refuses any other keyword, so that a schema cannot ask for something that is not checked.

use std::path::Path;

use serde_json::{Value, json};

use crate::files::{RunFile, write_run_file};
use crate::objects::samples::{bare_object, full_report};
use crate::objects::write_line;

fn schema(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../launch/schemas").join(format!("{name}.schema.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Where `value` breaks `schema`, as `place: what`.
fn faults(schema: &Value, value: &Value, place: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (keyword, rule) in schema.as_object().expect("a schema is an object") {
        let ok = match keyword.as_str() {
            "$schema" | "$id" | "title" | "description" => true,
            "type" => is_type(rule.as_str().unwrap(), value),
            "enum" => rule.as_array().unwrap().contains(value),
            "const" => rule == value,
            "minimum" => value.as_f64().is_none_or(|v| v >= rule.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|v| v <= rule.as_f64().unwrap()),
            "minItems" => value.as_array().is_none_or(|v| v.len() as u64 >= rule.as_u64().unwrap()),
            "maxItems" => value.as_array().is_none_or(|v| v.len() as u64 <= rule.as_u64().unwrap()),
            "required" => rule.as_array().unwrap().iter().all(|key| value.get(key.as_str().unwrap()).is_some()),
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    found.extend(faults(rule, item, &format!("{place}[{index}]")));
                }
                true
            }
            "properties" | "additionalProperties" => {
                found.extend(property_faults(schema, keyword, value, place));
                true
            }
            other => panic!("the checker does not know {other}"),
        };
        if !ok {
            found.push(format!("{place}: {keyword} {rule} against {value}"));
        }
    }
    found
}

fn property_faults(schema: &Value, keyword: &str, value: &Value, place: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (key, part) in value.as_object().into_iter().flatten() {
        let inner = format!("{place}.{key}");
        let named = schema.get("properties").and_then(|p| p.get(key));
        match (keyword, named, schema.get("additionalProperties")) {
            ("properties", Some(rule), _) => found.extend(faults(rule, part, &inner)),
            ("additionalProperties", None, Some(Value::Bool(false))) => found.push(format!("{inner}: unknown key")),
            ("additionalProperties", None, Some(rule @ Value::Object(_))) => found.extend(faults(rule, part, &inner)),
            _ => {}
        }
    }
    found
}

fn is_type(name: &str, value: &Value) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        other => panic!("the checker does not know the type {other}"),
    }
}

fn line(report: &ocellus_percept::report::FrameReport) -> Value {
    let mut text = String::new();
    write_line(report, &mut text);
    serde_json::from_str(&text).unwrap()
}

#[test]
fn written_lines_are_what_the_schema_of_objects_says() {
    let schema = schema("objects");
    let mut report = full_report();
    assert_eq!(faults(&schema, &line(&report), "line"), Vec::<String>::new());
    report.objects = Some(vec![bare_object(1)]);
    assert_eq!(faults(&schema, &line(&report), "line"), Vec::<String>::new());
    report.objects = None;
    assert_eq!(faults(&schema, &line(&report), "line"), Vec::<String>::new());
}

#[test]
fn the_schema_of_objects_knows_every_key_and_refuses_others() {
    let schema = schema("objects");
    let good = line(&full_report());
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&schema["properties"]["objects"]["items"]["properties"]), keys(&good["objects"][0]));
    for (pointer, bad) in [
        ("/state", json!("sleepy")),
        ("/t_ns", json!(1.5)),
        ("/objects/0/score", json!(1.5)),
        ("/objects/0/box_px", json!([1, 2, 3])),
        ("/objects/0/distance_source", json!("guess")),
    ] {
        let mut value = good.clone();
        *value.pointer_mut(pointer).unwrap() = bad;
        assert_eq!(faults(&schema, &value, "line").len(), 1, "{pointer}");
    }
    let mut value = good;
    value["objects"][0]["colour"] = json!("red");
    assert_eq!(faults(&schema, &value, "line"), ["line.objects[0].colour: unknown key"]);
}

#[test]
fn a_line_of_anticipation_is_what_its_schema_says() {
    let (schema, mut line) = (schema("anticipation"), crate::anticipation::samples::alert_line());
    assert_eq!(faults(&schema, &line, "line"), Vec::<String>::new());
    line["risk"] = json!("critical");
    assert_eq!(faults(&schema, &line, "line").len(), 1, "a network alone is never critical");
}

#[test]
fn the_runs_files_are_what_their_schemas_say() {
    let figures = json!({"count": 3, "p50_ms": 1.0, "p95_ms": 2.0, "p99_ms": 2.0, "max_ms": 2.0, "mean_ms": 1.5});
    let book = json!({"received": 9, "processed": 7, "dropped": {"late": 1}, "lost": {"unreadable": 1}, "in_flight": 0, "balanced": true});
    let queue = json!({"name": "objects", "policy": "block", "capacity": 8, "sent": 9, "received": 9, "dropped": 0});
    let cases = [
        (RunFile::Ledger, "ledger", json!({"sensors": {"image_02": book}})),
        (
            RunFile::Latency,
            "latency",
            json!({"stages": {"infer": figures}, "queue_waits": {}, "end_to_end": {"image_02": figures}, "queues": [queue]}),
        ),
        (RunFile::Run, "run", json!({"versions": {"ocellus": "0.1.0"}, "models": [{"name": "yolox_nano"}]})),
    ];
    let dir = tempfile::tempdir().unwrap();
    for (file, name, body) in cases {
        let path = write_run_file(dir.path(), file, &body).unwrap();
        let written: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let schema = schema(name);
        assert_eq!(faults(&schema, &written, name), Vec::<String>::new());
        assert!(!faults(&schema, &body, name).is_empty(), "{name} without its schema's name is refused");
        assert_eq!(schema["$id"], format!("{}/{}", file.schema().name, file.schema().version));
    }
}
