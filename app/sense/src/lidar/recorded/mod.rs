//! Recorded LiDAR packets as a drive: captures (pcap, pcapng) and rosbag2 recordings of `velodyne_msgs/VelodyneScan`.
//!
//! Opening decodes all packets once and keeps where each frame's packets lie; reading a frame decodes those again. A sweep's
//! stamp is the time of its last point, by [`super::clock`]. Every sender whose packets are understood is a sensor; an Ouster's need
//! its metadata. The vehicle frame is the first LiDAR's unless a calibration says otherwise.

mod datagram;
mod index;
mod metadata;
mod packets;
mod pcap;
mod sqlite;

use std::path::{Path, PathBuf};

use ocellus_percept::space::Rig;

use super::assembler::{Assembler, FrameOptions};
use super::counts::PacketCounts;
use super::frame::Extent;
use super::model::LidarModel;
use super::mount::rig;
use crate::drive::{Drive, DriveInfo, DriveKind, Entry, SensorInfo, SensorKind, SweepInfo, TimeSource};
use crate::error::{ReadError, SenseError};
use crate::files::{list_files, rate_and_gaps};
use crate::payload::Payload;
use crate::probe::OpenOptions;
use index::{Indexed, index};
use metadata::metadata_for;
use packets::Packets;

/// A LiDAR's clock that counts within the hour begins again after this.
const HOUR_NS: i64 = 3_600_000_000_000;
/// Packets looked at to tell a sender's model.
const PACKETS_TOLD: usize = 64;

/// One sensor's packets and frames.
#[derive(Debug)]
struct Sensor {
    name: String,
    /// Index into the recording's streams; none for a sensor that never spoke.
    stream: Option<usize>,
    model: LidarModel,
    indexed: Indexed,
}

/// A recording of packets.
#[derive(Debug)]
pub(crate) struct PacketDrive {
    info: DriveInfo,
    entries: Vec<Entry>,
    /// By entry: index into its sensor's frames.
    frames: Vec<usize>,
    sensors: Vec<Sensor>,
    packets: Packets,
    options: FrameOptions,
}

/// Whether `path` is a recording of packets: a capture, an SQLite file, or a folder with one such file.
pub(crate) fn is_recording(path: &Path) -> bool {
    let file = file_of(path);
    file.is_file() && (pcap::is_capture(&file) || sqlite::is_database(&file))
}

/// The file of a recording: itself, or the only one of a rosbag2 folder.
fn file_of(path: &Path) -> PathBuf {
    match list_files(path, &["db3"]).unwrap_or_default().as_slice() {
        [file] => file.clone(),
        _ => path.to_path_buf(),
    }
}

/// Indexes the recording at `path`.
pub(crate) fn open(path: &Path, options: &OpenOptions) -> Result<PacketDrive, SenseError> {
    let file = file_of(path);
    let mut packets = Packets::open(&file)?;
    let mut notes = std::mem::take(&mut packets.notes);
    let mut lost = std::mem::take(&mut packets.lost);
    let metadata = metadata_for(&file, options.meta.as_deref(), &mut notes)?;
    let ouster = metadata.map(LidarModel::Ouster);
    let frame_options = FrameOptions::default();
    let mut told = Vec::new();
    for (stream, packets_of) in packets.streams.iter().enumerate() {
        match index::model_of(&packets, packets_of, ouster.as_ref()) {
            Some(model) => told.push((stream, model)),
            None => notes.push(format!("{}: {} units without points", packets_of.origin, packets_of.len())),
        }
    }
    if told.is_empty() && (ouster.is_none() || !packets.streams.is_empty()) {
        return Err(index::nothing_told(&file, &packets, ouster.as_ref(), &notes));
    }
    let several = told.len() > 1;
    let mut sensors = Vec::new();
    for (stream, model) in told {
        let Some(of) = packets.streams.get(stream) else { continue };
        let name = match of.port.filter(|_| several) {
            Some(port) => format!("lidar_{stream}_port_{port}"),
            None if several => format!("lidar_{stream}"),
            None => "lidar".to_owned(),
        };
        let indexed = index(&packets, of, &model, frame_options)?;
        indexed.say(&name, &of.origin, &mut notes, &mut lost);
        sensors.push(Sensor { name, stream: Some(stream), model, indexed });
    }
    if let (true, Some(model)) = (sensors.is_empty(), ouster) {
        lost.push("lidar: the recording holds no packet at all".to_owned());
        sensors.push(Sensor { name: "lidar".into(), stream: None, model, indexed: Indexed::default() });
    }
    let names: Vec<_> = sensors.iter().map(|s| s.name.as_str()).collect();
    let (rig, rig_source) = rig(&names, options.calib.as_deref(), &mut notes)?;
    Ok(assemble(path, Parts { sensors, packets, rig, rig_source, notes, lost, options: frame_options }))
}

/// What opening has gathered.
struct Parts {
    sensors: Vec<Sensor>,
    packets: Packets,
    rig: Rig,
    rig_source: Option<String>,
    notes: Vec<String>,
    lost: Vec<String>,
    options: FrameOptions,
}

fn assemble(path: &Path, parts: Parts) -> PacketDrive {
    let Parts { sensors, packets, rig, rig_source, notes, lost, options } = parts;
    let mut order: Vec<(Entry, usize)> = Vec::new();
    for (sensor, of) in sensors.iter().enumerate() {
        let frames = of.indexed.frames.iter().enumerate();
        order.extend(frames.map(|(frame, f)| (Entry { t: f.t, sensor, seq: frame as u64 }, frame)));
    }
    order.sort_by_key(|(e, _)| (e.t, e.sensor, e.seq));
    let (entries, frames): (Vec<Entry>, Vec<usize>) = order.into_iter().unzip();
    let duration_s = match (entries.first(), entries.last()) {
        (Some(first), Some(last)) => last.t.seconds_since(first.t),
        _ => 0.0,
    };
    let info = DriveInfo {
        kind: DriveKind::LidarPackets,
        path: path.into(),
        sensors: sensors.iter().map(describe).collect(),
        rig,
        rig_source,
        time_source: TimeSource::Recorded,
        duration_s,
        labels: None,
        ego: None,
        notes,
        lost,
    };
    PacketDrive { info, entries, frames, sensors, packets, options }
}

fn describe(sensor: &Sensor) -> SensorInfo {
    let frames = &sensor.indexed.frames;
    let stamps: Vec<_> = frames.iter().enumerate().map(|(seq, f)| (seq as u64, f.t)).collect();
    // The parts of turns at both ends say nothing of the rate.
    let turns = frames.iter().enumerate().filter(|(_, f)| f.extent != Extent::Edge);
    let (rate_hz, gaps) = rate_and_gaps(&turns.map(|(seq, f)| (seq as u64, f.t)).collect::<Vec<_>>());
    SensorInfo {
        name: sensor.name.clone(),
        kind: SensorKind::Lidar,
        count: frames.len(),
        rate_hz,
        first: stamps.first().map(|s| s.1),
        last: stamps.last().map(|s| s.1),
        gaps,
        resolution_px: None,
        encoding: format!("{} packets of a {}", sensor.indexed.counts.received, sensor.model),
    }
}

impl Drive for PacketDrive {
    fn info(&self) -> &DriveInfo {
        &self.info
    }

    fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn read_into(&self, index: usize, out: &mut Payload) -> Result<(), ReadError> {
        let missing = ReadError::NoSuchEntry { index, entries: self.entries.len() };
        let entry = self.entries.get(index).zip(self.frames.get(index));
        let Some((sensor, frame)) = entry.and_then(|(e, frame)| Some((self.sensors.get(e.sensor)?, *frame))) else {
            return Err(missing);
        };
        let (Some(wanted), Some(stream)) =
            (sensor.indexed.frames.get(frame), sensor.stream.and_then(|s| self.packets.streams.get(s)))
        else {
            return Err(missing);
        };
        let mut cloud = Some(out.take_cloud());
        let mut assembler = Assembler::new(&sensor.model, self.options);
        let mut take = |assembler: &mut Assembler| {
            let frame = assembler.frame();
            // Within the hour: a Velodyne's clock begins again, and the decoder here began anew.
            let same = (frame.first_ns - wanted.first_ns) % HOUR_NS == 0;
            match cloud.take() {
                Some(mut into) if same => {
                    std::mem::swap(&mut into, &mut frame.cloud);
                    *out = Payload::Cloud(into);
                }
                kept => cloud = kept,
            }
        };
        for unit in wanted.units.0..=wanted.units.1 {
            self.packets.read(stream, unit, &mut |arrived, packet| {
                if assembler.push(packet, arrived) {
                    take(&mut assembler);
                }
            })?;
        }
        if assembler.finish() {
            take(&mut assembler);
        }
        if cloud.is_none() {
            return Ok(());
        }
        Err(ReadError::Corrupt {
            origin: format!("{}, {}, frame {frame}", self.info.path.display(), stream.origin),
            place: "packets".into(),
            expected: "those found when the recording was opened".into(),
            got: "others: the file has changed".into(),
        })
    }

    fn packets(&self, sensor: usize) -> Option<PacketCounts> {
        self.sensors.get(sensor).map(|s| s.indexed.counts)
    }

    fn sweep_info(&self, index: usize) -> Option<SweepInfo> {
        let (entry, frame) = self.entries.get(index).zip(self.frames.get(index))?;
        let frame = self.sensors.get(entry.sensor)?.indexed.frames.get(*frame)?;
        Some(SweepInfo { extent: frame.extent, packets: frame.packets, missing: frame.missing })
    }
}
