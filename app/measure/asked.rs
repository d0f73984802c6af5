//! What is asked of a measurement, whoever asks: on what data, which parts, and how networks are loaded.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use ocellus_infer::Runtime;

use super::cost::CORE_W;
use super::data::{Data, DataRequest};
use super::parts::Part;
use super::subject::{Loading, Subject};
use crate::{exit, models};

/// A measurement.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Pictures and labels.
    pub data: DataRequest,
    /// Score from which a detection counts as an alarm.
    pub threshold: f64,
    /// What is measured beside detection on clean pictures.
    pub parts: Vec<Part>,
    /// Declared power of a busy core, watts.
    pub core_watts: f64,
    /// Length of simulated drives, seconds; where not told their own, within reason.
    pub seconds: Option<f64>,
    /// How networks are loaded.
    pub loading: Loading,
    /// The ONNX Runtime library, where told.
    pub ort_lib: Option<PathBuf>,
}

/// The usual alarm score.
pub const THRESHOLD: f64 = 0.25;

impl Asked {
    /// The usual measurement on `sources`.
    pub fn on(sources: Vec<String>, ort_lib: Option<PathBuf>) -> Self {
        Self {
            data: DataRequest { sources, gt: None, frames: None, maps: false },
            threshold: THRESHOLD,
            parts: Vec::new(),
            core_watts: CORE_W,
            seconds: None,
            loading: Loading { providers: Vec::new(), require: None, raw_scores: false },
            ort_lib,
        }
    }

    /// Whether a part was asked for.
    pub fn wants(&self, part: Part) -> bool {
        self.parts.contains(&part) || self.parts.contains(&Part::All)
    }

    /// The pictures to measure on, `maps` of what is rendered too.
    pub fn open(&self, maps: bool) -> Result<Data> {
        let data = Data::open(&DataRequest { maps, ..self.data.clone() })?;
        data.notes.iter().for_each(|note| eprintln!("data: {note}"));
        super::say(&data.truth.findings);
        Ok(data)
    }

    /// As [`Self::open`], with labels.
    pub fn open_labelled(&self, maps: bool) -> Result<Data> {
        let data = self.open(maps)?;
        if data.labelled {
            return Ok(data);
        }
        let sources = data.sources.join(", ");
        Err(exit::usage(anyhow!(
            "{sources}: there are no labels to measure against; give --gt, or --teacher for agreement"
        )))
    }

    /// ONNX Runtime.
    pub fn runtime(&self) -> Result<Runtime> {
        models::start_runtime(self.ort_lib.as_deref())
    }

    /// A network.
    pub fn load(&self, runtime: &Runtime, path: &Path) -> Result<Subject> {
        Subject::load(runtime, path, &self.loading)
    }
}
