//! Drives end to end: the real recordings where they are at hand, and small made ones that are broken on purpose.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the configuration allows them in tests, and misses tests' helpers"
)]

mod align;
mod bad_input;
mod blind;
mod calibration;
mod lidar_made;
mod lidar_real;
mod lidar_udp;
mod made_drives;
mod mcap_made;
mod mcap_real;
mod real_drives;
mod simulated;
mod support;
