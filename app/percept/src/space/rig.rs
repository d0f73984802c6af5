//! Which sensors sit where on the vehicle, and what about that looks wrong.

use std::collections::BTreeMap;

use nalgebra::{Rotation3, Vector3};

use super::{Camera, Lidar, Optical, Transform, Vehicle};

/// A camera and where it sits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CameraMount {
    /// Intrinsics.
    pub camera: Camera,
    /// Extrinsics: vehicle points to the camera's optical frame. `None` where only the intrinsics are known.
    pub optical_from_vehicle: Option<Transform<Optical, Vehicle>>,
}

/// Where a LiDAR sits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LidarMount {
    /// Extrinsics: LiDAR points to the vehicle frame.
    pub vehicle_from_lidar: Transform<Vehicle, Lidar>,
}

/// All calibrated sensors of a vehicle by name. A sensor that is absent here is uncalibrated.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rig {
    /// Cameras by sensor name.
    pub cameras: BTreeMap<String, CameraMount>,
    /// LiDARs by sensor name.
    pub lidars: BTreeMap<String, LidarMount>,
}

/// Cosine of 60 degrees: a camera that is turned or tilted further than this from upright is mounted oddly, or the
/// rotation is not what it says. A lorry's downward camera tilts by less.
const UPRIGHT_COS: f64 = 0.5;
/// Sensors of one vehicle lie closer to its origin than this: a lorry with its trailer, or a unit mistaken.
const VEHICLE_EXTENT_M: f64 = 12.0;
/// Below the vehicle frame's origin by more than this is in the ground, for an origin at the ground or an axle.
const BELOW_ORIGIN_M: f64 = 0.6;
/// The same for an origin in a LiDAR on the roof.
const BELOW_LIDAR_M: f64 = 3.0;
/// A LiDAR closer than this to the origin is the origin.
const AT_ORIGIN_M: f64 = 0.3;
/// A principal point further than this share of the picture from its middle belongs to another picture size.
const OFF_CENTRE_SHARE: f64 = 0.25;
/// Focal length over width, 0.2 (fisheye) to 20 (telephoto): outside, units or sizes are mixed up.
const FOCAL_SHARE: std::ops::RangeInclusive<f64> = 0.2..=20.0;

/// The optical frame of a camera that looks ahead, from the vehicle's axes: right is -y, down is -z, ahead is x.
fn optical_from_body() -> Rotation3<f64> {
    Rotation3::from_basis_unchecked(&[Vector3::z(), -Vector3::x(), -Vector3::y()])
}

/// Whether a rotation of vehicle axes to optical axes has the picture's down pointing to the ground.
fn is_upright(optical_from_vehicle: &Rotation3<f64>) -> bool {
    (optical_from_vehicle.inverse() * Vector3::y()).z < -UPRIGHT_COS
}

impl Rig {
    /// What looks wrong, a sentence each that says what was found, what was expected and what to try; empty where
    /// nothing does. Suspicions, not errors: odd mounts exist.
    pub fn suspicions(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (name, mount) in &self.cameras {
            intrinsic_suspicions(name, &mount.camera, &mut found);
            if let Some(extrinsics) = &mount.optical_from_vehicle {
                found.extend(rotation_suspicion(name, extrinsics));
                let centre = extrinsics.inverse().isometry().translation.vector;
                found.extend(self.place_suspicion("camera", name, &centre));
            }
        }
        for (name, mount) in &self.lidars {
            found.extend(self.place_suspicion("lidar", name, &mount.vehicle_from_lidar.isometry().translation.vector));
        }
        found
    }

    /// Whether the vehicle frame's origin is a LiDAR's own, high above the ground.
    fn origin_is_lidar(&self) -> bool {
        self.lidars.values().any(|l| l.vehicle_from_lidar.isometry().translation.vector.norm() < AT_ORIGIN_M)
    }

    fn place_suspicion(&self, kind: &str, name: &str, at: &Vector3<f64>) -> Option<String> {
        let distance = at.norm();
        if distance > VEHICLE_EXTENT_M {
            return Some(format!(
                "{kind} {name} sits {distance:.1} m from the vehicle frame's origin, expected less than \
                 {VEHICLE_EXTENT_M} m: is the translation in metres?"
            ));
        }
        let limit = if self.origin_is_lidar() { BELOW_LIDAR_M } else { BELOW_ORIGIN_M };
        (at.z < -limit).then(|| {
            format!(
                "{kind} {name} sits {:.2} m below the vehicle frame's origin, expected at most {limit} m: the \
                 translation looks inverted (is it the sensor's place, or the vehicle's as the sensor sees it?)",
                -at.z
            )
        })
    }
}

fn rotation_suspicion(name: &str, extrinsics: &Transform<Optical, Vehicle>) -> Option<String> {
    let rotation = extrinsics.isometry().rotation.to_rotation_matrix();
    if is_upright(&rotation) {
        return None;
    }
    let reason = if is_upright(&(optical_from_body() * rotation)) {
        "the rotation lacks the turn from body axes (x ahead, z up) to optical axes (z ahead, y down)"
    } else if is_upright(&rotation.inverse()) {
        "the inverse would: vehicle_from_optical seems to have been given for optical_from_vehicle"
    } else {
        "the camera is mounted sideways, upside down or straight down, or its rotation is wrong"
    };
    let down = rotation.inverse() * Vector3::y();
    Some(format!(
        "camera {name}: the picture's down should point to the ground and points along ({:.2}, {:.2}, {:.2}) of the \
         vehicle frame: {reason}",
        down.x, down.y, down.z
    ))
}

fn intrinsic_suspicions(name: &str, camera: &Camera, found: &mut Vec<String>) {
    if let Err(error) = camera.validate() {
        found.push(format!("camera {name}: {error}"));
        return;
    }
    let (width, height) = (f64::from(camera.width), f64::from(camera.height));
    let (off_x, off_y) = (camera.cx / width - 0.5, camera.cy / height - 0.5);
    if off_x.abs() > OFF_CENTRE_SHARE || off_y.abs() > OFF_CENTRE_SHARE {
        found.push(format!(
            "camera {name}: principal point ({:.1}, {:.1}) is far from the middle of {width} x {height}: is the \
             calibration of another picture size or a crop?",
            camera.cx, camera.cy
        ));
    }
    if !FOCAL_SHARE.contains(&(camera.fx / width)) || !(0.5..=2.0).contains(&(camera.fx / camera.fy)) {
        found.push(format!(
            "camera {name}: focal lengths ({:.1}, {:.1}) are odd for {width} x {height}: are they in pixels of this \
             picture?",
            camera.fx, camera.fy
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::Distortion;
    use nalgebra::{Isometry3, Translation3, UnitQuaternion};

    fn camera() -> Camera {
        Camera { width: 1242, height: 375, fx: 721.5, fy: 721.5, cx: 609.6, cy: 172.9, distortion: Distortion::None }
    }

    /// A camera at `place` of the vehicle frame that looks `yaw` to the left and `pitch` down.
    fn mounted(place: [f64; 3], yaw: f64, pitch: f64) -> Transform<Optical, Vehicle> {
        let body = UnitQuaternion::from_euler_angles(0.0, pitch, yaw);
        let optical = UnitQuaternion::from_rotation_matrix(&optical_from_body());
        let iso = Isometry3::from_parts(Translation3::from(Vector3::from(place)), body * optical.inverse());
        Transform::from_isometry(iso.inverse())
    }

    fn rig(extrinsics: Transform<Optical, Vehicle>, lidar: [f64; 3]) -> Rig {
        let mut rig = Rig::default();
        let mount = CameraMount { camera: camera(), optical_from_vehicle: Some(extrinsics) };
        rig.cameras.insert("front".into(), mount);
        let vehicle_from_lidar =
            Transform::from_isometry(Isometry3::from_parts(Vector3::from(lidar).into(), UnitQuaternion::identity()));
        rig.lidars.insert("top".into(), LidarMount { vehicle_from_lidar });
        rig
    }

    fn only(rig: &Rig) -> String {
        let found = rig.suspicions();
        assert_eq!(found.len(), 1, "{found:?}");
        found[0].clone()
    }

    #[test]
    fn sound_mounts_raise_none() {
        for step in 0..12 {
            let yaw = f64::from(step) * 0.52;
            for pitch in [-0.3, 0.0, 0.4, 0.9] {
                assert_eq!(rig(mounted([1.6, 0.2, 1.4], yaw, pitch), [1.3, 0.0, 1.6]).suspicions(), [""; 0]);
            }
        }
        // A velodyne as the vehicle frame, cameras a little below it.
        assert_eq!(rig(mounted([0.27, 0.0, -0.08], 0.0, 0.0), [0.0; 3]).suspicions(), [""; 0]);
    }

    #[test]
    fn an_inverse_is_told_from_a_missing_optical_rotation() {
        // A camera that looks square to the right is left out: its rotation is its own inverse.
        for yaw in [0.0, 0.8, 2.0, 2.8] {
            let sound = mounted([0.3, 0.1, 0.2], yaw, 0.1);
            let inverse = Transform::from_isometry(sound.isometry().inverse());
            assert!(only(&rig(inverse, [0.0; 3])).contains("the inverse would"), "yaw {yaw}");
            let body = optical_from_body().inverse() * sound.isometry().rotation.to_rotation_matrix();
            let lacking = Isometry3::from_parts(Translation3::identity(), UnitQuaternion::from_rotation_matrix(&body));
            assert!(only(&rig(Transform::from_isometry(lacking), [0.0; 3])).contains("lacks the turn"), "yaw {yaw}");
        }
    }

    #[test]
    fn places_and_intrinsics_that_cannot_be_are_named() {
        assert!(only(&rig(mounted([1600.0, 0.0, 1400.0], 0.0, 0.0), [1.3, 0.0, 1.6])).contains("in metres"));
        assert!(only(&rig(mounted([-1.6, 0.0, -1.4], 0.0, 0.0), [1.3, 0.0, 1.6])).contains("inverted"));
        assert!(only(&rig(mounted([1.6, 0.0, 1.4], 0.0, 0.0), [1.3, 0.0, -1.6])).contains("lidar top"));
        let mut odd = rig(mounted([1.6, 0.0, 1.4], 0.0, 0.0), [1.3, 0.0, 1.6]);
        odd.cameras.values_mut().for_each(|m| m.camera.cx = 1200.0);
        assert!(only(&odd).contains("principal point"));
        odd.cameras.values_mut().for_each(|m| (m.camera.fx, m.camera.cx) = (f64::NAN, 609.6));
        assert!(only(&odd).contains("NaN"));
        odd.cameras.values_mut().for_each(|m| m.camera.fx = 2.8);
        assert!(only(&odd).contains("focal lengths"));
    }
}
