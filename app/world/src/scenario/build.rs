//! From a scenario as written to values: defaults, words, lanes and places resolved.

use super::file::{self, File, nearest};
use super::{
    ActorSpec, EgoSpec, KINDS, Kind, LensSpec, LightSpec, PARKING_WIDTH_M, RoadSpec, RoadStyle, Scenario,
    ScenarioError, ScenerySpec, Step, TimeOfDay, TrafficSpec, Weather,
};

const STYLES: [(&str, RoadStyle); 4] = [
    ("city", RoadStyle::City),
    ("suburb", RoadStyle::Suburb),
    ("country", RoadStyle::Country),
    ("motorway", RoadStyle::Motorway),
];
const TIMES: [(&str, TimeOfDay); 3] = [("day", TimeOfDay::Day), ("dusk", TimeOfDay::Dusk), ("night", TimeOfDay::Night)];
const WEATHERS: [(&str, Weather); 5] = [
    ("clear", Weather::Clear),
    ("cloudy", Weather::Cloudy),
    ("rain", Weather::Rain),
    ("fog", Weather::Fog),
    ("snow", Weather::Snow),
];

/// Where an actor can be put by name.
#[derive(Debug, Clone, Copy, Default)]
enum Place {
    #[default]
    ParkedRight,
    ParkedLeft,
    SidewalkRight,
    SidewalkLeft,
}

const PLACES: [(&str, Place); 4] = [
    ("parked_right", Place::ParkedRight),
    ("parked_left", Place::ParkedLeft),
    ("sidewalk_right", Place::SidewalkRight),
    ("sidewalk_left", Place::SidewalkLeft),
];

fn word<T: Copy>(what: String, got: &str, known: &[(&'static str, T)]) -> Result<T, ScenarioError> {
    let found = known.iter().find(|(name, _)| *name == got).map(|(_, value)| *value);
    found.ok_or_else(|| ScenarioError::UnknownWord {
        what,
        got: got.to_owned(),
        known: known.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", "),
        nearest: nearest(got, known.iter().map(|(name, _)| *name)),
    })
}

fn optional_word<T: Copy + Default>(
    what: &str,
    got: Option<&str>,
    known: &[(&'static str, T)],
) -> Result<T, ScenarioError> {
    got.map_or_else(|| Ok(T::default()), |got| word(what.to_owned(), got, known))
}

/// The scenario a file means.
pub(super) fn from_file(file: File) -> Result<Scenario, ScenarioError> {
    let road = road(&file.road)?;
    let light = LightSpec {
        time: optional_word("[light] time", file.light.time.as_deref(), &TIMES)?,
        weather: optional_word("[light] weather", file.light.weather.as_deref(), &WEATHERS)?,
        sun_elevation_deg: file.light.sun_elevation_deg,
        sun_azimuth_deg: file.light.sun_azimuth_deg,
        visibility_m: file.light.visibility_m,
        street_lamps: file.light.street_lamps,
    };
    let lens = LensSpec {
        exposure_ms: file.lens.exposure_ms,
        noise: file.lens.noise.unwrap_or(1.0),
        motion_blur: file.lens.motion_blur.unwrap_or(true),
        exposure_stops: file.lens.exposure_stops,
    };
    let ego_lane = file.ego.lane.unwrap_or(1);
    let ego = EgoSpec {
        d_m: lane(&road, "ego", ego_lane)?,
        speed_mps: file.ego.speed_mps.unwrap_or(10.0),
        sway: file.ego.sway.unwrap_or(1.0),
        steps: steps(&road, "ego", &file.ego.steps)?,
    };
    let actors = file.actor.iter().enumerate().map(|(i, a)| actor(&road, i, a)).collect::<Result<Vec<_>, _>>()?;
    Ok(Scenario {
        name: file.name,
        about: file.about,
        duration_s: file.duration_s.unwrap_or(12.0),
        rate_hz: file.rate_hz.unwrap_or(10.0),
        seed: file.seed,
        scenery: scenery(&file.scenery, road.style),
        traffic: TrafficSpec {
            parked: file.traffic.parked,
            oncoming: file.traffic.oncoming,
            ahead: file.traffic.ahead,
            pedestrians: file.traffic.pedestrians,
            cyclists: file.traffic.cyclists,
        },
        road,
        light,
        lens,
        ego,
        actors,
    })
}

fn scenery(file: &file::Scenery, style: RoadStyle) -> ScenerySpec {
    let (buildings, trees, furniture) = match style {
        RoadStyle::City => (0.95, 0.5, 0.7),
        RoadStyle::Suburb => (0.7, 0.8, 0.5),
        RoadStyle::Country => (0.1, 0.7, 0.3),
        RoadStyle::Motorway => (0.05, 0.6, 0.4),
    };
    ScenerySpec {
        buildings: file.buildings.unwrap_or(buildings),
        trees: file.trees.unwrap_or(trees),
        furniture: file.furniture.unwrap_or(furniture),
    }
}

fn road(file: &file::Road) -> Result<RoadSpec, ScenarioError> {
    let style = optional_word("[road] style", file.style.as_deref(), &STYLES)?;
    let (forward, backward, width, sidewalk) = match style {
        RoadStyle::City => (1, 1, 3.3, 2.8),
        RoadStyle::Suburb => (1, 1, 3.2, 1.8),
        RoadStyle::Country => (1, 1, 3.4, 0.0),
        RoadStyle::Motorway => (3, 0, 3.7, 0.0),
    };
    Ok(RoadSpec {
        style,
        lanes_forward: file.lanes_forward.unwrap_or(forward),
        lanes_backward: file.lanes_backward.unwrap_or(backward),
        lane_width_m: file.lane_width_m.unwrap_or(width),
        parking_right: file.parking_right,
        parking_left: file.parking_left,
        sidewalk_m: file.sidewalk_m.unwrap_or(sidewalk),
        curve: file.curve.clone(),
        hill_m: file.hill_m,
        hill_length_m: file.hill_length_m.unwrap_or(160.0),
        bumps_m: file.bumps_m,
        crossings_m: file.crossings_m.clone(),
    })
}

fn lane(road: &RoadSpec, who: &str, lane: i32) -> Result<f64, ScenarioError> {
    road.lane_centre_m(lane).ok_or_else(|| {
        let backward = (1..=road.lanes_backward as i32).rev().map(|l| -l);
        let known: Vec<String> = backward.chain(1..=road.lanes_forward as i32).map(|l| l.to_string()).collect();
        ScenarioError::NoSuchLane { who: who.to_owned(), lane, known: known.join(", ") }
    })
}

fn steps(road: &RoadSpec, who: &str, steps: &[file::Step]) -> Result<Vec<Step>, ScenarioError> {
    let one = |step: &file::Step| {
        let d_m = match (step.lane, step.d_m) {
            (Some(_), Some(_)) => return Err(ScenarioError::TwoPlaces { who: format!("a step of {who}") }),
            (Some(number), None) => Some(lane(road, who, number)?),
            (None, d_m) => d_m,
        };
        Ok(Step { t_s: step.t_s, over_s: step.over_s, speed_mps: step.speed_mps, d_m })
    };
    steps.iter().map(one).collect()
}

fn actor(road: &RoadSpec, index: usize, file: &file::Actor) -> Result<ActorSpec, ScenarioError> {
    let who = file.name.clone().unwrap_or_else(|| format!("{} {}", file.kind, index + 1));
    let kind: Kind = word(format!("kind of {who}"), &file.kind, &KINDS)?;
    let (d_m, lane_heading_deg) = match (file.lane, file.d_m, &file.place) {
        (Some(number), None, None) => (lane(road, &who, number)?, if number < 0 { 180.0 } else { 0.0 }),
        (None, Some(d_m), None) => (d_m, 0.0),
        (None, None, Some(place)) => placed(road, &who, place)?,
        (None, None, None) => (lane(road, &who, 1)?, 0.0),
        _ => return Err(ScenarioError::TwoPlaces { who }),
    };
    Ok(ActorSpec {
        kind,
        station_m: file.station_m,
        d_m,
        heading_rad: file.heading_deg.unwrap_or(lane_heading_deg).to_radians(),
        speed_mps: file.speed_mps,
        size_m: [file.length_m, file.width_m, file.height_m],
        lights: file.lights,
        steps: steps(road, &who, &file.steps)?,
        name: who,
    })
}

fn placed(road: &RoadSpec, who: &str, name: &str) -> Result<(f64, f64), ScenarioError> {
    let place = word(format!("place of {who}"), name, &PLACES)?;
    let missing = |place| Err(ScenarioError::NoSuchPlace { who: who.to_owned(), place });
    // Parked cars stand near the kerb; people walk in the middle of the sidewalk.
    match place {
        Place::ParkedRight if road.parking_right => Ok((road.lanes_right_m() - PARKING_WIDTH_M * 0.52, 0.0)),
        Place::ParkedLeft if road.parking_left => Ok((road.lanes_left_m() + PARKING_WIDTH_M * 0.52, 180.0)),
        Place::SidewalkRight if road.sidewalk_m > 0.0 => Ok((road.kerb_right_m() - road.sidewalk_m * 0.5, 0.0)),
        Place::SidewalkLeft if road.sidewalk_m > 0.0 => Ok((road.kerb_left_m() + road.sidewalk_m * 0.5, 180.0)),
        Place::ParkedRight => missing("parked_right"),
        Place::ParkedLeft => missing("parked_left"),
        Place::SidewalkRight => missing("sidewalk_right"),
        Place::SidewalkLeft => missing("sidewalk_left"),
    }
}
