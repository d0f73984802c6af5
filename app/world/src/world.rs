//! A world: a scenario made concrete by a seed. Everything that is seen or measured is a function of it and of time.

use std::sync::OnceLock;

use ocellus_percept::space::{Odom, Transform, Vehicle};
use rayon::prelude::*;

use crate::actors::contact::{Contact, Party, freeze_contacts};
use crate::actors::{Actor, Ego, Placed, traffic};
use crate::lidar::bvh::Bvh;
use crate::mesh::chunk::{CHUNK_M, Chunk, Site, chunk};
use crate::mesh::{Mesh, things};
use crate::road::Road;
use crate::scenario::{Kind, Scenario, ScenarioError};
use crate::scene::Scene;
use crate::shade::light::Light;
use crate::truth::collision::CollisionLabel;

/// The standing world is made from this far behind the start...
const BEHIND_M: f64 = 60.0;
/// ...to this far beyond the ego vehicle's end.
const AHEAD_M: f64 = 260.0;
/// Contacts are found up to this long after the scenario's end, for labels with a horizon.
pub(crate) const LABEL_AFTER_S: f64 = 6.0;

/// A simulated world. The same scenario and seed give the same world on every machine.
#[derive(Debug)]
pub struct World {
    scenario: Scenario,
    seed: u64,
    pub(crate) road: Road,
    pub(crate) ego: Ego,
    pub(crate) actors: Vec<Actor>,
    /// Meshes of actors that do not change shape.
    pub(crate) rigid: Vec<Option<Solid>>,
    pub(crate) chunks: Vec<Piece>,
    pub(crate) light: Light,
    contacts: Vec<Contact>,
}

/// A mesh with its search tree, which is built when a LiDAR first looks.
#[derive(Debug)]
pub(crate) struct Solid {
    pub(crate) mesh: Mesh,
    tree: OnceLock<Bvh>,
}

impl Solid {
    pub(crate) fn new(mesh: Mesh) -> Self {
        Self { mesh, tree: OnceLock::new() }
    }

    pub(crate) fn tree(&self) -> &Bvh {
        self.tree.get_or_init(|| Bvh::new(&self.mesh))
    }
}

/// A chunk of the standing world.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) origin: [f64; 3],
    pub(crate) solid: Solid,
    /// Its index along the road.
    pub(crate) index: i64,
}

/// The ego vehicle at one time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EgoState {
    /// Where the vehicle frame (middle of the rear axle, on the ground) is.
    pub odom_from_vehicle: Transform<Odom, Vehicle>,
    /// Velocity over the ground in odom axes, m/s.
    pub velocity_odom_mps: [f64; 3],
    /// Speed, m/s.
    pub speed_mps: f64,
    /// Change of speed along the way, m/s^2.
    pub acceleration_mps2: f64,
    /// Turning rate about z, rad/s.
    pub yaw_rate_rps: f64,
}

impl World {
    /// Makes the world of a scenario; `seed` varies looks, traffic, light and noise.
    pub fn new(scenario: &Scenario, seed: u64) -> Result<Self, ScenarioError> {
        scenario.check()?;
        let road = Road::new(&scenario.road, seed);
        let mut ego = Ego::new(&scenario.ego, seed);
        let mut actors = traffic::people(scenario, &road, &ego, seed);
        let contacts = freeze_contacts(&road, &mut ego, &mut actors, scenario.duration_s + LABEL_AFTER_S);
        let light = Light::new(&scenario.light, scenario.road.style, seed);
        let way_m = ego.motion.state(scenario.duration_s).station;
        let (first, last) = ((-BEHIND_M / CHUNK_M) as i64 - 1, ((way_m + AHEAD_M) / CHUNK_M) as i64 + 1);
        let site = Site { road: &road, scenery: &scenario.scenery, lamps: light.lamps_stand, seed };
        let chunks: Vec<Piece> = (first..=last)
            .into_par_iter()
            .map(|index| {
                let Chunk { origin, mesh } = chunk(site, index);
                Piece { origin, solid: Solid::new(mesh), index }
            })
            .collect();
        let rigid: Vec<Option<Solid>> = actors
            .par_iter()
            .map(|a| {
                (!things::is_posed(a.kind)).then(|| Solid::new(things::mesh_of(a.kind, a.size_m, a.look, 0.0, 0.0)))
            })
            .collect();
        Ok(Self { scenario: scenario.clone(), seed, road, ego, actors, rigid, chunks, light, contacts })
    }

    /// The scenario it was made of.
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// The seed it was made with.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Number of actors, scripted and made.
    pub fn actor_count(&self) -> usize {
        self.actors.len()
    }

    /// An actor's name; scripted ones keep theirs.
    pub fn actor_name(&self, actor: usize) -> Option<&str> {
        self.actors.get(actor).map(|a| a.name.as_str())
    }

    /// What an actor is.
    pub fn actor_kind(&self, actor: usize) -> Option<Kind> {
        self.actors.get(actor).map(|a| a.kind)
    }

    /// Everything at time `t_s` (seconds from the start; any time may be asked for).
    pub fn snapshot(&self, t_s: f64) -> Scene<'_> {
        Scene::new(self, t_s)
    }

    /// The ego vehicle at time `t_s`.
    pub fn ego(&self, t_s: f64) -> EgoState {
        ego_state(&self.ego.placed(&self.road, t_s))
    }

    /// Whether and when the ego vehicle touches something, seen from time `t_s` and looking `horizon_s` ahead.
    pub fn collision_label(&self, t_s: f64, horizon_s: f64) -> CollisionLabel {
        let contact = self.contacts.iter().find(|c| c.a == Party::Ego || c.b == Party::Ego);
        CollisionLabel::new(contact, t_s, horizon_s)
    }

    /// First contact between two actors, neither of them the ego vehicle: (time, one, other).
    pub fn other_contact(&self) -> Option<(f64, usize, usize)> {
        self.contacts.iter().find_map(|c| match (c.a, c.b) {
            (Party::Actor(a), Party::Actor(b)) => Some((c.t_s, a, b)),
            _ => None,
        })
    }
}

pub(crate) fn ego_state(placed: &Placed) -> EgoState {
    let v = placed.velocity;
    EgoState {
        odom_from_vehicle: Transform::from_isometry(placed.pose.to_isometry()),
        velocity_odom_mps: v,
        speed_mps: (v[0] * v[0] + v[1] * v[1] + v[2] * v[2]).sqrt(),
        acceleration_mps2: placed.state.accel,
        yaw_rate_rps: placed.yaw_rate,
    }
}
