//! Paired bootstrap over images: how sure a figure, or the difference of two, is.
//!
//! Images are drawn with replacement; both systems are judged on the same draw, so what is common to both cancels.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Interval, NO_WORSE_MARGIN, Rng, TOO_FEW, quantile_sorted};

/// How many draws, and their seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bootstrap {
    /// Draws.
    pub resamples: usize,
    /// Seed.
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { resamples: 1000, seed: 1 }
    }
}

/// Whether more of a figure is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// AP, recall, IDF1.
    #[default]
    HigherIsBetter,
    /// Errors, false alarms, latency.
    LowerIsBetter,
}

/// What the interval of a difference allows to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    /// The whole interval lies above 0.
    Better,
    /// The whole interval lies above -1 percentage point.
    NoWorse,
    /// The whole interval lies below 0.
    Worse,
    /// The interval allows both.
    Undecided,
    /// Fewer than 30 images.
    TooFew,
    /// One of the figures does not exist.
    Undefined,
}

/// Candidate minus reference.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PairedDifference {
    /// The reference's figure on all images.
    pub reference: Option<f64>,
    /// The candidate's.
    pub candidate: Option<f64>,
    /// Candidate minus reference.
    pub difference: Option<f64>,
    /// 95 % interval of the difference.
    pub interval: Option<Interval>,
    /// Images drawn from.
    pub images: usize,
    /// Draws in which both figures existed.
    pub draws: usize,
    /// How it was drawn.
    pub bootstrap: Bootstrap,
    /// What may be said.
    pub comparison: Comparison,
}

impl Bootstrap {
    /// How often each of `count` images occurs in draw `index`, drawn from `images` (indices below `count`).
    pub fn draw(&self, index: usize, images: &[usize], count: usize) -> Vec<u32> {
        let mut rng = Rng::part(self.seed, index as u64);
        let mut weights = vec![0_u32; count];
        for _ in 0..images.len() {
            if let Some(w) = images.get(rng.below(images.len())).and_then(|&i| weights.get_mut(i)) {
                *w += 1;
            }
        }
        weights
    }

    /// 95 % interval of a figure of weighted images; `None` where fewer than two draws define it.
    pub fn interval(
        &self,
        images: &[usize],
        count: usize,
        figure: impl Fn(&[u32]) -> Option<f64> + Sync,
    ) -> Option<Interval> {
        percentiles(&self.each(images, count, figure))
    }

    /// As [`Self::interval`] of several figures of the same draws.
    pub fn intervals<const N: usize>(
        &self,
        images: &[usize],
        count: usize,
        figures: impl Fn(&[u32]) -> [Option<f64>; N] + Sync,
    ) -> [Option<Interval>; N] {
        let draws: Vec<[Option<f64>; N]> =
            (0..self.resamples).into_par_iter().map(|i| figures(&self.draw(i, images, count))).collect();
        std::array::from_fn(|k| {
            let values: Vec<f64> = draws.iter().filter_map(|d| d[k]).filter(|v| v.is_finite()).collect();
            percentiles(&values)
        })
    }

    /// Judges a candidate against a reference on the same draws.
    pub fn compare(
        &self,
        (images, count): (&[usize], usize),
        direction: Direction,
        reference: impl Fn(&[u32]) -> Option<f64> + Sync,
        candidate: impl Fn(&[u32]) -> Option<f64> + Sync,
    ) -> PairedDifference {
        let mut once = vec![0; count];
        for &i in images {
            if let Some(w) = once.get_mut(i) {
                *w = 1;
            }
        }
        let minus = |weights: &[u32]| Some(candidate(weights)? - reference(weights)?);
        let differences = self.each(images, count, minus);
        let (reference, candidate) = (reference(&once), candidate(&once));
        let interval = percentiles(&differences);
        PairedDifference {
            difference: candidate.zip(reference).map(|(c, r)| c - r),
            comparison: judge(interval, images.len(), direction),
            reference,
            candidate,
            interval,
            images: images.len(),
            draws: differences.len(),
            bootstrap: *self,
        }
    }

    fn each(&self, images: &[usize], count: usize, figure: impl Fn(&[u32]) -> Option<f64> + Sync) -> Vec<f64> {
        let draws: Vec<Option<f64>> =
            (0..self.resamples).into_par_iter().map(|i| figure(&self.draw(i, images, count))).collect();
        draws.into_iter().flatten().filter(|v| v.is_finite()).collect()
    }
}

fn percentiles(values: &[f64]) -> Option<Interval> {
    if values.len() < 2 {
        return None;
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    Some(Interval { low: quantile_sorted(&sorted, 0.025)?, high: quantile_sorted(&sorted, 0.975)? })
}

/// What an interval of candidate minus reference over `n` images allows to say.
fn judge(interval: Option<Interval>, n: usize, direction: Direction) -> Comparison {
    let Some(interval) = interval else { return Comparison::Undefined };
    let (low, high) = match direction {
        Direction::HigherIsBetter => (interval.low, interval.high),
        Direction::LowerIsBetter => (-interval.high, -interval.low),
    };
    if n < TOO_FEW {
        Comparison::TooFew
    } else if low > 0.0 {
        Comparison::Better
    } else if low > -NO_WORSE_MARGIN {
        Comparison::NoWorse
    } else if high < 0.0 {
        Comparison::Worse
    } else {
        Comparison::Undecided
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean_of(values: Vec<f64>) -> impl Fn(&[u32]) -> Option<f64> + Sync {
        move |weights| {
            let n: u32 = weights.iter().sum();
            let sum: f64 = values.iter().zip(weights).map(|(v, w)| v * f64::from(*w)).sum();
            (n > 0).then(|| sum / f64::from(n))
        }
    }

    #[test]
    fn pairing_sees_a_small_steady_gain() {
        let mut rng = Rng::new(3);
        let before: Vec<f64> = (0..200).map(|_| rng.unit()).collect();
        let after: Vec<f64> = before.iter().map(|v| v + 0.02).collect();
        let images: Vec<usize> = (0..200).collect();
        let boot = Bootstrap::default();
        let run = |a: &[f64], b: &[f64], d| boot.compare((&images, 200), d, mean_of(a.to_vec()), mean_of(b.to_vec()));
        let gain = run(&before, &after, Direction::HigherIsBetter);
        assert_eq!(gain.comparison, Comparison::Better);
        let two = |w: &[u32]| [mean_of(before.clone())(w), mean_of(after.clone())(w)];
        let each = [&before, &after].map(|v| boot.interval(&images, 200, mean_of(v.clone())));
        assert_eq!(boot.intervals(&images, 200, two), each, "the draws are the same");
        assert_eq!(run(&before, &after, Direction::LowerIsBetter).comparison, Comparison::Worse);
        assert_eq!(run(&before, &before, Direction::HigherIsBetter).comparison, Comparison::NoWorse);
        assert_eq!(run(&before, &after, Direction::HigherIsBetter), gain, "a seed decides all");
        let few: Vec<usize> = (0..29).collect();
        let few = boot.compare((&few, 200), Direction::HigherIsBetter, mean_of(before), mean_of(after));
        assert_eq!(few.comparison, Comparison::TooFew);
        let none = boot.compare((&[], 0), Direction::HigherIsBetter, |_| None, |_| None);
        assert_eq!((none.comparison, none.interval), (Comparison::Undefined, None));
    }

    #[test]
    fn intervals_cover_as_often_as_they_say() {
        let (mut covered, rounds) = (0, 200);
        for round in 0..rounds {
            let mut rng = Rng::part(7, round);
            let values: Vec<f64> = (0..60).map(|_| rng.normal()).collect();
            let images: Vec<usize> = (0..60).collect();
            let boot = Bootstrap { resamples: 200, seed: round };
            let interval = boot.interval(&images, 60, mean_of(values)).unwrap();
            covered += usize::from(interval.low <= 0.0 && interval.high >= 0.0);
        }
        assert!((176..=199).contains(&covered), "{covered} of {rounds}");
    }
}
