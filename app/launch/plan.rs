//! The validated plan of a run: every value there, every default named, every contradiction refused.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use ocellus_percept::model::Thresholds;

use super::assess::AssessPlan;
use super::can::CanPlan;
use super::clips::ClipsPlan;
use super::engines::{EnginePlan, EnginesPlan};
use super::file::{LaunchFile, ModelTable, SpeedValue};
use super::governor::GovernorPlan;
use super::live::LivePlan;
use crate::exit;
use crate::models::ModelRequest;

/// Threads of our own for decoding and preprocessing, unless told otherwise: fits a two-core laptop.
const THREADS_DEFAULT: usize = 2;
/// Threads of ONNX Runtime per network. Part of the plan, never the number of cores: results must not depend on them.
const INTRA_THREADS_DEFAULT: usize = 2;
/// More workers than this is a slip of the pen.
const THREADS_MAX: usize = 256;
/// A network is loaded so often at most: each time takes its memory again.
const SESSIONS_MAX: usize = 16;
/// A sweep older than this says too little about a moving scene: two turns of a 10 Hz LiDAR and some jitter.
const SWEEP_AGE_MS_MAX_DEFAULT: f64 = 250.0;

/// A model's path that stands for the drive's own labels as detector.
pub const TRUTH: &str = "truth";

/// What stands for the drive's path where sensors are live.
pub const LIVE: &str = "live";

/// How fast a drive is replayed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Speed {
    /// As fast as the machine can.
    Max,
    /// This many times real time.
    Factor(f64),
}

/// One network.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelPlan {
    /// ONNX file, folder with model.toml, or name under models/.
    pub path: PathBuf,
    /// Cameras by name; all where `None`.
    pub sensors: Option<Vec<String>>,
    /// Provider names in order of preference; the model's own where empty.
    pub providers: Vec<String>,
    /// The provider without which the run must not start.
    pub require: Option<String>,
    /// ONNX Runtime's own threads.
    pub intra_threads: usize,
    /// How often it is loaded: so many pictures are asked about at once.
    pub sessions: usize,
    /// Lowest score reported; the model's own where `None`.
    pub score: Option<f32>,
    /// Intersection over union of NMS; the model's own where `None`.
    pub nms: Option<f32>,
    /// Most detections per picture; the model's own where `None`.
    pub max: Option<usize>,
    /// Whether it is asked only in steps of the governor that name it.
    pub spare: bool,
    /// What an engine of it is built with.
    pub engine: EnginePlan,
}

/// Where pictures are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ViewerPlan {
    /// Nowhere.
    None,
    /// A viewer that is started.
    Spawn,
    /// A viewer that runs, by its address.
    Connect(String),
}

/// What is run.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The launch file that stands behind the plan, overrides and defaults included, as TOML.
    pub written: String,
    /// Whether networks without a good Distillation Statement are refused.
    pub require_statement: bool,
    /// The recorded drive; [`LIVE`] where sensors are live.
    pub drive: PathBuf,
    /// The live sensors, in place of a recorded drive.
    pub live: Option<LivePlan>,
    /// What a live run may do less of, and when.
    pub governor: Option<GovernorPlan>,
    /// A calibration file that replaces the drive's own.
    pub calib: Option<PathBuf>,
    /// Metadata of the Ouster sensor whose packets are recorded, where told.
    pub meta: Option<PathBuf>,
    /// Whether stamps that run backwards are put in order rather than refused.
    pub sort_stamps: bool,
    /// Whether a recording is replayed in the order of arrival, without the frames that the recorded run dropped.
    pub as_recorded: bool,
    /// Sensors by name; all where `None`.
    pub sensors: Option<Vec<String>>,
    /// How fast the drive is replayed.
    pub speed: Speed,
    /// The networks; none for a LiDAR-only run.
    pub models: Vec<ModelPlan>,
    /// Whether the drive's own labels stand in for a detector: a model whose path is `truth`.
    pub truth: bool,
    /// Our own worker threads.
    pub threads: usize,
    /// Whether JPEG is decoded smaller where its networks need no more. Changes results.
    pub scaled_jpeg: bool,
    /// The ONNX Runtime library, where told.
    pub ort_lib: Option<PathBuf>,
    /// How engines are kept and checked.
    pub engines: EnginesPlan,
    /// How long a camera frame waits for a later sweep, seconds of sensor time.
    pub fusion_wait_s: f64,
    /// Oldest sweep that is still used, seconds of sensor time.
    pub sweep_age_s_max: f64,
    /// Cameras' height above the ground, metres, where told.
    pub camera_height_m: Option<f64>,
    /// Whether obstacles that no detector knows are listed beside a camera's.
    pub unknown: bool,
    /// The vehicle's outline and what counts as which risk.
    pub assess: AssessPlan,
    /// Whether and how obstacles go out on CAN.
    pub can: Option<CanPlan>,
    /// Whether and how the seconds around warnings are kept.
    pub clips: Option<ClipsPlan>,
    /// The run's folder.
    pub out: PathBuf,
    /// Whether drive.rrd is written.
    pub save: bool,
    /// An MCAP file for results beside their frames.
    pub mcap: Option<PathBuf>,
    /// Where pictures are shown.
    pub viewer: ViewerPlan,
}

/// The networks of a launch file alone, for what runs none of the rest.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworksPlan {
    /// The networks.
    pub models: Vec<ModelPlan>,
    /// How engines are kept and checked.
    pub engines: EnginesPlan,
    /// The ONNX Runtime library, where told.
    pub ort_lib: Option<PathBuf>,
}

impl NetworksPlan {
    /// Validates the networks of a launch file. Errors carry exit code 2.
    pub fn from_file(file: &LaunchFile) -> Result<Self> {
        let validate = || -> Result<Self> {
            let engines = EnginesPlan::new(&file.engines)?;
            Ok(Self { models: networks(file)?, engines, ort_lib: file.runtime.ort_lib.clone() })
        };
        validate().map_err(exit::usage)
    }
}

impl ModelPlan {
    /// What of the model is asked for.
    pub fn request(&self) -> ModelRequest {
        ModelRequest {
            path: self.path.clone(),
            providers: self.providers.clone(),
            require: self.require.clone(),
            intra_threads: self.intra_threads,
            options: self.engine.options.clone(),
            profile: None,
        }
    }

    /// Puts what the plan says in place of the model's own thresholds.
    pub fn apply_thresholds(&self, thresholds: &mut Thresholds) {
        thresholds.score = self.score.unwrap_or(thresholds.score);
        thresholds.nms_iou = self.nms.unwrap_or(thresholds.nms_iou);
        thresholds.max_detections = self.max.unwrap_or(thresholds.max_detections);
    }
}

impl Plan {
    /// Validates a launch file. Errors carry exit code 2.
    pub fn from_file(file: &LaunchFile) -> Result<Self> {
        Self::validate(file).map_err(exit::usage)
    }

    /// Whether anything looks at pictures.
    pub fn sees(&self) -> bool {
        self.truth || !self.models.is_empty()
    }

    fn validate(file: &LaunchFile) -> Result<Self> {
        let live = file.live_plan()?;
        let drive = match (&file.source.drive, &live) {
            (Some(_), Some(_)) => return Err(anyhow!("source.drive and live sensors are both given: choose one")),
            (None, Some(_)) => PathBuf::from(LIVE),
            (drive, None) => drive.clone().ok_or_else(|| missing("source.drive", "the path of a recorded drive"))?,
        };
        let out = file.output.dir.clone().ok_or_else(|| missing("output.dir", "the folder the results go to"))?;
        if let (Some(mcap), Some(recording)) = (&file.output.mcap, live.as_ref().and_then(|l| l.record.as_ref()))
            && mcap == recording
        {
            return Err(anyhow!("output.mcap and live.record are both {}: two files are needed", mcap.display()));
        }
        let threads = file.runtime.threads.unwrap_or(THREADS_DEFAULT);
        in_range("runtime.threads", threads as f64, 1.0, THREADS_MAX as f64)?;
        let wait_ms = file.fusion.wait_ms.unwrap_or(0.0);
        in_range("fusion.wait_ms", wait_ms, 0.0, 10_000.0)?;
        let age_ms = file.fusion.sweep_age_ms_max.unwrap_or(SWEEP_AGE_MS_MAX_DEFAULT);
        in_range("fusion.sweep_age_ms_max", age_ms, 0.0, 60_000.0)?;
        if let Some(height) = file.fusion.camera_height_m {
            in_range("fusion.camera_height_m", height, 0.05, 20.0)?;
        }
        let models = networks(file)?;
        Ok(Self {
            written: toml::to_string(file)?,
            require_statement: file.require_statement.unwrap_or(false),
            governor: GovernorPlan::new(&file.governor, &models, live.is_some())?,
            drive,
            live,
            calib: file.source.calib.clone(),
            meta: file.source.meta.clone(),
            sort_stamps: file.source.sort_stamps.unwrap_or(false),
            as_recorded: file.source.as_recorded.unwrap_or(false),
            sensors: file.source.sensors.clone(),
            speed: speed(file.source.speed.as_ref())?,
            models,
            truth: file.model.iter().any(is_truth),
            threads,
            scaled_jpeg: file.runtime.scaled_jpeg.unwrap_or(false),
            ort_lib: file.runtime.ort_lib.clone(),
            engines: EnginesPlan::new(&file.engines)?,
            fusion_wait_s: wait_ms * 1e-3,
            sweep_age_s_max: age_ms * 1e-3,
            camera_height_m: file.fusion.camera_height_m,
            unknown: file.fusion.unknown.unwrap_or(false),
            assess: AssessPlan::new(&file.vehicle, &file.risk)?,
            can: CanPlan::new(&file.can)?,
            clips: ClipsPlan::new(&file.clips)?,
            out,
            save: file.output.save.unwrap_or(false),
            mcap: file.output.mcap.clone(),
            viewer: viewer(file)?,
        })
    }
}

fn viewer(file: &LaunchFile) -> Result<ViewerPlan> {
    match (file.viewer.spawn.unwrap_or(false), &file.viewer.connect) {
        (true, Some(_)) => Err(anyhow!("viewer.spawn and viewer.connect are both set: choose one")),
        (true, None) => Ok(ViewerPlan::Spawn),
        (false, Some(url)) => Ok(ViewerPlan::Connect(url.clone())),
        (false, None) => Ok(ViewerPlan::None),
    }
}

fn speed(value: Option<&SpeedValue>) -> Result<Speed> {
    let factor = match value {
        None => return Ok(Speed::Max),
        Some(SpeedValue::Text(text)) if text == "max" => return Ok(Speed::Max),
        Some(SpeedValue::Text(text)) => text.parse::<f64>().map_err(|_| {
            anyhow!("source.speed: expected \"max\" or a factor of real time such as 1 or 0.5, got \"{text}\"")
        })?,
        Some(SpeedValue::Factor(factor)) => *factor,
    };
    in_range("source.speed", factor, 0.01, 1000.0)?;
    Ok(Speed::Factor(factor))
}

fn is_truth(table: &ModelTable) -> bool {
    table.path.as_deref() == Some(Path::new(TRUTH))
}

/// Paths of the networks, in their order, as far as they are given.
pub(super) fn network_paths(models: &[ModelTable]) -> Vec<&Path> {
    models.iter().filter(|m| !is_truth(m)).map(|m| m.path.as_deref().unwrap_or(Path::new(""))).collect()
}

/// Whether a network of this path is meant: as written, or the path's last part with or without its ending.
pub(super) fn is_called(path: &Path, name: &str) -> bool {
    path == Path::new(name) || [path.file_name(), path.file_stem()].contains(&Some(name.as_ref()))
}

/// Networks' paths for a message.
pub(super) fn listed(paths: &[&Path]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

fn networks(file: &LaunchFile) -> Result<Vec<ModelPlan>> {
    file.model.iter().enumerate().filter(|(_, m)| !is_truth(m)).map(|(i, m)| model(i, m)).collect()
}

fn model(index: usize, table: &ModelTable) -> Result<ModelPlan> {
    let key = |name: &str| format!("model.{index}.{name}");
    let path = table.path.clone().ok_or_else(|| missing(&key("path"), "an ONNX file or the name of a model"))?;
    if path.as_os_str().is_empty() || path == Path::new(".") {
        return Err(missing(&key("path"), "an ONNX file or the name of a model"));
    }
    let intra_threads = table.intra_threads.unwrap_or(INTRA_THREADS_DEFAULT);
    in_range(&key("intra_threads"), intra_threads as f64, 1.0, THREADS_MAX as f64)?;
    let sessions = table.sessions.unwrap_or(1);
    in_range(&key("sessions"), sessions as f64, 1.0, SESSIONS_MAX as f64)?;
    for (name, value) in [("score", table.score), ("nms", table.nms)] {
        if let Some(value) = value {
            in_range(&key(name), f64::from(value), 0.0, 1.0)?;
        }
    }
    if table.max == Some(0) {
        return Err(anyhow!("{}: expected at least 1, got 0", key("max")));
    }
    Ok(ModelPlan {
        path,
        sensors: table.sensors.clone(),
        providers: table.providers.clone().unwrap_or_default(),
        require: table.require.clone(),
        intra_threads,
        sessions,
        score: table.score,
        nms: table.nms,
        max: table.max,
        spare: table.spare.unwrap_or(false),
        engine: EnginePlan::new(index, table.precision, &table.fallback, &table.options)?,
    })
}

fn missing(key: &str, what: &str) -> anyhow::Error {
    anyhow!("`{key}` is missing: give {what}, in the launch file or with --set {key}=...")
}

/// Refuses a value outside of its range by name.
pub(super) fn in_range(key: &str, value: f64, min: f64, max: f64) -> Result<()> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(anyhow!("{key}: expected {min} to {max}, got {value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(text: &str) -> Result<Plan> {
        Plan::from_file(&LaunchFile::parse(text, &[])?)
    }

    #[test]
    fn defaults_are_lossless_full_speed_and_two_threads() {
        let plan = plan("source.drive='d'\noutput.dir='o'\nmodel=[{path='m.onnx'}]").unwrap();
        assert_eq!((plan.speed, plan.threads, plan.models[0].intra_threads), (Speed::Max, 2, 2));
        assert!(plan.models[0].providers.is_empty(), "the model's own");
        assert_eq!(plan.viewer, ViewerPlan::None);
    }

    #[test]
    fn every_shipped_launch_file_is_a_valid_plan() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("launch");
        let mut seen = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            // Targets of the Distillation Statement are no launch file; the judge tests them.
            let targets = path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("targets"));
            if path.extension().is_some_and(|e| e == "toml") && !targets {
                let file = LaunchFile::read(&path, &["output.dir=out".into()]).unwrap();
                Plan::from_file(&file).unwrap_or_else(|e| panic!("{}: {e:#}", path.display()));
                seen += 1;
            }
        }
        assert!(seen > 0);
    }

    #[test]
    fn what_is_missing_or_out_of_range_is_named_and_exits_2() {
        for (text, needle) in [
            ("output.dir='o'", "source.drive"),
            ("source.drive='d'", "output.dir"),
            ("source.drive='d'\noutput.dir='o'\nruntime.threads=0", "runtime.threads"),
            ("source.drive='d'\noutput.dir='o'\nsource.speed='fast'", "source.speed"),
            ("source.drive='d'\noutput.dir='o'\nmodel=[{path='m',score=1.5}]", "model.0.score"),
            ("source.drive='d'\noutput.dir='o'\nmodel=[{path='m',sessions=0}]", "model.0.sessions"),
            ("source.drive='d'\noutput.dir='o'\nviewer={spawn=true,connect='x'}", "choose one"),
        ] {
            let error = plan(text).unwrap_err();
            assert_eq!(exit::code_of(&error), 2);
            assert!(format!("{error:#}").contains(needle), "{error:#}");
        }
    }
}
