//! Whether a Distillation Statement vouches for a model: one that is there, about this very file, with nothing lost.

use std::path::{Path, PathBuf};

use ocellus_judge::statement::Statement;
use ocellus_percept::model::ModelManifest;
use serde::Serialize;

/// Name of the statement in a model's folder where the manifest names none.
pub const FILE_NAME: &str = "statement.json";

/// What a model's statement is worth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Vouched {
    /// The statement; `None` where there is none.
    pub file: Option<PathBuf>,
    /// Whether it vouches for this very file.
    pub good: bool,
    /// Why not; `None` where it does.
    pub reason: Option<String>,
}

impl Vouched {
    /// Of the model whose manifest is `path` and whose file has the hash `sha256`.
    pub fn of(path: Option<&Path>, manifest: Option<&ModelManifest>, sha256: &str) -> Self {
        let Some((path, manifest)) = path.zip(manifest) else {
            return Self::not(None, "there is no statement: the network has no model.toml that could name one".into());
        };
        let file = path.with_file_name(manifest.statement.as_deref().unwrap_or(FILE_NAME));
        if manifest.statement.is_none() && !file.is_file() {
            return Self::not(
                None,
                format!("there is no statement: model.toml names none, nor is {FILE_NAME} beside it"),
            );
        }
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) => return Self::not(Some(file), format!("cannot be read: {error}")),
        };
        match Statement::from_json(&text).and_then(|s| s.check_for(sha256)) {
            Ok(()) => Self { file: Some(file), good: true, reason: None },
            Err(error) => Self::not(Some(file), error.to_string()),
        }
    }

    fn not(file: Option<PathBuf>, reason: String) -> Self {
        Self { file, good: false, reason: Some(reason) }
    }

    /// The reason why it does not vouch, with its file; `None` where it does.
    pub fn why_not(&self) -> Option<String> {
        let reason = self.reason.as_deref()?;
        Some(self.file.as_ref().map_or_else(|| reason.to_owned(), |file| format!("{}: {reason}", file.display())))
    }
}
