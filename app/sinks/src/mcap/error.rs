//! Why a recording cannot be written.

use std::io;
use std::path::{Path, PathBuf};

use mcap::McapError;
use thiserror::Error;

/// Why a recording could not be begun or a message not written.
#[derive(Debug, Error)]
pub enum RecordError {
    /// The folder or the file cannot be made.
    #[error("cannot create {}: {source}; choose a folder that can be written", path.display())]
    Create {
        /// What was to be made.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The disk is full. The file was cut back to its last whole chunk and can be read.
    #[error("the disk is full: {} holds {messages} messages and ends there; free some space or choose another disk", path.display())]
    DiskFull {
        /// The file.
        path: PathBuf,
        /// Messages in it.
        messages: u64,
    },
    /// Any other failure. The file was cut back to its last whole chunk and can be read.
    #[error("cannot write to {}: {reason}; it holds {messages} messages and ends there; see to the disk or choose another", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Messages in it.
        messages: u64,
        /// What went wrong.
        reason: String,
    },
    /// An earlier write failed, or the recording was finished.
    #[error("{} has ended after {messages} messages: nothing more is written to it", path.display())]
    Ended {
        /// The file.
        path: PathBuf,
        /// Messages in it.
        messages: u64,
    },
    /// A value that the message cannot hold.
    #[error("{topic}: expected {expected}, got {got}: the message was not written")]
    Value {
        /// The topic.
        topic: String,
        /// What the message can hold.
        expected: &'static str,
        /// What was given.
        got: String,
    },
    /// A topic that was written before with messages of another kind.
    #[error("{topic} carries {has} and cannot carry {wanted} too: give another topic; the message was not written")]
    OtherSchema {
        /// The topic.
        topic: String,
        /// Schema of the messages before.
        has: String,
        /// Schema of this message.
        wanted: String,
    },
}

impl RecordError {
    /// The right variant for a failure of the file format's crate.
    pub(super) fn of(error: McapError, path: &Path, messages: u64) -> Self {
        let path = path.to_path_buf();
        if let McapError::Io(source) = &error
            && matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
        {
            return Self::DiskFull { path, messages };
        }
        let reason = match error {
            McapError::Io(source) => source.to_string(),
            other => other.to_string(),
        };
        Self::Write { path, messages, reason }
    }
}
