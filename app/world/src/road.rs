//! The road as a curve: from station and offset to the world, and the height of the ground.
//!
//! World (odom) frame: x along the road at station 0, y left, z up, metres. Stations may lie before 0 and beyond the end:
//! the road goes on straight.

use crate::math::{noise2, smoothstep};
use crate::scenario::RoadSpec;

/// Distance between table entries; with curvature up to 0.02 1/m the chord is off by 2.5 mm at most.
const STEP_M: f64 = 1.0;
/// How far the table reaches before station 0.
const BEFORE_M: f64 = 200.0;
/// How far it reaches beyond the last bend.
const AFTER_M: f64 = 200.0;
/// Height of the sidewalk over the road.
pub(crate) const KERB_M: f64 = 0.12;

/// A place on the centre line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Frame {
    /// World x, y.
    pub(crate) xy: [f64; 2],
    /// Direction of the road, rad.
    pub(crate) yaw: f64,
    /// Curvature, 1/m, positive to the left.
    pub(crate) curvature: f64,
}

/// The centre line and the ground around it.
#[derive(Debug, Clone)]
pub(crate) struct Road {
    pub(crate) spec: RoadSpec,
    table: Vec<Frame>,
    seed: u32,
}

impl Road {
    pub(crate) fn new(spec: &RoadSpec, seed: u64) -> Self {
        let total: f64 = spec.curve.iter().map(|c| c[0]).sum();
        let count = ((total + AFTER_M + BEFORE_M) / STEP_M) as usize + 2;
        let (mut x, mut y, mut yaw) = (-BEFORE_M, 0.0, 0.0);
        let mut table = Vec::with_capacity(count);
        for i in 0..count {
            let s = i as f64 * STEP_M - BEFORE_M;
            let curvature = curvature_at(spec, s);
            table.push(Frame { xy: [x, y], yaw, curvature });
            let mid = yaw + 0.5 * STEP_M * curvature;
            x += STEP_M * libm::cos(mid);
            y += STEP_M * libm::sin(mid);
            yaw += STEP_M * curvature;
        }
        Self { spec: spec.clone(), table, seed: seed as u32 ^ 0x5eed }
    }

    /// The centre line at a station.
    pub(crate) fn frame(&self, s: f64) -> Frame {
        let u = (s + BEFORE_M) / STEP_M;
        let last = self.table.len() - 2;
        let i = (libm::floor(u).max(0.0) as usize).min(last);
        let (a, b) = (self.table[i], self.table[i + 1]);
        let f = u - i as f64;
        Frame {
            xy: [a.xy[0] + (b.xy[0] - a.xy[0]) * f, a.xy[1] + (b.xy[1] - a.xy[1]) * f],
            yaw: a.yaw + (b.yaw - a.yaw) * f.clamp(0.0, 1.0),
            curvature: if (0.0..=1.0).contains(&f) { a.curvature } else { 0.0 },
        }
    }

    /// World x, y of a place on the road.
    pub(crate) fn xy(&self, s: f64, d: f64) -> [f64; 2] {
        let f = self.frame(s);
        [f.xy[0] - libm::sin(f.yaw) * d, f.xy[1] + libm::cos(f.yaw) * d]
    }

    /// Height of the road's surface.
    pub(crate) fn grade_height(&self, s: f64) -> f64 {
        if self.spec.hill_m == 0.0 {
            return 0.0;
        }
        0.5 * self.spec.hill_m * (1.0 - libm::cos(std::f64::consts::TAU * s / self.spec.hill_length_m))
    }

    /// Slope of the road, dz/ds.
    pub(crate) fn grade(&self, s: f64) -> f64 {
        if self.spec.hill_m == 0.0 {
            return 0.0;
        }
        let k = std::f64::consts::TAU / self.spec.hill_length_m;
        0.5 * self.spec.hill_m * k * libm::sin(k * s)
    }

    /// Height of the ground anywhere: road, sidewalk, uneven land beyond.
    pub(crate) fn height(&self, s: f64, d: f64) -> f64 {
        let (right, left) = (self.spec.kerb_right_m(), self.spec.kerb_left_m());
        let beyond = (right - d).max(d - left);
        let base = self.grade_height(s);
        if beyond <= 0.0 {
            return base;
        }
        let walk = self.spec.sidewalk_m;
        if walk > 0.0 && beyond <= walk {
            return base + KERB_M;
        }
        let kerb = if walk > 0.0 { KERB_M } else { 0.0 };
        let fade = f64::from(smoothstep(0.0, 6.0, (beyond - walk) as f32));
        let lump = f64::from(noise2(s as f32 * 0.12, d as f32 * 0.12, self.seed)) - 0.5;
        base + kerb + self.spec.bumps_m * fade * 2.0 * lump
    }
}

fn curvature_at(spec: &RoadSpec, s: f64) -> f64 {
    let mut begin = 0.0;
    for [length, curvature] in &spec.curve {
        if s >= begin && s < begin + length {
            return *curvature;
        }
        begin += length;
    }
    0.0
}
