//! Fronts of buildings: storeys of windows, shops, brick and plaster. Texture coordinates: metres along and up.

use super::surface::{Answer, Point, Setting, cover, detail};
use crate::math::{Rgb, Vec3, floor_i32, fract, hash2, lerp, noise2, smoothstep, unit, vec3};
use crate::mesh::Paint;

const BRICK: u8 = 1;
const CONCRETE: u8 = 2;
const GLASS: u8 = 3;

/// Shades a facade.
#[inline(always)]
pub(crate) fn facade(p: &Point<'_>, at: &Setting<'_>) -> Answer {
    let paint = p.paint;
    let [u, v] = p.uv;
    let storey = paint.p[0];
    let shop = paint.p[3] > 0.5;
    if shop && v < storey {
        return shop_front(p, at);
    }
    let (row, column) = (floor_i32(v / storey), floor_i32(u / paint.p[1]));
    let (fx, fy) = (fract(u / paint.p[1]), fract(v / storey));
    let glassy = paint.kind == GLASS;
    let (half_w, low, high) = if glassy { (0.46, 0.06, 0.92) } else { (paint.p[2] * 0.5, 0.27, 0.80) };
    let foot = p.foot / p.facing.max(0.15);
    let (foot_x, foot_y) = (foot / paint.p[1], p.foot / storey);
    let window = |grow_x: f32, grow_y: f32| {
        cover(fx, 0.5, half_w + grow_x, foot_x) * cover(fy, 0.5 * (low + high), 0.5 * (high - low) + grow_y, foot_y)
    };
    let wall = wall_colour(paint, u, v, p.foot);
    let streak = smoothstep(0.5, 0.9, noise2(u * 1.3, v * 0.13, paint.seed ^ 9)) * 0.18;
    let mut answer = Answer::matt(wall * (1.0 - streak));
    let framed = window(0.07 / paint.p[1], 0.06 / storey);
    if framed <= 0.0 || v < 0.4 {
        return answer;
    }
    answer.albedo = answer.albedo.mix(paint.accent, framed);
    let opening = window(0.0, 0.0) * lerp(0.85, bars(fx, fy, half_w, foot_x), detail(0.6, foot));
    let glass = pane(paint, (row, column), (fx, fy), at);
    answer.albedo = answer.albedo.mix(glass.albedo, opening);
    answer.gloss = glass.gloss * opening;
    answer.glow = glass.glow * opening;
    answer
}

/// The cross of a window's frame: 0 on a bar.
fn bars(fx: f32, fy: f32, half_w: f32, foot: f32) -> f32 {
    let upright = cover(fx, 0.5, half_w * 0.06, foot);
    let level = cover(fy, 0.62, 0.012, foot);
    1.0 - upright.max(level)
}

fn pane(paint: &Paint, cell: (i32, i32), at_cell: (f32, f32), at: &Setting<'_>) -> Answer {
    let h = hash2(cell.1, cell.0, paint.seed);
    let kind = unit(h);
    let dark = vec3(0.018, 0.022, 0.028);
    let mut glass = Answer::shiny(dark, 0.75);
    if kind > 0.55 {
        // Curtains at the sides or a blind from above.
        let side = (at_cell.0 - 0.5).abs() > 0.09 + 0.1 * unit(h.wrapping_mul(7));
        let blind = at_cell.1 > 0.45 + 0.3 * unit(h.wrapping_mul(5));
        if (kind < 0.8 && side) || (kind >= 0.8 && blind) {
            let cloth = vec3(unit(h.wrapping_mul(11)), unit(h.wrapping_mul(13)), unit(h.wrapping_mul(17)));
            glass.albedo = Vec3::splat(0.45).mix(cloth, 0.3);
            glass.gloss = 0.35;
        }
    }
    let lit = unit(h.wrapping_mul(0x9e37_79b1)) < 0.28;
    if lit && at.light.lamps_on_or_dark() {
        let warm = vec3(1.0, 0.72, 0.38).mix(vec3(0.8, 0.9, 1.0), unit(h.wrapping_mul(23)) * 0.6);
        let fall = 0.6 + 0.4 * at_cell.1;
        glass.glow = warm * (fall * if at.light.night { 0.055 } else { 0.16 });
    }
    glass
}

#[inline(always)]
fn wall_colour(paint: &Paint, u: f32, v: f32, foot: f32) -> Rgb {
    let large = 0.90 + 0.2 * noise2(u * 0.4, v * 0.4, paint.seed);
    match paint.kind {
        BRICK => {
            let shown = detail(0.10, foot);
            let row = floor_i32(v / 0.075);
            let shift = if row & 1 == 0 { 0.0 } else { 0.5 };
            let x = u / 0.24 + shift;
            let tone = 1.0 + 0.5 * (unit(hash2(floor_i32(x), row, paint.seed)) - 0.5) * shown.max(0.1);
            let joint = cover(fract(v / 0.075), 0.0, 0.10, foot / 0.075).max(cover(fract(x), 0.0, 0.04, foot / 0.24));
            (paint.base * tone).mix(Vec3::splat(0.42), joint * 0.6 * shown) * large
        }
        CONCRETE => {
            let seam = cover(fract(u / 2.4), 0.0, 0.008, foot / 2.4).max(cover(
                fract(v / paint.p[0].max(1.0)),
                0.0,
                0.008,
                foot,
            ));
            Vec3::splat(paint.base.luma()).mix(paint.base, 0.35) * (large * (1.0 - 0.4 * seam))
        }
        GLASS => Vec3::splat(0.10) * large,
        _ => paint.base * large,
    }
}

fn shop_front(p: &Point<'_>, at: &Setting<'_>) -> Answer {
    let paint = p.paint;
    let [u, v] = p.uv;
    let storey = paint.p[0];
    let width = paint.p[1] * 2.2;
    let (cell, fx) = (floor_i32(u / width), fract(u / width));
    let h = hash2(cell, 77, paint.seed);
    let sign = vec3(unit(h), unit(h.wrapping_mul(3)), unit(h.wrapping_mul(5))) * 0.55 + Vec3::splat(0.03);
    if v > storey - 0.62 && v < storey - 0.08 {
        // A board with letters: blocks of light colour.
        let letter = hash2(floor_i32(u / 0.22), cell, paint.seed ^ 3);
        let ink = (0.25..0.75).contains(&fx)
            && (v - (storey - 0.35)).abs() < 0.15
            && unit(letter) > 0.3
            && fract(u / 0.22) < 0.7;
        let shown = detail(0.25, p.foot);
        let colour = if ink { sign.mix(Vec3::splat(0.8), shown) } else { sign };
        let glow = if at.light.lamps_on_or_dark() { colour * 0.05 } else { Vec3::ZERO };
        return Answer { albedo: colour, gloss: 0.05, glow };
    }
    let pillar = !(0.06..0.94).contains(&fx) || v < 0.35;
    if pillar || v >= storey - 0.62 {
        return Answer::matt(wall_colour(paint, u, v, p.foot) * 0.9);
    }
    let door = unit(h.wrapping_mul(29)) < 0.5 && (0.42..0.62).contains(&fx);
    let frame = !(0.08..=0.92).contains(&fx) || (door && !(0.44..0.60).contains(&fx));
    if frame {
        return Answer::matt(Vec3::splat(0.05));
    }
    // Goods on shelves behind the glass.
    let tint = vec3(unit(h.wrapping_mul(31)), unit(h.wrapping_mul(37)), unit(h.wrapping_mul(41)));
    let box_h = hash2(floor_i32(u / 0.31), floor_i32(v / 0.42), paint.seed ^ h);
    let there =
        fract(u / 0.31) > 0.12 && fract(v / 0.42) < 0.45 + 0.4 * unit(box_h) && unit(box_h.wrapping_mul(3)) > 0.3;
    let any = vec3(unit(box_h.wrapping_mul(5)), unit(box_h.wrapping_mul(7)), unit(box_h.wrapping_mul(9)));
    let goods = if there { detail(0.5, p.foot) * 0.8 } else { 0.0 };
    let inside = Vec3::splat(0.025).mix(tint.mix(any, 0.6) * 0.22, goods.max(0.15));
    let glow = if at.light.lamps_on_or_dark() {
        (vec3(1.0, 0.85, 0.6) * 0.5 + tint * 0.5).times(Vec3::splat(0.05) + inside * 0.9)
    } else {
        Vec3::ZERO
    };
    Answer { albedo: inside, gloss: 0.7, glow }
}

/// A wall without windows.
pub(crate) fn plain_wall(p: &Point<'_>) -> Answer {
    Answer::matt(wall_colour(p.paint, p.uv[0], p.uv[1], p.foot))
}
