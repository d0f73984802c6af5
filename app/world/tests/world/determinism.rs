//! The same seed gives the same bytes: again, in any order, with any number of threads, and as it did when the golden
//! hashes were written (`OCELLUS_UPDATE_GOLDEN=1` writes them anew).

use std::path::PathBuf;

use ocellus_percept::cloud::Cloud;
use ocellus_world::{SweepTruth, rig};

use super::{fnv, hash, picture, world};

fn with_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool").install(work)
}

fn sweep_hash(seed: u64) -> u64 {
    let world = world("street", seed);
    let (mut cloud, mut truth) = (Cloud::default(), SweepTruth::default());
    world.sweep(3.0, &rig::roof_lidar(16), &mut cloud, &mut truth);
    assert!(!cloud.is_empty());
    let numbers = cloud.xyz.iter().flatten().chain(&cloud.intensity).chain(&cloud.time_offset_s);
    fnv(numbers.flat_map(|v| v.to_bits().to_le_bytes()).chain(truth.class.iter().copied()))
}

#[test]
fn one_thread_and_two_and_five_give_the_same_bytes() {
    let all: Vec<(u64, u64)> = [1, 2, 5]
        .into_iter()
        .map(|n| with_threads(n, || (hash(&picture(&world("street", 3), 4.0, 200)), sweep_hash(3))))
        .collect();
    assert_eq!(all[0], all[1]);
    assert_eq!(all[0], all[2]);
}

#[test]
fn times_may_be_asked_for_in_any_order_and_seeds_differ() {
    let w = world("night_rain", 4);
    let later = hash(&picture(&w, 2.0, 128));
    let _ = picture(&w, 7.0, 128);
    assert_eq!(later, hash(&picture(&w, 2.0, 128)));
    assert_ne!(later, hash(&picture(&world("night_rain", 5), 2.0, 128)));
}

#[test]
fn bytes_are_those_of_the_golden_file() {
    let frames = [("street", 7, 5.0), ("night_rain", 17, 3.0), ("snow", 19, 2.0), ("clutter", 22, 1.0)];
    let mut lines = String::new();
    for (name, seed, t) in frames {
        lines += &format!("{name} {seed} {t} {:016x}\n", hash(&picture(&world(name, seed), t, 120)));
    }
    lines += &format!("sweep street 7 {:016x}\n", sweep_hash(7));
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/hashes.txt"));
    if std::env::var_os("OCELLUS_UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("the folder is made");
        std::fs::write(&path, &lines).expect("the golden file is written");
    }
    let golden = std::fs::read_to_string(&path).expect("tests/golden/hashes.txt");
    assert_eq!(golden, lines, "pictures changed; if that is meant, run with OCELLUS_UPDATE_GOLDEN=1");
}
