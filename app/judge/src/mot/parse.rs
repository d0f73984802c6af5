//! MOTChallenge text: one box a line, `frame, id, x, y, width, height, confidence, ...`, separated by commas or blanks.

use std::collections::BTreeMap;

use crate::findings::Findings;

/// Why a file cannot be read.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MotError {
    /// A line with too few fields or a field that is no number.
    #[error("{file}, line {line}: expected `frame,id,x,y,width,height[,confidence,...]` in numbers, got `{got}`")]
    Line {
        /// `ground truth` or `tracker output`.
        file: &'static str,
        /// Line, from 1.
        line: usize,
        /// The line as it is.
        got: String,
    },
    /// The same identity twice in a frame.
    #[error("{file}, line {line}: id {id} appears twice in frame {frame} (first on line {first})")]
    Twice {
        /// `ground truth` or `tracker output`.
        file: &'static str,
        /// Line, from 1.
        line: usize,
        /// Line of the first one.
        first: usize,
        /// Frame.
        frame: i64,
        /// Identity.
        id: i64,
    },
}

/// Which of the two files is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Lines with confidence 0 are marked "not to be considered".
    GroundTruth,
    /// All lines count.
    Output,
}

impl Role {
    fn file(self) -> &'static str {
        match self {
            Self::GroundTruth => "ground truth",
            Self::Output => "tracker output",
        }
    }
}

/// One box.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct TrackBox {
    pub(super) id: i64,
    /// x, y, width, height in pixels.
    pub(super) bbox: [f64; 4],
}

/// Boxes by frame, in the file's order within a frame.
pub(super) type Boxes = BTreeMap<i64, Vec<TrackBox>>;

/// Reads one file; empty text is a sequence without boxes.
pub(super) fn parse(text: &str, role: Role, findings: &mut Findings) -> Result<Boxes, MotError> {
    let mut boxes = Boxes::new();
    let mut seen = BTreeMap::new();
    for (index, written) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = index + 1;
        if written.trim().is_empty() || written.starts_with('#') {
            continue;
        }
        let (frame, track_box, confidence) = read_line(written).ok_or_else(|| MotError::Line {
            file: role.file(),
            line,
            got: written.chars().take(80).collect(),
        })?;
        if role == Role::GroundTruth && confidence == Some(0.0) {
            let what = "ground truth line marked as not to be considered (confidence 0)";
            findings.note(what, "excluded", || format!("line {line}"));
            continue;
        }
        let id = track_box.id;
        if let Some(first) = seen.insert((frame, id), line) {
            return Err(MotError::Twice { file: role.file(), line, first, frame, id });
        }
        if frame < 1 {
            let what = format!("frame number below 1 in the {}", role.file());
            let effect = "kept as written; MOTChallenge counts from 1: see that both files count alike";
            findings.note(&what, effect, || format!("line {line}: frame {frame}"));
        }
        if track_box.bbox[2] <= 0.0 || track_box.bbox[3] <= 0.0 {
            let what = format!("box of zero or negative size in the {}", role.file());
            findings.note(&what, "kept; it can match nothing", || format!("line {line}"));
        }
        boxes.entry(frame).or_default().push(track_box);
    }
    if boxes.is_empty() {
        let (what, effect) = match role {
            Role::GroundTruth => ("ground truth without a box", "figures that need one are undefined"),
            Role::Output => ("tracker output without a box", "every object counts as missed"),
        };
        findings.note(what, effect, || format!("{} lines", text.lines().count()));
    }
    Ok(boxes)
}

/// Says which boxes lie in frames where the ground truth has nothing at all, before its first or after its last.
pub(super) fn note_strays(truth: &Boxes, found: &Boxes, findings: &mut Findings) {
    let (Some(first), Some(last)) = (truth.keys().next(), truth.keys().next_back()) else { return };
    for (frame, boxes) in found.iter().filter(|(frame, _)| !(first..=last).contains(frame)) {
        let what = format!("tracker box outside the ground truth's frames {first} to {last}");
        for track_box in boxes {
            findings.note(&what, "counts as a false one", || format!("frame {frame}, id {}", track_box.id));
        }
    }
}

fn read_line(line: &str) -> Option<(i64, TrackBox, Option<f64>)> {
    let split = line.split(|c: char| c == ',' || c.is_whitespace()).filter(|f| !f.is_empty());
    let mut fields = split.map(|f| f.parse::<f64>().ok().filter(|v| v.is_finite()));
    let mut number = || fields.next().flatten();
    let (frame, id) = (whole(number()?)?, whole(number()?)?);
    let bbox = [number()?, number()?, number()?, number()?];
    // A confidence that is there must be a number; what follows it is other evaluators' business.
    let confidence = match fields.next() {
        Some(None) => return None,
        Some(value) => value,
        None => None,
    };
    Some((frame, TrackBox { id, bbox }, confidence))
}

fn whole(value: f64) -> Option<i64> {
    // 2^53: beyond it a float no longer names one whole number.
    (value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0).then_some(value as i64)
}
