//! Recordings end to end: written here, read back by `sense`, by independent programs, and after a kill.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests, too")]

mod mcap_crash;
mod mcap_foreign;
mod mcap_round_trip;
#[path = "../../percept/tests/support/python.rs"]
mod python;
mod support;
