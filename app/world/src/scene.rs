//! One moment of a world, and its picture.

use ocellus_percept::image::{Image, PixelFormat};
use ocellus_percept::space::{Camera, Optical, Transform, Vehicle};
use rayon::prelude::*;

use crate::actors::{EGO_CENTRE_AHEAD_M, EGO_SIZE_M, Placed};
use crate::math::hash::mix32;
use crate::math::{Pose, Vec3, vec3};
use crate::mesh::chunk::{CHUNK_M, LAMP_STATION_M};
use crate::mesh::props::{LAMP_HEIGHT_M, LAMP_REACH_M};
use crate::mesh::{Mesh, things};
use crate::raster::lens::Lens;
use crate::raster::setup::{Draw, DrawState, sphere_visible};
use crate::raster::shadow::{self, ShadowMap};
use crate::raster::visibility::Visibility;
use crate::scenario::Kind;
use crate::shade::contact::Contacts;
use crate::shade::lamps::{Beam, Glare, Lamp, Lamps};
use crate::shade::post::{Post, Shot};
use crate::shade::{Frame, PixelTruths, Radiance, shade};
use crate::truth::objects::{ObjectTruth, Silhouettes};
use crate::world::{EgoState, World, ego_state};

/// Nothing farther away is drawn.
const FAR_M: f32 = 260.0;
/// People and cyclists farther away than this are not posed, hence not drawn.
const POSED_M: f64 = 150.0;

/// A camera on the vehicle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CameraSetup {
    /// Intrinsics.
    pub camera: Camera,
    /// Extrinsics.
    pub optical_from_vehicle: Transform<Optical, Vehicle>,
}

/// How much work a picture is worth. Truths do not depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quality {
    /// Samples a pixel, 1 to 4.
    pub samples: usize,
    /// Cells on a side of the sun's shadow map, 64 to 4096; no more than two for each column of the picture.
    pub shadow_cells: usize,
}

/// A finer shadow map than this shows nowhere in a picture: its cells are then as large, in pixels, as those of the largest map
/// in a picture 512 wide.
const CELLS_PER_COLUMN: usize = 2;

impl Quality {
    /// For pictures that people look at and shipped students train on.
    pub const FULL: Self = Self { samples: 4, shadow_cells: 1024 };
    /// For training in bulk.
    pub const FAST: Self = Self { samples: 2, shadow_cells: 512 };
}

/// Scratch of rendering, reused from frame to frame; after the first frame of a camera little is allocated.
#[derive(Debug, Default)]
pub struct RenderBuffers {
    lens: Option<(usize, Lens)>,
    visibility: Visibility,
    shadows: ShadowMap,
    corners: Vec<Vec3>,
    contacts: Contacts,
    lamps: Lamps,
    radiance: Radiance,
    post: Post,
    silhouettes: Silhouettes,
}

impl RenderBuffers {
    /// Empty scratch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Natural logarithm of the last picture's radiance before blur, exposure and noise, row-major: what an event camera
    /// compares. See [`events_between`](crate::truth::events::events_between).
    pub fn log_luminance(&self, out: &mut Vec<f32>) {
        /// Keeps black finite; about the dark current of a sensor at night.
        const FLOOR: f32 = 1e-3;
        out.clear();
        out.extend(self.radiance.colour.iter().map(|c| libm::logf(c.luma().max(0.0) + FLOOR)));
    }
}

/// A picture and the truth about it. All maps are row-major, as large as the picture.
#[derive(Debug, Clone, PartialEq)]
pub struct CameraTruth {
    /// The picture, RGB.
    pub rgb: Image,
    /// Metres along the optical axis at each pixel's centre; infinite for the sky.
    pub depth_m: Vec<f32>,
    /// Instance at each pixel's centre, 0 for the standing world.
    pub instance: Vec<u16>,
    /// Class at each pixel's centre: [`ObjectClass`](crate::scenario::ObjectClass) or
    /// [`Semantic`](crate::shade::Semantic) as a number.
    pub class: Vec<u8>,
    /// The objects that have at least one pixel in the picture were nothing before them.
    pub objects: Vec<ObjectTruth>,
}

impl Default for CameraTruth {
    fn default() -> Self {
        Self { rgb: Image::empty(), depth_m: Vec::new(), instance: Vec::new(), class: Vec::new(), objects: Vec::new() }
    }
}

/// A world at one moment.
#[derive(Debug)]
pub struct Scene<'w> {
    pub(crate) world: &'w World,
    pub(crate) t_s: f64,
    pub(crate) ego: Placed,
    pub(crate) placed: Vec<Placed>,
    posed: Vec<Option<Mesh>>,
}

impl<'w> Scene<'w> {
    pub(crate) fn new(world: &'w World, t_s: f64) -> Self {
        let ego = world.ego.placed(&world.road, t_s);
        let placed: Vec<Placed> = world.actors.iter().map(|a| a.placed(&world.road, t_s)).collect();
        let pose = |(actor, at): (&crate::actors::Actor, &Placed)| {
            let near = (0..3).map(|i| at.pose.t[i] - ego.pose.t[i]).map(|d| d * d).sum::<f64>() < POSED_M * POSED_M;
            let speed = (at.state.v_station * at.state.v_station + at.state.v_d * at.state.v_d).sqrt();
            (near && things::is_posed(actor.kind))
                .then(|| things::mesh_of(actor.kind, actor.size_m, actor.look, at.state.travel, speed))
        };
        let posed = world.actors.par_iter().zip(&placed).map(pose).collect();
        Self { world, t_s, ego, placed, posed }
    }

    /// The moment, seconds from the start.
    pub fn t_s(&self) -> f64 {
        self.t_s
    }

    /// The ego vehicle.
    pub fn ego(&self) -> EgoState {
        ego_state(&self.ego)
    }

    /// Mesh of an actor, if it is near enough to matter.
    pub(crate) fn mesh(&self, actor: usize) -> Option<&Mesh> {
        self.posed[actor].as_ref().or_else(|| self.world.rigid[actor].as_ref().map(|solid| &solid.mesh))
    }

    /// Renders the picture of a camera with all truths into `out`.
    pub fn render(&self, setup: &CameraSetup, quality: Quality, buffers: &mut RenderBuffers, out: &mut CameraTruth) {
        let samples = quality.samples.clamp(1, 4);
        let fresh = buffers.lens.as_ref().is_some_and(|(n, lens)| *n == samples && lens.camera == setup.camera);
        if !fresh {
            buffers.lens = Some((samples, Lens::new(&setup.camera, samples)));
        }
        let RenderBuffers { lens, visibility, shadows, corners, contacts, lamps, radiance, post, silhouettes } =
            buffers;
        let Some((_, lens)) = lens.as_ref() else { return };
        let view = View::new(self, setup);
        let draws = self.draws(&view, lens);
        let columns = setup.camera.width as usize;
        let cells = quality.shadow_cells.min(CELLS_PER_COLUMN * columns).clamp(64, 4096);
        let field = lens.field();
        rayon::join(|| visibility.find(lens, &draws), || self.cast_shadows(&view, field, (cells, shadows), corners));
        self.find_contacts(&view, contacts);
        self.find_lamps(&view, lamps);
        let pixels = lens.width * lens.height;
        out.depth_m.resize(pixels, 0.0);
        out.instance.resize(pixels, 0);
        out.class.resize(pixels, 0);
        let frame = Frame {
            light: &self.world.light,
            road: &self.world.scenario().road,
            seed: mix32(self.world.seed() as u32 ^ 0x9a0d),
            lens,
            draws: &draws,
            world_from_optical: view.world_from_optical,
            shadows,
            contacts,
            lamps,
            camera_turn: view.camera_turn,
        };
        let truths = PixelTruths { depth: &mut out.depth_m, instance: &mut out.instance, class: &mut out.class };
        shade(&frame, visibility, radiance, truths);
        let rgb = out.rgb.reset(lens.width, lens.height, PixelFormat::Rgb8);
        let shot = Shot {
            light: &self.world.light,
            lens_spec: &self.world.scenario().lens,
            lens,
            lamps,
            visibility,
            optical_from_world: view.optical_from_world.to_affine(),
            frame_seed: mix32(self.world.seed() as u32 ^ mix32((self.t_s * 1e4) as u32)),
        };
        post.develop(&shot, &radiance.colour, &radiance.motion, rgb);
        silhouettes.objects(self, setup, lens, (visibility, &draws), out);
    }

    fn draws<'a>(&'a self, view: &View, lens: &Lens) -> Vec<Draw<'a>> {
        let field = lens.field();
        let mut draws = Vec::new();
        let mut add =
            |mesh: &'a Mesh, pose: Pose, instance: u32, velocity: Vec3, classes: [u8; 2], state: DrawState| {
                let world_from_mesh = pose.to_affine();
                let optical_from_mesh = view.optical_from_world.then(&pose).to_affine();
                if sphere_visible(&field, optical_from_mesh.apply(mesh.centre), mesh.radius, FAR_M) {
                    let drift = view.world_from_optical.rotate_back(velocity - view.camera_velocity);
                    draws.push(Draw { mesh, optical_from_mesh, world_from_mesh, drift, instance, classes, state });
                }
            };
        for piece in &self.world.chunks {
            add(&piece.solid.mesh, view.shifted(piece.origin), 0, Vec3::ZERO, [0; 2], DrawState::default());
        }
        for (i, placed) in self.placed.iter().enumerate() {
            let Some(mesh) = self.mesh(i) else { continue };
            let classes = self.world.actors[i].classes();
            let class = [classes[0] as u8, classes.get(1).map_or(0, |c| *c as u8)];
            let velocity = vec3(placed.velocity[0] as f32, placed.velocity[1] as f32, placed.velocity[2] as f32);
            add(mesh, view.moved(&placed.pose), instance_of(i, 0), velocity, class, self.state(i));
        }
        draws
    }

    fn state(&self, actor: usize) -> DrawState {
        let (who, at) = (&self.world.actors[actor], &self.placed[actor].state);
        let drives = who.motion.moves();
        let speed = at.v_station.abs() + at.v_d.abs();
        let sideways = at.v_d * libm::cos(at.heading);
        let shifting = who.kind.is_vehicle() && drives && sideways.abs() > 0.15 && at.v_station.abs() > 0.5;
        let blink = libm::fmod(self.t_s.abs(), 0.66) < 0.40;
        DrawState {
            lights: who.lights.unwrap_or(drives && self.world.light.lights_on),
            brakes: drives && (at.accel < -0.4 || speed < 0.05),
            indicator: if shifting && blink { if sideways > 0.0 { 1 } else { -1 } } else { 0 },
            roll: libm::fmod(at.travel / 0.32, std::f64::consts::TAU) as f32,
        }
    }

    fn cast_shadows(
        &self,
        view: &View,
        (low, high): ([f32; 2], [f32; 2]),
        (cells, shadows): (usize, &mut ShadowMap),
        corners: &mut Vec<Vec3>,
    ) {
        let light = &self.world.light;
        let ahead = view.world_from_optical.rotate(vec3(0.0, 0.0, 1.0));
        let flat = vec3(ahead.x, ahead.y, 0.0).unit();
        let centre = view.world_from_optical.t + flat * shadow::AHEAD_M;
        shadows.begin(cells, light.to_sun, centre, light.sun.x > 0.05);
        let ray = |x: f32, y: f32| view.world_from_optical.rotate(vec3(x, y, 1.0));
        let rays = [ray(low[0], low[1]), ray(low[0], high[1]), ray(high[0], low[1]), ray(high[0], high[1])];
        shadows.look(view.world_from_optical.t, rays);
        for piece in &self.world.chunks {
            shadows.add(&piece.solid.mesh, &view.shifted(piece.origin).to_affine(), corners);
        }
        for (i, placed) in self.placed.iter().enumerate() {
            if let Some(mesh) = self.mesh(i) {
                shadows.add(mesh, &view.moved(&placed.pose).to_affine(), corners);
            }
        }
        let ego = self.ego_outline(view);
        shadows.add(&ego.0, &ego.1, corners);
    }

    /// The ego vehicle itself is not drawn, but it casts a shadow.
    fn ego_outline(&self, view: &View) -> (Mesh, crate::math::Affine) {
        let mut mesh = Mesh::default();
        let stuff = crate::mesh::build::Stuff::new(crate::mesh::Material::Plastic, 0);
        let [l, w, h] = EGO_SIZE_M.map(|v| v as f32);
        let middle = EGO_CENTRE_AHEAD_M as f32;
        mesh.block(vec3(middle, 0.0, 0.25), vec3(l, w, h * 0.42), [1.0, 0.0], stuff);
        mesh.block(vec3(middle - 0.3, 0.0, h * 0.5), vec3(l * 0.5, w * 0.85, h * 0.5), [1.0, 0.0], stuff);
        (mesh.finish(), view.moved(&self.ego.pose).to_affine())
    }

    fn find_contacts(&self, view: &View, contacts: &mut Contacts) {
        contacts.begin(view.world_from_optical.t + view.world_from_optical.rotate(vec3(0.0, 0.0, 55.0)));
        let mut near: Vec<(f32, usize)> = (0..self.placed.len())
            .filter(|&i| self.world.actors[i].kind != Kind::Branch)
            .map(|i| (view.moved(&self.placed[i].pose).to_affine().t.norm(), i))
            .filter(|(d, _)| *d < 90.0)
            .collect();
        near.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (_, i) in near {
            let pose = view.moved(&self.placed[i].pose).to_affine();
            let [l, w, _] = self.world.actors[i].size_m.map(|v| v as f32);
            let ahead = pose.rotate(vec3(1.0, 0.0, 0.0));
            // People touch the ground with their feet only.
            let shrink = if self.world.actors[i].kind == Kind::Pedestrian { 0.25 } else { 0.46 };
            contacts.add(pose.t, [ahead.x, ahead.y], [l * shrink, w * shrink]);
        }
    }

    fn find_lamps(&self, view: &View, lamps: &mut Lamps) {
        lamps.lamps.clear();
        lamps.beams.clear();
        lamps.glares.clear();
        let light = &self.world.light;
        if !light.lights_on {
            return;
        }
        if light.lamps_on {
            self.street_lamps(view, lamps);
        }
        // By day a headlamp lights nothing that one would notice.
        let strength = if light.night { 62.0 } else { 25.0 };
        let pose = view.moved(&self.ego.pose).to_affine();
        let ahead = |pose: &crate::math::Affine| pose.rotate(vec3(1.0, 0.0, 0.0));
        if light.lamps_on_or_dark() {
            lamps.beams.push(Beam { at: pose.apply(vec3(3.6, 0.0, 0.65)), ahead: ahead(&pose), strength });
        }
        for i in 0..self.placed.len() {
            self.vehicle_lamps(view, i, strength, lamps);
        }
    }

    fn vehicle_lamps(&self, view: &View, i: usize, strength: f32, lamps: &mut Lamps) {
        let (state, actor) = (self.state(i), &self.world.actors[i]);
        let pose = view.moved(&self.placed[i].pose).to_affine();
        let distance = pose.t.norm();
        if !state.lights || !actor.kind.is_vehicle() || distance > 170.0 {
            return;
        }
        let [l, w, h] = actor.size_m.map(|v| v as f32);
        let single = matches!(actor.kind, Kind::Cyclist | Kind::Motorcyclist);
        let (y, z) = if single { (0.0, 0.85) } else { (w * 0.38, (h * 0.42).min(0.85)) };
        let ahead = pose.rotate(vec3(1.0, 0.0, 0.0));
        if distance < 60.0 && actor.kind != Kind::Cyclist && self.world.light.night {
            lamps.beams.push(Beam { at: pose.apply(vec3(l * 0.5, 0.0, z)), ahead, strength });
        }
        let to_eye = (view.world_from_optical.t - pose.t).unit();
        let facing = ahead.dot(to_eye);
        let dark = if self.world.light.night { 1.0 } else { 0.5 };
        for side in if single { vec![0.0] } else { vec![1.0, -1.0] } {
            if facing > 0.25 {
                let at = pose.apply(vec3(l * 0.5 + 0.1, side * y, z));
                let bright = dark * (facing - 0.2) * if actor.kind == Kind::Cyclist { 0.3 } else { 1.3 };
                lamps.glares.push(Glare { at, colour: vec3(1.0, 0.95, 0.85) * bright, size: 0.042 });
            } else if facing < -0.3 {
                let at = pose.apply(vec3(-l * 0.5 - 0.1, side * y * 1.05, z + 0.1));
                let bright = if state.brakes { 0.5 } else { 0.10 } * dark;
                lamps.glares.push(Glare { at, colour: vec3(1.0, 0.06, 0.04) * bright, size: 0.025 });
            }
        }
    }

    fn street_lamps(&self, view: &View, lamps: &mut Lamps) {
        let world = self.world;
        let spec = &world.scenario().road;
        let here = self.ego.state.station;
        for piece in &world.chunks {
            let station = piece.index as f64 * CHUNK_M + LAMP_STATION_M;
            if station < here - 35.0 || station > here + 190.0 {
                continue;
            }
            let side = if piece.index.rem_euclid(2) == 1 { 1.0 } else { -1.0 };
            let kerb = if side > 0.0 { spec.kerb_left_m() } else { spec.kerb_right_m() };
            let walk = if spec.sidewalk_m > 0.0 { 0.55 } else { 1.6 };
            let d = kerb + side * (walk - f64::from(LAMP_REACH_M));
            let [x, y] = world.road.xy(station, d);
            let z = world.road.grade_height(station) + f64::from(LAMP_HEIGHT_M);
            let at = view.shifted([x, y, z]).to_affine().t;
            let dim = if world.light.night { 1.0 } else { 0.8 };
            if station < here + 95.0 {
                lamps.lamps.push(Lamp { at, colour: vec3(1.0, 0.76, 0.46) * (8.5 * dim) });
            }
            lamps.glares.push(Glare { at, colour: vec3(1.0, 0.78, 0.5) * (0.45 * dim), size: 0.035 });
        }
    }
}

/// Instance id of an actor's part.
pub(crate) fn instance_of(actor: usize, part: usize) -> u32 {
    1 + 2 * actor as u32 + part as u32
}

/// Where the camera is. World coordinates in single precision are relative to the ego vehicle's place (the anchor).
#[derive(Debug, Clone, Copy)]
struct View {
    anchor: [f64; 3],
    optical_from_world: Pose,
    world_from_optical: crate::math::Affine,
    camera_velocity: Vec3,
    camera_turn: Vec3,
}

impl View {
    fn new(scene: &Scene<'_>, setup: &CameraSetup) -> Self {
        let anchor = scene.ego.pose.t;
        let local = Pose { t: [0.0; 3], ..scene.ego.pose };
        let optical_from_vehicle = Pose::from_isometry(setup.optical_from_vehicle.isometry());
        let optical_from_world = optical_from_vehicle.then(&local.inverse());
        let world_from_optical = optical_from_world.inverse();
        let turn = [0.0, 0.0, scene.ego.yaw_rate];
        // A point of a turning vehicle moves with omega x r on top.
        let r = world_from_optical.t;
        let v = scene.ego.velocity;
        let velocity = [v[0] - turn[2] * r[1], v[1] + turn[2] * r[0], v[2]];
        let to_f32 = |v: [f64; 3]| vec3(v[0] as f32, v[1] as f32, v[2] as f32);
        Self {
            anchor,
            optical_from_world,
            world_from_optical: world_from_optical.to_affine(),
            camera_velocity: to_f32(velocity),
            camera_turn: to_f32(optical_from_world.rotate(turn)),
        }
    }

    fn shifted(&self, t: [f64; 3]) -> Pose {
        self.moved(&Pose { t, ..Pose::IDENTITY })
    }

    fn moved(&self, pose: &Pose) -> Pose {
        Pose { t: std::array::from_fn(|i| pose.t[i] - self.anchor[i]), ..*pose }
    }
}
