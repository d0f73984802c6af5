//! What the runtime promises, tried from outside, with many threads. One binary.
//!
//! No test asserts a maximum wall time; a deadlock shows as a test that does not end.

mod queues;
mod stops;
mod support;
