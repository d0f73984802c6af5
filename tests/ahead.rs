//! From pictures to the nearest obstacle ahead on CAN, with truth as detector: is it the right one, and as far away as told?

use std::collections::BTreeMap;
use std::path::Path;

use ocellus_world::rig::front_camera;
use ocellus_world::{Box3d, CameraTruth, EgoState, Quality, RenderBuffers, Scenario, World};
use serde_json::Value;

use crate::support::truth::{same_box, scenario_s};
use crate::support::{ocellus, root};

/// Size of the pictures.
const SIZE: (u32, u32) = (320, 192);
/// Width of the simulated car, and from the vehicle frame's origin to its front, metres.
const WIDTH_M: f64 = 1.82;
const FRONT_M: f64 = 3.6;
/// Farther away nothing is asked for; nearer than the least the crash has happened, and the world stands still.
const GAPS_M: std::ops::RangeInclusive<f64> = 0.5..=60.0;
/// Tracks are confirmed by then.
const SETTLED_S: f64 = 0.3;
/// Scenarios, most with something on the way, each with the seconds taken of it.
const WORLDS: [(&str, f64); 7] = [
    ("street", 6.0),
    ("oncoming", 5.0),
    ("hard_brake", 6.0),
    ("motorway", 6.0),
    ("parked_pass", 5.0),
    ("cut_in", 5.0),
    ("crossing_pedestrian", 5.0),
];

/// The nearest obstacle ahead by one cycle on CAN: low byte of its track, metres from the front. `None`: nothing ahead.
type Told = Option<(u64, f64)>;

/// Nearest obstacles by time, microseconds, from a candump log; places as launch/ocellus.dbc has them.
fn told(log: &Path) -> BTreeMap<u64, Told> {
    let mut cycles: BTreeMap<u64, BTreeMap<String, u64>> = BTreeMap::new();
    for line in std::fs::read_to_string(log).unwrap().lines() {
        let (time, rest) = line.trim_start_matches('(').split_once(')').unwrap();
        let (s, us) = time.split_once('.').unwrap();
        let (id, data) = rest.split_whitespace().nth(1).unwrap().split_once('#').unwrap();
        let bytes = u64::from_str_radix(data, 16).unwrap().swap_bytes();
        let at = s.parse::<u64>().unwrap() * 1_000_000 + us.parse::<u64>().unwrap();
        cycles.entry(at).or_default().insert(id.to_owned(), bytes);
    }
    let bits = |frame: u64, first: u32, count: u32| (frame >> first) & ((1 << count) - 1);
    let nearest = |frames: &BTreeMap<String, u64>| {
        let (gap, slot) = (bits(frames["601"], 16, 12), bits(frames["601"], 60, 4));
        let object = frames.get(&format!("{:X}", 0x610 + slot))?;
        (gap < 0xFFF).then(|| (bits(*object, 16, 8), gap as f64 * 0.05))
    };
    cycles.iter().map(|(at, frames)| (*at, nearest(frames))).collect()
}

/// Metres from the front along the vehicle's arc to the nearest part of a box on its way; `None` where none is.
fn gap_m(object: &Box3d, ego: &EgoState) -> Option<f64> {
    let curvature = if ego.speed_mps > 0.5 { ego.yaw_rate_rps / ego.speed_mps } else { 0.0 };
    let (sin, cos) = object.yaw_vehicle.sin_cos();
    let steps = (0..=100).map(|i| f64::from(i) / 100.0 - 0.5);
    let [length, width, _] = object.size_m;
    let outline = steps.flat_map(|s| {
        [[s * length, 0.5 * width], [s * length, -0.5 * width], [0.5 * length, s * width], [-0.5 * length, s * width]]
    });
    let met = outline.filter_map(|[along, across]| {
        let x = object.centre_vehicle.xyz.x + cos * along - sin * across;
        let y = object.centre_vehicle.xyz.y + sin * along + cos * across;
        let on_way = (y - 0.5 * curvature * x * x).abs() <= 0.5 * WIDTH_M && x >= FRONT_M;
        on_way.then_some(x - FRONT_M)
    });
    met.min_by(f64::total_cmp)
}

/// Counts over all scenarios.
#[derive(Default)]
struct Counts {
    right: usize,
    wrong: Vec<String>,
    /// Relative errors of gaps to the right obstacle.
    errors: Vec<f64>,
    /// Pictures without an obstacle ahead, and those of them with one on CAN.
    free: usize,
    invented: usize,
}

fn judge(name: &str, seconds: f64, counts: &mut Counts) {
    let folder = tempfile::tempdir().unwrap();
    let scenario = root().join(format!("launch/worlds/{name}.toml"));
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (recording, out, log) = (file("world.mcap"), file("run"), file("can.log"));
    let (size, seconds_told) = (format!("{}x{}", SIZE.0, SIZE.1), seconds.to_string());
    let world = ["world", scenario.to_str().unwrap(), "--out", &recording, "--size", &size, "--seconds", &seconds_told];
    let sensors = ["--camera-hz", "10", "--lidar-hz", "10", "--beams", "32", "--columns", "1024"];
    let vehicle = [format!("vehicle.width_m={WIDTH_M}"), format!("vehicle.front_m={FRONT_M}")];
    let replay = ["replay", &recording, "--model", "truth", "--out", &out, "--can", &log];
    let set = ["--set", &vehicle[0], "--set", &vehicle[1]];
    for words in [[&world[..], &sensors].concat(), [&replay[..], &set].concat()] {
        let said = ocellus(words);
        assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    }
    let told = told(Path::new(&log));
    let mut scenario = Scenario::parse(&std::fs::read_to_string(scenario).unwrap()).unwrap();
    scenario.duration_s = scenario.duration_s.max(seconds);
    let world = World::new(&scenario, scenario.seed).unwrap();
    let (setup, mut buffers, mut truth) =
        (front_camera(SIZE.0, SIZE.1), RenderBuffers::default(), CameraTruth::default());
    for line in std::fs::read_to_string(Path::new(&out).join("objects.jsonl")).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let at = line["t_ns"].as_u64().unwrap().div_ceil(1000);
        let t_s = scenario_s(&line);
        if line["trigger"] != "camera" || t_s < SETTLED_S {
            continue;
        }
        let Some((_, said)) = told.range(at - 2..=at + 2).next() else { continue };
        let snapshot = world.snapshot(t_s);
        snapshot.render(&setup, Quality::FAST, &mut buffers, &mut truth);
        let seen = truth.objects.iter().filter(|o| o.box_visible.is_some());
        let ahead = seen.filter_map(|o| Some((gap_m(&o.box_3d, &snapshot.ego())?, o)));
        let Some((gap, nearest)) = ahead.min_by(|a, b| a.0.total_cmp(&b.0)) else {
            counts.free += 1;
            counts.invented += usize::from(said.is_some_and(|(_, gap)| GAPS_M.contains(&gap)));
            continue;
        };
        if !GAPS_M.contains(&gap) {
            continue;
        }
        let objects = line["objects"].as_array().unwrap();
        let is_it =
            |track: u64| objects.iter().any(|o| o["track"].as_u64().unwrap() & 0xFF == track && same_box(nearest, o));
        match said {
            Some((track, said_m)) if is_it(*track) => {
                counts.right += 1;
                counts.errors.push((said_m - gap).abs() / gap.max(1.0));
            }
            other => {
                counts.wrong.push(format!("{name} {t_s:.1} s: {} at {gap:.1} m, told {other:?}", nearest.class.name()))
            }
        }
    }
}

#[test]
fn the_nearest_obstacle_on_can_is_the_right_one() {
    let mut counts = Counts::default();
    for (name, seconds) in WORLDS {
        judge(name, seconds, &mut counts);
    }
    counts.errors.sort_by(f64::total_cmp);
    let (asked, median) = (counts.right + counts.wrong.len(), counts.errors[counts.errors.len() / 2]);
    let share = counts.right as f64 / asked as f64;
    println!("{asked} pictures with an obstacle ahead: right in {share:.3}, gap off by {median:.4} (median)");
    println!("{} without: one told in {}", counts.free, counts.invented);
    assert!(asked >= 200 && share >= 0.95, "{asked}, {share:.3}: {:#?}", counts.wrong);
    assert!(median <= 0.10, "{median}");
    assert!(counts.invented * 20 <= counts.free, "{} of {}", counts.invented, counts.free);
}
