//! `anticipation.jsonl`: what networks on clips answered and what was made of it, one line an answer. A run without such a
//! network has no such file.
//!
//! Lines are in the order of the clips' ends for one camera and network; probabilities are rounded to 4 places, so that the
//! same answers give the same bytes. The JSON Schema is `launch/schemas/anticipation.schema.json`; schema and version stand
//! in each line.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use ocellus_percept::assess::Anticipated;
use serde_json::json;

use crate::files::{FileError, Schema};

/// Name of the file in a run's folder.
pub const FILE_NAME: &str = "anticipation.jsonl";
/// Schema of its lines.
pub const ANTICIPATION_SCHEMA: Schema = Schema { name: "ocellus.anticipation", version: 1 };

/// One answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Anticipation {
    /// The camera whose clip it was.
    pub camera: String,
    /// The network.
    pub model: String,
    /// The answer and what was made of it.
    pub said: Anticipated,
    /// The reason, for everything but clear.
    pub why: Option<String>,
}

/// The file.
#[derive(Debug)]
pub struct AnticipationWriter {
    path: PathBuf,
    out: BufWriter<File>,
}

impl AnticipationWriter {
    /// Creates the file in a run's folder; an old one is replaced.
    pub fn create(folder: &Path) -> Result<Self, FileError> {
        let path = folder.join(FILE_NAME);
        let out = File::create(&path).map_err(|source| FileError::Write { path: path.clone(), source })?;
        Ok(Self { path, out: BufWriter::new(out) })
    }

    /// Writes one line.
    pub fn write(&mut self, anticipation: &Anticipation) -> Result<(), FileError> {
        let line = line_of(anticipation);
        writeln!(self.out, "{line}").map_err(|source| FileError::Write { path: self.path.clone(), source })
    }

    /// Sees everything out.
    pub fn finish(mut self) -> Result<(), FileError> {
        self.out.flush().map_err(|source| FileError::Write { path: self.path.clone(), source })
    }
}

fn line_of(anticipation: &Anticipation) -> serde_json::Value {
    let Anticipation { camera, model, said, why } = anticipation;
    let rounded = |p: f64| (p * 1e4).round() / 1e4;
    let mut line = json!({
        "schema": ANTICIPATION_SCHEMA,
        "t_ns": said.t.as_nanos(),
        "camera": camera,
        "model": model,
        "probability": rounded(said.probability),
        "smoothed": rounded(said.smoothed),
        "risk": said.risk.name(),
        "alert": said.alert,
    });
    if let (Some(why), Some(keys)) = (why, line.as_object_mut()) {
        keys.insert("why".to_owned(), why.as_str().into());
    }
    line
}

#[cfg(test)]
pub(crate) mod samples {
    use ocellus_percept::report::Risk;
    use ocellus_percept::time::Timestamp;

    use super::*;

    /// An alert as a line.
    pub(crate) fn alert_line() -> serde_json::Value {
        let t = Timestamp::from_nanos(1_317_013_200_000_000_000);
        let said =
            Anticipated { t, probability: 0.912_345, smoothed: 0.71, risk: Risk::Warn, alert: true, cooling: false };
        let why = Some("a reason".to_owned());
        line_of(&Anticipation { camera: "front".to_owned(), model: "clipnet".to_owned(), said, why })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_rounded_and_whole_and_a_folder_that_is_not_there_is_named() {
        let line = samples::alert_line();
        assert_eq!((line["probability"].as_f64(), line["risk"].as_str()), (Some(0.9123), Some("warn")));
        let error = AnticipationWriter::create(Path::new("no/such/folder")).unwrap_err().to_string();
        assert!(error.contains("anticipation.jsonl"), "{error}");
    }
}
