//! From visible triangles to radiance: interpolation, then materials, then light; a band of rows at a time.

pub(crate) mod contact;
mod facade;
mod ground;
pub(crate) mod lamps;
pub(crate) mod lanes;
pub(crate) mod light;
mod lit;
mod plain;
pub(crate) mod post;
mod road;
mod sky;
mod surface;
mod vehicle;

use rayon::prelude::*;

use crate::math::{Affine, Rgb, Vec3, vec3, wide};
use crate::mesh::{Material, Tri};
use crate::raster::lens::Lens;
use crate::raster::setup::{Draw, Ready};
use crate::raster::shadow::ShadowMap;
use crate::raster::visibility::{BAND_ROWS, Visibility};
use crate::scenario::RoadSpec;
use contact::Contacts;
use lamps::Lamps;
use lanes::{LANES, Vec3s};
use light::Light;
use lit::{Geometry, Surfaces};
use surface::{Answer, Point, Setting};

/// Everything the shading of one frame needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'a> {
    pub(crate) light: &'a Light,
    pub(crate) road: &'a RoadSpec,
    pub(crate) seed: u32,
    pub(crate) lens: &'a Lens,
    pub(crate) draws: &'a [Draw<'a>],
    /// World (relative to the anchor) from the optical frame.
    pub(crate) world_from_optical: Affine,
    pub(crate) shadows: &'a ShadowMap,
    pub(crate) contacts: &'a Contacts,
    pub(crate) lamps: &'a Lamps,
    /// Turning rate of the camera in the optical frame.
    pub(crate) camera_turn: Vec3,
}

impl Frame<'_> {
    fn setting(&self) -> Setting<'_> {
        Setting { light: self.light, road: self.road, seed: self.seed }
    }
}

/// What shading writes, row-major.
#[derive(Debug, Clone, Default)]
pub(crate) struct Radiance {
    pub(crate) colour: Vec<Rgb>,
    /// Movement in the picture, pixels per second.
    pub(crate) motion: Vec<[f32; 2]>,
}

/// Truths of each pixel's centre, row-major.
pub(crate) struct PixelTruths<'a> {
    pub(crate) depth: &'a mut [f32],
    pub(crate) instance: &'a mut [u16],
    pub(crate) class: &'a mut [u8],
}

/// Shades the picture and writes the truths of its pixels.
pub(crate) fn shade(frame: &Frame<'_>, seen: &Visibility, out: &mut Radiance, truths: PixelTruths<'_>) {
    let (width, height) = (frame.lens.width, frame.lens.height);
    out.colour.resize(width * height, Vec3::ZERO);
    out.motion.resize(width * height, [0.0; 2]);
    let size = width * BAND_ROWS;
    let work = out
        .colour
        .par_chunks_mut(size)
        .zip(out.motion.par_chunks_mut(size))
        .zip(truths.depth.par_chunks_mut(size))
        .zip(truths.instance.par_chunks_mut(size))
        .zip(truths.class.par_chunks_mut(size));
    work.enumerate().for_each(|(band, ((((colour, motion), depth), instance), class))| {
        shade_band(frame, seen, band * size, (colour, motion), PixelTruths { depth, instance, class });
    });
}

wide! {
    /// Shades the pixels from `start` on.
    fn shade_band(
        frame: &Frame<'_>,
        seen: &Visibility,
        start: usize,
        picture: (&mut [Rgb], &mut [[f32; 2]]),
        truths: PixelTruths<'_>,
    ) = shade_pixels;
}

#[inline(always)]
fn shade_pixels(
    frame: &Frame<'_>,
    seen: &Visibility,
    start: usize,
    (colour, motion): (&mut [Rgb], &mut [[f32; 2]]),
    truths: PixelTruths<'_>,
) {
    let PixelTruths { depth, instance, class } = truths;
    let mut run = Run {
        surfaces: Surfaces::new(),
        road: road::Places::new(),
        road_at: [0; LANES],
        shares: [Share::default(); LANES],
    };
    colour.fill(Vec3::ZERO);
    for i in 0..colour.len() {
        pixel(frame, seen, (start, i), &mut run, colour);
        (depth[i], instance[i], class[i], motion[i]) = truth(frame, seen, start + i);
    }
    run.finish(frame, colour);
}

/// Samples that are shaded side by side, and the pixels they are of.
struct Run {
    surfaces: Surfaces,
    /// Those of the surfaces that are road, and which they are.
    road: road::Places,
    road_at: [usize; LANES],
    shares: [Share; LANES],
}

/// What a sample is of its pixel: the pixel's colour so far and the sample's times `weight` are added, then times `scale`.
#[derive(Debug, Clone, Copy, Default)]
struct Share {
    pixel: u32,
    weight: f32,
    scale: f32,
}

impl Run {
    /// Adds a sample's colour to its pixel, now or with others later.
    #[inline(always)]
    fn add(&mut self, frame: &Frame<'_>, (id, d): (Option<&Ready>, Vec3), share: Share, colour: &mut [Rgb]) {
        self.shares[self.surfaces.len] = share;
        match id {
            _ if d.x.is_nan() => self.surfaces.push_glow(Vec3::ZERO),
            Some(ready) => surface(frame, ready, d, self),
            None => self.surfaces.push_glow(sky::sky(frame.light, frame.world_from_optical.rotate(d).unit())),
        }
        if self.surfaces.len == LANES {
            self.finish(frame, colour);
        }
    }

    /// Shades the samples and adds them to their pixels, in order.
    #[inline(always)]
    fn finish(&mut self, frame: &Frame<'_>, colour: &mut [Rgb]) {
        let mut albedo = Vec3s::ZERO;
        let setting = frame.setting();
        self.road.albedo(&setting, &mut albedo);
        for (k, at) in self.road_at[..self.road.len].iter().enumerate() {
            let answer = self.road.answer(k, &setting, albedo.get(k));
            self.surfaces.albedo.set(*at, answer.albedo);
            self.surfaces.gloss[*at] = answer.gloss;
        }
        self.road.len = 0;
        self.surfaces.light(frame);
        for (k, share) in self.shares[..self.surfaces.len].iter().enumerate() {
            let pixel = &mut colour[share.pixel as usize];
            *pixel = (*pixel + self.surfaces.colour.get(k) * share.weight) * share.scale;
        }
        self.surfaces.len = 0;
    }
}

/// Mean radiance of a pixel's samples; samples that see the same thing are shaded once.
#[inline(always)]
fn pixel(frame: &Frame<'_>, seen: &Visibility, (start, i): (usize, usize), run: &mut Run, colour: &mut [Rgb]) {
    let at = start + i;
    let ids = seen.seen(at);
    let alone = match ids {
        // The usual number, without a loop.
        [a, b, c, d] => (a == b) & (a == c) & (a == d),
        _ => ids.iter().all(|id| *id == ids[0]),
    };
    let of = |s: usize| (seen.ready.get(ids[s] as usize), ray(frame.lens, s, at));
    if alone {
        run.add(frame, of(0), Share { pixel: i as u32, weight: 1.0, scale: 1.0 }, colour);
        return;
    }
    let mut keys = [u64::MAX; 4];
    for (key, id) in keys.iter_mut().zip(ids) {
        *key = kind_of(frame, seen, *id);
    }
    let samples = ids.len();
    let mut left = samples;
    for s in 0..samples {
        if keys[..s].contains(&keys[s]) {
            continue;
        }
        let weight = keys[s..samples].iter().filter(|k| **k == keys[s]).count();
        left -= weight;
        let scale = if left == 0 { 1.0 / samples as f32 } else { 1.0 };
        run.add(frame, of(s), Share { pixel: i as u32, weight: weight as f32, scale }, colour);
    }
}

/// Samples of one kind look alike: same mesh, material and part.
#[inline(always)]
fn kind_of(frame: &Frame<'_>, seen: &Visibility, id: u32) -> u64 {
    let Some(ready) = seen.ready.get(id as usize) else { return u64::MAX - 1 };
    let tri = &frame.draws[ready.draw as usize].mesh.tris[ready.tri as usize];
    u64::from(ready.draw) << 32 | u64::from(tri.paint) << 16 | (tri.material as u64) << 8 | u64::from(tri.part)
}

#[inline]
fn ray(lens: &Lens, sample: usize, at: usize) -> Vec3 {
    let at = at * lens.samples + sample;
    vec3(lens.rays[0][at], lens.rays[1][at], 1.0)
}

#[inline(always)]
fn truth(frame: &Frame<'_>, seen: &Visibility, at: usize) -> (f32, u16, u8, [f32; 2]) {
    let Some(ready) = seen.ready.get(seen.seen(at)[0] as usize) else {
        return (f32::INFINITY, 0, Semantic::Sky as u8, [0.0; 2]);
    };
    let draw = &frame.draws[ready.draw as usize];
    let tri = &draw.mesh.tris[ready.tri as usize];
    let z = 1.0 / seen.inverse_z(at);
    let instance = if draw.instance == 0 { 0 } else { draw.instance as u16 + u16::from(tri.part) };
    let class = if draw.instance == 0 { semantic(tri.material) as u8 } else { draw.classes[usize::from(tri.part) & 1] };
    (z, instance, class, motion(frame, draw, ray(frame.lens, 0, at), z))
}

/// Movement in the picture of what a pixel sees, pixels per second.
#[inline(always)]
fn motion(frame: &Frame<'_>, draw: &Draw<'_>, d: Vec3, z: f32) -> [f32; 2] {
    let p = d * z;
    let v = draw.drift - frame.camera_turn.cross(p);
    let scale = 1.0 / z;
    let camera = &frame.lens.camera;
    [(v.x - d.x * v.z) * scale * camera.fx as f32, (v.y - d.y * v.z) * scale * camera.fy as f32]
}

/// What the standing world consists of, for class masks. Objects carry the number of their
/// [`ObjectClass`](crate::scenario::ObjectClass) there, which is COCO's where COCO has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Semantic {
    /// Nothing near.
    Sky = 200,
    /// Road surface and its markings.
    Road = 201,
    /// Sidewalk and kerb.
    Sidewalk = 202,
    /// Grass, earth.
    Terrain = 203,
    /// Buildings.
    Building = 204,
    /// Trees, bushes, hedges.
    Vegetation = 205,
    /// Poles, signs, fences and other furniture.
    Furniture = 206,
}

pub(crate) fn semantic(material: Material) -> Semantic {
    match material {
        Material::Road => Semantic::Road,
        Material::Sidewalk | Material::Kerb => Semantic::Sidewalk,
        Material::Land => Semantic::Terrain,
        Material::Facade | Material::Roof | Material::Wall => Semantic::Building,
        Material::Bark | Material::Leaf => Semantic::Vegetation,
        _ => Semantic::Furniture,
    }
}

#[inline(always)]
fn surface(frame: &Frame<'_>, ready: &Ready, d: Vec3, run: &mut Run) {
    let draw = &frame.draws[ready.draw as usize];
    let tri: &Tri = &draw.mesh.tris[ready.tri as usize];
    let w = [ready.e[0].dot(d), ready.e[1].dot(d), ready.e[2].dot(d)];
    let z = 1.0 / (w[0] + w[1] + w[2]);
    let b = [w[0] * z, w[1] * z, w[2] * z];
    let v = tri.v.map(|i| &draw.mesh.verts[i as usize]);
    let local = v[0].p * b[0] + v[1].p * b[1] + v[2].p * b[2];
    let mut local_n = (v[0].n * b[0] + v[1].n * b[1] + v[2].n * b[2]).unit();
    let uv = std::array::from_fn(|k| v[0].uv[k] * b[0] + v[1].uv[k] * b[1] + v[2].uv[k] * b[2]);
    let sight = frame.world_from_optical.rotate(d);
    let length = sight.norm();
    let to_eye = sight * (-1.0 / length);
    let mut n = draw.world_from_mesh.rotate(local_n);
    if n.dot(to_eye) < 0.0 && tri.double {
        (n, local_n) = (-n, -local_n);
    }
    let point = Point {
        local,
        local_n,
        uv,
        paint: &draw.mesh.paints[usize::from(tri.paint)],
        state: draw.state,
        foot: z / frame.lens.camera.fx as f32,
        facing: n.dot(to_eye).max(0.02),
    };
    let answer = material(tri.material, &point, &frame.setting());
    let at = frame.world_from_optical.t + sight * z;
    if tri.material == Material::Road {
        run.road_at[run.road.len] = run.surfaces.len;
        run.road.push(uv, point.foot, point.facing);
    }
    run.surfaces.push(tri.material, Geometry { at, n, to_eye, distance: z * length }, answer);
}

#[inline(always)]
fn material(material: Material, p: &Point<'_>, at: &Setting<'_>) -> Answer {
    let answer = match material {
        // The road's comes later, for a run at a time.
        Material::Road => return Answer::matt(Vec3::ZERO),
        Material::Sidewalk | Material::Kerb | Material::Land => {
            return ground::ground(material, p, at);
        }
        Material::Facade => facade::facade(p, at),
        Material::Wall => facade::plain_wall(p),
        Material::Roof => ground::roof(p, p.paint),
        Material::CarBody => vehicle::car_body(p, at),
        Material::CarGlass => vehicle::car_glass(p),
        Material::Wheel => vehicle::wheel(p),
        Material::Panel => vehicle::panel(p, at),
        Material::Cloth => plain::cloth(p),
        Material::Skin => plain::skin(p),
        Material::Bark => plain::bark(p),
        Material::Leaf => plain::leaf(p),
        Material::Metal => plain::metal(p),
        Material::Wood => plain::wood(p),
        Material::Cardboard => plain::cardboard(p),
        Material::Sign => plain::sign(p, at),
        Material::Striped => plain::striped(p),
        Material::Lamp => plain::lamp(p, at),
        Material::Hair | Material::Plastic => plain::plain(p),
    };
    if at.light.snow > 0.0 { ground::snow_on(answer, p.local_n.z, at) } else { answer }
}
