//! Bicycles and motorcycles with their riders: the machine is part 0, the rider part 1.

use super::build::circle;
use super::car::car_colour;
use super::person::rider;
use super::{Material, Mesh, Paint};
use crate::math::{Rng, Vec3, vec3};

/// A cyclist; `travel` turns the pedals.
pub(crate) fn cyclist(look: u64, travel: f64) -> Mesh {
    let mut rng = Rng::new(look, 0xb1ce);
    let mut mesh = Mesh::default();
    let frame = mesh.stuff(Material::Metal, Paint::plain(car_colour(&mut rng), 1));
    let dark = mesh.stuff(Material::Plastic, Paint::plain(Vec3::splat(0.025), 2));
    let steel = mesh.stuff(Material::Metal, Paint::plain(Vec3::splat(0.45), 3));
    let r = 0.345;
    let (front, rear) = (vec3(0.53, 0.0, r), vec3(-0.50, 0.0, r));
    for hub in [front, rear] {
        mesh.tyre(hub, [r, 0.024], 20, dark);
        for k in 0..7 {
            let (c, s) = circle(k * 3 + 1, 21);
            let rim = hub + vec3(c, 0.0, s) * (r - 0.03);
            mesh.limb(hub, rim, [0.004, 0.004], 3, steel);
        }
        mesh.limb(hub - vec3(0.0, 0.05, 0.0), hub + vec3(0.0, 0.05, 0.0), [0.025, 0.025], 5, steel);
    }
    let (crank, seat) = (vec3(-0.06, 0.0, 0.29), vec3(-0.22, 0.0, 0.83));
    let (head, bar) = (vec3(0.34, 0.0, 0.80), vec3(0.38, 0.0, 0.98));
    let tubes = [
        (crank, seat),
        (crank, head),
        (seat - vec3(-0.03, 0.0, 0.12), head),
        (crank, rear),
        (seat - vec3(-0.05, 0.0, 0.20), rear),
        (head, front),
        (bar, head),
    ];
    for (a, b) in tubes {
        mesh.limb(a, b, [0.019, 0.019], 5, frame);
    }
    mesh.limb(bar - vec3(0.0, 0.29, 0.0), bar + vec3(0.0, 0.29, 0.0), [0.016, 0.016], 5, dark);
    let saddle = seat + vec3(0.0, 0.0, 0.10);
    mesh.ellipsoid(saddle, vec3(0.13, 0.07, 0.035), (3, 7), dark);
    let lamp = mesh.stuff(Material::Lamp, Paint { kind: 1, ..Paint::plain(vec3(0.5, 0.02, 0.02), 4) });
    mesh.block(rear + vec3(-0.13, 0.0, 0.36), vec3(0.04, 0.06, 0.06), [1.0, 0.0], lamp);
    let turn = -(travel / 1.9) as f32;
    let pedal = |side: f32, angle: f32| crank + vec3(0.17 * libm::cosf(angle), side * 0.12, 0.17 * libm::sinf(angle));
    let feet = [pedal(1.0, turn), pedal(-1.0, turn + std::f32::consts::PI)];
    for (foot, side) in feet.iter().zip([1.0, -1.0]) {
        mesh.limb(crank + vec3(0.0, side * 0.06, 0.0), *foot - vec3(0.0, side * 0.04, 0.0), [0.014, 0.012], 4, steel);
    }
    let feet = feet.map(|f| f + vec3(0.0, 0.0, 0.06));
    rider(&mut mesh, look, saddle, feet, vec3(bar.x, 0.25, bar.z + 0.02));
    mesh.finish()
}

/// A motorcyclist.
pub(crate) fn motorcyclist(look: u64) -> Mesh {
    let mut rng = Rng::new(look, 0x7070);
    let mut mesh = Mesh::default();
    let body = mesh.stuff(Material::Metal, Paint::plain(car_colour(&mut rng), 1));
    let dark = mesh.stuff(Material::Plastic, Paint::plain(Vec3::splat(0.025), 2));
    let steel = mesh.stuff(Material::Metal, Paint::plain(Vec3::splat(0.3), 3));
    let r = 0.31;
    let (front, rear) = (vec3(0.72, 0.0, r), vec3(-0.68, 0.0, r));
    let rim_paint = Paint { base: Vec3::splat(0.25), accent: Vec3::splat(0.02), seed: 4, kind: 5, p: [0.0; 4] };
    let rim = mesh.stuff(Material::Wheel, rim_paint);
    for hub in [front, rear] {
        mesh.wheel(hub, [r, 0.13], 18, rim);
    }
    mesh.ellipsoid(vec3(0.16, 0.0, 0.80), vec3(0.30, 0.15, 0.15), (5, 9), body);
    mesh.ellipsoid(vec3(0.02, 0.0, 0.45), vec3(0.32, 0.17, 0.22), (5, 9), steel);
    mesh.ellipsoid(vec3(-0.38, 0.0, 0.80), vec3(0.36, 0.13, 0.07), (4, 8), dark);
    mesh.limb(vec3(-0.45, 0.0, 0.70), vec3(-0.85, 0.0, 0.86), [0.11, 0.06], 7, body);
    for side in [0.09, -0.09] {
        mesh.limb(vec3(0.42, side, 0.95), front + vec3(0.0, side, 0.0), [0.03, 0.03], 5, steel);
        mesh.limb(rear + vec3(0.0, side, 0.0), vec3(-0.05, side, 0.42), [0.03, 0.04], 5, dark);
    }
    mesh.limb(vec3(0.35, 0.36, 1.02), vec3(0.35, -0.36, 1.02), [0.02, 0.02], 5, dark);
    mesh.limb(rear + vec3(0.1, -0.16, 0.02), vec3(0.2, -0.16, 0.3), [0.05, 0.03], 6, steel);
    let head = mesh.stuff(Material::Lamp, Paint::plain(Vec3::splat(0.8), 5));
    mesh.ellipsoid(vec3(0.55, 0.0, 0.88), vec3(0.08, 0.09, 0.09), (4, 8), head);
    let tail = mesh.stuff(Material::Lamp, Paint { kind: 1, ..Paint::plain(vec3(0.5, 0.02, 0.02), 6) });
    mesh.block(vec3(-0.88, 0.0, 0.80), vec3(0.06, 0.18, 0.07), [1.0, 0.0], tail);
    let feet = [vec3(0.02, 0.21, 0.33), vec3(0.02, -0.21, 0.33)];
    rider(&mut mesh, look, vec3(-0.28, 0.0, 0.82), feet, vec3(0.33, 0.33, 1.03));
    mesh.finish()
}
