//! Small networks of known answer through the whole program: non-square, FP16 and QDQ INT8 detectors; metric and relative
//! depth, alone and scaled by LiDAR. Formulas: tests/reference/make_networks.py.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::support::{ocellus, root};

const WIDTH: u32 = 320;
const HEIGHT: u32 = 192;
const FOCAL_PX: f32 = 200.0;
/// The labelled box of the made drive, in pixels.
const BOX: [f32; 4] = [140.0, 90.0, 180.0, 110.0];
const GREY: u8 = 128;

fn network(name: &str) -> PathBuf {
    root().join("tests/data/networks").join(name)
}

fn picture(path: &Path, pixel: impl Fn(u32, u32) -> [u8; 3]) {
    image::RgbImage::from_fn(WIDTH, HEIGHT, |x, y| image::Rgb(pixel(x, y))).save(path).unwrap();
}

#[test]
fn nonsquare_fp16_and_int8_detectors_give_the_known_box() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = folder.path().join("pictures");
    fs::create_dir(&pictures).unwrap();
    // One red cell of 16 pixels, row 6, column 10: a box of 48 x 48 around its centre.
    let red = |x: u32, y: u32| if x / 16 == 10 && y / 16 == 6 { [255, 0, 0] } else { [0, 0, 0] };
    picture(&pictures.join("000001.png"), red);
    for (twin, tolerance_px) in [("fp32", 0.02), ("fp16", 0.6), ("int8", 0.3)] {
        let out = folder.path().join("out.json");
        let model = network(&format!("yolov8_nonsquare_{twin}.onnx"));
        let said = ocellus([
            "detect".as_ref(),
            model.as_os_str(),
            pictures.as_os_str(),
            "--coco".as_ref(),
            out.as_os_str(),
            "--score".as_ref(),
            "0.5".as_ref(),
        ]);
        assert_eq!(said.code, 0, "{twin}: {}\n{}", said.out, said.err);
        let found: Value = serde_json::from_str(&fs::read_to_string(&out).unwrap()).unwrap();
        let found = found.as_array().unwrap();
        assert_eq!(found.len(), 1, "{twin}: {found:?}");
        assert_eq!((&found[0]["image_id"], &found[0]["category_id"]), (&1.into(), &1.into()));
        for (i, want) in [144.0, 80.0, 48.0, 48.0].into_iter().enumerate() {
            let got = found[0]["bbox"][i].as_f64().unwrap();
            assert!((got - want).abs() <= tolerance_px, "{twin}: bbox[{i}] is {got}, expected {want}");
        }
        assert!((found[0]["score"].as_f64().unwrap() - 0.99995).abs() < 1e-3, "{twin}: {}", found[0]);
    }
}

/// A model folder around a depth network, told by a manifest.
fn depth_model(folder: &Path, file: &str, kind: &str) -> PathBuf {
    let model = folder.join(kind);
    fs::create_dir(&model).unwrap();
    let bytes = fs::read(network(file)).unwrap();
    let sha256: String = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
    fs::write(model.join(file), bytes).unwrap();
    let manifest = format!(
        "name = \"{kind}\"\nfile = \"{file}\"\nsha256 = \"{sha256}\"\nlicence = \"MIT\"\nhead = \"depth\"\ndepth = \"{kind}\"\n\
         [input]\nname = \"images\"\nsize = [160, 96]\nresize = \"stretch\"\norder = \"rgb\"\nmean = [0.0, 0.0, 0.0]\n\
         scale = [0.003921569, 0.003921569, 0.003921569]\n"
    );
    fs::write(model.join("model.toml"), manifest).unwrap();
    model
}

/// A KITTI object drive of one grey picture with one labelled car, and the sweep's points given.
fn drive(folder: &Path, points: &[[f32; 3]]) -> PathBuf {
    let drive = folder.join("drive");
    for part in ["image_2", "calib", "label_2", "velodyne"] {
        fs::create_dir_all(drive.join(part)).unwrap();
    }
    // A picture of one grey would be taken for a blind camera's: its upper edge is lighter and darker.
    let grey = |x: u32, y: u32| match (y, x / 16 % 2) {
        (8.., _) => GREY,
        (_, 0) => GREY - 20,
        _ => GREY + 20,
    };
    picture(&drive.join("image_2/000000.png"), |x, y| [grey(x, y); 3]);
    let p = format!("{FOCAL_PX} 0 160 0 0 {FOCAL_PX} 96 0 0 0 1 0");
    let calib = format!(
        "P0: {p}\nP1: {p}\nP2: {p}\nP3: {p}\nR0_rect: 1 0 0 0 1 0 0 0 1\nTr_velo_to_cam: 0 -1 0 0 0 0 -1 0 1 0 0 0\n\
         Tr_imu_to_velo: 1 0 0 0 0 1 0 0 0 0 1 0\n"
    );
    fs::write(drive.join("calib/000000.txt"), calib).unwrap();
    let [x0, y0, x1, y1] = BOX;
    let label = format!("Car 0.00 0 0.00 {x0} {y0} {x1} {y1} 1.50 1.60 3.90 0.00 1.00 13.00 0.00\n");
    fs::write(drive.join("label_2/000000.txt"), label).unwrap();
    if points.is_empty() {
        fs::remove_dir(drive.join("velodyne")).unwrap();
    } else {
        let row = |p: &[f32; 3]| [p[0], p[1], p[2], 0.5].map(f32::to_le_bytes).concat();
        let bytes: Vec<u8> = points.iter().flat_map(row).collect();
        fs::write(drive.join("velodyne/000000.bin"), bytes).unwrap();
    }
    drive
}

/// The one object that a replay on truth and a depth network reports.
fn object(drive: &Path, depth: &Path, out: &Path) -> Value {
    let said = ocellus([
        "replay".as_ref(),
        drive.as_os_str(),
        "--model".as_ref(),
        "truth".as_ref(),
        "--model".as_ref(),
        depth.as_os_str(),
        "--out".as_ref(),
        out.as_os_str(),
    ]);
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    let text = fs::read_to_string(out.join("objects.jsonl")).unwrap();
    let line: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(line["objects"].as_array().unwrap().len(), 1, "{line}");
    line["objects"][0].clone()
}

#[test]
fn metric_depth_gives_metres_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let depth = depth_model(folder.path(), "depth_metric.onnx", "metric");
    let car = object(&drive(folder.path(), &[]), &depth, &folder.path().join("out"));
    assert_eq!(car["distance_source"], "depth_metric", "{car}");
    // 40 - 30 * grey + 0.0625 * x of the map, over the box's columns (70 to 90 of the map).
    let level = 40.0 - 30.0 * f64::from(GREY) / 255.0;
    let distance = car["distance_m"].as_f64().unwrap();
    assert!((level + 0.0625 * 69.0..=level + 0.0625 * 91.0 + 0.4).contains(&distance), "{car}");
}

#[test]
fn relative_depth_is_never_metres_without_lidar_and_is_scaled_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let depth = depth_model(folder.path(), "depth_relative.onnx", "relative-inverse");
    let car = object(&drive(folder.path(), &[]), &depth, &folder.path().join("out"));
    let source = car["distance_source"].as_str().unwrap_or("none");
    assert!(!source.starts_with("depth") && source != "lidar", "{car}");

    // A sweep whose inverse depth is linear in the network's answer, with a hole where the car is.
    let relative = |row: f32| 2.0 * f32::from(GREY) / 255.0 + 0.5 * (row / 2.0 + 1.0) / 96.0;
    let depth_at = |row: f32| 1.0 / (0.1 * relative(row) - 0.05);
    let mut points = Vec::new();
    for v in (2..HEIGHT).step_by(3) {
        for u in (2..WIDTH).step_by(3) {
            let (u, v) = (u as f32, v as f32);
            let in_hole = u > BOX[0] - 12.0 && u < BOX[2] + 12.0 && v > BOX[1] - 12.0 && v < BOX[3] + 12.0;
            if !in_hole {
                let z = depth_at(v);
                points.push([z, -(u - 160.0) / FOCAL_PX * z, -(v - 96.0) / FOCAL_PX * z]);
            }
        }
    }
    let with_lidar = tempfile::tempdir().unwrap();
    let car = object(&drive(with_lidar.path(), &points), &depth, &with_lidar.path().join("out"));
    assert_eq!(car["distance_source"], "depth_scaled", "{car}");
    let distance = car["distance_m"].as_f64().unwrap() as f32;
    let (near, far) = (depth_at(BOX[3]), depth_at(BOX[1]));
    assert!((near * 0.98..=far * 1.03).contains(&distance), "{car}: expected {near} to {far}");
}

#[test]
fn a_changed_byte_refuses_to_load() {
    let folder = tempfile::tempdir().unwrap();
    let depth = depth_model(folder.path(), "depth_metric.onnx", "metric");
    let file = depth.join("depth_metric.onnx");
    let mut bytes = fs::read(&file).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&file, bytes).unwrap();
    let said = ocellus(["inspect".as_ref(), depth.as_os_str()]);
    assert_eq!(said.code, 4, "{}\n{}", said.out, said.err);
    assert!(said.err.contains("depth_metric.onnx"), "{}", said.err);
}

/// A model folder around the detector of three colours, its manifest ending in `thresholds`.
fn detector_model(folder: &Path, more: &str) -> PathBuf {
    let (model, file) = (folder.join("colours"), "yolov8_nonsquare_fp32.onnx");
    fs::create_dir(&model).unwrap();
    let bytes = fs::read(network(file)).unwrap();
    let sha256: String = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
    fs::write(model.join(file), bytes).unwrap();
    let head = format!("name = \"colours\"\nfile = \"{file}\"\nsha256 = \"{sha256}\"\nlicence = \"MIT\"\n");
    fs::write(model.join("model.toml"), head + more).unwrap();
    model
}

#[test]
fn what_a_manifest_asks_for_is_heeded() {
    let detections = |more: &str| {
        let folder = tempfile::tempdir().unwrap();
        let pictures = folder.path().join("pictures");
        fs::create_dir(&pictures).unwrap();
        // Brighter than a covered lens, and too dark for a box.
        let red =
            |x: u32, y: u32| if x / 16 == 10 && y / 16 == 6 { [255, 0, 0] } else { [0, 40 * (x / 16 % 2) as u8, 0] };
        picture(&pictures.join("000001.png"), red);
        let (model, out) = (detector_model(folder.path(), more), folder.path().join("run"));
        let said = ocellus([
            "replay".as_ref(),
            pictures.as_os_str(),
            "--model".as_ref(),
            model.as_os_str(),
            "--out".as_ref(),
            out.as_os_str(),
        ]);
        let text = fs::read_to_string(out.join("objects.jsonl")).unwrap_or_default();
        let line: Value = text.lines().next().map_or(Value::Null, |l| serde_json::from_str(l).unwrap());
        (said.code, line["objects"].as_array().map(Vec::len))
    };
    assert_eq!(detections(""), (0, Some(1)));
    // The red box scores 0.99995: a higher bound on its class, or on all, leaves it out; one on another class does not.
    assert_eq!(detections("[thresholds]\nper_class = { red = 0.99999 }\n"), (0, Some(0)));
    assert_eq!(detections("[thresholds]\nper_class = { green = 0.99999 }\n"), (0, Some(1)));
    assert_eq!(detections("[thresholds]\nscore = 0.99999\n"), (0, Some(0)));
    assert_eq!(detections("require = \"tensorrt\"\n"), (4, None));
}
