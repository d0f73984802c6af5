//! What our own recordings say beside their frames, aligned with the drive's entries: labels, arrivals.

use std::collections::{BTreeMap, BTreeSet};

use ocellus_percept::time::Timestamp;

use crate::arrival::{Arrival, DroppedFrame};
use crate::drive::{Entry, SensorInfo};
use crate::labels::Label;
use crate::truth::TruthFrame;

/// Each entry's labels, by camera and stamp.
pub(super) fn align(truth: Vec<TruthFrame>, entries: &[Entry], sensors: &[SensorInfo]) -> Vec<Option<Vec<Label>>> {
    let mut by_frame: BTreeMap<(String, Timestamp), Vec<Label>> =
        truth.into_iter().map(|frame| ((frame.camera, frame.t), frame.labels)).collect();
    let name = |entry: &Entry| sensors.get(entry.sensor).map_or_else(String::new, |s| s.name.clone());
    entries.iter().map(|entry| by_frame.remove(&(name(entry), entry.t))).collect()
}

/// When each entry was logged (by sensor and number), and whether the recorded run used it.
pub(super) fn arrivals(
    dropped: &[DroppedFrame],
    entries: &[Entry],
    sensors: &[SensorInfo],
    logged: &[Vec<Timestamp>],
) -> Vec<Arrival> {
    let unused: BTreeSet<(&str, i64)> = dropped.iter().map(|d| (d.sensor.as_str(), d.t_ns)).collect();
    let arrival = |entry: &Entry| {
        let name = sensors.get(entry.sensor).map_or("", |s| s.name.as_str());
        let number = usize::try_from(entry.seq).unwrap_or(usize::MAX);
        let at = logged.get(entry.sensor).and_then(|l| l.get(number)).copied().unwrap_or(entry.t);
        Arrival { at, used: !unused.contains(&(name, entry.t.as_nanos())) }
    };
    entries.iter().map(arrival).collect()
}
