//! Which camera is meant: by path, number, name or bus. Names and buses outlive a camera's unplugging, paths may not.

use super::{CameraDevice, CameraError};

/// The path of the camera called `wanted`, among those there.
pub(super) fn path_of(wanted: &str, there: impl FnOnce() -> Vec<CameraDevice>) -> Result<String, CameraError> {
    if wanted.starts_with('/') {
        return Ok(wanted.to_owned());
    }
    if !wanted.is_empty() && wanted.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(format!("/dev/video{wanted}"));
    }
    let there = there();
    let lower = wanted.to_lowercase();
    let exact = |c: &&CameraDevice| c.bus == wanted || c.name.eq_ignore_ascii_case(wanted);
    let partly = |c: &&CameraDevice| !lower.is_empty() && c.name.to_lowercase().contains(&lower);
    let mut found: Vec<&CameraDevice> = there.iter().filter(exact).collect();
    if found.is_empty() {
        found = there.iter().filter(partly).collect();
    }
    // One device may have several nodes that capture; the first is its main one.
    found.dedup_by(|later, first| later.bus == first.bus);
    match found.as_slice() {
        [one] => Ok(one.path.clone()),
        [] => Err(CameraError::NotFound { wanted: wanted.to_owned(), there: names(&there.iter().collect::<Vec<_>>()) }),
        several => Err(CameraError::Ambiguous { wanted: wanted.to_owned(), there: names(several) }),
    }
}

fn names(cameras: &[&CameraDevice]) -> String {
    if cameras.is_empty() {
        return "is none".to_owned();
    }
    let one = |c: &&CameraDevice| format!("{} (\"{}\", {})", c.path, c.name, c.bus);
    format!("are: {}", cameras.iter().map(one).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn camera(path: &str, name: &str, bus: &str) -> CameraDevice {
        let [path, name, bus] = [path, name, bus].map(str::to_owned);
        CameraDevice { path, name, bus, driver: "uvcvideo".into(), offers: Vec::new() }
    }

    fn there() -> Vec<CameraDevice> {
        vec![
            camera("/dev/video0", "Integrated Webcam", "usb-0000:00:14.0-5"),
            camera("/dev/video2", "Wide Eye: left", "usb-0000:00:14.0-1"),
            camera("/dev/video3", "Wide Eye: left", "usb-0000:00:14.0-1"),
            camera("/dev/video4", "Wide Eye: right", "usb-0000:00:14.0-2"),
        ]
    }

    #[test]
    fn a_camera_is_found_by_path_number_name_part_of_it_and_bus() {
        let found = |wanted| path_of(wanted, there).unwrap();
        assert_eq!(path_of("/dev/v4l/by-id/x", Vec::new).unwrap(), "/dev/v4l/by-id/x");
        assert_eq!(path_of("7", Vec::new).unwrap(), "/dev/video7");
        assert_eq!(found("integrated webcam"), "/dev/video0");
        assert_eq!(found("Left"), "/dev/video2");
        assert_eq!(found("usb-0000:00:14.0-2"), "/dev/video4");
    }

    #[test]
    fn a_name_of_none_or_of_several_lists_those_there() {
        let text = path_of("eye", there).unwrap_err().to_string();
        assert!(text.contains("video2") && text.contains("video4") && !text.contains("video0"), "{text}");
        let text = path_of("thermal", there).unwrap_err().to_string();
        assert!(text.contains("thermal") && text.contains("Integrated Webcam"), "{text}");
        assert!(path_of("", Vec::new).unwrap_err().to_string().contains("there is none"));
    }
}
