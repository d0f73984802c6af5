//! People: walking, standing, riding. Limbs are posed by the way gone, so legs move with speed.

use super::build::Stuff;
use super::{Material, Mesh, Paint};
use crate::math::{Rgb, Rng, Vec3, vec3};

/// Colours and build of one person.
#[derive(Debug, Clone, Copy)]
struct Looks {
    skin: Stuff,
    hair: Stuff,
    top: Stuff,
    legs: Stuff,
    shoes: Stuff,
    bag: Option<Stuff>,
    skirt: bool,
    coat: bool,
    hat: bool,
    width: f32,
}

fn any_colour(rng: &mut Rng) -> Rgb {
    let grey = rng.range(0.02, 0.7);
    let vivid = vec3(rng.unit() * rng.unit(), rng.unit() * rng.unit(), rng.unit() * rng.unit());
    Vec3::splat(grey).mix(vivid, rng.unit())
}

fn looks(mesh: &mut Mesh, rng: &mut Rng, part: u8) -> Looks {
    let skins = [
        vec3(0.62, 0.42, 0.32),
        vec3(0.55, 0.35, 0.25),
        vec3(0.38, 0.22, 0.14),
        vec3(0.22, 0.12, 0.08),
        vec3(0.10, 0.055, 0.035),
    ];
    let hairs = [
        vec3(0.02, 0.015, 0.01),
        vec3(0.06, 0.035, 0.02),
        vec3(0.18, 0.11, 0.05),
        vec3(0.35, 0.25, 0.12),
        vec3(0.35, 0.34, 0.33),
    ];
    let skin = Paint::plain(rng.pick(&skins) * rng.range(0.85, 1.1), 1);
    let hair = Paint::plain(rng.pick(&hairs), 2);
    let top =
        Paint { accent: any_colour(rng), kind: rng.below(6) as u8, ..Paint::plain(any_colour(rng), rng.next_u32()) };
    let jeans = if rng.chance(0.4) { vec3(0.05, 0.08, 0.17) } else { any_colour(rng) * 0.6 };
    let legs = Paint::plain(jeans, rng.next_u32());
    let shoes = Paint::plain(Vec3::splat(rng.range(0.02, 0.5)), 4);
    let bag = rng.chance(0.3).then(|| Paint::plain(any_colour(rng), 5));
    let mut stuff = |material, paint| mesh.stuff(material, paint).part(part);
    Looks {
        skin: stuff(Material::Skin, skin),
        hair: stuff(Material::Hair, hair),
        top: stuff(Material::Cloth, top),
        legs: stuff(Material::Cloth, legs),
        shoes: stuff(Material::Plastic, shoes),
        bag: bag.map(|paint| stuff(Material::Cloth, paint)),
        skirt: rng.chance(0.12),
        coat: rng.chance(0.25),
        hat: rng.chance(0.15),
        width: rng.range(0.88, 1.15),
    }
}

/// Angles of one moment, rad, forward positive.
#[derive(Debug, Clone, Copy)]
struct Gait {
    thighs: [f32; 2],
    knees: [f32; 2],
    arms: [f32; 2],
    elbows: f32,
    bob: f32,
}

fn gait(travel: f64, speed: f64, height: f32, rng: &mut Rng) -> Gait {
    let stride = f64::from(height) * if speed > 2.2 { 1.15 } else { 0.82 };
    let phase = travel / stride * std::f64::consts::PI + rng.range_f64(0.0, 6.0);
    let amplitude = (speed / 1.4).clamp(0.0, 1.5) as f32;
    let swing = |offset: f64| libm::sin(phase + offset) as f32;
    let opposite = std::f64::consts::PI;
    let knee = |offset: f64| 0.08 + amplitude * 0.75 * swing(offset - 1.9).max(0.0);
    Gait {
        thighs: [0.48 * amplitude * swing(0.0), 0.48 * amplitude * swing(opposite)],
        knees: [knee(0.0), knee(opposite)],
        arms: [0.42 * amplitude * swing(opposite) + 0.03, 0.42 * amplitude * swing(0.0) + 0.03],
        elbows: 0.15 + 0.25 * amplitude,
        bob: 0.02 * amplitude * libm::cos(2.0 * phase) as f32,
    }
}

fn swung(angle: f32, length: f32) -> Vec3 {
    vec3(libm::sinf(angle), 0.0, -libm::cosf(angle)) * length
}

/// Someone on foot of the given height at one moment of the gait.
pub(crate) fn pedestrian(height_m: f64, look: u64, travel: f64, speed: f64) -> Mesh {
    let mut rng = Rng::new(look, 0x9e50);
    let h = height_m as f32;
    let mut mesh = Mesh::default();
    let l = looks(&mut mesh, &mut rng, 0);
    let g = gait(travel, speed, h, &mut rng);
    let hip = vec3(0.0, 0.0, 0.515 * h + g.bob);
    for (k, side) in [(0, 1.0), (1, -1.0)] {
        let joint = hip + vec3(0.0, side * 0.052 * h * l.width, 0.0);
        let knee = joint + swung(g.thighs[k], 0.245 * h);
        let ankle = knee + swung(g.thighs[k] - g.knees[k], 0.225 * h);
        let leg = if l.skirt { l.skin } else { l.legs };
        mesh.limb(joint, knee, [0.058 * h * l.width, 0.038 * h], 7, l.legs);
        mesh.limb(knee, ankle, [0.036 * h, 0.024 * h], 7, leg);
        let toe = ankle + vec3(0.085 * h, 0.0, -0.018 * h);
        mesh.limb(ankle + vec3(-0.02 * h, 0.0, -0.02 * h), toe, [0.026 * h, 0.022 * h], 6, l.shoes);
    }
    upper_body(&mut mesh, &l, hip, h, 0.03);
    let shoulder = hip + vec3(0.01 * h, 0.0, 0.295 * h);
    for (k, side) in [(0, 1.0), (1, -1.0)] {
        let joint = shoulder + vec3(0.0, side * 0.118 * h * l.width, 0.0);
        let elbow = joint + swung(g.arms[k], 0.165 * h) + vec3(0.0, side * 0.02 * h, 0.0);
        let hand = elbow + swung(g.arms[k] + g.elbows, 0.15 * h);
        mesh.limb(joint, elbow, [0.034 * h, 0.026 * h], 6, l.top);
        mesh.limb(elbow, hand, [0.025 * h, 0.018 * h], 6, l.top);
        mesh.limb(hand, hand + swung(g.arms[k] + g.elbows, 0.045 * h), [0.02 * h, 0.015 * h], 5, l.skin);
    }
    if l.skirt || l.coat {
        let r = |k: f32| (vec3(0.075 * h * k, 0.0, 0.0), vec3(0.0, 0.10 * h * k * l.width, 0.0));
        let (a, b) = (r(1.0), r(1.25));
        let hem = hip - vec3(0.0, 0.0, 0.19 * h);
        mesh.tube(&[(hem, b.0, b.1), (hip, a.0, a.1)], 10, if l.coat { l.top } else { l.legs });
    }
    if let Some(bag) = l.bag {
        mesh.ellipsoid(hip + vec3(-0.115 * h, 0.0, 0.19 * h), vec3(0.07 * h, 0.085 * h, 0.12 * h), (4, 8), bag);
    }
    mesh.finish()
}

/// Torso, neck and head above `hip`, leaning forward by `lean` metres per metre.
fn upper_body(mesh: &mut Mesh, l: &Looks, hip: Vec3, h: f32, lean: f32) {
    let ring = |up: f32, depth: f32, width: f32| {
        let at = hip + vec3(lean * up * h, 0.0, up * h);
        (at, vec3(depth * h, 0.0, 0.0), vec3(0.0, width * h * l.width, 0.0))
    };
    let torso = [
        ring(-0.03, 0.058, 0.088),
        ring(0.05, 0.060, 0.090),
        ring(0.12, 0.055, 0.082),
        ring(0.22, 0.066, 0.105),
        ring(0.29, 0.056, 0.118),
        ring(0.32, 0.034, 0.060),
    ];
    mesh.tube(&torso, 10, l.top);
    let neck = ring(0.32, 0.0, 0.0).0;
    let head = ring(0.415, 0.0, 0.0).0 + vec3(0.012 * h, 0.0, 0.0);
    mesh.limb(neck, head, [0.028 * h, 0.028 * h], 6, l.skin);
    mesh.ellipsoid(head, vec3(0.057 * h, 0.046 * h, 0.068 * h), (5, 9), l.skin);
    let crown = head + vec3(-0.012 * h, 0.0, 0.018 * h);
    mesh.ellipsoid(crown, vec3(0.055 * h, 0.050 * h, 0.056 * h), (4, 9), if l.hat { l.top } else { l.hair });
}

/// A rider on a saddle: feet at `feet`, hands at `hands`, both mirrored to the other side; labelled as part 1.
pub(crate) fn rider(mesh: &mut Mesh, look: u64, saddle: Vec3, feet: [Vec3; 2], hands: Vec3) {
    let mut rng = Rng::new(look, 0x51de);
    let h = 1.74;
    let mut l = looks(mesh, &mut rng, 1);
    l.skirt = false;
    let hip = saddle + vec3(0.02, 0.0, 0.06);
    let reach = (hands.x - hip.x).max(0.2);
    let lean = (0.9 * reach).min(0.75);
    upper_body(mesh, &l, hip, h * 0.96, lean);
    let shoulder = hip + vec3(lean * 0.28 * h, 0.0, 0.28 * h);
    for (k, side) in [(0, 1.0f32), (1, -1.0)] {
        let joint = hip + vec3(0.0, side * 0.09, 0.0);
        let foot = feet[k];
        let knee = bend(joint, foot, [0.245 * h, 0.235 * h]);
        mesh.limb(joint, knee, [0.098, 0.065], 7, l.legs);
        mesh.limb(knee, foot, [0.060, 0.042], 7, l.legs);
        mesh.limb(foot + vec3(-0.05, 0.0, 0.0), foot + vec3(0.15, 0.0, -0.01), [0.045, 0.038], 6, l.shoes);
        let arm = shoulder + vec3(0.0, side * 0.19, 0.0);
        let hand = vec3(hands.x, side * hands.y, hands.z);
        let elbow = (arm + hand) * 0.5 + vec3(-0.03, side * 0.07, -0.07);
        mesh.limb(arm, elbow, [0.058, 0.045], 6, l.top);
        mesh.limb(elbow, hand, [0.042, 0.034], 6, l.top);
    }
}

/// The joint between two bones of the given lengths from `a` to `b`, bent forward.
fn bend(a: Vec3, b: Vec3, bones: [f32; 2]) -> Vec3 {
    let d = (b - a).norm().clamp(0.05, bones[0] + bones[1] - 0.01);
    let along = (bones[0] * bones[0] - bones[1] * bones[1] + d * d) / (2.0 * d);
    let out = (bones[0] * bones[0] - along * along).max(0.0).sqrt();
    let dir = (b - a).unit();
    let forward = vec3(1.0, 0.0, 0.0);
    let side = (forward - dir * forward.dot(dir)).unit();
    a + dir * along + side * out
}
