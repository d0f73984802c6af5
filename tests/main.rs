//! Integration tests, one binary: the real program on real files.

// A test that cannot go on panics; clippy knows that of functions marked as tests only.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ahead;
mod anticipate;
mod bad_input;
mod bench;
mod can;
mod clips;
mod eval;
#[cfg(feature = "train")]
mod experiment;
mod faults;
mod governor;
mod label;
mod lidar;
mod live;
mod measure;
mod networks;
mod oracle;
mod prepare;
mod quantize;
mod replay;
mod results;
mod support;
mod tidy;
mod unknown;
mod world;
