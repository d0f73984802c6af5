//! ONNX Runtime: finding and fetching its library, providers, sessions, and what ran where.
//!
//! The way in: [`library::ensure`] finds or fetches the library, [`Runtime::start`] loads it once per process,
//! [`Network::load`] makes a session whose [`ProviderReport`] tells which provider runs which share of the nodes, and
//! [`Network::run`] runs it on buffers that it owns. Errors say what was expected, what was found, and what mends it.
//!
//! Deliberately absent: pictures, boxes, files other than networks and the library, threads, clocks. What a tensor
//! means is percept's; this crate moves named tensors in and out.

mod assignment;
pub mod digest;
pub mod engine;
mod error;
pub mod library;
mod network;
mod onnx;
mod profile;
mod provider;
mod runtime;

pub use error::InferError;
pub use library::{Library, LibraryError};
pub use network::{INTRA_THREADS, Network, SessionOptions, TensorMemory, registers};
pub use provider::{AssignedNode, NodeShare, Provider, ProviderFailure, ProviderReport, UnknownProvider};
pub use runtime::{LogLine, Runtime};
