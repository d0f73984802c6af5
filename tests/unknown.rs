//! Obstacles that no detector knows, beside a detector's: those planted on a simulated road are listed, and an empty road has
//! none.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{ocellus, root};

/// In the vehicle's way are those this near to its middle, metres: the wall. What is lower than half a metre, as the cones
/// beside it, one row of such a LiDAR's points hits or none.
const ASIDE_M: f64 = 0.6;
/// Nearer than this an obstacle lies under the bonnet, further off than that it cannot be asked for, metres.
const RANGE_M: std::ops::Range<f64> = 5.0..30.0;
/// An obstacle is the planted one within this of its nearest point, metres.
const SAME_M: f64 = 2.0;

fn drive(folder: &Path, world: &str) -> PathBuf {
    let (scenario, out) = (root().join("launch/worlds").join(world), folder.join(world).with_extension("mcap"));
    let words = ["--size", "160x96", "--beams", "32", "--columns", "1024", "--seconds", "6.5", "--out"];
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

fn is_among(place: &[f64; 2], others: &[[f64; 2]], within_m: f64) -> bool {
    others.iter().any(|o| (o[0] - place[0]).hypot(o[1] - place[1]) <= within_m)
}

#[test]
fn what_is_planted_on_the_way_is_listed_and_an_empty_road_has_nothing() {
    let folder = tempfile::tempdir().unwrap();
    // It knows red squares alone: nothing here.
    let blind = root().join("tests/data/networks/yolov8_nonsquare_fp32.onnx");
    let clutter = drive(folder.path(), "clutter.toml");
    let (said, truth) = (lines(&clutter, &blind, "true"), lines(&clutter, Path::new("truth"), "false"));
    assert_eq!(said.len(), truth.len());
    let (mut asked, mut listed, mut strays) = (0, 0, 0);
    for (said, truth) in said.iter().zip(&truth) {
        let (said, all) = (places(said), places(truth));
        let on_way = all.iter().filter(|p| RANGE_M.contains(&p[0]) && p[1].abs() < ASIDE_M);
        for place in on_way {
            asked += 1;
            listed += usize::from(is_among(place, &said, SAME_M));
        }
        strays += said.iter().filter(|place| !is_among(place, &all, SAME_M + 1.0)).count();
    }
    println!("planted on the way: {listed} of {asked} listed, {strays} strays in {} frames", said.len());
    assert!(asked >= 25, "{asked}");
    assert!(listed * 10 >= asked * 9, "{listed} of {asked}");
    assert_eq!(strays, 0);
    assert!(lines(&clutter, &blind, "false").iter().all(|line| places(line).is_empty()), "not unless asked for");

    let empty = drive(folder.path(), "empty_road.toml");
    let strays: usize = lines(&empty, &blind, "true").iter().map(|line| places(line).len()).sum();
    assert_eq!(strays, 0, "on an empty road");
}
