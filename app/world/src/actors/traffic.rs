//! Actors made by the seed: parked cars, oncoming and leading traffic, people on the sidewalks, cyclists.
//!
//! A made actor never comes near a scripted one or the ego vehicle: candidates that would are dropped, so a scenario's
//! story stays as written.

use super::{Actor, Ego};
use crate::math::Rng;
use crate::road::Road;
use crate::scenario::{ActorSpec, Kind, PARKING_WIDTH_M, Scenario};

/// Room kept between made actors and everything else, metres on every side.
const ROOM_M: f64 = 0.35;
/// How often a place is tried for each actor wanted.
const TRIES: usize = 5;
/// How far beyond the ego vehicle's way the street is peopled.
const AHEAD_M: f64 = 110.0;

/// The scenario's actors: the scripted ones first, in order, then those of the seed.
pub(crate) fn people(scenario: &Scenario, road: &Road, ego: &Ego, seed: u64) -> Vec<Actor> {
    let mut rng = Rng::new(seed, 0x7aff1c);
    let scripted = scenario.actors.iter().map(|spec| Actor::from_spec(spec, rng.next_u64()));
    let mut crowd = Crowd { actors: scripted.collect(), road, ego, scenario, end_s: scenario.duration_s };
    let way_m = ego.motion.state(scenario.duration_s).station;
    crowd.park(&mut rng, way_m);
    crowd.drive(&mut rng, way_m);
    crowd.walk(&mut rng, way_m);
    crowd.actors
}

struct Crowd<'a> {
    actors: Vec<Actor>,
    road: &'a Road,
    ego: &'a Ego,
    scenario: &'a Scenario,
    end_s: f64,
}

impl Crowd<'_> {
    fn park(&mut self, rng: &mut Rng, way_m: f64) {
        let spec = &self.scenario.road;
        let strips = [
            (spec.parking_right, spec.lanes_right_m() - PARKING_WIDTH_M * 0.52, 0.0),
            (spec.parking_left, spec.lanes_left_m() + PARKING_WIDTH_M * 0.52, std::f64::consts::PI),
        ];
        for (present, d_m, heading) in strips {
            let mut station = rng.range_f64(-24.0, -18.0);
            while present && station < way_m + AHEAD_M {
                let kind = if rng.chance(0.87) { Kind::Car } else { Kind::Van };
                let near_crossing = spec.crossings_m.iter().any(|c| libm::fabs(c - station) < 7.5);
                if rng.chance(self.scenario.traffic.parked as f32) && !near_crossing {
                    let turned = if rng.chance(0.12) { heading + std::f64::consts::PI } else { heading };
                    let start = (station, d_m + rng.range_f64(-0.08, 0.08), turned, 0.0);
                    self.add(rng, kind, start);
                }
                station += if kind == Kind::Van { 7.2 } else { 6.1 } + rng.range_f64(0.0, 1.2);
            }
        }
    }

    fn drive(&mut self, rng: &mut Rng, way_m: f64) {
        let (spec, traffic) = (self.scenario.road.clone(), self.scenario.traffic.clone());
        let ego_speed = self.scenario.ego.speed_mps;
        let lane_speeds: Vec<f64> = (0..12).map(|_| ego_speed.max(7.0) * rng.range_f64(0.8, 1.15)).collect();
        let kinds = [Kind::Car, Kind::Car, Kind::Car, Kind::Car, Kind::Van, Kind::Truck, Kind::Bus, Kind::Motorcyclist];
        for _ in 0..traffic.oncoming {
            let lane = 1 + rng.below(spec.lanes_backward as usize) as i32;
            let speed = lane_speeds[lane as usize % lane_speeds.len()];
            let Some(d) = spec.lane_centre_m(-lane) else { continue };
            let reach = way_m + AHEAD_M * 0.7 + speed * self.end_s;
            let kind = kinds[rng.below(kinds.len())];
            self.try_places(rng, kind, |rng| {
                (rng.range_f64(18.0, reach), d + rng.range_f64(-0.2, 0.2), std::f64::consts::PI, speed)
            });
        }
        for _ in 0..traffic.ahead {
            let lane = 1 + rng.below(spec.lanes_forward as usize) as i32;
            let Some(d) = spec.lane_centre_m(lane) else { continue };
            let kind = kinds[rng.below(kinds.len())];
            let speed = ego_speed * rng.range_f64(0.95, 1.15);
            self.try_places(rng, kind, |rng| (rng.range_f64(14.0, 100.0), d + rng.range_f64(-0.2, 0.2), 0.0, speed));
        }
        for _ in 0..traffic.cyclists {
            let forward = spec.lanes_backward == 0 || rng.chance(0.5);
            let (d, heading) = if forward {
                (spec.lanes_right_m() + 0.55, 0.0)
            } else {
                (spec.lanes_left_m() - 0.55, std::f64::consts::PI)
            };
            self.try_places(rng, Kind::Cyclist, |rng| {
                (rng.range_f64(8.0, way_m + 60.0), d, heading, rng.range_f64(3.5, 6.5))
            });
        }
    }

    fn walk(&mut self, rng: &mut Rng, way_m: f64) {
        let spec = self.scenario.road.clone();
        let walk = if spec.sidewalk_m > 0.0 { spec.sidewalk_m } else { 1.5 };
        for _ in 0..self.scenario.traffic.pedestrians {
            self.try_places(rng, Kind::Pedestrian, |rng| {
                let across = rng.range_f64(0.35, (walk - 0.4).max(0.5));
                let right = rng.chance(0.5);
                let d = if right { spec.kerb_right_m() - across } else { spec.kerb_left_m() + across };
                let along = if rng.chance(0.5) { 0.0 } else { std::f64::consts::PI };
                let stands = rng.chance(0.2);
                let heading = if stands { rng.range_f64(-3.1, 3.1) } else { along };
                let speed = if stands { 0.0 } else { rng.range_f64(0.8, 1.7) };
                (rng.range_f64(3.0, way_m + 70.0), d, heading, speed)
            });
        }
    }

    fn try_places(&mut self, rng: &mut Rng, kind: Kind, mut place: impl FnMut(&mut Rng) -> (f64, f64, f64, f64)) {
        for _ in 0..TRIES {
            let start = place(rng);
            if self.add(rng, kind, start) {
                return;
            }
        }
    }

    /// Adds the actor unless it would come near another one; says whether it did.
    fn add(&mut self, rng: &mut Rng, kind: Kind, start: (f64, f64, f64, f64)) -> bool {
        let (station_m, d_m, heading_rad, speed_mps) = start;
        let name = format!("traffic {}", self.actors.len() + 1);
        let spec = ActorSpec {
            name,
            kind,
            station_m,
            d_m,
            heading_rad,
            speed_mps,
            size_m: [None; 3],
            lights: None,
            steps: Vec::new(),
        };
        let actor = Actor::from_spec(&spec, rng.next_u64());
        let free = !self.meets(&actor);
        if free {
            self.actors.push(actor);
        }
        free
    }

    fn meets(&self, new: &Actor) -> bool {
        // Steps small enough that nothing jumps over anything: 20 m/s of closing speed is 3 m a step, less than a car.
        const STEP_S: f64 = 0.15;
        let steps = if new.motion.moves() { (self.end_s / STEP_S) as usize + 1 } else { 1 };
        for other in &self.actors {
            let steps = if other.motion.moves() { (self.end_s / STEP_S) as usize + 1 } else { steps };
            if (0..steps).any(|i| self.near(new, other, i as f64 * STEP_S)) {
                return true;
            }
        }
        let ego_steps = (self.end_s / STEP_S) as usize + 1;
        (0..ego_steps).any(|i| {
            let t = i as f64 * STEP_S;
            new.footprint(self.road, t).grown(ROOM_M).overlaps(&self.ego.footprint(self.road, t))
        })
    }

    fn near(&self, a: &Actor, b: &Actor, t: f64) -> bool {
        let (sa, sb) = (a.motion.state(t), b.motion.state(t));
        if libm::fabs(sa.station - sb.station) > 16.0 {
            return false;
        }
        a.footprint(self.road, t).grown(ROOM_M).overlaps(&b.footprint(self.road, t).grown(0.05))
    }
}
