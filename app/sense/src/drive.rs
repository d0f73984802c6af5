//! What a drive is to the rest of the program: [`Drive`], its description ([`DriveInfo`]) and its index ([`Entry`]).
//!
//! Index first, then read, then decode: opening a drive lists every frame of every sensor in sensor-time order without
//! reading its data; [`Drive::read_into`] fetches one entry; [`crate::decode_image`] turns a picture into pixels.

use std::fmt;
use std::path::PathBuf;

use ocellus_percept::space::{Odom, Rig, Transform, Vehicle};
use ocellus_percept::time::Timestamp;

use crate::arrival::Arrival;
use crate::error::ReadError;
use crate::event::Event;
use crate::labels::{Label, LabelSummary};
use crate::lidar::{Extent, PacketCounts};
use crate::payload::Payload;

/// How a drive is recorded; told by looking at the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriveKind {
    /// A KITTI raw drive folder (`image_0N`, `velodyne_points`, `oxts`).
    KittiRaw,
    /// KITTI object detection frames (`image_2`, `velodyne`, `calib`, `label_2`).
    KittiObject,
    /// An Argoverse 2 sensor log (Feather files).
    Argoverse2,
    /// nuScenes samples by their file names in one folder.
    NuScenesSamples,
    /// A plain folder of pictures.
    ImageFolder,
    /// A video file, decoded by the ffmpeg program.
    Video,
    /// An MCAP recording (ROS 2 or Foxglove messages).
    Mcap,
    /// Packets of LiDARs: a capture (pcap, pcapng), or a rosbag2 recording in SQLite.
    LidarPackets,
    /// A scenario of the simulated world (a TOML file), rendered as it is read.
    Simulated,
    /// Sensors that measure while the program runs.
    Live,
}

impl fmt::Display for DriveKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KittiRaw => "KITTI raw drive",
            Self::KittiObject => "KITTI object frames",
            Self::Argoverse2 => "Argoverse 2 sensor log",
            Self::NuScenesSamples => "nuScenes samples",
            Self::ImageFolder => "folder of pictures",
            Self::Video => "video file",
            Self::Mcap => "MCAP recording",
            Self::LidarPackets => "LiDAR packets",
            Self::Simulated => "simulated drive",
            Self::Live => "live sensors",
        })
    }
}

/// What a sensor measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SensorKind {
    /// Sweeps of points. Ordered before cameras, so that at equal times the sweep is there when the picture comes.
    Lidar,
    /// Pictures.
    Camera,
}

impl fmt::Display for SensorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lidar => "lidar",
            Self::Camera => "camera",
        })
    }
}

/// Where a drive's times come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeSource {
    /// The recording's own stamps.
    Recorded,
    /// Times within the recording, counted from the Unix epoch: when it was made is unknown.
    Relative,
    /// The recording has none: index times this step from the Unix epoch.
    Indexed {
        /// The step in nanoseconds.
        step_ns: i64,
    },
    /// Seconds of the scenario, counted from [`crate::simulated::START`].
    Simulated,
    /// The sensors' own stamps while they run; the host's where those cannot be believed.
    Live,
}

impl fmt::Display for TimeSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recorded => f.write_str("recorded stamps"),
            Self::Relative => f.write_str("recorded times within the file, counted from 1970-01-01"),
            Self::Indexed { step_ns } => {
                write!(f, "no stamps recorded: index x {} ms from 1970-01-01", step_ns / 1_000_000)
            }
            Self::Simulated => f.write_str("simulated times, counted from 2026-01-01"),
            Self::Live => f.write_str("live sensors' stamps"),
        }
    }
}

/// A pause in a sensor's stream longer than [`GAP_FACTOR`] of its median interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gap {
    /// The last frame before the pause.
    pub after_seq: u64,
    /// Its length in seconds.
    pub seconds: f64,
}

/// An interval this many times the median one is a gap: a frame is missing, jitter alone does not reach it.
pub const GAP_FACTOR: f64 = 1.5;

/// One sensor of a drive.
#[derive(Debug, Clone, PartialEq)]
pub struct SensorInfo {
    /// Name, unique in the drive; the same as in the rig.
    pub name: String,
    /// What it measures.
    pub kind: SensorKind,
    /// Entries of the drive.
    pub count: usize,
    /// Inverse of the median interval; `None` below two frames.
    pub rate_hz: Option<f64>,
    /// Stamp of the first frame.
    pub first: Option<Timestamp>,
    /// Stamp of the last frame.
    pub last: Option<Timestamp>,
    /// Pauses in the stream.
    pub gaps: Vec<Gap>,
    /// Columns and rows of the first picture, where it can be read.
    pub resolution_px: Option<(u32, u32)>,
    /// How the data is coded, for people.
    pub encoding: String,
}

/// How the vehicle's own motion is known.
#[derive(Debug, Clone, PartialEq)]
pub struct EgoInfo {
    /// Poses recorded.
    pub poses: usize,
    /// First pose's stamp.
    pub first: Timestamp,
    /// Last pose's stamp.
    pub last: Timestamp,
    /// Length of the way driven, metres.
    pub path_m: f64,
    /// Where the poses come from.
    pub source: String,
}

/// Everything about a drive that `inspect` prints.
#[derive(Debug, Clone, PartialEq)]
pub struct DriveInfo {
    /// How it is recorded.
    pub kind: DriveKind,
    /// The path as opened.
    pub path: PathBuf,
    /// Its sensors, LiDARs first, then by name.
    pub sensors: Vec<SensorInfo>,
    /// The calibration of the first frame. [`Drive::rig_at`] where it changes with the frame.
    pub rig: Rig,
    /// Where the calibration comes from; `None` where there is none.
    pub rig_source: Option<String>,
    /// Where the times come from.
    pub time_source: TimeSource,
    /// Seconds from the first to the last entry.
    pub duration_s: f64,
    /// Labels that come with the drive.
    pub labels: Option<LabelSummary>,
    /// Ego motion, where the drive has it.
    pub ego: Option<EgoInfo>,
    /// What was assumed, ignored or found odd: to be said aloud.
    pub notes: Vec<String>,
    /// What the recording held and cannot be used, because it is cut off or broken; empty where all of it is whole. The
    /// rest is good, and a run on it ends with the exit code of a drive in parts.
    pub lost: Vec<String>,
}

/// A reading of an inertial sensor, in the vehicle's axes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ImuSample {
    /// Sensor time.
    pub t: Timestamp,
    /// Turn rates about x (ahead), y (left), z (up), radians per second.
    pub angular_velocity_rps: [f64; 3],
    /// Acceleration with gravity, metres per second squared.
    pub acceleration_mps2: [f64; 3],
}

/// One frame of one sensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Sensor time.
    pub t: Timestamp,
    /// Index into [`DriveInfo::sensors`].
    pub sensor: usize,
    /// The frame's number within its sensor, as the recording counts.
    pub seq: u64,
}

/// How much of a sweep made of packets is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SweepInfo {
    /// Whether it is whole.
    pub extent: Extent,
    /// Packets it is made of.
    pub packets: u32,
    /// Packets missing inside.
    pub missing: u32,
}

/// A recorded or simulated drive.
///
/// Reading in order is the fast way; any order is correct.
pub trait Drive: Send + Sync {
    /// What is in it.
    fn info(&self) -> &DriveInfo;

    /// All frames of all sensors by sensor time; at equal times LiDARs first, then by sensor, then by `seq`.
    fn entries(&self) -> &[Entry];

    /// Fetches entry `index` into `out`, whose buffers are reused. `out` is unspecified after an error.
    fn read_into(&self, index: usize, out: &mut Payload) -> Result<(), ReadError>;

    /// The calibration that holds for entry `index`.
    fn rig_at(&self, _index: usize) -> &Rig {
        &self.info().rig
    }

    /// The vehicle's pose at `t`; `None` where ego motion is unknown at that time.
    fn odom_from_vehicle(&self, _t: Timestamp) -> Option<Transform<Odom, Vehicle>> {
        None
    }

    /// Readings of the inertial sensor by time; empty where the drive has none.
    fn imu(&self) -> &[ImuSample] {
        &[]
    }

    /// The labels that come with entry `index`; `None` where it has none, which is not the same as an empty list.
    fn labels_at(&self, _index: usize) -> Option<&[Label]> {
        None
    }

    /// The warnings that the recording was kept for; empty of a drive that is no event clip.
    fn events(&self) -> &[Event] {
        &[]
    }

    /// What became of a LiDAR's packets; `None` where the drive holds sweeps and not packets.
    fn packets(&self, _sensor: usize) -> Option<PacketCounts> {
        None
    }

    /// How whole the sweep of entry `index` is; `None` where the drive holds sweeps and not packets.
    fn sweep_info(&self, _index: usize) -> Option<SweepInfo> {
        None
    }

    /// How entry `index` came to the run that recorded it; `None` where the recording does not tell.
    fn arrival(&self, _index: usize) -> Option<Arrival> {
        None
    }

    /// The name of the file that entry `index` alone lies in; `None` where a file holds many.
    fn file_name(&self, _index: usize) -> Option<&str> {
        None
    }

    /// Fetches entry `index` into a new payload.
    fn read(&self, index: usize) -> Result<Payload, ReadError> {
        let mut out = Payload::default();
        self.read_into(index, &mut out)?;
        Ok(out)
    }
}
