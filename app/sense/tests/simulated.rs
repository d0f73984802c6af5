//! Scenarios of the simulated world as drives: the same each time, labels where things are, errors that say what to mend.

use std::fs;
use std::path::{Path, PathBuf};

use nalgebra::{Point3 as P3, Vector3};
use ocellus_percept::image::Image;
use ocellus_percept::space::Point3;
use ocellus_sense::labels::Label;
use ocellus_sense::simulated::{LIDAR, START};
use ocellus_sense::{
    Drive, DriveKind, Entry, OpenOptions, Payload, SensorKind, SimulatedCamera, SimulatedOptions, TimeSource,
    decode_image, open, probe,
};

use crate::support::{refusal, write};

fn worlds() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../launch/worlds")
}

/// Small and short, for tests.
fn small() -> SimulatedOptions {
    SimulatedOptions { lidar_beams: 16, resolution: (160, 96), ..SimulatedOptions::default() }
}

fn opened(name: &str, simulated: SimulatedOptions) -> Box<dyn Drive> {
    open(&worlds().join(name), &OpenOptions { simulated, ..OpenOptions::default() }).unwrap()
}

fn of_kind(drive: &dyn Drive, kind: SensorKind) -> Vec<(usize, Entry)> {
    let entries = drive.entries().iter().copied().enumerate();
    entries.filter(|(_, e)| drive.info().sensors[e.sensor].kind == kind).collect()
}

#[test]
fn every_shipped_world_is_a_drive() {
    let mut seen = 0;
    for file in fs::read_dir(worlds()).unwrap() {
        let path = file.unwrap().path();
        assert_eq!(probe(&path).unwrap(), DriveKind::Simulated, "{}", path.display());
        let drive = open(&path, &OpenOptions { simulated: small(), ..OpenOptions::default() }).unwrap();
        let info = drive.info();
        assert_eq!((info.kind, info.time_source), (DriveKind::Simulated, TimeSource::Simulated));
        assert!(info.rig.suspicions().is_empty(), "{:?}", info.rig.suspicions());
        assert!(info.ego.as_ref().is_some_and(|e| e.path_m > 5.0), "{}: {:?}", path.display(), info.ego);
        let names: Vec<&str> = info.sensors.iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names, [LIDAR, "camera"]);
        for index in [0, 1, drive.entries().len() - 1] {
            match drive.read(index).unwrap() {
                Payload::Image(encoded) => {
                    let mut image = Image::empty();
                    decode_image(&encoded, &mut image).unwrap();
                    assert_eq!((image.width(), image.height()), (160, 96));
                    labels_fit(drive.as_ref(), index, (160.0, 96.0));
                }
                Payload::Cloud(cloud) => {
                    assert!(cloud.len() > 1000 && cloud.time_offset_s.iter().all(|t| (-0.1..=0.0).contains(t)));
                }
            }
        }
        seen += 1;
    }
    assert!(seen >= 12);
}

fn labels_fit(drive: &dyn Drive, index: usize, (width, height): (f32, f32)) {
    for label in drive.labels_at(index).unwrap() {
        assert!(drive.info().labels.as_ref().unwrap().classes.contains_key(&label.class), "{label:?}");
        assert!(label.cuboid.is_some() && label.track.is_some(), "{label:?}");
        let Some(b) = label.box_px else { continue };
        assert!(b.x0 >= 0.0 && b.y0 >= 0.0 && b.x1 <= width && b.y1 <= height && b.area() > 0.0, "{label:?}");
    }
}

#[test]
fn stamps_order_and_rates_are_as_asked() {
    let options = SimulatedOptions {
        cameras: vec![SimulatedCamera::Right, SimulatedCamera::Front],
        camera_hz: Some(20.0),
        seconds: Some(0.3),
        ..small()
    };
    let drive = opened("street.toml", options);
    let names: Vec<&str> = drive.info().sensors.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, [LIDAR, "camera", "camera_right"]);
    let at: Vec<(i64, usize)> =
        drive.entries().iter().map(|e| ((e.t.as_nanos() - START.as_nanos()) / 1_000_000, e.sensor)).collect();
    let expected = [0, 50, 100, 150, 200, 250].map(|ms| {
        let sensors: &[usize] = if ms % 100 == 0 { &[0, 1, 2] } else { &[1, 2] };
        sensors.iter().map(move |s| (ms, *s)).collect::<Vec<_>>()
    });
    assert_eq!(at, expected.concat());
    assert_eq!(opened("street.toml", small()).entries().len(), 320, "16 s of two sensors at 10 Hz");
    assert!(drive.labels_at(0).is_none() && drive.labels_at(1).is_some(), "labels belong to pictures");
    assert!(drive.labels_at(usize::MAX).is_none() && drive.read(usize::MAX).is_err());
}

#[test]
fn the_same_bytes_and_labels_in_any_order_of_reading() {
    let short = || SimulatedOptions { seconds: Some(0.4), ..small() };
    let (one, other) = (opened("street.toml", short()), opened("street.toml", short()));
    let whole = opened("street.toml", small());
    let mut reused = Payload::default();
    for index in (0..one.entries().len()).rev() {
        // Of `one` the labels come with the picture, of `other` they are rendered alone.
        one.read_into(index, &mut reused).unwrap();
        assert!(one.labels_at(index) == other.labels_at(index), "labels of {index} differ");
        assert!(other.read(index).unwrap() == reused, "entry {index} differs");
        match (whole.read(index).unwrap(), &reused) {
            (Payload::Image(a), Payload::Image(b)) => assert!(a.bytes == b.bytes, "a shorter drive is another"),
            (Payload::Cloud(a), Payload::Cloud(b)) => assert!(&a == b, "a shorter drive is another"),
            _ => panic!("another order"),
        }
    }
    let seeded = opened("street.toml", SimulatedOptions { seed: Some(8), ..short() });
    assert!(seeded.read(0).unwrap() != one.read(0).unwrap(), "the seed makes no difference");
}

#[test]
fn ego_motion_is_known_at_every_stamp_and_not_far_beyond() {
    let drive = opened("street.toml", small());
    let ego = drive.info().ego.as_ref().unwrap();
    let first = drive.odom_from_vehicle(ego.first).unwrap();
    let last = drive.odom_from_vehicle(ego.last).unwrap();
    let way = (last.isometry().translation.vector - first.isometry().translation.vector).norm();
    assert!(way > 0.8 * ego.path_m && way <= ego.path_m, "{way} of {}", ego.path_m);
    assert!(drive.odom_from_vehicle(START.plus_seconds(-0.1)).is_some(), "the first turn begins before the start");
    assert!(drive.odom_from_vehicle(START.plus_seconds(1e4)).is_none());
    assert!(drive.odom_from_vehicle(START.plus_seconds(-1e4)).is_none());
}

/// Points of a sweep in the vehicle frame at the sweep's stamp, the vehicle's own motion taken out.
fn deskewed(drive: &dyn Drive, index: usize) -> Vec<Point3<ocellus_percept::space::Vehicle>> {
    let entry = drive.entries()[index];
    let Payload::Cloud(cloud) = drive.read(index).unwrap() else { panic!("no sweep") };
    let vehicle_from_lidar = drive.info().rig.lidars[LIDAR].vehicle_from_lidar;
    let vehicle_from_odom = drive.odom_from_vehicle(entry.t).unwrap().inverse();
    let points = cloud.xyz.iter().zip(&cloud.time_offset_s);
    points
        .map(|(p, offset)| {
            let odom_from_vehicle = drive.odom_from_vehicle(entry.t.plus_seconds(f64::from(*offset))).unwrap();
            let lidar = Point3::from_vector(P3::from(p.map(f64::from)).coords);
            vehicle_from_odom.apply(&odom_from_vehicle.apply(&vehicle_from_lidar.apply(&lidar)))
        })
        .collect()
}

/// Cars on the right near enough for many points, in full view.
fn plain(label: &Label) -> bool {
    let range = label.cuboid.map_or(f64::INFINITY, |c| c.centre().range_m());
    let right = label.cuboid.is_some_and(|c| c.centre().xyz.y < 0.0);
    label.occluded == Some(0) && label.box_px.is_some() && label.class == "car" && range < 25.0 && right
}

#[test]
fn lidar_points_fall_on_labelled_cuboids() {
    // Parked cars, so that the turn of the head does not smear them.
    let drive = opened("parked_pass.toml", SimulatedOptions { resolution: (320, 192), ..Default::default() });
    let (sweeps, pictures) = (of_kind(drive.as_ref(), SensorKind::Lidar), of_kind(drive.as_ref(), SensorKind::Camera));
    let (mut checked, mut on, mut beside) = (0, 0, 0);
    for ((sweep, s), (picture, p)) in sweeps.iter().zip(&pictures).step_by(10) {
        assert_eq!(s.t, p.t);
        let points = deskewed(drive.as_ref(), *sweep);
        for label in drive.labels_at(*picture).unwrap().iter().filter(|l| plain(l)) {
            let cuboid = label.cuboid.unwrap();
            let inside = |moved_m: f64| {
                let moved = |p: &Point3<_>| Point3::from_vector(p.xyz - Vector3::new(0.0, moved_m, 0.0));
                // Without the ground below.
                points.iter().filter(|p| p.xyz.z > 0.3 && cuboid.contains(&moved(p), 0.1)).count()
            };
            assert!(inside(0.0) >= 20, "{} points on {label:?}", inside(0.0));
            on += inside(0.0);
            beside += inside(2.5);
            checked += 1;
        }
    }
    // 2.5 m to the left is the free lane.
    assert!(checked >= 10 && beside * 10 < on, "{checked} cars, {on} points on them, {beside} beside");
}

#[test]
fn boxes_hold_the_cuboids_centre_and_hidden_things_have_none() {
    let drive = opened("street.toml", SimulatedOptions { resolution: (320, 192), ..Default::default() });
    let mount = drive.info().rig.cameras["camera"];
    let optical_from_vehicle = mount.optical_from_vehicle.unwrap();
    let (mut centred, mut hidden) = (0, 0);
    for (index, _) in of_kind(drive.as_ref(), SensorKind::Camera).into_iter().step_by(16) {
        for label in drive.labels_at(index).unwrap() {
            let Some(b) = label.box_px else {
                hidden += 1;
                continue;
            };
            if label.occluded != Some(0) || label.truncated != Some(0.0) {
                continue;
            }
            let centre = optical_from_vehicle.apply(&label.cuboid.unwrap().centre());
            let [x, y] = mount.camera.project_continuous(&centre).unwrap().map(|v| v as f32);
            assert!(x > b.x0 - 1.0 && x < b.x1 + 1.0 && y > b.y0 - 1.0 && y < b.y1 + 1.0, "({x}, {y}): {label:?}");
            centred += 1;
        }
    }
    assert!(centred > 20 && hidden > 0, "{centred} {hidden}");
}

#[test]
fn what_is_wrong_with_a_scenario_is_said_with_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let says = |name: &str, text: &str, parts: &[&str]| {
        let path = write(folder.path(), name, text);
        let error = refusal(&path, &OpenOptions::default());
        assert!(parts.iter().chain([&name]).all(|part| error.contains(part)), "{error}");
    };
    says("key.toml", "[road]\nlane_widht_m = 3.0\n", &["lane_widht_m", "did you mean 'lane_width_m'"]);
    says("word.toml", "[road]\nstyle = 'cty'\n", &["'cty'", "did you mean 'city'"]);
    says("syntax.toml", "[road\n", &["byte", "expected TOML"]);
    says("launch.toml", "[source]\ndrive = 'x'\n", &["not a drive", "a launch file", "ocellus run"]);
    says("other.toml", "[package]\nname = 'x'\n", &["not a drive", "[road]"]);
    let launch = worlds().join("../replay.toml");
    assert!(refusal(&launch, &OpenOptions::default()).contains("a launch file"));
}

#[test]
fn options_out_of_range_are_named() {
    let street = worlds().join("street.toml");
    let says = |simulated: SimulatedOptions, parts: &[&str]| {
        let error = refusal(&street, &OpenOptions { simulated, ..OpenOptions::default() });
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    };
    says(SimulatedOptions { seconds: Some(f64::NAN), ..small() }, &["seconds", "0.1 to 600", "NaN"]);
    says(SimulatedOptions { camera_hz: Some(0.0), ..small() }, &["camera_hz", "got 0"]);
    says(SimulatedOptions { lidar_hz: Some(1e9), ..small() }, &["lidar_hz", "1 to 50"]);
    says(SimulatedOptions { lidar_beams: 1000, ..small() }, &["lidar_beams", "1000"]);
    says(SimulatedOptions { resolution: (0, 96), ..small() }, &["resolution", "0x96"]);
    says(SimulatedOptions { cameras: vec![SimulatedCamera::Left; 2], ..small() }, &["cameras", "once"]);
    says(SimulatedOptions { cameras: Vec::new(), lidar_beams: 0, ..small() }, &["no sensor"]);
    let alone = opened("street.toml", SimulatedOptions { cameras: Vec::new(), ..small() });
    assert!(alone.info().labels.is_none() && alone.entries().len() == 160);
}

#[test]
fn a_given_calibration_replaces_the_worlds_own() {
    let folder = tempfile::tempdir().unwrap();
    let own = opened("street.toml", small());
    let camera = own.info().rig.cameras["camera"].camera;
    let text = format!(
        "image_width: {}\nimage_height: {}\ncamera_name: camera\ndistortion_model: plumb_bob\n\
         camera_matrix: {{rows: 3, cols: 3, data: [99, 0, 80, 0, 99, 48, 0, 0, 1]}}\n\
         distortion_coefficients: {{rows: 1, cols: 5, data: [0, 0, 0, 0, 0]}}\n",
        camera.width, camera.height
    );
    let calib = write(folder.path(), "rig.yaml", text);
    let options = OpenOptions { calib: Some(calib), simulated: small(), ..OpenOptions::default() };
    let drive = open(&worlds().join("street.toml"), &options).unwrap();
    assert_eq!(drive.info().rig.cameras["camera"].camera.fx, 99.0);
    assert!(drive.read(1).unwrap() == own.read(1).unwrap(), "what is rendered does not depend on it");
}
