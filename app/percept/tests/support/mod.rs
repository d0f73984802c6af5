//! What the tests against references share: where the real data is, and a Python environment to run references in.

#[allow(dead_code)] // not every test runs a reference
pub(crate) mod python;

use std::path::PathBuf;

/// The folder of real test material, or `None` (saying so) where it is absent.
pub(crate) fn real_data() -> Option<PathBuf> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data"));
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: no real data");
    None
}
