//! All live sensors seen as one [`Drive`]: names, calibration, ego motion and labels for the rest of the program. It has
//! nothing to read ahead: frames come from the sensors' feeds.
//!
//! Each sensor's source is opened for itself, restricted to that sensor. An entry here is the source's index plus the
//! source's offset; stamps are the source's, moved so that it begins with the run.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, OnceLock};

use anyhow::{Result, anyhow};
use ocellus_percept::space::{Odom, Rig, Transform, Vehicle};
use ocellus_percept::time::Timestamp;
use ocellus_sense::camera::{self, CameraError};
use ocellus_sense::labels::{Label, LabelSummary};
use ocellus_sense::{
    Drive, DriveInfo, DriveKind, OpenOptions, Payload, ReadError, SensorInfo, SensorKind, SimulatedCamera,
    SimulatedOptions, TimeSource, simulated,
};

use super::clock::LiveClock;
use super::feed::Track;
use super::udp;
use crate::exit;
use crate::launch::{LivePlan, SensorPlan, SensorSource};

/// The live sensors of a run.
pub struct LiveDrive {
    info: DriveInfo,
    sources: Vec<Source>,
    clock: OnceLock<LiveClock>,
}

/// One sensor's source.
struct Source {
    drive: Arc<dyn Drive>,
    base: Timestamp,
    entry_offset: usize,
    entries: Arc<[usize]>,
}

impl LiveDrive {
    /// Opens the sources of all sensors. Errors carry exit code 2, but for a camera that may yet come.
    pub fn open(plan: &LivePlan, calib: Option<&Path>) -> Result<Self> {
        let opened = plan.sensors.iter().map(|sensor| Ok(Arc::from(open(sensor, calib).map_err(coded)?)));
        Self::of(plan, opened.collect::<Result<_>>()?)
    }

    /// On the opened sources of all sensors, in the plan's order.
    pub fn of(plan: &LivePlan, drives: Vec<Arc<dyn Drive>>) -> Result<Self> {
        let mut info = DriveInfo {
            kind: DriveKind::Live,
            path: PathBuf::from(crate::launch::LIVE),
            sensors: Vec::new(),
            rig: Rig::default(),
            rig_source: None,
            time_source: TimeSource::Live,
            duration_s: 0.0,
            labels: None,
            ego: None,
            notes: Vec::new(),
            lost: Vec::new(),
        };
        let mut sources = Vec::new();
        let mut entry_offset = 0;
        for (sensor, drive) in plan.sensors.iter().zip(drives) {
            let source = join(sensor, drive, entry_offset, &mut info).map_err(exit::usage)?;
            entry_offset += source.drive.entries().len();
            sources.push(source);
        }
        // What holds of all the sources holds of the run: the simulated vehicle's outline, say.
        if let [first, rest @ ..] = sources.as_slice()
            && rest.iter().all(|s: &Source| s.drive.info().kind == first.drive.info().kind)
        {
            info.kind = first.drive.info().kind;
        }
        Ok(Self { info, sources, clock: OnceLock::new() })
    }

    /// Begins the run: the sources' frames are due from now on. The clock of the first call stays.
    pub fn start_clock(&self) -> LiveClock {
        *self.clock.get_or_init(LiveClock::start)
    }

    /// The frames of the `sensor`-th sensor of the plan.
    pub fn track(&self, sensor: usize) -> Option<Track> {
        let source = self.sources.get(sensor)?;
        Some(Track {
            drive: Arc::clone(&source.drive),
            entries: Arc::clone(&source.entries),
            base: source.base,
            entry_offset: source.entry_offset,
            position: Arc::new(AtomicUsize::new(0)),
        })
    }

    /// The source of an entry, and the entry's index there.
    fn source_of(&self, entry: usize) -> Option<(&Source, usize)> {
        let holds = |s: &&Source| (s.entry_offset..s.entry_offset + s.drive.entries().len()).contains(&entry);
        self.sources.iter().find(holds).map(|s| (s, entry - s.entry_offset))
    }
}

/// A camera that is not there is a failure, after which a service is started again; everything else is a wrong plan.
fn coded(error: anyhow::Error) -> anyhow::Error {
    let passes = error.downcast_ref::<CameraError>().is_some_and(CameraError::may_pass);
    if passes { error } else { exit::usage(error) }
}

/// Opens one sensor's source.
fn open(plan: &SensorPlan, calib: Option<&Path>) -> Result<Box<dyn Drive>> {
    let calib = plan.calib.as_deref().or(calib).map(Path::to_path_buf);
    let simulated = simulated_options(plan)?;
    let options = OpenOptions { calib, uncalibrated: true, simulated, ..OpenOptions::default() };
    match &plan.source {
        SensorSource::World(path) | SensorSource::Drive(path) => Ok(ocellus_sense::open(path, &options)?),
        SensorSource::Camera(camera) => {
            // Opened to see that it is there and what it gives; it is opened again to capture.
            let mode = camera::open(camera)?.mode().clone();
            Ok(camera::as_drive(&mode, options.calib.as_deref())?)
        }
        SensorSource::Udp(udp) => Ok(ocellus_sense::lidar::heard(&udp::options(udp)?, options.calib.as_deref())?),
    }
}

fn simulated_options(plan: &SensorPlan) -> Result<SimulatedOptions> {
    let cameras = [SimulatedCamera::Front, SimulatedCamera::Left, SimulatedCamera::Right];
    let wanted = plan.sensor.as_deref().unwrap_or(SimulatedCamera::Front.name());
    let is_world = matches!(plan.source, SensorSource::World(_));
    let camera = cameras.into_iter().find(|c| c.name() == wanted);
    if is_world && plan.camera && camera.is_none() {
        let known = cameras.map(SimulatedCamera::name).join(", ");
        return Err(anyhow!("sensor `{wanted}`: a simulated vehicle has no such camera; it has: {known}"));
    }
    let defaults = SimulatedOptions::default();
    Ok(SimulatedOptions {
        seed: plan.seed,
        seconds: plan.seconds,
        cameras: if plan.camera { camera.into_iter().collect() } else { Vec::new() },
        camera_hz: plan.hz,
        lidar_hz: if plan.camera { None } else { plan.hz },
        lidar_beams: if plan.camera { 0 } else { plan.beams.unwrap_or(defaults.lidar_beams) },
        lidar_columns: plan.columns,
        resolution: plan.size.map_or(defaults.resolution, |[width, height]| (width, height)),
        ..defaults
    })
}

/// Adds one sensor of `drive` to the run's.
fn join(plan: &SensorPlan, drive: Arc<dyn Drive>, entry_offset: usize, info: &mut DriveInfo) -> Result<Source> {
    let own = drive.info();
    let (index, sensor) = chosen(plan, own)?;
    let name = plan.name.clone().unwrap_or_else(|| sensor.name.clone());
    if info.sensors.iter().any(|s| s.name == name) {
        return Err(anyhow!("two sensors are called `{name}`: give one of them another name"));
    }
    let (source, old) = (own.path.display(), &sensor.name);
    if let Some(mount) = own.rig.cameras.get(old) {
        info.rig.cameras.insert(name.clone(), *mount);
    }
    if let Some(mount) = own.rig.lidars.get(old) {
        info.rig.lidars.insert(name.clone(), *mount);
    }
    info.notes.extend(own.notes.iter().map(|note| format!("{name}: {note}")));
    info.lost.extend(own.lost.iter().map(|lost| format!("{name}: {lost}")));
    info.ego = info.ego.take().or_else(|| own.ego.clone());
    info.rig_source = info.rig_source.take().or_else(|| own.rig_source.clone());
    info.duration_s = info.duration_s.max(own.duration_s);
    if let Some(labels) = own.labels.as_ref().filter(|_| plan.camera) {
        let all = info.labels.get_or_insert_with(LabelSummary::default);
        all.frames += labels.frames;
        for (class, count) in &labels.classes {
            *all.classes.entry(class.clone()).or_default() += count;
        }
    }
    info.notes.push(format!("{name}: {} of {source}, {}", sensor.kind, own.kind));
    info.sensors.push(SensorInfo { name, ..sensor.clone() });
    let entries = drive.entries().iter().enumerate().filter(|(_, e)| e.sensor == index).map(|(i, _)| i).collect();
    // A scenario's second 0 is the run's beginning; of a recording it is the first frame of any of its sensors.
    let first = drive.entries().first().map(|e| e.t);
    let base = if own.kind == DriveKind::Simulated { simulated::START } else { first.unwrap_or(simulated::START) };
    Ok(Source { drive, base, entry_offset, entries })
}

/// The sensor of a source that the plan means: the one named, else the only one of its kind.
fn chosen<'a>(plan: &SensorPlan, info: &'a DriveInfo) -> Result<(usize, &'a SensorInfo)> {
    let kind = if plan.camera { SensorKind::Camera } else { SensorKind::Lidar };
    let of_kind: Vec<_> = info
        .sensors
        .iter()
        .enumerate()
        .filter(|(_, s)| s.kind == kind && (s.count > 0 || info.kind == DriveKind::Live))
        .collect();
    let names = || of_kind.iter().map(|(_, s)| s.name.as_str()).collect::<Vec<_>>().join(", ");
    let path = info.path.display();
    match (&plan.sensor, of_kind.as_slice()) {
        (_, []) => Err(anyhow!("{path}: it has no {kind}")),
        (Some(name), some) => some
            .iter()
            .copied()
            .find(|(_, s)| s.name == *name)
            .ok_or_else(|| anyhow!("sensor `{name}`: {path} has no such {kind}; it has: {}", names())),
        (None, [only]) => Ok(*only),
        (None, _) => Err(anyhow!("{path}: it has several of kind {kind}: name one with `sensor`: {}", names())),
    }
}

impl Drive for LiveDrive {
    fn info(&self) -> &DriveInfo {
        &self.info
    }

    fn entries(&self) -> &[ocellus_sense::Entry] {
        &[]
    }

    fn read_into(&self, index: usize, _out: &mut Payload) -> Result<(), ReadError> {
        Err(ReadError::NoSuchEntry { index, entries: 0 })
    }

    fn odom_from_vehicle(&self, t: Timestamp) -> Option<Transform<Odom, Vehicle>> {
        let since_s = self.clock.get()?.seconds(t);
        self.sources.iter().find_map(|s| s.drive.odom_from_vehicle(s.base.plus_seconds(since_s)))
    }

    fn labels_at(&self, entry: usize) -> Option<&[Label]> {
        let (source, index) = self.source_of(entry)?;
        source.drive.labels_at(index)
    }
}
