//! The LiDAR: rays cast through the same triangles the camera sees.

pub(crate) mod bvh;
pub(crate) mod sweep;
