//! The capturing threads: one per sensor, each opening its feed, asking it for frames, and opening it again when it fails.
//!
//! A frame is entered in the ledger as soon as it is here; the newest wins in the queue behind. A thread that its driver
//! does not give back is abandoned by the watching thread ([`super::watch`]): its place is then another's, and what it
//! brings when it returns after all is not taken.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use ocellus_flow::clock::now_ns;
use ocellus_flow::latency::Series;
use ocellus_flow::ledger::SensorBook;
use ocellus_flow::queue::Sender;
use ocellus_flow::stop::Stop;
use ocellus_flow::supervise::{Heart, Restart, supervised};
use ocellus_percept::time::Timestamp;
use ocellus_sense::Payload;

use super::clock::{LiveClock, Stamp, StampGuard};
use super::feed::{Captured, Feed, Polled, Unreadable};
use super::health::Health;
use super::record::{Recorded, Stamped, Tap};
use crate::wire::frame::{Content, Frame, Item, Origin};
use crate::wire::governor::Governor;
use crate::wire::notes::Notes;
use crate::wire::pace::Pace;
use crate::wire::source::Buffers;

/// How long a feed may wait for a frame before it says that there is none.
const PATIENCE: Duration = Duration::from_millis(100);
/// A source that failed is tried again after this, and at most after that.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));
/// A source that ran for so long counts as healthy again.
const SETTLED: Duration = Duration::from_secs(10);

/// Opens a sensor's feed.
pub type Opener = Arc<dyn Fn() -> Result<Box<dyn Feed>> + Send + Sync>;

/// A capturing thread's state. Clones are for its replacements.
#[derive(Clone)]
pub struct Capture {
    /// Index into the run's sensors.
    pub sensor: usize,
    /// The sensor's name.
    pub name: String,
    /// Opens its feed.
    pub open: Opener,
    /// To its preparing thread; the newest wins.
    pub output: Sender<Item>,
    /// Its book in the ledger.
    pub book: SensorBook,
    /// Where its state is kept.
    pub health: Arc<Health>,
    /// The run's clock.
    pub clock: LiveClock,
    /// The run's stop token.
    pub stop: Stop,
    /// Where what went wrong is said.
    pub notes: Notes,
    /// Where frames are kept on their way.
    pub buffers: Buffers,
    /// To the recorder.
    pub tap: Option<Tap>,
    /// From a frame's stamp to its arrival.
    pub arriving: Series,
    /// Which of its threads is the one that counts.
    pub current: Arc<AtomicU64>,
    /// What holds a camera's rate down, where that is governed.
    pub governor: Option<Arc<Governor>>,
}

/// What is kept from frame to frame.
struct Stream {
    guard: StampGuard,
    last_seq: Option<u64>,
    pace: Pace,
    /// What the feed reads into; its buffers are exchanged for a pooled one's.
    scratch: Payload,
    /// The number of this thread among the sensor's.
    mine: u64,
}

impl Capture {
    /// Captures until the feed ends, the run stops, or another thread has this one's place.
    pub fn run(self, heart: &Heart) {
        let mine = self.current.load(Ordering::Acquire);
        let mut stream = Stream {
            guard: StampGuard::default(),
            last_seq: None,
            pace: Pace::default(),
            scratch: Payload::default(),
            mine,
        };
        let failed = |failure: &ocellus_flow::threads::StageFailure, pause: Duration| {
            heart.rest();
            if self.is_current(mine) {
                self.health.failed(self.sensor);
                let (name, pause_s) = (&self.name, pause.as_secs_f64());
                self.notes.say("sensor", format!("{name}: {}; tried again in {pause_s:.1} s", failure.message));
            }
        };
        let restart = Restart::new(RETRY.0, RETRY.1, SETTLED);
        supervised(&self.name, &self.stop, restart, || self.stream(&mut stream, heart), failed);
        heart.rest();
        if self.is_current(mine) && !self.stop.is_stopping() {
            self.health.ended(self.sensor);
        }
    }

    fn is_current(&self, mine: u64) -> bool {
        self.current.load(Ordering::Acquire) == mine
    }

    /// One opening of the feed. `Ok` where there is nothing more to do.
    fn stream(&self, stream: &mut Stream, heart: &Heart) -> Result<(), String> {
        heart.beat(now_ns());
        let mut feed = (self.open)().map_err(|e| format!("{e:#}"))?;
        while !self.stop.is_stopping() {
            heart.beat(now_ns());
            let polled = feed.next(PATIENCE, &mut stream.scratch).map_err(|e| format!("{e:#}"))?;
            if !self.is_current(stream.mine) {
                if let Polled::Frame(Captured { missed, overrun, .. }) = polled {
                    self.book.lost_unseen(1 + missed + overrun, "abandoned_thread");
                }
                return Ok(());
            }
            match polled {
                Polled::Nothing => {}
                Polled::Ended => return Ok(()),
                Polled::Frame(captured) => {
                    if !self.take(captured, stream) {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// Books a frame and sends it on. False where nobody takes frames any more.
    fn take(&self, captured: Captured, stream: &mut Stream) -> bool {
        self.book.lost_unseen(captured.missed, "missed");
        for _ in 0..captured.overrun {
            self.book.received().dropped("overrun");
        }
        let ticket = self.book.received();
        self.health.came(self.sensor, captured.received_at);
        if stream.last_seq.replace(captured.seq) == Some(captured.seq) {
            ticket.dropped("duplicate");
            return true;
        }
        let Some(t) = self.stamp(&captured, &mut stream.guard) else {
            ticket.dropped("overtaken");
            return true;
        };
        let seq = captured.seq;
        let Some(content) = self.content(captured.read, &mut stream.scratch) else {
            ticket.dropped("no_buffer");
            return true;
        };
        let stamped = Stamped { entry: captured.entry, t, received_at: captured.received_at };
        self.record(|| Recorded::frame(&content, stamped, &self.buffers.sweeps));
        let delay = captured.received_at.saturating_duration_since(self.clock.moment(t));
        let origin = Origin {
            entry: captured.entry,
            sensor: self.sensor,
            seq,
            t,
            received_at: captured.received_at,
            delay,
            ticket,
        };
        self.arriving.record(delay);
        let item = Item { index: 0, origin, content, look: None };
        let hz = self.governor.as_ref().and_then(|governor| governor.hz());
        if matches!(item.content, Content::Frame(_)) && !stream.pace.takes(t, hz) {
            self.refuse(item, "governor");
            return true;
        }
        let sent = self.output.send(item);
        let closed = sent.is_closed();
        if let Some(refused) = sent.handed_back() {
            self.refuse(refused, if closed { "stopped" } else { "queue_full" });
        }
        !closed
    }

    /// Ends a frame that a newer one has displaced. One that could not be read was lost before.
    fn refuse(&self, refused: Item, reason: &'static str) {
        let Origin { t, ticket, .. } = refused.origin;
        if let Content::Lost(why) = refused.content {
            return ticket.lost(why);
        }
        self.record(|| Some(Recorded::Dropped { t, reason, at: Instant::now() }));
        ticket.dropped(reason);
    }

    /// The frame's stamp, or the host's where it cannot be believed; `None` where a later frame has come before it.
    fn stamp(&self, captured: &Captured, guard: &mut StampGuard) -> Option<Timestamp> {
        match guard.judge(captured.t, self.clock.at(captured.received_at)) {
            Stamp::Overtaken => None,
            Stamp::Own(t) => Some(t),
            Stamp::ByHost(t) => {
                self.health.clock_fault(self.sensor);
                let off_s = captured.t.seconds_since(t);
                let (name, seq) = (&self.name, captured.seq);
                self.notes
                    .say("clock", format!("{name} frame {seq}: its stamp is {off_s:+.3} s off: the host's is taken"));
                Some(t)
            }
        }
    }

    /// The frame in a buffer of the pools; `None` where all are on their way.
    fn content(&self, read: Result<(), Unreadable>, scratch: &mut Payload) -> Option<Content> {
        if let Err(unreadable) = read {
            self.notes.say("lost", format!("{}: {}", self.name, unreadable.message));
            return Some(Content::Lost(unreadable.reason));
        }
        Some(match scratch {
            Payload::Image(image) => {
                let mut picture = self.buffers.pictures.take()?;
                std::mem::swap(&mut *picture, image);
                Content::Frame(Frame::of(picture.share()))
            }
            Payload::Cloud(cloud) => {
                let mut sweep = self.buffers.sweeps.take()?;
                std::mem::swap(&mut *sweep, cloud);
                Content::Sweep(sweep)
            }
        })
    }

    fn record(&self, what: impl FnOnce() -> Option<Recorded>) {
        if let Some(tap) = &self.tap
            && let Some(recorded) = what()
        {
            tap.put(self.sensor, recorded);
        }
    }
}
