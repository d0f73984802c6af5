//! From visible triangles to radiance: interpolation, materials, light, haze; a band of rows at a time.

pub(crate) mod contact;
mod facade;
mod ground;
pub(crate) mod lamps;
pub(crate) mod light;
mod plain;
pub(crate) mod post;
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
use light::Light;
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
    /// Velocity of the camera in the world and its turning rate in the optical frame.
    pub(crate) camera_velocity: Vec3,
    pub(crate) camera_turn: Vec3,
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
    for i in 0..colour.len() {
        let at = start + i;
        colour[i] = pixel(frame, seen, at);
        (depth[i], instance[i], class[i], motion[i]) = truth(frame, seen, at);
    }
}

/// Mean radiance of a pixel's samples; samples that see the same thing are shaded once.
#[inline(always)]
fn pixel(frame: &Frame<'_>, seen: &Visibility, at: usize) -> Rgb {
    let ids = seen.seen(at);
    let alone = ids.iter().all(|id| *id == ids[0]);
    let mut keys = [u64::MAX; 4];
    if !alone {
        for (key, id) in keys.iter_mut().zip(ids) {
            *key = kind_of(frame, seen, *id);
        }
    }
    let samples = ids.len();
    let mut sum = Vec3::ZERO;
    for s in 0..samples {
        if keys[..s].contains(&keys[s]) {
            continue;
        }
        let colour = sample(frame, seen, at, s);
        if alone {
            return colour;
        }
        let weight = keys[s..samples].iter().filter(|k| **k == keys[s]).count();
        sum += colour * weight as f32;
    }
    sum * (1.0 / samples as f32)
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
fn sample(frame: &Frame<'_>, seen: &Visibility, at: usize, s: usize) -> Rgb {
    let d = ray(frame.lens, s, at);
    if d.x.is_nan() {
        return Vec3::ZERO;
    }
    match seen.ready.get(seen.seen(at)[s] as usize) {
        Some(ready) => surface(frame, ready, d),
        None => sky::sky(frame.light, frame.world_from_optical.rotate(d).unit()),
    }
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
    let relative = frame.world_from_optical.rotate_back(draw.velocity - frame.camera_velocity);
    let p = d * z;
    let v = relative - frame.camera_turn.cross(p);
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
fn surface(frame: &Frame<'_>, ready: &Ready, d: Vec3) -> Rgb {
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
    let setting = Setting { light: frame.light, road: frame.road, seed: frame.seed };
    let answer = material(tri.material, &point, &setting);
    let at = frame.world_from_optical.t + sight * z;
    lit(frame, tri.material, answer, Geometry { at, n, to_eye, distance: z * length })
}

#[inline(always)]
fn material(material: Material, p: &Point<'_>, at: &Setting<'_>) -> Answer {
    let answer = match material {
        Material::Road | Material::Sidewalk | Material::Kerb | Material::Land => {
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

#[derive(Debug, Clone, Copy)]
struct Geometry {
    at: Vec3,
    n: Vec3,
    to_eye: Vec3,
    distance: f32,
}

#[inline(always)]
fn lit(frame: &Frame<'_>, material: Material, answer: Answer, g: Geometry) -> Rgb {
    let light = frame.light;
    let flat = matches!(material, Material::Road | Material::Sidewalk | Material::Kerb | Material::Land);
    let mut incoming = light.ambient(g.n);
    if flat {
        incoming = incoming * frame.contacts.open(g.at);
    }
    let toward = g.n.dot(light.to_sun);
    let mut sun = 0.0;
    if frame.shadows.lit && toward > 0.0 {
        sun = frame.shadows.light_at(g.at, g.n);
        incoming += light.sun * (toward * sun);
    }
    if material == Material::Leaf {
        // Leaves let some light through.
        incoming += light.sun * (0.18 * (0.5 + 0.5 * toward.abs()));
    }
    if light.lamps_on || light.night {
        incoming += frame.lamps.on(g.at, g.n);
    }
    let mut colour = answer.albedo.times(incoming) + answer.glow;
    if answer.gloss > 0.02 {
        colour += mirrored(light, answer.gloss, &g, sun);
    }
    colour.mix(light.haze, light.haze_share(g.distance))
}

/// The mirror-like part: sky, horizon and sun in a smooth surface.
#[inline(always)]
fn mirrored(light: &Light, gloss: f32, g: &Geometry, sun: f32) -> Rgb {
    let cosine = g.n.dot(g.to_eye).max(0.0);
    let m = 1.0 - cosine;
    let fresnel = 0.05 + 0.95 * m * m * m * m * m;
    let r = g.n * (2.0 * cosine) - g.to_eye;
    let up = r.z;
    let sky = light.horizon.mix(light.zenith, up.clamp(0.0, 1.0));
    // Below and just above the horizon the street itself is mirrored, darker than the sky.
    let street = light.bounce * 0.8;
    let seen = street.mix(sky, crate::math::smoothstep(-0.02, 0.28, up));
    let mut colour = seen * (fresnel * gloss);
    let glint = r.dot(light.to_sun);
    if sun > 0.0 && glint > 0.9 {
        let t = (glint - 0.9) * 10.0;
        let t4 = t * t * t * t;
        let t16 = t4 * t4 * t4 * t4;
        colour += light.sun * (t16 * t16 * 3.0 * gloss * gloss * sun);
    }
    colour
}
