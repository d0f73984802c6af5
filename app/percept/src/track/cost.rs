//! What it costs to take an observation for a track, and when it cannot be.
//!
//! A cost is 0 (surely the same) to 1; at or above a stage's limit the pair is not offered. Boxes are compared by the
//! overlap of both grown by the predicted uncertainty (buffered IoU, Yang et al., WACV 2023), so that a fast object at
//! 5 fps still meets its own prediction; positions by their Mahalanobis and their plain distance.

use nalgebra::Vector3;

use super::box_filter::BoxFilter;
use super::cuts::{Cuts, HiddenSides, Picture, SideEnd};
use super::grid::Reach;
use super::kind::Kind;
use super::lifecycle::TrackPhase;
use super::motion::{GATE_D2, Measured};
use super::track_state::Track;
use crate::detection::BoxPx;

/// A box of the prediction is grown by this many sigmas of its centre.
const GROW_SIGMAS: f64 = 1.0;
/// And by no more than this share of its size, beyond which neighbours would meet.
const GROW_MAX: f64 = 0.6;
/// Weight of the position where both box and position can be compared.
const POSITION_WEIGHT: f64 = 0.5;
/// A plain distance at which a position's cost is full, metres: so that a wide, unsure track does not take what belongs
/// to a sure one.
const FAR_M: f64 = 5.0;
/// Another class costs so much: detectors mistake a van for a truck.
const CLASS_PENALTY: f64 = 0.2;
/// Another kind of class: seldom a person for a car.
const KIND_PENALTY: f64 = 0.45;
/// A tentative track yields to a confirmed one of equal fit.
const TENTATIVE_PENALTY: f64 = 0.05;
/// A track long unseen yields to one that was seen: two tracks over one object are mostly the object's own and that of
/// somebody hidden behind it.
const UNSEEN_PENALTY: f64 = 0.15;
/// Time unseen after which it yields in full, seconds: a frame or two without a detection are no reason.
const UNSEEN_FULL_S: f64 = 0.5;
/// Full cost of a pair that only positions can judge.
const POSITION_ONLY_COST: f64 = 0.8;

/// Who stands no farther than this from where a track is expected may be it even where the boxes do not meet, metres:
/// strides and swinging arms move a box by half its width, and two people do not walk closer.
const SAME_PLACE_M: f64 = 0.8;
/// What shows of something past a nearer thing is a sliver below this share of its width.
const SLIVER_SHARE: f32 = 0.4;
/// Farther apart than this they are not compared at all, metres: room for what moved since an older measurement.
pub(super) const SAME_PLACE_ADMITTED_M: f64 = 3.0;

/// An observation made ready: finite, its position in the frame the tracks are kept in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Prepared {
    /// Index among the caller's observations.
    pub(super) index: u32,
    pub(super) bbox: Option<BoxPx>,
    /// Which sides of the box are cut.
    pub(super) cuts: Cuts,
    /// Those, and the sides that end at something larger which seems as near.
    pub(super) beside: Cuts,
    /// Whether anything hides one of its sides, or seems as near there: then its range may be that thing's.
    pub(super) emerging: bool,
    /// What its left and right side end at.
    pub(super) ends: [SideEnd; 2],
    /// How far its position is from the vehicle's origin, metres.
    pub(super) range_m: Option<f64>,
    pub(super) score: f32,
    pub(super) listed: bool,
    pub(super) class: u32,
    pub(super) position: Option<Measured>,
}

impl Prepared {
    /// Its box and range, where it has both.
    pub(super) fn ranged(&self) -> Option<(BoxPx, f64)> {
        self.bbox.zip(self.range_m)
    }

    /// Takes in which of its sides end at other things.
    pub(super) fn take_sides(&mut self, sides: &HiddenSides) {
        self.emerging = sides.beside != self.cuts;
        self.ends = self.cuts.x.ends(sides.hidden.x);
        (self.cuts, self.beside) = (sides.cuts, sides.beside);
    }
}

/// A track as association sees it: computed once a frame, small, so that most pairs are told apart by it alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Gate {
    /// What the picture shows of the predicted box, grown by `grow` on each side; no number for a track without a box
    /// and for one that is expected outside the picture.
    window: BoxPx,
    /// The whole predicted box.
    whole: BoxPx,
    /// The same where the picture shows the predicted position, grown; no number where that is not asked. What went
    /// behind something was last seen half hidden, and its box went on as that half did.
    sought: BoxPx,
    picture: Option<Picture>,
    grow: f32,
    has_box: bool,
    /// The predicted position and the trace of its covariance; no number for a track without one.
    position: Vector3<f64>,
    position_trace: f64,
    penalty: f64,
}

/// No measurement has fitted a track for longer than a slow LiDAR's turn and the age of its sweep, seconds.
const UNMEASURED_S: f64 = 0.35;

const NOWHERE: BoxPx = BoxPx { x0: f32::NAN, y0: f32::NAN, x1: f32::NAN, y1: f32::NAN };

impl Gate {
    pub(super) fn of(track: &Track, picture: Option<&Picture>, column: Option<f32>) -> Self {
        let grow = track.boxes.as_ref().map_or(0.0, |b| {
            let share = GROW_SIGMAS * b.centre_sigma() / b.size();
            (share.min(GROW_MAX) * b.size()) as f32
        });
        let motion = track.motion.as_ref();
        Self {
            window: track.boxes.as_ref().map_or(NOWHERE, |b| {
                let shown = picture.map_or(Some(b.bbox()), |p| p.shown(&b.bbox(), grow));
                shown.map_or(NOWHERE, |shown| grown(&shown, grow))
            }),
            whole: track.boxes.as_ref().map_or(NOWHERE, BoxFilter::bbox),
            sought: column.zip(track.boxes.as_ref()).map_or(NOWHERE, |(column, boxes)| {
                let (b, half) = (boxes.bbox(), boxes.bbox().width() / 2.0);
                grown(&BoxPx { x0: column - half, x1: column + half, ..b }, grow)
            }),
            picture: picture.copied(),
            grow,
            has_box: track.boxes.is_some(),
            position: motion.map_or_else(|| Vector3::repeat(f64::NAN), |m| m.position),
            position_trace: motion.map_or(f64::NAN, |m| m.pp.trace()),
            penalty: match track.phase {
                TrackPhase::Tentative => TENTATIVE_PENALTY,
                TrackPhase::Confirmed => 0.0,
                TrackPhase::Lost | TrackPhase::Removed => {
                    UNSEEN_PENALTY * (track.since_seen_s / UNSEEN_FULL_S).min(1.0)
                }
            },
        }
    }

    /// Whether the track has a box and the picture no longer shows it.
    pub(super) fn is_outside(&self) -> bool {
        self.has_box && self.window.x0.is_nan()
    }

    /// Whether `seen` may at all be this track: their grown boxes meet, or their positions are not too far apart, which
    /// must be nearer where both have boxes. Cheap.
    pub(super) fn admits(&self, seen: &Prepared) -> bool {
        match &seen.bbox {
            Some(bbox) if self.has_box => self.meets(bbox, seen.emerging) || self.is_beside(seen),
            _ => self.admits_position(seen),
        }
    }

    /// Whether the box of an observation, grown as the track's is, meets where the track is looked for.
    pub(super) fn meets(&self, bbox: &BoxPx, emerging: bool) -> bool {
        let g = self.grow;
        let meets = |w: &BoxPx| bbox.x0 - g < w.x1 && bbox.x1 + g > w.x0 && bbox.y0 - g < w.y1 && bbox.y1 + g > w.y0;
        meets(&self.window) || (emerging && meets(&self.sought))
    }

    /// All that the box of an observation may touch and not grow itself, where `meets` is to hold.
    pub(super) fn reach(&self) -> Option<Reach> {
        let (w, s, g) = (&self.window, &self.sought, f64::from(self.grow));
        // Of a number and none, `min` and `max` give the number.
        let low = |a: f32, b: f32| f64::from(a.min(b)) - g;
        let high = |a: f32, b: f32| f64::from(a.max(b)) + g;
        self.has_box.then(|| [low(w.x0, s.x0), low(w.y0, s.y0), high(w.x1, s.x1), high(w.y1, s.y1)])
    }

    /// Whether the track has a box, so that boxes are compared where an observation has one.
    pub(super) fn has_box(&self) -> bool {
        self.has_box
    }

    /// Where the track is expected along the first axis, metres; no number where its position is not known.
    pub(super) fn position_x(&self) -> f64 {
        self.position.x
    }

    /// Whether `seen` was measured about where the track is expected.
    pub(super) fn is_beside(&self, seen: &Prepared) -> bool {
        seen.position.as_ref().is_some_and(|m| (m.xyz - self.position).norm_squared() <= SAME_PLACE_ADMITTED_M.powi(2))
    }

    /// The squared distance over the trace bounds the Mahalanobis distance from below, and costs no inverse.
    fn admits_position(&self, seen: &Prepared) -> bool {
        seen.position.as_ref().is_some_and(|m| {
            let near = (m.xyz - self.position).norm_squared() <= GATE_D2 * (self.position_trace + m.trace);
            // An older measurement is compared with where the track was then.
            near || (m.age_s > 0.0 && self.position_trace >= 0.0)
        })
    }

    /// The cost of taking `seen`, which this gate admits, for `track`, whose gate this is; `None` where it cannot be.
    pub(super) fn cost(&self, track: &Track, seen: &Prepared, kinds: &[Kind]) -> Option<f64> {
        let fit = match seen.bbox {
            Some(bbox) if self.has_box => self.box_and_position_cost(track, &bbox, seen),
            _ => POSITION_ONLY_COST * position_cost(track, seen)?,
        };
        Some(fit + class_cost(track.class(), seen.class, kinds) + self.penalty)
    }

    /// A box that comes out from behind something, with what is still hidden of it taken to be as the track expects.
    fn uncovered(&self, bbox: &BoxPx, seen: &Prepared) -> BoxPx {
        let completed = seen.beside.completed(bbox, &self.whole);
        self.picture.map_or(Some(completed), |p| p.shown(&completed, 0.0)).unwrap_or(*bbox)
    }

    fn box_and_position_cost(&self, track: &Track, bbox: &BoxPx, seen: &Prepared) -> f64 {
        let lost = track.phase == TrackPhase::Lost;
        let near = if self.admits_position(seen) { position_cost(track, seen) } else { None };
        // What goes behind something ends as a sliver, as what comes out begins as one.
        let sliver = seen.emerging && bbox.width() < SLIVER_SHARE * self.whole.width();
        let compared = if lost || sliver { self.uncovered(bbox, seen) } else { *bbox };
        let seen_there = grown(&compared, self.grow);
        let mut overlap = self.window.iou(&seen_there);
        if lost && seen.emerging && !self.sought.x0.is_nan() {
            overlap = overlap.max(self.sought.iou(&seen_there));
        }
        let box_cost = 1.0 - f64::from(overlap);
        if track.motion.is_none() || seen.position.is_none() {
            return box_cost;
        }
        if box_cost >= 1.0 && !stands_where_expected(track, seen) {
            return f64::INFINITY;
        }
        // A position beyond the gate is often a wrong depth and not another object: it costs in full, the box decides.
        let position_cost = near.unwrap_or(1.0);
        let both = box_cost * (1.0 - POSITION_WEIGHT) + position_cost * POSITION_WEIGHT;
        // What is seen of something that comes out from behind another is a sliver, whose range is often the other's or
        // the background's: where it does not fit, the box is judged alone, until a range fits again.
        let unmeasured = track.motion.as_ref().is_some_and(|m| m.since_measured_s > UNMEASURED_S);
        if seen.emerging && (lost || unmeasured) { both.min(box_cost) } else { both }
    }
}

fn class_cost(a: u32, b: u32, kinds: &[Kind]) -> f64 {
    let kind = |class: u32| kinds.get(class as usize).copied().unwrap_or(Kind::Other);
    match (a == b, kind(a).excludes(kind(b))) {
        (true, _) => 0.0,
        (false, false) => CLASS_PENALTY,
        (false, true) => KIND_PENALTY,
    }
}

/// 0 to 1; `None` where there is nothing to compare or it lies beyond the gate.
fn position_cost(track: &Track, seen: &Prepared) -> Option<f64> {
    let (motion, measured) = (track.motion.as_ref()?, seen.position.as_ref()?);
    let (innovation, d2) = motion.distance(measured);
    (d2 <= GATE_D2).then(|| {
        // What is measured no better than that is not far off.
        let far_m = FAR_M.max(2.0 * measured.trace.sqrt());
        0.5 * d2 / GATE_D2 + 0.5 * (innovation / far_m).min(1.0)
    })
}

fn stands_where_expected(track: &Track, seen: &Prepared) -> bool {
    let both = track.motion.as_ref().zip(seen.position.as_ref());
    both.is_some_and(|(motion, measured)| motion.distance(measured).0 <= SAME_PLACE_M)
}

fn grown(b: &BoxPx, by: f32) -> BoxPx {
    BoxPx { x0: b.x0 - by, y0: b.y0 - by, x1: b.x1 + by, y1: b.y1 + by }
}
