//! What a live sensor is to the run: [`Feed`], asked again and again for its next frame; and the feed that plays a drive
//! at its own pace.
//!
//! A played drive behaves like a device: it does not wait for its reader. A frame whose successor is due already when it
//! is asked for is left out, and counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use ocellus_flow::stop::Stop;
use ocellus_percept::time::Timestamp;
use ocellus_sense::{Drive, Payload};

use super::clock::{LiveClock, until};

/// A frame as a sensor gave it.
#[derive(Debug, Clone)]
pub struct Captured {
    /// The entry of the [`super::drive::LiveDrive`].
    pub entry: usize,
    /// The sensor's own number.
    pub seq: u64,
    /// The sensor's stamp.
    pub t: Timestamp,
    /// When it came.
    pub received_at: Instant,
    /// Whether it could be read.
    pub read: Result<(), Unreadable>,
    /// Frames that the sensor made before it and lost.
    pub missed: u64,
    /// Frames that were not made because asking came too late.
    pub overrun: u64,
}

/// Why a frame could not be read.
#[derive(Debug, Clone)]
pub struct Unreadable {
    /// The ledger's reason.
    pub reason: &'static str,
    /// For people.
    pub message: String,
}

/// What a sensor answers.
pub enum Polled {
    /// Its next frame.
    Frame(Captured),
    /// None yet.
    Nothing,
    /// There will be no more.
    Ended,
}

/// A sensor that gives frames when asked. An error means that it has failed and must be opened again.
pub trait Feed: Send {
    /// The next frame, read into `out`, waited for at most `patience` and the time it takes to read one.
    fn next(&mut self, patience: Duration, out: &mut Payload) -> Result<Polled>;
}

/// The frames of one sensor of a drive, and when they are due.
#[derive(Clone)]
pub struct Track {
    /// The drive.
    pub drive: Arc<dyn Drive>,
    /// Indices into its entries, by time.
    pub entries: Arc<[usize]>,
    /// The drive's time at the run's beginning.
    pub base: Timestamp,
    /// What is added to an index to make it one of the [`super::drive::LiveDrive`].
    pub entry_offset: usize,
    /// The next of `entries` to be given out, kept when the feed is opened again.
    pub position: Arc<AtomicUsize>,
}

/// A drive's sensor at its own pace.
pub struct Played {
    track: Track,
    clock: LiveClock,
    stop: Stop,
    /// Whether nothing was asked for since it was opened again: what is overdue was lost while it was closed.
    reopened: bool,
}

impl Played {
    /// Goes on where the track stands.
    pub fn open(track: Track, clock: LiveClock, stop: Stop) -> Self {
        let reopened = track.position.load(Ordering::Relaxed) > 0;
        Self { track, clock, stop, reopened }
    }

    /// Sensor time in the run of the `place`-th entry of the track.
    fn stamp(&self, place: usize) -> Option<Timestamp> {
        let entry = self.track.drive.entries().get(*self.track.entries.get(place)?)?;
        Some(self.clock.began().plus_seconds(entry.t.seconds_since(self.track.base)))
    }

    /// Moves `place` on to the newest frame that is due; how many were passed by.
    fn skip_overdue(&self, place: &mut usize) -> u64 {
        let now = Instant::now();
        let mut skipped = 0;
        while self.stamp(*place + 1).is_some_and(|t| self.clock.moment(t) <= now) {
            *place += 1;
            skipped += 1;
        }
        skipped
    }
}

impl Feed for Played {
    fn next(&mut self, patience: Duration, out: &mut Payload) -> Result<Polled> {
        let mut place = self.track.position.load(Ordering::Relaxed);
        let skipped = self.skip_overdue(&mut place);
        let Some(t) = self.stamp(place) else { return Ok(Polled::Ended) };
        let wait = until(self.clock.moment(t));
        if !self.stop.sleep(wait.min(patience)) || wait > patience {
            return Ok(Polled::Nothing);
        }
        self.track.position.store(place + 1, Ordering::Relaxed);
        let index = self.track.entries[place];
        let seq = self.track.drive.entries()[index].seq;
        let read = self.track.drive.read_into(index, out);
        let reopened = std::mem::take(&mut self.reopened);
        Ok(Polled::Frame(Captured {
            entry: self.track.entry_offset + index,
            seq,
            t,
            received_at: Instant::now(),
            read: read.map_err(|e| Unreadable { reason: e.reason(), message: e.to_string() }),
            missed: if reopened { skipped } else { 0 },
            overrun: if reopened { 0 } else { skipped },
        }))
    }
}
