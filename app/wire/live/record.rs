//! Recording what live sensors give, as MCAP: everything that came, in the order in which it came, and a mark for each
//! frame that the run did not use.
//!
//! A bounded ring of memory stands between the sensors and the disk: a stalled disk costs frames of the recording, which
//! are counted, and never a sensor's. Chunks are given to the operating system twice a second, so that a kill loses no
//! more. A message's time of logging is its arrival, its stamp the sensor's.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use ocellus_flow::pool::{Pool, Pooled, PooledShared};
use ocellus_flow::queue::{Received, Receiver, Sender};
use ocellus_percept::cloud::Cloud;
use ocellus_percept::time::Timestamp;
use ocellus_sense::arrival::{DROPPED_TOPIC, DroppedFrame};
use ocellus_sense::{Drive, EncodedImage};
use ocellus_sinks::mcap::Compression;

use super::clock::LiveClock;
use super::faults::Faults;
use crate::recording::{Framed, JPEG_QUALITY, Tape};
use crate::wire::frame::{Content, Item};
use crate::wire::notes::Notes;

/// Frames that may wait for the disk, of all sensors: a second of two cameras and a LiDAR at 20 Hz.
pub const RING: usize = 64;
/// Where nothing comes for so long, what is there is given to the operating system.
const FLUSH_AFTER: Duration = Duration::from_millis(300);

/// What is recorded.
pub enum Recorded {
    /// A picture, shared with the run.
    Picture(PooledShared<EncodedImage>, Stamped),
    /// A sweep as it came: the run moves its own copy's points.
    Sweep(Pooled<Cloud>, Stamped),
    /// A frame that the run did not use.
    Dropped {
        /// Its stamp.
        t: Timestamp,
        /// The ledger's reason.
        reason: &'static str,
        /// When that was decided.
        at: Instant,
    },
}

/// When a frame was taken, and when it came.
#[derive(Debug, Clone, Copy)]
pub struct Stamped {
    /// The drive's entry, for its labels.
    pub entry: usize,
    /// The stamp.
    pub t: Timestamp,
    /// The arrival.
    pub received_at: Instant,
}

impl Recorded {
    /// A frame's content, where it could be read. None of a sweep for which there is no buffer: the ring is full of them.
    pub fn frame(content: &Content, stamped: Stamped, sweeps: &Pool<Cloud>) -> Option<Self> {
        match content {
            Content::Frame(frame) => Some(Self::Picture(frame.picture.clone(), stamped)),
            Content::Sweep(cloud) => {
                let mut copy = sweeps.take()?;
                copy_cloud(cloud, &mut copy);
                Some(Self::Sweep(copy, stamped))
            }
            Content::Lost(_) => None,
        }
    }
}

/// Copies a sweep into a buffer that keeps its allocations.
fn copy_cloud(from: &Cloud, to: &mut Cloud) {
    to.xyz.clone_from(&from.xyz);
    to.intensity.clone_from(&from.intensity);
    to.time_offset_s.clone_from(&from.time_offset_s);
    to.measured_s.clone_from(&from.measured_s);
    to.ring.clone_from(&from.ring);
}

/// A sensor's way to the recorder.
#[derive(Clone)]
pub struct Tap(pub Sender<(usize, Recorded)>);

impl Tap {
    /// Hands over; what a full ring displaces is in its counters.
    pub fn put(&self, sensor: usize, recorded: Recorded) {
        drop(self.0.send((sensor, recorded)));
    }
}

/// The recording thread.
pub struct Recorder {
    /// Calibration and ego motion.
    pub drive: Arc<dyn Drive>,
    /// Names by run sensor.
    pub sensors: Vec<String>,
    /// The run's clock.
    pub clock: LiveClock,
    /// Faults, among them a full disk.
    pub faults: Faults,
    /// Where what went wrong is said.
    pub notes: Notes,
}

impl Recorder {
    /// Records to `path` until the sensors end. A disk that takes no more ends the recording, not the run.
    pub fn run(self, path: &Path, input: &Receiver<(usize, Recorded)>) -> Result<()> {
        let mut tape = Tape::create(path, Compression::Lz4, JPEG_QUALITY)?;
        loop {
            match input.recv_timeout(FLUSH_AFTER) {
                Received::Item((sensor, recorded)) => {
                    self.write(&mut tape, sensor, &recorded)?;
                }
                Received::Timeout => tape.flush()?,
                Received::Closed => break,
            }
        }
        self.finish(path, tape)
    }

    /// Records frames that nobody else wants: one that is in the file is processed.
    pub fn run_items(self, path: &Path, input: &Receiver<Item>) -> Result<()> {
        let mut tape = Tape::create(path, Compression::Lz4, JPEG_QUALITY)?;
        loop {
            match input.recv_timeout(FLUSH_AFTER) {
                Received::Item(Item { origin, content, .. }) => {
                    let stamped = Stamped { entry: origin.entry, t: origin.t, received_at: origin.received_at };
                    match content {
                        Content::Frame(frame) => {
                            let recorded = Recorded::Picture(frame.picture, stamped);
                            self.write(&mut tape, origin.sensor, &recorded)?;
                        }
                        Content::Sweep(cloud) => {
                            self.write(&mut tape, origin.sensor, &Recorded::Sweep(cloud, stamped))?;
                        }
                        Content::Lost(reason) => {
                            origin.ticket.lost(reason);
                            continue;
                        }
                    }
                    origin.ticket.processed();
                }
                Received::Timeout => tape.flush()?,
                Received::Closed => break,
            }
        }
        self.finish(path, tape)
    }

    fn finish(&self, path: &Path, tape: Tape) -> Result<()> {
        let messages = tape.finish()?;
        self.notes.say("recording", format!("{}: {messages} messages", path.display()));
        Ok(())
    }

    fn write(&self, tape: &mut Tape, sensor: usize, recorded: &Recorded) -> Result<()> {
        self.faults.check_disk()?;
        let name = self.sensors.get(sensor).map_or("sensor", String::as_str);
        match recorded {
            Recorded::Picture(picture, stamped) => tape.picture(&self.framed(name, stamped), picture),
            Recorded::Sweep(cloud, stamped) => tape.sweep(&self.framed(name, stamped), cloud),
            Recorded::Dropped { t, reason, at } => {
                let frame = DroppedFrame { sensor: name.to_owned(), t_ns: t.as_nanos(), reason: (*reason).to_owned() };
                Ok(tape.writer().text(DROPPED_TOPIC, self.clock.at(*at), &serde_json::to_string(&frame)?)?)
            }
        }
    }

    fn framed<'a>(&'a self, sensor: &'a str, stamped: &Stamped) -> Framed<'a> {
        let logged = self.clock.at(stamped.received_at);
        Framed { drive: self.drive.as_ref(), entry: stamped.entry, sensor, t: stamped.t, logged }
    }
}
