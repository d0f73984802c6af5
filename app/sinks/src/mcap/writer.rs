//! The recording: one method a kind of message.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;

use mcap::records::MessageHeader;
use nalgebra::Isometry3;
use ocellus_percept::cloud::Cloud;
use ocellus_percept::image::ImageView;
use ocellus_percept::space::{Camera, Odom, Rig, Transform, Vehicle};
use ocellus_percept::time::Timestamp;

use super::cdr::CdrWriter;
use super::definitions::definition;
use super::error::RecordError;
use super::file::RecordingFile;
use super::messages::{self, ImuReading, Motion};
use super::topics;

/// Most bytes of one message: lengths in CDR have 32 bits.
const MESSAGE_BYTES_MAX: usize = u32::MAX as usize;
/// ROS 2's quality of service of fixed transforms (reliable, kept for late subscribers), as rosbag2 writes it.
const LATCHED_QOS: &str = "- history: 1\n  depth: 1\n  reliability: 1\n  durability: 1\n  deadline:\n    sec: 9223372036\n    nsec: 854775807\n  lifespan:\n    sec: 9223372036\n    nsec: 854775807\n  liveliness: 1\n  liveliness_lease_duration:\n    sec: 9223372036\n    nsec: 854775807\n  avoid_ros_namespace_conventions: false";

/// How chunks are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// zstd, fast: for files that are kept.
    #[default]
    Zstd,
    /// lz4: least time of the processor.
    Lz4,
    /// None.
    None,
}

impl Compression {
    pub(super) fn of_crate(self) -> Option<mcap::Compression> {
        match self {
            Self::Zstd => Some(mcap::Compression::Zstd),
            Self::Lz4 => Some(mcap::Compression::Lz4),
            Self::None => None,
        }
    }
}

/// When and in which frame a message was measured, and when it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At<'a> {
    /// Sensor time.
    pub t: Timestamp,
    /// When it arrived; the sensor time where nobody knows.
    pub logged: Timestamp,
    /// The frame of its numbers.
    pub frame: &'a str,
}

impl<'a> At<'a> {
    /// Logged at sensor time.
    pub fn new(t: Timestamp, frame: &'a str) -> Self {
        Self { t, logged: t, frame }
    }

    /// Arrived at `logged`.
    pub fn logged_at(self, logged: Timestamp) -> Self {
        Self { logged, ..self }
    }
}

/// What is known of a topic.
struct Channel {
    id: u16,
    schema: String,
    next_sequence: u32,
}

/// A recording being written. Ends with [`McapWriter::finish`]; dropped without it, the file is closed all the same, and an
/// error in closing is lost.
pub struct McapWriter {
    file: RecordingFile,
    channels: BTreeMap<String, Channel>,
    cdr: CdrWriter,
}

impl McapWriter {
    /// Makes the file at `path`, and its folder where it is missing; a file that is there is replaced.
    pub fn create(path: &Path, compression: Compression) -> Result<Self, RecordError> {
        let file = RecordingFile::create(path, compression)?;
        Ok(Self { file, channels: BTreeMap::new(), cdr: CdrWriter::default() })
    }

    /// Where it is written.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Messages written.
    pub fn messages(&self) -> u64 {
        self.file.messages()
    }

    /// Gives all that was written to the operating system, so that a kill loses nothing of it. Done by itself every half
    /// second of logged time; call it when messages stop coming.
    pub fn flush(&mut self) -> Result<(), RecordError> {
        self.file.flush()
    }

    /// Writes the summary and closes the file; the number of messages in it.
    pub fn finish(mut self) -> Result<u64, RecordError> {
        self.file.finish()
    }

    /// Writes one ROS 2 message of type `schema` (`package/msg/Type`) that `fill` encodes.
    pub(super) fn ros(
        &mut self,
        topic: &str,
        schema: &str,
        at: &At<'_>,
        fill: impl FnOnce(&mut CdrWriter),
    ) -> Result<(), RecordError> {
        let mut cdr = std::mem::take(&mut self.cdr);
        fill(&mut cdr);
        let result = self.write(topic, schema, at, cdr.bytes());
        self.cdr = cdr;
        result
    }

    fn write(&mut self, topic: &str, schema: &str, at: &At<'_>, content: &[u8]) -> Result<(), RecordError> {
        let value = |expected, got: String| RecordError::Value { topic: topic.to_owned(), expected, got };
        if content.len() > MESSAGE_BYTES_MAX {
            return Err(value("a message of at most 4 GiB", format!("{} bytes", content.len())));
        }
        let ns = |t: Timestamp| {
            u64::try_from(t.as_nanos()).map_err(|_| value("a time after 1970-01-01", format!("{} ns", t.as_nanos())))
        };
        let (publish_time, log_time) = (ns(at.t)?, ns(at.logged)?);
        let channel = self.channel(topic, schema)?;
        let header = MessageHeader { channel_id: channel.id, sequence: channel.next_sequence, log_time, publish_time };
        channel.next_sequence = channel.next_sequence.wrapping_add(1);
        self.file.write(&header, content)
    }

    /// The channel of `topic`, made where it is new.
    fn channel(&mut self, topic: &str, schema: &str) -> Result<&mut Channel, RecordError> {
        let channel = match self.channels.entry(topic.to_owned()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(free) => {
                let qos = if topic == topics::TF_STATIC { LATCHED_QOS } else { "" };
                let metadata = BTreeMap::from([("offered_qos_profiles".to_owned(), qos.to_owned())]);
                let definition = definition(&schema.replace("/msg/", "/"));
                let id = self.file.channel(topic, (schema, &definition), &metadata)?;
                free.insert(Channel { id, schema: schema.to_owned(), next_sequence: 0 })
            }
        };
        if channel.schema != schema {
            let (topic, has, wanted) = (topic.to_owned(), channel.schema.clone(), schema.to_owned());
            return Err(RecordError::OtherSchema { topic, has, wanted });
        }
        Ok(channel)
    }

    /// A text of our own, JSON as a rule, as `std_msgs/String`.
    pub fn text(&mut self, topic: &str, t: Timestamp, text: &str) -> Result<(), RecordError> {
        let at = At::new(t, "");
        self.ros(topic, "std_msgs/msg/String", &at, |cdr| {
            cdr.begin().string(text);
        })
    }

    /// A picture in a file format (`jpeg`, `png`), its bytes as they are.
    pub fn compressed_image(&mut self, topic: &str, at: &At<'_>, format: &str, data: &[u8]) -> Result<(), RecordError> {
        self.ros(topic, "sensor_msgs/msg/CompressedImage", at, |cdr| {
            messages::compressed_image(cdr, at.t, at.frame, format, data);
        })
    }

    /// A picture as pixels.
    pub fn image(&mut self, topic: &str, at: &At<'_>, image: ImageView<'_>) -> Result<(), RecordError> {
        self.ros(topic, "sensor_msgs/msg/Image", at, |cdr| messages::image(cdr, at.t, at.frame, image))
    }

    /// A camera's intrinsics.
    pub fn camera_info(&mut self, topic: &str, at: &At<'_>, camera: &Camera) -> Result<(), RecordError> {
        self.ros(topic, "sensor_msgs/msg/CameraInfo", at, |cdr| messages::camera_info(cdr, at.t, at.frame, camera))
    }

    /// A sweep in its LiDAR's frame.
    pub fn points(&mut self, topic: &str, at: &At<'_>, cloud: &Cloud) -> Result<(), RecordError> {
        self.ros(topic, "sensor_msgs/msg/PointCloud2", at, |cdr| messages::points(cdr, at.t, at.frame, cloud))
    }

    /// Turn rates and accelerations.
    pub fn imu(&mut self, topic: &str, at: &At<'_>, reading: &ImuReading) -> Result<(), RecordError> {
        self.ros(topic, "sensor_msgs/msg/Imu", at, |cdr| messages::imu(cdr, at.t, at.frame, reading))
    }

    /// The vehicle's pose, and its velocity where known, on [`topics::ODOMETRY`]; and the same pose on [`topics::TF`].
    pub fn odometry(
        &mut self,
        t: Timestamp,
        odom_from_vehicle: &Transform<Odom, Vehicle>,
        motion: Option<&Motion>,
    ) -> Result<(), RecordError> {
        let at = At::new(t, topics::ODOM_FRAME);
        let pose = odom_from_vehicle.isometry();
        let frames = (topics::ODOM_FRAME, topics::VEHICLE_FRAME);
        self.ros(topics::ODOMETRY, "nav_msgs/msg/Odometry", &at, |cdr| {
            messages::odometry(cdr, t, frames, pose, motion);
        })?;
        self.transforms(topics::TF, t, &[(frames.0, frames.1, *pose)])
    }

    /// Transforms, each parent, child and parent_from_child, on [`topics::TF`] or [`topics::TF_STATIC`].
    pub fn transforms(
        &mut self,
        topic: &str,
        t: Timestamp,
        links: &[(&str, &str, Isometry3<f64>)],
    ) -> Result<(), RecordError> {
        let at = At::new(t, "");
        self.ros(topic, "tf2_msgs/msg/TFMessage", &at, |cdr| messages::transforms(cdr, t, links))
    }

    /// All of a rig: where every sensor sits ([`topics::TF_STATIC`], frames by [`topics::optical_frame`] and
    /// [`topics::lidar_frame`]) and every camera's intrinsics. To be written before the first frame; intrinsics again now and
    /// then help readers that begin in the middle.
    pub fn rig(&mut self, t: Timestamp, rig: &Rig) -> Result<(), RecordError> {
        let cameras = rig.cameras.iter().filter_map(|(name, mount)| {
            let vehicle_from_optical = mount.optical_from_vehicle?.inverse();
            Some((topics::optical_frame(name), *vehicle_from_optical.isometry()))
        });
        let lidars = rig.lidars.iter().map(|(name, m)| (topics::lidar_frame(name), *m.vehicle_from_lidar.isometry()));
        let placed: Vec<(String, Isometry3<f64>)> = cameras.chain(lidars).collect();
        let links: Vec<_> = placed.iter().map(|(frame, pose)| (topics::VEHICLE_FRAME, frame.as_str(), *pose)).collect();
        if !links.is_empty() {
            self.transforms(topics::TF_STATIC, t, &links)?;
        }
        for (name, mount) in &rig.cameras {
            let frame = topics::optical_frame(name);
            self.camera_info(&topics::camera_info(name), &At::new(t, &frame), &mount.camera)?;
        }
        Ok(())
    }
}
