//! The map between pixels of the source picture and pixels of the network's input.
//!
//! Both coordinates are continuous (pixel (0, 0) covers 0..1), so that the map is one scale and one offset per axis:
//! `network = source * scale + pad`. Resizing with half-pixel centres is exactly this map. Moves no pixels itself.

use crate::detection::BoxPx;
use crate::model::Resize;

/// Where the source picture lies in the network's input. Made by [`Letterbox::new`]; all sizes are at least 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Letterbox {
    /// Columns of the source picture.
    pub source_width: usize,
    /// Rows of the source picture.
    pub source_height: usize,
    /// Columns of the network's input.
    pub network_width: usize,
    /// Rows of the network's input.
    pub network_height: usize,
    /// Columns that the resized picture takes in the network's input.
    pub content_width: usize,
    /// Rows that it takes.
    pub content_height: usize,
    /// Column of its left edge.
    pub left: usize,
    /// Row of its top edge.
    pub top: usize,
    /// Network columns per source column.
    pub scale_x: f32,
    /// Network rows per source row.
    pub scale_y: f32,
    /// Network column of the source picture's left edge.
    pub pad_x: f32,
    /// Network row of its top edge.
    pub pad_y: f32,
}

impl Letterbox {
    /// Places a `source` picture (columns, rows) in a `network` input. With the aspect ratio kept, the picture takes
    /// `round(side * ratio)` pixels; centred padding puts the odd pixel right and below, as Ultralytics does. A size
    /// of zero counts as one.
    pub fn new(resize: Resize, source: (usize, usize), network: (usize, usize)) -> Self {
        let (source_width, source_height) = (source.0.max(1), source.1.max(1));
        let (network_width, network_height) = (network.0.max(1), network.1.max(1));
        let ratio = (network_width as f64 / source_width as f64).min(network_height as f64 / source_height as f64);
        let fitted = |side: usize, limit: usize| {
            // Ties to even, as Python's round() in the code these networks were trained with.
            ((side as f64 * ratio).round_ties_even() as usize).clamp(1, limit)
        };
        let (content_width, content_height) = match resize {
            Resize::Stretch => (network_width, network_height),
            Resize::LetterboxCentre | Resize::LetterboxTopLeft => {
                (fitted(source_width, network_width), fitted(source_height, network_height))
            }
        };
        let (left, top) = match resize {
            Resize::LetterboxCentre => {
                (centred_pad(network_width - content_width), centred_pad(network_height - content_height))
            }
            Resize::LetterboxTopLeft | Resize::Stretch => (0, 0),
        };
        Self {
            source_width,
            source_height,
            network_width,
            network_height,
            content_width,
            content_height,
            left,
            top,
            scale_x: (content_width as f64 / source_width as f64) as f32,
            scale_y: (content_height as f64 / source_height as f64) as f32,
            pad_x: left as f32,
            pad_y: top as f32,
        }
    }

    /// Source pixel coordinate of a network pixel coordinate; may lie outside the picture.
    pub fn source_from_network(&self, x: f32, y: f32) -> (f32, f32) {
        ((x - self.pad_x) / self.scale_x, (y - self.pad_y) / self.scale_y)
    }

    /// Network pixel coordinate of a source pixel coordinate.
    pub fn network_from_source(&self, x: f32, y: f32) -> (f32, f32) {
        (x * self.scale_x + self.pad_x, y * self.scale_y + self.pad_y)
    }

    /// A box in network pixels as a box in source pixels; may reach out of the picture.
    pub fn source_box_from_network(&self, network: &BoxPx) -> BoxPx {
        let (x0, y0) = self.source_from_network(network.x0, network.y0);
        let (x1, y1) = self.source_from_network(network.x1, network.y1);
        BoxPx { x0, y0, x1, y1 }
    }

    /// What of a box in source pixels lies in the picture.
    pub fn clipped(&self, source: &BoxPx) -> BoxPx {
        source.within((self.source_width, self.source_height))
    }
}

/// Padding before the picture where `free` pixels are shared between both sides: `round(free / 2 - 0.1)`.
fn centred_pad(free: usize) -> usize {
    free / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Resize; 3] = [Resize::LetterboxCentre, Resize::LetterboxTopLeft, Resize::Stretch];

    #[test]
    fn sizes_and_padding_are_those_of_ultralytics() {
        let wide = Letterbox::new(Resize::LetterboxCentre, (1280, 720), (640, 640));
        assert_eq!((wide.content_width, wide.content_height, wide.left, wide.top), (640, 360, 0, 140));
        let odd = Letterbox::new(Resize::LetterboxCentre, (1242, 375), (640, 640));
        assert_eq!((odd.content_width, odd.content_height, odd.left, odd.top), (640, 193, 0, 223));
        let corner = Letterbox::new(Resize::LetterboxTopLeft, (1242, 375), (416, 416));
        assert_eq!((corner.content_width, corner.content_height, corner.left, corner.top), (416, 126, 0, 0));
        let thin = Letterbox::new(Resize::LetterboxCentre, (10_000, 3), (320, 192));
        assert_eq!((thin.content_width, thin.content_height), (320, 1));
    }

    #[test]
    fn there_and_back_is_the_same_point() {
        for resize in ALL {
            for source in [(1280, 720), (1242, 375), (33, 977), (1, 1)] {
                for network in [(640, 640), (416, 256), (32, 640)] {
                    let map = Letterbox::new(resize, source, network);
                    for step in 0..=20 {
                        let t = step as f32 / 20.0;
                        let (x, y) = (source.0 as f32 * t, source.1 as f32 * (1.0 - t));
                        let (u, v) = map.network_from_source(x, y);
                        assert!(u >= -1e-3 && u <= network.0 as f32 + 1e-3 && v >= -1e-3, "{map:?} {u} {v}");
                        let (bx, by) = map.source_from_network(u, v);
                        assert!((bx - x).abs() < 1e-2 && (by - y).abs() < 1e-2, "{map:?}: {x},{y} -> {bx},{by}");
                    }
                }
            }
        }
    }

    #[test]
    fn boxes_are_clipped_to_the_picture() {
        let map = Letterbox::new(Resize::LetterboxCentre, (200, 100), (400, 400));
        let all = map.source_box_from_network(&BoxPx { x0: -50.0, y0: 0.0, x1: 500.0, y1: 400.0 });
        assert_eq!(all, BoxPx { x0: -25.0, y0: -50.0, x1: 250.0, y1: 150.0 });
        assert_eq!(map.clipped(&all), BoxPx { x0: 0.0, y0: 0.0, x1: 200.0, y1: 100.0 });
        let inner = map.source_box_from_network(&BoxPx { x0: 20.0, y0: 120.0, x1: 40.0, y1: 140.0 });
        assert_eq!(inner, BoxPx { x0: 10.0, y0: 10.0, x1: 20.0, y1: 20.0 });
    }
}
