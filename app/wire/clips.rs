//! Event clips: the seconds before and after a warning as an MCAP recording with inputs, results and the reason.
//!
//! What perception saw is kept in a ring, by reference, as long as a clip reaches back. When an obstacle's risk rises to a
//! warning the ring goes to a new file, and all that comes until some time after the last warning; each warning is told on
//! [`EVENT_TOPIC`]. Nothing of it waits: the ring is bounded, and a clip that grows too long is closed. A finished clip is
//! named by time, risk and obstacle; where all of them take more room than allowed those of least risk go first (see `quota`).

mod quota;

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use ocellus_flow::queue::{QueueSpec, Receiver, Sender};
use ocellus_flow::threads::OnFailure;
use ocellus_percept::assess::VehicleShape;
use ocellus_percept::report::{FrameReport, Object, Risk};
use ocellus_percept::time::Timestamp;
use ocellus_sense::Drive;
use ocellus_sense::event::{EVENT_TOPIC, Event};
use ocellus_sinks::mcap::Compression;

use super::Pipeline;
use super::assess::shape;
use super::notes::Notes;
use super::results::{RESULTS_QUEUE, Said, write_said};
use crate::exit;
use crate::launch::{ClipsPlan, ModelPlan, TRUTH};
use crate::recording::{JPEG_QUALITY, Tape};

/// Messages in the ring at most: 4 s of two cameras at 30 Hz and two LiDARs at 10 Hz, with their reports.
pub const CLIP_RING: usize = 512;
/// A clip is no longer than this, seconds: a warning that lasts begins another.
const CLIP_S_MAX: f64 = 60.0;
/// A track not seen for so long is forgotten with its risk, seconds.
const FORGET_S: f64 = 3.0;

/// What clips are told beside what perception says.
struct About {
    /// The vehicle that is assessed.
    vehicle: VehicleShape,
    /// The networks that run, by name.
    models: Vec<String>,
}

/// Keeps event clips.
struct Clips {
    plan: ClipsPlan,
    about: About,
    drive: Arc<dyn Drive>,
    notes: Notes,
    ring: VecDeque<Said>,
    /// By track: its risk and when it was seen.
    risks: BTreeMap<u64, (Risk, Timestamp)>,
    open: Option<Open>,
}

/// A clip being written.
struct Open {
    tape: Tape,
    path: PathBuf,
    began: Timestamp,
    until: Timestamp,
    /// The event of highest risk so far.
    worst: Event,
}

impl Pipeline<'_> {
    /// Starts the thread that keeps event clips: a live run goes on without it.
    pub(super) fn clips(&self) -> Result<Option<Sender<Said>>> {
        let Some(plan) = self.plan.clips.clone() else { return Ok(None) };
        let (spec, failed) = match self.plan.live {
            Some(_) => (QueueSpec::drop_oldest("clips", RESULTS_QUEUE), OnFailure::CarryOn),
            None => (QueueSpec::block("clips", RESULTS_QUEUE), OnFailure::Halt),
        };
        let (sender, input) = self.queue(spec);
        let name = |model: &ModelPlan| model.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let truth = self.plan.truth.then(|| TRUTH.to_owned());
        let models = self.plan.models.iter().map(name).chain(truth).collect();
        let vehicle = shape(&self.plan.assess, self.drive.as_ref()).unwrap_or(VehicleShape::CAR);
        let clips = Clips::new(plan, About { vehicle, models }, Arc::clone(&self.drive), self.notes.clone())?;
        self.crew.spawn_with("clips", failed, move || clips.run(&input))?;
        Ok(Some(sender))
    }
}

impl Clips {
    /// Keeps clips of `drive` as `plan` says. Errors carry exit code 2.
    fn new(plan: ClipsPlan, about: About, drive: Arc<dyn Drive>, notes: Notes) -> Result<Self> {
        let dir = plan.dir.display().to_string();
        std::fs::create_dir_all(&plan.dir)
            .with_context(|| format!("{dir}: the folder for clips cannot be made; choose another"))
            .map_err(exit::usage)?;
        let (ring, risks) = (VecDeque::with_capacity(CLIP_RING), BTreeMap::new());
        Ok(Self { plan, about, drive, notes, ring, risks, open: None })
    }

    /// Keeps what is worth it of what comes, until its queue ends.
    fn run(mut self, input: &Receiver<Said>) -> Result<()> {
        while let Some(said) = input.recv() {
            self.take(said)?;
        }
        self.close()
    }

    fn take(&mut self, said: Said) -> Result<()> {
        let now = said.t();
        let (mut events, mut warned) = (Vec::new(), false);
        if let Said::Report { report, .. } = &said {
            events = self.risen(report);
            warned = report.objects.iter().flatten().any(|o| o.risk >= Some(Risk::Warn));
        }
        if self.open.is_some() {
            self.write(&said)?;
        } else {
            self.keep(said);
            if let Some(first) = events.first() {
                self.begin(now, first)?;
            }
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        for event in events {
            open.tape.writer().text(EVENT_TOPIC, event.t(), &serde_json::to_string(&event)?)?;
            if event.risk > open.worst.risk {
                open.worst = event;
            }
        }
        if warned {
            open.until = now.plus_seconds(self.plan.after_s);
        }
        if now > open.until || now.seconds_since(open.began) > CLIP_S_MAX {
            self.close()?;
        }
        Ok(())
    }

    /// The obstacles whose risk has risen to a warning, or from one level of it to the next.
    fn risen(&mut self, report: &FrameReport) -> Vec<Event> {
        let mut events = Vec::new();
        for object in report.objects.iter().flatten() {
            let Some(risk) = object.risk else { continue };
            let before = self.risks.insert(object.track, (risk, report.t)).map_or(Risk::Clear, |(risk, _)| risk);
            if risk >= Risk::Warn && risk > before {
                events.push(self.event(report, object, risk));
            }
        }
        self.risks.retain(|_, (_, seen)| report.t.seconds_since(*seen).abs() <= FORGET_S);
        events
    }

    fn event(&self, report: &FrameReport, object: &Object, risk: Risk) -> Event {
        Event {
            t_ns: report.t.as_nanos(),
            sensor: report.sensor.clone(),
            seq: report.seq,
            track: object.track,
            class: object.class.clone(),
            risk,
            why: object.why.clone().unwrap_or_default(),
            vehicle: self.about.vehicle,
            models: self.about.models.clone(),
        }
    }

    /// Puts a message into the ring, and forgets what no clip would reach back to.
    fn keep(&mut self, said: Said) {
        let now = said.t();
        if self.ring.len() == CLIP_RING {
            self.ring.pop_front();
        }
        self.ring.push_back(said);
        while self.ring.front().is_some_and(|oldest| now.seconds_since(oldest.t()) > self.plan.before_s) {
            self.ring.pop_front();
        }
    }

    /// Opens a clip with what the ring holds.
    fn begin(&mut self, now: Timestamp, event: &Event) -> Result<()> {
        let path = self.plan.dir.join(format!("{}.part", name_of(event)));
        let tape = Tape::create(&path, Compression::Lz4, JPEG_QUALITY)?;
        self.open = Some(Open { tape, path, began: now, until: now, worst: event.clone() });
        for said in std::mem::take(&mut self.ring) {
            self.write(&said)?;
        }
        Ok(())
    }

    fn write(&mut self, said: &Said) -> Result<()> {
        match &mut self.open {
            Some(open) => write_said(&mut open.tape, self.drive.as_ref(), said),
            None => Ok(()),
        }
    }

    /// Closes the clip that is open, names it, and makes room.
    fn close(&mut self) -> Result<()> {
        let Some(open) = self.open.take() else { return Ok(()) };
        open.tape.finish()?;
        let path = self.plan.dir.join(name_of(&open.worst));
        std::fs::rename(&open.path, &path).with_context(|| path.display().to_string())?;
        self.notes.say("clip", format!("{}: {}", path.display(), open.worst.why));
        for removed in quota::make_room(&self.plan.dir, self.plan.quota_bytes, &path)? {
            self.notes.say("clip removed", format!("{}: clips take more room than allowed", removed.display()));
        }
        Ok(())
    }
}

/// The name of an event's clip: time in seconds, risk, obstacle. `quota` reads it again.
fn name_of(event: &Event) -> String {
    let (seconds, ms) = (event.t_ns.div_euclid(1_000_000_000), event.t_ns.rem_euclid(1_000_000_000) / 1_000_000);
    let class: String = event.class.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    format!("event_{seconds:010}.{ms:03}_{}_{class}-{}.mcap", event.risk.name(), event.track)
}
