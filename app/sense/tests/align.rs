//! Camera against LiDAR in the simulated world, with an error planted in the extrinsics and in the stamps.

use nalgebra::{Isometry3, Vector3};
use ocellus_percept::space::{Odom, Transform, Vehicle};
use ocellus_percept::time::Timestamp;
use ocellus_sense::align::judge;
use ocellus_sense::{
    Drive, DriveInfo, Entry, OpenOptions, Payload, ReadError, SensorKind, SimulatedCamera, SimulatedOptions, open,
};

/// A drive whose calibration and stamps lie.
struct Planted {
    drive: Box<dyn Drive>,
    info: DriveInfo,
    entries: Vec<Entry>,
}

impl Planted {
    /// Turns the camera's extrinsics by `turned_deg` about its axes, and stamps its pictures `shift_s` before their time.
    fn new(scenario: &str, turned_deg: [f64; 3], shift_s: f64) -> Self {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../launch/worlds").join(scenario);
        let simulated = SimulatedOptions {
            seconds: Some(6.0),
            cameras: vec![SimulatedCamera::Front],
            camera_hz: Some(4.0),
            lidar_hz: Some(4.0),
            lidar_beams: 32,
            lidar_columns: Some(1024),
            resolution: (480, 288),
            ..SimulatedOptions::default()
        };
        let drive = open(&path, &OpenOptions { simulated, ..OpenOptions::default() }).unwrap();
        let mut info = drive.info().clone();
        let turn = Isometry3::rotation(Vector3::from(turned_deg.map(f64::to_radians)));
        for mount in info.rig.cameras.values_mut() {
            let told = mount.optical_from_vehicle.unwrap();
            mount.optical_from_vehicle = Some(Transform::from_isometry(turn.inverse() * told.isometry()));
        }
        let is_camera = |e: &Entry| info.sensors[e.sensor].kind == SensorKind::Camera;
        let moved = |e: &Entry| if is_camera(e) { Entry { t: e.t.plus_seconds(-shift_s), ..*e } } else { *e };
        let entries = drive.entries().iter().map(moved).collect();
        Self { drive, info, entries }
    }
}

impl Drive for Planted {
    fn info(&self) -> &DriveInfo {
        &self.info
    }

    fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn read_into(&self, index: usize, out: &mut Payload) -> Result<(), ReadError> {
        self.drive.read_into(index, out)
    }

    fn odom_from_vehicle(&self, t: Timestamp) -> Option<Transform<Odom, Vehicle>> {
        self.drive.odom_from_vehicle(t)
    }
}

#[test]
fn a_planted_error_is_found_within_half_a_degree_and_ten_milliseconds() {
    for (scenario, turned, shift_s) in
        [("street.toml", [0.4, 3.0, -0.5], 0.0), ("cut_in.toml", [-1.0, -1.5, 1.0], -0.03)]
    {
        let judged = judge(&Planted::new(scenario, turned, shift_s));
        let [only] = judged.as_slice() else { panic!("one camera, one LiDAR") };
        let found = only.found.as_ref().unwrap();
        println!("{scenario}: planted {turned:?} degrees, {shift_s} s; found {found:?}");
        let off = Vector3::from(found.rotation_deg) - Vector3::from(turned);
        let off_s = found.shift_s.unwrap() - shift_s;
        assert!(off.norm() < 0.5, "{scenario}: {off:?}");
        assert!(off_s.abs() < 0.010, "{scenario}: {off_s} s");
        assert!(found.score[1] > found.score[0]);
    }
}
