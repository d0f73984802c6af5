//! The preparing and inferring threads of a live run: those of a replay, which go on after a panic or a failure.
//!
//! A stage that panics loses the frame in its hands, which the ledger books, and is built anew: a worker's scratch is
//! made again. A network that fails too often in a row ends the run.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Result, anyhow};
use ocellus_flow::queue::{Received, Receiver, Sender};
use ocellus_flow::stage::Stage;
use ocellus_percept::blind::BlindWatch;

use super::clock::LiveClock;
use super::faults::Faults;
use super::health::Health;
use crate::wire::blind::judge;
use crate::wire::frame::{Answer, Content, Inputs, Item, Message, Part};
use crate::wire::infer::{Infer, Job};
use crate::wire::infer_clips::InferClips;
use crate::wire::notes::Notes;
use crate::wire::prepare::Prepare;

/// Failures of a network in a row after which it is not tried again: it is not the frames that are wrong.
const FAILURES_MAX: u32 = 10;

/// A preparing thread, one per sensor.
pub struct Preparing {
    /// The sensor's name.
    pub name: String,
    /// Its index among the run's.
    pub sensor: usize,
    /// Builds the worker, again after a panic.
    pub make: Box<dyn Fn() -> Result<Prepare> + Send>,
    /// To the networks.
    pub models: Vec<Sender<Job>>,
    /// To the perceiving thread.
    pub perceive: Sender<Message>,
    /// Numbers of all frames of the run.
    pub index: Arc<AtomicU64>,
    /// The run's clock.
    pub clock: LiveClock,
    /// What befalls the stage.
    pub faults: Faults,
    /// Where panics are counted.
    pub health: Arc<Health>,
    /// Where what went wrong is said.
    pub notes: Notes,
}

impl Preparing {
    /// Prepares frames until the sensor ends.
    pub fn run(self, input: &Receiver<Item>) -> Result<()> {
        let (mut worker, mut watch) = ((self.make)()?, BlindWatch::default());
        let asks = worker.inputs.iter().map(|i| i.awaited && i.looks_at.get(self.sensor).copied().unwrap_or(false));
        let asked: Vec<usize> = asks.enumerate().filter(|(_, asked)| *asked).map(|(model, _)| model).collect();
        loop {
            // A network that has no room yet will be asked about a newer frame than the one there is now.
            asked.iter().filter_map(|model| self.models.get(*model)).for_each(Sender::wait_for_room);
            let Some(mut item) = input.recv() else { break };
            item.index = self.index.fetch_add(1, Ordering::Relaxed);
            let (seq, at_s) = (item.origin.seq, self.clock.seconds(item.origin.t));
            let step = AssertUnwindSafe(|| {
                self.faults.prepare(&self.name, seq, at_s);
                let Ok(mut item) = worker.step(item);
                self.look(&mut watch, &mut item);
                item
            });
            match catch_unwind(step) {
                Ok(item) => {
                    if !self.send(item) {
                        return Ok(());
                    }
                }
                Err(_) => {
                    self.health.panicked();
                    self.notes.say("panic", format!("preparing {} frame {seq} panicked: built anew", self.name));
                    worker = (self.make)()?;
                }
            }
        }
        Ok(())
    }

    /// Whether a frame shows anything: one that could not be read shows nothing.
    fn look(&self, watch: &mut BlindWatch, item: &mut Item) {
        let unreadable = matches!(item.content, Content::Lost(_));
        let seen = judge(watch, item);
        if unreadable {
            self.health.blind(item.origin.sensor, true);
        }
        if let Some(blind) = seen
            && self.health.blind(item.origin.sensor, blind.is_some())
            && let Some(blind) = blind
        {
            self.notes.say("blind", format!("{}: its frames are {}", self.name, blind.name()));
        }
    }

    /// Sends a frame to perception and its inputs to the networks. False where they take no more.
    fn send(&self, mut item: Item) -> bool {
        let (index, sensor, t) = (item.index, item.origin.sensor, item.origin.t);
        let inputs = match &mut item.content {
            Content::Frame(frame) => std::mem::take(&mut frame.inputs),
            Content::Sweep(_) | Content::Lost(_) => Inputs::new(),
        };
        if let Some(Message::Item(refused)) = self.perceive.send(Message::Item(item)).handed_back() {
            refused.origin.ticket.dropped("stopped");
            return false;
        }
        inputs.into_iter().all(|input| match self.models.get(input.model) {
            Some(model) => !model.send(Job { index, sensor, t, input }).is_closed(),
            None => true,
        })
    }
}

/// Runs a network on clips until its queue ends. No frame waits for it: it takes in all that has come meanwhile, and is asked
/// about the newest clip. One that fails too often in a row is not asked again, and the run goes on.
pub fn infer_clips(mut infer: InferClips, jobs: &Receiver<Job>, perceive: &Sender<Message>, health: &Health) {
    let mut failures = 0;
    while let Some(job) = jobs.recv() {
        let mut due = infer.feed(&job).then_some((job.sensor, job.t));
        drop(job);
        while let Received::Item(newer) = jobs.recv_timeout(Duration::ZERO) {
            due = infer.feed(&newer).then_some((newer.sensor, newer.t)).or(due);
        }
        let Some((sensor, t)) = due.filter(|_| failures < FAILURES_MAX) else { continue };
        match catch_unwind(AssertUnwindSafe(|| infer.ask(sensor, t))) {
            Ok(Ok(answer)) => {
                failures = 0;
                if perceive.send(Message::Clip(answer)).is_closed() {
                    break;
                }
            }
            Ok(Err(error)) => {
                failures += 1;
                infer.notes.say("inference", format!("{error:#}"));
            }
            Err(_) => {
                failures += 1;
                health.panicked();
                infer.notes.say("panic", format!("{} panicked", infer.network.name()));
            }
        }
        if failures == FAILURES_MAX {
            infer.notes.say("inference", format!("{}: failed {failures} times in a row", infer.network.name()));
        }
    }
    infer.end();
}

/// Runs a network until its queue ends; a frame on which it fails is answered so.
pub fn infer(
    mut infer: Infer,
    jobs: &Receiver<Job>,
    perceive: &Sender<Message>,
    (health, faults): (&Health, &Faults),
) -> Result<()> {
    let mut failures = 0;
    while let Some(job) = jobs.recv() {
        faults.network(infer.model);
        let answer = match catch_unwind(AssertUnwindSafe(|| infer.step(&job.input))) {
            Ok(Ok(Some(answer))) => {
                failures = 0;
                answer
            }
            // The run is being halted.
            Ok(Ok(None)) => break,
            Ok(Err(error)) => {
                failures += 1;
                infer.notes.say("inference", format!("{error:#}"));
                Answer::Failed
            }
            Err(_) => {
                failures += 1;
                health.panicked();
                infer.notes.say("panic", format!("{} panicked", infer.network.name()));
                Answer::Failed
            }
        };
        let part = Part { index: job.index, model: infer.model, answer };
        if perceive.send(Message::Part(part)).is_closed() {
            break;
        }
        if failures >= FAILURES_MAX {
            return Err(anyhow!("{}: failed {failures} times in a row", infer.network.name()));
        }
    }
    Ok(())
}
