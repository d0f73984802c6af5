//! Rectangles on the ground, and whether two of them touch.

/// An oriented rectangle seen from above, metres.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Footprint {
    centre: [f64; 2],
    axis: [f64; 2],
    half: [f64; 2],
}

impl Footprint {
    /// At `centre`, its length along `yaw` (rad).
    pub(crate) fn new(centre: [f64; 2], yaw: f64, length_m: f64, width_m: f64) -> Self {
        Self { centre, axis: [libm::cos(yaw), libm::sin(yaw)], half: [length_m * 0.5, width_m * 0.5] }
    }

    /// Radius of the circle around it.
    pub(crate) fn radius(&self) -> f64 {
        (self.half[0] * self.half[0] + self.half[1] * self.half[1]).sqrt()
    }

    /// Distance between centres.
    pub(crate) fn centre_distance(&self, other: &Self) -> f64 {
        let (dx, dy) = (self.centre[0] - other.centre[0], self.centre[1] - other.centre[1]);
        (dx * dx + dy * dy).sqrt()
    }

    /// The rectangle grown by `m` on every side.
    pub(crate) fn grown(&self, m: f64) -> Self {
        Self { half: [self.half[0] + m, self.half[1] + m], ..*self }
    }

    /// Whether they share a point (separating axes).
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let d = [other.centre[0] - self.centre[0], other.centre[1] - self.centre[1]];
        let axes = [self.axis, [-self.axis[1], self.axis[0]], other.axis, [-other.axis[1], other.axis[0]]];
        axes.iter().all(|a| {
            let gap = libm::fabs(d[0] * a[0] + d[1] * a[1]);
            gap <= self.reach(*a) + other.reach(*a)
        })
    }

    fn reach(&self, a: [f64; 2]) -> f64 {
        let along = libm::fabs(a[0] * self.axis[0] + a[1] * self.axis[1]);
        let across = libm::fabs(a[1] * self.axis[0] - a[0] * self.axis[1]);
        self.half[0] * along + self.half[1] * across
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn touching_is_symmetric_and_turns_with_the_rectangles() {
        let a = Footprint::new([0.0, 0.0], 0.0, 4.0, 2.0);
        let beside = Footprint::new([0.0, 2.1], 0.0, 4.0, 2.0);
        let across = Footprint::new([0.0, 2.9], std::f64::consts::FRAC_PI_2, 4.0, 2.0);
        assert!(!a.overlaps(&beside) && !beside.overlaps(&a));
        assert!(a.overlaps(&across) && across.overlaps(&a));
        assert!(a.overlaps(&beside.grown(0.1)));
    }
}
