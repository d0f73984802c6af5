//! The one ordered thread: joins the parts of a frame, fuses, tracks, reports, and ends the frame's ticket.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use ocellus_flow::latency::Series;
use ocellus_flow::pool::PooledShared;
use ocellus_flow::queue::Receiver;
use ocellus_percept::assess::ClosingMotion;
use ocellus_percept::cloud::Cloud;
use ocellus_percept::depth::DepthMap;
use ocellus_percept::detection::{BoxPx, Detection};
use ocellus_percept::fuse::{Distance, FrameContext, Fuser, FuserConfig, Obstacle, ObstacleFinder, Sweep};
use ocellus_percept::report::{FrameReport, Object, SensorState, Trigger};
use ocellus_percept::space::{Camera, CameraMount, Lidar, LidarMount, Odom, Optical, Point3, Transform, Vehicle};
use ocellus_percept::time::Timestamp;
use ocellus_percept::track::{
    Observation, PositionMeasurement, TrackFrame, TrackIds, TrackOutput, Tracker, TrackerConfig,
};
use ocellus_sense::{Drive, SensorKind};

use super::assess::{Assess, Listed};
use super::classes::{Candidate, Classes};
use super::frame::{Answer, Content, Frame, Item, Message, Origin, Part};
use super::live::Health;
use super::notes::Notes;
use super::obstacles;
use super::outputs::{Outputs, Perceived};
use super::source::RunSensor;
use super::summary::Seen;

/// Sweeps kept of each LiDAR. A replay needs the newest alone; a live frame that its network held up needs the one of
/// its own time, 0.4 s back at 10 Hz.
pub const SWEEPS_KEPT: usize = 4;

/// What the perceiving thread is built from.
pub struct PerceiveParts {
    /// The drive, for calibration and ego motion.
    pub drive: Arc<dyn Drive>,
    /// Sensors that take part.
    pub sensors: Vec<RunSensor>,
    /// Whether reports come from sweeps (no camera network).
    pub lidar_only: bool,
    /// Whether the drive's frames are single moments that have nothing to do with one another.
    pub single_moments: bool,
    /// Class names of all networks in one numbering.
    pub classes: Classes,
    /// Oldest sweep still used, seconds.
    pub sweep_age_s_max: f64,
    /// How long a frame waits for a later sweep, seconds.
    pub wait_s: f64,
    /// Cameras' height, where told.
    pub camera_height_m: Option<f64>,
    /// Lowest score listed, by network.
    pub listed: Vec<f32>,
    /// What obstacles mean for the vehicle.
    pub assess: Assess,
    /// Where reports go.
    pub outputs: Outputs,
    /// Where what went wrong is said.
    pub notes: Notes,
    /// What was seen, for the summary.
    pub seen: Arc<Mutex<Seen>>,
    /// Time of fusing.
    pub fusing: Series,
    /// Time of tracking.
    pub tracking: Series,
    /// Time from reading (live: from the frame's stamp) to report, by run sensor.
    pub end_to_end: Vec<Series>,
    /// How live sensors are; a recording's frames are fresh.
    pub health: Option<Arc<Health>>,
}

/// The perceiving thread.
pub struct Perceive {
    parts: PerceiveParts,
    pending: BTreeMap<u64, Pending>,
    next: u64,
    ids: TrackIds,
    /// By run sensor.
    views: Vec<View>,
    /// The newest sweeps of each LiDAR, by run sensor, the newest last.
    sweeps: Vec<VecDeque<CurrentSweep>>,
    obstacles: ObstacleFinder,
    found: Vec<Obstacle>,
    candidates: Vec<Candidate>,
    observations: Vec<Observation>,
    tracked: Vec<TrackOutput>,
    measured: Vec<Option<Measured>>,
}

/// So far ahead that where the camera sits on the vehicle makes no difference, metres.
const HORIZON_M: f64 = 1000.0;
/// Half of a lorry's width, metres.
const HALF_WIDTH_MAX_M: f64 = 1.25;

/// What is kept per sensor from frame to frame.
struct View {
    tracker: Tracker,
    fuser: Fuser,
    calibrated_said: bool,
}

/// A frame that waits for its networks.
#[derive(Default)]
struct Pending {
    item: Option<Item>,
    answers: Vec<(usize, Answer)>,
}

#[derive(Clone)]
struct CurrentSweep {
    cloud: PooledShared<Cloud>,
    t: Timestamp,
    sensor: usize,
}

/// A detection's distance and its surface point in the vehicle frame, where that is known.
struct Measured {
    distance: Distance,
    surface: Option<Point3<Vehicle>>,
}

/// Everything about the moment a frame was taken.
struct Moment<'a> {
    camera: Option<Camera>,
    mount: Option<&'a CameraMount>,
    odom_from_vehicle: Option<Transform<Odom, Vehicle>>,
}

impl Moment<'_> {
    /// Whether a box holds the column that lies straight ahead of the vehicle: of the picture's middle where the camera's
    /// mounting is not known.
    fn is_ahead(&self, bbox: &BoxPx, size: (usize, usize)) -> bool {
        let optical_from_vehicle = self.mount.and_then(|m| m.optical_from_vehicle);
        let ahead = self.camera.zip(optical_from_vehicle).map(|(camera, t)| {
            camera.project_continuous(&t.apply(&Point3::new(HORIZON_M, 0.0, 0.0))).map_or(f32::NAN, |[u, _]| u as f32)
        });
        let column = ahead.unwrap_or(size.0 as f32 / 2.0);
        column >= bbox.x0 && column <= bbox.x1
    }

    /// How far the near face reaches to the right (negative) and left of the surface point, metres: as measured, else by the
    /// box, which shows the far sides of things as well and is not believed beyond half a lorry's width.
    fn across_m(&self, measured: &Measured, bbox: &BoxPx) -> Option<[f64; 2]> {
        let (surface, camera) = (measured.surface?, self.camera?);
        let vehicle_from_optical = self.mount?.optical_from_vehicle?.inverse();
        if let Some(ends) = measured.distance.face_ends {
            let [a, b] = ends.map(|end| vehicle_from_optical.apply(&end).xyz.y - surface.xyz.y);
            return Some([a.min(b).min(0.0), a.max(b).max(0.0)]);
        }
        let half = (0.5 * f64::from(bbox.width()) / camera.fx * measured.distance.range_m).min(HALF_WIDTH_MAX_M);
        Some([-half, half])
    }
}

impl Perceive {
    /// A thread that has seen nothing yet.
    pub fn new(parts: PerceiveParts) -> Self {
        let view = || View {
            tracker: Tracker::with_classes(TrackerConfig::default(), parts.classes.names()),
            fuser: Fuser::new(FuserConfig::default()),
            calibrated_said: false,
        };
        Self {
            views: parts.sensors.iter().map(|_| view()).collect(),
            sweeps: parts.sensors.iter().map(|_| VecDeque::with_capacity(SWEEPS_KEPT)).collect(),
            parts,
            pending: BTreeMap::new(),
            next: 0,
            ids: TrackIds::default(),
            obstacles: ObstacleFinder::default(),
            found: Vec::new(),
            candidates: Vec::new(),
            observations: Vec::new(),
            tracked: Vec::new(),
            measured: Vec::new(),
        }
    }

    /// Runs until its queue ends. What is pending then was cut off by a stop.
    pub fn run(mut self, input: &Receiver<Message>) -> Result<()> {
        while let Some(message) = input.recv() {
            match message {
                Message::Item(item) => {
                    let index = item.index;
                    self.pending.entry(index).or_default().item = Some(item);
                }
                Message::Part(Part { index, model, answer }) => {
                    self.pending.entry(index).or_default().answers.push((model, answer));
                }
            }
            while let Some((item, answers)) = self.take_complete() {
                if !self.perceive(item, answers) {
                    return Ok(());
                }
            }
        }
        for item in std::mem::take(&mut self.pending).into_values().filter_map(|p| p.item) {
            item.origin.ticket.dropped("stopped");
        }
        Ok(())
    }

    /// The next item in order, once all its networks have answered; their answers in the networks' order.
    fn take_complete(&mut self) -> Option<(Item, Vec<(usize, Answer)>)> {
        let first = self.pending.first_entry().filter(|e| *e.key() == self.next)?;
        let item = first.get().item.as_ref()?;
        let wanted = if let Content::Frame(frame) = &item.content { frame.parts } else { 0 };
        if first.get().answers.len() < wanted {
            return None;
        }
        let Pending { item, mut answers } = first.remove();
        self.next += 1;
        answers.sort_by_key(|(model, _)| *model);
        item.map(|item| (item, answers))
    }

    /// Begins anew with one sensor, after a panic left its tracks half done.
    pub fn renew(&mut self, sensor: usize) {
        if let Some(view) = self.views.get_mut(sensor) {
            *view = View {
                tracker: Tracker::new(view.tracker.config()),
                fuser: Fuser::new(FuserConfig::default()),
                calibrated_said: view.calibrated_said,
            };
        }
    }

    /// Perceives one item. False where the outputs take no more.
    pub fn perceive(&mut self, item: Item, answers: Vec<(usize, Answer)>) -> bool {
        let Item { origin, content, .. } = item;
        match content {
            Content::Frame(frame) => self.frame(origin, &frame, answers),
            Content::Sweep(cloud) => self.sweep(origin, cloud.share()),
            Content::Lost(reason) => self.lost(origin, reason),
        }
    }

    fn lost(&mut self, origin: Origin, reason: &'static str) -> bool {
        let trigger = match self.parts.sensors[origin.sensor].kind {
            SensorKind::Camera => Trigger::Camera,
            SensorKind::Lidar => Trigger::Lidar,
        };
        // A lost sweep makes no line where cameras do; the frames without it say so.
        let mut open = true;
        if trigger == Trigger::Camera || self.parts.lidar_only {
            let report = self.report(&origin, trigger, SensorState::Blind, None);
            open = self.send(Perceived::bare(report));
        }
        origin.ticket.lost(reason);
        open
    }

    fn sweep(&mut self, origin: Origin, cloud: PooledShared<Cloud>) -> bool {
        self.parts.outputs.show_sweep(&self.parts.sensors[origin.sensor].name, origin.t, origin.seq, &cloud);
        let mut open = true;
        if self.parts.lidar_only {
            open &= self.lidar_report(&origin, &cloud);
        }
        let kept = &mut self.sweeps[origin.sensor];
        if kept.len() == SWEEPS_KEPT {
            kept.pop_front();
        }
        kept.push_back(CurrentSweep { cloud, t: origin.t, sensor: origin.sensor });
        self.parts.end_to_end[origin.sensor].record(origin.age());
        origin.ticket.processed();
        open
    }

    /// Obstacles of a sweep alone.
    fn lidar_report(&mut self, origin: &Origin, cloud: &Cloud) -> bool {
        let drive = Arc::clone(&self.parts.drive);
        let rig = drive.rig_at(origin.entry);
        let mount = rig.lidars.get(&self.parts.sensors[origin.sensor].name);
        let vehicle_from_lidar = mount.map_or_else(Transform::identity, |m: &LidarMount| m.vehicle_from_lidar);
        let Self { obstacles, found, .. } = self;
        if self.parts.fusing.time(|| obstacles.find(cloud, &vehicle_from_lidar, found)).is_none() {
            let name = &self.parts.sensors[origin.sensor].name;
            self.parts
                .notes
                .say("no ground", format!("{name} sweep {}: no ground in it, so no obstacles are told", origin.seq));
            let report = self.report(origin, Trigger::Lidar, SensorState::Blind, None);
            return self.send(Perceived::bare(report));
        }
        self.observations.clear();
        let unknown = self.parts.classes.unknown();
        self.observations.extend(self.found.iter().map(|o| obstacles::observation(o, unknown)));
        let odom_from_vehicle = drive.odom_from_vehicle(origin.t);
        let frame = TrackFrame { odom_from_vehicle: odom_from_vehicle.as_ref(), ..TrackFrame::at(origin.t) };
        let view = &mut self.views[origin.sensor];
        self.parts.tracking.time(|| view.tracker.step(&mut self.ids, frame, &self.observations, &mut self.tracked));
        self.parts.assess.begin(origin.t);
        let assess = &mut self.parts.assess;
        let rows = self.found.iter().zip(&self.tracked);
        let objects = rows.filter_map(|(obstacle, tracked)| obstacles::object(obstacle, tracked, assess)).collect();
        let report = self.report(origin, Trigger::Lidar, self.state(origin), Some(objects));
        self.send(Perceived { nearest: self.parts.assess.nearest(), ..Perceived::bare(report) })
    }

    /// A picture that shows nothing: a line with its state and no `objects`, the picture for those who look.
    fn blind_frame(&mut self, origin: Origin, frame: &Frame) -> bool {
        let report = self.report(&origin, Trigger::Camera, SensorState::Blind, None);
        self.parts.end_to_end[origin.sensor].record(origin.age());
        let open = self.send(Perceived {
            report: Arc::new(report),
            picture: Some(frame.picture.clone()),
            size_px: Some([frame.size.0 as u32, frame.size.1 as u32]),
            depth: None,
            age: origin.age(),
            nearest: None,
        });
        origin.ticket.processed();
        open
    }

    fn frame(&mut self, origin: Origin, frame: &Frame, answers: Vec<(usize, Answer)>) -> bool {
        if frame.blind.is_some() {
            return self.blind_frame(origin, frame);
        }
        let mut candidates = std::mem::take(&mut self.candidates);
        candidates.clear();
        let classes = &self.parts.classes;
        let mut depth = None;
        for (model, answer) in answers {
            let (found, map) = match answer {
                Answer::Detections(found) => (Some(found), None),
                Answer::Depth(map) => (None, Some(map)),
                Answer::Both(found, map) => (Some(found), Some(map)),
                Answer::Failed => (None, None),
            };
            let listed = self.parts.listed.get(model).copied().unwrap_or(0.0);
            if let Some(mut found) = found {
                candidates.extend(found.drain(..).map(|d| Candidate {
                    listed: d.score >= listed,
                    detection: Detection { class: classes.of(model, d.class), ..d },
                }));
            }
            depth = map.map(|map| map.share()).or(depth);
        }
        let truth = frame.truth.iter();
        candidates.extend(truth.map(|d| Candidate {
            listed: true,
            detection: Detection { class: classes.of_truth(d.class), ..d.clone() },
        }));
        classes.suppress_across_models(&mut candidates);
        let objects = self.understand(&origin, frame, &candidates, depth.as_deref());
        self.candidates = candidates;
        let report = self.report(&origin, Trigger::Camera, self.state(&origin), Some(objects));
        self.parts.end_to_end[origin.sensor].record(origin.age());
        let perceived = Perceived {
            report: Arc::new(report),
            picture: Some(frame.picture.clone()),
            size_px: Some([frame.size.0 as u32, frame.size.1 as u32]),
            depth,
            age: origin.age(),
            nearest: self.parts.assess.nearest(),
        };
        let open = self.send(perceived);
        origin.ticket.processed();
        open
    }

    fn understand(
        &mut self,
        origin: &Origin,
        frame: &Frame,
        candidates: &[Candidate],
        depth: Option<&DepthMap>,
    ) -> Vec<Object> {
        let drive = Arc::clone(&self.parts.drive);
        let mount = drive.rig_at(origin.entry).cameras.get(&self.parts.sensors[origin.sensor].name);
        let moment = Moment {
            camera: self.camera_at_size(origin, mount, frame.size),
            mount,
            odom_from_vehicle: drive.odom_from_vehicle(origin.t),
        };
        let fusing = self.parts.fusing.clone();
        let sweep_age_s = fusing.time(|| self.fuse(origin, &moment, candidates, depth));
        self.observe(&moment, candidates, sweep_age_s);
        let track_frame = TrackFrame {
            t: origin.t,
            odom_from_vehicle: moment.odom_from_vehicle.as_ref(),
            vehicle_twist: None,
            camera: moment.mount,
            size_px: Some((frame.size.0 as u32, frame.size.1 as u32)),
        };
        let view = &mut self.views[origin.sensor];
        if self.parts.single_moments {
            view.tracker.restart();
        }
        let tracking = &self.parts.tracking;
        tracking.time(|| view.tracker.step(&mut self.ids, track_frame, &self.observations, &mut self.tracked));
        self.parts.assess.begin(origin.t);
        let rows = candidates.iter().enumerate().filter(|(_, candidate)| candidate.listed);
        rows.filter_map(|(row, seen)| self.object(&seen.detection, row, &moment, frame.size)).collect()
    }

    /// The camera's intrinsics at the picture's own size; said once where there are none.
    fn camera_at_size(&mut self, origin: &Origin, mount: Option<&CameraMount>, size: (usize, usize)) -> Option<Camera> {
        let view = &mut self.views[origin.sensor];
        let name = &self.parts.sensors[origin.sensor].name;
        let scaled = match mount {
            Some(mount) => mount.camera.scaled_to(size.0 as u32, size.1 as u32).map_err(|e| e.to_string()),
            None => Err("it is not calibrated: distances need --calib".to_owned()),
        };
        match scaled {
            Ok(camera) => Some(camera),
            Err(why) => {
                if !std::mem::replace(&mut view.calibrated_said, true) {
                    self.parts.notes.say("calibration", format!("{name}: {why}"));
                }
                None
            }
        }
    }

    /// Fills `measured`, aligned with the detections; the age of the sweep used, seconds.
    fn fuse(
        &mut self,
        origin: &Origin,
        moment: &Moment<'_>,
        candidates: &[Candidate],
        depth: Option<&DepthMap>,
    ) -> f64 {
        self.measured.clear();
        let Some(camera) = &moment.camera else {
            self.measured.extend(candidates.iter().map(|_| None));
            return 0.0;
        };
        let optical_from_vehicle = moment.mount.and_then(|m| m.optical_from_vehicle);
        let newest = self.newest_sweep(origin);
        let sweep = newest.as_ref().and_then(|s| self.place_sweep(origin, s, moment, optical_from_vehicle));
        let context =
            FrameContext { camera, optical_from_vehicle, sweep, depth, camera_height_m: self.parts.camera_height_m };
        let view = &mut self.views[origin.sensor];
        match view.fuser.begin_frame(&context) {
            Ok(frame_notes) => {
                if let Some(Err(error)) = frame_notes.depth_fit {
                    self.parts.notes.say("depth", format!("frame {}: {error}", origin.seq));
                }
            }
            Err(error) => self.parts.notes.say("calibration", error.to_string()),
        }
        for Candidate { detection, .. } in candidates {
            let distance = view.fuser.distance(detection, self.parts.classes.name(detection.class));
            self.measured.push(distance.map(|distance| Measured {
                surface: optical_from_vehicle.map(|t| t.inverse().apply(&distance.surface)),
                distance,
            }));
        }
        newest.map_or(0.0, |s| origin.t.seconds_since(s.t))
    }

    /// The newest sweep that is not too old, of whichever LiDAR.
    fn newest_sweep(&self, origin: &Origin) -> Option<CurrentSweep> {
        let age = |sweep: &CurrentSweep| origin.t.seconds_since(sweep.t);
        let young =
            |sweep: &&CurrentSweep| age(sweep) <= self.parts.sweep_age_s_max && age(sweep) >= -self.parts.wait_s;
        let newest = self.sweeps.iter().flatten().filter(young).max_by_key(|s| s.t).cloned();
        let has_lidar = self.parts.sensors.iter().any(|s| s.kind == SensorKind::Lidar);
        if newest.is_none() && has_lidar {
            let name = &self.parts.sensors[origin.sensor].name;
            self.parts
                .notes
                .say("no sweep", format!("{name} frame {}: no sweep at or before it is young enough", origin.seq));
        }
        newest
    }

    /// Brings a sweep to the frame's moment by ego motion, where that is known.
    fn place_sweep<'a>(
        &self,
        origin: &Origin,
        sweep: &'a CurrentSweep,
        moment: &Moment<'_>,
        optical_from_vehicle: Option<Transform<Optical, Vehicle>>,
    ) -> Option<Sweep<'a>> {
        let optical_from_vehicle = optical_from_vehicle?;
        let drive = &self.parts.drive;
        let lidar = self.parts.sensors.get(sweep.sensor)?;
        // Extrinsics may differ from frame to frame: the camera's frame says how camera and LiDAR lie to one another.
        let mount = drive.rig_at(origin.entry).lidars.get(&lidar.name)?;
        let vehicle_from_lidar: Transform<Vehicle, Lidar> = mount.vehicle_from_lidar;
        let moved = match (moment.odom_from_vehicle, drive.odom_from_vehicle(sweep.t)) {
            (Some(now), Some(then)) => now.inverse() * then,
            _ => Transform::identity(),
        };
        Some(Sweep {
            cloud: &sweep.cloud,
            optical_from_lidar: optical_from_vehicle * moved * vehicle_from_lidar,
            vehicle_from_lidar,
        })
    }

    /// Fills `observations`, aligned with the detections.
    fn observe(&mut self, moment: &Moment<'_>, candidates: &[Candidate], sweep_age_s: f64) {
        let centre =
            moment.mount.and_then(|m| m.optical_from_vehicle).map(|t| t.inverse().apply(&Point3::new(0.0, 0.0, 0.0)));
        let focal = moment.camera.map_or(0.0, |c| c.fx);
        self.observations.clear();
        let rows = candidates.iter().zip(&self.measured);
        self.observations.extend(rows.map(|(Candidate { detection, listed }, measured)| {
            let position = measured.as_ref().and_then(|m| {
                let width = f64::from(detection.bbox.width());
                let lateral = PositionMeasurement::lateral_sigma_m(width, focal, m.distance.range_m);
                let sigmas = (m.distance.sigma_m, lateral);
                let measurement = PositionMeasurement::along_ray(m.surface?, centre?, sigmas, m.distance.source);
                let by_lidar = m.distance.source == ocellus_percept::report::DistanceSource::Lidar;
                Some(PositionMeasurement { age_s: if by_lidar { sweep_age_s.max(0.0) } else { 0.0 }, ..measurement })
            });
            let (bbox, listed) = (Some(detection.bbox), *listed);
            Observation { bbox, score: detection.score, listed, class: detection.class, position }
        }));
    }

    /// One line's object; `None` where the tracker took no part of it.
    fn object(
        &mut self,
        detection: &Detection,
        row: usize,
        moment: &Moment<'_>,
        size: (usize, usize),
    ) -> Option<Object> {
        let (tracked, measured) = (self.tracked.get(row)?, self.measured.get(row)?.as_ref());
        let kinematics = tracked.kinematics.as_ref();
        let mut object = Object {
            track: tracked.track?,
            class: self.parts.classes.name(detection.class).to_owned(),
            score: Some(detection.score),
            box_px: Some(detection.bbox),
            distance_m: measured.map(|m| m.distance.range_m),
            distance_source: measured.map(|m| m.distance.source),
            distance_sigma_m: measured.map(|m| m.distance.sigma_m),
            gap_m: None,
            position_m: measured.and_then(|m| m.surface).map(|p| p.xyz.into()),
            velocity_rel_mps: kinematics.and_then(|k| k.velocity).map(|v| v.mps.into()),
            velocity_ground_mps: kinematics.and_then(|k| k.velocity_ground_mps).map(Into::into),
            ttc_s: None,
            risk: None,
            why: None,
        };
        let growth = tracked
            .growth
            .filter(|_| kinematics.is_none() && moment.is_ahead(&detection.bbox, size))
            .and_then(|growth| ClosingMotion::from_growth(&growth, &detection.bbox, (size.0 as u32, size.1 as u32)));
        let across_m = measured.and_then(|m| moment.across_m(m, &detection.bbox));
        self.parts.assess.apply(&mut object, &Listed { tracked, across_m, growth });
        Some(object)
    }

    fn send(&self, perceived: Perceived) -> bool {
        self.parts.seen.lock().unwrap_or_else(PoisonError::into_inner).add(&perceived.report);
        self.parts.outputs.send(perceived)
    }

    fn state(&self, origin: &Origin) -> SensorState {
        let health = self.parts.health.as_ref();
        health.map_or(SensorState::Fresh, |h| h.state_of_frame(origin.sensor, origin.age()))
    }

    fn report(
        &self,
        origin: &Origin,
        trigger: Trigger,
        state: SensorState,
        objects: Option<Vec<Object>>,
    ) -> FrameReport {
        let sensor = Some(self.parts.sensors[origin.sensor].name.clone());
        FrameReport { trigger, t: origin.t, sensor, seq: Some(origin.seq), state, objects }
    }
}
