//! Recorded packets by stream: the datagrams of a capture by sender and port, the packet messages of a rosbag2 by topic.
//!
//! Indexing keeps where each unit lies (a datagram, or a message of many packets), not its bytes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ocellus_percept::time::Timestamp;

use super::datagram::{Piece, Reassembler};
use super::pcap;
use super::sqlite::{Database, Row, RowAt};
use crate::error::{ReadError, SenseError};
use crate::lidar::velodyne::PACKET_BYTES as VELODYNE_BYTES;
use crate::mcap::cdr::Cdr;
use crate::mcap::fault::Fault;

/// The messages of packets that are read: a turn's Velodyne packets each.
const SCAN_TYPE: &str = "velodyne_msgs/msg/VelodyneScan";

/// Where a unit lies.
#[derive(Debug, Clone)]
enum Unit {
    Datagram { t: Timestamp, pieces: Vec<Piece> },
    Message(RowAt),
}

/// The packets of one sender.
#[derive(Debug)]
pub(super) struct Stream {
    /// For messages: sender and port, or topic.
    pub(super) origin: String,
    /// The port they were sent to.
    pub(super) port: Option<u16>,
    units: Vec<Unit>,
}

impl Stream {
    /// How many units there are.
    pub(super) fn len(&self) -> usize {
        self.units.len()
    }
}

/// A recording of packets.
#[derive(Debug)]
pub(super) struct Packets {
    path: PathBuf,
    pub(super) streams: Vec<Stream>,
    store: Mutex<Store>,
    pub(super) notes: Vec<String>,
    /// What the recording lacks.
    pub(super) lost: Vec<String>,
}

#[derive(Debug)]
struct Store {
    input: Input,
    bytes: Vec<u8>,
    row: Row,
}

#[derive(Debug)]
enum Input {
    Capture(File),
    Bag(Database),
}

impl Packets {
    /// Indexes the recording at `path`: a capture, or an SQLite file.
    pub(super) fn open(path: &Path) -> Result<Self, SenseError> {
        if super::sqlite::is_database(path) { Self::bag(path) } else { Self::capture(path) }
    }

    fn capture(path: &Path) -> Result<Self, SenseError> {
        let mut reassembler = Reassembler::default();
        let mut streams: BTreeMap<(IpAddr, u16), Vec<Unit>> = BTreeMap::new();
        let stopped = pcap::walk(path, &mut |frame| {
            if let Some(datagram) = reassembler.take(&frame) {
                let unit = Unit::Datagram { t: datagram.t, pieces: datagram.pieces };
                streams.entry((datagram.from, datagram.port)).or_default().push(unit);
            }
        })?;
        reassembler.finish();
        let mut lost: Vec<String> = stopped.into_iter().collect();
        if reassembler.torn > 0 {
            lost.push(format!("{} datagrams lack fragments that were not captured", reassembler.torn));
        }
        if reassembler.cut > 0 {
            lost.push(format!("{} datagrams were cut by the capturing program: capture whole frames", reassembler.cut));
        }
        let stream =
            |((from, port), units)| Stream { origin: format!("{from} to port {port}"), port: Some(port), units };
        let file = File::open(path).map_err(SenseError::io(path, "opening the capture"))?;
        Ok(Self {
            path: path.into(),
            streams: streams.into_iter().map(stream).collect(),
            store: Mutex::new(Store { input: Input::Capture(file), bytes: Vec::new(), row: Row::default() }),
            notes: Vec::new(),
            lost,
        })
    }

    fn bag(path: &Path) -> Result<Self, SenseError> {
        let wrong = |what: String| SenseError::Format {
            file: path.into(),
            place: "SQLite".into(),
            expected: "a rosbag2 recording".into(),
            got: what,
        };
        let mut database = Database::open(path).map_err(wrong)?;
        let mut root = |name: &str| database.table(name)?.ok_or_else(|| format!("no table `{name}`"));
        let (topics, messages) = (root("topics").map_err(wrong)?, root("messages").map_err(wrong)?);
        let mut by_topic = BTreeMap::new();
        let mut others = Vec::new();
        let read = database.rows(topics, &mut |_, row| {
            let columns = row.columns();
            let text = |at: usize| columns.get(at).and_then(|v| v.text()).unwrap_or_default().to_owned();
            if text(2) == SCAN_TYPE {
                by_topic.insert(row.key, (text(1), Vec::new()));
            } else {
                others.push(format!("{} ({})", text(1), text(2)));
            }
        });
        read.map_err(wrong)?;
        let read = database.rows(messages, &mut |at, row| {
            let columns = row.columns();
            let number = |at: usize| columns.get(at).and_then(|v| v.integer());
            if let (Some(topic), Some(t)) = (number(1), number(2))
                && let Some((_, units)) = by_topic.get_mut(&topic)
            {
                units.push((t, row.key, at));
            }
        });
        // What was read until a broken page is good.
        let lost = read.err().map(|what| format!("the recording is broken, messages are missing: {what}"));
        let streams = by_topic.into_values().map(|(topic, mut units)| {
            units.sort_unstable_by_key(|(t, key, _)| (*t, *key));
            let units = units.into_iter().map(|(_, _, at)| Unit::Message(at)).collect();
            Stream { origin: topic, port: None, units }
        });
        let note = (!others.is_empty()).then(|| format!("not read: {}", others.join(", ")));
        Ok(Self {
            path: path.into(),
            streams: streams.collect(),
            store: Mutex::new(Store { input: Input::Bag(database), bytes: Vec::new(), row: Row::default() }),
            notes: note.into_iter().collect(),
            lost: lost.into_iter().collect(),
        })
    }

    /// Gives every packet of a unit, with its time of arrival, to `visit`.
    pub(super) fn read(
        &self,
        stream: &Stream,
        unit: usize,
        visit: &mut dyn FnMut(Timestamp, &[u8]),
    ) -> Result<(), ReadError> {
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        let Store { input, bytes, row } = &mut *store;
        let origin = || format!("{}, {}, packet {unit}", self.path.display(), stream.origin);
        match (stream.units.get(unit), input) {
            (Some(Unit::Datagram { t, pieces }), Input::Capture(file)) => {
                fetch(file, pieces, bytes)
                    .map_err(|e| ReadError::Unreadable { origin: origin(), reason: e.to_string() })?;
                visit(*t, bytes);
                Ok(())
            }
            (Some(Unit::Message(at)), Input::Bag(database)) => {
                database.row(*at, row).map_err(|reason| ReadError::Unreadable { origin: origin(), reason })?;
                let columns = row.columns();
                let data = columns.get(3).map_or(&[][..], |v| v.bytes());
                scan(data, visit).map_err(|fault| fault.at(origin()))
            }
            _ => Err(ReadError::NoSuchEntry { index: unit, entries: stream.len() }),
        }
    }
}

fn fetch(file: &mut File, pieces: &[Piece], bytes: &mut Vec<u8>) -> std::io::Result<()> {
    bytes.clear();
    for piece in pieces {
        let begin = bytes.len();
        bytes.resize(begin + piece.bytes as usize, 0);
        file.seek(SeekFrom::Start(piece.at))?;
        file.read_exact(bytes.get_mut(begin..).unwrap_or(&mut []))?;
    }
    Ok(())
}

/// `velodyne_msgs/VelodyneScan`: a header, then packets, each with its time of arrival.
fn scan(message: &[u8], visit: &mut dyn FnMut(Timestamp, &[u8])) -> Result<(), Fault> {
    let mut cdr = Cdr::new(message)?;
    cdr.i32("header.stamp.sec")?;
    cdr.u32("header.stamp.nanosec")?;
    cdr.string("header.frame_id")?;
    let packets = cdr.length(8 + VELODYNE_BYTES, "packets")?;
    for _ in 0..packets {
        let (seconds, part) = (cdr.i32("packets[].stamp.sec")?, cdr.u32("packets[].stamp.nanosec")?);
        let arrived = Timestamp::from_nanos(i64::from(seconds) * 1_000_000_000 + i64::from(part));
        visit(arrived, cdr.octets(VELODYNE_BYTES, "packets[].data")?);
    }
    Ok(())
}
