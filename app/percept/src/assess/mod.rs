//! What obstacles mean: time to collision.
//!
//! Pure functions of one object's state. Who warns, when, and why is decided elsewhere, on these numbers.

mod ttc;

pub use ttc::{ClosingMotion, TimeToCollision, TtcConfig, time_to_collision, ttc_from_growth, ttc_from_kinematics};
