//! What a recording was kept for: an event clip tells its warning on [`EVENT_TOPIC`], a `std_msgs/String` of JSON, so that the
//! file says by itself what happened, and what is needed to see it happen again.

use ocellus_percept::assess::VehicleShape;
use ocellus_percept::report::Risk;
use ocellus_percept::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Topic of the warnings that a recording was kept for.
pub const EVENT_TOPIC: &str = "/ocellus/event";

/// A warning that a recording was kept for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Sensor time of the warning, ns.
    pub t_ns: i64,
    /// The sensor whose frame it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sensor: Option<String>,
    /// Number of that frame in the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// The obstacle's track in the run.
    pub track: u64,
    /// Its class.
    pub class: String,
    /// How urgent it was.
    pub risk: Risk,
    /// The reason in words and numbers.
    pub why: String,
    /// The vehicle that was assessed.
    pub vehicle: VehicleShape,
    /// The networks that ran, by name.
    pub models: Vec<String>,
}

impl Event {
    /// Its time.
    pub fn t(&self) -> Timestamp {
        Timestamp::from_nanos(self.t_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_survives_its_message() {
        let event = Event {
            t_ns: 1_700_000_000_123_456_789,
            sensor: Some("front".into()),
            seq: Some(12),
            track: 7,
            class: "car".into(),
            risk: Risk::Warn,
            why: "car 7 at 14.2 m by \"lidar\"".into(),
            vehicle: VehicleShape::CAR,
            models: vec!["truth".into()],
        };
        for event in [Event { sensor: None, seq: None, ..event.clone() }, event] {
            let text = serde_json::to_string(&event).unwrap();
            assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event);
        }
        assert!(serde_json::from_str::<Event>("{}").is_err());
    }
}
