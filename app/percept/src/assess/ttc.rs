//! Time to collision from range and closing speed, or from the growth of a box, each with its uncertainty.
//!
//! With a range r and a closing speed c that are jointly Gaussian, the collision lies less than b seconds away when
//! r - b*c < 0, and r - b*c is Gaussian for every b. So the probability is exact, and the interval is where it crosses
//! its levels (Fieller's theorem): no ratio of Gaussians is approximated. A time exists only where the closing speed is
//! significantly above zero; what recedes, stands, or is not known well enough has none. Constant velocity is assumed.

use nalgebra::Vector3;

use crate::detection::BoxPx;
use crate::track::{BoxGrowth, Kinematics};

/// What counts as a collision, and how sure it must be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TtcConfig {
    /// Range from the vehicle's origin at which contact happens, metres: 0 where its outline is not known.
    pub contact_range_m: f64,
    /// The closing speed must exceed zero by this many of its sigmas; the interval is as wide. 1.645: 95 % one-sided,
    /// an interval of 90 %.
    pub significance_sigmas: f64,
    /// Slower closing is none, m/s: a parked car's position wanders by centimetres a second.
    pub closing_min_mps: f64,
    /// Times beyond this are not given, seconds: constant velocity says nothing of them.
    pub ttc_max_s: f64,
}

impl Default for TtcConfig {
    fn default() -> Self {
        Self { contact_range_m: 0.0, significance_sigmas: 1.645, closing_min_mps: 0.2, ttc_max_s: 30.0 }
    }
}

/// How far something is and how fast that shrinks: metres and m/s, or pixels and pixels per second of a box, whose
/// quotient is a time all the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClosingMotion {
    /// Range left.
    pub range: f64,
    /// Closing speed, positive where the range shrinks (or the box grows).
    pub closing: f64,
    /// Variance of the range.
    pub var_range: f64,
    /// Covariance of range and closing speed.
    pub covariance: f64,
    /// Variance of the closing speed.
    pub var_closing: f64,
}

/// When a collision is due if both go on as they do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimeToCollision {
    /// Range over closing speed, seconds; 0 where contact range is reached already.
    pub ttc_s: f64,
    /// Its standard deviation to first order, seconds.
    pub sigma_s: f64,
    /// Lower end of the interval, seconds, never below 0.
    pub low_s: f64,
    /// Upper end, seconds.
    pub high_s: f64,
    /// What it rests on.
    pub motion: ClosingMotion,
}

impl ClosingMotion {
    /// Along the line from the vehicle's origin to the object; `None` where the velocity is not known, the object is at
    /// the origin, or a number is not finite.
    ///
    /// With u = p/|p|: range |p|, closing speed -u.v; their covariance to first order, the closing speed's change with
    /// the direction of p included.
    pub fn from_kinematics(object: &Kinematics, contact_range_m: f64) -> Option<Self> {
        let velocity = object.velocity?;
        let range = object.position.range_m();
        if range.is_nan() || range <= 0.0 {
            return None;
        }
        let u: Vector3<f64> = object.position.xyz / range;
        let along = u.dot(&velocity.mps);
        // Gradients: of the range u; of the closing speed by p and by v.
        let by_p = -(velocity.mps - u * along) / range;
        let by_v = -u;
        let (pp, pv, vv) = (&object.position_covariance, &velocity.cross_covariance, &velocity.covariance);
        let motion = Self {
            range: (range - contact_range_m).max(0.0),
            closing: -along,
            var_range: u.dot(&(pp * u)),
            covariance: u.dot(&(pp * by_p + pv * by_v)),
            var_closing: by_p.dot(&(pp * by_p)) + 2.0 * by_p.dot(&(pv * by_v)) + by_v.dot(&(vv * by_v)),
        };
        motion.is_valid().then_some(motion)
    }

    /// Of a growing box: its height over the rate of it. `None` where the box touches the border of the picture
    /// (`image_size`, columns and rows), so that it is cut and does not grow as the object does.
    pub fn from_growth(growth: &BoxGrowth, bbox: &BoxPx, image_size: (u32, u32)) -> Option<Self> {
        let (columns, rows) = (image_size.0 as f32, image_size.1 as f32);
        let inside =
            bbox.x0 > BORDER_PX && bbox.y0 > BORDER_PX && bbox.x1 < columns - BORDER_PX && bbox.y1 < rows - BORDER_PX;
        let motion = Self {
            range: growth.height_px,
            closing: growth.rate_px_s,
            var_range: growth.var_height,
            covariance: growth.covariance,
            var_closing: growth.var_rate,
        };
        (inside && motion.is_valid()).then_some(motion)
    }

    fn is_valid(&self) -> bool {
        let numbers = [self.range, self.closing, self.covariance, self.var_range, self.var_closing];
        numbers.iter().all(|v| v.is_finite()) && self.var_range >= 0.0 && self.var_closing >= 0.0
    }

    /// The probability that contact is less than `bound_s` away, 0 to 1. Defined for what recedes too (small there).
    pub fn probability_within(&self, bound_s: f64) -> f64 {
        self.probability_of_way(bound_s, 0.0)
    }

    /// The probability that `bound_s` at the closing speed, and `more` of way beside, use up the range.
    pub(super) fn probability_of_way(&self, bound_s: f64, more: f64) -> f64 {
        let margin = bound_s * self.closing + more - self.range;
        let variance = self.var_range - 2.0 * bound_s * self.covariance + bound_s * bound_s * self.var_closing;
        if variance > 0.0 { normal_cdf(margin / variance.sqrt()) } else { f64::from(u8::from(margin > 0.0)) }
    }
}

/// A box this near to the border counts as cut by it, px: detectors round and clip.
const BORDER_PX: f32 = 2.0;

/// Time to collision of `motion`; `None` where it does not close significantly or the time is beyond what is given.
/// `closing_min` is in the motion's own unit.
pub fn time_to_collision(motion: &ClosingMotion, closing_min: f64, config: &TtcConfig) -> Option<TimeToCollision> {
    let (r, c) = (motion.range, motion.closing);
    let z2 = config.significance_sigmas * config.significance_sigmas;
    // Fieller: (r - b*c)^2 = z^2 * var(r - b*c) is a quadratic in b with this leading coefficient, which is positive
    // just where the closing speed is significant.
    let leading = c * c - z2 * motion.var_closing;
    if !motion.is_valid() || c <= closing_min.max(0.0) || leading <= 0.0 {
        return None;
    }
    let ttc_s = r / c;
    if ttc_s > config.ttc_max_s {
        return None;
    }
    let half_linear = r * c - z2 * motion.covariance;
    let constant = r * r - z2 * motion.var_range;
    let root = (half_linear * half_linear - leading * constant).max(0.0).sqrt();
    let variance = motion.var_range - 2.0 * ttc_s * motion.covariance + ttc_s * ttc_s * motion.var_closing;
    Some(TimeToCollision {
        ttc_s,
        sigma_s: variance.max(0.0).sqrt() / c,
        low_s: ((half_linear - root) / leading).clamp(0.0, ttc_s),
        high_s: ((half_linear + root) / leading).max(ttc_s),
        motion: *motion,
    })
}

/// Time to collision of a tracked object with the vehicle, along the line between them.
pub fn ttc_from_kinematics(object: &Kinematics, config: &TtcConfig) -> Option<TimeToCollision> {
    let motion = ClosingMotion::from_kinematics(object, config.contact_range_m)?;
    time_to_collision(&motion, config.closing_min_mps, config)
}

/// Time to collision with the camera from the growth of a box, where there is no range. Needs a box wholly in the
/// picture; see [`ClosingMotion::from_growth`].
pub fn ttc_from_growth(
    growth: &BoxGrowth,
    bbox: &BoxPx,
    image_size: (u32, u32),
    config: &TtcConfig,
) -> Option<TimeToCollision> {
    time_to_collision(&ClosingMotion::from_growth(growth, bbox, image_size)?, 0.0, config)
}

/// The standard normal distribution function: Abramowitz and Stegun 7.1.26 for erf, error below 1.5e-7.
pub(super) fn normal_cdf(x: f64) -> f64 {
    let a = x.abs() * std::f64::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * a);
    let poly =
        t * (0.254_829_592 + t * (-0.284_496_736 + t * (1.421_413_741 + t * (-1.453_152_027 + t * 1.061_405_429))));
    let upper = 0.5 * poly * (-a * a).exp();
    if x >= 0.0 { 1.0 - upper } else { upper }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn motion(range: f64, closing: f64, sr: f64, sc: f64) -> ClosingMotion {
        ClosingMotion { range, closing, var_range: sr * sr, covariance: 0.0, var_closing: sc * sc }
    }

    #[test]
    fn the_interval_is_where_the_probability_crosses_its_levels() {
        let config = TtcConfig::default();
        for m in [motion(20.0, 10.0, 0.1, 0.5), motion(8.0, 2.0, 0.5, 0.8), motion(40.0, 5.0, 2.0, 1.0)] {
            let t = time_to_collision(&m, 0.2, &config).unwrap();
            assert!((t.ttc_s - m.range / m.closing).abs() < 1e-12);
            assert!((m.probability_within(t.low_s) - 0.05).abs() < 1e-4, "{}", m.probability_within(t.low_s));
            assert!((m.probability_within(t.ttc_s) - 0.5).abs() < 1e-6);
            assert!((m.probability_within(t.high_s) - 0.95).abs() < 1e-4);
            assert!(t.low_s < t.ttc_s && t.ttc_s < t.high_s && t.sigma_s > 0.0);
        }
    }

    #[test]
    fn nothing_for_what_recedes_stands_is_unsure_or_is_no_number() {
        let config = TtcConfig::default();
        let none = |m: ClosingMotion| time_to_collision(&m, 0.2, &config).is_none();
        assert!(none(motion(20.0, -3.0, 0.1, 0.1)));
        assert!(none(motion(20.0, 0.0, 0.1, 0.0)));
        assert!(none(motion(20.0, 1.0, 0.1, 0.8)));
        assert!(none(motion(20.0, 0.1, 0.1, 0.01)));
        assert!(none(motion(500.0, 10.0, 0.1, 0.01)));
        assert!(none(motion(f64::NAN, 10.0, 0.1, 0.01)));
        assert!(none(motion(20.0, 10.0, 0.1, f64::NAN)));
        assert!(!none(motion(20.0, 10.0, 0.1, 0.5)));
    }

    #[test]
    fn contact_reached_is_zero_and_certain() {
        let t = time_to_collision(&motion(0.0, 3.0, 0.1, 0.2), 0.2, &TtcConfig::default()).unwrap();
        assert_eq!((t.ttc_s, t.low_s), (0.0, 0.0));
    }

    #[test]
    fn a_box_cut_by_the_border_says_nothing() {
        let growth = BoxGrowth { height_px: 100.0, rate_px_s: 50.0, var_height: 4.0, covariance: 1.0, var_rate: 25.0 };
        let inside = BoxPx { x0: 100.0, y0: 100.0, x1: 150.0, y1: 200.0 };
        let cut = BoxPx { y1: 479.5, ..inside };
        let config = TtcConfig::default();
        let t = ttc_from_growth(&growth, &inside, (640, 480), &config).unwrap();
        assert_eq!(t.ttc_s, 2.0);
        assert!(ttc_from_growth(&growth, &cut, (640, 480), &config).is_none());
    }

    #[test]
    fn the_normal_distribution_is_the_table_s() {
        for (x, p) in [(0.0, 0.5), (1.0, 0.841_344_7), (-1.0, 0.158_655_3), (1.644_853_6, 0.95), (-3.0, 0.001_349_9)] {
            assert!((normal_cdf(x) - p).abs() < 2e-7, "{x}: {}", normal_cdf(x));
        }
    }
}
