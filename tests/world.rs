//! The simulated world through the real pipeline, with truth as detector: what fusion and tracking make of it, against truth.

use std::collections::BTreeMap;
use std::path::Path;

use ocellus_percept::space::Point3;
use ocellus_sense::labels::Label;
use ocellus_sense::{OpenOptions, SensorKind, SimulatedCamera, SimulatedOptions};
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
    for word in ["objects", "nearest", "age", "ledger", "balanced", "drive.rrd"] {
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
}

/// What a run on truth said of one labelled object.
struct Judged {
    track: u64,
    name: String,
    t_s: f64,
    distance_error: f64,
    position_error_m: Option<f64>,
    range_m: f64,
}

/// Replays a scenario with truth as detector, and puts every object beside the label it came from.
fn judge(scenario: &str, hz: f64, out: &Path) -> Vec<Judged> {
    let path = root().join("launch/worlds").join(scenario);
    let recording = out.join("world.mcap");
    let rate = hz.to_string();
    let said = ocellus([
        "world".as_ref(),
        path.as_os_str(),
        "--out".as_ref(),
        recording.as_os_str(),
        "--seconds".as_ref(),
        "4".as_ref(),
        "--camera-hz".as_ref(),
        rate.as_ref(),
        "--beams".as_ref(),
        "64".as_ref(),
    ]);
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    let run = out.join("run");
    let said = ocellus([
        "replay".as_ref(),
        recording.as_os_str(),
        "--model".as_ref(),
        "truth".as_ref(),
        "--out".as_ref(),
        run.as_os_str(),
    ]);
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);

    let simulated = SimulatedOptions {
        seconds: Some(4.0),
        camera_hz: Some(hz),
        lidar_beams: 64,
        cameras: vec![SimulatedCamera::Front],
        ..SimulatedOptions::default()
    };
    let world = ocellus_sense::open(&path, &OpenOptions { simulated, ..OpenOptions::default() }).unwrap();
    let camera = world.info().sensors.iter().position(|s| s.kind == SensorKind::Camera).unwrap();
    let mount = world.info().rig.cameras.values().next().unwrap().optical_from_vehicle.unwrap();
    let centre = mount.inverse().apply(&Point3::new(0.0, 0.0, 0.0));
    let frames = world.entries().iter().enumerate().filter(|(_, e)| e.sensor == camera);
    let mut judged = Vec::new();
    for ((index, entry), line) in frames.zip(lines(&run)) {
        assert_eq!(line["t_ns"].as_i64(), Some(entry.t.as_nanos()));
        let labels = world.labels_at(index).unwrap_or_default();
        for object in line["objects"].as_array().unwrap() {
            let Some(label) = labels.iter().find(|l| same_box(l, object)) else { continue };
            judged.extend(compare(label, object, &centre, entry.t.as_nanos()));
        }
    }
    assert!(judged.len() > 50, "{scenario} at {hz} Hz: {} objects judged", judged.len());
    judged
}

fn same_box(label: &Label, object: &Value) -> bool {
    let Some(b) = label.box_px else { return false };
    let got = object["box_px"].as_array().unwrap();
    [b.x0, b.y0, b.x1, b.y1].iter().zip(got).all(|(want, got)| (f64::from(*want) - got.as_f64().unwrap()).abs() < 0.02)
}

/// Distance to the nearest point of the label's cuboid, against what was said.
fn compare(
    label: &Label,
    object: &Value,
    centre: &Point3<ocellus_percept::space::Vehicle>,
    t_ns: i64,
) -> Option<Judged> {
    let cuboid = label.cuboid.as_ref()?;
    let (distance, said) = (object["distance_m"].as_f64()?, object["distance_source"].as_str()?);
    if said != "lidar" || label.occluded.unwrap_or(0) > 0 || label.truncated.unwrap_or(0.0) > 0.0 {
        return None;
    }
    let body = cuboid.vehicle_from_body.inverse();
    let eye = body.apply(centre).xyz;
    let half = cuboid.size_m.map(|s| s / 2.0);
    let nearest = nearest_on_box(eye.into(), half);
    let truth = nearest.iter().zip(eye.iter()).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
    let p = object["position_m"].as_array()?.iter().map(|v| v.as_f64()).collect::<Option<Vec<f64>>>()?;
    let in_body = body.apply(&Point3::new(p[0], p[1], p[2])).xyz;
    let surface = nearest_on_box(in_body.into(), half);
    let off = surface.iter().zip(in_body.iter()).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
    let inside = half.iter().zip(in_body.iter()).map(|(h, v)| h - v.abs()).fold(f64::INFINITY, f64::min).max(0.0);
    Some(Judged {
        track: object["track"].as_u64()?,
        name: label.track.clone()?,
        t_s: t_ns as f64 * 1e-9,
        distance_error: (distance - truth).abs() / truth,
        position_error_m: Some(off.max(inside)),
        range_m: truth,
    })
}

fn nearest_on_box(point: [f64; 3], half: [f64; 3]) -> [f64; 3] {
    std::array::from_fn(|i| point[i].clamp(-half[i], half[i]))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[test]
fn distances_positions_and_ids_hold_against_the_worlds_truth_at_any_rate() {
    for hz in [10.0, 5.0] {
        let folder = tempfile::tempdir().unwrap();
        let judged = judge("street.toml", hz, folder.path());
        let distance = median(judged.iter().map(|j| j.distance_error).collect());
        let near = judged.iter().filter(|j| j.range_m < 25.0);
        let position = median(near.filter_map(|j| j.position_error_m).collect());
        println!(
            "{hz} Hz: {} objects, distance error median {:.2} %, position {position:.3} m",
            judged.len(),
            distance * 100.0
        );
        assert!(distance < 0.02, "median distance error {distance}");
        assert!(position < 0.3, "median position error {position} m");

        // One object, one id, from its second sighting on.
        let mut ids: BTreeMap<&str, Vec<(f64, u64)>> = BTreeMap::new();
        judged.iter().for_each(|j| ids.entry(&j.name).or_default().push((j.t_s, j.track)));
        let switches: usize = ids.values().map(|seen| seen.windows(2).filter(|w| w[0].1 != w[1].1).count()).sum();
        let sightings = judged.len();
        assert!(switches * 100 <= sightings, "{switches} switches in {sightings} sightings");
    }
}
