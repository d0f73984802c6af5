//! A view to what the network is shown and asked: cropped, flipped, recoloured, blurred, noisy.
//!
//! Cropping changes the focal length, so depth is moved with it and stays right. Flips, crops and colours are functions
//! of the random numbers given. What a teacher said of a picture stays valid where only colours, blur and noise change: it
//! lies at the same cells. It does not where a crop or a flip does: cells move, and a flipped picture's features are not
//! the flipped features. So a teacher's answers are kept by window (`data.windows`), never across windows.

use crate::data::random::Random;
use crate::data::view::{Labelled, View};
use crate::net::student::FINE_STRIDE;
use ocellus_percept::detection::BoxPx;

/// Largest enlargement.
const ZOOM_MAX: f32 = 1.5;
/// Objects with a shorter side, in pixels, are neither asked for nor counted as mistakes.
pub const SIDE_MIN_PX: f32 = 4.0;
/// Likewise with fewer visible pixels.
pub const VISIBLE_MIN_PX: f32 = 16.0;
/// Likewise when less of their box than this is left by the crop.
const LEFT_MIN: f32 = 0.3;

/// What the network is shown and asked.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sample {
    /// (3, rows, columns), 0 to 1.
    pub picture: Vec<f32>,
    /// Objects to be found.
    pub objects: Vec<Labelled>,
    /// Boxes in which a detection is no mistake.
    pub ignore: Vec<BoxPx>,
    /// Log-depth at every fourth pixel, NaN where unknown.
    pub log_depth: Vec<f32>,
    /// Instance at every fourth pixel.
    pub instance: Vec<u16>,
    /// What it shows.
    pub shown: Shown,
}

/// Which window of which view a sample shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Shown {
    /// The view's number.
    pub view: usize,
    /// The window's number, where a view has a few; else 0.
    pub window: usize,
}

/// The window of a view that is shown.
pub struct Window {
    x: f32,
    y: f32,
    zoom: f32,
    flip: bool,
}

/// The view as it is.
pub fn plain(view: &View) -> Sample {
    sample(view, &Window { x: 0.0, y: 0.0, zoom: 1.0, flip: false })
}

impl Window {
    /// A window of `view` at random.
    pub fn random(view: &View, random: &mut Random) -> Self {
        let zoom = if random.chance(0.5) { random.range(1.0, ZOOM_MAX) } else { 1.0 };
        let spare = 1.0 - 1.0 / zoom;
        let x = spare * random.unit() * view.width as f32;
        let y = spare * random.unit() * view.height as f32;
        Self { x, y, zoom, flip: random.chance(0.5) }
    }
}

/// A view changed at random.
pub fn augmented(view: &View, random: &mut Random) -> Sample {
    let window = Window::random(view, random);
    recoloured(view, &window, random)
}

/// A window of a view with other colours, blur and noise.
pub fn recoloured(view: &View, window: &Window, random: &mut Random) -> Sample {
    let mut sample = sample(view, window);
    recolour(&mut sample.picture, random);
    if random.chance(0.15) {
        blur(&mut sample.picture, view.height, view.width);
    }
    if random.chance(0.3) {
        let sigma = random.range(0.0, 0.03);
        sample.picture.iter_mut().for_each(|v| *v = (*v + sigma * random.normal()).clamp(0.0, 1.0));
    }
    sample
}

/// A window of a view, its colours as they are.
pub fn sample(view: &View, window: &Window) -> Sample {
    let (h, w) = (view.height, view.width);
    let mut picture = vec![0.0; 3 * h * w];
    // Source position of each column's and row's centre.
    let across: Vec<f32> = (0..w)
        .map(|c| {
            let c = if window.flip { w - 1 - c } else { c };
            window.x + (c as f32 + 0.5) / window.zoom - 0.5
        })
        .collect();
    let down: Vec<f32> = (0..h).map(|r| window.y + (r as f32 + 0.5) / window.zoom - 0.5).collect();
    let plane = h * w;
    for (r, &y) in down.iter().enumerate() {
        let (top, fy) = split(y, h);
        let bottom = (top + 1).min(h - 1);
        for (c, &x) in across.iter().enumerate() {
            let (left, fx) = split(x, w);
            let right = (left + 1).min(w - 1);
            for channel in 0..3 {
                let v = |r: usize, c: usize| f32::from(view.rgb[(r * w + c) * 3 + channel]);
                let upper = v(top, left) + (v(top, right) - v(top, left)) * fx;
                let lower = v(bottom, left) + (v(bottom, right) - v(bottom, left)) * fx;
                picture[channel * plane + r * w + c] = (upper + (lower - upper) * fy) / 255.0;
            }
        }
    }
    let (log_depth, instance) = fine_maps(view, &across, &down, window.zoom.ln());
    let (objects, ignore) = objects(view, window);
    Sample { picture, objects, ignore, log_depth, instance, shown: Shown::default() }
}

/// Index at or before a position, and the rest.
fn split(at: f32, len: usize) -> (usize, f32) {
    let at = at.clamp(0.0, (len - 1) as f32);
    (at as usize, at - at.floor())
}

/// Depth and instance at the middle of each cell of 4 x 4 pixels. A zoomed picture has a longer focal length, so what it
/// shows seems nearer: the reference camera's depth shrinks by the zoom.
fn fine_maps(view: &View, across: &[f32], down: &[f32], log_zoom: f32) -> (Vec<f32>, Vec<u16>) {
    let pick = |positions: &[f32]| -> Vec<f32> {
        positions.chunks_exact(FINE_STRIDE).map(|p| (p[0] + p[FINE_STRIDE - 1]) * 0.5 + 0.5).collect()
    };
    let (columns, rows) = (pick(across), pick(down));
    let at = |x: f32, y: f32| {
        let x = (x.max(0.0) as usize).min(view.width - 1);
        let y = (y.max(0.0) as usize).min(view.height - 1);
        y * view.width + x
    };
    let places: Vec<usize> = rows.iter().flat_map(|&y| columns.iter().map(move |&x| at(x, y))).collect();
    let depth = |&i: &usize| view.log_depth.get(i).map_or(f32::NAN, |d| d - log_zoom);
    let instance = |&i: &usize| view.instance.get(i).copied().unwrap_or(0);
    (places.iter().map(depth).collect(), places.iter().map(instance).collect())
}

fn objects(view: &View, window: &Window) -> (Vec<Labelled>, Vec<BoxPx>) {
    let (w, h) = (view.width as f32, view.height as f32);
    let (mut kept, mut ignored) = (Vec::new(), Vec::new());
    for object in &view.objects {
        let b = object.bbox;
        let (x0, x1) = ((b.x0 - window.x) * window.zoom, (b.x1 - window.x) * window.zoom);
        let (x0, x1) = if window.flip { (w - x1, w - x0) } else { (x0, x1) };
        let (y0, y1) = ((b.y0 - window.y) * window.zoom, (b.y1 - window.y) * window.zoom);
        let whole = (x1 - x0) * (y1 - y0);
        let bbox = BoxPx { x0: x0.clamp(0.0, w), y0: y0.clamp(0.0, h), x1: x1.clamp(0.0, w), y1: y1.clamp(0.0, h) };
        let left = bbox.width() * bbox.height() / whole.max(1e-6);
        if left <= 0.0 {
            continue;
        }
        let visible_px = object.visible_px * window.zoom * window.zoom * left;
        let small = bbox.width().min(bbox.height()) < SIDE_MIN_PX || visible_px < VISIBLE_MIN_PX || left < LEFT_MIN;
        if small {
            ignored.push(bbox);
        } else {
            kept.push(Labelled { bbox, visible_px, ..*object });
        }
    }
    (kept, ignored)
}

/// Brightness, contrast, saturation, white balance.
fn recolour(picture: &mut [f32], random: &mut Random) {
    let plane = picture.len() / 3;
    let (gain, lift) = (random.range(0.7, 1.35), random.range(-0.08, 0.08));
    let (saturation, gamma) = (random.range(0.4, 1.5), random.range(0.8, 1.25));
    let tint = [random.range(0.9, 1.1), 1.0, random.range(0.9, 1.1)];
    for i in 0..plane {
        let rgb = [picture[i], picture[plane + i], picture[2 * plane + i]];
        let grey = (rgb[0] + rgb[1] + rgb[2]) / 3.0;
        for channel in 0..3 {
            let v = (grey + (rgb[channel] - grey) * saturation) * tint[channel];
            let v = (v.max(0.0) * gain + lift).clamp(0.0, 1.0);
            // Near enough to a power for 0.8 to 1.25, and cheap.
            picture[channel * plane + i] = v + (gamma - 1.0) * v * (v - 1.0);
        }
    }
}

/// Each row and column blended with its neighbours, 1 2 1.
fn blur(picture: &mut [f32], height: usize, width: usize) {
    for map in picture.chunks_exact_mut(height * width) {
        for row in map.chunks_exact_mut(width) {
            let mut before = row[0];
            for c in 0..width {
                let (here, after) = (row[c], row[(c + 1).min(width - 1)]);
                row[c] = 0.25 * (before + 2.0 * here + after);
                before = here;
            }
        }
        for c in 0..width {
            let mut before = map[c];
            for r in 0..height {
                let (here, after) = (map[r * width + c], map[(r + 1).min(height - 1) * width + c]);
                map[r * width + c] = 0.25 * (before + 2.0 * here + after);
                before = here;
            }
        }
    }
}
