//! `[governor]`: a live run that is too slow or too hot does less, says so, holds its budget, and does more again.
//!
//! Budgets here are far from what they are compared with, and what takes its time is waited for: a window in which one of
//! twenty frames came near the budget, as happens on a busy computer, is no peace, and the next one may be.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::live::{json, ledger, signal, wait_long_for};
use crate::support::{Said, ocellus, root};

/// A network that takes 500 ms before a camera of 20 Hz: a frame waits for the one before it, so that it is 1 s old.
const SLOW_MS: u64 = 500;
const BUDGET_MS: u64 = 800;
/// A rate at which the network has done with a frame before the next.
const SLOWER: &str = "hz = 1.5";
/// What a step up may take: tens of windows.
const PATIENCE: Duration = Duration::from_secs(120);

/// The launch file of a small camera with `models`, with `more` in it.
fn launch(folder: &Path, models: &[&str], more: &str) -> PathBuf {
    let [world, path, out] = ["road.toml", "live.toml", "out"].map(|name| folder.join(name));
    // A minute is less than a step up may take.
    let road = std::fs::read_to_string(root().join("launch/worlds/empty_road.toml")).unwrap();
    let longer = road.replace("duration_s = 60.0", "duration_s = 300.0");
    assert_ne!(longer, road);
    std::fs::write(&world, longer).unwrap();
    let mut text = format!(
        "[[camera]]\nworld = \"{}\"\nname = \"front\"\nsize = [64, 48]\nhz = 20\n[output]\ndir = \"{}\"\n",
        world.display(),
        out.display()
    );
    for (i, model) in models.iter().enumerate() {
        let path = root().join("tests/data/networks").join(model);
        text += &format!("[[model]]\npath = \"{}\"\nintra_threads = 1\nspare = {}\n", path.display(), i > 0);
    }
    std::fs::write(&path, text + more).unwrap();
    path
}

/// Runs it for so many seconds.
fn run(folder: &Path, models: &[&str], (seconds, more): (u32, &str)) -> Value {
    let path = launch(folder, models, &format!("[live]\nseconds = {seconds}\n{more}"));
    let said = ocellus(["run".as_ref(), path.as_os_str()]);
    governed(folder, &said)
}

/// Runs it until it has stepped up again.
fn run_until_it_is_well(folder: &Path, more: &str) -> (Said, Value) {
    let path = launch(folder, &[NETWORK], more);
    let [out, err] = ["said.out", "said.err"].map(|name| folder.join(name));
    let mut command = Command::new(env!("CARGO_BIN_EXE_ocellus"));
    command.arg("run").arg(path).current_dir(root());
    command.stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
    let mut child = command.spawn().unwrap();
    wait_long_for(PATIENCE, "a step up, or its end", || {
        child.try_wait().unwrap().is_some() || std::fs::read_to_string(&err).unwrap().contains("step 1 -> 0")
    });
    if child.try_wait().unwrap().is_none() {
        signal(&child, "TERM");
    }
    let code = child.wait().unwrap().code().unwrap_or(-1);
    let [out, err] = [out, err].map(|path| std::fs::read_to_string(path).unwrap());
    let said = Said { code, out, err };
    let governor = governed(folder, &said);
    (said, governor)
}

/// What the governor of a run that ended well says.
fn governed(folder: &Path, said: &Said) -> Value {
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    json(&folder.join("out/run.json"))["live"]["governor"].clone()
}

fn slow(of: &str) -> String {
    format!("[[faults.make]]\nfault = \"slow_network\"\nms = {SLOW_MS}\n{of}\n")
}

fn governor(calm_s: f64, step: &str) -> String {
    format!("[governor]\nbudget_ms = {BUDGET_MS}\ncalm_s = {calm_s}\n[[governor.step]]\n{step}\n")
}

/// Share of frames over the budget in a step.
fn over(governor: &Value, step: usize) -> f64 {
    let book = &governor["steps"][step];
    let frames = book["frames"].as_f64().unwrap();
    assert!(frames >= 5.0, "{governor:#}");
    book["over_budget"].as_f64().unwrap() / frames
}

const NETWORK: &str = "yolov8_nonsquare_fp32.onnx";
const LIGHTER: &str = "yolov8_nonsquare_fp16.onnx";

#[test]
fn a_slow_network_breaks_the_budget_and_a_lower_rate_holds_it_until_it_is_well_again() {
    let folder = tempfile::tempdir().unwrap();
    let (said, governor) = run_until_it_is_well(folder.path(), &(slow("for_s = 12") + &governor(3.0, SLOWER)));
    let taken = governor["taken"].as_array().unwrap();
    // What came after the network was well again is of step 0, too: what broke the budget is in the reason.
    let words: Vec<&str> = taken[0]["reason"].as_str().unwrap().split(' ').collect();
    let broken = words[0].parse::<f64>().unwrap() / words[2].parse::<f64>().unwrap();
    assert!(broken > 0.8 && over(&governor, 1) < 0.2, "{governor:#}");
    let first = &taken[0];
    assert_eq!((first["from"].as_u64(), first["to"].as_u64()), (Some(0), Some(1)));
    assert!(first["reason"].as_str().unwrap().contains("frames older than 800 ms"), "{first}");
    assert!(taken.iter().any(|t| t["to"] == 0 && t["reason"].as_str().unwrap().ends_with("of peace")), "{taken:?}");
    assert!(said.err.contains("governor: step 0 -> 1") && said.out.contains("governor"), "{}\n{}", said.err, said.out);
    assert!(ledger(folder.path(), "front")["dropped"]["governor"].as_u64().unwrap() > 0);
}

#[test]
fn without_a_governor_the_same_run_stays_over_the_budget() {
    let folder = tempfile::tempdir().unwrap();
    let governor = run(folder.path(), &[NETWORK], (6, &slow("")));
    assert_eq!(governor, Value::Null);
    let latency = json(&folder.path().join("out/latency.json"));
    assert!(latency["end_to_end"]["front"]["p50_ms"].as_f64().unwrap() > BUDGET_MS as f64, "{latency:#}");
}

#[test]
fn a_lighter_network_stands_in_where_a_step_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let more = slow("model = \"yolov8_nonsquare_fp32\"") + &governor(60.0, "models = [\"yolov8_nonsquare_fp16\"]");
    let governor = run(folder.path(), &[NETWORK, LIGHTER], (11, &more));
    assert!(over(&governor, 0) > 0.8 && over(&governor, 1) < 0.2, "{governor:#}");
    let ledger = ledger(folder.path(), "front");
    assert_eq!(ledger["dropped"]["governor"], Value::Null, "every frame is asked about: {ledger:#}");
    let frames = |step: usize| governor["steps"][step]["frames"].as_f64().unwrap();
    assert!(frames(1) > 20.0, "{governor:#}");
}

#[test]
fn a_computer_that_is_held_down_is_asked_for_less_and_for_more_when_it_has_cooled() {
    let folder = tempfile::tempdir().unwrap();
    let more = "[[faults.make]]\nfault = \"held_down\"\nat_s = 0.5\nfor_s = 2\n".to_owned() + &governor(1.0, "hz = 4");
    let (said, governor) = run_until_it_is_well(folder.path(), &more);
    let taken = governor["taken"].as_array().unwrap();
    assert!(taken[0]["reason"].as_str().unwrap().starts_with("held down: "), "{taken:?}");
    assert!(taken.iter().any(|t| t["to"] == 0), "{taken:?}");
    assert!(said.err.contains("held down"), "{}", said.err);
}
