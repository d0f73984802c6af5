//! Objects in a picture: boxes in 2D and 3D, what is hidden, distance, velocity, time to collision.

use ocellus_percept::detection::BoxPx;
use ocellus_percept::space::{Odom, Point3, Vehicle};
use rayon::prelude::*;

use super::collision::{Mover, time_to_touch};
use super::tags::{DistanceBand, OcclusionLevel};
use crate::actors::{EGO_CENTRE_AHEAD_M, EGO_SIZE_M};
use crate::math::{Affine, Pose, Vec3, vec3, wide};
use crate::mesh::Mesh;
use crate::raster::lens::Lens;
use crate::raster::setup::{Draw, NEAR_M, Ready};
use crate::raster::visibility::{BAND_ROWS, Visibility};
use crate::scenario::ObjectClass;
use crate::scene::{CameraSetup, CameraTruth, Scene};

/// An upright box around an object.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Box3d {
    /// Middle of the box in the odom frame.
    pub centre_odom: Point3<Odom>,
    /// Middle of the box in the vehicle frame.
    pub centre_vehicle: Point3<Vehicle>,
    /// Length, width, height in metres.
    pub size_m: [f64; 3],
    /// Heading about z in the odom frame, rad.
    pub yaw_odom: f64,
    /// Heading about z in the vehicle frame, rad.
    pub yaw_vehicle: f64,
}

/// The truth about one object in one picture. A cyclist is two objects, the rider a `person` and the machine a `bicycle`,
/// as COCO labels them; both name the same actor.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectTruth {
    /// Number in the instance mask; the same in every frame of a world.
    pub instance: u16,
    /// Index of the actor in the world.
    pub actor: usize,
    /// Class.
    pub class: ObjectClass,
    /// Box around the whole object, hidden parts and parts outside the picture included, in continuous pixel coordinates.
    pub box_full: BoxPx,
    /// Box around the visible pixels; `None` where none is visible.
    pub box_visible: Option<BoxPx>,
    /// Pixels of the instance mask.
    pub visible_px: u32,
    /// Pixels the object would have in this picture were nothing before it.
    pub full_px: u32,
    /// Share of `full_px` that others hide, 0 to 1.
    pub occlusion: f32,
    /// Share of the full box's area outside the picture, 0 to 1.
    pub truncation: f32,
    /// Range from the camera's centre to the nearest visible point; `None` where nothing is visible.
    pub distance_m: Option<f64>,
    /// That point in the vehicle frame.
    pub nearest_vehicle: Option<Point3<Vehicle>>,
    /// Box in space.
    pub box_3d: Box3d,
    /// Velocity over the ground, odom axes, m/s.
    pub velocity_odom_mps: [f64; 3],
    /// Velocity over the ground, axes of the vehicle, m/s.
    pub velocity_vehicle_mps: [f64; 3],
    /// Seconds until its outline meets the ego vehicle's if both keep their velocity; `None` where they never do.
    pub ttc_s: Option<f64>,
}

impl ObjectTruth {
    /// How much of it is hidden, as a group.
    pub fn occlusion_level(&self) -> OcclusionLevel {
        OcclusionLevel::of(self.occlusion)
    }

    /// How far away it is, as a group: by its nearest visible point, else by its middle.
    pub fn distance_band(&self) -> DistanceBand {
        DistanceBand::of(self.distance_m.unwrap_or_else(|| self.box_3d.centre_vehicle.range_m()))
    }
}

/// What the instance mask says of one instance.
#[derive(Debug, Clone, Copy)]
struct Seen {
    count: u32,
    x: [u16; 2],
    y: [u16; 2],
    nearest2: f32,
    at: u32,
}

impl Seen {
    const NONE: Self = Self { count: 0, x: [u16::MAX, 0], y: [u16::MAX, 0], nearest2: f32::INFINITY, at: 0 };

    /// Adds the pixel of index `i`.
    fn add(&mut self, lens: &Lens, i: usize, depth_m: &[f32]) {
        let (x, y) = ((i % lens.width) as u16, (i / lens.width) as u16);
        self.count += 1;
        self.x = [self.x[0].min(x), self.x[1].max(x)];
        self.y = [self.y[0].min(y), self.y[1].max(y)];
        let (u, v, z) = (lens.centres[0][i], lens.centres[1][i], depth_m[i]);
        let d2 = z * z * (1.0 + u * u + v * v);
        if d2 < self.nearest2 {
            (self.nearest2, self.at) = (d2, i as u32);
        }
    }

    /// Adds the pixels of a band below; of two equally near the upper counts.
    fn merge(&mut self, below: &Self) {
        self.count += below.count;
        self.x = [self.x[0].min(below.x[0]), self.x[1].max(below.x[1])];
        self.y = [self.y[0].min(below.y[0]), self.y[1].max(below.y[1])];
        if below.nearest2 < self.nearest2 {
            (self.nearest2, self.at) = (below.nearest2, below.at);
        }
    }
}

/// Scratch for measuring objects.
#[derive(Debug, Default)]
pub(crate) struct Silhouettes {
    seen: Vec<Seen>,
    masks: Vec<Vec<u8>>,
}

impl Silhouettes {
    /// Writes `out.objects` from the finished masks and the visibility pass.
    pub(crate) fn objects(
        &mut self,
        scene: &Scene<'_>,
        setup: &CameraSetup,
        lens: &Lens,
        pass: (&Visibility, &[Draw<'_>]),
        out: &mut CameraTruth,
    ) {
        self.measure(lens, scene.placed.len() * 2 + 1, out);
        let (visibility, draws) = pass;
        let jobs: Vec<(usize, usize, usize)> = draws
            .iter()
            .enumerate()
            .filter(|(_, d)| d.instance > 0)
            .flat_map(|(k, d)| {
                let actor = (d.instance as usize - 1) / 2;
                (0..scene.world.actors[actor].classes().len()).map(move |part| (k, actor, part))
            })
            .collect();
        self.masks.resize_with(self.masks.len().max(jobs.len()), Vec::new);
        let seen = &self.seen;
        let found: Vec<Option<ObjectTruth>> = self.masks[..jobs.len()]
            .par_iter_mut()
            .zip(&jobs)
            .map(|(mask, &(k, actor, part))| {
                let draw = &draws[k];
                let full_px = silhouette(lens, &visibility.ready[visibility.ranges[k].clone()], draw, part, mask);
                if full_px == 0 {
                    return None;
                }
                let instance = draw.instance as usize + part;
                let base = Base { scene, setup, lens, actor, part };
                base.truth(draw, (full_px, seen[instance]))
            })
            .collect();
        out.objects.clear();
        out.objects.extend(found.into_iter().flatten());
    }

    fn measure(&mut self, lens: &Lens, instances: usize, out: &CameraTruth) {
        let size = lens.width * BAND_ROWS;
        let bands = out.instance.par_chunks(size).enumerate();
        let found: Vec<Vec<Seen>> = bands
            .map(|(band, mask)| {
                let mut all = vec![Seen::NONE; instances + 1];
                for (k, &instance) in mask.iter().enumerate().filter(|(_, instance)| **instance != 0) {
                    if let Some(seen) = all.get_mut(usize::from(instance)) {
                        seen.add(lens, band * size + k, &out.depth_m);
                    }
                }
                all
            })
            .collect();
        self.seen.clear();
        self.seen.resize(instances + 1, Seen::NONE);
        for band in &found {
            self.seen.iter_mut().zip(band).for_each(|(seen, more)| seen.merge(more));
        }
    }
}

wide! {
    /// Counts the pixels a part of a draw covers, whatever else is there.
    fn silhouette(lens: &Lens, ready: &[Ready], draw: &Draw<'_>, part: usize, mask: &mut Vec<u8>) -> u32 = cover_alone;
}

#[inline(always)]
fn cover_alone(lens: &Lens, ready: &[Ready], draw: &Draw<'_>, part: usize, mask: &mut Vec<u8>) -> u32 {
    let ours = |r: &&Ready| usize::from(draw.mesh.tris[r.tri as usize].part) == part;
    let (mut x, mut y) = ([u16::MAX, 0], [u16::MAX, 0]);
    for r in ready.iter().filter(ours) {
        x = [x[0].min(r.x[0]), x[1].max(r.x[1])];
        y = [y[0].min(r.y[0]), y[1].max(r.y[1])];
    }
    if x[0] >= x[1] || y[0] >= y[1] {
        return 0;
    }
    let (width, height) = (usize::from(x[1] - x[0]), usize::from(y[1] - y[0]));
    mask.clear();
    mask.resize(width * height, 0);
    for r in ready.iter().filter(ours) {
        let plane = r.plane();
        for row in r.y[0]..r.y[1] {
            let source = usize::from(row) * lens.width;
            let span = source + usize::from(r.x[0])..source + usize::from(r.x[1]);
            let first = usize::from(row - y[0]) * width + usize::from(r.x[0] - x[0]);
            let target = &mut mask[first..first + span.len()];
            let (xs, ys) = (&lens.centres[0][span.clone()], &lens.centres[1][span]);
            for ((u, v), m) in xs.iter().zip(ys).zip(target) {
                let on = |e: Vec3| e.x * u + e.y * v + e.z;
                let hit = (on(r.e[0]) >= 0.0)
                    & (on(r.e[1]) >= 0.0)
                    & (on(r.e[2]) >= 0.0)
                    & (on(plane) > 0.0)
                    & (on(plane) < 1.0 / NEAR_M);
                *m |= u8::from(hit);
            }
        }
    }
    mask.iter().map(|m| u32::from(*m)).sum()
}

/// Which object is being described.
struct Base<'a> {
    scene: &'a Scene<'a>,
    setup: &'a CameraSetup,
    lens: &'a Lens,
    actor: usize,
    part: usize,
}

impl Base<'_> {
    fn truth(&self, draw: &Draw<'_>, counts: (u32, Seen)) -> Option<ObjectTruth> {
        let (full_px, seen) = counts;
        let box_full = full_box(self.lens, draw.mesh, &draw.optical_from_mesh, self.part)?;
        let placed = &self.scene.placed[self.actor];
        let vehicle_from_odom = self.scene.ego.pose.inverse();
        let visible = (seen.count > 0).then(|| BoxPx {
            x0: f32::from(seen.x[0]),
            y0: f32::from(seen.y[0]),
            x1: f32::from(seen.x[1]) + 1.0,
            y1: f32::from(seen.y[1]) + 1.0,
        });
        Some(ObjectTruth {
            instance: (draw.instance as usize + self.part) as u16,
            actor: self.actor,
            class: self.scene.world.actors[self.actor].classes()[self.part],
            truncation: truncation(&box_full, self.lens),
            box_full,
            box_visible: visible,
            visible_px: seen.count,
            full_px,
            occlusion: (1.0 - seen.count as f32 / full_px as f32).max(0.0),
            distance_m: (seen.count > 0).then(|| f64::from(seen.nearest2).sqrt()),
            nearest_vehicle: (seen.count > 0).then(|| self.nearest(&seen)),
            box_3d: self.box_3d(draw.mesh, &vehicle_from_odom),
            velocity_odom_mps: placed.velocity,
            velocity_vehicle_mps: vehicle_from_odom.rotate(placed.velocity),
            ttc_s: self.ttc(),
        })
    }

    fn nearest(&self, seen: &Seen) -> Point3<Vehicle> {
        let i = seen.at as usize;
        let [u, v] = self.lens.centres.each_ref().map(|rays| f64::from(rays[i]));
        let z = f64::from(seen.nearest2).sqrt() / (1.0 + u * u + v * v).sqrt();
        let vehicle_from_optical = self.setup.optical_from_vehicle.inverse();
        vehicle_from_optical.apply(&Point3::new(u * z, v * z, z))
    }

    fn box_3d(&self, mesh: &Mesh, vehicle_from_odom: &Pose) -> Box3d {
        let pose = &self.scene.placed[self.actor].pose;
        let (low, high) = mesh.parts[self.part];
        let middle = ((low + high) * 0.5).array().map(f64::from);
        let odom = pose.apply(middle);
        let vehicle = vehicle_from_odom.apply(odom);
        let yaw_odom = pose.yaw();
        Box3d {
            centre_odom: Point3::new(odom[0], odom[1], odom[2]),
            centre_vehicle: Point3::new(vehicle[0], vehicle[1], vehicle[2]),
            size_m: (high - low).array().map(f64::from),
            yaw_odom,
            yaw_vehicle: crate::math::angle_difference(yaw_odom, self.scene.ego.pose.yaw()),
        }
    }

    fn ttc(&self) -> Option<f64> {
        let (ego, other) = (&self.scene.ego, &self.scene.placed[self.actor]);
        let middle = ego.pose.apply([EGO_CENTRE_AHEAD_M, 0.0, 0.0]);
        let size = self.scene.world.actors[self.actor].size_m;
        let mover = |centre: [f64; 3], yaw: f64, size: [f64; 3], v: [f64; 3]| Mover {
            centre: [centre[0], centre[1]],
            yaw,
            size: [size[0], size[1]],
            velocity: [v[0], v[1]],
        };
        let us = mover(middle, ego.pose.yaw(), EGO_SIZE_M, ego.velocity);
        time_to_touch(&us, &mover(other.pose.t, other.pose.yaw(), size, other.velocity))
    }
}

/// Box around everything of the part that lies before the camera; `None` where nothing does.
fn full_box(lens: &Lens, mesh: &Mesh, optical_from_mesh: &Affine, part: usize) -> Option<BoxPx> {
    let places: Vec<Vec3> = mesh.verts.iter().map(|v| optical_from_mesh.apply(v.p)).collect();
    let before = |p: &Vec3| p.z >= NEAR_M;
    let cut = !places.iter().all(before);
    // Triangles share corners.
    let mut ours = vec![false; places.len()];
    let mut seen = Vec::with_capacity(places.len());
    for tri in mesh.tris.iter().filter(|t| usize::from(t.part) == part) {
        tri.v.iter().for_each(|i| ours[*i as usize] = true);
        if cut {
            let [a, b, c] = tri.v.map(|i| places[i as usize]);
            let crossing = [(a, b), (b, c), (c, a)].into_iter().filter(|(a, b)| before(a) != before(b));
            let at_near = |(a, b): (Vec3, Vec3)| a.mix(b, (NEAR_M - a.z) / (b.z - a.z));
            seen.extend(crossing.map(|edge| at_near(edge).max(vec3(f32::MIN, f32::MIN, NEAR_M))));
        }
    }
    seen.extend(places.iter().zip(&ours).filter(|(p, ours)| **ours && before(p)).map(|(p, _)| *p));
    let (low, high) = lens.pixel_bounds(&seen)?;
    // Pixel coordinates of boxes have the first pixel's corner at 0, the camera's have its centre there.
    let px = |v: f64| (v + 0.5) as f32;
    Some(BoxPx { x0: px(low[0]), y0: px(low[1]), x1: px(high[0]), y1: px(high[1]) })
}

fn truncation(full: &BoxPx, lens: &Lens) -> f32 {
    let inside = BoxPx {
        x0: full.x0.max(0.0),
        y0: full.y0.max(0.0),
        x1: full.x1.min(lens.width as f32),
        y1: full.y1.min(lens.height as f32),
    };
    let area = full.area();
    if area > 0.0 { (1.0 - inside.area() / area).clamp(0.0, 1.0) } else { 0.0 }
}
