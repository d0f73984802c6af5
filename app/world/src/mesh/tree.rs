//! Trees, bushes and hedges.

use super::build::Stuff;
use super::{Material, Mesh, Paint};
use crate::math::{Rgb, Rng, Vec3, hash3, unit, vec3};

/// A lump of leaves: a ball with dents, 90 faces.
fn blob(mesh: &mut Mesh, centre: Vec3, radii: Vec3, seed: u32, stuff: Stuff) {
    const RINGS: usize = 5;
    const SIDES: usize = 9;
    let rough = |i: usize, k: usize| 0.80 + 0.38 * unit(hash3(i as i32, (k % SIDES) as i32, 7, seed));
    let rows: Vec<Vec<Vec3>> = (0..=RINGS + 1)
        .map(|i| {
            let angle = std::f32::consts::PI * (i as f32 / (RINGS + 1) as f32 - 0.5);
            let (sin, cos) = (libm::sinf(angle), libm::cosf(angle));
            let point = |k: usize| {
                // Rings are turned against each other so that no seams line up.
                let (c, s) = super::build::circle(k * 2 + i % 2, SIDES * 2);
                let r = if i == 0 || i > RINGS { 0.9 } else { rough(i, k) };
                centre + vec3(cos * c * r, cos * s * r, sin * r).times(radii)
            };
            (0..=SIDES).map(point).collect()
        })
        .collect();
    mesh.sheet(&rows, |r, c| [c as f32, r as f32], |_, _| Some(stuff));
}

fn leaf_colour(rng: &mut Rng) -> Rgb {
    let green = vec3(0.045, 0.10, 0.022).mix(vec3(0.11, 0.15, 0.03), rng.unit());
    if rng.chance(0.15) { green.mix(vec3(0.32, 0.13, 0.02), rng.unit()) } else { green * rng.range(0.7, 1.25) }
}

/// A tree standing at `at`.
pub(crate) fn tree(mesh: &mut Mesh, at: Vec3, rng: &mut Rng) {
    let bark_colour = vec3(0.13, 0.09, 0.06).mix(vec3(0.22, 0.20, 0.18), rng.unit());
    let bark = mesh.stuff(Material::Bark, Paint::plain(bark_colour, rng.next_u32()));
    let leaf = mesh.stuff(Material::Leaf, Paint::plain(leaf_colour(rng), rng.next_u32()));
    let height = rng.range(4.5, 10.5);
    match rng.below(5) {
        0 => conifer(mesh, at, height, rng, (bark, leaf)),
        1 => poplar(mesh, at, height * 1.15, rng, (bark, leaf)),
        _ => broadleaf(mesh, at, height, rng, (bark, leaf)),
    }
}

fn broadleaf(mesh: &mut Mesh, at: Vec3, height: f32, rng: &mut Rng, stuff: (Stuff, Stuff)) {
    let (bark, leaf) = stuff;
    let trunk = rng.range(0.32, 0.42) * height;
    let girth = 0.022 * height + 0.05;
    let lean = vec3(rng.range(-0.04, 0.04), rng.range(-0.04, 0.04), 0.0) * height;
    let fork = at + vec3(0.0, 0.0, trunk) + lean;
    mesh.limb(at - vec3(0.0, 0.0, 0.1), fork, [girth, girth * 0.7], 7, bark);
    let spread = rng.range(0.20, 0.30) * height;
    let blobs = 5 + rng.below(4);
    for k in 0..blobs {
        let (c, s) = super::build::circle(k, blobs);
        let out = if k == 0 { 0.0 } else { rng.range(0.45, 0.85) };
        let up = if k == 0 { 0.40 } else { rng.range(0.04, 0.38) } * height;
        let centre = fork + vec3(c * out * spread, s * out * spread, up);
        let r = spread * rng.range(0.55, 0.85);
        mesh.limb(fork - vec3(0.0, 0.0, 0.3), centre, [girth * 0.4, girth * 0.12], 4, bark);
        blob(mesh, centre, vec3(r, r, r * rng.range(0.7, 0.95)), rng.next_u32(), leaf);
    }
}

fn conifer(mesh: &mut Mesh, at: Vec3, height: f32, rng: &mut Rng, stuff: (Stuff, Stuff)) {
    let (bark, leaf) = stuff;
    mesh.limb(at - vec3(0.0, 0.0, 0.1), at + vec3(0.0, 0.0, height * 0.8), [0.02 * height, 0.01], 6, bark);
    let levels = 5;
    for k in 0..levels {
        let f = k as f32 / levels as f32;
        let r = (1.0 - f * 0.85) * 0.21 * height * rng.range(0.9, 1.1);
        let z = (0.16 + 0.72 * f) * height;
        let (base, tip) = (at + vec3(0.0, 0.0, z), at + vec3(0.0, 0.0, z + 0.26 * height));
        mesh.limb(base, tip, [r, r * 0.12], 9, leaf);
    }
}

fn poplar(mesh: &mut Mesh, at: Vec3, height: f32, rng: &mut Rng, stuff: (Stuff, Stuff)) {
    let (bark, leaf) = stuff;
    mesh.limb(at - vec3(0.0, 0.0, 0.1), at + vec3(0.0, 0.0, height * 0.3), [0.13, 0.11], 6, bark);
    let r = height * rng.range(0.10, 0.14);
    for k in 0..3 {
        let centre = at + vec3(rng.range(-0.1, 0.1), rng.range(-0.1, 0.1), height * (0.34 + 0.22 * k as f32));
        blob(mesh, centre, vec3(r, r, height * 0.20) * (1.1 - 0.2 * k as f32), rng.next_u32(), leaf);
    }
}

/// A bush standing at `at`.
pub(crate) fn bush(mesh: &mut Mesh, at: Vec3, rng: &mut Rng) {
    let leaf = mesh.stuff(Material::Leaf, Paint::plain(leaf_colour(rng), rng.next_u32()));
    for _ in 0..1 + rng.below(3) {
        let r = rng.range(0.35, 0.85);
        let offset = vec3(rng.range(-0.5, 0.5), rng.range(-0.5, 0.5), r * 0.55);
        blob(mesh, at + offset, vec3(r, r, r * 0.8), rng.next_u32(), leaf);
    }
}
