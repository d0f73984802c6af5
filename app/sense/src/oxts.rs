//! KITTI's GPS/IMU packets (`oxts`) as poses over the ground.
//!
//! Position by the Mercator projection of the KITTI development kit (scaled by the cosine of the first latitude), heading
//! from roll, pitch, yaw: `ground_from_imu = T(mx, my, alt) * Rz(yaw) * Ry(pitch) * Rx(roll)`.

use std::path::Path;

use nalgebra::{Isometry3, Translation3, UnitQuaternion};
use ocellus_percept::time::Timestamp;

use crate::error::SenseError;
use crate::files::{list_files, number_in_name};
use crate::stamps::read_stamps;

/// Earth's radius of the development kit, metres.
const EARTH_RADIUS_M: f64 = 6_378_137.0;

/// Poses of the IMU over the ground, from the folder `oxts`.
pub(crate) fn read_imu_poses(folder: &Path) -> Result<Vec<(Timestamp, Isometry3<f64>)>, SenseError> {
    let stamps_file = folder.join("timestamps.txt");
    let stamps = read_stamps(&stamps_file)?;
    let mut scale = None;
    let mut poses = Vec::new();
    for path in list_files(&folder.join("data"), &["txt"])? {
        let Some(number) = number_in_name(&path) else { continue };
        let stamp = usize::try_from(number).ok().and_then(|n| stamps.get(n));
        let Some(&t) = stamp else {
            return Err(SenseError::Stamps {
                file: stamps_file,
                line: stamps.len() + 1,
                expected: format!("a stamp for {}", path.display()),
                got: "the end of the file".into(),
            });
        };
        let [latitude, longitude, altitude, roll, pitch, yaw] = read_packet(&path)?;
        let scale = *scale.get_or_insert(latitude.to_radians().cos());
        let x = scale * longitude.to_radians() * EARTH_RADIUS_M;
        let y = scale * EARTH_RADIUS_M * ((90.0 + latitude).to_radians() / 2.0).tan().ln();
        let rotation = UnitQuaternion::from_euler_angles(roll, pitch, yaw);
        poses.push((t, Isometry3::from_parts(Translation3::new(x, y, altitude), rotation)));
    }
    Ok(poses)
}

/// Latitude, longitude (degrees), altitude (m), roll, pitch, yaw (radians).
fn read_packet(path: &Path) -> Result<[f64; 6], SenseError> {
    let text = std::fs::read_to_string(path).map_err(SenseError::io(path, "reading the packet"))?;
    let values: Option<Vec<f64>> =
        text.split_whitespace().take(6).map(|v| v.parse().ok().filter(|v: &f64| v.is_finite())).collect();
    values.and_then(|v| v.try_into().ok()).filter(|v: &[f64; 6]| v[0].abs() < 90.0).ok_or_else(|| SenseError::Format {
        file: path.to_path_buf(),
        place: "the first 6 fields".into(),
        expected: "latitude longitude altitude roll pitch yaw".into(),
        got: format!("{:?}", crate::stamps::clip(&text)),
    })
}
