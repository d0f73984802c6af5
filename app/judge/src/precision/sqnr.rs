//! Signal to quantization noise, layer by layer.

use serde::Serialize;

/// A first layer below this has lost the picture itself.
pub const FIRST_LAYER_MIN_DB: f64 = 15.0;

/// Power of a signal and of what differs from it, gathered over several pictures.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sqnr {
    power: f64,
    noise: f64,
    /// Something could not be compared: lengths differed.
    uneven: bool,
}

impl Sqnr {
    /// Adds the same tensor of both networks.
    pub fn add(&mut self, signal: &[f32], quantized: &[f32]) {
        self.uneven |= signal.len() != quantized.len();
        for (&x, &y) in signal.iter().zip(quantized) {
            let (x, y) = (f64::from(x), f64::from(y));
            self.power += x * x;
            self.noise += (x - y) * (x - y);
        }
    }

    /// In dB, as [`sqnr_db`].
    pub fn db(&self) -> Option<f64> {
        let known = !self.uneven && self.power > 0.0 && self.power.is_finite() && self.noise.is_finite();
        known.then(|| 10.0 * (self.power / self.noise).log10())
    }
}

/// 10 log10(sum x^2 / sum (x - y)^2) in dB. `None` where lengths differ, a value is not finite, or the signal is all 0;
/// infinite where nothing was lost.
pub fn sqnr_db(signal: &[f32], quantized: &[f32]) -> Option<f64> {
    let mut sqnr = Sqnr::default();
    sqnr.add(signal, quantized);
    sqnr.db()
}

/// One layer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerNoise {
    /// Name of the tensor or node.
    pub name: String,
    /// SQNR in dB; `None` where undefined or nothing was lost (see `lossless`).
    pub sqnr_db: Option<f64>,
    /// Nothing was lost.
    pub lossless: bool,
}

/// Layers, worst first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerReport {
    /// Layers with a figure, worst first.
    pub worst: Vec<LayerNoise>,
    /// Names of layers without one.
    pub undefined: Vec<String>,
    /// Whether the first layer lies below 15 dB; `None` where it has no figure.
    pub first_layer_flagged: Option<bool>,
}

/// Ranks layers given in the network's order as (name, SQNR).
pub fn layer_report(layers: &[(String, Option<f64>)]) -> LayerReport {
    let mut worst: Vec<(String, f64)> = layers.iter().filter_map(|(n, v)| Some((n.clone(), (*v)?))).collect();
    worst.sort_by(|a, b| a.1.total_cmp(&b.1));
    let layer = |(name, v): (String, f64)| LayerNoise {
        name,
        sqnr_db: v.is_finite().then_some(v),
        lossless: v == f64::INFINITY,
    };
    LayerReport {
        first_layer_flagged: layers.first().and_then(|l| l.1).map(|db| db < FIRST_LAYER_MIN_DB),
        worst: worst.into_iter().map(layer).collect(),
        undefined: layers.iter().filter(|l| l.1.is_none()).map(|l| l.0.clone()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uniform_quantizer_loses_six_decibel_a_bit() {
        let signal: Vec<f32> = (0..4096).map(|i| i as f32 / 2048.0 - 1.0).collect();
        let quantized = |bits: i32| {
            let step = 2.0_f32 / 2.0_f32.powi(bits);
            signal.iter().map(|v| ((v / step).floor() + 0.5) * step).collect::<Vec<_>>()
        };
        let got = sqnr_db(&signal, &quantized(8)).unwrap();
        assert!((got - 48.16).abs() < 0.1, "{got}");
        assert!((got - sqnr_db(&signal, &quantized(7)).unwrap() - 6.02).abs() < 0.1);
        assert_eq!(sqnr_db(&signal, &signal), Some(f64::INFINITY));
        assert_eq!(sqnr_db(&[0.0], &[1.0]), None);
        assert_eq!(sqnr_db(&[1.0], &[]), None);
        assert_eq!(sqnr_db(&[1.0], &[f32::NAN]), None);
    }

    #[test]
    fn the_worst_layer_is_named_first() {
        let layers = [("stem".into(), Some(12.0)), ("head".into(), Some(3.0)), ("dead".into(), None)];
        let report = layer_report(&layers);
        assert_eq!(report.worst[0].name, "head");
        assert_eq!((report.first_layer_flagged, report.undefined.as_slice()), (Some(true), &["dead".to_owned()][..]));
        assert_eq!(layer_report(&[]).first_layer_flagged, None);
    }
}
