//! The objects of a camera's frame: each detection's distance, its track, and what it means for the vehicle.

use std::sync::Arc;

use ocellus_percept::assess::{ClosingMotion, Corridor, Extent, Offset, OnPath, Sides};
use ocellus_percept::depth::DepthMap;
use ocellus_percept::detection::{BoxPx, Detection};
use ocellus_percept::fuse::{Distance, FrameContext, Other, Outline, Sweep};
use ocellus_percept::model::DepthKind;
use ocellus_percept::report::{DistanceSource, Object};
use ocellus_percept::space::camera::centred_from_continuous;
use ocellus_percept::space::{Camera, CameraMount, Lens, Lidar, Odom, Optical, Point3, Transform, Vehicle};
use ocellus_percept::track::{Kinematics, Observation, PositionMeasurement, SideEnd, TrackFrame, speed_sigma_mps};
use ocellus_sense::SensorKind;

use super::super::assess::Listed;
use super::super::classes::Candidate;
use super::super::frame::{Frame, Origin};
use super::{CurrentSweep, Perceive};

/// So far ahead that where the camera sits on the vehicle makes no difference, metres.
const HORIZON_M: f64 = 1000.0;
/// Half of a lorry's width, metres.
const HALF_WIDTH_MAX_M: f64 = 1.25;

/// A detection's distance and its surface point in the vehicle frame, where that is known.
#[derive(Clone, Copy)]
pub(super) struct Measured {
    pub(super) distance: Distance,
    pub(super) surface: Option<Point3<Vehicle>>,
    /// How much older than the picture the measurement is, seconds; negative where a later sweep was waited for.
    age_s: f64,
}

impl Measured {
    /// Brought to the picture's moment by the object's own motion, as far as that is known: what is not known of it is uncertainty.
    fn brought_forward(mut self, known: Option<&Kinematics>, class_name: &str, centre: Point3<Vehicle>) -> Self {
        let Some(surface) = self.surface.filter(|_| self.age_s != 0.0) else { return self };
        let ray = surface.xyz - centre.xyz;
        let along = ray.try_normalize(0.0).unwrap_or(ray);
        let sigma_m = if let Some((by, covariance)) = known.and_then(|k| k.own_motion(self.age_s)) {
            let moved = Point3::from_vector(surface.xyz + by);
            self.distance.range_m = (moved.xyz - centre.xyz).norm();
            self.surface = Some(moved);
            along.dot(&(covariance * along)).max(0.0).sqrt()
        } else {
            speed_sigma_mps(class_name) * self.age_s.abs()
        };
        self.distance.sigma_m = self.distance.sigma_m.hypot(sigma_m);
        self
    }
}

/// Everything about the moment a frame was taken.
pub(super) struct Moment<'a> {
    pub(super) camera: Option<Camera>,
    lens: Option<Lens>,
    pub(super) mount: Option<&'a CameraMount>,
    pub(super) odom_from_vehicle: Option<Transform<Odom, Vehicle>>,
}

impl Moment<'_> {
    /// The camera's centre.
    fn centre(&self) -> Option<Point3<Vehicle>> {
        let optical_from_vehicle = self.mount.and_then(|m| m.optical_from_vehicle)?;
        Some(optical_from_vehicle.inverse().apply(&Point3::new(0.0, 0.0, 0.0)))
    }

    /// Whether a box holds the column that lies straight ahead of the vehicle: of the picture's middle where the camera's
    /// mounting is not known.
    fn is_ahead(&self, bbox: &BoxPx, size: (usize, usize)) -> bool {
        let optical_from_vehicle = self.mount.and_then(|m| m.optical_from_vehicle);
        let ahead = self.camera.zip(optical_from_vehicle).map(|(camera, t)| {
            camera.project_continuous(&t.apply(&Point3::new(HORIZON_M, 0.0, 0.0))).map_or(f32::NAN, |[u, _]| u as f32)
        });
        let column = ahead.unwrap_or(size.0 as f32 / 2.0);
        column >= bbox.x0 && column <= bbox.x1
    }

    /// How far what is seen of the object reaches, along the path: as measured, else by the box, which shows the far sides of
    /// things as well and is not believed beyond half a lorry's width.
    fn extent(&self, measured: &Measured, bbox: &BoxPx, corridor: &Corridor) -> Option<Extent> {
        measured.surface?;
        let vehicle_from_optical = self.mount?.optical_from_vehicle?.inverse();
        if let Some(Outline { face, ends }) = &measured.distance.outline {
            let place = |p: &Point3<Optical>| {
                let p = vehicle_from_optical.apply(p).xyz;
                corridor.place(p.x, p.y)
            };
            // All as measured: what was moved since is the surface point, with all of the object.
            let surface = place(&measured.distance.surface)?;
            let offset = |p: &Point3<Optical>| {
                let OnPath { gap_m, left_m, .. } = place(p)?;
                Some(Offset { along_m: gap_m - surface.gap_m, left_m: left_m - surface.left_m })
            };
            let pair = |[right, left]: &[Point3<Optical>; 2]| Some([offset(right)?, offset(left)?]);
            return Some(Extent::new(pair(face)?, pair(ends)?));
        }
        let half = (0.5 * f64::from(bbox.width()) / self.camera?.fx * measured.distance.range_m).min(HALF_WIDTH_MAX_M);
        Some(Extent::face([-half, half]))
    }

    /// Where the object's sides are and what they end at, right and left of the vehicle: those of its box at the distance of the
    /// near face; of what is as large as a car, whose box ends at the far end of a flank, those of what was measured of it.
    fn sides(&self, measured: &Measured, bbox: &BoxPx, [in_left, in_right]: [SideEnd; 2]) -> Option<Sides> {
        let (surface, camera, lens) = (measured.surface?, self.camera?, self.lens?);
        let optical_from_vehicle = self.mount?.optical_from_vehicle?;
        let vehicle_from_optical = optical_from_vehicle.inverse();
        let depth_m = optical_from_vehicle.apply(&surface).xyz.z;
        let place = |column: f32| {
            let uv = centred_from_continuous([f64::from(column), f64::from(0.5 * (bbox.y0 + bbox.y1))]);
            let ray = camera.unproject_with(&lens, uv).ok().filter(|ray| ray.z > 0.0)?;
            Some(vehicle_from_optical.apply(&Point3::from_vector(ray * (depth_m / ray.z))))
        };
        let (left, right) = (place(bbox.x0)?, place(bbox.x1)?);
        let apart = left.xyz - right.xyz;
        let ends = [in_right, in_left];
        let sides = match &measured.distance.outline {
            Some(outline) if apart.norm() > LARGE_M => {
                // As measured, and moved since with its surface point.
                let moved = surface.xyz.y - vehicle_from_optical.apply(&measured.distance.surface).xyz.y;
                let at_m = outline.ends.map(|end| vehicle_from_optical.apply(&end).xyz.y + moved);
                let sigma_m = SIDE_SIGMA_M.hypot(SAMPLE_SIGMA_RAD * measured.distance.range_m);
                Sides { at_m, sigma_m, ends }
            }
            _ => {
                let sigma_m = SIDE_SIGMA_M.hypot(SIDE_SIGMA_PX / camera.fx * depth_m);
                Sides { at_m: [right.xyz.y, left.xyz.y], sigma_m, ends }
            }
        };
        (apart.y > BESIDE_SHARE_MIN * apart.norm()).then_some(sides)
    }
}

/// What seems wider than this has flanks, metres: more than a person or a bicycle.
const LARGE_M: f64 = 1.2;
/// One sigma of where samples end on a surface, radians: the spacing of a LiDAR's points in azimuth.
const SAMPLE_SIGMA_RAD: f64 = 0.004;
/// One sigma of a box's side, px: half of what detectors of this size err by.
const SIDE_SIGMA_PX: f64 = 0.75;
/// And of what it shows at the near face's distance, metres.
const SIDE_SIGMA_M: f64 = 0.05;
/// The picture shows how things move across the vehicle's way where its sides lie at least so much beside one another for
/// it, in shares of their distance: a camera that looks to the side shows how they move along.
const BESIDE_SHARE_MIN: f64 = 0.7;

/// Points that are no numbers are worth telling from this share of a sweep on: some LiDARs give a few where nothing came back.
const POINTS_BAD_SHARE: f64 = 0.2;

/// What is said where two sources of one distance cannot both be right.
fn contradiction(seq: u64, class: &str, (used, other): (Distance, Other)) -> String {
    let (near_m, far_m) = (used.range_m, other.range_m);
    let (by, not_by) = (used.source.name(), other.source.name());
    format!("frame {seq}: a {class} is {near_m:.1} m away by {by} and {far_m:.1} m by {not_by}: the nearer is used")
}

impl Perceive {
    /// The frame's objects, in the candidates' order, then those without a class.
    pub(super) fn understand(
        &mut self,
        origin: &Origin,
        frame: &Frame,
        candidates: &[Candidate],
        depth: Option<&DepthMap>,
    ) -> Vec<Object> {
        let drive = Arc::clone(&self.parts.drive);
        let mount = drive.rig_at(origin.entry).cameras.get(&self.parts.sensors[origin.sensor].name);
        let camera = self.camera_at_size(origin, mount, frame.size);
        let moment = Moment {
            camera,
            lens: camera.map(|c| c.lens()),
            mount,
            odom_from_vehicle: drive.odom_from_vehicle(origin.t),
        };
        let fusing = self.parts.fusing.clone();
        let has_sweep = fusing.time(|| self.fuse(origin, &moment, candidates, depth));
        self.observe(&moment, candidates);
        let track_frame = TrackFrame {
            t: origin.t,
            odom_from_vehicle: moment.odom_from_vehicle.as_ref(),
            vehicle_twist: None,
            camera: moment.mount,
            size_px: Some((frame.size.0 as u32, frame.size.1 as u32)),
        };
        let view = &mut self.views[origin.sensor];
        if self.parts.single_moments {
            view.tracker.restart();
        }
        let tracking = &self.parts.tracking;
        tracking.time(|| view.tracker.step(&mut self.ids, track_frame, &self.observations, &mut self.tracked));
        self.parts.assess.begin(origin.t);
        let rows = candidates.iter().enumerate().filter(|(_, candidate)| candidate.listed);
        let mut objects: Vec<Object> =
            rows.filter_map(|(row, seen)| self.object(&seen.detection, row, &moment, frame.size)).collect();
        if let Some(map) = depth.filter(|map| self.parts.unknown && !has_sweep && map.kind == DepthKind::Metric) {
            self.find_unknown_in_depth(origin, &moment, map);
        }
        objects.extend(self.unknown_objects(origin, &moment, candidates));
        objects
    }

    /// The camera's intrinsics at the picture's own size; said once where there are none.
    fn camera_at_size(&mut self, origin: &Origin, mount: Option<&CameraMount>, size: (usize, usize)) -> Option<Camera> {
        let view = &mut self.views[origin.sensor];
        let name = &self.parts.sensors[origin.sensor].name;
        let scaled = match mount {
            Some(mount) => mount.camera.scaled_to(size.0 as u32, size.1 as u32).map_err(|e| e.to_string()),
            None => Err("it is not calibrated: distances need --calib".to_owned()),
        };
        match scaled {
            Ok(camera) => Some(camera),
            Err(why) => {
                if !std::mem::replace(&mut view.calibrated_said, true) {
                    self.parts.notes.say("calibration", format!("{name}: {why}"));
                }
                None
            }
        }
    }

    /// Fills `measured`, aligned with the detections; whether there was a sweep for it.
    fn fuse(
        &mut self,
        origin: &Origin,
        moment: &Moment<'_>,
        candidates: &[Candidate],
        depth: Option<&DepthMap>,
    ) -> bool {
        self.measured.clear();
        self.parts.assess.see_ground(None);
        let Some(camera) = &moment.camera else {
            self.measured.extend(candidates.iter().map(|_| None));
            return false;
        };
        let optical_from_vehicle = moment.mount.and_then(|m| m.optical_from_vehicle);
        let newest = self.newest_sweep(origin);
        let sweep = newest.as_ref().and_then(|s| self.place_sweep(origin, s, moment, optical_from_vehicle));
        let context =
            FrameContext { camera, optical_from_vehicle, sweep, depth, camera_height_m: self.parts.camera_height_m };
        let sweep_age_s = newest.as_ref().map_or(0.0, |s| origin.t.seconds_since(s.t));
        let view = &mut self.views[origin.sensor];
        match view.fuser.begin_frame(&context) {
            Ok(frame_notes) => {
                self.parts.assess.see_ground(frame_notes.ground);
                let (bad, all) = (frame_notes.points_not_finite, newest.as_ref().map_or(0, |s| s.cloud.len()));
                if bad as f64 > POINTS_BAD_SHARE * all as f64 {
                    let frame = origin.seq;
                    self.parts
                        .notes
                        .say("points", format!("frame {frame}: {bad} of its sweep's {all} points are no numbers"));
                }
                if let Some(Err(error)) = frame_notes.depth_fit {
                    self.parts.notes.say_lazily("depth", || format!("frame {}: {error}", origin.seq));
                }
            }
            Err(error) => self.parts.notes.say("calibration", error.to_string()),
        }
        let classes = &self.parts.classes;
        let detections = candidates.iter().map(|c| (&c.detection, classes.name(c.detection.class)));
        view.fuser.distances(detections.clone(), &mut self.distances);
        for ((_, class), distance) in detections.zip(&self.distances) {
            if let Some(other) = distance.and_then(|d| Some((d, d.contradicted_by?))) {
                self.parts.notes.say_lazily("distance", || contradiction(origin.seq, class, other));
            }
            self.measured.push(distance.map(|distance| Measured {
                surface: optical_from_vehicle.map(|t| t.inverse().apply(&distance.surface)),
                age_s: if distance.source == DistanceSource::Lidar { sweep_age_s - distance.measured_s } else { 0.0 },
                distance,
            }));
        }
        sweep.is_some()
    }

    /// The newest sweep that is not too old, of whichever LiDAR.
    fn newest_sweep(&self, origin: &Origin) -> Option<CurrentSweep> {
        let age = |sweep: &CurrentSweep| origin.t.seconds_since(sweep.t);
        let young =
            |sweep: &&CurrentSweep| age(sweep) <= self.parts.sweep_age_s_max && age(sweep) >= -self.parts.wait_s;
        let newest = self.sweeps.iter().flatten().filter(young).max_by_key(|s| s.t).cloned();
        let has_lidar = self.parts.sensors.iter().any(|s| s.kind == SensorKind::Lidar);
        if newest.is_none() && has_lidar {
            let name = &self.parts.sensors[origin.sensor].name;
            self.parts.notes.say_lazily("no sweep", || {
                format!("{name} frame {}: no sweep at or before it is young enough", origin.seq)
            });
        }
        newest
    }

    /// Brings a sweep to the frame's moment by ego motion, where that is known.
    fn place_sweep<'a>(
        &self,
        origin: &Origin,
        sweep: &'a CurrentSweep,
        moment: &Moment<'_>,
        optical_from_vehicle: Option<Transform<Optical, Vehicle>>,
    ) -> Option<Sweep<'a>> {
        let optical_from_vehicle = optical_from_vehicle?;
        let drive = &self.parts.drive;
        let lidar = self.parts.sensors.get(sweep.sensor)?;
        // Extrinsics may differ from frame to frame: the camera's frame says how camera and LiDAR lie to one another.
        let mount = drive.rig_at(origin.entry).lidars.get(&lidar.name)?;
        let vehicle_from_lidar: Transform<Vehicle, Lidar> = mount.vehicle_from_lidar;
        let moved = match (moment.odom_from_vehicle, drive.odom_from_vehicle(sweep.t)) {
            (Some(now), Some(then)) => now.inverse() * then,
            _ => Transform::identity(),
        };
        Some(Sweep {
            cloud: &sweep.cloud,
            optical_from_lidar: optical_from_vehicle * moved * vehicle_from_lidar,
            vehicle_from_lidar,
        })
    }

    /// Fills `observations`, aligned with the detections.
    fn observe(&mut self, moment: &Moment<'_>, candidates: &[Candidate]) {
        let centre = moment.centre();
        let focal = moment.camera.map_or(0.0, |c| c.fx);
        self.observations.clear();
        let rows = candidates.iter().zip(&self.measured);
        self.observations.extend(rows.map(|(Candidate { detection, listed }, measured)| {
            let position = measured.as_ref().and_then(|m| {
                let width = f64::from(detection.bbox.width());
                let lateral = PositionMeasurement::lateral_sigma_m(width, focal, m.distance.range_m);
                let sigmas = (m.distance.sigma_m, lateral);
                let measurement = PositionMeasurement::along_ray(m.surface?, centre?, sigmas, m.distance.source);
                Some(PositionMeasurement { age_s: m.age_s.max(0.0), ..measurement })
            });
            let (bbox, listed) = (Some(detection.bbox), *listed);
            Observation { bbox, score: detection.score, listed, class: detection.class, position }
        }));
    }

    /// One line's object; `None` where the tracker took no part of it.
    fn object(
        &mut self,
        detection: &Detection,
        row: usize,
        moment: &Moment<'_>,
        size: (usize, usize),
    ) -> Option<Object> {
        let (tracked, measured) = (self.tracked.get(row)?, *self.measured.get(row)?);
        let kinematics = tracked.kinematics.as_ref();
        let class = self.parts.classes.name(detection.class);
        let measured = match (measured, moment.centre()) {
            (Some(measured), Some(centre)) => Some(measured.brought_forward(kinematics, class, centre)),
            _ => measured,
        };
        let measured = measured.as_ref();
        let mut object = Object {
            track: tracked.track?,
            class: class.to_owned(),
            score: Some(detection.score),
            box_px: Some(detection.bbox),
            distance_m: measured.map(|m| m.distance.range_m),
            distance_source: measured.map(|m| m.distance.source),
            distance_sigma_m: measured.map(|m| m.distance.sigma_m),
            gap_m: None,
            position_m: measured.and_then(|m| m.surface).map(|p| p.xyz.into()),
            velocity_rel_mps: kinematics.and_then(|k| k.velocity).map(|v| v.mps.into()),
            velocity_ground_mps: kinematics.and_then(|k| k.velocity_ground_mps).map(Into::into),
            ttc_s: None,
            risk: None,
            why: None,
        };
        let growth = tracked
            .growth
            .filter(|_| kinematics.is_none() && moment.is_ahead(&detection.bbox, size))
            .and_then(|growth| ClosingMotion::from_growth(&growth, &detection.bbox, (size.0 as u32, size.1 as u32)));
        let extent = measured.and_then(|m| moment.extent(m, &detection.bbox, self.parts.assess.corridor()));
        let sides = measured.and_then(|m| moment.sides(m, &detection.bbox, tracked.ends));
        self.parts.assess.apply(&mut object, &Listed { tracked, extent, sides, growth });
        Some(object)
    }
}
