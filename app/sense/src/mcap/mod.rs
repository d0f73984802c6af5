//! MCAP recordings: ROS 2 messages in CDR (`sensor_msgs`, `tf2_msgs`, `nav_msgs`) and Foxglove messages in protobuf.
//!
//! A file is walked once from its beginning to its end when it is opened: chunks are unpacked one at a time, the place and
//! the stamp of every frame are kept, and small messages (CameraInfo, transforms, odometry, IMU) whole. Frames are fetched by
//! place afterwards, in any order, a few chunks being kept. A summary is not needed; a file that is cut off gives all that is
//! whole and says what is lost.
//!
//! Sensors are named by their topics (`names.rs` has the rule); sensor time is the message's stamp (its time of logging where the stamp is
//! zero); the vehicle frame is `base_link`, to which transforms are chained. Everything unknown is named in the notes.
//!
//! Not read: ROS 1 messages, JSON, compressed video, Bayer patterns, depth pictures, service events.

mod beside;
pub(crate) mod cdr;
mod choose;
mod chunk;
mod clouds;
mod container;
mod drive;
pub(crate) mod fault;
mod foxglove;
mod index;
pub(crate) mod message;
mod motion;
mod names;
pub(crate) mod pictures;
mod protobuf;
mod rig;
mod ros;
mod store;
mod topics;
mod tree;

pub(crate) use drive::open;
pub use topics::{Recorded, TopicInfo, messages, texts, topics};
