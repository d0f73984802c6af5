//! `eval STUDENT --teacher TEACHER --data DRIVE`: agreement without labels, and the frames where the two part most.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use clap::Args;
use ocellus_judge::agreement::Seen;
use ocellus_percept::image::Image;
use ocellus_percept::report::{FrameReport, Object, SensorState, Trigger};
use ocellus_percept::space::Rig;
use ocellus_percept::time::Timestamp;
use ocellus_sinks::viewer::{FrameView, LogLevel, LogView, Picture, Scene, ViewMsg, Viewer, ViewerMode};
use serde_json::{Value, json};

use super::{Eval, depth, outcome, report, shown};
use crate::exit::Outcome;
use crate::measure::agree::{Agreed, Compared, compare};
use crate::measure::data::Data;
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
    let runtime = eval.runtime()?;
    let loading = eval.loading(false);
    let (teacher, student) = (loading.load(&runtime, teacher)?, loading.load(&runtime, student)?);
    if teacher.is_depth() && student.is_depth() {
        return depth::agree(eval, teacher, student);
    }
    let data = eval.open_data(false)?;
    let (mut teacher, mut student) = (Subject::new(teacher, &loading)?, Subject::new(student, &loading)?);
    let agreed = compare(&mut teacher, &mut student, &data, eval.threshold)?;
    let worst: Vec<&Compared> =
        agreed.sum.ranked.iter().take(eval.agree.worst).filter_map(|(i, _)| agreed.frames.get(*i)).collect();
    if let Some(path) = &eval.agree.rrd {
        save(path, &data, &worst)?;
    }
    if eval.json {
        let body = json!({"schema": {"name": report::SCHEMA.0, "version": report::SCHEMA.1}, "data": report::described(&data),
            "teacher": teacher.card, "student": student.card, "threshold": eval.threshold,
            "agreement": sums(&agreed), "worst": worst.iter().map(|c| row(&data, c)).collect::<Vec<_>>(),
            "rrd": eval.agree.rrd, "lost": agreed.lost.len()});
        println!("{}", serde_json::to_string_pretty(&body)?);
    } else {
        print!("{}", text(&data, &agreed, &worst));
    }
    Ok(outcome(&agreed.lost))
}

fn sums(agreed: &Agreed) -> Value {
    let s = &agreed.sum;
    json!({"frames": s.frames, "matched": s.matched, "share": s.share, "fidelity": s.fidelity, "score_shift": s.score_shift,
        "box_offset_px": s.box_offset_px, "distance_difference_m": s.distance_difference_m})
}

fn row(data: &Data, compared: &Compared) -> Value {
    json!({"frame": name(data, compared), "t_s": data.frames.get(compared.frame).and_then(|f| f.t_s),
        "agreement": compared.agreement})
}

fn name<'a>(data: &'a Data, compared: &Compared) -> &'a str {
    data.frames.get(compared.frame).map_or("", |f| f.name.as_str())
}

fn text(data: &Data, agreed: &Agreed, worst: &[&Compared]) -> String {
    let s = &agreed.sum;
    let mut out = format!("{} frames, {} boxes seen by both\n", s.frames, s.matched);
    for (what, value) in [
        ("share of boxes that both see", s.share),
        ("frames with the same boxes", s.fidelity),
        ("student's score above teacher's", s.score_shift),
        ("edges apart, px", s.box_offset_px),
    ] {
        out += &format!("  {what:<32} {}\n", shown(value, 4));
    }
    out += "where they part most\n";
    for (rank, compared) in worst.iter().enumerate() {
        let a = &compared.agreement;
        out += &format!(
            "  {:>3}. {:<32} {:.3}  both {}, teacher alone {}, student alone {}\n",
            rank + 1,
            name(data, compared),
            a.disagreement,
            a.matched,
            a.only_teacher,
            a.only_student
        );
    }
    out
}

/// Writes the frames, worst first, as a recording: the teacher's view beside the student's.
fn save(path: &Path, data: &Data, worst: &[&Compared]) -> Result<()> {
    let scene = Scene {
        name: "where teacher and student part".to_owned(),
        cameras: vec!["teacher".to_owned(), "student".to_owned()],
        lidar: false,
        depth: false,
        rig: Rig::default(),
        outline: None,
    };
    let mut viewer = Viewer::open(&ViewerMode::Save(path.to_owned()), scene, &format!("worst-{}", data.sha256))?;
    let mut image = Image::empty();
    for (rank, compared) in worst.iter().enumerate() {
        let Some(frame) = data.frames.get(compared.frame).filter(|f| f.read(&mut image).is_ok()) else { continue };
        let t = Timestamp::from_nanos(rank as i64 * STEP_NS);
        let picture = Arc::new(image.clone());
        for (camera, seen) in [("teacher", &compared.teacher), ("student", &compared.student)] {
            viewer.step(&view(camera, t, rank, (&picture, seen)))?;
        }
        let a = &compared.agreement;
        let text = format!(
            "{}. {}: {:.3} apart; both see {}, the teacher alone {}, the student alone {}",
            rank + 1,
            frame.name,
            a.disagreement,
            a.matched,
            a.only_teacher,
            a.only_student
        );
        viewer.step(&ViewMsg::Log(LogView { t: Some(t), level: LogLevel::Info, text }))?;
    }
    Ok(viewer.finish().1?)
}

fn view(camera: &str, t: Timestamp, rank: usize, (picture, seen): (&Arc<Image>, &[Seen])) -> ViewMsg {
    let object = |(i, s): (usize, &Seen)| Object {
        track: i as u64 + 1,
        class: s.class.clone(),
        score: Some(s.score as f32),
        box_px: Some(s.bbox),
        distance_m: s.distance_m,
        distance_source: None,
        distance_sigma_m: None,
        gap_m: None,
        position_m: None,
        velocity_rel_mps: None,
        velocity_ground_mps: None,
        ttc_s: None,
        risk: None,
        why: None,
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
    ViewMsg::Frame(FrameView {
        report: Arc::new(report),
        picture: Some(Picture::Raw(Arc::clone(picture))),
        size_px,
        depth: None,
        way: None,
    })
}
