//! Groups by which results are split: light, weather, surroundings, occlusion, distance.

use crate::scenario::{RoadStyle, Scenario, TimeOfDay, Weather};

/// Groups a whole frame belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FrameTags {
    /// Time of day.
    pub time: TimeOfDay,
    /// Weather.
    pub weather: Weather,
    /// What surrounds the road.
    pub background: RoadStyle,
}

impl FrameTags {
    /// The groups of a scenario's frames.
    pub fn of(scenario: &Scenario) -> Self {
        Self { time: scenario.light.time, weather: scenario.light.weather, background: scenario.road.style }
    }

    /// The groups' names: time, weather, background.
    pub fn names(&self) -> [&'static str; 3] {
        let time = match self.time {
            TimeOfDay::Day => "day",
            TimeOfDay::Dusk => "dusk",
            TimeOfDay::Night => "night",
        };
        let weather = match self.weather {
            Weather::Clear => "clear",
            Weather::Cloudy => "cloudy",
            Weather::Rain => "rain",
            Weather::Fog => "fog",
            Weather::Snow => "snow",
        };
        let background = match self.background {
            RoadStyle::City => "city",
            RoadStyle::Suburb => "suburb",
            RoadStyle::Country => "country",
            RoadStyle::Motorway => "motorway",
        };
        [time, weather, background]
    }
}

/// How much of an object is hidden by others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OcclusionLevel {
    /// Less than a tenth.
    Clear,
    /// Less than a half.
    Part,
    /// More.
    Heavy,
}

impl OcclusionLevel {
    /// From the hidden share, 0 to 1.
    pub fn of(occlusion: f32) -> Self {
        match occlusion {
            o if o < 0.1 => Self::Clear,
            o if o < 0.5 => Self::Part,
            _ => Self::Heavy,
        }
    }
}

/// How far away an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DistanceBand {
    /// Below 15 m.
    Near,
    /// 15 to 30 m.
    Middle,
    /// 30 to 60 m.
    Far,
    /// Beyond.
    VeryFar,
}

impl DistanceBand {
    /// From a distance in metres.
    pub fn of(distance_m: f64) -> Self {
        match distance_m {
            d if d < 15.0 => Self::Near,
            d if d < 30.0 => Self::Middle,
            d if d < 60.0 => Self::Far,
            _ => Self::VeryFar,
        }
    }
}
