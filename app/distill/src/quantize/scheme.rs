//! Integers for reals: scales and zero points of activations and weights, by the definition of QuantizeLinear.
//!
//! `real = scale * (integer - zero_point)`; rounding is to the nearest, ties to even, as ONNX asks.

use serde::Serialize;

/// Integers that activations become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// 0 to 255 with a zero point of its own for each tensor: one bit more for what follows a ReLU.
    #[default]
    U8,
    /// -128 to 127 around 0: what TensorRT asks for.
    S8,
}

/// How one tensor becomes integers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Params {
    /// Step between neighbouring integers.
    pub scale: f32,
    /// The integer of 0.
    pub zero_point: i32,
}

/// Scales below this are denormal once multiplied with one another.
const SCALE_MIN: f32 = 1e-12;

/// Integers of a bias reach no further than this: half of what 32 bits hold, so that sums do not overflow.
const BIAS_MAX: f32 = (1_i64 << 30) as f32;

impl Params {
    /// For values from `low` to `high`. 0 is always among them: padding must be exact.
    pub fn from_range(low: f32, high: f32, activation: Activation) -> Self {
        let (low, high) = (low.min(0.0), high.max(0.0));
        match activation {
            Activation::U8 => {
                let scale = ((high - low) / 255.0).max(SCALE_MIN);
                Self { scale, zero_point: (-low / scale).round_ties_even().clamp(0.0, 255.0) as i32 }
            }
            Activation::S8 => Self { scale: (high.max(-low) / 127.0).max(SCALE_MIN), zero_point: 0 },
        }
    }
}

/// Weights as symmetric signed bytes, a scale for each channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    /// Row-major, in the shape they had.
    pub values: Vec<i8>,
    /// One for each channel of the axis.
    pub scales: Vec<f32>,
}

/// Quantizes weights of `shape` by channels of `axis` to -`limit`..`limit` (127, or 63 for 7 bits). Where a channel's
/// bias, in steps of `input_scale` times the channel's scale, would not fit 32 bits, the channel's scale grows until it does.
pub fn weights(values: &[f32], (shape, axis): (&[usize], usize), limit: i8, bias: Option<(&[f32], f32)>) -> Weights {
    let channels = shape.get(axis).copied().unwrap_or(1).max(1);
    let inner: usize = shape.iter().skip(axis + 1).product::<usize>().max(1);
    let channel = |i: usize| i / inner % channels;
    let mut scales = vec![SCALE_MIN; channels];
    for (i, value) in values.iter().enumerate() {
        let scale = &mut scales[channel(i)];
        *scale = scale.max(value.abs() / f32::from(limit));
    }
    if let Some((bias, input_scale)) = bias {
        for (scale, b) in scales.iter_mut().zip(bias) {
            *scale = scale.max(b.abs() / (input_scale * BIAS_MAX));
        }
    }
    let bound = f32::from(limit);
    let quantized = |(i, v): (usize, &f32)| (v / scales[channel(i)]).round_ties_even().clamp(-bound, bound) as i8;
    Weights { values: values.iter().enumerate().map(quantized).collect(), scales }
}

/// A bias in steps of `input_scale` times its channel's weight scale; also those steps.
pub fn bias(values: &[f32], input_scale: f32, weight_scales: &[f32]) -> (Vec<i32>, Vec<f32>) {
    let steps: Vec<f32> = weight_scales.iter().map(|s| s * input_scale).collect();
    let integers = values.iter().zip(&steps).map(|(v, s)| (f64::from(*v) / f64::from(*s)).round_ties_even() as i32);
    (integers.collect(), steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_exact_and_the_ends_are_met() {
        for (low, high) in [(-1.0, 3.0), (0.5, 2.0), (-4.0, -1.0), (0.0, 0.0)] {
            let p = Params::from_range(low, high, Activation::U8);
            assert!((0..=255).contains(&p.zero_point));
            let real = |q: i32| p.scale * (q - p.zero_point) as f32;
            assert!(real(0) <= low.min(0.0) + p.scale && real(255) >= high.max(0.0) - p.scale, "{low} {high} {p:?}");
        }
        let p = Params::from_range(-2.0, 1.0, Activation::S8);
        assert_eq!((p.zero_point, p.scale), (0, 2.0 / 127.0));
    }

    #[test]
    fn weights_keep_their_channels_apart() {
        let w = weights(&[1.0, -0.5, 100.0, 50.0], (&[2, 2], 0), 127, None);
        assert_eq!(w.values, [127, -64, 127, 64]);
        assert_eq!(w.scales, [1.0 / 127.0, 100.0 / 127.0]);
        let by_column = weights(&[1.0, 100.0, -0.25, 51.0], (&[2, 2], 1), 63, None);
        assert_eq!(by_column.values, [63, 63, -16, 32]);
    }

    #[test]
    fn a_bias_always_fits() {
        let dead = weights(&[0.0, 0.0], (&[2, 1], 0), 127, Some((&[5.0, -1e9], 0.1)));
        let (integers, steps) = bias(&[5.0, -1e9], 0.1, &dead.scales);
        for ((i, s), want) in integers.iter().zip(&steps).zip([5.0_f64, -1e9]) {
            assert!((f64::from(*i) * f64::from(*s) / want - 1.0).abs() < 1e-6);
        }
    }
}
