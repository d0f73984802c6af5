//! LiDARs that speak in packets: Velodyne VLP-16 and HDL-32E, Ouster by its metadata, Livox Mid-360.
//!
//! [`Assembler`] turns one sensor's packets into [`Frame`]s, whatever brought them: `recorded/` reads captures and rosbag2
//! recordings as a drive, `udp/` listens on a socket. Parsers are sans I/O, cannot panic and never read beyond a packet. Every packet ends in one of
//! [`PacketCounts`]' classes.

mod assembler;
mod bytes;
pub mod clock;
mod counts;
mod fault;
mod frame;
mod livox;
pub mod made;
mod model;
mod mount;
mod ouster;
pub(crate) mod recorded;
mod sequence;
mod udp;
mod velodyne;

pub use assembler::{Assembler, FrameOptions};
pub use counts::PacketCounts;
pub use fault::PacketFault;
pub use frame::{Extent, Frame};
pub use model::{LidarModel, ModelName};
pub use ouster::{Column, OusterMetadata, OusterPacket, Pixel};
pub use udp::{BUFFER_BYTES, UdpCounts, UdpError, UdpFrame, UdpLidar, UdpOptions, heard};
