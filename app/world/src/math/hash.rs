//! Seeded randomness: integer hashes for textures, a splitmix64 stream for choices. No global state.

use super::{floor_i32, vec::lerp};

/// Mixes 32 bits (the finaliser of "lowbias32", Chris Wellons' integer hash survey).
#[inline(always)]
pub(crate) fn mix32(mut x: u32) -> u32 {
    x ^= x >> 16;
    x = x.wrapping_mul(0x7feb_352d);
    x ^= x >> 15;
    x = x.wrapping_mul(0x846c_a68b);
    x ^ (x >> 16)
}

/// Hash of a lattice point.
#[inline(always)]
pub(crate) fn hash2(x: i32, y: i32, seed: u32) -> u32 {
    mix32((x as u32).wrapping_mul(0x9e37_79b1) ^ (y as u32).wrapping_mul(0x85eb_ca77) ^ seed.wrapping_mul(0xc2b2_ae3d))
}

/// Hash of a lattice point in space.
#[inline(always)]
pub(crate) fn hash3(x: i32, y: i32, z: i32, seed: u32) -> u32 {
    hash2(x, y, seed ^ (z as u32).wrapping_mul(0x27d4_eb2f))
}

/// A hash as a number in 0..1.
#[inline(always)]
pub(crate) fn unit(h: u32) -> f32 {
    (h >> 8) as f32 * (1.0 / 16_777_216.0)
}

#[inline(always)]
fn fade(t: f32) -> f32 {
    t * t * (3.0 - 2.0 * t)
}

/// Value noise in the plane, 0 to 1, feature size 1.
#[inline(always)]
pub(crate) fn noise2(x: f32, y: f32, seed: u32) -> f32 {
    let (xi, yi) = (floor_i32(x), floor_i32(y));
    let (u, v) = (fade(x - xi as f32), fade(y - yi as f32));
    let at = |i: i32, j: i32| unit(hash2(xi.wrapping_add(i), yi.wrapping_add(j), seed));
    lerp(lerp(at(0, 0), at(1, 0), u), lerp(at(0, 1), at(1, 1), u), v)
}

/// Value noise in space, 0 to 1, feature size 1.
#[inline(always)]
pub(crate) fn noise3(p: super::Vec3, seed: u32) -> f32 {
    let zi = floor_i32(p.z);
    let w = fade(p.z - zi as f32);
    let s0 = seed ^ (zi as u32).wrapping_mul(0x27d4_eb2f);
    let s1 = seed ^ (zi.wrapping_add(1) as u32).wrapping_mul(0x27d4_eb2f);
    lerp(noise2(p.x, p.y, s0), noise2(p.x, p.y, s1), w)
}

/// Fractal noise of `octaves` octaves, 0 to 1.
#[inline(always)]
pub(crate) fn fbm2(mut x: f32, mut y: f32, octaves: u32, seed: u32) -> f32 {
    let (mut sum, mut weight, mut total) = (0.0, 0.5, 0.0);
    for octave in 0..octaves {
        sum += weight * noise2(x, y, seed.wrapping_add(octave.wrapping_mul(7919)));
        total += weight;
        weight *= 0.5;
        // Turned by about 37 degrees between octaves so that lattices do not line up.
        (x, y) = ((x * 0.8 - y * 0.6) * 2.03 + 11.3, (x * 0.6 + y * 0.8) * 2.03 + 5.7);
    }
    if total > 0.0 { sum / total } else { 0.0 }
}

/// A stream of random numbers (splitmix64).
#[derive(Debug, Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    /// A stream for a seed and a purpose; different purposes give unrelated streams.
    pub(crate) fn new(seed: u64, purpose: u64) -> Self {
        let mut rng = Self(seed ^ purpose.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        rng.next_u64();
        rng
    }

    /// The next 64 bits.
    pub(crate) fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The next 32 bits.
    pub(crate) fn next_u32(&mut self) -> u32 {
        (self.next_u64() >> 32) as u32
    }

    /// Uniform in 0..1.
    pub(crate) fn unit(&mut self) -> f32 {
        unit(self.next_u32())
    }

    /// Uniform in `low..high`.
    pub(crate) fn range(&mut self, low: f32, high: f32) -> f32 {
        lerp(low, high, self.unit())
    }

    /// Uniform in `low..high`, double precision.
    pub(crate) fn range_f64(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * ((self.next_u64() >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0))
    }

    /// True with probability `p`.
    pub(crate) fn chance(&mut self, p: f32) -> bool {
        self.unit() < p
    }

    /// Uniform in `0..n`; 0 where `n` is 0.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        if n == 0 { 0 } else { (self.next_u64() % n as u64) as usize }
    }

    /// One of `items`; the default where there are none.
    pub(crate) fn pick<T: Copy + Default>(&mut self, items: &[T]) -> T {
        items.get(self.below(items.len())).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_reproducible_and_differ_by_purpose() {
        let (mut a, mut b, mut c) = (Rng::new(1, 2), Rng::new(1, 2), Rng::new(1, 3));
        let xs: Vec<u64> = (0..8).map(|_| a.next_u64()).collect();
        assert_eq!(xs, (0..8).map(|_| b.next_u64()).collect::<Vec<_>>());
        assert_ne!(xs, (0..8).map(|_| c.next_u64()).collect::<Vec<_>>());
    }

    #[test]
    fn noise_stays_in_range_and_is_continuous() {
        for i in -200..200 {
            let x = i as f32 * 0.173;
            let n = noise2(x, -x * 0.7, 5);
            assert!((0.0..=1.0).contains(&n));
            assert!((noise2(x + 1e-3, -x * 0.7, 5) - n).abs() < 0.01);
        }
    }
}
