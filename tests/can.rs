//! Obstacles on CAN, read back by an independent decoder from the DBC that ships (`tests/reference/can_log.py`).

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::python;
use crate::support::{ocellus, root};

/// The vehicle of the simulated world, which a recording does not tell.
const VEHICLE: [&str; 4] = ["--set", "vehicle.width_m=1.82", "--set", "vehicle.front_m=3.6"];

fn replay(out: &Path, log: &Path) {
    let drive = root().join("tests/data/street.mcap");
    let mut words: Vec<&std::ffi::OsStr> =
        vec!["replay".as_ref(), drive.as_os_str(), "--model".as_ref(), "truth".as_ref()];
    words.extend(["--out".as_ref(), out.as_os_str(), "--can".as_ref(), log.as_os_str()]);
    words.extend(VEHICLE.map(std::ffi::OsStr::new));
    let said = ocellus(words);
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
}

#[test]
fn the_can_log_says_what_objects_jsonl_says_by_an_independent_decoder() {
    let folder = tempfile::tempdir().unwrap();
    let (out, log) = (folder.path().join("run"), folder.path().join("can.log"));
    replay(&out, &log);
    let reference = root().join("tests/reference");
    let python = python::interpreter(&reference.join("requirements_can.txt")).unwrap();
    let words =
        [reference.join("can_log.py"), root().join("launch/ocellus.dbc"), log.clone(), out.join("objects.jsonl")];
    let output = Command::new(python).args(words).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(read["wrong"], Value::Array(Vec::new()), "{read}");
    let count = |key: &str| read[key].as_u64().unwrap();
    assert!(count("cycles") >= 120, "{read}");
    assert_eq!(count("protected"), count("cycles") * 10, "ten messages a cycle, each with a right checksum: {read}");
    assert!(count("compared") >= 110 && count("listed") > 500 && count("nearest") > 10, "{read}");
    assert_eq!(read["steps"], serde_json::json!([1]), "perception had something new in every cycle");

    // The same input gives the same bytes.
    let again = folder.path().join("again.log");
    replay(&folder.path().join("again"), &again);
    assert!(std::fs::read(log).unwrap() == std::fs::read(again).unwrap());
}

#[test]
fn a_can_interface_that_is_not_there_is_refused_by_name() {
    let drive = root().join("tests/data/street.mcap");
    let folder = tempfile::tempdir().unwrap();
    let said = ocellus([
        "replay".as_ref(),
        drive.as_os_str(),
        "--model".as_ref(),
        "truth".as_ref(),
        "--out".as_ref(),
        folder.path().as_os_str(),
        "--set".as_ref(),
        "can.interface=ocellus9".as_ref(),
    ]);
    assert_eq!(said.code, 2, "{}\n{}", said.out, said.err);
    assert!(said.err.contains("ocellus9"), "{}", said.err);
}
