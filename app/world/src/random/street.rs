//! Streets for training.

use crate::math::Rng;
use crate::scenario::{
    ActorSpec, EgoSpec, Kind, LensSpec, LightSpec, RoadSpec, RoadStyle, Scenario, ScenerySpec, Step, TimeOfDay,
    TrafficSpec, Weather,
};

/// What a random street may be. Shares need not add up to 1; they are weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Knobs {
    /// Weights of day, dusk, night.
    pub time: [f32; 3],
    /// Weights of clear, cloudy, rain, fog, snow.
    pub weather: [f32; 5],
    /// Weights of city, suburb, country, motorway.
    pub style: [f32; 4],
    /// Scale of the number of actors, 1 usual.
    pub crowd: f64,
    /// Chance that obstacles without a class lie about.
    pub clutter: f32,
    /// Length of the drive.
    pub duration_s: f64,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            time: [0.6, 0.15, 0.25],
            weather: [0.45, 0.25, 0.12, 0.09, 0.09],
            style: [0.45, 0.25, 0.15, 0.15],
            crowd: 1.0,
            clutter: 0.25,
            duration_s: 4.0,
        }
    }
}

/// One of several by weight; the first where no weight is positive.
fn weighted<T: Copy>(rng: &mut Rng, items: &[T], weights: &[f32], fallback: T) -> T {
    let total: f32 = weights.iter().map(|w| w.max(0.0)).sum();
    let mut left = rng.unit() * total;
    for (item, weight) in items.iter().zip(weights) {
        if left < weight.max(0.0) {
            return *item;
        }
        left -= weight.max(0.0);
    }
    fallback
}

/// A street of the given seed.
pub fn street(seed: u64, knobs: &Knobs) -> Scenario {
    let mut rng = Rng::new(seed, 0x57ee7);
    let styles = [RoadStyle::City, RoadStyle::Suburb, RoadStyle::Country, RoadStyle::Motorway];
    let style = weighted(&mut rng, &styles, &knobs.style, RoadStyle::City);
    let road = road(&mut rng, style);
    let speed = match style {
        RoadStyle::City => rng.range_f64(4.0, 13.0),
        RoadStyle::Suburb => rng.range_f64(6.0, 13.0),
        RoadStyle::Country => rng.range_f64(12.0, 24.0),
        RoadStyle::Motorway => rng.range_f64(20.0, 34.0),
    };
    let lane = 1 + rng.below(road.lanes_forward as usize) as i32;
    let mut scenario = Scenario {
        name: format!("street {seed}"),
        about: String::new(),
        duration_s: knobs.duration_s.clamp(0.1, 600.0),
        rate_hz: 10.0,
        seed,
        light: light(&mut rng, knobs),
        lens: LensSpec {
            exposure_ms: None,
            noise: rng.range_f64(0.3, 1.6),
            motion_blur: true,
            exposure_stops: rng.range_f64(-0.4, 0.4),
        },
        scenery: ScenerySpec {
            buildings: rng.range_f64(if style == RoadStyle::City { 0.6 } else { 0.0 }, 1.0),
            trees: rng.range_f64(0.1, 1.0),
            furniture: rng.range_f64(0.2, 1.0),
        },
        traffic: traffic(&mut rng, style, knobs.crowd),
        ego: EgoSpec {
            d_m: road.lane_centre_m(lane).unwrap_or(0.0),
            speed_mps: speed,
            sway: rng.range_f64(0.4, 1.6),
            steps: Vec::new(),
        },
        road,
        actors: Vec::new(),
    };
    populate(&mut rng, &mut scenario, knobs);
    scenario
}

fn road(rng: &mut Rng, style: RoadStyle) -> RoadSpec {
    let (forward, backward) = match style {
        RoadStyle::City => (1 + rng.below(2) as u32, rng.below(3) as u32),
        RoadStyle::Suburb | RoadStyle::Country => (1, 1),
        RoadStyle::Motorway => (2 + rng.below(3) as u32, 0),
    };
    let built = matches!(style, RoadStyle::City | RoadStyle::Suburb);
    let bend = if style == RoadStyle::Motorway { 0.0012 } else { 0.008 };
    let curve = (0..rng.below(4)).map(|_| [rng.range_f64(25.0, 90.0), rng.range_f64(-bend, bend)]).collect();
    let crossings = if built && rng.chance(0.5) { vec![rng.range_f64(14.0, 70.0)] } else { Vec::new() };
    RoadSpec {
        style,
        lanes_forward: forward,
        lanes_backward: backward,
        lane_width_m: if style == RoadStyle::Motorway { 3.7 } else { rng.range_f64(3.0, 3.7) },
        parking_right: built && rng.chance(0.55),
        parking_left: built && rng.chance(0.5),
        sidewalk_m: if built { rng.range_f64(1.5, 4.5) } else { 0.0 },
        curve,
        hill_m: if rng.chance(0.3) { rng.range_f64(-3.0, 3.0) } else { 0.0 },
        hill_length_m: rng.range_f64(140.0, 320.0),
        bumps_m: if built { 0.0 } else { rng.range_f64(0.0, 0.5) },
        crossings_m: crossings,
    }
}

fn light(rng: &mut Rng, knobs: &Knobs) -> LightSpec {
    let times = [TimeOfDay::Day, TimeOfDay::Dusk, TimeOfDay::Night];
    let weathers = [Weather::Clear, Weather::Cloudy, Weather::Rain, Weather::Fog, Weather::Snow];
    LightSpec {
        time: weighted(rng, &times, &knobs.time, TimeOfDay::Day),
        weather: weighted(rng, &weathers, &knobs.weather, Weather::Clear),
        sun_elevation_deg: None,
        sun_azimuth_deg: None,
        visibility_m: None,
        street_lamps: None,
    }
}

fn traffic(rng: &mut Rng, style: RoadStyle, crowd: f64) -> TrafficSpec {
    let built = matches!(style, RoadStyle::City | RoadStyle::Suburb);
    let mut count = |most: f64| (rng.range_f64(0.0, most) * crowd).clamp(0.0, 200.0) as u32;
    TrafficSpec {
        oncoming: count(if style == RoadStyle::Motorway { 0.0 } else { 8.0 }),
        ahead: count(if style == RoadStyle::Motorway { 12.0 } else { 5.0 }),
        pedestrians: if built { count(22.0) } else { 0 },
        cyclists: if style == RoadStyle::Motorway { 0 } else { count(6.0) },
        parked: (rng.range_f64(0.2, 1.0) * crowd).clamp(0.0, 1.0),
    }
}

/// Adds people on the road, riders and obstacles near the camera: what traffic by seed keeps away from.
fn populate(rng: &mut Rng, s: &mut Scenario, knobs: &Knobs) {
    let wanted = (rng.range_f64(0.0, 6.0) * knobs.crowd) as usize;
    let kinds = [
        Kind::Pedestrian,
        Kind::Pedestrian,
        Kind::Pedestrian,
        Kind::Cyclist,
        Kind::Cyclist,
        Kind::Motorcyclist,
        Kind::Truck,
        Kind::Bus,
        Kind::Car,
    ];
    let fast = s.road.style == RoadStyle::Motorway;
    for k in 0..wanted {
        let kind = if fast {
            rng.pick(&[Kind::Car; 3].map(Some)).unwrap_or(Kind::Truck)
        } else {
            kinds[rng.below(kinds.len())]
        };
        let actor = near_actor(rng, s, kind, k);
        push_if_fit(s, actor);
    }
    if rng.chance(knobs.clutter) {
        let things = [Kind::Pallet, Kind::Branch, Kind::Wall, Kind::Pole, Kind::Cone, Kind::Cone, Kind::Crate];
        for k in 0..1 + rng.below(4) {
            let kind = things[rng.below(things.len())];
            let (low, high) = (s.road.kerb_right_m() + 0.5, s.road.kerb_left_m() - 0.5);
            let actor = ActorSpec {
                station_m: rng.range_f64(8.0, 45.0),
                d_m: rng.range_f64(low, high),
                heading_rad: rng.range_f64(-0.6, 0.6),
                ..plain(format!("thing {k}"), kind)
            };
            push_if_fit(s, actor);
        }
    }
}

fn near_actor(rng: &mut Rng, s: &Scenario, kind: Kind, k: usize) -> ActorSpec {
    let road = &s.road;
    let station_m = rng.range_f64(7.0, 55.0);
    let name = format!("near {k}");
    if kind == Kind::Pedestrian {
        let across = rng.chance(0.6);
        let heading = if rng.chance(0.5) { 1.0 } else { -1.0 } * std::f64::consts::FRAC_PI_2;
        let d_m = rng.range_f64(road.kerb_right_m() - 1.0, road.kerb_left_m() + 1.0);
        let speed_mps = if across { rng.range_f64(0.9, 2.6) } else { 0.0 };
        let heading_rad = if across { heading } else { rng.range_f64(-3.1, 3.1) };
        return ActorSpec { station_m, d_m, heading_rad, speed_mps, ..plain(name, kind) };
    }
    let backward = road.lanes_backward > 0 && rng.chance(0.5);
    let lanes = if backward { road.lanes_backward } else { road.lanes_forward };
    let lane = (1 + rng.below(lanes as usize) as i32) * if backward { -1 } else { 1 };
    let centre = road.lane_centre_m(lane).unwrap_or(0.0);
    let light = matches!(kind, Kind::Cyclist | Kind::Motorcyclist);
    let d_m = centre + if light { rng.range_f64(-1.0, 1.0) } else { rng.range_f64(-0.15, 0.15) };
    let speed = if kind == Kind::Cyclist { rng.range_f64(2.5, 7.0) } else { s.ego.speed_mps * rng.range_f64(0.8, 1.2) };
    // Some turn across the road, so that sides and corners are seen too.
    let crossing = !light && rng.chance(0.12);
    let heading_rad =
        if crossing { rng.range_f64(-1.2, 1.2) } else { 0.0 } + if backward { std::f64::consts::PI } else { 0.0 };
    let speed_mps = if crossing { 0.0 } else { speed };
    ActorSpec { station_m, d_m, heading_rad, speed_mps, ..plain(name, kind) }
}

/// An actor that stands at the start; the rest is filled in by struct update.
pub(super) fn plain(name: String, kind: Kind) -> ActorSpec {
    ActorSpec {
        name,
        kind,
        station_m: 0.0,
        d_m: 0.0,
        heading_rad: 0.0,
        speed_mps: 0.0,
        size_m: [None; 3],
        lights: None,
        steps: Vec::<Step>::new(),
    }
}

/// Adds the actor unless the scenario would no longer be valid.
fn push_if_fit(s: &mut Scenario, actor: ActorSpec) {
    s.actors.push(actor);
    if s.check().is_err() {
        s.actors.pop();
    }
}
