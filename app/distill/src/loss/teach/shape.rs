//! Learning shapes: distributions of box sides, and depth.

use super::super::slope_of_abs;
use super::{Taught, divergence, log_softmax};

/// Localization distillation: `T² KL` of each side's distribution, a mean over sides. `bins` logits a side.
pub fn sides(student: &[f64], teacher: &[f64], bins: usize, t: f64) -> Taught {
    let count = (student.len() / bins.max(1)).max(1) as f64;
    let (mut value, mut grad) = (0.0, Vec::with_capacity(student.len()));
    for (s, teacher) in student.chunks_exact(bins).zip(teacher.chunks_exact(bins)) {
        let (log_p, log_q) = (log_softmax(teacher, t), log_softmax(s, t));
        value += t * t * divergence(&log_p, &log_q) / count;
        grad.extend(log_p.iter().zip(&log_q).map(|(p, q)| t * (q.exp() - p.exp()) / count));
    }
    (value, grad)
}

/// Least spread of a prediction that can be aligned.
const SPREAD_MIN: f64 = 1e-6;

/// Scale and shift that bring `found` nearest to `truth`; `None` where `found` is flat.
pub fn align(found: &[f64], truth: &[f64]) -> Option<[f64; 2]> {
    let n = found.len().max(1) as f64;
    let mean = |f: &dyn Fn(usize) -> f64| (0..found.len()).map(f).sum::<f64>() / n;
    let (d, g) = (mean(&|i| found[i]), mean(&|i| truth[i]));
    let spread = mean(&|i| found[i] * found[i]) - d * d;
    let scale = (mean(&|i| found[i] * truth[i]) - d * g) / spread;
    (spread > SPREAD_MIN).then_some([scale, g - scale * d])
}

/// Scale-and-shift invariant loss (MiDaS): `1/2M Σ (s d + b - g)²` with the best s and b. As these are the best, they add
/// nothing to the gradient. 0 where the prediction is flat.
pub fn scale_and_shift(found: &[f64], truth: &[f64]) -> Taught {
    let Some([scale, shift]) = align(found, truth) else { return (0.0, vec![0.0; found.len()]) };
    let m = found.len() as f64;
    let gap = |(d, g): (&f64, &f64)| scale * d + shift - g;
    let value = found.iter().zip(truth).map(gap).map(|r| r * r).sum::<f64>() / (2.0 * m);
    (value, found.iter().zip(truth).map(|row| scale * gap(row) / m).collect())
}

/// Gradient matching: `Σ_k 1/M_k Σ |∂x R| + |∂y R|` of the residual R, at steps 1, 2, 4, 8 of a map of `columns`, sampled at
/// those steps. The gradient is by R.
pub fn gradients(residual: &[f64], columns: usize) -> Taught {
    let rows = residual.len() / columns.max(1);
    let (mut value, mut grad) = (0.0, vec![0.0; residual.len()]);
    for step in [1, 2, 4, 8] {
        let (height, width) = (rows.div_ceil(step), columns.div_ceil(step));
        let share = 1.0 / (height * width).max(1) as f64;
        let at = |r: usize, c: usize| r * step * columns + c * step;
        let across = (0..height).flat_map(|r| (1..width).map(move |c| (at(r, c - 1), at(r, c))));
        let down = (1..height).flat_map(|r| (0..width).map(move |c| (at(r - 1, c), at(r, c))));
        for (a, b) in across.chain(down) {
            let d = residual[b] - residual[a];
            value += share * d.abs();
            let slope = share * slope_of_abs(d);
            grad[b] += slope;
            grad[a] -= slope;
        }
    }
    (value, grad)
}

/// Depth by instance: the mean over masks of `|ln median(d) - ln median(g)|` (lower medians). Masks are lists of pixels; one
/// whose depths are not positive is left out.
pub fn instances(found: &[f64], truth: &[f64], masks: &[Vec<usize>]) -> Taught {
    let median = |values: &[f64], mask: &[usize]| {
        let mut sorted: Vec<usize> = mask.iter().copied().filter(|&i| i < values.len()).collect();
        sorted.sort_by(|&a, &b| values[a].total_cmp(&values[b]).then(a.cmp(&b)));
        sorted.get(sorted.len().checked_sub(1)? / 2).copied().filter(|&i| values[i] > 0.0)
    };
    let pairs: Vec<(usize, usize)> =
        masks.iter().filter_map(|m| Some((median(found, m)?, median(truth, m)?))).collect();
    let (mut value, mut grad) = (0.0, vec![0.0; found.len()]);
    let n = pairs.len().max(1) as f64;
    for (d, g) in pairs {
        let gap = found[d].ln() - truth[g].ln();
        value += gap.abs() / n;
        grad[d] += slope_of_abs(gap) / (n * found[d]);
    }
    (value, grad)
}
