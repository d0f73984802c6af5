//! Writing MCAP recordings that other programs read: ROS 2 messages in CDR with their definitions embedded (profile `ros2`).
//!
//! Foxglove's drawings are messages of its ROS 2 package `foxglove_msgs`, and our own JSON is the text of `std_msgs/String`:
//! a file with one channel that is not ROS 2's (JSON, protobuf) is refused whole by some readers of ROS 2 recordings.
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
mod summary;
pub mod topics;
mod vision;
mod writer;

pub use error::RecordError;
pub use jpeg::{JpegError, jpeg_from_image};
pub use messages::{ImuReading, Motion};
pub use writer::{At, Compression, McapWriter};
