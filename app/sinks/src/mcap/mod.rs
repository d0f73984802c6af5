//! Writing MCAP recordings that other programs read: ROS 2 messages in CDR with their definitions embedded (profile `ros2`),
//! and Foxglove's drawings as JSON with their schemas.
//!
//! [`McapWriter`] takes percept's types: pictures, sweeps, cameras, rigs, poses, reports. Chunks are closed every half second
//! of logged time and go to the operating system at once, so that after a kill all but the last second is readable. The same
//! calls give the same bytes. Frames and topics follow ROS's conventions ([`topics`]); times are sensor time, and the time of
//! logging where the caller knows it.
//!
//! Not here: reading (that is `sense`), threads, clocks, the choice of what is worth keeping.

mod cdr;
mod definitions;
mod drawings;
mod error;
mod file;
mod jpeg;
mod messages;
mod results;
mod schemas;
mod summary;
pub mod topics;
mod vision;
mod writer;

pub use error::RecordError;
pub use jpeg::{JpegError, jpeg_from_image};
pub use messages::{ImuReading, Motion};
pub use writer::{At, Compression, McapWriter};
