//! Who is who from frame to frame: association, filters, track life cycle, 3D state.
//!
//! One [`Tracker`] per camera (or per LiDAR where there is no camera), all drawing ids from one [`TrackIds`], so that an
//! id means one object in the whole run and is never used again. A step takes the frame's observations and answers, in
//! their order, which track each one is and what that track's filters now know.
//!
//! Parts: `cuts` (what cuts a box), `box_filter` in pixels, `motion` in metres, `ego` (how the vehicle moved), `cost` and `associate` (who may be
//! who, and the cheapest choice), `lifecycle` (states), `track_state` (one track), `tracker` (the step).
//! Deliberately absent: appearance embeddings, merging of tracks between cameras, risk (that is `assess`).

mod assignment;
mod associate;
mod box_filter;
mod candidates;
mod config;
mod cost;
mod cuts;
mod ego;
mod grid;
mod kind;
mod kinematics;
mod lifecycle;
mod motion;
mod observation;
mod track_state;
mod tracker;

pub use assignment::{AssignmentSolver, FORBIDDEN, Pair};
pub use box_filter::BoxGrowth;
pub use config::TrackerConfig;
pub use cuts::SideEnd;
pub use ego::VehicleTwist;
pub use kind::speed_sigma_mps;
pub use kinematics::{Kinematics, RelativeVelocity};
pub use lifecycle::{TrackIds, TrackPhase};
pub use motion::PositionUse;
pub use observation::{Observation, PositionMeasurement, TrackFrame};
pub use track_state::{TrackOutput, TrackView};
pub use tracker::{StepSummary, Tracker};
