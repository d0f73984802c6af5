//! A scenario as it is written: TOML with defaults, nothing checked but keys and types.

use serde::Deserialize;
use toml::Table;

use super::ScenarioError;

/// Keys of each section; a key outside them is an error that names the nearest.
const TOP: &[&str] =
    &["name", "about", "duration_s", "rate_hz", "seed", "road", "light", "lens", "scenery", "traffic", "ego", "actor"];
const ROAD: &[&str] = &[
    "style",
    "lanes_forward",
    "lanes_backward",
    "lane_width_m",
    "parking_right",
    "parking_left",
    "sidewalk_m",
    "curve",
    "hill_m",
    "hill_length_m",
    "bumps_m",
    "crossings_m",
];
const LIGHT: &[&str] = &["time", "weather", "sun_elevation_deg", "sun_azimuth_deg", "visibility_m", "street_lamps"];
const LENS: &[&str] = &["exposure_ms", "noise", "motion_blur", "exposure_stops"];
const SCENERY: &[&str] = &["buildings", "trees", "furniture"];
const TRAFFIC: &[&str] = &["parked", "oncoming", "ahead", "pedestrians", "cyclists"];
const EGO: &[&str] = &["lane", "speed_mps", "sway", "do"];
const ACTOR: &[&str] = &[
    "name",
    "kind",
    "station_m",
    "lane",
    "d_m",
    "place",
    "heading_deg",
    "speed_mps",
    "length_m",
    "width_m",
    "height_m",
    "lights",
    "do",
];
const STEP: &[&str] = &["t_s", "over_s", "speed_mps", "lane", "d_m"];

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) about: String,
    pub(super) duration_s: Option<f64>,
    pub(super) rate_hz: Option<f64>,
    pub(super) seed: u64,
    pub(super) road: Road,
    pub(super) light: Light,
    pub(super) lens: Lens,
    pub(super) scenery: Scenery,
    pub(super) traffic: Traffic,
    pub(super) ego: Ego,
    pub(super) actor: Vec<Actor>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Road {
    pub(super) style: Option<String>,
    pub(super) lanes_forward: Option<u32>,
    pub(super) lanes_backward: Option<u32>,
    pub(super) lane_width_m: Option<f64>,
    pub(super) parking_right: bool,
    pub(super) parking_left: bool,
    pub(super) sidewalk_m: Option<f64>,
    pub(super) curve: Vec<[f64; 2]>,
    pub(super) hill_m: f64,
    pub(super) hill_length_m: Option<f64>,
    pub(super) bumps_m: f64,
    pub(super) crossings_m: Vec<f64>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Light {
    pub(super) time: Option<String>,
    pub(super) weather: Option<String>,
    pub(super) sun_elevation_deg: Option<f64>,
    pub(super) sun_azimuth_deg: Option<f64>,
    pub(super) visibility_m: Option<f64>,
    pub(super) street_lamps: Option<bool>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Lens {
    pub(super) exposure_ms: Option<f64>,
    pub(super) noise: Option<f64>,
    pub(super) motion_blur: Option<bool>,
    pub(super) exposure_stops: f64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Scenery {
    pub(super) buildings: Option<f64>,
    pub(super) trees: Option<f64>,
    pub(super) furniture: Option<f64>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Traffic {
    pub(super) parked: f64,
    pub(super) oncoming: u32,
    pub(super) ahead: u32,
    pub(super) pedestrians: u32,
    pub(super) cyclists: u32,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Ego {
    pub(super) lane: Option<i32>,
    pub(super) speed_mps: Option<f64>,
    pub(super) sway: Option<f64>,
    #[serde(rename = "do")]
    pub(super) steps: Vec<Step>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Actor {
    pub(super) name: Option<String>,
    pub(super) kind: String,
    pub(super) station_m: f64,
    pub(super) lane: Option<i32>,
    pub(super) d_m: Option<f64>,
    pub(super) place: Option<String>,
    pub(super) heading_deg: Option<f64>,
    pub(super) speed_mps: f64,
    pub(super) length_m: Option<f64>,
    pub(super) width_m: Option<f64>,
    pub(super) height_m: Option<f64>,
    pub(super) lights: Option<bool>,
    #[serde(rename = "do")]
    pub(super) steps: Vec<Step>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Step {
    pub(super) t_s: f64,
    pub(super) over_s: f64,
    pub(super) speed_mps: Option<f64>,
    pub(super) lane: Option<i32>,
    pub(super) d_m: Option<f64>,
}

/// Reads the text, refusing unknown keys.
pub(super) fn read(text: &str) -> Result<File, ScenarioError> {
    let table: Table = text.parse().map_err(|e: toml::de::Error| ScenarioError::Toml(e.to_string()))?;
    check_keys(&table, "the scenario", TOP)?;
    let sections =
        [("road", ROAD), ("light", LIGHT), ("lens", LENS), ("scenery", SCENERY), ("traffic", TRAFFIC), ("ego", EGO)];
    for (name, known) in sections {
        if let Some(section) = table.get(name).and_then(|v| v.as_table()) {
            check_keys(section, &format!("[{name}]"), known)?;
            check_steps(section, &format!("[{name}]"))?;
        }
    }
    for (i, actor) in table.get("actor").and_then(|v| v.as_array()).into_iter().flatten().enumerate() {
        let Some(actor) = actor.as_table() else { continue };
        let section = format!("[[actor]] number {}", i + 1);
        check_keys(actor, &section, ACTOR)?;
        check_steps(actor, &section)?;
    }
    toml::from_str(text).map_err(|e| ScenarioError::Toml(e.to_string()))
}

fn check_steps(section: &Table, name: &str) -> Result<(), ScenarioError> {
    for step in section.get("do").and_then(|v| v.as_array()).into_iter().flatten() {
        if let Some(step) = step.as_table() {
            check_keys(step, &format!("a step of {name}"), STEP)?;
        }
    }
    Ok(())
}

fn check_keys(table: &Table, section: &str, known: &[&str]) -> Result<(), ScenarioError> {
    for key in table.keys() {
        if !known.contains(&key.as_str()) {
            let nearest = nearest(key, known.iter().copied());
            return Err(ScenarioError::UnknownKey { section: section.to_owned(), key: key.clone(), nearest });
        }
    }
    Ok(())
}

/// Names less alike than this are no help (Jaro-Winkler similarity, 0 to 1).
const LIKENESS_MIN: f64 = 0.6;

/// The known word most like `word`, where one is like it at all.
pub(super) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let scored = known.map(|k| (strsim::jaro_winkler(word, k), k));
    let best = scored.fold((LIKENESS_MIN, None), |best, (s, k)| if s > best.0 { (s, Some(k)) } else { best });
    best.1.map(str::to_owned)
}
