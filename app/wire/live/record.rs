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
use ocellus_sense::{Drive, EncodedImage, ImageEncoding};
use ocellus_sinks::mcap::{At, Compression, McapWriter, jpeg_from_image, topics};

use super::clock::LiveClock;
use super::faults::Faults;
use crate::recording::JPEG_QUALITY;
use crate::wire::frame::Content;
use crate::wire::notes::Notes;

/// Frames that may wait for the disk, of all sensors: a second of two cameras and a LiDAR at 20 Hz.
pub const RING: usize = 64;
/// Topic of what the run did not use, JSON: sensor, number, reason.
pub const DROPS_TOPIC: &str = "/ocellus/dropped";
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
        /// Its number.
        seq: u64,
        /// The ledger's reason.
        reason: &'static str,
        /// When that was decided.
        at: Instant,
    },
}

/// When a frame was taken, and when it came.
#[derive(Debug, Clone, Copy)]
pub struct Stamped {
    t: Timestamp,
    received_at: Instant,
}

impl Recorded {
    /// A frame's content stamped `t` that came at `received_at`, where it could be read. None of a sweep for which there
    /// is no buffer: the ring is full of them.
    pub fn frame(content: &Content, (t, received_at): (Timestamp, Instant), sweeps: &Pool<Cloud>) -> Option<Self> {
        let stamped = Stamped { t, received_at };
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
        let mut writer = McapWriter::create(path, Compression::Lz4)?;
        let mut rig_at: Option<Instant> = None;
        loop {
            match input.recv_timeout(FLUSH_AFTER) {
                Received::Item((sensor, recorded)) => {
                    self.faults.check_disk()?;
                    if rig_at.is_none_or(|at| at.elapsed() >= RIG_EVERY) {
                        writer.rig(self.clock.now(), &self.drive.info().rig)?;
                        rig_at = Some(Instant::now());
                    }
                    self.write(&mut writer, sensor, &recorded)?;
                }
                Received::Timeout => writer.flush()?,
                Received::Closed => break,
            }
        }
        let messages = writer.finish()?;
        self.notes.say("recording", format!("{}: {messages} messages", path.display()));
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
            }
            Recorded::Sweep(cloud, stamped) => {
                let frame = topics::lidar_frame(name);
                self.pose(writer, stamped.t)?;
                writer.points(&topics::points(name), &self.at(stamped, &frame), cloud)?;
            }
            Recorded::Dropped { seq, reason, at } => {
                let text = serde_json::json!({"sensor": name, "seq": seq, "reason": reason}).to_string();
                writer.text(DROPS_TOPIC, self.clock.at(*at), &text)?;
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
