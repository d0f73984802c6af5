//! `ocellus inspect PATH`: what a drive, a model, a calibration or a launch file holds. What the path is, is told by looking.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use ocellus_percept::assess::VehicleShape;
use ocellus_percept::space::{Frame, Rig, Transform, Vehicle};
use ocellus_sense::labels::LabelSummary;
use ocellus_sense::{Drive, DriveInfo, DriveKind, OpenOptions, SensorInfo};
use serde_json::{Value, json};

use crate::exit::{self, Outcome};
use crate::launch::{LaunchFile, Plan};
use crate::models::{self, ModelRequest};

mod shares;

/// Say what a drive, a model, a calibration or a launch file holds.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: ocellus inspect /data/2011_09_26_drive_0001_sync\n         ocellus inspect yolox_nano.onnx\n         \
                  ocellus inspect yolox_nano.onnx --provider tensorrt"
)]
pub struct Inspect {
    /// A drive, an ONNX file or model folder, a calibration file, or a launch file.
    path: PathBuf,
    /// A calibration file that replaces the drive's own.
    #[arg(long, value_name = "FILE")]
    calib: Option<PathBuf>,
    /// Metadata (JSON) of the Ouster sensor whose packets are recorded; looked for beside the recording unless told.
    #[arg(long, value_name = "JSON")]
    meta: Option<PathBuf>,
    /// Providers to load a model with, in order of preference: which runs which share of its nodes and multiply-accumulates.
    #[arg(long = "provider", value_name = "LIST", value_delimiter = ',')]
    providers: Vec<String>,
    /// The ONNX Runtime library.
    #[arg(long, value_name = "FILE")]
    ort_lib: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What the path turned out to be: lines for people, and the same as JSON.
struct Found {
    text: String,
    json: Value,
    outcome: Outcome,
}

impl Found {
    /// Something that is whole.
    fn whole(text: String, json: Value) -> Self {
        Self { text, json, outcome: Outcome::Done }
    }
}

impl Inspect {
    pub(super) fn run(self) -> Result<Outcome> {
        let found = self.look()?;
        if self.json {
            println!("{}", serde_json::to_string_pretty(&found.json)?);
        } else {
            print!("{}", found.text);
        }
        Ok(found.outcome)
    }

    fn look(&self) -> Result<Found> {
        let extension = self.path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
        match extension.as_str() {
            "onnx" => self.model(),
            _ if self.path.join("model.toml").is_file() => self.model(),
            "toml" if matches!(ocellus_sense::probe(&self.path), Ok(DriveKind::Simulated)) => self.drive(),
            "toml" => launch(&self.path),
            "yaml" | "yml" => calibration(&self.path),
            _ if models::is_shipped(&self.path) && !self.path.exists() => self.model(),
            _ if holds_calibration(&self.path) => calibration(&self.path),
            _ => self.drive(),
        }
    }

    fn drive(&self) -> Result<Found> {
        let (calib, meta) = (self.calib.clone(), self.meta.clone());
        let options = OpenOptions { calib, meta, uncalibrated: true, ..OpenOptions::default() };
        let drive = ocellus_sense::open(&self.path, &options).map_err(exit::usage)?;
        let mut found = Found::whole(drive_text(drive.info()), drive_json(drive.info()));
        if !drive.info().lost.is_empty() {
            found.outcome = Outcome::LostData;
        }
        events(drive.as_ref(), &mut found);
        Ok(found)
    }

    fn model(&self) -> Result<Found> {
        let request = ModelRequest {
            path: self.path.clone(),
            providers: self.providers.clone(),
            ..ModelRequest::new(self.path.clone())
        };
        let runtime = models::start_runtime(self.ort_lib.as_deref())?;
        let model = if self.providers.is_empty() || runtime.tells_nodes() {
            models::load(&runtime, &request)?
        } else {
            shares::load_by_profile(&runtime, request)?
        };
        let (mut text, mut json) = (model.describe(), model.to_json());
        if !self.providers.is_empty() && model.network.providers().nodes_known {
            let shares = shares::Shares::of(&runtime, &model)?;
            text.push_str(&shares.text());
            json["shares"] = shares.to_json();
        }
        Ok(Found::whole(text, json))
    }
}

/// Whether a path is a folder of YAML files that no drive claims.
fn holds_calibration(path: &Path) -> bool {
    let is_yaml = |p: &Path| p.extension().is_some_and(|e| e == "yaml" || e == "yml");
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|e| e.path()).any(|p| is_yaml(&p)) && ocellus_sense::probe(path).is_err()
}

fn launch(path: &Path) -> Result<Found> {
    let file = LaunchFile::read(path, &[])?;
    let plan = Plan::from_file(&file)?;
    let text = format!("launch file {}\n{plan:#?}\n", path.display());
    Ok(Found::whole(text, json!({"kind": "launch", "launch": file})))
}

fn calibration(path: &Path) -> Result<Found> {
    let read = ocellus_sense::calib::read(path).map_err(exit::usage)?;
    let mut text = format!("calibration {} ({})\n", path.display(), read.form);
    rig_text(&mut text, &read.rig);
    read.notes.iter().for_each(|note| text.push_str(&format!("  note       {note}\n")));
    let json = json!({"kind": "calibration", "form": read.form, "rig": rig_json(&read.rig), "notes": read.notes});
    Ok(Found::whole(text, json))
}

fn drive_text(info: &DriveInfo) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{} {}", info.kind, info.path.display());
    let _ = writeln!(text, "  duration   {:.3} s, {}", info.duration_s, info.time_source);
    for sensor in &info.sensors {
        let _ = writeln!(text, "  {:<10} {}", sensor.kind.to_string(), sensor_text(sensor));
    }
    match &info.ego {
        Some(ego) => {
            let _ = writeln!(text, "  ego        {} poses over {:.1} m, from {}", ego.poses, ego.path_m, ego.source);
        }
        None => text.push_str("  ego        no ego motion recorded\n"),
    }
    match &info.rig_source {
        Some(source) => {
            let _ = writeln!(text, "  calibrated by {source}");
            rig_text(&mut text, &info.rig);
        }
        None => text.push_str("  uncalibrated: give --calib FILE for distances\n"),
    }
    if let Some(labels) = &info.labels {
        let _ = writeln!(text, "  labels     {}", labels_text(labels));
    }
    for note in &info.notes {
        let _ = writeln!(text, "  note       {note}");
    }
    for lost in &info.lost {
        let _ = writeln!(text, "  lost       {lost}");
    }
    text
}

/// The warnings that an event clip was kept for.
fn events(drive: &dyn Drive, found: &mut Found) {
    let first = drive.entries().first().map(|entry| entry.t);
    for event in drive.events() {
        let at_s = first.map_or(0.0, |first| event.t().seconds_since(first));
        let risk = event.risk.name();
        let _ = writeln!(found.text, "  event      {at_s:.3} s in: {risk}: {}", event.why);
        let VehicleShape { width_m, wheelbase_m, front_m, rear_axle_m } = event.vehicle;
        let _ = writeln!(
            found.text,
            "             said with {}, for a vehicle {width_m} m wide, wheelbase {wheelbase_m} m, front at {front_m} m, rear \
             axle at {rear_axle_m} m",
            event.models.join(", ")
        );
    }
    if !drive.events().is_empty() {
        found.json["events"] = json!(drive.events());
    }
}

fn labels_text(labels: &LabelSummary) -> String {
    let classes: Vec<String> = labels.classes.iter().map(|(class, n)| format!("{n} {class}")).collect();
    format!("{} objects in {} frames: {}", labels.objects(), labels.frames, classes.join(", "))
}

fn sensor_text(sensor: &SensorInfo) -> String {
    let mut text = format!("{:<18} {:>6}", sensor.name, sensor.count);
    if let Some(rate) = sensor.rate_hz {
        let _ = write!(text, "  {rate:.2} Hz");
    }
    if let Some((width, height)) = sensor.resolution_px {
        let _ = write!(text, "  {width}x{height} px");
    }
    let _ = write!(text, "  {}", sensor.encoding);
    let longest = sensor.gaps.iter().map(|g| g.seconds).fold(0.0, f64::max);
    match sensor.gaps.len() {
        0 => text.push_str("  no gaps"),
        n => {
            let _ = write!(text, "  {n} gaps, longest {longest:.3} s");
        }
    }
    text
}

fn rig_text(text: &mut String, rig: &Rig) {
    for (name, mount) in &rig.cameras {
        let c = &mount.camera;
        let _ = write!(
            text,
            "    {name}: {}x{}, fx {:.1} fy {:.1} cx {:.1} cy {:.1}",
            c.width, c.height, c.fx, c.fy, c.cx, c.cy
        );
        match mount.optical_from_vehicle {
            Some(transform) => {
                let p = transform.inverse().isometry().translation.vector;
                let _ = writeln!(text, ", at ({:.3}, {:.3}, {:.3}) m in the vehicle frame", p.x, p.y, p.z);
            }
            None => text.push_str(", place on the vehicle unknown\n"),
        }
    }
    for (name, mount) in &rig.lidars {
        let p = mount.vehicle_from_lidar.isometry().translation.vector;
        let _ = writeln!(text, "    {name}: at ({:.3}, {:.3}, {:.3}) m in the vehicle frame", p.x, p.y, p.z);
    }
    for suspicion in rig.suspicions() {
        let _ = writeln!(text, "    suspicious: {suspicion}");
    }
}

fn drive_json(info: &DriveInfo) -> Value {
    let sensors: Vec<Value> = info
        .sensors
        .iter()
        .map(|s| {
            json!({
                "name": s.name, "kind": s.kind.to_string(), "count": s.count, "rate_hz": s.rate_hz, "encoding": s.encoding,
                "first_ns": s.first.map(|t| t.as_nanos()), "last_ns": s.last.map(|t| t.as_nanos()),
                "resolution_px": s.resolution_px,
                "gaps": s.gaps.iter().map(|g| json!({"after_seq": g.after_seq, "seconds": g.seconds})).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({
        "kind": info.kind.to_string(), "path": info.path, "duration_s": info.duration_s,
        "time_source": info.time_source.to_string(), "sensors": sensors, "rig": rig_json(&info.rig),
        "rig_source": info.rig_source, "labels": info.labels.as_ref().map(|l| json!({"frames": l.frames, "classes": l.classes})), "notes": info.notes, "lost": info.lost,
        "ego": info.ego.as_ref().map(|e| json!({"poses": e.poses, "path_m": e.path_m, "source": e.source})),
    })
}

fn rig_json(rig: &Rig) -> Value {
    let cameras: serde_json::Map<String, Value> = rig
        .cameras
        .iter()
        .map(|(name, mount)| {
            let at = mount.optical_from_vehicle.map(|t| place(&t.inverse()));
            (name.clone(), json!({"camera": mount.camera, "position_m": at}))
        })
        .collect();
    let lidars: serde_json::Map<String, Value> = rig
        .lidars
        .iter()
        .map(|(name, mount)| (name.clone(), json!({"position_m": place(&mount.vehicle_from_lidar)})))
        .collect();
    json!({"cameras": cameras, "lidars": lidars, "suspicions": rig.suspicions()})
}

fn place<F: Frame>(vehicle_from_sensor: &Transform<Vehicle, F>) -> [f64; 3] {
    vehicle_from_sensor.isometry().translation.vector.into()
}
