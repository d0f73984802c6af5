//! Trucks with a box, and buses.

use super::car::car_colour;
use super::{Material, Mesh, Paint};
use crate::math::{Rng, Vec3, vec3};

/// What the paint's `kind` tells the shader of [`Material::Panel`].
pub(crate) const PANEL_BOX: u8 = 0;
pub(crate) const PANEL_BUS: u8 = 1;
pub(crate) const PANEL_CAB: u8 = 2;

fn wheels(mesh: &mut Mesh, xs: &[f32], width: f32, radius: f32) {
    let paint = Paint { base: Vec3::splat(0.35), accent: Vec3::splat(0.025), seed: 9, kind: 6, p: [0.0; 4] };
    let wheel = mesh.stuff(Material::Wheel, paint);
    for &x in xs {
        for side in [1.0, -1.0] {
            mesh.wheel(vec3(x, side * (width * 0.5 - 0.16), radius), [radius, 0.32], 16, wheel);
        }
    }
}

/// A box body of panels: front at `x1`, rear at `x0`, the front leaning back by `lean`.
fn hull(mesh: &mut Mesh, x: [f32; 2], width: f32, z: [f32; 2], lean: f32, paint: Paint) {
    let stuff = mesh.stuff(Material::Panel, paint);
    let y = width * 0.5;
    let at = |x: f32, y: f32, z: f32| vec3(x, y, z);
    let [x0, x1] = x;
    let [z0, z1] = z;
    let (fb, ft) = (x1, x1 - lean);
    let uv = |p: &[Vec3; 4], along_x: bool| -> [[f32; 2]; 4] {
        std::array::from_fn(|i| [if along_x { p[i].x } else { p[i].y }, p[i].z])
    };
    let left = [at(fb, y, z0), at(x0, y, z0), at(x0, y, z1), at(ft, y, z1)];
    let right = [at(x0, -y, z0), at(fb, -y, z0), at(ft, -y, z1), at(x0, -y, z1)];
    let front = [at(fb, -y, z0), at(fb, y, z0), at(ft, y, z1), at(ft, -y, z1)];
    let rear = [at(x0, y, z0), at(x0, -y, z0), at(x0, -y, z1), at(x0, y, z1)];
    for (p, along) in [(left, true), (right, true), (front, false), (rear, false)] {
        mesh.quad_uv(p, uv(&p, along), stuff);
    }
    mesh.quad([at(x0, -y, z1), at(ft, -y, z1), at(ft, y, z1), at(x0, y, z1)], stuff);
    mesh.quad([at(x0, y, z0), at(fb, y, z0), at(fb, -y, z0), at(x0, -y, z0)], stuff);
}

/// A lorry of the given length, width and height.
pub(crate) fn truck(size: [f64; 3], look: u64) -> Mesh {
    let mut rng = Rng::new(look, 0x717c);
    let [l, w, h] = size.map(|v| v as f32);
    let mut mesh = Mesh::default();
    let cab_length = 1.95f32.min(l * 0.35);
    let cab = car_colour(&mut rng);
    let cargo = if rng.chance(0.55) { Vec3::splat(rng.range(0.55, 0.8)) } else { car_colour(&mut rng) };
    let accent = car_colour(&mut rng);
    let front = l * 0.5;
    let cab_height = (h * rng.range(0.72, 0.88)).min(2.9);
    let p = [-l * 0.5, front, w, cab_height];
    let cab_paint = Paint { base: cab, accent, seed: rng.next_u32(), kind: PANEL_CAB, p };
    hull(&mut mesh, [front - cab_length, front], w * 0.96, [0.42, cab_height], 0.22, cab_paint);
    let box_front = front - cab_length - 0.12;
    let box_paint =
        Paint { base: cargo, accent, seed: rng.next_u32(), kind: PANEL_BOX, p: [-l * 0.5, box_front, w, h] };
    hull(&mut mesh, [-l * 0.5, box_front], w, [0.95, h], 0.0, box_paint);
    let dark = mesh.stuff(Material::Plastic, Paint::plain(Vec3::splat(0.03), 5));
    mesh.block(vec3(-0.1, 0.0, 0.55), vec3(l * 0.94, w * 0.55, 0.4), [1.0, 0.0], dark);
    let lamp_paint = Paint { kind: 1, ..Paint::plain(vec3(0.5, 0.02, 0.02), 5) };
    let lamp = mesh.stuff(Material::Lamp, lamp_paint);
    for side in [1.0, -1.0] {
        mesh.block(vec3(-l * 0.5 + 0.02, side * (w * 0.5 - 0.28), 0.78), vec3(0.08, 0.42, 0.14), [1.0, 0.0], lamp);
    }
    mesh.block(vec3(-l * 0.5 + 0.1, 0.0, 0.45), vec3(0.1, w * 0.9, 0.12), [1.0, 0.0], dark);
    let rear = -l * 0.5 + 1.5;
    let rears = if l > 9.0 { vec![rear - 0.3, rear + 0.75] } else { vec![rear] };
    wheels(&mut mesh, &rears, w, 0.48);
    wheels(&mut mesh, &[front - 1.25], w, 0.48);
    mesh.finish()
}

/// A city bus of the given length, width and height.
pub(crate) fn bus(size: [f64; 3], look: u64) -> Mesh {
    let mut rng = Rng::new(look, 0xb5);
    let [l, w, h] = size.map(|v| v as f32);
    let mut mesh = Mesh::default();
    let paint = Paint {
        base: if rng.chance(0.3) { Vec3::splat(0.75) } else { car_colour(&mut rng).max(Vec3::splat(0.08)) },
        accent: car_colour(&mut rng),
        seed: rng.next_u32(),
        kind: PANEL_BUS,
        p: [-l * 0.5, l * 0.5, w, h],
    };
    hull(&mut mesh, [-l * 0.5, l * 0.5], w, [0.32, h], 0.10, paint);
    wheels(&mut mesh, &[-l * 0.5 + 2.9, l * 0.5 - 2.7], w + 0.03, 0.48);
    mesh.finish()
}
