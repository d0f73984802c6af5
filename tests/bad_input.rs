//! Bad input: one message that says what, where, expected and got; the right exit code; what was written stays readable.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{ocellus, real_data};

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_tree(&entry.path(), &target)
        } else {
            fs::copy(entry.path(), target).map(drop).unwrap()
        }
    }
}

/// A copy of the KITTI raw day folder to be damaged, and the drive in it.
fn damaged_drive() -> Option<(tempfile::TempDir, PathBuf)> {
    let day = real_data("drives/kitti_raw/2011_09_26")?;
    let folder = tempfile::tempdir().unwrap();
    copy_tree(&day, folder.path());
    let drive = folder.path().join("2011_09_26_drive_9001_sync");
    Some((folder, drive))
}

fn replay(drive: &Path, out: &Path) -> crate::support::Said {
    let model = real_data("detectors/yolov8n_320_int8.onnx").unwrap();
    let words = [
        "replay".as_ref(),
        drive.as_os_str(),
        "--model".as_ref(),
        model.as_os_str(),
        "--out".as_ref(),
        out.as_os_str(),
    ];
    ocellus(words)
}

fn ledger(out: &Path) -> serde_json::Value {
    serde_json::from_str(&fs::read_to_string(out.join("ledger.json")).unwrap()).unwrap()
}

#[test]
fn a_truncated_picture_is_lost_and_named_and_the_drive_goes_on() {
    let Some((folder, drive)) = damaged_drive() else { return };
    let picture = drive.join("image_02/data/0000000005.png");
    let bytes = fs::read(&picture).unwrap();
    fs::write(&picture, &bytes[..bytes.len() / 2]).unwrap();
    let out = folder.path().join("out");
    let said = replay(&drive, &out);
    assert_eq!(said.code, 3, "{}\n{}", said.out, said.err);
    assert!(said.err.contains("0000000005.png"), "{}", said.err);
    let lines: Vec<serde_json::Value> = fs::read_to_string(out.join("objects.jsonl"))
        .unwrap()
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(lines.len(), 16);
    assert!(lines[5].get("objects").is_none() && lines[5]["state"] != "fresh", "{}", lines[5]);
    assert!(lines[6]["objects"].as_array().unwrap().len() > 1);
    let ledger = ledger(&out);
    let camera = &ledger["sensors"]["image_02"];
    assert_eq!(
        (&camera["received"], &camera["processed"], &camera["balanced"]),
        (&16.into(), &15.into(), &true.into())
    );
}

#[test]
fn a_sweep_of_odd_length_is_lost_and_named_and_the_drive_goes_on() {
    let Some((folder, drive)) = damaged_drive() else { return };
    let sweep = drive.join("velodyne_points/data/0000000003.bin");
    let bytes = fs::read(&sweep).unwrap();
    fs::write(&sweep, &bytes[..bytes.len() - 7]).unwrap();
    let out = folder.path().join("out");
    let said = replay(&drive, &out);
    assert_eq!(said.code, 3, "{}\n{}", said.out, said.err);
    assert!(said.err.contains("0000000003.bin") && said.err.contains("16"), "{}", said.err);
    let ledger = ledger(&out);
    let lidar = &ledger["sensors"]["velodyne_points"];
    assert_eq!((&lidar["received"], &lidar["processed"], &lidar["balanced"]), (&16.into(), &15.into(), &true.into()));
}

#[test]
fn frames_without_sweeps_and_points_that_are_not_finite_are_ordinary() {
    let Some((folder, drive)) = damaged_drive() else { return };
    fs::remove_file(drive.join("velodyne_points/data/0000000002.bin")).unwrap();
    let sweep = drive.join("velodyne_points/data/0000000004.bin");
    let mut bytes = fs::read(&sweep).unwrap();
    for point in bytes.chunks_exact_mut(16).step_by(3) {
        point[..4].copy_from_slice(&f32::NAN.to_le_bytes());
        point[4..8].copy_from_slice(&f32::INFINITY.to_le_bytes());
    }
    fs::write(&sweep, bytes).unwrap();
    let out = folder.path().join("out");
    let said = replay(&drive, &out);
    assert!(said.code == 0 || said.code == 3, "{}\n{}", said.out, said.err);
    let text = fs::read_to_string(out.join("objects.jsonl")).unwrap();
    assert_eq!(text.lines().count(), 16);
    assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
}

#[test]
fn wrong_paths_and_files_exit_with_one_message_that_helps() {
    let Some(data) = real_data(".") else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("empty")).unwrap();
    fs::write(path("empty.onnx"), b"").unwrap();
    fs::write(path("text.onnx"), b"this is no network").unwrap();
    let network = fs::read(data.join("detectors/yolox_nano.onnx")).unwrap();
    fs::write(path("cut.onnx"), &network[..network.len() / 2]).unwrap();
    fs::write(path("file"), b"").unwrap();
    let drive = data.join("drives/kitti_object");
    let model = data.join("detectors/yolov8n_320_int8.onnx");
    let out = path("out");
    // The drive, the network, the folder of results, and what the message must name.
    let cases: [(PathBuf, PathBuf, PathBuf, &str); 7] = [
        (path("none"), model.clone(), out.clone(), "none"),
        (path("empty"), model.clone(), out.clone(), "empty"),
        (drive.clone(), path("none.onnx"), out.clone(), "none.onnx"),
        (drive.clone(), path("empty.onnx"), out.clone(), "empty.onnx"),
        (drive.clone(), path("text.onnx"), out.clone(), "text.onnx"),
        (drive.clone(), path("cut.onnx"), out.clone(), "cut.onnx"),
        (drive, model, path("file/out"), "file"),
    ];
    for (drive, model, out, needle) in cases {
        let words = [
            "replay".as_ref(),
            drive.as_os_str(),
            "--model".as_ref(),
            model.as_os_str(),
            "--out".as_ref(),
            out.as_os_str(),
        ];
        let said = ocellus(words);
        assert!(said.code == 1 || said.code == 2, "{needle}: exit {}\n{}", said.code, said.err);
        assert!(said.err.contains("error: ") && said.err.contains(needle), "{needle}: {}", said.err);
        assert!(!said.err.contains("panicked"), "{needle}: {}", said.err);
    }
}

#[test]
fn a_launch_file_with_an_unknown_key_a_wrong_type_or_a_missing_file_exits_2() {
    let folder = tempfile::tempdir().unwrap();
    let launch = folder.path().join("bad.toml");
    for (text, needle) in [
        ("[source]\ndrvie = 'x'\n", "did you mean `drive`"),
        ("[runtime]\nthreads = 'two'\n", "expected usize"),
        ("[source]\ndrive = 'nowhere'\n[output]\ndir = 'out'\n", "nowhere"),
        ("[source", "line 1"),
    ] {
        fs::write(&launch, text).unwrap();
        let said = ocellus(["run".as_ref(), launch.as_os_str()]);
        assert_eq!(said.code, 2, "{needle}: {}", said.err);
        assert!(
            said.err.contains(needle) && said.err.contains("bad.toml") | said.err.contains("nowhere"),
            "{}",
            said.err
        );
    }
}

#[test]
fn a_broken_calibration_is_named() {
    let Some((folder, drive)) = damaged_drive() else { return };
    let calib = folder.path().join("calib_cam_to_cam.txt");
    let text = fs::read_to_string(&calib).unwrap();
    let zeros = "0.0 ".repeat(12);
    let singular: String = text
        .lines()
        .map(|l| if l.starts_with("P_rect_02") { format!("P_rect_02: {zeros}\n") } else { format!("{l}\n") })
        .collect();
    fs::write(&calib, singular).unwrap();
    let out = folder.path().join("out");
    let said = replay(&drive, &out);
    assert!(said.code == 1 || said.code == 2, "{}\n{}", said.out, said.err);
    assert!(said.err.contains("calib_cam_to_cam.txt") && said.err.contains("P_rect_02"), "{}", said.err);
}
