//! Why a network is not quantized.

use thiserror::Error;

use super::engine::EngineError;
use crate::onnx::OnnxError;

/// Why a network is not quantized, and what to do.
#[derive(Debug, Error)]
pub enum QuantizeError {
    /// The file cannot be rewritten.
    #[error(transparent)]
    Onnx(#[from] OnnxError),
    /// It is quantized or half precision already.
    #[error("already {what}, told by node {node:?} ({op}): give the float32 network it was made of")]
    Already {
        /// "quantized" or "half precision".
        what: &'static str,
        /// The node that tells.
        node: String,
        /// Its operator.
        op: String,
    },
    /// If, Loop or Scan.
    #[error(
        "node {node:?} ({op}) has a graph of its own, which is not rewritten: export the network without control flow"
    )]
    Body {
        /// The node.
        node: String,
        /// Its operator.
        op: String,
    },
    /// Nothing in it that pays.
    #[error("no Conv, ConvTranspose, Gemm or MatMul with constant weights is left to quantize: {why}")]
    NothingToDo {
        /// Why not.
        why: String,
    },
    /// A name given to `keep` that no layer bears.
    #[error("--keep {name:?}: no such layer; layers: {known}")]
    UnknownLayer {
        /// The name.
        name: String,
        /// Those there are.
        known: String,
    },
    /// No frames.
    #[error("no calibration frame: activations cannot be measured without one")]
    NoFrames,
    /// The network gave no numbers.
    #[error(
        "tensor {tensor:?} holds values that are not finite on calibration frame {frame}: the network is broken, or fed wrongly"
    )]
    NotFinite {
        /// The tensor.
        tensor: String,
        /// The frame.
        frame: usize,
    },
    /// An intermediate tensor that did not come.
    #[error("the engine did not give tensor {tensor:?}")]
    Missing {
        /// The tensor.
        tensor: String,
    },
    /// The network could not be run.
    #[error("the network could not be run on the calibration frames: {0}")]
    Engine(EngineError),
}
