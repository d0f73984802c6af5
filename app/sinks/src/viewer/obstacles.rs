//! Obstacles on the pictures and in space: boxes, points, arrows, each with its label.

use ocellus_percept::detection::BoxPx;
use ocellus_percept::report::{FrameReport, Object, Risk};
use rerun::archetypes::{Arrows3D, Boxes2D, Points2D, Points3D};
use rerun::{Color, Radius, RecordingStream};

use super::ViewerError;
use super::colour::{class_colour, risk_colour};
use super::scene::{OBJECTS, VELOCITIES, boxes_path};

/// Line width of a box, points of the screen.
const BOX_LINE: f32 = 1.5;
/// The same where the obstacle is a risk.
const BOX_LINE_RISK: f32 = 3.0;
/// Boxes lie over the picture.
const BOX_DRAW_ORDER: f32 = 10.0;
/// Radius of the point that a label hangs on: no wider than a box's line.
const LABEL_POINT_RADIUS: f32 = 1.0;
/// Up to this many boxes all have their labels; of more, only the large ones and the risks, or none could be read.
const LABELS_ALL_MAX: usize = 10;
/// Share of the picture's height from which a box counts as large.
const LABELLED_HEIGHT: f32 = 0.1;
/// Share of the picture's height below which a label would be cut off.
const LABEL_LOWEST: f32 = 0.86;
/// Radius of an obstacle in space, points of the screen.
const OBJECT_RADIUS: f32 = 8.0;
/// Line width of a velocity, points of the screen.
const ARROW_RADIUS: f32 = 1.5;
/// Speeds below this are drawn without an arrow, m/s: noise of a standing obstacle.
const SPEED_SHOWN_MPS: f64 = 0.3;

/// Logs the boxes of a camera's frame onto its picture. The labels hang on points below the boxes: on the boxes
/// themselves the viewer would break them to the box's width.
pub(super) fn log_boxes(
    rec: &RecordingStream,
    camera: &str,
    objects: &[Object],
    size_px: Option<[u32; 2]>,
) -> Result<(), ViewerError> {
    let shown: Vec<(&Object, BoxPx)> = objects.iter().filter_map(|o| Some((o, o.box_px.filter(is_finite)?))).collect();
    let line = |o: &Object| Radius::new_ui_points(if is_risk(o) { BOX_LINE_RISK } else { BOX_LINE });
    let path = boxes_path(camera);
    let boxes = Boxes2D::from_mins_and_sizes(
        shown.iter().map(|(_, b)| [b.x0, b.y0]),
        shown.iter().map(|(_, b)| [b.width(), b.height()]),
    )
    .with_colors(shown.iter().map(|(o, _)| object_colour(o)))
    .with_radii(shown.iter().map(|(o, _)| line(o)))
    .with_labels(shown.iter().map(|(o, _)| label(o)))
    .with_show_labels(false)
    .with_draw_order(BOX_DRAW_ORDER);
    rec.log(path.as_str(), &boxes).map_err(ViewerError::rerun(&path))?;

    let path = format!("{path}/labels");
    let crowd = shown.len() > LABELS_ALL_MAX;
    let labelled = || shown.iter().filter(|(o, b)| !crowd || is_risk(o) || is_large(b, size_px));
    let labels = Points2D::new(labelled().map(|(_, b)| label_place(b, size_px)))
        .with_colors(labelled().map(|(o, _)| object_colour(o)))
        .with_radii([Radius::new_ui_points(LABEL_POINT_RADIUS)])
        .with_labels(labelled().map(|(o, _)| label(o)))
        .with_show_labels(true)
        .with_draw_order(BOX_DRAW_ORDER);
    rec.log(path.as_str(), &labels).map_err(ViewerError::rerun(&path))
}

/// Whether the label of a box is worth its room in a crowd; the others show theirs under the pointer.
fn is_large(b: &BoxPx, size_px: Option<[u32; 2]>) -> bool {
    size_px.is_none_or(|[_, height]| b.height() >= height as f32 * LABELLED_HEIGHT)
}

/// Below the middle of the box, but within the picture: the view ends where the picture does.
fn label_place(b: &BoxPx, size_px: Option<[u32; 2]>) -> [f32; 2] {
    let lowest = size_px.map_or(f32::INFINITY, |[_, height]| height as f32 * LABEL_LOWEST);
    [(b.x0 + b.x1) / 2.0, b.y1.min(lowest).max(b.y0)]
}

fn is_finite(b: &BoxPx) -> bool {
    [b.x0, b.y0, b.x1, b.y1].iter().all(|v| v.is_finite())
}

/// Logs the obstacles of a report in space; an empty report clears them.
pub(super) fn log_in_space(rec: &RecordingStream, report: &FrameReport) -> Result<(), ViewerError> {
    let objects = report.objects.as_deref().unwrap_or_default();
    let placed: Vec<(&Object, [f32; 3])> = objects
        .iter()
        .filter_map(|o| Some((o, point(o.position_m.filter(|p| p.iter().all(|v| v.is_finite()))?))))
        .collect();
    let points = Points3D::new(placed.iter().map(|(_, at)| *at))
        .with_colors(placed.iter().map(|(o, _)| object_colour(o)))
        .with_radii([Radius::new_ui_points(OBJECT_RADIUS)])
        .with_labels(placed.iter().map(|(o, _)| label(o)))
        .with_show_labels(true);
    rec.log(OBJECTS, &points).map_err(ViewerError::rerun(OBJECTS))?;

    let moving: Vec<(&Object, [f32; 3], [f64; 3])> =
        placed.iter().filter_map(|(o, at)| Some((*o, *at, shown_velocity(o)?))).collect();
    let arrows = Arrows3D::from_vectors(moving.iter().map(|(_, _, v)| point(*v)))
        .with_origins(moving.iter().map(|(_, at, _)| *at))
        .with_colors(moving.iter().map(|(o, ..)| object_colour(o)))
        .with_radii([Radius::new_ui_points(ARROW_RADIUS)]);
    rec.log(VELOCITIES, &arrows).map_err(ViewerError::rerun(VELOCITIES))
}

/// The way an obstacle moves within one second: over ground where that is known, else relative to the vehicle.
fn shown_velocity(object: &Object) -> Option<[f64; 3]> {
    let velocity = object.velocity_ground_mps.or(object.velocity_rel_mps)?;
    let speed = velocity.iter().map(|v| v * v).sum::<f64>().sqrt();
    (speed.is_finite() && speed >= SPEED_SHOWN_MPS).then_some(velocity)
}

fn point(xyz: [f64; 3]) -> [f32; 3] {
    xyz.map(|v| v as f32)
}

fn is_risk(object: &Object) -> bool {
    matches!(object.risk, Some(Risk::Warn | Risk::Critical))
}

/// The risk's colour; the class's where no risk is known.
fn object_colour(object: &Object) -> Color {
    object.risk.map_or_else(|| class_colour(&object.class), risk_colour)
}

/// `car #7 14.2 m`, and the time to collision where the obstacle is a risk.
fn label(object: &Object) -> String {
    let mut text = format!("{} #{}", object.class, object.track);
    if let Some(distance_m) = object.distance_m.filter(|d| d.is_finite()) {
        text.push_str(&format!(" {distance_m:.1} m"));
    }
    if let Some(ttc_s) = object.ttc_s.filter(|t| is_risk(object) && t.is_finite()) {
        text.push_str(&format!(", {ttc_s:.1} s"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::samples::{bare_object, full_object};

    #[test]
    fn labels_say_what_is_known() {
        assert_eq!(label(&bare_object(3)), "car #3");
        assert_eq!(label(&full_object(7)), "car #7 14.2 m, 2.9 s");
        assert_eq!(label(&Object { risk: None, ..full_object(7) }), "car #7 14.2 m");
    }

    #[test]
    fn labels_stay_within_the_picture() {
        let low = BoxPx { x0: 10.0, y0: 100.0, x1: 30.0, y1: 374.0 };
        assert_eq!(label_place(&low, None), [20.0, 374.0]);
        assert_eq!(label_place(&low, Some([1242, 375])), [20.0, 375.0 * LABEL_LOWEST]);
        assert_eq!(label_place(&BoxPx { y1: 200.0, ..low }, Some([1242, 375])), [20.0, 200.0]);
    }

    #[test]
    fn small_boxes_give_way_in_a_crowd() {
        let tall = |height| BoxPx { x0: 0.0, y0: 0.0, x1: 10.0, y1: height };
        assert!(is_large(&tall(38.0), Some([1242, 375])) && !is_large(&tall(37.0), Some([1242, 375])));
        assert!(is_large(&tall(1.0), None), "without a size nothing is small");
    }

    #[test]
    fn velocity_over_ground_is_preferred_and_noise_is_not_drawn() {
        assert_eq!(shown_velocity(&full_object(1)), Some([3.2, 0.0, 0.0]));
        assert_eq!(shown_velocity(&bare_object(1)), None);
        let still = Object { velocity_rel_mps: Some([0.1, 0.1, 0.0]), ..bare_object(1) };
        assert_eq!(shown_velocity(&still), None);
        let odd = Object { velocity_rel_mps: Some([f64::NAN, 0.0, 0.0]), ..bare_object(1) };
        assert_eq!(shown_velocity(&odd), None);
    }
}
