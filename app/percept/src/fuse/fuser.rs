//! Distances of one camera frame's objects, from the best source there is: LiDAR on the object, a depth map in metres, the
//! ground, the class's size.
//!
//! [`Fuser::begin_frame`] takes what is known of the moment; [`Fuser::distances`] then answers for all boxes, of which a nearer one's points are
//! no farther one's (see `claims`); an object whose mask holds LiDAR points and depth has both weighed (see `combine`). All memory is kept between frames. A relative depth map that no LiDAR scales gives no distance: it is never called metres.

use super::claims::{Claims, Contest};
use super::combine::combine;
use super::depth_scale::{DepthFit, DepthFitError, DepthScaler};
use super::distance::{Distance, OpticalGround, Outline};
use super::ground::{GroundFinder, GroundPlane};
use super::project::{Projected, project_cloud};
use super::surface::{PLAUSIBLE, Sample, Surface, SurfaceFinder, surroundings};
use super::target::{Frame, Pass, Target, above_ground_m};
use crate::cloud::Cloud;
use crate::depth::DepthMap;
use crate::detection::Detection;
use crate::model::DepthKind;
use crate::report::DistanceSource;
use crate::space::{Camera, CameraError, Lidar, Optical, Point3, Transform, Vehicle};

/// What sensors and networks of this kind achieve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FuserConfig {
    /// One sigma of a LiDAR range, metres.
    pub lidar_sigma_m: f64,
    /// LiDAR points that an object needs.
    pub lidar_points_min: usize,
    /// Relative sigma of a network's metric depth that no LiDAR has checked.
    pub metric_depth_sigma: f64,
    /// One sigma of the camera's pitch against the ground, radians: suspension and slope.
    pub pitch_sigma_rad: f64,
}

impl Default for FuserConfig {
    fn default() -> Self {
        Self { lidar_sigma_m: 0.03, lidar_points_min: 2, metric_depth_sigma: 0.15, pitch_sigma_rad: 0.015 }
    }
}

/// The sweep that goes with a frame.
#[derive(Debug, Clone, Copy)]
pub struct Sweep<'a> {
    /// Its points.
    pub cloud: &'a Cloud,
    /// LiDAR points at the sweep's time to the camera at the frame's time (ego motion between them included where known).
    pub optical_from_lidar: Transform<Optical, Lidar>,
    /// LiDAR points to the vehicle frame, in which up is known.
    pub vehicle_from_lidar: Transform<Vehicle, Lidar>,
}

/// What is known at the time of one camera frame.
#[derive(Debug, Clone, Copy)]
pub struct FrameContext<'a> {
    /// Intrinsics at the picture's own size.
    pub camera: &'a Camera,
    /// Where the camera sits; `None` where unknown (then it is taken as level for the ground).
    pub optical_from_vehicle: Option<Transform<Optical, Vehicle>>,
    /// The sweep, if there is one.
    pub sweep: Option<Sweep<'a>>,
    /// The depth map of this picture, if there is one.
    pub depth: Option<&'a DepthMap>,
    /// Height of the camera above the ground, metres, for where no sweep shows the ground.
    pub camera_height_m: Option<f64>,
}

/// What was found out about a frame as a whole, for reports and the viewer.
#[derive(Debug, Clone, PartialEq)]
pub struct FrameNotes {
    /// LiDAR points in the picture.
    pub points_in_picture: usize,
    /// LiDAR points of the sweep that were not finite.
    pub points_not_finite: usize,
    /// The ground in the vehicle frame, where the sweep shows it.
    pub ground: Option<GroundPlane>,
    /// How the depth map was brought to metres by the sweep, or why not; `None` without a map or a sweep.
    pub depth_fit: Option<Result<DepthFit, DepthFitError>>,
}

/// Share of the nearest samples that may be strays: LiDAR returns at the rim of an occluder.
const LIDAR_STRAYS: f64 = 0.03;
/// Depth maps smear edges, so more.
const DEPTH_STRAYS: f64 = 0.10;
/// LiDAR's error that grows with range: calibration and the time between sweep and picture.
const LIDAR_SIGMA_PER_M: f64 = 0.004;
/// A second look at a range that is not plausible must be this many times more plausible to replace the first.
const MORE_PLAUSIBLE: f64 = 2.0;
/// Depth cells looked at along each side of a box.
const DEPTH_SAMPLES: u32 = 24;
/// A level camera is a guess: its pitch sigma, radians.
const LEVEL_GUESS_SIGMA_RAD: f64 = 0.035;

/// Gives distances; one per camera.
#[derive(Debug, Clone)]
pub struct Fuser {
    config: FuserConfig,
    frame: Option<Frame>,
    projected: Projected,
    ground: GroundFinder,
    /// Heights over the ground of the projected points in their order by tile, as far as they were asked for; NaN else.
    /// Most lie in several boxes or are looked at in several passes.
    heights_m: Vec<f64>,
    scaler: DepthScaler,
    surface: SurfaceFinder,
    /// The points that the last LiDAR distance rests on.
    taken: Vec<Sample>,
    claims: Claims,
    metres: DepthMap,
}

impl Fuser {
    /// A fuser that has seen nothing yet.
    pub fn new(config: FuserConfig) -> Self {
        let metres = DepthMap {
            width: 0,
            height: 0,
            values: Vec::new(),
            kind: DepthKind::Metric,
            focal: None,
            scale_x: 1.0,
            offset_x: 0.0,
            scale_y: 1.0,
            offset_y: 0.0,
        };
        Self {
            config,
            frame: None,
            projected: Projected::default(),
            ground: GroundFinder::default(),
            heights_m: Vec::new(),
            scaler: DepthScaler::default(),
            surface: SurfaceFinder::default(),
            taken: Vec::new(),
            claims: Claims::default(),
            metres,
        }
    }

    /// Takes in one frame: projects the sweep, finds the ground, brings the depth map to metres. With unusable
    /// intrinsics there is an error, and no distance until the next frame.
    pub fn begin_frame(&mut self, context: &FrameContext<'_>) -> Result<FrameNotes, CameraError> {
        self.frame = None;
        self.projected.clear();
        context.camera.validate()?;
        let lens = context.camera.lens();
        let mut ground = None;
        if let Some(sweep) = &context.sweep {
            project_cloud(sweep.cloud, &sweep.optical_from_lidar, context.camera, &lens, &mut self.projected);
            ground = self.ground.find(sweep.cloud, &sweep.vehicle_from_lidar);
        }
        self.heights_m.clear();
        self.heights_m.resize(self.projected.len(), f64::NAN);
        let optical_ground = self.optical_ground(context, ground.as_ref());
        let depth_fit = match (context.depth, &context.sweep) {
            (Some(map), Some(_)) => Some(self.scaler.fit(map, &self.projected)),
            _ => None,
        };
        let depth = context.depth.and_then(|map| self.bring_to_metres(map, depth_fit.as_ref(), context.camera));
        let sweep = context.sweep.filter(|_| ground.is_some());
        let vehicle_from_optical = sweep.map(|s| s.vehicle_from_lidar * s.optical_from_lidar.inverse());
        let left = context.optical_from_vehicle.map_or(-nalgebra::Vector3::x(), |t| t.rotate(&nalgebra::Vector3::y()));
        self.frame =
            Some(Frame { camera: *context.camera, lens, ground: optical_ground, vehicle_from_optical, left, depth });
        Ok(FrameNotes {
            points_in_picture: self.projected.len(),
            points_not_finite: self.projected.not_finite,
            ground,
            depth_fit,
        })
    }

    /// The sweep as the camera of this frame sees it.
    pub fn projected(&self) -> &Projected {
        &self.projected
    }

    /// The frame's depth map in metres along the optical axis, 0 where unknown; `None` where it has no scale.
    pub fn metric_depth(&self) -> Option<&DepthMap> {
        self.frame.and_then(|f| f.depth).map(|_| &self.metres)
    }

    /// The distances of this frame's detections, each with its class's name, in their order: `None` where no source gives one.
    /// `out` is cleared first.
    pub fn distances<'d>(
        &mut self,
        detections: impl Iterator<Item = (&'d Detection, &'d str)> + Clone,
        out: &mut Vec<Option<Distance>>,
    ) {
        out.clear();
        self.claims.clear();
        for (detection, class_name) in detections.clone() {
            out.push(self.distance(detection, class_name));
            self.claims.add(detection.bbox, detection.mask.is_some(), &self.taken);
        }
        for (row, (detection, class_name)) in detections.enumerate() {
            if let Some(slot) = out.get_mut(row)
                && let Some(own) = slot.and_then(|first| self.own_distance(row, detection, class_name, first))
            {
                *slot = Some(own);
            }
        }
    }

    /// The distance of one detection as if it were the frame's only one; `None` where no source gives one.
    pub fn distance(&mut self, detection: &Detection, class_name: &str) -> Option<Distance> {
        self.taken.clear();
        let frame = self.frame?;
        let target = Target::of(&frame, detection, class_name);
        self.measure(&frame, &target, None)
    }

    /// What is measured of detection `row` without the points of nearer objects; `None` where `first` may stand: its
    /// points are its own, or ground and size do not contradict them.
    fn own_distance(
        &mut self,
        row: usize,
        detection: &Detection,
        class_name: &str,
        first: Distance,
    ) -> Option<Distance> {
        let frame = self.frame?;
        if first.source != DistanceSource::Lidar {
            return None;
        }
        let target = Target::of(&frame, detection, class_name).with_foot_hidden(self.claims.is_foot_hidden(row));
        let contest = if target.denies_linked(&frame, &first) && self.claims.are_linked(row) {
            Contest::Linked
        } else if target.denies_shared(&frame, &first) && self.claims.are_shared(row) {
            Contest::Shared
        } else {
            return None;
        };
        self.measure(&frame, &target, Some((row, contest))).map(|own| target.doubted(own))
    }

    /// The best answer of all sources, without the points of what stands nearer than a contested detection.
    fn measure(&mut self, frame: &Frame, target: &Target<'_>, contested: Option<(usize, Contest)>) -> Option<Distance> {
        let lidar = self.lidar_distance(frame, target, contested);
        // A depth map is as sharp as a mask; within a mere box LiDAR alone is surer of what is the object.
        let depth = if lidar.is_none() || target.mask.is_some() { self.depth_distance(frame, target) } else { None };
        match (lidar, depth) {
            (Some(lidar), Some(depth)) => Some(combine(lidar, depth)),
            (lidar, depth) => lidar.or(depth).or_else(|| target.by_box_alone(frame)),
        }
    }

    fn optical_ground(&self, context: &FrameContext<'_>, seen: Option<&GroundPlane>) -> Option<OpticalGround> {
        let tilt_sigma_rad = self.config.pitch_sigma_rad;
        if let (Some(ground), Some(sweep)) = (seen, &context.sweep) {
            let optical_from_vehicle = sweep.optical_from_lidar * sweep.vehicle_from_lidar.inverse();
            let (normal, height_m) = ground.in_optical(&optical_from_vehicle);
            return Some(OpticalGround { normal, height_m, tilt_sigma_rad: 0.5 * tilt_sigma_rad });
        }
        let height_m = -context.camera_height_m.filter(|h| h.is_finite() && *h > 0.0)?;
        Some(match &context.optical_from_vehicle {
            Some(t) => OpticalGround { normal: t.rotate(&nalgebra::Vector3::z()), height_m, tilt_sigma_rad },
            None => OpticalGround {
                normal: -nalgebra::Vector3::y(),
                height_m,
                tilt_sigma_rad: tilt_sigma_rad.hypot(LEVEL_GUESS_SIGMA_RAD),
            },
        })
    }

    /// Fills `self.metres`; `None` where the map cannot be had in metres.
    fn bring_to_metres(
        &mut self,
        map: &DepthMap,
        fit: Option<&Result<DepthFit, DepthFitError>>,
        camera: &Camera,
    ) -> Option<(DistanceSource, f64)> {
        let usable = match (fit, map.kind) {
            (Some(Ok(fit)), _) => Some(fit),
            // A metric map that the LiDAR contradicts is not used; one that it could not check is.
            (None | Some(Err(DepthFitError::TooFewPairs { .. } | DepthFitError::Flat { .. })), DepthKind::Metric) => {
                None
            }
            _ => return None,
        };
        self.metres.values.clear();
        match usable {
            Some(fit) => {
                let metres = map.values.iter().map(|&v| fit.depth_m(map.kind, v).unwrap_or(0.0));
                self.metres.values.extend(metres);
            }
            None => {
                let zoom = map.focal.map_or(1.0, |focal| camera.fx as f32 * map.scale_x / focal);
                self.metres.values.extend(map.values.iter().map(|v| v * zoom));
            }
        }
        (self.metres.width, self.metres.height) = (map.width, map.height);
        (self.metres.scale_x, self.metres.offset_x) = (map.scale_x, map.offset_x);
        (self.metres.scale_y, self.metres.offset_y) = (map.scale_y, map.offset_y);
        Some(match usable {
            Some(fit) => (DistanceSource::DepthScaled, fit.residual.max(0.01)),
            None => (DistanceSource::DepthMetric, self.config.metric_depth_sigma),
        })
    }

    fn lidar_distance(
        &mut self,
        frame: &Frame,
        target: &Target<'_>,
        contested: Option<(usize, Contest)>,
    ) -> Option<Distance> {
        if self.projected.is_empty() {
            return None;
        }
        let count_min = self.config.lidar_points_min.max(1);
        // From the strictest selection of points to the loosest that still keeps the ground out.
        let passes = if target.mask.is_some() {
            &[Pass::Eroded, Pass::Whole, Pass::Head][..]
        } else {
            &[Pass::Whole, Pass::Head]
        };
        let mut best: Option<Surface> = None;
        for &pass in passes {
            self.gather_points(frame, target, pass);
            if let Some((row, contest)) = contested {
                self.claims.strip(row, contest, &mut self.surface.samples);
            }
            let found = self.surface.find(&target.expectation(frame, pass, LIDAR_STRAYS), count_min);
            if let Some(surface) = found
                && best.is_none_or(|b: Surface| surface.plausibility > MORE_PLAUSIBLE * b.plausibility)
            {
                best = Some(surface);
                self.taken.clear();
                self.taken.extend_from_slice(self.surface.cluster(&surface));
            }
            if best.is_some_and(|b| b.plausibility > PLAUSIBLE) {
                break;
            }
        }
        let surface = best?;
        let sensor = self.config.lidar_sigma_m.hypot(LIDAR_SIGMA_PER_M * surface.range_m);
        Some(on_surface(&surface, sensor, DistanceSource::Lidar))
    }

    /// The LiDAR points that count in a pass, and the ranges of those just around the box.
    fn gather_points(&mut self, frame: &Frame, target: &Target<'_>, pass: Pass) {
        self.surface.samples.clear();
        self.surface.around.clear();
        let bbox = target.bbox;
        let region = if target.mask.is_some() { bbox } else { surroundings(&bbox) };
        // Inside the iterator: a loop outside of it asks for every point which column of tiles it is in.
        self.projected.in_box(region).for_each(|(place, sample)| {
            let (u, v) = (sample.u, sample.v);
            let height = || match self.heights_m.get_mut(place) {
                Some(known) if !known.is_nan() => Some(*known),
                unknown => {
                    let height = above_ground_m(&self.ground, frame, sample);
                    if let (Some(place), Some(height)) = (unknown, height) {
                        *place = height;
                    }
                    height
                }
            };
            if !target.covers(u, v, pass) || !target.stands(sample, height, pass) {
                return;
            }
            if u >= bbox.x0 && u < bbox.x1 && v >= bbox.y0 {
                self.surface.samples.push(*sample);
            } else {
                self.surface.around.push(sample.range_m);
            }
        });
    }

    fn depth_distance(&mut self, frame: &Frame, target: &Target<'_>) -> Option<Distance> {
        let (source, relative_sigma) = frame.depth?;
        // A mask that erosion leaves nothing of is looked at whole.
        let passes = if target.mask.is_some() { &[Pass::Eroded, Pass::Whole][..] } else { &[Pass::Whole] };
        let surface = passes.iter().find_map(|&pass| {
            self.gather_depth(frame, target, pass);
            self.surface.find(&target.expectation(frame, pass, DEPTH_STRAYS), 1)
        })?;
        Some(on_surface(&surface, relative_sigma * surface.range_m, source))
    }

    /// The cells of the depth map that count in a pass.
    fn gather_depth(&mut self, frame: &Frame, target: &Target<'_>, pass: Pass) {
        let view = frame.view();
        self.surface.samples.clear();
        self.surface.around.clear();
        let bbox = target.bbox;
        for row in 0..DEPTH_SAMPLES {
            for column in 0..DEPTH_SAMPLES {
                let u = bbox.x0 + bbox.width() * (column as f32 + 0.5) / DEPTH_SAMPLES as f32;
                let v = bbox.y0 + bbox.height() * (row as f32 + 0.5) / DEPTH_SAMPLES as f32;
                // The mask first: it is the cheapest to ask.
                let Some(z) = self.metres.at_source(u, v).filter(|_| target.covers(u, v, pass)) else { continue };
                let Some(ray) = view.ray(u, v).filter(|r| r.z > 0.0) else { continue };
                let p = ray * (f64::from(z) / ray.z);
                let sample =
                    Sample { u, v, xyz: [p.x as f32, p.y as f32, z], range_m: p.norm() as f32, measured_s: 0.0 };
                if target.stands(&sample, || above_ground_m(&self.ground, frame, &sample), pass) {
                    self.surface.samples.push(sample);
                }
            }
        }
    }
}

fn on_surface(surface: &Surface, sensor_sigma_m: f64, source: DistanceSource) -> Distance {
    let sigma = surface.sigma_m.hypot(sensor_sigma_m);
    let distance = Distance::along(&surface.direction, surface.range_m, sigma, source);
    let point = |[x, y, z]: [f32; 3]| Point3::new(x.into(), y.into(), z.into());
    let outline = surface.face.zip(surface.ends);
    let outline = outline.map(|(face, ends)| Outline { face: face.map(point), ends: ends.map(point) });
    Distance { n_points: surface.samples, measured_s: surface.measured_s, outline, ..distance }
}
