//! Why an ONNX file cannot be read or rewritten.

use thiserror::Error;

/// What is wrong with a network's file, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OnnxError {
    /// Not protobuf, or cut short.
    #[error("not a whole ONNX file ({reason}): copy or export it again")]
    Damaged {
        /// What the parser says.
        reason: String,
    },
    /// A field that would be lost.
    #[error(
        "field {number} of {message} is not in the ONNX specification this program knows, and would be lost: export the network with an older onnx package"
    )]
    UnknownField {
        /// The message.
        message: &'static str,
        /// The field's number.
        number: u32,
    },
    /// No graph in it.
    #[error("the file holds no graph: export it again")]
    NoGraph,
    /// Weights in another file.
    #[error(
        "tensor {tensor:?} lies in another file ({file:?}): put all weights into the .onnx (onnx.save_model without save_as_external_data)"
    )]
    External {
        /// The tensor.
        tensor: String,
        /// The file it names.
        file: String,
    },
    /// Elements and dimensions do not agree.
    #[error("tensor {tensor:?}: its dimensions {dims:?} do not fit the {got} elements it holds: export it again")]
    TensorSize {
        /// The tensor.
        tensor: String,
        /// Its dimensions.
        dims: Vec<i64>,
        /// Elements there.
        got: usize,
    },
    /// Elements of another type.
    #[error("tensor {tensor:?}: expected elements of type {expected}, got ONNX's type {got}")]
    TensorType {
        /// The tensor.
        tensor: String,
        /// What was expected.
        expected: &'static str,
        /// ONNX's number of what is there.
        got: i32,
    },
    /// An operator set that cannot be brought to the one needed.
    #[error("operator set {got}: {needed} is needed; {advice}")]
    Opset {
        /// The file's.
        got: i64,
        /// The one needed.
        needed: String,
        /// What to do.
        advice: &'static str,
    },
    /// A node that the rewriting cannot handle.
    #[error("node {node:?} ({op}): {why}")]
    Node {
        /// Its name, or its first output where it has none.
        node: String,
        /// Its operator.
        op: String,
        /// Why, and what to do.
        why: String,
    },
}
