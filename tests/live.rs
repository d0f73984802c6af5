//! `ocellus run` with live sensors: what comes of a run in real time, how it ends, and what each fault does to it.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Said, ocellus, root};

/// Frames a second of the sensors of these tests: two small cameras and a LiDAR of the simulated world, which two busy
/// cores render in time.
pub const SENSORS_HZ: u64 = 10;
/// Their part of a launch file.
const SENSORS: &str = r#"
[[camera]]
world = "WORLD"
name = "front"
size = [64, 48]
hz = 10
[[camera]]
world = "WORLD"
name = "left"
sensor = "camera_left"
size = [64, 48]
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
    let world = root().join("launch/worlds/street.toml").display().to_string();
    let path = folder.join("live.toml");
    let text =
        format!("{}\n[output]\ndir = \"{}\"\n{more}", SENSORS.replace("WORLD", &world), folder.join("out").display());
    std::fs::write(&path, text).unwrap();
    path
}

fn run(folder: &Path, more: &str) -> Said {
    ocellus(["run".as_ref(), launch(folder, more).as_os_str()])
}

pub fn start(folder: &Path, more: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ocellus"));
    command.arg("run").arg(launch(folder, more)).current_dir(root());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

pub fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

pub fn lines(folder: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join("out/objects.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub fn ledger(folder: &Path, sensor: &str) -> Value {
    let ledger = json(&folder.join("out/ledger.json"))["sensors"][sensor].clone();
    assert_eq!(ledger["balanced"], true, "{ledger:#}");
    assert_eq!(ledger["in_flight"], 0, "{ledger:#}");
    ledger
}

pub fn count(value: &Value) -> u64 {
    value.as_object().map_or(0, |m| m.values().filter_map(Value::as_u64).sum())
}

/// Lines stand in the order of their times, but for those that came too late for their place, which are counted.
fn assert_in_order(folder: &Path) {
    let stamps: Vec<i64> = lines(folder).iter().map(|l| l["t_ns"].as_i64().unwrap()).collect();
    let run = json(&folder.join("out/run.json"));
    let late = run["notes"].as_array().unwrap().iter().find(|n| n["kind"] == "order");
    let late = late.map_or(0, |n| n["count"].as_u64().unwrap());
    let backwards = stamps.windows(2).filter(|pair| pair[1] < pair[0]).count() as u64;
    assert!(backwards <= late, "{backwards} steps back, {late} counted: {stamps:?}");
}

pub fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([format!("-{name}"), child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

/// Waits until `there` holds; fails after half a minute.
fn wait_for(what: &str, there: impl FnMut() -> bool) {
    wait_long_for(Duration::from_secs(30), what, there);
}

/// Waits so long until `there` holds.
pub fn wait_long_for(most: Duration, what: &str, mut there: impl FnMut() -> bool) {
    let started = Instant::now();
    while !there() {
        assert!(started.elapsed() < most, "{what} did not come");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn live_sensors_give_lines_of_today_in_order_with_age_and_a_ledger_that_balances() {
    let folder = tempfile::tempdir().unwrap();
    let said = run(folder.path(), "[live]\nseconds = 3\n");
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    let lines = lines(folder.path());
    assert_in_order(folder.path());
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
        assert_in_order(folder.path());
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

/// A page of the run's HTTP server.
fn page(address: &str, path: &str) -> Option<(String, String)> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).ok()?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    Some((head.lines().next()?.to_owned(), body.to_owned()))
}

#[test]
fn health_and_metrics_are_answered_and_systemd_hears_of_readiness_and_life() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("notify");
    let systemd = std::os::unix::net::UnixDatagram::bind(&socket).unwrap();
    systemd.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let address = free.to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ocellus"));
    command.arg("run").arg(launch(folder.path(), &format!("[live]\nhttp = \"{address}\"\n"))).current_dir(root());
    command.env("NOTIFY_SOCKET", &socket).env("WATCHDOG_USEC", "200000");
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let hear = || {
        let mut buffer = [0; 64];
        let length = systemd.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    assert_eq!(hear(), "READY=1");
    assert_eq!([hear(), hear()], ["WATCHDOG=1", "WATCHDOG=1"]);
    let mut metrics = String::new();
    wait_for("a processed frame in /metrics", || {
        metrics = page(&address, "/metrics").map_or_else(String::new, |(_, body)| body);
        let row = "ocellus_frames_total{sensor=\"front\",outcome=\"processed\",reason=\"\"} ";
        metrics.lines().any(|l| l.strip_prefix(row).is_some_and(|n| n != "0"))
    });
    assert!(metrics.contains("ocellus_age_seconds{sensor=\"front\",quantile=\"0.99\"}"), "{metrics}");
    for line in metrics.lines().filter(|l| !l.starts_with('#')) {
        let (_, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
    let (status, body) = page(&address, "/health").unwrap();
    assert!(status.contains("200") || status.contains("503"), "{status}");
    let health: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(health["sensors"].as_array().unwrap().len(), 3, "{health:#}");
    assert!(page(&address, "/etc/passwd").unwrap().0.contains("404"));
    signal(&child, "TERM");
    while hear() != "STOPPING=1" {}
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// Frames and sweeps of a recording, by sensor, as `inspect` tells.
fn frames_in(recording: &Path) -> Vec<(String, u64)> {
    let said = ocellus(["inspect".as_ref(), recording.as_os_str(), "--json".as_ref()]);
    let drive: Value = serde_json::from_str(&said.out).unwrap_or_else(|e| panic!("{e}: {}\n{}", said.out, said.err));
    let sensors = drive["sensors"].as_array().unwrap().iter();
    sensors.map(|s| (s["name"].as_str().unwrap().to_owned(), s["count"].as_u64().unwrap())).collect()
}

#[test]
fn a_lidar_that_goes_on_alone_does_not_pass_for_a_camera_that_sees() {
    let folder = tempfile::tempdir().unwrap();
    let fault = |camera| format!("[[faults.make]]\nfault = \"disconnect\"\nsensor = \"{camera}\"\nat_s = 1.0\n");
    let said = run(folder.path(), &format!("[live]\nseconds = 4\n{}{}", fault("front"), fault("left")));
    assert_eq!(said.code, 3, "{}\n{}", said.out, said.err);
    let lines = lines(folder.path());
    let last = lines.iter().rposition(|l| l["trigger"] == "camera").expect("frames came at first");
    let ticks: Vec<&Value> = lines[last + 1..].iter().filter(|l| l["trigger"] == "tick").collect();
    assert!(ticks.len() >= 5, "two seconds without a camera: {} ticks", ticks.len());
    assert!(ticks.iter().all(|l| l.get("objects").is_none()));
    assert!(ticks.iter().any(|l| l["state"] == "stale"), "{ticks:?}");
    assert!(ledger(folder.path(), "roof")["processed"].as_u64().unwrap() > 0, "the LiDAR went on");
}

#[test]
fn a_recording_holds_what_came_in_its_order_and_is_replayed_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let recording = folder.path().join("drive.mcap");
    // A slow stage makes the run drop frames, which the recording holds all the same.
    let fault = "[[faults.make]]\nfault = \"slow_stage\"\nsensor = \"front\"\nms = 250\n";
    let said = run(folder.path(), &format!("[live]\nseconds = 3\nrecord = \"{}\"\n{fault}", recording.display()));
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    let front = ledger(folder.path(), "front");
    assert!(front["dropped"]["queue_full"].as_u64().unwrap() > 0, "{front:#}");
    let unused = count(&front["dropped"]) - front["dropped"]["overrun"].as_u64().unwrap_or(0);
    let used = front["processed"].as_u64().unwrap();
    let held = frames_in(&recording).into_iter().find(|(name, _)| name == "front").unwrap().1;
    assert_eq!(held, used + unused, "{front:#}");

    let replayed = |more: &[&str], name: &str| {
        let out = folder.path().join(name);
        let mut arguments = vec!["replay".as_ref(), recording.as_os_str(), "--model".as_ref(), "truth".as_ref()];
        arguments.extend(["--out".as_ref(), out.as_os_str()]);
        arguments.extend(more.iter().map(std::ffi::OsStr::new));
        let said = ocellus(arguments);
        assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
        json(&out.join("ledger.json"))["sensors"]["front"].clone()
    };
    assert_eq!(replayed(&[], "all")["processed"], held, "plain replay shows what it could have done");
    let as_recorded = replayed(&["--as-recorded"], "as");
    assert_eq!(as_recorded["processed"], used, "{as_recorded:#}");
    assert_eq!(as_recorded["dropped"]["as_recorded"], unused, "{as_recorded:#}");
    let refused = ocellus(["replay", "launch/worlds/street.toml", "--as-recorded", "--out", "out", "--model", "truth"]);
    assert_eq!(refused.code, 2, "{}", refused.err);
}

#[test]
fn a_killed_recording_holds_all_but_its_last_second() {
    let folder = tempfile::tempdir().unwrap();
    let recording = folder.path().join("killed.mcap");
    let mut command = Command::new(env!("CARGO_BIN_EXE_ocellus"));
    command.arg("record").arg(launch(folder.path(), "")).arg("--out").arg(&recording).current_dir(root());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_for("a chunk", || std::fs::metadata(&recording).is_ok_and(|m| m.len() > 30_000));
    std::thread::sleep(Duration::from_millis(2500));
    let killed_at = std::time::SystemTime::now();
    child.kill().unwrap();
    child.wait().unwrap();
    let said = ocellus(["inspect".as_ref(), recording.as_os_str(), "--json".as_ref()]);
    let drive: Value = serde_json::from_str(&said.out).unwrap();
    let last_s =
        drive["sensors"].as_array().unwrap().iter().map(|s| s["last_ns"].as_f64().unwrap() * 1e-9).fold(0.0, f64::max);
    let killed_s = killed_at.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    assert!(killed_s - last_s < 1.0, "the last frame held is {:.2} s older than the kill", killed_s - last_s);
    for (name, count) in frames_in(&recording) {
        assert!(count >= SENSORS_HZ, "{name}: {count}");
    }
}
