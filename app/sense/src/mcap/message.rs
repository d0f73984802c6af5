//! What a message says once it is decoded, whichever schema it came in: the common ground of ROS 2 and Foxglove.
//!
//! [`Kind`] tells from a channel's schema and encoding what to do with it.

use crate::arrival::DROPPED_TOPIC;
use crate::event::EVENT_TOPIC;
use crate::truth::TRUTH_TOPIC;
use nalgebra::{Isometry3, Quaternion, Translation3, UnitQuaternion, Vector3};
use ocellus_percept::time::Timestamp;

use super::fault::Fault;
use super::{foxglove, ros};
use crate::drive::SensorKind;

/// How a message's bytes are coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    /// ROS 2: CDR.
    Ros,
    /// Foxglove: Protocol Buffers.
    Foxglove,
}

impl Wire {
    /// Decodes a compressed picture.
    pub fn compressed(self, content: &[u8]) -> Result<CompressedPicture<'_>, Fault> {
        match self {
            Self::Ros => ros::compressed(content),
            Self::Foxglove => foxglove::compressed(content),
        }
    }

    /// Decodes a picture of pixels.
    pub fn raw(self, content: &[u8]) -> Result<RawPicture<'_>, Fault> {
        match self {
            Self::Ros => ros::raw(content),
            Self::Foxglove => foxglove::raw(content),
        }
    }

    /// Decodes a sweep's points.
    pub fn points(self, content: &[u8]) -> Result<PointRecords<'_>, Fault> {
        match self {
            Self::Ros => ros::points(content),
            Self::Foxglove => foxglove::points(content),
        }
    }
}

/// What a sensor's messages hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// JPEG or PNG.
    Compressed,
    /// Pixels.
    Raw,
    /// Points.
    Points,
}

impl Form {
    pub(crate) fn sensor(self) -> SensorKind {
        match self {
            Self::Compressed | Self::Raw => SensorKind::Camera,
            Self::Points => SensorKind::Lidar,
        }
    }
}

/// What a channel is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Frames of a sensor.
    Sensor(Wire, Form),
    /// Intrinsics.
    CameraInfo(Wire),
    /// Several transforms a message.
    Transforms(Wire),
    /// One transform a message.
    Transform,
    /// Poses of the vehicle.
    Odometry,
    /// Turn rates and accelerations.
    Imu,
    /// Labels, as our own recordings carry them.
    Truth,
    /// Frames that the recorded run did not use, as our own recordings tell.
    Dropped,
    /// What an event clip was kept for.
    Event,
}

impl Kind {
    /// By topic, schema name and message encoding; `None` for what is not read.
    pub(crate) fn of(topic: &str, schema: &str, encoding: &str) -> Option<Self> {
        match encoding {
            "cdr" if topic == TRUTH_TOPIC && schema == "std_msgs/msg/String" => Some(Self::Truth),
            "cdr" if topic == DROPPED_TOPIC && schema == "std_msgs/msg/String" => Some(Self::Dropped),
            "cdr" if topic == EVENT_TOPIC && schema == "std_msgs/msg/String" => Some(Self::Event),
            "cdr" => Some(match schema.replace("/msg/", "/").as_str() {
                "sensor_msgs/CompressedImage" => Self::Sensor(Wire::Ros, Form::Compressed),
                "sensor_msgs/Image" => Self::Sensor(Wire::Ros, Form::Raw),
                "sensor_msgs/PointCloud2" => Self::Sensor(Wire::Ros, Form::Points),
                "sensor_msgs/CameraInfo" => Self::CameraInfo(Wire::Ros),
                "sensor_msgs/Imu" => Self::Imu,
                "tf2_msgs/TFMessage" => Self::Transforms(Wire::Ros),
                "nav_msgs/Odometry" => Self::Odometry,
                _ => return None,
            }),
            "protobuf" => Some(match schema {
                "foxglove.CompressedImage" => Self::Sensor(Wire::Foxglove, Form::Compressed),
                "foxglove.RawImage" => Self::Sensor(Wire::Foxglove, Form::Raw),
                "foxglove.PointCloud" => Self::Sensor(Wire::Foxglove, Form::Points),
                "foxglove.CameraCalibration" => Self::CameraInfo(Wire::Foxglove),
                "foxglove.FrameTransforms" => Self::Transforms(Wire::Foxglove),
                "foxglove.FrameTransform" => Self::Transform,
                _ => return None,
            }),
            _ => None,
        }
    }
}

/// When and in which frame; a stamp of zero is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head<'a> {
    pub(crate) stamp: Option<Timestamp>,
    pub(crate) frame: &'a str,
}

/// A picture in a file format.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CompressedPicture<'a> {
    pub(crate) format: &'a str,
    pub(crate) data: &'a [u8],
}

/// A picture as pixels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RawPicture<'a> {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) encoding: &'a str,
    pub(crate) big_endian: bool,
    /// Bytes from row to row.
    pub(crate) step: usize,
    pub(crate) data: &'a [u8],
}

/// One field of a point record.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PointField {
    pub(crate) name: String,
    /// Bytes from the record's start.
    pub(crate) offset: usize,
    pub(crate) number: NumberType,
}

/// The number types of point fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NumberType {
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    F32,
    F64,
}

impl NumberType {
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::I8 | Self::U8 => 1,
            Self::I16 | Self::U16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    pub(crate) fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F64)
    }
}

/// Points as records.
#[derive(Debug, Clone)]
pub(crate) struct PointRecords<'a> {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) fields: Vec<PointField>,
    pub(crate) big_endian: bool,
    /// Bytes from point to point.
    pub(crate) point_step: usize,
    /// Bytes from row to row.
    pub(crate) row_step: usize,
    pub(crate) data: &'a [u8],
    /// Where the records' axes stand in the message's frame, where the message says so.
    pub(crate) frame_from_points: Option<Isometry3<f64>>,
}

/// Intrinsics as sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CameraMessage {
    pub(crate) frame: String,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) model: String,
    pub(crate) d: Vec<f64>,
    pub(crate) k: [f64; 9],
    pub(crate) p: [f64; 12],
    /// x, y, width, height of the part of the sensor that is sent, where it is not all of it.
    pub(crate) roi: Option<[u32; 4]>,
    /// Sensor pixels per sent pixel, across and down; 0 and 1 both mean one.
    pub(crate) binning: [u32; 2],
}

/// One transform between two frames at a time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Link {
    pub(crate) stamp: Option<Timestamp>,
    pub(crate) parent: String,
    pub(crate) child: String,
    pub(crate) parent_from_child: Isometry3<f64>,
}

/// The vehicle's pose by odometry.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OdometryMessage {
    pub(crate) stamp: Option<Timestamp>,
    pub(crate) child: String,
    pub(crate) frame_from_child: Isometry3<f64>,
}

/// Turn rate and acceleration in the sensor's own axes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ImuMessage {
    pub(crate) stamp: Option<Timestamp>,
    pub(crate) frame: String,
    pub(crate) angular_velocity: Vector3<f64>,
    pub(crate) acceleration: Vector3<f64>,
}

/// A frame's name without the leading slash that ROS 1 wrote.
pub(crate) fn frame_name(text: &str) -> String {
    text.trim_start_matches('/').to_owned()
}

/// Seconds and nanoseconds to a stamp; `None` where both are zero or beyond 64 bits.
pub(crate) fn stamp(seconds: i64, nanoseconds: i64) -> Option<Timestamp> {
    let ns = seconds.checked_mul(1_000_000_000)?.checked_add(nanoseconds)?;
    (ns != 0).then_some(Timestamp::from_nanos(ns))
}

/// A translation in metres and a quaternion x y z w to a rigid transform.
pub(crate) fn isometry(what: &str, xyz: [f64; 3], xyzw: [f64; 4]) -> Result<Isometry3<f64>, Fault> {
    if xyz.iter().chain(&xyzw).any(|v| !v.is_finite()) {
        return Err(Fault::value(what, "finite numbers", format!("{xyz:?} {xyzw:?}")));
    }
    let [x, y, z, w] = xyzw;
    let quaternion = Quaternion::new(w, x, y, z);
    // Text tools round to six digits, so the norm is near 1; anything far off is no rotation.
    const NORM_TOLERANCE: f64 = 1e-2;
    if (quaternion.norm() - 1.0).abs() > NORM_TOLERANCE {
        return Err(Fault::value(what, "a quaternion of norm 1", format!("{xyzw:?}, norm {}", quaternion.norm())));
    }
    let [x, y, z] = xyz;
    // A quaternion that is a unit one but for rounding is kept bit for bit.
    let rotation = if (quaternion.norm() - 1.0).abs() < 1e-12 {
        UnitQuaternion::new_unchecked(quaternion)
    } else {
        UnitQuaternion::from_quaternion(quaternion)
    };
    Ok(Isometry3::from_parts(Translation3::new(x, y, z), rotation))
}
