//! Runs networks over data and hands what they say to the judge: what `eval`, and whoever writes a statement, is built on.
//!
//! [`data`] is what is measured on, [`subject`] what is measured, [`figures`] what came of it. Judging itself is pure and
//! lives in `ocellus-judge`; here are files, networks and clocks.

pub mod agree;
pub mod compare;
pub mod cost;
pub mod data;
pub mod depth;
pub mod drives;
pub mod driving;
pub mod engine;
pub mod figures;
pub mod graph;
mod labels;
pub mod layers;
pub mod manifest;
mod picture;
pub mod planted;
mod power;
pub mod robust;
pub mod statement;
pub mod subject;
pub mod worlds;
