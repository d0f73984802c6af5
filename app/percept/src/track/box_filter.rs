//! A box in the picture as four independent constant-velocity Kalman filters: centre x, centre y, width, height.
//!
//! Pixels and pixels per second. Noise grows with the box, as in SORT and ByteTrack, because a near object moves and
//! jitters more pixels than a far one; process noise is that of white acceleration integrated over the real time between
//! frames, so the same constants serve 30, 10 and 5 fps.
//!
//! What comes nearer at a constant speed does not move at a constant speed in the picture. With x = X/Z and Z falling
//! steadily, all of centre, width and height obey x(t) = x + x' * t / (1 - g*t), where g is the box's relative growth
//! per second; the prediction uses that, with the growth that width and height agree on.

use super::cuts::{CutEnds, Cuts};
use crate::detection::BoxPx;

/// Detector jitter of a centre as a share of the box's size (ByteTrack: 1/20 of the height).
const CENTRE_SIGMA: f64 = 0.04;
/// Detector jitter of a width or height as a share of itself.
const EXTENT_SIGMA: f64 = 0.05;
/// Change of a centre's speed in box sizes per second per sqrt(second) while nothing happens. ByteTrack's 1/160 per
/// frame at 30 fps is 1.03, always; here a manoeuvre raises it and calm keeps the speed steady through occlusion.
const CENTRE_ACCEL: f64 = 0.5;
/// The same of width and height, whose speeds change less.
const EXTENT_ACCEL: f64 = 0.4;
/// Weight of the newest innovation in their running mean.
const DRIFT_WEIGHT: f64 = 0.25;
/// Expected square of that mean, in sigmas, while the speed is constant: w / (2 - w).
const DRIFT_EXPECTED: f64 = DRIFT_WEIGHT / (2.0 - DRIFT_WEIGHT);
/// The mean is taken for a manoeuvre when its square is so many times the expected (by chance in one frame of 16).
const DRIFT_TOLERATED: f64 = 3.5;
/// Most that process noise is raised, in sigma.
const MANOEUVRE_NOISE_MAX: f64 = 8.0;
/// Speed of a centre before it was measured, box sizes per second (ByteTrack: 10/160 per frame at 30 fps is 1.9).
const CENTRE_RATE_SIGMA: f64 = 2.0;
/// The same of width and height: a box that doubles in a second is a collision a second away.
const EXTENT_RATE_SIGMA: f64 = 0.5;
/// An innovation beyond this many sigmas (a partly hidden object, a wrong box) is taken with less weight.
const ROBUST_SIGMAS: f64 = 3.0;
/// A box that lacks this share of its expected width (or height) may be covered from one side.
const COVERED_SHARE: f64 = 0.12;
/// It is, if one edge is off its expected place by no more than this share of the other's error.
const EDGE_KEPT_SHARE: f64 = 0.35;
/// The extent of a covered box is believed with a sigma so many times as large: it may have narrowed all the same.
const COVERED_DOUBT: f64 = 5.0;
/// Most that a distance is believed to shrink (or grow) between two frames, as a share of itself.
const NEARER_MAX: f64 = 0.4;
/// No box is taken for smaller than this, px: noise must not vanish.
const SIZE_MIN_PX: f64 = 4.0;

/// A value, its rate and their covariance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Axis {
    pub(super) value: f64,
    pub(super) rate: f64,
    pub(super) var_value: f64,
    pub(super) covariance: f64,
    pub(super) var_rate: f64,
    /// Running mean of innovations in sigmas: off zero where the speed changes.
    drift: f64,
}

impl Axis {
    fn new(value: f64, sigma: f64, rate_sigma: f64) -> Self {
        Self {
            value,
            rate: 0.0,
            var_value: sigma * sigma,
            covariance: 0.0,
            var_rate: rate_sigma * rate_sigma,
            drift: 0.0,
        }
    }

    /// Moves the state on by `dt` seconds under white acceleration of `accel` per sqrt(s), with `nearer` the factor by
    /// which the object comes nearer in that time.
    fn predict(&mut self, dt: f64, accel: f64, nearer: f64) {
        let drift = self.drift * self.drift / DRIFT_EXPECTED;
        let sigma = accel * (drift / DRIFT_TOLERATED).clamp(1.0, MANOEUVRE_NOISE_MAX);
        let density = sigma * sigma;
        let (step, gain) = (dt * nearer, nearer * nearer);
        self.value += step * self.rate;
        self.rate *= gain;
        self.var_value += step * (2.0 * self.covariance + step * self.var_rate) + density * dt * dt * dt / 3.0;
        self.covariance = gain * (self.covariance + step * self.var_rate) + density * dt * dt / 2.0;
        self.var_rate = gain * gain * self.var_rate + density * dt;
    }

    /// Takes in `measured`, made `age_s` before the state's time, with standard deviation `sigma`.
    fn update(&mut self, measured: f64, sigma: f64, age_s: f64) {
        let innovation = measured - (self.value - age_s * self.rate);
        let gain_value = self.var_value - age_s * self.covariance;
        let gain_rate = self.covariance - age_s * self.var_rate;
        let expected = gain_value - age_s * gain_rate + sigma * sigma;
        let sigmas = (innovation / expected.sqrt()).clamp(-2.0 * ROBUST_SIGMAS, 2.0 * ROBUST_SIGMAS);
        self.drift += (sigmas - self.drift) * DRIFT_WEIGHT;
        let s = expected.max(innovation * innovation / (ROBUST_SIGMAS * ROBUST_SIGMAS));
        self.value += gain_value / s * innovation;
        self.rate += gain_rate / s * innovation;
        self.var_value -= gain_value * gain_value / s;
        self.covariance -= gain_value * gain_rate / s;
        self.var_rate -= gain_rate * gain_rate / s;
    }
}

/// How fast a box grows: what time to collision rests on where there is no range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoxGrowth {
    /// Filtered height, px.
    pub height_px: f64,
    /// Its rate, px/s; positive where the object comes nearer.
    pub rate_px_s: f64,
    /// Variance of the height, px^2.
    pub var_height: f64,
    /// Covariance of height and rate, px^2/s.
    pub covariance: f64,
    /// Variance of the rate, px^2/s^2.
    pub var_rate: f64,
}

/// The filtered box of one track.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct BoxFilter {
    cx: Axis,
    cy: Axis,
    width: Axis,
    height: Axis,
}

impl BoxFilter {
    pub(super) fn new(bbox: &BoxPx) -> Self {
        let (cx, cy, w, h) = centre_extent(bbox);
        let size = size_of(w, h);
        Self {
            cx: Axis::new(cx, CENTRE_SIGMA * size, CENTRE_RATE_SIGMA * size),
            cy: Axis::new(cy, CENTRE_SIGMA * size, CENTRE_RATE_SIGMA * size),
            width: Axis::new(w, extent_sigma(w), EXTENT_RATE_SIGMA * w.max(SIZE_MIN_PX)),
            height: Axis::new(h, extent_sigma(h), EXTENT_RATE_SIGMA * h.max(SIZE_MIN_PX)),
        }
    }

    pub(super) fn predict(&mut self, dt: f64) {
        let size = self.size();
        let nearer = 1.0 / (1.0 - (self.growth_rate() * dt).clamp(-NEARER_MAX, NEARER_MAX));
        self.cx.predict(dt, CENTRE_ACCEL * size, nearer);
        self.cy.predict(dt, CENTRE_ACCEL * size, nearer);
        for extent in [&mut self.width, &mut self.height] {
            extent.predict(dt, EXTENT_ACCEL * extent.value.max(SIZE_MIN_PX), nearer);
            extent.value = extent.value.max(1.0);
        }
    }

    /// Takes in a detection made `age_s` before the state's time. A low score means a poorer box: up to twice the sigma.
    /// Sides in `cuts` are the picture's and not the object's.
    pub(super) fn update(&mut self, bbox: &BoxPx, cuts: Cuts, score: f32, age_s: f64) {
        let x = Span::of(f64::from(bbox.x0), f64::from(bbox.x1), cuts.x, &self.cx, &self.width);
        let y = Span::of(f64::from(bbox.y0), f64::from(bbox.y1), cuts.y, &self.cy, &self.height);
        let size = size_of(x.extent, y.extent);
        let doubt = 2.0 - f64::from(score.clamp(0.0, 1.0));
        self.cx.update(x.centre, doubt * CENTRE_SIGMA * size, age_s);
        self.cy.update(y.centre, doubt * CENTRE_SIGMA * size, age_s);
        self.width.update(x.extent, doubt * x.doubt * extent_sigma(x.extent), age_s);
        self.height.update(y.extent, doubt * y.doubt * extent_sigma(y.extent), age_s);
        for (extent, cut) in [(&mut self.width, cuts.x), (&mut self.height, cuts.y)] {
            extent.value = extent.value.max(1.0);
            if cut.any() {
                // Nobody sees it grow; a rate that nothing corrects would run away.
                extent.rate = 0.0;
            }
        }
    }

    /// No detection: only the growth that width and height agree on goes on, because what was last seen narrowing was
    /// often half hidden.
    pub(super) fn coast(&mut self) {
        let growth = self.growth_rate();
        self.width.rate = growth * self.width.value;
        self.height.rate = growth * self.height.value;
    }

    /// Share of its size by which the box grows per second: what width and height agree on, else 0.
    fn growth_rate(&self) -> f64 {
        let of = |extent: &Axis| extent.rate / extent.value.max(1.0);
        let (w, h) = (of(&self.width), of(&self.height));
        if w * h > 0.0 { w.signum() * w.abs().min(h.abs()) } else { 0.0 }
    }

    /// Centre, px.
    pub(super) fn centre(&self) -> (f64, f64) {
        (self.cx.value, self.cy.value)
    }

    /// Moves the centre: the camera turned.
    pub(super) fn move_centre_to(&mut self, cx: f64, cy: f64) {
        self.cx.value = cx;
        self.cy.value = cy;
    }

    /// The box itself.
    pub(super) fn bbox(&self) -> BoxPx {
        let (hw, hh) = (self.width.value / 2.0, self.height.value / 2.0);
        BoxPx {
            x0: (self.cx.value - hw) as f32,
            y0: (self.cy.value - hh) as f32,
            x1: (self.cx.value + hw) as f32,
            y1: (self.cy.value + hh) as f32,
        }
    }

    /// Geometric mean of width and height, px.
    pub(super) fn size(&self) -> f64 {
        size_of(self.width.value, self.height.value)
    }

    /// Larger standard deviation of the two centre coordinates, px.
    pub(super) fn centre_sigma(&self) -> f64 {
        self.cx.var_value.max(self.cy.var_value).max(0.0).sqrt()
    }

    pub(super) fn growth(&self) -> BoxGrowth {
        BoxGrowth {
            height_px: self.height.value,
            rate_px_s: self.height.rate,
            var_height: self.height.var_value,
            covariance: self.height.covariance,
            var_rate: self.height.var_rate,
        }
    }
}

/// A measured box along one axis.
struct Span {
    centre: f64,
    extent: f64,
    /// Factor on the sigma of the extent.
    doubt: f64,
}

impl Span {
    /// The span from `low` to `high` as the object's own, of which picture edges may cut one end or both.
    fn of(low: f64, high: f64, cut: CutEnds, centre: &Axis, expected: &Axis) -> Self {
        if !cut.any() {
            return Self::uncovered(low, high, centre, expected);
        }
        let seen = high - low;
        if seen >= expected.value || cut == (CutEnds { low: true, high: true }) {
            // At least this long; how much more of it there is, nobody sees.
            return Self { centre: (low + high) / 2.0, extent: seen.max(expected.value), doubt: 1.0 };
        }
        let half = expected.value / 2.0;
        let whole_centre = if cut.high { low + half } else { high - half };
        Self { centre: whole_centre, extent: expected.value, doubt: COVERED_DOUBT }
    }

    /// The span from `low` to `high`; where it looks as if something covered the object from one side, the centre is
    /// where it would be if the expected extent began at the edge that is still in its place. Otherwise an object that
    /// walks behind another would seem to stop at its edge, and be sought there afterwards.
    fn uncovered(low: f64, high: f64, centre: &Axis, expected: &Axis) -> Self {
        let extent = high - low;
        let (off_low, off_high) =
            (low - (centre.value - expected.value / 2.0), high - (centre.value + expected.value / 2.0));
        let (kept, moved) = (off_low.abs().min(off_high.abs()), off_low.abs().max(off_high.abs()));
        let covered = expected.value - extent > COVERED_SHARE * expected.value && kept < EDGE_KEPT_SHARE * moved;
        if !covered {
            return Self { centre: (low + high) / 2.0, extent, doubt: 1.0 };
        }
        let half = expected.value / 2.0;
        let whole_centre = if off_low.abs() < off_high.abs() { low + half } else { high - half };
        Self { centre: whole_centre, extent, doubt: COVERED_DOUBT }
    }
}

fn centre_extent(b: &BoxPx) -> (f64, f64, f64, f64) {
    let (x0, y0, x1, y1) = (f64::from(b.x0), f64::from(b.y0), f64::from(b.x1), f64::from(b.y1));
    ((x0 + x1) / 2.0, (y0 + y1) / 2.0, x1 - x0, y1 - y0)
}

fn size_of(w: f64, h: f64) -> f64 {
    (w * h).max(0.0).sqrt().max(SIZE_MIN_PX)
}

fn extent_sigma(extent: f64) -> f64 {
    EXTENT_SIGMA * extent.max(SIZE_MIN_PX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn box_at(cx: f32, w: f32) -> BoxPx {
        BoxPx { x0: cx - w / 2.0, y0: 0.0, x1: cx + w / 2.0, y1: 2.0 * w }
    }

    /// What a camera of focal length 700 px sees of a thing 1.5 m wide, 2 m off its axis and `z` metres away.
    fn seen_at(z: f64) -> BoxPx {
        box_at((700.0 * 2.0 / z) as f32, (700.0 * 1.5 / z) as f32)
    }

    #[test]
    fn foresees_what_comes_nearer_at_any_frame_rate() {
        for fps in [30.0, 10.0, 5.0] {
            let mut f = BoxFilter::new(&seen_at(30.0));
            for k in 1..=(2.0 * fps) as u32 {
                f.predict(1.0 / fps);
                f.update(&seen_at(30.0 - 8.0 * f64::from(k) / fps), Cuts::default(), 0.9, 0.0);
            }
            let growth = 8.0 / 14.0;
            assert!((f.growth_rate() - growth).abs() < 0.1 * growth, "{fps} fps: {}", f.growth_rate());
            assert!(f.cx.var_value > 0.0 && f.cx.var_value * f.cx.var_rate > f.cx.covariance * f.cx.covariance);
            for _ in 0..(0.5 * fps) as u32 {
                f.coast();
                f.predict(1.0 / fps);
            }
            let coasted = (0.5 * fps).floor() / fps;
            let iou = f.bbox().iou(&seen_at(14.0 - 8.0 * coasted));
            assert!(iou > 0.8, "{fps} fps: overlap {iou} after half a second unseen");
        }
    }

    #[test]
    fn a_late_measurement_is_understood_as_older() {
        let mut f = BoxFilter::new(&box_at(0.0, 40.0));
        for _ in 0..30 {
            f.predict(0.1);
            let now = f.cx.value;
            f.update(&box_at((now - 0.05 * f.cx.rate) as f32, 40.0), Cuts::default(), 0.9, 0.05);
            assert!((f.cx.value - now).abs() < 1e-3);
        }
    }
}
