//! A stage: one step of the pipeline as a plain struct, and the loop that drives it.
//!
//! A stage knows neither queue nor thread. [`StageLoop::run`] takes from one queue, steps, and puts into the next, until
//! the input ends, the output closes, or the stage fails. What no queue took goes to the caller's `refused`, to be booked.
//! A frame that cannot be used is no failure of the stage: it is a value in its output; an error ends the thread.

use crate::clock;
use crate::latency::Series;
use crate::queue::{Receiver, SendOutcome, Sender};
use crate::supervise::Heart;

/// One step of the work on a frame. Implemented for closures of the same shape.
pub trait Stage<In, Out> {
    /// Why the stage cannot go on.
    type Error;

    /// Turns one input into one output.
    ///
    /// # Errors
    /// Where no further input can be worked on either.
    fn step(&mut self, input: In) -> Result<Out, Self::Error>;
}

impl<In, Out, E, F: FnMut(In) -> Result<Out, E>> Stage<In, Out> for F {
    type Error = E;

    fn step(&mut self, input: In) -> Result<Out, E> {
        self(input)
    }
}

/// Why an output came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// A newer one took its place in a full queue.
    Displaced,
    /// The next queue is closed.
    Closed,
}

impl Refusal {
    /// The reason as the ledger books it.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Displaced => "queue_full",
            Self::Closed => "stopped",
        }
    }
}

/// What drives a stage: its queues, and what is recorded of it.
pub struct StageLoop<In: Send, Out: Send> {
    /// Where inputs come from.
    pub input: Receiver<In>,
    /// Where outputs go.
    pub output: Sender<Out>,
    /// Where the time of each step is recorded.
    pub work: Option<Series>,
    /// What a watchdog looks at: beats at the start of each step, rests while there is no input.
    pub heart: Option<Heart>,
}

impl<In: Send, Out: Send> StageLoop<In, Out> {
    /// A loop of which nothing is recorded.
    pub fn new(input: Receiver<In>, output: Sender<Out>) -> Self {
        Self { input, output, work: None, heart: None }
    }

    /// Drives `stage` until the input ends or the output closes. Both queues' ends drop on return.
    ///
    /// # Errors
    /// The stage's own.
    pub fn run<S: Stage<In, Out>>(self, mut stage: S, mut refused: impl FnMut(Out, Refusal)) -> Result<(), S::Error> {
        while let Some(input) = self.input.recv() {
            let output = self.step(&mut stage, input)?;
            match self.output.send(output) {
                SendOutcome::Sent => {}
                SendOutcome::Displaced(older) => refused(older, Refusal::Displaced),
                SendOutcome::Closed(output) => {
                    refused(output, Refusal::Closed);
                    break;
                }
            }
        }
        Ok(())
    }

    fn step<S: Stage<In, Out>>(&self, stage: &mut S, input: In) -> Result<Out, S::Error> {
        if let Some(heart) = &self.heart {
            heart.beat(clock::now_ns());
        }
        let output = match &self.work {
            Some(series) => series.time(|| stage.step(input)),
            None => stage.step(input),
        };
        if let Some(heart) = &self.heart {
            heart.rest();
        }
        output
    }
}
