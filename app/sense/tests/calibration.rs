//! Calibration files of every form, right and wrong, and the examples shipped in `calib/`.

use std::path::Path;

use nalgebra::Vector3;
use ocellus_percept::space::{Distortion, Point3};
use ocellus_sense::calib::{self, Calibration};
use ocellus_sense::{OpenOptions, open};

use crate::support::{RawDrive, png, real_data, refusal, write};

const ROS: &str = "image_width: 640
image_height: 480
camera_name: front
camera_matrix:
  rows: 3
  cols: 3
  data: [500.0, 0.0, 320.0, 0.0, 510.0, 240.0, 0.0, 0.0, 1.0]
distortion_model: plumb_bob
distortion_coefficients:
  rows: 1
  cols: 5
  data: [-0.3, 0.1, 0.001, 0.002, 0.0]
rectification_matrix:
  rows: 3
  cols: 3
  data: [1, 0, 0, 0, 1, 0, 0, 0, 1]
projection_matrix:
  rows: 3
  cols: 4
  data: [480.0, 0, 320, 0, 0, 490, 240, 0, 0, 0, 1, 0]
";

const OPENCV: &str = "%YAML:1.0
---
calibration_time: \"Mon 01 Jan 2024\"
image_width: 640
image_height: 480
camera_matrix: !!opencv-matrix
   rows: 3
   cols: 3
   dt: d
   data: [ 5.0e+02, 0., 3.2e+02, 0., 5.1e+02, 240., 0., 0., 1. ]
distortion_coefficients: !!opencv-matrix
   rows: 8
   cols: 1
   dt: d
   data: [ -3.0000000000000004e-01, .1, 1.0e-03, 2.0e-03, 0.,
       1.0e-02, 2.0e-02, 3.0e-02 ]
";

const KALIBR: &str = "cam0:
  cam_overlaps: [1]
  camera_model: pinhole
  distortion_coeffs: [0.01, 0.02, 0.03, 0.04]
  distortion_model: equidistant
  intrinsics: [400.0, 401.0, 320.0, 240.0]
  resolution: [640, 480]
  rostopic: /cam0/image_raw
  optical_from_vehicle: {xyz: [0, 1.5, -1], quaternion_xyzw: [0.5, -0.5, 0.5, 0.5]}
cam1:
  T_cn_cnm1:
  - [1.0, 0.0, 0.0, -0.2]
  - [0.0, 1.0, 0.0, 0.0]
  - [0.0, 0.0, 1.0, 0.0]
  - [0.0, 0.0, 0.0, 1.0]
  camera_model: pinhole
  distortion_coeffs: [-0.1, 0.05, 0.001, 0.002]
  distortion_model: radtan
  intrinsics: [400.0, 401.0, 320.0, 240.0]
  resolution: [640, 480]
";

/// A camera 1.5 m up and 1 m ahead, looking ahead.
const AHEAD: &str = "optical_from_vehicle:\n  xyz: [0, 1.5, -1]\n  quaternion_xyzw: [0.5, -0.5, 0.5, 0.5]\n";

fn read_text(name: &str, text: &str) -> Result<Calibration, String> {
    let folder = tempfile::tempdir().unwrap();
    calib::read(&write(folder.path(), name, text)).map_err(|e| e.to_string())
}

fn refused(text: &str, parts: &[&str]) {
    let error = read_text("c.yaml", text).unwrap_err();
    for part in parts.iter().chain([&"c.yaml"]) {
        assert!(error.contains(part), "{error:?} does not say {part:?}");
    }
}

#[test]
fn ros_camera_info() {
    let read = read_text("left.yaml", ROS).unwrap();
    let mount = read.rig.cameras["front"];
    assert_eq!((mount.camera.fx, mount.camera.fy, mount.camera.cx, mount.camera.height), (500.0, 510.0, 320.0, 480));
    assert_eq!(mount.camera.distortion, Distortion::PlumbBob([-0.3, 0.1, 0.001, 0.002, 0.0]));
    assert!(mount.optical_from_vehicle.is_none() && read.form == "ROS camera_info");
    let message = "height: 480\nwidth: 640\ndistortion_model: rational_polynomial\nd: [1, 2, 0, 0, 3, 4, 5, 6]\n\
                   k: [500, 0, 320, 0, 510, 240, 0, 0, 1]\n";
    let mount = read_text("left.yaml", message).unwrap().rig.cameras["left"];
    assert_eq!(mount.camera.distortion, Distortion::Rational([1.0, 2.0, 0.0, 0.0, 3.0, 4.0, 5.0, 6.0]));
}

#[test]
fn opencv_file_storage() {
    let read = read_text("left.yml", OPENCV).unwrap();
    let camera = read.rig.cameras["left"].camera;
    assert_eq!((read.form.as_str(), camera.fx, camera.cx), ("OpenCV", 500.0, 320.0));
    assert_eq!(camera.distortion, Distortion::Rational([-0.30000000000000004, 0.1, 1e-3, 2e-3, 0.0, 1e-2, 2e-2, 3e-2]));
    let fisheye = OPENCV.replace("image_width", "fisheye_model: 1\nimage_width").replace(
        "[ -3.0000000000000004e-01, .1, 1.0e-03, 2.0e-03, 0.,\n       1.0e-02, 2.0e-02, 3.0e-02 ]",
        "[ 1., 2., 3., 4. ]",
    );
    let camera = read_text("left.yml", &fisheye).unwrap().rig.cameras["left"].camera;
    assert_eq!(camera.distortion, Distortion::Equidistant([1.0, 2.0, 3.0, 4.0]));
}

#[test]
fn kalibr_camchain() {
    let read = read_text("camchain.yaml", KALIBR).unwrap();
    let (cam0, cam1) = (read.rig.cameras["cam0"], read.rig.cameras["cam1"]);
    assert_eq!(cam0.camera.distortion, Distortion::Equidistant([0.01, 0.02, 0.03, 0.04]));
    assert_eq!(cam1.camera.distortion, Distortion::PlumbBob([-0.1, 0.05, 0.001, 0.002, 0.0]));
    let ahead = Point3::new(11.0, 0.0, 1.5);
    let (p0, p1) = (cam0.optical_from_vehicle.unwrap().apply(&ahead), cam1.optical_from_vehicle.unwrap().apply(&ahead));
    assert!((p0.xyz - Vector3::new(0.0, 0.0, 10.0)).norm() < 1e-9, "{p0:?}");
    assert!((p1.xyz - Vector3::new(-0.2, 0.0, 10.0)).norm() < 1e-9, "{p1:?}");
    let with_imu = KALIBR.replace("  optical_from_vehicle", "  T_cam_imu: [1]\n  x");
    assert!(read_text("camchain.yaml", &with_imu).unwrap().notes.iter().any(|n| n.contains("T_cam_imu")));
    refused(&KALIBR.replace("camera_model: pinhole", "camera_model: omni"), &["cam0.camera_model", "pinhole", "omni"]);
}

#[test]
fn the_ways_to_write_a_transform_agree() {
    let forms = [
        AHEAD.to_owned(),
        "optical_from_vehicle: {xyz: [0, 1.5, -1], rpy: [1.5707963267948966, -1.5707963267948966, 0]}".to_owned(),
        "optical_from_vehicle: {matrix: [0,-1,0,0, 0,0,-1,1.5, 1,0,0,-1]}".to_owned(),
        "optical_from_vehicle:\n- [0,-1,0,0]\n- [0,0,-1,1.5]\n- [1,0,0,-1]\n- [0,0,0,1]".to_owned(),
        "vehicle_from_optical: {xyz: [1, 0, 1.5], rpy_deg: [-90, 0, -90]}".to_owned(),
        "optical_from_lidar: {matrix: [0,-1,0,0, 0,0,-1,1.5, 1,0,0,-1]}".to_owned(),
    ];
    for form in forms {
        let read = read_text("c.yaml", &format!("{ROS}{form}\n")).unwrap_or_else(|e| panic!("{form}: {e}"));
        let p = read.rig.cameras["front"].optical_from_vehicle.unwrap().apply(&Point3::new(11.0, 0.0, 1.5));
        assert!((p.xyz - Vector3::new(0.0, 0.0, 10.0)).norm() < 1e-9, "{form}: {p:?}");
        assert!(!read.notes.iter().any(|n| n.contains("upright")), "{:?}", read.notes);
    }
}

#[test]
fn a_rig_and_a_camera_placed_against_its_lidar() {
    let camera = ROS.replace("camera_name: front\n", "").replace('\n', "\n    ");
    let rig = format!(
        "rig: test\ncameras:\n  front:\n    {camera}optical_from_lidar: {{matrix: [0,-1,0,0, 0,0,-1,0, 1,0,0,0]}}\n\
         lidars:\n  roof:\n    vehicle_from_lidar: {{xyz: [1, 0, 2], rpy: [0, 0, 0]}}\n"
    );
    let read = read_text("rig.yaml", &rig).unwrap();
    let p = read.rig.cameras["front"].optical_from_vehicle.unwrap().apply(&Point3::new(11.0, 0.0, 2.0));
    assert!((p.xyz - Vector3::new(0.0, 0.0, 10.0)).norm() < 1e-9, "{p:?}");
    refused(&rig.replace("lidars:", "lidar:"), &["rig, cameras, lidars", "\"lidar\""]);
    refused(
        &rig.replace("optical_from_lidar", "lidar: floor\n    optical_from_lidar"),
        &["front.lidar", "roof", "floor"],
    );
}

#[test]
fn a_folder_is_its_files_together() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "front.yaml", format!("{ROS}{AHEAD}"));
    write(folder.path(), "roof.yaml", "lidar_name: roof\nvehicle_from_lidar: {xyz: [0, 0, 2], rpy: [0, 0, 0]}\n");
    let read = calib::read(folder.path()).unwrap();
    assert_eq!((read.rig.cameras.len(), read.rig.lidars.len()), (1, 1));
    write(folder.path(), "again.yaml", ROS);
    assert!(calib::read(folder.path()).unwrap_err().to_string().contains("second time"));
    let empty = tempfile::tempdir().unwrap();
    assert!(calib::read(empty.path()).unwrap_err().to_string().contains("*.yaml"));
}

#[test]
fn broken_files_are_named_with_line_and_key() {
    refused(&ROS.replace("[500.0,", "[0.0,"), &["line 5, camera_matrix", "singular", "fx 0"]);
    refused(&ROS.replace("[500.0,", "[.nan,"), &["camera_matrix", "fx NaN"]);
    refused(&ROS.replace("[500.0, ", "["), &["camera_matrix", "9 numbers", "got 8"]);
    refused(&ROS.replace("[500.0, 0.0", "[500.0, 3.0"), &["without skew", "skew 3"]);
    refused(&ROS.replace("plumb_bob", "double_sphere"), &["double_sphere", "equidistant"]);
    refused(&ROS.replace("0.001, 0.002, 0.0]", "0.001]"), &["distortion_coefficients", "3 coefficients"]);
    refused(&ROS.replace("image_width: 640", "image_width: 0"), &["image_width", "0 480"]);
    refused(&ROS.replace("image_width: 640\n", ""), &["image_width and image_height"]);
    refused(&ROS.replace("[500.0,", "[five,"), &["camera_matrix", "numbers", "five"]);
    refused("image_width: [1\nfoo", &["line"]);
    refused("hello", &["not a calibration file", "hello"]);
    refused("a: 1\nb: 2\n", &["not a calibration file", "keys a, b"]);
    refused("", &["expected"]);
    refused("<?xml version=\"1.0\"?>", &["XML"]);
    refused(
        &format!("{ROS}{}", AHEAD.replace("0.5, -0.5", "0.9, -0.5")),
        &["optical_from_vehicle.quaternion_xyzw", "length 1"],
    );
    refused(&format!("{ROS}{}", AHEAD.replace("xyz: [0,", "xyz: [.inf,")), &["xyz", "finite"]);
    refused(&format!("{ROS}{}", AHEAD.replace("  xyz", "  xzy")), &["xzy"]);
    refused(
        &format!("{ROS}{}", AHEAD.replace("optical_from_vehicle", "optical_from_vehicel")),
        &["optical_from_vehicel"],
    );
    refused(
        &format!("{ROS}optical_from_vehicle: {{matrix: [1,0,0,0, 0,2,0,0, 0,0,1,0]}}\n"),
        &["no rotation", "determinant 2"],
    );
    assert!(calib::read(Path::new("/nowhere.yaml")).unwrap_err().to_string().contains("missing"));
}

#[test]
fn an_inverse_is_suspected_aloud() {
    let inverse = ROS.to_owned() + &AHEAD.replace("optical_from_vehicle", "vehicle_from_optical");
    let read = read_text("c.yaml", &inverse).unwrap();
    assert!(read.notes.iter().any(|n| n.contains("not upright") && n.contains("inverse")), "{:?}", read.notes);
}

#[test]
fn a_calibration_given_for_a_drive() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "drive/a.png", png(640, 480));
    let calib = write(folder.path(), "front.yaml", format!("{ROS}{AHEAD}"));
    let drive = folder.path().join("drive");
    let options = OpenOptions { calib: Some(calib.clone()), ..OpenOptions::default() };
    let opened = open(&drive, &options).unwrap();
    assert_eq!(opened.info().rig.cameras["camera"].camera.fx, 500.0);
    assert!(
        opened.info().notes.iter().any(|n| n.contains("the calibration calls it front")),
        "{:?}",
        opened.info().notes
    );
    // Two cameras of other names than the drive's one cannot be told apart.
    let chain = write(folder.path(), "chain.yaml", KALIBR);
    let error = refusal(&drive, &OpenOptions { calib: Some(chain), ..OpenOptions::default() });
    assert!(error.contains("cam0, cam1") && error.contains("the drive has camera"), "{error}");
    // A camera's file for a KITTI drive: the velodyne stays the vehicle frame, and that is said.
    let made = RawDrive::new(1);
    let opened = open(&made.path, &options).unwrap();
    assert!(opened.info().rig.lidars.contains_key("velodyne_points"));
    assert!(opened.info().notes.iter().any(|n| n.contains("vehicle frame is taken to be this LiDAR's")));
    let missing = OpenOptions { calib: Some(folder.path().join("gone.yaml")), ..OpenOptions::default() };
    assert!(refusal(&drive, &missing).contains("gone.yaml"));
}

#[test]
fn kitti_files_given_as_calibration() {
    let Some(drives) = real_data("drives") else { return };
    let day = drives.join("kitti_raw/2011_09_26");
    for path in [day.clone(), day.join("calib_cam_to_cam.txt")] {
        let read = calib::read(&path).unwrap();
        assert_eq!((read.rig.cameras.len(), read.rig.lidars.len()), (4, 1));
        assert!(read.notes.is_empty(), "{:?}", read.notes);
    }
    // An object frame's calibration for a plain folder of its pictures.
    let options = OpenOptions { calib: Some(drives.join("kitti_object/calib/000000.txt")), ..OpenOptions::default() };
    let drive = open(&drives.join("kitti_object/image_2"), &options).unwrap();
    assert_eq!(drive.info().rig.cameras["camera"].camera.width, 1224);
}

#[test]
fn the_shipped_examples_are_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../calib");
    let mut read = 0;
    for rig in std::fs::read_dir(&folder).unwrap().map(|i| i.unwrap().path()).filter(|p| p.is_dir()) {
        let calibration = calib::read(&rig).unwrap_or_else(|e| panic!("{e}"));
        assert!(calibration.notes.is_empty(), "{}: {:?}", rig.display(), calibration.notes);
        assert!(calibration.rig.cameras.values().all(|c| c.optical_from_vehicle.is_some()));
        read += 1;
    }
    assert!(read >= 2, "{read} rigs in {}", folder.display());
}
