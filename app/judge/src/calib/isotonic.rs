//! Isotonic regression: the rising step function nearest to the outcomes (pool adjacent violators), thinned to knots.

/// Knots a stored map may have: the run-time applies it to each detection.
pub const MAX_KNOTS: usize = 64;

/// Samples pooled into one step.
struct Block {
    weight: f64,
    score: f64,
    target: f64,
}

impl Block {
    fn join(&mut self, other: &Self) {
        let weight = self.weight + other.weight;
        self.score = (self.score * self.weight + other.score * other.weight) / weight;
        self.target = (self.target * self.weight + other.target * other.weight) / weight;
        self.weight = weight;
    }
}

/// Knots (score, calibrated) of the fit: each block's mean score and mean target, neighbours of least change joined
/// until at most [`MAX_KNOTS`] remain.
pub(super) fn fit(confidences: &[f64], targets: &[f64]) -> Vec<(f64, f64)> {
    let mut pairs: Vec<(f64, f64)> = confidences.iter().copied().zip(targets.iter().copied()).collect();
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut blocks: Vec<Block> = Vec::new();
    let mut tied: Option<Block> = None;
    let push = |block: Block, blocks: &mut Vec<Block>| {
        blocks.push(block);
        while let [.., a, b] = blocks.as_mut_slice() {
            if a.target < b.target {
                break;
            }
            a.join(b);
            blocks.pop();
        }
    };
    for (score, target) in pairs {
        let sample = Block { weight: 1.0, score, target };
        match &mut tied {
            Some(block) if block.score == score => {
                // Equal scores are one sample, whatever their order; the mean must stay exactly that score.
                block.join(&sample);
                block.score = score;
            }
            _ => {
                if let Some(block) = tied.replace(sample) {
                    push(block, &mut blocks);
                }
            }
        }
    }
    if let Some(block) = tied {
        push(block, &mut blocks);
    }
    while blocks.len() > MAX_KNOTS {
        thin(&mut blocks);
    }
    blocks.iter().map(|b| (b.score, b.target)).collect()
}

/// Joins the two neighbours whose union loses least (Ward's criterion).
fn thin(blocks: &mut Vec<Block>) {
    let loss = |w: &[Block]| match w {
        [a, b] => a.weight * b.weight / (a.weight + b.weight) * (b.target - a.target).powi(2),
        _ => f64::INFINITY,
    };
    let best = blocks.windows(2).enumerate().min_by(|a, b| loss(a.1).total_cmp(&loss(b.1)));
    let Some(at) = best.map(|(i, _)| i) else { return };
    let right = blocks.remove(at + 1);
    if let Some(left) = blocks.get_mut(at) {
        left.join(&right);
    }
}

/// Straight lines between ascending knots, constant beyond the ends; without knots the score itself.
pub(super) fn interpolate(knots: &[(f64, f64)], score: f64) -> f64 {
    if score.is_nan() {
        return score;
    }
    let above = knots.partition_point(|k| k.0 <= score);
    match (above.checked_sub(1).and_then(|i| knots.get(i)), knots.get(above)) {
        (None, None) => score,
        (Some(k), None) | (None, Some(k)) => k.1,
        (Some(a), Some(b)) => a.1 + (b.1 - a.1) * (score - a.0) / (b.0 - a.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn violators_are_pooled() {
        let knots = fit(&[0.1, 0.2, 0.3, 0.4], &[0.0, 1.0, 0.0, 1.0]);
        assert_eq!(knots, [(0.1, 0.0), (0.25, 0.5), (0.4, 1.0)]);
        assert_eq!(interpolate(&knots, 0.25), 0.5);
        assert_eq!(interpolate(&knots, 0.9), 1.0);
        assert_eq!(interpolate(&[], 0.3), 0.3);
        assert_eq!(fit(&[0.5; 4], &[1.0, 0.0, 0.0, 0.0]), [(0.5, 0.25)]);
    }

    #[test]
    fn at_most_64_knots_remain() {
        let scores: Vec<f64> = (0..1000).map(|i| f64::from(i) / 1000.0).collect();
        let knots = fit(&scores, &scores);
        assert!(knots.len() <= MAX_KNOTS);
        let worst = scores.iter().map(|&s| (interpolate(&knots, s) - s).abs()).fold(0.0, f64::max);
        assert!(worst < 0.02, "{worst}");
    }
}
