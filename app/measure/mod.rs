//! Runs networks over data and hands what they say to the judge: what `eval`, and whoever writes a statement, is built on.
//!
//! [`data`] is what is measured on, [`subject`] what is measured, [`figures`] what came of it. Judging itself is pure and
//! lives in `ocellus-judge`; here are files, networks and clocks.

pub mod agree;
#[cfg(feature = "train")]
pub mod arms;
pub mod asked;
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
#[cfg(feature = "train")]
pub mod making;
pub mod manifest;
#[cfg(feature = "train")]
pub mod outcomes;
pub mod parts;
mod picture;
pub mod planted;
pub mod power;
pub mod robust;
#[cfg(feature = "train")]
pub mod stages;
pub mod statement;
pub mod subject;
pub mod training;
pub mod vouch;
pub mod worlds;

use ocellus_judge::findings::Findings;

use crate::exit::Outcome;

/// Says what was odd about the input.
pub fn say(findings: &Findings) {
    for finding in findings.iter() {
        eprintln!("found: {} x {} ({}), first: {}", finding.count, finding.what, finding.effect, finding.first);
    }
}

/// How a measurement ends whose pictures were not all readable.
pub fn outcome(lost: &[(usize, String)]) -> Outcome {
    lost.iter().for_each(|(_, why)| eprintln!("lost: {why}"));
    if lost.is_empty() { Outcome::Done } else { Outcome::LostData }
}
