//! The way ahead: the vehicle's corridor on the ground, in space and on the picture, in the colour of the highest risk.

use ocellus_percept::assess::Way;
use ocellus_percept::report::Risk;
use ocellus_percept::space::{Camera, Optical, Transform, Vehicle};
use rerun::archetypes::{LineStrips2D, LineStrips3D};
use rerun::{Radius, RecordingStream};

use super::ViewerError;
use super::colour::risk_colour;
use super::scene::{Scene, WAY, way_path};

/// Pieces of an edge in space: a bend looks round.
const STEPS: usize = 48;
/// Pieces on the picture: an edge that leaves it is cut at the last one within.
const STEPS_PICTURE: usize = 240;
/// Width of the lines, points of the screen.
const LINE: f32 = 2.0;
/// Over the picture and under the boxes.
const DRAW_ORDER: f32 = 5.0;

/// Logs the corridor in space; none clears it.
pub(super) fn log_in_space(
    rec: &RecordingStream,
    scene: &Scene,
    way: Option<&Way>,
    risk: Risk,
) -> Result<(), ViewerError> {
    let mut strips: Vec<Vec<[f32; 3]>> = Vec::new();
    if let Some(way) = way {
        let [right, left] = way.edges(STEPS, scene.floor_m());
        let point = |p: &ocellus_percept::space::Point3<Vehicle>| p.xyz.map(|v| v as f32).into();
        // Its far end is closed: there the looking ends, not the road.
        let end = [right.last(), left.last()].into_iter().flatten().map(point).collect();
        strips.extend([right.iter().map(point).collect(), left.iter().map(point).collect(), end]);
    }
    let lines = LineStrips3D::new(strips).with_colors([risk_colour(risk)]).with_radii([Radius::new_ui_points(LINE)]);
    rec.log(WAY, &lines).map_err(ViewerError::rerun(WAY))
}

/// Logs the corridor onto a camera's picture of `size_px`; nothing where the camera has no place.
pub(super) fn log_on_picture(
    rec: &RecordingStream,
    scene: &Scene,
    (camera, size_px): (&str, Option<[u32; 2]>),
    way: Option<&Way>,
    risk: Risk,
) -> Result<(), ViewerError> {
    let Some((lens, optical_from_vehicle)) = camera_of(scene, camera, size_px) else { return Ok(()) };
    let edges = way.map(|way| way.edges(STEPS_PICTURE, scene.floor_m()));
    let (width, height) = (f64::from(lens.width), f64::from(lens.height));
    let strips = edges.into_iter().flatten().map(|edge| {
        let seen = edge.iter().filter_map(|p| lens.project_continuous(&optical_from_vehicle.apply(p)).ok());
        let within = |p: &[f64; 2]| (0.0..=width).contains(&p[0]) && (0.0..=height).contains(&p[1]);
        seen.filter(within).map(|p| p.map(|v| v as f32)).collect::<Vec<_>>()
    });
    let lines = LineStrips2D::new(strips.filter(|strip| strip.len() > 1))
        .with_colors([risk_colour(risk)])
        .with_radii([Radius::new_ui_points(LINE)])
        .with_draw_order(DRAW_ORDER);
    let path = way_path(camera);
    rec.log(path.as_str(), &lines).map_err(ViewerError::rerun(&path))
}

/// A camera at its picture's size, and where it sits.
fn camera_of(scene: &Scene, name: &str, size_px: Option<[u32; 2]>) -> Option<(Camera, Transform<Optical, Vehicle>)> {
    let mount = scene.rig.cameras.get(name)?;
    let camera = match size_px {
        Some([width, height]) => mount.camera.scaled_to(width, height).ok()?,
        None => mount.camera,
    };
    Some((camera, mount.optical_from_vehicle?))
}
