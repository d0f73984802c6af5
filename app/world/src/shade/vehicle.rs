//! Cars, vans, trucks, buses: paint with seams, lamps, plates, windows and wheels, from the place on the body.

use super::surface::{Answer, Point, Setting, cover, detail};
use crate::math::{Rgb, Vec3, fract, hash2, noise2, smoothstep, unit, vec3};
use crate::mesh::lorry::{PANEL_BOX, PANEL_BUS};

const GLASS: Rgb = vec3(0.012, 0.015, 0.018);
const LAMP_RED: Rgb = vec3(0.42, 0.012, 0.012);
const AMBER: Rgb = vec3(0.9, 0.35, 0.02);

/// The painted body of a car or van. `p`: length, width, height, wheel radius.
pub(crate) fn car_body(p: &Point<'_>, at: &Setting<'_>) -> Answer {
    let paint = p.paint;
    let [l, w, h, wheel] = paint.p;
    let (x, y, z) = (p.local.x / l, p.local.y.abs() / (w * 0.5), p.local.z / h);
    if let Some(answer) = arches(p, wheel, l) {
        return answer;
    }
    let side = p.local_n.y.abs() > 0.6;
    let end = match x {
        x if x > 0.44 => front(p, at, (y, z)),
        x if x < -0.455 => rear(p, at, (y, z)),
        _ => None,
    };
    if let Some(answer) = end {
        return answer;
    }
    let sill = p.local.z < 0.30;
    if sill {
        return Answer::matt(paint.accent);
    }
    let mut colour = paint.base;
    let shown = detail(0.05, p.foot * 0.5);
    if side && shown > 0.0 {
        let seams = [-0.235, -0.01, 0.215];
        let seam = seams.iter().map(|s| cover(x, *s, 0.0022, p.foot / l)).fold(0.0, f32::max);
        let handle = seams[..2].iter().any(|s| (x - s - 0.035).abs() < 0.018 && (z - 0.56).abs() < 0.009);
        colour = colour * (1.0 - 0.7 * seam * shown);
        if handle {
            colour = colour.mix(Vec3::splat(0.35), 0.6 * shown);
        }
    }
    // Road dirt on the lower body.
    let dirt = smoothstep(0.45, 0.2, z) * 0.45 * noise2(p.local.x * 2.0, p.local.z * 4.0, paint.seed);
    Answer::shiny(colour.mix(vec3(0.12, 0.11, 0.09), dirt), 0.5)
}

/// The dark space around the wheels.
fn arches(p: &Point<'_>, wheel: f32, l: f32) -> Option<Answer> {
    let near = |axle: f32| {
        let (dx, dz) = (p.local.x - axle, p.local.z - wheel);
        dx * dx + dz * dz < (wheel + 0.055) * (wheel + 0.055)
    };
    (p.local_n.y.abs() > 0.35 && (near(l * 0.305) || near(-l * 0.30))).then(|| Answer::matt(Vec3::splat(0.008)))
}

fn front(p: &Point<'_>, at: &Setting<'_>, place: (f32, f32)) -> Option<Answer> {
    let (y, z) = place;
    let paint = p.paint;
    let style = paint.seed;
    let (low, high) = if paint.kind == 1 { (0.24, 0.33) } else { (0.37, 0.47) };
    if (0.58..0.97).contains(&y) && (low..high).contains(&z) {
        let glow =
            if p.state.lights { vec3(1.0, 0.95, 0.85) * if at.light.night { 2.2 } else { 1.6 } } else { Vec3::ZERO };
        let blinks = y > 0.86 && blinking(p);
        return Some(Answer { albedo: Vec3::splat(0.55), gloss: 0.8, glow: if blinks { AMBER } else { glow } });
    }
    let grille_width = 0.35 + 0.25 * unit(hash2(1, 2, style));
    if y < grille_width && (low - 0.13..low + 0.04).contains(&z) {
        let slat = fract(p.local.z * 22.0) < 0.45;
        return Some(Answer::shiny(Vec3::splat(if slat { 0.10 } else { 0.012 }), 0.3));
    }
    plate(p, y, 0.33).or_else(|| (p.local.z < 0.34).then(|| Answer::matt(paint.accent)))
}

fn rear(p: &Point<'_>, at: &Setting<'_>, place: (f32, f32)) -> Option<Answer> {
    let (y, z) = place;
    let van = p.paint.kind == 1;
    let tall = hash2(3, 4, p.paint.seed) & 1 == 0 || van;
    let (inner, low, high) = if tall { (0.80, 0.42, 0.62) } else { (0.55, 0.48, 0.58) };
    if (inner..0.99).contains(&y) && (low..high).contains(&z) {
        let blinks = z < low + 0.05 && blinking(p);
        return Some(tail_lamp(p, at, blinks));
    }
    if van && p.local.z > 0.4 && (y < 0.015 || (0.90..0.915).contains(&y)) {
        return Some(Answer::matt(p.paint.base * 0.3));
    }
    plate(p, y, 0.50).or_else(|| (p.local.z < 0.36).then(|| Answer::matt(p.paint.accent)))
}

fn blinking(p: &Point<'_>) -> bool {
    let left = p.local.y > 0.0;
    (p.state.indicator > 0 && left) || (p.state.indicator < 0 && !left)
}

fn tail_lamp(p: &Point<'_>, at: &Setting<'_>, blinks: bool) -> Answer {
    let base = if at.light.night { 0.35 } else { 0.6 };
    let mut glow = Vec3::ZERO;
    if p.state.lights {
        glow = vec3(1.0, 0.03, 0.02) * base;
    }
    if p.state.brakes {
        glow = vec3(1.0, 0.05, 0.03) * (base * 4.0);
    }
    Answer { albedo: LAMP_RED, gloss: 0.5, glow: if blinks { AMBER } else { glow } }
}

fn plate(p: &Point<'_>, y: f32, height: f32) -> Option<Answer> {
    let w = p.paint.p[1];
    let (py, pz) = (y * w * 0.5, p.local.z - height);
    if py > 0.26 || pz.abs() > 0.06 {
        return None;
    }
    let ink = pz.abs() < 0.035 && py < 0.22 && hash2((p.local.y * 18.0) as i32, 5, p.paint.seed) & 3 == 0;
    Some(Answer::matt(if ink { Vec3::splat(0.02) } else { vec3(0.62, 0.62, 0.58) }))
}

/// Windows. `p`: rear top, front top, rear end of the side windows, front base (fractions of the length).
pub(crate) fn car_glass(p: &Point<'_>) -> Answer {
    let paint = p.paint;
    let [x, v] = p.uv;
    let side = p.local_n.y.abs() > 0.55;
    let body = Answer::shiny(paint.base, 0.5);
    let trim = Answer::matt(Vec3::splat(0.015));
    if side {
        let pillars = [paint.p[0] + 0.005, -0.01 - 0.02 * v, paint.p[1] + 0.02];
        let on_pillar = |c: f32| cover(x, c, 0.010, p.foot * 0.2) > 0.5;
        if x < paint.p[2] || x > paint.p[3] - 0.05 && v > 0.85 {
            return body;
        }
        if v > 0.93 || on_pillar(pillars[0]) || on_pillar(pillars[2]) {
            return body;
        }
        if v < 0.06 || on_pillar(pillars[1]) {
            return trim;
        }
    } else if paint.kind == 1 && p.local_n.x < -0.3 {
        // The doors at the back of a van: two small windows, a seam between.
        let y = p.local.y.abs();
        let window = (0.12..0.68).contains(&y) && (1.25..1.75).contains(&p.local.z);
        if y < 0.012 {
            return trim;
        }
        if !window {
            return body;
        }
    }
    // Seats and a driver show dimly through the glass.
    let inside = noise2(p.local.x * 2.5 + 3.0, p.local.z * 4.0, paint.seed);
    Answer::shiny(GLASS + Vec3::splat(0.03 * smoothstep(0.55, 0.7, inside)), 0.85)
}

/// A wheel: tyre outside, rim with spokes inside. `kind`: number of spokes.
pub(crate) fn wheel(p: &Point<'_>) -> Answer {
    let [u, v] = p.uv;
    let r = (u * u + v * v).sqrt();
    if r > 0.68 || p.local_n.y.abs() < 0.5 {
        return Answer::matt(p.paint.accent);
    }
    if !(0.13..=0.60).contains(&r) {
        return Answer::shiny(p.paint.base, 0.4);
    }
    let angle = libm::atan2f(v, u) + p.state.roll;
    let spokes = f32::from(p.paint.kind.max(3));
    let spoke = fract(angle * spokes / std::f32::consts::TAU) < 0.42;
    Answer::shiny(if spoke { p.paint.base } else { Vec3::splat(0.012) }, if spoke { 0.4 } else { 0.0 })
}

/// Sides of trucks and buses. `p`: rear x, front x, width, height; uv: along (or across), up.
pub(crate) fn panel(p: &Point<'_>, at: &Setting<'_>) -> Answer {
    let [x0, x1, w, h] = p.paint.p;
    let (x, y, z) = (p.local.x, p.local.y, p.local.z);
    let front = p.local_n.x > 0.6;
    let rear = p.local_n.x < -0.6;
    let side = p.local_n.y.abs() > 0.6;
    match p.paint.kind {
        PANEL_BOX => truck_box(p, (x - x0) / (x1 - x0), rear, side),
        PANEL_BUS => bus(p, at, (front, rear, side), (x0, x1, w, h)),
        _ => cab(p, at, (front, side), (x1, w, h)),
    }
    .unwrap_or_else(|| {
        let dirt = smoothstep(1.3, 0.4, z) * 0.4 * noise2(x * 1.5 + y, z * 2.0, p.paint.seed);
        Answer::shiny(p.paint.base.mix(vec3(0.12, 0.11, 0.09), dirt), 0.3)
    })
}

fn truck_box(p: &Point<'_>, along: f32, rear: bool, side: bool) -> Option<Answer> {
    let paint = p.paint;
    let z = p.local.z / paint.p[3];
    let edge = z > 0.97 || p.local.z < 1.05 || !(0.01..0.99).contains(&along);
    if edge && (side || rear) {
        return Some(Answer::shiny(Vec3::splat(0.25), 0.3));
    }
    if rear {
        let y = p.local.y.abs();
        let bar = y < 0.02 || (y - paint.p[2] * 0.25).abs() < 0.02;
        return bar.then(|| Answer::shiny(Vec3::splat(0.2), 0.3));
    }
    if !side {
        return None;
    }
    let ribs = 1.0 - 0.10 * cover(fract(p.local.x * 1.6), 0.5, 0.06, p.foot * 1.6);
    // A company's stripe or mark.
    let h = hash2(1, 1, paint.seed);
    let stripe = (0.30..0.38).contains(&(z - 0.1)) && h & 1 == 0;
    let (mx, mz) = ((along - 0.5) * 3.0, (z - 0.68) * 5.0);
    let mark = h & 2 == 0 && mx * mx + mz * mz < 0.5 + 0.2 * noise2(mx * 4.0, mz * 4.0, h);
    Some(Answer::shiny(if stripe || mark { paint.accent } else { paint.base } * ribs, 0.25))
}

fn cab(p: &Point<'_>, at: &Setting<'_>, faces: (bool, bool), size: (f32, f32, f32)) -> Option<Answer> {
    let (front, side) = faces;
    let (x1, w, h) = size;
    let y = p.local.y.abs() / (w * 0.5);
    let z = p.local.z / h;
    let glass = Answer::shiny(GLASS, 0.85);
    if front {
        if (0.53..0.86).contains(&z) && y < 0.90 {
            return Some(glass);
        }
        if (0.60..0.92).contains(&y) && (0.24..0.31).contains(&z) {
            let glow = if p.state.lights { vec3(1.0, 0.95, 0.85) * 1.8 } else { Vec3::ZERO };
            return Some(Answer { albedo: Vec3::splat(0.55), gloss: 0.7, glow });
        }
        if y < 0.55 && (0.25..0.45).contains(&z) {
            let slat = fract(p.local.z * 9.0) < 0.5;
            return Some(Answer::matt(Vec3::splat(if slat { 0.12 } else { 0.02 })));
        }
        if p.local.z < 0.62 {
            return Some(Answer::matt(Vec3::splat(0.05)));
        }
        return plate(p, y, 0.55);
    }
    let back = x1 - p.local.x;
    if side && (0.55..0.84).contains(&z) && (0.28..1.15).contains(&back) {
        return Some(glass);
    }
    let arch = side && (back - 1.25) * (back - 1.25) + (p.local.z - 0.48) * (p.local.z - 0.48) < 0.36;
    if arch {
        return Some(Answer::matt(Vec3::splat(0.01)));
    }
    let _ = at;
    None
}

fn bus(p: &Point<'_>, at: &Setting<'_>, faces: (bool, bool, bool), size: (f32, f32, f32, f32)) -> Option<Answer> {
    let (front, rear, side) = faces;
    let (x0, x1, w, h) = size;
    let (x, z) = (p.local.x, p.local.z / h);
    let y = p.local.y.abs() / (w * 0.5);
    let inside = if at.light.lamps_on_or_dark() {
        vec3(1.0, 0.9, 0.7) * if at.light.night { 0.06 } else { 0.15 }
    } else {
        Vec3::ZERO
    };
    let glass = Answer { albedo: GLASS, gloss: 0.8, glow: inside };
    if side {
        for axle in [x0 + 2.9, x1 - 2.7] {
            if (x - axle) * (x - axle) + (p.local.z - 0.48) * (p.local.z - 0.48) < 0.33 {
                return Some(Answer::matt(Vec3::splat(0.01)));
            }
        }
        let door = p.local.y < 0.0 && ((x1 - 1.6..x1 - 0.4).contains(&x) || (-1.0..0.5).contains(&x));
        if door && (0.14..0.84).contains(&z) {
            return Some(if fract(x * 1.66) < 0.08 { Answer::matt(Vec3::splat(0.03)) } else { glass });
        }
        if (0.44..0.84).contains(&z) && (x0 + 0.5..x1 - 0.15).contains(&x) {
            let post = cover(fract(x / 1.45), 0.0, 0.035, p.foot / 1.45) > 0.5;
            return Some(if post { Answer::matt(Vec3::splat(0.03)) } else { glass });
        }
        return (z < 0.30 && z > 0.2).then(|| Answer::shiny(p.paint.accent, 0.4));
    }
    if front && (0.36..0.82).contains(&z) && y < 0.95 {
        return Some(glass);
    }
    if front && (0.86..0.96).contains(&z) && y < 0.7 {
        let dot = hash2((p.local.y * 9.0) as i32, (p.local.z * 14.0) as i32, p.paint.seed) & 1 == 0;
        let glow = if dot { vec3(1.0, 0.6, 0.05) * 0.7 } else { Vec3::ZERO };
        return Some(Answer { albedo: Vec3::splat(0.02), gloss: 0.2, glow });
    }
    if rear && (0.56..0.82).contains(&z) && y < 0.8 {
        return Some(glass);
    }
    if (front || rear) && (0.72..0.95).contains(&y) && (0.20..0.28).contains(&z) {
        let glow = if p.state.lights { vec3(1.0, 0.95, 0.85) * 1.8 } else { Vec3::ZERO };
        return Some(if rear {
            tail_lamp(p, at, false)
        } else {
            Answer { albedo: Vec3::splat(0.5), gloss: 0.6, glow }
        });
    }
    None
}
