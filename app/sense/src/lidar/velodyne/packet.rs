//! A Velodyne data packet's bytes: 12 blocks of 100 (mark, azimuth, 32 x range and reflectivity), time, return mode, product.

use super::beams::{BLOCKS, Beams, HDL32E, VLP16};
use crate::lidar::bytes::{u8_at, u16_at, u32_at};
use crate::lidar::fault::{PacketFault, foreign_length};
use crate::lidar::model::LidarModel;

/// Length of a data packet.
pub(in crate::lidar) const PACKET_BYTES: usize = 1206;
/// Length of a position packet (port 8308).
const POSITION_BYTES: usize = 512;
const BLOCK_BYTES: usize = 100;
/// Bytes FF EE as a little-endian number.
const BLOCK_MARK: u16 = 0xEEFF;
const TIME_AT: usize = 1200;
const MODE_AT: usize = 1204;
const PRODUCT_AT: usize = 1205;
const MODE_STRONGEST: u8 = 0x37;
const MODE_LAST: u8 = 0x38;
const MODE_DUAL: u8 = 0x39;

/// A packet that has been checked.
pub(super) struct Packet<'a> {
    bytes: &'a [u8],
    /// Two returns of each firing, each in a block of its own.
    pub(super) dual: bool,
    /// Microseconds past the hour of the first firing.
    pub(super) us: u32,
}

/// A moment's returns: one block, or the two blocks of a dual return.
pub(super) struct Block<'a> {
    /// Hundredths of a degree.
    pub(super) azimuth: f32,
    first: &'a [u8],
    second: Option<&'a [u8]>,
}

/// The model that a packet says it is from.
pub(in crate::lidar) fn model_of(packet: &[u8]) -> Option<LidarModel> {
    let models = [(&*VLP16, LidarModel::Vlp16), (&*HDL32E, LidarModel::Hdl32e)];
    models.into_iter().find_map(|(beams, model)| Packet::parse(packet, beams).is_ok().then_some(model))
}

impl<'a> Packet<'a> {
    /// Checks length, marks, azimuths, mode, time and product.
    pub(super) fn parse(bytes: &'a [u8], beams: &Beams) -> Result<Self, PacketFault> {
        if bytes.len() != PACKET_BYTES {
            let position = bytes.len() == POSITION_BYTES;
            return Err(if position { PacketFault::Auxiliary } else { foreign_length(PACKET_BYTES, bytes.len()) });
        }
        let product = u8_at(bytes, PRODUCT_AT);
        if product != beams.product {
            let (expected, got) = (beams.product.into(), product.into());
            return Err(PacketFault::Foreign { place: "product byte", expected, got });
        }
        let malformed = |place, expected, got: u64| Err(PacketFault::Malformed { place, expected, got });
        for block in bytes.chunks_exact(BLOCK_BYTES).take(BLOCKS) {
            if u16_at(block, 0) != BLOCK_MARK {
                return malformed("block mark", "EEFF", u16_at(block, 0).into());
            }
            if u16_at(block, 2) >= 36_000 {
                return malformed("azimuth", "below 36000", u16_at(block, 2).into());
            }
        }
        let mode = u8_at(bytes, MODE_AT);
        if ![MODE_STRONGEST, MODE_LAST, MODE_DUAL].contains(&mode) {
            return malformed("return mode", "37, 38 or 39", mode.into());
        }
        let us = u32_at(bytes, TIME_AT);
        if us >= 3_600_000_000 {
            return malformed("time", "below an hour", us.into());
        }
        Ok(Self { bytes, dual: mode == MODE_DUAL, us })
    }

    fn block_bytes(&self, index: usize) -> &'a [u8] {
        let at = index * BLOCK_BYTES;
        self.bytes.get(at..at + BLOCK_BYTES).unwrap_or(&[])
    }

    fn blocks_a_moment(&self) -> usize {
        1 + usize::from(self.dual)
    }

    /// The packet's moments in order.
    pub(super) fn blocks(&self) -> impl Iterator<Item = Block<'a>> {
        (0..BLOCKS).step_by(self.blocks_a_moment()).map(|index| {
            let first = self.block_bytes(index);
            let second = self.dual.then(|| self.block_bytes(index + 1));
            Block { azimuth: u16_at(first, 2).into(), first, second }
        })
    }

    /// The azimuth's step from moment `index` to the next, hundredths of a degree; `None` for the last.
    pub(super) fn step(&self, index: usize) -> Option<f32> {
        let (here, next) = (index * self.blocks_a_moment(), (index + 1) * self.blocks_a_moment());
        let azimuth = |block: usize| u16_at(self.block_bytes(block), 2);
        (next < BLOCKS).then(|| ((u32::from(azimuth(next)) + 36_000 - u32::from(azimuth(here))) % 36_000) as f32)
    }
}

impl Block<'_> {
    /// Range counts and reflectivities of one of the 32 returns, one or two.
    pub(super) fn returns(&self, index: usize) -> impl Iterator<Item = (u16, u8)> {
        let at = 4 + 3 * index;
        [Some(self.first), self.second].into_iter().flatten().map(move |b| (u16_at(b, at), u8_at(b, at + 2)))
    }
}
