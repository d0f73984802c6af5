//! The books: what became of every frame of every sensor.
//!
//! Contract: each frame that a sensor delivers is entered once ([`SensorBook::received`]) and its [`Ticket`] ends in exactly
//! one of processed, dropped (we chose to leave it out: a full queue, a stop) and lost (we could not use it: unreadable, a failed stage). A ticket that
//! is dropped without an end (a panic unwinds, a queue is discarded) ends as lost, [`ABANDONED`]. So always
//! `received == processed + dropped + lost + in_flight`, and a snapshot, taken under the sensor's lock, never shows it otherwise.
//!
//! One short mutex per sensor instead of atomics: two uncontended locks per frame cost some 40 ns together, and five separate atomics
//! could not be read as one consistent set. Reasons allocate when first seen only.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};

use crate::lock;

/// The reason of a ticket that nobody ended.
pub const ABANDONED: &str = "abandoned";

/// The books of all sensors. Clones are the same books.
#[derive(Clone, Default)]
pub struct Ledger {
    sensors: Arc<Mutex<BTreeMap<String, SensorBook>>>,
}

/// One sensor's book. Clones are the same book.
#[derive(Clone, Default)]
pub struct SensorBook {
    entries: Arc<Mutex<Entries>>,
}

#[derive(Default)]
struct Entries {
    received: u64,
    processed: u64,
    dropped: BTreeMap<&'static str, u64>,
    lost: BTreeMap<&'static str, u64>,
    in_flight: u64,
}

/// One frame's entry; it must end in exactly one way, and dropping it is the way "abandoned".
#[must_use = "a ticket that is dropped books its frame as lost"]
pub struct Ticket {
    book: SensorBook,
    ended: bool,
}

/// All books at one moment, in the form of `ledger.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerSnapshot {
    /// By sensor's name.
    pub sensors: BTreeMap<String, SensorSnapshot>,
}

/// One sensor's book at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SensorSnapshot {
    /// Frames entered.
    pub received: u64,
    /// Frames that went the whole way.
    pub processed: u64,
    /// Frames left out on purpose, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// Frames that could not be used, by reason.
    pub lost: BTreeMap<String, u64>,
    /// Frames on their way.
    pub in_flight: u64,
    /// Whether the sums match.
    pub balanced: bool,
}

impl Ledger {
    /// Empty books.
    pub fn new() -> Self {
        Self::default()
    }

    /// The book of the sensor `name`, opened where there is none.
    pub fn sensor(&self, name: &str) -> SensorBook {
        let mut sensors = lock(&self.sensors);
        if let Some(book) = sensors.get(name) {
            return book.clone();
        }
        sensors.entry(name.to_owned()).or_default().clone()
    }

    /// All books now. Each sensor's figures are of one moment.
    pub fn snapshot(&self) -> LedgerSnapshot {
        let sensors = lock(&self.sensors);
        LedgerSnapshot { sensors: sensors.iter().map(|(name, book)| (name.clone(), book.snapshot())).collect() }
    }
}

impl SensorBook {
    /// Enters a frame.
    pub fn received(&self) -> Ticket {
        let mut entries = lock(&self.entries);
        entries.received += 1;
        entries.in_flight += 1;
        drop(entries);
        Ticket { book: self.clone(), ended: false }
    }

    /// Enters `frames` that never reached us though the sensor made them (a gap in the driver's sequence numbers).
    pub fn lost_unseen(&self, frames: u64, reason: &'static str) {
        if frames == 0 {
            return;
        }
        let mut entries = lock(&self.entries);
        entries.received += frames;
        *entries.lost.entry(reason).or_default() += frames;
    }

    /// The book now.
    pub fn snapshot(&self) -> SensorSnapshot {
        let entries = lock(&self.entries);
        let dropped: u64 = entries.dropped.values().sum();
        let lost: u64 = entries.lost.values().sum();
        SensorSnapshot {
            received: entries.received,
            processed: entries.processed,
            dropped: by_name(&entries.dropped),
            lost: by_name(&entries.lost),
            in_flight: entries.in_flight,
            balanced: entries.received == entries.processed + dropped + lost + entries.in_flight,
        }
    }

    fn end(&self, enter: impl FnOnce(&mut Entries)) {
        let mut entries = lock(&self.entries);
        entries.in_flight -= 1;
        enter(&mut entries);
    }
}

impl Ticket {
    /// The frame went the whole way.
    pub fn processed(mut self) {
        self.ended = true;
        self.book.end(|entries| entries.processed += 1);
    }

    /// The frame was left out on purpose.
    pub fn dropped(mut self, reason: &'static str) {
        self.ended = true;
        self.book.end(|entries| *entries.dropped.entry(reason).or_default() += 1);
    }

    /// The frame could not be used.
    pub fn lost(mut self, reason: &'static str) {
        self.end_as_lost(reason);
    }

    fn end_as_lost(&mut self, reason: &'static str) {
        self.ended = true;
        self.book.end(|entries| *entries.lost.entry(reason).or_default() += 1);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.ended {
            self.end_as_lost(ABANDONED);
        }
    }
}

impl SensorSnapshot {
    /// Frames left out on purpose, whatever the reason.
    pub fn dropped_total(&self) -> u64 {
        self.dropped.values().sum()
    }

    /// Frames that could not be used, whatever the reason.
    pub fn lost_total(&self) -> u64 {
        self.lost.values().sum()
    }
}

impl LedgerSnapshot {
    /// Whether every sensor's sums match.
    pub fn balanced(&self) -> bool {
        self.sensors.values().all(|sensor| sensor.balanced)
    }

    /// Whether every frame entered was processed: none dropped, lost or in flight.
    pub fn lossless(&self) -> bool {
        self.sensors.values().all(|sensor| sensor.received == sensor.processed)
    }
}

fn by_name(counts: &BTreeMap<&'static str, u64>) -> BTreeMap<String, u64> {
    counts.iter().map(|(reason, count)| ((*reason).to_owned(), *count)).collect()
}
