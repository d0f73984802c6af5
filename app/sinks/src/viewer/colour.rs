//! Colours: one per class, the same in every run; and one per range, warm near and cool far.

use ocellus_percept::report::{Risk, SensorState};
use rerun::Color;

/// Range below which all points are of the warmest colour, metres: the vehicle's own surroundings.
const RANGE_NEAR_M: f32 = 2.0;
/// Range beyond which all points are of the coolest colour, metres: the reach of an automotive LiDAR on dark objects.
const RANGE_FAR_M: f32 = 80.0;
/// Steps of the table; finer ones cannot be told apart.
const RANGE_STEPS: usize = 256;

/// Anchors of the range map, evenly spaced in log range: red-orange, amber, lime, teal, blue, violet. Every one is
/// light enough for a black background, and lightness falls from amber on, so that near stands out in gray too.
const RANGE_ANCHORS: [[f32; 3]; 6] = [
    [255.0, 84.0, 60.0],
    [255.0, 196.0, 64.0],
    [170.0, 222.0, 92.0],
    [44.0, 188.0, 176.0],
    [64.0, 132.0, 230.0],
    [116.0, 92.0, 188.0],
];

/// The colour of a range, from a table: a sweep has a hundred thousand points.
#[derive(Debug)]
pub(super) struct RangeColours {
    table: Vec<u32>,
}

impl RangeColours {
    pub(super) fn new() -> Self {
        let table = (0..RANGE_STEPS).map(|step| anchor_mix(step as f32 / (RANGE_STEPS - 1) as f32).0.0).collect();
        Self { table }
    }

    /// The colour (0xRRGGBBAA) of a point whose squared range is `square_m2` (finite, not negative).
    pub(super) fn of_square(&self, square_m2: f32) -> u32 {
        // log(range / near) / log(far / near), from the square without a root.
        let near2 = RANGE_NEAR_M * RANGE_NEAR_M;
        let span = (RANGE_FAR_M * RANGE_FAR_M / near2).ln();
        let share = ((square_m2.max(near2) / near2).ln() / span).min(1.0);
        let step = (share * (RANGE_STEPS - 1) as f32) as usize;
        self.table.get(step).copied().unwrap_or(u32::MAX)
    }
}

/// The range map at `share` (0 near, 1 far).
fn anchor_mix(share: f32) -> Color {
    let place = share.clamp(0.0, 1.0) * (RANGE_ANCHORS.len() - 1) as f32;
    let last = RANGE_ANCHORS.len() - 2;
    let left = (place as usize).min(last);
    let weight = place - left as f32;
    match RANGE_ANCHORS.get(left..left + 2) {
        Some([a, b]) => {
            let mix = |i: usize| {
                let (a, b) = (a.get(i).copied().unwrap_or(0.0), b.get(i).copied().unwrap_or(0.0));
                (a + (b - a) * weight).round() as u8
            };
            Color::from_rgb(mix(0), mix(1), mix(2))
        }
        _ => unknown(),
    }
}

/// An obstacle that no detector knows, and whatever has no colour of its own.
fn unknown() -> Color {
    Color::from_rgb(200, 200, 200)
}

/// The colour of a risk. Yellow, orange and red mean risk alone: no class has them.
pub(super) fn risk_colour(risk: Risk) -> Color {
    match risk {
        Risk::Clear => Color::from_rgb(102, 204, 140),
        Risk::Watch => Color::from_rgb(255, 235, 59),
        Risk::Warn => Color::from_rgb(255, 160, 0),
        Risk::Critical => Color::from_rgb(255, 45, 45),
    }
}

/// The colour of a sensor's state.
pub(super) fn state_colour(state: SensorState) -> Color {
    match state {
        SensorState::Fresh => Color::from_rgb(67, 140, 96),
        SensorState::Late => Color::from_rgb(255, 235, 59),
        SensorState::Stale => Color::from_rgb(255, 160, 0),
        SensorState::Blind => Color::from_rgb(255, 45, 45),
    }
}

/// The colour of a class: the road users' own, any other's by its name.
pub(super) fn class_colour(class: &str) -> Color {
    match class {
        "car" => Color::from_rgb(79, 195, 247),
        "truck" | "bus" | "train" => Color::from_rgb(126, 135, 255),
        "person" | "pedestrian" => Color::from_rgb(206, 147, 216),
        "bicycle" | "cyclist" => Color::from_rgb(174, 213, 129),
        "motorcycle" => Color::from_rgb(240, 98, 204),
        "traffic light" | "stop sign" => Color::from_rgb(128, 203, 196),
        "unknown" => unknown(),
        other => hue_colour(fnv1a(other)),
    }
}

/// A light colour whose hue is drawn from `seed`.
fn hue_colour(seed: u32) -> Color {
    let sector = (seed % 360) as f32 / 60.0;
    let ramp = (sector % 2.0 - 1.0).abs();
    let (low, high) = (110.0, 245.0);
    let mid = low + (high - low) * (1.0 - ramp);
    let [r, g, b] = match sector as u32 {
        0 => [high, mid, low],
        1 => [mid, high, low],
        2 => [low, high, mid],
        3 => [low, mid, high],
        4 => [mid, low, high],
        _ => [high, low, mid],
    };
    Color::from_rgb(r as u8, g as u8, b as u8)
}

/// FNV-1a, 32 bits: a hash that is the same on every machine and in every version.
fn fnv1a(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// Colours of plotted series, in order of their appearance; far apart from one another on black.
pub(super) fn series_colour(index: usize) -> Color {
    const SERIES: [[u8; 3]; 8] = [
        [79, 195, 247],
        [255, 183, 77],
        [129, 199, 132],
        [240, 98, 146],
        [186, 104, 200],
        [255, 241, 118],
        [77, 208, 185],
        [161, 136, 127],
    ];
    let [r, g, b] = SERIES.get(index % SERIES.len()).copied().unwrap_or([200; 3]);
    Color::from_rgb(r, g, b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_is_warm_far_is_cool_and_beyond_is_clamped() {
        let colours = RangeColours::new();
        let at = |range_m: f32| colours.of_square(range_m * range_m).to_be_bytes();
        assert_eq!(at(0.0), [255, 84, 60, 255]);
        assert_eq!(at(0.0), at(RANGE_NEAR_M));
        assert_eq!(at(80.5), [116, 92, 188, 255]);
        assert_eq!(at(80.5), at(1e9));
        assert!(at(5.0)[0] > at(40.0)[0] && at(5.0)[2] < at(40.0)[2]);
    }

    #[test]
    fn classes_have_steady_and_differing_colours() {
        assert_eq!(class_colour("dog"), class_colour("dog"));
        assert_ne!(class_colour("dog"), class_colour("cat"));
        assert_ne!(class_colour("car"), class_colour("person"));
    }
}
