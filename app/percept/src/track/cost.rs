//! What it costs to take an observation for a track, and when it cannot be.
//!
//! A cost is 0 (surely the same) to 1; at or above a stage's limit the pair is not offered. Boxes are compared by the
//! overlap of both grown by the predicted uncertainty (buffered IoU, Yang et al., WACV 2023), so that a fast object at
//! 5 fps still meets its own prediction; positions by their Mahalanobis and their plain distance.

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
/// Another class costs so much: detectors mistake a van for a truck, seldom a person for a car.
const CLASS_PENALTY: f64 = 0.2;
/// A tentative track yields to a confirmed one of equal fit.
const TENTATIVE_PENALTY: f64 = 0.05;
/// Full cost of a pair that only positions can judge.
const POSITION_ONLY_COST: f64 = 0.8;

/// An observation made ready: finite, its position in the frame the tracks are kept in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Prepared {
    /// Index among the caller's observations.
    pub(super) index: u32,
    pub(super) bbox: Option<BoxPx>,
    pub(super) score: f32,
    pub(super) class: u32,
    pub(super) position: Option<Measured>,
}

/// A track as association sees it: computed once a frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Gate {
    /// The predicted box, grown by `grow` on each side; nowhere (NaN) for a track without a box, so that no comparison
    /// holds.
    window: BoxPx,
    grow: f32,
    has_box: bool,
    penalty: f64,
    position_trace: Option<f64>,
}

const NOWHERE: BoxPx = BoxPx { x0: f32::NAN, y0: f32::NAN, x1: f32::NAN, y1: f32::NAN };

impl Gate {
    pub(super) fn of(track: &Track) -> Self {
        let grow = track.boxes.as_ref().map_or(0.0, |b| {
            let share = GROW_SIGMAS * b.centre_sigma() / b.size();
            (share.min(GROW_MAX) * b.size()) as f32
        });
        Self {
            window: track.boxes.as_ref().map_or(NOWHERE, |b| grown(&b.bbox(), grow)),
            grow,
            has_box: track.boxes.is_some(),
            penalty: if track.phase == TrackPhase::Tentative { TENTATIVE_PENALTY } else { 0.0 },
            position_trace: track.motion.as_ref().map(|m| m.pp.trace()),
        }
    }

    /// The cost of taking `seen` for `track`, whose gate this is; `None` where it cannot be.
    pub(super) fn cost(&self, track: &Track, seen: &Prepared) -> Option<f64> {
        let fit = match seen.bbox {
            Some(bbox) if self.has_box => self.box_and_position_cost(track, &bbox, seen)?,
            _ => POSITION_ONLY_COST * self.position_cost(track, seen)?,
        };
        let class = if track.class() == seen.class { 0.0 } else { CLASS_PENALTY };
        Some(fit + class + self.penalty)
    }

    fn box_and_position_cost(&self, track: &Track, bbox: &BoxPx, seen: &Prepared) -> Option<f64> {
        let (w, g) = (&self.window, self.grow);
        let apart = bbox.x0 - g >= w.x1 || bbox.x1 + g <= w.x0 || bbox.y0 - g >= w.y1 || bbox.y1 + g <= w.y0;
        if apart {
            return None;
        }
        let box_cost = 1.0 - f64::from(w.iou(&grown(bbox, g)));
        if track.motion.is_none() || seen.position.is_none() {
            return Some(box_cost);
        }
        // A position beyond the gate is often a wrong depth and not another object: it costs in full, the box decides.
        let position_cost = self.position_cost(track, seen).unwrap_or(1.0);
        Some(box_cost * (1.0 - POSITION_WEIGHT) + position_cost * POSITION_WEIGHT)
    }

    /// 0 to 1; `None` where there is nothing to compare or it lies beyond the gate.
    fn position_cost(&self, track: &Track, seen: &Prepared) -> Option<f64> {
        let (motion, measured) = (track.motion.as_ref()?, seen.position.as_ref()?);
        if measured.age_s == 0.0 {
            // The squared distance over the trace bounds the Mahalanobis distance from below, and costs no inverse.
            let trace = self.position_trace? + measured.covariance.trace();
            if (measured.xyz - motion.position).norm_squared() > GATE_D2 * trace {
                return None;
            }
        }
        let (innovation, d2) = motion.distance(measured);
        (d2 <= GATE_D2).then(|| 0.5 * d2 / GATE_D2 + 0.5 * (innovation / FAR_M).min(1.0))
    }
}

fn grown(b: &BoxPx, by: f32) -> BoxPx {
    BoxPx { x0: b.x0 - by, y0: b.y0 - by, x1: b.x1 + by, y1: b.y1 + by }
}
