//! Foxglove messages from Protocol Buffers: the field numbers of foxglove-sdk's `schemas/proto/foxglove`.
//!
//! Fields may come in any order; absent ones have protobuf's defaults (zero, empty).

use nalgebra::Isometry3;
use ocellus_percept::time::Timestamp;

use super::fault::Fault;
use super::message::{
    CameraMessage, CompressedPicture, Head, Link, NumberType, PointField, PointRecords, RawPicture, frame_name,
    isometry, stamp,
};
use super::protobuf::{Fields, Value};

/// `google.protobuf.Timestamp`: 1 seconds, 2 nanos.
fn timestamp(value: Value<'_>) -> Result<Option<Timestamp>, Fault> {
    let (mut seconds, mut nanos) = (0, 0);
    for field in Fields::new(value.bytes("timestamp")?) {
        match field? {
            (1, v) => seconds = v.i64("timestamp.seconds")?,
            (2, v) => nanos = v.i64("timestamp.nanos")?,
            _ => {}
        }
    }
    Ok(stamp(seconds, nanos))
}

/// Time stamp and frame name, whose field number depends on the message.
pub(crate) fn head(message: &[u8], frame_field: u32) -> Result<Head<'_>, Fault> {
    let mut head = Head { stamp: None, frame: "" };
    for field in Fields::new(message) {
        match field? {
            (1, v) => head.stamp = timestamp(v)?,
            (n, v) if n == frame_field => head.frame = v.text("frame_id")?,
            _ => {}
        }
    }
    Ok(head)
}

/// Field number of `frame_id` in `foxglove.CompressedImage`.
pub(crate) const COMPRESSED_FRAME: u32 = 4;
/// The same in `foxglove.RawImage`.
pub(crate) const RAW_FRAME: u32 = 7;
/// The same in `foxglove.PointCloud`.
pub(crate) const POINTS_FRAME: u32 = 2;

/// `foxglove.CompressedImage`: 2 data, 3 format.
pub(crate) fn compressed(message: &[u8]) -> Result<CompressedPicture<'_>, Fault> {
    let mut picture = CompressedPicture { format: "", data: &[] };
    for field in Fields::new(message) {
        match field? {
            (2, v) => picture.data = v.bytes("data")?,
            (3, v) => picture.format = v.text("format")?,
            _ => {}
        }
    }
    Ok(picture)
}

/// `foxglove.RawImage`: 2 width, 3 height, 4 encoding, 5 step, 6 data.
pub(crate) fn raw(message: &[u8]) -> Result<RawPicture<'_>, Fault> {
    let mut picture = RawPicture { width: 0, height: 0, encoding: "", big_endian: false, step: 0, data: &[] };
    for field in Fields::new(message) {
        match field? {
            (2, v) => picture.width = v.u32("width")?,
            (3, v) => picture.height = v.u32("height")?,
            (4, v) => picture.encoding = v.text("encoding")?,
            (5, v) => picture.step = v.u32("step")? as usize,
            (6, v) => picture.data = v.bytes("data")?,
            _ => {}
        }
    }
    Ok(picture)
}

/// `foxglove.PointCloud`: 3 pose, 4 point_stride, 5 fields, 6 data. Little endian, one row.
pub(crate) fn points(message: &[u8]) -> Result<PointRecords<'_>, Fault> {
    let mut records = PointRecords {
        width: 0,
        height: 1,
        fields: Vec::new(),
        big_endian: false,
        point_step: 0,
        row_step: 0,
        data: &[],
        frame_from_points: None,
    };
    for field in Fields::new(message) {
        match field? {
            (3, v) => records.frame_from_points = Some(pose(v)?),
            (4, v) => records.point_step = v.u32("point_stride")? as usize,
            (5, v) => records.fields.push(point_field(v)?),
            (6, v) => records.data = v.bytes("data")?,
            _ => {}
        }
    }
    let stride = records.point_step;
    if !records.data.is_empty() && (stride == 0 || !records.data.len().is_multiple_of(stride)) {
        let got = format!("{} bytes of data", records.data.len());
        return Err(Fault::value("point_stride", format!("whole points of {stride} bytes"), got));
    }
    records.width = records.data.len().checked_div(stride).unwrap_or(0);
    records.row_step = records.data.len();
    Ok(records)
}

/// `foxglove.PackedElementField`: 1 name, 2 offset, 3 type.
fn point_field(value: Value<'_>) -> Result<PointField, Fault> {
    let (mut name, mut offset, mut number) = (String::new(), 0, 0);
    for field in Fields::new(value.bytes("fields")?) {
        match field? {
            (1, v) => v.text("fields[].name")?.clone_into(&mut name),
            (2, v) => offset = v.u32("fields[].offset")? as usize,
            (3, v) => number = v.u32("fields[].type")?,
            _ => {}
        }
    }
    let number = match number {
        1 => NumberType::U8,
        2 => NumberType::I8,
        3 => NumberType::U16,
        4 => NumberType::I16,
        5 => NumberType::U32,
        6 => NumberType::I32,
        7 => NumberType::F32,
        8 => NumberType::F64,
        other => {
            let expected = "a type of 1 to 8 (UINT8 to FLOAT64)";
            return Err(Fault::value(format!("field {name}"), expected, other.to_string()));
        }
    };
    Ok(PointField { name, offset, number })
}

/// `foxglove.Vector3` (1 x, 2 y, 3 z) or `foxglove.Quaternion` (and 4 w).
fn numbers<const N: usize>(value: Value<'_>, what: &str) -> Result<[f64; N], Fault> {
    let mut numbers = [0.0; N];
    for field in Fields::new(value.bytes(what)?) {
        let (number, v) = field?;
        if let Some(slot) = numbers.get_mut(number as usize - 1) {
            *slot = v.f64(what)?;
        }
    }
    Ok(numbers)
}

/// No rotation, for poses that leave it out: protobuf's default of four zeros is none.
const NO_ROTATION: [f64; 4] = [0.0, 0.0, 0.0, 1.0];

/// `foxglove.Pose`: 1 position, 2 orientation.
fn pose(value: Value<'_>) -> Result<Isometry3<f64>, Fault> {
    let (mut xyz, mut xyzw) = ([0.0; 3], NO_ROTATION);
    for field in Fields::new(value.bytes("pose")?) {
        match field? {
            (1, v) => xyz = numbers(v, "pose.position")?,
            (2, v) => xyzw = numbers(v, "pose.orientation")?,
            _ => {}
        }
    }
    isometry("pose", xyz, xyzw)
}

/// `foxglove.FrameTransform`: 1 timestamp, 2 parent, 3 child, 4 translation, 5 rotation.
pub(crate) fn transform(message: &[u8]) -> Result<Link, Fault> {
    let (mut stamp, mut parent, mut child) = (None, "", "");
    let (mut xyz, mut xyzw) = ([0.0; 3], NO_ROTATION);
    for field in Fields::new(message) {
        match field? {
            (1, v) => stamp = timestamp(v)?,
            (2, v) => parent = v.text("parent_frame_id")?,
            (3, v) => child = v.text("child_frame_id")?,
            (4, v) => xyz = numbers(v, "translation")?,
            (5, v) => xyzw = numbers(v, "rotation")?,
            _ => {}
        }
    }
    let parent_from_child = isometry(&format!("transform {parent} to {child}"), xyz, xyzw)?;
    Ok(Link { stamp, parent: frame_name(parent), child: frame_name(child), parent_from_child })
}

/// `foxglove.FrameTransforms`: 1 transforms.
pub(crate) fn transforms(message: &[u8]) -> Result<Vec<Link>, Fault> {
    let mut links = Vec::new();
    for field in Fields::new(message) {
        if let (1, v) = field? {
            links.push(transform(v.bytes("transforms")?)?);
        }
    }
    Ok(links)
}

/// `foxglove.CameraCalibration`: 2 width, 3 height, 4 distortion_model, 5 D, 6 K, 8 P, 9 frame_id.
pub(crate) fn camera_info(message: &[u8]) -> Result<CameraMessage, Fault> {
    let (mut frame, mut model, mut width, mut height) = ("", "", 0, 0);
    let (mut d, mut k, mut p) = (Vec::new(), Vec::new(), Vec::new());
    for field in Fields::new(message) {
        match field? {
            (2, v) => width = v.u32("width")?,
            (3, v) => height = v.u32("height")?,
            (4, v) => model = v.text("distortion_model")?,
            (5, v) => v.push_f64("D", &mut d)?,
            (6, v) => v.push_f64("K", &mut k)?,
            (8, v) => v.push_f64("P", &mut p)?,
            (9, v) => frame = v.text("frame_id")?,
            _ => {}
        }
    }
    Ok(CameraMessage {
        frame: frame_name(frame),
        width,
        height,
        model: model.to_owned(),
        d,
        k: matrix("K", &k)?,
        p: matrix("P", &p)?,
        roi: None,
        binning: [1, 1],
    })
}

/// A matrix of `N` numbers; an absent one is all zeros.
fn matrix<const N: usize>(what: &str, values: &[f64]) -> Result<[f64; N], Fault> {
    match <[f64; N]>::try_from(values) {
        Ok(matrix) => Ok(matrix),
        Err(_) if values.is_empty() => Ok([0.0; N]),
        Err(_) => Err(Fault::value(what, format!("{N} numbers"), values.len().to_string())),
    }
}
