//! Position and velocity of one object: a constant-velocity Kalman filter in metres.
//!
//! Kept in the ground frame (`Odom`) where ego motion is known, else in the vehicle frame; which of the two is the
//! tracker's to know, and [`MotionFilter::become_ground`], [`MotionFilter::become_relative`] and [`MotionFilter::transform`]
//! carry a state across. The 6x6 covariance is held as three 3x3 blocks (position, position-velocity, velocity), which
//! keeps it symmetric and the arithmetic small.

use nalgebra::{Cholesky, Const, Isometry3, Matrix3, Rotation3, Vector3};

use super::ego::VehicleTwist;
use crate::report::DistanceSource;

/// A measurement is refused beyond this squared Mahalanobis distance: the 0.999 quantile of chi-square with 3 degrees
/// of freedom.
pub(super) const GATE_D2: f64 = 16.27;
/// So many refusals in a row mean that the filter is wrong and not the measurements.
const REFUSALS_BEFORE_RESET: u32 = 3;
/// No measurement is better than 1 cm: the floor of its variance, m^2.
const VARIANCE_MIN: f64 = 1e-4;
/// Horizontal speed before it was measured: over ground within three sigmas of oncoming traffic, m/s.
const SPEED_SIGMA_GROUND: f64 = 10.0;
/// The same relative to a vehicle that moves.
const SPEED_SIGMA_RELATIVE: f64 = 15.0;
/// Vertical speed before it was measured, m/s: nothing on a road flies.
const SPEED_SIGMA_VERTICAL: f64 = 1.0;
/// Vertical acceleration noise as a share of horizontal.
const VERTICAL_ACCEL_SHARE: f64 = 0.3;
/// Weight of the newest innovation in their running mean.
const DRIFT_WEIGHT: f64 = 0.4;
/// Expected squared length of that mean while the model holds: 3 axes of variance w / (2 - w).
const DRIFT_EXPECTED: f64 = 3.0 * DRIFT_WEIGHT / (2.0 - DRIFT_WEIGHT);
/// The mean is taken for a manoeuvre when its squared length is so many times the expected (exceeded by chance in one
/// frame of 17); process noise then grows in proportion.
const DRIFT_TOLERATED: f64 = 2.5;
/// As hard as anything on a road brakes or swerves, m/s^2: the second measurement beyond the gate is taken in if that
/// explains it.
const MANOEUVRE_MPS2: f64 = 10.0;
/// Most that a single innovation counts in that mean, sigmas.
const DRIFT_SIGMAS_MAX: f64 = 6.0;
/// Most that process noise is raised, in sigma.
const MANOEUVRE_NOISE_MAX: f64 = 8.0;
/// How far the point where the picture's edge meets an object may lie from where its surface was measured before: a
/// third of a car's length, metres.
const SLIDING_SIGMA_M: f64 = 1.5;
/// For how long it slides the same way, seconds: a car of 4.5 m leaves the picture at 30 km/h in about that time.
const SLIDING_LASTS_S: f64 = 0.5;
/// A measurement that changes the horizontal speed by more than this is believed once the next one agrees, m/s: harder than
/// anything brakes between two sweeps, and what one measurement of something else would do.
const JUMP_MPS: f64 = 3.0;
/// Two measurements closer in time than this are one and the same, seconds.
const SAME_TIME_S: f64 = 1e-4;

/// Which frame a state is kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeptIn {
    /// Over ground.
    Ground,
    /// Relative to the vehicle, in its axes.
    Vehicle,
}

/// What became of an observation's position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PositionUse {
    /// The observation had none, or one that is not finite or whose covariance is none.
    #[default]
    Absent,
    /// It began the 3D state, or began it anew after repeated refusals.
    Began,
    /// It was taken in.
    Used,
    /// It is no newer than what was already taken in (the same sweep under a later picture).
    NotNew,
    /// It lies beyond the gate and was left out.
    Refused,
}

/// A position in the frame the state is kept in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Measured {
    pub(super) xyz: Vector3<f64>,
    pub(super) covariance: Matrix3<f64>,
    /// Trace of the covariance.
    pub(super) trace: f64,
    pub(super) source: DistanceSource,
    pub(super) age_s: f64,
    /// For how long its error stays the same, seconds.
    lasts_s: f64,
}

impl Measured {
    /// With the floor on its variance; `None` where a number is not finite or the covariance not positive.
    pub(super) fn checked(
        xyz: Vector3<f64>,
        covariance: Matrix3<f64>,
        source: DistanceSource,
        age_s: f64,
    ) -> Option<Self> {
        let covariance = (covariance + covariance.transpose()) * 0.5 + Matrix3::identity() * VARIANCE_MIN;
        let finite = xyz.iter().chain(covariance.iter()).all(|v| v.is_finite()) && age_s.is_finite();
        (finite && Cholesky::new(covariance).is_some()).then_some(Self {
            xyz,
            covariance,
            trace: covariance.trace(),
            source,
            age_s: age_s.max(0.0),
            lasts_s: error_lasts_s(source),
        })
    }

    /// The same point, known to slide along the object's surface: what is seen of it ends at the picture's edge.
    pub(super) fn sliding(mut self) -> Self {
        self.covariance += Matrix3::identity() * (SLIDING_SIGMA_M * SLIDING_SIGMA_M);
        self.trace = self.covariance.trace();
        self.lasts_s = self.lasts_s.max(SLIDING_LASTS_S);
        self
    }
}

/// For how long the error of a source stays the same, seconds. Frames within that time tell little new, so their
/// variance is raised in proportion: otherwise more frames per second would feign more knowledge.
fn error_lasts_s(source: DistanceSource) -> f64 {
    match source {
        DistanceSource::Lidar => 0.0,
        DistanceSource::DepthScaled | DistanceSource::DepthMetric => 0.3,
        DistanceSource::GroundPlane | DistanceSource::SizePrior => 0.5,
    }
}

/// A measurement's difference from what is expected, the Cholesky factor of its covariance, and it in sigmas.
struct Innovation {
    nu: Vector3<f64>,
    factor: Cholesky<f64, Const<3>>,
    white: Vector3<f64>,
}

/// The 3D state of one track.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct MotionFilter {
    pub(super) position: Vector3<f64>,
    pub(super) velocity: Vector3<f64>,
    /// Covariance of the position.
    pub(super) pp: Matrix3<f64>,
    /// Covariance of position (rows) with velocity (columns).
    pub(super) pv: Matrix3<f64>,
    /// Covariance of the velocity.
    pub(super) vv: Matrix3<f64>,
    /// Measurements taken in since the state began.
    pub(super) updates: u32,
    /// Source of the newest measurement.
    pub(super) source: DistanceSource,
    /// Seconds since the newest measurement was made.
    pub(super) since_measured_s: f64,
    /// Whether the newest measurement left the velocity about what it was.
    pub(super) settled: bool,
    /// What the errors of the sources, which do not average out, may have moved the position by: a factor L of its covariance L L^T.
    bias: Matrix3<f64>,
    refusals: u32,
    /// Running mean of whitened innovations: near zero while the velocity is constant, off it in a manoeuvre.
    drift: Vector3<f64>,
    /// Process noise in calm, and as last applied.
    accel_noise: f64,
    noise: f64,
}

impl MotionFilter {
    pub(super) fn new(m: &Measured, kept_in: KeptIn) -> Self {
        Self {
            position: m.xyz,
            velocity: Vector3::zeros(),
            pp: m.covariance,
            pv: Matrix3::zeros(),
            vv: unknown_velocity(kept_in),
            updates: 1,
            source: m.source,
            since_measured_s: m.age_s,
            settled: true,
            bias: factor_of(m.covariance),
            refusals: 0,
            drift: Vector3::zeros(),
            accel_noise: 0.0,
            noise: 0.0,
        }
    }

    /// Moves the state on by `dt` seconds under white acceleration of `accel_noise` m/s per sqrt(s), raised in a
    /// manoeuvre.
    pub(super) fn predict(&mut self, dt: f64, accel_noise: f64) {
        self.position += self.velocity * dt;
        self.pp += (self.pv + self.pv.transpose()) * dt + self.vv * (dt * dt);
        self.pv += self.vv * dt;
        self.noise = accel_noise * self.manoeuvre_factor();
        self.accel_noise = accel_noise;
        self.add_noise(dt, self.noise * self.noise);
        self.since_measured_s += dt;
    }

    /// How much more process noise there is than in calm, in sigma: 1 unless the innovations have drifted off zero.
    fn manoeuvre_factor(&self) -> f64 {
        let drift = self.drift.norm_squared() / DRIFT_EXPECTED;
        (drift / DRIFT_TOLERATED).clamp(1.0, MANOEUVRE_NOISE_MAX)
    }

    /// White acceleration of spectral density `q` over `dt` seconds.
    fn add_noise(&mut self, dt: f64, q: f64) {
        let density = Vector3::new(q, q, q * VERTICAL_ACCEL_SHARE * VERTICAL_ACCEL_SHARE);
        for (i, d) in density.iter().enumerate() {
            self.pp[(i, i)] += d * dt * dt * dt / 3.0;
            self.pv[(i, i)] += d * dt * dt / 2.0;
            self.vv[(i, i)] += d * dt;
        }
    }

    /// Difference of `m` from what is expected at its time, and its covariance.
    fn innovation(&self, m: &Measured) -> (Vector3<f64>, Matrix3<f64>) {
        let a = m.age_s;
        let nu = m.xyz - (self.position - self.velocity * a);
        (nu, self.pp - (self.pv + self.pv.transpose()) * a + self.vv * (a * a) + m.covariance)
    }

    /// Plain (metres) and squared Mahalanobis distance of `m`; the latter infinite where its covariance is singular.
    pub(super) fn distance(&self, m: &Measured) -> (f64, f64) {
        let (nu, s) = self.innovation(m);
        (nu.norm(), Cholesky::new(s).map_or(f64::INFINITY, |l| nu.dot(&l.solve(&nu))))
    }

    /// Takes in a measurement, unless it is no newer than the last or lies beyond the gate.
    pub(super) fn update(&mut self, m: &Measured, kept_in: KeptIn) -> PositionUse {
        let newer_by = self.since_measured_s - m.age_s;
        if newer_by < SAME_TIME_S && m.source == self.source {
            return PositionUse::NotNew;
        }
        let mut m = *m;
        m.covariance *= (m.lasts_s / newer_by.max(SAME_TIME_S)).max(1.0);
        if m.source != self.source {
            // The new source does not share what the old ones' biases did to the state; its own is in its covariance.
            self.pp += self.bias * self.bias.transpose();
        }
        let Some(Innovation { white, .. }) = self.whitened(&m) else { return self.refuse(&m, kept_in) };
        // What is refused is noted too: hard braking must not pass for a wrong measurement for long.
        self.drift += (white.cap_magnitude(DRIFT_SIGMAS_MAX) - self.drift) * DRIFT_WEIGHT;
        // The noise that this innovation shows to be missing was missing since the last measurement already.
        let noise = self.accel_noise * self.manoeuvre_factor();
        self.add_noise(newer_by.max(0.0), (noise * noise - self.noise * self.noise).max(0.0));
        if self.take_within_gate(&m) {
            return PositionUse::Used;
        }
        let usual = *self;
        self.allow_manoeuvre(newer_by);
        if self.refusals > 0 && self.take_within_gate(&m) {
            return PositionUse::Used;
        }
        *self = usual;
        self.refuse(&m, kept_in)
    }

    /// Takes in `m` if it lies within the gate; whether it does.
    fn take_within_gate(&mut self, m: &Measured) -> bool {
        let Some(innovation) = self.whitened(m) else { return false };
        let within = innovation.white.norm_squared() <= GATE_D2;
        if within {
            self.take(m, &innovation.factor, &innovation.nu);
            self.measured_by(m);
        }
        within
    }

    /// The innovation of `m`; `None` where its covariance is singular or a number is not finite.
    fn whitened(&self, m: &Measured) -> Option<Innovation> {
        let (nu, s) = self.innovation(m);
        let factor = Cholesky::new(s)?;
        let white = factor.l_dirty().solve_lower_triangular(&nu)?;
        white.norm_squared().is_finite().then_some(Innovation { nu, factor, white })
    }

    /// Loosens the state as if for the last `dt` seconds the object had braked or swerved as hard as it may.
    fn allow_manoeuvre(&mut self, dt: f64) {
        let (dp, dv) = (0.5 * MANOEUVRE_MPS2 * dt * dt, MANOEUVRE_MPS2 * dt);
        for i in 0..2 {
            self.pp[(i, i)] += dp * dp;
            self.pv[(i, i)] += dp * dv;
            self.vv[(i, i)] += dv * dv;
        }
    }

    /// The Kalman update proper: with S = L*L^T and W = P*H^T*L^-T it is P - W*W^T, symmetric by construction.
    fn take(&mut self, m: &Measured, factor: &Cholesky<f64, Const<3>>, nu: &Vector3<f64>) {
        let position_gain = self.pp - self.pv * m.age_s;
        let velocity_gain = self.pv.transpose() - self.vv * m.age_s;
        let weighted = factor.solve(nu);
        self.position += position_gain * weighted;
        // The state's error follows the measurements' by the Kalman gain: one source errs the same each time, another by itself.
        let gain = factor.solve(&position_gain.transpose()).transpose();
        let (kept, brought) = ((Matrix3::identity() - gain) * self.bias, gain * factor_of(m.covariance));
        let apart = || factor_of(kept * kept.transpose() + brought * brought.transpose());
        self.bias = if m.source == self.source { kept + brought } else { apart() };
        let change = velocity_gain * weighted;
        self.velocity += change;
        self.settled = change.xy().norm() <= JUMP_MPS;
        let l = factor.l();
        let solve = |gain: &Matrix3<f64>| l.solve_lower_triangular(&gain.transpose()).map(|w| w.transpose());
        if let (Some(wp), Some(wv)) = (solve(&position_gain), solve(&velocity_gain)) {
            self.pp -= wp * wp.transpose();
            self.pv -= wp * wv.transpose();
            self.vv -= wv * wv.transpose();
        }
    }

    fn measured_by(&mut self, m: &Measured) {
        self.source = m.source;
        self.since_measured_s = m.age_s;
        self.refusals = 0;
        self.updates = self.updates.saturating_add(1);
    }

    /// Leaves a measurement out; after several in a row the state begins anew at it.
    fn refuse(&mut self, m: &Measured, kept_in: KeptIn) -> PositionUse {
        self.refusals += 1;
        if self.refusals < REFUSALS_BEFORE_RESET {
            return PositionUse::Refused;
        }
        // A velocity that one measurement made, or that nothing since the last beginning agreed with, is part of what is wrong.
        let known = self.settled && self.updates > 1;
        let began = Self::new(m, kept_in);
        *self = if known { Self { velocity: self.velocity, ..began } } else { began };
        PositionUse::Began
    }

    /// Largest standard deviation of the velocity over all horizontal directions, m/s.
    pub(super) fn horizontal_speed_sigma(&self) -> f64 {
        let (a, b, c) = (self.vv[(0, 0)], self.vv[(0, 1)], self.vv[(1, 1)]);
        let spread = (((a - c) / 2.0).powi(2) + b * b).sqrt();
        ((a + c) / 2.0 + spread).max(0.0).sqrt()
    }

    /// Carries the state to another frame that stands still relative to the first: coordinates `new_from_old`.
    pub(super) fn transform(&mut self, new_from_old: &Isometry3<f64>) {
        let r = rotation_of(new_from_old);
        self.position = r * self.position + new_from_old.translation.vector;
        self.velocity = r * self.velocity;
        for block in [&mut self.pp, &mut self.pv, &mut self.vv] {
            *block = r * *block * r.transpose();
        }
        self.bias = r * self.bias * r.transpose();
        self.symmetrise();
    }

    /// From ground coordinates to vehicle coordinates, and from velocity over ground to the rate at which those
    /// coordinates change: v_rel = R^T*v - v_ego - omega x p.
    pub(super) fn become_relative(&mut self, odom_from_vehicle: &Isometry3<f64>, twist: &VehicleTwist) {
        self.transform(&odom_from_vehicle.inverse());
        self.subtract_frame_velocity(twist);
    }

    /// In vehicle coordinates: from velocity over ground to the relative one.
    pub(super) fn subtract_frame_velocity(&mut self, twist: &VehicleTwist) {
        self.add_frame_velocity(twist, -1.0);
    }

    /// The way back: v = R*(v_rel + v_ego + omega x p).
    pub(super) fn become_ground(&mut self, odom_from_vehicle: &Isometry3<f64>, twist: &VehicleTwist) {
        self.add_frame_velocity(twist, 1.0);
        self.transform(odom_from_vehicle);
    }

    /// Adds `sign` times the velocity that the moving vehicle frame gives a point fixed in it.
    fn add_frame_velocity(&mut self, twist: &VehicleTwist, sign: f64) {
        let w = twist.angular_radps.cross_matrix() * sign;
        self.velocity += twist.linear_mps * sign + w * self.position;
        // With v' = v + W*p: cov(p, v') = pv + pp*W^T, cov(v') = vv + W*pv + (W*pv)^T + W*pp*W^T.
        let turned = w * self.pv;
        self.vv += turned + turned.transpose() + w * self.pp * w.transpose();
        self.pv += self.pp * w.transpose();
        self.symmetrise();
    }

    /// Forgets the velocity.
    pub(super) fn forget_velocity(&mut self, kept_in: KeptIn) {
        self.velocity = Vector3::zeros();
        self.pv = Matrix3::zeros();
        self.vv = unknown_velocity(kept_in);
        self.updates = 1;
    }

    fn symmetrise(&mut self) {
        self.pp = (self.pp + self.pp.transpose()) * 0.5;
        self.vv = (self.vv + self.vv.transpose()) * 0.5;
    }
}

/// A factor L of a covariance L L^T; nothing of one that is none.
fn factor_of(covariance: Matrix3<f64>) -> Matrix3<f64> {
    Cholesky::new(covariance).map_or_else(Matrix3::zeros, |c| c.l())
}

fn rotation_of(iso: &Isometry3<f64>) -> Matrix3<f64> {
    Rotation3::from(iso.rotation).into_inner()
}

fn unknown_velocity(kept_in: KeptIn) -> Matrix3<f64> {
    let horizontal = match kept_in {
        KeptIn::Ground => SPEED_SIGMA_GROUND,
        KeptIn::Vehicle => SPEED_SIGMA_RELATIVE,
    };
    let h = horizontal * horizontal;
    Matrix3::from_diagonal(&Vector3::new(h, h, SPEED_SIGMA_VERTICAL * SPEED_SIGMA_VERTICAL))
}
