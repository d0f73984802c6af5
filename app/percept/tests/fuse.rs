//! Fusion of a made scene whose every distance is known: LiDAR, depth maps, ground and size, and what is broken.

#![allow(clippy::unwrap_used)]

use nalgebra::{Isometry3, Rotation3, UnitQuaternion, Vector3};
use ocellus_percept::cloud::Cloud;
use ocellus_percept::depth::DepthMap;
use ocellus_percept::detection::{BoxPx, Detection, Mask};
use ocellus_percept::fuse::{Distance, FrameContext, FrameNotes, Fuser, FuserConfig, Sweep};
use ocellus_percept::model::DepthKind;
use ocellus_percept::report::DistanceSource;
use ocellus_percept::space::{Camera, Distortion, Lidar, Optical, Point3, Transform, Vehicle};

/// Height of the LiDAR, which is the vehicle frame, above the ground.
const LIDAR_HEIGHT_M: f64 = 1.8;
/// The camera below the LiDAR and a little ahead of it.
const CAMERA_AT: [f64; 3] = [0.3, 0.0, -0.2];

/// Solid boxes on flat ground, in the vehicle frame: least and greatest corner.
struct Scene(Vec<[[f64; 3]; 2]>);

impl Scene {
    /// A box on the ground whose near face is at `x`.
    fn standing(&mut self, x: f64, y: [f64; 2], depth: f64, height: f64) {
        self.0.push([[x, y[0], -LIDAR_HEIGHT_M], [x + depth, y[1], height - LIDAR_HEIGHT_M]]);
    }

    /// Distance along a unit ray to the first surface within 120 m.
    fn cast(&self, from: &Vector3<f64>, ray: &Vector3<f64>) -> Option<f64> {
        let ground = (ray.z < 0.0).then(|| (-LIDAR_HEIGHT_M - from.z) / ray.z);
        let boxes = self.0.iter().filter_map(|[low, high]| {
            let (mut enter, mut leave) = (0.0f64, f64::INFINITY);
            for i in 0..3 {
                let (a, b) = ((low[i] - from[i]) / ray[i], (high[i] - from[i]) / ray[i]);
                enter = enter.max(a.min(b));
                leave = leave.min(a.max(b));
            }
            (enter < leave && enter > 0.0).then_some(enter)
        });
        ground.into_iter().chain(boxes).filter(|t| *t < 120.0).min_by(f64::total_cmp)
    }

    /// A sweep of 64 beams, 0.2 degrees apart in azimuth.
    fn sweep(&self) -> Cloud {
        let mut cloud = Cloud::default();
        for beam in 0..64 {
            let elevation = (2.0 - 0.42 * f64::from(beam)).to_radians();
            for step in 0..1800 {
                let azimuth = (f64::from(step) * 0.2).to_radians();
                let ray =
                    Vector3::new(elevation.cos() * azimuth.cos(), elevation.cos() * azimuth.sin(), elevation.sin());
                if let Some(t) = self.cast(&Vector3::zeros(), &ray) {
                    cloud.xyz.push((ray * t).cast::<f32>().into());
                }
            }
        }
        cloud
    }

    /// Depth along the optical axis in cells of 4 x 4 pixels, 0 where the sky is.
    fn depth(&self) -> DepthMap {
        let (camera, optical_from_vehicle) = (camera(), optical_from_vehicle());
        let (width, height) = (camera.width as usize / 4, camera.height as usize / 4);
        let vehicle_from_optical = optical_from_vehicle.inverse();
        let values = (0..width * height)
            .map(|i| {
                let at = [(i % width) as f64 * 4.0 + 2.0, (i / width) as f64 * 4.0 + 2.0];
                let ray = camera.unproject_continuous(at).unwrap();
                let hit = self.cast(&Vector3::from(CAMERA_AT), &vehicle_from_optical.rotate(&ray));
                hit.map_or(0.0, |t| (t * ray.z) as f32)
            })
            .collect();
        let (scale_x, scale_y) = (0.25, 0.25);
        DepthMap {
            width,
            height,
            values,
            kind: DepthKind::Metric,
            focal: None,
            scale_x,
            offset_x: 0.0,
            scale_y,
            offset_y: 0.0,
        }
    }

    /// Range of the nearest point of box `i` that the camera sees, and the box around all its visible pixels.
    fn truth(&self, i: usize) -> (f64, BoxPx) {
        let [low, high] = self.0[i];
        let camera_at = Vector3::from(CAMERA_AT);
        let nearest = Vector3::from_fn(|k, _| camera_at[k].clamp(low[k], high[k]));
        let corners = (0..8).map(|c| {
            let p = |k: usize| if c >> k & 1 == 0 { low[k] } else { high[k] };
            camera().project_continuous(&optical_from_vehicle().apply(&Point3::new(p(0), p(1), p(2)))).unwrap()
        });
        let start = BoxPx { x0: f32::MAX, y0: f32::MAX, x1: f32::MIN, y1: f32::MIN };
        let bbox = corners.fold(start, |b, [u, v]| BoxPx {
            x0: b.x0.min(u as f32),
            y0: b.y0.min(v as f32),
            x1: b.x1.max(u as f32),
            y1: b.y1.max(v as f32),
        });
        ((nearest - camera_at).norm(), bbox)
    }
}

fn camera() -> Camera {
    Camera { width: 1280, height: 640, fx: 900.0, fy: 900.0, cx: 639.5, cy: 299.5, distortion: Distortion::None }
}

fn optical_from_vehicle() -> Transform<Optical, Vehicle> {
    let turn = Rotation3::from_basis_unchecked(&[-Vector3::y(), -Vector3::z(), Vector3::x()]);
    let vehicle_from_optical =
        Isometry3::from_parts(Vector3::from(CAMERA_AT).into(), UnitQuaternion::from_rotation_matrix(&turn));
    Transform::from_isometry(vehicle_from_optical.inverse())
}

/// A frame with whatever of sweep and depth map there is.
fn begin(fuser: &mut Fuser, camera: &Camera, cloud: Option<&Cloud>, depth: Option<&DepthMap>) -> FrameNotes {
    let optical_from_lidar = Transform::<Optical, Lidar>::from_isometry(*optical_from_vehicle().isometry());
    let sweep = cloud.map(|cloud| Sweep { cloud, optical_from_lidar, vehicle_from_lidar: Transform::identity() });
    let optical_from_vehicle = Some(optical_from_vehicle());
    let context = FrameContext { camera, optical_from_vehicle, sweep, depth, camera_height_m: Some(1.6) };
    fuser.begin_frame(&context).unwrap()
}

fn detection(bbox: BoxPx) -> Detection {
    Detection { bbox, score: 0.9, class: 0, mask: None }
}

/// A person before a wall, a car ahead of them, a pole between camera and car.
fn street() -> Scene {
    let mut scene = Scene(Vec::new());
    scene.standing(14.0, [1.5, 2.1], 0.35, 1.75);
    scene.standing(30.0, [-20.0, 20.0], 0.5, 4.0);
    scene.standing(20.0, [-4.5, -2.7], 4.2, 1.5);
    scene.standing(9.0, [-2.05, -1.95], 0.1, 3.0);
    scene
}

const PERSON: usize = 0;
const CAR: usize = 2;

fn assert_near(distance: &Distance, truth: f64, tolerance: f64, source: DistanceSource) {
    assert_eq!(distance.source, source, "{distance:?}");
    assert!((distance.range_m / truth - 1.0).abs() < tolerance, "{distance:?}, truth {truth}");
    assert!((distance.surface.range_m() - distance.range_m).abs() < 1e-9);
    assert!(distance.sigma_m > 0.0 && distance.sigma_m.is_finite());
}

#[test]
fn lidar_finds_the_near_face_before_a_wall_and_behind_a_pole() {
    let (scene, mut fuser) = (street(), Fuser::new(FuserConfig::default()));
    let cloud = scene.sweep();
    let notes = begin(&mut fuser, &camera(), Some(&cloud), None);
    assert!((notes.ground.unwrap().height_m + LIDAR_HEIGHT_M).abs() < 0.02, "{notes:?}");
    for (index, class) in [(PERSON, "person"), (CAR, "car"), (PERSON, "no such class")] {
        let (truth, bbox) = scene.truth(index);
        let distance = fuser.distance(&detection(bbox), class).unwrap();
        assert_near(&distance, truth, 0.01, DistanceSource::Lidar);
        // A generous and a tight box see the same face.
        for grow in [-0.05f32, 0.08] {
            let (dx, dy) = (grow * bbox.width(), grow * bbox.height());
            let other = BoxPx { x0: bbox.x0 - dx, y0: bbox.y0 - dy, x1: bbox.x1 + dx, y1: bbox.y1 + dy };
            assert_near(&fuser.distance(&detection(other), class).unwrap(), truth, 0.02, DistanceSource::Lidar);
        }
    }
}

#[test]
fn a_mask_keeps_out_what_its_box_does_not() {
    let mut scene = Scene(Vec::new());
    scene.standing(12.0, [-0.3, 0.3], 0.4, 1.7);
    scene.standing(9.0, [-1.6, -0.3], 0.5, 1.2);
    let (mut fuser, cloud) = (Fuser::new(FuserConfig::default()), scene.sweep());
    begin(&mut fuser, &camera(), Some(&cloud), None);
    let (truth, person) = scene.truth(0);
    let bbox = BoxPx { x1: person.x1 + 90.0, ..person };
    let (x, y, width, height) = (bbox.x0 as u32, bbox.y0 as u32, bbox.width() as u32, bbox.height() as u32);
    let inside = |column: u32| (x + column) as f32 + 0.5 < person.x1;
    let data = (0..width * height).map(|i| u8::from(inside(i % width))).collect();
    let masked = Detection { mask: Some(Mask { x, y, width, height, data }), ..detection(bbox) };
    assert_near(&fuser.distance(&masked, "person").unwrap(), truth, 0.01, DistanceSource::Lidar);
    let empty = Detection { mask: Some(Mask::default()), ..detection(person) };
    assert_near(&fuser.distance(&empty, "person").unwrap(), truth, 0.01, DistanceSource::Lidar);
}

/// A mask that fills a box.
fn filled(bbox: BoxPx) -> Detection {
    let (x, y, width, height) = (bbox.x0 as u32, bbox.y0 as u32, bbox.width() as u32, bbox.height() as u32);
    let data = vec![1; (width * height) as usize];
    Detection { mask: Some(Mask { x, y, width, height, data }), ..detection(bbox) }
}

#[test]
fn within_a_mask_lidar_and_depth_are_weighed_and_a_contradiction_takes_the_nearer() {
    let (scene, mut fuser) = (street(), Fuser::new(FuserConfig::default()));
    let (cloud, map) = (scene.sweep(), relative(&scene.depth()));
    let (truth, bbox) = scene.truth(PERSON);
    let mut person = |cloud: &Cloud, map: Option<&DepthMap>| {
        begin(&mut fuser, &camera(), Some(cloud), map);
        fuser.distance(&filled(bbox), "no such class").unwrap()
    };
    let (alone, both) = (person(&cloud, None), person(&cloud, Some(&map)));
    assert_near(&alone, truth, 0.01, DistanceSource::Lidar);
    assert!((both.range_m / truth - 1.0).abs() < 0.01 && both.sigma_m < alone.sigma_m, "{alone:?} {both:?}");
    assert_eq!(both.contradicted_by, None);

    // The LiDAR shines through what the camera sees: glass, or a slip of a mirror.
    let mut seen_through = street();
    seen_through.0[PERSON] = [[100.0; 3], [101.0; 3]];
    let nearer = person(&seen_through.sweep(), Some(&map));
    assert_near(&nearer, truth, 0.05, DistanceSource::DepthScaled);
    let other = nearer.contradicted_by.unwrap();
    assert!(other.source == DistanceSource::Lidar && (other.range_m - 29.7).abs() < 0.5, "{other:?}");

    // And the other way round: the network takes them for a part of the wall.
    let painted = relative(&seen_through.depth());
    let nearer = person(&cloud, Some(&painted));
    assert_near(&nearer, truth, 0.01, DistanceSource::Lidar);
    assert_eq!(nearer.contradicted_by.unwrap().source, DistanceSource::DepthScaled);
}

/// The LiDAR points but those on the person: a dark coat.
fn without_person(cloud: &Cloud) -> Cloud {
    let off = |p: &&[f32; 3]| !((13.9..14.5).contains(&p[0]) && (1.4..2.2).contains(&p[1]) && p[2] > -1.75);
    Cloud { xyz: cloud.xyz.iter().filter(off).copied().collect(), ..Cloud::default() }
}

/// The scene's depth as a network that knows neither scale nor shift would give it.
fn relative(metric: &DepthMap) -> DepthMap {
    let values = metric.values.iter().map(|&z| if z > 0.0 { (1.0 / z - 0.004) / 0.02 } else { f32::NAN }).collect();
    DepthMap { values, kind: DepthKind::RelativeInverse, ..metric.clone() }
}

#[test]
fn a_relative_map_becomes_metres_by_lidar_and_only_by_lidar() {
    let (scene, mut fuser) = (street(), Fuser::new(FuserConfig::default()));
    let (cloud, map) = (without_person(&scene.sweep()), relative(&scene.depth()));
    let (truth, bbox) = scene.truth(PERSON);
    let notes = begin(&mut fuser, &camera(), Some(&cloud), Some(&map));
    let fit = notes.depth_fit.unwrap().unwrap();
    assert!((fit.scale / 0.02 - 1.0).abs() < 0.02 && (fit.shift - 0.004).abs() < 0.001, "{fit:?}");
    assert!(fit.residual < 0.03 && fit.inlier_share > 0.8, "{fit:?}");
    let distance = fuser.distance(&detection(bbox), "person").unwrap();
    assert_near(&distance, truth, 0.04, DistanceSource::DepthScaled);
    let metres = fuser.metric_depth().unwrap();
    assert!(metres.kind == DepthKind::Metric && metres.values.len() == map.values.len());

    let notes = begin(&mut fuser, &camera(), None, Some(&map));
    assert_eq!(notes.depth_fit, None);
    assert!(fuser.metric_depth().is_none());
    let distance = fuser.distance(&detection(bbox), "person").unwrap();
    assert!(matches!(distance.source, DistanceSource::GroundPlane | DistanceSource::SizePrior), "{distance:?}");
    assert_eq!(fuser.distance(&detection(bbox), "no such class"), None, "relative depth is never metres");
}

#[test]
fn a_metric_map_serves_alone_is_scaled_by_lidar_and_dropped_where_lidar_contradicts() {
    let (scene, mut fuser) = (street(), Fuser::new(FuserConfig::default()));
    let (cloud, mut map) = (without_person(&scene.sweep()), scene.depth());
    let (truth, bbox) = scene.truth(PERSON);
    begin(&mut fuser, &camera(), None, Some(&map));
    let alone = fuser.distance(&detection(bbox), "person").unwrap();
    assert_near(&alone, truth, 0.04, DistanceSource::DepthMetric);

    map.values.iter_mut().for_each(|z| *z *= 1.3);
    begin(&mut fuser, &camera(), Some(&cloud), Some(&map));
    let scaled = fuser.distance(&detection(bbox), "person").unwrap();
    assert_near(&scaled, truth, 0.04, DistanceSource::DepthScaled);
    assert!(scaled.sigma_m < alone.sigma_m);

    map.values.reverse();
    let notes = begin(&mut fuser, &camera(), Some(&cloud), Some(&map));
    assert!(notes.depth_fit.unwrap().is_err() && fuser.metric_depth().is_none());
    let without = fuser.distance(&detection(bbox), "person").unwrap();
    assert!(!matches!(without.source, DistanceSource::DepthScaled | DistanceSource::DepthMetric), "{without:?}");
}

#[test]
fn camera_alone_gives_ground_or_size_and_the_truth_lies_within_three_sigma() {
    let (scene, mut fuser) = (street(), Fuser::new(FuserConfig::default()));
    let notes = begin(&mut fuser, &camera(), None, None);
    assert_eq!((notes.points_in_picture, notes.ground), (0, None));
    for (index, class) in [(PERSON, "person"), (CAR, "car")] {
        let (truth, bbox) = scene.truth(index);
        let distance = fuser.distance(&detection(bbox), class).unwrap();
        assert!(matches!(distance.source, DistanceSource::GroundPlane | DistanceSource::SizePrior));
        assert!((distance.range_m - truth).abs() < 3.0 * distance.sigma_m, "{distance:?}, truth {truth}");
        assert_eq!(distance.n_points, 0);
    }
}

#[test]
fn broken_input_is_an_ordinary_case() {
    let (scene, mut fuser) = (street(), Fuser::new(FuserConfig::default()));
    let (truth, bbox) = scene.truth(PERSON);
    assert_eq!(fuser.distance(&detection(bbox), "person"), None, "before the first frame");
    let mut cloud = scene.sweep();
    let clean = cloud.len();
    for i in 0..1000 {
        let broken = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY][i % 3];
        cloud.xyz.insert(i * 7, [[broken, 1.0, 1.0], [5.0, broken, 0.0], [3.0, 0.5, broken]][i / 3 % 3]);
    }
    let notes = begin(&mut fuser, &camera(), Some(&cloud), None);
    assert_eq!((notes.points_not_finite, cloud.len()), (1000, clean + 1000));
    assert_near(&fuser.distance(&detection(bbox), "person").unwrap(), truth, 0.01, DistanceSource::Lidar);
    let boxes = [[f32::NAN; 4], [9.0, 9.0, 9.0, 9.0], [500.0, 100.0, 400.0, 50.0], [-90.0, -90.0, -10.0, -10.0]];
    for [x0, y0, x1, y1] in boxes {
        assert_eq!(fuser.distance(&detection(BoxPx { x0, y0, x1, y1 }), "no such class"), None);
    }
    let singular = Camera { fx: 0.0, ..camera() };
    let context =
        FrameContext { camera: &singular, optical_from_vehicle: None, sweep: None, depth: None, camera_height_m: None };
    assert!(fuser.begin_frame(&context).is_err());
    assert_eq!(fuser.distance(&detection(bbox), "person"), None, "no frame, no distance");
    begin(&mut fuser, &camera(), Some(&Cloud::default()), None);
    assert!(fuser.distance(&detection(bbox), "no such class").is_none(), "an empty sweep measures nothing");
}

#[test]
fn a_distorted_camera_and_a_second_run_give_the_same() {
    let scene = street();
    let cloud = scene.sweep();
    let run = |camera: &Camera| {
        let mut fuser = Fuser::new(FuserConfig::default());
        let mut all = Vec::new();
        for _ in 0..2 {
            let notes = begin(&mut fuser, camera, Some(&cloud), None);
            all.push((notes, fuser.distance(&detection(scene.truth(PERSON).1), "person")));
        }
        all
    };
    let plain = run(&camera());
    assert_eq!(plain[0], plain[1], "scratch memory leaves no trace");
    assert_eq!(plain, run(&camera()));
    let bent = run(&Camera { distortion: Distortion::PlumbBob([-0.05, 0.01, 0.0, 0.0, 0.0]), ..camera() });
    let (straight, bent) = (plain[0].1.unwrap(), bent[0].1.unwrap());
    assert!((straight.range_m - bent.range_m).abs() < 0.02 * straight.range_m);
}

/// A car that comes towards the camera, and one parked beyond it that just shows past it.
fn oncoming(ahead_m: f64) -> Scene {
    let mut scene = Scene(Vec::new());
    scene.standing(ahead_m, [1.4, 3.2], 4.2, 1.5);
    scene.standing(19.0, [1.7, 2.6], 4.2, 1.5);
    scene
}

#[test]
fn where_a_nearer_car_was_is_not_where_the_one_behind_it_is() {
    let (now, then) = (oncoming(7.0), oncoming(12.5));
    let cloud = then.sweep();
    let mut fuser = Fuser::new(FuserConfig::default());
    begin(&mut fuser, &camera(), Some(&cloud), None);
    let ((_, near), (truth, far)) = (now.truth(0), now.truth(1));
    let (near, far) = (detection(near), detection(BoxPx { x0: near.x1, ..far }));
    let alone = fuser.distance(&far, "car").unwrap();
    assert!(alone.range_m < 0.75 * truth, "the test can fail: {alone:?}, truth {truth}");
    let mut out = Vec::new();
    for order in [[&near, &far], [&far, &near]] {
        fuser.distances(order.into_iter().map(|d| (d, "car")), &mut out);
        let [near, far] = if order[0].bbox == near.bbox { [out[0], out[1]] } else { [out[1], out[0]] };
        let (near, far) = (near.unwrap(), far.unwrap());
        assert_eq!(near.source, DistanceSource::Lidar, "the nearer keeps its points: {near:?}");
        assert!((far.range_m - truth).abs() < 2.0 * far.sigma_m && far.range_m > 0.8 * truth, "{far:?}, truth {truth}");
    }
}

#[test]
fn things_that_touch_keep_their_own_distances() {
    let mut scene = Scene(Vec::new());
    scene.standing(10.0, [0.0, 0.6], 0.4, 1.8);
    scene.standing(10.5, [0.65, 1.2], 0.4, 1.7);
    let cloud = scene.sweep();
    let mut fuser = Fuser::new(FuserConfig::default());
    begin(&mut fuser, &camera(), Some(&cloud), None);
    let people: Vec<Detection> = (0..2).map(|i| detection(scene.truth(i).1)).collect();
    let mut out = Vec::new();
    fuser.distances(people.iter().map(|d| (d, "person")), &mut out);
    for (i, distance) in out.iter().enumerate() {
        assert_near(&distance.unwrap(), scene.truth(i).0, 0.02, DistanceSource::Lidar);
    }
}

#[test]
fn a_distance_says_when_its_points_were_measured() {
    let scene = street();
    let mut cloud = scene.sweep();
    let turn = |p: &[f32; 3]| p[1].atan2(p[0]) / std::f32::consts::TAU * 0.1;
    cloud.measured_s = cloud.xyz.iter().map(turn).collect();
    let mut fuser = Fuser::new(FuserConfig::default());
    begin(&mut fuser, &camera(), Some(&cloud), None);
    for i in [PERSON, CAR] {
        let distance = fuser.distance(&detection(scene.truth(i).1), "no such class").unwrap();
        let p = distance.surface.xyz;
        let expected = (-p.x).atan2(p.z) / std::f64::consts::TAU * 0.1;
        assert!((distance.measured_s - expected).abs() < 5e-4, "{distance:?}, expected {expected}");
    }
}
