//! What the devices of this computer can do: formats, sizes, rates.

use std::path::PathBuf;

use super::abi;
use super::device::{Device, text};
use crate::camera::{CameraDevice, CameraError, Offer, OfferedSize, PictureFormat, letters};

/// A driver that lists more than this of anything is not asked on.
const LISTED_MAX: u32 = 256;

/// The devices that capture, by number. One that cannot be asked is left out.
pub fn list() -> Vec<CameraDevice> {
    let Ok(entries) = std::fs::read_dir("/dev") else { return Vec::new() };
    let number = |path: &PathBuf| path.file_name()?.to_str()?.strip_prefix("video")?.parse::<u32>().ok();
    let mut paths: Vec<(u32, PathBuf)> =
        entries.flatten().map(|e| e.path()).filter_map(|p| number(&p).map(|n| (n, p))).collect();
    paths.sort();
    paths.iter().filter_map(|(_, path)| camera(&path.display().to_string())).collect()
}

fn camera(path: &str) -> Option<CameraDevice> {
    let device = Device::open(path).ok()?;
    let capability = device.capability().ok()?;
    check_captures(path, &capability).ok()?;
    Some(CameraDevice {
        path: path.to_owned(),
        name: text(&capability.card),
        bus: text(&capability.bus_info),
        driver: text(&capability.driver),
        offers: of(&device),
    })
}

/// Refuses a device that is no camera, or not one that is read here.
pub fn check_captures(path: &str, capability: &abi::Capability) -> Result<(), CameraError> {
    let per_node = capability.capabilities & abi::CAP_DEVICE_CAPS != 0;
    let caps = if per_node { capability.device_caps } else { capability.capabilities };
    let got = if caps & abi::CAP_CAPTURE != 0 {
        if caps & abi::CAP_STREAMING != 0 {
            return Ok(());
        }
        "one that gives pictures by read() only"
    } else if caps & abi::CAP_CAPTURE_MPLANE != 0 {
        "one whose pictures come in several planes, as of an image processor: take it through GStreamer"
    } else {
        "one that captures no pictures"
    };
    let got = format!("\"{}\" ({}), {got}", text(&capability.card), text(&capability.driver));
    Err(CameraError::NotACamera { device: path.to_owned(), got })
}

/// What a device offers.
pub fn of(device: &Device) -> Vec<Offer> {
    let formats = (0..LISTED_MAX).map_while(|index| device.format_offered(index));
    formats
        .map(|format| Offer {
            code: letters(format.pixel_format),
            format: PictureFormat::from_code(format.pixel_format),
            sizes: sizes(device, format.pixel_format),
        })
        .collect()
}

fn sizes(device: &Device, pixel_format: u32) -> Vec<OfferedSize> {
    let listed = (0..LISTED_MAX).map_while(|index| device.size_offered(pixel_format, index));
    listed
        .map(|listed| {
            let [width_min, width_max, _, height_min, height_max, _] = listed.size;
            let (size, smallest) = if listed.kind == abi::DISCRETE {
                ((listed.size[0], listed.size[1]), None)
            } else {
                ((width_max, height_max), Some((width_min, height_min)))
            };
            OfferedSize { size, smallest, hz: rates(device, pixel_format, size) }
        })
        .collect()
}

/// Rates of a size, falling, each once.
fn rates(device: &Device, pixel_format: u32, size: (u32, u32)) -> Vec<f64> {
    let listed = (0..LISTED_MAX).map_while(|index| device.interval_offered(pixel_format, size, index));
    let each = listed.flat_map(|listed| {
        let [first_n, first_d, last_n, last_d, ..] = listed.interval;
        let ends = [hz([first_n, first_d]), hz([last_n, last_d])];
        ends.into_iter().take(if listed.kind == abi::DISCRETE { 1 } else { 2 }).flatten()
    });
    let mut rates: Vec<f64> = each.collect();
    rates.sort_by(|a, b| b.total_cmp(a));
    rates.dedup();
    rates
}

/// Frames a second of seconds per frame; `None` where the driver does not tell.
pub fn hz([numerator, denominator]: [u32; 2]) -> Option<f64> {
    (numerator > 0 && denominator > 0).then(|| f64::from(denominator) / f64::from(numerator))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::v4l::abi::Plain;

    fn capability(capabilities: u32, device_caps: u32) -> abi::Capability {
        let mut capability = abi::Capability { capabilities, device_caps, ..Plain::zeroed() };
        capability.card[..4].copy_from_slice(b"Made");
        capability
    }

    #[test]
    fn only_a_node_that_streams_pictures_is_a_camera() {
        let both = abi::CAP_CAPTURE | abi::CAP_STREAMING;
        let check = |all, node| check_captures("/dev/video1", &capability(all, node)).map_err(|e| e.to_string());
        assert_eq!(check(both, 0), Ok(()), "an old driver tells of the whole device");
        assert_eq!(check(abi::CAP_DEVICE_CAPS | both, both), Ok(()));
        let metadata = check(abi::CAP_DEVICE_CAPS | both, abi::CAP_STREAMING).unwrap_err();
        assert!(metadata.contains("captures no pictures") && metadata.contains("Made"), "{metadata}");
        assert!(check(abi::CAP_CAPTURE_MPLANE, 0).unwrap_err().contains("planes"));
        assert!(check(abi::CAP_CAPTURE, 0).unwrap_err().contains("read()"));
    }

    #[test]
    fn rates_are_the_inverse_of_intervals() {
        assert_eq!(hz([1, 30]), Some(30.0));
        assert!((hz([1001, 30000]).unwrap() - 29.97).abs() < 0.001);
        assert_eq!(hz([0, 0]), None);
    }
}
