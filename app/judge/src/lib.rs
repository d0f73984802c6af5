//! Pure evaluation: how good a network is, how honest its scores are, and what distillation or quantization lost.
//!
//! Every function takes text, bytes or typed data and returns typed, serialisable results; a figure that is undefined is
//! `None` (JSON `null`), never 0 or NaN. Deliberately absent: files, clocks, networks, threads of its own (rayon apart).
//! Sums run in a fixed order and every random choice has a seed, so the same input gives the same figures on any number
//! of cores.

pub mod agreement;
pub mod anticipate;
pub mod calib;
pub mod coco;
pub mod depth;
pub mod detect;
pub mod energy;
pub mod export;
pub mod findings;
pub mod kinematics;
pub mod mot;
pub mod precision;
pub mod robust;
pub mod statement;
pub mod stats;
