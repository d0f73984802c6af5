//! The real recordings: counts, rates, sizes, calibration and labels as their own documentation has them.

use std::path::Path;

use md5::{Digest, Md5};
use nalgebra::Vector3;
use ocellus_percept::cloud::Cloud;
use ocellus_percept::image::{Image, PixelFormat};
use ocellus_percept::space::{Camera, Odom, Optical, Point3, Rig, Transform, Vehicle};
use ocellus_sense::{
    Drive, DriveKind, EncodedImage, ImageEncoding, OpenOptions, Payload, SensorKind, TimeSource, decode_image,
    decode_image_for, open, probe,
};

use crate::support::{hex, read_and_decode, real_data};

fn opened(path: &Path) -> Box<dyn Drive> {
    let drive = open(path, &OpenOptions::default()).unwrap();
    assert_eq!(probe(path).unwrap(), drive.info().kind);
    let in_order = drive.entries().is_sorted_by_key(|e| (e.t, e.sensor, e.seq));
    assert!(in_order, "entries in the order of sensor time");
    assert_eq!(drive.entries().len(), drive.info().sensors.iter().map(|s| s.count).sum::<usize>());
    drive
}

fn cloud_of(drive: &dyn Drive, index: usize) -> Cloud {
    match drive.read(index).unwrap() {
        Payload::Cloud(cloud) => cloud,
        Payload::Image(image) => panic!("a picture: {}", image.origin),
    }
}

/// Index of the first entry of a sensor.
fn first_of(drive: &dyn Drive, name: &str) -> usize {
    let sensor = drive.info().sensors.iter().position(|s| s.name == name).unwrap();
    drive.entries().iter().position(|e| e.sensor == sensor).unwrap()
}

/// Pinhole projection without distortion, as KITTI's P does it.
fn project(camera: &Camera, p: &Point3<Optical>) -> (f64, f64) {
    (camera.fx * p.xyz.x / p.xyz.z + camera.cx, camera.fy * p.xyz.y / p.xyz.z + camera.cy)
}

fn optical_from_lidar(
    rig: &Rig,
    camera: &str,
    lidar: &str,
) -> (Camera, Transform<Optical, ocellus_percept::space::Lidar>) {
    let mount = rig.cameras[camera];
    (mount.camera, mount.optical_from_vehicle.unwrap() * rig.lidars[lidar].vehicle_from_lidar)
}

#[test]
fn kitti_raw() {
    let Some(path) = real_data("drives/kitti_raw/2011_09_26/2011_09_26_drive_9001_sync") else { return };
    let drive = opened(&path);
    let info = drive.info();
    assert_eq!((info.kind, info.time_source), (DriveKind::KittiRaw, TimeSource::Recorded));
    let [lidar, camera] = &info.sensors[..] else { panic!("{:?}", info.sensors) };
    assert_eq!((lidar.name.as_str(), lidar.kind, lidar.count), ("velodyne_points", SensorKind::Lidar, 16));
    assert_eq!((camera.name.as_str(), camera.kind, camera.count), ("image_02", SensorKind::Camera, 16));
    assert_eq!(camera.resolution_px, Some((1242, 375)));
    assert!((camera.rate_hz.unwrap() - 9.7).abs() < 0.3, "{:?}", camera.rate_hz);
    assert_eq!(camera.first.unwrap().as_nanos(), 1_317_042_145_961_661_696);
    assert!(info.ego.is_none() && info.labels.is_none());
    assert!(info.notes.iter().any(|n| n.contains("no oxts")), "{:?}", info.notes);
    let mut out = Image::empty();
    for i in 0..drive.entries().len() {
        match drive.read(i).unwrap() {
            Payload::Image(encoded) => {
                assert_eq!(encoded.encoding, ImageEncoding::Png);
                decode_image(&encoded, &mut out).unwrap();
                assert_eq!((out.width(), out.height(), out.format()), (1242, 375, PixelFormat::Rgb8));
            }
            Payload::Cloud(cloud) => assert!((100_000..130_000).contains(&cloud.len()), "{}", cloud.len()),
        }
    }
    // The road is about 1.7 m below the velodyne, and in the picture's lower half straight ahead.
    let cloud = cloud_of(drive.as_ref(), first_of(drive.as_ref(), "velodyne_points"));
    let (camera, optical_from_lidar) = optical_from_lidar(&info.rig, "image_02", "velodyne_points");
    let ahead = cloud.xyz.iter().filter(|p| p[0] > 6.0 && p[0] < 10.0 && p[1].abs() < 1.0 && p[2] < -1.4);
    let rows: Vec<f64> = ahead
        .map(|p| project(&camera, &optical_from_lidar.apply(&Point3::new(p[0].into(), p[1].into(), p[2].into()))).1)
        .collect();
    let low = rows.iter().filter(|v| (260.0..400.0).contains(*v)).count();
    assert!(rows.len() > 500 && low * 100 > rows.len() * 95, "{low} of {} points", rows.len());
}

/// Projection of the first points of each object frame against the independent reference.
#[test]
fn kitti_object_projection_meets_the_reference() {
    let (Some(path), Some(golden)) =
        (real_data("drives/kitti_object"), real_data("evalref/golden_kitti_projection.json"))
    else {
        return;
    };
    let drive = opened(&path);
    let golden: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(golden).unwrap()).unwrap();
    let (mut compared, mut boxes) = (0, 0);
    for frame in golden.as_array().unwrap() {
        let seq: u64 = frame["frame"].as_str().unwrap().parse().unwrap();
        let lidar = drive.info().sensors.iter().position(|s| s.name == "velodyne").unwrap();
        let index = drive.entries().iter().position(|e| e.sensor == lidar && e.seq == seq).unwrap();
        let cloud = cloud_of(drive.as_ref(), index);
        assert_eq!(cloud.len() as u64, frame["n_points"].as_u64().unwrap());
        let (camera, optical_from_lidar) = optical_from_lidar(drive.rig_at(index), "image_2", "velodyne");
        assert_eq!(u64::from(camera.width), frame["size"][0].as_u64().unwrap());
        for point in frame["first20"].as_array().unwrap() {
            let p = cloud.xyz[point["i"].as_u64().unwrap() as usize].map(f64::from);
            let (u, v) = project(&camera, &optical_from_lidar.apply(&Point3::new(p[0], p[1], p[2])));
            let (gu, gv) = (point["uv"][0].as_f64().unwrap(), point["uv"][1].as_f64().unwrap());
            // The rotation in the file is rounded to 7 digits; ours is made orthonormal.
            assert!((u - gu).abs() < 2e-3 && (v - gv).abs() < 2e-3, "{u} {v} against {gu} {gv}");
            compared += 1;
        }
        boxes += labels_meet_the_reference(drive.as_ref(), index, &cloud, frame);
    }
    assert!(compared >= 60 && boxes == 6, "{compared} points, {boxes} boxes");
}

/// The cuboids' projections and the points inside them; gives the number of boxes compared.
fn labels_meet_the_reference(drive: &dyn Drive, index: usize, cloud: &Cloud, frame: &serde_json::Value) -> usize {
    let (camera, optical_from_vehicle) = {
        let mount = drive.rig_at(index).cameras["image_2"];
        (mount.camera, mount.optical_from_vehicle.unwrap())
    };
    let labels: Vec<_> = drive.labels_at(index).unwrap().iter().filter_map(|l| Some((l, l.cuboid?))).collect();
    let golden = frame["labels"].as_array().unwrap();
    assert_eq!(labels.len(), golden.len());
    for ((label, cuboid), golden) in labels.iter().zip(golden) {
        assert_eq!(label.class, golden["cls"].as_str().unwrap());
        let points = cloud.xyz.iter().map(|p| Point3::<Vehicle>::new(p[0].into(), p[1].into(), p[2].into()));
        let inside = points.filter(|p| cuboid.contains(p, 0.0)).count() as i64;
        let expected = golden["points_in_box"].as_i64().unwrap();
        assert!((inside - expected).abs() <= 1 + expected / 100, "{}: {inside} against {expected}", label.class);
        let corners = (0..8).map(|c| {
            let sign = |bit: usize| if c >> bit & 1 == 0 { -0.5 } else { 0.5 };
            let [l, w, h] = cuboid.size_m;
            let corner = Point3::new(sign(0) * l, sign(1) * w, sign(2) * h);
            project(&camera, &optical_from_vehicle.apply(&cuboid.vehicle_from_body.apply(&corner)))
        });
        let (u, v): (Vec<f64>, Vec<f64>) = corners.unzip();
        let least = |v: &[f64]| v.iter().copied().fold(f64::INFINITY, f64::min);
        let most = |v: &[f64]| v.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        for (got, expected) in
            [least(&u), least(&v), most(&u), most(&v)].iter().zip(golden["projected_bbox"].as_array().unwrap())
        {
            assert!((got - expected.as_f64().unwrap()).abs() < 0.05, "{}: {got} against {expected}", label.class);
        }
    }
    labels.len()
}

#[test]
fn kitti_object() {
    let Some(path) = real_data("drives/kitti_object") else { return };
    let drive = opened(&path);
    let info = drive.info();
    assert_eq!((info.kind, info.sensors.len()), (DriveKind::KittiObject, 2));
    assert!(matches!(info.time_source, TimeSource::Indexed { step_ns: 100_000_000 }));
    assert!(info.time_source.to_string().contains("index x 100 ms"));
    let labels = info.labels.as_ref().unwrap();
    assert_eq!((labels.frames, labels.objects(), labels.classes["Car"]), (3, 10, 2));
    // Equal times: the sweep comes before the picture.
    assert!(drive.entries().chunks(2).all(|p| p[0].t == p[1].t && info.sensors[p[0].sensor].kind == SensorKind::Lidar));
    // Each frame has its own calibration.
    assert_ne!(drive.rig_at(0).cameras["image_2"], drive.rig_at(2).cameras["image_2"]);
    let mut inside = Vec::new();
    for i in 0..drive.entries().len() {
        read_and_decode(drive.as_ref(), i).unwrap();
        if info.sensors[drive.entries()[i].sensor].kind != SensorKind::Lidar {
            continue;
        }
        let cloud = cloud_of(drive.as_ref(), i);
        for label in drive.labels_at(i).unwrap() {
            let Some(cuboid) = label.cuboid else { continue };
            let points = cloud.xyz.iter().map(|p| Point3::<Vehicle>::new(p[0].into(), p[1].into(), p[2].into()));
            inside.push((label.class.as_str(), points.filter(|p| cuboid.contains(p, 0.0)).count()));
        }
    }
    // Every labelled object has LiDAR points inside its box, the near ones many.
    assert!(inside.len() == 6 && inside.iter().all(|(_, n)| *n > 0), "{inside:?}");
    assert!(inside.iter().find(|(class, _)| *class == "Pedestrian").unwrap().1 > 200, "{inside:?}");
}

#[test]
fn argoverse() {
    let Some(path) = real_data("drives/argoverse2_7fab2350") else { return };
    let drive = opened(&path);
    let info = drive.info();
    assert_eq!(info.kind, DriveKind::Argoverse2);
    let lidar = &info.sensors[0];
    assert_eq!((lidar.name.as_str(), lidar.count), ("lidar", 2));
    assert_eq!(lidar.first.unwrap().as_nanos(), 315_966_265_259_836_000);
    let cameras: Vec<_> = info.sensors.iter().filter(|s| s.kind == SensorKind::Camera).collect();
    assert!(cameras.len() >= 7 && cameras.iter().all(|c| c.count == 0), "{cameras:?}");
    assert!(info.notes.iter().any(|n| n.contains("no camera pictures")), "{:?}", info.notes);
    // Points are in the ego-vehicle frame: the road lies near z = -0.3 (the axle is a wheel's radius up), not -1.9.
    let cloud = cloud_of(drive.as_ref(), 0);
    assert!((80_000..110_000).contains(&cloud.len()) && cloud.ring.len() == cloud.len());
    assert!(cloud.intensity.iter().all(|v| (0.0..=1.0).contains(v)) && cloud.intensity.iter().any(|&v| v > 0.5));
    let mut near: Vec<f32> =
        cloud.xyz.iter().filter(|p| (4.0..10.0).contains(&p[0].hypot(p[1]))).map(|p| p[2]).collect();
    near.sort_by(f32::total_cmp);
    let low = near[near.len() / 10];
    assert!((-0.6..0.0).contains(&low), "a tenth of the near points is below {low}");
    // The labels' own count of the points inside each cuboid is met.
    let labels = drive.labels_at(0).unwrap();
    assert!(labels.len() > 20);
    for label in labels {
        let (cuboid, expected) = (label.cuboid.unwrap(), i64::from(label.points_inside.unwrap()));
        let points = cloud.xyz.iter().map(|p| Point3::<Vehicle>::new(p[0].into(), p[1].into(), p[2].into()));
        let got = points.filter(|p| cuboid.contains(p, 0.01)).count() as i64;
        assert!((got - expected).abs() <= 3 + expected / 5, "{}: {got} against {expected}", label.class);
    }
    // A forward camera sees what is ahead.
    let mount = info.rig.cameras["ring_front_center"];
    let ahead = mount.optical_from_vehicle.unwrap().apply(&Point3::new(20.0, 0.0, 1.0));
    let (u, v) = project(&mount.camera, &ahead);
    assert!(
        (u - f64::from(mount.camera.width) / 2.0).abs() < 100.0
            && (v - f64::from(mount.camera.height) / 2.0).abs() < 200.0
    );
    ego_motion_agrees(drive.as_ref());
}

/// The second sweep, moved by ego motion, meets the first better than unmoved or moved the wrong way.
fn ego_motion_agrees(drive: &dyn Drive) {
    let at = |i: usize| -> Transform<Odom, Vehicle> { drive.odom_from_vehicle(drive.entries()[i].t).unwrap() };
    let first_from_second = *(at(0).inverse() * at(1)).isometry();
    // The car turns on the spot, nearly: 7 cm and 0.4 degrees.
    assert!((0.05..0.1).contains(&first_from_second.translation.vector.norm()), "{first_from_second}");
    assert!((0.005..0.01).contains(&first_from_second.rotation.angle()), "{first_from_second}");
    let ego = drive.info().ego.as_ref().unwrap();
    assert!(ego.poses > 2 && ego.path_m > 0.0);
    /// Edge of a voxel: below what the turn moves a point at the distances looked at.
    const EDGE_M: f64 = 0.1;
    let voxel = |p: nalgebra::Point3<f64>| p.coords.map(|v| (v / EDGE_M).floor() as i64);
    // What stands above the road and near; the road itself looks the same wherever one stands.
    let points = |i: usize| -> Vec<nalgebra::Point3<f64>> {
        let all = cloud_of(drive, i).xyz.into_iter().map(|p| nalgebra::Point3::from(p.map(f64::from)));
        all.filter(|p| p.z > 0.3 && (15.0..50.0).contains(&p.coords.norm())).collect()
    };
    let occupied: std::collections::HashSet<_> = points(0).into_iter().map(voxel).collect();
    let second = points(1);
    let met =
        |motion: nalgebra::Isometry3<f64>| second.iter().filter(|p| occupied.contains(&voxel(motion * **p))).count();
    let (right, none, wrong) = (met(first_from_second), met(nalgebra::one()), met(first_from_second.inverse()));
    assert!(right > none + none / 10 && right > wrong, "{right} with, {none} without, {wrong} the wrong way");
}

#[test]
fn nuscenes_samples() {
    let Some(path) = real_data("drives/nuscenes_demo") else { return };
    let drive = opened(&path);
    let info = drive.info();
    assert_eq!((info.kind, info.sensors.len()), (DriveKind::NuScenesSamples, 7));
    assert_eq!((info.sensors[0].name.as_str(), info.sensors[0].kind), ("LIDAR_TOP", SensorKind::Lidar));
    assert_eq!(drive.entries()[0].t.as_nanos(), 1_532_402_927_604_844_000);
    assert!(info.sensors.iter().skip(1).all(|s| s.resolution_px == Some((1600, 900)) && s.encoding == "jpeg"));
    assert!(info.notes.iter().any(|n| n.contains("no calibration")), "{:?}", info.notes);
    let index = first_of(drive.as_ref(), "LIDAR_TOP");
    let cloud = cloud_of(drive.as_ref(), index);
    assert!(cloud.len() > 30_000 && cloud.ring.iter().max() == Some(&31));
    for i in 0..drive.entries().len() {
        read_and_decode(drive.as_ref(), i).unwrap();
    }
}

/// JPEG of every sampling found here (4:4:4, 4:4:0, 4:2:0) has the pixels that libjpeg-turbo makes of it: MD5 over all
/// pictures of a folder, by name, as Pillow 13.0 with libjpeg-turbo 3.2 decodes them.
#[test]
fn jpeg_pixels_are_those_of_libjpeg_turbo() {
    let folders = [
        ("coco_tiny/val2017", 80, "15989ef3fe4e7b86dd4a7bbf4dacb580"),
        ("photos", 3, "1a58a8b66b96ef6c8569ffad774d744e"),
        ("drives/nuscenes_demo", 6, "6dd338a986c130d1f988021ddec51e3c"),
    ];
    for (folder, count, expected) in folders {
        let Some(root) = real_data(folder) else { return };
        let files = std::fs::read_dir(root).unwrap().flatten().map(|e| e.path());
        let mut pictures: Vec<_> = files.filter(|p| p.extension().is_some_and(|e| e == "jpg")).collect();
        pictures.sort();
        let (mut hash, mut out) = (Md5::new(), Image::empty());
        for path in &pictures {
            let bytes = std::fs::read(path).unwrap();
            let origin = path.display().to_string();
            decode_image(&EncodedImage { origin, encoding: ImageEncoding::Jpeg, bytes }, &mut out).unwrap();
            hash.update(out.data());
        }
        assert_eq!((pictures.len(), hex(hash).as_str()), (count, expected), "{folder}");
    }
}

/// A quarter of 1600x900 px, each way, has the pixels of Pillow's `draft`, which libjpeg-turbo makes.
#[test]
fn jpeg_decoded_smaller_has_the_pixels_of_libjpeg_turbo() {
    let Some(root) = real_data("drives/nuscenes_demo") else { return };
    let files = std::fs::read_dir(root).unwrap().flatten().map(|e| e.path());
    let mut pictures: Vec<_> = files.filter(|p| p.extension().is_some_and(|e| e == "jpg")).collect();
    pictures.sort();
    let (mut hash, mut out) = (Md5::new(), Image::empty());
    for path in &pictures {
        let (bytes, origin) = (std::fs::read(path).unwrap(), path.display().to_string());
        let encoded = EncodedImage { origin, encoding: ImageEncoding::Jpeg, bytes };
        let source = decode_image_for(&encoded, |_| (320, 180), &mut out).unwrap();
        assert_eq!((source.full, source.by, out.width(), out.height()), ((1600, 900), 4, 400, 225));
        hash.update(out.data());
    }
    assert_eq!((pictures.len(), hex(hash).as_str()), (6, "23ea2d574c88ef07614d1a8c323a60b7"));
}

#[test]
fn video_in_and_out_of_order() {
    let Some(path) = real_data("recordings/video/carnd_vehicle_test_video.mp4") else { return };
    if std::process::Command::new("ffprobe").arg("-version").output().is_err() {
        println!("not run: no ffmpeg on this machine");
        return;
    }
    let drive = opened(&path);
    let info = drive.info();
    assert_eq!((info.kind, drive.entries().len()), (DriveKind::Video, 38));
    assert_eq!(info.sensors[0].resolution_px, Some((1280, 720)));
    assert!((info.sensors[0].rate_hz.unwrap() - 25.0).abs() < 1e-6);
    let frame = |i: usize| match drive.read(i).unwrap() {
        Payload::Image(encoded) => {
            let mut out = Image::empty();
            decode_image(&encoded, &mut out).unwrap();
            out
        }
        Payload::Cloud(_) => panic!("a sweep"),
    };
    let all: Vec<Image> = (0..38).map(frame).collect();
    assert!(all.iter().all(|i| (i.width(), i.height(), i.format()) == (1280, 720, PixelFormat::Rgb8)));
    assert_ne!(all[0], all[20]);
    assert_eq!(frame(20), all[20], "backwards");
    assert_eq!(frame(30), all[30], "skipping ahead");
}

#[test]
fn folders_of_photos() {
    let (Some(photos), Some(coco)) = (real_data("photos"), real_data("coco_tiny")) else { return };
    let mut decoded = 0;
    for folder in [photos, coco.join("val2017")] {
        let drive = opened(&folder);
        assert_eq!(drive.info().kind, DriveKind::ImageFolder);
        for i in 0..drive.entries().len() {
            read_and_decode(drive.as_ref(), i).unwrap_or_else(|e| panic!("{e}"));
            decoded += 1;
        }
    }
    assert!(decoded >= 80, "{decoded}");
}

#[test]
fn the_axes_of_nuscenes_are_turned() {
    let Some(path) = real_data("drives/nuscenes_demo") else { return };
    let drive = opened(&path);
    let cloud = cloud_of(drive.as_ref(), first_of(drive.as_ref(), "LIDAR_TOP"));
    // The car's own roof and bonnet stay within 2.5 m ahead and behind, and within 1.2 m to the sides.
    let own: Vec<Vector3<f64>> = cloud
        .xyz
        .iter()
        .map(|p| Vector3::new(p[0].into(), p[1].into(), p[2].into()))
        .filter(|p| p.xy().norm() < 2.3 && p.z > -1.5)
        .collect();
    assert!(own.len() > 100, "{}", own.len());
    let mean = |f: fn(&Vector3<f64>) -> f64| own.iter().map(f).sum::<f64>() / own.len() as f64;
    assert!(mean(|p| p.x.abs()) > mean(|p| p.y.abs()), "longer ahead than wide");
}
