//! Livox Mid-360 (and HAP): points in Cartesian or spherical coordinates, parted into frames by time.
//!
//! A packet: 36 bytes of header (version, length, time from the first to the last point in 0.1 us, number of points, a 16-bit
//! counter, frame counter, data type, kind of time, 12 reserved, CRC, time in ns), then the points. The counter runs free or starts
//! at 0 with each frame, as the firmware likes. The CRC is not checked: UDP's own is.

use ocellus_percept::time::Timestamp;

use super::assembler::{Fate, FrameOptions};
use super::bytes::{i16_at, i32_at, u8_at, u16_at, u32_at, u64_at};
use super::fault::PacketFault;
use super::frame::{Close, Lacks, Turn};
use super::sequence::{Place, Sequence};

/// Bytes of the largest packet: 96 points of 14 bytes.
pub(super) const PACKET_BYTES_MAX: usize = HEADER_BYTES + 96 * 14;
const HEADER_BYTES: usize = 36;
/// The first place of the packet counter, far from 0 so that packets before the first one have places.
const FIRST_PLACE: u64 = 1 << 32;

/// How a packet's points are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// x, y, z in mm as i32, reflectivity, tag.
    Millimetres,
    /// x, y, z in cm as i16, reflectivity, tag.
    Centimetres,
    /// Depth in mm as u32, zenith and azimuth in 0.01 degrees as u16, reflectivity, tag.
    Spherical,
}

impl Form {
    fn bytes(self) -> usize {
        match self {
            Self::Millimetres => 14,
            Self::Centimetres => 8,
            Self::Spherical => 10,
        }
    }

    /// A point in metres and its reflectivity; `None` where nothing came back.
    fn point(self, record: &[u8]) -> Option<([f32; 3], u8)> {
        let (xyz, reflectivity) = match self {
            Self::Millimetres => ([0, 4, 8].map(|at| i32_at(record, at) as f32 * 1e-3), u8_at(record, 12)),
            Self::Centimetres => ([0, 2, 4].map(|at| f32::from(i16_at(record, at)) * 1e-2), u8_at(record, 6)),
            Self::Spherical => {
                let range = u32_at(record, 0) as f32 * 1e-3;
                let [zenith, azimuth] = [4, 6].map(|at| (f32::from(u16_at(record, at)) * 1e-2).to_radians());
                let level = range * zenith.sin();
                ([level * azimuth.cos(), level * azimuth.sin(), range * zenith.cos()], u8_at(record, 8))
            }
        };
        (xyz != [0.0; 3]).then_some((xyz, reflectivity))
    }
}

/// A packet whose header is right.
struct Points<'a> {
    form: Form,
    counter: u16,
    t_ns: i64,
    span_ns: i64,
    records: &'a [u8],
}

fn parse(packet: &[u8]) -> Result<Points<'_>, PacketFault> {
    let length = usize::from(u16_at(packet, 1));
    if packet.len() < HEADER_BYTES || length != packet.len() {
        return Err(PacketFault::Foreign {
            place: "length in the header",
            expected: packet.len() as u64,
            got: length as u64,
        });
    }
    let form = match u8_at(packet, 10) {
        0 => return Err(PacketFault::Auxiliary),
        1 => Form::Millimetres,
        2 => Form::Centimetres,
        3 => Form::Spherical,
        other => {
            return Err(PacketFault::Malformed { place: "data type", expected: "0 to 3", got: other.into() });
        }
    };
    let points = usize::from(u16_at(packet, 5));
    if points == 0 || HEADER_BYTES + points * form.bytes() != length {
        let expected = "as many points as the length holds";
        return Err(PacketFault::Malformed { place: "number of points", expected, got: points as u64 });
    }
    let t_ns = i64::try_from(u64_at(packet, 28)).map_err(|_| PacketFault::Malformed {
        place: "time",
        expected: "below 2^63 ns",
        got: u64_at(packet, 28),
    })?;
    Ok(Points {
        form,
        counter: u16_at(packet, 7),
        t_ns,
        span_ns: i64::from(u16_at(packet, 3)) * 100,
        records: packet.get(HEADER_BYTES..).unwrap_or(&[]),
    })
}

/// Whether a packet is one of points.
pub(super) fn is_points(packet: &[u8]) -> bool {
    parse(packet).is_ok()
}

/// A Livox sensor's stream.
#[derive(Debug)]
pub(super) struct Livox {
    window_ns: i64,
    timeout_ns: i64,
    counter: Option<u16>,
    books: Sequence,
}

impl Livox {
    pub(super) fn new(options: &FrameOptions) -> Self {
        Self {
            window_ns: options.window_ns.max(1),
            timeout_ns: options.timeout_ns,
            counter: None,
            books: Sequence::default(),
        }
    }

    pub(super) fn books(&self) -> &Sequence {
        &self.books
    }

    /// Places the counter in the sequence: nearest to the newest place, and a 0 goes on from anywhere.
    fn place(&mut self, counter: u16) -> u64 {
        let newest = self.books.newest().unwrap_or(FIRST_PLACE);
        let Some(last) = self.counter else { return FIRST_PLACE };
        let step = counter.wrapping_sub(last) as i16;
        // Far behind and small: the counter starts again with a frame.
        if step < 0 && counter < 8 && last >= 64 {
            return newest + 1 + u64::from(counter);
        }
        newest.saturating_add_signed(step.into())
    }

    pub(super) fn take(&mut self, packet: &[u8], arrived: Timestamp, turn: &mut Turn) -> Result<Fate, PacketFault> {
        let points = parse(packet)?;
        let window = points.t_ns.div_euclid(self.window_ns);
        let place = self.place(points.counter);
        let mut finished = false;
        match self.books.enter(place) {
            Place::Duplicate => return Ok(Fate::Duplicate),
            Place::Reordered => {
                if turn.open().is_none_or(|f| window < f.key as i64) {
                    return Ok(Fate::Late);
                }
            }
            Place::Restart => {
                finished = self.close(Close::Broken, turn);
                self.counter = Some(points.counter);
            }
            Place::Next { missed } => {
                self.counter = Some(points.counter);
                if let Some(frame) = turn.open() {
                    frame.missing = frame.missing.saturating_add(u32::try_from(missed).unwrap_or(u32::MAX));
                    let late = points.t_ns - frame.last_ns > self.timeout_ns || points.t_ns < frame.first_ns;
                    if late || window != frame.key as i64 {
                        finished = self.close(if late { Close::Broken } else { Close::Cut }, turn);
                    }
                }
            }
        }
        if turn.open().is_none() {
            turn.begin(window as u64, points.t_ns);
        }
        if let Some(frame) = turn.open() {
            let count = (points.records.len() / points.form.bytes()).max(1);
            let (start_s, span_s) = (frame.offset_s(points.t_ns), points.span_ns as f32 * 1e-9);
            for (i, record) in points.records.chunks_exact(points.form.bytes()).enumerate() {
                if let Some((xyz, reflectivity)) = points.form.point(record) {
                    frame.add(xyz, reflectivity, None, start_s + span_s * i as f32 / count as f32);
                }
            }
            frame.last_ns =
                frame.last_ns.max(points.t_ns.saturating_add(points.span_ns * (count as i64 - 1) / count as i64));
            frame.enter_packet(arrived);
        }
        Ok(Fate::Used { finished })
    }

    pub(super) fn close(&mut self, why: Close, turn: &mut Turn) -> bool {
        // Windows are cut by the clock, the stream begins and ends anywhere within one.
        let beginning = turn.is_first();
        turn.close(why, Lacks { beginning, end: why == Close::End })
    }
}
