//! Walking the records of a capture: pcap (microseconds and nanoseconds, both byte orders) and pcapng.
//!
//! Gives each captured frame with its time and its place in the file. A capture that is cut off or broken gives all records
//! before that place, and says so.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::Path;

use ocellus_percept::time::Timestamp;

use crate::error::SenseError;

/// Longest frame any capturing program keeps (libpcap's MAXIMUM_SNAPLEN).
const FRAME_BYTES_MAX: u32 = 262_144;
/// Longest block of a pcapng file: a frame with room for options.
const BLOCK_BYTES_MAX: u32 = 2 * FRAME_BYTES_MAX;
/// Interfaces of a section; more is a broken file.
const INTERFACES_MAX: usize = 4096;

const PCAP_MICRO: u32 = 0xA1B2_C3D4;
const PCAP_NANO: u32 = 0xA1B2_3C4D;
const SECTION: u32 = 0x0A0D_0D0A;
const SECTION_ORDER: u32 = 0x1A2B_3C4D;
const INTERFACE: u32 = 1;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

/// One captured frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Captured<'a> {
    /// When it was captured.
    pub(super) t: Timestamp,
    /// How its link writes frames (LINKTYPE number).
    pub(super) link: u32,
    /// Where its bytes lie in the file.
    pub(super) at: u64,
    /// Its bytes, as many as were kept.
    pub(super) bytes: &'a [u8],
}

/// Whether the file begins as a capture does.
pub(crate) fn is_capture(path: &Path) -> bool {
    let mut magic = [0; 4];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut magic));
    let known = |n: u32| [PCAP_MICRO, PCAP_NANO, SECTION].contains(&n);
    read.is_ok() && (known(u32::from_le_bytes(magic)) || known(u32::from_be_bytes(magic)))
}

/// Visits all frames; what is said where the capture stops before its end.
pub(super) fn walk(path: &Path, visit: &mut dyn FnMut(Captured<'_>)) -> Result<Option<String>, SenseError> {
    let file = File::open(path).map_err(SenseError::io(path, "opening the capture"))?;
    let mut walk = Walk { input: BufReader::with_capacity(1 << 16, file), at: 0, swap: false, body: Vec::new() };
    let wrong = |expected: &str, got: String| SenseError::Format {
        file: path.into(),
        place: "the first bytes".into(),
        expected: expected.into(),
        got,
    };
    let Some(magic) = walk.number() else { return Err(wrong("a pcap or pcapng capture", "an empty file".into())) };
    let stopped = match magic {
        SECTION => walk.blocks(visit),
        n if [PCAP_MICRO, PCAP_NANO].contains(&n) => walk.records(n == PCAP_NANO, visit),
        n if [PCAP_MICRO, PCAP_NANO].contains(&n.swap_bytes()) => {
            walk.swap = true;
            walk.records(n.swap_bytes() == PCAP_NANO, visit)
        }
        n => return Err(wrong("a pcap or pcapng capture", format!("{n:08X}"))),
    };
    Ok(stopped.err().map(|what| format!("the capture stops at byte {}: {what}", walk.at)))
}

/// A file being read from front to end.
struct Walk {
    input: BufReader<File>,
    at: u64,
    swap: bool,
    body: Vec<u8>,
}

/// An interface of a pcapng section.
#[derive(Debug, Clone, Copy)]
struct Interface {
    link: u32,
    /// Ticks of its clock a second.
    ticks: u64,
}

impl Walk {
    /// Fills `body` with the next bytes; false at the end of the file before them.
    fn fill(&mut self, bytes: u32) -> Result<bool, String> {
        self.body.resize(bytes as usize, 0);
        let mut got = 0;
        while got < self.body.len() {
            match self.input.read(self.body.get_mut(got..).unwrap_or(&mut [])) {
                Ok(0) => break,
                Ok(n) => got += n,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e.to_string()),
            }
        }
        self.at += got as u64;
        match got {
            0 if bytes > 0 => Ok(false),
            n if n < bytes as usize => Err(format!("{bytes} bytes should follow, {n} are there")),
            _ => Ok(true),
        }
    }

    fn order(&self, bytes: [u8; 4]) -> u32 {
        if self.swap { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }

    /// The next number, `None` at the end of the file.
    fn number(&mut self) -> Option<u32> {
        self.fill(4).ok().filter(|there| *there)?;
        self.field(0)
    }

    /// The number at `at` of the body.
    fn field(&self, at: usize) -> Option<u32> {
        self.body.get(at..)?.first_chunk().map(|bytes| self.order(*bytes))
    }

    /// The records of a pcap file behind its first word.
    fn records(&mut self, nano: bool, visit: &mut dyn FnMut(Captured<'_>)) -> Result<(), String> {
        if !self.fill(20)? {
            return Err("the file's header is missing".into());
        }
        // The upper bits tell of check sums behind frames.
        let link = self.field(16).unwrap_or(0) & 0x0FFF_FFFF;
        while self.fill(16)? {
            let [seconds, part, kept] = [0, 4, 8].map(|at| self.field(at).unwrap_or(0));
            if kept > FRAME_BYTES_MAX {
                return Err(format!("a frame of {kept} bytes; no capture keeps more than {FRAME_BYTES_MAX}"));
            }
            let at = self.at;
            if !self.fill(kept)? && kept > 0 {
                return Err("a frame's bytes are missing".into());
            }
            let ns = i64::from(part) * if nano { 1 } else { 1000 };
            let t = Timestamp::from_nanos(i64::from(seconds) * 1_000_000_000 + ns);
            visit(Captured { t, link, at, bytes: &self.body });
        }
        Ok(())
    }

    /// The blocks of a pcapng file behind its first word.
    fn blocks(&mut self, visit: &mut dyn FnMut(Captured<'_>)) -> Result<(), String> {
        let mut interfaces = Vec::new();
        let mut last = Timestamp::default();
        let mut kind = SECTION;
        loop {
            if !self.fill(4)? {
                return Err("a block's length is missing".into());
            }
            let mut body_bytes = self.field(0).unwrap_or(0);
            if kind == SECTION {
                // The byte order is told behind the length, in that order itself.
                let length = self.body.clone();
                if !self.fill(4)? {
                    return Err("a section's byte order is missing".into());
                }
                self.swap = self.body.first_chunk().is_some_and(|b| u32::from_be_bytes(*b) == SECTION_ORDER);
                body_bytes = length.first_chunk().map_or(0, |b| self.order(*b)).saturating_sub(4);
                interfaces.clear();
            }
            let rest = body_bytes.checked_sub(8).filter(|n| *n <= BLOCK_BYTES_MAX && n.is_multiple_of(4));
            let rest = rest.ok_or_else(|| format!("a block of {body_bytes} bytes"))?;
            let at = self.at;
            if !self.fill(rest)? {
                return Err("a block's bytes are missing".into());
            }
            match kind {
                INTERFACE if interfaces.len() < INTERFACES_MAX => interfaces.push(self.interface()),
                ENHANCED_PACKET => self.enhanced(&interfaces, at, &mut last, visit),
                SIMPLE_PACKET => {
                    let link = interfaces.first().map_or(0, |i: &Interface| i.link);
                    let kept = self.field(0).unwrap_or(0) as usize;
                    let end = (4 + kept).min(self.body.len().saturating_sub(4));
                    visit(Captured { t: last, link, at: at + 4, bytes: self.body.get(4..end).unwrap_or(&[]) });
                }
                _ => {}
            }
            match self.number() {
                Some(next) => kind = next,
                None => return Ok(()),
            }
        }
    }

    /// The interface description in the body.
    fn interface(&self) -> Interface {
        const TIME_RESOLUTION: u32 = 9;
        let both = self.field(0).unwrap_or(0);
        let half = |word: u32, second: bool| if second == self.swap { word & 0xFFFF } else { word >> 16 };
        let mut interface = Interface { link: half(both, false), ticks: 1_000_000 };
        let mut at = 8;
        while let Some(option) = self.field(at) {
            let (code, length) = (half(option, false), half(option, true) as usize);
            if code == 0 {
                break;
            }
            if let (TIME_RESOLUTION, Some(value)) = (code, self.body.get(at + 4)) {
                let base: u64 = if value & 0x80 == 0 { 10 } else { 2 };
                interface.ticks = base.checked_pow(u32::from(value & 0x7F)).unwrap_or(1_000_000).max(1);
            }
            at += 4 + length.next_multiple_of(4);
        }
        interface
    }

    /// The packet in the body, which began at byte `at` of the file.
    fn enhanced(&self, interfaces: &[Interface], at: u64, last: &mut Timestamp, visit: &mut dyn FnMut(Captured<'_>)) {
        const HEAD_BYTES: usize = 20;
        let [interface, high, low, kept] = [0, 4, 8, 12].map(|at| self.field(at).unwrap_or(0));
        let Some(interface) = interfaces.get(interface as usize) else { return };
        let ticks = (u64::from(high) << 32) | u64::from(low);
        let ns = u128::from(ticks) * 1_000_000_000 / u128::from(interface.ticks);
        *last = Timestamp::from_nanos(i64::try_from(ns).unwrap_or(i64::MAX));
        let bytes = HEAD_BYTES.checked_add(kept as usize).and_then(|end| self.body.get(HEAD_BYTES..end));
        if let Some(bytes) = bytes {
            visit(Captured { t: *last, link: interface.link, at: at + HEAD_BYTES as u64, bytes });
        }
    }
}
