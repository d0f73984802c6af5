//! The cameras of this computer: formats, sizes and rates of each.

use ocellus_sense::camera;

use super::line::Line;

/// A line a camera; one where there is none.
pub fn look() -> Vec<Line> {
    let cameras = match camera::list() {
        Ok(cameras) => cameras,
        Err(e) => return vec![Line::warn("camera", e.to_string(), "")],
    };
    if cameras.is_empty() {
        return vec![Line::ok("camera", "there is none that this user may look through")];
    }
    let line = |camera: &camera::CameraDevice| {
        if camera.offers.iter().any(|o| o.format.is_some()) {
            Line::ok("camera", camera.to_string())
        } else {
            let remedy = format!("formats that are read: {}", camera::PictureFormat::names());
            Line::warn("camera", camera.to_string(), remedy)
        }
    };
    cameras.iter().map(line).collect()
}
