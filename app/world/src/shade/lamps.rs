//! Lights at night: street lamps and the headlamps of vehicles, as illumination and as glare.

use crate::math::{Rgb, Vec3, clamp01, smoothstep, vec3};

/// Beyond this a lamp no longer lights anything.
const REACH_M: f32 = 34.0;

/// A lamp that lights what is below it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lamp {
    pub(crate) at: Vec3,
    pub(crate) colour: Rgb,
}

/// Headlamps of one vehicle, as one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Beam {
    pub(crate) at: Vec3,
    pub(crate) ahead: Vec3,
    pub(crate) strength: f32,
}

/// A light that is looked into.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Glare {
    pub(crate) at: Vec3,
    pub(crate) colour: Rgb,
    /// Size of the halo at 10 m, as a share of the picture's height.
    pub(crate) size: f32,
}

/// All that shines in one frame.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lamps {
    pub(crate) lamps: Vec<Lamp>,
    pub(crate) beams: Vec<Beam>,
    pub(crate) glares: Vec<Glare>,
}

impl Lamps {
    /// Light that falls on a surface point.
    #[inline]
    pub(crate) fn on(&self, p: Vec3, n: Vec3) -> Rgb {
        let mut sum = Vec3::ZERO;
        for lamp in &self.lamps {
            let to = lamp.at - p;
            let d2 = to.dot(to);
            if d2 > REACH_M * REACH_M {
                continue;
            }
            let inverse = 1.0 / d2.sqrt();
            let facing = (to.dot(n) * inverse).max(0.0);
            // Shining down, softly up to 75 degrees from the vertical.
            let cone = smoothstep(0.2, 0.55, to.z * inverse);
            sum += lamp.colour * ((facing + 0.08) * cone / d2 * (1.0 - d2 / (REACH_M * REACH_M)));
        }
        for beam in &self.beams {
            sum += beam_light(beam, p, n);
        }
        sum
    }
}

fn beam_light(beam: &Beam, p: Vec3, n: Vec3) -> Rgb {
    let to = p - beam.at;
    let along = to.dot(beam.ahead);
    if !(0.3..70.0).contains(&along) {
        return Vec3::ZERO;
    }
    let d2 = to.dot(to);
    let inverse = 1.0 / d2.sqrt();
    let facing = (-(to.dot(n)) * inverse).max(0.0);
    // Dipped beam: wide, cut off a little above the horizontal.
    let rise = (to.z - beam.ahead.z * along) * inverse;
    let cut = smoothstep(0.05, -0.01, rise);
    let wide = smoothstep(0.70, 0.93, along * inverse);
    let share = (0.12 + 0.88 * cut) * wide * (facing + 0.02);
    vec3(1.0, 0.93, 0.80) * (beam.strength * share / (d2 + 25.0))
}

/// How bright a halo is at a distance (in halo radii) from its middle.
#[inline]
pub(crate) fn halo(r: f32) -> f32 {
    let core = clamp01(1.0 - r * 5.0);
    let soft = clamp01(1.0 - r);
    core * core * 1.5 + soft * soft * soft * 0.22
}
