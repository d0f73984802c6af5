//! Live cameras: which there are ([`list`]), one opened ([`open`]), its frames one by one ([`Camera::poll`]).
//!
//! Plain structs, polled from a thread of the caller's. A frame is copied out of the driver's buffer as it lies there (JPEG,
//! YUV, grey) and decoded elsewhere. An error means that the camera is gone or stands still: drop it and open it again, by
//! the same name. Built with the feature `camera`; without it every call says so. Deliberately absent: threads, restarts,
//! exposure and focus.

mod as_drive;
#[cfg(any(test, feature = "camera"))]
mod choose;
mod describe;
mod error;
#[cfg(any(test, feature = "camera"))]
mod find;
mod format;
#[cfg(all(feature = "camera", target_os = "linux", target_pointer_width = "64"))]
mod v4l;

use std::time::{Duration, Instant};

pub use as_drive::as_drive;
pub use error::CameraError;
pub use format::{PictureFormat, UnknownFormat, letters};

use crate::payload::EncodedImage;

/// What is asked of a camera.
#[derive(Debug, Clone, PartialEq)]
pub struct CameraOptions {
    /// Which one: a path (`/dev/video0`, `/dev/v4l/by-id/...`), a number, a name, or the bus it hangs on.
    pub device: String,
    /// Its format; the cheapest that reaches the size and the rate where `None`.
    pub format: Option<PictureFormat>,
    /// Columns and rows; what it is set to where `None`.
    pub size: Option<(u32, u32)>,
    /// Frames a second; what it is set to where `None`.
    pub hz: Option<f64>,
}

/// What a camera gives, as it was agreed with its driver.
#[derive(Debug, Clone, PartialEq)]
pub struct CameraMode {
    /// The device's path.
    pub path: String,
    /// The camera's name.
    pub name: String,
    /// Where it hangs.
    pub bus: String,
    /// How its pictures are coded.
    pub format: PictureFormat,
    /// Columns and rows.
    pub size: (u32, u32),
    /// Frames a second, where the driver tells.
    pub hz: Option<f64>,
}

/// One captured frame; its bytes are in the picture given.
#[derive(Debug, Clone, PartialEq)]
pub struct CameraFrame {
    /// The driver's number of it, which begins anew when the camera is opened again.
    pub seq: u64,
    /// When it was taken, by the host's monotonic clock.
    pub captured_at: Instant,
    /// When it was fetched from the driver.
    pub received_at: Instant,
    /// Frames that the driver numbered before it and never gave.
    pub missed: u64,
    /// Why it cannot be used, where the driver says so or its bytes show it.
    pub damaged: Option<String>,
}

/// A camera that is open.
pub trait Camera: Send {
    /// What it gives.
    fn mode(&self) -> &CameraMode;

    /// What is to be said of its clock, once frames have come.
    fn clock_remark(&self) -> Option<&'static str>;

    /// Waits at most `patience` for the next frame, whose bytes replace those of `out`. `None` where none came.
    ///
    /// # Errors
    /// What the driver refuses. The camera is of no use afterwards.
    fn poll(&mut self, patience: Duration, out: &mut EncodedImage) -> Result<Option<CameraFrame>, CameraError>;
}

/// A camera of this computer.
#[derive(Debug, Clone, PartialEq)]
pub struct CameraDevice {
    /// Its path.
    pub path: String,
    /// Its name.
    pub name: String,
    /// Where it hangs.
    pub bus: String,
    /// What serves it.
    pub driver: String,
    /// What it can give.
    pub offers: Vec<Offer>,
}

/// One format of a camera.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// Its four letters.
    pub code: String,
    /// Which of ours it is; `None` where it is not read.
    pub format: Option<PictureFormat>,
    /// Its sizes, as the driver lists them.
    pub sizes: Vec<OfferedSize>,
}

/// One size of a format.
#[derive(Debug, Clone, PartialEq)]
pub struct OfferedSize {
    /// Columns and rows; the largest where any size will do.
    pub size: (u32, u32),
    /// The smallest, where any size between will do.
    pub smallest: Option<(u32, u32)>,
    /// Frames a second, falling; ends of the range where any rate will do.
    pub hz: Vec<f64>,
}

/// The cameras of this computer, by path.
///
/// # Errors
/// [`CameraError::NotBuilt`]. A device that cannot be asked is left out.
pub fn list() -> Result<Vec<CameraDevice>, CameraError> {
    #[cfg(all(feature = "camera", target_os = "linux", target_pointer_width = "64"))]
    return Ok(v4l::list());
    #[cfg(not(all(feature = "camera", target_os = "linux", target_pointer_width = "64")))]
    return Err(CameraError::NotBuilt);
}

/// Opens a camera. It streams from the first [`Camera::poll`] on.
///
/// # Errors
/// No such camera, none of its formats is read, the driver refuses.
pub fn open(options: &CameraOptions) -> Result<Box<dyn Camera>, CameraError> {
    #[cfg(all(feature = "camera", target_os = "linux", target_pointer_width = "64"))]
    return Ok(Box::new(v4l::V4lCamera::open(options)?));
    #[cfg(not(all(feature = "camera", target_os = "linux", target_pointer_width = "64")))]
    {
        let _ = options;
        Err(CameraError::NotBuilt)
    }
}
