//! Pure perception: what a frame means, as functions of their arguments alone.
//!
//! Owns time, coordinate frames, cameras, image and cloud views, model specifications, tensors in and out,
//! fusion, tracking and assessment. Deliberately absent: clocks, files, networks, threads, logs. `now` is
//! always an argument; every buffer that is written belongs to the caller.

pub mod align;
pub mod assess;
pub mod blind;
pub mod cloud;
pub mod depth;
pub mod detection;
pub mod fuse;
pub mod image;
pub mod model;
pub mod report;
pub mod space;
pub mod tensor;
pub mod time;
pub mod track;
mod wide;
