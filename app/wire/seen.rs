//! What a run has seen, for its summary: objects and tracks by class, the nearest, and the warnings.
//!
//! It grows by classes, not by time: a live run may last for weeks.

use std::collections::BTreeMap;

use ocellus_percept::report::{FrameReport, Object, Risk};
use ocellus_percept::time::Timestamp;

/// Newest tracks whose risk is remembered, so that each is counted once at the highest it reached.
const TRACKS_MAX: usize = 4096;

/// What was seen.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Frames reported.
    pub frames: u64,
    /// Objects listed, by class.
    pub objects: BTreeMap<String, u64>,
    /// Tracks by class.
    pub tracks: BTreeMap<String, u64>,
    /// The highest track id seen.
    highest_track: u64,
    /// The nearest distance, with its class and what it rests on.
    pub nearest: Option<(f64, String, String)>,
    /// Warnings given.
    pub warnings: Warnings,
}

impl Seen {
    /// Takes in one report.
    pub fn add(&mut self, report: &FrameReport) {
        self.frames += 1;
        // Ids rise from frame to frame: one above all of earlier frames is a new track.
        let known = self.highest_track;
        for object in report.objects.iter().flatten() {
            *self.objects.entry(object.class.clone()).or_default() += 1;
            if object.track > known {
                *self.tracks.entry(object.class.clone()).or_default() += 1;
                self.highest_track = self.highest_track.max(object.track);
            }
            self.warnings.add(report.t, object);
            let (Some(distance), Some(source)) = (object.distance_m, object.distance_source) else { continue };
            if self.nearest.as_ref().is_none_or(|(nearest, _, _)| distance < *nearest) {
                self.nearest = Some((distance, object.class.clone(), source.name().to_owned()));
            }
        }
    }
}

/// Tracks that were warned of, each at the highest risk it reached, and the first that reached the highest of all.
#[derive(Debug, Clone, Default)]
pub struct Warnings {
    /// Risk reached by track, for the newest tracks.
    reached: BTreeMap<u64, Risk>,
    counts: BTreeMap<Risk, u64>,
    /// When the first risk was assessed.
    began: Option<Timestamp>,
    worst: Option<(Risk, String)>,
}

impl Warnings {
    fn add(&mut self, t: Timestamp, object: &Object) {
        let Some(risk) = object.risk else { return };
        let began = *self.began.get_or_insert(t);
        let before = self.reached.get(&object.track).copied();
        if risk < Risk::Watch || before.is_some_and(|before| before >= risk) {
            return;
        }
        self.reached.insert(object.track, risk);
        if self.reached.len() > TRACKS_MAX {
            self.reached.pop_first();
        }
        *self.counts.entry(risk).or_default() += 1;
        if let Some(count) = before.and_then(|before| self.counts.get_mut(&before)) {
            *count -= 1;
        }
        if risk >= Risk::Warn && self.worst.as_ref().is_none_or(|(worst, _)| risk > *worst) {
            let distance = object.distance_m.map_or_else(String::new, |d| format!(", {d:.1} m away"));
            let after_s = t.seconds_since(began);
            self.worst = Some((risk, format!("{} {}{distance}, {after_s:.1} s in", object.class, object.track)));
        }
    }

    /// Tracks by the name of the highest risk they reached; `None` where no risk was assessed.
    pub fn counts(&self) -> Option<BTreeMap<&'static str, u64>> {
        let count = |risk: Risk| (risk.name(), self.counts.get(&risk).copied().unwrap_or(0));
        self.began.map(|_| [Risk::Critical, Risk::Warn].map(count).into())
    }

    /// The same for people.
    pub fn text(&self) -> Option<String> {
        self.began?;
        let watched = self.counts.get(&Risk::Watch).filter(|count| **count > 0);
        let watched = watched.map_or_else(String::new, |count| format!(" ({count} watched)"));
        let Some((_, worst)) = &self.worst else { return Some(format!("none{watched}")) };
        let counted = self.counts.iter().rev().filter(|(risk, count)| **risk >= Risk::Warn && **count > 0);
        let counts: Vec<String> = counted.map(|(risk, count)| format!("{count} {}", risk.name())).collect();
        Some(format!("{}{watched}; first at its worst: {worst}", counts.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(track: u64, risk: Option<Risk>) -> Object {
        Object { risk, distance_m: Some(4.0), ..Object::new(track, "truck") }
    }

    fn warnings(seen: &[(i64, u64, Option<Risk>)]) -> Warnings {
        let mut warnings = Warnings::default();
        for (ds, track, risk) in seen {
            warnings.add(Timestamp::from_nanos(ds * 100_000_000), &object(*track, *risk));
        }
        warnings
    }

    #[test]
    fn a_track_is_counted_once_at_its_worst() {
        let (watch, warn, critical) = (Some(Risk::Watch), Some(Risk::Warn), Some(Risk::Critical));
        let told = warnings(&[(0, 1, watch), (10, 7, warn), (12, 7, critical), (13, 7, warn), (14, 8, warn)]);
        let text = "1 critical, 1 warn (1 watched); first at its worst: truck 7, 4.0 m away, 1.2 s in";
        assert_eq!(told.text().unwrap(), text);
        assert_eq!(told.counts().unwrap(), BTreeMap::from([("critical", 1), ("warn", 1)]));
    }

    #[test]
    fn no_warning_is_not_the_same_as_no_assessment() {
        assert_eq!(warnings(&[(0, 1, Some(Risk::Clear))]).text().unwrap(), "none");
        assert_eq!(warnings(&[(0, 1, Some(Risk::Watch))]).text().unwrap(), "none (1 watched)");
        assert!(warnings(&[(0, 1, None)]).text().is_none());
    }
}
