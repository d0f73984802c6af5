//! UDP datagrams out of captured frames: Ethernet (VLAN too), Linux cooked, loopback and raw IP; IPv4 and IPv6; fragments put
//! together again.
//!
//! A datagram is told by where its bytes lie in the capture, so that they can be read again. A datagram of which a fragment
//! never came, or whose frame was cut by the capturing program, is counted.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ocellus_percept::time::Timestamp;

use super::pcap::Captured;

const UDP: u8 = 17;
const UDP_HEADER_BYTES: usize = 8;
/// Fragments are waited for no longer (the kernel's own limit).
const FRAGMENTS_S_MAX: f64 = 30.0;
/// Datagrams in pieces at a time; more is a flood, and the oldest is given up.
const PENDING_MAX: usize = 64;
/// Fragments of one datagram: 64 KiB in pieces of the least length IP must carry.
const PIECES_MAX: usize = 128;

/// A run of bytes of the capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) at: u64,
    pub(super) bytes: u32,
}

/// A datagram's payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Datagram {
    /// When its last piece was captured.
    pub(super) t: Timestamp,
    pub(super) from: IpAddr,
    /// Port it was sent to.
    pub(super) port: u16,
    pub(super) pieces: Vec<Piece>,
}

/// An IP packet of UDP.
struct Ip<'a> {
    from: IpAddr,
    to: IpAddr,
    id: u32,
    offset: u32,
    more: bool,
    /// Where the payload lies in the frame.
    at: usize,
    payload: &'a [u8],
    /// Bytes the packet says that its payload has.
    length: usize,
}

/// Puts datagrams together.
#[derive(Debug, Default)]
pub(super) struct Reassembler {
    pending: Vec<Pending>,
    /// Datagrams of which a piece never came.
    pub(super) torn: u64,
    /// Datagrams that the capturing program cut.
    pub(super) cut: u64,
}

/// A datagram in pieces.
#[derive(Debug)]
struct Pending {
    from: IpAddr,
    to: IpAddr,
    id: u32,
    begun: Timestamp,
    port: u16,
    /// Offset within the IP payload, and where it lies.
    pieces: Vec<(u32, Piece)>,
    end: Option<u32>,
}

impl Reassembler {
    /// Takes a captured frame; a datagram that is whole with it.
    pub(super) fn take(&mut self, frame: &Captured<'_>) -> Option<Datagram> {
        let ip = ip_of(frame)?;
        if ip.payload.len() < ip.length {
            self.cut += 1;
            return None;
        }
        let port = if ip.offset == 0 { u16::from_be_bytes(*ip.payload.get(2..)?.first_chunk()?) } else { 0 };
        let piece = Piece { at: frame.at + ip.at as u64, bytes: u32::try_from(ip.payload.len()).ok()? };
        if ip.offset == 0 && !ip.more {
            return whole(frame.t, ip.from, port, &[(0, piece)]);
        }
        self.fragment(frame.t, &ip, port, piece)
    }

    fn fragment(&mut self, t: Timestamp, ip: &Ip<'_>, port: u16, piece: Piece) -> Option<Datagram> {
        self.give_up(|p| t.seconds_since(p.begun) > FRAGMENTS_S_MAX);
        let same = |p: &Pending| (p.from, p.to, p.id) == (ip.from, ip.to, ip.id);
        if let Some(known) =
            self.pending.iter().find(|p| same(p)).map(|p| p.pieces.iter().any(|(o, _)| *o == ip.offset))
            && known
        {
            if ip.offset != 0 {
                return None;
            }
            // A second beginning: the number is used again, and the first datagram's other pieces will not come.
            self.give_up(same);
        }
        if self.pending.len() >= PENDING_MAX {
            let oldest = self.pending.first().map(|p| p.begun);
            self.give_up(|p| Some(p.begun) == oldest);
        }
        let index = self.pending.iter().position(same).unwrap_or_else(|| {
            let (from, to, id) = (ip.from, ip.to, ip.id);
            self.pending.push(Pending { from, to, id, begun: t, port: 0, pieces: Vec::new(), end: None });
            self.pending.len() - 1
        });
        let pending = self.pending.get_mut(index)?;
        if ip.offset == 0 {
            pending.port = port;
        }
        if !ip.more {
            pending.end = ip.offset.checked_add(piece.bytes);
        }
        pending.pieces.push((ip.offset, piece));
        pending.pieces.sort_by_key(|(offset, _)| *offset);
        if pending.pieces.len() > PIECES_MAX {
            self.pending.remove(index);
            self.torn += 1;
            return None;
        }
        if !pending.is_whole() {
            return None;
        }
        let pending = self.pending.remove(index);
        whole(t, pending.from, pending.port, &pending.pieces)
    }

    fn give_up(&mut self, when: impl Fn(&Pending) -> bool) {
        let before = self.pending.len();
        self.pending.retain(|p| !when(p));
        self.torn += (before - self.pending.len()) as u64;
    }

    /// The capture ends: what is in pieces stays so.
    pub(super) fn finish(&mut self) {
        self.give_up(|_| true);
    }
}

impl Pending {
    fn is_whole(&self) -> bool {
        let mut reached = 0;
        for (offset, piece) in &self.pieces {
            if *offset != reached {
                return false;
            }
            reached += piece.bytes;
        }
        self.end == Some(reached)
    }
}

/// The datagram made of `pieces`, without its header.
fn whole(t: Timestamp, from: IpAddr, port: u16, pieces: &[(u32, Piece)]) -> Option<Datagram> {
    let mut header = UDP_HEADER_BYTES as u32;
    let pieces = pieces.iter().filter_map(|(_, piece)| {
        let skip = header.min(piece.bytes);
        header -= skip;
        (piece.bytes > skip).then_some(Piece { at: piece.at + u64::from(skip), bytes: piece.bytes - skip })
    });
    Some(Datagram { t, from, port, pieces: pieces.collect() })
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The IP packet in a captured frame, where it is UDP.
fn ip_of<'a>(frame: &Captured<'a>) -> Option<Ip<'a>> {
    /// LINKTYPE numbers.
    const NULL: u32 = 0;
    const ETHERNET: u32 = 1;
    const RAW: [u32; 5] = [12, 14, 101, 228, 229];
    const LINUX_COOKED: u32 = 113;
    const LINUX_COOKED_2: u32 = 276;
    const LOOP: u32 = 108;
    let bytes = frame.bytes;
    let at = match frame.link {
        ETHERNET => behind_ethernet(bytes)?,
        LINUX_COOKED => 16,
        LINUX_COOKED_2 => 20,
        NULL | LOOP => 4,
        raw if RAW.contains(&raw) => 0,
        _ => return None,
    };
    match bytes.get(at)? >> 4 {
        4 => ipv4(bytes, at),
        6 => ipv6(bytes, at),
        _ => None,
    }
}

/// Length of an Ethernet header with its VLAN tags, where IP follows.
fn behind_ethernet(bytes: &[u8]) -> Option<usize> {
    const VLAN: [u16; 3] = [0x8100, 0x88A8, 0x9100];
    const IP: [u16; 2] = [0x0800, 0x86DD];
    let mut at = 12;
    while VLAN.contains(&be16(bytes, at)?) {
        at += 4;
    }
    IP.contains(&be16(bytes, at)?).then_some(at + 2)
}

fn ipv4(bytes: &[u8], at: usize) -> Option<Ip<'_>> {
    let header = usize::from(bytes.get(at)? & 0xF) * 4;
    let total = usize::from(be16(bytes, at + 2)?);
    let fragment = be16(bytes, at + 6)?;
    let address = |at: usize| Some(IpAddr::V4(Ipv4Addr::from_bits(be32(bytes, at)?)));
    if header < 20 || *bytes.get(at + 9)? != UDP {
        return None;
    }
    let length = total.checked_sub(header)?;
    let rest = bytes.get(at + header..)?;
    Some(Ip {
        from: address(at + 12)?,
        to: address(at + 16)?,
        id: be16(bytes, at + 4)?.into(),
        offset: u32::from(fragment & 0x1FFF) * 8,
        more: fragment & 0x2000 != 0,
        at: at + header,
        payload: rest.get(..length).unwrap_or(rest),
        length,
    })
}

fn ipv6(bytes: &[u8], at: usize) -> Option<Ip<'_>> {
    const HEADER_BYTES: usize = 40;
    const FRAGMENT: u8 = 44;
    const FRAGMENT_BYTES: usize = 8;
    let address = |at: usize| {
        let octets: [u8; 16] = *bytes.get(at..)?.first_chunk()?;
        Some(IpAddr::V6(Ipv6Addr::from(octets)))
    };
    let (mut next, mut begin) = (*bytes.get(at + 6)?, at + HEADER_BYTES);
    let mut length = usize::from(be16(bytes, at + 4)?);
    let (mut id, mut offset, mut more) = (0, 0, false);
    if next == FRAGMENT {
        let field = be16(bytes, begin + 2)?;
        (next, id) = (*bytes.get(begin)?, be32(bytes, begin + 4)?);
        (offset, more) = (u32::from(field & 0xFFF8), field & 1 != 0);
        begin += FRAGMENT_BYTES;
        length = length.checked_sub(FRAGMENT_BYTES)?;
    }
    if next != UDP {
        return None;
    }
    let rest = bytes.get(begin..)?;
    let payload = rest.get(..length).unwrap_or(rest);
    Some(Ip { from: address(at + 8)?, to: address(at + 24)?, id, offset, more, at: begin, payload, length })
}
