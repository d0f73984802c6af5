//! Extrinsics that are formally right and probably meant otherwise: an inverse, or a missing optical rotation.
//!
//! A camera on a vehicle stands roughly upright: the optical frame's y axis points down. Two common mistakes break that. It
//! is a suspicion and said as one: a camera may be mounted on its side.

use nalgebra::{Isometry3, Vector3};
use ocellus_percept::space::Rig;

/// Cosine of 60 degrees: no upright camera is tilted or rolled further.
const UPRIGHT_MIN: f64 = 0.5;

/// How far the optical y axis points down in the vehicle's frame, -1 to 1.
fn down(optical_from_vehicle: &Isometry3<f64>) -> f64 {
    -(optical_from_vehicle.rotation.inverse() * Vector3::y()).z
}

/// What is suspected of a rig's extrinsics, one line each.
pub(crate) fn suspicions(rig: &Rig) -> Vec<String> {
    let cameras = rig.cameras.iter().filter_map(|(name, m)| Some((name, m.optical_from_vehicle.as_ref()?.isometry())));
    cameras
        .filter_map(|(name, optical_from_vehicle)| {
            let got = down(optical_from_vehicle);
            if got > UPRIGHT_MIN {
                return None;
            }
            // Without the optical rotation, the camera's z is up and its x ahead, as the vehicle's.
            let axis_up = (optical_from_vehicle.rotation.inverse() * Vector3::z()).z;
            let guess = if axis_up > UPRIGHT_MIN {
                "its optical axis points up: is the optical rotation (x right, y down, z ahead) missing?"
            } else if down(&optical_from_vehicle.inverse()) > UPRIGHT_MIN {
                "its inverse would stand upright: is it vehicle_from_optical?"
            } else {
                "is it mounted on its side?"
            };
            Some(format!(
                "{name}: optical_from_vehicle makes a camera that is not upright (down is {got:.2} of 1): {guess}"
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use nalgebra::Matrix3;
    use ocellus_percept::space::{Camera, CameraMount, Distortion, Optical, Transform, Vehicle};

    use super::*;

    fn rig_with(optical_from_vehicle: Transform<Optical, Vehicle>) -> Rig {
        let camera = Camera { width: 2, height: 2, fx: 1.0, fy: 1.0, cx: 0.5, cy: 0.5, distortion: Distortion::None };
        let mut rig = Rig::default();
        let mount = CameraMount { camera, optical_from_vehicle: Some(optical_from_vehicle) };
        rig.cameras.insert("front".into(), mount);
        rig
    }

    #[test]
    fn an_inverse_and_a_missing_rotation_are_told_apart() {
        let rotation = Matrix3::new(0.0, -1.0, 0.0, 0.0, 0.0, -1.0, 1.0, 0.0, 0.0);
        let right = Transform::from_rotation_translation(rotation, Vector3::new(0.1, 1.5, -1.0)).unwrap();
        assert!(suspicions(&rig_with(right)).is_empty());
        let inverse = Transform::from_isometry(right.isometry().inverse());
        assert!(suspicions(&rig_with(inverse))[0].contains("vehicle_from_optical?"));
        assert!(suspicions(&rig_with(Transform::identity()))[0].contains("optical rotation"));
    }
}
