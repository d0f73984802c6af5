//! How something moves across while something nearer hides a part of it: by its free side.
//!
//! A tracked point lies in the middle of what is seen. Where more and more of an object shows past what hides it, that middle
//! wanders towards the hidden side though the object stands: a parked lorry seems to come out into the lane. A side
//! that ends at nothing nearer is the object's own and moves as all of it does. Metres in the vehicle frame, sensor time. Knows no
//! corridor, and says nothing of what is wholly seen.

use super::corridor::EgoMotion;
use crate::space::{Point3, Vehicle};
use crate::time::Timestamp;
use crate::track::{Kinematics, SideEnd};

/// Sides are followed over this long, seconds: at 10 Hz seven places, of which half a pixel each makes little...
const SPAN_S: f64 = 0.6;
/// ...and no slope is told from less than this.
const SPAN_MIN_S: f64 = 0.25;
/// Places closer in time than this tell nothing new, seconds.
const APART_S: f64 = 0.055;
/// So that no more of them than this are kept.
const PLACES: usize = 12;
/// Long enough for a filter to forget what it was told while a side was hidden, seconds; nor does traffic move across otherwise
/// within it.
const KEPT_S: f64 = 1.0;
/// Of what has no free side the best guess is that it goes along the road like most things, with this sigma across, m/s: a
/// quick walk, or a lane change.
const UNSEEN_SIGMA_MPS: f64 = 1.0;
/// No slope is surer than this, m/s: boxes breathe.
const SLOPE_SIGMA_MIN_MPS: f64 = 0.25;

/// Where the sides of an obstacle are in one frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sides {
    /// Right and left side, metres to the left.
    pub at_m: [f64; 2],
    /// One sigma of each.
    pub sigma_m: f64,
    /// What the right and the left one end at.
    pub ends: [SideEnd; 2],
}

/// An obstacle's sides over the last moments.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct SideMotion {
    /// The newest first.
    places: [Option<(Timestamp, Sides)>; PLACES],
    /// When one of its sides was last hidden.
    hidden: Option<Timestamp>,
    /// The rate across that a free side told last, with its variance.
    told: Option<(Timestamp, Rate)>,
}

/// Rate across in m/s to the left, and its variance.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Rate {
    mps: f64,
    variance: f64,
}

impl SideMotion {
    /// Takes in this frame's sides.
    pub(super) fn see(&mut self, now: Timestamp, sides: &Sides) {
        let late = |(t, _): &(Timestamp, Sides)| !(0.0..=SPAN_S).contains(&now.seconds_since(*t));
        self.places.iter_mut().for_each(|place| *place = place.filter(|p| !late(p)));
        if self.places.first().copied().flatten().is_none_or(|(t, _)| now.seconds_since(t) >= APART_S) {
            self.places.rotate_right(1);
        }
        if let Some(first) = self.places.first_mut() {
            *first = Some((now, *sides));
        }
        if sides.ends.contains(&SideEnd::Hidden) {
            self.hidden = Some(now);
        }
        if let Some(rate) = self.rate() {
            self.told = Some((now, rate));
        }
    }

    /// When its sides were seen last.
    pub(super) fn seen(&self) -> Option<Timestamp> {
        self.places.first().copied().flatten().map(|(t, _)| t)
    }

    /// What is known of the obstacle at `now`, its motion across by its free side where a part of it is or was hidden of late and that side
    /// moves less than the filter has it. `surface` is its point as measured in this frame.
    pub(super) fn correct(
        &self,
        now: Timestamp,
        known: &Kinematics,
        surface: Option<Point3<Vehicle>>,
        ego: Option<&EgoMotion>,
    ) -> Option<Kinematics> {
        let recent = |t: Timestamp| (0.0..=KEPT_S).contains(&now.seconds_since(t));
        self.hidden.filter(|t| recent(*t))?;
        let mut corrected = *known;
        let velocity = corrected.velocity.as_mut()?;
        // Over ground what is still; the vehicle turns away from it.
        let still_mps = -ego.map_or(0.0, |e| e.yaw_rate_rps * known.position.xyz.x);
        let unseen = Rate { mps: still_mps, variance: UNSEEN_SIGMA_MPS * UNSEEN_SIGMA_MPS };
        let rate = self.told.filter(|(t, _)| recent(*t)).map_or(unseen, |(_, rate)| rate);
        // Who moves across does so by both measures: a side that errs must not make what stands come out into the way either.
        if (rate.mps - still_mps).abs() > (velocity.mps.y - still_mps).abs() {
            return None;
        }
        velocity.mps.y = rate.mps;
        for k in 0..3 {
            (velocity.covariance[(1, k)], velocity.covariance[(k, 1)]) = (0.0, 0.0);
            (velocity.cross_covariance[(1, k)], velocity.cross_covariance[(k, 1)]) = (0.0, 0.0);
        }
        velocity.covariance[(1, 1)] = rate.variance;
        if let (Some(surface), Some((_, sides))) = (surface, self.places.first().copied().flatten()) {
            corrected.position.xyz.y = surface.xyz.y;
            for k in 0..3 {
                (corrected.position_covariance[(1, k)], corrected.position_covariance[(k, 1)]) = (0.0, 0.0);
            }
            // One frame's points may be those of what hides it: what is far from the filter's place is as unsure as that.
            let off_m = surface.xyz.y - known.position.xyz.y;
            corrected.position_covariance[(1, 1)] = sides.sigma_m * sides.sigma_m + off_m * off_m;
        }
        Some(corrected)
    }

    /// The rate of the side that has been free for longer; of both where they were so alike.
    fn rate(&self) -> Option<Rate> {
        let [right, left] = [0, 1].map(|side| self.slope(side));
        match (right, left) {
            (Some((n, a)), Some((m, b))) if n == m => {
                Some(Rate { mps: 0.5 * (a.mps + b.mps), variance: 0.25 * (a.variance + b.variance) })
            }
            (Some((n, a)), Some((m, b))) => Some(if n > m { a } else { b }),
            (one, other) => one.or(other).map(|(_, rate)| rate),
        }
        .map(|rate| Rate { variance: rate.variance.max(SLOPE_SIGMA_MIN_MPS * SLOPE_SIGMA_MIN_MPS), ..rate })
    }

    /// How many places a side's line goes through, back from the newest as long as it was free, and that line's slope.
    fn slope(&self, side: usize) -> Option<(usize, Rate)> {
        let newest = self.places.first().copied().flatten()?.0;
        let free = || {
            let places = self.places.iter().map_while(|place| *place);
            places.take_while(|(_, sides)| sides.ends.get(side) == Some(&SideEnd::Own)).map(|(t, sides)| {
                (t.seconds_since(newest), sides.at_m.get(side).copied().unwrap_or(f64::NAN), sides.sigma_m)
            })
        };
        let n = free().count();
        let mean = |f: &dyn Fn((f64, f64, f64)) -> f64| free().map(f).sum::<f64>() / n.max(1) as f64;
        let (t_mean, at_mean) = (mean(&|p| p.0), mean(&|p| p.1));
        let var_at = mean(&|p| p.2 * p.2);
        let spread: f64 = free().map(|p| (p.0 - t_mean).powi(2)).sum();
        let shared: f64 = free().map(|p| (p.0 - t_mean) * (p.1 - at_mean)).sum();
        let span_s = free().map(|p| -p.0).fold(0.0, f64::max);
        let mps = shared / spread;
        // Sides that scatter about their line more than they should are less sure than they say.
        let scatter: f64 = free().map(|p| (p.1 - at_mean - mps * (p.0 - t_mean)).powi(2)).sum();
        let var_at = var_at.max(scatter / n.saturating_sub(2).max(1) as f64);
        let rate = Rate { mps, variance: var_at / spread };
        (n >= 3 && span_s >= SPAN_MIN_S && rate.mps.is_finite() && rate.variance.is_finite()).then_some((n, rate))
    }
}

#[cfg(test)]
mod tests {
    use nalgebra::{Matrix3, Vector3};

    use super::*;
    use crate::report::DistanceSource;
    use crate::track::RelativeVelocity;

    const FREE: SideEnd = SideEnd::Own;
    const HIDDEN: SideEnd = SideEnd::Hidden;

    fn known(left_mps: f64) -> Kinematics {
        Kinematics {
            position: Point3::new(12.0, -2.0, 1.0),
            position_covariance: Matrix3::identity() * 0.01,
            velocity: Some(RelativeVelocity {
                mps: Vector3::new(-7.0, left_mps, 0.0),
                covariance: Matrix3::identity() * 0.04,
                cross_covariance: Matrix3::identity() * 0.01,
            }),
            velocity_ground_mps: None,
            velocity_ground_covariance: Matrix3::zeros(),
            source: DistanceSource::Lidar,
            since_measured_s: 0.0,
        }
    }

    fn at(t_s: f64) -> Timestamp {
        Timestamp::default().plus_seconds(t_s)
    }

    /// What is known after `frames` at 10 Hz of sides that are told by frame.
    fn after(frames: usize, sides: impl Fn(f64) -> ([f64; 2], [SideEnd; 2])) -> Option<[f64; 2]> {
        let mut motion = SideMotion::default();
        for k in 0..frames {
            let (at_m, ends) = sides(0.1 * k as f64);
            motion.see(at(0.1 * k as f64), &Sides { at_m, sigma_m: 0.05, ends });
        }
        let it = known(1.2);
        let corrected = motion.correct(at(0.1 * (frames - 1) as f64), &it, Some(it.position), None)?;
        let velocity = corrected.velocity?;
        assert!(corrected.position_covariance.cholesky().is_some() && velocity.covariance.cholesky().is_some());
        Some([velocity.mps.y, velocity.covariance[(1, 1)].sqrt()])
    }

    #[test]
    fn a_parked_lorry_that_comes_out_from_behind_another_stands() {
        // Its right side is free and stands at -4; more and more of its left shows.
        let [mps, sigma] = after(8, |t| ([-4.0, -3.6 + 2.0 * t], [FREE, HIDDEN])).unwrap();
        assert!(mps.abs() < 1e-9 && sigma <= SLOPE_SIGMA_MIN_MPS + 1e-9, "{mps} {sigma}");
    }

    #[test]
    fn a_runner_out_from_behind_a_van_is_no_faster_than_the_side_that_leads() {
        let [mps, _] = after(5, |t| ([-2.5, -2.4 + t], [HIDDEN, FREE])).unwrap();
        assert!((mps - 1.0).abs() < 1e-9, "{mps}");
        assert_eq!(after(5, |t| ([-2.5, -2.4 + 3.0 * t], [HIDDEN, FREE])), None, "nor than the filter has it");
    }

    #[test]
    fn sides_that_scatter_are_not_sure() {
        let still = after(8, |_| ([-4.0, -3.6], [FREE, HIDDEN])).unwrap()[1];
        let to_and_fro = |t: f64| if (10.0 * t).round() as i32 % 2 == 0 { 0.3 } else { -0.3 };
        let shaken = after(8, |t| ([-4.0 + to_and_fro(t), -3.6], [FREE, HIDDEN])).unwrap()[1];
        assert!(shaken > 2.0 * still, "{shaken} {still}");
    }

    #[test]
    fn what_is_wholly_seen_is_left_to_the_filter_a_second_after_it_was_hidden() {
        assert_eq!(after(8, |t| ([-4.0, -2.0 + t], [FREE, FREE])), None);
        let soon = after(15, |t| ([-4.0, -2.0], [FREE, if t < 0.95 { HIDDEN } else { FREE }])).unwrap();
        assert!(soon[0].abs() < 1e-9);
        assert_eq!(after(25, |t| ([-4.0, -2.0], [FREE, if t < 0.95 { HIDDEN } else { FREE }])), None);
    }

    #[test]
    fn where_one_frame_sees_it_far_from_where_it_was_is_unsure() {
        let mut motion = SideMotion::default();
        let sides = Sides { at_m: [-4.0, -3.0], sigma_m: 0.05, ends: [FREE, HIDDEN] };
        motion.see(at(0.0), &sides);
        let it = known(0.0);
        let seen = |y: f64| {
            let surface = Point3::new(it.position.xyz.x, y, 1.0);
            let corrected = motion.correct(at(0.0), &it, Some(surface), None).unwrap();
            (corrected.position.xyz.y, corrected.position_covariance[(1, 1)].sqrt())
        };
        let [(y, sigma), (far_y, far_sigma)] = [-2.0, -1.1].map(seen);
        assert!(y == -2.0 && (sigma - 0.05).abs() < 1e-9);
        assert!(far_y == -1.1 && (far_sigma - 0.9).abs() < 0.01, "{far_sigma}");
    }

    #[test]
    fn of_what_has_no_free_side_little_is_known_but_what_one_told_before() {
        let [mps, sigma] = after(8, |t| ([-4.0 - t, -3.6 + t], [HIDDEN, HIDDEN])).unwrap();
        assert_eq!((mps, sigma), (0.0, UNSEEN_SIGMA_MPS));
        let cut = |t: f64| if t < 0.55 { FREE } else { SideEnd::Picture };
        let [mps, _] = after(10, |t| ([-4.0 + 0.5 * t, -3.0], [cut(t), HIDDEN])).unwrap();
        assert!((mps - 0.5).abs() < 1e-9, "{mps}");
        assert_eq!(after(2, |_| ([-4.0, -3.0], [FREE, HIDDEN])).unwrap()[1], UNSEEN_SIGMA_MPS, "too short to tell");
    }
}
