//! A LiDAR's sweep: shown, kept for the cameras' frames, and where no camera network runs, its obstacles reported.

use std::sync::Arc;

use ocellus_flow::pool::PooledShared;
use ocellus_percept::cloud::Cloud;
use ocellus_percept::report::{DistanceSource, SensorState, Trigger};
use ocellus_percept::space::{LidarMount, Transform};
use ocellus_percept::track::TrackFrame;

use super::super::frame::Origin;
use super::super::obstacles;
use super::super::outputs::Perceived;
use super::{CurrentSweep, Perceive, SWEEPS_KEPT};

impl Perceive {
    /// Takes a sweep in. False where the outputs take no more.
    pub(super) fn sweep(&mut self, origin: Origin, cloud: PooledShared<Cloud>) -> bool {
        self.parts.outputs.show_sweep(&self.parts.sensors[origin.sensor].name, &origin, &cloud);
        let mut open = true;
        if self.parts.lidar_only {
            open &= self.lidar_report(&origin, &cloud);
        } else if self.parts.unknown {
            self.find_unknown(&origin, &cloud);
        }
        let kept = &mut self.sweeps[origin.sensor];
        if kept.len() == SWEEPS_KEPT {
            kept.pop_front();
        }
        kept.push_back(CurrentSweep { cloud, t: origin.t, sensor: origin.sensor });
        self.parts.end_to_end[origin.sensor].record(origin.age());
        origin.ticket.processed();
        open
    }

    /// Obstacles of a sweep alone.
    fn lidar_report(&mut self, origin: &Origin, cloud: &Cloud) -> bool {
        let drive = Arc::clone(&self.parts.drive);
        let rig = drive.rig_at(origin.entry);
        let mount = rig.lidars.get(&self.parts.sensors[origin.sensor].name);
        let vehicle_from_lidar = mount.map_or_else(Transform::identity, |m: &LidarMount| m.vehicle_from_lidar);
        let Self { obstacles, found, .. } = self;
        let ground = self.parts.fusing.time(|| obstacles.find(cloud, &vehicle_from_lidar, found));
        self.parts.assess.see_ground(ground);
        if ground.is_none() {
            let name = &self.parts.sensors[origin.sensor].name;
            self.parts
                .notes
                .say("no ground", format!("{name} sweep {}: no ground in it, so no obstacles are told", origin.seq));
            let report = self.report(origin, Trigger::Lidar, SensorState::Blind, None);
            return self.send(Perceived::bare(report));
        }
        self.observations.clear();
        let unknown = self.parts.classes.unknown();
        self.observations.extend(self.found.iter().map(|o| obstacles::observation(o, unknown, DistanceSource::Lidar)));
        let odom_from_vehicle = drive.odom_from_vehicle(origin.t);
        let frame = TrackFrame { odom_from_vehicle: odom_from_vehicle.as_ref(), ..TrackFrame::at(origin.t) };
        let view = &mut self.views[origin.sensor];
        self.parts.tracking.time(|| view.tracker.step(&mut self.ids, frame, &self.observations, &mut self.tracked));
        self.parts.assess.begin(origin.t);
        let assess = &mut self.parts.assess;
        let rows = self.found.iter().zip(&self.tracked).filter(|(obstacle, tracked)| obstacle.is_sure(tracked.hits));
        let objects = rows
            .filter_map(|(obstacle, tracked)| obstacles::object(obstacle, tracked, DistanceSource::Lidar, assess))
            .collect();
        let report = self.report(origin, Trigger::Lidar, self.state(origin), Some(objects));
        let (entry, ahead) = (Some(origin.entry), self.parts.assess.ahead());
        self.send(Perceived { entry, ahead, ..Perceived::bare(report) })
    }
}
