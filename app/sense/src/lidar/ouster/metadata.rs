//! An Ouster sensor's metadata: the JSON it answers with, of any firmware, flat (1.x, 2.x) or nested (3.x).
//!
//! Everything that the decoder will index by is checked here: numbers of beams, columns and packets agree and are sane.

use std::fmt;
use std::path::Path;

use serde_json::Value;

use super::fetch;
use super::profile::{PROFILES, Profile};
use crate::error::SenseError;

/// No sensor has more beams.
const BEAMS_MAX: usize = 256;
/// No sensor has more columns a turn.
const COLUMNS_MAX: usize = 8192;
/// No sensor puts more columns into a packet.
const PACKET_COLUMNS_MAX: usize = 64;
/// Length of the header, and of the footer, of a packet that is not legacy.
pub(super) const PACKET_HEADER_BYTES: usize = 32;
/// Length of a column's header; legacy columns have the frame number and the encoder in theirs.
pub(super) const COLUMN_HEADER_BYTES: usize = 12;
/// The same of the legacy format.
pub(super) const LEGACY_HEADER_BYTES: usize = 16;
/// Length of the status word behind a legacy column.
pub(super) const LEGACY_STATUS_BYTES: usize = 4;

/// What a sensor says of itself, as far as points need it.
#[derive(Debug, Clone, PartialEq)]
pub struct OusterMetadata {
    /// Product line, such as `OS-1-128`.
    pub product: String,
    /// Serial number.
    pub serial: String,
    /// Layout of a pixel.
    pub profile: Profile,
    /// Frame numbers of 32 bits, in the header of functional safety.
    pub fusa: bool,
    /// Columns of one turn.
    pub columns_per_frame: usize,
    /// Columns of one packet.
    pub columns_per_packet: usize,
    /// First and last column that is sent; the first may be after the last.
    pub column_window: (usize, usize),
    /// Elevation of each beam, degrees, the topmost first.
    pub altitudes_deg: Vec<f64>,
    /// Azimuth of each beam from the encoder's, degrees.
    pub azimuths_deg: Vec<f64>,
    /// From the axis to where beams begin: along the beam's direction and up, millimetres.
    pub beam_origin_mm: [f64; 2],
    /// Row-major 4 x 4, millimetres: the sensor's housing from the optics.
    pub sensor_from_lidar: [f64; 16],
    /// What its clock counts, such as `TIME_FROM_PTP_1588`; empty where it does not say.
    pub timestamp_mode: String,
    /// UDP port its packets go to.
    pub port: Option<u16>,
    /// Number of this run of the sensor, which its packets carry.
    pub initialization_id: Option<u32>,
}

impl fmt::Display for OusterMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { product, profile, columns_per_frame, .. } = self;
        write!(f, "{product}, {} x {columns_per_frame}, {}", self.altitudes_deg.len(), profile.name)
    }
}

impl OusterMetadata {
    /// Reads a metadata file, or asks the sensor where `path` is its address (`http://os-1.local`).
    ///
    /// # Errors
    /// A file that cannot be read, a sensor that does not answer, what is no JSON or not an Ouster sensor's metadata.
    pub fn read(path: &Path) -> Result<Self, SenseError> {
        let text = match fetch::page(path) {
            Some(page) => fetch::fetch(path, &page)?,
            None => std::fs::read_to_string(path).map_err(SenseError::io(path, "reading the sensor's metadata"))?,
        };
        Self::parse(&text).map_err(|wrong| SenseError::Format {
            file: path.into(),
            place: wrong.place,
            expected: wrong.expected,
            got: wrong.got,
        })
    }

    /// Parses metadata.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        let json: Value = serde_json::from_str(text).map_err(|e| Wrong::new("text", "JSON", e.to_string()))?;
        let keys = Keys(&json);
        let altitudes_deg =
            keys.numbers("beam_altitude_angles")?.ok_or_else(|| Wrong::missing("beam_altitude_angles"))?;
        let azimuths_deg = keys.numbers("beam_azimuth_angles")?.ok_or_else(|| Wrong::missing("beam_azimuth_angles"))?;
        let beams = altitudes_deg.len();
        let pixels = keys.whole("pixels_per_column")?.unwrap_or(beams);
        if pixels != beams || azimuths_deg.len() != beams || !(1..=BEAMS_MAX).contains(&beams) {
            let got = format!("{beams} altitudes, {} azimuths, {pixels} pixels per column", azimuths_deg.len());
            return Err(Wrong::new("beams", "as many altitudes and azimuths as pixels per column, at most 256", got));
        }
        let columns_per_frame = keys.whole("columns_per_frame")?.or_else(|| keys.columns_of_mode());
        let columns_per_frame = columns_per_frame.ok_or_else(|| Wrong::missing("columns_per_frame"))?;
        let columns_per_packet = keys.whole("columns_per_packet")?.unwrap_or(16);
        let sane = (1..=COLUMNS_MAX).contains(&columns_per_frame)
            && (1..=PACKET_COLUMNS_MAX).contains(&columns_per_packet)
            && columns_per_frame.is_multiple_of(columns_per_packet);
        if !sane {
            let got = format!("{columns_per_frame} columns, {columns_per_packet} of them in a packet");
            return Err(Wrong::new("columns_per_frame", "at most 8192, whole packets of at most 64", got));
        }
        let profile = keys.profile()?;
        let metadata = Self {
            product: keys.text("prod_line").unwrap_or_else(|| "sensor".to_owned()),
            serial: keys.text("prod_sn").unwrap_or_default(),
            fusa: profile.fusa || keys.text("header_type").is_some_and(|t| t == "FUSA"),
            profile,
            columns_per_frame,
            columns_per_packet,
            column_window: keys.window(columns_per_frame)?,
            altitudes_deg,
            azimuths_deg,
            beam_origin_mm: keys.beam_origin()?,
            sensor_from_lidar: keys.sensor_from_lidar()?,
            timestamp_mode: keys.text("timestamp_mode").unwrap_or_default(),
            port: keys.whole("udp_port_lidar")?.and_then(|p| u16::try_from(p).ok()),
            initialization_id: keys.whole("initialization_id")?.and_then(|id| u32::try_from(id).ok()),
        };
        Ok(metadata)
    }

    /// Beams.
    pub fn rows(&self) -> usize {
        self.altitudes_deg.len()
    }

    /// Bytes of one column with its header.
    pub(super) fn column_bytes(&self) -> usize {
        let around = if self.profile.legacy { LEGACY_HEADER_BYTES + LEGACY_STATUS_BYTES } else { COLUMN_HEADER_BYTES };
        around + self.rows() * self.profile.pixel_bytes
    }

    /// Bytes of one packet.
    pub fn packet_bytes(&self) -> usize {
        let around = if self.profile.legacy { 0 } else { 2 * PACKET_HEADER_BYTES };
        around + self.columns_per_packet * self.column_bytes()
    }

    /// Packets of a turn that are sent: those with a column in the window. By packet of the turn, its number among them.
    pub(super) fn packet_ranks(&self) -> Vec<Option<u32>> {
        let (first, last) = self.column_window;
        let sent = |column: usize| {
            if first <= last { (first..=last).contains(&column) } else { column >= first || column <= last }
        };
        let mut rank = 0;
        let packets = 0..self.columns_per_frame / self.columns_per_packet;
        packets
            .map(|packet| {
                let begin = packet * self.columns_per_packet;
                let any = (begin..begin + self.columns_per_packet).any(sent);
                any.then(|| {
                    rank += 1;
                    rank - 1
                })
            })
            .collect()
    }
}

/// What is wrong with metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// The key.
    pub place: String,
    /// What should be there.
    pub expected: String,
    /// What is there.
    pub got: String,
}

impl Wrong {
    fn new(place: &str, expected: &str, got: impl Into<String>) -> Self {
        Self { place: place.to_owned(), expected: expected.to_owned(), got: got.into() }
    }

    fn missing(key: &str) -> Self {
        Self::new(key, "an Ouster sensor's metadata, which has it", "nothing")
    }
}

/// Looks keys up where firmware after firmware has put them.
struct Keys<'a>(&'a Value);

/// The tables that later firmware parts metadata into.
const TABLES: [&str; 7] = [
    "lidar_data_format",
    "data_format",
    "beam_intrinsics",
    "lidar_intrinsics",
    "sensor_info",
    "config_params",
    "udp_profile",
];

impl Keys<'_> {
    fn find(&self, key: &str) -> Option<&Value> {
        let nested = || TABLES.iter().filter_map(|table| self.0.get(table)).find_map(|table| table.get(key));
        self.0.get(key).or_else(nested).filter(|v| !v.is_null())
    }

    fn text(&self, key: &str) -> Option<String> {
        self.find(key)?.as_str().map(str::to_owned)
    }

    fn whole(&self, key: &str) -> Result<Option<usize>, Wrong> {
        let Some(value) = self.find(key) else { return Ok(None) };
        let number = value.as_u64().and_then(|n| usize::try_from(n).ok());
        number.map(Some).ok_or_else(|| Wrong::new(key, "a whole number", value.to_string()))
    }

    fn numbers(&self, key: &str) -> Result<Option<Vec<f64>>, Wrong> {
        let Some(value) = self.find(key) else { return Ok(None) };
        let numbers = value.as_array().and_then(|list| list.iter().map(Value::as_f64).collect::<Option<Vec<f64>>>());
        let numbers = numbers.filter(|list| list.iter().all(|n| n.is_finite()));
        numbers.map(Some).ok_or_else(|| Wrong::new(key, "a list of numbers", value.to_string()))
    }

    fn matrix(&self, key: &str) -> Result<Option<[f64; 16]>, Wrong> {
        let Some(numbers) = self.numbers(key)? else { return Ok(None) };
        let length = numbers.len();
        let matrix = <[f64; 16]>::try_from(numbers);
        matrix.map(Some).map_err(|_| Wrong::new(key, "16 numbers", format!("{length} numbers")))
    }

    /// Columns by a mode such as `1024x10`.
    fn columns_of_mode(&self) -> Option<usize> {
        self.text("lidar_mode")?.split_once('x')?.0.parse().ok()
    }

    fn profile(&self) -> Result<Profile, Wrong> {
        let name = self.text("udp_profile_lidar").unwrap_or_else(|| "LEGACY".to_owned());
        Profile::named(&name).ok_or_else(|| {
            let known: Vec<&str> = PROFILES.iter().map(|p| p.name).collect();
            Wrong::new("udp_profile_lidar", &known.join(", "), name)
        })
    }

    fn window(&self, columns: usize) -> Result<(usize, usize), Wrong> {
        let Some(window) = self.numbers("column_window")? else { return Ok((0, columns - 1)) };
        let inside = |n: f64| (n >= 0.0 && n.fract() == 0.0 && (n as usize) < columns).then_some(n as usize);
        match window.as_slice() {
            [first, last] => inside(*first).zip(inside(*last)),
            _ => None,
        }
        .ok_or_else(|| Wrong::new("column_window", &format!("two columns below {columns}"), format!("{window:?}")))
    }

    /// How far from the axis, and how far up, beams begin.
    fn beam_origin(&self) -> Result<[f64; 2], Wrong> {
        if let Some(matrix) = self.matrix("beam_to_lidar_transform")? {
            return Ok([matrix[3], matrix[11]]);
        }
        let along = self.find("lidar_origin_to_beam_origin_mm").and_then(Value::as_f64);
        Ok([along.unwrap_or(0.0), 0.0])
    }

    /// Firmware that does not say turns the optics half round, and lifts them by what the manual says of the first OS-1.
    fn sensor_from_lidar(&self) -> Result<[f64; 16], Wrong> {
        const DEFAULT: [f64; 16] = [-1.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 36.18, 0.0, 0.0, 0.0, 1.0];
        Ok(self.matrix("lidar_to_sensor_transform")?.unwrap_or(DEFAULT))
    }
}

/// Metadata of a sensor that is not there: beams evenly from 22.5 to -22.5 degrees, none turned aside.
pub fn metadata_text(rows: usize, columns: usize) -> String {
    let step = if rows > 1 { 45.0 / (rows - 1) as f64 } else { 0.0 };
    let altitudes: Vec<f64> = (0..rows).map(|row| 22.5 - step * row as f64).collect();
    serde_json::json!({
        "sensor_info": {"prod_line": format!("OS-1-{rows}"), "prod_sn": "0"},
        "beam_intrinsics": {
            "beam_altitude_angles": altitudes,
            "beam_azimuth_angles": vec![0.0; rows],
            "lidar_origin_to_beam_origin_mm": 0.0,
        },
        "lidar_intrinsics": {"lidar_to_sensor_transform": [-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]},
        "lidar_data_format": {
            "columns_per_frame": columns,
            "columns_per_packet": 16,
            "pixels_per_column": rows,
            "column_window": [0, columns.saturating_sub(1)],
            "udp_profile_lidar": "RNG19_RFL8_SIG16_NIR16",
        },
    })
    .to_string()
}
