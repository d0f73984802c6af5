//! The only place that knows every crate: builds sensors, networks, stages, queues and sinks from a plan, runs them, and
//! writes what the run came to.

mod anticipate;
pub(crate) mod assess;
mod blind;
mod can;
mod classes;
mod clips;
mod frame;
mod governor;
mod infer;
mod infer_clips;
mod live;
mod machine;
mod networks;
mod notes;
mod obstacles;
mod outputs;
mod pace;
mod perceive;
mod prepare;
mod provenance;
mod results;
mod seen;
mod sensors;
mod sinks;
mod source;
mod summary;
mod truth;

use std::iter;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use ocellus_flow::clock::{Pacer, Speed as Pace};
use ocellus_flow::latency::{Kind, Latency, Series};
use ocellus_flow::ledger::Ledger;
use ocellus_flow::ordered::{OrderedIo, ordered_pool};
use ocellus_flow::pool::{Exhausted, Pool};
use ocellus_flow::queue::{QueueSpec, Receiver, Sender};
use ocellus_flow::stop::StopReason;
use ocellus_flow::threads::{Crew, CrewReport, JoinLimits, detach};
use ocellus_percept::cloud::Cloud;
use ocellus_percept::tensor::Preprocessor;
use ocellus_sense::{Drive, DriveKind, EncodedImage, OpenOptions, StampPolicy};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::exit;
use crate::launch::{Plan, Speed};
use crate::models::Model;

use anticipate::Anticipate;
use assess::Assess;
use blind::Watches;
use classes::Classes;
use frame::{Item, Message};
use governor::Governor;
use infer::{Infer, Job, Times, dispatch};
use infer_clips::InferClips;
use machine::MachineWatch;
use notes::Notes;
use outputs::{Outputs, objects_in};
use perceive::{Perceive, PerceiveParts, SWEEPS_KEPT};
use prepare::{InputParts, PrepareParts};
use seen::Seen;
use sensors::Chosen;
use source::{Buffers, Source};
use summary::Ended;
use truth::Truth;

pub use live::{RecordEnd, record as record_live};
pub use summary::Summary;

/// Frames that may wait between reading and preparing: one being read while another is prepared.
const READ_QUEUE: usize = 2;
/// Frames that may wait before a network: one while another runs.
const MODEL_QUEUE: usize = 2;
/// Messages that may wait for the perceiving thread; more than all networks' queues hold.
const PERCEIVE_QUEUE: usize = 16;
/// Frames that may wait before a network on clips in a live run, where the oldest is dropped: as many as a fast camera gives
/// while a slow network thinks.
const CLIP_QUEUE: usize = 32;
/// Messages that may wait for a live viewer before the oldest are dropped: three per frame, a third of a second at 10 Hz.
const VIEWER_QUEUE: usize = 12;
/// A detector's candidates below the listed score still keep tracks alive (ByteTrack's second stage).
const TRACKED_SCORE_MIN: f32 = 0.1;
/// Lowest score listed unless told otherwise.
const REPORT_SCORE_DEFAULT: f32 = 0.25;

/// Runs a plan to its end and writes the run's files.
pub fn run(plan: &Plan) -> Result<Summary> {
    let notes = Notes::default();
    let stamps = if plan.sort_stamps { StampPolicy::Sort } else { StampPolicy::Refuse };
    let options = OpenOptions { calib: plan.calib.clone(), meta: plan.meta.clone(), stamps, ..Default::default() };
    let live = plan.live.as_ref().map(|live| live::Sensors::open(live, plan.calib.as_deref())).transpose()?;
    let drive: Arc<dyn Drive> = match &live {
        Some(live) => live.drive(),
        None => Arc::from(ocellus_sense::open(&plan.drive, &options).map_err(exit::usage)?),
    };
    run_on(plan, (drive, live), notes)
}

/// Runs a plan on a drive that is open already, in place of the one the plan names, saying nothing aloud.
pub fn run_quietly(plan: &Plan, drive: Arc<dyn Drive>) -> Result<Summary> {
    run_on(plan, (drive, None), Notes::quiet())
}

/// Runs a live plan whose sensors play drives that are open already, one for each, saying nothing aloud.
pub fn run_live_quietly(plan: &Plan, drives: Vec<Arc<dyn Drive>>) -> Result<Summary> {
    let live = plan.live.as_ref().map(|live| live::Sensors::playing(live, drives)).transpose()?;
    let live = live.ok_or_else(|| exit::usage(anyhow!("the plan has no live sensors")))?;
    run_on(plan, (live.drive(), Some(live)), Notes::quiet())
}

fn run_on(plan: &Plan, (drive, live): (Arc<dyn Drive>, Option<live::Sensors>), notes: Notes) -> Result<Summary> {
    for note in &drive.info().notes {
        notes.say("drive", note.clone());
    }
    for lost in &drive.info().lost {
        notes.say("lost", lost.clone());
    }
    for suspicion in drive.info().rig.suspicions() {
        notes.say("calibration", suspicion);
    }
    let latency = Latency::new();
    let ledger = Ledger::new();
    let chosen = sensors::choose(plan, drive.as_ref(), &ledger)?;
    let mut live = live;
    if let Some(live) = &mut live {
        live.begin(&chosen.sensors, plan.governor.clone());
    }
    let (models, engines) = networks::load(plan, &notes)?;
    let truth = if plan.truth { Some(Truth::of(&drive).ok_or_else(|| no_labels(plan))?) } else { None };
    sensors::check_models(plan, &chosen, &models)?;
    let writer = objects_in(&plan.out)?;
    let run = provenance::before(plan, drive.as_ref(), &chosen, (&models, &engines))?;

    let recording_lost = !drive.info().lost.is_empty();
    let started = Instant::now();
    let machine = MachineWatch::begin(Path::new("/"), &notes)?;
    let seen = Arc::new(Mutex::new(Seen::default()));
    let health = live.as_ref().map(live::Sensors::health);
    let governor = health.as_ref().and_then(|health| health.governor());
    let pipeline = Pipeline { plan, drive, chosen, truth, latency, notes, seen, machine, governor, crew: Crew::new() };
    let report = match live {
        Some(live) => live::start(&pipeline, live, (models, engines), (writer, &ledger))?,
        None => pipeline.start(models, writer)?,
    };
    let Pipeline { latency, notes, seen, machine, crew, .. } = pipeline;
    let seen = seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let ended = Ended {
        out: plan.out.clone(),
        ledger: ledger.snapshot(),
        latency: latency.snapshot(),
        counted: latency.counted(),
        queues: crew.queue_stats(),
        machine: machine.report(),
        crew: report,
        notes,
        seen,
        run,
        recording_lost,
        health: health.map(|health| health.report()),
        wall_s: started.elapsed().as_secs_f64(),
    };
    // The files are written also when a stage failed: what was recorded until then must be readable.
    let failures = ended.crew.failures.iter().map(|f| f.to_string()).collect::<Vec<_>>().join("; ");
    let fatal = ended.crew.reason == StopReason::Failure;
    let summary = ended.write()?;
    if fatal {
        return Err(anyhow!("{failures}; what was finished until then is in {}", plan.out.display()));
    }
    Ok(summary)
}

fn no_labels(plan: &Plan) -> anyhow::Error {
    let drive = plan.drive.display();
    exit::usage(anyhow!(
        "{drive}: truth was asked for as detector, and the drive has no labels; give a network with --model"
    ))
}

/// A network in its thread.
// One per network and run: its size does not matter.
#[allow(clippy::large_enum_variant)]
enum Asked {
    /// Asked about frames.
    Frames(Infer),
    /// Asked about clips.
    Clips(InferClips),
}

/// A run being built.
struct Pipeline<'a> {
    plan: &'a Plan,
    drive: Arc<dyn Drive>,
    chosen: Chosen,
    truth: Option<Truth>,
    latency: Latency,
    notes: Notes,
    seen: Arc<Mutex<Seen>>,
    machine: MachineWatch,
    governor: Option<Arc<Governor>>,
    crew: Crew,
}

impl Pipeline<'_> {
    /// Starts all threads, last stage first, and waits for their end.
    fn start(&self, models: Vec<Model>, writer: ocellus_sinks::objects::ObjectsWriter) -> Result<CrewReport> {
        let crew = &self.crew;
        let (listed, classes) = self.listing(&models);
        let outputs = self.sinks(writer, &models)?;

        let (to_perceive, perceive_input) = self.queue::<Message>(QueueSpec::block("perceive", PERCEIVE_QUEUE));
        let perceive = self.perceive(classes, (listed.clone(), &models), outputs, None);
        crew.spawn("perceive", move || perceive.run(&perceive_input))?;

        let pools: Vec<Pool<Vec<f32>>> = models.iter().map(|m| self.tensors(m, self.plan.threads)).collect();
        let parts = self.worker_parts(&models, &pools)?;
        let workers = (0..self.plan.threads).map(|_| parts.build()).collect::<Result<Vec<_>>>()?;
        let answers = to_perceive.clone();
        let model_queues = self.networks(models, &listed, move |asked, jobs| match asked {
            Asked::Frames(infer) => infer.run(jobs, &answers),
            Asked::Clips(infer) => infer.run(jobs, &answers),
        })?;
        let (to_dispatch, dispatch_input) = self.queue::<Item>(QueueSpec::block("dispatch", 1));
        let names = self.chosen.sensors.iter().map(|s| s.name.clone());
        let watches = Watches::new(names, self.notes.clone());
        crew.spawn("dispatch", move || -> Result<()> {
            dispatch(&dispatch_input, watches, &model_queues, &to_perceive);
            Ok(())
        })?;

        let (to_prepare, input) = self.queue::<Item>(QueueSpec::block("prepare", READ_QUEUE));
        let refused = Box::new(|item: Item, _| item.origin.ticket.dropped("stopped"));
        ordered_pool(crew, "prepare", workers, OrderedIo { input, output: to_dispatch, refused })?;

        let source = self.source();
        crew.spawn("read", move || -> Result<()> {
            source.run(&to_prepare);
            Ok(())
        })?;
        listen(crew)?;
        Ok(crew.join(JoinLimits::default()))
    }

    /// The lowest score listed of each network, and all networks' classes in one numbering.
    fn listing(&self, models: &[Model]) -> (Vec<f32>, Classes) {
        let told = self.plan.models.iter().zip(models).map(|(plan, model)| plan.score.or(model.told_score));
        let truth = self.truth.as_ref().map(Truth::classes);
        let classes = Classes::new(models.iter().map(|m| m.spec.classes.as_slice()).chain(truth));
        (told.map(|score| score.unwrap_or(REPORT_SCORE_DEFAULT)).collect(), classes)
    }

    fn perceive(
        &self,
        classes: Classes,
        (listed, models): (Vec<f32>, &[Model]),
        outputs: Outputs,
        health: Option<Arc<live::Health>>,
    ) -> Perceive {
        let specs = models.iter().map(|model| &model.spec);
        Perceive::new(PerceiveParts {
            drive: Arc::clone(&self.drive),
            sensors: self.chosen.sensors.clone(),
            lidar_only: !self.plan.sees(),
            single_moments: matches!(self.drive.info().kind, DriveKind::KittiObject | DriveKind::NuScenesSamples),
            classes,
            sweep_age_s_max: self.plan.sweep_age_s_max,
            wait_s: self.plan.fusion_wait_s,
            camera_height_m: self.plan.camera_height_m,
            listed,
            unknown: self.plan.unknown,
            assess: Assess::new(&self.plan.assess, Arc::clone(&self.drive), &self.notes),
            anticipate: Anticipate::new(specs, self.plan.assess.anticipation, self.notes.clone()),
            outputs,
            notes: self.notes.clone(),
            seen: Arc::clone(&self.seen),
            fusing: self.stage("fuse"),
            tracking: self.stage("track"),
            end_to_end: self.chosen.sensors.iter().map(|s| self.latency.series(Kind::EndToEnd, &s.name)).collect(),
            governor: self.governor.clone(),
            health,
        })
    }

    fn stage(&self, name: &str) -> Series {
        self.latency.series(Kind::Stage, name)
    }

    fn queue<T: Send + 'static>(&self, spec: QueueSpec) -> (Sender<T>, Receiver<T>) {
        let name = spec.name.clone();
        let (sender, mut receiver) = self.crew.channel(spec);
        receiver.record_waits(self.latency.series(Kind::Queue, &name));
        (sender, receiver)
    }

    fn source(&self) -> Source {
        Source {
            buffers: self.buffers(),
            drive: Arc::clone(&self.drive),
            order: self.chosen.order.clone(),
            sensors: self.chosen.sensors.clone(),
            as_recorded: self.plan.as_recorded,
            pacer: Pacer::new(match self.plan.speed {
                Speed::Max => Pace::Max,
                Speed::Factor(factor) => Pace::Times(factor),
            }),
            stop: self.crew.stop().clone(),
            reading: self.stage("read"),
            notes: self.notes.clone(),
        }
    }

    /// As many pictures and sweeps as can be on their way: in the hands and queues of every stage, and before viewers.
    /// They are empty until first read into, and the one returned last is taken first.
    fn buffers(&self) -> Buffers {
        let preparing = READ_QUEUE + 3 * self.plan.threads + 2;
        let capacity = preparing
            + MODEL_QUEUE
            + PERCEIVE_QUEUE
            + 2 * VIEWER_QUEUE
            + self.written()
            + (SWEEPS_KEPT + 1) * self.chosen.sensors.len();
        let pictures = Pool::new("pictures", capacity, Exhausted::Wait, EncodedImage::default);
        let sweeps = Pool::new("sweeps", capacity, Exhausted::Wait, Cloud::default);
        self.crew.stop().register(pictures.handle());
        self.crew.stop().register(sweeps.handle());
        Buffers { pictures, sweeps }
    }

    /// As many tensors as frames can be between a worker and the network: in the workers' hands, in the window that
    /// restores their order (two per worker), in the two queues, and in the dispatcher's and the network's hands.
    fn tensors(&self, model: &Model, workers: usize) -> Pool<Vec<f32>> {
        let queued = if self.awaits(model) { MODEL_QUEUE } else { CLIP_QUEUE };
        let capacity = 3 * workers + 1 + queued + 2 + model.others.len();
        let length = 3 * model.spec.input.width * model.spec.input.height;
        let pool = Pool::new("tensors", capacity, Exhausted::Wait, || vec![0.0; length]);
        self.crew.stop().register(pool.handle());
        pool
    }

    /// Whether frames wait for a network's answers: live, none waits for one on clips.
    fn awaits(&self, model: &Model) -> bool {
        self.plan.live.is_none() || !model.is_on_clips()
    }

    /// What a preparing worker is built from.
    fn worker_parts(&self, models: &[Model], pools: &[Pool<Vec<f32>>]) -> Result<PrepareParts> {
        let mut inputs = Vec::with_capacity(models.len());
        for ((model, plan), pool) in models.iter().zip(&self.plan.models).zip(pools) {
            let input = model.spec.input.clone();
            Preprocessor::new(&input).context(model.spec.name.clone()).map_err(exit::usage)?;
            let (looks_at, awaited) = (self.chosen.looked_at(plan), self.awaits(model));
            inputs.push(InputParts { input, tensors: pool.clone(), looks_at, awaited });
        }
        Ok(PrepareParts {
            inputs,
            sensors: self.chosen.sensors.iter().map(|s| s.name.clone()).collect(),
            truth: self.truth.clone(),
            scaled_jpeg: self.plan.scaled_jpeg,
            drive: Arc::clone(&self.drive),
            governor: self.governor.clone(),
            latency: self.latency.clone(),
            notes: self.notes.clone(),
        })
    }

    /// Starts a thread for each network, which `run` drives.
    fn networks(
        &self,
        models: Vec<Model>,
        listed: &[f32],
        run: impl Fn(Asked, &Receiver<Job>) -> Result<()> + Clone + Send + 'static,
    ) -> Result<Vec<Sender<Job>>> {
        let mut queues = Vec::with_capacity(models.len());
        for (index, (model, listed)) in models.into_iter().zip(listed).enumerate() {
            let name = model.spec.name.clone();
            let queue_name = format!("model {name}");
            let queue = if self.awaits(&model) {
                // Live, a frame that waits grows old.
                QueueSpec::block(queue_name, if self.plan.live.is_some() { 1 } else { MODEL_QUEUE })
            } else {
                QueueSpec::drop_oldest(queue_name, CLIP_QUEUE)
            };
            let sessions = self.asked(index, model, *listed).context(name.clone()).map_err(exit::usage)?;
            let (sender, jobs) = self.queue::<Job>(queue);
            for asked in sessions {
                let (run, jobs) = (run.clone(), jobs.clone());
                self.crew.spawn(&format!("infer-{name}"), move || run(asked, &jobs))?;
            }
            queues.push(sender);
        }
        Ok(queues)
    }

    /// What runs in a network's threads, one for each of its sessions.
    fn asked(&self, index: usize, model: Model, listed: f32) -> Result<Vec<Asked>> {
        if model.is_on_clips() {
            if !model.others.is_empty() {
                let count = model.others.len() + 1;
                return Err(anyhow!(
                    "model.{index}.sessions: expected 1 for a network on clips, which takes pictures in their order, got {count}"
                ));
            }
            let sensors = self.chosen.sensors.iter().map(|s| s.name.clone());
            let said = (self.stage("infer_clips"), self.notes.clone());
            return Ok(vec![Asked::Clips(InferClips::new(index, &model.spec, model.network, sensors, said)?)]);
        }
        let mut spec = model.spec;
        spec.thresholds.score = listed.min(TRACKED_SCORE_MIN);
        let sessions = iter::once(model.network).chain(model.others).map(|network| {
            let times = Times { inferring: self.stage("infer"), decoding: self.stage("outputs") };
            let place = (self.notes.clone(), self.crew.stop());
            Ok(Asked::Frames(Infer::new(index, &spec, (network, model.scores.clone()), times, place)?))
        });
        sessions.collect()
    }
}

/// Ctrl-C and SIGTERM: the first finishes what is in flight, the second does not wait for it.
fn listen(crew: &Crew) -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let stop = crew.stop().clone();
    detach("signals", move || {
        let mut asked = false;
        for _ in signals.forever() {
            if std::mem::replace(&mut asked, true) {
                stop.halt();
            } else {
                stop.request(StopReason::Interrupt);
            }
        }
    })?;
    Ok(())
}
