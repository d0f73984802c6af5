//! The folder of engines: one folder a key, one writer at a time, and nothing deleted that somebody may want to look at.
//!
//! ```text
//! <root>/lock                         held while an engine is built
//! <root>/<model>-<provider>-<key>/    engine/ (the provider's files), golden/ (what the self-check looks at), manifest.json
//! <root>/aside/<name>-<n>/            what was not to be trusted, with why.txt
//! ```
//!
//! A folder without a manifest was never finished; one whose owner is neither this user nor root is not loaded, since an engine
//! is code. [`Store::prune`] removes what was set aside first, then the engines used longest ago, until the quota is kept.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::key::EngineKey;
use super::manifest::EngineManifest;

const LOCK: &str = "lock";
const ASIDE: &str = "aside";
/// Written where a build failed, to see whether the disk is full: less room than this holds no engine.
const PROBE: &str = "probe";
const PROBE_BYTES: usize = 1 << 20;
/// Names in `aside` are tried up to here; more says that nobody ever looks.
const ASIDE_MAX: usize = 10_000;

/// Why the folder of engines cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be read or written.
    #[error("engine cache: cannot {doing} {path}: {source}; {}", remedy(source))]
    Io {
        /// What was tried.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process builds.
    #[error(
        "engine cache {path} is in use by {holder}: one engine is built at a time; wait for it, or end it, then start again"
    )]
    Busy {
        /// The cache.
        path: PathBuf,
        /// Who holds it.
        holder: String,
    },
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "the disk is full: free some space, lower engines.quota_mb, or set engines.cache to a folder on another disk"
        }
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
            "set engines.cache (or --cache) to a folder that this user can write"
        }
        io::ErrorKind::NotADirectory => "a file lies where a folder should: set engines.cache to a folder",
        _ => "set engines.cache (or --cache) to another folder",
    }
}

/// The folder of engines.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

/// Where one engine lies, or would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its folder.
    pub folder: PathBuf,
}

/// What lies at an entry.
#[derive(Debug)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// A finished engine, its files as they were.
    Engine(Box<EngineManifest>),
    /// Something that is not to be trusted, and why.
    Unfit(String),
}

/// Held while an engine is built; given back when dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// What [`Store::prune`] removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pruned {
    /// Its folder's name.
    pub name: String,
    /// Bytes given back.
    pub bytes: u64,
}

impl Entry {
    /// The folder that the provider writes into.
    pub fn engine(&self) -> PathBuf {
        self.folder.join("engine")
    }

    /// The folder of what the self-check looks at.
    pub fn golden(&self) -> PathBuf {
        self.folder.join("golden")
    }

    /// What lies there for `key`; a finished engine only where manifest, owner and every file's hash are right.
    pub fn look(&self, key: &EngineKey) -> Found {
        let Ok(metadata) = fs::metadata(&self.folder) else { return Found::Nothing };
        if !metadata.is_dir() {
            return Found::Unfit("it is a file, not a folder".to_owned());
        }
        if let Some(stranger) = stranger(&metadata) {
            return Found::Unfit(format!("it was made by another user (uid {stranger}), and an engine is code"));
        }
        if !self.folder.join(super::manifest::FILE_NAME).exists() {
            return Found::Unfit(
                "it was never finished: the build was broken off before its manifest was written".to_owned(),
            );
        }
        let manifest = match EngineManifest::read(&self.folder) {
            Ok(manifest) => manifest,
            Err(error) => return Found::Unfit(error.to_string()),
        };
        if manifest.key != key.sha256 {
            let told = super::differences(&manifest.ingredients, &key.ingredients).join("; ");
            return Found::Unfit(format!("it holds another engine: {told}"));
        }
        match manifest.check_files(&self.engine()) {
            Ok(()) => Found::Engine(Box::new(manifest)),
            Err(error) => Found::Unfit(error.to_string()),
        }
    }

    /// Notes that the engine was used now, for the order of pruning. A cache that cannot be written to stays as it is.
    pub fn touch(&self) {
        let touched = File::options().append(true).open(self.folder.join(super::manifest::FILE_NAME));
        let _ = touched.and_then(|file| file.set_modified(SystemTime::now()));
    }
}

/// The owner, where it is neither this process's user nor root.
fn stranger(metadata: &fs::Metadata) -> Option<u32> {
    // The owner of /proc/self is the user the process runs as.
    let ours = fs::metadata("/proc/self").map_or(0, |m| m.uid());
    Some(metadata.uid()).filter(|uid| *uid != ours && *uid != 0)
}

impl Store {
    /// The folder at `root`, which need not exist yet.
    pub fn at(root: &Path) -> Self {
        Self { root: std::path::absolute(root).unwrap_or_else(|_| root.to_owned()) }
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Makes the folder, proves that it can be written, and takes its lock.
    ///
    /// # Errors
    /// [`StoreError::Io`] where it cannot be written, [`StoreError::Busy`] where another process builds.
    pub fn lock(&self) -> Result<Lock, StoreError> {
        fs::create_dir_all(&self.root).map_err(|source| self.failed("make", &self.root, source))?;
        let path = self.root.join(LOCK);
        let file = File::options().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = file.map_err(|source| self.failed("write", &path, source))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                let holder = if holder.trim().is_empty() { "another process" } else { holder.trim() };
                return Err(StoreError::Busy { path: self.root.clone(), holder: holder.to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(self.failed("lock", &path, source)),
        }
        let mut name = || -> io::Result<()> {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "process {}", std::process::id())?;
            file.sync_all()
        };
        name().map_err(|source| self.failed("write", &path, source))?;
        Ok(Lock { _file: file })
    }

    /// Proves that there is room for more: for what a failed build left no trace of.
    ///
    /// # Errors
    /// [`StoreError::Io`], where the disk is full with what to do.
    pub fn check_room(&self) -> Result<(), StoreError> {
        let path = self.root.join(PROBE);
        let written = File::create(&path).and_then(|mut file| {
            file.write_all(&vec![1; PROBE_BYTES])?;
            file.sync_all()
        });
        let _ = fs::remove_file(&path);
        written.map_err(|source| self.failed("write", &path, source))
    }

    /// Where the engine of `key` lies, or would.
    pub fn entry(&self, model: &str, provider: &str, key: &EngineKey) -> Entry {
        let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
        let model: String = model.chars().map(plain).collect();
        Entry { folder: self.root.join(format!("{model}-{provider}-{}", key.short())) }
    }

    /// Makes an empty entry.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn make(&self, entry: &Entry) -> Result<(), StoreError> {
        for folder in [entry.engine(), entry.golden()] {
            fs::create_dir_all(&folder).map_err(|source| self.failed("make", &folder, source))?;
        }
        Ok(())
    }

    /// Moves what lies at `entry` aside, with the reason beside it; where it went.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn set_aside(&self, entry: &Entry, why: &str) -> Result<PathBuf, StoreError> {
        let aside = self.root.join(ASIDE);
        fs::create_dir_all(&aside).map_err(|source| self.failed("make", &aside, source))?;
        let name = entry.folder.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        let mut places = (1..ASIDE_MAX).map(|n| aside.join(format!("{name}-{n}")));
        let place = places.find(|place| !place.exists()).unwrap_or_else(|| aside.join(name));
        fs::rename(&entry.folder, &place).map_err(|source| self.failed("move aside", &entry.folder, source))?;
        if place.is_dir() {
            // The reason is for people; that it was moved does not depend on it.
            let _ = fs::write(place.join("why.txt"), format!("{why}\n"));
        }
        Ok(place)
    }

    /// Manifests of finished engines, by the folders' names. What cannot be read is left out.
    pub fn engines(&self) -> Vec<(Entry, EngineManifest)> {
        let entries = folders(&self.root).into_iter().filter(|folder| !folder.ends_with(ASIDE));
        entries
            .filter_map(|folder| Some((EngineManifest::read(&folder).ok()?, Entry { folder })))
            .map(|(m, e)| (e, m))
            .collect()
    }

    /// Why there is no engine of `key` though there is one of the same model and provider: what differs from the nearest.
    pub fn why_another(&self, model: &str, provider: &str, key: &EngineKey) -> Option<String> {
        let alike = self.engines().into_iter().filter(|(_, m)| m.model == model && m.provider == provider);
        let told = alike.map(|(_, m)| super::differences(&m.ingredients, &key.ingredients));
        told.min_by_key(Vec::len).map(|told| told.join("; "))
    }

    /// Removes what was set aside, then the engines used longest ago, until all take no more than `quota_bytes`; `keep` stays.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn prune(&self, quota_bytes: u64, keep: &[Entry]) -> Result<Vec<Pruned>, StoreError> {
        let kept = |folder: &PathBuf| keep.iter().any(|entry| entry.folder == *folder);
        let mut aside = folders(&self.root.join(ASIDE));
        let mut engines: Vec<PathBuf> =
            folders(&self.root).into_iter().filter(|folder| !folder.ends_with(ASIDE) && !kept(folder)).collect();
        for list in [&mut aside, &mut engines] {
            list.sort_by_key(|folder| (used(folder), folder.clone()));
        }
        let mut total = size(&self.root);
        let mut pruned = Vec::new();
        for folder in aside.into_iter().chain(engines) {
            if total <= quota_bytes {
                break;
            }
            let bytes = size(&folder);
            fs::remove_dir_all(&folder).map_err(|source| self.failed("remove", &folder, source))?;
            total = total.saturating_sub(bytes);
            let name = folder.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
            pruned.push(Pruned { name, bytes });
        }
        Ok(pruned)
    }

    fn failed(&self, doing: &'static str, path: &Path, source: io::Error) -> StoreError {
        StoreError::Io { doing, path: path.to_owned(), source }
    }
}

/// When an engine was used last: its manifest's time, else its folder's.
fn used(folder: &Path) -> SystemTime {
    let manifest = fs::metadata(folder.join(super::manifest::FILE_NAME));
    let time = manifest.or_else(|_| fs::metadata(folder)).and_then(|m| m.modified());
    time.unwrap_or(SystemTime::UNIX_EPOCH)
}

fn folders(parent: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten().map(|e| e.path());
    let mut folders: Vec<PathBuf> = entries.filter(|p| p.is_dir()).collect();
    folders.sort();
    folders
}

fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let one = |path: PathBuf| if path.is_dir() { size(&path) } else { fs::metadata(&path).map_or(0, |m| m.len()) };
    entries.map(|e| one(e.path())).sum()
}
