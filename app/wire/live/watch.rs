//! The watching thread of a live run: states by time-outs, ticks where no frame comes, replacement of capturing threads
//! that their drivers do not give back, and word to systemd.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Result;
use ocellus_flow::clock::now_ns;
use ocellus_flow::stop::{Stop, StopReason};
use ocellus_flow::supervise::Heartbeats;
use ocellus_flow::threads::{Crew, OnFailure, ThreadId};
use ocellus_percept::report::{FrameReport, SensorState, Trigger};
use ocellus_sinks::systemd::Systemd;
use ocellus_sinks::viewer::LogLevel;

use super::capture::Capture;
use super::clock::LiveClock;
use super::faults::Faults;
use super::health::Health;
use crate::wire::machine::MachineWatch;
use crate::wire::notes::Notes;
use crate::wire::outputs::{Outputs, Perceived};

/// How often everything is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// A driver that does not come back for so long will not: it was asked to wait for a tenth of a second.
const SILENCE_MAX: Duration = Duration::from_secs(2);

/// The watching thread.
pub struct Watch {
    /// The capturing threads.
    pub captures: Vec<Watched>,
    /// Their hearts.
    pub hearts: Heartbeats,
    /// Where replacements are started.
    pub crew: Crew,
    /// Where states are kept.
    pub health: Arc<Health>,
    /// The run's clock.
    pub clock: LiveClock,
    /// Where ticks go.
    pub outputs: Option<Outputs>,
    /// The computer, where the load is governed.
    pub machine: Option<MachineWatch>,
    /// What befalls it.
    pub faults: Faults,
    /// From one line to a tick.
    pub tick: Duration,
    /// When the run ends by itself.
    pub end: Option<Duration>,
    /// Where what went wrong is said.
    pub notes: Notes,
    /// Who started us.
    pub systemd: Systemd,
}

/// A capturing thread under watch.
pub struct Watched {
    /// How to start another in its place.
    pub capture: Capture,
    /// The one that runs.
    pub thread: ThreadId,
}

impl Watched {
    /// Starts the thread, under watch.
    pub fn start(capture: Capture, crew: &Crew, hearts: &Heartbeats) -> Result<Self> {
        let thread = spawn(&capture, crew, hearts)?;
        Ok(Self { capture, thread })
    }
}

fn spawn(capture: &Capture, crew: &Crew, hearts: &Heartbeats) -> Result<ThreadId> {
    let heart = hearts.watch(&capture.name, SILENCE_MAX);
    let capture = capture.clone();
    let name = format!("capture-{}", capture.name);
    Ok(crew.spawn_with(&name, OnFailure::CarryOn, move || -> Result<()> {
        capture.run(&heart);
        Ok(())
    })?)
}

impl Watch {
    /// Watches until the run stops or all sensors have ended.
    pub fn run(mut self, stop: &Stop) -> Result<()> {
        let began = Instant::now();
        self.systemd.ready();
        while stop.sleep(LOOK) {
            self.systemd.alive();
            for change in self.health.update(Instant::now()) {
                let (name, at_s) = (&change.sensor, change.at_s);
                let (from, to) = (format!("{:?}", change.from), format!("{:?}", change.to));
                let text = format!("{name}: {} -> {} at {at_s:.2} s", from.to_lowercase(), to.to_lowercase());
                self.notes.say("state", text);
                if let Some(outputs) = &self.outputs {
                    outputs.show_state(name, self.clock.now(), change.to);
                }
            }
            self.govern();
            self.replace_stuck()?;
            if let Some(outputs) = &self.outputs
                && self.health.tick_due(Instant::now(), self.tick, LOOK)
            {
                self.give_tick(outputs);
            }
            if self.end.is_some_and(|end| began.elapsed() >= end) {
                stop.request(StopReason::End);
            }
            if self.captures.iter().all(|w| self.crew.is_finished(w.thread)) {
                break;
            }
        }
        // A thread that was abandoned holds an end of its sensor's queue still.
        for watched in self.captures.iter().filter(|w| w.capture.current.load(Ordering::Acquire) > 0) {
            watched.capture.output.close();
        }
        self.systemd.stopping();
        Ok(())
    }

    /// Steps the load down or up where that is governed, and says so.
    fn govern(&self) {
        let Some(governor) = self.health.governor() else { return };
        let sample = self.faults.machine(self.machine.as_ref().and_then(MachineWatch::newest));
        if let Some(text) = governor.look(Instant::now(), sample.as_ref()) {
            if let Some(outputs) = &self.outputs {
                outputs.log(LogLevel::Warn, format!("governor: {text}"));
            }
            self.notes.say("governor", text);
        }
    }

    /// A line that says that there is no frame, so that silence is never mistaken for safety.
    fn give_tick(&self, outputs: &Outputs) {
        let state = self.health.report().state.unwrap_or(SensorState::Stale);
        let report =
            FrameReport { trigger: Trigger::Tick, t: self.clock.now(), sensor: None, seq: None, state, objects: None };
        outputs.send(Perceived::bare(report));
    }

    /// Gives up threads that are stuck, and starts others in their places.
    fn replace_stuck(&mut self) -> Result<()> {
        for overdue in self.hearts.overdue(now_ns()) {
            let Some(watched) = self.captures.iter_mut().find(|w| w.capture.name == overdue.name) else { continue };
            let capture = &watched.capture;
            self.crew.abandon(watched.thread);
            self.hearts.forget(&overdue.name);
            capture.current.fetch_add(1, Ordering::AcqRel);
            self.health.abandoned(capture.sensor);
            let (name, silent_s) = (&overdue.name, overdue.silent.as_secs_f64());
            self.notes.say(
                "sensor",
                format!(
                    "{name}: its driver has not come back for {silent_s:.1} s: its thread is abandoned and replaced"
                ),
            );
            watched.thread = spawn(capture, &self.crew, &self.hearts)?;
        }
        Ok(())
    }
}
