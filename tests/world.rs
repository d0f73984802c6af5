//! Drives of the simulated world: the demo, recordings, their bytes, and what is left of one that was cut off.

use std::path::Path;

use ocellus_sense::{OpenOptions, SensorKind};
use serde_json::Value;

use crate::support::{ocellus, root};

fn lines(out: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(out.join("objects.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_demo_runs_on_its_own_drive_and_its_books_balance() {
    let out = tempfile::tempdir().unwrap();
    let said = ocellus(["demo".as_ref(), "--no-viewer".as_ref(), "--out".as_ref(), out.path().as_os_str()]);
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    for word in ["objects", "nearest", "warnings ", "age", "ledger", "balanced", "drive.rrd"] {
        assert!(said.out.contains(word), "{word} is not in the summary:\n{}", said.out);
    }
    assert_eq!(lines(out.path()).len(), 120);
    assert!(out.path().join("drive.rrd").metadata().unwrap().len() > 1_000_000);
}

#[test]
fn a_scenario_rendered_twice_has_the_same_bytes_and_replays_as_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = root().join("launch/worlds/cut_in.toml");
    let files = ["a.mcap", "b.mcap"].map(|name| folder.path().join(name));
    for (file, threads) in files.iter().zip(["1", "2"]) {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_ocellus"));
        command.args(["world".as_ref(), scenario.as_os_str(), "--out".as_ref(), file.as_os_str()]);
        let output =
            command.args(["--seconds", "1", "--size", "320x192"]).env("RAYON_NUM_THREADS", threads).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let [a, b] = files.each_ref().map(|file| std::fs::read(file).unwrap());
    assert!(a == b, "the bytes depend on the number of threads");

    let drive = ocellus_sense::open(&files[0], &OpenOptions::default()).unwrap();
    let count = |kind| drive.info().sensors.iter().filter(|s| s.kind == kind).map(|s| s.count).sum::<usize>();
    assert_eq!((count(SensorKind::Camera), count(SensorKind::Lidar)), (10, 10));
    assert!(drive.info().ego.is_some() && drive.info().labels.is_some());
}

#[test]
fn a_recording_that_was_cut_off_gives_all_that_is_whole_and_exits_3() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = std::fs::read(root().join("tests/data/street.mcap")).unwrap();
    let cut = folder.path().join("cut.mcap");
    std::fs::write(&cut, &bytes[..bytes.len() * 2 / 3]).unwrap();
    let out = folder.path().join("out");
    let said = ocellus([
        "replay".as_ref(),
        cut.as_os_str(),
        "--model".as_ref(),
        "truth".as_ref(),
        "--out".as_ref(),
        out.as_os_str(),
    ]);
    assert_eq!(said.code, 3, "{}\n{}", said.out, said.err);
    let lines = lines(&out).len();
    assert!((60..=85).contains(&lines), "{lines} lines of a recording cut at two thirds");

    // The other verbs that open it say the loss too.
    let copy = folder.path().join("copy.mcap");
    let verbs: [Vec<&std::ffi::OsStr>; 2] = [
        vec!["inspect".as_ref(), cut.as_os_str()],
        vec!["record".as_ref(), cut.as_os_str(), "--out".as_ref(), copy.as_os_str()],
    ];
    for verb in verbs {
        let said = ocellus(verb);
        assert_eq!(said.code, 3, "{}\n{}", said.out, said.err);
        assert!(format!("{}{}", said.out, said.err).contains("the file is cut off"), "{}\n{}", said.out, said.err);
    }
}
