//! What obstacles mean: the corridor the vehicle sweeps, time to collision, and risk with its reason.
//!
//! [`Assessor`] takes a frame's tracked obstacles and the vehicle's own motion, and answers each with a risk. Parts:
//! `corridor` (the swept path), `extent` (which part of an obstacle lies in it), `ttc` (time to collision and its probability), `threat`
//! (one obstacle on the path), `side` (how what is partly hidden moves across), `risk` (the state machine), `why` (the reason in words),
//! `assessor` (frame by frame), `way` (the corridor as it is drawn), `alert` (what a network on clips says, smoothed). It is advice for people and programs that know better: never a safety function, and no word of it is a command.

mod alert;
mod assessor;
mod corridor;
mod extent;
mod risk;
mod side;
mod threat;
mod ttc;
mod way;
mod why;

pub use alert::{AlertConfig, Alerts, Anticipated};
pub use assessor::{AssessConfig, Assessment, Assessor, Subject};
pub use corridor::{Corridor, EgoMotion, OnPath, VehicleShape};
pub use extent::{Extent, Offset};
pub use risk::{Evidence, Risen, RiskConfig, RiskState};
pub use side::Sides;
pub use threat::{Threat, stopping_distance_m};
pub use ttc::{ClosingMotion, TimeToCollision, TtcConfig, time_to_collision, ttc_from_growth, ttc_from_kinematics};
pub use way::Way;
