//! Four corruptions of LiDAR sweeps after nuScenes-C and Robo3D (Kong et al. 2023).
//!
//! Points keep their order; points that are lost are removed from every array alike. Points that are not finite pass
//! through untouched.

use ocellus_percept::cloud::Cloud;
use serde::{Deserialize, Serialize};

use super::Severity;
use crate::stats::Rng;

/// A corruption of sweeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CloudCorruption {
    /// Far returns are lost, some beams end in the fog itself, echoes weaken.
    Fog,
    /// Whole beams are missing.
    BeamDrop,
    /// Ranges jitter.
    Noise,
    /// Beams of another LiDAR: returns at random ranges along the beam.
    Crosstalk,
}

impl CloudCorruption {
    /// All four.
    pub const ALL: [Self; 4] = [Self::Fog, Self::BeamDrop, Self::Noise, Self::Crosstalk];

    /// Name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fog => "fog",
            Self::BeamDrop => "beam drop",
            Self::Noise => "noise",
            Self::Crosstalk => "crosstalk",
        }
    }
}

/// Extinction of fog, 1/m: visibilities (3 / extinction) of 300, 100 and 50 m.
const EXTINCTION: [f64; 3] = [0.01, 0.03, 0.06];

/// Share of beams lost.
const BEAMS_LOST: [f64; 3] = [0.25, 0.5, 0.75];

/// Standard deviation of ranges, metres.
const RANGE_SIGMA_M: [f64; 3] = [0.02, 0.06, 0.15];

/// Share of points replaced by crosstalk.
const CROSSTALK: [f64; 3] = [0.01, 0.03, 0.08];

/// A range beyond which no echo comes, metres.
const RANGE_MAX_M: f64 = 120.0;

/// Elevation bins that stand for beams where the sweep names none.
const ELEVATION_BINS: f64 = 64.0;

/// A corrupted copy; the same seed gives the same points.
pub fn corrupt_cloud(cloud: &Cloud, kind: CloudCorruption, severity: Severity, seed: u64) -> Cloud {
    let mut rng = Rng::part(seed, 100 + kind as u64);
    let mut out = Cloud::default();
    let lost_seed = rng.bits();
    for i in 0..cloud.len() {
        let Some(&point) = cloud.xyz.get(i) else { continue };
        let range = range_of(point);
        if !range.is_finite() || range == 0.0 {
            keep(cloud, &mut out, i, point, 1.0);
            continue;
        }
        match kind {
            CloudCorruption::Fog => {
                if let Some((new_range, gain)) = in_fog(range, severity, &mut rng) {
                    keep(cloud, &mut out, i, scaled(point, new_range / range), gain);
                }
            }
            CloudCorruption::BeamDrop => {
                let mut fate = Rng::part(lost_seed, beam_of(cloud, i, point, range));
                if fate.unit() >= severity.of(BEAMS_LOST) {
                    keep(cloud, &mut out, i, point, 1.0);
                }
            }
            CloudCorruption::Noise => {
                let jittered = (range + severity.of(RANGE_SIGMA_M) * rng.normal()).max(0.0);
                keep(cloud, &mut out, i, scaled(point, jittered / range), 1.0);
            }
            CloudCorruption::Crosstalk => {
                let hit = rng.unit() < severity.of(CROSSTALK);
                let new_range = if hit { 1.0 + (RANGE_MAX_M - 1.0) * rng.unit() } else { range };
                keep(cloud, &mut out, i, scaled(point, new_range / range), 1.0);
            }
        }
    }
    out
}

/// Range and gain of an echo in fog; `None` where it is lost.
fn in_fog(range: f64, severity: Severity, rng: &mut Rng) -> Option<(f64, f64)> {
    let extinction = severity.of(EXTINCTION);
    // There and back.
    let survival = libm::exp(-2.0 * extinction * range);
    if rng.unit() < survival {
        return Some((range, survival));
    }
    // A tenth of what is lost comes back from the fog itself, mostly from nearby.
    let near = rng.unit();
    if rng.unit() < 0.1 { Some(((range * near * near).max(0.5).min(range), 0.05)) } else { None }
}

fn range_of([x, y, z]: [f32; 3]) -> f64 {
    let (x, y, z) = (f64::from(x), f64::from(y), f64::from(z));
    libm::sqrt(x * x + y * y + z * z)
}

fn scaled(point: [f32; 3], factor: f64) -> [f32; 3] {
    point.map(|v| (f64::from(v) * factor) as f32)
}

/// The beam a point belongs to: its ring, or its elevation (sine, in 64 bins over +-45 degrees).
fn beam_of(cloud: &Cloud, index: usize, point: [f32; 3], range: f64) -> u64 {
    match cloud.ring.get(index) {
        Some(&ring) => u64::from(ring),
        None => {
            ((f64::from(point[2]) / range / std::f64::consts::SQRT_2 + 0.5).clamp(0.0, 1.0) * ELEVATION_BINS) as u64
        }
    }
}

fn keep(cloud: &Cloud, out: &mut Cloud, index: usize, point: [f32; 3], gain: f64) {
    out.xyz.push(point);
    out.intensity.extend(cloud.intensity.get(index).map(|&v| (f64::from(v) * gain) as f32));
    out.time_offset_s.extend(cloud.time_offset_s.get(index));
    out.ring.extend(cloud.ring.get(index));
}
