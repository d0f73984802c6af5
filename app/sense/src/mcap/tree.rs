//! The tree of frames that `tf` messages describe: which frame hangs on which, and the transform between any two.
//!
//! A link is fixed where it was sent as static or never changes; sensors are placed by fixed links. The link above the
//! vehicle that moves is its own motion.

use std::collections::BTreeMap;

use nalgebra::Isometry3;
use ocellus_percept::time::Timestamp;

use super::message::Link;

/// Two transforms are the same within a tenth of a millimetre and of a milliradian: publishers round.
const SAME: f64 = 1e-4;

/// How a frame hangs on its parent.
#[derive(Debug, Clone)]
struct Edge {
    parent: String,
    parent_from_child: Isometry3<f64>,
    fixed: bool,
    /// All that was sent over time; empty for static links.
    over_time: Vec<(Timestamp, Isometry3<f64>)>,
}

/// The frames and their links, by child.
#[derive(Debug, Default)]
pub(crate) struct FrameTree {
    edges: BTreeMap<String, Edge>,
    /// What contradicts itself.
    pub(crate) notes: Vec<String>,
}

/// The vehicle's motion as found in the tree.
pub(crate) struct Motion {
    /// The frame it moves in, and the frame that was sent.
    pub(crate) from: (String, String),
    /// Poses of the vehicle frame.
    pub(crate) poses: Vec<(Timestamp, Isometry3<f64>)>,
}

fn same(a: &Isometry3<f64>, b: &Isometry3<f64>) -> bool {
    (a.translation.vector - b.translation.vector).norm() < SAME && a.rotation.angle_to(&b.rotation) < SAME
}

impl FrameTree {
    /// Adds a link from a static topic, or one from `/tf` with its time.
    pub(crate) fn add(&mut self, link: Link, at: Option<Timestamp>) {
        let Link { parent, child, parent_from_child, .. } = link;
        if parent == child || child.is_empty() {
            self.notes.push(format!("a transform from {parent:?} to {child:?} is passed over"));
            return;
        }
        let Some(edge) = self.edges.get_mut(&child) else {
            let over_time = at.map(|t| (t, parent_from_child)).into_iter().collect();
            self.edges.insert(child, Edge { parent, parent_from_child, fixed: true, over_time });
            return;
        };
        if edge.parent != parent {
            // Said once a pair: a robot that publishes two parents does so all the time.
            let note = format!("frame {child} has two parents, {} and {parent}: the first is used", edge.parent);
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
            return;
        }
        edge.fixed &= same(&edge.parent_from_child, &parent_from_child);
        edge.over_time.extend(at.map(|t| (t, parent_from_child)));
    }

    /// Whether a frame is known.
    pub(crate) fn has(&self, frame: &str) -> bool {
        self.edges.contains_key(frame) || self.edges.values().any(|e| e.parent == frame)
    }

    /// Whether nothing was sent at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.edges.is_empty()
    }

    /// The frames above `frame`, itself first, with the transform from `frame` to each and whether all links are fixed.
    fn above(&self, frame: &str) -> Vec<(String, Isometry3<f64>, bool)> {
        let mut chain = vec![(frame.to_owned(), Isometry3::identity(), true)];
        // As many steps as links: a ring of frames ends there.
        for _ in 0..self.edges.len() {
            let Some((top, from_frame, fixed)) = chain.last() else { break };
            let Some(edge) = self.edges.get(top) else { break };
            let next = (edge.parent.clone(), edge.parent_from_child * from_frame, *fixed && edge.fixed);
            if chain.iter().any(|(name, _, _)| *name == next.0) {
                break;
            }
            chain.push(next);
        }
        chain
    }

    /// The transform that takes points of `from` to `to`, and whether all links are fixed; of links that move the first
    /// value is taken. `None` where no chain of links joins them.
    pub(crate) fn transform(&self, to: &str, from: &str) -> Option<(Isometry3<f64>, bool)> {
        let (above_to, above_from) = (self.above(to), self.above(from));
        above_from.iter().find_map(|(name, top_from_from, fixed)| {
            let (_, top_from_to, fixed_too) = above_to.iter().find(|(other, _, _)| other == name)?;
            Some((top_from_to.inverse() * top_from_from, *fixed && *fixed_too))
        })
    }

    /// How `vehicle` moves: by the first link above it that changes, else the first that was sent over time.
    pub(crate) fn motion(&self, vehicle: &str) -> Option<Motion> {
        let chain = self.above(vehicle);
        let sent = |(name, _, _): &&(String, Isometry3<f64>, bool)| {
            self.edges.get(name).is_some_and(|e| e.over_time.len() > 1)
        };
        let moves = |(name, _, _): &&(String, Isometry3<f64>, bool)| self.edges.get(name).is_some_and(|e| !e.fixed);
        let (child, child_from_vehicle, _) = chain.iter().find(moves).or_else(|| chain.iter().find(sent))?;
        let edge = self.edges.get(child)?;
        let poses = edge.over_time.iter().map(|(t, pose)| (*t, pose * child_from_vehicle)).collect();
        Some(Motion { from: (edge.parent.clone(), child.clone()), poses })
    }
}

#[cfg(test)]
mod tests {
    use nalgebra::Vector3;

    use super::*;

    fn link(parent: &str, child: &str, x: f64, yaw: f64) -> Link {
        let parent_from_child = Isometry3::new(Vector3::new(x, 0.0, 0.0), Vector3::new(0.0, 0.0, yaw));
        Link { stamp: None, parent: parent.into(), child: child.into(), parent_from_child }
    }

    fn at(ms: i64) -> Option<Timestamp> {
        Some(Timestamp::from_nanos(ms * 1_000_000))
    }

    #[test]
    fn chains_run_over_the_common_frame_both_ways() {
        let mut tree = FrameTree::default();
        tree.add(link("base_link", "mast", 1.0, 0.0), None);
        tree.add(link("mast", "camera", 0.5, 0.0), None);
        tree.add(link("base_link", "lidar", -1.0, 0.0), None);
        let (camera_from_lidar, fixed) = tree.transform("camera", "lidar").unwrap();
        assert!(fixed && (camera_from_lidar.translation.x + 2.5).abs() < 1e-12);
        assert!(tree.transform("camera", "elsewhere").is_none());
        assert_eq!(tree.transform("alone", "alone").unwrap().0, Isometry3::identity());
    }

    #[test]
    fn the_link_that_moves_is_the_motion_and_the_constant_one_below_is_not() {
        let mut tree = FrameTree::default();
        for i in 0..3 {
            tree.add(link("odom", "base_footprint", f64::from(i), 0.0), at(i64::from(i)));
            tree.add(link("base_footprint", "base_link", 0.25, 0.0), at(i64::from(i)));
        }
        let motion = tree.motion("base_link").unwrap();
        assert_eq!(motion.from, ("odom".into(), "base_footprint".into()));
        assert!((motion.poses[2].1.translation.x - 2.25).abs() < 1e-12);
        assert!(!tree.transform("odom", "base_link").unwrap().1);
    }

    #[test]
    fn rings_and_contradictions_end_and_are_said() {
        let mut tree = FrameTree::default();
        tree.add(link("a", "b", 1.0, 0.0), None);
        tree.add(link("b", "a", 1.0, 0.0), None);
        tree.add(link("c", "b", 1.0, 0.0), None);
        tree.add(link("a", "a", 1.0, 0.0), None);
        assert!(tree.transform("a", "b").is_some() && tree.transform("x", "b").is_none());
        assert!(tree.notes.len() == 2 && tree.notes[0].contains("two parents"), "{:?}", tree.notes);
        assert!(tree.motion("a").is_none());
    }
}
