//! What can go wrong with a network: what, where, expected, got, and what to do. One enum, so that the binary can map
//! each kind to its exit code (`RequiredProvider` is 4).

use std::path::PathBuf;

use crate::library::LibraryError;
use crate::provider::Provider;

/// An error of loading or running a network.
#[derive(Debug, thiserror::Error)]
pub enum InferError {
    /// No usable ONNX Runtime library.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// A second, different library was to be loaded into this process.
    #[error(
        "ONNX Runtime runs from {running} already; a process can load one only, so {asked} cannot be used: start again with that one"
    )]
    AlreadyStarted {
        /// The library in use.
        running: PathBuf,
        /// The library asked for.
        asked: PathBuf,
    },
    /// The library did not start.
    #[error(
        "ONNX Runtime {path} does not start: {reason}; run `ocellus setup` to fetch a library that is known to work"
    )]
    Start {
        /// The library.
        path: PathBuf,
        /// What it said.
        reason: String,
    },
    /// No such file.
    #[error("no network at {path}: no such file; check the path")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("cannot read the network {path}: {source}; check that it is a file and its permissions")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file has no bytes.
    #[error("the network {network} is empty (0 bytes); expected an ONNX file: fetch or export it again")]
    Empty {
        /// File or name.
        network: String,
    },
    /// The file ends inside one of its parts.
    #[error(
        "the network {network} is cut short: its {part} needs {expected} bytes in the file, got {got}; copy or export it again"
    )]
    Truncated {
        /// File or name.
        network: String,
        /// The part of the file that is not all there.
        part: &'static str,
        /// Bytes the file should have at least.
        expected: u64,
        /// Bytes it has.
        got: u64,
    },
    /// The file is something else.
    #[error("{network} is not an ONNX network but {found}; {advice}")]
    NotOnnx {
        /// File or name.
        network: String,
        /// What it looks like.
        found: String,
        /// What to do.
        advice: &'static str,
    },
    /// ONNX Runtime would not load the network.
    #[error("ONNX Runtime {version} refuses the network {network}: {summary}; {advice}")]
    Refused {
        /// File or name.
        network: String,
        /// The library's version.
        version: crate::library::Version,
        /// The gist of its message.
        summary: String,
        /// What to do.
        advice: &'static str,
        /// Its message, whole.
        detail: String,
    },
    /// `require` is not met. The binary exits with 4.
    #[error("the network {network} requires the provider {provider}, which is not what runs it: {reason}; {ran}")]
    RequiredProvider {
        /// File or name.
        network: String,
        /// The provider required.
        provider: Provider,
        /// Why it does not run the network.
        reason: String,
        /// What would run it instead.
        ran: String,
    },
    /// A session option that cannot be handed on.
    #[error("provider option {key} = {value:?} for {provider}: {reason}")]
    BadOption {
        /// The provider.
        provider: Provider,
        /// The option.
        key: String,
        /// Its value.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// An input of a name the network does not have.
    #[error("the network {network} has no input {name:?}; its inputs are {known}")]
    NoSuchInput {
        /// File or name.
        network: String,
        /// The name asked for.
        name: String,
        /// Names there are, with types and shapes.
        known: String,
    },
    /// An input is of another element type than it was asked for as.
    #[error("input {name:?} of {network}: asked for as {asked}, but its elements are {element}")]
    InputType {
        /// File or name.
        network: String,
        /// The input.
        name: String,
        /// Element type asked for.
        asked: &'static str,
        /// Element type it has.
        element: &'static str,
    },
    /// An input's or output's element type is none we can move.
    #[error(
        "{direction} {name:?} of {network} has elements of type {element}; expected f32, f16, i64, i32 or u8: export it with one of these"
    )]
    UnsupportedType {
        /// File or name.
        network: String,
        /// "input" or "output".
        direction: &'static str,
        /// The tensor.
        name: String,
        /// Its element type.
        element: String,
    },
    /// A shape for an input that the network's own does not allow.
    #[error(
        "input {name:?} of {network}: shape {got} does not fit the network's {expected}; correct the input size in the manifest"
    )]
    InputShape {
        /// File or name.
        network: String,
        /// The input.
        name: String,
        /// The declared shape; `?` for a dynamic dimension.
        expected: String,
        /// The shape asked for.
        got: String,
    },
    /// An input has dynamic dimensions and nobody said its size.
    #[error(
        "input {name:?} of {network} has the dynamic shape {declared}; say its size (input width and height in the manifest)"
    )]
    ShapeUnknown {
        /// File or name.
        network: String,
        /// The input.
        name: String,
        /// The declared shape.
        declared: String,
    },
    /// An input was never written.
    #[error("input {name:?} of {network} was never written; write it before the first run")]
    InputNotWritten {
        /// File or name.
        network: String,
        /// The input.
        name: String,
    },
    /// A run failed.
    #[error("the network {network} fails to run: {reason}")]
    Run {
        /// File or name.
        network: String,
        /// What ONNX Runtime said.
        reason: String,
    },
    /// CUDA graphs were asked for, and cannot be had.
    #[error(
        "{key} was asked of {provider}, but a CUDA graph cannot run the network {network}: {reason}; take the option out of \
         the launch file, or export the network with fixed sizes"
    )]
    CudaGraph {
        /// File or name.
        network: String,
        /// The provider.
        provider: Provider,
        /// Its option.
        key: &'static str,
        /// Why not.
        reason: String,
    },
    /// An output is not of the shape the network declares.
    #[error(
        "output {name:?} of {network}: expected shape {expected}, got {got}; the file contradicts itself: export it again"
    )]
    OutputShape {
        /// File or name.
        network: String,
        /// The output.
        name: String,
        /// The declared shape; `?` for a dynamic dimension.
        expected: String,
        /// The shape that came.
        got: String,
    },
}
