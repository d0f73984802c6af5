//! Greedy non-maximum suppression, each class by itself.
//!
//! Deterministic: the order is score downwards, then index upwards, so that with distinct scores the boxes kept do not
//! depend on the order they came in. Boxes are in any one pixel frame. Allocates only to grow its scratch.

use crate::detection::BoxPx;

/// Suppression with its scratch.
#[derive(Debug, Clone, Default)]
pub struct Nms {
    order: Vec<u32>,
    /// Boxes of the class at hand that were kept.
    kept: Vec<BoxPx>,
}

impl Nms {
    /// Writes the indices of the boxes that stay into `keep`, best first. A box goes where a better one of its class
    /// overlaps it by more than `iou` (intersection over union). `boxes`, `scores` and `classes` run in parallel, the
    /// shortest counts; a box whose score is not a number goes too.
    pub fn keep(&mut self, boxes: &[BoxPx], scores: &[f32], classes: &[u32], iou: f32, keep: &mut Vec<u32>) {
        keep.clear();
        let count = boxes.len().min(scores.len()).min(classes.len());
        self.order.clear();
        self.order.extend((0..count as u32).filter(|&i| !scores[i as usize].is_nan()));
        let score = |i: &u32| scores[*i as usize];
        self.order.sort_unstable_by(|a, b| {
            let class = classes[*a as usize].cmp(&classes[*b as usize]);
            class.then(score(b).total_cmp(&score(a))).then(a.cmp(b))
        });
        let mut class = None;
        for &index in &self.order {
            let at = index as usize;
            if class != Some(classes[at]) {
                class = Some(classes[at]);
                self.kept.clear();
            }
            if !self.kept.iter().any(|better| overlaps(better, &boxes[at], iou)) {
                self.kept.push(boxes[at]);
                keep.push(index);
            }
        }
        sort_by_score(scores, keep);
    }

    /// Writes the indices of all scores that are numbers into `keep`, best first: the order of [`Nms::keep`] for heads
    /// that need no suppression.
    pub fn rank(scores: &[f32], keep: &mut Vec<u32>) {
        keep.clear();
        keep.extend((0..scores.len() as u32).filter(|&i| !scores[i as usize].is_nan()));
        sort_by_score(scores, keep);
    }
}

/// Best score first, the lower index first among equals.
fn sort_by_score(scores: &[f32], indices: &mut [u32]) {
    indices.sort_unstable_by(|&a, &b| scores[b as usize].total_cmp(&scores[a as usize]).then(a.cmp(&b)));
}

/// Whether intersection over union exceeds `iou`; empty boxes overlap nothing.
fn overlaps(a: &BoxPx, b: &BoxPx, iou: f32) -> bool {
    let width = (a.x1.min(b.x1) - a.x0.max(b.x0)).max(0.0);
    let height = (a.y1.min(b.y1) - a.y0.max(b.y0)).max(0.0);
    let both = width * height;
    both > iou * (a.area() + b.area() - both)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A plain linear congruential generator: tests need scatter, not quality.
    struct Lcg(u64);

    impl Lcg {
        fn unit(&mut self) -> f32 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 40) as f32 / (1u64 << 24) as f32
        }
    }

    fn scatter(seed: u64, count: usize) -> (Vec<BoxPx>, Vec<f32>, Vec<u32>) {
        let mut random = Lcg(seed);
        let mut boxes = Vec::new();
        for _ in 0..count {
            let (x0, y0) = (random.unit() * 200.0, random.unit() * 200.0);
            boxes.push(BoxPx { x0, y0, x1: x0 + 20.0 + random.unit() * 60.0, y1: y0 + 20.0 + random.unit() * 60.0 });
        }
        let scores = (0..count).map(|_| random.unit()).collect();
        let classes = (0..count).map(|_| (random.unit() * 3.0) as u32).collect();
        (boxes, scores, classes)
    }

    fn keep(boxes: &[BoxPx], scores: &[f32], classes: &[u32], iou: f32) -> Vec<u32> {
        let mut kept = Vec::new();
        Nms::default().keep(boxes, scores, classes, iou, &mut kept);
        kept
    }

    #[test]
    fn the_same_again_changes_nothing() {
        let (boxes, scores, classes) = scatter(1, 300);
        let once = keep(&boxes, &scores, &classes, 0.4);
        assert!(once.len() > 20 && once.len() < 300, "{}", once.len());
        let pick = |i: &u32| *i as usize;
        let boxes: Vec<_> = once.iter().map(|i| boxes[pick(i)]).collect();
        let scores: Vec<_> = once.iter().map(|i| scores[pick(i)]).collect();
        let classes: Vec<_> = once.iter().map(|i| classes[pick(i)]).collect();
        assert_eq!(keep(&boxes, &scores, &classes, 0.4), (0..once.len() as u32).collect::<Vec<_>>());
    }

    #[test]
    fn the_order_of_the_input_does_not_matter() {
        let (boxes, scores, classes) = scatter(2, 200);
        let straight: Vec<_> = keep(&boxes, &scores, &classes, 0.5).iter().map(|&i| boxes[i as usize]).collect();
        let turned = |n: usize| (n * 77) % 200;
        let order: Vec<usize> = (0..200).map(turned).collect();
        let b: Vec<_> = order.iter().map(|&i| boxes[i]).collect();
        let s: Vec<_> = order.iter().map(|&i| scores[i]).collect();
        let c: Vec<_> = order.iter().map(|&i| classes[i]).collect();
        let shuffled: Vec<_> = keep(&b, &s, &c, 0.5).iter().map(|&i| b[i as usize]).collect();
        assert_eq!(straight, shuffled);
    }

    #[test]
    fn ties_go_to_the_lower_index_and_classes_do_not_meet() {
        let one = BoxPx { x0: 0.0, y0: 0.0, x1: 10.0, y1: 10.0 };
        assert_eq!(keep(&[one, one, one], &[0.5, 0.5, 0.5], &[0, 0, 1], 0.5), vec![0, 2]);
    }

    #[test]
    fn what_is_not_a_number_or_empty_breaks_nothing() {
        let nan = BoxPx { x0: f32::NAN, y0: 0.0, x1: 1.0, y1: 1.0 };
        let empty = BoxPx::default();
        assert_eq!(keep(&[nan, empty, empty], &[f32::NAN, 0.5, 0.4], &[0, 0, 0], 0.5), vec![1, 2]);
        assert_eq!(keep(&[nan], &[0.9], &[0], 0.5), vec![0]);
        assert!(keep(&[], &[], &[], 0.5).is_empty());
    }
}
