//! The live part of a launch file: `[[camera]]`, `[[lidar]]` and `[live]`, as written and as validated.
//!
//! A live sensor is a scenario of the simulated world, or anything that can be replayed, given out at its own pace and
//! stamped with the time of today; a real camera; or a LiDAR's packets over UDP. Rates and limits that are not given come
//! from the sensor itself ([`SensorPlan`]).

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, anyhow};
use ocellus_sense::camera::CameraOptions;
use serde::{Deserialize, Serialize};

use super::camera as real;
use super::faults::{FaultPlan, FaultsTable};
use super::file::ModelTable;
use super::plan::network_paths;
use super::udp::UdpPlan;

/// Ticks a second where no frame comes: the first is out within 300 ms of a loss, and the jitter of a sensor at 10 Hz makes none.
const TICK_HZ_DEFAULT: f64 = 5.0;
/// Ticks a second that may be asked for: fewer than four would leave 300 ms without a word.
const TICK_HZ: (f64, f64) = (4.0, 100.0);
/// How long a finished frame waits for an older one of another camera: half a frame at 10 Hz.
const ORDER_MS_DEFAULT: f64 = 50.0;
/// Longest limit that is still live, milliseconds.
const LIMIT_MS_MAX: f64 = 60_000.0;

/// `[live]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LiveTable {
    /// Lines a second in objects.jsonl while no frame comes.
    pub tick_hz: Option<f64>,
    /// How long a finished frame waits for an older one of another sensor, milliseconds.
    pub order_ms: Option<f64>,
    /// End after so many seconds; without it the run ends with its sensors, or when it is stopped.
    pub seconds: Option<f64>,
    /// Record what the sensors give to this MCAP file.
    pub record: Option<PathBuf>,
    /// Where `/health` and `/metrics` answer, e.g. `127.0.0.1:9464`; nowhere where absent.
    pub http: Option<String>,
}

/// `[[camera]]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CameraTable {
    /// Its name in all results; the source's own where absent.
    pub name: Option<String>,
    /// A scenario of the simulated world, rendered in real time.
    pub world: Option<PathBuf>,
    /// Anything that can be replayed (video, pictures, a drive), at its own pace.
    pub drive: Option<PathBuf>,
    /// A real camera: a path such as `/dev/video0`, a number, a name, or the bus it hangs on.
    pub device: Option<String>,
    /// A real camera's format: `nv12`, `yuyv`, `uyvy`, `mjpeg`, `grey`, `y16`.
    pub format: Option<String>,
    /// Which camera of the world (`camera`, `camera_left`, `camera_right`) or of the drive.
    pub sensor: Option<String>,
    /// Pictures a second of a simulated or real camera.
    pub hz: Option<f64>,
    /// Columns and rows of a simulated or real camera.
    pub size: Option<[u32; 2]>,
    /// Seed of the world.
    pub seed: Option<u64>,
    /// Seconds of the world.
    pub seconds: Option<f64>,
    /// Its calibration, in place of the source's own.
    pub calib: Option<PathBuf>,
    /// Without a frame for so long it is late.
    pub late_ms: Option<f64>,
    /// Without a frame for so long it is stale.
    pub stale_ms: Option<f64>,
}

/// `[[lidar]]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LidarTable {
    /// Its name in all results; the source's own where absent.
    pub name: Option<String>,
    /// A scenario of the simulated world, measured in real time.
    pub world: Option<PathBuf>,
    /// A recorded drive, at its own pace.
    pub drive: Option<PathBuf>,
    /// Address and port that its packets come to over UDP, e.g. `0.0.0.0:2368`.
    pub udp: Option<String>,
    /// Whose packets: `vlp16`, `hdl32e`, `ouster`, `mid360`.
    pub model: Option<String>,
    /// An Ouster's metadata (JSON).
    pub meta: Option<PathBuf>,
    /// The only sender whose packets are taken.
    pub from: Option<String>,
    /// A multicast group to join.
    pub group: Option<String>,
    /// Socket buffer asked of the kernel, KiB.
    pub buffer_kib: Option<usize>,
    /// Where turns are cut, degrees as the sensor counts them.
    pub cut_deg: Option<f64>,
    /// Which LiDAR of the drive.
    pub sensor: Option<String>,
    /// Turns a second of a simulated LiDAR.
    pub hz: Option<f64>,
    /// Beams of a simulated LiDAR.
    pub beams: Option<usize>,
    /// Columns a turn of a simulated LiDAR.
    pub columns: Option<usize>,
    /// Seed of the world.
    pub seed: Option<u64>,
    /// Seconds of the world.
    pub seconds: Option<f64>,
    /// Its calibration, in place of the source's own.
    pub calib: Option<PathBuf>,
    /// Without a sweep for so long it is late.
    pub late_ms: Option<f64>,
    /// Without a sweep for so long it is stale.
    pub stale_ms: Option<f64>,
}

/// What is run where sensors are live.
#[derive(Debug, Clone, PartialEq)]
pub struct LivePlan {
    /// The sensors, cameras first, as written.
    pub sensors: Vec<SensorPlan>,
    /// From one line of objects.jsonl to a tick, and from tick to tick.
    pub tick: Duration,
    /// How long a finished frame waits for an older one of another sensor.
    pub order: Duration,
    /// When the run ends by itself.
    pub seconds: Option<Duration>,
    /// Where the sensors are recorded.
    pub record: Option<PathBuf>,
    /// Where `/health` and `/metrics` answer.
    pub http: Option<SocketAddr>,
    /// What is made to go wrong.
    pub faults: FaultPlan,
}

/// Where a live sensor's frames come from.
#[derive(Debug, Clone, PartialEq)]
pub enum SensorSource {
    /// A scenario of the simulated world.
    World(PathBuf),
    /// Anything that can be replayed.
    Drive(PathBuf),
    /// A real camera.
    Camera(CameraOptions),
    /// Packets over UDP.
    Udp(UdpPlan),
}

/// One live sensor.
#[derive(Debug, Clone, PartialEq)]
pub struct SensorPlan {
    /// Whether it is a camera, rather than a LiDAR.
    pub camera: bool,
    /// Its name; the source's own where `None`.
    pub name: Option<String>,
    /// Where its frames come from.
    pub source: SensorSource,
    /// Which of the source's sensors it is.
    pub sensor: Option<String>,
    /// Frames a second of a simulated one.
    pub hz: Option<f64>,
    /// Columns and rows of a simulated camera.
    pub size: Option<[u32; 2]>,
    /// Beams of a simulated LiDAR.
    pub beams: Option<usize>,
    /// Columns a turn of a simulated LiDAR.
    pub columns: Option<usize>,
    /// Seed of the world.
    pub seed: Option<u64>,
    /// Seconds of the world.
    pub seconds: Option<f64>,
    /// Its calibration.
    pub calib: Option<PathBuf>,
    /// When it counts as late; by its rate where `None`.
    pub late: Option<Duration>,
    /// When it counts as stale; by its rate where `None`.
    pub stale: Option<Duration>,
}

/// The tables of a launch file that are about live sensors.
pub struct LiveTables<'a> {
    /// `[live]`
    pub live: &'a LiveTable,
    /// `[[camera]]`
    pub cameras: &'a [CameraTable],
    /// `[[lidar]]`
    pub lidars: &'a [LidarTable],
    /// `[faults]`
    pub faults: &'a FaultsTable,
    /// `[[model]]`, which faults may name.
    pub models: &'a [ModelTable],
}

impl LivePlan {
    /// Validates the tables; `None` where no sensor is live.
    pub fn from_tables(tables: &LiveTables<'_>) -> Result<Option<Self>> {
        let LiveTables { live, cameras, lidars, faults, models } = tables;
        if cameras.is_empty() && lidars.is_empty() {
            if **live != LiveTable::default() || **faults != FaultsTable::default() {
                return Err(anyhow!("[live] and [faults] are about live sensors: add a [[camera]] or a [[lidar]]"));
            }
            return Ok(None);
        }
        let cameras = cameras.iter().enumerate().map(|(i, table)| camera(i, table));
        let lidars = lidars.iter().enumerate().map(|(i, table)| lidar(i, table));
        Ok(Some(Self {
            sensors: cameras.chain(lidars).collect::<Result<_>>()?,
            tick: Duration::from_secs_f64(1.0 / number("live.tick_hz", live.tick_hz, TICK_HZ_DEFAULT, TICK_HZ)?),
            order: millis("live.order_ms", live.order_ms)?.unwrap_or(Duration::from_secs_f64(ORDER_MS_DEFAULT * 1e-3)),
            seconds: live
                .seconds
                .map(|s| number("live.seconds", Some(s), s, (0.1, 1e7)).map(Duration::from_secs_f64))
                .transpose()?,
            record: live.record.clone(),
            http: live.http.as_deref().map(http).transpose()?,
            faults: FaultPlan::from_table(faults, &network_paths(models))?,
        }))
    }
}

fn camera(index: usize, table: &CameraTable) -> Result<SensorPlan> {
    let key = |name: &str| format!("camera.{index}.{name}");
    Ok(SensorPlan {
        camera: true,
        name: table.name.clone(),
        source: match real::from_table(index, table)? {
            Some(camera) => SensorSource::Camera(camera),
            None => source(&key(""), "device", table.world.as_ref(), table.drive.as_ref())?,
        },
        sensor: table.sensor.clone(),
        hz: table.hz,
        size: table.size,
        beams: None,
        columns: None,
        seed: table.seed,
        seconds: table.seconds,
        calib: table.calib.clone(),
        late: millis(&key("late_ms"), table.late_ms)?,
        stale: millis(&key("stale_ms"), table.stale_ms)?,
    })
}

fn lidar(index: usize, table: &LidarTable) -> Result<SensorPlan> {
    let key = |name: &str| format!("lidar.{index}.{name}");
    Ok(SensorPlan {
        camera: false,
        name: table.name.clone(),
        source: match UdpPlan::from_table(index, table)? {
            Some(udp) if table.world.is_none() && table.drive.is_none() => SensorSource::Udp(udp),
            Some(_) => return Err(anyhow!("{}: a LiDAR over UDP has no world and no drive", key("udp"))),
            None => source(&key(""), "udp", table.world.as_ref(), table.drive.as_ref())?,
        },
        sensor: table.sensor.clone(),
        hz: table.hz,
        size: None,
        beams: table.beams,
        columns: table.columns,
        seed: table.seed,
        seconds: table.seconds,
        calib: table.calib.clone(),
        late: millis(&key("late_ms"), table.late_ms)?,
        stale: millis(&key("stale_ms"), table.stale_ms)?,
    })
}

fn source(key: &str, real: &str, world: Option<&PathBuf>, drive: Option<&PathBuf>) -> Result<SensorSource> {
    match (world, drive) {
        (Some(world), None) => Ok(SensorSource::World(world.clone())),
        (None, Some(drive)) => Ok(SensorSource::Drive(drive.clone())),
        _ => Err(anyhow!("{key}{real}, {key}world or {key}drive: say which one it is, one of the three")),
    }
}

fn http(text: &str) -> Result<SocketAddr> {
    text.parse()
        .map_err(|_| anyhow!("live.http: expected an address and a port such as 127.0.0.1:9464, got \"{text}\""))
}

fn millis(key: &str, value: Option<f64>) -> Result<Option<Duration>> {
    let Some(ms) = value else { return Ok(None) };
    number(key, Some(ms), ms, (1.0, LIMIT_MS_MAX)).map(|ms| Some(Duration::from_secs_f64(ms * 1e-3)))
}

/// A number given, or `default`, within its range.
pub(super) fn number(key: &str, value: Option<f64>, default: f64, (min, max): (f64, f64)) -> Result<f64> {
    let value = value.unwrap_or(default);
    if (min..=max).contains(&value) {
        return Ok(value);
    }
    Err(anyhow!("{key}: expected {min} to {max}, got {value}"))
}
