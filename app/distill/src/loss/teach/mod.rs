//! Losses that let a network learn from another: each gives its value and the gradient of the student's numbers by hand.
//!
//! Teachers get no gradient. Formulas are those of the papers and repositories named at each; values are checked against
//! vectors that numpy computed (tests/reference/losses.py), gradients against finite differences.
//!
//! | module | from what | losses |
//! |---|---|---|
//! | `logits` | class logits | KD, KD of sigmoids, GKL/DKL, DKD, CIST (a reconstruction) |
//! | `features` | feature maps | plain, cosine, masked, FGD (without its context block), MGD, CWD, PKD |
//! | `shape` | boxes and depth | LD of box sides, scale-and-shift invariant depth, its gradients, depth by instance |
//! | `schedule` | | ramp and decay of weights |

pub mod features;
pub mod logits;
pub mod schedule;
pub mod shape;

#[cfg(test)]
mod vectors;

/// A loss and its gradient by the student's numbers, in their order.
pub type Taught = (f64, Vec<f64>);

/// Logarithms of a softmax at temperature `t`.
fn log_softmax(logits: &[f64], t: f64) -> Vec<f64> {
    let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logits.iter().map(|z| ((z - top) / t).exp()).sum();
    logits.iter().map(|z| (z - top) / t - sum.ln()).collect()
}

/// A softmax at temperature `t`.
fn softmax(logits: &[f64], t: f64) -> Vec<f64> {
    log_softmax(logits, t).into_iter().map(f64::exp).collect()
}

/// `Σ p (ln p - ln q)` of two softmaxes given as logarithms.
fn divergence(log_p: &[f64], log_q: &[f64]) -> f64 {
    log_p.iter().zip(log_q).map(|(p, q)| p.exp() * (p - q)).sum()
}
