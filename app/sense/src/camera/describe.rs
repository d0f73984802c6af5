//! Cameras and what they offer, in words: a line a camera.

use std::fmt;

use super::{CameraDevice, Offer, OfferedSize};

/// Formats, and sizes of one, that a line names; the rest is counted.
const NAMED_MAX: usize = 6;

impl fmt::Display for CameraDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} \"{}\" on {} ({})", self.path, self.name, self.bus, self.driver)?;
        let (read, others): (Vec<&Offer>, Vec<&Offer>) = self.offers.iter().partition(|o| o.format.is_some());
        for (i, offer) in read.iter().enumerate() {
            write!(f, "{} {offer}", if i == 0 { ":" } else { ";" })?;
        }
        let codes: Vec<&str> = others.iter().map(|o| o.code.as_str()).take(NAMED_MAX).collect();
        match (read.is_empty(), others.len()) {
            (true, 0) => f.write_str(": it offers no format"),
            (_, 0) => Ok(()),
            (_, n) if n > NAMED_MAX => write!(f, "; not read: {} and {} more", codes.join(", "), n - NAMED_MAX),
            _ => write!(f, "; not read: {}", codes.join(", ")),
        }
    }
}

impl fmt::Display for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        for (i, size) in self.sizes.iter().take(NAMED_MAX).enumerate() {
            write!(f, "{} {size}", if i == 0 { "" } else { "," })?;
        }
        match self.sizes.len().saturating_sub(NAMED_MAX) {
            0 => Ok(()),
            more => write!(f, " and {more} more sizes"),
        }
    }
}

impl fmt::Display for OfferedSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((width, height)) = self.smallest {
            write!(f, "{width}x{height} to ")?;
        }
        write!(f, "{}x{}", self.size.0, self.size.1)?;
        match self.hz.first() {
            Some(hz) => write!(f, " at {} Hz", (hz * 100.0).round() / 100.0),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::PictureFormat;

    #[test]
    fn a_camera_is_told_in_a_line() {
        let size = |size, smallest, hz| OfferedSize { size, smallest, hz };
        let offers = vec![
            Offer {
                code: "YUYV".into(),
                format: Some(PictureFormat::Yuyv),
                sizes: vec![size((640, 480), None, vec![30.0, 15.0]), size((1280, 720), None, vec![10.0])],
            },
            Offer {
                code: "GREY".into(),
                format: Some(PictureFormat::Grey),
                sizes: vec![size((1920, 1080), Some((16, 16)), Vec::new())],
            },
            Offer { code: "H264".into(), format: None, sizes: Vec::new() },
        ];
        let [path, name, bus, driver] = ["/dev/video0", "Wide Eye", "usb-1", "uvcvideo"].map(str::to_owned);
        let mut camera = CameraDevice { path, name, bus, driver, offers };
        assert_eq!(
            camera.to_string(),
            "/dev/video0 \"Wide Eye\" on usb-1 (uvcvideo): YUYV 640x480 at 30 Hz, 1280x720 at 10 Hz; \
             GREY 16x16 to 1920x1080; not read: H264"
        );
        camera.offers.clear();
        assert!(camera.to_string().ends_with("it offers no format"));
    }
}
