//! `doctor --bundle`: one file with what a report of a fault needs, and no more than that.

use std::collections::BTreeMap;
use std::path::Path;

use ocellus_infer::engine::Store;
use ocellus_infer::library::default_cache;
use serde_json::{Value, json};

use super::line::Line;
use crate::machine;
use crate::machine::read::text;

/// Files of the system that tell what it is; each is small.
const FILES: [&str; 7] = [
    "etc/nv_tegra_release",
    "etc/nvpmodel.conf",
    "etc/os-release",
    "proc/cpuinfo",
    "proc/meminfo",
    "proc/driver/nvidia/version",
    "proc/cmdline",
];
/// A file is cut here.
const FILE_CHARS_MAX: usize = 20_000;
/// Variables by the beginnings of their names: no others leave the computer.
const VARIABLES: [&str; 4] = ["ORT_", "OCELLUS_", "CUDA_", "LD_"];

/// Everything.
pub fn of(lines: &[Line], root: &Path) -> Value {
    let file = |path: &&str| Some(((*path).to_owned(), cut(&text(&root.join(path))?)));
    let files: BTreeMap<String, String> = FILES.iter().filter_map(file).collect();
    let ours = |name: &str| VARIABLES.iter().any(|beginning| name.starts_with(beginning));
    let variables: BTreeMap<String, String> = std::env::vars().filter(|(name, _)| ours(name)).collect();
    json!({
        "schema": {"name": "ocellus.doctor", "version": 1},
        "ocellus": env!("CARGO_PKG_VERSION"),
        "lines": lines,
        "board": machine::board(root),
        "memory": machine::memory(root),
        "heat": machine::heat(root),
        "clocks": machine::clocks(root),
        "power_mode": machine::power_mode(root),
        "rails": machine::rails(root),
        "files": files,
        "variables": variables,
        "engines": engines(),
    })
}

fn cut(text: &str) -> String {
    text.chars().take(FILE_CHARS_MAX).collect()
}

/// Manifests of the engines in the user's cache.
fn engines() -> Vec<Value> {
    let Ok(cache) = default_cache() else { return Vec::new() };
    let engines = Store::at(&cache.join("engines")).engines();
    engines.into_iter().map(|(entry, manifest)| json!({"folder": entry.folder, "manifest": manifest})).collect()
}
