//! run.json: what ran on what, so that a result can be traced and a run repeated.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use ocellus_infer::digest::{sha256_of_bytes, sha256_of_file};
use ocellus_sense::{Drive, DriveKind, SensorKind};
use serde_json::{Map, Value, json};

use super::sensors::Chosen;
use crate::engines::EngineInUse;
use crate::launch::Plan;
use crate::models::Model;

/// The part of run.json that is known before the first frame.
pub fn before(
    plan: &Plan,
    drive: &dyn Drive,
    chosen: &Chosen,
    (models, engines): (&[Model], &[EngineInUse]),
) -> Result<Map<String, Value>> {
    let info = drive.info();
    let library = models.first().map(|m| &m.library);
    let mut run = Map::new();
    run.insert(
        "versions".into(),
        json!({
            "ocellus": env!("CARGO_PKG_VERSION"),
            "onnxruntime": library.map(|l| l.version().to_string()),
            "onnxruntime_library": library.map(|l| l.path().to_owned()),
        }),
    );
    run.insert(
        "machine".into(),
        json!({
            "arch": std::env::consts::ARCH,
            "os": std::env::consts::OS,
            "cores": std::thread::available_parallelism().map_or(0, |n| n.get()),
        }),
    );
    run.insert(
        "launch".into(),
        json!({
            "sha256": sha256_of_bytes(plan.written.as_bytes()),
            "toml": plan.written,
        }),
    );
    run.insert(
        "drive".into(),
        json!({
            "path": info.path,
            "kind": info.kind.to_string(),
            "index_sha256": sha256_of_bytes(index_text(drive, chosen).as_bytes()),
            "time_source": info.time_source.to_string(),
            "ego_motion": info.ego.as_ref().map(|e| e.source.clone()),
            "sensors": chosen.sensors.iter().map(|s| s.name.clone()).collect::<Vec<_>>(),
            "files": files(drive),
        }),
    );
    run.insert("calibration".into(), calibration(info.rig_source.as_deref(), plan.calib.as_deref())?);
    run.insert("models".into(), models.iter().map(Model::to_json).collect::<Vec<_>>().into());
    run.insert("engines".into(), json!(engines));
    run.insert("truth_as_detector".into(), plan.truth.into());
    run.insert(
        "threads".into(),
        json!({
            "workers": plan.threads,
            "intra": plan.models.iter().map(|m| m.intra_threads).collect::<Vec<_>>(),
            "sessions": plan.models.iter().map(|m| m.sessions).collect::<Vec<_>>(),
        }),
    );
    Ok(run)
}

/// Sensor, sequence number and time of every entry that is read: what the index hash covers.
fn index_text(drive: &dyn Drive, chosen: &Chosen) -> String {
    let entries = drive.entries();
    let line = |&(entry, sensor): &(usize, usize)| {
        format!("{} {} {}\n", chosen.sensors[sensor].name, entries[entry].seq, entries[entry].t.as_nanos())
    };
    chosen.order.iter().map(line).collect()
}

/// Names of the cameras' files in order of their frames, of a drive whose frames are known by name and not by number.
fn files(drive: &dyn Drive) -> Option<BTreeMap<&str, Vec<&str>>> {
    let info = drive.info();
    let mut files: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (index, entry) in drive.entries().iter().enumerate() {
        let camera = info.sensors.get(entry.sensor).filter(|s| s.kind == SensorKind::Camera);
        if let (Some(camera), Some(name)) = (camera, drive.file_name(index)) {
            files.entry(&camera.name).or_default().push(name);
        }
    }
    (info.kind == DriveKind::ImageFolder && !files.is_empty()).then_some(files)
}

fn calibration(source: Option<&str>, file: Option<&Path>) -> Result<Value> {
    let sha256 = file.filter(|f| f.is_file()).map(sha256_of_file).transpose()?;
    Ok(json!({"source": source, "file": file, "sha256": sha256}))
}
