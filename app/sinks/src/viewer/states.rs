//! What is in one of a few states at a time: the highest risk and each sensor as lanes over time, and each obstacle's risk
//! with its reason as a log line when it changes.

use std::collections::BTreeMap;

use ocellus_percept::report::{FrameReport, Object, Risk, SensorState};
use ocellus_percept::time::Timestamp;
use rerun::RecordingStream;
use rerun::archetypes::{StateChange, StateConfiguration};

use super::ViewerError;
use super::colour::{risk_colour, state_colour};
use super::message::{LogLevel, LogView};
use super::plots::path_part;
use super::scene::STATES;
use crate::anticipation::Anticipation;
use crate::objects::state_name;

/// The lane of the highest risk: before those of the sensors.
const RISK_LANE: &str = "0_risk";
/// An obstacle not seen for so long is forgotten with its risk, seconds.
const FORGET_S: f64 = 3.0;

/// What was said last.
#[derive(Debug, Default)]
pub(super) struct States {
    /// By lane.
    lanes: BTreeMap<String, &'static str>,
    /// By track: its risk and when it was seen.
    risks: BTreeMap<u64, (Risk, Timestamp)>,
    /// By camera and network on clips: the risk it foresaw last.
    foreseen: BTreeMap<(String, String), Risk>,
}

impl States {
    /// Forgets the lanes, for a viewer that is new.
    pub(super) fn reset(&mut self) {
        self.lanes.clear();
    }

    /// Logs the highest risk of a report.
    pub(super) fn log_risk(&mut self, rec: &RecordingStream, risk: Option<Risk>) -> Result<(), ViewerError> {
        let all = [Risk::Clear, Risk::Watch, Risk::Warn, Risk::Critical];
        let style = || StateConfiguration::new().with_values(all.map(Risk::name)).with_colors(all.map(risk_colour));
        self.log_lane(rec, RISK_LANE, risk.map_or("", Risk::name), style)
    }

    /// Logs a sensor's state.
    pub(super) fn log_sensor(
        &mut self,
        rec: &RecordingStream,
        sensor: &str,
        state: SensorState,
    ) -> Result<(), ViewerError> {
        let all = [SensorState::Fresh, SensorState::Late, SensorState::Stale, SensorState::Blind];
        let style = || StateConfiguration::new().with_values(all.map(state_name)).with_colors(all.map(state_colour));
        self.log_lane(rec, &path_part(sensor), state_name(state), style)
    }

    /// Where the state is another than before: an empty one makes a gap.
    fn log_lane(
        &mut self,
        rec: &RecordingStream,
        lane: &str,
        state: &'static str,
        style: impl FnOnce() -> StateConfiguration,
    ) -> Result<(), ViewerError> {
        let path = format!("{STATES}/{lane}");
        match self.lanes.insert(lane.to_owned(), state) {
            Some(before) if before == state => return Ok(()),
            Some(_) => {}
            None => rec.log_static(path.as_str(), &style()).map_err(ViewerError::rerun(&path))?,
        }
        rec.log(path.as_str(), &StateChange::single(state)).map_err(ViewerError::rerun(&path))
    }

    /// A line where what a network on clips foresees has changed, with its reason.
    pub(super) fn foreseen(&mut self, foreseen: &Anticipation) -> Option<LogView> {
        let Anticipation { camera, model, said, why } = foreseen;
        let before = self.foreseen.insert((camera.clone(), model.clone()), said.risk).unwrap_or(Risk::Clear);
        let changed = said.risk != before;
        let why = why.as_deref().unwrap_or(model);
        let text = || format!("{} -> {}: {camera}: {why}", before.name(), said.risk.name());
        changed.then(|| LogView { t: None, level: level(said.risk.max(before)), text: text() })
    }

    /// A line for each obstacle of the report whose risk has changed, with its reason.
    pub(super) fn reasons(&mut self, report: &FrameReport) -> Vec<LogView> {
        let mut lines = Vec::new();
        for object in report.objects.iter().flatten() {
            let Some(risk) = object.risk else { continue };
            let before = self.risks.insert(object.track, (risk, report.t)).map_or(Risk::Clear, |(before, _)| before);
            if risk != before {
                lines.push(LogView { t: None, level: level(risk.max(before)), text: changed(object, before, risk) });
            }
        }
        // Sensor time may start again from earlier.
        self.risks.retain(|_, (_, seen)| report.t.seconds_since(*seen).abs() <= FORGET_S);
        lines
    }
}

/// The highest risk of any obstacle; `None` where none is known.
pub(super) fn highest(objects: &[Object]) -> Option<Risk> {
    objects.iter().filter_map(|o| o.risk).max()
}

fn changed(object: &Object, before: Risk, risk: Risk) -> String {
    let (before, now) = (before.name(), risk.name());
    match &object.why {
        Some(why) => format!("{before} -> {now}: {why}"),
        None => format!("{before} -> {now}: {} {}", object.class, object.track),
    }
}

fn level(risk: Risk) -> LogLevel {
    match risk {
        Risk::Clear | Risk::Watch => LogLevel::Info,
        Risk::Warn => LogLevel::Warn,
        Risk::Critical => LogLevel::Error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::samples::{bare_object, full_object, full_report};

    #[test]
    fn a_reason_is_told_when_a_risk_changes_and_not_again() {
        let mut states = States::default();
        let mut report = full_report();
        let said = |states: &mut States, report: &FrameReport| -> Vec<String> {
            states.reasons(report).into_iter().map(|line| line.text).collect()
        };
        assert_eq!(said(&mut states, &report), ["clear -> warn: closing at 4.9 m/s"]);
        assert_eq!(said(&mut states, &report), [""; 0]);
        report.objects = Some(vec![Object { risk: Some(Risk::Clear), why: None, ..full_object(7) }, bare_object(8)]);
        assert_eq!(said(&mut states, &report), ["warn -> clear: car 7"]);
        // Out of sight for long, it begins anew.
        report.objects = Some(vec![Object { risk: Some(Risk::Critical), ..full_object(7) }]);
        assert_eq!(said(&mut states, &report).len(), 1);
        report.objects = None;
        report.t = report.t.plus_seconds(4.0);
        assert_eq!(said(&mut states, &report), [""; 0]);
        assert!(states.risks.is_empty());
    }

    #[test]
    fn the_highest_risk_is_none_where_nothing_is_known() {
        assert_eq!(highest(&[]), None);
        assert_eq!(highest(&[bare_object(1)]), None);
        assert_eq!(highest(&[bare_object(1), full_object(2)]), Some(Risk::Warn));
    }
}
