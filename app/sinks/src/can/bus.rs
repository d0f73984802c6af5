//! The way out: a candump log, which `canplayer` plays on any interface. There is no socket in this program yet.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use ocellus_percept::time::Timestamp;
use thiserror::Error;

use super::layout::CanFrame;

/// Why nothing could be sent.
#[derive(Debug, Error)]
pub enum CanError {
    /// The log cannot be written.
    #[error("{}: {source}; choose another file with --can", path.display())]
    Log {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// There is no SocketCAN here.
    #[error(
        "CAN interface {interface}: this program has no SocketCAN; write a log with --can FILE, canplayer plays it"
    )]
    NotHere {
        /// Name of the interface.
        interface: String,
    },
}

/// One way out: `(seconds) can0 ID#BYTES`, as candump -L writes and canplayer plays.
#[derive(Debug)]
pub struct CanBus {
    path: PathBuf,
    out: BufWriter<File>,
}

/// The interface's name in logs.
const LOG_INTERFACE: &str = "can0";

impl CanBus {
    /// A new log; an old one is replaced.
    pub fn log(path: &Path) -> Result<Self, CanError> {
        let failed = |source| CanError::Log { path: path.to_owned(), source };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let out = BufWriter::new(File::create(path).map_err(failed)?);
        Ok(Self { path: path.to_owned(), out })
    }

    /// An interface: refused by name, so that nobody waits for frames that never come.
    pub fn socket(interface: &str) -> Result<Self, CanError> {
        Err(CanError::NotHere { interface: interface.to_owned() })
    }

    /// Sends a frame stamped `now`.
    pub fn send(&mut self, now: Timestamp, frame: &CanFrame) -> Result<(), CanError> {
        let path = &self.path;
        write_line(&mut self.out, now, frame).map_err(|source| CanError::Log { path: path.clone(), source })
    }

    /// Sees everything out.
    pub fn finish(&mut self) -> Result<(), CanError> {
        let path = &self.path;
        self.out.flush().map_err(|source| CanError::Log { path: path.clone(), source })
    }
}

fn write_line(out: &mut impl Write, now: Timestamp, frame: &CanFrame) -> io::Result<()> {
    let us = now.as_nanos().div_euclid(1000);
    write!(out, "({}.{:06}) {LOG_INTERFACE} {:03X}#", us.div_euclid(1_000_000), us.rem_euclid(1_000_000), frame.id)?;
    frame.data.iter().try_for_each(|byte| write!(out, "{byte:02X}"))?;
    writeln!(out)
}
