//! `ocellus eval`: what a network is worth, and what it lost. One mode a file; measuring is in `crate::measure`.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use clap::Args;

use crate::exit::{self, Outcome};
use crate::measure::asked::{Asked, THRESHOLD};
use crate::measure::cost;
use crate::measure::data::DataRequest;
use crate::measure::parts::Part;
use crate::measure::subject::Loading;

mod agree;
mod clips;
mod driven;
mod files;
mod fit;
mod precision;
mod report;
mod statement;

/// Evaluate a network on pictures, drives and the simulated world, or files of detections and tracks.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    ocellus eval yolox_nano.onnx --data coco_tiny                     figures on COCO pictures\n  \
    ocellus eval student --data world:random@1-20 --data drive.mcap   on rendered streets and a drive\n  \
    ocellus eval student --data coco_tiny --with all                  cost, robustness, planted objects, drift too\n  \
    ocellus eval student --data coco_tiny --fit isotonic --into models/student/model.toml\n  \
    ocellus eval int8.onnx --reference fp32.onnx --data coco_tiny     exit code 4 where too much is lost\n  \
    ocellus eval int8 --reference fp32 --also fp16 --data coco_tiny   all three in one table\n  \
    ocellus eval student --teacher big.onnx --data drive.mcap --rrd worst.rrd\n  \
    ocellus eval student --teacher big.onnx --data drive.mcap --with driving      the pipeline with each: fused distances\n  \
    ocellus eval student --teacher big.onnx --data coco_tiny --statement models/student\n  \
    ocellus eval student --data world:random@1-12 --statement models/student --accept ap_small=\"it stays indoors\"\n  \
    ocellus eval student --data world:clips@1-8 --with driving,sensors,lidar\n  \
    ocellus eval --run out --data drive.mcap                          a run's objects against its drive's truth\n  \
    ocellus eval --coco instances.json detections.json --json         figures equal to pycocotools'\n  \
    ocellus eval --coco instances.json int8.json --reference fp32.json\n  \
    ocellus eval --mot gt.txt tracks.txt\n  \
    ocellus eval --clips 60 --clean 60                                warnings on simulated clips of known outcome")]
pub struct Eval {
    /// The network: an ONNX file, or the name of a folder under models/.
    #[arg(value_name = "MODEL", conflicts_with_all = ["coco", "mot"])]
    model: Option<PathBuf>,
    #[command(flatten)]
    files: files::Files,
    #[command(flatten)]
    clips: clips::ClipArgs,
    /// Where to measure: a folder of pictures with COCO ground truth, a drive, or world:SCENARIO@SEEDS; several times.
    #[arg(long, value_name = "DATA")]
    data: Vec<String>,
    /// COCO ground truth of the pictures in --data; found by itself in DATA/annotations.
    #[arg(long, value_name = "GT.json", requires = "data")]
    gt: Option<PathBuf>,
    /// Frames at most, evenly spread over the data.
    #[arg(long, value_name = "N")]
    frames: Option<usize>,
    #[command(flatten)]
    precision: precision::PrecisionArgs,
    /// Score from which a detection counts as an alarm.
    #[arg(long, default_value_t = THRESHOLD)]
    threshold: f64,
    /// What to measure beside detection on clean pictures.
    #[arg(long = "with", value_enum, value_name = "PART,...", value_delimiter = ',')]
    with: Vec<Part>,
    /// Power of a busy core, where no sensor can be read: energy is then an estimate, marked as such.
    #[arg(long, value_name = "W", default_value_t = cost::CORE_W)]
    core_watts: f64,
    /// Length of simulated drives at most (of --with driving, sensors, lidar); by itself the scenario's, at most 10 s.
    #[arg(long)]
    seconds: Option<f64>,
    /// A run's folder: judge its objects against the truth of the drive in --data.
    #[arg(long, value_name = "RUN", requires = "data", conflicts_with_all = ["model", "coco", "mot"])]
    run: Option<PathBuf>,
    #[command(flatten)]
    fit: fit::FitArgs,
    #[command(flatten)]
    agree: agree::AgreeArgs,
    #[command(flatten)]
    statement: statement::StatementArgs,
    /// Providers in order of preference; where not told those of the manifest, else the CPU.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    providers: Vec<String>,
    /// The provider without which nothing is measured (exit code 4).
    #[arg(long, value_name = "PROVIDER")]
    require: Option<String>,
    /// The ONNX Runtime library.
    #[arg(long, value_name = "FILE")]
    ort_lib: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Eval {
    pub(super) fn run(self) -> Result<Outcome> {
        if let Some(seconds) = self.seconds.filter(|s| !(0.1..=600.0).contains(s)) {
            return Err(exit::usage(anyhow!("--seconds: expected 0.1 to 600, got {seconds}")));
        }
        if !(0.0..=1.0).contains(&self.threshold) {
            return Err(exit::usage(anyhow!("--threshold: expected 0 to 1, got {}", self.threshold)));
        }
        if self.clips.clips.is_some() {
            return clips::run(&self.clips, self.model.as_deref(), self.json);
        }
        if let Some(folder) = &self.run {
            return driven::run(&self, folder);
        }
        match (&self.model, self.files.mot.as_deref(), self.files.coco.as_deref()) {
            (None, Some([truth, found]), _) => self.files.tracks(truth, found, self.json),
            (None, _, Some([truth, found])) => {
                let reference = self.precision.reference.as_deref().map(|path| (path, self.threshold));
                self.files.detections((truth, found), reference, self.json)
            }
            (Some(model), ..) => self.network(model),
            _ => Err(exit::usage(anyhow!(
                "give MODEL --data DATA, --coco GT.json DT.json or --mot GT.txt DT.txt; ocellus eval --help has examples"
            ))),
        }
    }

    /// The mode that the flags beside MODEL choose.
    fn network(&self, model: &Path) -> Result<Outcome> {
        let (teacher, folder) = (self.agree.teacher.as_deref(), self.statement.folder.as_deref());
        match (teacher, folder, self.precision.reference.as_deref()) {
            (teacher, Some(folder), _) => statement::run(self, model, teacher, folder),
            (Some(teacher), None, _) => agree::run(self, model, teacher),
            (None, _, Some(reference)) => precision::run(self, model, reference),
            _ if self.fit.method.is_some() => fit::run(self, model),
            _ => report::run(self, model),
        }
    }

    /// What is asked of measuring.
    fn asked(&self) -> Asked {
        let data = DataRequest { sources: self.data.clone(), gt: self.gt.clone(), frames: self.frames, maps: false };
        Asked {
            data,
            threshold: self.threshold,
            parts: self.with.clone(),
            core_watts: self.core_watts,
            seconds: self.seconds,
            loading: Loading {
                providers: self.providers.clone(),
                require: self.require.clone(),
                raw_scores: self.fit.method.is_some(),
            },
            ort_lib: self.ort_lib.clone(),
        }
    }
}

/// A figure for people.
fn shown(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "undefined".to_owned(), |v| format!("{v:.digits$}"))
}
