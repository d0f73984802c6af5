//! A launch file as written: every key optional, unknown keys refused. Meaning and defaults are in [`super::plan`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use ocellus_percept::model::manifest::Precision;
use serde::{Deserialize, Serialize};

use super::assess::{RiskTable, VehicleTable};
use super::can::CanTable;
use super::clips::ClipsTable;
use super::engines::{EnginesTable, Fallback};
use super::faults::FaultsTable;
use super::governor::GovernorTable;
use super::live::{CameraTable, LidarTable, LivePlan, LiveTable, LiveTables};
use super::text;
use crate::exit;

/// The whole file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LaunchFile {
    /// Refuse networks that no good Distillation Statement vouches for (exit code 4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_statement: Option<bool>,
    /// `[source]`: where frames come from.
    #[serde(default)]
    pub source: SourceTable,
    /// `[[camera]]`: live cameras.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub camera: Vec<CameraTable>,
    /// `[[lidar]]`: live LiDARs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lidar: Vec<LidarTable>,
    /// `[live]`: how live sensors are run.
    #[serde(default)]
    pub live: LiveTable,
    /// `[governor]`: what a live run may do less of.
    #[serde(default)]
    pub governor: GovernorTable,
    /// `[faults]`: what is made to go wrong.
    #[serde(default)]
    pub faults: FaultsTable,
    /// `[[model]]`: the networks.
    #[serde(default)]
    pub model: Vec<ModelTable>,
    /// `[runtime]`: workers and the ONNX Runtime library.
    #[serde(default)]
    pub runtime: RuntimeTable,
    /// `[engines]`: engines built ahead.
    #[serde(default)]
    pub engines: EnginesTable,
    /// `[fusion]`: how sensors are brought together.
    #[serde(default)]
    pub fusion: FusionTable,
    /// `[vehicle]`: the outline that sweeps the corridor.
    #[serde(default)]
    pub vehicle: VehicleTable,
    /// `[risk]`: what counts as which risk.
    #[serde(default)]
    pub risk: RiskTable,
    /// `[can]`: obstacles on a CAN bus.
    #[serde(default)]
    pub can: CanTable,
    /// `[clips]`: the seconds around warnings.
    #[serde(default)]
    pub clips: ClipsTable,
    /// `[output]`: the run's folder.
    #[serde(default)]
    pub output: OutputTable,
    /// `[viewer]`: rerun.
    #[serde(default)]
    pub viewer: ViewerTable,
}

/// `[source]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceTable {
    /// A recorded drive; relative to the launch file.
    pub drive: Option<PathBuf>,
    /// A calibration file that replaces the drive's own.
    pub calib: Option<PathBuf>,
    /// Metadata (JSON) of the Ouster sensor whose packets are recorded; looked for beside the recording where absent.
    pub meta: Option<PathBuf>,
    /// Put stamps that run backwards in order rather than refuse the drive.
    pub sort_stamps: Option<bool>,
    /// Replay a recording in the order of arrival, without the frames that the recorded run dropped.
    pub as_recorded: Option<bool>,
    /// Sensors to use, by name; all where absent.
    pub sensors: Option<Vec<String>>,
    /// `"max"` or a factor of real time (1 = as recorded).
    pub speed: Option<SpeedValue>,
}

/// A replay speed as written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SpeedValue {
    /// `max`, or a number in quotes.
    Text(String),
    /// A factor of real time.
    Factor(f64),
}

/// `[[model]]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelTable {
    /// An ONNX file, a folder with a model.toml, or the name of a folder under models/.
    pub path: Option<PathBuf>,
    /// Cameras it looks at, by name; all where absent.
    pub sensors: Option<Vec<String>>,
    /// Providers in order of preference.
    pub providers: Option<Vec<String>>,
    /// The provider without which the run must not start.
    pub require: Option<String>,
    /// ONNX Runtime's own threads.
    pub intra_threads: Option<usize>,
    /// How often it is loaded, each with a thread of its own: so many pictures are asked about at once.
    pub sessions: Option<usize>,
    /// Lowest score reported.
    pub score: Option<f32>,
    /// Intersection over union of NMS.
    pub nms: Option<f32>,
    /// Most detections per picture.
    pub max: Option<usize>,
    /// What an engine of it computes with.
    pub precision: Option<Precision>,
    /// What may stand in where its engine is not to be trusted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fallback: Vec<Fallback>,
    /// Asked only in steps of the governor that name it.
    pub spare: Option<bool>,
    /// `[model.options.<provider>]`: handed to the provider as it stands.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, toml::Table>,
}

/// `[runtime]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuntimeTable {
    /// Our own worker threads for decoding and preprocessing.
    pub threads: Option<usize>,
    /// Decode JPEG to a quarter or an eighth of its size where that is enough for every network that looks at the camera.
    pub scaled_jpeg: Option<bool>,
    /// The ONNX Runtime library.
    pub ort_lib: Option<PathBuf>,
}

/// `[fusion]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FusionTable {
    /// How long a camera frame waits for a sweep stamped after it, milliseconds of sensor time.
    pub wait_ms: Option<f64>,
    /// Oldest sweep that is still used, milliseconds of sensor time.
    pub sweep_age_ms_max: Option<f64>,
    /// Whether obstacles on the way that no detector knows are listed beside a camera's, as LiDAR shows them; not unless told.
    pub unknown: Option<bool>,
    /// Height of the cameras above the ground, metres, where neither calibration nor LiDAR tells.
    pub camera_height_m: Option<f64>,
}

/// `[output]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputTable {
    /// The run's folder.
    pub dir: Option<PathBuf>,
    /// Whether drive.rrd is written.
    pub save: Option<bool>,
    /// An MCAP file for results beside their frames, that ROS 2 and Foxglove tools read.
    pub mcap: Option<PathBuf>,
}

/// `[viewer]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewerTable {
    /// Start the viewer program.
    pub spawn: Option<bool>,
    /// A running viewer, e.g. `rerun+http://127.0.0.1:9876/proxy`.
    pub connect: Option<String>,
}

impl LaunchFile {
    /// Reads a launch file and applies `--set key.path=value` overrides. Paths in it become relative to the file's folder.
    pub fn read(path: &Path, overrides: &[String]) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("launch file {}: cannot be read; give the path of a .toml file", path.display()))
            .map_err(exit::usage)?;
        let mut launch = Self::parse(&text, overrides)
            .with_context(|| format!("launch file {}", path.display()))
            .map_err(exit::usage)?;
        launch.resolve_against(path.parent().unwrap_or(Path::new(".")));
        Ok(launch)
    }

    /// Parses the text of a launch file and applies overrides.
    pub fn parse(text: &str, overrides: &[String]) -> Result<Self> {
        let mut launch: Self = toml::from_str(text).map_err(|e| text::explain(&e))?;
        launch.apply(overrides)?;
        Ok(launch)
    }

    /// Applies `--set key.path=value` overrides. Errors carry exit code 2.
    pub fn apply(&mut self, overrides: &[String]) -> Result<()> {
        if overrides.is_empty() {
            return Ok(());
        }
        let apply = || -> Result<Self> {
            let mut table = toml::Table::try_from(&*self)?;
            for assignment in overrides {
                text::set(&mut table, assignment).with_context(|| format!("--set {assignment}"))?;
            }
            table.try_into().map_err(|e: toml::de::Error| text::explain(&e)).context("after --set")
        };
        *self = apply().map_err(exit::usage)?;
        Ok(())
    }

    /// The live sensors alone, for what needs nothing else. Errors carry exit code 2.
    pub fn live_plan(&self) -> Result<Option<LivePlan>> {
        let (live, cameras, lidars, faults) = (&self.live, &self.camera, &self.lidar, &self.faults);
        let tables = LiveTables { live, cameras, lidars, faults, models: &self.model };
        LivePlan::from_tables(&tables).map_err(exit::usage)
    }

    fn resolve_against(&mut self, folder: &Path) {
        let source = &mut self.source;
        let runtime = [&mut self.runtime.ort_lib, &mut self.engines.cache];
        let paths = [&mut source.drive, &mut source.calib, &mut source.meta].into_iter().chain(runtime);
        let cameras = self.camera.iter_mut().flat_map(|c| [&mut c.world, &mut c.drive, &mut c.calib]);
        let lidars = self.lidar.iter_mut().flat_map(|l| [&mut l.world, &mut l.drive, &mut l.calib, &mut l.meta]);
        let sensors = cameras.chain(lidars).flatten();
        let models = self.model.iter_mut().filter_map(|m| m.path.as_mut());
        for path in paths.flatten().chain(sensors).chain(models) {
            // A bare model name stays a name; a path that is there stays as it is.
            let beside = folder.join(&*path);
            if path.is_relative() && beside.exists() {
                *path = beside;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_names_the_nearest_known_one() {
        let error = LaunchFile::parse("[source]\ndrvie = 'x'\n", &[]).unwrap_err();
        let text = format!("{error:#}");
        assert!(text.contains("drvie") && text.contains("did you mean `drive`"), "{text}");
        assert!(text.contains("line 2"), "{text}");
    }

    #[test]
    fn overrides_reach_nested_keys_and_array_elements_and_are_checked() {
        let text = "[source]\ndrive = 'a'\n[[model]]\npath = 'm.onnx'\n";
        let launch = LaunchFile::parse(text, &["source.drive=b".into(), "model.0.score=0.5".into()]).unwrap();
        assert_eq!(launch.source.drive, Some(PathBuf::from("b")));
        assert_eq!(launch.model[0].score, Some(0.5));
        let error = LaunchFile::parse(text, &["model.0.scor=0.5".into()]).unwrap_err();
        assert!(format!("{error:#}").contains("did you mean `score`"), "{error:#}");
        let error = LaunchFile::parse(text, &["model.3.score=0.5".into()]).unwrap_err();
        assert!(format!("{error:#}").contains("has 1 element"), "{error:#}");
    }

    #[test]
    fn a_wrong_type_says_what_was_expected() {
        let error = LaunchFile::parse("[runtime]\nthreads = 'many'\n", &[]).unwrap_err();
        let text = format!("{error:#}");
        assert!(text.contains("line 2") && text.contains("expected usize"), "{text}");
    }
}
