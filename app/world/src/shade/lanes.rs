//! Numbers side by side: what is done alike for many samples is done in loops over lanes, which vectorise.

use crate::math::{Vec3, vec3};

/// Lanes of a run: enough to fill wide registers many times, few enough to stay in the nearest cache.
pub(crate) const LANES: usize = 64;
/// Lanes of the widest register: loops go over whole registers, what the last lanes hold is of no matter.
const REGISTER: usize = 8;

/// One number of every lane.
pub(crate) type Lane = [f32; LANES];

/// How many lanes to work through so that the first `len` are among them and no register is left half done.
#[inline(always)]
pub(crate) fn whole(len: usize) -> usize {
    len.next_multiple_of(REGISTER).min(LANES)
}

/// One vector of every lane.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Vec3s {
    x: Lane,
    y: Lane,
    z: Lane,
}

impl Vec3s {
    pub(crate) const ZERO: Self = Self { x: [0.0; LANES], y: [0.0; LANES], z: [0.0; LANES] };

    #[inline(always)]
    pub(crate) fn get(&self, k: usize) -> Vec3 {
        vec3(self.x[k], self.y[k], self.z[k])
    }

    #[inline(always)]
    pub(crate) fn set(&mut self, k: usize, v: Vec3) {
        (self.x[k], self.y[k], self.z[k]) = (v.x, v.y, v.z);
    }
}
