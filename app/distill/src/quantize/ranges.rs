//! The range of each activation over the calibration frames: what is kept, and what is cut off.
//!
//! Two passes: the first finds the extremes, the second, for methods that cut, counts values in bins between them.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// How a range is taken from what was seen.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Method {
    /// All that was seen.
    MinMax,
    /// What is left when this share of the values (0 to 1) is kept, cut at both ends alike.
    Percentile(f64),
    /// The cut that loses the least information (KL divergence), as TensorRT takes it.
    #[default]
    Entropy,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MinMax => f.write_str("minmax"),
            Self::Percentile(share) => write!(f, "percentile {}", share * 100.0),
            Self::Entropy => f.write_str("entropy"),
        }
    }
}

/// Bins of a histogram: TensorRT's number.
const BINS: usize = 2048;

/// Steps that 8 bits give each side of 0: TensorRT's number.
const LEVELS: usize = 128;

/// What was seen of one tensor.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Seen {
    low: f32,
    high: f32,
    bins: Vec<u64>,
}

/// A range, inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Range {
    /// Lowest value kept.
    pub low: f32,
    /// Highest.
    pub high: f32,
}

impl Range {
    /// The smallest range that holds both.
    #[must_use]
    pub fn joined(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high) }
    }
}

/// All tensors under observation, by name.
pub type Observed = BTreeMap<String, Seen>;

impl Seen {
    /// First pass. Returns whether all values were finite.
    pub fn extend(&mut self, values: &[f32]) -> bool {
        let (mut low, mut high, mut sound) = (self.low, self.high, true);
        for &value in values {
            sound &= value.is_finite();
            low = low.min(value);
            high = high.max(value);
        }
        (self.low, self.high) = (low, high);
        sound
    }

    /// Second pass.
    pub fn count(&mut self, values: &[f32]) {
        self.bins.resize(BINS, 0);
        let width = (self.high - self.low) / BINS as f32;
        if width <= 0.0 {
            return;
        }
        for value in values {
            let bin = ((value - self.low) / width) as usize;
            self.bins[bin.min(BINS - 1)] += 1;
        }
    }

    /// The range to be represented.
    pub fn range(&self, method: Method) -> Range {
        let all = Range { low: self.low, high: self.high };
        if self.bins.is_empty() || self.high <= self.low {
            return all;
        }
        match method {
            Method::MinMax => all,
            Method::Percentile(share) => self.percentile(share),
            Method::Entropy => {
                let bound = self.entropy_bound();
                Range { low: self.low.max(-bound), high: self.high.min(bound) }
            }
        }
    }

    fn edge(&self, bin: usize) -> f32 {
        self.low + (self.high - self.low) * bin as f32 / BINS as f32
    }

    fn percentile(&self, share: f64) -> Range {
        let total: u64 = self.bins.iter().sum();
        let cut = ((1.0 - share) / 2.0 * total as f64) as u64;
        let bins_cut = |bins: &mut dyn Iterator<Item = &u64>| {
            let mut left = cut;
            bins.take_while(|count| {
                let gone = **count <= left;
                left = left.saturating_sub(**count);
                gone
            })
            .count()
        };
        let low = bins_cut(&mut self.bins.iter());
        let high = BINS - bins_cut(&mut self.bins.iter().rev());
        // 0 stays representable whatever is cut.
        Range { low: self.edge(low.min(high)).min(0.0), high: self.edge(high.max(low)).max(0.0) }
    }

    /// The magnitude to cut at so that values counted in `LEVELS` steps below it tell the least different story.
    fn entropy_bound(&self) -> f32 {
        let reach = self.high.max(-self.low);
        let mut magnitudes = vec![0.0_f64; BINS];
        for (bin, count) in self.bins.iter().enumerate() {
            let middle = (self.edge(bin) + self.edge(bin + 1)) / 2.0;
            let at = (middle.abs() / reach * BINS as f32) as usize;
            magnitudes[at.min(BINS - 1)] += *count as f64;
        }
        // Zeros (padding, what a ReLU cut) need no resolution, and would drown the rest.
        magnitudes[0] = magnitudes[1];
        let divergences = (LEVELS..=BINS).map(|bins| (bins, divergence(&magnitudes, bins)));
        let best = divergences.min_by(|a, b| a.1.total_cmp(&b.1)).map_or(BINS, |(bins, _)| bins);
        reach * best as f32 / BINS as f32
    }
}

/// KL divergence of the first `kept` bins, what lies behind them counted to the last, from the same in `LEVELS` steps.
fn divergence(counts: &[f64], kept: usize) -> f64 {
    let inside = &counts[..kept];
    let outside: f64 = counts[kept..].iter().sum();
    let total: f64 = inside.iter().sum::<f64>() + outside;
    let mut sum = 0.0;
    let inside_total: f64 = inside.iter().sum();
    if inside_total <= 0.0 {
        return f64::INFINITY;
    }
    for level in 0..LEVELS {
        let (start, end) = (level * kept / LEVELS, (level + 1) * kept / LEVELS);
        let step = &inside[start..end];
        let filled = step.iter().filter(|c| **c > 0.0).count();
        let share = step.iter().sum::<f64>() / filled.max(1) as f64 / inside_total;
        for (offset, count) in step.iter().enumerate() {
            let last = start + offset + 1 == kept;
            let p = (count + if last { outside } else { 0.0 }) / total;
            if p > 0.0 {
                // An empty bin that takes the cut values has no share in the steps: the smallest that still counts.
                let q = if *count > 0.0 { share } else { f64::MIN_POSITIVE.sqrt() };
                sum += p * (p / q).ln();
            }
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bell around 0 (sums of equally spread numbers) and one far value.
    fn bell_and_outlier() -> Seen {
        let mut state = 7_u64;
        let mut uniform = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1_u64 << 24) as f32 - 0.5
        };
        let mut values: Vec<f32> = (0..50_000).map(|_| (0..6).map(|_| uniform()).sum()).collect();
        values.push(40.0);
        let mut seen = Seen::default();
        assert!(seen.extend(&values));
        seen.count(&values);
        seen
    }

    #[test]
    fn minmax_keeps_the_outlier_and_the_others_cut_it() {
        let seen = bell_and_outlier();
        assert_eq!(seen.range(Method::MinMax).high, 40.0);
        for method in [Method::Percentile(0.9999), Method::Entropy] {
            let range = seen.range(method);
            assert!((1.5..8.0).contains(&range.high) && (-3.5..-1.5).contains(&range.low), "{method}: {range:?}");
        }
    }

    #[test]
    fn nothing_seen_and_one_value_are_ranges_too() {
        let mut seen = Seen::default();
        assert_eq!(seen.range(Method::Entropy), Range { low: 0.0, high: 0.0 });
        assert!(seen.extend(&[0.0; 4]));
        seen.count(&[0.0; 4]);
        assert_eq!(seen.range(Method::Entropy), Range { low: 0.0, high: 0.0 });
        assert!(!seen.extend(&[f32::NAN]));
        assert!(!Seen::default().extend(&[f32::INFINITY]));
    }

    #[test]
    fn all_positive_values_are_not_mirrored() {
        let mut seen = Seen::default();
        let values: Vec<f32> = (0..1000).map(|i| i as f32 / 100.0).collect();
        seen.extend(&values);
        seen.count(&values);
        for method in [Method::MinMax, Method::Percentile(0.999), Method::Entropy] {
            assert_eq!(seen.range(method).low, 0.0, "{method}");
        }
    }
}
