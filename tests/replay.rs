//! `ocellus replay` on real recorded drives: the contract of a run's folder, distances, ids, determinism.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{Said, ocellus, real_data, root};

const KITTI_RAW: &str = "drives/kitti_raw/2011_09_26/2011_09_26_drive_9001_sync";

/// Replays `drive` with `model` into `out`.
fn replay(drive: &Path, model: Option<&Path>, out: &Path, more: &[&str]) -> Said {
    let mut arguments: Vec<std::ffi::OsString> = vec!["replay".into(), drive.into(), "--out".into(), out.into()];
    if let Some(model) = model {
        arguments.extend(["--model".into(), model.into()]);
    }
    arguments.extend(more.iter().map(Into::into));
    ocellus(arguments)
}

fn lines(out: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(out.join("objects.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn json(path: PathBuf) -> Value {
    serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap()
}

fn objects(lines: &[Value]) -> impl Iterator<Item = &Value> {
    lines.iter().filter_map(|l| l["objects"].as_array()).flatten()
}

#[test]
fn kitti_raw_gives_tracked_obstacles_with_lidar_distances() {
    let Some(drive) = real_data(KITTI_RAW) else { return };
    let model = real_data("detectors/yolox_nano.onnx").unwrap();
    let out = tempfile::tempdir().unwrap();
    let said = replay(&drive, Some(&model), out.path(), &["--save"]);
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);

    let lines = lines(out.path());
    assert_eq!(lines.len(), 16);
    for (i, line) in lines.iter().enumerate() {
        assert_eq!(line["trigger"], "camera");
        assert_eq!(line["camera"], "image_02");
        assert_eq!(line["seq"], i);
        assert_eq!(line["state"], "fresh");
        assert!(i == 0 || line["t_ns"].as_i64() > lines[i - 1]["t_ns"].as_i64());
    }
    let cars: Vec<_> = objects(&lines).filter(|o| o["class"] == "car").collect();
    assert!(cars.len() >= 32, "a queue of cars at a red light, got {}", cars.len());
    let by_lidar = cars.iter().filter(|o| o["distance_source"] == "lidar").count();
    assert!(by_lidar * 10 >= cars.len() * 9, "{by_lidar} of {} cars have a LiDAR distance", cars.len());
    for car in &cars {
        let bbox: Vec<f64> = car["box_px"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
        assert!(bbox[0] >= 0.0 && bbox[2] <= 1242.0 && bbox[0] < bbox[2], "{car}");
        assert!(bbox[1] >= 0.0 && bbox[3] <= 375.0 && bbox[1] < bbox[3], "{car}");
        if let Some(distance) = car["distance_m"].as_f64() {
            assert!((1.0..=120.0).contains(&distance), "{car}");
            assert!(car["distance_sigma_m"].as_f64().unwrap() > 0.0);
        }
        assert!(car.get("velocity_ground_mps").is_none(), "this drive has no ego motion: {car}");
    }
    let ids: BTreeSet<_> = cars.iter().map(|o| o["track"].as_u64().unwrap()).collect();
    assert!(ids.len() * 4 <= cars.len(), "{} ids for {} cars: they do not stay", ids.len(), cars.len());

    let ledger = json(out.path().join("ledger.json"));
    for (name, sensor) in ledger["sensors"].as_object().unwrap() {
        assert_eq!(sensor["received"], 16, "{name}");
        assert_eq!(sensor["processed"], 16, "{name}");
        assert_eq!(sensor["balanced"], true, "{name}");
    }
    let run = json(out.path().join("run.json"));
    assert_eq!(run["models"][0]["nodes"]["CPUExecutionProvider"]["share"], 1.0, "{run:#}");
    assert_eq!(run["models"][0]["sha256"].as_str().unwrap().len(), 64);
    let latency = json(out.path().join("latency.json"));
    let stages = ["read", "decode", "preprocess", "infer", "outputs", "fuse", "track", "write"].map(|s| ("stages", s));
    for (part, stage) in stages.into_iter().chain([("end_to_end", "image_02")]) {
        let row = &latency[part][stage];
        assert!(row["count"].as_u64().unwrap() >= 16, "{stage}: {row}");
        assert!(row["p50_ms"].as_f64().unwrap() <= row["max_ms"].as_f64().unwrap(), "{stage}: {row}");
    }
    assert!(out.path().join("drive.rrd").metadata().unwrap().len() > 1_000_000);
}

#[test]
fn a_network_loaded_three_times_says_what_it_says_once() {
    let (drive, folder) = (root().join("tests/data/street.mcap"), tempfile::tempdir().unwrap());
    let model = root().join("models/street");
    let run = |sessions: usize| {
        let out = folder.path().join(sessions.to_string());
        let sessions = format!("model.0.sessions={sessions}");
        let said = replay(&drive, Some(&model), &out, &["--set", "model.0.intra_threads=1", "--set", &sessions]);
        assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
        let (run, latency) = (json(out.join("run.json")), json(out.join("latency.json")));
        assert_eq!(latency["stages"]["infer"]["count"], 120, "{latency:#}");
        (run["threads"]["sessions"].clone(), std::fs::read(out.join("objects.jsonl")).unwrap())
    };
    let ((one, alone), (three, together)) = (run(1), run(3));
    assert_eq!((one, three), (serde_json::json!([1]), serde_json::json!([3])));
    assert!(alone.len() > 10_000 && alone == together, "objects.jsonl differs");
}

#[test]
fn two_replays_give_the_same_bytes_whatever_the_threads_and_the_load() {
    let Some(drive) = real_data(KITTI_RAW) else { return };
    let model = real_data("detectors/yolov8n_320_int8.onnx").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut seen = Vec::new();
    for (name, more) in [("one", ["--threads", "1"]), ("four", ["--threads", "4"]), ("again", ["--threads", "2"])] {
        let out = folder.path().join(name);
        // Keeps both cores busy meanwhile.
        let load = std::sync::atomic::AtomicBool::new(name == "again");
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while load.load(std::sync::atomic::Ordering::Relaxed) {
                        std::hint::spin_loop();
                    }
                });
            }
            let said = replay(&drive, Some(&model), &out, &more);
            load.store(false, std::sync::atomic::Ordering::Relaxed);
            assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
        });
        seen.push(std::fs::read(out.join("objects.jsonl")).unwrap());
    }
    assert!(seen[0].len() > 1000);
    assert!(seen[0] == seen[1] && seen[1] == seen[2], "objects.jsonl differs between runs");
    let same =
        ocellus(["diff".as_ref(), folder.path().join("one").as_os_str(), folder.path().join("four").as_os_str()]);
    assert_eq!(same.code, 0, "{}\n{}", same.out, same.err);
}

#[test]
fn jpeg_decoded_smaller_shows_the_same_things_at_the_same_places() {
    let Some(drive) = real_data("drives/nuscenes_demo") else { return };
    let model = real_data("detectors/yolov8n_320_int8.onnx").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str, more: &[&str]| {
        let out = folder.path().join(name);
        let said = replay(&drive, Some(&model), &out, more);
        assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
        lines(&out)
    };
    let whole = run("whole", &[]);
    assert!(whole == run("off", &["--set", "runtime.scaled_jpeg=false"]));
    let smaller = run("smaller", &["--set", "runtime.scaled_jpeg=true"]);
    assert!(whole != smaller, "1600x900 px before a network of 320x320 are decoded smaller");
    assert_eq!(whole.len(), smaller.len());
    let corners =
        |o: &Value| -> Vec<f64> { o["box_px"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect() };
    let sure = |o: &&Value| o["score"].as_f64().unwrap() > 0.35;
    let (mut asked, mut met) = (0, 0);
    for (a, b) in whole.iter().zip(&smaller) {
        for object in objects(std::slice::from_ref(a)).filter(sure) {
            let (x, mut others) = (corners(object), objects(std::slice::from_ref(b)));
            // A pixel of the network's input is five of the picture.
            let near = |o: &Value| corners(o).iter().zip(&x).all(|(p, q)| (p - q).abs() <= 15.0);
            asked += 1;
            met += usize::from(others.any(|o| o["class"] == object["class"] && near(o)));
        }
    }
    assert!(asked >= 3 && met == asked, "{met} of {asked} are found at the same place");
}

#[test]
fn a_run_is_exported_in_the_forms_of_others() {
    let Some(drive) = real_data("drives/kitti_object") else { return };
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let said = replay(&drive, Some(Path::new("truth")), &run, &[]);
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    let export = |form: &str, out: &Path| {
        let words =
            ["export".as_ref(), run.as_os_str(), "--as".as_ref(), form.as_ref(), "--out".as_ref(), out.as_os_str()];
        let said = ocellus(words);
        assert_eq!(said.code, 0, "{form}: {}\n{}", said.out, said.err);
    };
    let coco = folder.path().join("coco.json");
    export("coco", &coco);
    let rows = json(coco);
    let car = rows.as_array().unwrap().iter().find(|r| r["category_id"] == 3).unwrap();
    assert_eq!(car["image_id"], 1, "{car}");
    let mot = folder.path().join("mot.txt");
    export("mot", &mot);
    assert_eq!(std::fs::read_to_string(mot).unwrap().lines().count(), 6);
    let kitti = folder.path().join("kitti");
    export("kitti", &kitti);
    let label = std::fs::read_to_string(kitti.join("000000.txt")).unwrap();
    let words: Vec<&str> = label.split_whitespace().collect();
    assert_eq!(words.len(), 16, "{label}");
    let number = |i: usize| words[i].parse::<f64>().unwrap();
    assert!((number(4) - 712.4).abs() < 0.01 && (number(7) - 307.92).abs() < 0.01, "{label}");
}

#[test]
fn a_folder_of_pictures_is_exported_under_its_images_ids() {
    let (Some(photos), Some(model)) = (real_data("coco_tiny/val2017"), real_data("detectors/yolox_nano.onnx")) else {
        return;
    };
    let gt = real_data("coco_tiny/annotations/instances_val2017.json").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let pictures = folder.path().join("pictures");
    std::fs::create_dir(&pictures).unwrap();
    let mut names: Vec<_> = std::fs::read_dir(photos).unwrap().map(|f| f.unwrap().path()).collect();
    names.sort();
    let number = |path: &Path| path.file_stem().unwrap().to_str().unwrap().parse::<u64>().unwrap();
    for picture in &names[..6] {
        std::fs::copy(picture, pictures.join(picture.file_name().unwrap())).unwrap();
    }
    let run = folder.path().join("run");
    let said = replay(&pictures, Some(&model), &run, &[]);
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    let out = folder.path().join("dt.json");
    let export = |gt: &Path| {
        let words = ["export".as_ref(), run.as_os_str(), "--as".as_ref(), "coco".as_ref(), "--out".as_ref()];
        ocellus(words.into_iter().chain([out.as_os_str(), "--gt".as_ref(), gt.as_os_str()]))
    };
    let said = export(&gt);
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    let rows = json(out.clone());
    let ids: Vec<u64> = names[..6].iter().map(|p| number(p)).collect();
    assert!(rows.as_array().unwrap().len() > 6);
    assert!(rows.as_array().unwrap().iter().all(|r| ids.contains(&r["image_id"].as_u64().unwrap())), "{rows}");
    // Another data set's truth: nothing would be matched, and that is said.
    let foreign = folder.path().join("gt.json");
    let text = r#"{"images": [{"id": 1, "file_name": "a1.jpg"}], "categories": [{"id": 1, "name": "person"}], "annotations": []}"#;
    std::fs::write(&foreign, text).unwrap();
    let said = export(&foreign);
    assert_eq!(said.code, 2, "{}\n{}", said.out, said.err);
    assert!(said.err.contains("lists none of the run's pictures"), "{}", said.err);
}

#[test]
fn diff_tells_two_networks_apart() {
    let Some(drive) = real_data("drives/kitti_object") else { return };
    let folder = tempfile::tempdir().unwrap();
    for network in ["yolox_nano", "nanodet_m_320"] {
        let model = real_data(&format!("detectors/{network}.onnx")).unwrap();
        let said = replay(&drive, Some(&model), &folder.path().join(network), &[]);
        assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    }
    let a = folder.path().join("yolox_nano");
    let b = folder.path().join("nanodet_m_320");
    let said = ocellus(["diff".as_ref(), a.as_os_str(), b.as_os_str()]);
    assert_eq!(said.code, 1, "{}\n{}", said.out, said.err);
    let missing = ocellus(["diff".as_ref(), a.as_os_str(), folder.path().join("none").as_os_str()]);
    assert_eq!(missing.code, 2, "{}\n{}", missing.out, missing.err);
}

#[test]
fn a_lidar_only_log_runs_without_a_camera_network_and_refuses_one() {
    let Some(drive) = real_data("drives/argoverse2_7fab2350") else { return };
    let out = tempfile::tempdir().unwrap();
    let said = replay(&drive, None, out.path(), &[]);
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    let lines = lines(out.path());
    assert_eq!(lines.len(), 2);
    assert!(lines.iter().all(|l| l["trigger"] == "lidar" && l["lidar"].is_string()));
    assert!(objects(&lines).count() > 0, "a street has obstacles");
    assert!(objects(&lines).all(|o| o["class"] == "unknown" && o.get("box_px").is_none()));

    let model = real_data("detectors/yolox_nano.onnx").unwrap();
    let said = replay(&drive, Some(&model), out.path(), &[]);
    assert_eq!(said.code, 2, "{}\n{}", said.out, said.err);
    assert!(said.err.contains("picture"), "{}", said.err);
}

#[test]
fn a_required_provider_that_is_not_there_exits_4_and_one_that_fails_is_said() {
    let Some(drive) = real_data("drives/kitti_object") else { return };
    let model = real_data("detectors/yolov8n_320_int8.onnx").unwrap();
    let out = tempfile::tempdir().unwrap();
    let said = replay(&drive, Some(&model), out.path(), &["--providers", "tensorrt,cpu", "--require", "tensorrt"]);
    assert_eq!(said.code, 4, "{}\n{}", said.out, said.err);
    let said = replay(&drive, Some(&model), out.path(), &["--providers", "tensorrt,cpu"]);
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    assert!(said.err.to_lowercase().contains("tensorrt"), "{}", said.err);
    let run = json(out.path().join("run.json"));
    assert_eq!(run["models"][0]["providers_failed"][0]["provider"], "tensorrt", "{run:#}");
}
