//! Which triangle each sample sees, and how far away: exact, band by band, in the triangles' order.

use std::ops::Range;

use rayon::prelude::*;

use super::lens::Lens;
use super::setup::{Draw, NEAR_M, Ready, prepare};
use crate::math::Vec3;

/// Rows handled together by one task; also the unit of parallel shading.
pub(crate) const BAND_ROWS: usize = 16;
/// No triangle.
pub(crate) const NOTHING: u32 = u32::MAX;

/// What one sample of every pixel sees.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plane {
    /// 1/z along the optical axis, 0 for the sky.
    pub(crate) inverse_z: Vec<f32>,
    /// Index into the ready triangles, or [`NOTHING`].
    pub(crate) seen: Vec<u32>,
}

/// Scratch and result of the visibility pass.
#[derive(Debug, Clone, Default)]
pub(crate) struct Visibility {
    pub(crate) ready: Vec<Ready>,
    pub(crate) planes: Vec<Plane>,
    /// Where each draw's triangles lie in `ready`.
    pub(crate) ranges: Vec<Range<usize>>,
    per_draw: Vec<(Vec<Vec3>, Vec<Ready>)>,
    bands: Vec<Vec<u32>>,
}

impl Visibility {
    /// Finds what is seen of `draws`.
    pub(crate) fn find(&mut self, lens: &Lens, draws: &[Draw<'_>]) {
        self.prepare(lens, draws);
        self.bin(lens);
        let (width, height) = (lens.width, lens.height);
        self.planes.resize_with(lens.rays.len(), Plane::default);
        let (ready, bands) = (&self.ready, &self.bands);
        for (plane, rays) in self.planes.iter_mut().zip(&lens.rays) {
            plane.inverse_z.resize(width * height, 0.0);
            plane.seen.resize(width * height, NOTHING);
            let size = BAND_ROWS * width;
            let work = plane.inverse_z.par_chunks_mut(size).zip(plane.seen.par_chunks_mut(size)).enumerate();
            work.for_each(|(band, (z, seen))| {
                z.fill(0.0);
                seen.fill(NOTHING);
                let start = band * BAND_ROWS;
                for &index in &bands[band] {
                    cover(&ready[index as usize], index, (start, width), rays, (z, seen));
                }
            });
        }
    }

    fn prepare(&mut self, lens: &Lens, draws: &[Draw<'_>]) {
        if self.per_draw.len() < draws.len() {
            self.per_draw.resize_with(draws.len(), Default::default);
        }
        self.per_draw[..draws.len()].par_iter_mut().zip(draws).enumerate().for_each(|(i, (scratch, draw))| {
            prepare(lens, draw, i as u32, &mut scratch.0, &mut scratch.1);
        });
        self.ready.clear();
        self.ranges.clear();
        for (_, ready) in &self.per_draw[..draws.len()] {
            self.ranges.push(self.ready.len()..self.ready.len() + ready.len());
            self.ready.extend_from_slice(ready);
        }
    }

    fn bin(&mut self, lens: &Lens) {
        self.bands.resize_with(lens.height.div_ceil(BAND_ROWS), Vec::new);
        self.bands.iter_mut().for_each(Vec::clear);
        for (i, ready) in self.ready.iter().enumerate() {
            let (first, last) = (ready.y[0] as usize / BAND_ROWS, (ready.y[1] as usize - 1) / BAND_ROWS);
            for band in &mut self.bands[first..=last] {
                band.push(i as u32);
            }
        }
    }
}

/// Marks the samples of one band that see the triangle.
#[inline]
fn cover(ready: &Ready, index: u32, band: (usize, usize), rays: &[Vec<f32>; 2], out: (&mut [f32], &mut [u32])) {
    let (start, width) = band;
    let (z, seen) = out;
    let rows = z.len() / width;
    let (y0, y1) = ((ready.y[0] as usize).max(start), (ready.y[1] as usize).min(start + rows));
    let (x0, x1) = (ready.x[0] as usize, ready.x[1] as usize);
    let [e0, e1, e2] = ready.e;
    for y in y0..y1 {
        let source = y * width + x0..y * width + x1;
        let target = (y - start) * width + x0..(y - start) * width + x1;
        let (xs, ys) = (&rays[0][source.clone()], &rays[1][source]);
        let (z, seen) = (&mut z[target.clone()], &mut seen[target]);
        // Written without branches so that it vectorises: most samples of a box are tested in vain.
        for (((x, y), z), seen) in xs.iter().zip(ys).zip(z.iter_mut()).zip(seen.iter_mut()) {
            let b0 = e0.x * x + e0.y * y + e0.z;
            let b1 = e1.x * x + e1.y * y + e1.z;
            let b2 = e2.x * x + e2.y * y + e2.z;
            let inverse = b0 + b1 + b2;
            let hit = (b0 >= 0.0) & (b1 >= 0.0) & (b2 >= 0.0) & (inverse > *z) & (inverse < 1.0 / NEAR_M);
            *z = if hit { inverse } else { *z };
            *seen = if hit { index } else { *seen };
        }
    }
}
