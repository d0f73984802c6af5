//! Edges of a picture as fields to climb: how near, at each pixel, the next strong edge is.
//!
//! Two fields: edges that stand (met by crossing columns) and edges that lie (met by crossing rows). A gradient counts against
//! the picture's own strong ones, so that light and dark pictures say as much. Each field falls off from an edge by a
//! constant factor a pixel, so that a point beside an edge feels where it is.

use crate::image::{ImageView, PixelFormat};

/// A gradient as strong as this share of the picture's pixels have is a full edge.
const STRONG_SHARE: f64 = 0.08;

/// Edges of one picture, 0 to 255 a pixel.
#[derive(Debug, Clone, Default)]
pub struct EdgeField {
    width: usize,
    height: usize,
    /// Standing edges, then lying ones.
    fields: [Vec<u8>; 2],
    mean: [f64; 2],
}

/// Which edges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// Left and right ends of things.
    Standing,
    /// Upper and lower ends of things.
    Lying,
}

impl EdgeField {
    /// The edges of `picture`, which fall off to a third within `reach_px`. `None` for a layout without a grey plane.
    pub fn new(picture: ImageView<'_>, reach_px: f32) -> Option<Self> {
        let (width, height) = (picture.width(), picture.height());
        let grey = grey(picture)?;
        let keep = (-1.0 / reach_px.max(0.5)).exp();
        let mut field = Self { width, height, ..Self::default() };
        for (k, step) in [1, width].into_iter().enumerate() {
            let mut edges = gradient(&grey, width, height, step);
            spread(&mut edges, width, height, keep);
            let sum: f64 = edges.iter().map(|e| f64::from(*e)).sum();
            field.mean[k] = sum / edges.len().max(1) as f64;
            field.fields[k] = edges.iter().map(|e| *e as u8).collect();
        }
        Some(field)
    }

    /// How much more edge there is at a place (continuous pixels) than on average; `None` outside the picture.
    pub fn at(&self, edge: Edge, x: f64, y: f64) -> Option<f64> {
        let (x, y) = (x - 0.5, y - 0.5);
        if !(x >= 0.0 && y >= 0.0) {
            return None;
        }
        let (column, row) = (x as usize, y as usize);
        if column + 1 >= self.width || row + 1 >= self.height {
            return None;
        }
        let k = edge as usize;
        let field = self.fields.get(k)?;
        let value =
            |dx: usize, dy: usize| field.get((row + dy) * self.width + column + dx).map_or(0.0, |v| f64::from(*v));
        let (u, v) = (x - column as f64, y - row as f64);
        let upper = value(0, 0) * (1.0 - u) + value(1, 0) * u;
        let lower = value(0, 1) * (1.0 - u) + value(1, 1) * u;
        Some((upper * (1.0 - v) + lower * v - self.mean.get(k)?) / 255.0)
    }
}

/// The picture in grey.
fn grey(picture: ImageView<'_>) -> Option<Vec<f32>> {
    let data = picture.data();
    Some(match picture.format() {
        PixelFormat::Rgb8 | PixelFormat::Bgr8 => data
            .as_chunks::<3>()
            .0
            .iter()
            .map(|[a, b, c]| f32::from(*a) + 2.0 * f32::from(*b) + f32::from(*c))
            .collect(),
        PixelFormat::Gray8 => data.iter().map(|v| 4.0 * f32::from(*v)).collect(),
        PixelFormat::Yuyv | PixelFormat::Nv12 => return None,
    })
}

/// Central differences along `step`, 255 for the picture's strong ones.
fn gradient(grey: &[f32], width: usize, height: usize, step: usize) -> Vec<f32> {
    let mut edges = vec![0.0; width * height];
    for (i, edge) in edges.iter_mut().enumerate().skip(step).take((width * height).saturating_sub(2 * step)) {
        let inside = step != 1 || !matches!(i % width, 0) && i % width + 1 != width;
        let (before, after) = (grey.get(i - step), grey.get(i + step));
        if let (true, Some(before), Some(after)) = (inside, before, after) {
            *edge = (after - before).abs();
        }
    }
    let mut sorted = edges.clone();
    let rank = ((1.0 - STRONG_SHARE) * sorted.len() as f64) as usize;
    let strong = if rank < sorted.len() { *sorted.select_nth_unstable_by(rank, f32::total_cmp).1 } else { 1.0 };
    let scale = 255.0 / strong.max(1.0);
    edges.iter_mut().for_each(|e| *e = (*e * scale).min(255.0));
    edges
}

/// Lets each edge shine on its surroundings, falling by `keep` a pixel: once forwards, once backwards.
fn spread(edges: &mut [f32], width: usize, height: usize, keep: f32) {
    let length = width * height;
    for i in 0..length {
        let left = if i % width > 0 { edges.get(i - 1) } else { None };
        let above = i.checked_sub(width).and_then(|a| edges.get(a));
        let shine = keep * left.copied().unwrap_or(0.0).max(above.copied().unwrap_or(0.0));
        if let Some(edge) = edges.get_mut(i) {
            *edge = edge.max(shine);
        }
    }
    for i in (0..length).rev() {
        let right = if i % width + 1 < width { edges.get(i + 1) } else { None };
        let shine = keep * right.copied().unwrap_or(0.0).max(edges.get(i + width).copied().unwrap_or(0.0));
        if let Some(edge) = edges.get_mut(i) {
            *edge = edge.max(shine);
        }
    }
}
