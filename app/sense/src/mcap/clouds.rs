//! Point records of messages into a [`Cloud`]: fields in any order, offset and number type.
//!
//! Metres in the message's frame. NaN and infinite points pass through. Intensity becomes 0 to 1: bytes by 255, everything
//! else by the scale that the sensor's first sweep shows (see [`intensity_scale`]). Per-point times become seconds from the
//! message's stamp.

use nalgebra::{Isometry3, Point3};
use ocellus_percept::cloud::Cloud;
use ocellus_percept::time::Timestamp;

use super::fault::Fault;
use super::message::{NumberType, PointField, PointRecords};

/// Names of the strength of a return, the wanted one first.
const INTENSITY: [&str; 5] = ["intensity", "i", "intensities", "reflectivity", "reflectance"];
/// Names of the beam's number.
const RING: [&str; 4] = ["ring", "channel", "line", "laser_id"];
/// Names of a point's own time.
const TIME: [&str; 7] = ["time", "t", "timestamp", "time_stamp", "offset_time", "time_offset", "point_time"];
/// When a point was measured that stands where the sensor would have seen it at the stamp, as our results have it.
const MEASURED: [&str; 1] = ["measured"];

/// Row padding tolerated beyond one point's length: rows aligned to a cache line.
const ROW_PADDING_MAX: usize = 64;

/// Seconds below which a float time is an offset: no sweep lasts longer.
const OFFSET_S_MAX: f64 = 1e4;
/// Float times above this are nanoseconds since the epoch, below it seconds.
const EPOCH_NS_MIN: f64 = 1e14;

fn find<'a>(records: &'a PointRecords<'_>, names: &[&str]) -> Option<&'a PointField> {
    names.iter().find_map(|name| records.fields.iter().find(|f| f.name.eq_ignore_ascii_case(name)))
}

/// One number of a point record; 0 beyond the record, which `check` excludes.
fn number(record: &[u8], field: &PointField, big_endian: bool) -> f64 {
    fn of<const N: usize>(record: &[u8], offset: usize, big_endian: bool) -> [u8; N] {
        let mut bytes = [0; N];
        if let Some(there) = record.get(offset..offset + N) {
            bytes.copy_from_slice(there);
        }
        if big_endian {
            bytes.reverse();
        }
        bytes
    }
    let at = field.offset;
    match field.number {
        NumberType::U8 => u8::from_le_bytes(of(record, at, big_endian)).into(),
        NumberType::I8 => i8::from_le_bytes(of(record, at, big_endian)).into(),
        NumberType::U16 => u16::from_le_bytes(of(record, at, big_endian)).into(),
        NumberType::I16 => i16::from_le_bytes(of(record, at, big_endian)).into(),
        NumberType::U32 => u32::from_le_bytes(of(record, at, big_endian)).into(),
        NumberType::I32 => i32::from_le_bytes(of(record, at, big_endian)).into(),
        NumberType::F32 => f32::from_le_bytes(of(record, at, big_endian)).into(),
        NumberType::F64 => f64::from_le_bytes(of(record, at, big_endian)),
    }
}

/// The records of all rows.
fn records<'a>(points: &PointRecords<'a>) -> impl Iterator<Item = &'a [u8]> {
    let (width, point_step) = (points.width, points.point_step.max(1));
    let rows = points.data.chunks(points.row_step.max(1)).take(points.height);
    rows.flat_map(move |row| row.chunks_exact(point_step).take(width))
}

/// Checks that sizes, steps and data agree; the number of points.
fn check(points: &PointRecords<'_>) -> Result<usize, Fault> {
    let PointRecords { width, height, point_step, row_step, data, .. } = points;
    let got = || {
        format!(
            "width {width}, height {height}, point_step {point_step}, row_step {row_step} and {} bytes of data",
            data.len()
        )
    };
    let count = width.checked_mul(*height).ok_or_else(|| Fault::value("width x height", "a sweep's points", got()))?;
    if count == 0 {
        let empty = data.is_empty();
        return if empty {
            Ok(0)
        } else {
            Err(Fault::value("width x height", "as many points as the data holds", got()))
        };
    }
    for field in &points.fields {
        if field.offset.saturating_add(field.number.bytes()) > *point_step {
            let place = format!("field {}", field.name);
            return Err(Fault::value(
                place,
                format!("an offset within the point ({point_step} bytes)"),
                field.offset.to_string(),
            ));
        }
    }
    let row = width.saturating_mul(*point_step);
    let padding = row_step.checked_sub(row);
    if padding.is_none_or(|padding| padding > ROW_PADDING_MAX.max(*point_step)) {
        return Err(Fault::value("row_step", format!("width x point_step = {row} bytes, or a little more"), got()));
    }
    let (full, least) = (row_step.saturating_mul(*height), row_step.saturating_mul(height - 1).saturating_add(row));
    if data.len() < least {
        return Err(Fault::truncated("data", format!("{count} points: {}", got()), data.len()));
    }
    if data.len() > full {
        return Err(Fault::value("data", format!("{full} bytes, as width and height say"), got()));
    }
    Ok(count)
}

/// What intensities are divided by: told from a sweep, the sensor's first. `None` without a field or a finite value.
pub(crate) fn intensity_scale(points: &PointRecords<'_>) -> Result<Option<f64>, Fault> {
    check(points)?;
    let Some(field) = find(points, &INTENSITY) else { return Ok(None) };
    if matches!(field.number, NumberType::U8 | NumberType::I8) {
        return Ok(Some(255.0));
    }
    let values = records(points).map(|record| number(record, field, points.big_endian)).filter(|v| v.is_finite());
    Ok(values.reduce(f64::max).map(|largest| match largest {
        v if v <= 1.0 && field.number.is_float() => 1.0,
        v if v <= 255.0 => 255.0,
        v if v <= 65_535.0 => 65_535.0,
        v => v,
    }))
}

/// Decodes `points` into `cloud`, which must be empty. `stamp` is the message's, `scale` divides intensities.
pub(crate) fn cloud_from_records(
    points: &PointRecords<'_>,
    stamp: Timestamp,
    scale: f64,
    cloud: &mut Cloud,
) -> Result<(), Fault> {
    let count = check(points)?;
    if count == 0 {
        return Ok(());
    }
    let axis = |name: &str| {
        let field = find(points, &[name]).ok_or_else(|| {
            let names: Vec<&str> = points.fields.iter().map(|f| f.name.as_str()).collect();
            Fault::value("fields", format!("a field {name}"), names.join(", "))
        })?;
        let expected = format!("field {name} of FLOAT32 or FLOAT64");
        let whole = !field.number.is_float();
        if whole { Err(Fault::value("fields", expected, format!("{:?}", field.number))) } else { Ok(field) }
    };
    let (x, y, z) = (axis("x")?, axis("y")?, axis("z")?);
    let big = points.big_endian;
    cloud.xyz.reserve(count);
    cloud.xyz.extend(records(points).map(|r| [x, y, z].map(|field| number(r, field, big) as f32)));
    if let Some(frame_from_points) = &points.frame_from_points {
        move_points(frame_from_points, &mut cloud.xyz);
    }
    if let Some(field) = find(points, &INTENSITY) {
        let intensity = |r| (number(r, field, big) / scale).clamp(0.0, 1.0) as f32;
        cloud.intensity.extend(records(points).map(intensity));
    }
    if let Some(field) = find(points, &RING).filter(|f| !f.number.is_float()) {
        cloud.ring.extend(records(points).map(|r| number(r, field, big).clamp(0.0, f64::from(u16::MAX)) as u16));
    }
    if let Some(field) = find(points, &MEASURED) {
        cloud.measured_s.extend(records(points).map(|r| number(r, field, big) as f32));
    }
    if let Some(field) = find(points, &TIME) {
        cloud.time_offset_s.extend(records(points).map(|r| offset_s(number(r, field, big), field.number, stamp)));
    }
    Ok(())
}

/// Seconds from the stamp. Whole numbers are nanoseconds of offset (Ouster, Livox); floats are seconds of offset
/// (Velodyne), seconds since the epoch (Hesai, RoboSense) or nanoseconds since the epoch (Livox), told by their size.
fn offset_s(value: f64, number: NumberType, stamp: Timestamp) -> f32 {
    if !number.is_float() {
        return (value * 1e-9) as f32;
    }
    // The stamp is parted so that no digit of it is lost before the difference is taken.
    let (whole, part) = (stamp.as_nanos().div_euclid(1_000_000_000), stamp.as_nanos().rem_euclid(1_000_000_000));
    match value.abs() {
        v if v < OFFSET_S_MAX => value as f32,
        v if v < EPOCH_NS_MIN => (value - whole as f64 - part as f64 * 1e-9) as f32,
        _ => ((value - stamp.as_nanos() as f64) * 1e-9) as f32,
    }
}

fn move_points(frame_from_points: &Isometry3<f64>, xyz: &mut [[f32; 3]]) {
    if *frame_from_points == Isometry3::identity() {
        return;
    }
    for point in xyz {
        let moved = frame_from_points * Point3::from(point.map(f64::from));
        *point = [moved.x as f32, moved.y as f32, moved.z as f32];
    }
}
