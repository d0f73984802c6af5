//! The LiDAR agrees with the camera's depth, spins in time, and loses points as it should.

use ocellus_percept::cloud::Cloud;
use ocellus_percept::space::{Distortion, Lidar, Point3};
use ocellus_world::{CameraTruth, LidarSetup, Quality, RenderBuffers, Scenario, SweepTruth, World, rig};

use super::world;

fn exact(beams: usize) -> LidarSetup {
    LidarSetup { spin_s: 0.0, sigma_m: 0.0, dropout: 0.0, ..rig::roof_lidar(beams) }
}

#[test]
fn points_projected_into_the_picture_have_its_depth() {
    let w = world("street", 7);
    // The LiDAR sits in the camera's place, so that both see the same surfaces.
    let mut setup = rig::front_camera(320, 192);
    setup.camera.distortion = Distortion::None;
    let mut lidar = exact(64);
    let camera_place = setup.optical_from_vehicle.inverse().isometry().translation;
    lidar.vehicle_from_lidar = ocellus_percept::space::Transform::from_isometry(nalgebra::Isometry3::from_parts(
        camera_place,
        nalgebra::UnitQuaternion::identity(),
    ));
    let (mut cloud, mut labels) = (Cloud::default(), SweepTruth::default());
    w.sweep(4.0, &lidar, &mut cloud, &mut labels);
    let mut truth = CameraTruth::default();
    w.snapshot(4.0).render(&setup, Quality::FAST, &mut RenderBuffers::new(), &mut truth);
    let (mut compared, mut agree, mut labelled) = (0, 0, 0);
    for (k, p) in cloud.xyz.iter().enumerate() {
        let vehicle = lidar.vehicle_from_lidar.apply(&Point3::<Lidar>::new(p[0].into(), p[1].into(), p[2].into()));
        let o = setup.optical_from_vehicle.apply(&vehicle).xyz;
        if o.z < 1.0 {
            continue;
        }
        let (u, v) = (o.x / o.z * setup.camera.fx + setup.camera.cx, o.y / o.z * setup.camera.fy + setup.camera.cy);
        let (x, y) = (u.round(), v.round());
        if !(0.0..320.0).contains(&x) || !(0.0..192.0).contains(&y) {
            continue;
        }
        let i = y as usize * 320 + x as usize;
        let z = f64::from(truth.depth_m[i]);
        compared += 1;
        // The ray is up to half a pixel beside the pixel's centre: steep ground and edges differ by more.
        let close = (z - o.z).abs() < 0.02 * o.z + 0.05;
        agree += usize::from(close);
        labelled += usize::from(close && truth.instance[i] == labels.instance[k] && truth.class[i] == labels.class[k]);
    }
    assert!(compared > 5000, "{compared}");
    assert!(agree as f64 > 0.90 * compared as f64, "{agree} of {compared}");
    assert!(labelled as f64 > 0.97 * agree as f64, "{labelled} of {agree}");
}

#[test]
fn a_spin_takes_time_and_runs_clockwise() {
    let w = world("street", 7);
    let (mut cloud, mut labels) = (Cloud::default(), SweepTruth::default());
    w.sweep(2.0, &rig::roof_lidar(16), &mut cloud, &mut labels);
    assert_eq!(cloud.len(), cloud.time_offset_s.len());
    assert_eq!(cloud.len(), labels.class.len());
    assert!(cloud.time_offset_s.windows(2).all(|w| w[0] <= w[1]));
    assert!(cloud.time_offset_s.iter().all(|t| (-0.1..=0.0).contains(t)));
    // A quarter of the way round the head looks to the left of the vehicle... it began behind and turns clockwise.
    for (p, t) in cloud.xyz.iter().zip(&cloud.time_offset_s) {
        let expected = std::f32::consts::PI * (1.0 - 2.0 * (t + 0.1) / 0.1);
        let azimuth = p[1].atan2(p[0]);
        let d = (azimuth - expected).sin().abs();
        assert!(d < 0.02, "azimuth {azimuth} at offset {t}");
    }
}

#[test]
fn range_noise_and_drop_out_are_as_set() {
    let w = world("parked_pass", 15);
    let (mut clean, mut noisy, mut labels) = (Cloud::default(), Cloud::default(), SweepTruth::default());
    let quiet = exact(32);
    w.sweep(1.0, &quiet, &mut clean, &mut labels);
    w.sweep(1.0, &LidarSetup { sigma_m: 0.05, ..quiet.clone() }, &mut noisy, &mut labels);
    assert_eq!(clean.len(), noisy.len());
    let norm = |p: &[f32; 3]| f64::from(p[0] * p[0] + p[1] * p[1] + p[2] * p[2]).sqrt();
    let errors: Vec<f64> = clean.xyz.iter().zip(&noisy.xyz).map(|(a, b)| norm(b) - norm(a)).collect();
    let sigma = (errors.iter().map(|e| e * e).sum::<f64>() / errors.len() as f64).sqrt();
    assert!((sigma - 0.05).abs() < 0.004, "{sigma}");
    w.sweep(1.0, &LidarSetup { dropout: 0.5, ..quiet }, &mut noisy, &mut labels);
    let share = noisy.len() as f64 / clean.len() as f64;
    assert!((share - 0.5).abs() < 0.03, "{share}");
}

#[test]
fn moving_things_move_during_the_spin() {
    // A truck rushes past a standing sensor: late columns see it farther along than a snapshot does.
    let text = "[ego]\nspeed_mps = 0\nsway = 0\n[[actor]]\nname = \"truck\"\nkind = \"truck\"\nstation_m = 30\nlane = -1\nspeed_mps = 20";
    let w = World::new(&Scenario::parse(text).expect("a scenario"), 3).expect("a world");
    let spin = LidarSetup { sigma_m: 0.0, dropout: 0.0, ..rig::roof_lidar(32) };
    let still = LidarSetup { spin_s: 0.0, ..spin.clone() };
    let nearest = |setup: &LidarSetup, t: f64| {
        let (mut cloud, mut labels) = (Cloud::default(), SweepTruth::default());
        w.sweep(t, setup, &mut cloud, &mut labels);
        let truck = (0..cloud.len()).filter(|i| labels.instance[*i] > 0);
        truck.map(|i| cloud.xyz[i][0]).fold(f32::INFINITY, f32::min)
    };
    // It is seen ahead to the left, before the middle of the turn: some 0.05 s before the stamp, one metre farther away.
    let (a, b) = (nearest(&spin, 0.5), nearest(&still, 0.5));
    assert!((0.6..1.6).contains(&(a - b)), "{a} and {b}");
}

#[test]
fn fog_shortens_the_sight() {
    let count = |weather: &str| {
        let text = format!("[light]\nweather = \"{weather}\"\n[ego]\nspeed_mps = 5");
        let w = World::new(&Scenario::parse(&text).expect("a scenario"), 3).expect("a world");
        let (mut cloud, mut labels) = (Cloud::default(), SweepTruth::default());
        w.sweep(1.0, &rig::roof_lidar(32), &mut cloud, &mut labels);
        cloud.xyz.iter().filter(|p| p[0] * p[0] + p[1] * p[1] > 900.0).count()
    };
    assert!(count("fog") * 2 < count("clear"));
}
