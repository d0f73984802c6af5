//! `manifest.json` beside an engine: what it was made of, its files with their hashes, and what was measured. Written last and
//! whole: an engine without one was never finished.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::key::Ingredients;
use crate::digest::{DigestError, sha256_of_file};

/// Name of the file in an engine's folder.
pub(super) const FILE_NAME: &str = "manifest.json";
/// Name and version of the format.
const SCHEMA: &str = "ocellus.engine/1";

/// One file that a provider wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineFile {
    /// Below the engine's folder.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: String,
}

/// The manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineManifest {
    /// Name and version of the format.
    pub schema: String,
    /// The engine's key.
    pub key: String,
    /// Name of the model, for people.
    pub model: String,
    /// Name of the provider.
    pub provider: String,
    /// What the key covers.
    pub ingredients: Ingredients,
    /// Every file that the provider wrote; none where it keeps its work in memory.
    pub files: Vec<EngineFile>,
    /// Nodes per provider, times, memory, what the self-check came to: the binary's to fill and to read.
    pub measured: serde_json::Value,
}

/// Why a manifest, or what it names, cannot be relied on.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The file cannot be read or written.
    #[error("cannot {doing} {path}: {source}")]
    Io {
        /// "read" or "write".
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no manifest.
    #[error("{path} is no engine manifest: {reason}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A file that it names cannot be hashed, or has other bytes.
    #[error(transparent)]
    File(#[from] DigestError),
    /// A file that it names has another length.
    #[error("{path}: expected {expected} bytes, got {got}: it was cut short or written again")]
    Length {
        /// The file.
        path: PathBuf,
        /// As the manifest says.
        expected: u64,
        /// As it is.
        got: u64,
    },
}

impl EngineManifest {
    /// The files that `folder` (the engine's) holds now, by path.
    ///
    /// # Errors
    /// [`ManifestError`] where a file cannot be read.
    pub fn of_folder(folder: &Path) -> Result<Vec<EngineFile>, ManifestError> {
        let mut files = Vec::new();
        walk(folder, folder, &mut files)?;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }

    /// A new one, of the format of today.
    pub fn new(model: &str, provider: &str, key: &super::EngineKey, files: Vec<EngineFile>) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            key: key.sha256.clone(),
            model: model.to_owned(),
            provider: provider.to_owned(),
            ingredients: key.ingredients.clone(),
            files,
            measured: serde_json::Value::Null,
        }
    }

    /// Reads the manifest in `entry`.
    ///
    /// # Errors
    /// [`ManifestError`]: it cannot be read, or is none of this format.
    pub fn read(entry: &Path) -> Result<Self, ManifestError> {
        let path = entry.join(FILE_NAME);
        let text = fs::read_to_string(&path).map_err(|source| ManifestError::Io {
            doing: "read",
            path: path.clone(),
            source,
        })?;
        let content = |reason: String| ManifestError::Content { path: path.clone(), reason };
        let manifest: Self = serde_json::from_str(&text).map_err(|error| content(error.to_string()))?;
        if manifest.schema != SCHEMA {
            return Err(content(format!("expected {SCHEMA}, got {}", manifest.schema)));
        }
        Ok(manifest)
    }

    /// Writes it into `entry`, whole or not at all.
    ///
    /// # Errors
    /// [`ManifestError::Io`].
    pub fn write(&self, entry: &Path) -> Result<(), ManifestError> {
        let (path, part) = (entry.join(FILE_NAME), entry.join("manifest.json.part"));
        let write = || -> std::io::Result<()> {
            let mut file = fs::File::create(&part)?;
            file.write_all(serde_json::to_string_pretty(self)?.as_bytes())?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            fs::rename(&part, &path)
        };
        write().map_err(|source| ManifestError::Io { doing: "write", path: path.clone(), source })
    }

    /// Checks that every file of it lies in `folder` (the engine's) as it was.
    ///
    /// # Errors
    /// [`ManifestError`] names the first that does not.
    pub fn check_files(&self, folder: &Path) -> Result<(), ManifestError> {
        for file in &self.files {
            let path = folder.join(&file.path);
            let length = fs::metadata(&path).map_err(|source| ManifestError::Io {
                doing: "read",
                path: path.clone(),
                source,
            })?;
            if length.len() != file.bytes {
                return Err(ManifestError::Length { path, expected: file.bytes, got: length.len() });
            }
            crate::digest::check_digest(&path, &file.sha256)?;
        }
        Ok(())
    }
}

fn walk(root: &Path, folder: &Path, files: &mut Vec<EngineFile>) -> Result<(), ManifestError> {
    let failed = |source| ManifestError::Io { doing: "read", path: folder.to_owned(), source };
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        if path.is_dir() {
            walk(root, &path, files)?;
        } else {
            let bytes = entry.metadata().map_err(failed)?.len();
            let relative = path.strip_prefix(root).unwrap_or(&path).to_owned();
            files.push(EngineFile { path: relative, bytes, sha256: sha256_of_file(&path)? });
        }
    }
    Ok(())
}
