//! The reading thread: walks a drive's index in the order of perception, opens tickets, reads bytes.
//!
//! Order: sensor time, with camera frames moved back by the fusion wait, so that a sweep a frame waits for comes before
//! it. That makes fusion the same in every replay.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ocellus_flow::clock::{Pace, Pacer};
use ocellus_flow::latency::Series;
use ocellus_flow::ledger::SensorBook;
use ocellus_flow::pool::Pool;
use ocellus_flow::queue::Sender;
use ocellus_flow::stop::Stop;
use ocellus_percept::cloud::Cloud;
use ocellus_sense::{Drive, EncodedImage, Payload, ReadError, SensorKind};

use super::frame::{Content, Frame, Item, Origin};
use super::notes::Notes;

/// A sensor that takes part in the run.
#[derive(Clone)]
pub struct RunSensor {
    /// Its name.
    pub name: String,
    /// Camera or LiDAR.
    pub kind: SensorKind,
    /// Its book in the ledger.
    pub book: SensorBook,
}

/// Where pictures and sweeps are read into.
#[derive(Clone)]
pub struct Buffers {
    /// Pictures as recorded.
    pub pictures: Pool<EncodedImage>,
    /// Sweeps.
    pub sweeps: Pool<Cloud>,
}

/// The reading thread's state.
pub struct Source {
    /// The drive.
    pub drive: Arc<dyn Drive>,
    /// Entries to read, in order: index into the drive's entries and into `sensors`.
    pub order: Vec<(usize, usize)>,
    /// Sensors that take part.
    pub sensors: Vec<RunSensor>,
    /// Where it reads into.
    pub buffers: Buffers,
    /// Whether frames that the recorded run did not use are left out.
    pub as_recorded: bool,
    /// Replay speed.
    pub pacer: Pacer,
    /// The run's stop token.
    pub stop: Stop,
    /// Time of reading.
    pub reading: Series,
    /// Where what went wrong is said.
    pub notes: Notes,
}

/// The ledger's reason for a frame that the recorded run did not use either.
pub const AS_RECORDED: &str = "as_recorded";

/// The drive's entries of `sensors` (drive sensor index to run sensor index) in the order in which they came to the run
/// that recorded them; `None` where the recording does not tell.
pub fn order_as_recorded(drive: &dyn Drive, sensors: &[Option<usize>]) -> Option<Vec<(usize, usize)>> {
    let entries = drive.entries().iter().enumerate();
    let chosen = entries.filter_map(|(i, entry)| Some((i, sensors[entry.sensor]?)));
    let mut order = chosen.map(|(i, s)| Some((drive.arrival(i)?.at, i, s))).collect::<Option<Vec<_>>>()?;
    order.sort_unstable();
    Some(order.into_iter().map(|(_, i, sensor)| (i, sensor)).collect())
}

/// Chooses the drive's entries of `sensors` (drive sensor index to run sensor index) and puts them in order.
pub fn order_entries(drive: &dyn Drive, sensors: &[Option<usize>], wait_s: f64) -> Vec<(usize, usize)> {
    let infos = &drive.info().sensors;
    let due = |entry: &ocellus_sense::Entry| match infos[entry.sensor].kind {
        SensorKind::Camera => entry.t.plus_seconds(wait_s),
        SensorKind::Lidar => entry.t,
    };
    // Sweeps before frames of the same instant: "at or before" includes "at".
    let rank = |entry: &ocellus_sense::Entry| match infos[entry.sensor].kind {
        SensorKind::Lidar => 0,
        SensorKind::Camera => 1,
    };
    let chosen = drive.entries().iter().enumerate();
    let mut order: Vec<_> =
        chosen.filter_map(|(i, entry)| Some((due(entry), rank(entry), i, sensors[entry.sensor]?))).collect();
    order.sort_by_key(|&(due, rank, i, _)| (due, rank, i));
    order.into_iter().map(|(_, _, i, sensor)| (i, sensor)).collect()
}

impl Source {
    /// Reads every entry and sends it on, until the drive ends or a stop is asked for.
    pub fn run(mut self, output: &Sender<Item>) {
        let order = std::mem::take(&mut self.order);
        let mut index = 0;
        for (entry, sensor) in order {
            let stamp = self.drive.entries()[entry];
            if self.pacer.wait(stamp.t.as_nanos(), &self.stop) == Pace::Stopped || self.stop.is_stopping() {
                return;
            }
            let origin = Origin {
                entry,
                sensor,
                seq: stamp.seq,
                t: stamp.t,
                received_at: Instant::now(),
                delay: Duration::ZERO,
                ticket: self.sensors[sensor].book.received(),
            };
            if self.as_recorded && self.drive.arrival(entry).is_some_and(|arrival| !arrival.used) {
                origin.ticket.dropped(AS_RECORDED);
                continue;
            }
            let Some(content) = self.read(entry, sensor) else {
                origin.ticket.dropped("stopped");
                return;
            };
            let item = Item { index, origin, content, look: None };
            index += 1;
            if let Some(refused) = output.send(item).handed_back() {
                refused.origin.ticket.dropped("stopped");
                return;
            }
        }
    }

    /// Reads an entry into a pooled buffer; `None` where the run is being halted.
    fn read(&self, entry: usize, sensor: usize) -> Option<Content> {
        let content = match self.sensors[sensor].kind {
            SensorKind::Camera => self.picture(entry)?,
            SensorKind::Lidar => self.sweep(entry)?,
        };
        Some(content.unwrap_or_else(|error| {
            self.notes.say("lost", format!("{}: {error}", self.sensors[sensor].name));
            Content::Lost(error.reason())
        }))
    }

    fn picture(&self, entry: usize) -> Option<Result<Content, ReadError>> {
        let mut picture = self.buffers.pictures.take()?;
        let mut payload = Payload::Image(std::mem::take(&mut *picture));
        let read = self.reading.time(|| self.drive.read_into(entry, &mut payload));
        *picture = payload.into_image();
        Some(read.map(|()| Content::Frame(Frame::of(picture.share()))))
    }

    fn sweep(&self, entry: usize) -> Option<Result<Content, ReadError>> {
        let mut sweep = self.buffers.sweeps.take()?;
        let mut payload = Payload::Cloud(std::mem::take(&mut *sweep));
        let read = self.reading.time(|| self.drive.read_into(entry, &mut payload));
        *sweep = payload.into_cloud();
        Some(read.map(|()| Content::Sweep(sweep)))
    }
}
