//! Event clips: a warning's seconds are kept with its reason, are told by `inspect`, and replay to the same warning.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{Said, ocellus, root};

/// The vehicle of the simulated world, which a recording of it does not tell.
const VEHICLE: [&str; 4] = ["--set", "vehicle.width_m=1.82", "--set", "vehicle.front_m=3.6"];

fn replay(drive: &Path, out: &Path, more: &[&OsStr]) -> Said {
    let words: [&OsStr; 6] =
        ["replay".as_ref(), drive.as_os_str(), "--model".as_ref(), "truth".as_ref(), "--out".as_ref(), out.as_os_str()];
    let said = ocellus(words.into_iter().chain(more.iter().copied()));
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    said
}

/// Time, class, risk and reason of the first frame of each warning level.
fn warnings(out: &Path) -> Vec<(i64, String, String, String)> {
    let text = std::fs::read_to_string(out.join("objects.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut found: Vec<(i64, String, String, String)> = Vec::new();
    for line in lines {
        for object in line["objects"].as_array().into_iter().flatten() {
            let word = |key: &str| object[key].as_str().unwrap_or_default().to_owned();
            let risk = word("risk");
            if (risk == "warn" || risk == "critical") && found.iter().all(|f| f.2 != risk) {
                found.push((line["t_ns"].as_i64().unwrap(), word("class"), risk, word("why")));
            }
        }
    }
    found
}

fn clips_in(folder: &Path) -> Vec<PathBuf> {
    let mut clips: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    clips.sort();
    clips
}

#[test]
fn a_warning_is_kept_told_by_inspect_and_replays_to_the_same_warning() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let scenario = root().join("tests/data/worlds/standing_car.toml");
    let said = ocellus([
        "world".as_ref(),
        scenario.as_os_str(),
        "--out".as_ref(),
        at("drive.mcap").as_os_str(),
        "--size".as_ref(),
        "320x192".as_ref(),
        "--beams".as_ref(),
        "16".as_ref(),
    ]);
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    let (clips, vehicle) = (at("clips"), VEHICLE.map(OsStr::new));
    let more: Vec<&OsStr> = ["--clips".as_ref(), clips.as_os_str(), "--set".as_ref(), "clips.before_s=2".as_ref()]
        .into_iter()
        .chain(vehicle)
        .collect();
    replay(&at("drive.mcap"), &at("run"), &more);
    let said_at_first = warnings(&at("run"));
    assert_eq!(said_at_first.len(), 2, "a warning, then critical: {said_at_first:?}");

    let kept = clips_in(&clips);
    let [clip] = kept.as_slice() else { panic!("one clip, not {kept:?}") };
    let name = clip.file_name().unwrap().to_string_lossy().into_owned();
    assert!(name.starts_with("event_") && name.contains("_critical_car-"), "{name}");
    // It holds its seconds and no more.
    let drive = ocellus_sense::open(clip, &ocellus_sense::OpenOptions::default()).unwrap();
    let warned_ns = said_at_first[0].0;
    let first = drive.entries().first().unwrap().t.as_nanos();
    assert!((1_900_000_000..=2_000_000_000).contains(&(warned_ns - first)), "{}", warned_ns - first);
    assert_eq!(drive.events().len(), 2);
    assert_eq!(drive.events()[0].why, said_at_first[0].3);

    // Inspect says why.
    let inspected = ocellus(["inspect".as_ref(), clip.as_os_str()]);
    assert_eq!(inspected.code, 0, "{}", inspected.err);
    for word in [said_at_first[0].3.as_str(), "warn: car", "critical: car", "front at 3.6 m", "truth"] {
        assert!(inspected.out.contains(word), "{word} is not in\n{}", inspected.out);
    }

    // The clip, without being told the vehicle, says the same again.
    replay(clip, &at("again"), &[]);
    let again = warnings(&at("again"));
    assert_eq!(again.len(), 2, "{again:?}");
    for (first, again) in said_at_first.iter().zip(&again) {
        assert_eq!((&first.1, &first.2), (&again.1, &again.2));
        assert!((first.0 - again.0).abs() <= 100_000_000, "within a frame: {first:?} {again:?}");
        assert!(again.3.contains("by lidar") && again.3.contains("contact in"), "{again:?}");
    }
}

#[test]
fn a_drive_without_a_warning_leaves_no_clip_and_no_room_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let drive = root().join("tests/data/street.mcap");
    let clips = folder.path().join("clips");
    let calm = ["--clips".as_ref(), clips.as_os_str(), "--set".as_ref(), "risk.enter=1".as_ref()];
    replay(&drive, &folder.path().join("run"), &calm);
    assert!(clips_in(&clips).is_empty());
    let file = folder.path().join("file");
    std::fs::write(&file, "in the way").unwrap();
    let said = ocellus([
        "replay".as_ref(),
        drive.as_os_str(),
        "--model".as_ref(),
        "truth".as_ref(),
        "--out".as_ref(),
        folder.path().join("other").as_os_str(),
        "--clips".as_ref(),
        file.as_os_str(),
    ]);
    assert_eq!(said.code, 2, "{}\n{}", said.out, said.err);
    assert!(said.err.contains("folder for clips"), "{}", said.err);
}
