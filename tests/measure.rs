//! `ocellus eval MODEL`: real networks on real pictures and the simulated world; calibration, gate, statement, agreement.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::support::{Said, ocellus, python, real_data, root};

/// Runs `eval` with words and paths mixed.
fn eval(words: &[&dyn AsRef<OsStr>]) -> Said {
    let word = |w: &&dyn AsRef<OsStr>| -> OsString { AsRef::<OsStr>::as_ref(*w).to_owned() };
    let words: Vec<OsString> = std::iter::once(OsString::from("eval")).chain(words.iter().map(word)).collect();
    ocellus(words)
}

fn json(said: &Said) -> Value {
    serde_json::from_str(&said.out).unwrap_or_else(|e| panic!("{e}: {}\n{}", said.out, said.err))
}

fn detector(name: &str) -> Option<PathBuf> {
    real_data(&format!("detectors/{name}.onnx"))
}

/// A folder with a manifest around a real network.
fn model_folder(parent: &Path, network: &Path) -> PathBuf {
    let folder = parent.join("model");
    std::fs::create_dir(&folder).unwrap();
    let bytes = std::fs::read(network).unwrap();
    let sha256: String = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
    std::fs::write(folder.join("n.onnx"), bytes).unwrap();
    let manifest = format!(
        "# kept\nname = \"n\"\nfile = \"n.onnx\"\nsha256 = \"{sha256}\"\nlicence = \"test\"\nprecision = \"fp32\"\nteacher = \"t\"\n"
    );
    std::fs::write(folder.join("model.toml"), manifest).unwrap();
    folder
}

#[test]
fn a_network_is_measured_on_coco_pictures() {
    let (Some(model), Some(data)) = (detector("yolox_nano"), real_data("coco_tiny")) else { return };
    let said = eval(&[&model, &"--data", &data, &"--json", &"--with", &"drift"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let body = json(&said);
    let d = &body["detection"];
    assert!((d["stats"][0].as_f64().unwrap() - 0.299).abs() < 0.005, "{}", d["stats"]);
    assert_eq!((d["images"].as_u64(), body["data"]["images"].as_u64()), (Some(80), Some(80)));
    assert!(d["calibration"]["reliability"]["ece"].as_f64().unwrap() > 0.0);
    assert_eq!(d["worst_group"]["name"], "size small (< 32 px)");
    assert!(d["groups"]["size"]["groups"].as_array().unwrap().iter().all(|g| g["interval"]["low"].is_number()));
    // A third of this network's boxes reach out of the picture: here as in `detect` they are judged as it gives them.
    let reaching = json(&eval(&[&detector("FastestDet").unwrap(), &"--data", &data, &"--json"]));
    assert!((reaching["detection"]["stats"][0].as_f64().unwrap() - 0.189).abs() < 0.005, "{}", reaching["detection"]);
    // What is undefined is null and has its reason.
    assert!(d["false_alarms"]["per_hour"].is_null());
    assert!(d["undefined"]["false_alarms.per_hour"].as_str().unwrap().contains("no times"));
    assert!(body["drift"]["recall"]["undefined"].is_string());
}

#[test]
fn rendered_streets_are_groups_of_light_and_weather() {
    let Some(model) = detector("nanodet_m_320") else { return };
    let said =
        eval(&[&model, &"--data", &"world:random@1-4", &"--frames", &"12", &"--json", &"--with", &"planted,drift"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let body = json(&said);
    let groups = body["detection"]["groups"]["image"]["groups"].as_array().unwrap();
    assert!(groups.len() >= 3 && groups.iter().all(|g| g["too_few"] == true), "{groups:?}");
    for kind in ["occlusion", "distance"] {
        assert!(!body["detection"]["groups"][kind]["groups"].as_array().unwrap().is_empty(), "{kind}");
    }
    let recall = |i: usize| body["planted"][i]["recall"].as_f64().unwrap();
    assert_eq!(body["planted"].as_array().unwrap().len(), 7);
    assert!(
        (0..6).all(|i| recall(i) <= recall(i + 1)) && recall(6) > 0.0,
        "larger is found as often: {}",
        body["planted"]
    );
    assert!(body["drift"]["recall"]["slope"].is_number(), "{}", body["drift"]);
}

#[test]
fn a_fitted_map_is_stored_and_every_run_applies_it() {
    let (Some(network), Some(data)) = (detector("v5Lite-e-320-decoded"), real_data("coco_tiny")) else { return };
    let folder = tempfile::tempdir().unwrap();
    let model = model_folder(folder.path(), &network);
    let manifest = model.join("model.toml");
    let said = eval(&[&model, &"--data", &data, &"--fit", &"isotonic", &"--into", &manifest, &"--json"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let fit = json(&said);
    let ids = |key: &str| -> Vec<i64> { fit[key].as_array().unwrap().iter().map(|v| v.as_i64().unwrap()).collect() };
    assert!(ids("fit_images").iter().all(|id| !ids("test_images").contains(id)), "the parts are disjoint");
    assert!(fit["d_ece"]["after"].as_f64().unwrap() < fit["d_ece"]["before"].as_f64().unwrap(), "{fit}");
    let text = std::fs::read_to_string(&manifest).unwrap();
    assert!(text.starts_with("# kept") && text.contains("[calibration]") && text.contains("tested on 40 others"));

    // One number cannot mend this network: what would make its scores less honest is not stored.
    let said = eval(&[&model, &"--data", &data, &"--fit", &"temperature", &"--into", &manifest]);
    assert_eq!(said.code, 4, "{}", said.err);
    assert!(said.err.contains("less honest"), "{}", said.err);
    assert_eq!(std::fs::read_to_string(&manifest).unwrap(), text);

    // The same boxes, their scores through the table.
    let pictures = data.join("val2017");
    let detect = |model: &Path, out: &str| -> Vec<Value> {
        let out = folder.path().join(out);
        let words: [&OsStr; 7] = [
            "detect".as_ref(),
            model.as_ref(),
            pictures.as_ref(),
            "--coco".as_ref(),
            out.as_ref(),
            "--score".as_ref(),
            "0.05".as_ref(),
        ];
        let said = ocellus(words);
        assert_eq!(said.code, 0, "{}", said.err);
        serde_json::from_str(&std::fs::read_to_string(out).unwrap()).unwrap()
    };
    let (raw, honest) = (detect(&network, "raw.json"), detect(&model, "honest.json"));
    let manifest = ocellus_percept::model::ModelManifest::parse(&text).unwrap();
    let map = manifest.score_map(&ocellus_percept::model::coco::names()).unwrap().unwrap();
    let mut compared = 0;
    for h in &honest {
        let same = |r: &&Value| {
            r["image_id"] == h["image_id"] && r["bbox"] == h["bbox"] && r["category_id"] == h["category_id"]
        };
        let Some(r) = raw.iter().find(same) else { continue };
        let want = map.apply(0, r["score"].as_f64().unwrap() as f32);
        assert!((f64::from(want) - h["score"].as_f64().unwrap()).abs() < 2e-3, "{r} became {h}, not {want}");
        compared += 1;
    }
    assert!(compared > 200, "{compared}");

    // A run of the whole pipeline applies it too, and says that no statement vouches for the network.
    let drive = real_data("photos").unwrap();
    let out = folder.path().join("run");
    let said = ocellus([
        "replay".as_ref(),
        drive.as_os_str(),
        "--model".as_ref(),
        model.as_ref(),
        "--out".as_ref(),
        out.as_ref(),
    ]);
    assert_eq!(said.code, 0, "{}", said.err);
    let run: Value = serde_json::from_str(&std::fs::read_to_string(out.join("run.json")).unwrap()).unwrap();
    let told = &run["models"][0];
    assert_eq!(
        (&told["calibrated"], &told["precision"], &told["teacher"]),
        (&true.into(), &"fp32".into(), &"t".into())
    );
    assert_eq!(told["statement"]["good"], false);
    let objects = std::fs::read_to_string(out.join("objects.jsonl")).unwrap();
    let highest = map.apply(0, 1.0);
    for line in objects.lines().map(|l| serde_json::from_str::<Value>(l).unwrap()) {
        for object in line["objects"].as_array().into_iter().flatten() {
            assert!(object["score"].as_f64().unwrap() <= f64::from(highest) + 1e-4, "{object}: above {highest}");
        }
    }
}

#[test]
fn a_collapsed_int8_twin_is_refused_with_its_reasons_and_layers() {
    let (Some(fp32), Some(int8)) = (detector("deimv2_hgnetv2_atto_coco"), detector("deimv2_atto_coco_int8")) else {
        return;
    };
    let data = real_data("coco_tiny").unwrap();
    let noise = tempfile::tempdir().unwrap();
    let mut state = 1_u32;
    let picture = image::RgbImage::from_fn(96, 64, |_, _| {
        image::Rgb([(); 3].map(|()| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        }))
    });
    picture.save(noise.path().join("1.png")).unwrap();
    let set = noise.path();
    let said = eval(&[
        &int8,
        &"--reference",
        &fp32,
        &"--data",
        &data,
        &"--frames",
        &"40",
        &"--calibration-set",
        &set,
        &"--json",
    ]);
    assert_eq!(said.code, 4, "{}", said.err);
    let body = json(&said);
    let reasons = body["gate"]["reasons"].to_string();
    assert!(reasons.contains("AP fell from") && reasons.contains("calibrated on noise"), "{reasons}");
    assert!(said.err.contains("must not stand in for"), "{}", said.err);
    assert_eq!(body["calibration_set"]["sha256"].as_str().unwrap().len(), 64);
    assert!(
        body["weight"]["candidate"]["tensor_bytes"].as_u64() < body["weight"]["reference"]["tensor_bytes"].as_u64()
    );
}

#[test]
fn a_statement_decides_whether_a_network_may_run() {
    let (Some(network), Some(worse)) = (detector("yolox_nano"), detector("FastestDet")) else { return };
    let data = real_data("coco_tiny").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let model = model_folder(folder.path(), &network);
    let out = folder.path().join("run");
    let drive = real_data("photos").unwrap();
    let replay = || {
        let words: [&OsStr; 7] = [
            "replay".as_ref(),
            drive.as_ref(),
            "--model".as_ref(),
            model.as_ref(),
            "--out".as_ref(),
            out.as_ref(),
            "--require-statement".as_ref(),
        ];
        ocellus(words)
    };
    let said = replay();
    assert_eq!(said.code, 4, "{}", said.err);
    assert!(said.err.contains("statement"), "{}", said.err);

    // A network beside itself loses nothing but may be a hair slower or hungrier: those are no targets here.
    let targets = folder.path().join("targets.toml");
    std::fs::write(&targets, "[ap]\nmax_loss = 0.01\ncertain = true\nrequired = true\n[d_ece]\nmax_loss = 0.01\n")
        .unwrap();
    let words: [&dyn AsRef<OsStr>; 11] = [
        &model,
        &"--teacher",
        &network,
        &"--data",
        &data,
        &"--frames",
        &"32",
        &"--statement",
        &model,
        &"--targets",
        &targets,
    ];
    let said = eval(&words);
    assert_eq!(said.code, 0, "{}", said.err);
    let page = std::fs::read_to_string(model.join("statement.html")).unwrap();
    assert!(page.contains("may ship") && !page.contains("http://") && !page.contains("https://"));
    let statement: Value =
        serde_json::from_str(&std::fs::read_to_string(model.join("statement.json")).unwrap()).unwrap();
    let measured = statement["properties"].as_array().unwrap().iter().filter(|p| p["student"].is_number()).count();
    assert!(measured >= 14, "{measured} properties");
    let said = replay();
    assert_eq!(said.code, 0, "{}", said.err);
    let run: Value = serde_json::from_str(&std::fs::read_to_string(out.join("run.json")).unwrap()).unwrap();
    assert_eq!(run["models"][0]["statement"]["good"], true);

    // A poorer student is written up as well, with pictures of its worst frames, and must not ship.
    let page = folder.path().join("poor");
    let said = eval(&[&worse, &"--teacher", &network, &"--data", &data, &"--frames", &"32", &"--statement", &page]);
    assert_eq!(said.code, 4, "{}", said.err);
    assert!(said.err.contains("must not ship"), "{}", said.err);
    let html = std::fs::read_to_string(page.join("statement.html")).unwrap();
    assert!(html.contains("must not ship") && html.contains("data:image/jpeg;base64,"));
}

#[test]
fn two_networks_agree_or_part_without_labels_and_the_worst_frames_open_in_the_viewer() {
    let (Some(teacher), Some(student)) = (detector("yolox_nano"), detector("nanodet_m_320")) else { return };
    let drive = real_data("drives/kitti_raw/2011_09_26/2011_09_26_drive_9001_sync").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let rrd = folder.path().join("worst.rrd");
    let words: [&dyn AsRef<OsStr>; 12] = [
        &student,
        &"--teacher",
        &teacher,
        &"--data",
        &drive,
        &"--frames",
        &"6",
        &"--rrd",
        &rrd,
        &"--worst",
        &"3",
        &"--json",
    ];
    let said = eval(&words);
    assert_eq!(said.code, 0, "{}", said.err);
    let body = json(&said);
    assert!((0.0..1.0).contains(&body["agreement"]["share"].as_f64().unwrap()), "{}", body["agreement"]);
    let worst = body["worst"].as_array().unwrap();
    let apart: Vec<f64> = worst.iter().map(|w| w["agreement"]["disagreement"].as_f64().unwrap()).collect();
    assert!(apart.len() == 3 && apart.windows(2).all(|w| w[0] >= w[1]), "{apart:?}");
    assert!(rrd.metadata().unwrap().len() > 10_000);
}

#[test]
fn depths_are_compared_where_one_network_sees_nothing_else() {
    let (teacher, student) =
        (root().join("models/street/street.onnx"), root().join("tests/data/networks/depth_metric.onnx"));
    let drive = root().join("tests/data/street.mcap");
    let said = eval(&[&student, &"--teacher", &teacher, &"--data", &drive, &"--frames", &"4", &"--json"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let body = json(&said);
    let agreement = &body["agreement"];
    assert!(agreement["share"].is_null() && agreement["fidelity"].is_null(), "{agreement}");
    assert!(agreement["depth"]["abs_rel"].as_f64().unwrap() > 0.0, "{agreement}");
    for worst in body["worst"].as_array().unwrap() {
        let (apart, depth) = (&worst["apart"], worst["depth"]["abs_rel"].as_f64().unwrap());
        assert!((apart.as_f64().unwrap() - depth.min(1.0)).abs() < 1e-9, "ranked by depth alone: {worst}");
    }
}

#[test]
fn the_pipeline_is_judged_on_a_simulated_drive_with_every_subset_of_its_sensors() {
    let Some(model) = detector("nanodet_m_320") else { return };
    let said =
        eval(&[&model, &"--data", &"world:cut_in@11", &"--seconds", &"1", &"--with", &"driving,sensors", &"--json"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let body = json(&said);
    let k = &body["kinematics"]["distance_m"];
    assert!(body["kinematics"]["velocity_mps"]["n"].as_u64().unwrap() > 0, "{}", body["kinematics"]);
    assert!(k["n"].as_u64().unwrap() > 0 && k["median_abs"].as_f64().unwrap() < 5.0, "{k}");
    let sensors = body["sensors"].as_array().unwrap();
    assert_eq!(sensors.len(), 3, "{sensors:?}");
    let share = |names: &[&str]| {
        let row = sensors.iter().find(|s| s["sensors"] == serde_json::json!(names)).unwrap();
        row["score"].as_f64().unwrap()
    };
    // Parked cars and a van near by: the LiDAR places what the camera alone must guess.
    assert!(share(&["points", "camera"]) > share(&["camera"]), "{sensors:?}");
}

#[test]
fn what_cannot_be_measured_says_why_and_exits_2() {
    let Some(model) = detector("nanodet_m_320") else { return };
    let photos = real_data("photos").unwrap();
    let empty = tempfile::tempdir().unwrap();
    let cases: [(&[&dyn AsRef<OsStr>], &str); 9] = [
        (&[&model], "--data"),
        (&[&model, &"--data", &photos], "no labels"),
        (&[&model, &"--data", &empty.path()], "empty"),
        (&[&model, &"--data", &"world:nowhere@1"], "launch/worlds/nowhere.toml"),
        (&[&model, &"--data", &"world:street@4-2"], "such as 1-4,9"),
        (&[&model, &"--data", &photos, &"--threshold", &"2"], "0 to 1"),
        (&[&"--run", &empty.path(), &"--data", &"world:nowhere@1"], "launch/worlds/nowhere.toml"),
        (&[&model, &"--data", &photos, &"--statement", &empty.path(), &"--accept", &"ap"], "PROPERTY=WHY"),
        (
            &[&model, &"--data", &photos, &"--statement", &empty.path(), &"--accept", &"app=we do not mind"],
            "did you mean [ap]",
        ),
    ];
    for (words, needle) in cases {
        let said = eval(words);
        assert_eq!(said.code, 2, "{needle}: {}", said.err);
        assert!(said.err.contains(needle), "{needle}: {}", said.err);
    }
}

/// Pictures of the comparison below; a thousand take pycocotools half a minute and us half a second.
const IMAGES: &str = "60";

#[test]
fn figures_equal_pycocotools_on_the_same_files_in_less_time() {
    let folder = tempfile::tempdir().unwrap();
    let scripts = root().join("tests/reference");
    let python = python::interpreter(&scripts.join("requirements_coco.txt")).unwrap();
    let mut command = std::process::Command::new(python);
    python::run(command.arg(scripts.join("coco.py")).arg(IMAGES).arg(folder.path())).unwrap();
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let theirs: Value = serde_json::from_str(&read("pycocotools.json")).unwrap();
    let (gt, dt) = (folder.path().join("gt.json"), folder.path().join("dt.json"));
    let started = std::time::Instant::now();
    let said = eval(&[&"--coco", &gt, &dt, &"--json"]);
    let seconds = started.elapsed().as_secs_f64();
    let ours = json(&said);
    for (i, theirs) in theirs["stats"].as_array().unwrap().iter().enumerate() {
        let (a, b) = (ours["stats"][i].as_f64().unwrap(), theirs.as_f64().unwrap());
        assert!((a - b).abs() < 1e-6, "figure {i}: {a} against {b}");
    }
    for (class, ap) in theirs["per_class"].as_object().unwrap() {
        let (a, b) = (ours["per_class"][class].as_f64().unwrap(), ap.as_f64().unwrap());
        assert!((a - b).abs() < 1e-6, "{class}: {a} against {b}");
    }
    let peer = theirs["seconds"].as_f64().unwrap();
    println!("{IMAGES} pictures, 100 detections each: {seconds:.2} s, pycocotools {peer:.2} s");
    assert!(seconds < peer, "{seconds} s against {peer} s");
}
