//! Why something is not shown.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// The rerun version this program speaks; the viewer must be of the same `major.minor`.
pub const RERUN_VERSION: &str = "0.36.3";

/// A failure of the viewer sink. None of them is a reason to stop perception.
#[derive(Debug, Error)]
pub enum ViewerError {
    /// The address is none.
    #[error(
        "\"{url}\" is no address of a viewer: {reason}; expected rerun+http://HOST:PORT/proxy (a local viewer: {})",
        super::LOCAL_URL
    )]
    Address {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nothing listens there.
    #[error(
        "no viewer listens at {url} ({source}); start one with `rerun`, let one be started with --spawn, or write a file with --save"
    )]
    NoViewer {
        /// Where.
        url: String,
        /// The operating system's reason.
        source: io::Error,
    },
    /// `rerun` is not on the PATH.
    #[error(
        "the program `rerun` is not on the PATH; install it with `pip install rerun-sdk=={RERUN_VERSION}`, or write a file with --save"
    )]
    NoProgram,
    /// `rerun` is there in another version, whose format may differ.
    #[error("{} is version {found}, expected {RERUN_VERSION}; install it with `pip install rerun-sdk=={RERUN_VERSION}`, or write a file with --save", program.display())]
    Version {
        /// The program found.
        program: PathBuf,
        /// Its version.
        found: String,
    },
    /// The viewer was started and ended, or never listened.
    #[error("{} was started and {what}; is there a display? On a machine without one write a file with --save and open it elsewhere", program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// What it did instead of listening.
        what: String,
    },
    /// The file cannot be made or written on.
    #[error("cannot write {}: {reason}; what was written before can be opened; free some space or choose another folder with --out", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// At the end the viewer did not take what was still on its way.
    #[error(
        "{target} did not take the last frames, given up to {seconds} s: {reason}; they are not shown, all else is"
    )]
    Unflushed {
        /// Viewer or file.
        target: String,
        /// How long it was given.
        seconds: u64,
        /// What rerun says.
        reason: String,
    },
    /// A raw picture could not be compressed.
    #[error("cannot compress the {width}x{height} picture of {camera}: {reason}")]
    Picture {
        /// The camera.
        camera: String,
        /// Columns.
        width: usize,
        /// Rows.
        height: usize,
        /// What the encoder says.
        reason: String,
    },
    /// rerun refused something.
    #[error("rerun refused {what}: {source}")]
    Rerun {
        /// What was logged.
        what: String,
        /// What rerun says.
        source: Box<rerun::RecordingStreamError>,
    },
}

impl ViewerError {
    /// Wraps rerun's own error with what was being done.
    pub(super) fn rerun(what: &str) -> impl FnOnce(rerun::RecordingStreamError) -> Self {
        let what = what.to_owned();
        move |source| Self::Rerun { what, source: Box::new(source) }
    }
}
