//! The ONNX Runtime shared library: which file it is, where it was found, and whether it is fit to be loaded.
//!
//! Order of search: a path that was told (launch file, `--ort-lib`), `ORT_DYLIB_PATH`, our cache, the system's loader
//! paths. A path that somebody named is never passed over: where it is unfit, that is the error. A file is judged by
//! its ELF header first (wrong processor, truncated, no library), then opened and asked for its version, and only then
//! given to ONNX Runtime's bindings. Nothing here starts ONNX Runtime: that is [`crate::Runtime::start`].

mod elf;
mod error;
mod locate;
mod setup;
mod version;
mod wheel;

use std::ffi::CStr;
use std::path::{Path, PathBuf};

pub use error::LibraryError;
pub use locate::{LocateOptions, default_cache, locate};
pub use setup::{SetupEvent, ensure, setup, setup_in};
pub use version::{BadVersion, Version};

use crate::digest::{DigestError, sha256_of_file};

/// The release that `setup` fetches, and the newest whose interface the bindings know.
pub const PINNED: Version = Version::new(1, 31, 1);

/// The oldest release accepted: JetPack 6's libraries with TensorRT begin here, and the bindings are built for its interface.
pub const OLDEST: Version = Version::new(1, 20, 0);

/// Since this release a library tells which provider runs which node.
pub const TELLS_NODES: Version = Version::new(1, 24, 0);

/// Who said where the library is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The launch file or `--ort-lib`.
    Told,
    /// The environment variable `ORT_DYLIB_PATH`.
    Environment,
    /// Our cache, filled by `ocellus setup`.
    Cache,
    /// The system's loader paths.
    System,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Origin::Told => "launch file or --ort-lib",
            Origin::Environment => "ORT_DYLIB_PATH",
            Origin::Cache => "cache",
            Origin::System => "system",
        })
    }
}

/// A library that was opened and is fit: the right processor, complete, new enough.
#[derive(Debug, Clone)]
pub struct Library {
    path: PathBuf,
    version: Version,
    origin: Origin,
    base: ApiBase,
}

impl Library {
    /// Judges and opens the library at `path`.
    ///
    /// # Errors
    /// Every [`LibraryError`] but those of fetching: it names the file, what was found, what is wanted, and what mends it.
    pub fn open(path: &Path, origin: Origin) -> Result<Self, LibraryError> {
        fit_to_open(path, origin)?;
        let base = ApiBase::open(path, origin)?;
        let text = base.version_text();
        let version: Version =
            text.parse().map_err(|_| LibraryError::NoEntryPoint { path: path.to_owned(), origin })?;
        if version < OLDEST {
            return Err(LibraryError::TooOld { path: path.to_owned(), origin, found: version });
        }
        // ort resolves a relative path against the program's folder; an absolute one means the same file to everybody.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Ok(Self { path, version, origin, base })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it says its version is.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Who said where it is.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// SHA-256 of the file, for `run.json`: the same library is part of what makes a replay the same.
    ///
    /// # Errors
    /// Where the file cannot be read any more.
    pub fn digest(&self) -> Result<String, DigestError> {
        sha256_of_file(&self.path)
    }

    /// The interface of version `api`, or null where the library does not have it.
    pub(crate) fn api(&self, api: u32) -> *const ort::sys::OrtApi {
        // SAFETY: the base lives as long as the library, which is never closed; GetApi may be called at any time.
        unsafe { (self.base.get().GetApi)(api) }
    }
}

fn fit_to_open(path: &Path, origin: Origin) -> Result<(), LibraryError> {
    let owned = || path.to_owned();
    match elf::kind_of(path) {
        Ok(elf::Kind::Fit) => Ok(()),
        Ok(elf::Kind::OtherMachine(found)) => {
            Err(LibraryError::WrongArchitecture { path: owned(), origin, found, wanted: elf::our_machine().1 })
        }
        Ok(elf::Kind::Truncated { expected, got }) => {
            Err(LibraryError::Truncated { path: owned(), origin, expected, got })
        }
        Ok(elf::Kind::Other(found)) => Err(LibraryError::NotALibrary { path: owned(), origin, found }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(LibraryError::Missing { path: owned(), origin })
        }
        Err(source) => Err(LibraryError::Io { doing: "read", path: owned(), source }),
    }
}

/// `OrtApiBase` of an opened library. The library is never closed again: ONNX Runtime's statics do not survive that.
#[derive(Debug, Clone, Copy)]
struct ApiBase(*const ort::sys::OrtApiBase);

// SAFETY: it points to a constant inside a library that is never closed; its functions may be called from any thread.
unsafe impl Send for ApiBase {}
// SAFETY: as above; nothing is ever written through the pointer.
unsafe impl Sync for ApiBase {}

impl ApiBase {
    fn open(path: &Path, origin: Origin) -> Result<Self, LibraryError> {
        // SAFETY: opening runs the library's initialisers. The user named this file or its folder as ONNX Runtime,
        // and its headers are those of a complete shared library for this processor.
        let library = unsafe { libloading::Library::new(path) }.map_err(|error| LibraryError::Open {
            path: path.to_owned(),
            origin,
            reason: error.to_string(),
        })?;
        let library = std::mem::ManuallyDrop::new(library);
        let missing = || LibraryError::NoEntryPoint { path: path.to_owned(), origin };
        // SAFETY: the type is the one ONNX Runtime's C interface gives this name.
        let entry = unsafe { library.get::<unsafe extern "C" fn() -> *const ort::sys::OrtApiBase>(b"OrtGetApiBase\0") }
            .map_err(|_| missing())?;
        // SAFETY: takes no argument and may be called at any time after opening.
        let base = unsafe { entry() };
        if base.is_null() { Err(missing()) } else { Ok(Self(base)) }
    }

    fn get(&self) -> &ort::sys::OrtApiBase {
        // SAFETY: not null (checked in `open`), and alive because the library is never closed.
        unsafe { &*self.0 }
    }

    fn version_text(&self) -> String {
        // SAFETY: returns a constant string that ends in 0, or null, which is checked.
        unsafe {
            let text = (self.get().GetVersionString)();
            if text.is_null() { String::new() } else { CStr::from_ptr(text).to_string_lossy().into_owned() }
        }
    }
}
