//! The architecture, tested: crate edges, owners of foreign packages, `//!` on every file, licence, top level.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::root;

/// Who may import whom among our crates (the binary may import all). Twin of the picture in app/ARCHITECTURE.md.
const EDGES: [(&str, &[&str]); 8] = [
    ("percept", &[]),
    ("flow", &[]),
    ("world", &["percept"]),
    ("infer", &["percept"]),
    ("sinks", &["percept"]),
    ("judge", &["percept"]),
    ("sense", &["percept", "world"]),
    ("distill", &["percept", "world", "judge"]),
];

/// Foreign packages with owners: no other crate may depend on them.
const OWNERS: [(&str, &[&str]); 16] = [
    ("ort", &["infer"]),
    ("nokhwa", &["sense"]),
    ("libc", &["sense"]),
    ("image", &["sense"]),
    ("libjpeg-turbo-rs", &["sense"]),
    ("mcap", &["sense", "sinks"]),
    ("rerun", &["sinks"]),
    ("crossbeam-channel", &["flow"]),
    ("socket2", &["sense"]),
    ("socketcan", &["sinks"]),
    ("ureq", &["sense"]),
    ("prost", &["distill"]),
    ("rayon", &["world", "judge", "distill"]),
    ("gemm-common", &["distill"]),
    ("gemm-f32", &["distill"]),
    ("anyhow", &["ocellus"]),
];

/// What may lie at the top level.
const TOP: [&str; 18] = [
    ".cargo",
    ".ci",
    ".git",
    ".gitignore",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "app",
    "calib",
    "clippy.toml",
    "deny.toml",
    "launch",
    "models",
    "rustfmt.toml",
    "target",
    "tests",
];

fn manifest(path: &Path) -> toml::Table {
    toml::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Crate name -> names under `[dependencies]` and every target's, without dev-dependencies.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let mut all = BTreeMap::new();
    let mut manifests: Vec<PathBuf> = vec![root().join("Cargo.toml")];
    for entry in fs::read_dir(root().join("app")).unwrap() {
        manifests.push(entry.unwrap().path().join("Cargo.toml"));
    }
    for path in manifests.into_iter().filter(|p| p.is_file()) {
        let table = manifest(&path);
        let name = table["package"]["name"].as_str().unwrap().trim_start_matches("ocellus-").to_owned();
        let direct = table.get("dependencies").and_then(|d| d.as_table());
        let by_target = table.get("target").and_then(|t| t.as_table()).into_iter().flat_map(|t| t.values());
        let of_targets = by_target.filter_map(|t| t.get("dependencies")).filter_map(|d| d.as_table());
        all.insert(name, direct.into_iter().chain(of_targets).flat_map(|d| d.keys().cloned()).collect());
    }
    all
}

fn sources(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, extension, found);
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
}

fn rust_files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    sources(&root().join("app"), "rs", &mut files);
    sources(&root().join("tests"), "rs", &mut files);
    assert!(files.len() > 20, "the walk finds the sources");
    files.sort();
    files
}

#[test]
fn crates_import_only_whom_they_may() {
    let edges: BTreeMap<_, _> = EDGES.into_iter().collect();
    for (name, dependencies) in dependencies() {
        if name == "ocellus" {
            continue;
        }
        let allowed = edges.get(name.as_str()).unwrap_or_else(|| panic!("crate {name} is in no row of EDGES"));
        for ours in dependencies.iter().filter_map(|d| d.strip_prefix("ocellus-")) {
            assert!(allowed.contains(&ours), "{name} imports {ours}: a new crate edge");
        }
    }
}

#[test]
fn foreign_packages_stay_with_their_owners() {
    let owners: BTreeMap<_, _> = OWNERS.into_iter().collect();
    for (name, dependencies) in dependencies() {
        for package in &dependencies {
            let Some(allowed) = owners.get(package.as_str()) else { continue };
            assert!(allowed.contains(&name.as_str()), "{name} depends on {package}, which belongs to {allowed:?}");
        }
    }
}

#[test]
fn only_flow_starts_threads() {
    let allowed = [root().join("app/flow"), root().join("tests")];
    for path in rust_files() {
        if allowed.iter().any(|a| path.starts_with(a)) {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap_or("");
        for banned in ["thread::spawn", "thread::Builder", "thread::scope"] {
            let in_tests = path.components().any(|c| c.as_os_str() == "tests");
            assert!(in_tests || !code.contains(banned), "{}: {banned} belongs to flow", path.display());
        }
    }
}

#[test]
fn pure_crates_read_no_clock_file_or_network() {
    for pure in ["percept", "world", "judge"] {
        let mut files = Vec::new();
        sources(&root().join("app").join(pure).join("src"), "rs", &mut files);
        for path in files {
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap_or("");
            for banned in
                ["std::fs", "std::net", "Instant::now", "SystemTime", "println!", "std::env::", "std::process"]
            {
                assert!(!code.contains(banned), "{}: {pure} is pure, {banned} is not", path.display());
            }
        }
    }
}

#[test]
fn every_file_opens_by_saying_why_it_exists() {
    for path in rust_files() {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//!"), "{} does not open with //!", path.display());
    }
}

#[test]
fn nothing_unfinished_is_left_behind() {
    for path in rust_files().into_iter().filter(|p| !p.ends_with("tidy.rs")) {
        let text = fs::read_to_string(&path).unwrap();
        for mark in ["todo!(", "unimplemented!(", "dbg!(", "FIXME", "XXX", "#[ignore"] {
            assert!(!text.contains(mark), "{}: {mark}", path.display());
        }
    }
}

#[test]
fn the_top_level_is_fixed() {
    for entry in fs::read_dir(root()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let tool_output = name == "out" || name.starts_with(".fuse");
        assert!(tool_output || TOP.contains(&name.as_str()), "{name} has no place at the top level");
    }
}

#[test]
fn every_member_is_built_and_tested_by_default() {
    let workspace = &manifest(&root().join("Cargo.toml"))["workspace"];
    let names = |key: &str| -> BTreeSet<String> {
        workspace[key].as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned()).collect()
    };
    let (members, defaults) = (names("members"), names("default-members"));
    assert!(defaults.contains("."));
    assert!(members.is_subset(&defaults), "{:?}", members.difference(&defaults));
    for member in &members {
        let table = manifest(&root().join(member).join("Cargo.toml"));
        assert_eq!(table["lints"]["workspace"].as_bool(), Some(true), "{member} takes the workspace's lints");
    }
}
