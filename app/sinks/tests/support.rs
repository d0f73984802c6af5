//! A small recording of everything that can be written.

use std::collections::BTreeMap;
use std::path::Path;

use nalgebra::{Isometry3, Matrix3, UnitQuaternion, Vector3};
use ocellus_percept::cloud::Cloud;
use ocellus_percept::detection::BoxPx;
use ocellus_percept::image::{Image, PixelFormat};
use ocellus_percept::report::{DistanceSource, FrameReport, Object, Risk, SensorState, Trigger};
use ocellus_percept::space::{Camera, CameraMount, Distortion, LidarMount, Odom, Optical, Rig, Transform, Vehicle};
use ocellus_percept::time::Timestamp;
use ocellus_sinks::mcap::{At, Compression, ImuReading, McapWriter, Motion, jpeg_from_image, topics};

/// First stamp of the recording; the nanoseconds are no round number, so that rounding would show.
pub(crate) const START_NS: i64 = 1_700_000_000_123_456_789;

/// Time of frame `index` at 10 Hz.
pub(crate) fn at(index: usize) -> Timestamp {
    Timestamp::from_nanos(START_NS + 100_000_000 * index as i64)
}

/// A picture that differs from frame to frame.
pub(crate) fn picture(index: usize) -> Image {
    let data = (0..64 * 48 * 3).map(|i| ((i * 7 + index * 31) % 251) as u8).collect();
    Image::from_vec(64, 48, PixelFormat::Rgb8, data).unwrap()
}

/// A sweep with everything; one point is not finite.
pub(crate) fn sweep(index: usize) -> Cloud {
    let n = 100 + index;
    let mut cloud = Cloud::default();
    for i in 0..n {
        let a = i as f32 * 0.1;
        cloud.xyz.push([10.0 + a.sin(), a.cos() * 3.0, -1.0 + a * 0.01]);
        cloud.intensity.push(i as f32 / n as f32);
        cloud.time_offset_s.push(a * 0.001 - 0.05);
        cloud.ring.push(i as u16 % 16);
    }
    cloud.xyz[5] = [f32::INFINITY, 0.0, 0.0];
    cloud
}

fn optical_from_vehicle() -> Transform<Optical, Vehicle> {
    let rotation = Matrix3::new(0.0, -1.0, 0.0, 0.0, 0.0, -1.0, 1.0, 0.0, 0.0);
    let tilt = UnitQuaternion::from_euler_angles(0.02, -0.05, 0.01).to_rotation_matrix().into_inner();
    Transform::from_rotation_translation(tilt * rotation, Vector3::new(0.1, 1.4, -1.2)).unwrap()
}

/// A camera of every distortion model and two LiDARs.
pub(crate) fn rig() -> Rig {
    let camera = |distortion| Camera { width: 64, height: 48, fx: 51.25, fy: 50.75, cx: 31.6, cy: 23.9, distortion };
    let models = [
        ("front", Distortion::None),
        ("left", Distortion::PlumbBob([-0.3, 0.1, 0.001, -0.002, 0.01])),
        ("rear", Distortion::Rational([0.1, 0.2, 0.001, 0.002, 0.3, 0.4, 0.5, 0.06])),
        ("top", Distortion::Equidistant([0.01, -0.02, 0.003, -0.0004])),
    ];
    let cameras = models.map(|(name, d)| {
        (name.to_owned(), CameraMount { camera: camera(d), optical_from_vehicle: Some(optical_from_vehicle()) })
    });
    let lidar = |x: f64, yaw: f64| LidarMount {
        vehicle_from_lidar: Transform::from_isometry(Isometry3::new(
            Vector3::new(x, 0.2, 1.9),
            Vector3::new(0.01, 0.02, yaw),
        )),
    };
    let lidars = [("points".to_owned(), lidar(1.0, 0.0)), ("side".to_owned(), lidar(0.2, 1.5))];
    Rig { cameras: BTreeMap::from(cameras), lidars: BTreeMap::from(lidars) }
}

/// Where the vehicle is at frame `index`.
pub(crate) fn pose(index: usize) -> Transform<Odom, Vehicle> {
    let i = index as f64;
    Transform::from_isometry(Isometry3::new(Vector3::new(i, 0.1 * i, 0.0), Vector3::new(0.0, 0.0, 0.02 * i)))
}

/// A report with an object that is fully known and one that is only seen.
pub(crate) fn report(index: usize) -> FrameReport {
    let box_px = Some(BoxPx { x0: 10.0, y0: 5.0, x1: 30.0, y1: 25.0 });
    let seen = |track: u64| Object { score: Some(0.9), box_px, ..Object::new(track, "car") };
    let known = Object {
        distance_m: Some(12.0),
        distance_source: Some(DistanceSource::Lidar),
        distance_sigma_m: Some(0.25),
        position_m: Some([12.0, 1.0, 0.5]),
        risk: Some(Risk::Warn),
        why: Some("closing at 4 m/s".into()),
        ..seen(7)
    };
    FrameReport {
        trigger: Trigger::Camera,
        t: at(index),
        sensor: Some("front".into()),
        seq: Some(index as u64),
        state: SensorState::Fresh,
        objects: Some(vec![known, seen(8)]),
    }
}

/// Writes `frames` frames of everything to `path`.
pub(crate) fn write_all(path: &Path, frames: usize, compression: Compression) {
    let rig = rig();
    let mut writer = McapWriter::create(path, compression).unwrap();
    writer.rig(at(0), &rig).unwrap();
    for index in 0..frames {
        let t = at(index);
        for camera in rig.cameras.keys() {
            let frame = topics::optical_frame(camera);
            let picture = picture(index);
            if camera == "left" {
                writer.image(&topics::raw_picture(camera), &At::new(t, &frame), picture.view()).unwrap();
            } else {
                let jpeg = jpeg_from_image(picture.view(), 90).unwrap();
                writer
                    .compressed_image(&topics::compressed_picture(camera), &At::new(t, &frame), "jpeg", &jpeg)
                    .unwrap();
            }
        }
        for lidar in rig.lidars.keys() {
            writer.points(&topics::points(lidar), &At::new(t, &topics::lidar_frame(lidar)), &sweep(index)).unwrap();
        }
        let motion = Motion { linear_mps: [10.0, 0.0, 0.0], angular_rps: [0.0, 0.0, 0.2] };
        writer.odometry(t, &pose(index), Some(&motion)).unwrap();
        let reading = ImuReading { angular_velocity_rps: [0.0, 0.0, 0.2], acceleration_mps2: [0.1, 0.0, 9.81] };
        writer.imu(topics::IMU, &At::new(t, topics::VEHICLE_FRAME), &reading).unwrap();
        writer.text(topics::TRUTH, t, &format!("{{\"cars\":{index}}}")).unwrap();
        writer.report(&report(index), &rig).unwrap();
    }
    writer.finish().unwrap();
}
