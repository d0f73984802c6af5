//! The default rig: a front camera, optionally side cameras, a LiDAR on the roof.

use ocellus_percept::space::{Camera, CameraMount, Distortion, Lidar, LidarMount, Optical, Rig, Transform, Vehicle};

use crate::lidar::sweep::LidarSetup;
use crate::math::Pose;
use crate::scene::CameraSetup;

/// Height of the front camera over the ground, behind the windscreen.
pub const CAMERA_HEIGHT_M: f64 = 1.45;
/// How far ahead of the rear axle the front camera is.
pub const CAMERA_AHEAD_M: f64 = 1.75;
/// Height of the LiDAR over the ground.
pub const LIDAR_HEIGHT_M: f64 = 1.85;
/// How far ahead of the rear axle the LiDAR is.
pub const LIDAR_AHEAD_M: f64 = 1.2;

/// A camera at a place of the vehicle, its axis turned by `yaw_rad` to the left and `pitch_rad` down.
pub fn camera_at(camera: Camera, place_m: [f64; 3], yaw_rad: f64, pitch_rad: f64) -> CameraSetup {
    let vehicle_from_body = Pose::from_angles(place_m, yaw_rad, pitch_rad, 0.0);
    // Optical axes in a body frame with x ahead, y left, z up: x right, y down, z ahead (REP-103).
    let body_from_optical = Pose { r: [[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]], t: [0.0; 3] };
    let optical_from_vehicle = vehicle_from_body.then(&body_from_optical).inverse();
    CameraSetup {
        camera,
        optical_from_vehicle: Transform::<Optical, Vehicle>::from_isometry(optical_from_vehicle.to_isometry()),
    }
}

/// Intrinsics of a camera with a horizontal field of view of `fov_rad` and a mild barrel distortion.
pub fn camera(width: u32, height: u32, fov_rad: f64) -> Camera {
    let f = f64::from(width) * 0.5 / libm::tan(fov_rad * 0.5);
    Camera {
        width,
        height,
        fx: f,
        fy: f,
        cx: (f64::from(width) - 1.0) * 0.5,
        cy: (f64::from(height) - 1.0) * 0.5,
        distortion: Distortion::PlumbBob([-0.06, 0.012, 0.0004, -0.0003, 0.0]),
    }
}

/// The front camera: 74 degrees wide, looking ahead and 1.5 degrees down.
pub fn front_camera(width: u32, height: u32) -> CameraSetup {
    camera_at(camera(width, height, 1.29), [CAMERA_AHEAD_M, 0.0, CAMERA_HEIGHT_M], 0.0, 0.026)
}

/// A side camera, turned by 55 degrees to the left or right.
pub fn side_camera(width: u32, height: u32, left: bool) -> CameraSetup {
    let sign = if left { 1.0 } else { -1.0 };
    camera_at(camera(width, height, 1.29), [CAMERA_AHEAD_M, 0.35 * sign, CAMERA_HEIGHT_M], 0.96 * sign, 0.026)
}

/// A spinning LiDAR on the roof with 16 beams (VLP-16: -15 to 15 degrees), 32 (HDL-32E: -30.67 to 10.67) or 64 and more
/// (HDL-64E: -24.9 to 2); 1024 columns at 10 Hz.
pub fn roof_lidar(beams: usize) -> LidarSetup {
    let (low, high): (f64, f64) = match beams {
        0..=16 => (-15.0, 15.0),
        17..=32 => (-30.67, 10.67),
        _ => (-24.9, 2.0),
    };
    let count = beams.max(1);
    let step = if count > 1 { (high - low) / (count - 1) as f64 } else { 0.0 };
    let beams_rad = (0..count).map(|i| (high - step * i as f64).to_radians()).collect();
    let pose = Pose { t: [LIDAR_AHEAD_M, 0.0, LIDAR_HEIGHT_M], ..Pose::IDENTITY };
    let vehicle_from_lidar = Transform::<Vehicle, Lidar>::from_isometry(pose.to_isometry());
    LidarSetup {
        beams_rad,
        columns: 1024,
        spin_s: 0.1,
        range_m: [0.9, 100.0],
        sigma_m: 0.02,
        dropout: 0.01,
        vehicle_from_lidar,
    }
}

/// The sensors by name as percept knows them: exact calibration of what the world renders.
pub fn rig(cameras: &[(&str, &CameraSetup)], lidars: &[(&str, &LidarSetup)]) -> Rig {
    let camera = |(name, setup): &(&str, &CameraSetup)| {
        let optical_from_vehicle = Some(setup.optical_from_vehicle);
        ((*name).to_owned(), CameraMount { camera: setup.camera, optical_from_vehicle })
    };
    let lidar = |(name, setup): &(&str, &LidarSetup)| {
        ((*name).to_owned(), LidarMount { vehicle_from_lidar: setup.vehicle_from_lidar })
    };
    Rig { cameras: cameras.iter().map(camera).collect(), lidars: lidars.iter().map(lidar).collect() }
}
