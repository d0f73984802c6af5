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
use ocellus_sense::truth::{TRUTH_TOPIC, truth_json};
use ocellus_sense::{Drive, EncodedImage, ImageEncoding};
use ocellus_sinks::mcap::{At, Compression, McapWriter, jpeg_from_image, topics};

use super::clock::LiveClock;
use super::faults::Faults;
use crate::recording::JPEG_QUALITY;
use crate::wire::frame::{Content, Item};
use crate::wire::notes::Notes;

/// Frames that may wait for the disk, of all sensors: a second of two cameras and a LiDAR at 20 Hz.
pub const RING: usize = 64;
/// Where nothing comes for so long, what is there is given to the operating system.
const FLUSH_AFTER: Duration = Duration::from_millis(300);
/// Intrinsics and mounts are written again this often, for readers that begin in the middle.
const RIG_EVERY: Duration = Duration::from_secs(5);

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

/// A recording being written.
struct OpenFile {
    writer: McapWriter,
    /// When calibration was written last.
    rig_at: Option<Instant>,
}

impl OpenFile {
    fn create(path: &Path) -> Result<Self> {
        Ok(Self { writer: McapWriter::create(path, Compression::Lz4)?, rig_at: None })
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
        let mut file = OpenFile::create(path)?;
        loop {
            match input.recv_timeout(FLUSH_AFTER) {
                Received::Item((sensor, recorded)) => {
                    self.prepare(&mut file)?;
                    self.write(&mut file.writer, sensor, &recorded)?;
                }
                Received::Timeout => file.writer.flush()?,
                Received::Closed => break,
            }
        }
        self.finish(file)
    }

    /// Records frames that nobody else wants: one that is in the file is processed.
    pub fn run_items(self, path: &Path, input: &Receiver<Item>) -> Result<()> {
        let mut file = OpenFile::create(path)?;
        loop {
            match input.recv_timeout(FLUSH_AFTER) {
                Received::Item(Item { origin, content, .. }) => {
                    self.prepare(&mut file)?;
                    let stamped = Stamped { entry: origin.entry, t: origin.t, received_at: origin.received_at };
                    match content {
                        Content::Frame(frame) => {
                            let recorded = Recorded::Picture(frame.picture, stamped);
                            self.write(&mut file.writer, origin.sensor, &recorded)?;
                        }
                        Content::Sweep(cloud) => {
                            self.write(&mut file.writer, origin.sensor, &Recorded::Sweep(cloud, stamped))?;
                        }
                        Content::Lost(reason) => {
                            origin.ticket.lost(reason);
                            continue;
                        }
                    }
                    origin.ticket.processed();
                }
                Received::Timeout => file.writer.flush()?,
                Received::Closed => break,
            }
        }
        self.finish(file)
    }

    /// Sees to the disk, and to calibration where it is due.
    fn prepare(&self, file: &mut OpenFile) -> Result<()> {
        self.faults.check_disk()?;
        if file.rig_at.is_none_or(|at| at.elapsed() >= RIG_EVERY) {
            file.writer.rig(self.clock.now(), &self.drive.info().rig)?;
            file.rig_at = Some(Instant::now());
        }
        Ok(())
    }

    fn finish(&self, file: OpenFile) -> Result<()> {
        let path = file.writer.path().display().to_string();
        let messages = file.writer.finish()?;
        self.notes.say("recording", format!("{path}: {messages} messages"));
        Ok(())
    }

    fn write(&self, writer: &mut McapWriter, sensor: usize, recorded: &Recorded) -> Result<()> {
        let name = self.sensors.get(sensor).map_or("sensor", String::as_str);
        match recorded {
            Recorded::Picture(picture, stamped) => {
                let frame = topics::optical_frame(name);
                let at = self.at(stamped, &frame);
                self.pose(writer, stamped.t)?;
                write_picture(writer, name, &at, picture)?;
                if let Some(labels) = self.drive.labels_at(stamped.entry) {
                    writer.text(TRUTH_TOPIC, stamped.t, &truth_json(name, stamped.t, labels))?;
                }
            }
            Recorded::Sweep(cloud, stamped) => {
                let frame = topics::lidar_frame(name);
                self.pose(writer, stamped.t)?;
                writer.points(&topics::points(name), &self.at(stamped, &frame), cloud)?;
            }
            Recorded::Dropped { t, reason, at } => {
                let frame = DroppedFrame { sensor: name.to_owned(), t_ns: t.as_nanos(), reason: (*reason).to_owned() };
                writer.text(DROPPED_TOPIC, self.clock.at(*at), &frame.to_json())?;
            }
        }
        Ok(())
    }

    fn at<'a>(&self, stamped: &Stamped, frame: &'a str) -> At<'a> {
        At::new(stamped.t, frame).logged_at(self.clock.at(stamped.received_at))
    }

    fn pose(&self, writer: &mut McapWriter, t: Timestamp) -> Result<()> {
        if let Some(pose) = self.drive.odom_from_vehicle(t) {
            writer.odometry(t, &pose, None)?;
        }
        Ok(())
    }
}

fn write_picture(writer: &mut McapWriter, camera: &str, at: &At<'_>, picture: &EncodedImage) -> Result<()> {
    let topic = topics::compressed_picture(camera);
    match picture.encoding {
        ImageEncoding::Jpeg => writer.compressed_image(&topic, at, "jpeg", &picture.bytes)?,
        ImageEncoding::Png => writer.compressed_image(&topic, at, "png", &picture.bytes)?,
        ImageEncoding::Raw { format, width, height } => {
            let view = ocellus_percept::image::ImageView::new(width as usize, height as usize, format, &picture.bytes)?;
            writer.compressed_image(&topic, at, "jpeg", &jpeg_from_image(view, JPEG_QUALITY)?)?;
        }
    }
    Ok(())
}
