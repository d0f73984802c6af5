//! One step of tracking: predict, associate in two stages, update, begin and end tracks, answer.

use nalgebra::{Isometry3, Matrix3, Rotation3};

use super::associate::Associator;
use super::candidates::Candidates;
use super::config::TrackerConfig;
use super::cost::{Gate, Prepared};
use super::cuts::{CUT_PX, CutEnds, Cuts, HiddenSides, Picture};
use super::ego::{Ego, GroundFrame};
use super::grid::{FEW, Grid, reach_of};
use super::kind::Kind;
use super::lifecycle::{TrackIds, TrackPhase};
use super::motion::{KeptIn, Measured, MotionFilter};
use super::observation::{Observation, TrackFrame};
use super::track_state::{Track, TrackOutput, TrackView};
use crate::detection::BoxPx;
use crate::space::{Camera, CameraMount, Distortion, Point3};
use crate::time::Timestamp;

/// A stamp earlier than the newest by more than this is a restarted clock or a replay begun anew, not a late frame.
const CLOCK_RESTART_S: f64 = 1.0;
/// Highest cost of a pair in the first stage: for boxes an overlap of 0.15 (ByteTrack: 0.2, on boxes that are not grown).
const FIRST_STAGE_LIMIT: f64 = 0.85;
/// Highest cost in the second stage, where the boxes are poorer and false ones more (ByteTrack: an overlap of 0.5).
const SECOND_STAGE_LIMIT: f64 = 0.6;
/// A ray closer than this to the picture plane cannot be moved in the picture.
const RAY_Z_MIN: f64 = 0.1;

/// What a step did, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StepSummary {
    /// Observations taken for known tracks.
    pub matched: usize,
    /// Tracks begun.
    pub born: usize,
    /// Confirmed tracks that coast, unseen in this frame.
    pub lost: usize,
    /// Tracks that ended.
    pub removed: usize,
    /// Tracks dropped before their time because `max_tracks` was reached.
    pub evicted: usize,
    /// Observations left out: no finite box of positive size and no usable position, or a score that is no number.
    pub unusable: usize,
    /// Positions left out: not finite, or with a covariance that is none.
    pub unusable_positions: usize,
    /// Whether the frame's stamp was earlier than the newest: it was taken in at its own age.
    pub late: bool,
    /// Whether all tracks were ended because the clock restarted or the gap was too long.
    pub reset: bool,
}

/// Tracks what one sensor sees. See the module's words for what it does and does not do.
#[derive(Debug, Clone)]
pub struct Tracker {
    config: TrackerConfig,
    /// Kind of each class by its number; what is beyond is `Other`.
    kinds: Vec<Kind>,
    newest: Option<Timestamp>,
    ego: Ego,
    tracks: Vec<Track>,
    gates: Vec<Gate>,
    candidates: Candidates,
    prepared: Vec<Prepared>,
    /// The boxes of those, where their ranges are known.
    seen_boxes: Grid,
    /// Track index of each prepared observation.
    track_of: Vec<Option<u32>>,
    associator: Associator,
}

/// Which observations and tracks an association considers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Sure observations against all tracks.
    First,
    /// The others against the tracks still unseen.
    Second,
}

impl Tracker {
    /// A tracker without tracks.
    pub fn new(config: TrackerConfig) -> Self {
        Self {
            config,
            kinds: Vec::new(),
            newest: None,
            ego: Ego::default(),
            tracks: Vec::new(),
            gates: Vec::new(),
            candidates: Candidates::default(),
            seen_boxes: Grid::default(),
            prepared: Vec::new(),
            track_of: Vec::new(),
            associator: Associator::default(),
        }
    }

    /// The same, told the names of the classes by their numbers: a person's track then yields a car's box to the car's.
    pub fn with_classes(config: TrackerConfig, names: &[String]) -> Self {
        Self { kinds: names.iter().map(|name| Kind::of(name)).collect(), ..Self::new(config) }
    }

    /// Ends all tracks: what comes next has nothing to do with what was.
    pub fn restart(&mut self) {
        self.tracks.clear();
        self.newest = None;
        self.ego = Ego::default();
    }

    /// What it was told.
    pub fn config(&self) -> TrackerConfig {
        self.config
    }

    /// Takes in one frame. `out` is cleared and gets one answer per observation, in their order. The states answered
    /// hold at the frame's time (for a late frame: at the newest frame's).
    pub fn step(
        &mut self,
        ids: &mut TrackIds,
        frame: TrackFrame<'_>,
        observations: &[Observation],
        out: &mut Vec<TrackOutput>,
    ) -> StepSummary {
        let mut summary = StepSummary::default();
        let late_s = self.advance(&frame, &mut summary);
        self.prepare(&frame, late_s, observations, &mut summary);
        self.gates.clear();
        let picture = frame.size_px.map(Picture::new);
        let (ego, camera) = (&self.ego, frame.camera);
        self.gates.extend(self.tracks.iter().map(|t| Gate::of(t, picture.as_ref(), column_of(t, ego, camera))));
        self.candidates.index(&self.gates);
        summary.matched = self.associate(Stage::First, late_s) + self.associate(Stage::Second, late_s);
        for (track, gate) in self.tracks.iter_mut().zip(&self.gates).filter(|(t, _)| !t.seen_now) {
            track.miss(gate.is_outside(), &self.config);
        }
        self.begin_tracks(ids, &mut summary);
        self.answer(observations.len(), out);
        let before = self.tracks.len();
        self.tracks.retain(|t| t.phase != TrackPhase::Removed);
        summary.removed += before - self.tracks.len();
        summary.lost = self.tracks.iter().filter(|t| t.phase == TrackPhase::Lost).count();
        summary
    }

    /// All live tracks, seen and coasting, in the order of their beginning (but for evictions).
    pub fn tracks(&self) -> impl Iterator<Item = TrackView> + '_ {
        self.tracks.iter().map(|t| t.view(&self.ego))
    }

    /// Brings the clock, the ego motion and all filters to the frame's time; how late the frame is, seconds.
    fn advance(&mut self, frame: &TrackFrame<'_>, summary: &mut StepSummary) -> f64 {
        let elapsed = self.newest.map_or(0.0, |newest| frame.t.seconds_since(newest));
        if elapsed < -CLOCK_RESTART_S {
            self.ego = Ego::default();
        } else if elapsed < 0.0 {
            summary.late = true;
            self.predict(0.0);
            return -elapsed;
        }
        if elapsed < -CLOCK_RESTART_S || elapsed > self.config.gap_reset_s {
            summary.reset = true;
            summary.removed += self.tracks.len();
            self.tracks.clear();
        }
        self.newest = Some(frame.t);
        let dt = elapsed.max(0.0);
        let kept_before = self.kept_in();
        let change = self.ego.advance(dt, frame);
        self.turn_boxes(frame.camera);
        for track in &mut self.tracks {
            track.predict(dt, kept_before, &self.config);
        }
        self.carry_over(change);
        0.0
    }

    fn predict(&mut self, dt: f64) {
        let kept_in = self.kept_in();
        for track in &mut self.tracks {
            track.predict(dt, kept_in, &self.config);
        }
    }

    fn kept_in(&self) -> KeptIn {
        if self.ego.odom_from_vehicle().is_some() { KeptIn::Ground } else { KeptIn::Vehicle }
    }

    /// Moves the boxes' centres as the camera's turning moves the picture.
    fn turn_boxes(&mut self, mount: Option<&CameraMount>) {
        let (Some(mount), Some(now_from_before)) = (mount, self.ego.now_from_before()) else { return };
        let Some(optical_from_vehicle) = mount.optical_from_vehicle else { return };
        let o = optical_from_vehicle.isometry().rotation;
        let turn = Rotation3::from(o * now_from_before * o.inverse()).into_inner();
        for boxes in self.tracks.iter_mut().filter_map(|t| t.boxes.as_mut()) {
            let (cx, cy) = boxes.centre();
            if let Some((x, y)) = turned(&mount.camera, &turn, cx, cy) {
                boxes.move_centre_to(x, y);
            }
        }
    }

    /// Carries the 3D states over where the frame they are kept in changed.
    fn carry_over(&mut self, change: GroundFrame) {
        let twist = self.ego.twist().copied();
        let pose = self.ego.odom_from_vehicle().copied().unwrap_or_else(Isometry3::identity);
        let carry: &dyn Fn(&mut MotionFilter) = match (&change, &twist) {
            (GroundFrame::Kept | GroundFrame::Absent, _) => return,
            (GroundFrame::Gained, Some(twist)) => &|m| m.become_ground(&pose, twist),
            (GroundFrame::Gained, None) => &|m| {
                m.transform(&pose);
                m.forget_velocity(KeptIn::Ground);
            },
            (GroundFrame::Lost(last), Some(twist)) => &|m| m.become_relative(last, twist),
            (GroundFrame::Lost(last), None) => &|m| {
                m.transform(&last.inverse());
                m.forget_velocity(KeptIn::Vehicle);
            },
            (GroundFrame::Jumped(new_from_old), _) => &|m| m.transform(new_from_old),
        };
        self.tracks.iter_mut().filter_map(|t| t.motion.as_mut()).for_each(carry);
        if matches!(change, GroundFrame::Lost(_)) {
            self.ego.forget_twist();
        }
    }

    /// Checks the observations, moves their positions into the frame the tracks are kept in, and sorts them so that
    /// nothing depends on the caller's order.
    fn prepare(
        &mut self,
        frame: &TrackFrame<'_>,
        late_s: f64,
        observations: &[Observation],
        summary: &mut StepSummary,
    ) {
        let current = self.ego.odom_from_vehicle().copied();
        let pose = match frame.odom_from_vehicle {
            Some(given) if late_s > 0.0 && current.is_some() => Some(*given.isometry()),
            _ => current,
        };
        let rotation = pose.map(|p| Rotation3::from(p.rotation).into_inner());
        let picture = frame.size_px.map(Picture::new);
        self.prepared.clear();
        for (index, seen) in observations.iter().enumerate() {
            let bbox = seen.bbox.filter(is_usable);
            let cuts = bbox.zip(picture).map_or_else(Cuts::default, |(b, p)| p.cuts(&b));
            let position = seen.position.as_ref().and_then(|m| {
                let (xyz, covariance) = match (&pose, &rotation) {
                    (Some(pose), Some(r)) => {
                        (r * m.point.xyz + pose.translation.vector, r * m.covariance * r.transpose())
                    }
                    _ => (m.point.xyz, m.covariance),
                };
                let measured = Measured::checked(xyz, covariance, m.source, m.age_s + late_s);
                if cuts.x.any() { measured.map(Measured::sliding) } else { measured }
            });
            summary.unusable_positions += usize::from(seen.position.is_some() && position.is_none());
            if seen.score.is_nan() || (bbox.is_none() && position.is_none()) {
                summary.unusable += 1;
            } else if seen.score >= self.config.low_score {
                self.prepared.push(Prepared {
                    index: index as u32,
                    bbox,
                    cuts,
                    beside: cuts,
                    emerging: false,
                    ends: cuts.x.ends(CutEnds::default()),
                    range_m: seen.position.map(|m| m.point.xyz.norm()),
                    score: seen.score,
                    listed: seen.listed,
                    class: seen.class,
                    position,
                });
            }
        }
        self.prepared.sort_unstable_by(canonical_order);
        self.find_hidden_sides();
        self.track_of.clear();
        self.track_of.resize(self.prepared.len(), None);
    }

    /// Which sides of the observations' boxes end in a nearer one.
    fn find_hidden_sides(&mut self) {
        let few = self.prepared.len() < FEW;
        if !few {
            self.seen_boxes.lay(self.prepared.iter().map(|seen| seen.ranged().map(|(bbox, _)| reach_of(&bbox, 0.0))));
        }
        for far in 0..self.prepared.len() {
            let Some(ranged) = self.prepared[far].ranged() else { continue };
            let mut sides = HiddenSides::new(ranged, self.prepared[far].cuts);
            if few {
                self.prepared.iter().filter_map(Prepared::ranged).for_each(|near| sides.add(near));
            } else {
                self.seen_boxes.visit(&reach_of(&ranged.0, CUT_PX), |near| {
                    if let Some(near) = self.prepared.get(near).and_then(Prepared::ranged) {
                        sides.add(near);
                    }
                });
            }
            self.prepared[far].take_sides(&sides);
        }
    }

    /// One stage of association; how many observations found their track.
    fn associate(&mut self, stage: Stage, late_s: f64) -> usize {
        let limit = match stage {
            Stage::First => FIRST_STAGE_LIMIT,
            Stage::Second => SECOND_STAGE_LIMIT,
        };
        let (tracks, gates, associator) = (&self.tracks, &self.gates, &mut self.associator);
        associator.begin(tracks.len(), self.prepared.len());
        for (s, seen) in self.prepared.iter().enumerate() {
            let sure = seen.score >= self.config.high_score;
            if sure != (stage == Stage::First) {
                continue;
            }
            self.candidates.visit(gates, seen, |t| {
                let Some(track) = tracks.get(t).filter(|track| !track.seen_now) else { return };
                // What is not even worth listing does not bring back a lost track.
                let faint = !seen.listed && track.phase == TrackPhase::Lost;
                let cost = gates.get(t).and_then(|gate| gate.cost(track, seen, &self.kinds));
                if let Some(cost) = cost.filter(|c| !faint && *c < limit) {
                    associator.offer((t, s), tracks.len(), cost);
                }
            });
        }
        let kept_in = self.kept_in();
        let matches = self.associator.solve(limit);
        for &(t, s) in matches {
            if let (Some(track), Some(seen)) = (self.tracks.get_mut(t as usize), self.prepared.get(s as usize)) {
                track.see(seen, late_s, kept_in, &self.config);
                self.track_of[s as usize] = Some(t);
            }
        }
        matches.len()
    }

    /// Begins a track for each observation that is to be listed and has none.
    fn begin_tracks(&mut self, ids: &mut TrackIds, summary: &mut StepSummary) {
        let kept_in = self.kept_in();
        let mut live = self.tracks.iter().filter(|t| t.phase != TrackPhase::Removed).count();
        for (seen, track_of) in self.prepared.iter().zip(&mut self.track_of) {
            if track_of.is_some() || !seen.listed {
                continue;
            }
            let mut track = Track::new(ids.issue(), seen, kept_in, &self.config);
            summary.born += 1;
            if live < self.config.max_tracks.max(1) {
                *track_of = Some(self.tracks.len() as u32);
                self.tracks.push(track);
                live += 1;
            } else if let Some(slot) = longest_unseen(&self.tracks) {
                *track_of = Some(slot as u32);
                self.tracks[slot] = track;
                summary.evicted += 1;
            } else {
                // All tracks were seen in this very frame: this one is listed under its id and forgotten.
                *track_of = Some(self.tracks.len() as u32);
                track.phase = TrackPhase::Removed;
                self.tracks.push(track);
            }
        }
    }

    fn answer(&mut self, observations: usize, out: &mut Vec<TrackOutput>) {
        for track in &mut self.tracks {
            track.judge_velocity(&self.config);
        }
        out.clear();
        out.resize(observations, TrackOutput::default());
        for (seen, track_of) in self.prepared.iter().zip(&self.track_of) {
            let track = track_of.and_then(|t| self.tracks.get(t as usize));
            if let (Some(track), Some(slot)) = (track, out.get_mut(seen.index as usize)) {
                *slot = TrackOutput { ends: seen.ends, ..track.output(&self.ego) };
            }
        }
    }
}

/// The live track that has been unseen for longest, but none that this frame saw.
fn longest_unseen(tracks: &[Track]) -> Option<usize> {
    let unseen = tracks.iter().enumerate().filter(|(_, t)| !t.seen_now && t.phase != TrackPhase::Removed);
    unseen.max_by(|(_, a), (_, b)| a.since_seen_s.total_cmp(&b.since_seen_s).then(b.id.cmp(&a.id))).map(|(i, _)| i)
}

/// The column where a lost track's predicted position is to be seen.
fn column_of(track: &Track, ego: &Ego, mount: Option<&CameraMount>) -> Option<f32> {
    let (motion, mount) = track.motion.as_ref().filter(|_| track.phase == TrackPhase::Lost).zip(mount)?;
    let vehicle = ego
        .odom_from_vehicle()
        .map_or(motion.position, |pose| pose.inverse_transform_point(&motion.position.into()).coords);
    let seen = mount.optical_from_vehicle?.apply(&Point3::from_vector(vehicle));
    mount.camera.project(&seen).ok().map(|pixel| pixel[0] as f32)
}

/// Where the picture point (x, y) goes when the camera's axes turn by `turn`; `None` where a pinhole cannot tell.
fn turned(camera: &Camera, turn: &Matrix3<f64>, x: f64, y: f64) -> Option<(f64, f64)> {
    if matches!(camera.distortion, Distortion::Equidistant(_)) || camera.fx == 0.0 || camera.fy == 0.0 {
        return None;
    }
    let ray = nalgebra::Vector3::new((x - camera.cx) / camera.fx, (y - camera.cy) / camera.fy, 1.0);
    let now = turn * ray;
    let (u, v) = (camera.cx + camera.fx * now.x / now.z, camera.cy + camera.fy * now.y / now.z);
    (now.z > RAY_Z_MIN && u.is_finite() && v.is_finite()).then_some((u, v))
}

fn is_usable(b: &BoxPx) -> bool {
    let finite = [b.x0, b.y0, b.x1, b.y1].iter().all(|v| v.is_finite());
    finite && b.x1 > b.x0 && b.y1 > b.y0
}

/// Best score first; then by content, so that equal observations alone keep an order of the caller's.
fn canonical_order(a: &Prepared, b: &Prepared) -> std::cmp::Ordering {
    let corners = |p: &Prepared| p.bbox.map_or([f32::NAN; 4], |b| [b.x0, b.y0, b.x1, b.y1]);
    let point = |p: &Prepared| p.position.map_or([f64::NAN; 3], |m| [m.xyz.x, m.xyz.y, m.xyz.z]);
    let (ca, cb) = (corners(a), corners(b));
    let (pa, pb) = (point(a), point(b));
    let mut order = b.score.total_cmp(&a.score).then(a.class.cmp(&b.class));
    for (x, y) in ca.iter().zip(&cb) {
        order = order.then(x.total_cmp(y));
    }
    for (x, y) in pa.iter().zip(&pb) {
        order = order.then(x.total_cmp(y));
    }
    order.then(a.index.cmp(&b.index))
}
