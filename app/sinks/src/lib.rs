//! Where results go: `objects.jsonl` and its reader, `anticipation.jsonl`, the comparison of two runs, the other files of a run's folder,
//! recordings in MCAP, sweeps as .pcd, and the rerun viewer.
//!
//! Every sink is a plain struct that is stepped; which thread steps it, and what a full queue in front of it does, is
//! the caller's business. A sink never reads a clock that could reach `objects.jsonl`.

pub mod anticipation;
pub mod can;
pub mod diff;
pub mod files;
pub mod http;
pub mod mcap;
pub mod objects;
pub mod pcd;
pub mod systemd;
pub mod viewer;

#[cfg(test)]
mod schemas;
