//! Runs networks over data and hands what they say to the judge: what `eval`, and whoever writes a statement, is built on.
//!
//! [`data`] is what is measured on, [`subject`] what is measured, [`figures`] what came of it. Judging itself is pure and
//! lives in `ocellus-judge`; here are files, networks and clocks.

pub mod data;
pub mod figures;
mod labels;
pub mod manifest;
pub mod subject;
pub mod worlds;
