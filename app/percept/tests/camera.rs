//! Camera models against OpenCV's figures, and the properties that must hold for any camera.

#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use ocellus_percept::space::{Camera, CameraError, Distortion, Optical, Point3, ProjectError, UnprojectError};
use serde_json::Value;

fn golden(name: &str) -> Option<Value> {
    let data = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data"));
    if !data.is_dir() {
        println!("skipped: no real data");
        return None;
    }
    let text = std::fs::read_to_string(data.join("evalref").join(name)).unwrap();
    Some(serde_json::from_str(&text).unwrap())
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn camera_of(case: &Value) -> Camera {
    let k: Vec<Vec<f64>> = case["K"].as_array().unwrap().iter().map(numbers).collect();
    let d = numbers(&case["D"]);
    let distortion = match case["model"].as_str().unwrap() {
        "radtan8" => Distortion::Rational(d.try_into().unwrap()),
        "fisheye" => Distortion::Equidistant(d.try_into().unwrap()),
        _ => Distortion::PlumbBob(d.try_into().unwrap()),
    };
    Camera { width: 1280, height: 800, fx: k[0][0], fy: k[1][1], cx: k[0][2], cy: k[1][2], distortion }
}

fn pinhole(distortion: Distortion) -> Camera {
    Camera { width: 640, height: 480, fx: 500.0, fy: 510.0, cx: 319.5, cy: 239.5, distortion }
}

fn models() -> [Camera; 4] {
    [
        pinhole(Distortion::None),
        pinhole(Distortion::PlumbBob([-0.37, 0.2, 0.002, 0.0013, -0.07])),
        pinhole(Distortion::Rational([0.12, -0.25, 0.001, -0.0007, 0.09, 0.05, -0.02, 0.01])),
        pinhole(Distortion::Equidistant([-0.02, 0.004, -0.003, 0.0006])),
    ]
}

#[test]
fn projection_and_its_inverse_meet_opencv() {
    let Some(golden) = golden("golden_opencv_camera_models.json") else { return };
    for case in golden["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let camera = camera_of(case);
        camera.validate().unwrap();
        let points = case["points_cam"].as_array().unwrap();
        let (mut worst_px, mut worst_ray, mut worst_opencv) = (0.0f64, 0.0f64, 0.0f64);
        for (i, point) in points.iter().enumerate() {
            let p = numbers(point);
            let uv = camera.project(&Point3::<Optical>::new(p[0], p[1], p[2])).unwrap();
            let expected = numbers(&case["pixels"][i]);
            worst_px = worst_px.max((uv[0] - expected[0]).abs()).max((uv[1] - expected[1]).abs());
            let ray = camera.unproject([expected[0], expected[1]]).unwrap();
            let (x, y) = (ray.x / ray.z, ray.y / ray.z);
            worst_ray = worst_ray.max((x - p[0] / p[2]).abs()).max((y - p[1] / p[2]).abs());
            let undistorted = numbers(&case["undistorted_normalized"][i]);
            worst_opencv = worst_opencv.max((x - undistorted[0]).abs()).max((y - undistorted[1]).abs());
        }
        println!(
            "{name}: {} points, px {worst_px:.1e}, ray {worst_ray:.1e}, opencv's inverse {worst_opencv:.1e}",
            points.len()
        );
        assert!(worst_px < 1e-6, "{name}: pixels off by {worst_px}");
        assert!(worst_ray < 1e-8, "{name}: rays off by {worst_ray}");
        // OpenCV's own inverse stops early; the file says how far it misses its own forward map.
        let opencv_error = case["max_roundtrip_err"].as_f64().unwrap();
        assert!(worst_opencv < 1e-6 + 2.0 * opencv_error, "{name}: {worst_opencv} from OpenCV's inverse");
    }
}

#[test]
fn every_pixel_comes_back_or_is_refused() {
    for camera in models() {
        let mut refused = 0;
        for row in (0..480).step_by(40) {
            for column in (0..640).step_by(40) {
                let uv = [f64::from(column), f64::from(row)];
                match camera.unproject(uv) {
                    Ok(ray) => {
                        assert!((ray.norm() - 1.0).abs() < 1e-12);
                        let back = camera.project(&Point3::from_vector(ray * 7.0)).unwrap();
                        assert!((back[0] - uv[0]).abs() < 1e-6 && (back[1] - uv[1]).abs() < 1e-6);
                    }
                    Err(_) => refused += 1,
                }
            }
        }
        assert_eq!(refused, 0, "{:?}", camera.distortion);
    }
}

#[test]
fn a_polynomial_that_turns_over_folds_nothing_into_the_picture() {
    let camera = pinhole(Distortion::PlumbBob([-0.37, 0.2, 0.0, 0.0, -0.07]));
    let limit = camera.lens().limit_rad();
    assert!(limit > 0.6 && limit < 1.3, "{limit}");
    let far = Point3::<Optical>::new(3.0, 0.0, 1.0);
    assert!(matches!(camera.project(&far), Err(ProjectError::OutsideModel { .. })));
    assert!(matches!(camera.unproject([5000.0, 240.0]), Err(UnprojectError::OutsideModel { .. })));
}

#[test]
fn behind_the_camera_is_an_error_except_for_a_fisheye_that_sees_there() {
    let behind = Point3::<Optical>::new(1.0, 0.0, -0.1);
    assert_eq!(pinhole(Distortion::None).project(&behind), Err(ProjectError::BehindCamera { z_m: -0.1 }));
    let fisheye = pinhole(Distortion::Equidistant([0.0; 4]));
    let uv = fisheye.project(&behind).unwrap();
    assert!((fisheye.unproject(uv).unwrap() - behind.xyz.normalize()).norm() < 1e-9);
}

#[test]
fn what_is_not_finite_is_refused_everywhere() {
    for camera in models() {
        let nan = Point3::<Optical>::new(f64::NAN, 0.0, 1.0);
        assert_eq!(camera.project(&nan), Err(ProjectError::NotFinite));
        assert_eq!(camera.project(&Point3::new(0.0, 0.0, 0.0)), Err(ProjectError::NotFinite));
        assert_eq!(camera.unproject([f64::INFINITY, 0.0]), Err(UnprojectError::NotFinite));
    }
    let broken = Camera { fx: f64::NAN, ..pinhole(Distortion::None) };
    assert!(matches!(broken.validate(), Err(CameraError::NotFinite { what: "fx", .. })));
    let singular = Camera { fy: 0.0, ..pinhole(Distortion::None) };
    assert!(matches!(singular.validate(), Err(CameraError::Singular { what: "fy", .. })));
    let coefficient = pinhole(Distortion::PlumbBob([0.0, f64::INFINITY, 0.0, 0.0, 0.0]));
    assert!(matches!(coefficient.validate(), Err(CameraError::NotFinite { .. })));
}

#[test]
fn scaling_keeps_the_pictures_edges_and_refuses_a_crop() {
    for camera in models() {
        let half = camera.scaled_to(320, 240).unwrap();
        let point = Point3::<Optical>::new(0.3, -0.2, 2.0);
        let (full, scaled) = (camera.project_continuous(&point).unwrap(), half.project_continuous(&point).unwrap());
        assert!((full[0] * 0.5 - scaled[0]).abs() < 1e-9 && (full[1] * 0.5 - scaled[1]).abs() < 1e-9);
        let back = half.scaled_to(640, 480).unwrap();
        assert!((back.cx - camera.cx).abs() < 1e-9 && (back.fx - camera.fx).abs() < 1e-9);
        assert!(matches!(camera.scaled_to(640, 400), Err(CameraError::OtherAspect { .. })));
        assert!(camera.scaled_to(0, 0).is_err());
    }
}
