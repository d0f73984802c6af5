//! What does not change during a run: which sensors there are, where they sit, and under which path each thing is
//! shown.
//!
//! Everything three-dimensional hangs below [`VEHICLE`], in the vehicle frame (x forward, y left, z up).

use ocellus_percept::space::{Camera, CameraMount, LidarMount, Rig};
use rerun::RecordingStream;
use rerun::archetypes::{Boxes3D, Pinhole, Transform3D, ViewCoordinates};

use super::ViewerError;

/// Root of all that has a place in space.
pub(super) const VEHICLE: &str = "vehicle";
/// Obstacles in space.
pub(super) const OBJECTS: &str = "vehicle/objects";
/// Their velocities.
pub(super) const VELOCITIES: &str = "vehicle/velocities";
/// The way ahead.
pub(super) const WAY: &str = "vehicle/way";
/// Log lines.
pub(super) const LOG: &str = "log";
/// Plots of milliseconds by stage.
pub(super) const LATENCY: &str = "latency";
/// Plots of waiting messages by queue.
pub(super) const QUEUES: &str = "queues";
/// Plots of the computer's temperature, power and clocks.
pub(super) const MACHINE: &str = "machine";
/// Plots of the nearest obstacle by class.
pub(super) const NEAREST: &str = "nearest";
/// Plots of the least time to collision by class.
pub(super) const TTC: &str = "ttc";
/// Plots of what networks on clips answer.
pub(super) const ANTICIPATION: &str = "anticipation";
/// The highest risk, and how each sensor is, as lanes over time.
pub(super) const STATES: &str = "states";

/// How far before a camera its picture hangs in space, metres: near enough to leave the points before it free.
const IMAGE_PLANE_M: f32 = 1.5;

/// Outline of the vehicle in its own frame, metres.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VehicleOutline {
    /// Centre of the box around it.
    pub center_m: [f32; 3],
    /// Length, width, height.
    pub size_m: [f32; 3],
}

impl VehicleOutline {
    /// A middle-sized car whose frame's origin lies `origin_height_m` above the ground in its middle; only a drawing.
    pub fn car(origin_height_m: f32) -> Self {
        Self { center_m: [0.0, 0.0, 0.75 - origin_height_m], size_m: [4.6, 1.8, 1.5] }
    }

    /// Where it stands, metres above the vehicle frame's origin.
    fn floor_m(&self) -> f32 {
        self.center_m[2] - 0.5 * self.size_m[2]
    }
}

/// What the screen is laid out for.
#[derive(Debug, Clone, Default)]
pub struct Scene {
    /// The run's name, shown above it.
    pub name: String,
    /// Cameras that are shown, in the order of their views.
    pub cameras: Vec<String>,
    /// Whether there is a LiDAR.
    pub lidar: bool,
    /// Whether a depth network runs.
    pub depth: bool,
    /// Whether a network on clips runs.
    pub anticipation: bool,
    /// Whether the computer tells its temperature, power or clocks.
    pub machine: bool,
    /// Calibration, as far as it is known.
    pub rig: Rig,
    /// The vehicle's outline; `None` draws its axes alone.
    pub outline: Option<VehicleOutline>,
}

impl Scene {
    /// Height of the ground that is taken where no sweep shows it, metres in the vehicle frame.
    pub(super) fn floor_m(&self) -> f64 {
        self.outline.map_or(0.0, |outline| outline.floor_m().into())
    }
}

/// Where a camera and its pinhole stand.
pub(super) fn camera_path(camera: &str) -> String {
    format!("{VEHICLE}/cameras/{camera}")
}

/// Where its picture stands.
pub(super) fn picture_path(camera: &str) -> String {
    format!("{VEHICLE}/cameras/{camera}/picture")
}

/// Where the boxes on its picture stand.
pub(super) fn boxes_path(camera: &str) -> String {
    format!("{VEHICLE}/cameras/{camera}/objects")
}

/// Where the way ahead on its picture stands.
pub(super) fn way_path(camera: &str) -> String {
    format!("{VEHICLE}/cameras/{camera}/way")
}

/// Where its depth stands: outside the vehicle, since a map of another size than the picture has no place in space.
pub(super) fn depth_path(camera: &str) -> String {
    format!("depth/{camera}")
}

/// Where a LiDAR's points stand.
pub(super) fn lidar_path(lidar: &str) -> String {
    format!("{VEHICLE}/lidars/{lidar}")
}

/// Logs all that does not change.
pub(super) fn log_scene(rec: &RecordingStream, scene: &Scene) -> Result<(), ViewerError> {
    let put = |path: &str, what: &dyn rerun::AsComponents| rec.log_static(path, what).map_err(ViewerError::rerun(path));
    put(VEHICLE, &ViewCoordinates::FLU())?;
    put(VEHICLE, &rerun::archetypes::TransformAxes3D::new(1.0))?;
    if let Some(outline) = scene.outline {
        let boxes = Boxes3D::from_centers_and_sizes([outline.center_m], [outline.size_m])
            .with_colors([rerun::Color::from_rgb(230, 230, 230)])
            .with_radii([rerun::Radius::new_ui_points(1.0)]);
        put("vehicle/outline", &boxes)?;
    }
    for (name, mount) in &scene.rig.cameras {
        if let Some((transform, pinhole)) = camera_archetypes(mount) {
            put(&camera_path(name), &transform)?;
            put(&camera_path(name), &pinhole)?;
        }
    }
    for (name, mount) in &scene.rig.lidars {
        put(&lidar_path(name), &lidar_archetype(mount))?;
    }
    Ok(())
}

/// A camera's place and lens; `None` where it has no place, or one that no pinhole can be drawn for.
fn camera_archetypes(mount: &CameraMount) -> Option<(Transform3D, Pinhole)> {
    let vehicle_from_optical = mount.optical_from_vehicle?.inverse();
    let Camera { width, height, fx, fy, cx, cy, .. } = mount.camera;
    let sound = [fx, fy, cx, cy].iter().all(|v| v.is_finite()) && fx > 0.0 && fy > 0.0 && width > 0 && height > 0;
    if !sound {
        return None;
    }
    // The calibration counts from the centre of the first pixel, the viewer from its corner.
    let pinhole = Pinhole::from_focal_length_and_resolution([fx as f32, fy as f32], [width as f32, height as f32])
        .with_principal_point([(cx + 0.5) as f32, (cy + 0.5) as f32])
        .with_camera_xyz(rerun::components::ViewCoordinates::RDF)
        .with_image_plane_distance(IMAGE_PLANE_M)
        .with_color(rerun::Color::from_rgb(150, 150, 150));
    Some((transform_archetype(vehicle_from_optical.isometry()), pinhole))
}

fn lidar_archetype(mount: &LidarMount) -> Transform3D {
    transform_archetype(mount.vehicle_from_lidar.isometry())
}

fn transform_archetype(isometry: &nalgebra::Isometry3<f64>) -> Transform3D {
    let t = isometry.translation.vector;
    let q = isometry.rotation.coords;
    Transform3D::from_translation_rotation(
        [t.x as f32, t.y as f32, t.z as f32],
        rerun::Quaternion::from_xyzw([q.x as f32, q.y as f32, q.z as f32, q.w as f32]),
    )
}
