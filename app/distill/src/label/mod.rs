//! Pseudo labels: what several teachers see in pictures nobody labelled, with a measure of how far to trust it.
//!
//! [`agree`] makes labels of one picture: what enough teachers see becomes a label, what one alone sees surely enough
//! becomes a label of less weight, and what they disagree on becomes a region to be ignored, never a negative: that is
//! what keeps one teacher's errors out of the student. [`Audit`] measures precision and recall of such labels on
//! pictures that people labelled, by size and occlusion, and [`thresholds`] are the scores from which one teacher alone is
//! right often enough. [`fuse`] brings depth maps of several teachers to one.
//!
//! Runs no network and reads no file.

mod agree;
mod audit;
mod depth;
#[cfg(test)]
mod tests;

pub use agree::{Kind, Proposal, PseudoLabel, Rules, Teacher, agree};
pub use audit::{Audit, Marked, Rates, Sample, agreed_samples, samples, threshold, thresholds};
pub use depth::{Fused, RESIDUAL_MAX, fuse};
