//! Which triangle each sample sees, and how far away: exact, band by band, in the triangles' order.

use std::ops::Range;

use rayon::prelude::*;

use super::lens::Lens;
use super::setup::{Draw, NEAR_M, Ready, prepare};
use crate::math::Vec3;

/// Rows handled together by one task; also the unit of parallel shading. Small: most of a street lies in a few rows
/// around the horizon.
pub(crate) const BAND_ROWS: usize = 8;
/// No triangle.
pub(crate) const NOTHING: u32 = u32::MAX;

/// Scratch and result of the visibility pass.
#[derive(Debug, Clone, Default)]
pub(crate) struct Visibility {
    pub(crate) ready: Vec<Ready>,
    /// Samples a pixel.
    pub(crate) samples: usize,
    /// 1/z along the optical axis of each pixel's samples, side by side, pixels row-major; 0 for the sky.
    inverse_z: Vec<f32>,
    /// Index into the ready triangles, or [`NOTHING`], in the same order.
    seen: Vec<u32>,
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
        self.samples = lens.samples;
        let row = lens.width * lens.samples;
        self.inverse_z.resize(row * lens.height, 0.0);
        self.seen.resize(row * lens.height, NOTHING);
        let (ready, bands, size) = (&self.ready, &self.bands, BAND_ROWS * row);
        let work = self.inverse_z.par_chunks_mut(size).zip(self.seen.par_chunks_mut(size)).enumerate();
        work.for_each(|(band, (z, seen))| {
            z.fill(0.0);
            seen.fill(NOTHING);
            for &index in &bands[band] {
                cover(&ready[index as usize], index, (band * BAND_ROWS, lens), (z, seen));
            }
        });
    }

    /// What the samples of a pixel see: indices into the ready triangles, or [`NOTHING`].
    #[inline(always)]
    pub(crate) fn seen(&self, at: usize) -> &[u32] {
        &self.seen[at * self.samples..(at + 1) * self.samples]
    }

    /// 1/z along the optical axis of what a pixel's centre sees; 0 for the sky.
    #[inline(always)]
    pub(crate) fn inverse_z(&self, at: usize) -> f32 {
        self.inverse_z[at * self.samples]
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

/// Marks the samples of one band, whose first row is `start`, that see the triangle.
#[inline]
fn cover(ready: &Ready, index: u32, (start, lens): (usize, &Lens), (z, seen): (&mut [f32], &mut [u32])) {
    let row = lens.width * lens.samples;
    let rows = z.len() / row;
    let (y0, y1) = ((ready.y[0] as usize).max(start), (ready.y[1] as usize).min(start + rows));
    let (x0, x1) = (ready.x[0] as usize * lens.samples, ready.x[1] as usize * lens.samples);
    let [e0, e1, e2] = ready.e;
    for y in y0..y1 {
        let source = y * row + x0..y * row + x1;
        let target = (y - start) * row + x0..(y - start) * row + x1;
        let (xs, ys) = (&lens.rays[0][source.clone()], &lens.rays[1][source]);
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
