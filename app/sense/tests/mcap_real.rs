//! MCAP recordings that others wrote: KITTI as ROS 2, the common ROS types, and rosbag2's own fixtures.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ocellus_percept::image::Image;
use ocellus_sense::{Drive, DriveKind, OpenOptions, Payload, SensorKind, StampPolicy, decode_image, mcap, open};

use crate::support::{real_data, refusal};

fn sensor(drive: &dyn Drive, name: &str) -> usize {
    drive.info().sensors.iter().position(|s| s.name == name).unwrap()
}

#[test]
fn kitti_as_ros2_gives_its_three_frames() {
    let Some(path) = real_data("recordings/kitti_sfnd_3f_zstd.mcap") else { return };
    let drive = open(&path, &OpenOptions::default()).unwrap();
    let info = drive.info();
    assert_eq!(info.kind, DriveKind::Mcap);
    let named: Vec<_> = info.sensors.iter().map(|s| (s.name.as_str(), s.kind, s.count)).collect();
    assert_eq!(named, [("velodyne", SensorKind::Lidar, 3), ("camera", SensorKind::Camera, 3)]);
    assert_eq!(info.sensors[1].resolution_px, Some((1242, 375)));
    assert!(info.lost.is_empty(), "{:?}", info.lost);
    assert!(info.notes.iter().any(|n| n.contains("no frame base_link") && n.contains("velodyne")), "{:?}", info.notes);
    assert_eq!(drive.entries().len(), 6);
    assert_eq!(drive.entries()[0].t.as_nanos(), 1_317_042_145_951_199_337);
    let mut points = Vec::new();
    for (index, entry) in drive.entries().iter().enumerate() {
        match drive.read(index).unwrap() {
            Payload::Cloud(cloud) => {
                assert_eq!(entry.sensor, sensor(&*drive, "velodyne"));
                assert_eq!(cloud.intensity.len(), cloud.len());
                points.push((cloud.len(), cloud.xyz[0]));
            }
            Payload::Image(encoded) => {
                let mut picture = Image::empty();
                decode_image(&encoded, &mut picture).unwrap();
                assert_eq!((picture.width(), picture.height()), (1242, 375));
            }
        }
    }
    // The first point by an independent reader: bytes 6a3c0b42 d7a3b040 f853b33f.
    let first = [0x6A3C_0B42_u32, 0xD7A3_B040, 0xF853_B33F].map(|b| f32::from_bits(b.swap_bytes()));
    assert_eq!(points[0], (114_278, first));
    assert_eq!(points.iter().map(|p| p.0).collect::<Vec<_>>(), [114_278, 114_217, 114_048]);
}

#[test]
fn its_rig_projects_the_sweep_into_the_picture() {
    let Some(path) = real_data("recordings/kitti_sfnd_3f_zstd.mcap") else { return };
    let drive = open(&path, &OpenOptions::default()).unwrap();
    let mount = drive.info().rig.cameras["camera"];
    assert!((mount.camera.fx - 721.5377).abs() < 1e-9 && (mount.camera.cy - 172.854).abs() < 1e-9);
    let optical_from_vehicle = mount.optical_from_vehicle.unwrap();
    let vehicle_from_lidar = drive.info().rig.lidars["velodyne"].vehicle_from_lidar;
    // The velodyne looks along x, the camera along z: 10 m ahead is near the picture's middle.
    let ahead =
        optical_from_vehicle.apply(&vehicle_from_lidar.apply(&ocellus_percept::space::Point3::new(10.0, 0.0, 0.0)));
    let [u, v] = mount.camera.project(&ahead).unwrap();
    assert!((500.0..720.0).contains(&u) && (100.0..250.0).contains(&v), "{u} {v}");
    assert!(!drive.info().notes.iter().any(|n| n.contains("not upright")), "{:?}", drive.info().notes);
}

#[test]
fn reading_backwards_gives_the_same_bytes() {
    let Some(path) = real_data("recordings/kitti_sfnd_3f_zstd.mcap") else { return };
    let drive = open(&path, &OpenOptions::default()).unwrap();
    let forward: Vec<Payload> = (0..6).map(|i| drive.read(i).unwrap()).collect();
    let mut reused = Payload::default();
    for index in (0..6).rev() {
        drive.read_into(index, &mut reused).unwrap();
        assert_eq!(reused, forward[index]);
    }
    assert_eq!(drive.read(6).unwrap_err().reason(), "no_such_entry");
}

#[test]
fn all_messages_of_the_common_types_are_counted() {
    let Some(path) = real_data("recordings/rosbags_rs/test_bag_mcap/test_bag_mcap.mcap") else { return };
    let (topics, lost) = mcap::topics(&path).unwrap();
    assert!(lost.is_empty(), "{lost:?}");
    assert_eq!(topics.len(), 94);
    assert!(topics.iter().all(|t| t.messages == 2 && t.encoding == "cdr"));
    assert_eq!(topics.iter().map(|t| t.messages).sum::<usize>(), 188);
    assert_eq!(mcap::messages(&path, "/test/std_msgs/string").unwrap().len(), 2);
    let read: BTreeMap<_, _> = topics.iter().filter(|t| t.is_read).map(|t| (t.topic.as_str(), ())).collect();
    assert_eq!(read.len(), 7, "{read:?}");
}

#[test]
fn its_broken_pictures_are_errors_and_its_points_are_points() {
    let Some(path) = real_data("recordings/rosbags_rs/test_bag_mcap") else { return };
    // The folder holds one MCAP file: it is the recording.
    let options = OpenOptions { stamps: StampPolicy::Sort, ..Default::default() };
    let drive = open(&path, &options).unwrap();
    assert_eq!(drive.imu().len(), 2);
    assert!((drive.imu()[0].angular_velocity_rps[2] - 0.03).abs() < 1e-12);
    assert!(drive.info().ego.is_some(), "odometry of base_link");
    let mut seen = Vec::new();
    for index in 0..drive.entries().len() {
        let name = drive.info().sensors[drive.entries()[index].sensor].name.clone();
        match drive.read(index) {
            Ok(Payload::Cloud(cloud)) => {
                assert_eq!(cloud.xyz, [[0.0; 3]; 3]);
                assert!(cloud.intensity.is_empty());
                seen.push(format!("{name} cloud"));
            }
            Ok(Payload::Image(encoded)) => {
                let error = decode_image(&encoded, &mut Image::empty()).unwrap_err();
                seen.push(format!("{name} {}", error.reason()));
            }
            Err(error) => {
                assert!(error.to_string().contains("480 rows of 1920 bytes"), "{error}");
                seen.push(format!("{name} {}", error.reason()));
            }
        }
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 3, "{seen:?}");
}

fn recordings(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            recordings(&path, found);
        } else if path.extension().is_some_and(|e| e == "mcap") {
            found.push(path);
        }
    }
}

#[test]
fn recordings_without_sensors_say_what_they_hold() {
    let Some(folder) = real_data("recordings/rosbag2") else { return };
    let mut found = Vec::new();
    recordings(&folder, &mut found);
    assert!(found.len() >= 15, "{found:?}");
    for path in found {
        let (topics, lost) = mcap::topics(&path).unwrap();
        assert!(!topics.is_empty() && lost.is_empty(), "{}: {lost:?}", path.display());
        let text = refusal(&path, &OpenOptions::default());
        assert!(text.contains(&topics[0].topic) && text.contains("PointCloud2"), "{text}");
    }
    let wrong = folder.join("tests/mcap/wrong_rmw_test/wrong_rmw_test_0.mcap");
    assert!(refusal(&wrong, &OpenOptions::default()).contains("wrong_format"));
}

#[test]
fn a_recording_cut_off_anywhere_gives_what_is_whole_and_says_what_is_lost() {
    let Some(path) = real_data("recordings/kitti_sfnd_3f_zstd.mcap") else { return };
    let whole = std::fs::read(&path).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let cut = dir.path().join("cut.mcap");
    let mut most = 0;
    // A prime step, so that cuts fall everywhere in the records.
    for length in (0..whole.len()).step_by(36_007) {
        std::fs::write(&cut, &whole[..length]).unwrap();
        let Ok(drive) = open(&cut, &OpenOptions::default()) else { continue };
        assert!(!drive.info().lost.is_empty(), "{length} bytes of {}", whole.len());
        let entries = drive.entries().len();
        assert!(entries >= most, "more bytes give no fewer frames: {entries} after {most}");
        most = entries;
        for index in 0..entries {
            drive.read(index).unwrap();
        }
    }
    assert!(most >= 5, "{most} of 6 frames");
}
