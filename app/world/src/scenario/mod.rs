//! A scenario: what happens in a simulated drive, checked.
//!
//! Contract: stations run along the road's centre line in metres from where the ego vehicle starts (0); `d_m` is metres to the
//! left of the centre line. Lanes count from the centre line outwards: 1, 2, ... on the right lead forward, -1, -2, ...
//! on the left lead the other way. Times are seconds from the drive's start. The same scenario and seed give the same
//! world. [`Scenario::parse`] takes text; reading files is the caller's.

mod build;
mod check;
mod error;
mod file;
mod kind;

pub use error::ScenarioError;
pub(crate) use kind::usual_size;
pub use kind::{KINDS, Kind, ObjectClass};

/// What surrounds the road.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord, Hash)]
pub enum RoadStyle {
    /// Buildings close by, sidewalks.
    #[default]
    City,
    /// Detached houses, gardens, trees.
    Suburb,
    /// Fields and trees, no sidewalk.
    Country,
    /// Guard rails, wide shoulders, no oncoming traffic on the same carriageway.
    Motorway,
}

/// Time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord, Hash)]
pub enum TimeOfDay {
    /// Sun well above the horizon.
    #[default]
    Day,
    /// Sun at the horizon.
    Dusk,
    /// Dark, lamps lit.
    Night,
}

/// Weather.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord, Hash)]
pub enum Weather {
    /// Sun and few clouds.
    #[default]
    Clear,
    /// Overcast, no hard shadows.
    Cloudy,
    /// Rain, wet road.
    Rain,
    /// Fog.
    Fog,
    /// Falling snow, white ground.
    Snow,
}

/// The road and its surface.
#[derive(Debug, Clone, PartialEq)]
pub struct RoadSpec {
    /// What surrounds it.
    pub style: RoadStyle,
    /// Lanes in the ego vehicle's direction.
    pub lanes_forward: u32,
    /// Lanes the other way.
    pub lanes_backward: u32,
    /// Width of each lane.
    pub lane_width_m: f64,
    /// A strip of parked cars on the right.
    pub parking_right: bool,
    /// A strip of parked cars on the left.
    pub parking_left: bool,
    /// Width of both sidewalks, 0 for none.
    pub sidewalk_m: f64,
    /// (length in metres, curvature in 1/m, positive to the left) from station 0; straight after.
    pub curve: Vec<[f64; 2]>,
    /// Height of a hill, metres, 0 for level.
    pub hill_m: f64,
    /// Distance between hill tops, metres.
    pub hill_length_m: f64,
    /// Unevenness beside the road, metres.
    pub bumps_m: f64,
    /// Stations of zebra crossings.
    pub crossings_m: Vec<f64>,
}

/// Light and weather.
#[derive(Debug, Clone, PartialEq)]
pub struct LightSpec {
    /// Time of day.
    pub time: TimeOfDay,
    /// Weather.
    pub weather: Weather,
    /// Sun's height, degrees; by time of day and seed where absent.
    pub sun_elevation_deg: Option<f64>,
    /// Sun's direction, degrees counter-clockwise from straight ahead; by seed where absent.
    pub sun_azimuth_deg: Option<f64>,
    /// Distance at which contrast falls to 5 %, metres; by weather and seed where absent.
    pub visibility_m: Option<f64>,
    /// Whether lamps stand along the road; by style where absent.
    pub street_lamps: Option<bool>,
}

/// What the camera does to the light.
#[derive(Debug, Clone, PartialEq)]
pub struct LensSpec {
    /// Shutter time; by time of day where absent.
    pub exposure_ms: Option<f64>,
    /// Scale of the sensor noise, 1 usual, 0 none.
    pub noise: f64,
    /// Whether motion is smeared over the shutter time.
    pub motion_blur: bool,
    /// Added exposure in stops.
    pub exposure_stops: f64,
}

/// How much stands beside the road, 0 to 1 each.
#[derive(Debug, Clone, PartialEq)]
pub struct ScenerySpec {
    /// Buildings.
    pub buildings: f64,
    /// Trees.
    pub trees: f64,
    /// Signs, bins, benches, hydrants, lamps off duty.
    pub furniture: f64,
}

/// Actors made by the seed beside the scripted ones.
#[derive(Debug, Clone, PartialEq)]
pub struct TrafficSpec {
    /// Share of the parking strips that is taken, 0 to 1.
    pub parked: f64,
    /// Vehicles coming the other way.
    pub oncoming: u32,
    /// Vehicles far ahead in the ego direction.
    pub ahead: u32,
    /// People on the sidewalks.
    pub pedestrians: u32,
    /// Cyclists in the outer lanes, going the lane's way.
    pub cyclists: u32,
}

/// A change of speed or of place across the road.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// When it begins, seconds.
    pub t_s: f64,
    /// How long it takes, seconds.
    pub over_s: f64,
    /// Speed afterwards, m/s.
    pub speed_mps: Option<f64>,
    /// Place across the road afterwards, metres left of the centre line.
    pub d_m: Option<f64>,
}

/// The ego vehicle's drive.
#[derive(Debug, Clone, PartialEq)]
pub struct EgoSpec {
    /// Place across the road at the start.
    pub d_m: f64,
    /// Speed at the start.
    pub speed_mps: f64,
    /// Scale of the body's pitch and roll, 1 usual, 0 none.
    pub sway: f64,
    /// What it does.
    pub steps: Vec<Step>,
}

/// One scripted actor.
#[derive(Debug, Clone, PartialEq)]
pub struct ActorSpec {
    /// Name for messages and truth.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Where along the road at the start.
    pub station_m: f64,
    /// Where across the road at the start.
    pub d_m: f64,
    /// Which way it faces and moves, rad counter-clockwise from the road's direction.
    pub heading_rad: f64,
    /// Speed at the start.
    pub speed_mps: f64,
    /// Length, width, height where fixed; else by kind and seed.
    pub size_m: [Option<f64>; 3],
    /// Whether its lamps are lit; by light where absent.
    pub lights: Option<bool>,
    /// What it does.
    pub steps: Vec<Step>,
}

/// A checked scenario.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// Short name.
    pub name: String,
    /// A sentence for people.
    pub about: String,
    /// Length of the drive.
    pub duration_s: f64,
    /// Camera and LiDAR rate.
    pub rate_hz: f64,
    /// Seed used where none is given.
    pub seed: u64,
    /// The road.
    pub road: RoadSpec,
    /// Light and weather.
    pub light: LightSpec,
    /// The camera's own effects.
    pub lens: LensSpec,
    /// What stands beside the road.
    pub scenery: ScenerySpec,
    /// Actors by seed.
    pub traffic: TrafficSpec,
    /// The ego vehicle.
    pub ego: EgoSpec,
    /// Scripted actors.
    pub actors: Vec<ActorSpec>,
}

impl Scenario {
    /// Reads and checks a scenario. Every error names what is wrong and where.
    pub fn parse(toml: &str) -> Result<Self, ScenarioError> {
        let scenario = build::from_file(file::read(toml)?)?;
        scenario.check()?;
        Ok(scenario)
    }

    /// Checks ranges, places and overlaps; [`Scenario::parse`] does so itself. For scenarios made in code.
    pub fn check(&self) -> Result<(), ScenarioError> {
        check::check(self)
    }
}

impl RoadSpec {
    /// Middle of a lane, metres left of the centre line; `None` where there is no such lane.
    pub fn lane_centre_m(&self, lane: i32) -> Option<f64> {
        let count = if lane > 0 { self.lanes_forward } else { self.lanes_backward };
        let known = lane != 0 && lane.unsigned_abs() <= count;
        known.then(|| -f64::from(lane.signum()) * (f64::from(lane.abs()) - 0.5) * self.lane_width_m)
    }

    /// Right edge of the lanes (negative).
    pub fn lanes_right_m(&self) -> f64 {
        -f64::from(self.lanes_forward) * self.lane_width_m
    }

    /// Left edge of the lanes.
    pub fn lanes_left_m(&self) -> f64 {
        f64::from(self.lanes_backward) * self.lane_width_m
    }

    /// Right kerb: lanes, parking and shoulder.
    pub fn kerb_right_m(&self) -> f64 {
        self.lanes_right_m() - self.strip_m(self.parking_right)
    }

    /// Left kerb.
    pub fn kerb_left_m(&self) -> f64 {
        self.lanes_left_m() + self.strip_m(self.parking_left)
    }

    fn strip_m(&self, parking: bool) -> f64 {
        match (parking, self.style) {
            (true, _) => PARKING_WIDTH_M,
            (false, RoadStyle::Motorway) => 2.5,
            (false, RoadStyle::Country) => 0.6,
            (false, _) => 0.4,
        }
    }
}

/// Width of a strip of parked cars.
pub const PARKING_WIDTH_M: f64 = 2.3;
/// How far beyond the sidewalk people may walk.
pub const VERGE_M: f64 = 3.0;
