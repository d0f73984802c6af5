//! What the integration tests share: the program, folders, real data where it is there.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

#[path = "../../app/percept/tests/support/python.rs"]
pub mod python;
pub mod truth;

/// The project's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A path under the real data, or `None` (said aloud) where this machine has none.
pub fn real_data(path: &str) -> Option<PathBuf> {
    let data = root().join("../shared/data");
    if !data.is_dir() {
        println!("skipped: no real data");
        return None;
    }
    let path = data.join(path);
    assert!(path.exists(), "{} is missing from the real data", path.display());
    Some(path)
}

/// What the program said and how it ended.
pub struct Said {
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// Runs the program.
pub fn ocellus<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ocellus"));
    command.args(arguments).current_dir(root());
    finish(command.output().expect("the program starts"))
}

fn finish(output: Output) -> Said {
    Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
