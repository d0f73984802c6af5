//! Tests of the world through its public interface.

// Helpers of tests may fail loudly; clippy only knows functions marked as tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod collisions;
mod determinism;
mod errors;
mod geometry;
mod labels;
mod lidar;
mod random;
mod scenarios;

use std::path::PathBuf;

use ocellus_world::{CameraTruth, Quality, RenderBuffers, Scenario, World, rig};

/// Folder of the scenarios that ship.
fn worlds() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../launch/worlds"))
}

/// A scenario that ships.
fn shipped(name: &str) -> Scenario {
    let path = worlds().join(format!("{name}.toml"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    Scenario::parse(&text).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// A world of a shipped scenario.
fn world(name: &str, seed: u64) -> World {
    World::new(&shipped(name), seed).expect("shipped scenarios make worlds")
}

/// One picture of the front camera.
fn picture(world: &World, t_s: f64, width: u32) -> CameraTruth {
    let mut truth = CameraTruth::default();
    let setup = rig::front_camera(width, width * 3 / 5);
    world.snapshot(t_s).render(&setup, Quality::FULL, &mut RenderBuffers::new(), &mut truth);
    truth
}

/// FNV-1a over bytes: a hash that needs no crate.
fn fnv(bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

/// Hash of everything a picture comes with.
fn hash(truth: &CameraTruth) -> u64 {
    let depth = truth.depth_m.iter().flat_map(|d| d.to_bits().to_le_bytes());
    let instance = truth.instance.iter().flat_map(|i| i.to_le_bytes());
    let boxes = truth.objects.iter().flat_map(|o| {
        let b = o.box_full;
        [b.x0, b.y0, b.x1, b.y1, o.occlusion].into_iter().flat_map(|v| v.to_bits().to_le_bytes())
    });
    fnv(truth.rgb.data().iter().copied().chain(depth).chain(instance).chain(truth.class.iter().copied()).chain(boxes))
}
