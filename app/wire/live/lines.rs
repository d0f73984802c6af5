//! objects.jsonl in a live run: lines put in sensor-time order, and a disk that takes no more survived.
//!
//! A line waits here for [`HOLD`] of sensor time, so that what a slower camera brings comes to stand before it. What comes
//! later than that is written where it comes and counted. A line that the disk does not take is counted, and the
//! file is taken up again when there is room: what is in it is whole lines, always.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use ocellus_flow::latency::Series;
use ocellus_flow::queue::{Received, Receiver};
use ocellus_percept::report::FrameReport;
use ocellus_percept::time::Timestamp;
use ocellus_sinks::objects::ObjectsWriter;

use super::clock::LiveClock;
use super::faults::Faults;
use super::health::Health;
use crate::wire::notes::Notes;

/// Reports that may wait for the disk: seconds of several cameras.
pub const RING: usize = 256;
/// How long a line waits for an older one, in sensor time.
const HOLD: Duration = Duration::from_millis(500);
/// How often lines are let go.
const LOOK: Duration = Duration::from_millis(50);
/// After a line that the disk did not take, none is tried for so long.
const DISK_PAUSE: Duration = Duration::from_millis(500);

/// The thread that writes objects.jsonl.
pub struct Lines {
    /// The file.
    pub writer: ObjectsWriter,
    /// The run's clock.
    pub clock: LiveClock,
    /// Faults, among them a full disk.
    pub faults: Faults,
    /// Where lost lines are counted.
    pub health: Arc<Health>,
    /// Time of writing.
    pub writing: Series,
    /// Where what went wrong is said.
    pub notes: Notes,
}

/// Lines that wait, by time and arrival.
type Held = BTreeMap<(Timestamp, u64), Arc<FrameReport>>;

impl Lines {
    /// Writes until the queue ends.
    pub fn run(mut self, input: &Receiver<Arc<FrameReport>>) -> Result<()> {
        let mut held = Held::new();
        let (mut arrival, mut last, mut disk) = (0, None, None);
        loop {
            let open = match input.recv_timeout(LOOK) {
                Received::Item(report) => {
                    held.insert((report.t, arrival), report);
                    arrival += 1;
                    true
                }
                Received::Timeout => true,
                Received::Closed => false,
            };
            let until = self.clock.now().plus_seconds(-HOLD.as_secs_f64());
            while let Some(first) = held.first_entry().filter(|e| !open || e.key().0 <= until) {
                let report = first.remove();
                if last.replace(report.t).is_some_and(|t| t > report.t) {
                    self.notes.say("order", "a line came too late for its place in objects.jsonl");
                }
                self.write(&report, &mut disk);
            }
            if !open {
                break;
            }
        }
        self.writer.finish()?;
        Ok(())
    }

    /// Writes one line, or counts it as lost while the disk takes none.
    fn write(&mut self, report: &FrameReport, disk: &mut Option<Instant>) {
        if disk.is_some_and(|failed_at| failed_at.elapsed() < DISK_PAUSE) {
            self.health.lines_lost(1);
            return;
        }
        let resumed = if disk.is_some() { self.writer.resume() } else { Ok(()) };
        let writing = self.writing.clone();
        let checked = self.faults.check_disk().map_err(anyhow::Error::from);
        let written =
            checked.and_then(|()| Ok(resumed?)).and_then(|()| Ok(writing.time(|| self.writer.write(report))?));
        *disk = written.as_ref().err().map(|_| Instant::now());
        if let Err(error) = written {
            self.health.lines_lost(1);
            self.notes.say("disk", format!("objects.jsonl: {error:#}; the run goes on"));
        }
    }
}
