//! Class scores: activation, and the best class of a row.

use crate::model::ScoreActivation;
use crate::tensor::decode::candidates::Candidates;

/// The logistic function.
pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// The raw value below which no activated score reaches `floor`; a hair lower, since the exact test follows on the
/// activated score.
pub(super) fn raw_floor(activation: ScoreActivation, floor: f32) -> f32 {
    match activation {
        ScoreActivation::None => floor,
        ScoreActivation::Sigmoid if floor <= 0.0 => f32::NEG_INFINITY,
        ScoreActivation::Sigmoid => (floor / (1.0 - floor).max(f32::MIN_POSITIVE)).ln() - 1e-3,
    }
}

/// The score of a raw value.
pub(super) fn activate(activation: ScoreActivation, raw: f32) -> f32 {
    match activation {
        ScoreActivation::None => raw,
        ScoreActivation::Sigmoid => sigmoid(raw),
    }
}

/// The first of the greatest finite values of `row`, as (class, raw value); what is not finite is counted and passed
/// over. `None` where nothing is finite.
pub(super) fn best_class(row: impl Iterator<Item = f32>, found: &mut Candidates) -> Option<(usize, f32)> {
    let mut best: Option<(usize, f32)> = None;
    for (class, raw) in row.enumerate() {
        if !raw.is_finite() {
            found.non_finite += 1;
        } else if best.is_none_or(|(_, top)| raw > top) {
            best = Some((class, raw));
        }
    }
    best
}
