//! From surfaces to radiance: light of the sky, the sun and lamps, mirrored light, haze; a run of samples at a time.

use super::Frame;
use super::lanes::{LANES, Lane, Vec3s, whole};
use super::light::Light;
use super::surface::Answer;
use crate::math::{Rgb, Vec3, clamp01, most, smoothstep};
use crate::mesh::Material;

/// Surfaces that are lit together.
#[derive(Debug, Clone)]
pub(crate) struct Surfaces {
    /// How many there are.
    pub(crate) len: usize,
    material: [Material; LANES],
    at: Vec3s,
    n: Vec3s,
    to_eye: Vec3s,
    distance: Lane,
    pub(crate) albedo: Vec3s,
    pub(crate) gloss: Lane,
    glow: Vec3s,
    /// Share of the sun that reaches it.
    sun: Lane,
    incoming: Vec3s,
    /// What the camera sees of it, see [`Surfaces::light`].
    pub(crate) colour: Vec3s,
}

/// Where a surface lies to the camera.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Geometry {
    pub(crate) at: Vec3,
    pub(crate) n: Vec3,
    pub(crate) to_eye: Vec3,
    pub(crate) distance: f32,
}

impl Surfaces {
    /// Room for a run.
    pub(crate) fn new() -> Self {
        let (zero, zeros) = ([0.0; LANES], Vec3s::ZERO);
        Self {
            len: 0,
            material: [Material::Plastic; LANES],
            at: zeros,
            n: zeros,
            to_eye: zeros,
            distance: zero,
            albedo: zeros,
            gloss: zero,
            glow: zeros,
            sun: zero,
            incoming: zeros,
            colour: zeros,
        }
    }

    /// Adds a surface; there must be room.
    #[inline(always)]
    pub(crate) fn push(&mut self, material: Material, g: Geometry, answer: Answer) {
        let k = self.len;
        self.len += 1;
        self.material[k] = material;
        self.at.set(k, g.at);
        self.n.set(k, g.n);
        self.to_eye.set(k, g.to_eye);
        self.distance[k] = g.distance;
        self.albedo.set(k, answer.albedo);
        self.gloss[k] = answer.gloss;
        self.glow.set(k, answer.glow);
    }

    /// Adds what shines by itself and lies beyond all haze's reckoning, such as the sky.
    #[inline(always)]
    pub(crate) fn push_glow(&mut self, glow: Rgb) {
        let nowhere = Geometry { at: Vec3::ZERO, n: Vec3::UP, to_eye: Vec3::UP, distance: 0.0 };
        self.push(Material::Lamp, nowhere, Answer { albedo: Vec3::ZERO, gloss: 0.0, glow });
    }

    /// Finds the colours of all surfaces. What adds nothing to a lane adds zero, which keeps its bits.
    #[inline(always)]
    pub(crate) fn light(&mut self, frame: &Frame<'_>) {
        // A copy of its own, which nothing that is written can change: loops over lanes vectorise.
        let (light, n) = (&frame.light.clone(), whole(self.len));
        for k in 0..n {
            self.incoming.set(k, light.ambient(self.n.get(k)));
        }
        for k in 0..self.len {
            if is_flat(self.material[k]) {
                self.incoming.set(k, self.incoming.get(k) * frame.contacts.open(self.at.get(k)));
            }
        }
        self.sun = [0.0; LANES];
        if frame.shadows.lit {
            frame.shadows.light_on((&self.at, &self.n, self.len), &mut self.sun);
            for k in 0..n {
                let toward = self.n.get(k).dot(light.to_sun);
                self.sun[k] = if toward > 0.0 { self.sun[k] } else { 0.0 };
                self.incoming.set(k, self.incoming.get(k) + light.sun * (toward * self.sun[k]));
            }
        }
        for k in 0..n {
            // Leaves let some light through.
            let toward = self.n.get(k).dot(light.to_sun);
            let through = if self.material[k] == Material::Leaf { 0.18 * (0.5 + 0.5 * toward.abs()) } else { 0.0 };
            self.incoming.set(k, self.incoming.get(k) + light.sun * through);
        }
        if light.lamps_on || light.night {
            for k in 0..self.len {
                self.incoming.set(k, self.incoming.get(k) + frame.lamps.on(self.at.get(k), self.n.get(k)));
            }
        }
        self.see(light);
    }

    /// What the camera sees of the surfaces' own and mirrored light, through haze.
    #[inline(always)]
    fn see(&mut self, light: &Light) {
        let mut seen = Vec3s::ZERO;
        for k in 0..whole(self.len) {
            let mut colour = self.albedo.get(k).times(self.incoming.get(k)) + self.glow.get(k);
            let gloss = if self.gloss[k] > 0.02 { self.gloss[k] } else { 0.0 };
            colour += mirrored(light, gloss, (self.n.get(k), self.to_eye.get(k)), self.sun[k]);
            seen.set(k, colour.mix(light.haze, light.haze_share(self.distance[k])));
        }
        self.colour = seen;
    }
}

fn is_flat(material: Material) -> bool {
    matches!(material, Material::Road | Material::Sidewalk | Material::Kerb | Material::Land)
}

/// The mirror-like part: sky, horizon and sun in a smooth surface.
#[inline(always)]
fn mirrored(light: &Light, gloss: f32, (n, to_eye): (Vec3, Vec3), sun: f32) -> Rgb {
    let cosine = most(n.dot(to_eye), 0.0);
    let m = 1.0 - cosine;
    let fresnel = 0.05 + 0.95 * m * m * m * m * m;
    let r = n * (2.0 * cosine) - to_eye;
    let up = r.z;
    let sky = light.horizon.mix(light.zenith, clamp01(up));
    // Below and just above the horizon the street itself is mirrored, darker than the sky.
    let street = light.bounce * 0.8;
    let seen = street.mix(sky, smoothstep(-0.02, 0.28, up));
    let t = most((r.dot(light.to_sun) - 0.9) * 10.0, 0.0);
    let t4 = t * t * t * t;
    let t16 = t4 * t4 * t4 * t4;
    seen * (fresnel * gloss) + light.sun * (t16 * t16 * 3.0 * gloss * gloss * sun)
}
