//! Masks: cross-entropy and Dice of prototypes weighed by a cell's coefficients, within the object's box.

use crate::data::augment::Sample;
use crate::loss::assign::{Assignment, Positive};
use crate::loss::grid::{Grid, Maps, binary_cross_entropy, sigmoid};
use crate::net::student::FINE_STRIDE;

/// Objects a picture's masks are learnt from, best cells first: more cost time and teach little.
const OBJECTS_MAX: usize = 8;

/// Prototypes of a batch, with their gradient.
pub struct Prototypes<'a> {
    /// (pictures, count, rows, columns).
    pub values: &'a [f32],
    /// Likewise.
    pub grads: Vec<f32>,
    /// Maps a picture.
    pub count: usize,
    /// Rows and columns.
    pub size: [usize; 2],
}

/// Mask loss of a batch, a mean over masks. Gradients, weighed, go to the coefficients and the prototypes.
pub fn mask_loss(
    grid: &Grid,
    coefficients: &mut Maps<'_>,
    prototypes: &mut Prototypes<'_>,
    truths: &[(&Assignment, &Sample)],
    weight: f32,
) -> f64 {
    let chosen: Vec<Vec<Positive>> = truths.iter().map(|(a, _)| best_cells(a)).collect();
    let masks = chosen.iter().map(Vec::len).sum::<usize>().max(1) as f32;
    let mut total = 0.0f64;
    for (picture, ((_, sample), cells)) in truths.iter().zip(&chosen).enumerate() {
        for positive in cells {
            let object = &sample.objects[positive.object];
            let b = object.bbox;
            let [rows, columns] = prototypes.size;
            let stride = FINE_STRIDE as f32;
            let bound = |at: f32, limit: usize| ((at / stride).max(0.0) as usize).min(limit);
            let (c0, c1) = (bound(b.x0, columns), bound(b.x1 + stride - 1.0, columns));
            let (r0, r1) = (bound(b.y0, rows), bound(b.y1 + stride - 1.0, rows));
            let inside: Vec<usize> = (r0..r1).flat_map(|r| (c0..c1).map(move |c| r * columns + c)).collect();
            if inside.is_empty() {
                continue;
            }
            let wanted: Vec<f32> = inside.iter().map(|&i| f32::from(sample.instance[i] == object.instance)).collect();
            let plane = rows * columns;
            let base = picture * prototypes.count * plane;
            let weights: Vec<f32> =
                (0..prototypes.count).map(|k| coefficients.get(grid, picture, positive.cell, k)).collect();
            let logits: Vec<f32> = inside
                .iter()
                .map(|&i| weights.iter().enumerate().map(|(k, w)| w * prototypes.values[base + k * plane + i]).sum())
                .collect();
            let (loss, slopes) = cross_entropy_and_dice(&logits, &wanted);
            total += f64::from(loss / masks);
            for (k, w) in weights.iter().enumerate() {
                let mut by_weight = 0.0;
                for (&i, slope) in inside.iter().zip(&slopes) {
                    let at = base + k * plane + i;
                    by_weight += slope * prototypes.values[at];
                    prototypes.grads[at] += weight * slope * w / masks;
                }
                coefficients.push(grid, picture, positive.cell, k, weight * by_weight / masks);
            }
        }
    }
    total
}

/// The best cell of each object, best first.
fn best_cells(assignment: &Assignment) -> Vec<Positive> {
    let mut sorted = assignment.positives.clone();
    sorted.sort_by(|a, b| b.target.total_cmp(&a.target).then(a.number.cmp(&b.number)));
    let mut best: Vec<Positive> = Vec::new();
    for positive in sorted {
        if best.len() < OBJECTS_MAX && best.iter().all(|b| b.object != positive.object) {
            best.push(positive);
        }
    }
    best
}

/// Mean cross-entropy plus Dice of some logits; value and derivatives.
pub fn cross_entropy_and_dice(logits: &[f32], wanted: &[f32]) -> (f32, Vec<f32>) {
    let n = logits.len().max(1) as f32;
    let shares: Vec<f32> = logits.iter().map(|&z| sigmoid(z)).collect();
    let entropy: f32 = logits.iter().zip(wanted).map(|(&z, &y)| binary_cross_entropy(z, y)).sum::<f32>() / n;
    let common: f32 = shares.iter().zip(wanted).map(|(p, y)| p * y).sum();
    let both: f32 = shares.iter().zip(wanted).map(|(p, y)| p * p + y * y).sum::<f32>() + 1.0;
    let dice = 1.0 - (2.0 * common + 1.0) / both;
    let slope = |(p, y): (&f32, &f32)| {
        let by_dice = (-2.0 * y * both + (2.0 * common + 1.0) * 2.0 * p) / (both * both);
        (p - y) / n + by_dice * p * (1.0 - p)
    };
    (entropy + dice, shares.iter().zip(wanted).map(slope).collect())
}
