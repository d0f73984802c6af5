//! What a distance is, and the two ways to one that need no range sensor: where the box meets the ground, and its size.

use nalgebra::Vector3;

use super::priors::SizePrior;
use crate::detection::BoxPx;
use crate::report::DistanceSource;
use crate::space::camera::centred_from_continuous;
use crate::space::{Camera, Lens, Optical, Point3};

/// Distance of one object: range from the camera's centre to its nearest visible surface.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Distance {
    /// Range in metres.
    pub range_m: f64,
    /// One sigma of it in metres.
    pub sigma_m: f64,
    /// What it rests on.
    pub source: DistanceSource,
    /// The middle of the near face, at that range, in the optical frame.
    pub surface: Point3<Optical>,
    /// When the near face was measured, seconds from the stamp of the sweep or picture that it comes from: a spinning LiDAR takes its
    /// time.
    pub measured_s: f64,
    /// LiDAR points or depth cells it rests on; 0 for the ground plane and the size prior.
    pub n_points: usize,
    /// How far it reaches; `None` where no samples tell.
    pub outline: Option<Outline>,
    /// What a second source says instead, where the two cannot both be right; the nearer of them is this distance.
    pub contradicted_by: Option<Other>,
}

/// What is seen of an object farthest to the vehicle's right and left, in that order, in the optical frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outline {
    /// Of its near face.
    pub face: [Point3<Optical>; 2],
    /// Of all of it, at whatever range: of its flanks as well.
    pub ends: [Point3<Optical>; 2],
}

/// What a source said whose distance was not taken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Other {
    /// Range in metres.
    pub range_m: f64,
    /// One sigma of it in metres.
    pub sigma_m: f64,
    /// What it rests on.
    pub source: DistanceSource,
}

impl Distance {
    pub(super) fn along(direction: &Vector3<f64>, range_m: f64, sigma_m: f64, source: DistanceSource) -> Self {
        Self {
            range_m,
            sigma_m,
            source,
            surface: Point3::from_vector(direction * range_m),
            measured_s: 0.0,
            n_points: 0,
            outline: None,
            contradicted_by: None,
        }
    }

    /// The same face further or nearer along its ray, with another sigma.
    pub(super) fn at_range(self, range_m: f64, sigma_m: f64) -> Self {
        let along = if self.range_m > 0.0 { range_m / self.range_m } else { 1.0 };
        let moved = |p: Point3<Optical>| Point3::from_vector(p.xyz * along);
        let outline = self.outline.map(|o| Outline { face: o.face.map(moved), ends: o.ends.map(moved) });
        Self { range_m, sigma_m, surface: moved(self.surface), outline, ..self }
    }
}

/// Error of a box's edge, in pixels and as a share of its height: what detectors of this size achieve.
const EDGE_ERROR_PX: f64 = 1.5;
const EDGE_ERROR_SHARE: f64 = 0.03;
/// An edge this near to the picture's is cut by it.
const CUT_PX: f32 = 2.0;
/// Ground that was assumed or extrapolated lies this far off per metre of range.
const TERRAIN_PER_M: f64 = 0.01;
/// Relative sigma of a distance from a box that the picture cuts: only a bound.
pub(super) const CUT_SIGMA: f64 = 0.4;
/// A distance whose sigma is above this share of it says nothing.
const SIGMA_SHARE_MAX: f64 = 0.5;

/// A camera and its lens, for the geometry of one box.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    /// Intrinsics.
    pub camera: &'a Camera,
    /// Its distortion, prepared.
    pub lens: &'a Lens,
}

impl View<'_> {
    /// Unit direction of a continuous pixel coordinate; `None` outside the lens's range.
    pub(super) fn ray(&self, x: f32, y: f32) -> Option<Vector3<f64>> {
        let uv = centred_from_continuous([f64::from(x), f64::from(y)]);
        self.camera.unproject_with(self.lens, uv).ok()
    }

    /// Whether the picture's top or bottom edge cuts the box.
    fn cut_above(&self, bbox: &BoxPx) -> bool {
        bbox.y0 <= CUT_PX
    }

    fn cut_below(&self, bbox: &BoxPx) -> bool {
        bbox.y1 >= self.camera.height as f32 - CUT_PX
    }

    /// Sigma of a box edge's direction in radians.
    fn edge_sigma_rad(&self, bbox: &BoxPx) -> f64 {
        EDGE_ERROR_PX.max(EDGE_ERROR_SHARE * f64::from(bbox.height())) / self.camera.fy
    }

    /// Range at which a thing of usual size fills the box's height, and one sigma of its logarithm. The box's height
    /// is taken as an angle, which holds for every lens.
    pub(super) fn range_by_size(&self, bbox: &BoxPx, prior: &SizePrior) -> Option<(f64, f64)> {
        let middle = 0.5 * (bbox.x0 + bbox.x1);
        let (top, bottom) = (self.ray(middle, bbox.y0)?, self.ray(middle, bbox.y1)?);
        let angle = top.cross(&bottom).norm().atan2(top.dot(&bottom));
        let range = prior.height_m / (2.0 * (0.5 * angle).tan());
        let sigma_ln = prior.sigma_ln.hypot(std::f64::consts::SQRT_2 * self.edge_sigma_rad(bbox) / angle);
        (range.is_finite() && range > 0.0 && sigma_ln.is_finite()).then_some((range, sigma_ln))
    }
}

/// The ground in a camera's optical frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct OpticalGround {
    /// Upward unit normal.
    pub normal: Vector3<f64>,
    /// `normal . p = height_m`; negative, as the camera is above the ground.
    pub height_m: f64,
    /// Sigma of its tilt against the camera, radians.
    pub tilt_sigma_rad: f64,
}

/// Where the box's lower edge meets the ground. Sigma grows with the square of range.
pub(super) fn from_ground(view: &View<'_>, bbox: &BoxPx, ground: &OpticalGround) -> Option<Distance> {
    let ray = view.ray(0.5 * (bbox.x0 + bbox.x1), bbox.y1)?;
    let camera_height = -ground.height_m;
    let fall = -ground.normal.dot(&ray);
    if !(camera_height > 0.0 && fall > 1e-3) {
        return None;
    }
    let range = camera_height / fall;
    let angle_sigma = ground.tilt_sigma_rad.hypot(view.edge_sigma_rad(bbox));
    let by_angle = range * range / camera_height * angle_sigma;
    let by_terrain = range / camera_height * TERRAIN_PER_M * range;
    let mut sigma = by_angle.hypot(by_terrain);
    if view.cut_below(bbox) {
        // It stands nearer than the last ground that the picture shows.
        sigma = sigma.max(CUT_SIGMA * range);
    }
    (sigma <= SIGMA_SHARE_MAX * range).then(|| Distance::along(&ray, range, sigma, DistanceSource::GroundPlane))
}

/// The box's height against the class's.
pub(super) fn from_size(view: &View<'_>, bbox: &BoxPx, prior: &SizePrior) -> Option<Distance> {
    let (range, sigma_ln) = view.range_by_size(bbox, prior)?;
    let ray = view.ray(0.5 * (bbox.x0 + bbox.x1), 0.5 * (bbox.y0 + bbox.y1))?;
    let cut = view.cut_above(bbox) || view.cut_below(bbox);
    let share = if cut { sigma_ln.max(CUT_SIGMA) } else { sigma_ln };
    (share <= SIGMA_SHARE_MAX).then(|| Distance::along(&ray, range, share * range, DistanceSource::SizePrior))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuse::priors::size_prior;
    use crate::space::Distortion;

    fn camera() -> Camera {
        Camera { width: 1280, height: 720, fx: 1000.0, fy: 1000.0, cx: 639.5, cy: 359.5, distortion: Distortion::None }
    }

    /// The box of an upright person of 1.7 m who stands at depth z on ground 1.5 m below the camera.
    fn person_at(z: f32) -> BoxPx {
        let foot = 360.0 + 1000.0 * 1.5 / z;
        BoxPx { x0: 640.0 - 300.0 / z, y0: foot - 1700.0 / z, x1: 640.0 + 300.0 / z, y1: foot }
    }

    fn level_ground() -> OpticalGround {
        OpticalGround { normal: -Vector3::y(), height_m: -1.5, tilt_sigma_rad: 0.005 }
    }

    #[test]
    fn ground_and_size_agree_on_a_person() {
        let (camera, prior) = (camera(), size_prior("person").unwrap());
        let lens = camera.lens();
        let view = View { camera: &camera, lens: &lens };
        let mut last_sigma = 0.0;
        for z in [8.0, 15.0, 30.0] {
            let bbox = person_at(z);
            let ground = from_ground(&view, &bbox, &level_ground()).unwrap();
            assert!((ground.surface.xyz.z - f64::from(z)).abs() < 1e-3, "{ground:?}");
            let size = from_size(&view, &bbox, &prior).unwrap();
            assert!((size.range_m / f64::from(z) - 1.0).abs() < 0.02, "{size:?}");
            assert!(ground.sigma_m > last_sigma * 2.0, "sigma grows faster than range");
            last_sigma = ground.sigma_m;
        }
    }

    #[test]
    fn what_the_box_cannot_say_is_not_said() {
        let (camera, prior) = (camera(), size_prior("person").unwrap());
        let lens = camera.lens();
        let view = View { camera: &camera, lens: &lens };
        let above_horizon = BoxPx { x0: 100.0, y0: 100.0, x1: 130.0, y1: 200.0 };
        assert_eq!(from_ground(&view, &above_horizon, &level_ground()), None);
        let far = person_at(200.0);
        assert_eq!(from_ground(&view, &far, &level_ground()), None, "sigma beyond half the distance");
        assert_eq!(from_size(&view, &BoxPx { y1: 100.0, ..above_horizon }, &prior), None, "no height");
        let nan = BoxPx { y1: f32::NAN, ..above_horizon };
        assert_eq!((from_ground(&view, &nan, &level_ground()), from_size(&view, &nan, &prior)), (None, None));
        let cut = from_size(&view, &BoxPx { y0: 0.0, y1: 720.0, ..above_horizon }, &prior).unwrap();
        assert!(cut.sigma_m >= CUT_SIGMA * cut.range_m);
    }
}
