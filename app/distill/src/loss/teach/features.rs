//! Learning from feature maps of (channels, rows, columns), the student's already brought to the teacher's channels by an
//! adapter.

use super::{Taught, divergence, log_softmax, softmax};

/// Mean square difference (FitNet).
pub fn plain(student: &[f64], teacher: &[f64]) -> Taught {
    let n = student.len().max(1) as f64;
    let rows = || student.iter().zip(teacher).map(|(s, t)| s - t);
    (rows().map(|d| d * d).sum::<f64>() / n, rows().map(|d| 2.0 * d / n).collect())
}

/// `2 (1 - cos)` between the channels of each pixel, a mean over `plane` pixels.
pub fn cosine(student: &[f64], teacher: &[f64], plane: usize) -> Taught {
    /// Keeps a pixel without any feature finite.
    const TINY: f64 = 1e-12;
    let channels = student.len() / plane.max(1);
    let (mut value, mut grad) = (0.0, vec![0.0; student.len()]);
    for pixel in 0..plane {
        let index = |c: usize| c * plane + pixel;
        let dot = |a: &[f64], b: &[f64]| (0..channels).map(|c| a[index(c)] * b[index(c)]).sum::<f64>();
        let (s, t) = (dot(student, student).sqrt().max(TINY), dot(teacher, teacher).sqrt().max(TINY));
        let cos = dot(student, teacher) / (s * t);
        value += 2.0 * (1.0 - cos) / plane as f64;
        for c in 0..channels {
            let slope = teacher[index(c)] / (s * t) - cos * student[index(c)] / (s * s);
            grad[index(c)] = -2.0 * slope / plane as f64;
        }
    }
    (value, grad)
}

/// `Σ M ‖S - T‖² / Σ M` with a weight for each pixel; 0 where all are.
pub fn masked(student: &[f64], teacher: &[f64], mask: &[f64]) -> Taught {
    let mass: f64 = mask.iter().sum();
    if mass <= 0.0 {
        return (0.0, vec![0.0; student.len()]);
    }
    let weight = |i: usize| mask[i % mask.len()] / mass;
    let rows = || student.iter().zip(teacher).map(|(s, t)| s - t).enumerate();
    (rows().map(|(i, d)| weight(i) * d * d).sum(), rows().map(|(i, d)| 2.0 * weight(i) * d).collect())
}

/// MGD's `‖G - T‖² / N` of what a generator made of a masked student map, for a batch of `pictures`.
pub fn generated(made: &[f64], teacher: &[f64], pictures: usize) -> Taught {
    let n = pictures.max(1) as f64;
    let rows = || made.iter().zip(teacher).map(|(g, t)| g - t);
    (rows().map(|d| d * d).sum::<f64>() / n, rows().map(|d| 2.0 * d / n).collect())
}

/// Channel-wise distillation: `τ²/C Σ KL` of each channel's softmax over its pixels. A common factor on a teacher's channel
/// is not invariant, a common offset is.
pub fn channelwise(student: &[f64], teacher: &[f64], plane: usize, tau: f64) -> Taught {
    let channels = (student.len() / plane.max(1)).max(1) as f64;
    let (mut value, mut grad) = (0.0, Vec::with_capacity(student.len()));
    for (s, t) in student.chunks_exact(plane).zip(teacher.chunks_exact(plane)) {
        let (log_p, log_q) = (log_softmax(t, tau), log_softmax(s, tau));
        value += tau * tau / channels * divergence(&log_p, &log_q);
        grad.extend(log_p.iter().zip(&log_q).map(|(p, q)| tau / channels * (q.exp() - p.exp())));
    }
    (value, grad)
}

/// PKD: each channel standardised over pictures and pixels, then half the mean square: `1 - Pearson r`, a mean over channels.
/// `shape` is (pictures, channels, pixels). A flat channel counts as 0.
pub fn pearson(student: &[f64], teacher: &[f64], [pictures, channels, plane]: [usize; 3]) -> Taught {
    let n = (pictures * plane).max(1) as f64;
    let (mut value, mut grad) = (0.0, vec![0.0; student.len()]);
    for channel in 0..channels {
        let pixels = || (0..pictures).flat_map(move |p| (0..plane).map(move |i| (p * channels + channel) * plane + i));
        let moments = |v: &[f64]| {
            let mean = pixels().map(|i| v[i]).sum::<f64>() / n;
            let spread = (pixels().map(|i| (v[i] - mean) * (v[i] - mean)).sum::<f64>() / n).sqrt();
            (mean, spread)
        };
        let ((ms, ss), (mt, st)) = (moments(student), moments(teacher));
        if ss <= 1e-12 || st <= 1e-12 {
            continue;
        }
        let r = pixels().map(|i| (student[i] - ms) * (teacher[i] - mt)).sum::<f64>() / (n * ss * st);
        value += (1.0 - r) / channels as f64;
        for i in pixels() {
            let (s, t) = ((student[i] - ms) / ss, (teacher[i] - mt) / st);
            grad[i] = -(t - r * s) / (n * ss * channels as f64);
        }
    }
    (value, grad)
}

/// Temperature of FGD's attention.
const ATTENTION_T: f64 = 0.5;

/// The weights of FGD's terms: foreground, background, attention.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Focal {
    /// Foreground.
    pub foreground: f64,
    /// Background.
    pub background: f64,
    /// Attention.
    pub attention: f64,
}

/// FGD's masks of a map of `columns`: foreground, for each pixel the largest of `1 / ((h+1)(w+1))` over the boxes that hold
/// it; background, `1 / pixels outside`. Boxes are (left, top, right, bottom) in whole pixels, right and bottom included.
pub fn focal_masks(plane: usize, columns: usize, boxes: &[[usize; 4]]) -> (Vec<f64>, Vec<f64>) {
    let mut foreground = vec![0.0f64; plane];
    for &[left, top, right, bottom] in boxes {
        let weight = 1.0 / ((bottom - top + 1) as f64 * (right - left + 1) as f64);
        for row in top..=bottom {
            for pixel in row * columns + left..=row * columns + right {
                if let Some(value) = foreground.get_mut(pixel) {
                    *value = value.max(weight);
                }
            }
        }
    }
    let outside = foreground.iter().filter(|v| **v == 0.0).count().max(1) as f64;
    let background = foreground.iter().map(|v| if *v == 0.0 { 1.0 / outside } else { 0.0 }).collect();
    (foreground, background)
}

/// FGD on one picture, without the relation term (it needs a learnt context block). The attention that weighs is the
/// teacher's.
pub fn focal(student: &[f64], teacher: &[f64], (foreground, background): (&[f64], &[f64]), weights: Focal) -> Taught {
    let plane = foreground.len();
    let channels = student.len() / plane.max(1);
    let (by_pixel, by_channel) = (Attention::pixels(teacher, plane), Attention::channels(teacher, plane));
    let (mut value, mut grad) = (0.0, vec![0.0; student.len()]);
    for (i, (s, t)) in student.iter().zip(teacher).enumerate() {
        let (channel, pixel) = (i / plane, i % plane);
        let mask = weights.foreground * foreground[pixel] + weights.background * background[pixel];
        let weight = mask * by_pixel.of(pixel) * by_channel.of(channel);
        value += weight * (s - t) * (s - t);
        grad[i] += 2.0 * weight * (s - t);
    }
    let own = [Attention::pixels(student, plane), Attention::channels(student, plane)];
    for (own, wanted) in own.iter().zip([&by_pixel, &by_channel]) {
        let (gap, slopes) = own.gap(wanted);
        value += weights.attention * gap;
        // Over which index a mean was taken, and how many it holds.
        let (pick, count): (fn(usize, usize) -> usize, usize) =
            if own.shares.len() == plane { (|i, p| i % p, channels) } else { (|i, p| i / p, plane) };
        for (i, s) in student.iter().enumerate() {
            let sign = if *s > 0.0 {
                1.0
            } else if *s < 0.0 {
                -1.0
            } else {
                0.0
            };
            grad[i] += weights.attention * slopes[pick(i, plane)] * sign / (count as f64 * ATTENTION_T);
        }
    }
    (value, grad)
}

/// How much a map looks where: a softmax of mean absolute values, times their number.
struct Attention {
    shares: Vec<f64>,
}

impl Attention {
    fn pixels(map: &[f64], plane: usize) -> Self {
        let channels = (map.len() / plane.max(1)).max(1);
        let mean = |pixel: usize| (0..channels).map(|c| map[c * plane + pixel].abs()).sum::<f64>() / channels as f64;
        Self { shares: softmax(&(0..plane).map(mean).collect::<Vec<_>>(), ATTENTION_T) }
    }

    fn channels(map: &[f64], plane: usize) -> Self {
        let means: Vec<f64> =
            map.chunks_exact(plane).map(|m| m.iter().map(|v| v.abs()).sum::<f64>() / plane as f64).collect();
        Self { shares: softmax(&means, ATTENTION_T) }
    }

    fn of(&self, index: usize) -> f64 {
        self.shares[index] * self.shares.len() as f64
    }

    /// Sum of absolute differences, and its derivative by the logits of this softmax.
    fn gap(&self, wanted: &Self) -> (f64, Vec<f64>) {
        let n = self.shares.len() as f64;
        let signs: Vec<f64> = self.shares.iter().zip(&wanted.shares).map(|(a, b)| (a - b).signum()).collect();
        let value = n * self.shares.iter().zip(&wanted.shares).map(|(a, b)| (a - b).abs()).sum::<f64>();
        let mean: f64 = signs.iter().zip(&self.shares).map(|(g, p)| g * p).sum();
        (value, signs.iter().zip(&self.shares).map(|(g, p)| n * p * (g - mean)).collect())
    }
}
