//! Faults made on purpose in live runs: each is seen, named, counted and survived, and the other sensors go on.
//!
//! Several runs go on at the same time. Nothing here depends on how fast the computer is: what is asked is that a fault left
//! its traces in the books, not when.

use std::path::Path;
use std::process::Child;

use serde_json::Value;

use crate::live::{SENSORS_HZ, count, json, ledger, lines, start};

/// Runs that go on at the same time: as many as two cores render for.
const AT_ONCE: usize = 6;

/// A fault, and what is to be found of it.
struct Case {
    name: &'static str,
    /// `[[faults.make]]`, about the front camera from its second 1 on.
    make: &'static str,
    /// Exit code.
    code: i32,
    /// What is to be found.
    found: fn(&Traces),
}

/// What a run left behind.
struct Traces {
    lines: Vec<Value>,
    front: Value,
    left: Value,
    roof: Value,
    live: Value,
}

impl Traces {
    /// The front camera in run.json.
    fn front_health(&self) -> &Value {
        self.live["sensors"].as_array().unwrap().iter().find(|s| s["name"] == "front").unwrap()
    }

    /// The states that the front camera went through.
    fn front_states(&self) -> Vec<&str> {
        let changes = self.live["changes"].as_array().unwrap().iter();
        changes.filter(|c| c["sensor"] == "front").map(|c| c["to"].as_str().unwrap()).collect()
    }

    /// The states of the front camera's lines.
    fn front_lines(&self, state: &str) -> Vec<&Value> {
        self.lines.iter().filter(|l| l["camera"] == "front" && l["state"] == state).collect()
    }
}

const CASES: [Case; 12] = [
    Case {
        name: "drop",
        make: "for_s = 1.5",
        code: 3,
        found: |t| {
            assert!(t.front["lost"]["missed"].as_u64().unwrap() >= 2, "{:#}", t.front);
            assert!(t.front_states().contains(&"stale") && t.front_states().contains(&"fresh"), "{:#}", t.live);
        },
    },
    Case {
        name: "delay",
        make: "for_s = 1.5\nms = 700",
        code: 0,
        found: |t| {
            assert!(!t.front_lines("late").is_empty());
            assert_eq!(count(&t.front["lost"]), 0, "{:#}", t.front);
        },
    },
    Case {
        name: "duplicate",
        make: "for_s = 1.5",
        code: 0,
        found: |t| {
            assert!(t.front["dropped"]["duplicate"].as_u64().unwrap() >= 1, "{:#}", t.front);
        },
    },
    Case {
        name: "freeze",
        make: "for_s = 1.5",
        code: 0,
        found: |t| {
            assert!(t.front_states().contains(&"blind"), "{:#}", t.live);
            assert!(t.front_lines("blind").iter().all(|l| l.get("objects").is_none()));
            assert_eq!(t.front_health()["state"], "fresh", "it thaws: {:#}", t.live);
        },
    },
    Case {
        name: "blacken",
        make: "for_s = 1.5",
        code: 0,
        found: |t| {
            let blind = t.front_lines("blind");
            assert!(!blind.is_empty() && blind.iter().all(|l| l.get("objects").is_none()));
            assert_eq!(t.front_health()["state"], "fresh", "{:#}", t.live);
        },
    },
    Case {
        name: "corrupt",
        make: "for_s = 1.5",
        code: 3,
        found: |t| {
            assert!(count(&t.front["lost"]) >= 1, "{:#}", t.front);
            assert!(t.front_lines("blind").iter().any(|l| l.get("objects").is_none()));
            assert!(t.front_states().contains(&"blind"), "{:#}", t.live);
        },
    },
    Case {
        name: "disconnect",
        make: "for_s = 1.2",
        code: 3,
        found: |t| {
            assert!(t.front_health()["restarts"].as_u64().unwrap() >= 1, "{:#}", t.live);
            assert!(t.front_states().contains(&"stale") && t.front_health()["down"] == false, "{:#}", t.live);
            assert!(t.front["lost"]["missed"].as_u64().unwrap() >= 1, "{:#}", t.front);
        },
    },
    Case {
        name: "stall",
        make: "for_s = 3.0",
        code: 3,
        found: |t| {
            assert_eq!(t.front_health()["abandoned"], 1, "{:#}", t.live);
            assert!(t.front_states().contains(&"stale"), "{:#}", t.live);
        },
    },
    Case {
        name: "slow_stage",
        make: "for_s = 1.5\nms = 400",
        code: 0,
        found: |t| {
            assert!(t.front["dropped"]["queue_full"].as_u64().unwrap() >= 1, "{:#}", t.front);
            assert!(!t.front_lines("late").is_empty());
        },
    },
    Case {
        name: "panic",
        make: "for_s = 1.5",
        code: 3,
        found: |t| {
            assert!(t.live["panics"].as_u64().unwrap() >= 1, "{:#}", t.live);
            assert!(t.front["lost"]["abandoned"].as_u64().unwrap() >= 1, "{:#}", t.front);
            assert!(t.front["processed"].as_u64().unwrap() >= 1, "{:#}", t.front);
        },
    },
    Case {
        name: "full_disk",
        make: "for_s = 1.0",
        code: 3,
        found: |t| {
            assert!(t.live["lines_lost"].as_u64().unwrap() >= 1, "{:#}", t.live);
            assert_eq!(count(&t.front["lost"]), 0, "a full disk is not the sensors' matter: {:#}", t.front);
        },
    },
    Case {
        name: "clock_jump",
        make: "for_s = 1.5\nms = 3600000",
        code: 0,
        found: |t| {
            assert!(t.front_health()["clock_faults"].as_u64().unwrap() >= 1, "{:#}", t.live);
            let stamps = t.lines.iter().map(|l| l["t_ns"].as_i64().unwrap());
            let span_s = (stamps.clone().max().unwrap() - stamps.min().unwrap()) / 1_000_000_000;
            assert!(span_s < 60, "an hour's jump shows in the lines: {span_s} s");
        },
    },
];

fn launch_text(case: &Case) -> String {
    format!(
        "[live]\nseconds = 5\n[faults]\nseed = 7\n[[faults.make]]\nfault = \"{}\"\nsensor = \"front\"\nat_s = 1.0\n{}\n",
        case.name, case.make
    )
}

fn traces(folder: &Path) -> Traces {
    Traces {
        lines: lines(folder),
        front: ledger(folder, "front"),
        left: ledger(folder, "left"),
        roof: ledger(folder, "roof"),
        live: json(&folder.join("out/run.json"))["live"].clone(),
    }
}

#[test]
fn every_fault_is_seen_named_counted_and_survived() {
    CASES.chunks(AT_ONCE).for_each(check);
}

/// Runs some cases at the same time.
fn check(cases: &[Case]) {
    let begin = |case: &Case| {
        let folder = tempfile::tempdir().unwrap();
        let child = start(folder.path(), &launch_text(case));
        (folder, child)
    };
    let started: Vec<(tempfile::TempDir, Child)> = cases.iter().map(begin).collect();
    for (case, (folder, child)) in cases.iter().zip(started) {
        let ended = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        let traces = traces(folder.path());
        println!(
            "{:<11} exit {:?}; front {} of {} processed, dropped {}, lost {}; states {:?}; {} lines lost, {} panics",
            case.name,
            ended.status.code(),
            traces.front["processed"],
            traces.front["received"],
            traces.front["dropped"],
            traces.front["lost"],
            traces.live["changes"],
            traces.live["lines_lost"],
            traces.live["panics"],
        );
        assert_eq!(ended.status.code(), Some(case.code), "{}: {said}\n{:#}", case.name, traces.live);
        (case.found)(&traces);
        // The others go on, and so does the output: of five seconds more than the first and last are there.
        for book in [&traces.left, &traces.roof] {
            assert!(book["processed"].as_u64().unwrap() > SENSORS_HZ, "{}: {book:#}", case.name);
        }
        assert!(traces.lines.iter().any(|l| l["camera"] == "left"), "{}", case.name);
    }
}
