//! From boxes, points and depth to distances: projection, gathering, robust estimates, each with source and sigma.

pub mod project;

pub use project::{Projected, project_cloud};
