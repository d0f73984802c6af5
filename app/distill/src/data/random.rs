//! Random numbers that are a function of a seed and of what they are for, so that a resumed training draws the same ones.

/// SplitMix64.
#[derive(Debug, Clone, Copy)]
pub struct Random(u64);

impl Random {
    /// Numbers for one purpose: `seed` is the recipe's, `path` says which step, slot and so on.
    pub fn new(seed: u64, path: &[u64]) -> Self {
        let mut random = Self(seed ^ 0x5eed_0ce1_105e_ed00);
        for part in path {
            random.0 ^= part.wrapping_mul(0xff51_afd7_ed55_8ccd);
            random.bits();
        }
        random
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 to 1, 1 excluded.
    pub fn unit(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1u64 << 24) as f32
    }

    /// `from` to `to`.
    pub fn range(&mut self, from: f32, to: f32) -> f32 {
        from + (to - from) * self.unit()
    }

    /// Whether something of this chance happens.
    pub fn chance(&mut self, chance: f32) -> bool {
        self.unit() < chance
    }

    /// 0 to `n`, `n` excluded; 0 where `n` is.
    pub fn below(&mut self, n: usize) -> usize {
        (self.bits() % n.max(1) as u64) as usize
    }

    /// Normal of variance 1, near enough for noise in pictures: four uniform numbers out of one draw.
    pub fn normal(&mut self) -> f32 {
        let bits = self.bits();
        let sum: f32 = (0..4).map(|part| ((bits >> (16 * part)) & 0xffff) as f32).sum();
        (sum / 65536.0 - 2.0) * 1.732
    }
}
