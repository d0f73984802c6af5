//! Learning from class logits: the sums are over classes, the means over samples.

use super::{Taught, divergence, log_softmax, softmax};

/// Hinton's loss of one sample, `T² KL(p ‖ q)`; its gradient is `T (q - p)`.
pub fn kd(student: &[f64], teacher: &[f64], t: f64) -> Taught {
    let (log_p, log_q) = (log_softmax(teacher, t), log_softmax(student, t));
    let grad = log_p.iter().zip(&log_q).map(|(p, q)| t * (q.exp() - p.exp())).collect();
    (t * t * divergence(&log_p, &log_q), grad)
}

/// The same for classes that do not exclude one another: cross-entropy of sigmoids, times T².
pub fn kd_sigmoid(student: &[f64], teacher: &[f64], t: f64) -> Taught {
    let sigmoid = |z: f64| 1.0 / (1.0 + (-z / t).exp());
    let entropy = |(s, y): (&f64, &f64)| {
        let (z, y) = (s / t, sigmoid(*y));
        z.max(0.0) - z * y + (-z.abs()).exp().ln_1p()
    };
    let value = student.iter().zip(teacher).map(entropy).sum::<f64>() * t * t;
    (value, student.iter().zip(teacher).map(|(s, y)| t * (sigmoid(*s) - sigmoid(*y))).collect())
}

/// What GKL knows of the classes: the mean of the teacher's softened answers by true class, of the epoch before.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassPriors {
    rows: Vec<Vec<f64>>,
    sums: Vec<Vec<f64>>,
}

impl ClassPriors {
    /// Before the first epoch: all alike.
    pub fn new(classes: usize) -> Self {
        Self { rows: vec![vec![1.0 / classes as f64; classes]; classes], sums: vec![vec![0.0; classes]; classes] }
    }

    /// Takes in one sample of class `class`, softened by `t`.
    pub fn see(&mut self, class: usize, teacher: &[f64], t: f64) {
        self.sums[class].iter_mut().zip(softmax(teacher, t)).for_each(|(sum, p)| *sum += p);
    }

    /// Ends an epoch: what was seen counts from now on. Classes not seen keep their row.
    pub fn end_epoch(&mut self) {
        for (row, sum) in self.rows.iter_mut().zip(&mut self.sums) {
            let total: f64 = sum.iter().sum();
            if total > 0.0 {
                row.iter_mut().zip(&*sum).for_each(|(r, s)| *r = s / total);
            }
            sum.fill(0.0);
        }
    }

    /// The weights of one class's samples, `prior ^ gamma`.
    pub fn weights(&self, class: usize, gamma: f64) -> Vec<f64> {
        self.rows[class].iter().map(|p| p.powf(gamma)).collect()
    }
}

/// A batch of logits: student's, teacher's, and the weights of its sample's class.
pub type Sample<'a> = (&'a [f64], &'a [f64], &'a [f64]);

/// The decoupled half of GKL on a batch: `¼ Σ ω_i ω_j (Δt_ij - Δs_ij)² / Σ ω_i ω_j`, in its O(C) form: half the weighed
/// variance of the logits' gap. Gradients follow one another, sample by sample.
pub fn weighted_gap(batch: &[Sample<'_>]) -> Taught {
    let mass: f64 = batch.iter().map(|(_, _, w)| w.iter().sum::<f64>().powi(2)).sum();
    let (mut value, mut grad) = (0.0, Vec::new());
    for (s, t, w) in batch {
        let gap: Vec<f64> = t.iter().zip(*s).map(|(t, s)| t - s).collect();
        let sum = |f: &dyn Fn(f64) -> f64| gap.iter().zip(*w).map(|(d, w)| w * f(*d)).sum::<f64>();
        let (zero, one, two) = (sum(&|_| 1.0), sum(&|d| d), sum(&|d| d * d));
        value += 0.5 * (zero * two - one * one) / mass;
        grad.extend(gap.iter().zip(*w).map(|(d, w)| -(zero * w * d - one * w) / mass));
    }
    (value, grad)
}

/// GKL (2503.08038's successor of DKL) without the hard-label term: `beta * weighted_gap + alpha * soft cross-entropy`, the
/// latter at temperature `t`, a mean over the batch, without a factor T².
pub fn gkl(batch: &[Sample<'_>], alpha: f64, beta: f64, t: f64) -> Taught {
    let (gap, mut grad) = weighted_gap(batch);
    grad.iter_mut().for_each(|g| *g *= beta);
    let n = batch.len().max(1) as f64;
    let (mut soft, mut at) = (0.0, 0);
    for (s, teacher, _) in batch {
        let (p, log_q) = (softmax(teacher, t), log_softmax(s, t));
        soft -= p.iter().zip(&log_q).map(|(p, q)| p * q).sum::<f64>() / n;
        for (p, q) in p.iter().zip(&log_q) {
            grad[at] += alpha * (q.exp() - p) / (t * n);
            at += 1;
        }
    }
    (beta * gap + alpha * soft, grad)
}

/// The gap's loss for classes that do not exclude one another: `½ Σ π (1 - π) (t - s)²` with the class's mean probability.
pub fn sigmoid_gap(student: &[f64], teacher: &[f64], mean: &[f64]) -> Taught {
    let weigh = |pi: &f64| pi * (1.0 - pi);
    let rows = || student.iter().zip(teacher).zip(mean);
    let value = rows().map(|((s, t), pi)| 0.5 * weigh(pi) * (t - s) * (t - s)).sum();
    (value, rows().map(|((s, t), pi)| weigh(pi) * (s - t)).collect())
}

/// DKD of one sample of class `class`: `T² (alpha * TCKD + beta * NCKD)`, for samples whose class is known.
pub fn dkd(student: &[f64], teacher: &[f64], class: usize, [alpha, beta, t]: [f64; 3]) -> Taught {
    let others =
        |z: &[f64]| -> Vec<f64> { z.iter().enumerate().filter(|(k, _)| *k != class).map(|(_, z)| *z).collect() };
    let (log_p, log_q) = (log_softmax(teacher, t), log_softmax(student, t));
    let (rest_p, rest_q) = (log_softmax(&others(teacher), t), log_softmax(&others(student), t));
    // ln of all but the class: that of any other, less its share among the others. Stable where 1 - q is not.
    let besides = |all: &[f64], rest: &[f64]| -> f64 {
        let best = rest.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(i, _)| i);
        let index = if best >= class { best + 1 } else { best };
        all.get(index).zip(rest.get(best)).map_or(f64::NEG_INFINITY, |(all, rest)| all - rest)
    };
    let (no_p, no_q) = (besides(&log_p, &rest_p), besides(&log_q, &rest_q));
    let target = divergence(&[log_p[class], no_p], &[log_q[class], no_q]);
    let other = divergence(&rest_p, &rest_q);
    // d TCKD / d s_y = (q - p) / T; the others share the opposite by their own distribution.
    let lean = (log_q[class].exp() - log_p[class].exp()) / t;
    let mut rest = rest_p.iter().zip(&rest_q);
    let grad = (0..student.len()).map(|k| {
        if k == class {
            return t * t * alpha * lean;
        }
        let (p, q) = rest.next().map_or((0.0, 0.0), |(p, q)| (p.exp(), q.exp()));
        t * t * (-alpha * lean * q + beta * (q - p) / t)
    });
    let grad = grad.collect();
    (t * t * (alpha * target + beta * other), grad)
}

/// Bounds of CIST's temperatures.
const CIST_RANGE: (f64, f64) = (0.5, 20.0);

/// CIST's temperature of one sample's logits: their largest above the mean, over `kappa`.
pub fn cist_temperature(logits: &[f64], kappa: f64) -> f64 {
    let mean = logits.iter().sum::<f64>() / logits.len().max(1) as f64;
    let top = logits.iter().map(|z| z - mean).fold(f64::NEG_INFINITY, f64::max);
    (top / kappa).clamp(CIST_RANGE.0, CIST_RANGE.1)
}

/// CIST, **a reconstruction: its formula could not be verified**. `τ_t τ_s KL(σ(t̃/τ_t) ‖ σ(s̃/τ_s))` with a temperature for
/// each sample and network, through which no gradient flows.
pub fn cist(student: &[f64], teacher: &[f64], kappa: f64) -> Taught {
    let (tau_s, tau_t) = (cist_temperature(student, kappa), cist_temperature(teacher, kappa));
    let (log_p, log_q) = (log_softmax(teacher, tau_t), log_softmax(student, tau_s));
    let grad = log_p.iter().zip(&log_q).map(|(p, q)| tau_t * (q.exp() - p.exp())).collect();
    (tau_t * tau_s * divergence(&log_p, &log_q), grad)
}
