//! `ocellus run` with live sensors: what comes of a run in real time, how it ends, and what each fault does to it.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Said, ocellus, root};

/// Two small cameras and a LiDAR of the simulated world, which two busy cores render in time.
const SENSORS: &str = r#"
[[camera]]
world = "WORLD"
name = "front"
size = [96, 64]
hz = 10
[[camera]]
world = "WORLD"
name = "left"
sensor = "camera_left"
size = [96, 64]
hz = 10
[[lidar]]
world = "WORLD"
name = "roof"
beams = 16
columns = 256
hz = 10
[[model]]
path = "truth"
"#;

/// Writes a launch file of `sensors` and `more` into `folder`; its path.
fn launch(folder: &Path, more: &str) -> std::path::PathBuf {
    let world = root().join("launch/worlds/empty_road.toml").display().to_string();
    let path = folder.join("live.toml");
    let text =
        format!("{}\n[output]\ndir = \"{}\"\n{more}", SENSORS.replace("WORLD", &world), folder.join("out").display());
    std::fs::write(&path, text).unwrap();
    path
}

fn run(folder: &Path, more: &str) -> Said {
    ocellus(["run".as_ref(), launch(folder, more).as_os_str()])
}

fn start(folder: &Path, more: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ocellus"));
    command.arg("run").arg(launch(folder, more)).current_dir(root());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn lines(folder: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join("out/objects.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn ledger(folder: &Path, sensor: &str) -> Value {
    let ledger = json(&folder.join("out/ledger.json"))["sensors"][sensor].clone();
    assert_eq!(ledger["balanced"], true, "{ledger:#}");
    assert_eq!(ledger["in_flight"], 0, "{ledger:#}");
    ledger
}

fn count(value: &Value) -> u64 {
    value.as_object().map_or(0, |m| m.values().filter_map(Value::as_u64).sum())
}

fn assert_in_order(lines: &[Value]) {
    let stamps: Vec<i64> = lines.iter().map(|l| l["t_ns"].as_i64().unwrap()).collect();
    assert!(stamps.is_sorted(), "{stamps:?}");
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([format!("-{name}"), child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

/// Waits until `there` holds; fails after half a minute.
fn wait_for(what: &str, mut there: impl FnMut() -> bool) {
    let started = Instant::now();
    while !there() {
        assert!(started.elapsed() < Duration::from_secs(30), "{what} did not come");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn live_sensors_give_lines_of_today_in_order_with_age_and_a_ledger_that_balances() {
    let folder = tempfile::tempdir().unwrap();
    let said = run(folder.path(), "[live]\nseconds = 3\n");
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    let lines = lines(folder.path());
    assert_in_order(&lines);
    let now_ns = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as i64;
    for line in &lines {
        let age_ns = now_ns - line["t_ns"].as_i64().unwrap();
        assert!((0..60_000_000_000).contains(&age_ns), "{line}");
    }
    for camera in ["front", "left"] {
        let frames = lines.iter().filter(|l| l["camera"] == camera).count() as u64;
        let book = ledger(folder.path(), camera);
        assert_eq!(book["processed"], frames, "{book:#}");
        assert!(frames > 0 && count(&book["lost"]) == 0, "{book:#}");
    }
    assert!(ledger(folder.path(), "roof")["processed"].as_u64().unwrap() > 0);
    let latency = json(&folder.path().join("out/latency.json"));
    for sensor in ["front", "left", "roof"] {
        assert!(latency["end_to_end"][sensor]["p50_ms"].as_f64().unwrap() > 0.0, "{latency:#}");
    }
    let distances = lines.iter().filter_map(|l| l["objects"].as_array()).flatten();
    assert!(distances.filter(|o| o["distance_source"] == "lidar").count() > 0, "cameras and LiDAR are fused");
}

#[test]
fn a_signal_ends_a_live_run_in_bounded_time_with_everything_written() {
    for name in ["TERM", "INT"] {
        let folder = tempfile::tempdir().unwrap();
        let mut child = start(folder.path(), "");
        let objects = folder.path().join("out/objects.jsonl");
        wait_for("a line", || std::fs::metadata(&objects).is_ok_and(|m| m.len() > 0));
        signal(&child, name);
        let mut status = None;
        wait_for("its end", || {
            status = child.try_wait().unwrap();
            status.is_some()
        });
        assert_eq!(status.unwrap().code(), Some(0), "SIG{name}");
        for sensor in ["front", "left", "roof"] {
            ledger(folder.path(), sensor);
        }
        let run = json(&folder.path().join("out/run.json"));
        assert_eq!(run["ended"]["reason"], "interrupt", "{run:#}");
        assert_eq!(run["ended"]["abandoned"].as_array().unwrap().len(), 0, "{run:#}");
        assert_in_order(&lines(folder.path()));
    }
}

#[test]
fn contradictions_in_a_live_launch_file_exit_2_and_name_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let world = "world = 'w.toml'\n";
    for (text, needle) in [
        ("[live]\ntick_hz = 5\n".to_owned(), "[[camera]]"),
        (format!("[source]\ndrive = 'd'\n[[camera]]\n{world}"), "choose one"),
        (format!("[[camera]]\n{world}drive = 'd'\n"), "camera.0.world"),
        (format!("[[camera]]\n{world}beams = 16\n"), "beams"),
        (format!("[[camera]]\n{world}[live]\ntick_hz = 0\n"), "live.tick_hz"),
        (format!("[[camera]]\n{world}[[faults.make]]\nfault = 'delay'\n"), "faults.make.0.ms"),
        (format!("[[camera]]\n{world}[[faults.make]]\nfault = 'frop'\n"), "did you mean `drop`"),
    ] {
        let path = folder.path().join("bad.toml");
        std::fs::write(&path, &text).unwrap();
        let said = ocellus(["run".as_ref(), path.as_os_str(), "--set".as_ref(), "output.dir=out".as_ref()]);
        assert_eq!(said.code, 2, "{text}\n{}", said.err);
        assert!(said.err.contains(needle), "{text}\n{}", said.err);
    }
}
