//! What we write is read by independent programs, and what they write is read by us (`tests/reference/read_mcap.py`).

use std::path::{Path, PathBuf};
use std::process::Command;

use ocellus_percept::image::PixelFormat;
use ocellus_sense::{ImageEncoding, OpenOptions, Payload, open};
use ocellus_sinks::mcap::Compression;
use serde_json::Value;

use crate::python;
use crate::support::{START_NS, write_all};

fn reference(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference").join(name)
}

/// Runs the reference with `arguments`; what it prints.
fn run(arguments: &[&str]) -> String {
    let python = python::interpreter(&reference("requirements_mcap.txt")).unwrap();
    let output = Command::new(python).arg(reference("read_mcap.py")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn foreign_readers_read_every_message() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ours.mcap");
    write_all(&path, 6, Compression::Zstd);
    let read: Value = serde_json::from_str(&run(&["read", path.to_str().unwrap()])).unwrap();
    let ros2: &Value = &read["mcap_ros2"];
    let bags: &Value = &read["rosbags"];
    let counts = [
        ("/tf_static", 1),
        ("/tf", 6),
        ("/odom", 6),
        ("/imu/data", 6),
        ("/front/camera_info", 1),
        ("/front/image_raw/compressed", 6),
        ("/left/image_raw", 6),
        ("/points", 6),
        ("/side/points", 6),
        ("/front/detections_2d", 6),
        ("/front/detections_3d", 6),
        ("/front/image_annotations", 6),
        ("/front/scene", 6),
        ("/ocellus/truth", 6),
        ("/ocellus/objects", 6),
    ];
    for (topic, count) in counts {
        assert_eq!(ros2[topic]["count"], count, "{topic} by mcap-ros2-support");
        assert_eq!(bags[topic]["count"], count, "{topic} by rosbags");
        assert_eq!(ros2[topic]["first"], bags[topic]["first"], "{topic}: the two agree on every number");
    }
    let detection = &ros2["/front/detections_3d"]["first"]["detections"][0];
    assert_eq!(detection["id"], "7");
    assert_eq!(detection["results"][0]["hypothesis"]["class_id"], "car");
    let covariance = &detection["results"][0]["pose"]["covariance"];
    let trace: f64 = (0..3).map(|i| covariance[i * 7].as_f64().unwrap()).sum();
    assert!((0.0625..0.2).contains(&trace), "0.25 m along the line of sight, 1 % of 12 m across: {trace}");
    let scene = &ros2["/front/scene"]["first"]["entities"][0];
    assert_eq!((&scene["id"], &scene["texts"][0]["text"]), (&"track-7".into(), &"car #7 12.0 m".into()));
    assert_eq!(ros2["/front/image_annotations"]["first"]["points"][1]["points"][2]["x"], 30.0);
    assert_eq!(ros2["/ocellus/truth"]["first"]["data"], "{\"cars\":0}");
    let header = &ros2["/front/detections_2d"]["first"]["header"];
    assert_eq!(header["frame_id"], "front_optical_frame");
    assert_eq!(header["stamp"]["sec"], START_NS / 1_000_000_000);
    assert_eq!(header["stamp"]["nanosec"], START_NS % 1_000_000_000);
    assert_eq!(ros2["/points"]["first"]["fields"][3]["name"], "intensity");
    assert_eq!(ros2["/points"]["first"]["width"], 100);
}

#[test]
fn foxglove_messages_of_an_independent_writer_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("foxglove.mcap");
    run(&["write-foxglove", path.to_str().unwrap()]);
    let drive = open(&path, &OpenOptions::default()).unwrap();
    let info = drive.info();
    let names: Vec<&str> = info.sensors.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["lidar", "camera", "thermal"], "{:?}", info.notes);
    let camera = info.rig.cameras["camera"];
    assert_eq!((camera.camera.fx, camera.camera.cx, camera.camera.width), (500.0, 320.0, 640));
    // One metre ahead of base_link and half a metre up, looking ahead.
    let ahead = camera.optical_from_vehicle.unwrap().apply(&ocellus_percept::space::Point3::new(11.0, 0.0, 0.5));
    assert!((ahead.xyz - nalgebra::Vector3::new(0.0, 0.0, 10.0)).norm() < 1e-9, "{}", ahead.xyz);
    for index in 0..drive.entries().len() {
        match drive.read(index).unwrap() {
            Payload::Cloud(cloud) => {
                // The cloud's own pose lifts it by two metres; intensities are bytes.
                assert_eq!(cloud.xyz, [[1.0, 2.0, 5.0], [4.0, 5.0, 8.0]]);
                assert_eq!(cloud.intensity, [1.0, 0.2]);
            }
            Payload::Image(image) if image.encoding == ImageEncoding::Jpeg => assert_eq!(image.bytes.len(), 6),
            Payload::Image(image) => {
                let raw = ImageEncoding::Raw { format: PixelFormat::Gray8, width: 4, height: 2 };
                assert_eq!((image.encoding, image.bytes.as_slice()), (raw, &[0, 1, 2, 3, 4, 5, 6, 7][..]));
            }
        }
    }
    assert!(drive.info().ego.is_some(), "odom to base_link moves: {:?}", info.notes);
    assert!(info.notes.iter().any(|n| n.contains("/grid") && n.contains("foxglove.Grid")), "{:?}", info.notes);
}

#[test]
fn ros_messages_of_an_independent_writer_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ros2.mcap");
    run(&["write-ros2", path.to_str().unwrap()]);
    let drive = open(&path, &OpenOptions::default()).unwrap();
    let Payload::Cloud(cloud) = drive.read(0).unwrap() else { panic!("a sweep") };
    assert_eq!(cloud.xyz, [[1.5, -2.5, 3.5]]);
    assert_eq!((cloud.intensity[0], cloud.ring[0]), (0.5, 12));
    let mount = drive.info().rig.lidars["lidar"].vehicle_from_lidar;
    assert!((mount.isometry().translation.vector - nalgebra::Vector3::new(1.0, 2.0, 3.0)).norm() < 1e-12);
}
