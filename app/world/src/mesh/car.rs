//! Passenger cars and vans: a lofted body with a greenhouse, wheels and mirrors, varied by seed.

use super::build::Stuff;
use super::{Material, Mesh, Paint};
use crate::math::{Rgb, Rng, Vec3, vec3};

/// Outline of a body: fractions of length (x, from -0.5 at the rear) and of height.
#[derive(Debug, Clone, Copy)]
struct Shape {
    rear_base: f32,
    rear_top: f32,
    front_top: f32,
    front_base: f32,
    deck: f32,
    belt: f32,
    hood: f32,
    nose: f32,
    /// Half width of the roof over the half width at the belt.
    tumble: f32,
    /// Behind this x the sides have no windows (delivery vans).
    window_rear: f32,
}

/// Kinds of body, as the paint's `kind` tells the shader.
pub(crate) const BODY_VAN: u8 = 1;

fn shape(rng: &mut Rng, van: bool) -> Shape {
    if van {
        return Shape {
            rear_base: -0.497,
            rear_top: -0.485,
            front_top: rng.range(0.22, 0.30),
            front_base: rng.range(0.36, 0.41),
            deck: 0.55,
            belt: 0.50,
            hood: 0.47,
            nose: 0.36,
            tumble: 0.90,
            window_rear: if rng.chance(0.6) { 0.08 } else { -0.5 },
        };
    }
    let base = Shape {
        rear_base: -0.33,
        rear_top: -0.17,
        front_top: 0.09,
        front_base: 0.26,
        deck: 0.66,
        belt: 0.63,
        hood: 0.60,
        nose: 0.47,
        tumble: 0.76,
        window_rear: -0.5,
    };
    let shaped = match rng.below(4) {
        0 => base,
        // Hatchback.
        1 => Shape { rear_base: -0.475, rear_top: -0.36, front_top: 0.10, front_base: 0.28, ..base },
        // Estate or sport utility.
        2 => Shape {
            rear_base: -0.485,
            rear_top: -0.42,
            front_top: 0.08,
            front_base: 0.24,
            hood: 0.63,
            nose: 0.53,
            tumble: 0.80,
            ..base
        },
        // Coupe line.
        _ => Shape { rear_base: -0.43, rear_top: -0.14, front_top: 0.05, front_base: 0.24, ..base },
    };
    Shape {
        front_base: shaped.front_base + rng.range(-0.02, 0.02),
        front_top: shaped.front_top + rng.range(-0.02, 0.02),
        belt: shaped.belt + rng.range(-0.02, 0.02),
        ..shaped
    }
}

/// Colours cars come in, roughly by how common they are.
const CAR_COLOURS: [Rgb; 14] = [
    vec3(0.75, 0.75, 0.76),
    vec3(0.80, 0.81, 0.80),
    vec3(0.02, 0.02, 0.025),
    vec3(0.03, 0.03, 0.03),
    vec3(0.18, 0.19, 0.20),
    vec3(0.36, 0.37, 0.39),
    vec3(0.50, 0.51, 0.53),
    vec3(0.42, 0.02, 0.02),
    vec3(0.30, 0.01, 0.02),
    vec3(0.02, 0.07, 0.28),
    vec3(0.03, 0.16, 0.45),
    vec3(0.03, 0.13, 0.06),
    vec3(0.55, 0.42, 0.06),
    vec3(0.45, 0.16, 0.02),
];

/// A car colour: usually a common one, sometimes any.
pub(crate) fn car_colour(rng: &mut Rng) -> Rgb {
    if rng.chance(0.15) {
        let any = vec3(rng.unit() * rng.unit(), rng.unit() * rng.unit(), rng.unit() * rng.unit()) * 0.8;
        return any.mix(Vec3::splat(any.luma()), rng.unit() * 0.6);
    }
    rng.pick(&CAR_COLOURS) * rng.range(0.8, 1.15)
}

/// A car or van of the given length, width and height.
pub(crate) fn car(size: [f64; 3], look: u64, van: bool) -> Mesh {
    let mut rng = Rng::new(look, 0xca7);
    let [l, w, h] = size.map(|v| v as f32);
    let s = shape(&mut rng, van);
    let colour = if van && rng.chance(0.5) { Vec3::splat(rng.range(0.65, 0.85)) } else { car_colour(&mut rng) };
    let mut mesh = Mesh::default();
    let radius = if van { 0.34 } else { rng.range(0.29, 0.35) };
    let (axle_front, axle_rear) = (l * rng.range(0.29, 0.32), -l * rng.range(0.29, 0.31));
    let body_paint = Paint {
        base: colour,
        accent: Vec3::splat(rng.range(0.02, 0.07)),
        seed: rng.next_u32(),
        kind: if van { BODY_VAN } else { 0 },
        p: [l, w, h, radius],
    };
    let body = mesh.stuff(Material::CarBody, body_paint);
    let glass_paint = Paint { p: [s.rear_top, s.front_top, s.window_rear, s.front_base], ..body_paint };
    let glass = mesh.stuff(Material::CarGlass, glass_paint);
    loft_body(&mut mesh, &s, (l, w, h), body, glass);
    let wheel_paint = Paint {
        base: Vec3::splat(rng.range(0.15, 0.6)),
        accent: Vec3::splat(0.025),
        seed: rng.next_u32(),
        kind: 4 + rng.below(4) as u8,
        p: [0.0; 4],
    };
    let wheel = mesh.stuff(Material::Wheel, wheel_paint);
    for x in [axle_front, axle_rear] {
        for side in [1.0, -1.0] {
            mesh.wheel(vec3(x, side * (w * 0.5 - 0.10), radius), [radius, 0.21], 16, wheel);
        }
    }
    let dark = mesh.stuff(Material::Plastic, Paint::plain(Vec3::splat(0.02), 3));
    // The floor between the wheels, so that no light comes through from below.
    mesh.block(vec3(0.0, 0.0, 0.20), vec3(l * 0.92, w * 0.80, 0.12), [1.0, 0.0], dark);
    for side in [1.0, -1.0] {
        let at = vec3(l * (s.front_base - 0.06), side * (w * 0.5 + 0.07), h * s.belt + 0.02);
        mesh.block(at, vec3(0.12, 0.17, 0.13), [1.0, 0.0], Stuff { material: Material::CarBody, ..body });
    }
    mesh.finish()
}

/// One cross-section: x, scale of the width, height of the belt, height of the roof there.
type Section = (f32, f32, f32, f32);

fn sections(s: &Shape) -> Vec<Section> {
    let roof_mid = 0.5 * (s.rear_top + s.front_top);
    vec![
        (-0.5, 0.88, s.deck * 0.84, s.deck * 0.86),
        (-0.492, 0.95, s.deck * 0.97, s.deck * 0.99),
        (s.rear_base.min(-0.48), 0.97, s.deck, s.deck + 0.012),
        (s.rear_base, 0.985, s.deck, s.deck + 0.015),
        (s.rear_top, 1.0, s.belt + 0.01, 0.975),
        (roof_mid, 1.0, s.belt, 1.0),
        (s.front_top, 1.0, s.belt, 0.97),
        (s.front_base, 0.99, s.belt - 0.01, s.belt + 0.012),
        (s.front_base + 0.45 * (0.46 - s.front_base), 0.98, s.hood, s.hood + 0.015),
        (0.46, 0.95, 0.5 * (s.hood + s.nose), 0.5 * (s.hood + s.nose) + 0.01),
        (0.49, 0.90, s.nose, s.nose + 0.01),
        (0.5, 0.82, s.nose * 0.90, s.nose * 0.91),
    ]
}

fn loft_body(mesh: &mut Mesh, s: &Shape, size: (f32, f32, f32), body: Stuff, glass: Stuff) {
    let (l, w, h) = size;
    let sections = sections(s);
    let sill = 0.17 + 0.02 * h;
    let ring = |&(x, scale, belt, roof): &Section| -> Vec<Vec3> {
        let half = w * 0.5 * scale;
        let greenhouse = ((roof - belt) / (1.0 - s.belt)).clamp(0.0, 1.0);
        let top = half * (1.0 - (1.0 - s.tumble) * greenhouse) * if greenhouse < 0.1 { 0.93 } else { 1.0 };
        let (zb, zr) = (belt * h, roof * h);
        let side = [
            (half * 0.93, sill),
            (half, sill + 0.45 * (zb - sill)),
            (half * 0.965, zb),
            (top, zr - 0.03 * h * greenhouse.max(0.15)),
            (top * 0.55, zr),
        ];
        let left = side.iter().map(|&(y, z)| vec3(x * l, y, z));
        let right = side.iter().rev().map(|&(y, z)| vec3(x * l, -y, z));
        left.chain(right).collect()
    };
    let rows: Vec<Vec<Vec3>> = sections.iter().map(ring).collect();
    let (rear_window, windscreen) = (3, 6);
    let stuff = |r: usize, c: usize| {
        let on_side = c == 2 || c == 6;
        let on_top = (3..=5).contains(&c);
        let window =
            (on_side && (rear_window..=windscreen).contains(&r)) || (on_top && (r == rear_window || r == windscreen));
        Some(if window { glass } else { body })
    };
    let uv = |r: usize, c: usize| [sections[r].0, if (3..=6).contains(&c) { 1.0 } else { 0.0 }];
    // Windscreens are told from side windows by the normal; flat shading keeps the edges of the body crisp.
    flat_sheet(mesh, &rows, uv, stuff);
    // Seen from ahead the ring runs counter-clockwise, seen from behind clockwise.
    mesh.polygon(&rows[rows.len() - 1], body);
    mesh.polygon(&rows[0].iter().rev().copied().collect::<Vec<_>>(), body);
}

/// A sheet whose vertices are smoothed along the car but not across its edges (sill, belt, roof).
fn flat_sheet(
    mesh: &mut Mesh,
    rows: &[Vec<Vec3>],
    uv: impl Fn(usize, usize) -> [f32; 2],
    stuff: impl Fn(usize, usize) -> Option<Stuff>,
) {
    let columns = rows.first().map_or(0, Vec::len);
    for c in 0..columns.saturating_sub(1) {
        for r in 0..rows.len() - 1 {
            let strip: Vec<Vec<Vec3>> =
                vec![vec![rows[r][c], rows[r][c + 1]], vec![rows[r + 1][c], rows[r + 1][c + 1]]];
            mesh.sheet(&strip, |i, j| uv(r + i, c + j), |_, _| stuff(r, c));
        }
    }
}
