//! Packets in, frames out: one sensor's stream, whatever carries it.
//!
//! Sans I/O: the caller brings packets and times of arrival, from a socket or a recording, and takes finished frames. Contract:
//! [`Assembler::push`] never fails and never panics; a packet that is not used is counted by why, and the last such fault is kept
//! for a message. The same packets in the same order give the same frames.

use ocellus_percept::time::Timestamp;

use super::counts::PacketCounts;
use super::fault::PacketFault;
use super::frame::{Close, Frame, Turn};
use super::livox::Livox;
use super::model::LidarModel;
use super::ouster::Ouster;
use super::velodyne::Velodyne;

/// How a stream is parted into frames.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FrameOptions {
    /// Where a turn is cut, degrees as the sensor counts them. Ouster's sensors number their frames: those are kept.
    pub cut_deg: f32,
    /// Length of a frame of a sensor that does not turn, nanoseconds.
    pub window_ns: i64,
    /// A frame is closed, incomplete, when no packet came for so long: 1.5 turns of a LiDAR at 5 Hz.
    pub timeout_ns: i64,
}

impl Default for FrameOptions {
    fn default() -> Self {
        Self { cut_deg: 0.0, window_ns: 100_000_000, timeout_ns: 300_000_000 }
    }
}

/// What a model of LiDAR makes of a packet.
#[derive(Debug)]
enum Device {
    Velodyne(Velodyne),
    Ouster(Box<Ouster>),
    Livox(Livox),
}

/// What became of a packet of the right kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Its points are in a frame; `finished` where one was closed by it.
    Used { finished: bool },
    /// Its frame is closed.
    Late,
    /// It was there before.
    Duplicate,
}

/// One LiDAR's stream.
#[derive(Debug)]
pub struct Assembler {
    device: Device,
    turn: Turn,
    counts: PacketCounts,
    last_fault: Option<PacketFault>,
    last_arrived: Timestamp,
    timeout_ns: i64,
}

impl Assembler {
    /// For a sensor of `model`.
    pub fn new(model: &LidarModel, options: FrameOptions) -> Self {
        let device = match model {
            LidarModel::Vlp16 | LidarModel::Hdl32e => Device::Velodyne(Velodyne::new(model, &options)),
            LidarModel::Ouster(metadata) => Device::Ouster(Box::new(Ouster::new(metadata))),
            LidarModel::LivoxMid360 => Device::Livox(Livox::new(&options)),
        };
        Self {
            device,
            turn: Turn::default(),
            counts: PacketCounts::default(),
            last_fault: None,
            last_arrived: Timestamp::default(),
            timeout_ns: options.timeout_ns,
        }
    }

    /// Takes one packet. True where a frame is finished: [`Assembler::frame`] has it until the next packet.
    pub fn push(&mut self, packet: &[u8], arrived: Timestamp) -> bool {
        self.counts.received += 1;
        let fate = match &mut self.device {
            Device::Velodyne(velodyne) => velodyne.take(packet, arrived, &mut self.turn),
            Device::Ouster(ouster) => ouster.take(packet, arrived, &mut self.turn),
            Device::Livox(livox) => livox.take(packet, arrived, &mut self.turn),
        };
        match fate {
            Ok(Fate::Used { finished }) => {
                self.counts.used += 1;
                self.last_arrived = arrived;
                return finished;
            }
            Ok(Fate::Late) => self.counts.late += 1,
            Ok(Fate::Duplicate) => self.counts.duplicate += 1,
            Err(fault) => {
                self.counts.fault(fault);
                self.last_fault = Some(fault);
            }
        }
        false
    }

    /// Closes a frame that waits too long for its next packet. True as [`Assembler::push`].
    pub fn idle(&mut self, now: Timestamp) -> bool {
        let waited_ns = now.as_nanos().saturating_sub(self.last_arrived.as_nanos());
        self.turn.open().is_some() && waited_ns > self.timeout_ns && self.close(Close::Broken)
    }

    /// The stream ends: closes the frame that is open. True as [`Assembler::push`].
    pub fn finish(&mut self) -> bool {
        self.close(Close::End)
    }

    fn close(&mut self, why: Close) -> bool {
        match &mut self.device {
            Device::Velodyne(velodyne) => velodyne.close(why, &mut self.turn),
            Device::Ouster(ouster) => ouster.close(why, &mut self.turn),
            Device::Livox(livox) => livox.close(why, &mut self.turn),
        }
    }

    /// The frame finished last. Its cloud may be taken or swapped for an old one, whose buffers are then used again.
    pub fn frame(&mut self) -> &mut Frame {
        self.turn.done()
    }

    /// The books until now.
    pub fn counts(&self) -> PacketCounts {
        let books = match &self.device {
            Device::Velodyne(velodyne) => velodyne.books(),
            Device::Ouster(ouster) => ouster.books(),
            Device::Livox(livox) => livox.books(),
        };
        PacketCounts { reordered: books.reordered, lost: books.lost, restarts: books.restarts, ..self.counts }
    }

    /// Why the last packet that was not used was not.
    pub fn last_fault(&self) -> Option<PacketFault> {
        self.last_fault
    }
}
