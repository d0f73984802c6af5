//! Tensors in and out: pictures to network input, network output to detections, masks and depth.

pub mod view;

pub use view::{TensorData, TensorView};
