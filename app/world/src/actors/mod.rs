//! Everything that is labelled: actors with size and motion, the ego vehicle, contacts between them.

pub(crate) mod contact;
pub(crate) mod footprint;
pub(crate) mod motion;
pub(crate) mod traffic;

use crate::math::{Pose, Rng};
use crate::road::Road;
use crate::scenario::{ActorSpec, EgoSpec, Kind, ObjectClass, usual_size};
use footprint::Footprint;
use motion::{Motion, MotionState};

/// Ego vehicle: length, width, height.
pub const EGO_SIZE_M: [f64; 3] = [4.5, 1.82, 1.5];
/// From the ego vehicle's origin (middle of the rear axle, on the ground) forward to the middle of its outline.
pub const EGO_CENTRE_AHEAD_M: f64 = 1.35;
/// Wheelbase of the ego vehicle.
pub const EGO_WHEELBASE_M: f64 = 2.7;

/// One thing that is labelled.
#[derive(Debug, Clone)]
pub(crate) struct Actor {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Length, width, height.
    pub(crate) size_m: [f64; 3],
    pub(crate) motion: Motion,
    /// Seed of its looks.
    pub(crate) look: u64,
    pub(crate) lights: Option<bool>,
}

/// Where something is in the world, and how it moves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Placed {
    /// World from the thing's own frame (x forward, y left, z up, origin on the ground below its middle).
    pub(crate) pose: Pose,
    /// Velocity in the world, m/s.
    pub(crate) velocity: [f64; 3],
    /// Turning rate about z, rad/s.
    pub(crate) yaw_rate: f64,
    /// What moved it.
    pub(crate) state: MotionState,
}

impl Actor {
    /// An actor of a scenario; sizes that are not fixed vary with the seed.
    pub(crate) fn from_spec(spec: &ActorSpec, seed: u64) -> Self {
        let mut rng = Rng::new(seed, 0xac70);
        let usual = usual_size(spec.kind);
        let size_m = std::array::from_fn(|i| {
            let varied = usual[i].0 + usual[i].1 * rng.range_f64(-1.0, 1.0);
            spec.size_m[i].unwrap_or(varied)
        });
        let start = (spec.station_m, spec.d_m, spec.heading_rad, spec.speed_mps);
        Self {
            name: spec.name.clone(),
            kind: spec.kind,
            size_m,
            motion: Motion::new(start, &spec.steps),
            look: rng.next_u64(),
            lights: spec.lights,
        }
    }

    /// Where it is at time `t`.
    pub(crate) fn placed(&self, road: &Road, t: f64) -> Placed {
        place(road, self.motion.state(t))
    }

    /// Its outline on the ground at time `t`.
    pub(crate) fn footprint(&self, road: &Road, t: f64) -> Footprint {
        let placed = self.placed(road, t);
        Footprint::new([placed.pose.t[0], placed.pose.t[1]], placed.pose.yaw(), self.size_m[0], self.size_m[1])
    }

    /// The labelled objects it consists of, in order: the thing itself, then its rider.
    pub(crate) fn classes(&self) -> &'static [ObjectClass] {
        match self.kind {
            Kind::Cyclist => &[ObjectClass::Bicycle, ObjectClass::Person],
            Kind::Motorcyclist => &[ObjectClass::Motorcycle, ObjectClass::Person],
            Kind::Car => &[ObjectClass::Car],
            Kind::Van | Kind::Truck => &[ObjectClass::Truck],
            Kind::Bus => &[ObjectClass::Bus],
            Kind::Pedestrian => &[ObjectClass::Person],
            _ => &[ObjectClass::Unknown],
        }
    }
}

/// From road coordinates to the world.
pub(crate) fn place(road: &Road, state: MotionState) -> Placed {
    let frame = road.frame(state.station);
    let (sin, cos) = (libm::sin(frame.yaw), libm::cos(frame.yaw));
    let [x, y] = road.xy(state.station, state.d);
    let z = road.height(state.station, state.d);
    let grade = road.grade(state.station);
    let along = state.v_station * (1.0 - frame.curvature * state.d);
    let velocity = [cos * along - sin * state.v_d, sin * along + cos * state.v_d, grade * state.v_station];
    // Nose up on a rise for what faces along the road, nose down for what faces back; side slope for what stands across.
    let slope = libm::atan(grade);
    let (hs, hc) = (libm::sin(state.heading), libm::cos(state.heading));
    let pose = Pose::from_angles([x, y, z], frame.yaw + state.heading, -slope * hc, slope * hs);
    Placed { pose, velocity, yaw_rate: frame.curvature * state.v_station, state }
}

/// The ego vehicle.
#[derive(Debug, Clone)]
pub(crate) struct Ego {
    pub(crate) motion: Motion,
    sway: f64,
    phases: [f64; 4],
}

impl Ego {
    pub(crate) fn new(spec: &EgoSpec, seed: u64) -> Self {
        let mut rng = Rng::new(seed, 0xe60);
        let phases = std::array::from_fn(|_| rng.range_f64(0.0, std::f64::consts::TAU));
        Self { motion: Motion::new((0.0, spec.d_m, 0.0, spec.speed_mps), &spec.steps), sway: spec.sway, phases }
    }

    /// Pose of the vehicle frame (middle of the rear axle, on the ground) at time `t`, with the body's pitch and roll.
    pub(crate) fn placed(&self, road: &Road, t: f64) -> Placed {
        let mut placed = place(road, self.motion.state(t));
        let state = placed.state;
        let speed = (state.v_station * state.v_station + state.v_d * state.v_d).sqrt();
        // A car's body rolls and pitches by some tenths of a degree at 1 to 2 Hz, and dives by about 0.3 degrees per
        // m/s^2 of braking... a tenth of that for a stiff one.
        let shake = 0.0022 * self.sway * (speed / 10.0).min(1.5);
        let wave = |k: usize, hz: f64| libm::sin(std::f64::consts::TAU * hz * t + self.phases[k]);
        let pitch = shake * (wave(0, 1.37) + 0.6 * wave(1, 2.11)) - 0.0016 * self.sway * state.accel;
        let roll = shake * 0.7 * (wave(2, 0.93) + 0.5 * wave(3, 1.71));
        placed.pose = placed.pose.then(&Pose::from_angles([0.0; 3], 0.0, pitch, roll));
        placed
    }

    /// Its outline on the ground at time `t`.
    pub(crate) fn footprint(&self, road: &Road, t: f64) -> Footprint {
        let placed = place(road, self.motion.state(t));
        let centre = placed.pose.apply([EGO_CENTRE_AHEAD_M, 0.0, 0.0]);
        Footprint::new([centre[0], centre[1]], placed.pose.yaw(), EGO_SIZE_M[0], EGO_SIZE_M[1])
    }
}
