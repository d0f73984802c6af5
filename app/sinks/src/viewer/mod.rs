//! The rerun viewer: a running one, one that is started, or a file that one opens later.
//!
//! A [`Viewer`] shows messages in one place; for a file and a live viewer at once open two with the same recording id,
//! each behind its own queue on its own thread. A file takes every message and slows its caller down to the disk's
//! speed. A live viewer never blocks its caller: what it does not take in time is shed and counted, one that went away
//! is looked for every second, and at the end it is given three. Timelines are sensor time and the frame's sequence
//! number; host time appears nowhere.

mod blueprint;
mod colour;
mod connect;
mod depth;
mod error;
mod file;
mod lines;
mod message;
mod obstacles;
mod picture;
mod plots;
mod scene;
mod states;
mod stream;
mod sweep;
mod way;

use std::path::PathBuf;

use ocellus_percept::report::{Risk, SensorState, Trigger};
use rerun::RecordingStream;

pub use connect::LOCAL_URL;
pub use error::{RERUN_VERSION, ViewerError};
pub use message::{FrameView, LogLevel, LogView, MetricsView, Picture, Shared, StateView, SweepView, TOTAL, ViewMsg};
pub use scene::{Scene, VehicleOutline};
pub use stream::Shed;

use lines::Lines;
use plots::Plots;
use states::States;
use stream::{Identity, Readiness, Stream};
use sweep::Sweeps;

/// Name of the file in a run's folder.
pub const FILE_NAME: &str = "drive.rrd";

/// Timeline of sensor time.
const SENSOR_TIME: &str = "sensor_time";
/// Timeline of sequence numbers.
const FRAME: &str = "frame";
/// Points of a sweep that a live viewer is sent: half of a 64-beam sweep, a megabyte.
const LIVE_POINTS_MAX: usize = 60_000;

/// Where messages are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ViewerMode {
    /// In a new `.rrd` file.
    Save(PathBuf),
    /// In the viewer that listens at this address, such as [`LOCAL_URL`].
    Connect(String),
    /// In the program `rerun`, which is started unless one listens at [`LOCAL_URL`] already.
    Spawn,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is on its way.
    Shown,
    /// It is not shown.
    Shed(Shed),
}

/// How many messages were shown and shed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ViewerStats {
    /// Sent on their way.
    pub shown: u64,
    /// Shed because the viewer took them too slowly.
    pub shed_stalled: u64,
    /// Shed because the viewer was gone.
    pub shed_lost: u64,
    /// Times a viewer that was gone was found again.
    pub reconnected: u64,
}

/// Shows messages in one place. Step it on its own thread.
pub struct Viewer {
    stream: Stream,
    scene: Scene,
    live: bool,
    points_max: usize,
    shown: Shown,
    stats: ViewerStats,
}

/// What is remembered from message to message.
struct Shown {
    sweeps: Sweeps,
    plots: Plots,
    states: States,
    lines: Lines,
}

impl std::fmt::Debug for Viewer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Viewer").field("live", &self.live).field("stats", &self.stats).finish_non_exhaustive()
    }
}

impl Viewer {
    /// Opens the place and sends it layout and calibration. Takes at most half a second for an address that is not
    /// there, 20 s where a viewer is to be started. `recording_id` is the same for all viewers of a run.
    pub fn open(mode: &ViewerMode, scene: Scene, recording_id: &str) -> Result<Self, ViewerError> {
        let identity = Identity { name: scene.name.clone(), recording_id: recording_id.to_owned() };
        let stream = match mode {
            ViewerMode::Save(path) => Stream::to_file(path.clone(), identity)?,
            ViewerMode::Connect(url) => Stream::to_viewer(connect::parse_url(url)?, identity)?,
            ViewerMode::Spawn => Stream::to_viewer(connect::spawn()?, identity)?,
        };
        let live = !matches!(mode, ViewerMode::Save(_));
        let points_max = if live { LIVE_POINTS_MAX } else { usize::MAX };
        let mut viewer = Self {
            stream,
            scene,
            live,
            points_max,
            shown: Shown {
                sweeps: Sweeps::new(points_max),
                plots: Plots::default(),
                states: States::default(),
                lines: Lines::default(),
            },
            stats: ViewerStats::default(),
        };
        viewer.introduce()?;
        Ok(viewer)
    }

    /// Shows one message. An error means that this message, or all from now on, cannot be shown; perception goes on.
    pub fn step(&mut self, message: &ViewMsg) -> Result<Outcome, ViewerError> {
        let bytes = message.bytes(self.points_max);
        match self.stream.ready(bytes)? {
            Readiness::Ready => {}
            Readiness::New => {
                self.stats.reconnected += 1;
                self.introduce()?;
            }
            Readiness::Shed(why) => {
                match why {
                    Shed::Stalled => self.stats.shed_stalled += 1,
                    Shed::Lost => self.stats.shed_lost += 1,
                }
                return Ok(Outcome::Shed(why));
            }
        }
        let outcome = match self.stream.rec() {
            Some(rec) => self.shown.log(rec, &self.scene, message),
            None => Ok(()),
        };
        self.stream.logged(bytes);
        outcome?;
        self.stats.shown += 1;
        Ok(Outcome::Shown)
    }

    /// Counts so far.
    pub fn stats(&self) -> ViewerStats {
        self.stats
    }

    /// Sends what is on its way and closes. A live viewer is given three seconds, a disk sixty.
    pub fn finish(mut self) -> (ViewerStats, Result<(), ViewerError>) {
        let said = self.stream.rec().map_or(Ok(()), |rec| self.shown.lines.end(rec));
        (self.stats, said.and(self.stream.finish()))
    }

    /// Layout and calibration.
    fn introduce(&mut self) -> Result<(), ViewerError> {
        self.shown.plots.reset();
        self.shown.states.reset();
        if let Some(rec) = self.stream.rec() {
            blueprint::send_blueprint(rec, &self.scene, self.live)?;
            scene::log_scene(rec, &self.scene)?;
        }
        Ok(())
    }
}

impl Shown {
    fn log(&mut self, rec: &RecordingStream, scene: &Scene, message: &ViewMsg) -> Result<(), ViewerError> {
        match message {
            ViewMsg::Frame(frame) => {
                self.lines.move_to(rec, frame.report.t, frame.report.seq)?;
                self.log_frame(rec, scene, frame)
            }
            ViewMsg::Sweep(sweep) => {
                self.lines.move_to(rec, sweep.t, Some(sweep.seq))?;
                self.states.log_sensor(rec, &sweep.lidar, SensorState::Fresh)?;
                self.sweeps.log(rec, sweep)
            }
            ViewMsg::State(view) => {
                self.lines.move_to(rec, view.t, None)?;
                self.states.log_sensor(rec, &view.sensor, view.state)
            }
            ViewMsg::Anticipation(foreseen) => {
                self.lines.move_to(rec, foreseen.said.t, None)?;
                self.plots.log_anticipation(rec, foreseen)?;
                self.states.foreseen(foreseen).map_or(Ok(()), |line| self.lines.log(rec, &line))
            }
            ViewMsg::Metrics(metrics) => {
                self.lines.move_to(rec, metrics.t, Some(metrics.seq))?;
                self.plots.log_metrics(rec, metrics)
            }
            ViewMsg::Log(line) => self.lines.log(rec, line),
        }
    }

    fn log_frame(&mut self, rec: &RecordingStream, scene: &Scene, frame: &FrameView) -> Result<(), ViewerError> {
        let report = &frame.report;
        let objects = report.objects.as_deref().unwrap_or_default();
        let risk = states::highest(objects);
        let shade = risk.unwrap_or(Risk::Clear);
        if let Some(camera) = report.sensor.as_deref().filter(|_| report.trigger == Trigger::Camera) {
            if let Some(picture) = &frame.picture {
                picture::log_picture(rec, camera, picture)?;
            }
            if let Some(depth) = &frame.depth {
                depth::log_depth(rec, camera, depth, frame.size_px)?;
            }
            way::log_on_picture(rec, scene, (camera, frame.size_px), frame.way.as_ref(), shade)?;
            obstacles::log_boxes(rec, camera, objects, frame.size_px)?;
        }
        if let Some(sensor) = &report.sensor {
            self.states.log_sensor(rec, sensor, report.state)?;
        }
        self.states.log_risk(rec, risk)?;
        for line in self.states.reasons(report) {
            self.lines.log(rec, &line)?;
        }
        way::log_in_space(rec, scene, frame.way.as_ref(), shade)?;
        obstacles::log_in_space(rec, report)?;
        self.plots.log_objects(rec, objects)
    }
}

#[cfg(test)]
mod tests;
