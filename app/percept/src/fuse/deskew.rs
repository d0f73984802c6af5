//! A spinning LiDAR measures each point at its own time from its own place; this brings all to the sweep's stamp.
//!
//! Only the sensor's own motion is removed: what moves by itself stays where it was when each point was measured, which
//! `Cloud::measured_s` goes on to say.

use nalgebra::{Point3, Vector3};

use crate::cloud::Cloud;
use crate::space::{Lidar, Transform};

/// Poses asked for over a spin; between two of them motion is taken as straight: at 2 rad/s and 10 Hz the error of an
/// eighth of a turn's arc is below a millimetre.
const STEPS: usize = 8;
/// A spin is shorter than this; offsets beyond it are nonsense and such a sweep stays as it is.
const SPIN_S_MAX: f32 = 1.0;

/// Moves every point to the sweep's stamp; its offset becomes `measured_s`, so that nothing is moved twice. `lidar_then(offset_s)`
/// takes points of the LiDAR at `stamp + offset_s` to the LiDAR at the stamp; where it answers `None`, or the cloud has no
/// offsets, nothing is moved. True where points were moved.
pub fn deskew(cloud: &mut Cloud, lidar_then: impl Fn(f64) -> Option<Transform<Lidar, Lidar>>) -> bool {
    if cloud.time_offset_s.len() != cloud.xyz.len() || cloud.is_empty() {
        return false;
    }
    let finite = || cloud.time_offset_s.iter().copied().filter(|t| t.is_finite());
    let (low, high) = (finite().fold(f32::INFINITY, f32::min), finite().fold(f32::NEG_INFINITY, f32::max));
    let span = high - low;
    if !(span > 0.0 && span <= SPIN_S_MAX && low.abs() <= SPIN_S_MAX) {
        return false;
    }
    let at = |step: usize| f64::from(low) + f64::from(span) * step as f64 / STEPS as f64;
    let poses: [Option<Transform<Lidar, Lidar>>; STEPS + 1] = std::array::from_fn(|step| lidar_then(at(step)));
    if poses.iter().any(Option::is_none) {
        return false;
    }
    let scale = STEPS as f32 / span;
    for (point, offset) in cloud.xyz.iter_mut().zip(&cloud.time_offset_s) {
        let place = (offset - low) * scale;
        let step = (place.max(0.0) as usize).min(STEPS - 1);
        let (Some(Some(before)), Some(Some(after))) = (poses.get(step), poses.get(step + 1)) else { continue };
        let p = Point3::from(Vector3::from(point.map(f64::from)));
        let (a, b) = (before.isometry() * p, after.isometry() * p);
        let between = a + (b - a) * f64::from(place - step as f32);
        *point = [between.x as f32, between.y as f32, between.z as f32];
    }
    std::mem::swap(&mut cloud.time_offset_s, &mut cloud.measured_s);
    cloud.time_offset_s.clear();
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use nalgebra::Isometry3;

    /// The LiDAR moves at 10 m/s ahead and turns at 0.5 rad/s; at `t` seconds from the stamp.
    fn then(t: f64) -> Transform<Lidar, Lidar> {
        Transform::from_isometry(Isometry3::new(Vector3::new(10.0 * t, 0.0, 0.0), Vector3::new(0.0, 0.0, 0.5 * t)))
    }

    #[test]
    fn a_wall_seen_during_a_spin_becomes_straight_again() {
        let mut cloud = Cloud::default();
        for k in 0..200 {
            let offset = -0.1 + 0.1 * k as f64 / 199.0;
            let wall = Point3::new(20.0, -10.0 + 0.1 * f64::from(k), 0.5);
            let seen = then(offset).isometry().inverse() * wall;
            cloud.xyz.push([seen.x as f32, seen.y as f32, seen.z as f32]);
            cloud.time_offset_s.push(offset as f32);
        }
        let smeared = cloud.xyz.iter().map(|p| (p[0] - 20.0).abs()).fold(0.0, f32::max);
        assert!(smeared > 0.5, "the test can fail: {smeared}");
        assert!(deskew(&mut cloud, |t| Some(then(t))));
        let worst = cloud.xyz.iter().map(|p| (p[0] - 20.0).abs()).fold(0.0, f32::max);
        assert!(worst < 2e-3, "{worst}");
        assert_eq!((cloud.measured_s.len(), cloud.measured_at_s(0)), (200, -0.1));
        assert!(cloud.time_offset_s.is_empty() && !deskew(&mut cloud, |t| Some(then(t))));
    }

    #[test]
    fn without_motion_or_with_mad_offsets_nothing_is_moved() {
        let original = Cloud { xyz: vec![[1.0, 2.0, 3.0]; 2], time_offset_s: vec![0.0, -0.1], ..Cloud::default() };
        let mut cloud = original.clone();
        assert!(!deskew(&mut cloud, |_| None));
        assert_eq!(cloud, original);
        let mut mad = Cloud { time_offset_s: vec![f32::NAN, 5.0e9], ..original };
        assert!(!deskew(&mut mad, |t| Some(then(t))));
        assert!(!deskew(&mut Cloud::default(), |t| Some(then(t))));
    }
}
