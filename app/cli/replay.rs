//! `ocellus replay DRIVE`: the short form of a launch file for recorded drives.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::exit::Outcome;
use crate::launch::file::{ModelTable, SpeedValue};
use crate::launch::{LaunchFile, Plan};
use crate::wire;

/// Replay a recorded drive through networks, fusion and tracking.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: ocellus replay /data/2011_09_26_drive_0001_sync --model yolox_nano.onnx --out out --save\n\
                        The run's folder gets objects.jsonl, ledger.json, latency.json and run.json."
)]
pub struct Replay {
    /// A recorded drive: KITTI raw or object, Argoverse 2 log, MCAP, folder of pictures, video file, LiDAR packets.
    drive: PathBuf,
    /// An ONNX file, the name of a folder under models/, or `truth` for the drive's own labels; may be given several
    /// times. None: LiDAR only.
    #[arg(long = "model", value_name = "FILE|NAME")]
    models: Vec<PathBuf>,
    /// The folder the results go to.
    #[arg(long)]
    out: PathBuf,
    /// A calibration file that replaces the drive's own.
    #[arg(long, value_name = "FILE")]
    calib: Option<PathBuf>,
    /// Metadata (JSON) of the Ouster sensor whose packets are replayed, or the sensor's own address (`http://os1.local`);
    /// looked for beside the recording unless told.
    #[arg(long, value_name = "JSON")]
    meta: Option<PathBuf>,
    /// Sensors to use, by name; all unless told.
    #[arg(long = "sensor", value_name = "NAME")]
    sensors: Vec<String>,
    /// Put stamps that run backwards in order rather than refuse the drive.
    #[arg(long)]
    sort_stamps: bool,
    /// Replay a recording of a live run in the order of arrival, without the frames that the run dropped. Every network that is
    /// given here is asked about every frame that is left: which of them a governor had stepped down is told by the second in
    /// the live run's run.json (`governor.taken`), not by the frame in the recording.
    #[arg(long)]
    as_recorded: bool,
    /// Write obstacles as CAN frames to a candump log (see launch/ocellus.dbc).
    #[arg(long, value_name = "FILE")]
    can: Option<PathBuf>,
    /// Write results beside their frames as MCAP, for ROS 2 and Foxglove tools.
    #[arg(long, value_name = "FILE")]
    mcap: Option<PathBuf>,
    /// Keep the seconds around each warning in this folder, as MCAP clips with inputs, results and the reason.
    #[arg(long, value_name = "DIR")]
    clips: Option<PathBuf>,
    /// Write drive.rrd.
    #[arg(long)]
    save: bool,
    /// Start the rerun viewer.
    #[arg(long)]
    spawn: bool,
    /// Send to a running rerun viewer, e.g. rerun+http://127.0.0.1:9876/proxy.
    #[arg(long, value_name = "URL", conflicts_with = "spawn")]
    connect: Option<String>,
    /// `max`, or a factor of real time.
    #[arg(long, default_value = "max")]
    speed: String,
    /// Our own worker threads for decoding and preprocessing.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Providers in order of preference, e.g. tensorrt,cuda,cpu.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    providers: Vec<String>,
    /// The provider without which the run must not start (exit code 4).
    #[arg(long, value_name = "PROVIDER")]
    require: Option<String>,
    /// Build engines that were not prepared, which may take minutes (see `ocellus prepare`).
    #[arg(long)]
    allow_build: bool,
    /// Refuse networks that no good Distillation Statement vouches for (exit code 4).
    #[arg(long)]
    require_statement: bool,
    /// Lowest score reported.
    #[arg(long, value_name = "0..1")]
    score: Option<f32>,
    /// Milliseconds of sensor time a camera frame waits for a sweep stamped after it.
    #[arg(long, value_name = "MS")]
    wait_ms: Option<f64>,
    /// The ONNX Runtime library.
    #[arg(long, value_name = "FILE")]
    ort_lib: Option<PathBuf>,
    /// Override a key of the launch file this stands for; may be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Print the summary as JSON.
    #[arg(long)]
    json: bool,
}

impl Replay {
    pub(super) fn run(self) -> Result<Outcome> {
        let json = self.json;
        let overrides = self.set.clone();
        let mut file = self.launch_file();
        file.apply(&overrides)?;
        let summary = wire::run(&Plan::from_file(&file)?)?;
        summary.print(json)?;
        Ok(summary.outcome())
    }

    fn launch_file(self) -> LaunchFile {
        let require_statement = self.require_statement.then_some(true);
        let mut file = LaunchFile { require_statement, ..LaunchFile::default() };
        file.source.drive = Some(self.drive);
        file.source.calib = self.calib;
        file.source.meta = self.meta;
        file.source.sort_stamps = Some(self.sort_stamps);
        file.source.as_recorded = self.as_recorded.then_some(true);
        file.source.sensors = (!self.sensors.is_empty()).then_some(self.sensors);
        file.source.speed = Some(SpeedValue::Text(self.speed));
        file.engines.allow_build = self.allow_build.then_some(true);
        file.runtime.threads = self.threads;
        file.runtime.ort_lib = self.ort_lib;
        file.fusion.wait_ms = self.wait_ms;
        file.can.file = self.can;
        file.clips.dir = self.clips;
        file.output.dir = Some(self.out);
        file.output.save = Some(self.save);
        file.output.mcap = self.mcap;
        file.viewer.spawn = Some(self.spawn);
        file.viewer.connect = self.connect;
        let providers = self.providers;
        let (require, score) = (self.require, self.score);
        let table = |path| ModelTable {
            path: Some(path),
            providers: (!providers.is_empty()).then(|| providers.clone()),
            require: require.clone(),
            score,
            ..ModelTable::default()
        };
        file.model = self.models.into_iter().map(table).collect();
        file
    }
}
