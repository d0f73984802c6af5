//! Filling outlines exactly as the COCO mask API defines it, which decides the last digits of mask AP.
//!
//! The definition (`rleFrPoly`): corners are rounded on a grid five times finer than the pixels; each edge is walked one
//! fine step at a time along its longer axis; wherever the walk crosses the middle of a pixel column, the column's run
//! starts or ends at the row just below; the crossings, sorted in column-major order, are the run boundaries.

use super::rle::{MaskError, Rle};

/// Fine steps a pixel.
const FINE: f64 = 5.0;

/// Outlines reaching further than this from the picture's origin are refused: walking them would take for ever.
pub(super) const COORDINATE_LIMIT: f64 = 100_000.0;

/// Fills each outline and unites them; outlines with fewer than three points or points that are not finite are left
/// out, and it is an error if none remains.
pub(super) fn fill_all(polygons: &[Vec<f64>], height: u32, width: u32) -> Result<Rle, MaskError> {
    if height.checked_mul(width).is_none() {
        return Err(MaskError::TooLarge { height, width });
    }
    let usable = |p: &&Vec<f64>| p.len() >= 6 && p.iter().all(|v| v.abs() <= COORDINATE_LIMIT);
    let mut masks = polygons.iter().filter(usable).map(|p| fill(p, height, width));
    let first = masks.next().ok_or(MaskError::Outline)?;
    Ok(masks.fold(first, |all, mask| all.union(&mask)))
}

/// Fills one outline x0 y0 x1 y1 ... (three points or more, all within [`COORDINATE_LIMIT`]).
pub(super) fn fill(points: &[f64], height: u32, width: u32) -> Rle {
    // Truncation towards zero is the definition's, also left of the picture.
    let mut corners: Vec<(i64, i64)> =
        points.chunks_exact(2).map(|p| ((FINE * p[0] + 0.5) as i64, (FINE * p[1] + 0.5) as i64)).collect();
    if let Some(&first) = corners.first() {
        corners.push(first);
    }
    let mut boundary = Boundary { crossings: Vec::new(), previous: None, height, width };
    for pair in corners.windows(2) {
        walk_edge(pair[0], pair[1], |u, v| boundary.step(u, v));
    }
    runs_from_crossings(boundary.crossings, height, width)
}

/// Visits the fine grid points of the edge from `a` to `b`, both ends included, one step along the longer axis at a time.
fn walk_edge(a: (i64, i64), b: (i64, i64), mut visit: impl FnMut(i64, i64)) {
    let (dx, dy) = ((b.0 - a.0).abs(), (b.1 - a.1).abs());
    let flat = dx >= dy;
    // The slope is always taken from the lower end of the longer axis, so that both directions round alike.
    let flip = if flat { a.0 > b.0 } else { a.1 > b.1 };
    let (start, end) = if flip { (b, a) } else { (a, b) };
    let slope = match (flat, dx, dy) {
        (true, 0, _) => 0.0,
        (true, ..) => (end.1 - start.1) as f64 / dx as f64,
        (false, ..) => (end.0 - start.0) as f64 / dy as f64,
    };
    let length = dx.max(dy);
    for d in 0..=length {
        let t = if flip { length - d } else { d };
        if flat {
            visit(start.0 + t, (start.1 as f64 + slope * t as f64 + 0.5) as i64);
        } else {
            visit((start.0 as f64 + slope * t as f64 + 0.5) as i64, start.1 + t);
        }
    }
}

/// Collects where a walk crosses the middles of pixel columns, as column-major pixel indices.
struct Boundary {
    crossings: Vec<u64>,
    previous: Option<(i64, i64)>,
    height: u32,
    width: u32,
}

impl Boundary {
    fn step(&mut self, u: i64, v: i64) {
        let Some((pu, pv)) = self.previous.replace((u, v)) else { return };
        if u == pu {
            return;
        }
        let fine_column = if u < pu { u } else { u - 1 };
        let column = (fine_column as f64 + 0.5) / FINE - 0.5;
        if column.floor() != column || column < 0.0 || column > f64::from(self.width) - 1.0 {
            return;
        }
        let row = (v.min(pv) as f64 + 0.5) / FINE - 0.5;
        let row = row.clamp(0.0, f64::from(self.height)).ceil();
        self.crossings.push(column as u64 * u64::from(self.height) + row as u64);
    }
}

/// Run lengths between the sorted crossings; a pair of equal crossings encloses nothing and vanishes.
fn runs_from_crossings(mut crossings: Vec<u64>, height: u32, width: u32) -> Rle {
    crossings.push(u64::from(height) * u64::from(width));
    crossings.sort_unstable();
    let mut counts: Vec<u32> = Vec::with_capacity(crossings.len());
    let (mut previous, mut join) = (0, false);
    for (i, crossing) in crossings.into_iter().enumerate() {
        let run = (crossing - previous) as u32;
        previous = crossing;
        match counts.last_mut() {
            Some(last) if join => {
                *last += run;
                join = false;
            }
            // An empty run is dropped and what follows joins the run before it.
            _ if run == 0 && i > 0 => join = true,
            _ => counts.push(run),
        }
    }
    Rle { height, width, counts }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rectangle_on_pixel_edges_is_filled_exactly() {
        let mask = fill(&[1.0, 2.0, 1.0, 5.0, 4.0, 5.0, 4.0, 2.0], 8, 9);
        assert_eq!(mask.area(), 9);
        assert_eq!(mask.bounds(), [1.0, 2.0, 3.0, 3.0]);
        assert_eq!(mask.counts.iter().sum::<u32>(), 72);
    }

    #[test]
    fn an_outline_beyond_the_picture_is_cut() {
        let mask = fill(&[-10.0, -10.0, -10.0, 20.0, 30.0, 20.0, 30.0, -10.0], 4, 5);
        assert_eq!(mask.area(), 20);
        assert_eq!(fill_all(&[vec![0.0, 0.0, f64::NAN, 1.0, 2.0, 2.0]], 4, 5), Err(MaskError::Outline));
        assert!(matches!(fill_all(&[vec![0.0; 6]], u32::MAX, 5), Err(MaskError::TooLarge { .. })));
        assert_eq!(fill_all(&[vec![0.0; 4]], 4, 5), Err(MaskError::Outline));
        assert_eq!(fill_all(&[vec![0.0, 0.0, 1e300, 1.0, 2.0, 2.0]], 4, 5), Err(MaskError::Outline));
    }
}
