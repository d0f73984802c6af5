//! Where the library is looked for, in order. Reads the environment once, in [`LocateOptions::from_environment`]; the
//! search itself depends on its options alone.

use std::path::{Path, PathBuf};

use super::wheel;
use super::{Library, LibraryError, Origin};

/// Where to look.
#[derive(Debug, Clone, Default)]
pub struct LocateOptions {
    /// A file, or a folder that holds it, from the launch file or `--ort-lib`.
    pub told: Option<PathBuf>,
    /// The value of `ORT_DYLIB_PATH`, a file or a folder.
    pub environment: Option<PathBuf>,
    /// Our cache's folder (`.../ocellus`).
    pub cache: Option<PathBuf>,
    /// The system's loader paths, in order.
    pub system: Vec<PathBuf>,
}

impl LocateOptions {
    /// What this process's environment says, with `told` from the launch file or command line.
    pub fn from_environment(told: Option<&Path>) -> Self {
        Self {
            told: told.map(Path::to_owned),
            environment: std::env::var_os("ORT_DYLIB_PATH").filter(|v| !v.is_empty()).map(PathBuf::from),
            cache: default_cache().ok(),
            system: system_folders(),
        }
    }
}

/// `$XDG_CACHE_HOME/ocellus`, or `~/.cache/ocellus`.
///
/// # Errors
/// [`LibraryError::NoCacheFolder`] where neither XDG_CACHE_HOME nor HOME is set.
pub fn default_cache() -> Result<PathBuf, LibraryError> {
    let folder = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    folder("XDG_CACHE_HOME")
        // The XDG specification: a relative path is invalid and to be ignored.
        .filter(|path| path.is_absolute())
        .or_else(|| folder("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join("ocellus"))
        .ok_or(LibraryError::NoCacheFolder)
}

/// Finds the library: told, `ORT_DYLIB_PATH`, cache, system.
///
/// # Errors
/// A named or cached library that is unfit is its own error; [`LibraryError::NotFound`] where there is none at all.
pub fn locate(options: &LocateOptions) -> Result<Library, LibraryError> {
    if let Some(path) = &options.told {
        return Library::open(&file_at(path), Origin::Told);
    }
    if let Some(path) = &options.environment {
        return Library::open(&file_at(&beside_the_program(path)), Origin::Environment);
    }
    let mut searched = Vec::new();
    if let Some(cache) = &options.cache {
        let path = wheel::cached_library(cache);
        if path.exists() {
            return Library::open(&path, Origin::Cache);
        }
        searched.push(path);
    }
    let mut rejected = Vec::new();
    for folder in &options.system {
        let Some(path) = library_in(folder) else { continue };
        match Library::open(&path, Origin::System) {
            Ok(library) => return Ok(library),
            Err(error) => rejected.push(error.to_string()),
        }
    }
    searched.extend(options.system.iter().cloned());
    Err(LibraryError::NotFound { searched, rejected })
}

/// A relative `ORT_DYLIB_PATH` means the program's own folder first, as it does to every program that uses ort.
fn beside_the_program(path: &Path) -> PathBuf {
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join(path)));
    beside.filter(|candidate| path.is_relative() && candidate.exists()).unwrap_or_else(|| path.to_owned())
}

/// `path` itself, or the library in it where it is a folder.
fn file_at(path: &Path) -> PathBuf {
    if path.is_dir() { library_in(path).unwrap_or_else(|| path.join("libonnxruntime.so")) } else { path.to_owned() }
}

/// The library in `folder`: the plain name, the ABI's name, else the newest with a full version.
fn library_in(folder: &Path) -> Option<PathBuf> {
    let plain = ["libonnxruntime.so", "libonnxruntime.so.1"].map(|name| folder.join(name));
    plain.into_iter().find(|path| path.exists()).or_else(|| {
        let entries = std::fs::read_dir(folder).ok()?.flatten();
        let versioned = entries.filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let version: super::Version = name.strip_prefix("libonnxruntime.so.")?.parse().ok()?;
            Some((version, entry.path()))
        });
        versioned.max().map(|(_, path)| path)
    })
}

/// Folders the dynamic loader searches: `LD_LIBRARY_PATH`, those of ld.so's configuration, the built-in ones.
fn system_folders() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = std::env::var_os("LD_LIBRARY_PATH")
        .map(|paths| std::env::split_paths(&paths).filter(|path| !path.as_os_str().is_empty()).collect())
        .unwrap_or_default();
    let mut configured: Vec<PathBuf> = std::fs::read_dir("/etc/ld.so.conf.d")
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    configured.sort();
    for file in configured {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        folders.extend(text.lines().map(str::trim).filter(|line| line.starts_with('/')).map(PathBuf::from));
    }
    let built_in = ["/usr/local/lib", "/lib", "/usr/lib", "/lib64", "/usr/lib64"];
    folders.extend(built_in.map(PathBuf::from));
    let mut seen = std::collections::BTreeSet::new();
    folders.retain(|folder| folder.is_dir() && seen.insert(folder.clone()));
    folders
}
