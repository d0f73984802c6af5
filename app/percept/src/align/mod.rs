//! Whether camera and LiDAR agree: the rotation by which the extrinsics are off, and the time by which the stamps are.
//!
//! Where a near thing ends, the sweep has a step of range and the picture has an edge, mostly. [`estimate`] looks for the small
//! rotation of the camera and the shift of its stamps under which steps fall on edges best. Pure: pictures and sweeps
//! come in, with the vehicle's motion at each picture where it is known.

mod estimate;
mod jumps;
mod picture;

pub use estimate::{AlignFrame, Alignment, EdgePoint, estimate};
pub use jumps::{Jump, depth_jumps};
pub use picture::{Edge, EdgeField};
