//! The perceiving thread of a live run: brings frames and their networks' answers together and perceives them by sensor
//! time, without letting one slow camera hold up the others.
//!
//! The watermark: a frame whose answers are all there leaves when no older frame is under way, or when it has waited for
//! the plan's bound. What a slow camera brings after that comes late, and alone.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use ocellus_flow::queue::{Received, Receiver};
use ocellus_percept::time::Timestamp;

use super::health::Health;
use crate::wire::frame::{Answer, Answers, Content, Item, Message};
use crate::wire::notes::Notes;
use crate::wire::perceive::Perceive;

/// A frame that its networks have not answered for so long is given up.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// Nothing to do: how long to wait for a message at most.
const IDLE: Duration = Duration::from_secs(1);

/// A frame under way.
struct Waiting {
    item: Item,
    answers: Answers,
    since: Instant,
    /// When its last answer came.
    complete_at: Option<Instant>,
}

/// The perceiving thread.
pub struct Ordered {
    /// What perceives.
    pub perceive: Perceive,
    /// How long a complete frame waits for an older one.
    pub bound: Duration,
    /// Where panics are counted.
    pub health: Arc<Health>,
    /// Where what went wrong is said.
    pub notes: Notes,
}

/// Frames under way, in the order in which they were prepared. They are few: each is looked at in turn.
#[derive(Default)]
struct UnderWay(Vec<Waiting>);

impl Ordered {
    /// Perceives until its queue ends.
    pub fn run(mut self, input: &Receiver<Message>) -> Result<()> {
        let mut under_way = UnderWay::default();
        loop {
            match input.recv_timeout(under_way.patience(self.bound)) {
                Received::Item(Message::Clip(answer)) => self.perceive.foresee(answer),
                Received::Item(message) => under_way.add(message),
                Received::Timeout => {}
                Received::Closed => break,
            }
            while let Some((item, answers)) = under_way.next(self.bound, Instant::now()) {
                if !self.step(item, answers) {
                    return Ok(());
                }
            }
        }
        // Complete frames are perceived; what still waits for an answer will get none.
        while let Some((item, answers)) = under_way.next(Duration::ZERO, Instant::now()) {
            self.step(item, answers);
        }
        for waiting in under_way.0 {
            waiting.item.origin.ticket.dropped("stopped");
        }
        Ok(())
    }

    fn step(&mut self, item: Item, answers: Answers) -> bool {
        let (sensor, seq) = (item.origin.sensor, item.origin.seq);
        match catch_unwind(AssertUnwindSafe(|| self.perceive.perceive(item, answers))) {
            Ok(open) => open,
            Err(_) => {
                self.health.panicked();
                self.notes.say("panic", format!("perceiving frame {seq} panicked: its sensor's tracks begin anew"));
                self.perceive.renew(sensor);
                true
            }
        }
    }
}

impl UnderWay {
    fn add(&mut self, message: Message) {
        let now = Instant::now();
        match message {
            Message::Item(item) => {
                let complete_at = (parts_of(&item) == 0).then_some(now);
                self.0.push(Waiting { item, answers: Answers::new(), since: now, complete_at });
            }
            // Nothing that is under way.
            Message::Clip(_) => {}
            // Of a frame that was given up nobody wants the answer.
            Message::Part(part) => {
                let Some(waiting) = self.0.iter_mut().find(|w| w.item.index == part.index) else { return };
                waiting.answers.push((part.model, part.answer));
                if waiting.answers.len() >= parts_of(&waiting.item) {
                    waiting.complete_at = Some(now);
                }
            }
        }
    }

    /// How long until a frame may leave without a further message.
    fn patience(&self, bound: Duration) -> Duration {
        let moments = self.0.iter().map(|w| w.complete_at.map_or(w.since + ANSWER_MAX, |at| at + bound));
        let next = moments.min().map(|at| at.saturating_duration_since(Instant::now()));
        next.map_or(IDLE, |left| left.min(IDLE))
    }

    /// The next frame to be perceived, with its answers in the networks' order.
    fn next(&mut self, bound: Duration, now: Instant) -> Option<(Item, Answers)> {
        let key = |waiting: &Waiting| (waiting.item.origin.t, waiting.item.index);
        let oldest: (Timestamp, u64) = self.0.iter().map(key).min()?;
        let leaves = |waiting: &Waiting, is_oldest: bool| match waiting.complete_at {
            Some(at) => is_oldest || now.saturating_duration_since(at) >= bound,
            None => now.saturating_duration_since(waiting.since) >= ANSWER_MAX,
        };
        let free = self.0.iter().enumerate().filter(|(_, waiting)| leaves(waiting, key(waiting) == oldest));
        let (place, _) = free.min_by_key(|(_, waiting)| key(waiting))?;
        let Waiting { mut item, mut answers, complete_at, .. } = self.0.remove(place);
        answers.sort_by_key(|(model, _)| *model);
        if complete_at.is_none() {
            item.content = Content::Lost("no_answer");
        } else if answers.iter().any(|(_, answer)| matches!(answer, Answer::Failed)) {
            item.content = Content::Lost("inference");
        }
        Some((item, answers))
    }
}

fn parts_of(item: &Item) -> usize {
    if let Content::Frame(frame) = &item.content { frame.parts } else { 0 }
}
