//! From boxes, points and depth to distances: projection, gathering, robust estimates, each with source and sigma.

pub mod ground;
pub mod project;

pub use ground::{Ground, GroundFinder};
pub use project::{Projected, project_cloud};
