//! Tensors in and out: pictures to network input, network output to detections, masks and depth.
//!
//! Owns the geometry between the two ([`Letterbox`]), the fused resize and normalisation ([`Preprocessor`]), one
//! decoder per head family ([`Decoder`]) and suppression ([`Nms`]). Runs no network and knows no runtime.

pub mod clip;
pub mod decode;
pub mod depth;
pub mod letterbox;
pub mod nms;
pub mod preprocess;
pub mod view;

pub use clip::{AnswerError, ClipBuffer, Fed, probability_of};
pub use decode::{DecodeError, DecodeReport, Decoder, ExtraInput, extra_inputs};
pub use letterbox::Letterbox;
pub use nms::Nms;
pub use preprocess::{PreprocessError, Preprocessor, Reduced, YuvRange};
pub use view::{TensorData, TensorView};
