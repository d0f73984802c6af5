//! What can be wrong with the ONNX Runtime library, or with fetching it, and what mends it.

use std::path::PathBuf;

use super::version::Version;
use super::{OLDEST, Origin, PINNED};

/// No usable ONNX Runtime library. Every message names the file and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// Nothing was found anywhere.
    #[error(
        "no ONNX Runtime library found (wanted {OLDEST} or later); looked at {}{}; run `ocellus setup` to fetch {PINNED}, or name a library with --ort-lib or ORT_DYLIB_PATH",
        list(searched),
        passed_over(rejected)
    )]
    NotFound {
        /// Files and folders looked at, in order.
        searched: Vec<PathBuf>,
        /// What was wrong with the libraries that were there but unfit.
        rejected: Vec<String>,
    },
    /// A path that was named does not exist.
    #[error(
        "no ONNX Runtime library at {path} (named by {origin}): no such file; correct the path, or run `ocellus setup` and leave it out"
    )]
    Missing {
        /// The file.
        path: PathBuf,
        /// Who named it.
        origin: Origin,
    },
    /// The file is no shared library.
    #[error(
        "{path} (named by {origin}) is {found}; expected ONNX Runtime's shared library (libonnxruntime.so); {}", remedy(*origin)
    )]
    NotALibrary {
        /// The file.
        path: PathBuf,
        /// Who named it.
        origin: Origin,
        /// What it is.
        found: String,
    },
    /// The file is shorter than its headers say.
    #[error(
        "{path} (named by {origin}) is cut short: expected at least {expected} bytes, got {got}; {}", remedy(*origin)
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Who named it.
        origin: Origin,
        /// Bytes its headers ask for.
        expected: u64,
        /// Bytes it has.
        got: u64,
    },
    /// The library is for another processor.
    #[error("{path} (named by {origin}) is built for {found}; this program needs {wanted}; {}", remedy(*origin))]
    WrongArchitecture {
        /// The file.
        path: PathBuf,
        /// Who named it.
        origin: Origin,
        /// Its processor.
        found: String,
        /// Ours.
        wanted: &'static str,
    },
    /// The library is older than the oldest accepted.
    #[error("{path} (named by {origin}) is ONNX Runtime {found}; wanted {OLDEST} or later; {}", remedy(*origin))]
    TooOld {
        /// The file.
        path: PathBuf,
        /// Who named it.
        origin: Origin,
        /// Its version.
        found: Version,
    },
    /// A shared library, but not ONNX Runtime.
    #[error(
        "{path} (named by {origin}) is a shared library but not ONNX Runtime {OLDEST} or later: it gives no version (OrtGetApiBase); {}", remedy(*origin)
    )]
    NoEntryPoint {
        /// The file.
        path: PathBuf,
        /// Who named it.
        origin: Origin,
    },
    /// The system could not open the library, mostly because one it needs is absent.
    #[error("{path} (named by {origin}) cannot be opened: {reason}; {}", remedy(*origin))]
    Open {
        /// The file.
        path: PathBuf,
        /// Who named it.
        origin: Origin,
        /// What the system said.
        reason: String,
    },
    /// Neither XDG_CACHE_HOME nor HOME is set.
    #[error(
        "no folder to keep ONNX Runtime in: neither XDG_CACHE_HOME nor HOME is set; set one, or name a library with --ort-lib"
    )]
    NoCacheFolder,
    /// There is no wheel for this processor.
    #[error("no pinned ONNX Runtime {PINNED} for {0}; build or find one, and name it with --ort-lib or ORT_DYLIB_PATH")]
    NoWheel(&'static str),
    /// Python is not there.
    #[error(
        "cannot fetch ONNX Runtime {PINNED}: `python3 -m pip` does not start ({reason}); install it (Debian, Ubuntu: sudo apt install python3-pip), or name a library with --ort-lib or ORT_DYLIB_PATH"
    )]
    NoPip {
        /// What went wrong.
        reason: String,
    },
    /// pip did not get the wheel.
    #[error(
        "pip could not fetch {what}: {reason}; check the network and run `ocellus setup` again, or take libonnxruntime.so from that wheel elsewhere and name it with --ort-lib or ORT_DYLIB_PATH"
    )]
    Pip {
        /// What was asked for.
        what: String,
        /// The end of what pip said.
        reason: String,
    },
    /// The wheel is not the one that was pinned.
    #[error(
        "{file}: sha256 expected {expected}, got {got}; it is not the official wheel this version was checked with, and nothing was installed; check pip's index settings (`pip config list`) and run `ocellus setup` again"
    )]
    WrongHash {
        /// The wheel's file name.
        file: String,
        /// The pinned digest.
        expected: String,
        /// The digest of what came.
        got: String,
    },
    /// The wheel could not be unpacked.
    #[error("{path}: cannot unpack {member}: {reason}; run `ocellus setup` again")]
    Unpack {
        /// The wheel.
        path: PathBuf,
        /// The file inside.
        member: String,
        /// What went wrong.
        reason: String,
    },
    /// The system refused something with a file.
    #[error("cannot {doing} {path}: {source}; check permissions and free space there")]
    Io {
        /// What was tried, as a verb.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl LibraryError {
    /// Whether fetching the pinned release mends it: nothing was found, or what our cache holds is unfit.
    pub fn mended_by_setup(&self) -> bool {
        match self {
            Self::NotFound { .. } => true,
            Self::Missing { origin, .. }
            | Self::NotALibrary { origin, .. }
            | Self::Truncated { origin, .. }
            | Self::WrongArchitecture { origin, .. }
            | Self::TooOld { origin, .. }
            | Self::NoEntryPoint { origin, .. }
            | Self::Open { origin, .. } => *origin == Origin::Cache,
            Self::NoCacheFolder
            | Self::NoWheel(_)
            | Self::NoPip { .. }
            | Self::Pip { .. }
            | Self::WrongHash { .. }
            | Self::Unpack { .. }
            | Self::Io { .. } => false,
        }
    }
}

fn remedy(origin: Origin) -> String {
    match origin {
        Origin::Told | Origin::Environment => {
            format!("name another one, or leave it out and run `ocellus setup` to fetch {PINNED}")
        }
        Origin::Cache => "run `ocellus setup` to fetch it again".to_owned(),
        Origin::System => format!("run `ocellus setup` to fetch {PINNED}"),
    }
}

fn list(paths: &[PathBuf]) -> String {
    match paths {
        [] => "nothing".to_owned(),
        paths => paths.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", "),
    }
}

fn passed_over(rejected: &[String]) -> String {
    if rejected.is_empty() { String::new() } else { format!("; passed over: {}", rejected.join("; ")) }
}
