//! Packets of LiDARs that are not there: what a VLP-16 and an Ouster would send from a simple scene, for tests and load.
//!
//! The scene: ground, a round wall, and a box ahead. Pure: the same number gives the same packet. Times count from 0 of the sensor's
//! clock unless told otherwise.

use std::f64::consts::TAU;
use std::sync::Arc;

use super::ouster::OusterMetadata;
pub use super::ouster::metadata_text;
use super::velodyne::{ELEVATIONS_VLP16, PACKET_BYTES};

/// Height of the sensor above the ground, metres.
const HEIGHT_M: f64 = 1.8;
/// Radius of the wall, metres.
const WALL_M: f64 = 30.0;
/// Where the box ahead begins, metres.
const BOX_M: f64 = 10.0;
/// Half of its width and its top over the sensor, metres.
const BOX_HALF_M: f64 = 1.0;

/// Range of the nearest surface along a direction, metres. `azimuth` counts to the left from ahead.
pub fn range_m(azimuth: f64, elevation: f64) -> f64 {
    let (sin, cos) = azimuth.sin_cos();
    let level = elevation.cos();
    let wall = WALL_M / level;
    let ground = if elevation < 0.0 { HEIGHT_M / -elevation.sin() } else { f64::INFINITY };
    let ahead = BOX_M / (cos * level);
    let hits = cos > 0.0 && (ahead * level * sin).abs() < BOX_HALF_M && ahead * elevation.sin() < BOX_HALF_M;
    wall.min(ground).min(if hits { ahead } else { f64::INFINITY })
}

/// A VLP-16 at 10 turns a second, one return a firing.
#[derive(Debug, Clone, Copy, Default)]
pub struct MadeVlp16 {
    /// Microseconds past the hour of packet 0.
    pub start_us: u64,
}

impl MadeVlp16 {
    /// Packets a second.
    pub const HZ: f64 = 1e9 / Self::PACKET_NS;
    const PACKET_NS: f64 = 12.0 * 2.0 * 55_296.0;
    /// Hundredths of a degree a nanosecond.
    const SPEED: f64 = 36_000.0 * 10.0 * 1e-9;

    /// Packet `number`.
    pub fn packet(&self, number: u64) -> Vec<u8> {
        let t_ns = number as f64 * Self::PACKET_NS;
        let mut bytes = Vec::with_capacity(PACKET_BYTES);
        for block in 0..12 {
            let block_ns = t_ns + f64::from(block) * 110_592.0;
            bytes.extend([0xFF, 0xEE]);
            bytes.extend((((block_ns * Self::SPEED) as u64 % 36_000) as u16).to_le_bytes());
            for firing in 0..2 {
                for (channel, elevation) in ELEVATIONS_VLP16.iter().enumerate() {
                    let at_ns = block_ns + f64::from(firing) * 55_296.0 + channel as f64 * 2_304.0;
                    let azimuth = -(at_ns * Self::SPEED * 0.01).to_radians();
                    let range = range_m(azimuth, elevation.to_radians());
                    bytes.extend(((range / 0.002).round() as u16).to_le_bytes());
                    bytes.push(100);
                }
            }
        }
        let us = (self.start_us + (t_ns * 1e-3) as u64) % 3_600_000_000;
        bytes.extend((us as u32).to_le_bytes());
        bytes.extend([0x37, 0x22]);
        bytes
    }
}

/// An Ouster with beams from 22.5 degrees down to -22.5, profile `RNG19_RFL8_SIG16_NIR16`.
#[derive(Debug, Clone)]
pub struct MadeOuster {
    metadata: Arc<OusterMetadata>,
    turns_hz: f64,
    /// Sensor clock at packet 0, nanoseconds.
    pub start_ns: u64,
    /// Number of the sensor's run, below 2^16.
    pub initialization_id: u16,
    /// By column of the turn and row, ranges in millimetres.
    ranges_mm: Vec<u32>,
}

impl MadeOuster {
    /// `rows` beams, `columns` a turn.
    ///
    /// # Errors
    /// Sizes that no sensor has.
    pub fn new(rows: usize, columns: usize, turns_hz: f64) -> Result<Self, String> {
        let text = metadata_text(rows, columns);
        let metadata = OusterMetadata::parse(&text).map_err(|e| format!("{}: {}", e.place, e.got))?;
        let mut ranges_mm = Vec::with_capacity(rows * columns);
        for column in 0..columns {
            // The optics look back at column 0: the housing is turned half round.
            let azimuth = TAU * (0.5 - column as f64 / columns as f64);
            let range = |elevation: &f64| (range_m(azimuth, elevation.to_radians()) * 1e3) as u32;
            ranges_mm.extend(metadata.altitudes_deg.iter().map(range));
        }
        Ok(Self { metadata: Arc::new(metadata), turns_hz, start_ns: 0, initialization_id: 1, ranges_mm })
    }

    /// The metadata of the sensor.
    pub fn metadata(&self) -> &Arc<OusterMetadata> {
        &self.metadata
    }

    /// Packets a second.
    pub fn hz(&self) -> f64 {
        self.turns_hz * (self.metadata.columns_per_frame / self.metadata.columns_per_packet) as f64
    }

    /// Packet `number`.
    pub fn packet(&self, number: u64) -> Vec<u8> {
        let OusterMetadata { columns_per_frame, columns_per_packet, .. } = *self.metadata;
        let in_turn = (columns_per_frame / columns_per_packet) as u64;
        let (turn, index) = (number / in_turn, (number % in_turn) as usize);
        let mut bytes = Vec::with_capacity(self.metadata.packet_bytes());
        bytes.extend([1, 0]);
        bytes.extend((turn as u16).to_le_bytes());
        bytes.extend(self.initialization_id.to_le_bytes());
        bytes.resize(32, 0);
        for column in index * columns_per_packet..(index + 1) * columns_per_packet {
            let turned = turn as f64 + column as f64 / columns_per_frame as f64;
            bytes.extend((self.start_ns + (turned / self.turns_hz * 1e9) as u64).to_le_bytes());
            bytes.extend((column as u16).to_le_bytes());
            bytes.extend([1, 0]);
            let rows = self.metadata.rows();
            for range in self.ranges_mm.iter().skip(column * rows).take(rows) {
                bytes.extend(range.to_le_bytes());
                bytes.extend([100, 0, 0, 0, 0, 0, 0, 0]);
            }
        }
        bytes.resize(self.metadata.packet_bytes(), 0);
        bytes
    }
}
