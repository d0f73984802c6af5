//! LiDAR packets end to end: `cloud`, `replay` and `inspect` on recordings, `run` on a socket, `doctor` on a drive.

use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ocellus_sense::lidar::made::MadeVlp16;
use serde_json::Value;

use crate::support::{ocellus, real_data, root};

fn clouds(out: &Path) -> Vec<String> {
    let entries = fs::read_dir(out).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = entries.filter(|n| n.ends_with(".pcd")).collect();
    names.sort();
    names
}

#[test]
fn every_recording_gives_its_frames_and_the_exit_code_says_what_was_lost() {
    let Some(data) = real_data("recordings") else { return };
    let table = [
        ("ouster/OS-0-128-U1_v2.3.0_1024x10.pcap", "ouster/OS-0-128-U1_v2.3.0_1024x10.json", 1, 0),
        ("ouster/OS-1-128_v2.3.0_1024x10_lb_n3.pcap", "ouster/OS-1-128_v2.3.0_1024x10.json", 3, 0),
        ("ouster/OS-1-32-G_v2.1.1_1024x10.pcap", "ouster/OS-1-32-G_v2.1.1_1024x10.json", 1, 0),
        ("ouster/OS-2-32-U0_v2.0.0_1024x10.pcap", "ouster/OS-2-32-U0_v2.0.0_1024x10.json", 1, 0),
        ("ouster/crc_test.pcap", "ouster/crc_test.json", 2, 0),
        ("ouster/duplicate_id.pcap", "ouster/duplicate_id.json", 1, 3),
        ("ouster/empty_pcap.pcap", "ouster/empty_pcap.json", 0, 3),
        ("velodyne/vlp16/1673400471837873222", "", 5, 0),
    ];
    for (source, meta, frames, code) in table {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("clouds");
        let mut words = vec!["cloud".into(), data.join(source).into_os_string()];
        words.extend(["--json".into(), "--out".into(), out.clone().into_os_string()]);
        if !meta.is_empty() {
            words.extend(["--meta".into(), data.join(meta).into_os_string()]);
        }
        let said = ocellus(words);
        assert_eq!(said.code, code, "{source}\n{}\n{}", said.out, said.err);
        assert_eq!(clouds(&out).len(), frames, "{source}");
        let json: Value = serde_json::from_str(&said.out).unwrap();
        let written = json["frames"].as_array().unwrap();
        assert_eq!(written.len(), frames);
        for frame in written {
            let bytes = fs::read(out.join(frame["file"].as_str().unwrap())).unwrap();
            let header = String::from_utf8_lossy(&bytes[..400.min(bytes.len())]).into_owned();
            assert!(header.contains(&format!("POINTS {}\n", frame["points"])), "{source}: {header}");
            assert!(header.contains("FIELDS x y z intensity ring time\n"), "{source}: {header}");
        }
        assert_eq!(said.err.contains("lost:"), code == 3, "{source}: {}", said.err);
    }
}

#[test]
fn what_is_no_recording_of_packets_is_named() {
    let Some(data) = real_data("recordings") else { return };
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let noise = folder.path().join("noise.pcap");
    fs::write(&noise, [7; 100]).unwrap();
    let alone = folder.path().join("alone.pcap");
    fs::copy(data.join("ouster/OS-1-32-G_v2.1.1_1024x10.pcap"), &alone).unwrap();
    let other = data.join("ouster/OS-0-128-U1_v2.3.0_1024x10.json");
    let cases = [
        (noise.clone(), None, "not a drive"),
        (alone.clone(), None, "--meta"),
        (alone.clone(), Some(other), "OS-0-128"),
        (alone, Some(noise), "JSON"),
        (data.join("rosbags_rs/test_bag_sqlite3"), None, "Velodyne"),
    ];
    for (source, meta, needle) in cases {
        let mut words = vec!["cloud".into(), source.clone().into_os_string(), "--out".into(), out.clone().into()];
        words.extend(meta.into_iter().flat_map(|m| ["--meta".into(), m.into_os_string()]));
        let said = ocellus(words);
        assert_eq!(said.code, 2, "{}: {}{}", source.display(), said.out, said.err);
        assert!(said.err.contains(needle), "{}: {}", source.display(), said.err);
        assert!(!out.exists(), "{} left a folder behind", source.display());
    }
}

#[test]
fn recorded_packets_are_a_drive_for_replay_and_inspect() {
    let Some(bag) = real_data("recordings/velodyne/vlp16/1673400471837873222") else { return };
    let said = ocellus(["inspect".as_ref(), bag.as_os_str()]);
    assert!(said.code == 0 && said.out.contains("VLP-16"), "{}{}", said.out, said.err);
    let folder = tempfile::tempdir().unwrap();
    let lines = |name: &str| {
        let out = folder.path().join(name);
        let said = ocellus(["replay".as_ref(), bag.as_os_str(), "--out".as_ref(), out.as_os_str()]);
        assert_eq!(said.code, 0, "{}{}", said.out, said.err);
        fs::read_to_string(out.join("objects.jsonl")).unwrap()
    };
    let first = lines("a");
    assert_eq!(first.lines().count(), 5);
    assert!(first.lines().all(|l| l.contains("\"trigger\":\"lidar\"")), "{first}");
    assert_eq!(first, lines("b"));
}

#[test]
fn a_lidar_over_udp_is_a_live_sensor() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let launch = root().join("launch/lidar.toml");
    let sets =
        [format!("lidar.0.udp=127.0.0.1:{port}"), "live.seconds=4".to_owned(), format!("output.dir={}", out.display())];
    let done = AtomicBool::new(false);
    let said = std::thread::scope(|scope| {
        scope.spawn(|| {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            let began = Instant::now();
            let mut number = 0;
            while !done.load(Ordering::Relaxed) {
                // Refused until the program listens, and every hundredth is left out.
                if number % 100 != 50 {
                    let _ = socket.send_to(&MadeVlp16::default().packet(number), ("127.0.0.1", port));
                }
                number += 1;
                let due = began + Duration::from_secs_f64(number as f64 / MadeVlp16::HZ);
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
            }
        });
        let mut words = vec!["run".to_owned(), launch.display().to_string()];
        words.extend(sets.into_iter().flat_map(|s| ["--set".to_owned(), s]));
        let said = ocellus(words);
        done.store(true, Ordering::Relaxed);
        said
    });
    assert!(said.code == 0 || said.code == 3, "{}\n{}", said.out, said.err);
    assert!(said.err.contains("Velodyne VLP-16 on 127.0.0.1"), "{}", said.err);
    assert!(said.err.contains("packets missing") && said.err.contains("packets: roof:"), "{}", said.err);
    let ledger: Value = serde_json::from_str(&fs::read_to_string(out.join("ledger.json")).unwrap()).unwrap();
    let roof = &ledger["sensors"]["roof"];
    assert!(roof["balanced"] == true && roof["received"].as_u64().unwrap() >= 10, "{roof}");
    // The box ahead is ten metres away.
    let lines = fs::read_to_string(out.join("objects.jsonl")).unwrap();
    let objects = lines.lines().map(|l| serde_json::from_str::<Value>(l).unwrap());
    let near = |line: &Value| {
        let list = line["objects"].as_array().cloned().unwrap_or_default();
        list.iter().any(|o| (o["distance_m"].as_f64().unwrap_or(0.0) - 10.0).abs() < 0.5)
    };
    let seen = objects.filter(|l| l["trigger"] == "lidar").filter(near).count();
    assert!(seen >= 5, "{seen} lines with the box\n{lines}");
}

#[test]
fn the_doctor_finds_the_demo_drive_in_order() {
    let drive = root().join("tests/data/street.mcap");
    let said = ocellus(["doctor".as_ref(), "--json".as_ref(), "--drive".as_ref(), drive.as_os_str()]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let json: Value = serde_json::from_str(&said.out).unwrap();
    let found = &json["alignment"][0];
    // A small picture and few beams: the pitch is known less well than the rest.
    assert!(found["angle_deg"].as_f64().unwrap() < 1.0 && found["shift_s"].as_f64().unwrap().abs() < 0.012, "{found}");
}
