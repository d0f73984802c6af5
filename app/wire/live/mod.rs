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

mod capture;
mod clock;
mod drive;
mod faults;
mod feed;
mod health;
mod lines;
mod order;
mod record;
mod stages;
mod watch;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use anyhow::Result;
use ocellus_flow::latency::Kind;
use ocellus_flow::pool::{Exhausted, Pool};
use ocellus_flow::queue::{QueueSpec, Sender};
use ocellus_flow::stop::StopReason;
use ocellus_flow::supervise::Heartbeats;
use ocellus_flow::threads::{CrewReport, JoinLimits, OnFailure};
use ocellus_percept::cloud::Cloud;
use ocellus_sense::{Drive, EncodedImage};
use ocellus_sinks::objects::ObjectsWriter;
use ocellus_sinks::systemd::Systemd;

use super::frame::{Item, Message};
use super::infer::Job;
use super::outputs::Outputs;
use super::perceive::SWEEPS_KEPT;
use super::sensors::Chosen;
use super::source::Buffers;
use super::{PERCEIVE_QUEUE, Pipeline, VIEWER_QUEUE};
use crate::launch::LivePlan;
use crate::models::Model;

use capture::{Capture, Opener};
use clock::LiveClock;
use drive::LiveDrive;
use faults::{Faults, Faulty};
use feed::{Feed, Played, Track};
use health::Limits;
use lines::Lines;
use order::Ordered;
use record::{Recorder, Tap};
use stages::Preparing;
use watch::{Watch, Watched};

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
    /// Opens the sensors of a plan. Errors carry exit code 2.
    pub fn open(plan: &LivePlan, calib: Option<&Path>) -> Result<Self> {
        let drive = LiveDrive::open(plan, calib)?;
        let health = Arc::new(Health::new([]));
        Ok(Self { plan: plan.clone(), drive: Arc::new(drive), health, planned: Vec::new() })
    }

    /// The sensors as a drive.
    pub fn drive(&self) -> Arc<dyn Drive> {
        Arc::clone(&self.drive) as Arc<dyn Drive>
    }

    /// Watches over those that take part.
    pub fn begin(&mut self, chosen: &Chosen) {
        let infos = &self.drive.info().sensors;
        let index = |name: &str| infos.iter().position(|info| info.name == *name);
        self.planned = chosen.sensors.iter().filter_map(|s| index(&s.name)).collect();
        let limits = |&i: &usize| {
            let plan = &self.plan.sensors[i];
            (infos[i].name.clone(), Limits::new(plan.late, plan.stale, infos[i].rate_hz))
        };
        self.health = Arc::new(Health::new(self.planned.iter().map(limits)));
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
    models: Vec<Model>,
    writer: ObjectsWriter,
) -> Result<CrewReport> {
    let crew = &pipeline.crew;
    let clock = sensors.drive.start_clock();
    let faults = Faults::new(sensors.plan.faults.clone(), clock);
    let run = LiveRun { pipeline, sensors, clock, faults };
    let (listed, classes) = pipeline.listing(&models);
    let outputs = run.lines(writer, models.iter().any(Model::is_depth))?;

    let (to_perceive, input) = pipeline.queue::<Message>(QueueSpec::block("perceive", PERCEIVE_QUEUE));
    let health = run.sensors.health();
    let ordered = Ordered {
        perceive: pipeline.perceive(classes, listed.clone(), outputs.clone(), Some(Arc::clone(&health))),
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

    let workers = run.workers(&models)?;
    let answers = to_perceive.clone();
    let of_stages = Arc::clone(&health);
    let networks =
        pipeline.networks(models, &listed, move |network, jobs| stages::infer(network, jobs, &answers, &of_stages))?;
    let tap = run.recorder()?;
    let inlets = run.prepare(workers, &networks, &to_perceive)?;
    // From here on the stages end when the sensors do.
    drop((networks, to_perceive));
    run.capture(inlets, tap, outputs)?;
    pipeline.listen()?;
    Ok(crew.join(LIMITS))
}

/// A live run being started.
struct LiveRun<'a> {
    pipeline: &'a Pipeline<'a>,
    sensors: Sensors,
    clock: LiveClock,
    faults: Faults,
}

/// Builds a sensor's preparing worker.
type MakeWorker = Box<dyn Fn() -> Result<super::prepare::Prepare> + Send>;

impl LiveRun<'_> {
    /// objects.jsonl behind a ring that drops, and the viewers.
    fn lines(&self, writer: ObjectsWriter, depth: bool) -> Result<Outputs> {
        let pipeline = self.pipeline;
        let (objects, input) = pipeline.queue(QueueSpec::drop_oldest("objects", lines::RING));
        let lines = Lines {
            writer,
            clock: self.clock,
            faults: self.faults.clone(),
            health: self.sensors.health(),
            writing: pipeline.stage("write"),
            notes: pipeline.notes.clone(),
        };
        pipeline.crew.spawn_with("objects", OnFailure::CarryOn, move || lines.run(&input))?;
        pipeline.outputs(objects, depth)
    }

    /// By run sensor: how to build its preparing worker.
    fn workers(&self, models: &[Model]) -> Result<Vec<MakeWorker>> {
        let pipeline = self.pipeline;
        let sensors = self.sensors.planned.len();
        let pools: Vec<Pool<Vec<f32>>> = models.iter().map(|m| pipeline.tensors(m, sensors)).collect();
        let parts = pipeline.worker_parts(models, &pools)?;
        Ok((0..sensors)
            .map(|_| {
                let parts = parts.clone();
                Box::new(move || parts.build()) as MakeWorker
            })
            .collect())
    }

    fn recorder(&self) -> Result<Option<Tap>> {
        let Some(path) = self.sensors.plan.record.clone() else { return Ok(None) };
        let pipeline = self.pipeline;
        let (sender, input) = pipeline.queue(QueueSpec::drop_oldest("record", record::RING));
        let recorder = Recorder {
            drive: self.sensors.drive(),
            sensors: pipeline.chosen.sensors.iter().map(|s| s.name.clone()).collect(),
            clock: self.clock,
            faults: self.faults.clone(),
            notes: pipeline.notes.clone(),
        };
        pipeline.crew.spawn_with("record", OnFailure::CarryOn, move || recorder.run(&path, &input))?;
        Ok(Some(Tap(sender)))
    }

    /// Starts the preparing threads; the ends of their queues, by run sensor.
    fn prepare(
        &self,
        workers: Vec<MakeWorker>,
        models: &[Sender<Job>],
        perceive: &Sender<Message>,
    ) -> Result<Vec<Sender<Item>>> {
        let pipeline = self.pipeline;
        let index = Arc::new(AtomicU64::new(0));
        let mut inlets = Vec::with_capacity(workers.len());
        for (sensor, make) in pipeline.chosen.sensors.iter().zip(workers) {
            let (sender, input) = pipeline.queue(QueueSpec::latest(format!("prepare {}", sensor.name)));
            let preparing = Preparing {
                name: sensor.name.clone(),
                make,
                models: models.to_vec(),
                perceive: perceive.clone(),
                index: Arc::clone(&index),
                clock: self.clock,
                faults: self.faults.clone(),
                health: self.sensors.health(),
                notes: pipeline.notes.clone(),
            };
            pipeline.crew.spawn(&format!("prepare-{}", sensor.name), move || preparing.run(&input))?;
            inlets.push(sender);
        }
        Ok(inlets)
    }

    /// As many pictures and sweeps as can be on their way: per sensor one read, queued, prepared and kept for fusion; in
    /// the perceiving thread's queue; before viewers and the recorder. When all are out, the newest frame is dropped.
    fn buffers(&self) -> Buffers {
        let sensors = self.pipeline.chosen.sensors.len();
        let recorded = if self.sensors.plan.record.is_some() { record::RING } else { 0 };
        let capacity = (4 + SWEEPS_KEPT) * sensors + 2 * PERCEIVE_QUEUE + 2 * VIEWER_QUEUE + recorded;
        Buffers {
            pictures: Pool::new("pictures", capacity, Exhausted::Refuse, EncodedImage::default),
            sweeps: Pool::new("sweeps", capacity, Exhausted::Refuse, Cloud::default),
        }
    }

    /// Starts the capturing threads, and the one that watches over them.
    fn capture(&self, inlets: Vec<Sender<Item>>, tap: Option<Tap>, outputs: Outputs) -> Result<()> {
        let pipeline = self.pipeline;
        let (hearts, buffers) = (Heartbeats::new(), self.buffers());
        let mut captures = Vec::with_capacity(inlets.len());
        for (i, (sensor, output)) in pipeline.chosen.sensors.iter().zip(inlets).enumerate() {
            let capture = Capture {
                sensor: i,
                name: sensor.name.clone(),
                open: self.opener(i, &sensor.name),
                output,
                book: sensor.book.clone(),
                health: self.sensors.health(),
                clock: self.clock,
                stop: pipeline.crew.stop().clone(),
                notes: pipeline.notes.clone(),
                buffers: buffers.clone(),
                tap: tap.clone(),
                arriving: pipeline.latency.series(Kind::Queue, &format!("arrive {}", sensor.name)),
                current: Arc::default(),
            };
            captures.push(Watched::start(capture, &pipeline.crew, &hearts)?);
        }
        let watch = Watch {
            captures,
            hearts,
            crew: pipeline.crew.clone(),
            health: self.sensors.health(),
            clock: self.clock,
            outputs,
            tick: self.sensors.plan.tick,
            end: self.sensors.plan.seconds,
            notes: pipeline.notes.clone(),
            systemd: Systemd::from_environment(),
        };
        let stop = pipeline.crew.stop().clone();
        pipeline.crew.spawn_with("watch", OnFailure::CarryOn, move || watch.run(&stop))?;
        Ok(())
    }

    /// Opens the `sensor`-th sensor's feed, with the faults that are asked for.
    fn opener(&self, sensor: usize, name: &str) -> Opener {
        let track = self.sensors.planned.get(sensor).and_then(|&planned| self.sensors.drive.track(planned));
        let (clock, stop, faults) = (self.clock, self.pipeline.crew.stop().clone(), self.faults.clone());
        let name = name.to_owned();
        Arc::new(move || {
            faults.check_open(&name)?;
            let track: Track = track.clone().ok_or_else(|| anyhow::anyhow!("it has no source"))?;
            let played: Box<dyn Feed> = Box::new(Played::open(track, clock, stop.clone()));
            Ok(if faults.touches(&name) { Box::new(Faulty::new(played, &name, faults.clone())) } else { played })
        })
    }
}
