//! Which triangle each sample sees, and how far away: exact, band by band, in the triangles' order.

use std::ops::Range;

use rayon::prelude::*;

use super::bounds::BLOCK_COLUMNS;
use super::lens::Lens;
use super::setup::{Corner, Draw, NEAR_M, Ready, prepare};
use crate::math::{most, wide};

/// Rows handled together by one task; also the unit of parallel shading. Small: most of a street lies in a few rows
/// around the horizon.
pub(crate) const BAND_ROWS: usize = 8;
/// Samples side by side that are tested together for a small triangle.
const WINDOW: usize = 16;
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
    per_draw: Vec<(Vec<Corner>, Vec<Ready>)>,
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
            cover_band((band, lens), ready, &bands[band], (z, seen));
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

wide! {
    /// Marks what the samples of a band see, given the triangles that may lie there.
    fn cover_band(place: (usize, &Lens), ready: &[Ready], indices: &[u32], target: (&mut [f32], &mut [u32])) = cover_all;
}

#[inline(always)]
fn cover_all(place: (usize, &Lens), ready: &[Ready], indices: &[u32], target: (&mut [f32], &mut [u32])) {
    for &index in indices {
        cover(&ready[index as usize], index, place, (&mut *target.0, &mut *target.1));
    }
}

/// Marks the samples of a band that see the triangle, leaving out blocks that lie wholly beyond one of its edges.
#[inline(always)]
fn cover(ready: &Ready, index: u32, (band, lens): (usize, &Lens), target: (&mut [f32], &mut [u32])) {
    let (x0, x1) = (ready.x[0] as usize, ready.x[1] as usize);
    let (first, last) = (x0 / BLOCK_COLUMNS, (x1 - 1) / BLOCK_COLUMNS);
    let (z, seen) = target;
    let mut from = x0;
    // One block alone is hardly ever missed.
    if first < last {
        for (k, block) in lens.blocks(band)[first..=last].iter().enumerate() {
            if !ready.e.iter().all(|e| block.may_reach(*e)) {
                let start = (first + k) * BLOCK_COLUMNS;
                cover_columns(ready, index, (band, lens), from..start, (&mut *z, &mut *seen));
                from = start + BLOCK_COLUMNS;
            }
        }
    }
    cover_columns(ready, index, (band, lens), from..x1, (z, seen));
}

/// Marks the samples of some columns of a band that see the triangle.
#[inline(always)]
fn cover_columns(
    ready: &Ready,
    index: u32,
    place: (usize, &Lens),
    columns: Range<usize>,
    target: (&mut [f32], &mut [u32]),
) {
    let (samples, row) = (columns.len() * place.1.samples, place.1.width * place.1.samples);
    match samples {
        0 => {}
        1..=WINDOW if row >= WINDOW => cover_window(ready, index, place, columns, target),
        _ => cover_rows(ready, index, place, columns, target),
    }
}

/// The same for the few columns of a small triangle: in each row one window of samples that holds them all, which
/// costs less than to begin and end a row of any length.
#[inline(always)]
fn cover_window(
    ready: &Ready,
    index: u32,
    (band, lens): (usize, &Lens),
    columns: Range<usize>,
    (z, seen): (&mut [f32], &mut [u32]),
) {
    let (row, start) = (lens.width * lens.samples, band * BAND_ROWS);
    let (y0, y1) = ((ready.y[0] as usize).max(start), (ready.y[1] as usize).min(start + BAND_ROWS));
    let (x0, x1) = (columns.start * lens.samples, columns.end * lens.samples);
    let lanes = if x1 - x0 <= WINDOW / 2 { WINDOW / 2 } else { WINDOW };
    let first = x0.min(row - lanes);
    // Of the window's other samples none is near enough.
    let (from, to) = ((x0 - first) as u32, (x1 - first) as u32);
    let ours = |k: usize| (k as u32 >= from) & ((k as u32) < to);
    let nearest: [f32; WINDOW] = std::array::from_fn(|k| if ours(k) { 0.0 } else { f32::INFINITY });
    for y in y0..y1 {
        let (source, target) = (y * row + first, (y - start) * row + first);
        let rays = lens.rays[0][source..source + lanes].iter().zip(&lens.rays[1][source..source + lanes]);
        let target = z[target..target + lanes].iter_mut().zip(&mut seen[target..target + lanes]);
        for (((x, y), (z, seen)), nearest) in rays.zip(target).zip(&nearest) {
            let (hit, inverse) = hit(ready, *x, *y, most(*z, *nearest));
            *z = if hit { inverse } else { *z };
            *seen = if hit { index } else { *seen };
        }
    }
}

/// Whether a ray meets the triangle before what is at the inverse depth `z`, and at which.
#[inline(always)]
fn hit(ready: &Ready, x: f32, y: f32, z: f32) -> (bool, f32) {
    let [e0, e1, e2] = ready.e;
    let b0 = e0.x * x + e0.y * y + e0.z;
    let b1 = e1.x * x + e1.y * y + e1.z;
    let b2 = e2.x * x + e2.y * y + e2.z;
    let inverse = b0 + b1 + b2;
    ((b0 >= 0.0) & (b1 >= 0.0) & (b2 >= 0.0) & (inverse > z) & (inverse < 1.0 / NEAR_M), inverse)
}

#[inline(always)]
fn cover_rows(
    ready: &Ready,
    index: u32,
    (band, lens): (usize, &Lens),
    columns: Range<usize>,
    (z, seen): (&mut [f32], &mut [u32]),
) {
    let (row, start) = (lens.width * lens.samples, band * BAND_ROWS);
    let (y0, y1) = ((ready.y[0] as usize).max(start), (ready.y[1] as usize).min(start + BAND_ROWS));
    let (x0, x1) = (columns.start * lens.samples, columns.end * lens.samples);
    for y in y0..y1 {
        let source = y * row + x0..y * row + x1;
        let target = (y - start) * row + x0..(y - start) * row + x1;
        let (xs, ys) = (&lens.rays[0][source.clone()], &lens.rays[1][source]);
        let (z, seen) = (&mut z[target.clone()], &mut seen[target]);
        // Written without branches so that it vectorises: most samples of a box are tested in vain.
        for (((x, y), z), seen) in xs.iter().zip(ys).zip(z.iter_mut()).zip(seen.iter_mut()) {
            let (hit, inverse) = hit(ready, *x, *y, *z);
            *z = if hit { inverse } else { *z };
            *seen = if hit { index } else { *seen };
        }
    }
}
