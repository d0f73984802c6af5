//! A LiDAR heard over UDP: datagrams in, frames out, every one of them in the books.
//!
//! Plain struct, polled from a thread of the caller's: [`UdpLidar::poll`] waits a bounded time and never for ever. What the
//! socket's buffer has no room for is lost and counted twice over: by the kernel, and as gaps in the sensor's sequence. A
//! stamp is the time of a frame's last point, by the sensor's clock where that shows UTC, else by arrival ([`super::clock`]).

mod drive;
mod socket;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use ocellus_percept::cloud::Cloud;
use ocellus_percept::time::Timestamp;
use serde::Serialize;
use thiserror::Error;

use super::assembler::{Assembler, FrameOptions};
use super::clock::SensorClock;
use super::counts::PacketCounts;
use super::fault::PacketFault;
use super::frame::Extent;
use super::model::LidarModel;
pub use drive::heard;
use socket::{Received, Socket};

/// Buffer asked of the kernel unless told otherwise: an eighth of a second of the fastest sensor (32 MB/s).
pub const BUFFER_BYTES: usize = 4 << 20;
/// A datagram is never longer.
const DATAGRAM_BYTES_MAX: usize = 65_535;

/// What is listened to.
#[derive(Debug, Clone, PartialEq)]
pub struct UdpOptions {
    /// Address and port to bind; port 0 takes any.
    pub address: SocketAddr,
    /// The sensor.
    pub model: LidarModel,
    /// Only packets from here are the sensor's; from anywhere where `None`.
    pub from: Option<IpAddr>,
    /// A multicast group to join.
    pub group: Option<IpAddr>,
    /// Buffer asked of the kernel.
    pub buffer_bytes: usize,
    /// How the stream is parted into frames.
    pub frames: FrameOptions,
}

impl UdpOptions {
    /// A sensor heard at `address`, everything else as usual.
    pub fn new(address: SocketAddr, model: LidarModel) -> Self {
        Self { address, model, from: None, group: None, buffer_bytes: BUFFER_BYTES, frames: FrameOptions::default() }
    }
}

/// Why a LiDAR cannot be heard.
#[derive(Debug, Error)]
#[error("{address}: {doing} failed: {source}{hint}")]
pub struct UdpError {
    address: SocketAddr,
    doing: &'static str,
    source: io::Error,
    hint: &'static str,
}

impl UdpError {
    fn new(address: SocketAddr, doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| {
            let hint = match source.kind() {
                io::ErrorKind::AddrInUse => "; another program listens there already",
                io::ErrorKind::AddrNotAvailable => "; no interface of this machine has the address: 0.0.0.0 takes any",
                _ => "",
            };
            Self { address, doing, source, hint }
        }
    }
}

/// A frame that was heard; its points are in the cloud given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UdpFrame {
    /// Number among the frames heard.
    pub seq: u64,
    /// Time of its last point.
    pub t: Timestamp,
    /// Arrival of its last packet.
    pub arrived: Timestamp,
    /// Whether it is whole.
    pub extent: Extent,
    /// Packets it is made of.
    pub packets: u32,
    /// Packets missing inside.
    pub missing: u32,
}

/// Where every datagram went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct UdpCounts {
    /// Those given to the decoder.
    pub packets: PacketCounts,
    /// Those from other senders than the sensor.
    pub strangers: u64,
    /// Those the kernel had no room for; they are among the packets lost.
    pub kernel_dropped: u64,
}

/// A LiDAR heard over UDP.
#[derive(Debug)]
pub struct UdpLidar {
    address: SocketAddr,
    socket: Socket,
    from: Option<IpAddr>,
    assembler: Assembler,
    clock: SensorClock,
    buffer: Vec<u8>,
    frames: u64,
    strangers: u64,
    warning: Option<String>,
    last_arrived: Option<(Timestamp, Instant)>,
}

impl UdpLidar {
    /// Begins to listen.
    ///
    /// # Errors
    /// An address that cannot be bound, a group that cannot be joined.
    pub fn open(options: &UdpOptions) -> Result<Self, UdpError> {
        let UdpOptions { address, model, from, group, buffer_bytes, frames } = options;
        let (socket, granted) = Socket::bind(*address, *buffer_bytes).map_err(UdpError::new(*address, "listening"))?;
        if let Some(group) = group {
            socket.join(*group).map_err(UdpError::new(*address, "joining the group"))?;
        }
        let warning = (granted < *buffer_bytes).then(|| {
            format!(
                "the kernel grants a socket buffer of {} KiB instead of {} KiB: packets may be lost; \
                 sysctl -w net.core.rmem_max={buffer_bytes}",
                granted >> 10,
                buffer_bytes >> 10
            )
        });
        let within_hour = matches!(model, LidarModel::Vlp16 | LidarModel::Hdl32e);
        Ok(Self {
            address: socket.address().unwrap_or(*address),
            socket,
            from: *from,
            assembler: Assembler::new(model, *frames),
            clock: SensorClock::new(within_hour),
            buffer: vec![0; DATAGRAM_BYTES_MAX],
            frames: 0,
            strangers: 0,
            warning,
            last_arrived: None,
        })
    }

    /// The address bound to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What is to be said of the socket.
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    /// What is to be said of the sensor's clock, once it was heard.
    pub fn clock_remark(&self) -> Option<String> {
        self.clock.remark()
    }

    /// The books until now; asks the kernel for its own.
    pub fn counts(&self) -> UdpCounts {
        let kernel_dropped = self.socket.dropped().unwrap_or(0);
        UdpCounts { packets: self.assembler.counts(), strangers: self.strangers, kernel_dropped }
    }

    /// Why the last packet that was not used was not.
    pub fn last_fault(&self) -> Option<PacketFault> {
        self.assembler.last_fault()
    }

    /// Waits at most `patience` for the next frame, whose points replace those of `cloud`. `None` where none is finished yet.
    ///
    /// # Errors
    /// What the socket refuses.
    pub fn poll(&mut self, patience: Duration, cloud: &mut Cloud) -> Result<Option<UdpFrame>, UdpError> {
        let until = Instant::now() + patience;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let received = self.socket.receive(&mut self.buffer, left);
            let finished = match received.map_err(UdpError::new(self.address, "receiving"))? {
                Some(received) => self.take(&received),
                None => self.idle(),
            };
            if finished {
                return Ok(Some(self.give(cloud)));
            }
            if left.is_zero() {
                return Ok(None);
            }
        }
    }

    /// Closes the frame that is open, when no more will come.
    pub fn finish(&mut self, cloud: &mut Cloud) -> Option<UdpFrame> {
        self.assembler.finish().then(|| self.give(cloud))
    }

    fn take(&mut self, received: &Received) -> bool {
        if self.from.is_some_and(|from| received.from != from) {
            self.strangers += 1;
            return false;
        }
        self.last_arrived = Some((received.arrived, Instant::now()));
        let packet = self.buffer.get(..received.bytes).unwrap_or(&[]);
        self.assembler.push(packet, received.arrived)
    }

    /// Closes a frame that waits too long, by the monotonic clock.
    fn idle(&mut self) -> bool {
        let Some((arrived, at)) = self.last_arrived else { return false };
        self.assembler.idle(arrived.plus_seconds(at.elapsed().as_secs_f64()))
    }

    fn give(&mut self, cloud: &mut Cloud) -> UdpFrame {
        let frame = self.assembler.frame();
        std::mem::swap(cloud, &mut frame.cloud);
        let seq = self.frames;
        self.frames += 1;
        UdpFrame {
            seq,
            t: self.clock.stamp(frame.last_ns, frame.arrived),
            arrived: frame.arrived,
            extent: frame.extent,
            packets: frame.packets,
            missing: frame.missing,
        }
    }
}
