//! Depth maps of several teachers brought to one: a global scale and shift each, then the median, pixel by pixel.
//!
//! The first metric map is the measure; each other map is fitted to it in inverse depth (percept's robust fit), relative
//! maps and metric ones alike, for metric networks too are wrong by a factor on cameras they do not know. Without any
//! metric map there is nothing to fuse: relative depth is never called metres.

use ocellus_percept::depth::DepthMap;
use ocellus_percept::detection::BoxPx;
use ocellus_percept::fuse::{DepthFit, DepthFitError, DepthScaler};
use ocellus_percept::model::DepthKind;

/// Fits whose residual (relative error of depth) is larger are flagged.
pub const RESIDUAL_MAX: f64 = 0.1;

/// The fused map's longer side, cells: depth varies slowly, and objects are looked at by their median.
const CELLS: usize = 160;

/// Cells in which an object's depth is read lie in this middle share of its box: borders hold the background.
const MIDDLE: f32 = 0.5;

/// Several maps as one, in metres along the optical axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Fused {
    /// Columns and rows.
    pub size: (usize, usize),
    /// Row-major; NaN where no teacher knows.
    pub depth_m: Vec<f32>,
    /// By map: its fit to the first metric one, or why there is none. That one itself is not in the list.
    pub fits: Vec<(usize, Result<DepthFit, DepthFitError>)>,
    picture: (f32, f32),
}

/// Fuses `maps` of a picture of `size` pixels; `None` where none is metric.
pub fn fuse(maps: &[DepthMap], (width, height): (u32, u32), scaler: &mut DepthScaler) -> Option<Fused> {
    let measure_at = maps.iter().position(|m| m.kind == DepthKind::Metric)?;
    let measure = maps.get(measure_at)?;
    let step = (width.max(height) as usize).div_ceil(CELLS).max(1) as f32;
    let size = ((width as f32 / step).ceil() as usize, (height as f32 / step).ceil() as usize);
    let centres =
        || (0..size.1).flat_map(|r| (0..size.0).map(move |c| ((c as f32 + 0.5) * step, (r as f32 + 0.5) * step)));
    let mut fits = Vec::new();
    for (index, map) in maps.iter().enumerate().filter(|(i, _)| *i != measure_at) {
        let pairs = centres().filter_map(|(u, v)| Some((map.at_source(u, v)?, measure.at_source(u, v)?)));
        fits.push((index, scaler.fit_values(map.kind, pairs)));
    }
    let mut known = Vec::with_capacity(maps.len());
    let depth_m = centres().map(|(u, v)| {
        known.clear();
        known.extend(measure.at_source(u, v));
        for (index, fit) in &fits {
            let (Some(map), Ok(fit)) = (maps.get(*index), fit) else { continue };
            known.extend(map.at_source(u, v).and_then(|value| fit.depth_m(map.kind, value)));
        }
        median(&mut known)
    });
    let depth_m = depth_m.collect();
    Some(Fused { size, depth_m, fits, picture: (width as f32, height as f32) })
}

impl Fused {
    /// The depth of an object: the median over the middle of its box, metres; `None` where nothing is known there.
    pub fn of_box(&self, bbox: &BoxPx) -> Option<f32> {
        let (across, down) = (self.size.0 as f32 / self.picture.0, self.size.1 as f32 / self.picture.1);
        let span = |low: f32, high: f32, scale: f32, cells: usize| {
            let (middle, half) = ((low + high) / 2.0, (high - low) * MIDDLE / 2.0);
            let first = ((middle - half) * scale).max(0.0) as usize;
            let last = (((middle + half) * scale).max(0.0) as usize).min(cells.saturating_sub(1));
            first.min(last)..=last
        };
        let mut inside = Vec::new();
        for row in span(bbox.y0, bbox.y1, down, self.size.1) {
            for column in span(bbox.x0, bbox.x1, across, self.size.0) {
                inside.extend(self.depth_m.get(row * self.size.0 + column).copied().filter(|d| d.is_finite()));
            }
        }
        let depth = median(&mut inside);
        depth.is_finite().then_some(depth)
    }

    /// Whether a teacher could not be fitted, or only loosely.
    pub fn is_doubtful(&self) -> bool {
        self.fits.iter().any(|(_, fit)| fit.as_ref().map_or(true, |f| f.residual > RESIDUAL_MAX))
    }
}

/// The lower median; NaN of nothing.
fn median(values: &mut [f32]) -> f32 {
    values.sort_by(f32::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(f32::NAN)
}
