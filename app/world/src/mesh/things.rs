//! Obstacles without a class: pallet, branch, wall, pole, cone, crate; and the mesh of any actor.

use super::{Material, Mesh, Paint, car, cycle, lorry, person};
use crate::math::{Rng, Vec3, vec3};
use crate::scenario::Kind;

/// The mesh of an actor of the given size. `travel` and `speed` pose those that walk or pedal.
pub(crate) fn mesh_of(kind: Kind, size_m: [f64; 3], look: u64, travel: f64, speed: f64) -> Mesh {
    match kind {
        Kind::Car => car::car(size_m, look, false),
        Kind::Van => car::car(size_m, look, true),
        Kind::Truck => lorry::truck(size_m, look),
        Kind::Bus => lorry::bus(size_m, look),
        Kind::Pedestrian => person::pedestrian(size_m[2], look, travel, speed),
        Kind::Cyclist => cycle::cyclist(look, travel),
        Kind::Motorcyclist => cycle::motorcyclist(look),
        _ => thing(kind, size_m, look),
    }
}

/// Whether the mesh of a kind changes as it moves.
pub(crate) fn is_posed(kind: Kind) -> bool {
    matches!(kind, Kind::Pedestrian | Kind::Cyclist)
}

fn thing(kind: Kind, size_m: [f64; 3], look: u64) -> Mesh {
    let mut rng = Rng::new(look, 0x7416);
    let [l, w, h] = size_m.map(|v| v as f32);
    let mut mesh = Mesh::default();
    match kind {
        Kind::Pallet => pallet(&mut mesh, &mut rng, [l, w, h]),
        Kind::Branch => branch(&mut mesh, &mut rng, [l, w, h]),
        Kind::Wall => {
            let paint = Paint { kind: rng.below(3) as u8, ..Paint::plain(stone(&mut rng), rng.next_u32()) };
            let stuff = mesh.stuff(Material::Wall, paint);
            mesh.block(Vec3::ZERO, vec3(l, w, h), [1.0, 0.0], stuff);
        }
        Kind::Pole => {
            let stuff = mesh.stuff(Material::Striped, striped(&mut rng));
            mesh.limb(Vec3::ZERO, vec3(0.0, 0.0, h - w * 0.2), [w * 0.5, w * 0.5], 10, stuff);
        }
        Kind::Cone => {
            let mut paint = striped(&mut rng);
            paint.base = vec3(0.75, 0.16, 0.02);
            let stuff = mesh.stuff(Material::Striped, paint);
            mesh.block(Vec3::ZERO, vec3(l, w, 0.04), [1.0, 0.0], stuff);
            mesh.limb(vec3(0.0, 0.0, 0.04), vec3(0.0, 0.0, h - 0.02), [w * 0.36, w * 0.07], 12, stuff);
        }
        _ => {
            let material = if rng.chance(0.5) { Material::Cardboard } else { Material::Wood };
            let stuff =
                mesh.stuff(material, Paint::plain(vec3(0.42, 0.29, 0.16) * rng.range(0.7, 1.2), rng.next_u32()));
            mesh.block(Vec3::ZERO, vec3(l, w, h), [1.0, 0.0], stuff);
        }
    }
    mesh.finish()
}

fn stone(rng: &mut Rng) -> Vec3 {
    vec3(0.40, 0.36, 0.32).mix(vec3(0.42, 0.17, 0.11), rng.unit()) * rng.range(0.7, 1.2)
}

fn striped(rng: &mut Rng) -> Paint {
    let base = if rng.chance(0.5) { vec3(0.55, 0.03, 0.03) } else { vec3(0.65, 0.45, 0.02) };
    Paint { accent: Vec3::splat(0.7), kind: 0, p: [0.22, 0.0, 0.0, 0.0], ..Paint::plain(base, rng.next_u32()) }
}

fn pallet(mesh: &mut Mesh, rng: &mut Rng, size: [f32; 3]) {
    let [l, w, h] = size;
    let stuff = mesh.stuff(Material::Wood, Paint::plain(vec3(0.45, 0.33, 0.19) * rng.range(0.6, 1.1), rng.next_u32()));
    for k in 0..3 {
        let y = (k as f32 - 1.0) * (w * 0.5 - 0.06);
        mesh.block(vec3(0.0, y, 0.0), vec3(l, 0.10, h - 0.022), [1.0, 0.0], stuff);
    }
    for k in 0..7 {
        let x = (k as f32 / 6.0 - 0.5) * (l - 0.11);
        mesh.block(vec3(x, 0.0, h - 0.022), vec3(0.11, w, 0.022), [1.0, 0.0], stuff);
    }
}

fn branch(mesh: &mut Mesh, rng: &mut Rng, size: [f32; 3]) {
    let [l, w, h] = size;
    let bark = mesh.stuff(Material::Bark, Paint::plain(vec3(0.12, 0.085, 0.06), rng.next_u32()));
    let leaf = mesh.stuff(Material::Leaf, Paint::plain(vec3(0.07, 0.12, 0.03), rng.next_u32()));
    let (a, b) = (vec3(rng.range(-0.1, 0.1) * l, -w * 0.5, 0.09), vec3(0.0, w * 0.5 - 0.2, 0.12));
    mesh.limb(a, b, [0.085, 0.03], 7, bark);
    for k in 0..7 {
        let from = a.mix(b, 0.25 + 0.1 * k as f32);
        let reach = vec3(rng.range(-0.48, 0.48) * l, rng.range(0.05, 0.3), rng.range(0.1, 0.85) * (h - 0.2));
        mesh.limb(from, from + reach, [0.035, 0.01], 5, bark);
        let r = rng.range(0.10, 0.17);
        let up = (from + reach).max(vec3(-9.0, -9.0, r));
        mesh.ellipsoid(up, vec3(r * 1.3, r * 1.5, r), (3, 6), leaf);
    }
}
