//! Ways out: a candump log, and with the feature `socketcan` an interface of Linux.

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
    /// The interface cannot be opened or written to.
    #[error(
        "CAN interface {interface}: {source}; bring it up with `ip link set {interface} up type can bitrate 500000` (`type vcan` for a virtual one)"
    )]
    Interface {
        /// Its name.
        interface: String,
        /// The operating system's reason.
        source: io::Error,
    },
    /// There is no SocketCAN here.
    #[error(
        "CAN interface {interface}: this program was built without SocketCAN; build it on Linux with `--features socketcan`, or write a log with --can FILE"
    )]
    NotHere {
        /// Its name.
        interface: String,
    },
}

impl CanError {
    /// Whether the interface may take messages again by itself: it is down (by hand, or off the bus until it is started anew), or full.
    pub fn is_passing(&self) -> bool {
        let Self::Interface { source, .. } = self else { return false };
        let full = source.raw_os_error() == Some(ENOBUFS);
        full || matches!(source.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::NetworkDown)
    }
}

/// One way out.
#[derive(Debug)]
pub enum CanBus {
    /// `(seconds) can0 ID#BYTES`, as candump -L writes and canplayer plays.
    Log {
        /// The file.
        path: PathBuf,
        /// Its writer.
        out: BufWriter<File>,
    },
    /// A socket.
    #[cfg(all(target_os = "linux", feature = "socketcan"))]
    Socket {
        /// Name of the interface.
        interface: String,
        /// The socket.
        socket: socketcan::CanSocket,
    },
}

/// Linux's ENOBUFS, of asm-generic/errno.h: the interface's queue is full, as nobody on the bus takes what was sent before.
const ENOBUFS: i32 = 105;

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
        Ok(Self::Log { path: path.to_owned(), out })
    }

    /// An interface that is up, e.g. `can0` or `vcan0`.
    #[cfg(all(target_os = "linux", feature = "socketcan"))]
    pub fn socket(interface: &str) -> Result<Self, CanError> {
        use socketcan::{Socket, SocketOptions};
        let failed = |source| CanError::Interface { interface: interface.to_owned(), source };
        let socket = socketcan::CanSocket::open(interface).map_err(failed)?;
        // A bus without a partner must not hold up perception, and what others send is not ours to keep.
        socket.set_nonblocking(true).map_err(failed)?;
        socket.set_filter_drop_all().map_err(failed)?;
        Ok(Self::Socket { interface: interface.to_owned(), socket })
    }

    /// An interface that is up.
    #[cfg(not(all(target_os = "linux", feature = "socketcan")))]
    pub fn socket(interface: &str) -> Result<Self, CanError> {
        Err(CanError::NotHere { interface: interface.to_owned() })
    }

    /// Sends a frame stamped `now`.
    pub fn send(&mut self, now: Timestamp, frame: &CanFrame) -> Result<(), CanError> {
        match self {
            Self::Log { path, out } => {
                write_line(out, now, frame).map_err(|source| CanError::Log { path: path.clone(), source })
            }
            #[cfg(all(target_os = "linux", feature = "socketcan"))]
            Self::Socket { interface, socket } => write_socket(socket, frame)
                .map_err(|source| CanError::Interface { interface: interface.clone(), source }),
        }
    }

    /// Sees everything out.
    pub fn finish(&mut self) -> Result<(), CanError> {
        match self {
            Self::Log { path, out } => out.flush().map_err(|source| CanError::Log { path: path.clone(), source }),
            #[cfg(all(target_os = "linux", feature = "socketcan"))]
            Self::Socket { .. } => Ok(()),
        }
    }
}

fn write_line(out: &mut impl Write, now: Timestamp, frame: &CanFrame) -> io::Result<()> {
    let us = now.as_nanos().div_euclid(1000);
    write!(out, "({}.{:06}) {LOG_INTERFACE} {:03X}#", us.div_euclid(1_000_000), us.rem_euclid(1_000_000), frame.id)?;
    frame.data.iter().try_for_each(|byte| write!(out, "{byte:02X}"))?;
    writeln!(out)
}

#[cfg(all(target_os = "linux", feature = "socketcan"))]
fn write_socket(socket: &socketcan::CanSocket, frame: &CanFrame) -> io::Result<()> {
    use socketcan::{EmbeddedFrame, Socket, StandardId};
    let invalid = || io::Error::from(io::ErrorKind::InvalidInput);
    let id = StandardId::new(frame.id).ok_or_else(invalid)?;
    let frame = socketcan::CanFrame::new(id, &frame.data).ok_or_else(invalid)?;
    socket.write_frame(&frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_that_is_down_or_full_comes_back_and_one_that_is_gone_does_not() {
        let of =
            |code| CanError::Interface { interface: "can0".to_owned(), source: io::Error::from_raw_os_error(code) };
        // EAGAIN, ENETDOWN, ENOBUFS; ENODEV, ENXIO.
        assert!([11, 100, 105].into_iter().all(|code| of(code).is_passing()));
        assert!([19, 6].into_iter().all(|code| !of(code).is_passing()));
        let log = CanError::Log { path: "can.log".into(), source: io::Error::from_raw_os_error(11) };
        assert!(!log.is_passing());
    }
}
