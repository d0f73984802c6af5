//! The Distillation Statement: everything measured of a student beside its teacher, judged, and written as page and JSON.

use std::path::Path;

use anyhow::{Context, Result};
use ocellus_judge::coco::ImageMatches;
use ocellus_judge::depth::DepthErrors;
use ocellus_judge::mot::MotResult;
use ocellus_judge::robust::{RobustScores, SizeRecall};
use ocellus_judge::statement::{Measured, Statement, WorstFrame, render};
use ocellus_judge::stats::{Bootstrap, Interval, TOO_FEW};
use ocellus_percept::detection::BoxPx;
use ocellus_percept::image::Image;
use serde_json::Value;

use super::data::Data;
use super::depth::{Aligned, DepthFigures};
use super::driving::Kinematics;
use super::figures::Figures;
use super::picture::{Mark, data_address};
use super::subject::Found;

/// Pictures on the page.
const WORST: usize = 6;
/// Planted objects of this height are a property of their own.
const PLANTED_PX: usize = 16;
/// Colours of outlines: what the teacher sees, what the student sees, what the student misses.
const TEACHER_RGB: [u8; 3] = [235, 235, 235];
const STUDENT_RGB: [u8; 3] = [70, 140, 255];
const MISSED_RGB: [u8; 3] = [255, 64, 48];

/// Names of the files in the folder.
pub const PAGE: &str = "statement.html";
/// See [`PAGE`].
pub const JSON: &str = "statement.json";

/// Writes page and JSON into `folder`.
pub fn write(statement: &Statement, folder: &Path) -> Result<()> {
    let told =
        || format!("{}: the statement cannot be written here; make room or choose another folder", folder.display());
    std::fs::create_dir_all(folder).with_context(told)?;
    std::fs::write(folder.join(PAGE), render(statement)).with_context(told)?;
    std::fs::write(folder.join(JSON), statement.to_json()?).with_context(told)
}

/// Robustness of both as properties.
pub fn robust(teacher: Option<&RobustScores>, student: Option<&RobustScores>) -> Vec<Measured> {
    let property = |id: &str, of: fn(&RobustScores) -> Option<f64>| Measured {
        id: id.to_owned(),
        teacher: teacher.and_then(of),
        student: student.and_then(of),
        note: student.and_then(|s| s.mce).map(|mce| format!("mCE {mce:.1} against the teacher")),
        ..Measured::default()
    };
    vec![property("robust_mpc", |s| s.mpc), property("robust_rpc", |s| s.rpc)]
}

/// Recall of small planted objects of both as a property.
pub fn planted(teacher: &[SizeRecall], student: &[SizeRecall]) -> Measured {
    let at = |list: &[SizeRecall]| list.iter().find(|r| r.size_px == PLANTED_PX).map(|r| (r.recall, r.n));
    let curve: Vec<String> = student.iter().map(|r| format!("{} px {:.2}", r.size_px, r.recall)).collect();
    Measured {
        id: "small_recall".to_owned(),
        teacher: at(teacher).map(|r| r.0),
        student: at(student).map(|r| r.0),
        n: at(student).map(|r| r.1),
        note: Some(format!("student by size: {}", curve.join(", "))),
        ..Measured::default()
    }
}

/// What runs of the pipeline came to: tracks by drive, kinematics.
pub type Drives<'a> = (&'a [(String, MotResult)], &'a Kinematics);

/// Driving of both as properties.
pub fn driving(teacher: Option<Drives<'_>>, student: Drives<'_>) -> Vec<Measured> {
    let property = |id: &str, of: &dyn Fn(Drives<'_>) -> Option<f64>, n: Option<usize>| Measured {
        id: id.to_owned(),
        teacher: teacher.and_then(of),
        student: of(student),
        n,
        note: n.filter(|n| *n < TOO_FEW).map(|_| "fewer than 30: too few".to_owned()),
        ..Measured::default()
    };
    let mean = |of: fn(&MotResult) -> Option<f64>| {
        move |drives: Drives<'_>| {
            let values: Vec<f64> = drives.0.iter().filter_map(|(_, m)| of(m)).collect();
            (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
        }
    };
    let k = student.1;
    vec![
        property("distance_median_m", &|d| d.1.distance_m.median_abs, Some(k.distance_m.n)),
        property(
            "velocity_median_mps",
            &|d| d.1.velocity_mps.as_ref()?.median_abs,
            k.velocity_mps.as_ref().map(|v| v.n),
        ),
        property("ttc_median_s", &|d| d.1.ttc_s.as_ref()?.both.median_abs, k.ttc_s.as_ref().map(|t| t.both.n)),
        property("idf1", &mean(|m| m.idf1), None),
        property("hota", &mean(|m| m.hota), None),
    ]
}

/// The share placed without the sensor that is missed most, and the resilience to corrupted sweeps.
pub fn sensors(id: &str, teacher: Option<f64>, student: Option<f64>, note: String) -> Measured {
    Measured { id: id.to_owned(), teacher, student, note: Some(note), ..Measured::default() }
}

/// Costs of both, as `eval --with cost --json` says them, as properties.
pub fn cost(teacher: Option<&Value>, student: &Value) -> Vec<Measured> {
    let mut list: Vec<Measured> = ["latency_p95_ms", "memory_peak_mb", "size_mb", "parameters_m", "macs_g"]
        .into_iter()
        .map(|id| Measured {
            id: id.to_owned(),
            teacher: teacher.and_then(|t| t[id].as_f64()),
            student: student[id].as_f64(),
            n: student["frames"].as_u64().filter(|_| id == "latency_p95_ms").map(|n| n as usize),
            note: (id == "latency_p95_ms").then(|| "picture in memory to detections, this machine".to_owned()),
            ..Measured::default()
        })
        .collect();
    let notes = student["energy"]["notes"].as_array().into_iter().flatten().filter_map(Value::as_str);
    list.push(Measured {
        id: "energy_j_per_frame".to_owned(),
        teacher: teacher.and_then(joules_per_frame),
        student: joules_per_frame(student),
        note: Some(notes.collect::<Vec<_>>().join("; ")).filter(|n| !n.is_empty()),
        ..Measured::default()
    });
    list
}

/// Joules a frame of such costs.
pub fn joules_per_frame(cost: &Value) -> Option<f64> {
    cost["energy"]["joules_per_frame"].as_f64()
}

/// Errors of depth: as it is where all give metres, else scaled by medians.
pub fn depth(teacher: Option<&DepthFigures>, student: &DepthFigures) -> Vec<Measured> {
    let metric = student.raw.is_some() && teacher.is_none_or(|t| t.raw.is_some());
    let of = |f: &DepthFigures| f.raw.clone().filter(|_| metric).unwrap_or_else(|| f.median_scaled.clone());
    let (teacher, student) = (teacher.map(of), of(student));
    let scaled = student.all.abs_rel.filter(|_| !metric).map(|_| "scaled by medians: a network gives no metres");
    let note = |more: Option<String>| {
        let parts: Vec<String> = scaled.map(str::to_owned).into_iter().chain(more).collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    };
    let band = |(from, to, e): &(f64, Option<f64>, DepthErrors)| {
        let to = to.map_or_else(|| "on".to_owned(), |to| format!("to {to:.0}"));
        Some(format!("{from:.0} {to} m: {:.3}", e.abs_rel?))
    };
    let bands: Vec<String> = student.bands.iter().filter_map(band).collect();
    let property = |id: &str, of: &dyn Fn(&Aligned) -> Option<f64>, n: usize, more: Option<String>| Measured {
        id: id.to_owned(),
        teacher: teacher.as_ref().and_then(of),
        student: of(&student),
        n: Some(n),
        note: note(more),
        ..Measured::default()
    };
    let (pictures, objects) = (student.pictures.len(), student.objects_m.n);
    let mut abs_rel = property("depth_abs_rel", &|a| a.all.abs_rel, pictures, Some(bands.join(", ")));
    abs_rel.interval = teacher.as_ref().and_then(|t| depth_interval(&t.pictures, &student.pictures));
    vec![
        abs_rel,
        property("depth_delta1", &|a| a.all.delta[0], pictures, None),
        property("depth_object_m", &|a| a.objects_m.median_abs, objects, None),
    ]
}

/// 95 % interval of the difference of AbsRel over pictures drawn for both alike.
fn depth_interval(teacher: &[(usize, DepthErrors)], student: &[(usize, DepthErrors)]) -> Option<Interval> {
    let both: Vec<(DepthErrors, DepthErrors)> =
        student.iter().filter_map(|(i, s)| Some((teacher.iter().find(|t| t.0 == *i)?.1, *s))).collect();
    let mean = |pick: &dyn Fn(&(DepthErrors, DepthErrors)) -> DepthErrors, weights: &[u32]| {
        let (mut sum, mut n) = (0.0, 0.0);
        for (errors, weight) in both.iter().map(pick).zip(weights) {
            let pixels = f64::from(*weight) * errors.n as f64;
            (sum, n) = (sum + pixels * errors.abs_rel?, n + pixels);
        }
        (n > 0.0).then(|| sum / n)
    };
    let all: Vec<usize> = (0..both.len()).collect();
    let minus = |w: &[u32]| Some(mean(&|b| b.1, w)? - mean(&|b| b.0, w)?);
    Bootstrap::default().interval(&all, both.len(), minus)
}

/// The frames on which the student errs most, beyond its teacher where there is one, with what is seen drawn in.
pub fn worst_frames(
    data: &Data,
    teacher: Option<(&Figures, &Found)>,
    (student, found): (&Figures, &Found),
) -> Vec<WorstFrame> {
    let before = teacher.map(|(figures, _)| figures.counts.errors_by_image()).unwrap_or_default();
    let after = student.counts.errors_by_image();
    let excess = |image: usize| {
        let sum = |e: Option<&(u64, u64)>| e.map_or(0, |(missed, alarms)| (missed + alarms) as i64);
        sum(after.get(image)) - sum(before.get(image))
    };
    let mut order: Vec<usize> = student.evaluation.images().to_vec();
    order.sort_by_key(|&i| (std::cmp::Reverse(excess(i)), i));
    let frames = order.into_iter().filter(|&i| excess(i) > 0).take(WORST);
    let mut image = Image::empty();
    let mut list = Vec::new();
    for index in frames {
        let Some(frame) = data.frames.get(index).filter(|f| f.read(&mut image).is_ok()) else { continue };
        let (t, s) = (before.get(index).copied().unwrap_or_default(), after.get(index).copied().unwrap_or_default());
        let objects = student
            .at_half
            .iter()
            .find(|m| m.image == index)
            .map_or(0, |m| m.truths.iter().filter(|t| !t.ignored).count());
        let beside = |n: u64| if teacher.is_some() { format!(" (teacher {n})") } else { String::new() };
        let caption = format!(
            "{}: of {objects} objects the student misses {}{}, and raises {} false alarms{}",
            frame.name,
            s.0,
            beside(t.0),
            s.1,
            beside(t.1)
        );
        let mut marks: Vec<Mark> = Vec::new();
        marks.extend(teacher.iter().flat_map(|(t, seen)| outlines(seen, index, t.threshold, TEACHER_RGB)));
        marks.extend(outlines(found, index, student.threshold, STUDENT_RGB));
        marks.extend(missed(data, student, index));
        let picture = data_address(&image, &marks).unwrap_or_default();
        list.push(WorstFrame { caption, picture });
    }
    list
}

fn outlines(found: &Found, image: usize, threshold: f64, rgb: [u8; 3]) -> Vec<Mark> {
    let here = found.detections.objects.iter().filter(|o| o.image == image && o.score >= threshold);
    here.map(|o| Mark { bbox: bbox(o.bbox), rgb, width: 2 }).collect()
}

fn missed(data: &Data, student: &Figures, image: usize) -> Vec<Mark> {
    let found = |m: &&ImageMatches| m.image == image;
    let truths = student.at_half.iter().filter(found).flat_map(|m| &m.truths);
    let lost = truths.filter(|t| !t.ignored && t.found_at.is_none_or(|score| score < student.threshold));
    let objects = lost.filter_map(|t| data.truth.objects.get(t.index));
    objects.map(|o| Mark { bbox: bbox(o.bbox), rgb: MISSED_RGB, width: 1 }).collect()
}

fn bbox([x, y, w, h]: [f64; 4]) -> BoxPx {
    BoxPx { x0: x as f32, y0: y as f32, x1: (x + w) as f32, y1: (y + h) as f32 }
}
