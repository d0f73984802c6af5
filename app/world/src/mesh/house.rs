//! Buildings: blocks with facades, gabled houses, awnings and balconies.

use super::build::Stuff;
use super::{Material, Mesh, Paint};
use crate::math::{Rgb, Rng, Vec3, vec3};

/// Where a building stands: corners of its floor counter-clockwise from above, the first two along the street.
pub(crate) type Plot = [Vec3; 4];

fn facade_colour(rng: &mut Rng) -> Rgb {
    let tints = [
        vec3(0.55, 0.48, 0.38),
        vec3(0.62, 0.58, 0.50),
        vec3(0.38, 0.15, 0.10),
        vec3(0.30, 0.13, 0.09),
        vec3(0.45, 0.42, 0.40),
        vec3(0.60, 0.45, 0.25),
        vec3(0.34, 0.38, 0.42),
        vec3(0.52, 0.35, 0.28),
        vec3(0.40, 0.46, 0.40),
        vec3(0.68, 0.66, 0.62),
    ];
    rng.pick(&tints).times(vec3(rng.range(0.8, 1.15), rng.range(0.8, 1.15), rng.range(0.8, 1.15)))
}

/// How a facade is laid out; the shader reads `kind` (0 plaster, 1 brick, 2 concrete, 3 glass) and `p`.
fn facade(rng: &mut Rng, shop: bool) -> Paint {
    Paint {
        base: facade_colour(rng),
        accent: if rng.chance(0.7) { Vec3::splat(rng.range(0.4, 0.75)) } else { facade_colour(rng) * 0.4 },
        seed: rng.next_u32(),
        kind: rng.pick(&[0u8, 0, 1, 1, 2, 3]),
        // Storey height, window pitch, window width share, shop on the ground floor.
        p: [rng.range(2.8, 3.6), rng.range(1.7, 3.4), rng.range(0.4, 0.7), if shop { 1.0 } else { 0.0 }],
    }
}

fn wall(mesh: &mut Mesh, a: Vec3, b: Vec3, height: f32, stuff: Stuff) {
    let w = (b - a).norm();
    let up = vec3(0.0, 0.0, height);
    // A plinth reaches below the ground so that slopes leave no gap.
    let foot = vec3(0.0, 0.0, -1.0);
    let uv = [[0.0, -1.0], [w, -1.0], [w, height], [0.0, height]];
    mesh.quad_uv([a + foot, b + foot, b + up, a + up], uv, stuff);
}

/// A city block of flats or offices.
pub(crate) fn block(mesh: &mut Mesh, plot: Plot, rng: &mut Rng) {
    let paint = facade(rng, rng.clone().chance(0.5));
    let storeys = 2 + rng.below(6);
    let height = paint.p[0] * storeys as f32 + 0.7;
    let face = mesh.stuff(Material::Facade, paint);
    for k in 0..4 {
        wall(mesh, plot[k], plot[(k + 1) % 4], height, face);
    }
    let top = vec3(0.0, 0.0, height);
    let roof = mesh.stuff(Material::Roof, Paint::plain(Vec3::splat(rng.range(0.08, 0.25)), rng.next_u32()));
    mesh.quad([plot[0] + top, plot[1] + top, plot[2] + top, plot[3] + top], roof);
    let (along, out) = street_axes(&plot);
    let ahead = [along.x, along.y];
    if rng.chance(0.6) {
        let cornice = mesh.stuff(Material::Wall, Paint::plain(paint.accent * 0.9, 1));
        let mid = (plot[0] + plot[1]) * 0.5 + out * 0.12 + vec3(0.0, 0.0, height - 0.45);
        mesh.block(mid, vec3((plot[1] - plot[0]).norm(), 0.5, 0.45), ahead, cornice);
    }
    if paint.p[3] > 0.5 && rng.chance(0.6) {
        awning(mesh, &plot, rng);
    }
    if rng.chance(0.35) {
        balconies(mesh, &plot, &paint, storeys, rng);
    }
}

fn street_axes(plot: &Plot) -> (Vec3, Vec3) {
    let along = (plot[1] - plot[0]).unit();
    (along, along.cross(Vec3::UP))
}

fn awning(mesh: &mut Mesh, plot: &Plot, rng: &mut Rng) {
    let (along, out) = street_axes(plot);
    let colour = vec3(rng.unit() * 0.6, rng.unit() * 0.5, rng.unit() * 0.5);
    let paint = Paint { accent: Vec3::splat(0.65), kind: 1, p: [0.35, 0.0, 0.0, 0.0], ..Paint::plain(colour, 1) };
    let stuff = mesh.stuff(Material::Striped, paint).double();
    let length = (plot[1] - plot[0]).norm();
    let (from, to) = (rng.range(0.05, 0.3) * length, rng.range(0.6, 0.95) * length);
    let (high, low) = (vec3(0.0, 0.0, 2.9), out * 1.1 + vec3(0.0, 0.0, 2.35));
    let (a, b) = (plot[0] + along * from, plot[0] + along * to);
    let w = to - from;
    mesh.quad_uv([a + low, b + low, b + high, a + high], [[0.0, 0.0], [w, 0.0], [w, 1.2], [0.0, 1.2]], stuff);
}

fn balconies(mesh: &mut Mesh, plot: &Plot, paint: &Paint, storeys: usize, rng: &mut Rng) {
    let (along, out) = street_axes(plot);
    let stuff = mesh.stuff(Material::Wall, Paint::plain(paint.accent.mix(paint.base, 0.5), 2));
    let length = (plot[1] - plot[0]).norm();
    let columns = 1 + rng.below(2);
    for storey in 1..storeys {
        for c in 0..columns {
            let at = length * (c as f32 + 1.0) / (columns as f32 + 1.0);
            let floor = plot[0] + along * at + out * 0.5 + vec3(0.0, 0.0, paint.p[0] * storey as f32 - 0.1);
            mesh.block(floor, vec3(2.2, 1.0, 0.14), [along.x, along.y], stuff);
            mesh.block(floor + out * 0.46, vec3(2.2, 0.07, 1.0), [along.x, along.y], stuff);
        }
    }
}

/// A detached house with a gabled roof.
pub(crate) fn cottage(mesh: &mut Mesh, plot: Plot, rng: &mut Rng) {
    let mut paint = facade(rng, false);
    paint.kind = rng.pick(&[0u8, 1, 0]);
    let height = paint.p[0] * (1 + rng.below(2)) as f32 + 0.4;
    let face = mesh.stuff(Material::Facade, paint);
    for k in 0..4 {
        wall(mesh, plot[k], plot[(k + 1) % 4], height, face);
    }
    let tile = vec3(0.30, 0.10, 0.06).mix(vec3(0.10, 0.10, 0.11), rng.unit());
    let roof = mesh.stuff(Material::Roof, Paint { kind: 1, ..Paint::plain(tile, rng.next_u32()) }).double();
    let (along, out) = street_axes(&plot);
    let top = vec3(0.0, 0.0, height);
    let rise = vec3(0.0, 0.0, (plot[2] - plot[1]).norm() * rng.range(0.28, 0.45));
    let eave = out * 0.4 - vec3(0.0, 0.0, 0.25);
    let (over, ridge) = (along * 0.35, |a: Vec3, b: Vec3| (a + b) * 0.5 + top + rise);
    let (r0, r1) = (ridge(plot[0], plot[3]) - over, ridge(plot[1], plot[2]) + over);
    let (f0, f1) = (plot[0] + top + eave - over, plot[1] + top + eave + over);
    let (b0, b1) = (
        plot[3] + top - out * 0.4 - vec3(0.0, 0.0, 0.25) - over,
        plot[2] + top - out * 0.4 - vec3(0.0, 0.0, 0.25) + over,
    );
    mesh.quad([f0, f1, r1, r0], roof);
    mesh.quad([b1, b0, r0, r1], roof);
    let gable = Stuff { material: Material::Wall, ..face };
    mesh.polygon(&[plot[1] + top, plot[2] + top, r1 - over], gable);
    mesh.polygon(&[plot[3] + top, plot[0] + top, r0 + over], gable);
    let chimney = mesh.stuff(Material::Wall, Paint { kind: 1, ..Paint::plain(vec3(0.3, 0.13, 0.09), 3) });
    mesh.block(r0.mix(r1, 0.25) - vec3(0.0, 0.0, 0.5), vec3(0.6, 0.6, 1.3), [along.x, along.y], chimney);
}
