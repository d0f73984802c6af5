//! The simulated world through the real pipeline, with truth as detector: what fusion and tracking make of it, against truth.

use std::collections::BTreeMap;
use std::path::Path;

use ocellus_percept::space::Point3;
use ocellus_sense::{OpenOptions, SensorKind};
use ocellus_world::rig::front_camera;
use ocellus_world::{CameraSetup, CameraTruth, ObjectTruth, Quality, RenderBuffers, Scenario, World};
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

/// What a run on truth said of one object, against what the world knows of it.
struct Judged {
    track: u64,
    instance: u16,
    t_s: f64,
    range_m: f64,
    distance_error: f64,
    /// From the position said to the nearest visible point of the object.
    position_error_m: f64,
    /// Of the velocity over ground, where one was said.
    velocity_error_mps: Option<f64>,
}

/// Seconds of each oracle run.
const SECONDS: f64 = 4.0;

/// Replays a scenario with truth as detector, and puts every object beside the world's truth.
fn judge(name: &str, hz: f64, folder: &Path) -> Vec<Judged> {
    let path = root().join("launch/worlds").join(name);
    let (recording, run) = (folder.join("world.mcap"), folder.join("run"));
    let (rate, seconds) = (hz.to_string(), SECONDS.to_string());
    let said = ocellus([
        "world".as_ref(),
        path.as_os_str(),
        "--out".as_ref(),
        recording.as_os_str(),
        "--seconds".as_ref(),
        seconds.as_ref(),
        "--camera-hz".as_ref(),
        rate.as_ref(),
        "--beams".as_ref(),
        "64".as_ref(),
    ]);
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    let said = ocellus([
        "replay".as_ref(),
        recording.as_os_str(),
        "--model".as_ref(),
        "truth".as_ref(),
        "--out".as_ref(),
        run.as_os_str(),
    ]);
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);

    let mut scenario = Scenario::parse(&std::fs::read_to_string(&path).unwrap()).unwrap();
    scenario.duration_s = scenario.duration_s.max(SECONDS);
    let world = World::new(&scenario, scenario.seed).unwrap();
    let setup = front_camera(640, 384);
    let (mut buffers, mut truth) = (RenderBuffers::default(), CameraTruth::default());
    let mut judged = Vec::new();
    for (k, line) in lines(&run).iter().enumerate() {
        let t_s = k as f64 / hz;
        world.snapshot(t_s).render(&setup, Quality::FAST, &mut buffers, &mut truth);
        for object in line["objects"].as_array().unwrap() {
            judged.extend(
                truth
                    .objects
                    .iter()
                    .find(|o| same_box(o, object))
                    .and_then(|o| compare(&truth, &setup, o, object, t_s)),
            );
        }
    }
    assert!(judged.len() > 50, "{name} at {hz} Hz: {} objects judged", judged.len());
    judged
}

fn same_box(truth: &ObjectTruth, object: &Value) -> bool {
    let Some(b) = truth.box_visible else { return false };
    let got = object["box_px"].as_array().unwrap();
    [b.x0, b.y0, b.x1, b.y1].iter().zip(got).all(|(want, got)| (f64::from(*want) - got.as_f64().unwrap()).abs() < 0.02)
}

fn vector(value: &Value) -> Option<[f64; 3]> {
    let v = value.as_array()?;
    Some([v[0].as_f64()?, v[1].as_f64()?, v[2].as_f64()?])
}

fn apart(a: [f64; 3], b: [f64; 3]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

fn compare(truth: &CameraTruth, setup: &CameraSetup, object: &ObjectTruth, said: &Value, t_s: f64) -> Option<Judged> {
    let range_m = object.distance_m?;
    if said["distance_source"] != "lidar" || object.occlusion > 0.1 || object.truncation > 0.0 {
        return None;
    }
    let position = vector(&said["position_m"])?;
    let vehicle_from_optical = setup.optical_from_vehicle.inverse();
    let width = setup.camera.width as usize;
    let pixels = truth.instance.iter().enumerate().filter(|(_, i)| **i == object.instance);
    let surface = pixels.filter_map(|(at, _)| {
        let ray = setup.camera.unproject([(at % width) as f64, (at / width) as f64]).ok()?;
        let point = ray * (f64::from(truth.depth_m[at]) / ray.z);
        let p = vehicle_from_optical.apply(&Point3::from_vector(point)).xyz;
        Some(apart(p.into(), position))
    });
    let velocity = vector(&said["velocity_ground_mps"]);
    Some(Judged {
        track: said["track"].as_u64()?,
        instance: object.instance,
        t_s,
        range_m,
        distance_error: (said["distance_m"].as_f64()? - range_m).abs() / range_m,
        position_error_m: surface.fold(f64::INFINITY, f64::min),
        velocity_error_mps: velocity.map(|v| apart(v, object.velocity_vehicle_mps)),
    })
}

fn median(mut values: Vec<f64>) -> f64 {
    assert!(!values.is_empty());
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[test]
fn distances_positions_velocities_and_ids_hold_against_the_worlds_truth_at_any_rate() {
    for hz in [30.0, 10.0, 5.0] {
        let folder = tempfile::tempdir().unwrap();
        let judged = judge("street.toml", hz, folder.path());
        let distance = median(judged.iter().map(|j| j.distance_error).collect());
        let near = judged.iter().filter(|j| j.range_m < 25.0);
        let position = median(near.map(|j| j.position_error_m).collect());
        let mut seen: BTreeMap<u64, f64> = BTreeMap::new();
        for j in &judged {
            seen.entry(j.track).or_insert(j.t_s);
        }
        let settled = judged.iter().filter(|j| j.t_s - seen[&j.track] >= 1.0 && j.range_m < 40.0);
        let velocity = median(settled.filter_map(|j| j.velocity_error_mps).collect());
        // One object, one id, through gaps of up to half a second.
        let mut ids: BTreeMap<u16, Vec<(f64, u64)>> = BTreeMap::new();
        judged.iter().for_each(|j| ids.entry(j.instance).or_default().push((j.t_s, j.track)));
        let switched = |w: &&[(f64, u64)]| w[0].1 != w[1].1 && w[1].0 - w[0].0 <= 0.5;
        let switches: usize = ids.values().map(|seen| seen.windows(2).filter(switched).count()).sum();
        println!(
            "{hz} Hz: {} objects; medians: distance {:.2} %, position {position:.3} m, velocity {velocity:.2} m/s; {switches} switches",
            judged.len(),
            distance * 100.0
        );
        assert!(distance < 0.02, "median distance error {distance}");
        assert!(position < 0.3, "median position error {position} m");
        assert!(velocity < 0.5, "median velocity error {velocity} m/s");
        // A crowded street: small boxes behind one another do swap now and then.
        assert!(switches * 50 <= judged.len(), "{switches} switches in {} sightings", judged.len());
    }
}
