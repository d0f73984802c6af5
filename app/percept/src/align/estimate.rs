//! The search for the rotation and the shift of time under which depth's edges fall on the picture's.
//!
//! First a grid of rotations on fields that reach far, then smaller and smaller steps, at last on fields that reach little and so are
//! sharp. How sure the answer is, is told by the two halves of the frames, each estimated for itself.

use nalgebra::{Isometry3, Point3, Rotation3, Vector3};

use super::picture::{Edge, EdgeField};
use crate::space::camera::continuous_from_centred;
use crate::space::{self, Camera, Lens, Optical, Transform, Vehicle};

/// Half of the grid's extent and its step, degrees: about x and y, and about z, where edges tell less.
const GRID_DEG: [(f64, f64); 2] = [(6.0, 1.0), (4.0, 2.0)];
/// Points the grid looks at.
const GRID_POINTS: usize = 4_000;
/// First and last steps of the search: degrees and milliseconds, on the far-reaching and then on the sharp fields.
const WIDE_STEPS: Steps = Steps { first_deg: 0.5, first_ms: 40.0, last_deg: 0.1 };
const SHARP_STEPS: Steps = Steps { first_deg: 0.2, first_ms: 16.0, last_deg: 0.006 };
/// Moves of one search at most.
const MOVES_MAX: usize = 400;
/// Shifts beyond this are another fault than a shift.
const SHIFT_S_MAX: f64 = 0.2;
/// The vehicle must move so fast, in the middle, for a shift of time to show.
const SPEED_MPS_MIN: f64 = 1.0;

/// A step of depth, where it was when the picture was taken by its stamp.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EdgePoint {
    /// In the vehicle's frame at the picture's stamp, metres.
    pub xyz: [f32; 3],
    /// Which way the edge runs.
    pub edge: Edge,
}

/// A picture and the sweep that belongs to it.
#[derive(Debug, Clone)]
pub struct AlignFrame {
    /// Edges that reach about a degree.
    pub wide: EdgeField,
    /// Edges that reach about a pixel.
    pub sharp: EdgeField,
    /// The sweep's steps of depth.
    pub points: Vec<EdgePoint>,
    /// The vehicle's velocity and turn rate in its own frame, metres and radians per second; `None` where unknown.
    pub motion: Option<[Vector3<f64>; 2]>,
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Alignment {
    /// By what the camera is turned against its extrinsics, degrees about x (right), y (down) and z (ahead) of its own.
    pub rotation_deg: [f64; 3],
    /// The pictures were taken so much after their stamps; `None` where nothing moves that would tell.
    pub shift_s: Option<f64>,
    /// Half of the difference between the two halves of the frames.
    pub sigma_deg: f64,
    /// The same of the shift.
    pub sigma_s: f64,
    /// Steps of depth used.
    pub points: usize,
    /// Mean edge under them: as given, and as found.
    pub score: [f64; 2],
}

impl Alignment {
    /// The angle of the whole rotation, degrees.
    pub fn angle_deg(&self) -> f64 {
        Rotation3::from_scaled_axis(Vector3::from(self.rotation_deg.map(f64::to_radians))).angle().to_degrees()
    }
}

#[derive(Debug, Clone, Copy)]
struct Steps {
    first_deg: f64,
    first_ms: f64,
    last_deg: f64,
}

/// Rotation in degrees and shift in milliseconds.
type Guess = [f64; 4];

/// Compares `frames` under the camera's `extrinsics`. `None` without a point in any picture.
pub fn estimate(frames: &[AlignFrame], camera: &Camera, extrinsics: &Transform<Optical, Vehicle>) -> Option<Alignment> {
    let all =
        Search { frames: frames.iter().collect(), camera, lens: camera.lens(), extrinsics: *extrinsics.isometry() };
    let points: usize = frames.iter().map(|f| f.points.len()).sum();
    if points == 0 {
        return None;
    }
    let best = all.climb(all.climb(all.grid(points), true, WIDE_STEPS), false, SHARP_STEPS);
    let halves: Vec<Guess> = [0, 1]
        .map(|half| {
            let part = frames.iter().skip(half).step_by(2).collect();
            let search = Search { frames: part, lens: camera.lens(), ..all };
            search.climb(best, false, SHARP_STEPS)
        })
        .to_vec();
    let apart = |k: usize| halves.iter().map(|h| h[k]).reduce(|a, b| a - b).unwrap_or(0.0) / 2.0;
    let score = [all.score(&[0.0; 4], false, 1), all.score(&best, false, 1)];
    let [x, y, z, ms] = best;
    Some(Alignment {
        rotation_deg: [x, y, z],
        shift_s: all.moves().then_some(ms * 1e-3),
        sigma_deg: Vector3::new(apart(0), apart(1), apart(2)).norm(),
        sigma_s: apart(3).abs() * 1e-3,
        points,
        score,
    })
}

/// What guesses are judged by.
struct Search<'a> {
    frames: Vec<&'a AlignFrame>,
    camera: &'a Camera,
    lens: Lens,
    extrinsics: Isometry3<f64>,
}

impl Search<'_> {
    /// Whether the vehicle moves enough for a shift of time to show.
    fn moves(&self) -> bool {
        let mut speeds: Vec<f64> = self.frames.iter().filter_map(|f| f.motion).map(|[v, _]| v.norm()).collect();
        speeds.sort_by(f64::total_cmp);
        speeds.get(speeds.len() / 2).is_some_and(|speed| *speed > SPEED_MPS_MIN)
    }

    /// Mean edge under every `stride`-th point.
    fn score(&self, guess: &Guess, wide: bool, stride: usize) -> f64 {
        let [x, y, z, ms] = *guess;
        let turn = Rotation3::from_scaled_axis(Vector3::new(x, y, z).map(f64::to_radians));
        let shift_s = ms * 1e-3;
        let (mut sum, mut count) = (0.0, 0_u64);
        for frame in &self.frames {
            let [velocity, rate] = frame.motion.unwrap_or_default();
            let later = Rotation3::from_scaled_axis(-rate * shift_s);
            let field = if wide { &frame.wide } else { &frame.sharp };
            for point in frame.points.iter().step_by(stride) {
                let moved = later * (Vector3::from(point.xyz.map(f64::from)) - velocity * shift_s);
                let seen = turn * (self.extrinsics * Point3::from(moved));
                count += 1;
                let Ok(uv) = self.camera.project_with(&self.lens, &space::Point3::from_vector(seen.coords)) else {
                    continue;
                };
                let [u, v] = continuous_from_centred(uv);
                sum += field.at(point.edge, u, v).unwrap_or(0.0);
            }
        }
        sum / count.max(1) as f64
    }

    /// The best rotation of a coarse grid.
    fn grid(&self, points: usize) -> Guess {
        let stride = points.div_ceil(GRID_POINTS);
        let line = |(extent, step): (f64, f64)| {
            let count = (extent / step) as i32;
            (-count..=count).map(move |k| f64::from(k) * step)
        };
        let [level, roll] = GRID_DEG;
        let mut best = ([0.0; 4], f64::NEG_INFINITY);
        for x in line(level) {
            for y in line(level) {
                for z in line(roll) {
                    let guess = [x, y, z, 0.0];
                    let score = self.score(&guess, true, stride);
                    if score > best.1 {
                        best = (guess, score);
                    }
                }
            }
        }
        best.0
    }

    /// Walks uphill from `guess` in smaller and smaller steps.
    fn climb(&self, guess: Guess, wide: bool, steps: Steps) -> Guess {
        let directions = if self.moves() { 4 } else { 3 };
        let mut best = (guess, self.score(&guess, wide, 1));
        let (mut deg, mut ms) = (steps.first_deg, steps.first_ms);
        for _ in 0..MOVES_MAX {
            let before = best.1;
            for k in 0..directions {
                for sign in [-1.0, 1.0] {
                    let mut next = best.0;
                    next[k] += sign * if k == 3 { ms } else { deg };
                    next[3] = next[3].clamp(-1e3 * SHIFT_S_MAX, 1e3 * SHIFT_S_MAX);
                    let score = self.score(&next, wide, 1);
                    if score > best.1 {
                        best = (next, score);
                    }
                }
            }
            if best.1 <= before {
                (deg, ms) = (deg / 2.0, ms / 2.0);
                if deg < steps.last_deg {
                    break;
                }
            }
        }
        best.0
    }
}
