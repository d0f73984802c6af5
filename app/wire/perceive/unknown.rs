//! Obstacles that no detector knows, beside those of a camera's frame: clusters of the newest sweep on the way ahead that no
//! detection explains; where no sweep is young enough, of what stands on the road in the frame's own depth map.
//!
//! They are found and tracked when a sweep or a frame comes, and brought to each frame's moment by how they move. Listed are those that are
//! confirmed, seen by the camera, and in the corridor or close beside it: elsewhere a street is full of walls, poles and bushes
//! that no detector needs to know.

use ocellus_percept::depth::DepthMap;
use ocellus_percept::detection::BoxPx;
use ocellus_percept::fuse::Obstacle;
use ocellus_percept::fuse::cluster::HEIGHT_MIN_M;
use ocellus_percept::report::{DistanceSource, Object};
use ocellus_percept::space::{Odom, Point3, Transform, Vehicle};
use ocellus_percept::time::Timestamp;
use ocellus_percept::track::{TrackFrame, TrackOutput, TrackPhase, Tracker, TrackerConfig};
use ocellus_sense::SensorKind;

use super::super::classes::{Candidate, Classes};
use super::super::frame::Origin;
use super::super::obstacles;
use super::Perceive;
use super::objects::Moment;

/// Clusters are looked for so far ahead and to each side, metres: what is further cannot be reached within the watching time.
const AHEAD_M: f64 = 60.0;
const ASIDE_M: f64 = 12.0;
/// Listed are those this near to the corridor, metres: a mirror's width, and what may step or roll in.
const BESIDE_M: f64 = 0.7;
/// A detection explains a cluster within its box, this much wider and higher at each side...
const BOX_MARGIN_SHARE: f32 = 0.15;
/// ...unless it stands before what was detected by more than this, metres.
const BEFORE_M: f64 = 2.0;
/// It also explains what lies this near to its surface, metres: the far corner of a car.
const NEAR_SURFACE_M: f64 = 2.5;
/// A box is this wide and high at least, px: a pole that one column of points hits has no width.
const BOX_MIN_PX: f32 = 2.0;

/// What a LiDAR's newest sweep, or a camera's newest depth map, showed.
pub(super) struct Unknowns {
    tracker: Tracker,
    t: Timestamp,
    odom_from_vehicle: Option<Transform<Odom, Vehicle>>,
    source: DistanceSource,
    things: Vec<(Obstacle, TrackOutput)>,
}

impl Unknowns {
    /// Nothing seen yet.
    pub(super) fn new(classes: &Classes) -> Self {
        Self {
            tracker: Tracker::with_classes(TrackerConfig::default(), classes.names()),
            t: Timestamp::default(),
            odom_from_vehicle: None,
            source: DistanceSource::Lidar,
            things: Vec::new(),
        }
    }
}

impl Perceive {
    /// Finds and tracks what stands ahead in a sweep of points in `vehicle_from_lidar`'s LiDAR.
    pub(super) fn find_unknown(&mut self, origin: &Origin, cloud: &ocellus_percept::cloud::Cloud) {
        let rig = self.parts.drive.rig_at(origin.entry);
        let Some(mount) = rig.lidars.get(&self.parts.sensors[origin.sensor].name) else { return };
        let vehicle_from_lidar = mount.vehicle_from_lidar;
        let Self { obstacles, found, .. } = self;
        self.parts.fusing.time(|| obstacles.find(cloud, &vehicle_from_lidar, found));
        self.follow(origin, DistanceSource::Lidar);
    }

    /// Finds and tracks what stands on the road in a frame's depth map in metres.
    pub(super) fn find_unknown_in_depth(&mut self, origin: &Origin, moment: &Moment<'_>, map: &DepthMap) {
        let mount = moment.mount.and_then(|m| m.optical_from_vehicle);
        let (Some(camera), Some(optical_from_vehicle)) = (&moment.camera, mount) else { return };
        let Some(height_m) = self.parts.camera_height_m else {
            let name = &self.parts.sensors[origin.sensor].name;
            let need = "obstacles of no class are found in its depth where its height over the road is told: fusion.camera_height_m";
            self.parts.notes.say("unknown", format!("{name}: {need}"));
            return;
        };
        let Self { standing, found, .. } = self;
        let place = (&optical_from_vehicle.inverse(), height_m);
        let road = self.parts.fusing.time(|| standing.find(map, camera, place, found));
        if road.is_none() {
            let name = &self.parts.sensors[origin.sensor].name;
            let frame = origin.seq;
            let what = "no road in its depth, so no obstacles of no class are told";
            self.parts.notes.say("no ground", format!("{name} frame {frame}: {what}"));
        }
        self.follow(origin, DistanceSource::DepthMetric);
    }

    /// Tracks what was found, and keeps what is proven.
    fn follow(&mut self, origin: &Origin, source: DistanceSource) {
        let Self { found, .. } = self;
        found.retain(|o| (0.0..AHEAD_M).contains(&o.nearest.xyz.x) && o.nearest.xyz.y.abs() < ASIDE_M);
        self.observations.clear();
        let unknown = self.parts.classes.unknown();
        self.observations.extend(self.found.iter().map(|o| obstacles::observation(o, unknown, source)));
        let odom_from_vehicle = self.parts.drive.odom_from_vehicle(origin.t);
        let frame = TrackFrame { odom_from_vehicle: odom_from_vehicle.as_ref(), ..TrackFrame::at(origin.t) };
        let unknowns = &mut self.unknowns[origin.sensor];
        let tracker = &mut unknowns.tracker;
        self.parts.tracking.time(|| tracker.step(&mut self.ids, frame, &self.observations, &mut self.tracked));
        let confirmed = |tracked: &TrackOutput| tracked.phase == Some(TrackPhase::Confirmed);
        let things = self.found.drain(..).zip(self.tracked.drain(..));
        let things = things.filter(|(obstacle, tracked)| confirmed(tracked) && obstacle.is_sure(tracked.hits));
        (unknowns.t, unknowns.odom_from_vehicle, unknowns.source) = (origin.t, odom_from_vehicle, source);
        unknowns.things.clear();
        unknowns.things.extend(things);
    }

    /// Those that belong into a camera's frame, whose detections are `candidates`.
    pub(super) fn unknown_objects(
        &mut self,
        origin: &Origin,
        moment: &Moment<'_>,
        candidates: &[Candidate],
    ) -> Vec<Object> {
        let mut objects = Vec::new();
        for sensor in 0..self.unknowns.len() {
            // Another camera's depth is told with its own frames.
            if self.parts.sensors[sensor].kind == SensorKind::Camera && sensor != origin.sensor {
                continue;
            }
            let things = std::mem::take(&mut self.unknowns[sensor].things);
            let unknowns = &self.unknowns[sensor];
            let (age_s, source) = (origin.t.seconds_since(unknowns.t), unknowns.source);
            if age_s >= -self.parts.wait_s && age_s <= self.parts.sweep_age_s_max {
                let since = Since::new(unknowns, moment, age_s);
                for (obstacle, tracked) in &things {
                    let (obstacle, tracked) = since.bring(obstacle, tracked);
                    objects.extend(self.unknown_object((&obstacle, source), &tracked, moment, candidates));
                }
            }
            self.unknowns[sensor].things = things;
        }
        objects
    }

    fn unknown_object(
        &mut self,
        (obstacle, source): (&Obstacle, DistanceSource),
        tracked: &TrackOutput,
        moment: &Moment<'_>,
        candidates: &[Candidate],
    ) -> Option<Object> {
        let across = obstacles::across_m(obstacle);
        if !self.parts.assess.is_near_way(&obstacle.nearest, across, BESIDE_M) {
            return None;
        }
        let bbox = moment.box_of(obstacle)?;
        let range_m = moment.range_m(&obstacle.nearest)?;
        if self.is_explained(obstacle, (&bbox, range_m), candidates) {
            return None;
        }
        let object = obstacles::object(obstacle, tracked, source, &mut self.parts.assess)?;
        Some(Object { box_px: Some(bbox), distance_m: Some(range_m), ..object })
    }

    /// Whether a detection of this frame is what was found.
    fn is_explained(&self, obstacle: &Obstacle, (bbox, range_m): (&BoxPx, f64), candidates: &[Candidate]) -> bool {
        let (x, y) = ((bbox.x0 + bbox.x1) / 2.0, (bbox.y0 + bbox.y1) / 2.0);
        // What is seen too faintly to be listed explains nothing: the obstacle would be told nowhere.
        let mut listed = candidates.iter().zip(&self.measured).filter(|(candidate, _)| candidate.listed);
        listed.any(|(candidate, measured)| {
            let b = &candidate.detection.bbox;
            let (dx, dy) = (BOX_MARGIN_SHARE * b.width(), BOX_MARGIN_SHARE * b.height());
            let within = x >= b.x0 - dx && x <= b.x1 + dx && y >= b.y0 - dy && y <= b.y1 + dy;
            let before = measured.as_ref().is_some_and(|m| range_m < m.distance.range_m - BEFORE_M);
            let surface = measured.as_ref().and_then(|m| m.surface);
            let near = surface.is_some_and(|s| (s.xyz - obstacle.nearest.xyz).xy().norm() < NEAR_SURFACE_M);
            (within && !before) || near
        })
    }
}

/// From a sweep's moment to a frame's.
struct Since {
    moved: Transform<Vehicle, Vehicle>,
    age_s: f64,
}

impl Since {
    fn new(unknowns: &Unknowns, moment: &Moment<'_>, age_s: f64) -> Self {
        let moved = match (moment.odom_from_vehicle, unknowns.odom_from_vehicle) {
            (Some(now), Some(then)) => now.inverse() * then,
            _ => Transform::identity(),
        };
        Self { moved, age_s }
    }

    /// Brings an obstacle along: as it moves where that is known, else as what stands.
    fn bring(&self, obstacle: &Obstacle, tracked: &TrackOutput) -> (Obstacle, TrackOutput) {
        let velocity = tracked.kinematics.as_ref().and_then(|k| k.velocity).map(|v| v.mps);
        let bring = |p: &Point3<Vehicle>| match velocity {
            Some(mps) => Point3::from_vector(p.xyz + mps * self.age_s),
            None => self.moved.apply(p),
        };
        let mut tracked = *tracked;
        if let Some(kinematics) = &mut tracked.kinematics {
            kinematics.position = bring(&kinematics.position);
        }
        let (nearest, centre) = (bring(&obstacle.nearest), bring(&obstacle.centre));
        (Obstacle { nearest, centre, ..obstacle.clone() }, tracked)
    }
}

impl Moment<'_> {
    /// Range of a point from the camera's centre.
    fn range_m(&self, point: &Point3<Vehicle>) -> Option<f64> {
        Some(self.mount?.optical_from_vehicle?.apply(point).range_m())
    }

    /// The box on the picture around an obstacle's bounding box; `None` where the camera does not see it.
    fn box_of(&self, obstacle: &Obstacle) -> Option<BoxPx> {
        let (camera, optical_from_vehicle) = (self.camera?, self.mount?.optical_from_vehicle?);
        let mut bbox = BoxPx { x0: f32::MAX, y0: f32::MAX, x1: f32::MIN, y1: f32::MIN };
        for corner in 0..8 {
            let low = |axis: usize| corner >> axis & 1 == 0;
            let side = |axis: usize| if low(axis) { -0.5 } else { 0.5 } * obstacle.size_m[axis];
            // What is lower over the ground counts as ground: an obstacle reaches that much further down than its points do,
            // of which those of one row of a LiDAR have no height at all.
            let (c, foot) = (obstacle.centre.xyz, if low(2) { HEIGHT_MIN_M } else { 0.0 });
            let point = Point3::new(c.x + side(0), c.y + side(1), c.z + side(2) - foot);
            let [x, y] = camera.project_continuous(&optical_from_vehicle.apply(&point)).ok()?.map(|v| v as f32);
            bbox = BoxPx { x0: bbox.x0.min(x), y0: bbox.y0.min(y), x1: bbox.x1.max(x), y1: bbox.y1.max(y) };
        }
        let ([x0, x1], [y0, y1]) = (at_least_min([bbox.x0, bbox.x1]), at_least_min([bbox.y0, bbox.y1]));
        let seen = BoxPx { x0, y0, x1, y1 }.within((camera.width as usize, camera.height as usize));
        // Half of the least: the rest may lie beyond the picture's edge.
        (seen.width() >= 0.5 * BOX_MIN_PX && seen.height() >= 0.5 * BOX_MIN_PX).then_some(seen)
    }
}

/// A span about the same middle, not shorter than the least.
fn at_least_min([low, high]: [f32; 2]) -> [f32; 2] {
    let lacks = (BOX_MIN_PX - (high - low)).max(0.0);
    [low - 0.5 * lacks, high + 0.5 * lacks]
}
