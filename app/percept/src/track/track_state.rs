//! One track: its identity, its filters and what it shows to the outside.

use super::box_filter::{BoxFilter, BoxGrowth};
use super::config::TrackerConfig;
use super::cost::Prepared;
use super::cuts::SideEnd;
use super::ego::Ego;
use super::kinematics::Kinematics;
use super::lifecycle::{TrackEvent, TrackPhase};
use super::motion::{KeptIn, MotionFilter, PositionUse};
use crate::detection::BoxPx;

/// Measurements a velocity needs before it may be shown, however small its sigma says it is.
const VELOCITY_UPDATES_MIN: u32 = 3;
/// Frames that must have passed without it before a track is given up, whatever time says: at low frame rates one
/// missed frame is already long.
const MISSES_MIN: u32 = 2;
/// Most that a class can be believed: a class seen for long changes after so many confident contradictions.
const CLASS_WEIGHT_MAX: f32 = 5.0;

/// The answer to one observation.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct TrackOutput {
    /// The track it belongs to; `None` for what is not listed where no track takes it, and for unusable observations.
    pub track: Option<u64>,
    /// The track's class by weight of its observations, which is steadier than the observation's own.
    pub class: u32,
    /// Where the track stands.
    pub phase: Option<TrackPhase>,
    /// How many observations it has had.
    pub hits: u32,
    /// Its 3D state at the frame's time, where positions were measured.
    pub kinematics: Option<Kinematics>,
    /// How its box grows, where it has one and has been seen twice.
    pub growth: Option<BoxGrowth>,
    /// What became of the observation's position.
    pub position_use: PositionUse,
    /// What the left and right side of the observation's box end at.
    pub ends: [SideEnd; 2],
}

/// A look at a live track, seen or coasting: for viewers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrackView {
    /// Its id.
    pub id: u64,
    /// Where it stands; `Lost` tracks coast.
    pub phase: TrackPhase,
    /// Its class by weight of its observations.
    pub class: u32,
    /// Score of its newest observation.
    pub score: f32,
    /// Seconds since that observation.
    pub since_seen_s: f64,
    /// The filter's box (not a detection's), px.
    pub bbox: Option<BoxPx>,
    /// Its 3D state.
    pub kinematics: Option<Kinematics>,
}

/// A track's class: the one that its observations' scores favour.
#[derive(Debug, Clone, Copy, PartialEq)]
struct ClassVote {
    class: u32,
    weight: f32,
}

impl ClassVote {
    fn add(&mut self, class: u32, score: f32) {
        if class == self.class {
            self.weight = (self.weight + score).min(CLASS_WEIGHT_MAX);
        } else if self.weight >= score {
            self.weight -= score;
        } else {
            *self = Self { class, weight: score - self.weight };
        }
    }
}

/// A track as the tracker keeps it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Track {
    pub(super) id: u64,
    pub(super) phase: TrackPhase,
    pub(super) since_seen_s: f64,
    pub(super) seen_now: bool,
    pub(super) boxes: Option<BoxFilter>,
    pub(super) motion: Option<MotionFilter>,
    vote: ClassVote,
    score: f32,
    hits: u32,
    misses: u32,
    velocity_known: bool,
    position_use: PositionUse,
}

impl Track {
    pub(super) fn new(id: u64, seen: &Prepared, kept_in: KeptIn, config: &TrackerConfig) -> Self {
        let enough = config.confirm_hits <= 1;
        Self {
            id,
            phase: TrackPhase::Tentative.after(TrackEvent::Seen { enough }),
            since_seen_s: 0.0,
            seen_now: true,
            boxes: seen.bbox.as_ref().map(BoxFilter::new),
            motion: seen.position.as_ref().map(|m| MotionFilter::new(m, kept_in)),
            vote: ClassVote { class: seen.class, weight: seen.score },
            score: seen.score,
            hits: 1,
            misses: 0,
            velocity_known: false,
            position_use: if seen.position.is_some() { PositionUse::Began } else { PositionUse::Absent },
        }
    }

    pub(super) fn class(&self) -> u32 {
        self.vote.class
    }

    /// Moves the filters on by `dt` seconds.
    pub(super) fn predict(&mut self, dt: f64, kept_in: KeptIn, config: &TrackerConfig) {
        self.seen_now = false;
        self.since_seen_s += dt;
        if let Some(boxes) = &mut self.boxes {
            boxes.predict(dt);
        }
        if let Some(motion) = &mut self.motion {
            let accel_noise = match kept_in {
                KeptIn::Ground => config.accel_noise_ground,
                KeptIn::Vehicle => config.accel_noise_relative,
            };
            motion.predict(dt, accel_noise);
        }
        if self.motion.is_some_and(|m| m.since_measured_s > config.position_coast_s) {
            self.motion = None;
            self.velocity_known = false;
        }
    }

    /// Takes in an observation of the frame, whose stamp is `late_s` before the filters' time.
    pub(super) fn see(&mut self, seen: &Prepared, late_s: f64, kept_in: KeptIn, config: &TrackerConfig) {
        self.seen_now = true;
        self.since_seen_s = 0.0;
        self.hits = self.hits.saturating_add(1);
        self.misses = 0;
        self.score = seen.score;
        self.vote.add(seen.class, seen.score);
        self.phase = self.phase.after(TrackEvent::Seen { enough: self.hits >= config.confirm_hits });
        if let Some(bbox) = &seen.bbox {
            match &mut self.boxes {
                // Known again by its place: where its box was sought says nothing of how it moves.
                Some(boxes) if boxes.bbox().iou(bbox) <= 0.0 && seen.position.is_some() => {
                    *boxes = BoxFilter::new(&seen.beside.completed(bbox, &boxes.bbox()));
                }
                Some(boxes) => boxes.update(bbox, seen.cuts, seen.score, late_s),
                None => self.boxes = Some(BoxFilter::new(bbox)),
            }
        }
        self.position_use = match (&mut self.motion, &seen.position) {
            (_, None) => PositionUse::Absent,
            (Some(motion), Some(m)) => motion.update(m, kept_in),
            (None, Some(m)) => {
                self.motion = Some(MotionFilter::new(m, kept_in));
                PositionUse::Began
            }
        };
    }

    /// The frame had nothing for this track; `outside` where it is expected to have left the picture, whence what comes
    /// back is another's.
    pub(super) fn miss(&mut self, outside: bool, config: &TrackerConfig) {
        self.misses = self.misses.saturating_add(1);
        let allowed_s = match self.phase {
            TrackPhase::Tentative => config.tentative_max_s,
            TrackPhase::Confirmed | TrackPhase::Lost => config.lost_max_s,
            TrackPhase::Removed => 0.0,
        };
        let too_long = (outside || self.since_seen_s > allowed_s) && self.misses >= MISSES_MIN;
        self.phase = self.phase.after(TrackEvent::Missed { too_long });
        if let Some(boxes) = &mut self.boxes {
            boxes.coast();
        }
    }

    /// Decides whether the velocity is known well enough to be shown.
    pub(super) fn judge_velocity(&mut self, config: &TrackerConfig) {
        let Some(motion) = &self.motion else { return };
        let sigma = motion.horizontal_speed_sigma();
        let enough = motion.updates >= VELOCITY_UPDATES_MIN;
        let bound =
            if self.velocity_known { config.velocity_sigma_hidden_mps } else { config.velocity_sigma_shown_mps };
        self.velocity_known = enough && motion.settled && sigma <= bound;
    }

    fn kinematics(&self, ego: &Ego) -> Option<Kinematics> {
        let motion = self.motion.as_ref()?;
        Some(match ego.odom_from_vehicle() {
            Some(pose) => Kinematics::from_ground(motion, pose, ego.twist(), self.velocity_known),
            None => Kinematics::from_relative(motion, self.velocity_known),
        })
    }

    pub(super) fn output(&self, ego: &Ego) -> TrackOutput {
        TrackOutput {
            track: Some(self.id),
            class: self.class(),
            phase: Some(self.phase),
            hits: self.hits,
            kinematics: self.kinematics(ego),
            growth: self.boxes.as_ref().filter(|_| self.hits > 1).map(BoxFilter::growth),
            position_use: self.position_use,
            ends: [SideEnd::Own; 2],
        }
    }

    pub(super) fn view(&self, ego: &Ego) -> TrackView {
        TrackView {
            id: self.id,
            phase: self.phase,
            class: self.class(),
            score: self.score,
            since_seen_s: self.since_seen_s,
            bbox: self.boxes.as_ref().map(BoxFilter::bbox),
            kinematics: self.kinematics(ego),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_changes_only_when_the_scores_say_so() {
        let mut vote = ClassVote { class: 2, weight: 0.9 };
        vote.add(2, 0.9);
        vote.add(7, 0.8);
        assert_eq!(vote.class, 2);
        vote.add(7, 0.8);
        vote.add(7, 0.8);
        assert_eq!(vote.class, 7);
    }
}
