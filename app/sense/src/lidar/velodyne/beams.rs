//! Where and when each beam of a Velodyne sensor fires, from the makers' manuals.

use std::sync::LazyLock;

/// One beam.
#[derive(Debug, Clone, Copy)]
pub(super) struct Beam {
    /// Sine of its elevation.
    pub(super) sin: f32,
    /// Cosine of its elevation.
    pub(super) cos: f32,
    /// Number by elevation, the lowest is 0.
    pub(super) ring: u16,
    /// Seconds from the first beam of a firing to this one.
    pub(super) after_s: f32,
    /// The same as a part of a block's time.
    pub(super) share_of_block: f32,
}

/// A model's beams and times.
#[derive(Debug)]
pub(super) struct Beams {
    /// Factory byte.
    pub(super) product: u8,
    /// In the order of their channels.
    pub(super) beams: Vec<Beam>,
    /// Firings of all beams in one block of 32 returns.
    pub(super) firings: usize,
    /// Time from one firing to the next.
    firing_ns: f64,
}

/// Blocks of 32 returns in a packet.
pub(super) const BLOCKS: usize = 12;

/// VLP-16: manual 63-9243; 16 beams in 36.864 us, then a pause; two firings a block.
pub(super) static VLP16: LazyLock<Beams> = LazyLock::new(|| Beams::new(0x22, &ELEVATIONS_VLP16, 55_296.0, 2_304.0));

/// Degrees, by channel.
pub(in crate::lidar) const ELEVATIONS_VLP16: [f64; 16] =
    [-15.0, 1.0, -13.0, 3.0, -11.0, 5.0, -9.0, 7.0, -7.0, 9.0, -5.0, 11.0, -3.0, 13.0, -1.0, 15.0];

/// HDL-32E: manual 63-9113; 32 beams 4/3 of a degree apart from -30.67 degrees, the lower and the upper half in turns.
pub(super) static HDL32E: LazyLock<Beams> = LazyLock::new(|| {
    let elevation = |channel: usize| {
        let half = if channel.is_multiple_of(2) { 0 } else { 16 };
        -92.0 / 3.0 + 4.0 / 3.0 * (channel / 2 + half) as f64
    };
    let elevations: Vec<f64> = (0..32).map(elevation).collect();
    Beams::new(0x21, &elevations, 46_080.0, 1_152.0)
});

impl Beams {
    fn new(product: u8, elevations_deg: &[f64], firing_ns: f64, beam_ns: f64) -> Self {
        let firings = 32 / elevations_deg.len().max(1);
        let beam = |(channel, elevation): (usize, &f64)| Beam {
            sin: elevation.to_radians().sin() as f32,
            cos: elevation.to_radians().cos() as f32,
            ring: elevations_deg.iter().filter(|other| *other < elevation).count() as u16,
            after_s: (channel as f64 * beam_ns * 1e-9) as f32,
            share_of_block: (channel as f64 * beam_ns / (firing_ns * firings as f64)) as f32,
        };
        Self { product, beams: elevations_deg.iter().enumerate().map(beam).collect(), firings, firing_ns }
    }

    /// Time from one block's first beam to the next one's, nanoseconds.
    pub(super) fn block_ns(&self) -> f64 {
        self.firing_ns * self.firings as f64
    }

    /// Time from one packet to the next: of two returns a firing, each takes a block.
    pub(super) fn packet_ns(&self, dual: bool) -> f64 {
        self.block_ns() * (if dual { BLOCKS / 2 } else { BLOCKS }) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beams_and_rates_are_the_manuals() {
        let degrees = |b: &Beam| f64::from(b.sin.asin().to_degrees());
        assert_eq!((VLP16.beams[0].ring, VLP16.beams[15].ring, VLP16.beams[1].ring), (0, 15, 8));
        assert!((degrees(&HDL32E.beams[0]) + 30.67).abs() < 0.01 && (degrees(&HDL32E.beams[1]) + 9.33).abs() < 0.01);
        assert!((degrees(&HDL32E.beams[31]) - 10.67).abs() < 0.01);
        // 754 packets a second, twice that in dual return.
        assert!((1e9 / VLP16.packet_ns(false) - 753.5).abs() < 0.1);
        assert!((1e9 / VLP16.packet_ns(true) - 1507.0).abs() < 0.2);
        assert!((1e9 / HDL32E.packet_ns(false) - 1808.4).abs() < 0.1);
    }
}
