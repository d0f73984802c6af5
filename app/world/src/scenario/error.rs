//! What can be wrong with a scenario: each error names the thing, what was got and what would do.

use thiserror::Error;

/// Why a scenario cannot be used.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum ScenarioError {
    /// The text is no TOML, or a value has the wrong type.
    #[error("the scenario is not readable: {0}")]
    Toml(String),
    /// A key that no scenario has.
    #[error("unknown key '{key}' in {section}{hint}", hint = .nearest.as_ref().map_or_else(String::new, |n| format!("; did you mean '{n}'?")))]
    UnknownKey {
        /// Where the key stands.
        section: String,
        /// The key.
        key: String,
        /// The known key most like it.
        nearest: Option<String>,
    },
    /// A word that is none of a key's values.
    #[error("{what} is '{got}'; it may be one of: {known}{hint}", hint = .nearest.as_ref().map_or_else(String::new, |n| format!("; did you mean '{n}'?")))]
    UnknownWord {
        /// Which value.
        what: String,
        /// What was found.
        got: String,
        /// What there is.
        known: String,
        /// The known word most like it.
        nearest: Option<String>,
    },
    /// A number outside its range.
    #[error("{what} is {got}; it must be {expected}")]
    Range {
        /// Which value.
        what: String,
        /// What was found.
        got: f64,
        /// What would do.
        expected: &'static str,
    },
    /// A lane the road does not have.
    #[error("{who} is in lane {lane}, but the road has lanes {known} (negative ones lead the other way)")]
    NoSuchLane {
        /// Ego or the actor's name.
        who: String,
        /// The lane asked for.
        lane: i32,
        /// The lanes there are.
        known: String,
    },
    /// An actor's place is given twice.
    #[error("{who} has more than one of lane, d_m and place; give one")]
    TwoPlaces {
        /// The actor's name.
        who: String,
    },
    /// A parking strip or sidewalk the road does not have.
    #[error("{who} is placed on '{place}', which this road does not have; see [road]")]
    NoSuchPlace {
        /// The actor's name.
        who: String,
        /// The place asked for.
        place: &'static str,
    },
    /// A thing stands where it cannot be.
    #[error(
        "{who} is outside the road: at station {station_m:.1} m it reaches from {low_m:.2} to {high_m:.2} m across, allowed is {allowed_low_m:.2} to {allowed_high_m:.2} m ({when})"
    )]
    OutsideRoad {
        /// Ego or the actor's name.
        who: String,
        /// Where along the road, metres.
        station_m: f64,
        /// Its right edge, metres left of the centre line.
        low_m: f64,
        /// Its left edge.
        high_m: f64,
        /// The road's right edge for it.
        allowed_low_m: f64,
        /// The road's left edge for it.
        allowed_high_m: f64,
        /// At the start or after which step.
        when: String,
    },
    /// Two things stand in each other.
    #[error("{a} and {b} overlap at the start, near station {station_m:.1} m; move one of them")]
    Overlap {
        /// One of them.
        a: String,
        /// The other.
        b: String,
        /// Where along the road, metres.
        station_m: f64,
    },
    /// Two actors have one name.
    #[error("two actors are called '{0}'; names must differ")]
    TwoNames(String),
    /// A step's time is not after the step before.
    #[error("{who}: step {step} starts at {t_s} s, before the step before it has ended ({earliest_s} s)")]
    StepOrder {
        /// Ego or the actor's name.
        who: String,
        /// Index of the step, from 1.
        step: usize,
        /// Its start.
        t_s: f64,
        /// The earliest it may start.
        earliest_s: f64,
    },
}
