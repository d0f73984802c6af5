//! The LiDAR: rays cast through the same triangles the camera sees.

pub(crate) mod bvh;
pub mod sweep;
