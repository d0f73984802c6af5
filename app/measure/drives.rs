//! Drives with truth, moment by moment, and runs of the whole pipeline on them.
//!
//! Of the simulated world everything is known (distance to the nearest visible point, velocity, time to collision); of a
//! recording what its labels say (distance to the nearest point of a cuboid).

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result, anyhow};
use ocellus_percept::detection::BoxPx;
use ocellus_percept::report::FrameReport;
use ocellus_percept::space::{Optical, Point3, Rig, Transform, Vehicle};
use ocellus_percept::time::Timestamp;
use ocellus_sense::labels::{Cuboid, Label};
use ocellus_sense::simulated::START;
use ocellus_sense::{Drive, DriveInfo, Entry, OpenOptions, Payload, SensorKind, SimulatedOptions};
use ocellus_world::rig::front_camera;
use ocellus_world::{CameraTruth, ObjectClass, Quality, RenderBuffers, World};

use super::labels::{Meaning, meaning};
use super::subject::Loading;
use super::worlds::{self, OCCLUSION_MAX, VISIBLE_PX_MIN, Worlds};
use crate::exit;
use crate::launch::file::ModelTable;
use crate::launch::{LaunchFile, Plan};
use crate::wire;

/// Hardly any shadow: truths alone are wanted.
const TRUTH_ONLY: Quality = Quality { samples: 1, shadow_cells: 64 };

/// An object as it truly was.
#[derive(Debug, Clone)]
pub struct True {
    /// Class name.
    pub class: String,
    /// Box of what is visible in the picture; `None` where it counts as not visible.
    pub bbox: Option<BoxPx>,
    /// Identity.
    pub track: String,
    /// From the camera to its nearest point, metres.
    pub distance_m: Option<f64>,
    /// That point in the vehicle frame, metres.
    pub nearest_m: Option<[f64; 3]>,
    /// Over the ground, axes of the vehicle, m/s.
    pub velocity_mps: Option<[f64; 3]>,
    /// Seconds to contact, where both keep their velocity and it comes.
    pub ttc_s: Option<f64>,
}

/// All objects at one moment.
#[derive(Debug, Clone)]
pub struct Moment {
    /// When.
    pub t: Timestamp,
    /// What was there.
    pub objects: Vec<True>,
}

/// A drive and its truth.
pub struct TrueDrive {
    /// For people.
    pub name: String,
    /// The drive; what is rendered is rendered once.
    pub drive: Arc<dyn Drive>,
    /// By picture of the judged camera.
    pub moments: Vec<Moment>,
    /// The camera whose pictures are judged.
    pub camera: String,
    /// Whether velocities and times to collision are known.
    pub simulated: bool,
}

impl TrueDrive {
    /// Whether a LiDAR takes part.
    pub fn has_lidar(&self) -> bool {
        self.drive.info().sensors.iter().any(|s| s.kind == SensorKind::Lidar && s.count > 0)
    }
}

/// A simulated drive is not longer than this unless told: what happens in a scenario happens before.
const DRIVE_S_MAX: f64 = 10.0;

/// Drives of `sources`, each of at most `seconds` where it is simulated; what cannot be driven is in the second list.
pub fn open(sources: &[String], seconds: Option<f64>) -> Result<(Vec<TrueDrive>, Vec<String>)> {
    let (mut drives, mut notes) = (Vec::new(), Vec::new());
    for source in sources {
        let Some(written) = source.strip_prefix(worlds::PREFIX) else {
            match recorded(Path::new(source)) {
                Ok(drive) => drives.push(drive),
                Err(error) => notes.push(format!("{source} is not driven: {error:#}")),
            }
            continue;
        };
        let worlds = Worlds::parse(written).with_context(|| source.clone()).map_err(exit::usage)?;
        for &seed in &worlds.seeds {
            let scenario = worlds.scenario(seed)?;
            let simulated = SimulatedOptions {
                seed: Some(seed),
                seconds: Some(seconds.unwrap_or(DRIVE_S_MAX).min(scenario.duration_s)),
                ..SimulatedOptions::default()
            };
            let options = OpenOptions { simulated, ..OpenOptions::default() };
            let opened = ocellus_sense::simulated::open_scenario(&scenario, &options);
            let drive: Arc<dyn Drive> = Arc::from(opened.map_err(exit::usage)?);
            let camera = camera_of(drive.as_ref())?;
            let world = World::new(&scenario, seed).with_context(|| source.clone())?;
            let moments = of_world(&world, &stamps(drive.as_ref(), &camera));
            let name = format!("{}@{seed}", scenario.name);
            drives.push(TrueDrive { name, drive: Arc::new(Held::new(drive)), moments, camera, simulated: true });
        }
    }
    Ok((drives, notes))
}

/// The front camera, which is the first by name.
fn camera_of(drive: &dyn Drive) -> Result<String> {
    let camera = drive.info().sensors.iter().find(|s| s.kind == SensorKind::Camera && s.count > 0);
    camera.map(|c| c.name.clone()).ok_or_else(|| anyhow!("the drive has no pictures"))
}

fn stamps(drive: &dyn Drive, camera: &str) -> Vec<Timestamp> {
    entries_of(drive, camera).into_iter().filter_map(|i| drive.entries().get(i)).map(|e| e.t).collect()
}

fn entries_of(drive: &dyn Drive, camera: &str) -> Vec<usize> {
    let named = |e: &Entry| drive.info().sensors.get(e.sensor).is_some_and(|s| s.name == camera);
    drive.entries().iter().enumerate().filter(|(_, e)| named(e)).map(|(i, _)| i).collect()
}

fn of_world(world: &World, times: &[Timestamp]) -> Vec<Moment> {
    let (mut buffers, mut truth) = (RenderBuffers::new(), CameraTruth::default());
    let setup = front_camera(worlds::SIZE.0, worlds::SIZE.1);
    let mut moments = Vec::with_capacity(times.len());
    for &t in times {
        world.snapshot(t.seconds_since(START)).render(&setup, TRUTH_ONLY, &mut buffers, &mut truth);
        let objects = truth.objects.iter().map(|o| True {
            class: o.class.name().to_owned(),
            bbox: o.box_visible.filter(|_| {
                o.visible_px >= VISIBLE_PX_MIN && o.occlusion <= OCCLUSION_MAX && o.class != ObjectClass::Unknown
            }),
            track: o.instance.to_string(),
            distance_m: o.distance_m,
            nearest_m: o.nearest_vehicle.map(|p| p.xyz.into()),
            velocity_mps: Some(o.velocity_vehicle_mps),
            ttc_s: o.ttc_s,
        });
        moments.push(Moment { t, objects: objects.collect() });
    }
    moments
}

/// A recording with labels.
pub fn recorded(path: &Path) -> Result<TrueDrive> {
    let drive: Arc<dyn Drive> = Arc::from(ocellus_sense::open(path, &OpenOptions::default())?);
    if drive.info().labels.is_none() {
        return Err(anyhow!("it has no labels"));
    }
    let camera = camera_of(drive.as_ref())?;
    let mut moments = Vec::new();
    for entry in entries_of(drive.as_ref(), &camera) {
        let Some(labels) = drive.labels_at(entry) else { continue };
        let mount = drive.rig_at(entry).cameras.get(&camera).and_then(|m| m.optical_from_vehicle);
        let t = drive.entries().get(entry).map(|e| e.t).context("an entry of the drive")?;
        moments.push(Moment { t, objects: labels.iter().map(|l| of_label(l, mount.as_ref())).collect() });
    }
    let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    Ok(TrueDrive { name, drive, moments, camera, simulated: false })
}

fn of_label(label: &Label, optical_from_vehicle: Option<&Transform<Optical, Vehicle>>) -> True {
    let eye = optical_from_vehicle.map(|t| t.inverse().apply(&Point3::new(0.0, 0.0, 0.0)));
    let near = eye.zip(label.cuboid.as_ref()).map(|(eye, cuboid)| nearest(&eye, cuboid));
    True {
        class: match meaning(&label.class) {
            Meaning::Class(class) => class,
            Meaning::Unclear(classes) => classes.first().map_or_else(String::new, |c| (*c).to_owned()),
            Meaning::Anything => String::new(),
        },
        bbox: label.box_px.filter(|_| label.class != "DontCare"),
        track: label.track.clone().unwrap_or_default(),
        distance_m: near.zip(eye).map(|(p, eye)| (p.xyz - eye.xyz).norm()),
        nearest_m: near.map(|p| p.xyz.into()),
        velocity_mps: None,
        ttc_s: None,
    }
}

/// The point of a cuboid that is nearest to `eye`.
fn nearest(eye: &Point3<Vehicle>, cuboid: &Cuboid) -> Point3<Vehicle> {
    let local = cuboid.vehicle_from_body.inverse().apply(eye);
    let [x, y, z] = cuboid.size_m.map(|s| s / 2.0);
    let clamped = Point3::new(local.xyz.x.clamp(-x, x), local.xyz.y.clamp(-y, y), local.xyz.z.clamp(-z, z));
    cuboid.vehicle_from_body.apply(&clamped)
}

/// Everything of a drive but what is read from it.
macro_rules! as_inner {
    () => {
        fn info(&self) -> &DriveInfo {
            self.inner.info()
        }
        fn entries(&self) -> &[Entry] {
            self.inner.entries()
        }
        fn rig_at(&self, index: usize) -> &Rig {
            self.inner.rig_at(index)
        }
        fn odom_from_vehicle(&self, t: Timestamp) -> Option<Transform<ocellus_percept::space::Odom, Vehicle>> {
            self.inner.odom_from_vehicle(t)
        }
        fn labels_at(&self, index: usize) -> Option<&[Label]> {
            self.inner.labels_at(index)
        }
    };
}

/// A drive whose payloads are kept, so that many runs render it once.
pub struct Held {
    inner: Arc<dyn Drive>,
    payloads: Vec<OnceLock<Payload>>,
}

impl Held {
    /// Nothing is kept yet.
    pub fn new(inner: Arc<dyn Drive>) -> Self {
        let payloads = inner.entries().iter().map(|_| OnceLock::new()).collect();
        Self { inner, payloads }
    }
}

impl Drive for Held {
    as_inner!();

    fn read_into(&self, index: usize, out: &mut Payload) -> Result<(), ocellus_sense::ReadError> {
        let Some(cell) = self.payloads.get(index) else { return self.inner.read_into(index, out) };
        match cell.get() {
            Some(payload) => fill(out, payload),
            None => {
                self.inner.read_into(index, out)?;
                cell.get_or_init(|| out.clone());
            }
        }
        Ok(())
    }
}

/// Copies a payload into another's buffers.
fn fill(out: &mut Payload, from: &Payload) {
    match from {
        Payload::Image(kept) => {
            let mut image = out.take_image();
            image.origin.clone_from(&kept.origin);
            image.bytes.clone_from(&kept.bytes);
            image.encoding = kept.encoding;
            *out = Payload::Image(image);
        }
        Payload::Cloud(kept) => {
            let mut cloud = out.take_cloud();
            cloud.xyz.clone_from(&kept.xyz);
            cloud.intensity.clone_from(&kept.intensity);
            cloud.time_offset_s.clone_from(&kept.time_offset_s);
            cloud.measured_s.clone_from(&kept.measured_s);
            cloud.ring.clone_from(&kept.ring);
            *out = Payload::Cloud(cloud);
        }
    }
}

/// How a payload is changed, by its entry's index.
pub type Alter = dyn Fn(usize, Payload) -> Payload + Send + Sync;

/// A drive whose payloads are changed as they are read.
pub struct Altered {
    /// The drive.
    pub inner: Arc<dyn Drive>,
    /// The change.
    pub alter: Box<Alter>,
}

impl Drive for Altered {
    as_inner!();

    fn read_into(&self, index: usize, out: &mut Payload) -> Result<(), ocellus_sense::ReadError> {
        self.inner.read_into(index, out)?;
        *out = (self.alter)(index, std::mem::take(out));
        Ok(())
    }
}

/// A folder that goes when it is dropped.
pub struct Scratch(PathBuf);

impl Scratch {
    /// A new one among the system's.
    pub fn new() -> Result<Self> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("ocellus-eval-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).with_context(|| path.display().to_string())?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed lies where the system cleans up.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// How the pipeline is run.
pub struct Running<'a> {
    /// The network.
    pub model: &'a Path,
    /// How it is loaded.
    pub loading: &'a Loading,
    /// The ONNX Runtime library, where told.
    pub ort_lib: Option<&'a Path>,
    /// Lowest score listed.
    pub score: f64,
}

impl Running<'_> {
    /// Runs `drive` with these of its sensors (all where `None`); without a camera no network takes part.
    pub fn run(&self, drive: &Arc<dyn Drive>, sensors: Option<&[String]>) -> Result<Vec<FrameReport>> {
        let scratch = Scratch::new()?;
        let mut file = LaunchFile::default();
        file.source.drive = Some(drive.info().path.clone());
        file.source.sensors = sensors.map(<[String]>::to_vec);
        file.output.dir = Some(scratch.0.clone());
        file.runtime.ort_lib = self.ort_lib.map(Path::to_owned);
        let is_camera =
            |name: &String| drive.info().sensors.iter().any(|s| s.kind == SensorKind::Camera && s.name == *name);
        if sensors.is_none_or(|names| names.iter().any(is_camera)) {
            file.model.push(ModelTable {
                path: Some(self.model.to_owned()),
                providers: Some(self.loading.providers.clone()).filter(|told| !told.is_empty()),
                require: self.loading.require.clone(),
                score: Some(self.score as f32),
                ..ModelTable::default()
            });
        }
        wire::run_quietly(&Plan::from_file(&file)?, Arc::clone(drive))?;
        reports(&scratch.0)
    }
}

/// All lines of a run's folder.
pub fn reports(folder: &Path) -> Result<Vec<FrameReport>> {
    let lines = ocellus_sinks::objects::read_objects(folder).map_err(exit::usage)?;
    lines.collect::<Result<Vec<_>, _>>().map_err(exit::usage)
}
