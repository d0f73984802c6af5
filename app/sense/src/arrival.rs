//! How the frames of a live run came, as its recording tells: when each arrived, and which the run did not use.
//!
//! A recording's messages are logged at their arrival; for each frame that the run dropped there is a message on
//! [`DROPPED_TOPIC`], a `std_msgs/String` of JSON: sensor, stamp, reason.

use ocellus_percept::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Topic of the frames that the run did not use.
pub const DROPPED_TOPIC: &str = "/ocellus/dropped";

/// What a recording tells of one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// When it came.
    pub at: Timestamp,
    /// Whether the run used it.
    pub used: bool,
}

/// A frame that the run did not use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DroppedFrame {
    /// Its sensor.
    pub sensor: String,
    /// Its stamp, ns.
    pub t_ns: i64,
    /// The ledger's reason.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_frame_survives_its_message() {
        let frame =
            DroppedFrame { sensor: "front \"1\"".into(), t_ns: 1_700_000_000_123_456_789, reason: "queue_full".into() };
        let text = serde_json::to_string(&frame).unwrap();
        assert_eq!(serde_json::from_str::<DroppedFrame>(&text).unwrap(), frame);
        assert!(serde_json::from_str::<DroppedFrame>("{}").is_err());
    }
}
