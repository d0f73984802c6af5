//! Two networks on the same pictures, without labels: how far they agree, and where they part most. Alone, or each at work
//! in the whole pipeline, whose objects have fused distances.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, anyhow};

use ocellus_judge::agreement::{Agreement, FrameAgreement, SAME_BOX_IOU, Seen, compare_frame, sum_up};
use ocellus_judge::depth::{DepthErrors, pool};
use ocellus_percept::report::{FrameReport, Object, Trigger};
use ocellus_sense::Drive;

use super::asked::Asked;
use super::data::{Data, Picture};
use super::drives::Running;
use super::subject::Found;
use crate::exit;

/// One picture's comparison.
pub struct Compared {
    /// Index of the frame in the data.
    pub frame: usize,
    /// What the teacher sees.
    pub teacher: Vec<Seen>,
    /// What the student sees.
    pub student: Vec<Seen>,
    /// How they agree.
    pub agreement: FrameAgreement,
    /// How far the student's depth is from the teacher's, brought to its scale; `None` unless both see depth.
    pub depth: Option<DepthErrors>,
}

/// All pictures compared.
pub struct Agreed {
    /// Summed up.
    pub sum: Agreement,
    /// Depth over all pixels of all pictures.
    pub depth: Option<DepthErrors>,
    /// By picture that both could look at, where they part most first.
    pub frames: Vec<Compared>,
}

impl Compared {
    /// How far apart, 0 to 1: disagreement of boxes or of depth, whichever is larger.
    pub fn apart(&self) -> f64 {
        let depth = self.depth.and_then(|d| d.abs_rel).unwrap_or(0.0);
        self.agreement.disagreement.max(depth.min(1.0))
    }
}

/// Compares what two networks saw, heeding boxes of at least a score; `None` where one of them gives none, so that depth
/// alone is compared. `depths` as [`super::depth::look_at_both`] gives them.
pub fn compare(teacher: &Found, student: &Found, depths: &[(usize, DepthErrors)], score: Option<f64>) -> Agreed {
    let threshold = score.unwrap_or(f64::INFINITY);
    let heeded = |seen: &[Seen]| seen.iter().filter(|s| s.score >= threshold).cloned().collect::<Vec<Seen>>();
    let mut frames = Vec::new();
    for (frame, ours) in &student.seen {
        let Some((_, theirs)) = teacher.seen.iter().find(|(i, _)| i == frame) else { continue };
        let (teacher, student) = (heeded(theirs), heeded(ours));
        let agreement = compare_frame(&teacher, &student, threshold, SAME_BOX_IOU);
        let depth = depths.iter().find(|(i, _)| i == frame).map(|d| d.1);
        frames.push(Compared { frame: *frame, teacher, student, agreement, depth });
    }
    let mut sum = sum_up(&frames.iter().map(|f| f.agreement.clone()).collect::<Vec<_>>());
    if score.is_none() {
        (sum.share, sum.fidelity) = (None, None);
    }
    frames.sort_by(|a, b| b.apart().total_cmp(&a.apart()).then(a.frame.cmp(&b.frame)));
    let depth = (!depths.is_empty()).then(|| pool(&depths.iter().map(|d| d.1).collect::<Vec<_>>()));
    Agreed { sum, depth, frames }
}

/// What a run lists, by sensor and stamp.
type Listed = BTreeMap<(String, i64), Vec<Seen>>;

/// The objects that the pipeline lists with `model` on the recorded drives of `data`, by picture.
pub fn at_work(asked: &Asked, model: &Path, data: &Data) -> Result<Found> {
    let running = Running { model, loading: &asked.loading, ort_lib: asked.ort_lib.as_deref(), score: asked.threshold };
    let mut found = Found::default();
    let mut driven: Vec<(&Arc<dyn Drive>, Listed)> = Vec::new();
    for (index, frame) in data.frames.iter().enumerate() {
        let Picture::Entry(drive, entry) = &frame.picture else { continue };
        if driven.iter().all(|(known, _)| !Arc::ptr_eq(known, drive)) {
            driven.push((drive, listed(running.run(drive, None)?)));
        }
        let Some(at) = drive.entries().get(*entry) else { continue };
        let sensor = drive.info().sensors.get(at.sensor).map_or_else(String::new, |s| s.name.clone());
        let run = driven.iter_mut().find(|(known, _)| Arc::ptr_eq(known, drive));
        if let Some(seen) = run.and_then(|(_, lines)| lines.remove(&(sensor, at.t.as_nanos()))) {
            found.seen.push((index, seen));
        }
    }
    if found.seen.is_empty() {
        return Err(exit::usage(anyhow!(
            "--with driving compares networks at work: give a recorded drive with a camera"
        )));
    }
    Ok(found)
}

/// Objects of pictures that could be read, by camera and time.
fn listed(reports: Vec<FrameReport>) -> Listed {
    let of_camera = reports.into_iter().filter(|r| r.trigger == Trigger::Camera);
    let line = |r: FrameReport| Some(((r.sensor?, r.t.as_nanos()), r.objects?.into_iter().filter_map(seen).collect()));
    of_camera.filter_map(line).collect()
}

fn seen(object: Object) -> Option<Seen> {
    let score = f64::from(object.score?);
    Some(Seen { class: object.class, score, bbox: object.box_px?, distance_m: object.distance_m })
}
