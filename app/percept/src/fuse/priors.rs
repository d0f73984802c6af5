//! How tall things of a class usually are, and whether they stand on the ground: what a box alone says of distance.
//!
//! Names are those of COCO, KITTI and nuScenes, compared without regard to case. Heights are of adults and common
//! vehicles; the sigmas are wide on purpose and include the posture and make that a class name hides. A class that is
//! not here has no size prior and is not assumed to stand on the ground.

/// What is known of a class before looking.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SizePrior {
    /// Usual height, metres.
    pub height_m: f64,
    /// One sigma of the logarithm of the height.
    pub sigma_ln: f64,
    /// Whether its lowest visible point is where it stands on the ground.
    pub on_ground: bool,
    /// Whether nothing else has its place: people ride, lean and touch, vehicles do not.
    pub keeps_apart: bool,
}

const fn standing(height_m: f64, sigma_ln: f64) -> SizePrior {
    SizePrior { height_m, sigma_ln, on_ground: true, keeps_apart: false }
}

const fn vehicle(height_m: f64, sigma_ln: f64) -> SizePrior {
    SizePrior { height_m, sigma_ln, on_ground: true, keeps_apart: true }
}

const fn hanging(height_m: f64, sigma_ln: f64) -> SizePrior {
    SizePrior { height_m, sigma_ln, on_ground: false, keeps_apart: false }
}

/// Mean sizes of vehicles and people as in KITTI's and nuScenes' labels; the rest are common knowledge.
const TABLE: &[(&str, SizePrior)] = &[
    ("person", standing(1.70, 0.12)),
    ("pedestrian", standing(1.75, 0.10)),
    ("person_sitting", standing(1.27, 0.15)),
    ("rider", standing(1.75, 0.10)),
    ("cyclist", standing(1.74, 0.08)),
    ("bicycle", standing(1.10, 0.15)),
    ("motorcycle", standing(1.30, 0.18)),
    ("car", vehicle(1.60, 0.18)),
    ("van", vehicle(2.10, 0.15)),
    ("truck", vehicle(3.00, 0.30)),
    ("bus", vehicle(3.10, 0.15)),
    ("tram", vehicle(3.50, 0.12)),
    ("train", vehicle(3.80, 0.20)),
    ("traffic light", hanging(0.90, 0.30)),
    ("stop sign", hanging(0.75, 0.15)),
    ("fire hydrant", standing(0.80, 0.20)),
    ("parking meter", standing(1.40, 0.25)),
    ("traffic cone", standing(0.70, 0.30)),
    ("traffic_cone", standing(0.70, 0.30)),
    ("barrier", standing(1.00, 0.30)),
    ("bench", standing(0.85, 0.25)),
    ("dog", standing(0.55, 0.40)),
    ("cat", standing(0.28, 0.30)),
    ("horse", standing(1.70, 0.20)),
    ("cow", standing(1.45, 0.20)),
    ("sheep", standing(0.85, 0.25)),
];

/// The prior of a class by name; `None` where nothing is known.
pub fn size_prior(class_name: &str) -> Option<SizePrior> {
    TABLE.iter().find(|(name, _)| name.eq_ignore_ascii_case(class_name)).map(|(_, prior)| *prior)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_coco_and_kitti_are_known_and_others_are_not() {
        assert_eq!(size_prior("Car"), size_prior("car"));
        assert!(size_prior("Pedestrian").is_some_and(|p| p.on_ground));
        assert!(size_prior("traffic light").is_some_and(|p| !p.on_ground));
        assert_eq!(size_prior("DontCare"), None);
        assert_eq!(size_prior(""), None);
    }

    #[test]
    fn every_prior_is_a_size() {
        for (name, prior) in TABLE {
            assert!(prior.height_m > 0.1 && prior.height_m < 5.0 && (0.05..0.5).contains(&prior.sigma_ln), "{name}");
        }
    }
}
