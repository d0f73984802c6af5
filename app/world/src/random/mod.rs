//! Scenarios made by a seed: for training on ever new streets, and for clips of known outcome.
//!
//! Deterministic: the same seed and knobs give the same scenario. Clips solve for the time of contact (or of the near
//! miss) in closed form, so their label is known before a world is built; the world's own contact search confirms it.

mod clip;
mod street;

pub use clip::{ClipKind, clip};
pub use street::{Knobs, street};

use crate::scenario::Scenario;

impl Scenario {
    /// A street for training: any style, light, weather and traffic the knobs allow.
    pub fn random(seed: u64, knobs: &Knobs) -> Self {
        street(seed, knobs)
    }

    /// A clip of known outcome.
    pub fn random_clip(seed: u64, kind: ClipKind) -> Self {
        clip(seed, kind)
    }
}
