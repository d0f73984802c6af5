//! One camera in a file: ROS `camera_info` YAML (the calibrator's and the message's spelling) and OpenCV's FileStorage.
//!
//! Intrinsics are K and D, for pictures as the camera gives them; a rectified picture wants a file whose D is zero and whose
//! K is P. Extrinsics are keys of ours beside them: `optical_from_vehicle` or `vehicle_from_optical`, or against a LiDAR
//! `optical_from_lidar` or `lidar_from_optical` (with `lidar: NAME` where there are several).

use ocellus_percept::space::{CameraMount, Distortion, Lidar, Optical, Transform};

use super::CalibError;
use super::extrinsics;
use super::intrinsics::{camera_from_matrix, distortion_from};
use super::yaml::Map;

/// Names of the camera matrix: ROS calibrator, ROS message, OpenCV samples, OpenCV users.
pub(crate) const MATRIX: [&str; 8] =
    ["camera_matrix", "k", "K", "cameraMatrix", "Camera_Matrix", "CameraMat", "intrinsic_matrix", "cameraMatrix1"];
const COEFFICIENTS: [&str; 9] = [
    "distortion_coefficients",
    "d",
    "D",
    "distCoeffs",
    "dist_coeffs",
    "Distortion_Coefficients",
    "DistCoeff",
    "distortion_coeffs",
    "distCoeffs1",
];
const MODEL: [&str; 3] = ["distortion_model", "DistModel", "camera_distortion_model"];
const WIDTH: [&str; 4] = ["image_width", "width", "image_Width", "imageWidth"];
const HEIGHT: [&str; 4] = ["image_height", "height", "image_Height", "imageHeight"];
const SIZE: [&str; 4] = ["image_size", "ImageSize", "imageSize", "resolution"];

/// Whether a mapping describes one camera in this form.
pub(crate) fn looks_like(map: &Map<'_>) -> bool {
    map.get(&MATRIX).is_some()
}

/// A camera as its file has it.
pub(crate) struct CameraRead {
    /// Intrinsics, and extrinsics where they are against the vehicle.
    pub(crate) mount: CameraMount,
    /// Extrinsics where they are against a LiDAR.
    pub(crate) against_lidar: Option<AgainstLidar>,
}

/// A camera placed against a LiDAR.
pub(crate) struct AgainstLidar {
    /// The LiDAR's name, where given.
    pub(crate) lidar: Option<String>,
    /// Where the camera sits.
    pub(crate) optical_from_lidar: Transform<Optical, Lidar>,
}

/// Reads the camera and, where the file says it, where it sits.
pub(crate) fn read(map: &Map<'_>) -> Result<CameraRead, CalibError> {
    let Some((key, values)) = map.numbers(&MATRIX)? else { return Err(map.missing(MATRIX[0])) };
    let k: [f64; 9] = match *values.as_slice() {
        [a, b, c, d, e, f, g, h, i] => [a, b, c, d, e, f, g, h, i],
        _ => return Err(map.place(key).value("9 numbers", format!("{}", values.len()))),
    };
    let camera = camera_from_matrix(&map.place(key), &k, read_size(map)?, read_distortion(map)?)?;
    let optical_from_vehicle = extrinsics::transform(map)?;
    let against_lidar = match extrinsics::transform(map)? {
        Some(optical_from_lidar) => Some(AgainstLidar { lidar: map.text(&["lidar"])?, optical_from_lidar }),
        None => None,
    };
    check_transform_keys(map)?;
    if optical_from_vehicle.is_some() && against_lidar.is_some() {
        return Err(map.place("optical_from_lidar").value("a place against the vehicle or against a LiDAR", "both"));
    }
    Ok(CameraRead { mount: CameraMount { camera, optical_from_vehicle }, against_lidar })
}

/// A transform key that is nearly one of ours would be passed over in silence.
fn check_transform_keys(map: &Map<'_>) -> Result<(), CalibError> {
    const KNOWN: [&str; 4] =
        ["optical_from_vehicle", "vehicle_from_optical", "optical_from_lidar", "lidar_from_optical"];
    match map.keys().find(|k| k.contains("_from_") && !KNOWN.contains(k)) {
        None => Ok(()),
        Some(key) => Err(map.place(key).value(format!("one of {}", KNOWN.join(", ")), format!("{key:?}"))),
    }
}

fn read_distortion(map: &Map<'_>) -> Result<Distortion, CalibError> {
    let coefficients = map.numbers(&COEFFICIENTS)?;
    let fisheye = map.number(&["fisheye_model"])?.is_some_and(|v| v != 0.0);
    let model = match map.text(&MODEL)? {
        _ if fisheye => "fisheye".to_owned(),
        Some(model) if !model.is_empty() => model,
        // OpenCV does not write the model: its ordinary one, of 4 to 14 coefficients.
        _ => "opencv".to_owned(),
    };
    match coefficients {
        Some((key, d)) => distortion_from(&map.place(key), &model, &d),
        None => distortion_from(&map.place(COEFFICIENTS[0]), &model, &[]),
    }
}

fn read_size(map: &Map<'_>) -> Result<(u32, u32), CalibError> {
    let (width, height, key) = match (map.number(&WIDTH)?, map.number(&HEIGHT)?, map.array::<2>(&SIZE)?) {
        (Some(width), Some(height), _) => (width, height, "image_width"),
        (_, _, Some([width, height])) => (width, height, "image_size"),
        _ => return Err(map.missing("image_width and image_height")),
    };
    let whole = |v: f64| (v >= 1.0 && v <= f64::from(u16::MAX) && v.fract() == 0.0).then_some(v as u32);
    whole(width)
        .zip(whole(height))
        .ok_or_else(|| map.place(key).value("a picture's width and height", format!("{width} {height}")))
}
