//! The soft dark below things that stand on the ground: where they are, cell by cell.

use crate::math::{Vec3, clamp01, floor_i32, smoothstep};

/// Side of a cell.
const CELL_M: f32 = 4.0;
/// Cells on a side; the square is centred ahead of the camera.
const SIDE: usize = 40;
/// Things a cell can hold; the nearest ones come first and win.
const PER_CELL: usize = 4;
/// How far the dark reaches beyond a thing's outline.
const REACH_M: f32 = 0.55;

/// Outline of a thing on the ground.
#[derive(Debug, Clone, Copy)]
struct Outline {
    middle: Vec3,
    ahead: [f32; 2],
    half: [f32; 2],
}

/// Outlines by cell.
#[derive(Debug, Clone, Default)]
pub(crate) struct Contacts {
    outlines: Vec<Outline>,
    cells: Vec<[u8; PER_CELL]>,
    corner: [f32; 2],
}

impl Contacts {
    /// Forgets all and centres the cells on `middle`.
    pub(crate) fn begin(&mut self, middle: Vec3) {
        self.outlines.clear();
        self.cells.clear();
        self.cells.resize(SIDE * SIDE, [u8::MAX; PER_CELL]);
        let half = CELL_M * SIDE as f32 * 0.5;
        self.corner = [middle.x - half, middle.y - half];
    }

    /// Adds a thing: its middle on the ground, the direction of its length, half length and half width.
    pub(crate) fn add(&mut self, middle: Vec3, ahead: [f32; 2], half: [f32; 2]) {
        if self.outlines.len() >= usize::from(u8::MAX) {
            return;
        }
        let index = self.outlines.len() as u8;
        self.outlines.push(Outline { middle, ahead, half });
        let reach = (half[0] * half[0] + half[1] * half[1]).sqrt() + REACH_M;
        let cell = |v: f32, c: f32| floor_i32((v - c) / CELL_M).clamp(0, SIDE as i32 - 1) as usize;
        let inside = |v: f32, c: f32| v + reach > c && v - reach < c + CELL_M * SIDE as f32;
        if !inside(middle.x, self.corner[0]) || !inside(middle.y, self.corner[1]) {
            return;
        }
        for y in cell(middle.y - reach, self.corner[1])..=cell(middle.y + reach, self.corner[1]) {
            for x in cell(middle.x - reach, self.corner[0])..=cell(middle.x + reach, self.corner[0]) {
                if let Some(slot) = self.cells[y * SIDE + x].iter_mut().find(|s| **s == u8::MAX) {
                    *slot = index;
                }
            }
        }
    }

    /// Share of the sky's light that reaches the ground at a point.
    #[inline]
    pub(crate) fn open(&self, p: Vec3) -> f32 {
        let (x, y) = (floor_i32((p.x - self.corner[0]) / CELL_M), floor_i32((p.y - self.corner[1]) / CELL_M));
        if x < 0 || y < 0 || x as usize >= SIDE || y as usize >= SIDE {
            return 1.0;
        }
        let mut open = 1.0;
        for &index in &self.cells[y as usize * SIDE + x as usize] {
            let Some(o) = self.outlines.get(usize::from(index)) else { break };
            let (dx, dy) = (p.x - o.middle.x, p.y - o.middle.y);
            let along = (dx * o.ahead[0] + dy * o.ahead[1]).abs() - o.half[0];
            let across = (dy * o.ahead[0] - dx * o.ahead[1]).abs() - o.half[1];
            let (ox, oy) = (along.max(0.0), across.max(0.0));
            let outside = (ox * ox + oy * oy).sqrt();
            let inside = clamp01(-along.max(across) / 0.5);
            open *= 1.0 - (0.62 + 0.3 * inside) * smoothstep(REACH_M, -0.05, outside);
        }
        open
    }
}
