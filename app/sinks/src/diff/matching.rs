//! Which object of A is which of B: one of the same class that overlaps it most.
//!
//! Track ids only break ties: after one difference all later ids may be shifted, and yet the obstacles are the same.

use std::collections::BTreeMap;

use ocellus_percept::report::Object;

/// Least overlap (intersection over union) of two boxes of one obstacle: the usual bar of detection benchmarks.
const IOU_MIN: f32 = 0.5;
/// Largest distance between two positions of one obstacle without boxes, metres: about half a car's length.
const POSITION_MAX_M: f64 = 2.0;

/// The objects of one frame, paired.
pub(super) struct Matches<'a> {
    /// The same obstacle in A and B, in A's order.
    pub(super) pairs: Vec<(&'a Object, &'a Object)>,
    /// Without a partner in B, in A's order.
    pub(super) only_in_a: Vec<&'a Object>,
    /// Without a partner in A, in B's order.
    pub(super) only_in_b: Vec<&'a Object>,
}

/// Pairs greedily, most alike first; equally alike ones with the same track id first, then in order.
pub(super) fn match_objects<'a>(a: &'a [Object], b: &'a [Object]) -> Matches<'a> {
    let mut candidates = Vec::new();
    for (i, in_a) in a.iter().enumerate() {
        for (j, in_b) in b.iter().enumerate() {
            if let Some(likeness) = likeness(in_a, in_b) {
                candidates.push((likeness, in_a.track == in_b.track, i, j));
            }
        }
    }
    candidates.sort_by(|x, y| y.0.total_cmp(&x.0).then(y.1.cmp(&x.1)).then(x.2.cmp(&y.2)).then(x.3.cmp(&y.3)));
    let mut partner_of_a = vec![None; a.len()];
    let mut partner_of_b = vec![None; b.len()];
    for (_, _, i, j) in candidates {
        if let (Some(of_a @ None), Some(of_b @ None)) = (partner_of_a.get_mut(i), partner_of_b.get_mut(j)) {
            *of_a = b.get(j);
            *of_b = a.get(i);
        }
    }
    Matches {
        pairs: a.iter().zip(&partner_of_a).filter_map(|(object, partner)| Some((object, (*partner)?))).collect(),
        only_in_a: a.iter().zip(&partner_of_a).filter(|(_, partner)| partner.is_none()).map(|(o, _)| o).collect(),
        only_in_b: b.iter().zip(&partner_of_b).filter(|(_, partner)| partner.is_none()).map(|(o, _)| o).collect(),
    }
}

/// How alike two objects are, 0 to 1; `None` where they cannot be the same obstacle.
fn likeness(a: &Object, b: &Object) -> Option<f32> {
    if a.class != b.class {
        return None;
    }
    match (a.box_px, b.box_px) {
        // Boxes without area have no overlap, and yet the same box is the same box.
        (Some(box_a), Some(box_b)) if box_a == box_b => Some(1.0),
        (Some(box_a), Some(box_b)) => Some(box_a.iou(&box_b)).filter(|iou| *iou >= IOU_MIN),
        _ => likeness_of_positions(a, b),
    }
}

fn likeness_of_positions(a: &Object, b: &Object) -> Option<f32> {
    match (a.position_m, b.position_m) {
        (Some(at_a), Some(at_b)) => {
            let square: f64 = at_a.iter().zip(&at_b).map(|(p, q)| (p - q) * (p - q)).sum();
            let distance_m = square.sqrt();
            (distance_m <= POSITION_MAX_M).then(|| (1.0 - 0.5 * distance_m / POSITION_MAX_M) as f32)
        }
        _ => (a.track == b.track).then_some(IOU_MIN),
    }
}

/// Which track id of B an id of A goes by, as first met.
#[derive(Debug, Default)]
pub(super) struct TrackNames {
    b_of_a: BTreeMap<u64, u64>,
    a_of_b: BTreeMap<u64, u64>,
}

impl TrackNames {
    /// Whether `a` and `b` have always been each other's; remembers them when met for the first time.
    pub(super) fn agree(&mut self, a: u64, b: u64) -> bool {
        let known_b = *self.b_of_a.entry(a).or_insert(b);
        let known_a = *self.a_of_b.entry(b).or_insert(a);
        known_b == b && known_a == a
    }
}
