//! How far what is seen of an obstacle reaches, and which part of it the vehicle would meet.
//!
//! Seen from ahead an obstacle is a bent line: from the end of its right flank to the right and left edge of its near face and on
//! to the end of its left flank. Of something that stands askew, as a van that pulls out, the far end of a flank may lie in the
//! way while the near face does not. Places are relative to the tracked surface point: along the path and to its left, metres.

/// How far an obstacle may reach to a side, metres.
const ACROSS_MAX_M: f64 = 3.0;
/// And how much farther away its far end may be: a lorry and its trailer, metres.
const ALONG_MAX_M: f64 = 20.0;

/// An end may lie so much farther out than it was seen, metres: half a mask's cell at 20 m, or a beam's spacing.
const UNSURE_M: f64 = 0.3;

/// A place relative to an obstacle's surface point.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Offset {
    /// Farther along the path, metres.
    pub along_m: f64,
    /// Farther to the left of it, metres.
    pub left_m: f64,
}

/// The bent line that is seen of an obstacle, from its right to its left end, its surface point in the middle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Extent {
    line: [Offset; 5],
}

impl Extent {
    /// A flat face across the path that reaches so far to the right (negative) and left of the surface point, metres.
    pub fn face([right, left]: [f64; 2]) -> Self {
        let at = |left_m: f64| Offset { along_m: 0.0, left_m };
        Self::new([at(right), at(left)], [at(right), at(left)])
    }

    /// The edges of the near face, and the ends of all that is seen, of either pair the right one first.
    pub fn new([face_right, face_left]: [Offset; 2], [right, left]: [Offset; 2]) -> Self {
        let within = |o: Offset| Offset {
            along_m: o.along_m.clamp(0.0, ALONG_MAX_M),
            left_m: o.left_m.clamp(-ACROSS_MAX_M, ACROSS_MAX_M),
        };
        Self { line: [right, face_right, Offset::default(), face_left, left].map(within) }
    }

    /// How far it reaches to the right (negative or 0) and left of the surface point, metres.
    pub fn across_m(&self) -> [f64; 2] {
        let lefts = || self.line.iter().map(|o| o.left_m);
        [lefts().fold(0.0, f64::min), lefts().fold(0.0, f64::max)]
    }

    /// How much farther along the path than the surface point the part lies that would be met between two offsets to the left:
    /// the nearest of what is there, or of what would come there first, metres.
    pub fn met_between_m(&self, [low_m, high_m]: [f64; 2]) -> f64 {
        let [right, left] = self.across_m();
        let beside_m = (low_m - left).max(right - high_m).max(0.0) + UNSURE_M;
        self.nearest_between_m([low_m - beside_m, high_m + beside_m]).unwrap_or(0.0)
    }

    /// How much farther along the path than the surface point its nearest part between two offsets to the left lies, metres;
    /// `None` where no part of it lies between them.
    fn nearest_between_m(&self, [low_m, high_m]: [f64; 2]) -> Option<f64> {
        let part = |ends: &[Offset]| {
            let [a, b] = ends else { return None };
            let (low, high) = (a.left_m.min(b.left_m).max(low_m), a.left_m.max(b.left_m).min(high_m));
            let turn = b.left_m - a.left_m;
            let along = |left_m: f64| {
                let share = if turn == 0.0 { 0.0 } else { (left_m - a.left_m) / turn };
                a.along_m + share * (b.along_m - a.along_m)
            };
            let least = if turn == 0.0 { a.along_m.min(b.along_m) } else { along(low).min(along(high)) };
            (low <= high).then_some(least)
        };
        self.line.windows(2).filter_map(part).min_by(f64::total_cmp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(along_m: f64, left_m: f64) -> Offset {
        Offset { along_m, left_m }
    }

    /// A rear 2 m wide, whose left flank goes on 5 m ahead and 3 m to the left.
    fn askew() -> Extent {
        Extent::new([at(0.1, -1.0), at(0.0, 1.0)], [at(0.1, -1.0), at(5.0, 3.0)])
    }

    #[test]
    fn it_reaches_as_far_as_its_ends() {
        assert_eq!(askew().across_m(), [-1.0, 3.0]);
        assert_eq!(Extent::face([-0.4, 0.6]).across_m(), [-0.4, 0.6]);
        assert_eq!(Extent::new([at(0.0, 0.2), at(0.0, 0.4)], [at(0.0, 0.2), at(90.0, 9.0)]).across_m(), [0.0, 3.0]);
    }

    #[test]
    fn the_part_between_two_lines_is_where_it_is() {
        let it = askew();
        assert_eq!(it.nearest_between_m([-0.5, 0.5]), Some(0.0));
        assert_eq!(it.nearest_between_m([2.0, 9.0]), Some(2.5), "half way along its flank");
        assert_eq!(it.nearest_between_m([3.1, 9.0]), None);
        assert_eq!(it.nearest_between_m([-9.0, -1.0]), Some(0.1));
        // What is beside: what would come in first, and of a flank along the path its near end.
        assert_eq!(it.met_between_m([3.5, 9.0]), 4.25);
        let along = Extent::new([at(0.0, -1.0), at(0.0, 1.0)], [at(0.0, -1.0), at(5.0, 1.02)]);
        assert_eq!((along.met_between_m([2.0, 4.0]), along.met_between_m([-3.0, 3.0])), (0.0, 0.0));
        let thin = Extent::face([0.0, 0.0]);
        assert_eq!((thin.nearest_between_m([-1.0, 1.0]), thin.nearest_between_m([0.1, 1.0])), (Some(0.0), None));
    }
}
