//! Street furniture: lamps, signs, bins, benches, hydrants, fences, guard rails, traffic lights, billboards.

use super::{Material, Mesh, Paint};
use crate::math::{Rng, Vec3, vec3};

/// Height of a street lamp's head.
pub(crate) const LAMP_HEIGHT_M: f32 = 7.0;
/// How far a lamp's head reaches out from its pole.
pub(crate) const LAMP_REACH_M: f32 = 1.6;

fn grey(mesh: &mut Mesh, value: f32) -> super::build::Stuff {
    mesh.stuff(Material::Metal, Paint::plain(Vec3::splat(value), 1))
}

/// A street lamp at `at`, its arm along the unit vector `to_road`.
pub(crate) fn street_lamp(mesh: &mut Mesh, at: Vec3, to_road: Vec3) {
    let metal = grey(mesh, 0.16);
    let top = at + vec3(0.0, 0.0, LAMP_HEIGHT_M);
    mesh.limb(at - vec3(0.0, 0.0, 0.2), top, [0.085, 0.05], 7, metal);
    let tip = top + to_road * LAMP_REACH_M + vec3(0.0, 0.0, 0.15);
    mesh.limb(top, tip, [0.045, 0.04], 5, metal);
    let lamp = mesh.stuff(Material::Lamp, Paint { kind: 2, ..Paint::plain(vec3(0.9, 0.85, 0.7), 1) });
    mesh.block(tip - vec3(0.0, 0.0, 0.12), vec3(0.6, 0.25, 0.10), [to_road.x, to_road.y], lamp);
}

/// A traffic sign, its face along the unit vector `facing`.
pub(crate) fn sign(mesh: &mut Mesh, at: Vec3, facing: Vec3, rng: &mut Rng) {
    let metal = grey(mesh, 0.3);
    let height = rng.range(2.1, 2.7);
    mesh.limb(at - vec3(0.0, 0.0, 0.2), at + vec3(0.0, 0.0, height + 0.3), [0.035, 0.035], 6, metal);
    let kind = rng.below(4) as u8;
    let bases = [vec3(0.6, 0.03, 0.03), vec3(0.03, 0.12, 0.5), vec3(0.65, 0.5, 0.04), vec3(0.6, 0.03, 0.03)];
    let paint = Paint { accent: Vec3::splat(0.75), kind, ..Paint::plain(bases[kind as usize], rng.next_u32()) };
    let face = mesh.stuff(Material::Sign, paint);
    let across = Vec3::UP.cross(facing).unit();
    let r = rng.range(0.3, 0.4);
    let centre = at + vec3(0.0, 0.0, height) + facing * 0.05;
    let corners = match kind {
        1 => 4,
        3 => 3,
        _ => 10,
    };
    let turn = if corners == 4 { 0.125 } else { 0.25 };
    let point = |k: usize| {
        let angle = std::f32::consts::TAU * (k as f32 / corners as f32 + turn);
        centre + across * (libm::cosf(angle) * r) + vec3(0.0, 0.0, libm::sinf(angle) * r)
    };
    let first = mesh.verts.len();
    let outline: Vec<Vec3> = (0..corners).map(point).collect();
    mesh.polygon(&outline, face);
    for vertex in &mut mesh.verts[first..] {
        let offset = vertex.p - centre;
        vertex.uv = [0.5 + offset.dot(across) / (2.0 * r), 0.5 + offset.z / (2.0 * r)];
    }
    let back: Vec<Vec3> = outline.iter().rev().map(|p| *p - facing * 0.02).collect();
    mesh.polygon(&back, metal);
}

/// A traffic light beside a crossing.
pub(crate) fn traffic_light(mesh: &mut Mesh, at: Vec3, facing: Vec3, rng: &mut Rng) {
    let metal = grey(mesh, 0.08);
    mesh.limb(at - vec3(0.0, 0.0, 0.2), at + vec3(0.0, 0.0, 3.3), [0.06, 0.05], 7, metal);
    let middle = at + vec3(0.0, 0.0, 2.45) + facing * 0.15;
    mesh.block(middle, vec3(0.22, 0.3, 0.9), [facing.x, facing.y], metal);
    let lit = rng.below(3);
    let colours = [vec3(0.02, 0.5, 0.12), vec3(0.6, 0.4, 0.02), vec3(0.7, 0.03, 0.02)];
    for (k, colour) in colours.iter().enumerate() {
        let kind = if k == lit { 3 } else { 0 };
        let shade = if k == lit { *colour } else { *colour * 0.12 };
        let lamp = mesh.stuff(Material::Lamp, Paint { kind, ..Paint::plain(shade, 1) });
        let centre = middle + facing * 0.12 + vec3(0.0, 0.0, 0.16 + 0.28 * k as f32);
        mesh.ellipsoid(centre, vec3(0.09, 0.09, 0.10), (3, 8), lamp);
    }
}

/// Something small on the sidewalk.
pub(crate) fn furniture(mesh: &mut Mesh, at: Vec3, facing: Vec3, rng: &mut Rng) {
    let ahead = [facing.x, facing.y];
    match rng.below(7) {
        0 => {
            let colour = vec3(rng.range(0.02, 0.2), rng.range(0.05, 0.3), rng.range(0.02, 0.2));
            let stuff = mesh.stuff(Material::Plastic, Paint::plain(colour, 1));
            mesh.block(at, vec3(0.55, 0.6, 1.05), ahead, stuff);
            mesh.block(at + vec3(0.0, 0.0, 1.05), vec3(0.62, 0.66, 0.08), ahead, stuff);
        }
        1 => {
            let wood = mesh.stuff(Material::Wood, Paint::plain(vec3(0.25, 0.15, 0.08), 1));
            mesh.block(at + vec3(0.0, 0.0, 0.42), vec3(0.45, 1.7, 0.06), ahead, wood);
            mesh.block(at - facing * 0.22 + vec3(0.0, 0.0, 0.48), vec3(0.06, 1.7, 0.40), ahead, wood);
            let metal = grey(mesh, 0.06);
            mesh.block(at, vec3(0.35, 1.4, 0.42), ahead, metal);
        }
        2 => {
            let red = mesh.stuff(Material::Metal, Paint::plain(vec3(0.5, 0.04, 0.03), 1));
            mesh.limb(at, at + vec3(0.0, 0.0, 0.7), [0.13, 0.11], 8, red);
            mesh.ellipsoid(at + vec3(0.0, 0.0, 0.72), vec3(0.14, 0.14, 0.1), (3, 8), red);
        }
        3 => {
            let metal = grey(mesh, 0.22);
            mesh.block(at, vec3(0.45, 0.9, 1.25), ahead, metal);
        }
        4 => {
            let bollard = mesh.stuff(Material::Metal, Paint::plain(Vec3::splat(0.05), 1));
            for k in 0..3 {
                let p = at + vec3(-facing.y, facing.x, 0.0) * (1.4 * k as f32);
                mesh.limb(p, p + vec3(0.0, 0.0, 0.85), [0.07, 0.06], 7, bollard);
            }
        }
        5 => {
            let pot = mesh.stuff(Material::Wall, Paint::plain(vec3(0.35, 0.3, 0.27), 1));
            mesh.block(at, vec3(0.8, 1.4, 0.5), ahead, pot);
            super::tree::bush(mesh, at + vec3(0.0, 0.0, 0.35), rng);
        }
        _ => billboard(mesh, at, facing, rng),
    }
}

fn billboard(mesh: &mut Mesh, at: Vec3, facing: Vec3, rng: &mut Rng) {
    let metal = grey(mesh, 0.1);
    mesh.block(at, vec3(0.16, 1.25, 2.3), [facing.x, facing.y], metal);
    let paint = Paint {
        base: vec3(rng.unit(), rng.unit(), rng.unit()) * 0.7,
        accent: vec3(rng.unit(), rng.unit(), rng.unit()) * 0.7,
        seed: rng.next_u32(),
        kind: 9,
        p: [0.0; 4],
    };
    let poster = mesh.stuff(Material::Sign, paint);
    let across = Vec3::UP.cross(facing).unit() * 0.55;
    let (low, high) = (at + facing * 0.09 + vec3(0.0, 0.0, 0.5), vec3(0.0, 0.0, 1.7));
    let uv = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]];
    mesh.quad_uv([low - across, low + across, low + across + high, low - across + high], uv, poster);
}

/// A length of fence or hedge from `a` to `b`.
pub(crate) fn fence(mesh: &mut Mesh, a: Vec3, b: Vec3, rng: &mut Rng) {
    let along = b - a;
    let (length, dir) = (along.norm(), along.unit());
    let middle = (a + b) * 0.5;
    if rng.chance(0.5) {
        let leaf =
            mesh.stuff(Material::Leaf, Paint::plain(vec3(0.04, 0.09, 0.02) * rng.range(0.7, 1.3), rng.next_u32()));
        mesh.block(
            middle - vec3(0.0, 0.0, 0.2),
            vec3(length, rng.range(0.5, 0.9), rng.range(1.0, 1.9)),
            [dir.x, dir.y],
            leaf,
        );
        return;
    }
    let colour = if rng.chance(0.4) { Vec3::splat(0.6) } else { vec3(0.25, 0.16, 0.09) };
    let wood = mesh.stuff(Material::Wood, Paint::plain(colour, rng.next_u32()));
    for z in [0.35, 0.85] {
        mesh.block(middle + vec3(0.0, 0.0, z), vec3(length, 0.05, 0.1), [dir.x, dir.y], wood);
    }
    let posts = (length / 0.6) as usize;
    for k in 0..=posts {
        let at = a + dir * (length * k as f32 / posts.max(1) as f32);
        mesh.block(at - vec3(0.0, 0.0, 0.2), vec3(0.16, 0.05, 1.25), [dir.x, dir.y], wood);
    }
}

/// A length of guard rail from `a` to `b` with posts.
pub(crate) fn guard_rail(mesh: &mut Mesh, a: Vec3, b: Vec3) {
    let metal = grey(mesh, 0.35);
    let along = b - a;
    let (length, dir) = (along.norm(), along.unit());
    mesh.block((a + b) * 0.5 + vec3(0.0, 0.0, 0.45), vec3(length, 0.08, 0.32), [dir.x, dir.y], metal);
    for k in 0..3 {
        let at = a + dir * (length * (k as f32 + 0.5) / 3.0);
        mesh.block(at - vec3(0.0, 0.0, 0.2), vec3(0.1, 0.12, 0.8), [dir.x, dir.y], metal);
    }
}
