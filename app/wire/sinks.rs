//! Starts the threads of a run's sinks, each with its queue, and what a viewer is laid out for.

use std::sync::Arc;

use anyhow::Result;
use ocellus_flow::queue::{QueueSpec, Sender};
use ocellus_flow::threads::OnFailure;
use ocellus_percept::report::FrameReport;
use ocellus_sense::DriveKind;
use ocellus_sinks::anticipation::{Anticipation, AnticipationWriter};
use ocellus_sinks::objects::ObjectsWriter;
use ocellus_sinks::viewer::{LogLevel, Scene, VehicleOutline, ViewMsg, Viewer, ViewerMode};

use super::clips::CLIP_RING;
use super::live::LiveClock;
use super::outputs::{Outputs, feed_viewer, write_anticipations, write_objects};
use super::results::{RESULTS_QUEUE, Results, Said};
use super::{Pipeline, VIEWER_QUEUE, can};
use crate::launch::ViewerPlan;
use crate::models::Model;
use crate::recording::refuse_own_source;

/// Reports that may wait for the disk.
const OBJECTS_QUEUE: usize = 64;
/// Reports that may wait for CAN: it keeps up unless its log's disk does not.
const CAN_QUEUE: usize = 64;

impl Pipeline<'_> {
    /// Starts the threads of all sinks of a replay.
    pub(super) fn sinks(&self, writer: ObjectsWriter, models: &[Model]) -> Result<Outputs> {
        let (objects, input) = self.queue(QueueSpec::block("objects", OBJECTS_QUEUE));
        let writing = self.stage("write");
        self.crew.spawn("objects", move || write_objects(writer, &input, &writing))?;
        self.outputs(objects, models, None)
    }

    /// Starts the threads of all sinks but objects.jsonl, and tells them what was said so far. Live, CAN goes by the `clock`.
    pub(super) fn outputs(
        &self,
        objects: Sender<Arc<FrameReport>>,
        models: &[Model],
        clock: Option<LiveClock>,
    ) -> Result<Outputs> {
        let can = match &self.plan.can {
            None => None,
            Some(plan) => {
                let (sender, input) = self.queue(QueueSpec::block("can", CAN_QUEUE));
                let sink = can::open(plan)?;
                let notes = self.notes.clone();
                self.crew.spawn("can", move || can::feed(sink, &input, clock, &notes))?;
                Some(sender)
            }
        };
        let results = self.results()?.into_iter().chain(self.clips()?).collect();
        let anticipations = if models.iter().any(Model::is_on_clips) { Some(self.anticipations()?) } else { None };
        let viewers = self.viewers(models)?;
        let (latency, crew, machine) = (self.latency.clone(), self.crew.clone(), self.machine.clone());
        let governor = self.governor.clone();
        let outputs = Outputs { objects, can, results, anticipations, viewers, latency, crew, machine, governor };
        for note in
            self.notes.summary().iter().flat_map(|n| n.first.iter().map(move |first| format!("{}: {first}", n.kind)))
        {
            outputs.log(LogLevel::Info, note);
        }
        Ok(outputs)
    }

    /// Starts the threads that feed viewers and files for viewers.
    fn viewers(&self, models: &[Model]) -> Result<Vec<Sender<ViewMsg>>> {
        let mut viewers = Vec::new();
        let live = match &self.plan.viewer {
            ViewerPlan::None => None,
            ViewerPlan::Spawn => Some(ViewerMode::Spawn),
            ViewerPlan::Connect(url) => Some(ViewerMode::Connect(url.clone())),
        };
        let file = self.plan.save.then(|| ViewerMode::Save(self.plan.out.join(ocellus_sinks::viewer::FILE_NAME)));
        let file_spec = match self.plan.live {
            Some(_) => QueueSpec::drop_oldest("rrd", VIEWER_QUEUE),
            None => QueueSpec::block("rrd", VIEWER_QUEUE),
        };
        for (mode, spec) in [(live, QueueSpec::drop_oldest("viewer", VIEWER_QUEUE)), (file, file_spec)] {
            let Some(mode) = mode else { continue };
            let viewer = Viewer::open(&mode, self.scene(models), &self.recording_id())?;
            let name = spec.name.clone();
            let (sender, input) = self.queue(spec);
            let notes = self.notes.clone();
            self.crew.spawn_with(&name, OnFailure::CarryOn, move || feed_viewer(viewer, &input, &notes))?;
            viewers.push(sender);
        }
        Ok(viewers)
    }

    /// Starts the thread that writes anticipation.jsonl: a live run goes on without it.
    fn anticipations(&self) -> Result<Sender<Anticipation>> {
        let live = self.plan.live.is_some();
        let (spec, failed) = if live {
            (QueueSpec::drop_oldest("anticipation", OBJECTS_QUEUE), OnFailure::CarryOn)
        } else {
            (QueueSpec::block("anticipation", OBJECTS_QUEUE), OnFailure::Halt)
        };
        let (sender, input) = self.queue(spec);
        let writer = AnticipationWriter::create(&self.plan.out)?;
        self.crew.spawn_with("anticipation", failed, move || write_anticipations(writer, &input))?;
        Ok(sender)
    }

    /// Starts the thread that writes results as MCAP: a live run goes on without it.
    fn results(&self) -> Result<Option<Sender<Said>>> {
        let Some(path) = self.plan.mcap.clone() else { return Ok(None) };
        refuse_own_source(&self.drive.info().path, &path)?;
        let live = self.plan.live.is_some();
        let (spec, failed) = if live {
            (QueueSpec::drop_oldest("mcap", RESULTS_QUEUE), OnFailure::CarryOn)
        } else {
            (QueueSpec::block("mcap", RESULTS_QUEUE), OnFailure::Halt)
        };
        let (sender, input) = self.queue(spec);
        let results = Results::create(&path, Arc::clone(&self.drive), self.notes.clone(), live)?;
        self.crew.spawn_with("mcap", failed, move || results.run(&path, &input))?;
        Ok(Some(sender))
    }

    /// Frames that those may hold who write results beside them.
    pub(super) fn written(&self) -> usize {
        let results = if self.plan.mcap.is_some() { RESULTS_QUEUE } else { 0 };
        let clips = if self.plan.clips.is_some() { RESULTS_QUEUE + CLIP_RING } else { 0 };
        results + clips
    }

    fn scene(&self, models: &[Model]) -> Scene {
        let info = self.drive.info();
        Scene {
            name: info.path.file_name().map_or_else(|| "drive".to_owned(), |n| n.to_string_lossy().into_owned()),
            cameras: self.chosen.names(ocellus_sense::SensorKind::Camera),
            lidar: !self.chosen.names(ocellus_sense::SensorKind::Lidar).is_empty(),
            depth: models.iter().any(Model::is_depth),
            anticipation: models.iter().any(Model::is_on_clips),
            machine: self.machine.newest().is_some_and(|sample| sample.tells_heat()),
            rig: info.rig.clone(),
            outline: self.outline(),
        }
    }

    /// The vehicle's drawing, standing on the ground where the frame's height above it is known.
    fn outline(&self) -> Option<VehicleOutline> {
        let origin_height_m = match self.drive.info().kind {
            // The velodyne's height above the road in KITTI's set-up.
            DriveKind::KittiRaw | DriveKind::KittiObject => 1.73,
            DriveKind::Simulated => 0.0,
            _ => return None,
        };
        Some(VehicleOutline::car(origin_height_m))
    }

    fn recording_id(&self) -> String {
        format!("{}-{}", self.drive.info().path.display(), std::process::id())
    }
}
