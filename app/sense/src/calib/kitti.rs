//! KITTI calibration: `calib_cam_to_cam.txt` + `calib_velo_to_cam.txt` of a raw day, and the `calib/NNNNNN.txt` of an
//! object detection frame.
//!
//! The vehicle frame is the velodyne's (axes and origin). KITTI's P_rect holds the offset of its camera from camera 0 in
//! its fourth column (times the focal length); here that offset goes into the extrinsics, so that intrinsics are a plain
//! 3x3 matrix. Pictures of the size `S_rect` are rectified; pictures of the size `S` are not, and keep K and D.

use std::collections::BTreeMap;
use std::path::Path;

use nalgebra::{Isometry3, Matrix3, Translation3, Vector3};
use ocellus_percept::space::{
    Camera, CameraMount, Distortion, Frame, Lidar, LidarMount, Optical, Rig, Transform, Vehicle,
};

use super::CalibError;
use super::intrinsics::{camera_from_matrix, distortion_from};
use super::place::Place;

/// The lines `KEY: numbers` of a KITTI text file. Lines whose values are no numbers (dates) are left out.
struct Keyed<'a> {
    path: &'a Path,
    values: BTreeMap<String, (usize, Vec<f64>)>,
}

impl<'a> Keyed<'a> {
    fn read(path: &'a Path) -> Result<Self, CalibError> {
        let text = std::fs::read_to_string(path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => {
                CalibError::Missing { path: path.to_path_buf(), expected: "a KITTI calibration file".into() }
            }
            _ => CalibError::Io { path: path.to_path_buf(), source },
        })?;
        let values = text
            .lines()
            .enumerate()
            .filter_map(|(i, line)| {
                let (key, rest) = line.split_once(':')?;
                let numbers = rest.split_whitespace().map(str::parse).collect::<Result<Vec<f64>, _>>().ok()?;
                Some((key.trim().to_owned(), (i + 1, numbers)))
            })
            .collect();
        Ok(Self { path, values })
    }

    fn place(&self, key: &str) -> Place<'a> {
        Place::key(self.path, self.values.get(key).map_or(0, |(line, _)| *line), key)
    }

    /// Exactly `N` numbers at `key`.
    fn numbers<const N: usize>(&self, key: &str) -> Result<[f64; N], CalibError> {
        let place = self.place(key);
        let Some((_, values)) = self.values.get(key) else {
            return Err(place.value(format!("a line `{key}:` with {N} numbers"), "none"));
        };
        values.as_slice().try_into().map_err(|_| place.value(format!("{N} numbers"), format!("{}", values.len())))
    }

    fn transform<A: Frame, B: Frame>(
        &self,
        key: &str,
        rotation: &[f64; 9],
        translation: &[f64; 3],
    ) -> Result<Transform<A, B>, CalibError> {
        let rotation = Matrix3::from_row_slice(rotation);
        Transform::from_rotation_translation(rotation, Vector3::from_row_slice(translation)).map_err(|source| {
            CalibError::Transform { path: self.path.to_path_buf(), place: self.place(key).to_string(), source }
        })
    }

    /// A transform written as two lines, 9 and 3 numbers.
    fn rt<A: Frame, B: Frame>(&self, r: &str, t: &str) -> Result<Transform<A, B>, CalibError> {
        self.transform(r, &self.numbers(r)?, &self.numbers(t)?)
    }

    /// A transform written as one line of 3x4 numbers.
    fn rt34<A: Frame, B: Frame>(&self, key: &str) -> Result<Transform<A, B>, CalibError> {
        let (rotation, translation) = split34(&self.numbers(key)?);
        self.transform(key, &rotation, &translation)
    }
}

/// The left 3x3 and the right column of a row-major 3x4 matrix.
fn split34(m: &[f64; 12]) -> ([f64; 9], [f64; 3]) {
    ([m[0], m[1], m[2], m[4], m[5], m[6], m[8], m[9], m[10]], [m[3], m[7], m[11]])
}

/// A rectified camera from its projection matrix: its intrinsics, and its optical frame from the rectified camera 0's.
fn rectified_camera(
    file: &Keyed<'_>,
    key: &str,
    size: (u32, u32),
) -> Result<(Camera, Transform<Optical, Optical>), CalibError> {
    let (k, column) = split34(&file.numbers(key)?);
    let camera = camera_from_matrix(&file.place(key), &k, size, Distortion::None)?;
    // P = K [I | t], so t = K^-1 * column.
    let z = column[2];
    let t = Vector3::new((column[0] - camera.cx * z) / camera.fx, (column[1] - camera.cy * z) / camera.fy, z);
    if !t.iter().all(|v| v.is_finite()) {
        return Err(file.place(key).value("finite numbers", format!("{column:?}")));
    }
    Ok((camera, Transform::from_isometry(Isometry3::from_parts(Translation3::from(t), nalgebra::one()))))
}

/// Calibration of a raw day, and whether it can be there at all.
pub(crate) struct RawDay {
    /// All cameras of the day under KITTI's names `image_00` to `image_03`, and the LiDAR as `velodyne_points`.
    pub(crate) rig: Rig,
    /// Cameras whose pictures are not rectified.
    pub(crate) unrectified: Vec<String>,
}

/// Reads a day folder's calibration. `sizes` are the pictures' sizes by sensor name, where known: a camera whose pictures
/// have its unrectified size gets K and D instead of P_rect.
pub(crate) fn read_raw_day(day: &Path, sizes: &BTreeMap<String, (u32, u32)>) -> Result<RawDay, CalibError> {
    let (cam_path, velo_path) = (day.join("calib_cam_to_cam.txt"), day.join("calib_velo_to_cam.txt"));
    let cameras = Keyed::read(&cam_path)?;
    let velodyne = Keyed::read(&velo_path)?;
    let camera0_from_vehicle: Transform<Optical, Vehicle> = velodyne.rt("R", "T")?;
    let rectify: Transform<Optical, Optical> =
        cameras.transform("R_rect_00", &cameras.numbers("R_rect_00")?, &[0.0; 3])?;
    let mut rig = Rig::default();
    let mut unrectified = Vec::new();
    for index in 0..4 {
        let name = format!("image_{index:02}");
        if !cameras.values.contains_key(&format!("P_rect_{index:02}")) {
            continue;
        }
        let raw_size = picture_size(&cameras, &format!("S_{index:02}"))?;
        let mount = if sizes.get(&name) == Some(&raw_size) {
            unrectified.push(name.clone());
            unrectified_mount(&cameras, index, raw_size, camera0_from_vehicle)?
        } else {
            let size = picture_size(&cameras, &format!("S_rect_{index:02}"))?;
            let (camera, own_from_camera0) = rectified_camera(&cameras, &format!("P_rect_{index:02}"), size)?;
            CameraMount { camera, optical_from_vehicle: Some(own_from_camera0 * rectify * camera0_from_vehicle) }
        };
        rig.cameras.insert(name, mount);
    }
    if rig.cameras.is_empty() {
        return Err(Place::file(&cam_path).value("lines P_rect_00 to P_rect_03", "none of them"));
    }
    rig.lidars.insert("velodyne_points".into(), LidarMount { vehicle_from_lidar: Transform::identity() });
    Ok(RawDay { rig, unrectified })
}

fn unrectified_mount(
    cameras: &Keyed<'_>,
    index: usize,
    size: (u32, u32),
    camera0_from_vehicle: Transform<Optical, Vehicle>,
) -> Result<CameraMount, CalibError> {
    let (k, d) = (format!("K_{index:02}"), format!("D_{index:02}"));
    let distortion = distortion_from(&cameras.place(&d), "plumb_bob", &cameras.numbers::<5>(&d)?)?;
    let camera = camera_from_matrix(&cameras.place(&k), &cameras.numbers(&k)?, size, distortion)?;
    let own_from_camera0: Transform<Optical, Optical> =
        cameras.rt(&format!("R_{index:02}"), &format!("T_{index:02}"))?;
    Ok(CameraMount { camera, optical_from_vehicle: Some(own_from_camera0 * camera0_from_vehicle) })
}

fn picture_size(file: &Keyed<'_>, key: &str) -> Result<(u32, u32), CalibError> {
    let [width, height] = file.numbers::<2>(key)?;
    let whole = |v: f64| (v >= 1.0 && v <= f64::from(u16::MAX) && v.fract() == 0.0).then_some(v as u32);
    whole(width)
        .zip(whole(height))
        .ok_or_else(|| file.place(key).value("a picture's width and height", format!("{width} {height}")))
}

/// The GPS/IMU unit's frame: x forward, y left, z up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Imu;

impl Frame for Imu {
    const NAME: &'static str = "imu";
}

/// The velodyne from the IMU, of a raw day: `calib_imu_to_velo.txt`.
pub(crate) fn read_velodyne_from_imu(day: &Path) -> Result<Isometry3<f64>, CalibError> {
    let path = day.join("calib_imu_to_velo.txt");
    let transform: Transform<Lidar, Imu> = Keyed::read(&path)?.rt("R", "T")?;
    Ok(*transform.isometry())
}

/// Calibration of one object detection frame.
pub(crate) struct ObjectFrame {
    /// The cameras asked for under their folder's name, and the LiDAR as `velodyne`.
    pub(crate) rig: Rig,
    /// The frame that labels are in: the rectified camera 0's, from the vehicle's.
    pub(crate) rectified_from_vehicle: Transform<Optical, Vehicle>,
}

/// Reads `calib/NNNNNN.txt` for the pictures of folders `image_N` with their sizes.
pub(crate) fn read_object_frame(
    path: &Path,
    pictures: &[(&str, usize, (u32, u32))],
) -> Result<ObjectFrame, CalibError> {
    let file = Keyed::read(path)?;
    // Two spellings are about: the object set's and the tracking set's.
    let pick =
        |first: &'static str, second: &'static str| if file.values.contains_key(second) { second } else { first };
    let rotation_key = pick("R0_rect", "R_rect");
    let rectify: Transform<Optical, Optical> = file.transform(rotation_key, &file.numbers(rotation_key)?, &[0.0; 3])?;
    let camera0_from_vehicle: Transform<Optical, Vehicle> = file.rt34(pick("Tr_velo_to_cam", "Tr_velo_cam"))?;
    let rectified_from_vehicle = rectify * camera0_from_vehicle;
    let mut rig = Rig::default();
    for (name, index, size) in pictures {
        let (camera, own_from_camera0) = rectified_camera(&file, &format!("P{index}"), *size)?;
        let optical_from_vehicle = Some(own_from_camera0 * rectified_from_vehicle);
        rig.cameras.insert((*name).to_owned(), CameraMount { camera, optical_from_vehicle });
    }
    rig.lidars.insert("velodyne".into(), LidarMount { vehicle_from_lidar: Transform::identity() });
    Ok(ObjectFrame { rig, rectified_from_vehicle })
}
