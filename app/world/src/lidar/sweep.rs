//! One turn of a spinning LiDAR: every column at its own time, with range noise, drop-outs and weather.
//!
//! The sweep's stamp is the end of the turn, so that what it holds has happened by then: time offsets run from
//! `-spin_s` to 0. The first column looks backwards and the head turns clockwise seen from above, so straight ahead is
//! seen in the middle of the turn. Points are in the LiDAR's own frame at their own time, not moved by ego motion.

use ocellus_percept::cloud::Cloud;
use ocellus_percept::space::{Lidar, Transform, Vehicle};
use rayon::prelude::*;

use crate::math::hash::{hash3, mix32};
use crate::math::{Affine, Pose, Vec3, exp_neg, unit, vec3};
use crate::mesh::{Material, Tri, things};
use crate::scenario::Weather;
use crate::scene::instance_of;
use crate::shade::semantic;
use crate::world::{Solid, World};

/// A LiDAR on the vehicle.
#[derive(Debug, Clone, PartialEq)]
pub struct LidarSetup {
    /// Elevation of each beam above the horizontal, rad, from the top.
    pub beams_rad: Vec<f64>,
    /// Columns of one turn.
    pub columns: usize,
    /// Duration of one turn; 0 for a snapshot.
    pub spin_s: f64,
    /// Nearest and farthest range.
    pub range_m: [f64; 2],
    /// Standard deviation of a range.
    pub sigma_m: f64,
    /// Share of points lost for no reason.
    pub dropout: f64,
    /// Where it sits.
    pub vehicle_from_lidar: Transform<Vehicle, Lidar>,
}

/// What each point of a sweep belongs to, in the order of the cloud's points.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SweepTruth {
    /// Instance as in camera masks, 0 for the standing world.
    pub instance: Vec<u16>,
    /// Class as in camera masks.
    pub class: Vec<u8>,
}

/// Columns that one task does.
const COLUMNS_PER_TASK: usize = 16;

impl World {
    /// The sweep that ends at `t_s`, into `cloud` (its allocations are kept) and `truth`.
    pub fn sweep(&self, t_s: f64, setup: &LidarSetup, cloud: &mut Cloud, truth: &mut SweepTruth) {
        let caster = Caster::new(self, t_s, setup);
        let tasks = setup.columns.div_ceil(COLUMNS_PER_TASK);
        let parts: Vec<Vec<Return>> = (0..tasks)
            .into_par_iter()
            .map(|task| {
                let mut out = Vec::new();
                let mut near = Vec::new();
                for column in task * COLUMNS_PER_TASK..((task + 1) * COLUMNS_PER_TASK).min(setup.columns) {
                    caster.column(column, &mut near, &mut out);
                }
                out
            })
            .collect();
        cloud.clear();
        truth.instance.clear();
        truth.class.clear();
        for r in parts.iter().flatten() {
            cloud.xyz.push(r.xyz);
            cloud.intensity.push(r.intensity);
            cloud.time_offset_s.push(r.offset_s);
            cloud.ring.push(r.ring);
            truth.instance.push(r.instance);
            truth.class.push(r.class);
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Return {
    xyz: [f32; 3],
    intensity: f32,
    offset_s: f32,
    ring: u16,
    instance: u16,
    class: u8,
}

/// A mesh that a ray can meet: shared with the world, or posed for this sweep.
enum Body<'a> {
    Shared(&'a Solid),
    Posed(Box<Solid>),
}

impl Body<'_> {
    fn solid(&self) -> &Solid {
        match self {
            Self::Shared(solid) => solid,
            Self::Posed(solid) => solid,
        }
    }
}

/// Something in reach of the sweep.
struct Target<'a> {
    body: Body<'a>,
    /// The actor, or the place of a piece of the standing world.
    what: What,
}

#[derive(Debug, Clone, Copy)]
enum What {
    Standing([f64; 3]),
    Actor(usize),
}

struct Caster<'a> {
    world: &'a World,
    setup: &'a LidarSetup,
    t_s: f64,
    vehicle_from_lidar: Pose,
    targets: Vec<Target<'a>>,
    /// Cosine and sine of each beam.
    beams: Vec<(f32, f32)>,
    seed: u32,
}

/// A target in the plane of one column, in the LiDAR's frame at that column's time.
struct Near {
    target: usize,
    lidar_from_mesh: Affine,
    centre: Vec3,
    radius: f32,
}

impl<'a> Caster<'a> {
    fn new(world: &'a World, t_s: f64, setup: &'a LidarSetup) -> Self {
        let beams = setup.beams_rad.iter().map(|b| (libm::cos(*b) as f32, libm::sin(*b) as f32)).collect();
        Self {
            world,
            setup,
            t_s,
            vehicle_from_lidar: Pose::from_isometry(setup.vehicle_from_lidar.isometry()),
            targets: targets(world, t_s - setup.spin_s * 0.5, setup.range_m[1]),
            beams,
            seed: mix32(world.seed() as u32 ^ mix32((t_s * 1e4) as i64 as u32)),
        }
    }

    /// Casts the beams of one column.
    fn column(&self, column: usize, near: &mut Vec<Near>, out: &mut Vec<Return>) {
        let share = (column as f64 + 0.5) / self.setup.columns as f64;
        let offset_s = -self.setup.spin_s * (1.0 - share);
        let azimuth = std::f64::consts::PI * (1.0 - 2.0 * share);
        let ahead = vec3(libm::cos(azimuth) as f32, libm::sin(azimuth) as f32, 0.0);
        self.find_near(self.t_s + offset_s, ahead, near);
        for (ring, (cos, sin)) in self.beams.iter().enumerate() {
            let direction = vec3(ahead.x * cos, ahead.y * cos, *sin);
            let salt = hash3(column as i32, ring as i32, 0, self.seed);
            if let Some(found) = self.cast(direction, near, salt) {
                out.push(Return { offset_s: offset_s as f32, ring: ring as u16, ..found });
            }
        }
    }

    fn find_near(&self, t: f64, ahead: Vec3, near: &mut Vec<Near>) {
        let road = &self.world.road;
        let lidar_from_world = self.world.ego.placed(road, t).pose.then(&self.vehicle_from_lidar).inverse();
        near.clear();
        for (target, body) in self.targets.iter().enumerate() {
            let pose = match body.what {
                What::Standing(t) => Pose { t, ..Pose::IDENTITY },
                What::Actor(i) => self.world.actors[i].placed(road, t).pose,
            };
            let lidar_from_mesh = lidar_from_world.then(&pose).to_affine();
            let mesh = &body.body.solid().mesh;
            let centre = lidar_from_mesh.apply(mesh.centre);
            let (along, across) = (centre.dot(ahead), centre.y * ahead.x - centre.x * ahead.y);
            if across.abs() <= mesh.radius && along >= -mesh.radius {
                near.push(Near { target, lidar_from_mesh, centre, radius: mesh.radius });
            }
        }
    }

    fn cast(&self, direction: Vec3, near: &[Near], salt: u32) -> Option<Return> {
        let [least, most] = self.setup.range_m.map(|r| r as f32);
        let mut best: Option<(f32, &Near, u32)> = None;
        for n in near {
            let reach = best.map_or(most, |b| b.0);
            let along = n.centre.dot(direction);
            let off2 = n.centre.dot(n.centre) - along * along;
            if off2 > n.radius * n.radius || along - n.radius > reach || along + n.radius < 0.0 {
                continue;
            }
            let (origin, local) = (n.lidar_from_mesh.apply_back(Vec3::ZERO), n.lidar_from_mesh.rotate_back(direction));
            if let Some(hit) = self.targets[n.target].body.solid().tree().cast(origin, local, reach) {
                best = Some((hit.distance, n, hit.tri));
            }
        }
        let random = |k: u32| unit(mix32(salt ^ k.wrapping_mul(0x9e37_79b9)));
        if let Some(scatter) = self.scattered(best.map_or(most, |b| b.0), &random) {
            return Some(Return { xyz: (direction * scatter).array(), ..SCATTERED });
        }
        let (range, n, tri) = best.filter(|b| b.0 >= least)?;
        let (intensity, kept) = self.strength(range, n, tri, direction);
        if random(1) < self.setup.dropout as f32 || random(2) > kept {
            return None;
        }
        let normal = random(3) + random(4) + random(5) + random(6) - 2.0;
        let noisy = range + normal * 1.732_050_8 * self.setup.sigma_m as f32;
        let (instance, class) = self.label(n, tri);
        let xyz = (direction * noisy).array();
        Some(Return { xyz, intensity, offset_s: 0.0, ring: 0, instance, class })
    }

    /// A false echo from fog, snow or rain before the surface, as its range.
    fn scattered(&self, surface: f32, random: &impl Fn(u32) -> f32) -> Option<f32> {
        let share = match self.world.light.weather {
            Weather::Clear | Weather::Cloudy => return None,
            Weather::Rain => 0.002,
            Weather::Fog => 0.012,
            Weather::Snow => 0.018,
        };
        if random(7) >= share {
            return None;
        }
        let u = random(8);
        let range = self.setup.range_m[0] as f32 + 14.0 * u * u;
        (range < surface).then_some(range)
    }

    /// Strength of an echo (0 to 1) and the chance that it is noticed.
    fn strength(&self, range: f32, near: &Near, tri: u32, direction: Vec3) -> (f32, f32) {
        let mesh = &self.targets[near.target].body.solid().mesh;
        let tri: &Tri = &mesh.tris[tri as usize];
        let [a, b, c] = mesh.corners(tri);
        let n = near.lidar_from_mesh.rotate((b - a).cross(c - a).unit());
        let cosine = n.dot(direction).abs();
        let base = mesh.paints[usize::from(tri.paint)].base.luma();
        let reflectivity = match tri.material {
            Material::CarGlass => 0.03,
            Material::Sign | Material::Striped => 0.9,
            Material::CarBody | Material::Panel => 0.12 + 0.5 * base,
            Material::Road => 0.10,
            Material::Leaf | Material::Land => 0.35,
            _ => 0.15 + 0.6 * base,
        };
        // There and back through the haze.
        let haze = exp_neg(2.0 * self.world.light.haze_per_m * range);
        let wet = if tri.material == Material::Road { 1.0 - 0.5 * self.world.light.wet } else { 1.0 };
        let intensity = (reflectivity * (0.15 + 0.85 * cosine) * haze * wet).min(1.0);
        // A surface that returns a tenth begins to be lost at 80 % of the farthest range.
        let most = self.setup.range_m[1] as f32;
        let signal = intensity * (most / range.max(1.0)) * (most / range.max(1.0)) / 0.16;
        (intensity, signal.min(0.999))
    }

    fn label(&self, near: &Near, tri: u32) -> (u16, u8) {
        let target = &self.targets[near.target];
        let tri = &target.body.solid().mesh.tris[tri as usize];
        match target.what {
            What::Standing(_) => (0, semantic(tri.material) as u8),
            What::Actor(i) => {
                let part = usize::from(tri.part);
                let class = self.world.actors[i].classes().get(part).map_or(0, |c| *c as u8);
                (instance_of(i, part) as u16, class)
            }
        }
    }
}

/// A point of fog or snow: belongs to nothing.
const SCATTERED: Return = Return {
    xyz: [0.0; 3],
    intensity: 0.02,
    offset_s: 0.0,
    ring: 0,
    instance: 0,
    class: crate::shade::Semantic::Sky as u8,
};

/// Everything within reach at time `t`; people are posed once, for the middle of the sweep.
fn targets(world: &World, t: f64, range_m: f64) -> Vec<Target<'_>> {
    let here = world.ego.placed(&world.road, t).pose.t;
    let reach = range_m + 30.0;
    let close = |p: &[f64; 3]| {
        let (dx, dy) = (p[0] - here[0], p[1] - here[1]);
        dx * dx + dy * dy < reach * reach
    };
    let standing = world
        .chunks
        .iter()
        .filter(|c| close(&c.origin))
        .map(|c| Target { body: Body::Shared(&c.solid), what: What::Standing(c.origin) });
    let moving = world.actors.iter().enumerate().filter_map(|(i, who)| {
        let at = who.placed(&world.road, t);
        if !close(&at.pose.t) {
            return None;
        }
        let body = world.rigid[i].as_ref().map_or_else(
            || {
                let speed = (at.state.v_station * at.state.v_station + at.state.v_d * at.state.v_d).sqrt();
                let mesh = things::mesh_of(who.kind, who.size_m, who.look, at.state.travel, speed);
                Body::Posed(Box::new(Solid::new(mesh)))
            },
            Body::Shared,
        );
        Some(Target { body, what: What::Actor(i) })
    });
    standing.chain(moving).collect()
}
