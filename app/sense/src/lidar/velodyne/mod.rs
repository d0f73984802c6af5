//! Velodyne VLP-16 and HDL-32E: packets of 1206 bytes, single and dual return, turns cut at an azimuth.
//!
//! Points lie where the textbook puts them: range along the beam's elevation and the azimuth of its own instant. The small vertical
//! offsets of the VLP-16's beams at the origin (at most 11 mm) are left out, as other drivers leave them out. Azimuth 0 is x, azimuths
//! grow clockwise seen from above. Of two returns of one firing that are the same, one is kept.

mod beams;
mod packet;

use ocellus_percept::time::Timestamp;

use super::assembler::{Fate, FrameOptions};
use super::fault::PacketFault;
use super::frame::{Close, Lacks, Turn};
use super::model::LidarModel;
use super::sequence::{Place, Sequence};
use beams::{Beams, HDL32E, VLP16};
use packet::{Block, Packet};

pub(super) use beams::ELEVATIONS_VLP16;
pub(super) use packet::{PACKET_BYTES, model_of};

/// Metres of one count of distance.
const RANGE_UNIT_M: f32 = 0.002;
/// Microseconds after which the sensor's clock begins again.
const HOUR_US: i64 = 3_600_000_000;
/// A turn of the azimuth, hundredths of a degree.
const TURN: f32 = 36_000.0;
/// More than the sensor turns within two blocks at its fastest: such a step is no step of azimuth.
const STEP_MAX: f32 = 400.0;
/// The azimuth may tremble by this much without having begun a new turn, hundredths of a degree.
const TREMBLE: f32 = 500.0;
/// A turn that begins or ends within this of the cut has its beginning or end, hundredths of a degree: two blocks at 20 Hz.
const NEAR_CUT: f32 = 100.0;
/// The first place of the packet sequence, far from 0 so that packets before the first one have places.
const FIRST_PLACE: u64 = 1 << 32;

/// A Velodyne sensor's stream.
#[derive(Debug)]
pub(super) struct Velodyne {
    beams: &'static Beams,
    cut: f32,
    timeout_ns: i64,
    /// Newest packet's time as sent, and on an axis that does not wrap.
    newest: Option<(u32, i64)>,
    /// Azimuth of the last firing in order, from the cut.
    last: f32,
    /// Azimuth from the cut at which the open frame begins.
    began: f32,
    /// Last step of azimuth from block to block that was seen.
    step: f32,
    books: Sequence,
}

impl Velodyne {
    pub(super) fn new(model: &LidarModel, options: &FrameOptions) -> Self {
        Self {
            beams: if matches!(model, LidarModel::Hdl32e) { &HDL32E } else { &VLP16 },
            cut: (options.cut_deg * 100.0).rem_euclid(TURN),
            timeout_ns: options.timeout_ns,
            newest: None,
            last: 0.0,
            began: 0.0,
            step: 0.0,
            books: Sequence::default(),
        }
    }

    pub(super) fn books(&self) -> &Sequence {
        &self.books
    }

    /// The packet's time on an axis that does not wrap, and its place in the sequence.
    fn place(&self, packet: &Packet<'_>) -> (i64, u64) {
        let Some((newest_us, newest_ns)) = self.newest else { return (i64::from(packet.us) * 1000, FIRST_PLACE) };
        let step_us = (i64::from(packet.us) - i64::from(newest_us) + HOUR_US / 2).rem_euclid(HOUR_US) - HOUR_US / 2;
        let places = (step_us as f64 * 1000.0 / self.beams.packet_ns(packet.dual)).round() as i64;
        let newest = self.books.newest().unwrap_or(FIRST_PLACE);
        (newest_ns.saturating_add(step_us * 1000), newest.saturating_add_signed(places))
    }

    pub(super) fn take(&mut self, bytes: &[u8], arrived: Timestamp, turn: &mut Turn) -> Result<Fate, PacketFault> {
        let packet = Packet::parse(bytes, self.beams)?;
        let (t_ns, place) = self.place(&packet);
        let mut finished = false;
        let mut in_order = true;
        match self.books.enter(place) {
            Place::Duplicate => return Ok(Fate::Duplicate),
            Place::Reordered if turn.open().is_none_or(|f| t_ns < f.first_ns) => return Ok(Fate::Late),
            Place::Reordered => in_order = false,
            Place::Restart => finished = self.close(Close::Broken, turn),
            Place::Next { missed } => {
                if let Some(frame) = turn.open() {
                    frame.missing = frame.missing.saturating_add(u32::try_from(missed).unwrap_or(u32::MAX));
                    if t_ns.saturating_sub(frame.last_ns) > self.timeout_ns {
                        finished = self.close(Close::Broken, turn);
                    }
                }
            }
        }
        if in_order {
            self.newest = Some((packet.us, t_ns));
        }
        finished |= self.fill(&packet, t_ns, in_order, turn);
        if let Some(frame) = turn.open() {
            frame.enter_packet(arrived);
        }
        Ok(Fate::Used { finished })
    }

    /// Adds all points of a packet, cutting the turn where it ends. True where it was cut.
    fn fill(&mut self, packet: &Packet<'_>, t_ns: i64, in_order: bool, turn: &mut Turn) -> bool {
        let beams = self.beams;
        let mut cut = false;
        for (index, pair) in packet.blocks().enumerate() {
            self.step = packet.step(index).filter(|s| (0.0..=STEP_MAX).contains(s)).unwrap_or(self.step);
            let block_ns = t_ns.saturating_add((index as f64 * beams.block_ns()) as i64);
            for firing in 0..beams.firings {
                let share = firing as f32 / beams.firings as f32;
                let azimuth = pair.azimuth + self.step * share;
                let firing_ns = block_ns.saturating_add((f64::from(share) * beams.block_ns()) as i64);
                let from_cut = (azimuth - self.cut).rem_euclid(TURN);
                if in_order {
                    // One cut a packet: a sensor that turns cannot pass the cut twice in a millisecond.
                    if turn.open().is_some() && !cut && from_cut + TREMBLE < self.last {
                        cut = self.close(Close::Cut, turn);
                    }
                    if turn.open().is_none() {
                        turn.begin(firing_ns as u64, firing_ns);
                        self.began = from_cut;
                    }
                    self.last = from_cut;
                }
                if let Some(frame) = turn.open() {
                    pair.add_firing(frame, beams, (firing, azimuth, self.step), firing_ns);
                }
            }
        }
        cut
    }

    pub(super) fn close(&mut self, why: Close, turn: &mut Turn) -> bool {
        let end = self.last < TURN - NEAR_CUT;
        let lacks = Lacks { beginning: self.began > NEAR_CUT, end: end && why != Close::Cut };
        turn.close(why, lacks)
    }
}

impl Block<'_> {
    /// Adds the points of one firing of the beams, `(which, its azimuth, step of azimuth of a block)`, begun at `t_ns`.
    fn add_firing(&self, frame: &mut super::frame::Frame, beams: &Beams, at: (usize, f32, f32), t_ns: i64) {
        let (firing, azimuth, step) = at;
        let (sin, cos) = (azimuth / 100.0).to_radians().sin_cos();
        let start_s = frame.offset_s(t_ns);
        for (channel, beam) in beams.beams.iter().enumerate() {
            // The beam fires a moment later and a little further on: an angle so small that its second power suffices.
            let turned = (step / 100.0).to_radians() * beam.share_of_block;
            let (sin_d, cos_d) = (turned, 1.0 - 0.5 * turned * turned);
            let (sin, cos) = (sin * cos_d + cos * sin_d, cos * cos_d - sin * sin_d);
            let mut last = 0;
            for (range, reflectivity) in self.returns(firing * beams.beams.len() + channel) {
                if range == 0 || range == last {
                    continue;
                }
                last = range;
                let range_m = f32::from(range) * RANGE_UNIT_M;
                let level = range_m * beam.cos;
                let xyz = [level * cos, -level * sin, range_m * beam.sin];
                frame.add(xyz, reflectivity, Some(beam.ring), start_s + beam.after_s);
            }
        }
        let last_s = beams.beams.last().map_or(0.0, |b| b.after_s);
        frame.last_ns = frame.last_ns.max(t_ns.saturating_add((f64::from(last_s) * 1e9) as i64));
    }
}
