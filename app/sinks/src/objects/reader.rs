//! Reading `objects.jsonl` back, line by line; errors name file and line.
//!
//! Unknown keys are skipped, so that a newer file can still be compared; a known key of a wrong type is an error.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use ocellus_percept::detection::BoxPx;
use ocellus_percept::report::{DistanceSource, FrameReport, Object, Risk, SensorState, Trigger};
use ocellus_percept::time::Timestamp;
use serde::Deserialize;
use thiserror::Error;

/// Why a file or a line of it cannot be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The file cannot be opened.
    #[error("cannot open {}: {source}; give the folder or the objects.jsonl of a finished run", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The file cannot be read on, or is no UTF-8.
    #[error("{}, line {line}: cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: u64,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The line is no report.
    #[error("{}, line {line}: expected a frame as JSON, got {source}; earlier lines are good", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: u64,
        /// What is wrong where in the line.
        source: serde_json::Error,
    },
    /// The last line has no end: the run was killed or the disk was full.
    #[error("{}, line {line}: the line is cut short, so the run was interrupted; earlier lines are good", path.display())]
    CutShort {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: u64,
    },
}

/// One line as it stands in the file.
#[derive(Deserialize)]
struct RawLine {
    trigger: Trigger,
    t_ns: Timestamp,
    camera: Option<String>,
    lidar: Option<String>,
    seq: Option<u64>,
    state: SensorState,
    objects: Option<Vec<RawObject>>,
}

#[derive(Deserialize)]
struct RawObject {
    track: u64,
    class: String,
    score: Option<f32>,
    box_px: Option<[f32; 4]>,
    distance_m: Option<f64>,
    distance_source: Option<DistanceSource>,
    distance_sigma_m: Option<f64>,
    gap_m: Option<f64>,
    position_m: Option<[f64; 3]>,
    velocity_rel_mps: Option<[f64; 3]>,
    velocity_ground_mps: Option<[f64; 3]>,
    ttc_s: Option<f64>,
    risk: Option<Risk>,
    why: Option<String>,
}

impl From<RawLine> for FrameReport {
    fn from(raw: RawLine) -> Self {
        let sensor = match raw.trigger {
            Trigger::Camera => raw.camera,
            Trigger::Lidar => raw.lidar,
            Trigger::Tick => None,
        };
        let objects = raw.objects.map(|objects| objects.into_iter().map(Object::from).collect());
        Self { trigger: raw.trigger, t: raw.t_ns, sensor, seq: raw.seq, state: raw.state, objects }
    }
}

impl From<RawObject> for Object {
    fn from(raw: RawObject) -> Self {
        Self {
            track: raw.track,
            class: raw.class,
            score: raw.score,
            box_px: raw.box_px.map(|[x0, y0, x1, y1]| BoxPx { x0, y0, x1, y1 }),
            distance_m: raw.distance_m,
            distance_source: raw.distance_source,
            distance_sigma_m: raw.distance_sigma_m,
            gap_m: raw.gap_m,
            position_m: raw.position_m,
            velocity_rel_mps: raw.velocity_rel_mps,
            velocity_ground_mps: raw.velocity_ground_mps,
            ttc_s: raw.ttc_s,
            risk: raw.risk,
            why: raw.why,
        }
    }
}

/// The reports of a file in its order. After an error the iteration ends.
#[derive(Debug)]
pub struct ObjectsReader {
    input: BufReader<File>,
    path: PathBuf,
    line: u64,
    buffer: String,
    done: bool,
}

/// Opens `path`: an `objects.jsonl`, or the run's folder that holds one.
pub fn read_objects(path: &Path) -> Result<ObjectsReader, ReadError> {
    let path = if path.is_dir() { path.join(super::FILE_NAME) } else { path.to_path_buf() };
    let file = File::open(&path).map_err(|source| ReadError::Open { path: path.clone(), source })?;
    Ok(ObjectsReader { input: BufReader::new(file), path, line: 0, buffer: String::new(), done: false })
}

impl ObjectsReader {
    /// The line (counted from 1) that the last item came from.
    pub fn line(&self) -> u64 {
        self.line
    }

    fn read_line(&mut self) -> Result<Option<FrameReport>, ReadError> {
        self.buffer.clear();
        self.line += 1;
        let (path, line) = (&self.path, self.line);
        let count = self.input.read_line(&mut self.buffer).map_err(|source| ReadError::Read {
            path: path.clone(),
            line,
            source,
        })?;
        if count == 0 {
            return Ok(None);
        }
        if !self.buffer.ends_with('\n') {
            return Err(ReadError::CutShort { path: path.clone(), line });
        }
        let raw: RawLine = serde_json::from_str(&self.buffer).map_err(|source| ReadError::Parse {
            path: path.clone(),
            line,
            source,
        })?;
        Ok(Some(raw.into()))
    }
}

impl Iterator for ObjectsReader {
    type Item = Result<FrameReport, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let item = self.read_line().transpose();
        self.done = !matches!(item, Some(Ok(_)));
        item
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::samples::full_report;
    use crate::objects::write_line;

    fn read(content: &[u8]) -> Vec<Result<FrameReport, ReadError>> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(super::super::FILE_NAME), content).unwrap();
        read_objects(dir.path()).unwrap().collect()
    }

    fn good_line() -> String {
        let mut line = String::new();
        write_line(&full_report(), &mut line);
        line
    }

    #[test]
    fn a_cut_line_is_named_and_the_lines_before_it_are_given() {
        let content = good_line() + &good_line()[..40];
        let items = read(content.as_bytes());
        assert_eq!(items.len(), 2);
        assert!(items[0].is_ok());
        assert!(matches!(items[1], Err(ReadError::CutShort { line: 2, .. })));
    }

    #[test]
    fn nonsense_is_named_with_its_line_and_ends_the_reading() {
        let content = good_line() + "{\"trigger\":\"camera\"}\n" + &good_line();
        let items = read(content.as_bytes());
        assert_eq!(items.len(), 2);
        let error = items[1].as_ref().unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("t_ns"), "{error}");
    }

    #[test]
    fn bytes_that_are_no_text_are_an_error() {
        assert!(matches!(read(&[0xff, 0xfe, b'\n'])[0], Err(ReadError::Read { line: 1, .. })));
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = read_objects(Path::new("/nowhere/objects.jsonl")).unwrap_err().to_string();
        assert!(error.contains("/nowhere/objects.jsonl"), "{error}");
    }

    #[test]
    fn keys_of_a_newer_version_are_skipped() {
        let line = good_line().replace("\"seq\":12", "\"seq\":12,\"colour\":\"red\"");
        assert_eq!(read(line.as_bytes())[0].as_ref().unwrap().seq, Some(12));
    }
}
