//! Obstacles without a class, from points alone: what a LiDAR-only run reports.

use ocellus_percept::cloud::Cloud;
use ocellus_percept::report::Object;
use ocellus_percept::space::{Lidar, Transform, Vehicle};
use ocellus_percept::track::{Observation, TrackOutput};

#[derive(Default)]
pub struct ObstacleFinder {}
pub struct Obstacle {}
impl ObstacleFinder {
    pub fn find(&mut self, _c: &Cloud, _t: &Transform<Vehicle, Lidar>) -> Vec<Obstacle> {
        Vec::new()
    }
}
impl Obstacle {
    pub fn observation(&self, class: u32) -> Observation {
        Observation { bbox: None, score: 1.0, class, position: None }
    }
    pub fn object(&self, _t: &TrackOutput) -> Option<Object> {
        None
    }
}
