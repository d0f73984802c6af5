//! A Python environment with pinned packages, made once per list of packages under the user's cache folder.
//!
//! Fetches over the network the first time, and says so. Two processes that need it at once wait for one another.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

/// The interpreter of an environment that holds what the file `requirements` lists.
pub(crate) fn interpreter(requirements: &Path) -> io::Result<PathBuf> {
    let list = fs::read(requirements)?;
    let digest = Sha256::digest(&list);
    let hash: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let cache = cache_folder()?.join("ocellus");
    fs::create_dir_all(&cache)?;
    let lock = File::create(cache.join(format!("venv-{hash}.lock")))?;
    lock.lock()?;
    let folder = cache.join(format!("venv-{hash}"));
    let python = folder.join("bin/python");
    let ready = folder.join("ready");
    if !ready.exists() {
        println!("fetching Python packages ({}) into {}", requirements.display(), folder.display());
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--requirement"]).arg(requirements))?;
        fs::write(&ready, b"")?;
    }
    Ok(python)
}

/// `$XDG_CACHE_HOME`, else `~/.cache`.
fn cache_folder() -> io::Result<PathBuf> {
    let from = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    from("XDG_CACHE_HOME")
        .or_else(|| from("HOME").map(|home| home.join(".cache")))
        .ok_or_else(|| io::Error::other("neither XDG_CACHE_HOME nor HOME is set: no place for the Python environment"))
}

/// Runs `command` to its end; a failure carries what it wrote.
pub(crate) fn run(command: &mut Command) -> io::Result<()> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let written = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("{command:?} failed ({}): {}", output.status, written.trim_end())))
}
