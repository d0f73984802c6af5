//! What a simulated drive carries: seed, length, sensors and their rates; checked before a world is made.

use ocellus_world::rig::{front_camera, roof_lidar, side_camera};
use ocellus_world::{CameraSetup, LidarSetup, Quality};

use crate::error::SenseError;

/// Columns of a turn times turns per second: a head measures as often a second however fast it turns (HDL-32E: 1024
/// columns at 10 Hz).
const COLUMNS_PER_S: f64 = 10_240.0;
/// Fewer columns miss whole cars, more than any head has.
const COLUMNS: std::ops::RangeInclusive<usize> = 64..=16_384;
/// As a scenario's own rate.
const CAMERA_HZ: (f64, f64) = (0.5, 240.0);
/// Slower heads smear, faster ones measure too few columns.
const LIDAR_HZ: (f64, f64) = (1.0, 50.0);
/// As a scenario's own length.
const SECONDS: (f64, f64) = (0.1, 600.0);
/// Narrower pictures show nothing, larger ones take seconds each.
const SIDE_PX: std::ops::RangeInclusive<u32> = 16..=4096;
/// A drive of which less than a tenth is there is none.
const MISSING_MAX: f64 = 0.9;
/// More beams than any head has.
const BEAMS_MAX: usize = 256;

/// A camera of the simulated vehicle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SimulatedCamera {
    /// Looks ahead, behind the windscreen.
    Front,
    /// Turned 55 degrees to the left.
    Left,
    /// Turned 55 degrees to the right.
    Right,
}

impl SimulatedCamera {
    /// The sensor's name: `camera`, `camera_left`, `camera_right`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Front => "camera",
            Self::Left => "camera_left",
            Self::Right => "camera_right",
        }
    }

    /// The camera of that name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Front, Self::Left, Self::Right].into_iter().find(|camera| camera.name() == name)
    }

    pub(super) fn setup(self, (width, height): (u32, u32)) -> CameraSetup {
        match self {
            Self::Front => front_camera(width, height),
            Self::Left => side_camera(width, height, true),
            Self::Right => side_camera(width, height, false),
        }
    }
}

/// How a scenario becomes a drive. The same scenario and options give the same bytes on every machine.
#[derive(Debug, Clone, PartialEq)]
pub struct SimulatedOptions {
    /// Seed of looks, traffic and noise; the scenario's own where `None`.
    pub seed: Option<u64>,
    /// Length; the scenario's own where `None`. A shorter drive is the beginning of the same one; a longer one has
    /// other traffic, since traffic is made for the whole drive.
    pub seconds: Option<f64>,
    /// Cameras, each once; empty for a LiDAR alone.
    pub cameras: Vec<SimulatedCamera>,
    /// Pictures a second of each camera; the scenario's own rate (10 unless it says otherwise) where `None`.
    pub camera_hz: Option<f64>,
    /// Turns a second of the LiDAR; the scenario's own rate where `None`.
    pub lidar_hz: Option<f64>,
    /// Beams of the LiDAR on the roof, 16, 32 or 64 as the heads of that kind; 0 for none.
    pub lidar_beams: usize,
    /// Columns of one turn of the LiDAR; as many as a head of 10,240 columns a second measures where `None`.
    pub lidar_columns: Option<usize>,
    /// Columns and rows of every camera's pictures.
    pub resolution: (u32, u32),
    /// Share of the pictures that are missing, chosen by the seed, 0 to 0.9: a recording with dropped frames.
    pub missing: f64,
    /// How finely they are rendered.
    pub quality: Quality,
}

impl Default for SimulatedOptions {
    fn default() -> Self {
        Self {
            seed: None,
            seconds: None,
            cameras: vec![SimulatedCamera::Front],
            camera_hz: None,
            lidar_hz: None,
            lidar_beams: 32,
            lidar_columns: None,
            resolution: (640, 384),
            missing: 0.0,
            quality: Quality::FULL,
        }
    }
}

fn refused(option: &'static str, expected: impl Into<String>, got: impl ToString) -> SenseError {
    SenseError::SimulatedOption { option, expected: expected.into(), got: got.to_string() }
}

/// A number given, or `default`, within its range; NaN is in none.
fn within(option: &'static str, given: Option<f64>, default: f64, (low, high): (f64, f64)) -> Result<f64, SenseError> {
    let value = given.unwrap_or(default);
    (low..=high).contains(&value).then_some(value).ok_or_else(|| refused(option, format!("{low} to {high}"), value))
}

impl SimulatedOptions {
    pub(super) fn seconds_or(&self, scenario_s: f64) -> Result<f64, SenseError> {
        within("seconds", self.seconds, scenario_s, SECONDS)
    }

    pub(super) fn camera_hz_or(&self, scenario_hz: f64) -> Result<f64, SenseError> {
        within("camera_hz", self.camera_hz, scenario_hz, CAMERA_HZ)
    }

    /// The LiDAR and its rate; `None` for no LiDAR. A scenario's rate that no head turns at is brought into range.
    pub(super) fn lidar(&self, scenario_hz: f64) -> Result<Option<(LidarSetup, f64)>, SenseError> {
        if self.lidar_beams > BEAMS_MAX {
            return Err(refused("lidar_beams", format!("0 (none) to {BEAMS_MAX}"), self.lidar_beams));
        }
        let hz = within("lidar_hz", self.lidar_hz, scenario_hz.clamp(LIDAR_HZ.0, LIDAR_HZ.1), LIDAR_HZ)?;
        let columns = self.lidar_columns.unwrap_or((COLUMNS_PER_S / hz).round() as usize);
        if !COLUMNS.contains(&columns) {
            return Err(refused("lidar_columns", format!("{} to {}", COLUMNS.start(), COLUMNS.end()), columns));
        }
        let setup = LidarSetup { columns, spin_s: 1.0 / hz, ..roof_lidar(self.lidar_beams) };
        Ok((self.lidar_beams > 0).then_some((setup, hz)))
    }

    /// Share of missing pictures.
    pub(super) fn missing(&self) -> Result<f64, SenseError> {
        within("missing", Some(self.missing), 0.0, (0.0, MISSING_MAX))
    }

    /// The cameras, each once and of a size that can be rendered.
    pub(super) fn cameras(&self) -> Result<Vec<SimulatedCamera>, SenseError> {
        let (width, height) = self.resolution;
        if !SIDE_PX.contains(&width) || !SIDE_PX.contains(&height) {
            let expected = format!("{} to {} px on each side", SIDE_PX.start(), SIDE_PX.end());
            return Err(refused("resolution", expected, format!("{width}x{height}")));
        }
        let mut cameras = self.cameras.clone();
        cameras.sort_unstable();
        cameras.dedup();
        if cameras.len() < self.cameras.len() {
            return Err(refused("cameras", "each camera once", format!("{:?}", self.cameras)));
        }
        if cameras.is_empty() && self.lidar_beams == 0 {
            return Err(refused("cameras", "a camera, or lidar_beams above 0", "no sensor at all"));
        }
        Ok(cameras)
    }
}
