//! Classes and boxes: (quality) focal cross-entropy, CIoU, distribution focal loss; values and gradients by hand.

use ocellus_percept::detection::BoxPx;

use crate::data::view::Labelled;
use crate::loss::assign::Assignment;
use crate::loss::dual::Dual;
use crate::loss::grid::{Grid, Maps, binary_cross_entropy, expected_box, sigmoid};

/// Quality focal loss of one logit: `|σ(s) - y|^focus * BCE(s, y)`; plain cross-entropy where `focus` is 0. Value and
/// derivative.
pub fn quality_focal(logit: f32, target: f32, focus: f32) -> (f32, f32) {
    let p = sigmoid(logit);
    let entropy = binary_cross_entropy(logit, target);
    if focus == 0.0 {
        return (entropy, p - target);
    }
    let gap = (p - target).abs();
    let weight = gap.powf(focus);
    let slope = if gap > 0.0 { focus * gap.powf(focus - 1.0) * (p - target).signum() * p * (1.0 - p) } else { 0.0 };
    (weight * entropy, weight * (p - target) + entropy * slope)
}

/// Class loss of a batch, over the sum of target scores (at least 1): returns its value and leaves the gradient in `maps`.
pub fn class_loss(
    grid: &Grid,
    maps: &mut Maps<'_>,
    truths: &[(&Assignment, &[Labelled])],
    (weight, focus): (f32, f32),
) -> f64 {
    let mass = target_mass(truths);
    let mut total = 0.0f64;
    let mut targets = vec![0.0f32; maps.channels];
    for (picture, (assignment, objects)) in truths.iter().enumerate() {
        let mut positives = assignment.positives.iter().peekable();
        for number in 0..grid.cells {
            targets.fill(0.0);
            if let Some(positive) = positives.next_if(|p| p.number == number) {
                targets[objects[positive.object].class] = positive.target;
            } else if assignment.ignored[number] {
                continue;
            }
            let cell = grid.cell(number);
            for (channel, &target) in targets.iter().enumerate() {
                let (value, slope) = quality_focal(maps.get(grid, picture, cell, channel), target, focus);
                total += f64::from(value);
                maps.push(grid, picture, cell, channel, weight * slope / mass);
            }
        }
    }
    total / f64::from(mass)
}

/// Sum of the target scores of a batch, at least 1: what losses of positives are divided by.
pub fn target_mass(truths: &[(&Assignment, &[Labelled])]) -> f32 {
    truths.iter().flat_map(|(a, _)| &a.positives).map(|p| p.target).sum::<f32>().max(1.0)
}

/// Box loss of a batch, positives weighed by their target score: CIoU and the distributions' cross-entropy with the two
/// bins around the truth. Returns both values; the gradient, weighed, is left in `maps`.
pub fn box_loss(
    grid: &Grid,
    maps: &mut Maps<'_>,
    truths: &[(&Assignment, &[Labelled])],
    [iou_weight, side_weight]: [f32; 2],
) -> [f64; 2] {
    let mass = target_mass(truths);
    let bins = maps.channels / 4;
    let mut totals = [0.0f64; 2];
    for (picture, (assignment, objects)) in truths.iter().enumerate() {
        for positive in &assignment.positives {
            let truth = objects[positive.object].bbox;
            let share = positive.target / mass;
            let (_, shares) = expected_box(grid, maps, picture, positive.cell);
            let stride = grid.scales[positive.cell.scale].stride as f32;
            let [x, y] = grid.centre(positive.cell);
            let expected: Vec<f32> =
                shares.chunks_exact(bins).map(|s| s.iter().enumerate().map(|(k, p)| k as f32 * p).sum()).collect();
            let (loss, slopes) =
                ciou_loss([x, y], [expected[0], expected[1], expected[2], expected[3]], stride, &truth);
            totals[0] += f64::from(share * loss);
            let wanted = [x - truth.x0, y - truth.y0, truth.x1 - x, truth.y1 - y];
            for side in 0..4 {
                let goal = (wanted[side] / stride).clamp(0.0, bins as f32 - 1.01);
                let (low, rest) = (goal as usize, goal.fract());
                let share_of = |k: usize| {
                    if k == low {
                        1.0 - rest
                    } else if k == low + 1 {
                        rest
                    } else {
                        0.0
                    }
                };
                for k in 0..bins {
                    let p = shares[side * bins + k];
                    let want = share_of(k);
                    if want > 0.0 {
                        totals[1] -= f64::from(share * want * p.max(1e-12).ln() / 4.0);
                    }
                    let by_iou = slopes[side] * p * (k as f32 - expected[side]);
                    let by_sides = (p - want) / 4.0;
                    let grad = share * (iou_weight * by_iou + side_weight * by_sides);
                    maps.push(grid, picture, positive.cell, side * bins + k, grad);
                }
            }
        }
    }
    totals
}

/// `1 - CIoU` of the box around `centre` with the given distances in strides, and its derivative by each distance. The
/// weight of the aspect term is held constant, as its authors do.
pub fn ciou_loss([x, y]: [f32; 2], sides: [f32; 4], stride: f32, truth: &BoxPx) -> (f32, [f32; 4]) {
    let side = |i: usize| Dual::variable(f64::from(sides[i] * stride), i);
    let constant = |v: f32| Dual::constant(f64::from(v));
    let (x0, y0) = (constant(x) - side(0), constant(y) - side(1));
    let (x1, y1) = (constant(x) + side(2), constant(y) + side(3));
    let (tx0, ty0, tx1, ty1) = (constant(truth.x0), constant(truth.y0), constant(truth.x1), constant(truth.y1));
    let tiny = Dual::constant(1e-7);
    let zero = Dual::constant(0.0);
    let (w, h) = (x1 - x0 + tiny, y1 - y0 + tiny);
    let (tw, th) = (tx1 - tx0 + tiny, ty1 - ty0 + tiny);
    let inner = (x1.min(tx1) - x0.max(tx0)).max(zero) * (y1.min(ty1) - y0.max(ty0)).max(zero);
    let iou = inner / (w * h + tw * th - inner + tiny);
    let (cw, ch) = (x1.max(tx1) - x0.min(tx0), y1.max(ty1) - y0.min(ty0));
    let (dx, dy) = (x0 + x1 - tx0 - tx1, y0 + y1 - ty0 - ty1);
    let apart = (dx * dx + dy * dy) * Dual::constant(0.25) / (cw * cw + ch * ch + tiny);
    let angle = (tw / th).atan() - (w / h).atan();
    let aspect = angle * angle * Dual::constant(4.0 / (std::f64::consts::PI * std::f64::consts::PI));
    let balance = Dual::constant(aspect.value / (1.0 - iou.value + aspect.value + 1e-7));
    let loss = Dual::constant(1.0) - iou + apart + balance * aspect;
    (loss.value as f32, loss.slope.map(|s| s as f32 * stride))
}
