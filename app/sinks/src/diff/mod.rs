//! Two runs' objects compared: which frames and objects changed, came or went, and by how much at most.
//!
//! Frames are paired by trigger, sensor, time and sequence number; objects within a frame by class and overlap. With
//! [`Tolerance::exact`] any difference in any field counts. With a tolerance, numbers may differ by it, the wording of
//! `why` is not compared, and track ids may be others as long as one id of A always is the same id of B. Nothing is
//! judged here: a difference is neither good nor bad.

mod fields;
mod matching;
mod text;

use std::collections::BTreeMap;
use std::path::Path;

use ocellus_percept::report::{FrameReport, Object};
use serde::Serialize;

use crate::objects::{ReadError, read_objects, state_name, trigger_name};
pub use fields::{FieldChange, Tolerance};
use matching::{TrackNames, match_objects};

/// Which frame of a run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct FrameKey {
    /// Sensor time, nanoseconds.
    pub t_ns: i64,
    /// What made the line: `camera`, `lidar` or `tick`.
    pub trigger: String,
    /// The sensor; empty for a tick.
    pub sensor: String,
    /// Sequence number; 0 where there is none.
    pub seq: u64,
    /// 0 but for frames whose other keys are all the same, which are numbered.
    pub repeat: u32,
}

/// The largest change of one figure, and where.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Peak {
    /// How large, in the figure's unit.
    pub change: f64,
    /// The frame.
    pub frame: FrameKey,
    /// Track id in A.
    pub track: u64,
}

/// What became of one class's objects.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ClassDiff {
    /// In both, and equal within the tolerance.
    pub equal: u64,
    /// In both, and different.
    pub changed: u64,
    /// In B alone.
    pub added: u64,
    /// In A alone.
    pub lost: u64,
    /// Largest change of a box edge, pixels; also where it is within the tolerance.
    pub box_px: Option<Peak>,
    /// Largest change of the score.
    pub score: Option<Peak>,
    /// Largest change of the distance, metres.
    pub distance_m: Option<Peak>,
}

/// One frame that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FrameDiff {
    /// Which.
    pub frame: FrameKey,
    /// `fresh -> late`, where the state differs.
    pub state: Option<String>,
    /// Whether the frame could be read in one run alone (`objects` present in one).
    pub readable_in_one: bool,
    /// Objects changed.
    pub changed: u32,
    /// Objects in B alone.
    pub added: u32,
    /// Objects in A alone.
    pub lost: u32,
    /// What changed in the first few objects.
    pub examples: Vec<String>,
}

/// Examples kept per frame, so that a report on two unlike runs stays of a size one can read.
const EXAMPLES_PER_FRAME: usize = 3;

/// All differences between two runs.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct DiffReport {
    /// Lines in A.
    pub frames_a: u64,
    /// Lines in B.
    pub frames_b: u64,
    /// Frames of A that B lacks.
    pub only_in_a: Vec<FrameKey>,
    /// Frames of B that A lacks.
    pub only_in_b: Vec<FrameKey>,
    /// Frames in both that differ, in order of time.
    pub frames: Vec<FrameDiff>,
    /// Objects by class, over the frames that are in both.
    pub classes: BTreeMap<String, ClassDiff>,
}

impl DiffReport {
    /// Whether the runs are equal within the tolerance.
    pub fn is_equal(&self) -> bool {
        self.only_in_a.is_empty() && self.only_in_b.is_empty() && self.frames.is_empty()
    }
}

/// Compares the runs at `a` and `b`, each a run's folder or its `objects.jsonl`.
pub fn compare(a: &Path, b: &Path, tolerance: &Tolerance) -> Result<DiffReport, ReadError> {
    let reports_a = read_objects(a)?.collect::<Result<Vec<_>, _>>()?;
    let reports_b = read_objects(b)?.collect::<Result<Vec<_>, _>>()?;
    Ok(compare_reports(&reports_a, &reports_b, tolerance))
}

/// Compares two runs in memory.
pub fn compare_reports(a: &[FrameReport], b: &[FrameReport], tolerance: &Tolerance) -> DiffReport {
    let (frames_a, mut frames_b) = (by_key(a), by_key(b));
    let mut report = DiffReport { frames_a: a.len() as u64, frames_b: b.len() as u64, ..DiffReport::default() };
    let mut names = TrackNames::default();
    for (key, frame_a) in frames_a {
        match frames_b.remove(&key) {
            Some(frame_b) => compare_frame(&mut report, &key, (frame_a, frame_b), tolerance, &mut names),
            None => report.only_in_a.push(key),
        }
    }
    report.only_in_b = frames_b.into_keys().collect();
    report
}

fn by_key(reports: &[FrameReport]) -> BTreeMap<FrameKey, &FrameReport> {
    let mut frames = BTreeMap::new();
    for report in reports {
        let mut key = FrameKey {
            t_ns: report.t.as_nanos(),
            trigger: trigger_name(report.trigger).to_owned(),
            sensor: report.sensor.clone().unwrap_or_default(),
            seq: report.seq.unwrap_or(0),
            repeat: 0,
        };
        while frames.contains_key(&key) {
            key.repeat += 1;
        }
        frames.insert(key, report);
    }
    frames
}

fn compare_frame(
    report: &mut DiffReport,
    key: &FrameKey,
    (a, b): (&FrameReport, &FrameReport),
    tolerance: &Tolerance,
    names: &mut TrackNames,
) {
    let mut frame = FrameDiff {
        frame: key.clone(),
        state: (a.state != b.state).then(|| format!("{} -> {}", state_name(a.state), state_name(b.state))),
        readable_in_one: a.objects.is_some() != b.objects.is_some(),
        changed: 0,
        added: 0,
        lost: 0,
        examples: Vec::new(),
    };
    let objects_a = a.objects.as_deref().unwrap_or_default();
    let objects_b = b.objects.as_deref().unwrap_or_default();
    let matches = match_objects(objects_a, objects_b);
    for &(in_a, in_b) in &matches.pairs {
        compare_pair(report, &mut frame, (in_a, in_b), tolerance, names);
    }
    for object in matches.only_in_a {
        report.classes.entry(object.class.clone()).or_default().lost += 1;
        frame.lost += 1;
        frame.example(object, "only in A");
    }
    for object in matches.only_in_b {
        report.classes.entry(object.class.clone()).or_default().added += 1;
        frame.added += 1;
        frame.example(object, "only in B");
    }
    if frame.differs() || (tolerance.is_exact() && !same_order(&matches.pairs, objects_b)) {
        report.frames.push(frame);
    }
}

/// Whether the pairs, which stand in A's order, stand in B's order too: exact means the same bytes.
fn same_order(pairs: &[(&Object, &Object)], objects_b: &[Object]) -> bool {
    pairs.iter().zip(objects_b).all(|(pair, object)| std::ptr::eq(pair.1, object))
}

fn compare_pair(
    report: &mut DiffReport,
    frame: &mut FrameDiff,
    (a, b): (&Object, &Object),
    tolerance: &Tolerance,
    names: &mut TrackNames,
) {
    let class = report.classes.entry(a.class.clone()).or_default();
    let changes = fields::changes(a, b, tolerance, names);
    let peak_at = |change| Peak { change, frame: frame.frame.clone(), track: a.track };
    raise(&mut class.box_px, fields::box_change_px(a, b), &peak_at);
    raise(&mut class.score, fields::change_of(a.score.map(f64::from), b.score.map(f64::from)), &peak_at);
    raise(&mut class.distance_m, fields::change_of(a.distance_m, b.distance_m), &peak_at);
    if changes.is_empty() {
        class.equal += 1;
        return;
    }
    class.changed += 1;
    frame.changed += 1;
    let words: Vec<String> = changes.iter().map(ToString::to_string).collect();
    frame.example(a, &words.join(", "));
}

/// Keeps the larger of the peak so far and `change`.
fn raise(peak: &mut Option<Peak>, change: Option<f64>, peak_at: &dyn Fn(f64) -> Peak) {
    let Some(change) = change else { return };
    if change > 0.0 && peak.as_ref().is_none_or(|p| change > p.change) {
        *peak = Some(peak_at(change));
    }
}

impl FrameDiff {
    fn differs(&self) -> bool {
        self.state.is_some() || self.readable_in_one || self.changed + self.added + self.lost > 0
    }

    fn example(&mut self, object: &Object, what: &str) {
        if self.examples.len() < EXAMPLES_PER_FRAME {
            self.examples.push(format!("{} #{}: {what}", object.class, object.track));
        }
    }
}

#[cfg(test)]
mod tests;
