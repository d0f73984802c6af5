//! From boxes, points and depth to distances: projection, gathering, robust estimates, each with source and sigma.

mod claims;
pub mod cluster;
mod combine;
pub mod depth_scale;
pub mod deskew;
pub mod distance;
pub mod fuser;
pub mod ground;
pub mod priors;
pub mod project;
mod relief;
mod standing;
mod surface;
mod target;

pub use cluster::{Obstacle, ObstacleFinder};
pub use depth_scale::{DepthFit, DepthFitError, DepthScaler};
pub use deskew::deskew;
pub use distance::{Distance, Other, Outline};
pub use fuser::{FrameContext, FrameNotes, Fuser, FuserConfig, Sweep};
pub use ground::{GroundFinder, GroundPlane, ground_tolerance_m};
pub use project::{Projected, project_cloud};
pub use standing::{DepthRoad, StandingFinder};
