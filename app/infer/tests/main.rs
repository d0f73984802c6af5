//! Tests of this crate against a real ONNX Runtime: one program, so that it is linked once.
//!
//! The library is found or fetched as a user's would be; that fetch is the only use of the network, and none where it
//! is in the cache already.

// Clippy's exception for tests covers test functions, not the helpers beside them.
#![allow(clippy::unwrap_used, clippy::panic)]

mod bad_files;
mod engines;
mod formulas;
mod library;
mod providers;
mod real_networks;
mod setup;
mod support;
