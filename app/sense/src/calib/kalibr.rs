//! Kalibr's camchain YAML: `cam0`, `cam1`, ... with pinhole intrinsics and radtan or equidistant distortion.
//!
//! `T_cam_imu` places a camera against the IMU, whose place on the vehicle Kalibr does not know: it is passed over and said.
//! An `optical_from_vehicle` added to a camera places it, and `T_cn_cnm1` the cameras after it.

use ocellus_percept::space::{CameraMount, Distortion, Optical, Rig, Transform, Vehicle};

use super::CalibError;
use super::extrinsics;
use super::intrinsics::{camera_from_matrix, distortion_from};
use super::yaml::Map;

/// Whether the file is a camchain.
pub(crate) fn looks_like(root: &Map<'_>) -> bool {
    matches!(root.map("cam0"), Ok(Some(cam)) if cam.get(&["camera_model"]).is_some())
}

/// Reads all cameras of the chain under their names `cam0`, `cam1`, ...
pub(crate) fn read(root: &Map<'_>, notes: &mut Vec<String>) -> Result<Rig, CalibError> {
    let mut rig = Rig::default();
    let mut before: Option<Transform<Optical, Vehicle>> = None;
    for name in root.keys().filter(|k| k.starts_with("cam")) {
        let Some(map) = root.map(name)? else { continue };
        let mount = read_camera(&map, before)?;
        if mount.optical_from_vehicle.is_none() && map.get(&["T_cam_imu"]).is_some() {
            notes.push(format!(
                "{name}: T_cam_imu is passed over: the IMU's place on the vehicle is not in the file; add optical_from_vehicle"
            ));
        }
        before = mount.optical_from_vehicle;
        rig.cameras.insert(name.to_owned(), mount);
    }
    Ok(rig)
}

fn read_camera(map: &Map<'_>, before: Option<Transform<Optical, Vehicle>>) -> Result<CameraMount, CalibError> {
    let model = map.text(&["camera_model"])?.unwrap_or_default();
    if model != "pinhole" {
        return Err(map.place("camera_model").value("pinhole", format!("{model:?}")));
    }
    let [fx, fy, cx, cy] = map.array(&["intrinsics"])?.ok_or_else(|| map.missing("intrinsics"))?;
    let [width, height]: [f64; 2] = map.array(&["resolution"])?.ok_or_else(|| map.missing("resolution"))?;
    let distortion = match map.numbers(&["distortion_coeffs"])? {
        Some((key, d)) => {
            let model = map.text(&["distortion_model"])?.unwrap_or_default();
            distortion_from(&map.place(key), &model, &d)?
        }
        None => Distortion::None,
    };
    let k = [fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0];
    let camera = camera_from_matrix(&map.place("intrinsics"), &k, (width as u32, height as u32), distortion)?;
    let own: Option<Transform<Optical, Vehicle>> = extrinsics::transform(map)?;
    let chained = match (map.get(&["T_cn_cnm1"]), before) {
        (Some(_), Some(before)) => Some(extrinsics::at_key::<Optical, Optical>(map, "T_cn_cnm1")? * before),
        _ => None,
    };
    Ok(CameraMount { camera, optical_from_vehicle: own.or(chained) })
}
