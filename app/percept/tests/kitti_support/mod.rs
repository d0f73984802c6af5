//! A minimal reader of KITTI's files, for the tests alone; the product's own reader lives in `sense`.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};

use nalgebra::{Isometry3, Matrix3, Vector3};
use ocellus_percept::cloud::Cloud;
use ocellus_percept::detection::BoxPx;
use ocellus_percept::space::{Camera, Distortion, Lidar, Optical, Transform};

/// The shared folder of real data; says so and gives nothing where it is absent.
pub fn data() -> Option<PathBuf> {
    let data = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data"));
    if !data.is_dir() {
        println!("skipped: no real data");
        return None;
    }
    Some(data)
}

/// Camera 2 and the LiDAR of a KITTI calibration.
pub struct Kitti {
    /// Intrinsics of the rectified picture.
    pub camera: Camera,
    /// To camera 2's own centre: the baseline from camera 0 is folded in.
    pub optical_from_lidar: Transform<Optical, Lidar>,
    /// Camera 2's origin in camera 0's rectified axes is at minus this.
    pub baseline: Vector3<f64>,
}

fn numbers(text: &str, key: &str) -> Vec<f64> {
    let line = text.lines().find(|l| l.split(':').next() == Some(key)).unwrap_or_else(|| panic!("no {key}"));
    line.split_whitespace().skip(1).map(|w| w.parse().unwrap()).collect()
}

fn affine(m: &[f64]) -> (Matrix3<f64>, Vector3<f64>) {
    let rotation = Matrix3::new(m[0], m[1], m[2], m[4], m[5], m[6], m[8], m[9], m[10]);
    (rotation, Vector3::new(m[3], m[7], m[11]))
}

fn rigid(rotation: Matrix3<f64>, translation: Vector3<f64>) -> Isometry3<f64> {
    *Transform::<Optical, Lidar>::from_rotation_translation(rotation, translation).unwrap().isometry()
}

/// From P2 (3 x 4), the rectifying rotation and the LiDAR's rigid transform.
fn assemble(p2: &[f64], rect: Matrix3<f64>, velo: (Matrix3<f64>, Vector3<f64>), size: (u32, u32)) -> Kitti {
    let (k, fourth) = affine(p2);
    let baseline = k.try_inverse().unwrap() * fourth;
    let camera = Camera {
        width: size.0,
        height: size.1,
        fx: k[(0, 0)],
        fy: k[(1, 1)],
        cx: k[(0, 2)],
        cy: k[(1, 2)],
        distortion: Distortion::None,
    };
    let iso = rigid(Matrix3::identity(), baseline) * rigid(rect, Vector3::zeros()) * rigid(velo.0, velo.1);
    Kitti { camera, optical_from_lidar: Transform::from_isometry(iso), baseline }
}

/// Calibration of one frame of the object benchmark.
pub fn object_calibration(path: &Path, size: (u32, u32)) -> Kitti {
    let text = std::fs::read_to_string(path).unwrap();
    let rect = Matrix3::from_row_slice(&numbers(&text, "R0_rect"));
    assemble(&numbers(&text, "P2"), rect, affine(&numbers(&text, "Tr_velo_to_cam")), size)
}

/// Calibration of a day of the raw data.
pub fn raw_calibration(day: &Path) -> Kitti {
    let camera = std::fs::read_to_string(day.join("calib_cam_to_cam.txt")).unwrap();
    let velo = std::fs::read_to_string(day.join("calib_velo_to_cam.txt")).unwrap();
    let rect = Matrix3::from_row_slice(&numbers(&camera, "R_rect_00"));
    let size = numbers(&camera, "S_rect_02");
    let velo = (Matrix3::from_row_slice(&numbers(&velo, "R")), Vector3::from_column_slice(&numbers(&velo, "T")));
    assemble(&numbers(&camera, "P_rect_02"), rect, velo, (size[0] as u32, size[1] as u32))
}

/// A sweep of float32 x y z reflectance.
pub fn sweep(path: &Path) -> Cloud {
    let bytes = std::fs::read(path).unwrap();
    let float = |b: &[u8]| f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
    let xyz = bytes.chunks_exact(16).map(|p| [float(&p[0..]), float(&p[4..]), float(&p[8..])]).collect();
    Cloud { xyz, ..Cloud::default() }
}

/// One labelled object.
pub struct Label {
    /// KITTI's class name.
    pub class: String,
    /// The 2D box.
    pub bbox: BoxPx,
    size_hwl: [f64; 3],
    /// Middle of the bottom face, camera 0's rectified axes.
    location: Vector3<f64>,
    yaw: f64,
}

impl Label {
    /// Whether a point of camera 2's optical frame lies in the 3D box.
    pub fn contains(&self, p: &Vector3<f64>, kitti: &Kitti) -> bool {
        let d = p - kitti.baseline - self.location;
        let (s, c) = self.yaw.sin_cos();
        let (along, across) = (c * d.x - s * d.z, s * d.x + c * d.z);
        let [h, w, l] = self.size_hwl;
        along.abs() <= l / 2.0 && across.abs() <= w / 2.0 && d.y <= 0.0 && d.y >= -h
    }
}

/// All labels of a frame but DontCare.
pub fn labels(path: &Path) -> Vec<Label> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .filter(|line| !line.starts_with("DontCare"))
        .map(|line| {
            let class = line.split(' ').next().unwrap().to_owned();
            let n: Vec<f64> = line.split(' ').skip(1).map(|w| w.parse().unwrap()).collect();
            let [x0, y0, x1, y1] = [n[3], n[4], n[5], n[6]].map(|v| v as f32);
            Label {
                class,
                bbox: BoxPx { x0, y0, x1, y1 },
                size_hwl: [n[7], n[8], n[9]],
                location: Vector3::new(n[10], n[11], n[12]),
                yaw: n[13],
            }
        })
        .collect()
}
