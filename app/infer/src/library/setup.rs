//! Fetching the pinned ONNX Runtime: pip gets the official wheel by package name, its digest is checked, and the
//! library is unpacked into the cache.
//!
//! Two processes that do this at once: the second waits for the first and finds the work done. A killed one leaves a
//! folder that the next removes, never half a library: files are written beside and renamed into place.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::wheel::{self, Wheel};
use super::{Library, LibraryError, LocateOptions, Origin, PINNED, default_cache, locate};
use crate::digest::sha256_of_file;

/// Folders of unfinished work begin with this.
const UNFINISHED: &str = ".fetch-";

/// What fetching is doing; `Display` is a line for people.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SetupEvent {
    /// Another process is fetching; this one waits for it.
    Waiting {
        /// The lock's file.
        lock: PathBuf,
    },
    /// The library is in the cache already.
    Present {
        /// The library.
        path: PathBuf,
    },
    /// What the cache held was unfit and will be replaced.
    Replacing {
        /// What was wrong with it.
        reason: String,
    },
    /// pip is fetching the wheel.
    Fetching {
        /// Package and version as pip is told.
        what: String,
        /// Platform tag of the wheel.
        platform: String,
        /// About how much there is to fetch.
        megabytes: u32,
    },
    /// The wheel is the pinned one.
    Checked {
        /// Its digest.
        sha256: String,
    },
    /// The library is in place.
    Installed {
        /// The library.
        path: PathBuf,
    },
}

impl std::fmt::Display for SetupEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Waiting { lock } => {
                write!(f, "another process is fetching ONNX Runtime; waiting for it ({})", lock.display())
            }
            Self::Present { path } => write!(f, "ONNX Runtime {PINNED} is there: {}", path.display()),
            Self::Replacing { reason } => write!(f, "replacing the cached library: {reason}"),
            Self::Fetching { what, platform, megabytes } => {
                write!(f, "fetching {what} for {platform} with pip (about {megabytes} MB)")
            }
            Self::Checked { sha256 } => write!(f, "sha256 is the pinned one: {sha256}"),
            Self::Installed { path } => write!(f, "installed ONNX Runtime {PINNED}: {}", path.display()),
        }
    }
}

/// Finds the library, or fetches the pinned one where there is none or the cached one is unfit.
///
/// # Errors
/// Those of [`locate()`] that fetching does not mend, and those of [`setup()`].
pub fn ensure(options: &LocateOptions, progress: &mut dyn FnMut(SetupEvent)) -> Result<Library, LibraryError> {
    match locate(options) {
        Err(error) if error.mended_by_setup() => match &options.cache {
            Some(cache) => setup_in(cache, progress),
            None => setup(progress),
        },
        other => other,
    }
}

/// Fetches the pinned release into the user's cache, unless it is there.
///
/// # Errors
/// No cache folder, no wheel for this processor, no pip, no network, a wrong digest, a full disk: each with its remedy.
pub fn setup(progress: &mut dyn FnMut(SetupEvent)) -> Result<Library, LibraryError> {
    setup_in(&default_cache()?, progress)
}

/// As [`setup()`], into the cache folder `cache` (`.../ocellus`).
///
/// # Errors
/// As [`setup()`].
pub fn setup_in(cache: &Path, progress: &mut dyn FnMut(SetupEvent)) -> Result<Library, LibraryError> {
    let wheel = wheel::ours()?;
    let releases = wheel::releases(cache);
    fs::create_dir_all(&releases).map_err(io("create", &releases))?;
    // Held to the end of this function; the system lets it go even if the process is killed.
    let _lock = lock(&releases.join(".lock"), progress)?;
    let path = wheel::cached_library(cache);
    if path.exists() {
        match Library::open(&path, Origin::Cache) {
            Ok(library) => {
                progress(SetupEvent::Present { path });
                return Ok(library);
            }
            Err(error) => progress(SetupEvent::Replacing { reason: error.to_string() }),
        }
    }
    remove_unfinished(&releases);
    let work = releases.join(format!("{UNFINISHED}{}", std::process::id()));
    fs::create_dir_all(&work).map_err(io("create", &work))?;
    let done = fetch(&work, &wheel, progress).and_then(|file| unpack(&file, &work, &wheel::release(cache)));
    // Should this fail, the next setup removes it.
    let _ = fs::remove_dir_all(&work);
    done?;
    let library = Library::open(&path, Origin::Cache)?;
    progress(SetupEvent::Installed { path });
    Ok(library)
}

/// Takes the lock, saying so where another process has it.
fn lock(path: &Path, progress: &mut dyn FnMut(SetupEvent)) -> Result<File, LibraryError> {
    let file = File::options().create(true).truncate(false).write(true).open(path).map_err(io("open", path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            progress(SetupEvent::Waiting { lock: path.to_owned() });
            file.lock().map_err(io("lock", path))?;
        }
        Err(TryLockError::Error(source)) => return Err(io("lock", path)(source)),
    }
    Ok(file)
}

/// Removes what killed processes left. Only called with the lock held, so nobody is at work in them.
fn remove_unfinished(releases: &Path) {
    for entry in fs::read_dir(releases).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Has pip fetch the wheel into `work` and checks its digest; returns the file.
fn fetch(work: &Path, wheel: &Wheel, progress: &mut dyn FnMut(SetupEvent)) -> Result<PathBuf, LibraryError> {
    let what = format!("{}=={PINNED}", wheel::PACKAGE);
    progress(SetupEvent::Fetching {
        what: what.clone(),
        platform: wheel.platform.to_owned(),
        megabytes: wheel.megabytes,
    });
    let output = pip(work, wheel, &what).output().map_err(|error| LibraryError::NoPip { reason: error.to_string() })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if said.contains("No module named pip") {
            return Err(LibraryError::NoPip { reason: said.trim().to_owned() });
        }
        return Err(LibraryError::Pip { what, reason: last_lines(&said) });
    }
    let entries = fs::read_dir(work).map_err(io("read", work))?.flatten();
    let file = entries.map(|entry| entry.path()).find(|path| path.extension().is_some_and(|e| e == "whl"));
    let Some(file) = file else {
        return Err(LibraryError::Pip { what, reason: "it reported success but left no wheel".to_owned() });
    };
    let sha256 = check(&file, wheel)?;
    progress(SetupEvent::Checked { sha256 });
    Ok(file)
}

/// Checks that `file` is the pinned wheel, byte for byte; returns its digest.
fn check(file: &Path, wheel: &Wheel) -> Result<String, LibraryError> {
    let got = sha256_of_file(file).map_err(|error| LibraryError::Unpack {
        path: file.to_owned(),
        member: "its bytes".to_owned(),
        reason: error.to_string(),
    })?;
    if got == wheel.sha256 {
        return Ok(got);
    }
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Err(LibraryError::WrongHash { file: name, expected: wheel.sha256.to_owned(), got })
}

fn pip(work: &Path, wheel: &Wheel, what: &str) -> Command {
    let mut command = Command::new("python3");
    command.args(["-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]);
    command.args(["--no-deps", "--only-binary=:all:", "--implementation", "cp"]);
    command.args(["--python-version", wheel::PYTHON, "--abi", &format!("cp{}", wheel::PYTHON)]);
    command.args(["--platform", wheel.platform, "--dest"]).arg(work).arg(what);
    command
}

/// Unpacks the library and its companion from `file`, by way of `work`, into `release`.
fn unpack(file: &Path, work: &Path, release: &Path) -> Result<(), LibraryError> {
    let fail = |member: &str, reason: String| LibraryError::Unpack {
        path: file.to_owned(),
        member: member.to_owned(),
        reason,
    };
    let reader = File::open(file).map_err(io("open", file))?;
    let mut archive = zip::ZipArchive::new(reader).map_err(|error| fail("its list of files", error.to_string()))?;
    fs::create_dir_all(release).map_err(io("create", release))?;
    for (member, name) in wheel::members() {
        let staged = work.join(&name);
        let mut packed = archive.by_name(&member).map_err(|error| fail(&member, error.to_string()))?;
        let mut unpacked = File::create(&staged).map_err(io("create", &staged))?;
        // The zip reader checks the member's CRC-32 at its end.
        std::io::copy(&mut packed, &mut unpacked).map_err(|error| fail(&member, error.to_string()))?;
        unpacked.sync_all().map_err(io("write", &staged))?;
        let target = release.join(&name);
        fs::rename(&staged, &target).map_err(io("write", &target))?;
    }
    Ok(())
}

/// The last lines of what a program said, in one.
fn last_lines(said: &str) -> String {
    /// pip's reason stands in its last two or three lines.
    const KEPT: usize = 3;
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    match lines.get(lines.len().saturating_sub(KEPT)..) {
        Some(kept) if !kept.is_empty() => kept.join(" / "),
        _ => "it said nothing".to_owned(),
    }
}

fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> LibraryError {
    let path = path.to_owned();
    move |source| LibraryError::Io { doing, path, source }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_wheel_of_other_bytes_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("onnxruntime-1.31.1-other.whl");
        fs::write(&file, b"not the pinned wheel").unwrap();
        let wheel = wheel::ours().unwrap();
        let error = check(&file, &wheel).unwrap_err();
        let LibraryError::WrongHash { expected, got, .. } = &error else { panic!("{error}") };
        assert_eq!(expected, wheel.sha256);
        assert_eq!(*got, crate::digest::sha256_of_bytes(b"not the pinned wheel"));
        assert!(error.to_string().contains("nothing was installed"));
    }

    /// A zip of `members`, each of the bytes of its own name.
    fn archive(path: &Path, members: &[String]) {
        let mut writer = zip::ZipWriter::new(File::create(path).unwrap());
        for member in members {
            writer.start_file(member.as_str(), zip::write::SimpleFileOptions::default()).unwrap();
            writer.write_all(member.as_bytes()).unwrap();
        }
        writer.finish().unwrap();
    }

    #[test]
    fn unpacking_puts_whole_files_in_place_and_names_what_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        let (file, work, release) = (dir.path().join("a.whl"), dir.path().join("work"), dir.path().join("release"));
        fs::create_dir(&work).unwrap();
        let members = wheel::members();
        archive(&file, &members.clone().map(|(member, _)| member));
        unpack(&file, &work, &release).unwrap();
        for (member, name) in &members {
            assert_eq!(fs::read_to_string(release.join(name)).unwrap(), *member);
        }
        assert_eq!(fs::read_dir(&work).unwrap().count(), 0, "nothing is left behind");

        let other = dir.path().join("other");
        archive(&file, &[members[0].0.clone()]);
        let error = unpack(&file, &work, &other).unwrap_err();
        assert!(matches!(&error, LibraryError::Unpack { member, .. } if *member == members[1].0), "{error}");
        assert!(!other.join(&members[1].1).exists());
        fs::write(&file, b"no zip").unwrap();
        assert!(matches!(unpack(&file, &work, &other), Err(LibraryError::Unpack { .. })));
    }

    #[test]
    fn the_end_of_what_a_program_said_is_kept() {
        assert_eq!(last_lines("a\n\nb\nc\nERROR: d\n"), "b / c / ERROR: d");
        assert_eq!(last_lines(" \n"), "it said nothing");
    }
}
