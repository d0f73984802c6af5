//! Which of a drive's sensors take part in a run, and which network looks at which camera.

use std::sync::Arc;

use anyhow::{Result, anyhow};
use ocellus_flow::ledger::Ledger;
use ocellus_sense::{Drive, DriveKind, SensorKind};

use super::source::{RunSensor, order_as_recorded, order_entries};
use crate::exit;
use crate::launch::{ModelPlan, Plan};
use crate::models::Model;

/// The sensors of a run and the entries to read, in order.
pub struct Chosen {
    /// Sensors that take part.
    pub sensors: Vec<RunSensor>,
    /// Index into the drive's entries and into `sensors`.
    pub order: Vec<(usize, usize)>,
}

/// Chooses sensors by the plan: those named, else all that have data. Cameras take part only where a network looks at
/// them: without networks a run is LiDAR only.
pub fn choose(plan: &Plan, drive: &dyn Drive, ledger: &Ledger) -> Result<Chosen> {
    let infos = &drive.info().sensors;
    let known = || infos.iter().map(|s| s.name.as_str()).collect::<Vec<_>>().join(", ");
    let named = plan.sensors.iter().flatten().chain(plan.models.iter().flat_map(|m| m.sensors.iter().flatten()));
    for name in named {
        if !infos.iter().any(|s| s.name == *name) {
            let path = drive.info().path.display();
            return Err(exit::usage(anyhow!("sensor `{name}`: {path} has no such sensor; it has: {}", known())));
        }
    }
    let wanted = |name: &String| plan.sensors.as_ref().is_none_or(|names| names.contains(name));
    let mut sensors = Vec::new();
    let mut run_sensor = vec![None; infos.len()];
    for (i, info) in infos.iter().enumerate() {
        let used = info.kind == SensorKind::Lidar || plan.sees();
        let there = info.count > 0 || drive.info().kind == DriveKind::Live;
        if there && wanted(&info.name) && used {
            run_sensor[i] = Some(sensors.len());
            sensors.push(RunSensor { name: info.name.clone(), kind: info.kind, book: ledger.sensor(&info.name) });
        }
    }
    if sensors.is_empty() {
        let path = drive.info().path.display();
        let why = if !plan.sees() {
            "no LiDAR data, and no network was given for its cameras: add --model"
        } else {
            "no data"
        };
        return Err(exit::usage(anyhow!("{path}: {why}")));
    }
    let order = if plan.as_recorded {
        order_as_recorded(drive, &run_sensor).ok_or_else(|| {
            let path = drive.info().path.display();
            exit::usage(anyhow!("{path}: --as-recorded needs an MCAP recording, which tells when each frame came"))
        })?
    } else {
        order_entries(drive, &run_sensor, plan.fusion_wait_s)
    };
    Ok(Chosen { sensors, order })
}

/// Refuses networks that could not see anything, and a depth network alone.
pub fn check_models(plan: &Plan, chosen: &Chosen, models: &[Model]) -> Result<()> {
    if !plan.sees() {
        return Ok(());
    }
    if chosen.names(SensorKind::Camera).is_empty() {
        return Err(exit::usage(anyhow!(
            "{}: a camera network was asked for, and the drive has no pictures; leave --model out for a LiDAR-only run",
            plan.drive.display()
        )));
    }
    if !plan.truth && models.iter().all(|m| m.is_depth() || m.is_on_clips()) {
        let what = if models.iter().any(Model::is_depth) { "depth network" } else { "network on clips" };
        return Err(exit::usage(anyhow!("a {what} alone finds no obstacles: add a detector with --model")));
    }
    Ok(())
}

impl Chosen {
    /// Names of the sensors of one kind.
    pub fn names(&self, kind: SensorKind) -> Vec<String> {
        self.sensors.iter().filter(|s| s.kind == kind).map(|s| s.name.clone()).collect()
    }

    /// By run sensor: whether the network looks at it.
    pub fn looked_at(&self, model: &ModelPlan) -> Arc<[bool]> {
        let wanted = |name: &String| model.sensors.as_ref().is_none_or(|names| names.contains(name));
        self.sensors.iter().map(|s| s.kind == SensorKind::Camera && wanted(&s.name)).collect()
    }
}
