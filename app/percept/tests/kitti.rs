//! Fusion on real KITTI frames: projection against an independent tool, distances against labels.

#![allow(clippy::unwrap_used)]

mod kitti_support;

use std::path::Path;
use std::time::Instant;

use kitti_support::Kitti;
use ocellus_percept::detection::Detection;
use ocellus_percept::fuse::{
    FrameContext, Fuser, FuserConfig, GroundFinder, Obstacle, ObstacleFinder, Projected, Sweep, project_cloud,
};
use ocellus_percept::report::DistanceSource;
use ocellus_percept::space::{CameraMount, Lidar, LidarMount, Optical, Point3, Rig, Transform};
use serde_json::Value;

/// Picture sizes are in the golden file, which an independent tool wrote.
fn golden(data: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(data.join("evalref/golden_kitti_projection.json")).unwrap();
    serde_json::from_str::<Value>(&text).unwrap().as_array().unwrap().clone()
}

fn calibration(data: &Path, golden: &Value) -> Kitti {
    let size = [0, 1].map(|i| golden["size"][i].as_u64().unwrap() as u32);
    let name = format!("drives/kitti_object/calib/{}.txt", golden["frame"].as_str().unwrap());
    kitti_support::object_calibration(&data.join(name), (size[0], size[1]))
}

fn velodyne(data: &Path, frame: &str) -> ocellus_percept::cloud::Cloud {
    kitti_support::sweep(&data.join(format!("drives/kitti_object/velodyne/{frame}.bin")))
}

fn context<'a>(kitti: &'a Kitti, cloud: &'a ocellus_percept::cloud::Cloud) -> FrameContext<'a> {
    let vehicle_from_lidar = Transform::identity();
    let sweep = Sweep { cloud, optical_from_lidar: kitti.optical_from_lidar, vehicle_from_lidar };
    let optical_from_vehicle = Some(kitti.optical_from_lidar * vehicle_from_lidar.inverse());
    FrameContext { camera: &kitti.camera, optical_from_vehicle, sweep: Some(sweep), depth: None, camera_height_m: None }
}

#[test]
fn projection_meets_an_independent_tool() {
    let Some(data) = kitti_support::data() else { return };
    for golden in golden(&data) {
        let frame = golden["frame"].as_str().unwrap();
        let (kitti, cloud) = (calibration(&data, &golden), velodyne(&data, frame));
        assert_eq!(cloud.len() as u64, golden["n_points"].as_u64().unwrap());
        let mut out = Projected::default();
        project_cloud(&cloud, &kitti.optical_from_lidar, &kitti.camera, &kitti.camera.lens(), &mut out);
        // The tool clips 0 <= u < width in pixel-centre coordinates, we at the picture's true edge, half a pixel off.
        let (w, h) = (f64::from(kitti.camera.width), f64::from(kitti.camera.height));
        let pixel = |p: &[f32; 3]| {
            let p = kitti.optical_from_lidar.apply(&Point3::new(p[0].into(), p[1].into(), p[2].into()));
            let uv = kitti.camera.project(&p).ok()?;
            (uv[0] >= 0.0 && uv[0] < w && uv[1] >= 0.0 && uv[1] < h).then_some((uv, p.xyz.z))
        };
        let inside: Vec<_> = cloud.xyz.iter().filter_map(pixel).collect();
        let wanted = golden["n_in_image"].as_u64().unwrap() as usize;
        println!("{frame}: {} points in the picture, {wanted} expected, {} to its true edge", inside.len(), out.len());
        assert_eq!(inside.len(), wanted);
        assert!(out.len().abs_diff(wanted) < wanted / 100);
        let mut worst = 0.0f64;
        for point in golden["first20"].as_array().unwrap() {
            let (uv, z) = inside[point["i"].as_u64().unwrap() as usize];
            let (i, _) =
                (0..out.len()).map(|i| (i, f64::from(out.u[i]) - 0.5)).find(|(_, u)| (u - uv[0]).abs() < 1e-3).unwrap();
            for (axis, ours) in [(0, uv[0]), (1, uv[1]), (0, f64::from(out.u[i]) - 0.5), (1, f64::from(out.v[i]) - 0.5)]
            {
                worst = worst.max((ours - point["uv"][axis].as_f64().unwrap()).abs());
            }
            // The tool's depth is camera 0's.
            worst = worst.max((z - kitti.baseline.z - point["z"].as_f64().unwrap()).abs());
        }
        assert!(worst < 1e-3, "{frame}: off by {worst}");
    }
}

#[test]
fn real_calibrations_raise_no_suspicion_and_their_inverses_do() {
    let Some(data) = kitti_support::data() else { return };
    let mut calibrations: Vec<Kitti> = golden(&data).iter().map(|g| calibration(&data, g)).collect();
    calibrations.push(kitti_support::raw_calibration(&data.join("drives/kitti_raw/2011_09_26")));
    for kitti in calibrations {
        let optical_from_vehicle = Transform::from_isometry(*kitti.optical_from_lidar.isometry());
        let mut rig = Rig::default();
        rig.lidars.insert("velodyne".into(), LidarMount { vehicle_from_lidar: Transform::identity() });
        let mut mount = CameraMount { camera: kitti.camera, optical_from_vehicle: Some(optical_from_vehicle) };
        rig.cameras.insert("image_02".into(), mount);
        assert!(rig.suspicions().is_empty(), "{:?}", rig.suspicions());
        mount.optical_from_vehicle = Some(Transform::from_isometry(optical_from_vehicle.isometry().inverse()));
        rig.cameras.insert("image_02".into(), mount);
        assert!(rig.suspicions().iter().any(|s| s.contains("the inverse would")), "{:?}", rig.suspicions());
    }
}

/// Range from the camera's centre of the points inside the label's 3D box: the least, and the first percentile.
fn labelled_range(
    label: &kitti_support::Label,
    kitti: &Kitti,
    cloud: &ocellus_percept::cloud::Cloud,
) -> (f64, f64, usize) {
    let optical = cloud.xyz.iter().map(|p| p.map(f64::from)).map(|[x, y, z]| {
        let p: Point3<Optical> = kitti.optical_from_lidar.apply(&Point3::<Lidar>::new(x, y, z));
        p.xyz
    });
    let mut ranges: Vec<f64> = optical.filter(|p| label.contains(p, kitti)).map(|p| p.norm()).collect();
    ranges.sort_by(f64::total_cmp);
    (ranges[0], ranges[ranges.len() / 100], ranges.len())
}

#[test]
fn distances_of_labelled_objects_meet_the_nearest_surface_in_their_3d_boxes() {
    let Some(data) = kitti_support::data() else { return };
    let mut fuser = Fuser::new(FuserConfig::default());
    let mut errors = Vec::new();
    for golden in golden(&data) {
        let frame = golden["frame"].as_str().unwrap();
        let (kitti, cloud) = (calibration(&data, &golden), velodyne(&data, frame));
        let notes = fuser.begin_frame(&context(&kitti, &cloud)).unwrap();
        println!("{frame}: ground {:?}", notes.ground);
        for label in kitti_support::labels(&data.join(format!("drives/kitti_object/label_2/{frame}.txt"))) {
            let (least, first_percent, n) = labelled_range(&label, &kitti, &cloud);
            let detection = Detection { bbox: label.bbox, score: 1.0, class: 0, mask: None };
            let distance = fuser.distance(&detection, &label.class).unwrap();
            let error = (distance.range_m / least - 1.0).abs();
            println!(
                "{frame} {:10} {:7.3} m +- {:.3} ({} points, {:?}); label box: least {least:.3}, 1st percentile \
                 {first_percent:.3}, {n} points; off {:.2} %",
                label.class,
                distance.range_m,
                distance.sigma_m,
                distance.n_points,
                distance.source,
                error * 100.0
            );
            assert_eq!(distance.source, DistanceSource::Lidar);
            assert!((distance.surface.range_m() - distance.range_m).abs() < 1e-9);
            errors.push(error);
        }
    }
    errors.sort_by(f64::total_cmp);
    let (median, worst) = (errors[errors.len() / 2], errors[errors.len() - 1]);
    println!("n {}, median {:.2} %, worst {:.2} %", errors.len(), median * 100.0, worst * 100.0);
    assert_eq!(errors.len(), 6);
    assert!(median < 0.03, "median {median}");
    assert!(worst < 0.08, "worst {worst}");
}

#[test]
fn a_real_drive_projects_and_has_its_ground() {
    let Some(data) = kitti_support::data() else { return };
    let day = data.join("drives/kitti_raw/2011_09_26");
    let kitti = kitti_support::raw_calibration(&day);
    let folder = day.join("2011_09_26_drive_9001_sync/velodyne_points/data");
    let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    names.sort();
    let (mut projected, mut finder, mut spent) = (Projected::default(), GroundFinder::default(), [0.0; 2]);
    for name in &names {
        let cloud = kitti_support::sweep(name);
        let start = Instant::now();
        project_cloud(&cloud, &kitti.optical_from_lidar, &kitti.camera, &kitti.camera.lens(), &mut projected);
        spent[0] += start.elapsed().as_secs_f64() * 1e3;
        assert!((10_000..40_000).contains(&projected.len()), "{} points in the picture", projected.len());
        let start = Instant::now();
        let ground = finder.find(&cloud, &Transform::identity()).unwrap();
        spent[1] += start.elapsed().as_secs_f64() * 1e3;
        // KITTI's velodyne sits 1.73 m above the road.
        assert!((-1.95..-1.5).contains(&ground.height_m) && ground.normal.z > 0.998, "{ground:?}");
    }
    assert_eq!(names.len(), 16);
    let [project, ground] = spent.map(|ms| ms / names.len() as f64);
    println!("{} sweeps: projection {project:.2} ms, ground {ground:.2} ms each", names.len());
}

#[test]
fn labelled_objects_are_among_the_obstacles_without_a_class() {
    let Some(data) = kitti_support::data() else { return };
    let (mut finder, mut obstacles) = (ObstacleFinder::default(), Vec::new());
    for golden in golden(&data) {
        let frame = golden["frame"].as_str().unwrap();
        let (kitti, cloud) = (calibration(&data, &golden), velodyne(&data, frame));
        let start = Instant::now();
        finder.find(&cloud, &Transform::identity(), &mut obstacles).unwrap();
        let spent_ms = start.elapsed().as_secs_f64() * 1e3;
        println!("{frame}: {} obstacles in {spent_ms:.1} ms", obstacles.len());
        for label in kitti_support::labels(&data.join(format!("drives/kitti_object/label_2/{frame}.txt"))) {
            let (least, _, _) = labelled_range(&label, &kitti, &cloud);
            let on_label = |p: &&[f32; 3]| {
                let p = Point3::<Lidar>::new(p[0].into(), p[1].into(), p[2].into());
                label.contains(&kitti.optical_from_lidar.apply(&p).xyz, &kitti)
            };
            let range = |p: &[f64; 3]| nalgebra::Vector3::from(*p).norm();
            let points = cloud.xyz.iter().filter(on_label).map(|p| p.map(f64::from));
            let nearest = points.min_by(|a, b| range(a).total_cmp(&range(b))).unwrap();
            // Things that touch are one obstacle: its box must hold the nearest point, and it must not seem further off.
            let holds = |o: &&Obstacle| (0..2).all(|i| (o.centre.xyz[i] - nearest[i]).abs() < o.size_m[i] / 2.0 + 0.2);
            let found = obstacles.iter().find(holds);
            println!(
                "{frame} {:10} {least:.2} m from the camera, {:.2} m from the LiDAR; obstacle at {:.2?} m",
                label.class,
                range(&nearest),
                found.map(|o| o.range_m)
            );
            if least < 50.0 {
                assert!(found.is_some_and(|o| o.range_m < range(&nearest) + 0.3), "{} at {least}", label.class);
            }
        }
    }
}
