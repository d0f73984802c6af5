//! Whose LiDAR points are whose: a nearer object's surface measures nothing of what stands behind it.
//!
//! A box holds points of what stands half before its object, and, as a sweep is older than its picture, of what stood before it
//! when the sweep was made: an oncoming car's points lie where the car was. So each object claims the points that it was
//! measured by. One behind (its foot is higher in the picture) is contested where most of its points are in the claim of a
//! nearer one, or go on from it link by link. Whether a mere link counts is the fuser's to say, which knows what ground
//! and size make of the box. Optical frame, metres and pixels.

use super::surface::Sample;
use crate::detection::BoxPx;

/// Points in the same square of the ground or in neighbouring ones may lie on one surface: beams of a sparse sweep on a flank seen
/// at a glancing angle are a metre apart. Generous, as a link alone proves nothing; its side, metres.
const SQUARE_M: f32 = 1.0;
/// Squares to either side of the camera and ahead of it; what lies beyond is in the last ones.
const SQUARES_ASIDE: usize = 64;
const SQUARES_AHEAD: usize = 128;

/// What stands nearer has its foot so much lower in the picture, px: more than boxes jitter.
const LOWER_PX: f32 = 3.0;
/// Boxes that overlap so much are two of one object.
const SAME_IOU: f32 = 0.5;
/// A foot is hidden where something nearer covers so much of the lower edge.
const COVERED_SHARE: f32 = 0.8;

/// Most of an object's points are so many.
const MOST: f64 = 0.5;

/// How an object's points meet those of what stands nearer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contest {
    /// Most of them are the very points that a nearer object was measured by.
    Shared,
    /// They go on from a nearer object's.
    Linked,
}

/// The points that one object was measured by.
#[derive(Debug, Clone, Copy)]
struct Claim {
    bbox: BoxPx,
    /// Whether they come from within a mask, which leaves out what else the box holds.
    masked: bool,
    from: usize,
    to: usize,
    /// Least and greatest range, metres.
    near_m: f32,
    far_m: f32,
}

impl Claim {
    /// Whether a sample is among the points claimed.
    fn holds(&self, sample: &Sample) -> bool {
        let BoxPx { x0, y0, x1, y1 } = self.bbox;
        let inside = sample.u >= x0 && sample.u < x1 && sample.v >= y0 && sample.v < y1;
        inside && !self.masked && sample.range_m >= self.near_m && sample.range_m <= self.far_m
    }
}

/// All claims of a frame, in the detections' order.
#[derive(Debug, Clone, Default)]
pub(super) struct Claims {
    points: Vec<Sample>,
    claims: Vec<Claim>,
    /// Squares of the ground that hold points of nearer objects and of what goes on from them.
    squares: Vec<bool>,
}

impl Claims {
    /// Forgets the last frame.
    pub(super) fn clear(&mut self) {
        self.points.clear();
        self.claims.clear();
    }

    /// The next object and the points that it was measured by, none where by something else.
    pub(super) fn add(&mut self, bbox: BoxPx, masked: bool, points: &[Sample]) {
        let from = self.points.len();
        self.points.extend_from_slice(points);
        let ranges = || points.iter().map(|p| p.range_m);
        let (near_m, far_m) = (ranges().fold(f32::INFINITY, f32::min), ranges().fold(f32::NEG_INFINITY, f32::max));
        self.claims.push(Claim { bbox, masked, from, to: self.points.len(), near_m, far_m });
    }

    /// Whether most points of object `row` are those that a nearer object was measured by.
    pub(super) fn are_shared(&self, row: usize) -> bool {
        let mine = self.claims.get(row).map_or(&[][..], |own| self.points_of(own));
        let shared = mine.iter().filter(|p| self.nearer_than(row).any(|other| other.holds(p))).count();
        shared > 0 && shared as f64 >= MOST * mine.len() as f64
    }

    /// Whether the points of object `row` go on from those of a nearer one.
    pub(super) fn are_linked(&mut self, row: usize) -> bool {
        self.mark_nearer(row);
        let mine = self.claims.get(row).map_or(&[][..], |own| self.points_of(own));
        mine.iter().any(|p| is_beside(&self.squares, p))
    }

    /// Whether the foot of object `row` is hidden by what stands nearer.
    pub(super) fn is_foot_hidden(&self, row: usize) -> bool {
        let Some(Claim { bbox, .. }) = self.claims.get(row) else { return false };
        self.nearer_than(row).any(|Claim { bbox: near, .. }| {
            let covered = near.x1.min(bbox.x1) - near.x0.max(bbox.x0);
            near.y0 <= bbox.y1 && covered >= COVERED_SHARE * bbox.width()
        })
    }

    /// Leaves out of object `row`'s samples those that nearer objects claim and, where links count, all that go on from them.
    pub(super) fn strip(&mut self, row: usize, contest: Contest, samples: &mut Vec<Sample>) {
        samples.retain(|sample| !self.nearer_than(row).any(|other| other.holds(sample)));
        if contest == Contest::Shared {
            return;
        }
        self.mark_nearer(row);
        // From square to square, until nothing more goes on: each round leaves out a ring.
        let mut squares = std::mem::take(&mut self.squares);
        let mut before = samples.len() + 1;
        while samples.len() < before {
            before = samples.len();
            samples.retain(|sample| {
                let goes_on = is_beside(&squares, sample);
                if goes_on {
                    mark(&mut squares, sample);
                }
                !goes_on
            });
        }
        self.squares = squares;
    }

    /// Marks the squares that the points of what stands nearer than object `row` lie in.
    fn mark_nearer(&mut self, row: usize) {
        let mut squares = std::mem::take(&mut self.squares);
        squares.clear();
        squares.resize(2 * SQUARES_ASIDE * SQUARES_AHEAD, false);
        for point in self.nearer_than(row).flat_map(|claim| self.points_of(claim)) {
            mark(&mut squares, point);
        }
        self.squares = squares;
    }

    /// The claims of what stands lower in the picture than object `row`, and is not the same object seen twice.
    fn nearer_than(&self, row: usize) -> impl Iterator<Item = &Claim> {
        let own = self.claims.get(row).map(|c| c.bbox);
        self.claims
            .iter()
            .filter(move |c| own.is_some_and(|own| c.bbox.y1 > own.y1 + LOWER_PX && c.bbox.iou(&own) < SAME_IOU))
    }

    fn points_of(&self, claim: &Claim) -> &[Sample] {
        self.points.get(claim.from..claim.to).unwrap_or_default()
    }
}

/// The square that a point lies in: column from the left, row from the camera.
fn square_of(point: &Sample) -> (usize, usize) {
    // Casts saturate: what lies to the left of all squares is in the first.
    let aside = (point.xyz[0] / SQUARE_M + SQUARES_ASIDE as f32) as usize;
    let ahead = (point.xyz[2] / SQUARE_M) as usize;
    (aside.min(2 * SQUARES_ASIDE - 1), ahead.min(SQUARES_AHEAD - 1))
}

fn mark(squares: &mut [bool], point: &Sample) {
    let (column, row) = square_of(point);
    if let Some(square) = squares.get_mut(row * 2 * SQUARES_ASIDE + column) {
        *square = true;
    }
}

/// Whether a point's square or one around it is marked.
fn is_beside(squares: &[bool], point: &Sample) -> bool {
    let (column, row) = square_of(point);
    let columns = column.saturating_sub(1)..(column + 2).min(2 * SQUARES_ASIDE);
    (row.saturating_sub(1)..(row + 2).min(SQUARES_AHEAD)).any(|r| {
        let line = r * 2 * SQUARES_ASIDE;
        squares.get(line + columns.start..line + columns.end).is_some_and(|around| around.contains(&true))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A point `x` to the right and `z` ahead, seen at column `u`.
    fn sample(u: f32, x: f32, z: f32) -> Sample {
        Sample { u, v: 200.0, xyz: [x, 0.0, z], range_m: x.hypot(z), measured_s: 0.0 }
    }

    const NEAR: BoxPx = BoxPx { x0: 0.0, y0: 180.0, x1: 190.0, y1: 300.0 };
    const FAR: BoxPx = BoxPx { x0: 150.0, y0: 180.0, x1: 215.0, y1: 215.0 };

    fn claims(all: &[(BoxPx, &[Sample])]) -> Claims {
        let mut claims = Claims::default();
        all.iter().for_each(|(bbox, points)| claims.add(*bbox, false, points));
        claims
    }

    #[test]
    fn a_flank_is_followed_to_its_end_and_what_stands_behind_it_stays() {
        let flank: Vec<Sample> = (0..8).map(|i| sample(200.0, -2.0, 8.0 + 0.8 * i as f32)).collect();
        let mut claims = claims(&[(NEAR, &[sample(20.0, -2.0, 7.0), sample(100.0, -2.0, 7.4)]), (FAR, &flank)]);
        assert!(claims.are_linked(1) && !claims.are_shared(1));
        assert!(!claims.are_linked(0), "the nearer keeps what is its own");
        let own = [sample(205.0, -5.0, 19.0), sample(210.0, -4.6, 19.1)];
        let all: Vec<Sample> = flank.into_iter().rev().chain(own).collect();
        for (contest, left) in [(Contest::Linked, own.len()), (Contest::Shared, all.len())] {
            let mut samples = all.clone();
            claims.strip(1, contest, &mut samples);
            assert_eq!(samples.len(), left);
            assert!(samples.ends_with(&own));
        }
    }

    #[test]
    fn points_that_measured_a_nearer_object_measure_no_other() {
        let front = [sample(20.0, -2.0, 7.0), sample(170.0, -1.0, 7.2), sample(180.0, -0.9, 7.4)];
        let mut claims = claims(&[(NEAR, &front), (FAR, &front[1..])]);
        assert!(claims.are_shared(1) && !claims.are_shared(0));
        let beyond = sample(175.0, -3.0, 19.0);
        let mut samples = vec![front[1], beyond, front[2]];
        claims.strip(1, Contest::Shared, &mut samples);
        assert_eq!(samples, [beyond]);
    }

    #[test]
    fn one_object_seen_twice_and_things_apart_do_not_contest() {
        let near = [sample(20.0, -2.0, 7.0)];
        let twice = BoxPx { y1: 290.0, ..NEAR };
        let mut claims = claims(&[(NEAR, &near), (twice, &near), (FAR, &[sample(200.0, -5.0, 19.0)]), (FAR, &[])]);
        assert!((0..5).all(|row| !claims.are_linked(row) && !claims.are_shared(row)));
    }

    #[test]
    fn a_foot_is_hidden_by_what_covers_the_lower_edge() {
        let claims = claims(&[(NEAR, &[]), (FAR, &[]), (BoxPx { x0: 100.0, x1: 180.0, ..FAR }, &[])]);
        assert_eq!([0, 1, 2].map(|row| claims.is_foot_hidden(row)), [false, false, true]);
    }
}
