//! Obstacles that no detector knows, beside a detector's, from points and from depth: those planted on a simulated road are
//! listed, and an empty road has none.

use std::path::{Path, PathBuf};

use ocellus_percept::depth::DepthMap;
use ocellus_percept::fuse::{Obstacle, StandingFinder};
use ocellus_percept::model::DepthKind;
use ocellus_percept::space::{Transform, Vehicle};
use ocellus_world::{CameraTruth, Quality, RenderBuffers, Scenario, World, rig};
use serde_json::Value;

use crate::support::{ocellus, root};

/// What is planted in `tests/data/worlds/gauntlet.toml`: its place along the road and to the left of the vehicle's way, and how far
/// off it must be listed from, all metres. A LiDAR of 32 rows, 1.3 degrees apart, of 1024 points shows two points of a cone half a
/// metre out of what counts as ground from there on, and of a crate no row on every sweep further out.
const PLANTED: [(&str, f64, f64, f64); 5] = [
    ("pole", 30.0, 1.3, 25.0),
    ("cone", 38.0, -1.3, 13.0),
    ("crate", 46.0, 1.6, 17.0),
    ("branch", 56.0, -2.35, 20.0),
    ("wall", 75.0, 0.0, 28.0),
];
/// Nearer than this a thing lies under the bonnet, metres.
const NEAREST_M: f64 = 5.0;
/// The gauntlet's vehicle goes straight on, m/s.
const SPEED_MPS: f64 = 7.0;
/// An obstacle is the planted one within this of its middle, metres: walls and branches are 3 m wide.
const SAME_M: f64 = 2.0;

fn drive(folder: &Path, world: &str) -> PathBuf {
    let scenario = root().join(world);
    let out = folder.join(scenario.file_stem().unwrap()).with_extension("mcap");
    let words = ["--size", "160x96", "--beams", "32", "--columns", "1024", "--seconds", "7.9", "--out"];
    let words = ["world".as_ref(), scenario.as_os_str()].into_iter().chain(words.map(std::ffi::OsStr::new));
    let said = ocellus(words.chain([out.as_os_str()]));
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    out
}

/// The lines of a camera's frames with `model`, and with what no detector knows where that is asked for.
fn lines(drive: &Path, model: &Path, unknown: &str) -> Vec<Value> {
    let out = tempfile::tempdir().unwrap();
    let set =
        [format!("fusion.unknown={unknown}"), "vehicle.width_m=1.82".to_owned(), "vehicle.front_m=3.6".to_owned()];
    let mut words: Vec<&std::ffi::OsStr> = vec!["replay".as_ref(), drive.as_os_str(), "--model".as_ref()];
    words.extend([model.as_os_str(), "--out".as_ref(), out.path().as_os_str()]);
    for assignment in &set {
        words.extend(["--set".as_ref(), std::ffi::OsStr::new(assignment)]);
    }
    let said = ocellus(words);
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    let text = std::fs::read_to_string(out.path().join("objects.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["trigger"] == "camera").collect()
}

/// Places of a line's obstacles of no class.
fn places(line: &Value) -> Vec<[f64; 2]> {
    let place = |o: &Value| Some([o["position_m"][0].as_f64()?, o["position_m"][1].as_f64()?]);
    let unknown = line["objects"].as_array().into_iter().flatten().filter(|o| o["class"] == "unknown");
    unknown.filter_map(place).collect()
}

#[test]
fn what_is_planted_on_the_way_is_listed_and_an_empty_road_has_nothing() {
    let folder = tempfile::tempdir().unwrap();
    // It knows red squares alone: nothing here.
    let blind = root().join("tests/data/networks/yolov8_nonsquare_fp32.onnx");
    let gauntlet = drive(folder.path(), "tests/data/worlds/gauntlet.toml");
    let lines_of_it = lines(&gauntlet, &blind, "true");
    let begin = lines_of_it[0]["t_ns"].as_i64().unwrap();
    let mut strays = Vec::new();
    let mut counts = [(0, 0); PLANTED.len()];
    for line in &lines_of_it {
        let way_m = SPEED_MPS * 1e-9 * (line["t_ns"].as_i64().unwrap() - begin) as f64;
        let listed = places(line);
        let is_at = |place: &[f64; 2], x: f64, y: f64| (place[0] - x).hypot(place[1] - y) <= SAME_M;
        for ((_, station, y, from), (found, asked)) in PLANTED.iter().zip(&mut counts) {
            let x = station - way_m;
            if (NEAREST_M..*from).contains(&x) {
                *asked += 1;
                *found += usize::from(listed.iter().any(|place| is_at(place, x, *y)));
            }
        }
        let is_planted = |p: &&[f64; 2]| PLANTED.iter().any(|(_, station, y, _)| is_at(p, station - way_m, *y));
        strays.extend(listed.iter().filter(|p| !is_planted(p)).copied());
    }
    for ((name, ..), (found, asked)) in PLANTED.iter().zip(counts) {
        println!("{name}: {found} of {asked} frames");
        assert!(asked >= 10 && found * 10 >= asked * 9, "{name}: {found} of {asked}");
    }
    assert!(strays.is_empty(), "{strays:?}");
    assert!(lines(&gauntlet, &blind, "false").iter().all(|line| places(line).is_empty()), "not unless asked for");

    let empty = drive(folder.path(), "launch/worlds/empty_road.toml");
    let strays: usize = lines(&empty, &blind, "true").iter().map(|line| places(line).len()).sum();
    assert_eq!(strays, 0, "on an empty road");
}

/// Nearer than this the picture shows no road before a thing, metres.
const NEAREST_IN_DEPTH_M: f64 = 6.5;
/// What lies farther to the side is verge, metres.
const ASIDE_M: f64 = 2.0;
/// Those of [`PLANTED`] that a depth map of 80 columns shows, and from where on: pole, cone and branch are thinner than its cells.
const IN_DEPTH: [(&str, f64, f64, f64); 2] = [("crate", 46.0, 1.6, 10.5), ("wall", 75.0, 0.0, 24.0)];

/// What stands in the depth that the world's front camera would be told by a network: cells of 4 by 4 pixels, each off by up
/// to 6 % and all of them by a fifth.
fn standing(world: &World, finder: &mut StandingFinder, t_s: f64) -> Vec<Obstacle> {
    let setup = rig::front_camera(320, 192);
    let mut truth = CameraTruth::default();
    world.snapshot(t_s).render(&setup, Quality::FAST, &mut RenderBuffers::new(), &mut truth);
    let (width, height) = (80, 48);
    let mut state = 1u32;
    let values = (0..width * height).map(|cell| {
        let (row, column) = (cell / width * 4 + 2, cell % width * 4 + 2);
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = (state >> 8) as f32 / 8_388_608.0 - 1.0;
        truth.depth_m[row * 320 + column] * 1.2 * (1.0 + 0.06 * noise)
    });
    let map = DepthMap {
        width,
        height,
        values: values.collect(),
        kind: DepthKind::Metric,
        focal: None,
        scale_x: 0.25,
        offset_x: 0.0,
        scale_y: 0.25,
        offset_y: 0.0,
    };
    let vehicle_from_optical: Transform<Vehicle, _> = setup.optical_from_vehicle.inverse();
    let height_m = vehicle_from_optical.isometry().translation.vector.z;
    let mut found = Vec::new();
    finder.find(&map, &setup.camera, (&vehicle_from_optical, height_m), &mut found).expect("there is a road");
    found
}

#[test]
fn depth_alone_shows_what_stands_on_the_way_and_nothing_on_an_empty_road() {
    let world = |path: &str| {
        let scenario = Scenario::parse(&std::fs::read_to_string(root().join(path)).unwrap()).unwrap();
        World::new(&scenario, scenario.seed).unwrap()
    };
    let (gauntlet, empty) = (world("tests/data/worlds/gauntlet.toml"), world("launch/worlds/empty_road.toml"));
    let mut finder = StandingFinder::default();
    let mut counts = [(0, 0); IN_DEPTH.len()];
    let mut strays = Vec::new();
    for frame in 0..79 {
        let t_s = 0.1 * f64::from(frame);
        let on_way = |o: &&Obstacle| o.nearest.xyz.y.abs() < ASIDE_M;
        let places = standing(&gauntlet, &mut finder, t_s);
        let places: Vec<[f64; 2]> = places.iter().filter(on_way).map(|o| [o.nearest.xyz.x, o.nearest.xyz.y]).collect();
        let is_at = |p: &[f64; 2], x: f64, y: f64| (p[0] - x).hypot(p[1] - y) <= SAME_M;
        for ((_, station, y, from), (found, asked)) in IN_DEPTH.iter().zip(&mut counts) {
            let x = station - SPEED_MPS * t_s;
            if (NEAREST_IN_DEPTH_M..*from).contains(&x) {
                *asked += 1;
                *found += usize::from(places.iter().any(|p| is_at(p, x, *y)));
            }
        }
        let is_planted = |p: &&[f64; 2]| PLANTED.iter().any(|(_, x, y, _)| is_at(p, x - SPEED_MPS * t_s, *y));
        strays.extend(places.iter().filter(|p| !is_planted(p)).copied());
        strays.extend(
            standing(&empty, &mut finder, t_s).iter().filter(on_way).map(|o| [o.nearest.xyz.x, o.nearest.xyz.y]),
        );
    }
    for ((name, ..), (found, asked)) in IN_DEPTH.iter().zip(counts) {
        println!("{name}: {found} of {asked} frames");
        assert!(asked >= 5 && found * 10 >= asked * 9, "{name}: {found} of {asked}");
    }
    assert!(strays.is_empty(), "{strays:?}");
}
