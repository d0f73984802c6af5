//! Statistics: seeded randomness, intervals, paired bootstrap, slopes.
//!
//! Intervals are 95 % unless they say otherwise. Groups of fewer than [`TOO_FEW`] are reported as such.

mod bootstrap;
mod interval;
mod rng;
mod slope;

pub use bootstrap::{Bootstrap, Comparison, Direction, PairedDifference};
pub use interval::{Interval, quantile_sorted, wilson};
pub use rng::Rng;
pub use slope::{Slope, drift};

/// Below this many samples a group's figure is marked "too few".
pub const TOO_FEW: usize = 30;

/// "No worse" means that the interval's lower end lies above minus this (1 percentage point).
pub const NO_WORSE_MARGIN: f64 = 0.01;
