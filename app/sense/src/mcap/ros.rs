//! ROS 2 messages from CDR: sensor_msgs, tf2_msgs and nav_msgs, fields in the order of their definitions.

use nalgebra::{Isometry3, Vector3};

use super::cdr::Cdr;
use super::fault::Fault;
use super::message::{
    CameraMessage, CompressedPicture, Head, ImuMessage, Link, NumberType, OdometryMessage, PointField, PointRecords,
    RawPicture, frame_name, isometry, stamp,
};

/// `std_msgs/Header`, which opens every message read here but TFMessage.
fn header<'a>(cdr: &mut Cdr<'a>) -> Result<Head<'a>, Fault> {
    let seconds = cdr.i32("header.stamp.sec")?;
    let nanoseconds = cdr.u32("header.stamp.nanosec")?;
    let frame = cdr.string("header.frame_id")?;
    Ok(Head { stamp: stamp(seconds.into(), nanoseconds.into()), frame })
}

/// The header alone.
pub(crate) fn head(message: &[u8]) -> Result<Head<'_>, Fault> {
    header(&mut Cdr::new(message)?)
}

/// `sensor_msgs/CompressedImage`.
pub(crate) fn compressed(message: &[u8]) -> Result<CompressedPicture<'_>, Fault> {
    let mut cdr = Cdr::new(message)?;
    header(&mut cdr)?;
    Ok(CompressedPicture { format: cdr.string("format")?, data: cdr.bytes("data")? })
}

/// `sensor_msgs/Image`.
pub(crate) fn raw(message: &[u8]) -> Result<RawPicture<'_>, Fault> {
    let mut cdr = Cdr::new(message)?;
    header(&mut cdr)?;
    let (height, width) = (cdr.u32("height")?, cdr.u32("width")?);
    let encoding = cdr.string("encoding")?;
    let big_endian = cdr.boolean("is_bigendian")?;
    let step = cdr.u32("step")? as usize;
    Ok(RawPicture { width, height, encoding, big_endian, step, data: cdr.bytes("data")? })
}

/// `sensor_msgs/PointCloud2`.
pub(crate) fn points(message: &[u8]) -> Result<PointRecords<'_>, Fault> {
    /// Name, offset, datatype and count of the shortest field.
    const FIELD_BYTES_MIN: usize = 16;
    let mut cdr = Cdr::new(message)?;
    header(&mut cdr)?;
    let (height, width) = (cdr.u32("height")? as usize, cdr.u32("width")? as usize);
    let count = cdr.length(FIELD_BYTES_MIN, "fields")?;
    let mut fields = Vec::with_capacity(count);
    for _ in 0..count {
        let name = cdr.string("fields[].name")?.to_owned();
        let offset = cdr.u32("fields[].offset")? as usize;
        let datatype = cdr.u8("fields[].datatype")?;
        cdr.u32("fields[].count")?;
        let number = number_type(datatype).ok_or_else(|| {
            Fault::value(format!("field {name}"), "a datatype of 1 to 8 (INT8 to FLOAT64)", datatype.to_string())
        })?;
        fields.push(PointField { name, offset, number });
    }
    let big_endian = cdr.boolean("is_bigendian")?;
    let point_step = cdr.u32("point_step")? as usize;
    let row_step = cdr.u32("row_step")? as usize;
    let data = cdr.bytes("data")?;
    Ok(PointRecords { width, height, fields, big_endian, point_step, row_step, data, frame_from_points: None })
}

/// `sensor_msgs/PointField` constants.
fn number_type(datatype: u8) -> Option<NumberType> {
    Some(match datatype {
        1 => NumberType::I8,
        2 => NumberType::U8,
        3 => NumberType::I16,
        4 => NumberType::U16,
        5 => NumberType::I32,
        6 => NumberType::U32,
        7 => NumberType::F32,
        8 => NumberType::F64,
        _ => return None,
    })
}

/// `sensor_msgs/CameraInfo`.
pub(crate) fn camera_info(message: &[u8]) -> Result<CameraMessage, Fault> {
    let mut cdr = Cdr::new(message)?;
    let frame = frame_name(header(&mut cdr)?.frame);
    let (height, width) = (cdr.u32("height")?, cdr.u32("width")?);
    let model = cdr.string("distortion_model")?.to_owned();
    let d = cdr.f64_sequence("d")?;
    let k = cdr.f64_array("k")?;
    cdr.f64_array::<9>("r")?;
    let p = cdr.f64_array("p")?;
    let binning = [cdr.u32("binning_x")?, cdr.u32("binning_y")?];
    let (x, y) = (cdr.u32("roi.x_offset")?, cdr.u32("roi.y_offset")?);
    let (roi_height, roi_width) = (cdr.u32("roi.height")?, cdr.u32("roi.width")?);
    // A region of 0 x 0, or the whole picture, is the whole picture.
    let part = roi_width > 0 && roi_height > 0 && (roi_width, roi_height) != (width, height);
    let roi = part.then_some([x, y, roi_width, roi_height]);
    Ok(CameraMessage { frame, width, height, model, d, k, p, roi, binning })
}

/// `geometry_msgs/Pose` or `Transform`: three coordinates, then a quaternion x y z w.
fn pose(cdr: &mut Cdr<'_>, what: &str) -> Result<Isometry3<f64>, Fault> {
    let xyz = cdr.f64_array(what)?;
    let xyzw = cdr.f64_array(what)?;
    isometry(what, xyz, xyzw)
}

/// `tf2_msgs/TFMessage`.
pub(crate) fn transforms(message: &[u8]) -> Result<Vec<Link>, Fault> {
    /// Stamp, two empty names and seven numbers.
    const TRANSFORM_BYTES_MIN: usize = 72;
    let mut cdr = Cdr::new(message)?;
    let count = cdr.length(TRANSFORM_BYTES_MIN, "transforms")?;
    let mut links = Vec::with_capacity(count);
    for _ in 0..count {
        let head = header(&mut cdr)?;
        let child = frame_name(cdr.string("child_frame_id")?);
        let what = format!("transform {} to {child}", head.frame);
        let parent_from_child = pose(&mut cdr, &what)?;
        links.push(Link { stamp: head.stamp, parent: frame_name(head.frame), child, parent_from_child });
    }
    Ok(links)
}

/// `nav_msgs/Odometry`; the covariances and the twist are not used.
pub(crate) fn odometry(message: &[u8]) -> Result<OdometryMessage, Fault> {
    let mut cdr = Cdr::new(message)?;
    let head = header(&mut cdr)?;
    let child = frame_name(cdr.string("child_frame_id")?);
    Ok(OdometryMessage { stamp: head.stamp, child, frame_from_child: pose(&mut cdr, "pose.pose")? })
}

/// `sensor_msgs/Imu`; the orientation and the covariances are not used.
pub(crate) fn imu(message: &[u8]) -> Result<ImuMessage, Fault> {
    let mut cdr = Cdr::new(message)?;
    let head = header(&mut cdr)?;
    cdr.f64_array::<4>("orientation")?;
    cdr.f64_array::<9>("orientation_covariance")?;
    let angular_velocity = Vector3::from(cdr.f64_array::<3>("angular_velocity")?);
    cdr.f64_array::<9>("angular_velocity_covariance")?;
    let acceleration = Vector3::from(cdr.f64_array::<3>("linear_acceleration")?);
    Ok(ImuMessage { stamp: head.stamp, frame: frame_name(head.frame), angular_velocity, acceleration })
}
