//! Where in a calibration file something stands, for messages.

use std::fmt;
use std::path::Path;

use super::CalibError;

/// A line and a key of a file.
#[derive(Debug, Clone)]
pub(crate) struct Place<'a> {
    /// The file.
    pub(crate) path: &'a Path,
    /// Line from 1, 0 where the whole file is meant.
    pub(crate) line: usize,
    /// Key, or the keys that lead to it.
    pub(crate) key: String,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.key.as_str()) {
            (0, "") => f.write_str("the whole file"),
            (0, key) => f.write_str(key),
            (line, "") => write!(f, "line {line}"),
            (line, key) => write!(f, "line {line}, {key}"),
        }
    }
}

impl<'a> Place<'a> {
    /// The whole of a file.
    pub(crate) fn file(path: &'a Path) -> Self {
        Self { path, line: 0, key: String::new() }
    }

    /// A key of a file.
    pub(crate) fn key(path: &'a Path, line: usize, key: impl Into<String>) -> Self {
        Self { path, line, key: key.into() }
    }

    /// The error of a value that is not as expected here.
    pub(crate) fn value(&self, expected: impl Into<String>, got: impl Into<String>) -> CalibError {
        CalibError::Value {
            path: self.path.to_path_buf(),
            place: self.to_string(),
            expected: expected.into(),
            got: got.into(),
        }
    }
}
