//! What perception says of one moment: the content of one line of `objects.jsonl`, unrounded.
//!
//! An unknown value is `None` and is left out of the file; it is never 0.

use serde::{Deserialize, Serialize};

use crate::detection::BoxPx;
use crate::time::Timestamp;

/// Why a report exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trigger {
    /// A camera frame arrived.
    Camera,
    /// A LiDAR sweep arrived where there is no camera.
    Lidar,
    /// No frame came in time (live only), so that silence is not mistaken for safety.
    Tick,
}

/// How much a sensor is to be trusted now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SensorState {
    /// Data is as recent as it should be.
    Fresh,
    /// Data comes, later than it should.
    Late,
    /// Data has stopped coming.
    Stale,
    /// Data comes and shows nothing (unreadable, covered, frozen).
    Blind,
}

impl SensorState {
    /// The worse of two: a sensor that shows nothing is worse than one that says nothing.
    #[must_use]
    pub fn max_by_harm(self, other: Self) -> Self {
        if other.harm() > self.harm() { other } else { self }
    }

    /// Rank among the states, the worst highest.
    pub fn harm(self) -> u8 {
        match self {
            Self::Fresh => 0,
            Self::Late => 1,
            Self::Stale => 2,
            Self::Blind => 3,
        }
    }

    /// Whether a report in this state says what is on the way ahead. The one place that decides what a lost sensor does to every
    /// output; the table in ARCHITECTURE spells it out.
    pub fn sees(self) -> bool {
        match self {
            Self::Fresh | Self::Late => true,
            Self::Stale | Self::Blind => false,
        }
    }
}

/// What a distance rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DistanceSource {
    /// LiDAR returns on the object.
    Lidar,
    /// A network's relative depth, scaled by LiDAR in this frame.
    DepthScaled,
    /// A network's metric depth.
    DepthMetric,
    /// Where the box meets the ground plane.
    GroundPlane,
    /// The class's usual size against the box's.
    SizePrior,
}

impl DistanceSource {
    /// The name that stands in `objects.jsonl`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lidar => "lidar",
            Self::DepthScaled => "depth_scaled",
            Self::DepthMetric => "depth_metric",
            Self::GroundPlane => "ground_plane",
            Self::SizePrior => "size_prior",
        }
    }
}

/// How urgent an obstacle is. Advice, never a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Risk {
    /// Nothing to heed.
    Clear,
    /// Worth watching.
    Watch,
    /// Heading for a collision.
    Warn,
    /// Collision close at hand.
    Critical,
}

impl Risk {
    /// The name that stands in `objects.jsonl`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Watch => "watch",
            Self::Warn => "warn",
            Self::Critical => "critical",
        }
    }
}

/// One obstacle.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// Track id, unique in a run, never used again.
    pub track: u64,
    /// Class name; `unknown` for an obstacle no detector knows.
    pub class: String,
    /// The detection's confidence, 0 to 1.
    pub score: Option<f32>,
    /// The detection's own box in pixels of the source image.
    pub box_px: Option<BoxPx>,
    /// Range from the camera's centre to the nearest visible surface, metres.
    pub distance_m: Option<f64>,
    /// What the distance rests on.
    pub distance_source: Option<DistanceSource>,
    /// One sigma of the distance, metres.
    pub distance_sigma_m: Option<f64>,
    /// From the vehicle's front to that surface along the path, metres.
    pub gap_m: Option<f64>,
    /// That surface point in the vehicle frame, metres.
    pub position_m: Option<[f64; 3]>,
    /// Velocity relative to the vehicle, in the vehicle frame, m/s.
    pub velocity_rel_mps: Option<[f64; 3]>,
    /// Velocity over ground, in the vehicle frame's axes, m/s; only where ego motion is known.
    pub velocity_ground_mps: Option<[f64; 3]>,
    /// Time to collision, seconds; none for what recedes.
    pub ttc_s: Option<f64>,
    /// How urgent it is.
    pub risk: Option<Risk>,
    /// The reason in words and numbers.
    pub why: Option<String>,
}

impl Object {
    /// An object of which nothing but its class is known.
    pub fn new(track: u64, class: impl Into<String>) -> Self {
        Self {
            track,
            class: class.into(),
            score: None,
            box_px: None,
            distance_m: None,
            distance_source: None,
            distance_sigma_m: None,
            gap_m: None,
            position_m: None,
            velocity_rel_mps: None,
            velocity_ground_mps: None,
            ttc_s: None,
            risk: None,
            why: None,
        }
    }
}

/// One line of `objects.jsonl`.
#[derive(Debug, Clone, PartialEq)]
pub struct FrameReport {
    /// Why the line exists.
    pub trigger: Trigger,
    /// Sensor time.
    pub t: Timestamp,
    /// The camera or LiDAR that triggered it; `None` for a tick.
    pub sensor: Option<String>,
    /// The frame's sequence number of that sensor; `None` for a tick.
    pub seq: Option<u64>,
    /// State of that sensor.
    pub state: SensorState,
    /// Obstacles; `None` where the frame could not be read, so that it is not mistaken for an empty road.
    pub objects: Option<Vec<Object>>,
}
