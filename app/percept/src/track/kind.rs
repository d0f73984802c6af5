//! Kinds of classes: within one, detectors mistake classes for one another; between two, hardly ever.

/// A coarse kind of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Cars and all that is larger.
    Vehicle,
    /// People and what they ride: a rider and a cycle are often one box or the other.
    Person,
    /// Anything else, and what is not known: may be taken for either.
    Other,
}

impl Kind {
    /// The kind of a class by its name in COCO, KITTI, nuScenes or Argoverse, whatever its case.
    pub(super) fn of(name: &str) -> Self {
        const VEHICLES: &[&str] = &["car", "van", "truck", "bus", "tram", "train", "trailer", "construction_vehicle"];
        const PEOPLE: &[&str] =
            &["person", "pedestrian", "person_sitting", "rider", "cyclist", "bicycle", "motorcycle"];
        let is = |names: &[&str]| names.iter().any(|n| n.eq_ignore_ascii_case(name));
        if is(VEHICLES) {
            Self::Vehicle
        } else if is(PEOPLE) {
            Self::Person
        } else {
            Self::Other
        }
    }

    /// Whether an object of the one kind is hardly ever taken for the other.
    pub(super) fn excludes(self, other: Self) -> bool {
        self != other && self != Self::Other && other != Self::Other
    }
}

/// One sigma of the speed over ground of a class's objects before it was measured, m/s: in a town most cars stand or do 30 to
/// 50 km/h; people walk and sometimes run or ride.
pub fn speed_sigma_mps(class_name: &str) -> f64 {
    match Kind::of(class_name) {
        Kind::Vehicle => 10.0,
        Kind::Person => 3.0,
        Kind::Other => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_van_may_be_a_truck_but_no_pedestrian() {
        assert!(!Kind::of("Van").excludes(Kind::of("truck")) && Kind::of("Van").excludes(Kind::of("Pedestrian")));
        assert!(!Kind::of("bicycle").excludes(Kind::of("rider")) && !Kind::of("unknown").excludes(Kind::of("car")));
    }
}
