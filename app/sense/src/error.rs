//! What can be wrong with a drive ([`SenseError`], it cannot be opened) or with one frame of it ([`ReadError`], that frame
//! is lost and the drive goes on). Every message says where, what was expected and what was found.

use std::path::{Path, PathBuf};

use ocellus_world::ScenarioError;
use thiserror::Error;

use crate::calib::CalibError;

/// Why a drive cannot be opened.
#[derive(Debug, Error)]
pub enum SenseError {
    /// There is nothing at that path.
    #[error("{}: no such file or folder; expected a drive: {}", path.display(), crate::probe::KINDS_KNOWN)]
    NotFound {
        /// The path given.
        path: PathBuf,
    },
    /// Something is there, and it is no drive.
    #[error("{}: not a drive; looked for {looked_for}; found {found}{hint}", path.display())]
    NotADrive {
        /// The path given.
        path: PathBuf,
        /// What would have made it a drive.
        looked_for: String,
        /// What is there.
        found: String,
        /// What to do, led by `; `, or nothing.
        hint: String,
    },
    /// The drive's folders are there and hold no frame.
    #[error("{}: an empty drive; expected {expected}, found none", path.display())]
    Empty {
        /// The drive.
        path: PathBuf,
        /// What should have been there.
        expected: String,
    },
    /// The file system refuses.
    #[error("{}: {doing} failed: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// The system's own reason.
        source: std::io::Error,
    },
    /// Time stamps that cannot be read or used.
    #[error("{}, line {line}: expected {expected}, got {got}", file.display())]
    Stamps {
        /// The file.
        file: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What should stand there, and what to do.
        expected: String,
        /// What stands there.
        got: String,
    },
    /// A table (Feather file) or a text file of the drive is not as its format says.
    #[error("{}: {place}: expected {expected}, got {got}", file.display())]
    Format {
        /// The file.
        file: PathBuf,
        /// Line, column or field.
        place: String,
        /// What should be there.
        expected: String,
        /// What is there.
        got: String,
    },
    /// A scenario of the simulated world that cannot be used.
    #[error("{}: {source}", file.display())]
    Scenario {
        /// The scenario's file.
        file: PathBuf,
        /// What is wrong with it.
        source: ScenarioError,
    },
    /// A simulated drive cannot be made as asked.
    #[error("the simulated drive's {option}: expected {expected}, got {got}")]
    SimulatedOption {
        /// Which of [`crate::SimulatedOptions`].
        option: &'static str,
        /// What would do.
        expected: String,
        /// What was asked.
        got: String,
    },
    /// Calibration missing, unreadable or singular.
    #[error(transparent)]
    Calibration(#[from] CalibError),
    /// A program this kind of drive needs.
    #[error("{}: needs the program `{program}`: {reason}; {remedy}", path.display())]
    Program {
        /// The drive.
        path: PathBuf,
        /// The program.
        program: &'static str,
        /// What went wrong.
        reason: String,
        /// What to do.
        remedy: &'static str,
    },
}

impl SenseError {
    /// Wraps an I/O error with the path and the deed.
    pub(crate) fn io(path: &Path, doing: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { path, doing, source }
    }
}

/// Why one frame is lost. `origin` names its file (or topic and place in a recording).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReadError {
    /// The index of the drive names a file that is not there.
    #[error("{origin}: missing: expected a file, got none; restore it from the recording")]
    Missing {
        /// The file.
        origin: String,
    },
    /// The file system refuses.
    #[error("{origin}: cannot be read: {reason}")]
    Unreadable {
        /// The file.
        origin: String,
        /// The system's own reason.
        reason: String,
    },
    /// The data stops before its end.
    #[error("{origin}: truncated: expected {expected}, got the end of the data at byte {bytes}; copy the file again")]
    Truncated {
        /// The file.
        origin: String,
        /// Bytes that are there.
        bytes: usize,
        /// What should have followed.
        expected: String,
    },
    /// A file of points that does not hold whole points.
    #[error(
        "{origin}: truncated: expected whole points of {record_bytes} bytes, got {bytes} bytes, {} too many; copy the file again",
        bytes % record_bytes
    )]
    SweepLength {
        /// The file.
        origin: String,
        /// Bytes that are there.
        bytes: usize,
        /// Bytes of one point, never 0.
        record_bytes: usize,
    },
    /// The data is not what its format says.
    #[error("{origin}: {place}: expected {expected}, got {got}")]
    Corrupt {
        /// The file.
        origin: String,
        /// Byte, segment, column or field.
        place: String,
        /// What should be there.
        expected: String,
        /// What is there.
        got: String,
    },
    /// A picture larger than any camera's, which would exhaust the memory.
    #[error(
        "{origin}: header: expected a picture of at most {max_side}x{max_side} px and {max_pixels} pixels, got {width}x{height}"
    )]
    TooLarge {
        /// The file.
        origin: String,
        /// Columns by the header.
        width: usize,
        /// Rows by the header.
        height: usize,
        /// Longest side accepted.
        max_side: usize,
        /// Most pixels accepted.
        max_pixels: usize,
    },
    /// The decoding program stopped or gave less than the recording's index promises.
    #[error("{origin}: {place}: expected {expected}, got {got}")]
    Stream {
        /// The recording.
        origin: String,
        /// Frame and time.
        place: String,
        /// What should have come.
        expected: String,
        /// What came.
        got: String,
    },
    /// The caller asked for an entry that does not exist.
    #[error("entry {index}: expected an index below {entries}")]
    NoSuchEntry {
        /// The index asked for.
        index: usize,
        /// Entries of the drive.
        entries: usize,
    },
}

impl ReadError {
    /// A short, stable key for the ledger's `lost` counts.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "missing",
            Self::Unreadable { .. } => "unreadable",
            Self::Truncated { .. } | Self::SweepLength { .. } => "truncated",
            Self::Corrupt { .. } => "corrupt",
            Self::TooLarge { .. } => "too_large",
            Self::Stream { .. } => "stream",
            Self::NoSuchEntry { .. } => "no_such_entry",
        }
    }

    /// The right variant for a failed file read.
    pub(crate) fn from_io(origin: &Path, error: &std::io::Error) -> Self {
        let origin = origin.display().to_string();
        match error.kind() {
            std::io::ErrorKind::NotFound => Self::Missing { origin },
            _ => Self::Unreadable { origin, reason: error.to_string() },
        }
    }
}
