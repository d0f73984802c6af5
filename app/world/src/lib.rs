//! Pure: the simulated world, scenario to pictures, depth, masks, boxes, LiDAR, events, ego motion and collisions.
//!
//! A [`Scenario`] and a seed make a [`World`]; everything else is a function of it and of time. The same scenario and
//! seed give the same bytes on every machine and with any number of threads: only IEEE 754's basic operations and `libm`
//! are used, nothing is fused, wider registers do the same operations, and work is shared in parts whose order is kept.
//! Deliberately absent: clocks, files, networks.
//!
//! Frames: odom (x along the road at the start, y left, z up), the vehicle frame (REP-105's `base_link`: middle of the
//! rear axle, on the ground), optical frames (REP-103). Metres, seconds, radians unless a name says otherwise.

mod actors;
mod lidar;
mod math;
mod mesh;
pub mod random;
mod raster;
pub mod rig;
mod road;
pub mod scenario;
mod scene;
mod shade;
pub mod truth;
mod world;

pub use actors::{EGO_CENTRE_AHEAD_M, EGO_SIZE_M, EGO_WHEELBASE_M};
pub use lidar::sweep::{LidarSetup, SweepTruth};
pub use random::{ClipKind, Knobs};
pub use scenario::{Kind, ObjectClass, Scenario, ScenarioError};
pub use scene::{CameraSetup, CameraTruth, Quality, RenderBuffers, Scene};
pub use shade::Semantic;
pub use truth::collision::CollisionLabel;
pub use truth::events::{Event, events_between};
pub use truth::objects::{Box3d, ObjectTruth};
pub use truth::tags::{DistanceBand, FrameTags, OcclusionLevel};
pub use world::{EgoState, World};
