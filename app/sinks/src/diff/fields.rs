//! How two objects that are the same obstacle differ, field by field.

use std::fmt;

use ocellus_percept::report::Object;

use super::matching::TrackNames;

/// How far numbers may lie apart and still count as equal. All zero: exact.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance {
    /// Box edges, pixels.
    pub box_px: f64,
    /// Scores.
    pub score: f64,
    /// Distances, their sigma, gaps and positions, metres.
    pub distance_m: f64,
    /// Velocities, metres per second.
    pub velocity_mps: f64,
    /// Times to collision, seconds.
    pub ttc_s: f64,
}

impl Tolerance {
    /// No difference at all is allowed, in any field.
    pub const fn exact() -> Self {
        Self { box_px: 0.0, score: 0.0, distance_m: 0.0, velocity_mps: 0.0, ttc_s: 0.0 }
    }

    /// What the same run may differ by on another kind of CPU, where the network's sums round otherwise: half a pixel,
    /// a hundredth of score, 5 cm, and what follows from these in speed and time.
    pub const fn other_machine() -> Self {
        Self { box_px: 0.5, score: 0.01, distance_m: 0.05, velocity_mps: 0.2, ttc_s: 0.2 }
    }

    /// Whether nothing may differ.
    pub fn is_exact(&self) -> bool {
        *self == Self::exact()
    }
}

/// One field that differs: `distance_m 14.2 -> 14.9`.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldChange {
    /// The key in `objects.jsonl`.
    pub field: &'static str,
    /// Value in A.
    pub a: String,
    /// Value in B.
    pub b: String,
}

impl fmt::Display for FieldChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} -> {}", self.field, self.a, self.b)
    }
}

/// Slack for decimals that no binary number meets: far below the last place written.
const DECIMAL_SLACK: f64 = 1e-6;

/// The fields in which `a` and `b` differ by more than the tolerance.
pub(super) fn changes(a: &Object, b: &Object, tolerance: &Tolerance, names: &mut TrackNames) -> Vec<FieldChange> {
    let mut list = Changes { list: Vec::new() };
    let exact = tolerance.is_exact();
    let same_track = if exact { a.track == b.track } else { names.agree(a.track, b.track) };
    list.add("track", same_track, &a.track, &b.track);
    list.number("score", a.score.map(f64::from), b.score.map(f64::from), tolerance.score);
    list.numbers("box_px", edges(a), edges(b), tolerance.box_px);
    list.number("distance_m", a.distance_m, b.distance_m, tolerance.distance_m);
    list.add("distance_source", a.distance_source == b.distance_source, &a.distance_source, &b.distance_source);
    list.number("distance_sigma_m", a.distance_sigma_m, b.distance_sigma_m, tolerance.distance_m);
    list.number("gap_m", a.gap_m, b.gap_m, tolerance.distance_m);
    list.numbers("position_m", a.position_m, b.position_m, tolerance.distance_m);
    list.numbers("velocity_rel_mps", a.velocity_rel_mps, b.velocity_rel_mps, tolerance.velocity_mps);
    list.numbers("velocity_ground_mps", a.velocity_ground_mps, b.velocity_ground_mps, tolerance.velocity_mps);
    list.number("ttc_s", a.ttc_s, b.ttc_s, tolerance.ttc_s);
    list.add("risk", a.risk == b.risk, &a.risk, &b.risk);
    list.add("why", !exact || a.why == b.why, &a.why, &b.why);
    list.list
}

struct Changes {
    list: Vec<FieldChange>,
}

impl Changes {
    fn add(&mut self, field: &'static str, equal: bool, a: &dyn fmt::Debug, b: &dyn fmt::Debug) {
        if !equal {
            self.list.push(FieldChange { field, a: format!("{a:?}"), b: format!("{b:?}") });
        }
    }

    fn number(&mut self, field: &'static str, a: Option<f64>, b: Option<f64>, tolerance: f64) {
        let equal = match (a, b) {
            (None, None) => true,
            (Some(a), Some(b)) => within(a, b, tolerance),
            _ => false,
        };
        if !equal {
            self.list.push(FieldChange { field, a: words(a.as_slice()), b: words(b.as_slice()) });
        }
    }

    fn numbers<const N: usize>(
        &mut self,
        field: &'static str,
        a: Option<[f64; N]>,
        b: Option<[f64; N]>,
        tolerance: f64,
    ) {
        let equal = match (&a, &b) {
            (None, None) => true,
            (Some(a), Some(b)) => a.iter().zip(b).all(|(a, b)| within(*a, *b, tolerance)),
            _ => false,
        };
        if !equal {
            let text = |v: Option<[f64; N]>| v.map_or_else(|| "absent".to_owned(), |v| words(&v));
            self.list.push(FieldChange { field, a: text(a), b: text(b) });
        }
    }
}

/// Numbers as read by a person; `absent` for none.
fn words(values: &[f64]) -> String {
    match values {
        [] => "absent".to_owned(),
        [one] => one.to_string(),
        many => format!("({})", many.iter().map(f64::to_string).collect::<Vec<_>>().join(" ")),
    }
}

/// Not-a-number lies within no tolerance.
fn within(a: f64, b: f64, tolerance: f64) -> bool {
    a == b || (tolerance > 0.0 && (a - b).abs() <= tolerance + DECIMAL_SLACK)
}

fn edges(object: &Object) -> Option<[f64; 4]> {
    object.box_px.map(|b| [b.x0, b.y0, b.x1, b.y1].map(f64::from))
}

/// Largest change of a box edge in pixels, where both have a box.
pub(super) fn box_change_px(a: &Object, b: &Object) -> Option<f64> {
    let (a, b) = (edges(a)?, edges(b)?);
    a.iter().zip(&b).map(|(a, b)| (a - b).abs()).max_by(f64::total_cmp)
}

/// How far two values lie apart, where both are known.
pub(super) fn change_of(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    Some((a? - b?).abs())
}
