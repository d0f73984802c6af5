//! The thread that writes what a run says as MCAP, beside the frames it was said of: `--mcap`.
//!
//! Pictures, calibration, poses, truth and sweeps (as perception had them: moved to their stamp) stand under the topics of a
//! recording, so that the file replays like one; detections and drawings stand beside them with the picture's own header.
//! A replay is lossless and its file has the same bytes each time. Live, a bounded ring drops the oldest whole messages and
//! counts them, and what is there is given to the operating system when nothing comes: after a kill all but the last second
//! can be read.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use ocellus_flow::pool::PooledShared;
use ocellus_flow::queue::{Received, Receiver};
use ocellus_percept::cloud::Cloud;
use ocellus_percept::report::FrameReport;
use ocellus_percept::time::Timestamp;
use ocellus_sense::{Drive, EncodedImage};
use ocellus_sinks::mcap::Compression;

use super::notes::Notes;
use crate::exit;
use crate::recording::{Framed, JPEG_QUALITY, Tape};

/// Messages that may wait for the disk: a second of two cameras and a LiDAR at 20 Hz.
pub const RESULTS_QUEUE: usize = 64;
/// Where nothing comes for so long from live sensors, what is there is given to the operating system.
const FLUSH_AFTER: Duration = Duration::from_millis(300);

/// What is written. Clones share pictures and points.
#[derive(Clone)]
pub enum Said {
    /// A report, with the picture it is of where there is one.
    Report {
        /// What perception said.
        report: Arc<FrameReport>,
        /// The drive's entry; `None` of a tick.
        entry: Option<usize>,
        /// The picture as recorded.
        picture: Option<PooledShared<EncodedImage>>,
    },
    /// A sweep, before what is said of it.
    Sweep {
        /// Name of the LiDAR.
        lidar: String,
        /// The drive's entry.
        entry: usize,
        /// Its stamp.
        t: Timestamp,
        /// Its points at that time.
        cloud: PooledShared<Cloud>,
    },
}

/// A results file being written.
pub struct Results {
    tape: Tape,
    drive: Arc<dyn Drive>,
    notes: Notes,
    live: bool,
}

impl Results {
    /// Makes the file at `path`. Errors carry exit code 2.
    pub fn create(path: &Path, drive: Arc<dyn Drive>, notes: Notes, live: bool) -> Result<Self> {
        let tape = Tape::create(path, Compression::default(), JPEG_QUALITY).map_err(exit::usage)?;
        Ok(Self { tape, drive, notes, live })
    }

    /// Writes what comes until its queue ends.
    pub fn run(mut self, path: &Path, input: &Receiver<Said>) -> Result<()> {
        loop {
            match input.recv_timeout(FLUSH_AFTER) {
                Received::Item(said) => self.write(&said)?,
                // A replay's chunks are closed by sensor time alone: its bytes depend on no clock.
                Received::Timeout if self.live => self.tape.flush()?,
                Received::Timeout => {}
                Received::Closed => break,
            }
        }
        let messages = self.tape.finish()?;
        self.notes.say("results", format!("{}: {messages} messages", path.display()));
        Ok(())
    }

    fn write(&mut self, said: &Said) -> Result<()> {
        write_said(&mut self.tape, self.drive.as_ref(), said)
    }
}

impl Said {
    /// Its sensor time.
    pub fn t(&self) -> Timestamp {
        match self {
            Self::Report { report, .. } => report.t,
            Self::Sweep { t, .. } => *t,
        }
    }
}

/// Writes one message with what belongs beside it.
pub fn write_said(tape: &mut Tape, drive: &dyn Drive, said: &Said) -> Result<()> {
    match said {
        Said::Report { report, entry, picture } => {
            if let (Some(entry), Some(picture), Some(sensor)) = (*entry, picture, &report.sensor) {
                tape.picture(&Framed { drive, entry, sensor, t: report.t, logged: report.t }, picture)?;
            }
            let rig = entry.map_or(&drive.info().rig, |entry| drive.rig_at(entry));
            tape.report(report, rig)
        }
        Said::Sweep { lidar, entry, t, cloud } => {
            tape.sweep(&Framed { drive, entry: *entry, sensor: lidar, t: *t, logged: *t }, cloud)
        }
    }
}
