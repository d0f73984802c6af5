//! The other files of a run's folder: `ledger.json`, `latency.json`, `run.json`.
//!
//! Each is written whole or not at all (a new file beside it, synced, then renamed), with its schema's name and version
//! as its first key; `run.json` names that of `objects.jsonl` too. What stands in them is the caller's; JSON Schemas
//! ship in `launch/schemas/`.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use thiserror::Error;

/// Name and version of a file format. The version rises when a reader of the old one would go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Schema {
    /// Name, `ocellus.<file>`.
    pub name: &'static str,
    /// Version, from 1.
    pub version: u32,
}

/// Schema of a line of `objects.jsonl`; stands in `run.json`, because the lines themselves carry none.
pub const OBJECTS_SCHEMA: Schema = Schema { name: "ocellus.objects", version: 1 };

/// A JSON file of a run's folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunFile {
    /// What became of every input frame.
    Ledger,
    /// Ages and durations.
    Latency,
    /// What ran: versions, hashes, providers.
    Run,
}

impl RunFile {
    /// Name of the file in the run's folder.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Ledger => "ledger.json",
            Self::Latency => "latency.json",
            Self::Run => "run.json",
        }
    }

    /// Name and version of what is in it.
    pub fn schema(self) -> Schema {
        let name = match self {
            Self::Ledger => "ocellus.ledger",
            Self::Latency => "ocellus.latency",
            Self::Run => "ocellus.run",
        };
        Schema { name, version: 1 }
    }
}

/// Why a file was not written. The old one, where there was one, is untouched.
#[derive(Debug, Error)]
pub enum FileError {
    /// The folder, the new file or the rename failed.
    #[error("cannot write {}: {source}; free some space or choose a folder that can be written with --out", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The content is no JSON object.
    #[error("cannot write {}: its content is no JSON object: {source}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What the serializer says.
        source: serde_json::Error,
    },
}

/// A body with its schema before it.
#[derive(Serialize)]
struct WithSchema<'a, T: Serialize> {
    schema: Schema,
    #[serde(skip_serializing_if = "Option::is_none")]
    objects_schema: Option<Schema>,
    #[serde(flatten)]
    body: &'a T,
}

/// Writes `body` (a struct or a map; keys in its own order) as `file` into `dir`, which is made where it is missing.
/// Returns the path.
pub fn write_run_file<T: Serialize>(dir: &Path, file: RunFile, body: &T) -> Result<PathBuf, FileError> {
    let path = dir.join(file.file_name());
    let objects_schema = (file == RunFile::Run).then_some(OBJECTS_SCHEMA);
    let mut text = serde_json::to_string_pretty(&WithSchema { schema: file.schema(), objects_schema, body })
        .map_err(|source| FileError::Content { path: path.clone(), source })?;
    text.push('\n');
    write_atomically(&path, text.as_bytes()).map_err(|source| FileError::Write { path: path.clone(), source })?;
    Ok(path)
}

/// Replaces `path` by `content`, or leaves it as it was.
fn write_atomically(path: &Path, content: &[u8]) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(dir)?;
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.new", std::process::id()));
    let new = dir.join(name);
    let result = (|| {
        let mut file = File::create(&new)?;
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(&new, path)
    })();
    if result.is_err() {
        // Best effort: the error that matters is the one returned.
        let _ = std::fs::remove_file(&new);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Body {
        zebra: u32,
        apple: u32,
    }

    #[test]
    fn the_schema_comes_first_and_the_bodys_order_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = write_run_file(dir.path(), RunFile::Ledger, &Body { zebra: 1, apple: 2 }).unwrap();
        let expected = "{\n  \"schema\": {\n    \"name\": \"ocellus.ledger\",\n    \"version\": 1\n  },\n  \"zebra\": 1,\n  \"apple\": 2\n}\n";
        assert_eq!(std::fs::read_to_string(path).unwrap(), expected);
    }

    #[test]
    fn a_file_is_replaced_and_no_scrap_is_left() {
        let dir = tempfile::tempdir().unwrap();
        for zebra in [1, 2] {
            write_run_file(dir.path(), RunFile::Run, &Body { zebra, apple: 0 }).unwrap();
        }
        let names: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["run.json"]);
        let value: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(dir.path().join("run.json")).unwrap()).unwrap();
        assert_eq!(value["zebra"], 2);
        assert_eq!(value["objects_schema"]["name"], "ocellus.objects");
    }

    #[test]
    fn failure_names_the_file_and_keeps_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("latency.json")).unwrap();
        let error = write_run_file(dir.path(), RunFile::Latency, &Body { zebra: 1, apple: 2 }).unwrap_err();
        assert!(error.to_string().contains("latency.json"), "{error}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "no scrap is left");
        let error = write_run_file(dir.path(), RunFile::Run, &3).unwrap_err();
        assert!(matches!(error, FileError::Content { .. }));
    }
}
