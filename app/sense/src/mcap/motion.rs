//! The vehicle's own motion in an MCAP recording: odometry first, else the moving link of `/tf`; and turn rates from the IMU.

use nalgebra::{Isometry3, UnitQuaternion};

use super::index::Index;
use super::tree::FrameTree;
use crate::drive::ImuSample;
use crate::ego::PoseTrack;

/// The stream among `streams` that has the most messages, the first of equals.
fn busiest(index: &Index, streams: impl Iterator<Item = usize>) -> Option<usize> {
    let mut best: Option<(usize, usize)> = None;
    for stream in streams {
        let messages = index.streams.get(stream).map_or(0, |s| s.messages);
        if best.is_none_or(|(_, most)| messages > most) {
            best = Some((stream, messages));
        }
    }
    best.map(|(stream, _)| stream)
}

fn topic(index: &Index, stream: usize) -> &str {
    index.streams.get(stream).map_or("", |s| s.topic.as_str())
}

/// Poses of the vehicle over time with their source; says where they are unknown.
pub(crate) fn ego(
    index: &Index,
    tree: &FrameTree,
    vehicle: Option<&str>,
    notes: &mut Vec<String>,
) -> Option<(PoseTrack, String)> {
    if let Some(found) = by_odometry(index, tree, vehicle, notes) {
        return Some(found);
    }
    let motion = vehicle.and_then(|v| tree.motion(v));
    let found = motion.and_then(|motion| {
        let source = format!("transforms from {} to {}", motion.from.0, motion.from.1);
        PoseTrack::from_ground_poses(motion.poses).map(|track| (track, source))
    });
    if found.is_none() {
        notes.push("neither odometry nor a moving transform: ego motion is unknown".into());
    }
    found
}

fn by_odometry(
    index: &Index,
    tree: &FrameTree,
    vehicle: Option<&str>,
    notes: &mut Vec<String>,
) -> Option<(PoseTrack, String)> {
    let stream = busiest(index, index.poses.iter().map(|(stream, _, _)| *stream))?;
    let mut poses = Vec::new();
    let mut unplaced = None;
    for (_, t, message) in index.poses.iter().filter(|(s, _, _)| *s == stream) {
        let child_from_vehicle = match vehicle {
            Some(vehicle) if !message.child.is_empty() && message.child != vehicle => {
                match tree.transform(&message.child, vehicle) {
                    Some((child_from_vehicle, _)) => child_from_vehicle,
                    None => {
                        unplaced.get_or_insert_with(|| message.child.clone());
                        continue;
                    }
                }
            }
            _ => Isometry3::identity(),
        };
        poses.push((*t, message.frame_from_child * child_from_vehicle));
    }
    let topic = topic(index, stream);
    if let Some(child) = unplaced {
        notes.push(format!(
            "{topic}: poses of frame {child} are passed over: where the vehicle frame stands in it is unknown"
        ));
    }
    PoseTrack::from_ground_poses(poses).map(|track| (track, format!("odometry on {topic}")))
}

/// Turn rates and accelerations in the vehicle's axes, by time.
pub(crate) fn imu(index: &Index, tree: &FrameTree, vehicle: Option<&str>, notes: &mut Vec<String>) -> Vec<ImuSample> {
    let Some(stream) = busiest(index, index.imu.iter().map(|(stream, _, _)| *stream)) else { return Vec::new() };
    let mut axes: Option<(String, UnitQuaternion<f64>)> = None;
    let mut samples = Vec::new();
    for (_, t, message) in index.imu.iter().filter(|(s, _, _)| *s == stream) {
        let known = axes.as_ref().filter(|(frame, _)| *frame == message.frame).map(|(_, rotation)| *rotation);
        let vehicle_from_imu = known.unwrap_or_else(|| {
            let found = vehicle.and_then(|v| tree.transform(v, &message.frame));
            if found.is_none() && axes.is_none() {
                let (topic, frame) = (topic(index, stream), &message.frame);
                notes.push(format!("{topic}: how its frame {frame:?} stands in the vehicle is unknown: its axes are taken for the vehicle's"));
            }
            let rotation = found.map_or_else(UnitQuaternion::identity, |(iso, _)| iso.rotation);
            axes = Some((message.frame.clone(), rotation));
            rotation
        });
        samples.push(ImuSample {
            t: *t,
            angular_velocity_rps: (vehicle_from_imu * message.angular_velocity).into(),
            acceleration_mps2: (vehicle_from_imu * message.acceleration).into(),
        });
    }
    samples.sort_by_key(|s| s.t);
    samples
}
