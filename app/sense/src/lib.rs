//! Where frames come from: recorded drives (KITTI, Argoverse 2, nuScenes samples, picture folders, video, MCAP, LiDAR
//! packets), the simulated world, and calibration.
//!
//! [`open`] tells what a path is by looking at it and gives a [`Drive`]: an index of all frames in sensor-time order, read
//! one by one into a [`Payload`]; [`decode_image`] makes pixels of a picture. Index first, then read, then decode, so that
//! reading can be sequential and decoding parallel. A frame that cannot be read is a [`ReadError`] and the drive goes on;
//! a drive that cannot be opened is a [`SenseError`].
//!
//! [`lidar`] turns packets of LiDARs into sweeps, recorded or heard; [`align`] compares cameras with LiDARs.
//!
//! Sole owner of picture decoding. Deliberately absent: threads, queues, clocks, and any interpretation of what was seen.

pub mod align;
mod argoverse;
pub mod arrival;
pub mod calib;
pub mod camera;
mod decode;
mod device;
mod drive;
mod ego;
mod error;
pub mod event;
mod feather;
mod files;
mod folder;
mod kitti_object;
mod kitti_raw;
pub mod labels;
pub mod lidar;
pub mod mcap;
mod oxts;
mod payload;
mod points;
mod probe;
pub mod simulated;
mod stamps;
pub mod truth;
mod video;

pub use decode::{MAX_PIXELS, MAX_SIDE_PX, decode_image, decode_image_for, encoding_from_bytes, size_from_header};
pub use drive::{
    Drive, DriveInfo, DriveKind, EgoInfo, Entry, GAP_FACTOR, Gap, ImuSample, SensorInfo, SensorKind, SweepInfo,
    TimeSource,
};
pub use error::{ReadError, SenseError};
pub use payload::{EncodedImage, ImageEncoding, Payload};
pub use probe::{OpenOptions, open, probe};
pub use simulated::{SimulatedCamera, SimulatedOptions};
pub use stamps::StampPolicy;
