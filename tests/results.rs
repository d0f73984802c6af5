//! Results as MCAP: what `--mcap` writes replays like the drive, and independent readers find in it what objects.jsonl says.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use ocellus_sense::{OpenOptions, SensorKind};
use serde_json::Value;

use crate::support::{Said, ocellus, python, root};

/// Replays `drive` on its own truth into `folder`: run/ and results.mcap.
fn replay(drive: &Path, folder: &Path, more: &[&str]) -> Said {
    let (out, results) = (folder.join("run"), folder.join("results.mcap"));
    let mut words: Vec<&OsStr> = vec!["replay".as_ref(), drive.as_os_str(), "--model".as_ref(), "truth".as_ref()];
    words.extend(["--out".as_ref(), out.as_os_str(), "--mcap".as_ref(), results.as_os_str()]);
    words.extend(more.iter().map(OsStr::new));
    ocellus(words)
}

#[test]
fn results_replay_to_the_same_objects_and_have_the_same_bytes_each_time() {
    let drive = root().join("tests/data/street.mcap");
    let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let [first, again, second] = folders.each_ref().map(|f| f.path());
    for (folder, threads) in [(first, "1"), (again, "3")] {
        let said = replay(&drive, folder, &["--threads", threads]);
        assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
        assert!(said.out.contains("results.mcap") || said.err.contains("results.mcap"), "{}\n{}", said.out, said.err);
    }
    let read = |folder: &Path, name: &str| std::fs::read(folder.join(name)).unwrap();
    assert!(read(first, "results.mcap") == read(again, "results.mcap"), "the bytes depend on the threads");

    let (source, results) = (&drive, first.join("results.mcap"));
    let sensors = |path: &Path| {
        let opened = ocellus_sense::open(path, &OpenOptions::default()).unwrap();
        let info = opened.info();
        assert!(info.ego.is_some() && info.labels.is_some() && info.lost.is_empty(), "{:?}", info.notes);
        info.sensors.iter().map(|s| (s.name.clone(), s.kind, s.count, s.first, s.last)).collect::<Vec<_>>()
    };
    let inputs = sensors(&results);
    assert_eq!(inputs, sensors(source), "the inputs lie beside the results");
    assert!(inputs.iter().any(|s| s.1 == SensorKind::Lidar), "points among them");
    let said = replay(&results, second, &[]);
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    assert!(
        read(first, "run/objects.jsonl") == read(second, "run/objects.jsonl"),
        "what was written is not what was seen"
    );
}

#[test]
fn foreign_readers_find_in_results_what_objects_jsonl_says() {
    let folder = tempfile::tempdir().unwrap();
    let said = replay(&root().join("tests/data/street.mcap"), folder.path(), &[]);
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    let reference = root().join("tests/reference");
    let python = python::interpreter(&reference.join("requirements_mcap.txt")).unwrap();
    let files = ["results.mcap", "run/objects.jsonl"].map(|name| folder.path().join(name));
    let output = Command::new(python).arg(reference.join("results_mcap.py")).args(files).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(read["wrong"], Value::Array(Vec::new()), "{read:#}");
    let count = |key: &str| read[key].as_u64().unwrap();
    assert!(count("lines") == 120 && count("boxes") > 500 && count("places") > 500, "{read:#}");
    for topic in ["/tf_static", "/tf", "/odom", "/points", "/ocellus/truth"] {
        assert!(read["topics"][topic].as_u64().is_some_and(|n| n > 0), "{topic}: {read:#}");
    }
}

#[test]
fn results_are_not_written_over_the_drive_they_come_from() {
    let folder = tempfile::tempdir().unwrap();
    let drive = folder.path().join("results.mcap");
    std::fs::copy(root().join("tests/data/street.mcap"), &drive).unwrap();
    let before = std::fs::read(&drive).unwrap();
    let said = replay(&drive, folder.path(), &[]);
    assert_eq!(said.code, 2, "{}\n{}", said.out, said.err);
    assert!(said.err.contains("written over"), "{}", said.err);
    let said = ocellus(["record".as_ref(), drive.as_os_str(), "--out".as_ref(), drive.as_os_str()]);
    assert_eq!(said.code, 2, "{}\n{}", said.out, said.err);
    assert!(std::fs::read(&drive).unwrap() == before, "the drive is as it was");
}
