//! What the runtime promises, tried from outside, with many threads. One binary.
//!
//! No test asserts a maximum wall time; a deadlock shows as a test that does not end.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests, too")]

mod allocations;
mod books;
mod hop;
mod pools;
mod queues;
mod stages;
mod stops;
mod support;
