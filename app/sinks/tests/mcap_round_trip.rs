//! Written by us, read by us: the same bytes, points, rig and times.

use ocellus_percept::report::FrameReport;
use ocellus_percept::space::Rig;
use ocellus_percept::time::Timestamp;
use ocellus_sense::{Drive, OpenOptions, Payload, TimeSource, mcap, open};
use ocellus_sinks::mcap::{At, Compression, McapWriter, RecordError, jpeg_from_image, topics};

use crate::support::{at, picture, pose, report, rig, sweep, write_all};

const FRAMES: usize = 12;

fn opened(path: &std::path::Path) -> Box<dyn Drive> {
    open(path, &OpenOptions::default()).unwrap()
}

fn largest_difference(a: &Rig, b: &Rig) -> f64 {
    let mut largest: f64 = 0.0;
    let mut pair = |a: &nalgebra::Isometry3<f64>, b: &nalgebra::Isometry3<f64>| {
        largest = largest.max((a.to_homogeneous() - b.to_homogeneous()).abs().max());
    };
    for (name, mount) in &a.cameras {
        let other = &b.cameras[name];
        pair(mount.optical_from_vehicle.unwrap().isometry(), other.optical_from_vehicle.unwrap().isometry());
        assert_eq!(mount.camera, other.camera, "{name}");
    }
    for (name, mount) in &a.lidars {
        pair(mount.vehicle_from_lidar.isometry(), b.lidars[name].vehicle_from_lidar.isometry());
    }
    largest
}

#[test]
fn pictures_points_rig_poses_and_times_come_back() {
    let dir = tempfile::tempdir().unwrap();
    for compression in [Compression::Zstd, Compression::Lz4, Compression::None] {
        let path = dir.path().join(format!("{compression:?}.mcap"));
        write_all(&path, FRAMES, compression);
        let drive = opened(&path);
        let info = drive.info();
        let names: Vec<&str> = info.sensors.iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names, ["points", "side", "front", "left", "rear", "top"]);
        assert!(info.sensors.iter().all(|s| s.count == FRAMES && s.gaps.is_empty()));
        assert_eq!((info.time_source, info.lost.len()), (TimeSource::Recorded, 0));
        assert_eq!(info.rig.cameras.len() + info.rig.lidars.len(), 6);
        assert!(largest_difference(&rig(), &info.rig) < 1e-9);
        for (index, entry) in drive.entries().iter().enumerate() {
            let frame = entry.seq as usize;
            assert_eq!(entry.t, at(frame));
            match drive.read(index).unwrap() {
                Payload::Cloud(cloud) => assert_eq!(cloud, sweep(frame)),
                Payload::Image(encoded) if names[entry.sensor] == "left" => {
                    assert_eq!(encoded.bytes, picture(frame).data());
                }
                Payload::Image(encoded) => {
                    assert_eq!(encoded.bytes, jpeg_from_image(picture(frame).view(), 90).unwrap());
                }
            }
        }
        for index in 0..FRAMES {
            let found = drive.odom_from_vehicle(at(index)).unwrap();
            let off = found.isometry().to_homogeneous() - pose(index).isometry().to_homogeneous();
            assert!(off.abs().max() < 1e-9, "frame {index}: {off}");
        }
        assert_eq!(drive.imu().len(), FRAMES);
        assert_eq!(drive.imu()[3].angular_velocity_rps, [0.0, 0.0, 0.2]);
    }
}

#[test]
fn what_perception_said_stands_beside_the_inputs() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("results.mcap");
    write_all(&path, 3, Compression::Zstd);
    let (found, lost) = mcap::topics(&path).unwrap();
    assert!(lost.is_empty());
    let schema = |topic: &str| found.iter().find(|t| t.topic == topic).map(|t| (t.schema.as_str(), t.messages));
    assert_eq!(schema("/front/detections_2d"), Some(("vision_msgs/msg/Detection2DArray", 3)));
    assert_eq!(schema("/front/detections_3d"), Some(("vision_msgs/msg/Detection3DArray", 3)));
    assert_eq!(schema("/front/image_annotations"), Some(("foxglove_msgs/msg/ImageAnnotations", 3)));
    assert_eq!(schema("/front/scene"), Some(("foxglove_msgs/msg/SceneUpdate", 3)));
    let truth = mcap::texts(&path, topics::TRUTH).unwrap();
    assert_eq!(truth[2], (at(2), "{\"cars\":2}".to_owned()));
    let lines = mcap::texts(&path, topics::OBJECTS).unwrap();
    let line: serde_json::Value = serde_json::from_str(&lines[1].1).unwrap();
    assert_eq!(line["t_ns"], at(1).as_nanos());
    assert_eq!(line["objects"][0]["why"], "closing at 4 m/s");
}

#[test]
fn a_frame_that_could_not_be_read_is_no_empty_road() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("blind.mcap");
    let mut writer = McapWriter::create(&path, Compression::Zstd).unwrap();
    writer.report(&FrameReport { objects: None, ..report(0) }, &rig()).unwrap();
    assert_eq!(writer.finish().unwrap(), 1);
    let (found, _) = mcap::topics(&path).unwrap();
    assert_eq!(found.iter().map(|t| t.topic.as_str()).collect::<Vec<_>>(), [topics::OBJECTS]);
}

#[test]
fn the_same_calls_give_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let files: Vec<Vec<u8>> = (0..4)
        .map(|run| {
            let path = dir.path().join(format!("{run}.mcap"));
            write_all(&path, 5, Compression::Zstd);
            std::fs::read(path).unwrap()
        })
        .collect();
    assert!(files.windows(2).all(|w| w[0] == w[1]));
}

#[test]
fn an_empty_sweep_and_a_stamp_of_zero() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("odd.mcap");
    let mut writer = McapWriter::create(&path, Compression::Zstd).unwrap();
    let zero = At::new(Timestamp::from_nanos(0), "base_link").logged_at(at(4));
    writer.points("/points", &zero, &Default::default()).unwrap();
    writer.finish().unwrap();
    let drive = opened(&path);
    assert_eq!(drive.entries()[0].t, at(4), "the time of logging");
    assert!(drive.info().notes.iter().any(|n| n.contains("stamp of zero")), "{:?}", drive.info().notes);
    assert_eq!(drive.read(0).unwrap(), Payload::Cloud(Default::default()));
}

#[test]
fn misuse_is_refused_and_the_recording_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("new/folder/misuse.mcap");
    let mut writer = McapWriter::create(&path, Compression::Zstd).unwrap();
    let cloud = sweep(0);
    writer.points("/a", &At::new(at(0), "f"), &cloud).unwrap();
    let error = writer.text("/a", at(0), "{}").unwrap_err();
    assert!(matches!(&error, RecordError::OtherSchema { .. }) && error.to_string().contains("PointCloud2"), "{error}");
    let error = writer.points("/a", &At::new(Timestamp::from_nanos(-1), "f"), &cloud).unwrap_err();
    assert!(error.to_string().contains("1970"), "{error}");
    writer.points("/a", &At::new(at(1), "f"), &cloud).unwrap();
    assert_eq!(writer.finish().unwrap(), 2);
    let error = McapWriter::create(&path.join("below/a/file.mcap"), Compression::Zstd).err().unwrap();
    assert!(matches!(error, RecordError::Create { .. }));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_named_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("full.mcap");
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let failed = McapWriter::create(&path, Compression::None).err();
    assert!(matches!(failed, Some(RecordError::DiskFull { messages: 0, .. })), "{failed:?}");
}
