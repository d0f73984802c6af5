//! One pass over a sender's packets: which model it is, its frames, its clock, what is missing.

use std::path::Path;

use ocellus_percept::time::Timestamp;

use super::PACKETS_TOLD;
use super::packets::{Packets, Stream};
use crate::error::SenseError;
use crate::lidar::assembler::{Assembler, FrameOptions};
use crate::lidar::clock::SensorClock;
use crate::lidar::counts::PacketCounts;
use crate::lidar::fault::PacketFault;
use crate::lidar::frame::Extent;
use crate::lidar::model::LidarModel;
use crate::lidar::ouster::OusterPacket;

/// A frame as indexed.
#[derive(Debug, Clone, Copy)]
pub(super) struct FrameAt {
    /// Its stamp: its last point's time.
    pub(super) t: Timestamp,
    /// Sensor clock at its first point.
    pub(super) first_ns: i64,
    /// First and last unit with packets of it.
    pub(super) units: (usize, usize),
    pub(super) extent: Extent,
    pub(super) packets: u32,
    pub(super) missing: u32,
}

/// What one pass over a stream has found.
#[derive(Debug, Default)]
pub(super) struct Indexed {
    pub(super) frames: Vec<FrameAt>,
    pub(super) counts: PacketCounts,
    /// Units that could not be read: how many, and why the first.
    unreadable: Option<(usize, String)>,
    last_fault: Option<PacketFault>,
    clock: Option<String>,
}

/// The model whose packets these are.
pub(super) fn model_of(packets: &Packets, stream: &Stream, ouster: Option<&LidarModel>) -> Option<LidarModel> {
    let mut model = None;
    for unit in 0..stream.len().min(PACKETS_TOLD) {
        let looked = packets.read(stream, unit, &mut |_, packet| {
            let is_ouster =
                |m: &&LidarModel| matches!(m, LidarModel::Ouster(meta) if OusterPacket::parse(packet, meta).is_ok());
            if model.is_none() {
                model = ouster.filter(is_ouster).cloned().or_else(|| LidarModel::of_packet(packet));
            }
        });
        if model.is_some() || looked.is_err() {
            break;
        }
    }
    model
}

/// The error for a recording none of whose packets are understood.
pub(super) fn nothing_told(
    path: &Path,
    packets: &Packets,
    ouster: Option<&LidarModel>,
    notes: &[String],
) -> SenseError {
    let mut expected = "packets of a Velodyne VLP-16 or HDL-32E or a Livox Mid-360".to_owned();
    match ouster {
        Some(model) => expected.push_str(&format!(", or those of the {model} that the metadata tells of")),
        None => expected.push_str("; an Ouster's need its metadata: give --meta FILE.json"),
    }
    if packets.streams.is_empty() && notes.is_empty() {
        return SenseError::Empty { path: path.into(), expected };
    }
    let mut got = notes.to_vec();
    for stream in &packets.streams {
        let mut bytes = 0;
        // What cannot be read has no length; the message then says 0.
        let _ = packets.read(stream, 0, &mut |_, packet| bytes = packet.len());
        got.push(format!("{} ({}, the first of {bytes} bytes)", stream.origin, stream.len()));
    }
    SenseError::Format { file: path.into(), place: "packets".into(), expected, got: got.join("; ") }
}

/// Decodes all packets of `stream` and keeps where its frames lie.
pub(super) fn index(
    packets: &Packets,
    stream: &Stream,
    model: &LidarModel,
    options: FrameOptions,
) -> Result<Indexed, SenseError> {
    let mut assembler = Assembler::new(model, options);
    let mut clock = SensorClock::new(matches!(model, LidarModel::Vlp16 | LidarModel::Hdl32e));
    let mut indexed = Indexed::default();
    let mut begun = None;
    for unit in 0..stream.len() {
        let used = assembler.counts().used;
        let read = packets.read(stream, unit, &mut |arrived, packet| {
            if assembler.push(packet, arrived) {
                let begin = begun.replace(unit).unwrap_or(unit);
                indexed.enter(&mut assembler, &mut clock, (begin, unit));
            } else if begun.is_none() && assembler.counts().used > used {
                begun = Some(unit);
            }
        });
        if let Err(error) = read {
            let (count, first) = indexed.unreadable.take().unwrap_or((0, error.to_string()));
            indexed.unreadable = Some((count + 1, first));
        }
    }
    if assembler.finish() {
        let last = stream.len().saturating_sub(1);
        indexed.enter(&mut assembler, &mut clock, (begun.unwrap_or(last), last));
    }
    indexed.counts = assembler.counts();
    indexed.last_fault = assembler.last_fault();
    indexed.clock = clock.remark();
    Ok(indexed)
}

impl Indexed {
    fn enter(&mut self, assembler: &mut Assembler, clock: &mut SensorClock, units: (usize, usize)) {
        let frame = assembler.frame();
        self.frames.push(FrameAt {
            t: clock.stamp(frame.last_ns, frame.arrived),
            first_ns: frame.first_ns,
            units,
            extent: frame.extent,
            packets: frame.packets,
            missing: frame.missing,
        });
    }

    /// Says what is odd and what is lost.
    pub(super) fn say(&self, name: &str, origin: &str, notes: &mut Vec<String>, lost: &mut Vec<String>) {
        if let Some((count, first)) = &self.unreadable {
            lost.push(format!("{name}: {count} units could not be read, the first: {first}"));
        }
        let counts = &self.counts;
        let fault = self.last_fault.map(|f| format!(", the last: {f}")).unwrap_or_default();
        if counts.foreign > 0 {
            notes.push(format!("{name}: {} packets from {origin} are not this sensor's{fault}", counts.foreign));
        }
        if counts.duplicate > 0 {
            notes.push(format!("{name}: {} packets came twice", counts.duplicate));
        }
        if counts.lost > 0 {
            lost.push(format!("{name}: {} packets never came", counts.lost));
        }
        if counts.late > 0 {
            lost.push(format!("{name}: {} packets came after their frame was closed", counts.late));
        }
        if counts.malformed > 0 {
            lost.push(format!("{name}: {} packets are malformed{fault}", counts.malformed));
        }
        if counts.restarts > 0 {
            notes.push(format!("{name}: the sensor began its count again {} times", counts.restarts));
        }
        let incomplete = self.frames.iter().filter(|f| f.extent == Extent::Incomplete).count();
        if incomplete > 0 {
            lost.push(format!("{name}: {incomplete} of {} frames are incomplete", self.frames.len()));
        }
        notes.extend(self.clock.iter().map(|remark| format!("{name}: {remark}")));
    }
}
