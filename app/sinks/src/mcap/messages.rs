//! ROS 2 messages of the sensors: fields in the order of their definitions.

use nalgebra::Isometry3;
use ocellus_percept::cloud::Cloud;
use ocellus_percept::image::{ImageView, PixelFormat};
use ocellus_percept::space::{Camera, Distortion};
use ocellus_percept::time::Timestamp;

use super::cdr::CdrWriter;

/// What is known of a value that ROS wants and we do not have: a covariance whose first number is -1.
const UNKNOWN_COVARIANCE: f64 = -1.0;

/// `sensor_msgs/PointField` numbers.
const FLOAT32: u8 = 7;
const UINT16: u8 = 4;

/// The vehicle's velocity in its own axes.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Motion {
    /// Metres per second: ahead, left, up.
    pub linear_mps: [f64; 3],
    /// Radians per second about the same axes.
    pub angular_rps: [f64; 3],
}

/// A reading of an inertial sensor in its own axes.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ImuReading {
    /// Radians per second.
    pub angular_velocity_rps: [f64; 3],
    /// Metres per second squared, gravity included.
    pub acceleration_mps2: [f64; 3],
}

/// Whole seconds, rounded down, and nanoseconds of a stamp. Seconds beyond 32 bits saturate.
pub(super) fn seconds(t: Timestamp) -> (i32, u32) {
    let ns = t.as_nanos();
    let whole = ns.div_euclid(1_000_000_000);
    let whole = i32::try_from(whole).unwrap_or(if whole < 0 { i32::MIN } else { i32::MAX });
    (whole, ns.rem_euclid(1_000_000_000) as u32)
}

impl CdrWriter {
    /// `std_msgs/Header`.
    pub(super) fn header(&mut self, t: Timestamp, frame: &str) -> &mut Self {
        let (sec, nanosec) = seconds(t);
        self.i32(sec).u32(nanosec).string(frame)
    }

    /// `geometry_msgs/Pose` or `Transform`.
    pub(super) fn pose(&mut self, pose: &Isometry3<f64>) -> &mut Self {
        let (t, q) = (&pose.translation.vector, &pose.rotation.coords);
        self.f64_array(&[t.x, t.y, t.z, q.x, q.y, q.z, q.w])
    }

    /// A covariance of which nothing is known.
    fn unknown_covariance(&mut self, numbers: usize) -> &mut Self {
        self.f64(UNKNOWN_COVARIANCE);
        for _ in 1..numbers {
            self.f64(0.0);
        }
        self
    }
}

/// `sensor_msgs/CompressedImage`.
pub(super) fn compressed_image(cdr: &mut CdrWriter, t: Timestamp, frame: &str, format: &str, data: &[u8]) {
    cdr.begin().header(t, frame).string(format).byte_sequence(data);
}

/// `sensor_msgs/Image`.
pub(super) fn image(cdr: &mut CdrWriter, t: Timestamp, frame: &str, image: ImageView<'_>) {
    let encoding = match image.format() {
        PixelFormat::Rgb8 => "rgb8",
        PixelFormat::Bgr8 => "bgr8",
        PixelFormat::Gray8 => "mono8",
        PixelFormat::Yuyv => "yuv422_yuy2",
        PixelFormat::Nv12 => "nv12",
    };
    let step = image.format().row_bytes(image.width());
    cdr.begin().header(t, frame).length(image.height()).length(image.width()).string(encoding).boolean(false);
    cdr.length(step).byte_sequence(image.data());
}

/// `sensor_msgs/CameraInfo` of a picture that is not rectified: P is K.
pub(super) fn camera_info(cdr: &mut CdrWriter, t: Timestamp, frame: &str, camera: &Camera) {
    let Camera { fx, fy, cx, cy, .. } = *camera;
    let (model, d) = match &camera.distortion {
        Distortion::None => ("plumb_bob", &[0.0; 5][..]),
        Distortion::PlumbBob(d) => ("plumb_bob", &d[..]),
        Distortion::Rational(d) => ("rational_polynomial", &d[..]),
        Distortion::Equidistant(d) => ("equidistant", &d[..]),
    };
    cdr.begin().header(t, frame).u32(camera.height).u32(camera.width).string(model).f64_sequence(d);
    cdr.f64_array(&[fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0]);
    cdr.f64_array(&[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
    cdr.f64_array(&[fx, 0.0, cx, 0.0, 0.0, fy, cy, 0.0, 0.0, 0.0, 1.0, 0.0]);
    // Binning of 0 and a region of 0 x 0 mean the whole picture, unbinned.
    cdr.u32(0).u32(0).u32(0).u32(0).u32(0).u32(0).boolean(false);
}

/// `sensor_msgs/PointCloud2`: x y z, then what the sweep has of intensity (0 to 1), time (seconds from the stamp), measured (the same of
/// points that were moved to the stamp) and ring. A field whose length is not the points' is left out.
pub(super) fn points(cdr: &mut CdrWriter, t: Timestamp, frame: &str, cloud: &Cloud) {
    let count = cloud.len();
    let whole = |values: &'_ Vec<f32>| values.len() == count && count > 0;
    let floats = [("intensity", &cloud.intensity), ("time", &cloud.time_offset_s), ("measured", &cloud.measured_s)];
    let floats = floats.map(|(name, values)| (name, Some(values).filter(|v| whole(v))));
    let ring = Some(&cloud.ring).filter(|v| v.len() == count && count > 0);
    let mut fields = vec![("x", 0, FLOAT32), ("y", 4, FLOAT32), ("z", 8, FLOAT32)];
    let mut step = 12;
    for (name, _) in floats.iter().filter(|(_, values)| values.is_some()) {
        fields.push((name, step, FLOAT32));
        step += 4;
    }
    if ring.is_some() {
        fields.push(("ring", step, UINT16));
        // Two bytes of padding keep the floats of the next point aligned.
        step += 4;
    }
    cdr.begin().header(t, frame).u32(1).length(count).length(fields.len());
    for (name, offset, datatype) in fields {
        cdr.string(name).u32(offset).u8(datatype).u32(1);
    }
    let step = step as usize;
    cdr.boolean(false).length(step).length(step * count);
    cdr.byte_sequence_with(step * count, |out| {
        for (i, xyz) in cloud.xyz.iter().enumerate() {
            out.extend(xyz.iter().flat_map(|v| v.to_le_bytes()));
            for values in floats.iter().filter_map(|(_, values)| *values) {
                out.extend(values.get(i).copied().unwrap_or_default().to_le_bytes());
            }
            if let Some(values) = ring {
                out.extend(u32::from(values.get(i).copied().unwrap_or_default()).to_le_bytes());
            }
        }
    });
    let dense = cloud.xyz.iter().flatten().all(|v| v.is_finite());
    cdr.boolean(dense);
}

/// `sensor_msgs/Imu` without orientation.
pub(super) fn imu(cdr: &mut CdrWriter, t: Timestamp, frame: &str, reading: &ImuReading) {
    cdr.begin().header(t, frame).f64_array(&[0.0, 0.0, 0.0, 1.0]).unknown_covariance(9);
    cdr.f64_array(&reading.angular_velocity_rps).f64_array(&[0.0; 9]);
    cdr.f64_array(&reading.acceleration_mps2).f64_array(&[0.0; 9]);
}

/// `nav_msgs/Odometry`.
pub(super) fn odometry(
    cdr: &mut CdrWriter,
    t: Timestamp,
    (frame, child): (&str, &str),
    pose: &Isometry3<f64>,
    motion: Option<&Motion>,
) {
    cdr.begin().header(t, frame).string(child).pose(pose).f64_array(&[0.0; 36]);
    let known = motion.copied().unwrap_or_default();
    cdr.f64_array(&known.linear_mps).f64_array(&known.angular_rps);
    match motion {
        Some(_) => cdr.f64_array(&[0.0; 36]),
        None => cdr.unknown_covariance(36),
    };
}

/// `tf2_msgs/TFMessage`: parent, child, parent_from_child.
pub(super) fn transforms(cdr: &mut CdrWriter, t: Timestamp, links: &[(&str, &str, Isometry3<f64>)]) {
    cdr.begin().length(links.len());
    for (parent, child, parent_from_child) in links {
        cdr.header(t, parent).string(child).pose(parent_from_child);
    }
}
