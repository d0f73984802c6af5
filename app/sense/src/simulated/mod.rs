//! A scenario of the simulated world as a drive: what a recording has, rendered when it is asked for, with perfect labels.
//!
//! Contract: time 0 of the scenario is [`START`]; frame `k` of a sensor is stamped `k / rate` after it, rounded to a
//! nanosecond, and shows the world at its stamp. A sweep's stamp is the end of its turn, so that the first one was begun
//! before the start. Pictures are RGB, not encoded. Ego motion is known exactly at any time, from a second before the
//! start to a second after the end. Labels belong to pictures; they come with a picture that was read and are rendered
//! for themselves for one that was not, with the same result. The same scenario and options give the
//! same bytes on any machine, in any order of reading.
//!
//! Reading shares work by rayon inside the world and holds a lock meanwhile: do not read from within rayon's own threads.

mod file;
mod labels;
mod options;

use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

use ocellus_percept::image::PixelFormat;
use ocellus_percept::space::{CameraMount, LidarMount, Odom, Rig, Transform, Vehicle};
use ocellus_percept::time::Timestamp;
use ocellus_world::{CameraSetup, CameraTruth, LidarSetup, Quality, RenderBuffers, Scenario, SweepTruth, World};

use crate::calib::{self, SensorSlot};
use crate::drive::{Drive, DriveInfo, DriveKind, EgoInfo, Entry, SensorInfo, SensorKind, TimeSource};
use crate::error::{ReadError, SenseError};
use crate::files::rate_and_gaps;
use crate::labels::Label;
use crate::payload::{ImageEncoding, Payload};
use crate::probe::OpenOptions;

pub(crate) use file::{TomlKind, toml_kind};
pub use options::{SimulatedCamera, SimulatedOptions};

/// Sensor time of a scenario's second 0: 2026-01-01T00:00:00Z.
pub const START: Timestamp = Timestamp::from_nanos(1_767_225_600_000_000_000);

/// Name of the simulated LiDAR.
pub const LIDAR: &str = "points";

/// Ego motion is told this long before the start and after the end: ten turns of a 10 Hz LiDAR.
const BEYOND_S: f64 = 1.0;
/// For truths alone: as many samples as a picture's, since the lens they share decides on the last digits of a box that
/// reaches beyond the picture; hardly any shadow.
const TRUTH_ONLY: Quality = Quality { samples: Quality::FULL.samples, shadow_cells: 64 };
/// Scratch of one camera's rendering.
#[derive(Debug, Default)]
struct Studio {
    buffers: RenderBuffers,
    truth: CameraTruth,
}

/// A simulated sensor, in the order of [`DriveInfo::sensors`].
#[derive(Debug)]
enum Device {
    Lidar { setup: LidarSetup, truth: Mutex<SweepTruth> },
    Camera { setup: CameraSetup, studio: Box<Mutex<Studio>> },
}

/// A sensor's name, rate and device.
struct Sensor {
    name: &'static str,
    hz: f64,
    device: Device,
}

/// A scenario as a drive.
#[derive(Debug)]
pub(crate) struct SimulatedDrive {
    info: DriveInfo,
    entries: Vec<Entry>,
    world: World,
    devices: Vec<Device>,
    /// By entry; filled when asked for.
    labels: Vec<OnceLock<Vec<Label>>>,
    seconds: f64,
    quality: Quality,
}

/// Reads a scenario and makes its world; nothing is rendered yet.
pub(crate) fn open(path: &Path, options: &OpenOptions) -> Result<SimulatedDrive, SenseError> {
    drive(file::scenario(path)?, path, options)
}

/// A scenario made in code as a drive, under its own name.
///
/// # Errors
/// Options out of range, and a scenario that does not pass its checks.
pub fn open_scenario(scenario: &Scenario, options: &OpenOptions) -> Result<Box<dyn Drive>, SenseError> {
    Ok(Box::new(drive(scenario.clone(), Path::new(&scenario.name), options)?))
}

fn drive(mut scenario: Scenario, path: &Path, options: &OpenOptions) -> Result<SimulatedDrive, SenseError> {
    let simulated = &options.simulated;
    let seconds = simulated.seconds_or(scenario.duration_s)?;
    let sensors = sensors(simulated, scenario.rate_hz)?;
    let mut notes = Vec::new();
    if seconds > scenario.duration_s {
        notes.push(format!(
            "{seconds} s asked of a scenario of {} s: nothing scripted happens at the end, and made traffic differs",
            scenario.duration_s
        ));
        scenario.duration_s = seconds;
    }
    let seed = simulated.seed.unwrap_or(scenario.seed);
    let world = World::new(&scenario, seed).map_err(|source| SenseError::Scenario { file: path.into(), source })?;
    notes.push(format!("simulated: scenario '{}', seed {seed}", scenario.name));
    let (rig, rig_source) = rig(&sensors, options, &mut notes)?;
    let missing = simulated.missing()?;
    let entries = entries(&sensors, seconds, |seq| is_missing(seed, seq, missing));
    if missing > 0.0 {
        notes.push(format!("simulated: {:.0} % of the pictures are missing, as asked", missing * 100.0));
    }
    let duration_s = entries.last().map_or(0.0, |last| last.t.seconds_since(START));
    let infos: Vec<SensorInfo> = sensors.iter().enumerate().map(|(i, s)| describe(s, i, &entries)).collect();
    let pictures = infos.iter().filter(|s| s.kind == SensorKind::Camera).map(|s| s.count).sum();
    let info = DriveInfo {
        kind: DriveKind::Simulated,
        path: path.into(),
        sensors: infos,
        rig,
        rig_source: Some(rig_source),
        time_source: TimeSource::Simulated,
        duration_s,
        labels: (pictures > 0).then(|| labels::summary(&world, pictures)),
        ego: ego(&world, &entries),
        notes,
        lost: Vec::new(),
    };
    let labels = entries.iter().map(|_| OnceLock::new()).collect();
    let devices = sensors.into_iter().map(|s| s.device).collect();
    Ok(SimulatedDrive { info, entries, world, devices, labels, seconds, quality: simulated.quality })
}

/// The sensors asked for: the LiDAR first, then cameras by name.
fn sensors(options: &SimulatedOptions, scenario_hz: f64) -> Result<Vec<Sensor>, SenseError> {
    let cameras = options.cameras()?;
    let camera_hz = options.camera_hz_or(scenario_hz)?;
    let lidar = options.lidar(scenario_hz)?.map(|(setup, hz)| Sensor {
        name: LIDAR,
        hz,
        device: Device::Lidar { setup, truth: Mutex::default() },
    });
    let eyes = cameras.into_iter().map(|camera| Sensor {
        name: camera.name(),
        hz: camera_hz,
        device: Device::Camera { setup: camera.setup(options.resolution), studio: Box::default() },
    });
    Ok(lidar.into_iter().chain(eyes).collect())
}

/// The calibration as told to the pipeline: the world's own, or the one given in its place.
fn rig(sensors: &[Sensor], options: &OpenOptions, notes: &mut Vec<String>) -> Result<(Rig, String), SenseError> {
    let mut own = Rig::default();
    for sensor in sensors {
        match &sensor.device {
            Device::Lidar { setup, .. } => {
                own.lidars.insert(sensor.name.into(), LidarMount { vehicle_from_lidar: setup.vehicle_from_lidar });
            }
            Device::Camera { setup, .. } => {
                let optical_from_vehicle = Some(setup.optical_from_vehicle);
                own.cameras.insert(sensor.name.into(), CameraMount { camera: setup.camera, optical_from_vehicle });
            }
        }
    }
    let Some(given) = &options.calib else { return Ok((own, "the simulated world".into())) };
    let slots: Vec<SensorSlot<'_>> = sensors
        .iter()
        .map(|s| match &s.device {
            Device::Lidar { .. } => SensorSlot { name: s.name, kind: SensorKind::Lidar, size: None },
            Device::Camera { setup, .. } => {
                let size = Some((setup.camera.width, setup.camera.height));
                SensorSlot { name: s.name, kind: SensorKind::Camera, size }
            }
        })
        .collect();
    let rig = calib::read_for(given, &slots, None, notes)?;
    notes.push("the world is rendered with its own calibration whatever the one given says".to_owned());
    Ok((rig, given.display().to_string()))
}

/// Whether picture `seq` is among the missing `share`: by a hash of seed and number (the finaliser of SplitMix64), the
/// same for all cameras. The first is always there.
fn is_missing(seed: u64, seq: u64, share: f64) -> bool {
    let mut z = seed ^ seq.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    seq > 0 && ((z ^ (z >> 31)) as f64) < share * u64::MAX as f64
}

/// All frames before `seconds` but pictures that are missing, at least one of each sensor. Numbers tell of gaps.
fn entries(sensors: &[Sensor], seconds: f64, is_missing: impl Fn(u64) -> bool) -> Vec<Entry> {
    /// A frame this close before the end, in frames, is at the end: 16 s at 10 Hz are 160 frames.
    const ROUNDING: f64 = 1e-6;
    let mut entries = Vec::new();
    for (sensor, Sensor { hz, device, .. }) in sensors.iter().enumerate() {
        let count = ((seconds * hz - ROUNDING).ceil() as u64).max(1);
        let is_camera = matches!(device, Device::Camera { .. });
        let there = (0..count).filter(|seq| !is_camera || !is_missing(*seq));
        entries.extend(there.map(|seq| Entry { t: START.plus_seconds(seq as f64 / hz), sensor, seq }));
    }
    entries.sort_by_key(|e| (e.t, e.sensor, e.seq));
    entries
}

fn describe(sensor: &Sensor, index: usize, entries: &[Entry]) -> SensorInfo {
    let stamps: Vec<_> = entries.iter().filter(|e| e.sensor == index).map(|e| (e.seq, e.t)).collect();
    let (rate_hz, gaps) = rate_and_gaps(&stamps);
    let (kind, resolution_px, encoding) = match &sensor.device {
        Device::Lidar { setup, .. } => (SensorKind::Lidar, None, format!("{} beams, simulated", setup.beams_rad.len())),
        Device::Camera { setup: CameraSetup { camera, .. }, .. } => {
            (SensorKind::Camera, Some((camera.width, camera.height)), "raw rgb8, simulated".to_owned())
        }
    };
    SensorInfo {
        name: sensor.name.to_owned(),
        kind,
        count: stamps.len(),
        rate_hz,
        first: stamps.first().map(|s| s.1),
        last: stamps.last().map(|s| s.1),
        gaps,
        resolution_px,
        encoding,
    }
}

/// Length of the way, measured from frame to frame.
fn ego(world: &World, entries: &[Entry]) -> Option<EgoInfo> {
    let mut times: Vec<Timestamp> = entries.iter().map(|e| e.t).collect();
    times.dedup();
    let places: Vec<_> = times
        .iter()
        .map(|t| world.ego(t.seconds_since(START)).odom_from_vehicle.isometry().translation.vector)
        .collect();
    let path_m = places.iter().zip(places.iter().skip(1)).map(|(a, b)| (b - a).norm()).sum();
    let (first, last) = (*times.first()?, *times.last()?);
    Some(EgoInfo { poses: times.len(), first, last, path_m, source: "the simulated world, exact at any time".into() })
}

impl SimulatedDrive {
    /// Renders the picture at entry `index` at `quality` and hands its truths over.
    fn render<R>(
        &self,
        (setup, studio): (&CameraSetup, &Mutex<Studio>),
        index: usize,
        quality: Quality,
        take: impl FnOnce(&CameraTruth) -> R,
    ) -> R {
        let t = self.entries.get(index).map_or(START, |e| e.t);
        // What a panic left in the scratch is overwritten.
        let mut studio = studio.lock().unwrap_or_else(PoisonError::into_inner);
        let Studio { buffers, truth } = &mut *studio;
        self.world.snapshot(t.seconds_since(START)).render(setup, quality, buffers, truth);
        take(truth)
    }
}

fn labels_of(truth: &CameraTruth) -> Vec<Label> {
    truth.objects.iter().map(labels::label).collect()
}

impl Drive for SimulatedDrive {
    fn info(&self) -> &DriveInfo {
        &self.info
    }

    fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn read_into(&self, index: usize, out: &mut Payload) -> Result<(), ReadError> {
        let missing = || ReadError::NoSuchEntry { index, entries: self.entries.len() };
        let entry = self.entries.get(index).ok_or_else(missing)?;
        let t_s = entry.t.seconds_since(START);
        match self.devices.get(entry.sensor).ok_or_else(missing)? {
            Device::Lidar { setup, truth } => {
                let mut cloud = out.take_cloud();
                let mut truth = truth.lock().unwrap_or_else(PoisonError::into_inner);
                self.world.sweep(t_s, setup, &mut cloud, &mut truth);
                *out = Payload::Cloud(cloud);
            }
            Device::Camera { setup, studio } => {
                let mut image = out.take_image();
                image.origin = format!("{}, {} at {t_s:.3} s", self.info.path.display(), self.name(entry));
                let labels = self.render((setup, studio), index, self.quality, |truth| {
                    image.bytes.extend_from_slice(truth.rgb.data());
                    labels_of(truth)
                });
                let (width, height) = (setup.camera.width, setup.camera.height);
                image.encoding = ImageEncoding::Raw { format: PixelFormat::Rgb8, width, height };
                // Only now that the studio is free: `labels_at` holds the cell while it waits for the studio.
                if let Some(cell) = self.labels.get(index) {
                    cell.get_or_init(|| labels);
                }
                *out = Payload::Image(image);
            }
        }
        Ok(())
    }

    fn odom_from_vehicle(&self, t: Timestamp) -> Option<Transform<Odom, Vehicle>> {
        let t_s = t.seconds_since(START);
        let known = (-BEYOND_S..=self.seconds + BEYOND_S).contains(&t_s);
        known.then(|| self.world.ego(t_s).odom_from_vehicle)
    }

    fn labels_at(&self, index: usize) -> Option<&[Label]> {
        let entry = self.entries.get(index)?;
        let Device::Camera { setup, studio } = self.devices.get(entry.sensor)? else { return None };
        let labels = self.labels.get(index)?;
        Some(labels.get_or_init(|| self.render((setup, studio), index, TRUTH_ONLY, labels_of)))
    }
}

impl SimulatedDrive {
    fn name(&self, entry: &Entry) -> &str {
        self.info.sensors.get(entry.sensor).map_or("", |s| s.name.as_str())
    }
}
