//! `eval STUDENT --teacher TEACHER --data DRIVE`: agreement without labels, and the frames where the two part most.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, anyhow};
use clap::Args;
use ocellus_judge::agreement::Seen;
use ocellus_percept::image::Image;
use ocellus_percept::report::{FrameReport, Object, SensorState, Trigger};
use ocellus_percept::time::Timestamp;
use ocellus_sinks::viewer::{FrameView, LogLevel, LogView, Picture, Scene, Shared, ViewMsg, Viewer, ViewerMode};
use serde_json::{Map, Value, json};

use super::{Eval, report, shown};
use crate::exit::{self, Outcome};
use crate::measure::agree::{Agreed, Compared, at_work, compare};
use crate::measure::data::Data;
use crate::measure::depth::look_at_both;
use crate::measure::outcome;
use crate::measure::parts::Part;
use crate::measure::subject::Subject;

/// What becomes of frames on which two networks part.
#[derive(Debug, Args)]
pub(super) struct AgreeArgs {
    /// The network that MODEL was made from: agreement on any data, or with --statement the Distillation Statement.
    #[arg(long, value_name = "MODEL", requires = "model", conflicts_with = "reference")]
    pub(super) teacher: Option<PathBuf>,
    /// The frames where teacher and student part most, side by side, for the rerun viewer.
    #[arg(long, value_name = "WORST.rrd", requires = "teacher")]
    rrd: Option<PathBuf>,
    /// How many of them.
    #[arg(long, default_value_t = 10)]
    pub(super) worst: usize,
}

/// Time between frames in the recording: each is a moment of its own.
const STEP_NS: i64 = 1_000_000_000;

pub(super) fn run(eval: &Eval, student: &Path, teacher: &Path) -> Result<Outcome> {
    let asked = eval.asked();
    let runtime = asked.runtime()?;
    let (mut teacher, mut student) = (asked.load(&runtime, teacher)?, asked.load(&runtime, student)?);
    if !teacher.sees_boxes() && student.depth().is_none() || !student.sees_boxes() && teacher.depth().is_none() {
        let (t, s) = (&teacher.card.name, &student.card.name);
        return Err(exit::usage(anyhow!(
            "{t} and {s} see nothing in common: one gives depth alone, the other boxes alone"
        )));
    }
    let data = asked.open(false)?;
    let both_depth = teacher.depth().is_some() && student.depth().is_some();
    let (seen, found, depths) = if asked.wants(Part::Driving) {
        let (seen, found) = (at_work(&asked, &teacher.file, &data)?, at_work(&asked, &student.file, &data)?);
        let depths = both_depth.then(|| look_at_both(&mut teacher, &mut student, &data)).transpose()?;
        (seen, found, depths.map_or_else(Vec::new, |(_, _, depths)| depths))
    } else {
        let ((seen, _), (found, _), depths) = look_at_both(&mut teacher, &mut student, &data)?;
        (seen, found, depths)
    };
    let boxes = teacher.sees_boxes() && student.sees_boxes() || asked.wants(Part::Driving);
    let agreed = compare(&seen, &found, &depths, boxes.then_some(eval.threshold));
    let worst: Vec<&Compared> = agreed.frames.iter().take(eval.agree.worst).collect();
    if let Some(path) = &eval.agree.rrd {
        save(path, &data, &worst, [&mut teacher, &mut student])?;
    }
    if eval.json {
        let body = json!({"schema": {"name": report::SCHEMA.0, "version": report::SCHEMA.1}, "data": report::described(&data),
            "teacher": teacher.card, "student": student.card, "threshold": eval.threshold,
            "agreement": sums(&agreed), "worst": worst.iter().map(|c| row(&data, c)).collect::<Vec<_>>(),
            "rrd": eval.agree.rrd, "lost": found.lost.len()});
        println!("{}", serde_json::to_string_pretty(&body)?);
    } else {
        print!("{}", text(&data, &agreed, &worst));
        if let Some(path) = &eval.agree.rrd {
            println!("look at them: rerun {}", path.display());
        }
    }
    Ok(outcome(&found.lost))
}

/// A figure of agreement.
struct Row {
    /// As programs read it.
    key: &'static str,
    /// As people read it.
    label: &'static str,
    value: Option<f64>,
    /// What it means that there is no value.
    why: &'static str,
}

impl Row {
    fn shown(&self) -> String {
        self.value.map_or_else(|| format!("undefined: {}", self.why), |v| shown(Some(v), 4))
    }
}

fn rows(agreed: &Agreed) -> [Row; 6] {
    let s = &agreed.sum;
    let unseen = match (agreed.frames.is_empty(), s.fidelity) {
        (true, _) => "no picture was looked at by both",
        (false, None) => "one of the two gives depth alone",
        (false, Some(_)) => "neither sees a box",
    };
    let unmatched = if s.fidelity.is_some() { "no box is seen by both" } else { unseen };
    let depth = agreed.depth.and_then(|d| d.abs_rel);
    let row = |key, label, value, why| Row { key, label, value, why };
    [
        row("share", "share of boxes that both see", s.share, unseen),
        row("fidelity", "frames with the same boxes", s.fidelity, unseen),
        row("score_shift", "student's score above teacher's", s.score_shift, unmatched),
        row("box_offset_px", "edges apart, px", s.box_offset_px, unmatched),
        row(
            "distance_difference_m",
            "distances apart, m",
            s.distance_difference_m,
            "no box seen by both has a distance",
        ),
        row("depth", "depth apart, |s - t| / t", depth, "one of the two gives no depth"),
    ]
}

fn sums(agreed: &Agreed) -> Value {
    let s = &agreed.sum;
    let undefined: Map<String, Value> = rows(agreed)
        .into_iter()
        .filter(|row| row.value.is_none())
        .map(|row| (row.key.to_owned(), row.why.into()))
        .collect();
    json!({"undefined": undefined, "frames": s.frames, "matched": s.matched, "share": s.share, "fidelity": s.fidelity, "score_shift": s.score_shift,
        "box_offset_px": s.box_offset_px, "distance_difference_m": s.distance_difference_m, "depth": agreed.depth})
}

fn row(data: &Data, compared: &Compared) -> Value {
    json!({"frame": name(data, compared), "t_s": data.frames.get(compared.frame).and_then(|f| f.t_s),
        "apart": compared.apart(), "agreement": compared.agreement, "depth": compared.depth})
}

fn name<'a>(data: &'a Data, compared: &Compared) -> &'a str {
    data.frames.get(compared.frame).map_or("", |f| f.name.as_str())
}

fn text(data: &Data, agreed: &Agreed, worst: &[&Compared]) -> String {
    let s = &agreed.sum;
    let boxes = match s.fidelity {
        Some(_) => format!("{} boxes seen by both", s.matched),
        None => "boxes are not compared, for one of the two gives depth alone".to_owned(),
    };
    let mut out = format!("{} frames, {boxes}\n", s.frames);
    for row in rows(agreed) {
        out += &format!("  {:<32} {}\n", row.label, row.shown());
    }
    out += "where they part most (boxes or depth, whichever is farther apart)\n";
    for (rank, compared) in worst.iter().enumerate() {
        let a = &compared.agreement;
        out += &format!(
            "  {:>3}. {:<32} {:.3}  both {}, teacher alone {}, student alone {}\n",
            rank + 1,
            name(data, compared),
            compared.apart(),
            a.matched,
            a.only_teacher,
            a.only_student
        );
    }
    out
}

/// Writes the frames, worst first, as a recording: the teacher's view beside the student's.
fn save(path: &Path, data: &Data, worst: &[&Compared], both: [&mut Subject; 2]) -> Result<()> {
    let scene = Scene {
        name: "where teacher and student part".to_owned(),
        cameras: vec!["teacher".to_owned(), "student".to_owned()],
        depth: both.iter().any(|s| s.depth().is_some()),
        ..Scene::default()
    };
    let mut viewer = Viewer::open(&ViewerMode::Save(path.to_owned()), scene, &format!("worst-{}", data.sha256))?;
    let [teacher, student] = both;
    let (mut image, mut found) = (Image::empty(), Vec::new());
    for (rank, compared) in worst.iter().enumerate() {
        let Some(frame) = data.frames.get(compared.frame).filter(|f| f.read(&mut image).is_ok()) else { continue };
        let t = Timestamp::from_nanos(rank as i64 * STEP_NS);
        let picture = Arc::new(image.clone());
        for (camera, subject, seen) in
            [("teacher", &mut *teacher, &compared.teacher), ("student", &mut *student, &compared.student)]
        {
            // Maps are not kept of every frame: of these few they are made again.
            if subject.depth().is_some() {
                subject.look(&image, &mut found)?;
            }
            let depth = subject.depth().map(|map| Shared::new(Box::new(map.clone())));
            viewer.step(&ViewMsg::Frame(FrameView { depth, ..view(camera, t, rank, (&picture, seen)) }))?;
        }
        let a = &compared.agreement;
        let text = format!(
            "{}. {}: {:.3} apart; both see {}, the teacher alone {}, the student alone {}",
            rank + 1,
            frame.name,
            compared.apart(),
            a.matched,
            a.only_teacher,
            a.only_student
        );
        viewer.step(&ViewMsg::Log(LogView { t: Some(t), level: LogLevel::Info, text }))?;
    }
    Ok(viewer.finish().1?)
}

fn view(camera: &str, t: Timestamp, rank: usize, (picture, seen): (&Arc<Image>, &[Seen])) -> FrameView {
    let object = |(i, s): (usize, &Seen)| Object {
        score: Some(s.score as f32),
        box_px: Some(s.bbox),
        distance_m: s.distance_m,
        ..Object::new(i as u64 + 1, &s.class)
    };
    let report = FrameReport {
        trigger: Trigger::Camera,
        t,
        sensor: Some(camera.to_owned()),
        seq: Some(rank as u64),
        state: SensorState::Fresh,
        objects: Some(seen.iter().enumerate().map(object).collect()),
    };
    let size_px = Some([picture.width() as u32, picture.height() as u32]);
    let picture = Some(Picture::Raw(Arc::clone(picture)));
    FrameView { report: Arc::new(report), picture, size_px, depth: None, way: None }
}
