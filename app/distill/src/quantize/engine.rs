//! What quantization needs of the world: something that runs networks made in memory on the calibration frames.

use std::ops::Range;

use ocellus_percept::tensor::TensorView;

/// A failure of the engine, in words for people.
pub type EngineError = Box<dyn std::error::Error + Send + Sync>;

/// Runs networks on calibration frames, which it owns and feeds through the real preprocessing.
pub trait Engine {
    /// Loads `model`, the bytes of an ONNX file, runs it on each of `frames` in order, and shows `read` the frame's number,
    /// the tensor fed in (under its name), and all outputs.
    fn run(
        &mut self,
        model: &[u8],
        frames: Range<usize>,
        read: &mut dyn FnMut(usize, &[TensorView<'_>]),
    ) -> Result<(), EngineError>;
}
