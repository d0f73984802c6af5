//! The one ordered thread: joins the parts of a frame, fuses, tracks, reports, and ends the frame's ticket.

mod objects;
mod sweep;
mod unknown;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use ocellus_flow::latency::Series;
use ocellus_flow::pool::PooledShared;
use ocellus_flow::queue::Receiver;
use ocellus_percept::cloud::Cloud;
use ocellus_percept::detection::Detection;
use ocellus_percept::fuse::{Distance, Fuser, FuserConfig, Obstacle, ObstacleFinder, StandingFinder};
use ocellus_percept::report::{FrameReport, Object, SensorState, Trigger};
use ocellus_percept::time::Timestamp;
use ocellus_percept::track::{Observation, TrackIds, TrackOutput, Tracker, TrackerConfig};
use ocellus_sense::{Drive, SensorKind};

use self::objects::Measured;
use self::unknown::Unknowns;
use super::anticipate::Anticipate;
use super::assess::{Ahead, Assess};
use super::classes::{Candidate, Classes};
use super::frame::{Answer, Answers, ClipAnswer, Content, Frame, Item, Message, Origin, Part};
use super::governor::Governor;
use super::live::Health;
use super::notes::Notes;
use super::outputs::{Outputs, Perceived};
use super::seen::Seen;
use super::source::RunSensor;

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
    /// Whether obstacles that no detector knows are listed beside those of a camera.
    pub unknown: bool,
    /// What obstacles mean for the vehicle.
    pub assess: Assess,
    /// What networks on clips foresee.
    pub anticipate: Anticipate,
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
    /// Who is told how old frames are, where that is governed.
    pub governor: Option<Arc<Governor>>,
}

/// The perceiving thread.
pub struct Perceive {
    parts: PerceiveParts,
    /// Frames from `next` on, in order.
    pending: VecDeque<Pending>,
    next: u64,
    ids: TrackIds,
    /// By run sensor.
    views: Vec<View>,
    /// The newest sweeps of each LiDAR, by run sensor, the newest last.
    sweeps: Vec<VecDeque<CurrentSweep>>,
    obstacles: ObstacleFinder,
    standing: StandingFinder,
    found: Vec<Obstacle>,
    candidates: Vec<Candidate>,
    observations: Vec<Observation>,
    tracked: Vec<TrackOutput>,
    /// Obstacles without a class, by run sensor.
    unknowns: Vec<Unknowns>,
    distances: Vec<Option<Distance>>,
    measured: Vec<Option<Measured>>,
}

/// What is kept per sensor from frame to frame.
struct View {
    tracker: Tracker,
    fuser: Fuser,
    calibrated_said: bool,
}

impl View {
    fn new(classes: &Classes) -> Self {
        Self {
            tracker: Tracker::with_classes(TrackerConfig::default(), classes.names()),
            fuser: Fuser::new(FuserConfig::default()),
            calibrated_said: false,
        }
    }
}

/// A frame that waits for its networks.
#[derive(Default)]
struct Pending {
    item: Option<Item>,
    answers: Answers,
}

#[derive(Clone)]
struct CurrentSweep {
    cloud: PooledShared<Cloud>,
    t: Timestamp,
    sensor: usize,
}

impl Perceive {
    /// A thread that has seen nothing yet.
    pub fn new(parts: PerceiveParts) -> Self {
        Self {
            views: parts.sensors.iter().map(|_| View::new(&parts.classes)).collect(),
            unknowns: parts.sensors.iter().map(|_| Unknowns::new(&parts.classes)).collect(),
            sweeps: parts.sensors.iter().map(|_| VecDeque::with_capacity(SWEEPS_KEPT)).collect(),
            parts,
            pending: VecDeque::new(),
            next: 0,
            ids: TrackIds::default(),
            obstacles: ObstacleFinder::default(),
            standing: StandingFinder::default(),
            found: Vec::new(),
            candidates: Vec::new(),
            observations: Vec::new(),
            tracked: Vec::new(),
            distances: Vec::new(),
            measured: Vec::new(),
        }
    }

    /// Runs until its queue ends. What is pending then was cut off by a stop.
    pub fn run(mut self, input: &Receiver<Message>) -> Result<()> {
        while let Some(message) = input.recv() {
            match message {
                Message::Item(item) => {
                    if let Some(pending) = self.pending_at(item.index) {
                        pending.item = Some(item);
                    }
                }
                Message::Clip(answer) => self.foresee(answer),
                Message::Part(Part { index, model, answer }) => {
                    if let Some(pending) = self.pending_at(index) {
                        pending.answers.push((model, answer));
                    }
                }
            }
            while let Some((item, answers)) = self.take_complete() {
                if !self.perceive(item, answers) {
                    return Ok(());
                }
            }
        }
        for item in self.pending.drain(..).filter_map(|p| p.item) {
            item.origin.ticket.dropped("stopped");
        }
        Ok(())
    }

    /// The place of a frame that is not perceived yet.
    fn pending_at(&mut self, index: u64) -> Option<&mut Pending> {
        let place = usize::try_from(index.checked_sub(self.next)?).ok()?;
        while self.pending.len() <= place {
            self.pending.push_back(Pending::default());
        }
        self.pending.get_mut(place)
    }

    /// The next item in order, once all its networks have answered; their answers in the networks' order.
    fn take_complete(&mut self) -> Option<(Item, Answers)> {
        let first = self.pending.front()?;
        let wanted = if let Content::Frame(frame) = &first.item.as_ref()?.content { frame.parts } else { 0 };
        if first.answers.len() < wanted {
            return None;
        }
        let Pending { item, mut answers } = self.pending.pop_front()?;
        self.next += 1;
        answers.sort_by_key(|(model, _)| *model);
        item.map(|item| (item, answers))
    }

    /// Begins anew with one sensor, after a panic left its tracks half done.
    pub fn renew(&mut self, sensor: usize) {
        if let Some(view) = self.views.get_mut(sensor) {
            *view = View { calibrated_said: view.calibrated_said, ..View::new(&self.parts.classes) };
        }
        if let Some(unknowns) = self.unknowns.get_mut(sensor) {
            *unknowns = Unknowns::new(&self.parts.classes);
        }
    }

    /// Perceives one item. False where the outputs take no more.
    pub fn perceive(&mut self, item: Item, answers: Answers) -> bool {
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
        } else {
            self.parts.outputs.show_state(&self.parts.sensors[origin.sensor].name, origin.t, SensorState::Blind);
        }
        origin.ticket.lost(reason);
        open
    }

    /// A picture that shows nothing: a line with its state and no `objects`, the picture for those who look.
    fn blind_frame(&mut self, origin: Origin, frame: &Frame) -> bool {
        let report = self.report(&origin, Trigger::Camera, SensorState::Blind, None);
        self.parts.end_to_end[origin.sensor].record(origin.age());
        let open = self.send(Perceived {
            report: Arc::new(report),
            entry: Some(origin.entry),
            picture: Some(frame.picture.clone()),
            size_px: Some([frame.size.0 as u32, frame.size.1 as u32]),
            depth: None,
            age: origin.age(),
            ahead: Ahead::default(),
        });
        origin.ticket.processed();
        open
    }

    fn frame(&mut self, origin: Origin, frame: &Frame, answers: Answers) -> bool {
        if frame.blind.is_some() {
            return self.blind_frame(origin, frame);
        }
        let mut candidates = std::mem::take(&mut self.candidates);
        candidates.clear();
        let (mut depth, mut masked) = (None, None);
        for (model, answer) in answers {
            let (found, map) = match answer {
                Answer::Detections(found) => (Some(found), None),
                Answer::Depth(map) => (None, Some(map)),
                Answer::Both(found, map) => (Some(found), Some(map)),
                Answer::Clip(answer) => {
                    answer.into_iter().for_each(|answer| self.foresee(answer));
                    (None, None)
                }
                Answer::Failed => (None, None),
            };
            let classes = &self.parts.classes;
            let listed = self.parts.listed.get(model).copied().unwrap_or(0.0);
            if let Some(mut found) = found {
                let has_masks = found.iter().any(|d| d.mask.is_some());
                candidates.extend(found.drain(..).map(|d| Candidate {
                    listed: d.score >= listed,
                    detection: Detection { class: classes.of(model, d.class), ..d },
                }));
                masked = if has_masks { Some(found) } else { masked };
            }
            depth = map.map(|map| map.share()).or(depth);
        }
        let (truth, classes) = (frame.truth.iter(), &self.parts.classes);
        candidates.extend(truth.map(|d| Candidate {
            listed: true,
            detection: Detection { class: classes.of_truth(d.class), ..d.clone() },
        }));
        classes.suppress_across_models(&mut candidates);
        let mut objects = self.understand(&origin, frame, &candidates, depth.as_deref());
        if let Some(mut found) = masked {
            // Back to where they came from: the next masks are painted into their memory.
            found.extend(candidates.drain(..).map(|c| c.detection));
        }
        self.candidates = candidates;
        let ahead = self.parts.assess.ahead();
        self.parts.anticipate.raise((origin.sensor, origin.t), ahead.nearest, &mut objects);
        let state = if frame.repeated { SensorState::Late } else { self.state(&origin) };
        let report = self.report(&origin, Trigger::Camera, state, Some(objects));
        self.parts.end_to_end[origin.sensor].record(origin.age());
        if let Some(governor) = &self.parts.governor {
            governor.reported(origin.age());
        }
        let perceived = Perceived {
            report: Arc::new(report),
            entry: Some(origin.entry),
            picture: Some(frame.picture.clone()),
            size_px: Some([frame.size.0 as u32, frame.size.1 as u32]),
            depth,
            age: origin.age(),
            ahead,
        };
        let open = self.send(perceived);
        origin.ticket.processed();
        open
    }

    /// Takes in what a network says of a clip.
    pub fn foresee(&mut self, answer: ClipAnswer) {
        let Some(camera) = self.parts.sensors.get(answer.sensor) else { return };
        if let Some(anticipation) = self.parts.anticipate.step(&answer, &camera.name) {
            self.parts.outputs.anticipated(anticipation);
        }
    }

    fn send(&self, perceived: Perceived) -> bool {
        // A sweep beside cameras makes no line: while it alone comes there are ticks.
        if let Some(health) = &self.parts.health {
            health.line();
        }
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
        let objects = objects.filter(|_| state.sees());
        FrameReport { trigger, t: origin.t, sensor, seq: Some(origin.seq), state, objects }
    }
}
