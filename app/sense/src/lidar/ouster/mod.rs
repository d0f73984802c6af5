//! Ouster sensors: packets of columns, by the sensor's metadata; frames as the sensor numbers them.
//!
//! Points are in the sensor's own frame (x ahead, y left, z up, from the base of its housing), placed by the makers' formula with
//! beam angles, beam origin and the transform of the housing. The ring is the row, the topmost 0. Columns that the sensor marks as
//! not valid are left out.

mod crc;
mod fetch;
mod geometry;
mod metadata;
mod packet;
mod profile;

use std::sync::Arc;

use ocellus_percept::time::Timestamp;

use super::assembler::Fate;
use super::fault::PacketFault;
use super::frame::{Close, Lacks, Turn};
use super::sequence::{Place, Sequence};
use geometry::Geometry;
pub use metadata::OusterMetadata;
pub use metadata::metadata_text;
pub use packet::{Column, OusterPacket};
pub use profile::Pixel;

/// The first frame's place in the sequence, far from 0 so that packets before the first one have places.
const FIRST_FRAME: u64 = 1 << 32;

/// An Ouster sensor's stream.
#[derive(Debug)]
pub(super) struct Ouster {
    metadata: Arc<OusterMetadata>,
    geometry: Geometry,
    /// By packet of a turn: its number among those that are sent.
    ranks: Vec<Option<u32>>,
    packets_per_frame: u64,
    /// Newest frame's number as sent, and counted without wrapping.
    newest: Option<(u32, u64)>,
    /// The sensor's run, by its packets.
    initialization: Option<u32>,
    /// By packet of the open frame: whether it came.
    came: Vec<bool>,
    books: Sequence,
}

impl Ouster {
    pub(super) fn new(metadata: &Arc<OusterMetadata>) -> Self {
        let ranks = metadata.packet_ranks();
        let sent = ranks.iter().flatten().count();
        Self {
            metadata: Arc::clone(metadata),
            geometry: Geometry::new(metadata),
            ranks,
            packets_per_frame: sent.max(1) as u64,
            newest: None,
            initialization: None,
            came: vec![false; sent],
            books: Sequence::default(),
        }
    }

    pub(super) fn books(&self) -> &Sequence {
        &self.books
    }

    /// The frame's number without wrapping: nearest to the newest one.
    fn frame_number(&self, sent: u32) -> u64 {
        let Some((newest_sent, newest)) = self.newest else { return FIRST_FRAME };
        let step = if self.metadata.fusa {
            i64::from(sent.wrapping_sub(newest_sent) as i32)
        } else {
            i64::from((sent as u16).wrapping_sub(newest_sent as u16) as i16)
        };
        newest.saturating_add_signed(step)
    }

    pub(super) fn take(&mut self, bytes: &[u8], arrived: Timestamp, turn: &mut Turn) -> Result<Fate, PacketFault> {
        let metadata = Arc::clone(&self.metadata);
        let packet = OusterPacket::parse(bytes, &metadata)?;
        let rank = self.ranks.get(packet.index_in_frame()).copied().flatten().ok_or(PacketFault::Malformed {
            place: "measurement id",
            expected: "a column of the window",
            got: packet.index_in_frame() as u64,
        })?;
        let mut finished = false;
        let initialization = packet.initialization_id();
        if std::mem::replace(&mut self.initialization, initialization) != initialization && self.newest.is_some() {
            finished = self.close(Close::Broken, turn);
            self.books.restart();
        }
        let sent = packet.frame_id();
        let number = self.frame_number(sent);
        let place = number.saturating_mul(self.packets_per_frame).saturating_add(rank.into());
        match self.books.enter(place) {
            Place::Duplicate => return Ok(Fate::Duplicate),
            Place::Reordered if turn.open().is_none_or(|f| f.key != number) => return Ok(Fate::Late),
            Place::Reordered => {}
            Place::Restart => finished |= self.close(Close::Broken, turn),
            Place::Next { .. } => {
                if turn.open().is_some_and(|f| f.key != number) {
                    finished |= self.close(Close::Cut, turn);
                }
            }
        }
        if self.newest.is_none_or(|(_, newest)| number > newest) || turn.open().is_none() {
            self.newest = Some((sent, number));
        }
        if turn.open().is_none() {
            turn.begin(number, packet.first_ns());
            self.came.fill(false);
        }
        if let Some(came) = self.came.get_mut(rank as usize) {
            *came = true;
        }
        if let Some(frame) = turn.open() {
            self.geometry.add(&packet, frame);
            frame.enter_packet(arrived);
        }
        Ok(Fate::Used { finished })
    }

    pub(super) fn close(&mut self, why: Close, turn: &mut Turn) -> bool {
        let Some(frame) = turn.open() else { return false };
        let first = self.came.iter().position(|came| *came).unwrap_or(0);
        let last = self.came.iter().rposition(|came| *came).unwrap_or(0);
        let lacks = Lacks { beginning: first > 0, end: last + 1 < self.came.len() };
        frame.missing = count_absent(self.came.get(first..=last).unwrap_or(&[]));
        turn.close(why, lacks)
    }
}

fn count_absent(came: &[bool]) -> u32 {
    came.iter().filter(|came| !**came).count() as u32
}
