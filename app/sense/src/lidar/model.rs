//! The LiDARs that are known, and telling a packet's maker by its looks.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::livox;
use super::ouster::OusterMetadata;
use super::velodyne;

/// A model of LiDAR, with what is needed to read its packets.
#[derive(Debug, Clone, PartialEq)]
pub enum LidarModel {
    /// Velodyne VLP-16 (Puck), single and dual return.
    Vlp16,
    /// Velodyne HDL-32E.
    Hdl32e,
    /// Ouster OS-0, OS-1, OS-2, OS-Dome by their metadata.
    Ouster(Arc<OusterMetadata>),
    /// Livox Mid-360 (and HAP, which sends the same).
    LivoxMid360,
}

impl fmt::Display for LidarModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vlp16 => f.write_str("Velodyne VLP-16"),
            Self::Hdl32e => f.write_str("Velodyne HDL-32E"),
            Self::Ouster(metadata) => write!(f, "Ouster {metadata}"),
            Self::LivoxMid360 => f.write_str("Livox Mid-360"),
        }
    }
}

/// A model's name as written in launch files; an Ouster's needs its metadata besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelName {
    /// `vlp16`
    Vlp16,
    /// `hdl32e`
    Hdl32e,
    /// `ouster`
    Ouster,
    /// `mid360`
    LivoxMid360,
}

impl FromStr for ModelName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text.to_ascii_lowercase().as_str() {
            "vlp16" => Self::Vlp16,
            "hdl32e" => Self::Hdl32e,
            "ouster" => Self::Ouster,
            "mid360" => Self::LivoxMid360,
            _ => return Err(format!("expected vlp16, hdl32e, ouster or mid360, got {text}")),
        })
    }
}

impl LidarModel {
    /// Tells the model by one packet where the packet itself says it. Ouster's do not: their metadata is needed.
    pub fn of_packet(packet: &[u8]) -> Option<Self> {
        velodyne::model_of(packet).or_else(|| livox::is_points(packet).then_some(Self::LivoxMid360))
    }

    /// Bytes of the largest packet it sends.
    pub fn packet_bytes_max(&self) -> usize {
        match self {
            Self::Vlp16 | Self::Hdl32e => velodyne::PACKET_BYTES,
            Self::Ouster(metadata) => metadata.packet_bytes(),
            Self::LivoxMid360 => livox::PACKET_BYTES_MAX,
        }
    }
}
