//! Live runs: the same stages as a replay, with a thread and a queue for each sensor, in which the newest frame wins.
//!
//! ```text
//! capture ──▶ [newest wins] ──▶ prepare ──▶ [model]... ──▶ infer, one thread a model ──▶ [perceive] ──▶ perceive ──▶ sinks
//! 1 a sensor                    1 a sensor   room for 2                                   watermark
//!    └─▶ [ring] ──▶ record                                                   watch ──▶ ticks, states, replacements
//! ```
//!
//! A preparing thread waits for the networks, not the sensor: meanwhile newer frames take the place of older ones in its
//! queue, and the ledger counts those as dropped, `queue_full`. So a slow network costs frames, evenly of all its
//! cameras, and never age.

mod camera;
mod capture;
mod clock;
mod drive;
mod faults;
mod feed;
mod health;
mod lines;
mod metrics;
mod order;
mod record;
mod stages;
mod udp;
mod watch;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use anyhow::Result;
use ocellus_flow::latency::{Kind, Latency};
use ocellus_flow::ledger::{Ledger, LedgerSnapshot};
use ocellus_flow::pool::{Exhausted, Pool};
use ocellus_flow::queue::{QueueSpec, Sender};
use ocellus_flow::stop::StopReason;
use ocellus_flow::supervise::Heartbeats;
use ocellus_flow::threads::{Crew, CrewReport, JoinLimits, OnFailure};
use ocellus_percept::cloud::Cloud;
use ocellus_sense::{Drive, EncodedImage, SensorInfo};
use ocellus_sinks::http::HttpServer;
use ocellus_sinks::objects::ObjectsWriter;
use ocellus_sinks::systemd::Systemd;

use super::frame::{Item, Message};
use super::infer::Job;
use super::machine::MachineWatch;
use super::notes::Notes;
use super::outputs::Outputs;
use super::perceive::SWEEPS_KEPT;
use super::source::{Buffers, RunSensor};
use super::{Asked, PERCEIVE_QUEUE, Pipeline, VIEWER_QUEUE, listen};
use crate::engines::EngineInUse;
use crate::exit;
use crate::launch::{GovernorPlan, LivePlan, SensorSource};
use crate::models::Model;

use capture::{Capture, Opener};
use drive::LiveDrive;
use faults::{Faults, Faulty};
use feed::{Feed, Played, Track};
use health::Limits;
use lines::Lines;
use metrics::Metrics;
use order::Ordered;
use record::{Recorder, Tap};
use stages::Preparing;
use watch::{Watch, Watched};

pub use clock::LiveClock;
pub use health::{Health, HealthReport};

/// Once a stop was asked for: so long for what is in flight, and so long for sinks to flush. Together well within
/// systemd's 90 s, and short enough for a person who waits.
const LIMITS: JoinLimits = JoinLimits { drain: Duration::from_secs(3), halt: Duration::from_secs(3) };

/// The sensors of a live run, opened, before its threads are started.
pub struct Sensors {
    plan: LivePlan,
    drive: Arc<LiveDrive>,
    health: Arc<Health>,
    /// By run sensor: index into the plan's.
    planned: Vec<usize>,
}

impl Sensors {
    /// Opens the sensors of a plan. Errors carry exit code 2, but for a camera that may yet come.
    pub fn open(plan: &LivePlan, calib: Option<&Path>) -> Result<Self> {
        Ok(Self::on(plan, LiveDrive::open(plan, calib)?))
    }

    /// The sensors of a plan, played from drives that are open already, one for each.
    pub fn playing(plan: &LivePlan, drives: Vec<Arc<dyn Drive>>) -> Result<Self> {
        Ok(Self::on(plan, LiveDrive::of(plan, drives)?))
    }

    fn on(plan: &LivePlan, drive: LiveDrive) -> Self {
        let health = Arc::new(Health::new([]));
        Self { plan: plan.clone(), drive: Arc::new(drive), health, planned: Vec::new() }
    }

    /// The sensors as a drive.
    pub fn drive(&self) -> Arc<dyn Drive> {
        Arc::clone(&self.drive) as Arc<dyn Drive>
    }

    /// Watches over those that take part, and over their load where that is governed.
    pub fn begin(&mut self, run_sensors: &[RunSensor], governor: Option<GovernorPlan>) {
        let infos = &self.drive.info().sensors;
        let index = |name: &str| infos.iter().position(|info| info.name == *name);
        self.planned = run_sensors.iter().filter_map(|s| index(&s.name)).collect();
        let limits = |&i: &usize| {
            let plan = &self.plan.sensors[i];
            (infos[i].name.clone(), Limits::new(plan.late, plan.stale, infos[i].rate_hz))
        };
        self.health = Arc::new(Health::new(self.planned.iter().map(limits)).governed(governor));
    }

    /// How they are.
    pub fn health(&self) -> Arc<Health> {
        Arc::clone(&self.health)
    }
}

/// Starts all threads of a live run, last stage first, and waits for their end.
pub fn start(
    pipeline: &Pipeline<'_>,
    sensors: Sensors,
    (models, engines): (Vec<Model>, Vec<EngineInUse>),
    (writer, ledger): (ObjectsWriter, &Ledger),
) -> Result<CrewReport> {
    let crew = &pipeline.crew;
    let run = LiveRun::new(sensors, &pipeline.chosen.sensors, (crew, &pipeline.latency, &pipeline.notes));
    let (listed, classes) = pipeline.listing(&models);
    let outputs = run.lines(pipeline, writer, &models)?;

    let (to_perceive, input) = pipeline.queue::<Message>(QueueSpec::block("perceive", PERCEIVE_QUEUE));
    let health = run.sensors.health();
    let ordered = Ordered {
        perceive: pipeline.perceive(classes, (listed.clone(), &models), outputs.clone(), Some(Arc::clone(&health))),
        bound: run.sensors.plan.order,
        health: Arc::clone(&health),
        notes: pipeline.notes.clone(),
    };
    let stop = crew.stop().clone();
    crew.spawn("perceive", move || -> Result<()> {
        let perceived = ordered.run(&input);
        // All sensors have ended, or nobody takes reports any more: whoever watches may go.
        stop.request(StopReason::End);
        perceived
    })?;

    let workers = run.workers(pipeline, &models)?;
    let answers = to_perceive.clone();
    let (of_stages, faults) = (Arc::clone(&health), run.faults.clone());
    let networks = pipeline.networks(models, &listed, move |asked, jobs| match asked {
        Asked::Frames(infer) => stages::infer(infer, jobs, &answers, (&of_stages, &faults)),
        Asked::Clips(infer) => {
            stages::infer_clips(infer, jobs, &answers, &of_stages);
            Ok(())
        }
    })?;
    let tap = run.recorder(pipeline)?;
    let inlets = run.prepare(pipeline, workers, &networks, &to_perceive)?;
    // From here on the stages end when the sensors do.
    drop((networks, to_perceive));
    run.serve(ledger, engines, Some(pipeline.machine.clone()))?;
    run.capture(inlets, tap, (Some((outputs, pipeline.machine.clone())), pipeline.written()))?;
    listen(crew)?;
    Ok(crew.join(LIMITS))
}

/// Records what the live sensors of a plan give to `path`, without perceiving anything.
pub fn record(plan: &LivePlan, calib: Option<&Path>, path: &Path) -> Result<RecordEnd> {
    let (ledger, latency, notes, crew) = (Ledger::new(), Latency::new(), Notes::default(), Crew::new());
    let mut sensors = Sensors::open(&LivePlan { record: Some(path.to_path_buf()), ..plan.clone() }, calib)?;
    for note in &sensors.drive.info().notes {
        notes.say("drive", note.clone());
    }
    let of_run = |s: &SensorInfo| RunSensor { name: s.name.clone(), kind: s.kind, book: ledger.sensor(&s.name) };
    let run_sensors: Vec<RunSensor> = sensors.drive.info().sensors.iter().map(of_run).collect();
    sensors.begin(&run_sensors, None);
    let health = sensors.health();
    let run = LiveRun::new(sensors, &run_sensors, (&crew, &latency, &notes));
    let (sender, input) = crew.channel::<Item>(QueueSpec::drop_oldest("record", record::RING));
    let (recorder, file, stop) = (run.recording(), path.to_path_buf(), crew.stop().clone());
    crew.spawn("record", move || -> Result<()> {
        let recorded = recorder.run_items(&file, &input);
        stop.request(StopReason::End);
        recorded
    })?;
    run.serve(&ledger, Vec::new(), None)?;
    let inlets = run_sensors.iter().map(|_| sender.clone()).collect();
    drop(sender);
    run.capture(inlets, None, (None, 0))?;
    listen(&crew)?;
    let report = crew.join(LIMITS);
    Ok(RecordEnd { ledger: ledger.snapshot(), report, health: health.report() })
}

/// What a recording of live sensors came to.
pub struct RecordEnd {
    /// The books: a frame that is processed is in the file.
    pub ledger: LedgerSnapshot,
    /// How the threads ended.
    pub report: CrewReport,
    /// How the sensors were.
    pub health: HealthReport,
}

/// A live run being started.
struct LiveRun {
    sensors: Sensors,
    run_sensors: Vec<RunSensor>,
    crew: Crew,
    latency: Latency,
    notes: Notes,
    clock: LiveClock,
    faults: Faults,
}

/// Builds a sensor's preparing worker.
type MakeWorker = Box<dyn Fn() -> Result<super::prepare::Prepare> + Send>;

impl LiveRun {
    /// Begins now: the sensors' frames are due from here on.
    fn new(sensors: Sensors, run_sensors: &[RunSensor], (crew, latency, notes): (&Crew, &Latency, &Notes)) -> Self {
        let clock = sensors.drive.start_clock();
        let faults = Faults::new(sensors.plan.faults.clone(), clock);
        let (crew, latency, notes) = (crew.clone(), latency.clone(), notes.clone());
        Self { sensors, run_sensors: run_sensors.to_vec(), crew, latency, notes, clock, faults }
    }

    /// objects.jsonl behind a ring that drops, and the viewers.
    fn lines(&self, pipeline: &Pipeline<'_>, writer: ObjectsWriter, models: &[Model]) -> Result<Outputs> {
        let (objects, input) = pipeline.queue(QueueSpec::drop_oldest("objects", lines::RING));
        let lines = Lines {
            writer,
            clock: self.clock,
            faults: self.faults.clone(),
            health: self.sensors.health(),
            writing: pipeline.stage("write"),
            notes: self.notes.clone(),
        };
        self.crew.spawn_with("objects", OnFailure::CarryOn, move || lines.run(&input))?;
        pipeline.outputs(objects, models, Some(self.clock))
    }

    /// By run sensor: how to build its preparing worker.
    fn workers(&self, pipeline: &Pipeline<'_>, models: &[Model]) -> Result<Vec<MakeWorker>> {
        let sensors = self.run_sensors.len();
        let pools: Vec<Pool<Vec<f32>>> = models.iter().map(|m| pipeline.tensors(m, sensors)).collect();
        let parts = pipeline.worker_parts(models, &pools)?;
        let make = |_| {
            let parts = parts.clone();
            Box::new(move || parts.build()) as MakeWorker
        };
        Ok((0..sensors).map(make).collect())
    }

    fn recording(&self) -> Recorder {
        Recorder {
            drive: self.sensors.drive(),
            sensors: self.run_sensors.iter().map(|s| s.name.clone()).collect(),
            clock: self.clock,
            faults: self.faults.clone(),
            notes: self.notes.clone(),
        }
    }

    fn recorder(&self, pipeline: &Pipeline<'_>) -> Result<Option<Tap>> {
        let Some(path) = self.sensors.plan.record.clone() else { return Ok(None) };
        let (sender, input) = pipeline.queue(QueueSpec::drop_oldest("record", record::RING));
        let recorder = self.recording();
        self.crew.spawn_with("record", OnFailure::CarryOn, move || recorder.run(&path, &input))?;
        Ok(Some(Tap(sender)))
    }

    /// Starts the preparing threads; the ends of their queues, by run sensor.
    fn prepare(
        &self,
        pipeline: &Pipeline<'_>,
        workers: Vec<MakeWorker>,
        models: &[Sender<Job>],
        perceive: &Sender<Message>,
    ) -> Result<Vec<Sender<Item>>> {
        let index = Arc::new(AtomicU64::new(0));
        let mut inlets = Vec::with_capacity(workers.len());
        for (number, (sensor, make)) in self.run_sensors.iter().zip(workers).enumerate() {
            let (sender, input) = pipeline.queue(QueueSpec::latest(format!("prepare {}", sensor.name)));
            let preparing = Preparing {
                name: sensor.name.clone(),
                sensor: number,
                make,
                models: models.to_vec(),
                perceive: perceive.clone(),
                index: Arc::clone(&index),
                clock: self.clock,
                faults: self.faults.clone(),
                health: self.sensors.health(),
                notes: self.notes.clone(),
            };
            self.crew.spawn(&format!("prepare-{}", sensor.name), move || preparing.run(&input))?;
            inlets.push(sender);
        }
        Ok(inlets)
    }

    /// Answers `/health` and `/metrics`, where that was asked for.
    fn serve(&self, ledger: &Ledger, engines: Vec<EngineInUse>, machine: Option<MachineWatch>) -> Result<()> {
        let Some(address) = self.sensors.plan.http else { return Ok(()) };
        let server = HttpServer::bind(address).map_err(exit::usage)?;
        if !address.ip().is_loopback() {
            self.notes.say("http", format!("{address} is not loopback: whoever reaches it can read the figures"));
        }
        self.notes.say("http", format!("http://{}/health and /metrics", server.address().unwrap_or(address)));
        let (latency, crew) = (self.latency.clone(), self.crew.clone());
        let metrics =
            Metrics { ledger: ledger.clone(), latency, crew, health: self.sensors.health(), engines, machine };
        let stop = self.crew.stop().clone();
        self.crew.spawn_with("http", OnFailure::CarryOn, move || -> Result<()> {
            metrics.serve(&server, &stop);
            Ok(())
        })?;
        Ok(())
    }

    /// As many pictures and sweeps as can be on their way: per sensor one read, queued, prepared and kept for fusion; in
    /// the perceiving thread's queue; before viewers, results and the recorder. When all are out, the newest frame is dropped.
    fn buffers(&self, written: usize) -> Buffers {
        let recorded = if self.sensors.plan.record.is_some() { record::RING } else { 0 };
        let seen = 2 * PERCEIVE_QUEUE + 2 * VIEWER_QUEUE;
        let capacity = (4 + SWEEPS_KEPT) * self.run_sensors.len() + seen + recorded + written;
        Buffers {
            pictures: Pool::new("pictures", capacity, Exhausted::Refuse, EncodedImage::default),
            sweeps: Pool::new("sweeps", capacity, Exhausted::Refuse, Cloud::default),
        }
    }

    /// Starts the capturing threads, and the one that watches over them, who gives ticks to `outputs`; those who write
    /// results hold up to `written` frames.
    fn capture(
        &self,
        inlets: Vec<Sender<Item>>,
        tap: Option<Tap>,
        (outputs, written): (Option<(Outputs, MachineWatch)>, usize),
    ) -> Result<()> {
        let (hearts, buffers) = (Heartbeats::new(), self.buffers(written));
        let mut captures = Vec::with_capacity(inlets.len());
        for (i, (sensor, output)) in self.run_sensors.iter().zip(inlets).enumerate() {
            let capture = Capture {
                sensor: i,
                name: sensor.name.clone(),
                open: self.opener(i, &sensor.name),
                output,
                book: sensor.book.clone(),
                health: self.sensors.health(),
                clock: self.clock,
                stop: self.crew.stop().clone(),
                notes: self.notes.clone(),
                buffers: buffers.clone(),
                tap: tap.clone(),
                arriving: self.latency.series(Kind::Queue, &format!("arrive {}", sensor.name)),
                current: Arc::default(),
                governor: self.sensors.health().governor(),
            };
            captures.push(Watched::start(capture, &self.crew, &hearts)?);
        }
        let watch = Watch {
            captures,
            hearts,
            crew: self.crew.clone(),
            health: self.sensors.health(),
            clock: self.clock,
            outputs: outputs.as_ref().map(|(outputs, _)| outputs.clone()),
            machine: outputs.map(|(_, machine)| machine),
            faults: self.faults.clone(),
            tick: self.sensors.plan.tick,
            end: self.sensors.plan.seconds,
            notes: self.notes.clone(),
            systemd: Systemd::from_environment(),
        };
        let stop = self.crew.stop().clone();
        self.crew.spawn_with("watch", OnFailure::CarryOn, move || watch.run(&stop))?;
        Ok(())
    }

    /// Opens the `sensor`-th sensor's feed, with the faults that are asked for.
    fn opener(&self, sensor: usize, name: &str) -> Opener {
        let planned = self.sensors.planned.get(sensor).copied();
        let track = planned.and_then(|planned| self.sensors.drive.track(planned));
        let source = planned.and_then(|planned| self.sensors.plan.sensors.get(planned)).map(|s| s.source.clone());
        let (clock, stop, faults, notes) =
            (self.clock, self.crew.stop().clone(), self.faults.clone(), self.notes.clone());
        let name = name.to_owned();
        let kept = match &source {
            Some(SensorSource::Camera(options)) => Some(camera::Kept::new(options.clone())),
            _ => None,
        };
        Arc::new(move || {
            faults.check_open(&name)?;
            let feed: Box<dyn Feed> = if let Some(SensorSource::Udp(plan)) = &source {
                Box::new(udp::Heard::open(&udp::options(plan)?, &name, notes.clone())?)
            } else if let Some(kept) = &kept {
                Box::new(kept.open(&name, clock, &notes)?)
            } else {
                let track: Track = track.clone().ok_or_else(|| anyhow::anyhow!("it has no source"))?;
                Box::new(Played::open(track, clock, stop.clone()))
            };
            Ok(if faults.touches(&name) { Box::new(Faulty::new(feed, &name, faults.clone())) } else { feed })
        })
    }
}
