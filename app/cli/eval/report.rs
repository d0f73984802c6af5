//! `eval MODEL --data DATA`: the figures of one network.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use ocellus_judge::coco::STAT_NAMES;
use ocellus_judge::detect::GroupReport;
use serde_json::{Map, Value, json};

use super::{Eval, shown};
use crate::exit::{self, Outcome};
use crate::measure::data::Data;
use crate::measure::depth::{self, Aligned, DepthFigures};
use crate::measure::figures::Figures;
use crate::measure::parts::{self, Part};
use crate::measure::subject::judged;
use crate::measure::{outcome, say};

/// Name and version of the JSON.
pub(super) const SCHEMA: (&str, u32) = ("ocellus.evaluation", 1);

pub(super) fn run(eval: &Eval, model: &Path) -> Result<Outcome> {
    let asked = eval.asked();
    let runtime = asked.runtime()?;
    let mut subject = asked.load(&runtime, model)?;
    let maps = asked.wants(Part::Planted) || subject.depth().is_some();
    // Costs need no labels, depth other ones.
    let unlabelled = asked.parts == [Part::Cost] || !subject.sees_boxes();
    let data = if unlabelled { asked.open(maps)? } else { asked.open_labelled(maps)? };
    let (found, depth) = depth::look(&mut subject, &data)?;
    if !subject.sees_boxes() && depth.is_none() && asked.parts != [Part::Cost] {
        return Err(exit::usage(depth::no_truth()));
    }
    let (figures, parts, notes) = if data.labelled && subject.sees_boxes() {
        let (params, notes) = judged(&data, &[&found], &[&subject])?;
        let figures = Figures::new(&data, &found, &params, eval.threshold)?;
        let parts = parts::measure(&asked, &runtime, (&mut subject, &figures), &data, &params)?;
        (Some(figures), parts, notes)
    } else {
        (None, parts::cost_alone(&asked, &runtime, &mut subject, &data), Vec::new())
    };
    notes.iter().for_each(|note| eprintln!("note: {note}"));
    say(&found.detections.findings);
    if eval.json {
        let mut body = json!({
            "schema": {"name": SCHEMA.0, "version": SCHEMA.1}, "model": subject.card, "data": described(&data),
            "notes": notes, "lost": found.lost.len(),
        });
        if let Value::Object(map) = &mut body {
            if let Some(figures) = &figures {
                map.insert("detection".to_owned(), figures.to_json(data.rate_hz()));
                map.insert("findings".to_owned(), json!(figures.coco.findings));
            }
            map.extend(depth.as_ref().map(|d| ("depth".to_owned(), json!(d))));
            map.extend(parts);
        }
        println!("{}", serde_json::to_string_pretty(&body)?);
        return Ok(outcome(&found.lost));
    }
    if let Some(figures) = &figures {
        print!("{}", text(&data, figures));
    }
    if let Some(depth) = &depth {
        print!("{}", depth_text(depth));
    }
    for (name, part) in &parts {
        print!("{name}\n{}", indented(part, 1));
    }
    Ok(outcome(&found.lost))
}

fn depth_text(figures: &DepthFigures) -> String {
    let raw = figures.raw.as_ref().map_or_else(
        || "relative depth is never called metres: judged scaled alone\n".to_owned(),
        |raw| format!("depth as it is\n{}", aligned_text(raw)),
    );
    format!("{raw}depth scaled by medians, {} pictures\n{}", figures.pictures, aligned_text(&figures.median_scaled))
}

fn aligned_text(aligned: &Aligned) -> String {
    let e = &aligned.all;
    let mut out = String::new();
    for (name, value) in [
        ("AbsRel", e.abs_rel),
        ("RMSE, m", e.rmse_m),
        ("log RMSE", e.rmse_log),
        ("delta 1", e.delta[0]),
        ("delta 2", e.delta[1]),
        ("delta 3", e.delta[2]),
        ("an object's median error, m", aligned.objects_m.median_abs),
    ] {
        let _ = writeln!(out, "  {name:<30} {}", shown(value, 4));
    }
    for (from, to, errors) in &aligned.bands {
        let to = to.map_or_else(|| "on".to_owned(), |to| format!("to {to}"));
        let _ = writeln!(out, "  AbsRel from {from} {to:<17} {}  n = {}", shown(errors.abs_rel, 4), errors.n);
    }
    out
}

/// The data for a program.
pub(super) fn described(data: &Data) -> serde_json::Value {
    json!({"sources": data.sources, "images": data.frames.len(), "objects": data.objects(), "sha256": data.sha256})
}

fn text(data: &Data, figures: &Figures) -> String {
    let mut out = format!("{} pictures, {} objects\n", data.frames.len(), data.objects());
    for (name, value) in STAT_NAMES.iter().zip(figures.coco.stats) {
        let _ = writeln!(out, "{name:<12} {}", shown(value, 4));
    }
    if let Some(interval) = figures.ap_interval() {
        let _ = writeln!(out, "  AP's 95 % interval {:.3} to {:.3}", interval.low, interval.high);
    }
    if figures.masks.is_some() {
        let _ = writeln!(out, "AP of masks  {}", shown(figures.mask_ap(&figures.ones()), 4));
    }
    let point = figures.curve.at_score(figures.threshold);
    let rows = [
        ("recall", point.recall),
        ("precision", point.precision),
        ("false alarms an image", Some(point.fppi)),
        ("oLRP", figures.olrp),
        ("D-ECE", figures.calibration.reliability.ece),
        ("LaECE", figures.calibration.la_ece.mean),
        ("ECE", figures.ece),
    ];
    let _ = writeln!(out, "at score {}", figures.threshold);
    for (name, value) in rows {
        let _ = writeln!(out, "  {name:<22} {}", shown(value, 4));
    }
    for (kind, report) in &figures.groups {
        out += &groups(kind, report);
    }
    let classes = figures.coco.per_class.iter().filter_map(|(name, ap)| Some((name, (*ap)?)));
    let _ = writeln!(out, "AP by class");
    for (name, ap) in classes {
        let _ = writeln!(out, "  {name:<22} {ap:.4}");
    }
    out
}

fn groups(kind: &str, report: &GroupReport) -> String {
    let figure = match report.kind {
        ocellus_judge::detect::GroupKind::ImageAp => "AP",
        ocellus_judge::detect::GroupKind::ObjectRecall => "recall",
    };
    let mut out = format!("{figure} by {kind}\n");
    for group in &report.groups {
        let interval = group.interval.map_or_else(String::new, |i| format!("  {:.3} to {:.3}", i.low, i.high));
        let few = if group.too_few { "  too few" } else { "" };
        let worst = if report.worst.as_ref() == Some(&group.name) { "  worst" } else { "" };
        let value = shown(group.value, 4);
        let _ = writeln!(out, "  {:<24} {value}{interval}  n = {}{few}{worst}", group.name, group.n);
    }
    out
}

/// Why a figure is undefined, where the figures beside it say so.
fn why(map: &Map<String, Value>, name: &str) -> String {
    let told = map.get("undefined").and_then(|reasons| reasons.get(name)).and_then(Value::as_str);
    told.map_or_else(String::new, |why| format!(": {why}"))
}

/// Names and values, a line each, tables of one kind in one line.
pub(super) fn indented(value: &Value, depth: usize) -> String {
    let margin = "  ".repeat(depth);
    match value {
        Value::Object(map) => map
            .iter()
            .map(|(name, inner)| match inner {
                Value::Object(_) if name == "undefined" => String::new(),
                Value::Object(_) | Value::Array(_) => format!("{margin}{name}\n{}", indented(inner, depth + 1)),
                Value::Null => format!("{margin}{name:<24} undefined{}\n", why(map, name)),
                Value::Number(n) if n.is_f64() => format!("{margin}{name:<24} {:.4}\n", n.as_f64().unwrap_or(0.0)),
                other => format!("{margin}{name:<24} {}\n", bare(other)),
            })
            .collect(),
        Value::Array(rows) => rows.iter().map(|row| format!("{margin}{}\n", line(row))).collect(),
        other => format!("{margin}{}\n", bare(other)),
    }
}

fn bare(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn line(value: &Value) -> String {
    let Value::Object(map) = value else { return bare(value) };
    let shown = |v: &Value| v.as_f64().filter(|_| v.is_f64()).map_or_else(|| bare(v), |v| format!("{v:.4}"));
    map.iter().map(|(name, v)| format!("{name} {}", shown(v))).collect::<Vec<_>>().join("  ")
}
