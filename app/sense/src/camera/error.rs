//! Why a camera cannot be used.

use std::io;

use thiserror::Error;

/// Why a camera cannot be opened, or goes on no more.
#[derive(Debug, Error)]
pub enum CameraError {
    /// The program was built without cameras.
    #[error(
        "this program was built without live cameras; build it on 64-bit Linux with: cargo build --release --features camera"
    )]
    NotBuilt,
    /// No camera is called so.
    #[error("{wanted}: no such camera; there {there}")]
    NotFound {
        /// What was asked for.
        wanted: String,
        /// The cameras there are, for people.
        there: String,
    },
    /// Several cameras are called so.
    #[error("{wanted}: several cameras are called so: name one by its path or its bus: {there}")]
    Ambiguous {
        /// What was asked for.
        wanted: String,
        /// Those that match.
        there: String,
    },
    /// The device is no camera that can be read here.
    #[error("{device}: expected a device that captures pictures by streaming, got {got}")]
    NotACamera {
        /// The device.
        device: String,
        /// What it is.
        got: String,
    },
    /// It has no such format.
    #[error("{device}: expected a camera that gives {wanted}; it offers {offered}")]
    Format {
        /// The device.
        device: String,
        /// What was asked for, or the formats read.
        wanted: String,
        /// What it can do.
        offered: String,
    },
    /// The driver refuses.
    #[error("{device}: {doing} failed: {reason}{hint}")]
    Driver {
        /// The device.
        device: String,
        /// What was asked of it.
        doing: &'static str,
        /// The system's own reason.
        reason: io::Error,
        /// What to do, led by `; `, or nothing.
        hint: &'static str,
    },
}

impl CameraError {
    /// Whether it may pass by itself: a camera that is not there yet, or that another program uses.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::NotFound { .. } | Self::Driver { .. })
    }

    /// The system's refusal of what was `doing`, with what to do about it.
    #[cfg(feature = "camera")]
    pub(super) fn driver(device: &str, doing: &'static str, reason: io::Error) -> Self {
        let hint = match reason.kind() {
            io::ErrorKind::PermissionDenied => "; add yourself to the group `video`, or see who may read the device",
            io::ErrorKind::ResourceBusy => "; another program uses the camera",
            io::ErrorKind::StorageFull => "; the bus has no room for so many cameras at this size and rate",
            io::ErrorKind::TimedOut => "; it is there and gives no frame",
            _ => "",
        };
        Self::Driver { device: device.to_owned(), doing, reason, hint }
    }
}
