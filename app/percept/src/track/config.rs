//! What a tracker can be told. Everything finer is a named constant beside the code that uses it.

/// Settings of one [`Tracker`](super::Tracker). Times are seconds of sensor time, so that the same settings serve any
/// frame rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrackerConfig {
    /// Observations at or above this score are associated first (ByteTrack's high threshold).
    pub high_score: f32,
    /// Observations below this score are ignored; whatever else is said of them.
    pub low_score: f32,
    /// Observations a track needs before it counts as confirmed.
    pub confirm_hits: u32,
    /// How long a confirmed track is kept unseen. Half a second of occlusion at 5 fps with two dropped frames on either
    /// side is 1.3 s.
    pub lost_max_s: f64,
    /// How long a tentative track is kept unseen.
    pub tentative_max_s: f64,
    /// A gap between frames longer than this ends every track: nothing can be said of who is who.
    pub gap_reset_s: f64,
    /// Most tracks held at once; beyond it the longest unseen are dropped first.
    pub max_tracks: usize,
    /// Square root of the acceleration noise's spectral density over ground, m/s per sqrt(s): how much a velocity may
    /// change in a second while nothing happens. A manoeuvre is recognised and raises it by itself.
    pub accel_noise_ground: f64,
    /// The same in the vehicle's frame where ego motion is not known: the vehicle's own braking and turning come on top.
    pub accel_noise_relative: f64,
    /// Velocity is given once its largest horizontal standard deviation is below this, m/s.
    pub velocity_sigma_shown_mps: f64,
    /// Velocity is withdrawn again above this, m/s: more than shown, so that it does not flicker.
    pub velocity_sigma_hidden_mps: f64,
    /// A 3D state not measured for longer than this is dropped.
    pub position_coast_s: f64,
}

impl Default for TrackerConfig {
    fn default() -> Self {
        Self {
            high_score: 0.5,
            low_score: 0.1,
            confirm_hits: 3,
            lost_max_s: 1.5,
            tentative_max_s: 0.25,
            gap_reset_s: 3.0,
            max_tracks: 512,
            accel_noise_ground: 0.35,
            accel_noise_relative: 1.0,
            velocity_sigma_shown_mps: 1.5,
            velocity_sigma_hidden_mps: 2.5,
            position_coast_s: 1.5,
        }
    }
}
