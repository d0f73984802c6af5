//! Depth: scale-invariant logarithmic error and gradients of log-depth, over the pixels whose truth is known.

use super::slope_of_abs;

/// Share of the common shift that is forgiven.
const SHIFT_FORGIVEN: f32 = 0.5;
/// Steps at which gradients are compared, in cells.
const STEPS: [usize; 3] = [1, 2, 4];
/// Keeps the root's derivative finite.
const TINY: f32 = 1e-4;

/// Both losses of one picture's log-depth and their gradient, the two weighed by `weights`. Cells whose truth is NaN take
/// no part. Nothing known gives 0.
pub fn depth_loss(found: &[f32], truth: &[f32], columns: usize, weights: [f32; 2], grad: &mut [f32]) -> [f64; 2] {
    let gap: Vec<f32> = found.iter().zip(truth).map(|(f, t)| f - t).collect();
    let silog = silog_of(&gap, weights[0], grad);
    let steps = STEPS.map(|step| gradient_gap(&gap, columns, step, weights[1] / STEPS.len() as f32, grad));
    [silog, steps.iter().sum::<f64>() / STEPS.len() as f64]
}

/// `sqrt(mean g² - 0.5 (mean g)²)`.
pub(crate) fn silog_of(gap: &[f32], weight: f32, grad: &mut [f32]) -> f64 {
    let known = || gap.iter().filter(|g| g.is_finite());
    let n = known().count();
    if n == 0 {
        return 0.0;
    }
    let n = n as f32;
    let mean = known().sum::<f32>() / n;
    let square = known().map(|g| g * g).sum::<f32>() / n;
    let root = (square - SHIFT_FORGIVEN * mean * mean + TINY).sqrt();
    for (d, g) in grad.iter_mut().zip(gap) {
        if g.is_finite() {
            *d += weight * (g - SHIFT_FORGIVEN * mean) / (n * root);
        }
    }
    f64::from(root)
}

/// Mean `|Δ gap|` over neighbours `step` cells apart, to the right and below.
fn gradient_gap(gap: &[f32], columns: usize, step: usize, weight: f32, grad: &mut [f32]) -> f64 {
    let rows = gap.len() / columns.max(1);
    let across = (0..rows).flat_map(|r| (step..columns).map(move |c| (r * columns + c - step, r * columns + c)));
    let down = (step * columns..gap.len()).map(|i| (i - step * columns, i));
    let pairs: Vec<(usize, usize, f32)> =
        across.chain(down).map(|(a, b)| (a, b, gap[b] - gap[a])).filter(|(_, _, d)| d.is_finite()).collect();
    if pairs.is_empty() {
        return 0.0;
    }
    let share = weight / pairs.len() as f32;
    let mut total = 0.0;
    for &(a, b, d) in &pairs {
        total += f64::from(d.abs());
        let slope = share * slope_of_abs(f64::from(d)) as f32;
        grad[b] += slope;
        grad[a] -= slope;
    }
    total / pairs.len() as f64
}
