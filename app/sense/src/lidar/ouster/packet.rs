//! An Ouster lidar packet's bytes: header, columns of pixels, footer.

use super::crc::crc64;
use super::metadata::{
    COLUMN_HEADER_BYTES, LEGACY_HEADER_BYTES, LEGACY_STATUS_BYTES, OusterMetadata, PACKET_HEADER_BYTES,
};
use super::profile::Pixel;
use crate::lidar::bytes::{u16_at, u32_at, u64_at};
use crate::lidar::fault::{PacketFault, foreign_length};

/// Length of an inertial packet.
const IMU_BYTES: usize = 48;
/// Packet type of points.
const TYPE_LIDAR: u16 = 1;
/// What firmware before 3.2 writes where later firmware has the sum: bytes DE C0 00 00 EF BE AD DE.
const NO_CRC: u64 = 0xDEAD_BEEF_0000_C0DE;
/// A legacy column's status when it is valid.
const LEGACY_VALID: u32 = u32::MAX;

/// A packet that has been checked.
#[derive(Debug, Clone, Copy)]
pub struct OusterPacket<'a> {
    bytes: &'a [u8],
    metadata: &'a OusterMetadata,
}

/// One column: all beams at one instant.
#[derive(Debug, Clone, Copy)]
pub struct Column<'a> {
    bytes: &'a [u8],
    metadata: &'a OusterMetadata,
}

impl<'a> OusterPacket<'a> {
    /// Checks length, type, sum and column numbers.
    ///
    /// # Errors
    /// Why the packet is not used.
    pub fn parse(bytes: &'a [u8], metadata: &'a OusterMetadata) -> Result<Self, PacketFault> {
        let expected = metadata.packet_bytes();
        if bytes.len() != expected {
            let imu = bytes.len() == IMU_BYTES;
            return Err(if imu { PacketFault::Auxiliary } else { foreign_length(expected, bytes.len()) });
        }
        let packet = Self { bytes, metadata };
        if !metadata.profile.legacy {
            packet.check_frame_around()?;
        }
        let index = packet.index_in_frame();
        for column in packet.columns().filter(|c| c.is_valid()) {
            let id = column.measurement_id();
            if id >= metadata.columns_per_frame || id / metadata.columns_per_packet != index {
                let expected = "columns of one packet, within the turn";
                return Err(PacketFault::Malformed { place: "measurement id", expected, got: id as u64 });
            }
        }
        Ok(packet)
    }

    /// Checks type and sum.
    fn check_frame_around(&self) -> Result<(), PacketFault> {
        let kind = if self.metadata.fusa { u16_at(self.bytes, 0) & 0xFF } else { u16_at(self.bytes, 0) };
        if kind != TYPE_LIDAR {
            let expected = "1 (points)";
            return Err(PacketFault::Malformed { place: "packet type", expected, got: kind.into() });
        }
        let Some((body, sum)) = self.bytes.split_last_chunk::<8>() else { return Ok(()) };
        let sum = u64::from_le_bytes(*sum);
        if sum != NO_CRC && sum != 0 && crc64(body) != sum {
            return Err(PacketFault::Malformed { place: "CRC", expected: "the sum of the packet", got: sum });
        }
        Ok(())
    }

    /// The sensor's number of the frame: 16 bits that wrap, or 32.
    pub fn frame_id(&self) -> u32 {
        match (self.metadata.profile.legacy, self.metadata.fusa) {
            (true, _) => u16_at(self.bytes, 10).into(),
            (false, false) => u16_at(self.bytes, 2).into(),
            (false, true) => u32_at(self.bytes, 4),
        }
    }

    /// The number of the sensor's run, another after each start; the legacy format has none.
    pub fn initialization_id(&self) -> Option<u32> {
        match (self.metadata.profile.legacy, self.metadata.fusa) {
            (true, _) => None,
            (false, false) => Some(u32_at(self.bytes, 4) & 0x00FF_FFFF),
            (false, true) => Some(u32_at(self.bytes, 0) >> 8),
        }
    }

    /// The first column that was measured; the first of all where none was.
    fn first(&self) -> Column<'a> {
        self.columns().find(Column::is_valid).unwrap_or_else(|| self.column(0))
    }

    /// Which packet of the turn it is.
    pub fn index_in_frame(&self) -> usize {
        self.first().measurement_id() / self.metadata.columns_per_packet
    }

    /// Sensor clock at the first column, nanoseconds.
    pub(super) fn first_ns(&self) -> i64 {
        self.first().timestamp_ns()
    }

    /// Column `index` of the packet.
    pub fn column(&self, index: usize) -> Column<'a> {
        let around = if self.metadata.profile.legacy { 0 } else { PACKET_HEADER_BYTES };
        let length = self.metadata.column_bytes();
        let at = around + index * length;
        Column { bytes: self.bytes.get(at..at + length).unwrap_or(&[]), metadata: self.metadata }
    }

    /// All columns.
    pub fn columns(&self) -> impl Iterator<Item = Column<'a>> {
        let packet = *self;
        (0..self.metadata.columns_per_packet).map(move |index| packet.column(index))
    }
}

impl<'a> Column<'a> {
    fn header_bytes(&self) -> usize {
        if self.metadata.profile.legacy { LEGACY_HEADER_BYTES } else { COLUMN_HEADER_BYTES }
    }

    /// Sensor clock, nanoseconds; times no clock shows become the latest that can be told.
    pub fn timestamp_ns(&self) -> i64 {
        i64::try_from(u64_at(self.bytes, 0)).unwrap_or(i64::MAX)
    }

    /// Its number within the turn.
    pub fn measurement_id(&self) -> usize {
        u16_at(self.bytes, 8).into()
    }

    /// Angle of the encoder; only the legacy format has it.
    pub fn encoder_count(&self) -> Option<u32> {
        self.metadata.profile.legacy.then(|| u32_at(self.bytes, 12))
    }

    /// The status as sent.
    pub fn status(&self) -> u32 {
        if self.metadata.profile.legacy {
            u32_at(self.bytes, self.bytes.len().saturating_sub(LEGACY_STATUS_BYTES))
        } else {
            u16_at(self.bytes, 10).into()
        }
    }

    /// Whether the sensor says that the column was measured.
    pub fn is_valid(&self) -> bool {
        if self.metadata.profile.legacy { self.status() == LEGACY_VALID } else { self.status() & 1 == 1 }
    }

    /// Pixels from the topmost beam down.
    pub fn pixels(&self) -> impl Iterator<Item = Pixel<'a>> {
        let profile = &self.metadata.profile;
        let pixels = self.bytes.get(self.header_bytes()..).unwrap_or(&[]);
        pixels.chunks_exact(profile.pixel_bytes).take(self.metadata.rows()).map(|bytes| profile.pixel(bytes))
    }
}
