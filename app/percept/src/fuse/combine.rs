//! One distance of an object that LiDAR and a depth map measured both, within its mask.
//!
//! Where they agree, each counts by its variance. Where they lie further apart than their sigmas allow, one of them is wrong
//! about this object and nobody knows which: the nearer is taken as it stands, and the other is named beside it.

use super::distance::{Distance, Other};

/// Distances further apart than this many of their joint sigmas contradict one another: 3 in a thousand do by chance.
const CONTRADICTION_SIGMAS: f64 = 3.0;

/// Of two distances of one object, the one to use.
pub(super) fn combine(a: Distance, b: Distance) -> Distance {
    let joint = a.sigma_m.hypot(b.sigma_m);
    if (a.range_m - b.range_m).abs() > CONTRADICTION_SIGMAS * joint {
        let (near, far) = if a.range_m <= b.range_m { (a, b) } else { (b, a) };
        let other = Other { range_m: far.range_m, sigma_m: far.sigma_m, source: far.source };
        return Distance { contradicted_by: Some(other), ..near };
    }
    let (surer, other) = if a.sigma_m <= b.sigma_m { (a, b) } else { (b, a) };
    let weight = |d: &Distance| 1.0 / (d.sigma_m * d.sigma_m);
    let (w, v) = (weight(&surer), weight(&other));
    if !(w + v).is_finite() {
        return surer;
    }
    // Along the surer one's ray, whose face it has.
    surer.at_range((w * surer.range_m + v * other.range_m) / (w + v), (1.0 / (w + v)).sqrt())
}

#[cfg(test)]
mod tests {
    use nalgebra::Vector3;

    use super::*;
    use crate::report::DistanceSource;

    fn distance(range_m: f64, sigma_m: f64, source: DistanceSource) -> Distance {
        Distance::along(&Vector3::z(), range_m, sigma_m, source)
    }

    #[test]
    fn what_agrees_is_weighed_by_variance_and_surer_than_either() {
        let lidar = distance(20.0, 0.3, DistanceSource::Lidar);
        let depth = distance(21.0, 0.6, DistanceSource::DepthScaled);
        let both = combine(lidar, depth);
        assert_eq!(both, combine(depth, lidar), "the order does not matter");
        assert!((both.range_m - 20.2).abs() < 1e-9 && (both.surface.xyz.z - both.range_m).abs() < 1e-12);
        assert!((both.sigma_m - 0.072f64.sqrt()).abs() < 1e-9 && both.sigma_m < 0.3);
        assert_eq!((both.source, both.contradicted_by), (DistanceSource::Lidar, None));
    }

    #[test]
    fn of_two_that_contradict_one_another_the_nearer_is_taken_and_the_other_named() {
        let lidar = distance(30.0, 0.1, DistanceSource::Lidar);
        let depth = distance(20.0, 2.0, DistanceSource::DepthMetric);
        for both in [combine(lidar, depth), combine(depth, lidar)] {
            assert_eq!((both.range_m, both.sigma_m, both.source), (20.0, 2.0, DistanceSource::DepthMetric));
            let other = both.contradicted_by.unwrap();
            assert_eq!((other.range_m, other.source), (30.0, DistanceSource::Lidar));
        }
    }

    #[test]
    fn what_has_no_sigma_is_taken_as_it_is() {
        let exact = distance(20.0, 0.0, DistanceSource::Lidar);
        assert_eq!(combine(exact, distance(20.0, 0.5, DistanceSource::DepthScaled)), exact);
    }
}
