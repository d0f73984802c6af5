//! What networks on clips foresee: their answers to alerts, told in anticipation.jsonl, in the viewer and aloud, and the risk
//! of the nearest obstacle on the way raised by them, as far as the plan lets them.
//!
//! A network on clips says that the pictures look as they do before collisions, not with whom. So it never makes an obstacle,
//! and where nothing is on the way it raises nothing: it is told all the same.

use std::collections::BTreeMap;

use ocellus_percept::assess::{AlertConfig, Alerts, Anticipated};
use ocellus_percept::model::ModelSpec;
use ocellus_percept::report::{Object, Risk};
use ocellus_percept::time::Timestamp;
use ocellus_sinks::anticipation::Anticipation;

use super::frame::ClipAnswer;
use super::notes::Notes;

/// An answer counts for frames until this much later, seconds: four strides at eight a second.
const AGE_S_MAX: f64 = 0.5;

/// Follows the answers of all networks on clips.
pub struct Anticipate {
    /// By network: its name and settings, for those on clips.
    networks: Vec<Option<(String, AlertConfig)>>,
    /// By network and sensor.
    alerts: BTreeMap<(usize, usize), Alerts>,
    /// The highest risk it may raise an obstacle to.
    raises: Risk,
    notes: Notes,
}

impl Anticipate {
    /// For the networks of a run, in their order.
    pub fn new<'a>(specs: impl IntoIterator<Item = &'a ModelSpec>, raises: Risk, notes: Notes) -> Self {
        let of = |spec: &ModelSpec| spec.clip.map(|clip| (spec.name.clone(), clip.alert));
        Self { networks: specs.into_iter().map(of).collect(), alerts: BTreeMap::new(), raises, notes }
    }

    /// Takes in an answer about `camera`; what is to be told of it.
    pub fn step(&mut self, answer: &ClipAnswer, camera: &str) -> Option<Anticipation> {
        let (model, config) = self.networks.get(answer.model)?.as_ref()?;
        let alerts = self.alerts.entry((answer.model, answer.sensor)).or_insert_with(|| Alerts::new(*config));
        let said = alerts.step(answer.t, answer.probability);
        let why = (said.risk > Risk::Clear).then(|| reason(model, &said, config));
        if said.alert {
            let why = why.as_deref().unwrap_or_default();
            self.notes.say("anticipation", format!("{camera} at {} ns: {why}", said.t.as_nanos()));
        }
        let (camera, model) = (camera.to_owned(), model.clone());
        Some(Anticipation { camera, model, said, why })
    }

    /// Raises the risk of the nearest obstacle on the way in a report about `sensor` at `t`, where a network foresees more than
    /// is known of it, and says so in its reason.
    pub fn raise(&self, (sensor, t): (usize, Timestamp), nearest: Option<u64>, objects: &mut [Object]) {
        let foreseen = self.alerts.iter().filter(|((_, s), _)| *s == sensor);
        let newest = foreseen.filter_map(|((model, _), alerts)| Some((*model, alerts.now(t, AGE_S_MAX)?)));
        let Some((model, said)) = newest.max_by_key(|(model, said)| (said.risk, std::cmp::Reverse(*model))) else {
            return;
        };
        let Some(object) = objects.iter_mut().find(|o| Some(o.track) == nearest) else { return };
        let risk = said.risk.min(self.raises);
        if risk <= object.risk.unwrap_or(Risk::Clear) {
            return;
        }
        let Some(Some((name, config))) = self.networks.get(model) else { return };
        let known = object.why.take().unwrap_or_else(|| place_of(object));
        object.why = Some(format!("{known}; {}", reason(name, &said, config)));
        object.risk = Some(risk);
    }
}

/// Class, track and distance of an obstacle of which nothing more is said.
fn place_of(object: &Object) -> String {
    let distance = object.distance_m.zip(object.distance_source);
    let at = distance.map_or_else(String::new, |(m, source)| format!(" at {m:.1} m by {}", source.name()));
    format!("{} {}{at}, nearest on the way", object.class, object.track)
}

fn reason(model: &str, said: &Anticipated, config: &AlertConfig) -> String {
    let (p, smoothed, enter) = (said.probability, said.smoothed, config.enter);
    let of = format!("{model} sees a collision coming in the last pictures");
    match said.risk {
        Risk::Warn | Risk::Critical if smoothed >= enter => format!("{of}: P {smoothed:.2} >= {enter:.2}, smoothed"),
        Risk::Warn | Risk::Critical => format!("{of}: held, P {smoothed:.2} after it had reached {enter:.2}, smoothed"),
        _ if said.cooling => format!("{of}: P {p:.2}, no alert so soon after the last"),
        _ if p >= enter => format!("{of}: P {p:.2} >= {enter:.2} in the newest, {smoothed:.2} smoothed"),
        _ => format!("{of}: held, P {p:.2}, {smoothed:.2} smoothed"),
    }
}

#[cfg(test)]
mod tests {
    use ocellus_percept::report::DistanceSource;

    use super::*;

    fn anticipate(raises: Risk) -> Anticipate {
        let networks = vec![None, Some(("clipnet".to_owned(), AlertConfig::default()))];
        Anticipate { networks, alerts: BTreeMap::new(), raises, notes: Notes::quiet() }
    }

    fn at(k: u32) -> Timestamp {
        Timestamp::default().plus_seconds(0.125 * f64::from(k))
    }

    fn objects() -> Vec<Object> {
        let near = Object {
            distance_m: Some(14.2),
            distance_source: Some(DistanceSource::Lidar),
            risk: Some(Risk::Clear),
            ..Object::new(7, "car")
        };
        vec![Object::new(3, "person"), near]
    }

    #[test]
    fn an_alert_raises_the_nearest_obstacle_on_the_way_as_far_as_it_may_and_says_why() {
        for raises in [Risk::Clear, Risk::Watch, Risk::Warn] {
            let mut it = anticipate(raises);
            for k in 0..16 {
                let told = it.step(&ClipAnswer { model: 1, sensor: 2, t: at(k), probability: 0.9 }, "front").unwrap();
                assert_eq!((told.model.as_str(), told.why.is_some()), ("clipnet", true));
            }
            let mut seen = objects();
            it.raise((2, at(16)), Some(7), &mut seen);
            assert_eq!(seen[0], objects()[0], "what is beside the way is left alone");
            assert_eq!(seen[1].risk, Some(raises));
            let why = seen[1].why.clone().unwrap_or_default();
            let told = ["car 7 at 14.2 m by lidar", "clipnet", "P 0.90 >= 0.70"].iter().all(|part| why.contains(part));
            assert_eq!(told, raises > Risk::Clear, "{why}");
            // Another camera, an old answer, nothing on the way.
            for (moment, nearest) in [((1, at(16)), Some(7)), ((2, at(30)), Some(7)), ((2, at(16)), None)] {
                let mut seen = objects();
                it.raise(moment, nearest, &mut seen);
                assert_eq!(seen, objects());
            }
        }
    }

    #[test]
    fn what_is_known_to_be_worse_stays_and_detectors_answers_are_none() {
        let mut it = anticipate(Risk::Warn);
        assert!(it.step(&ClipAnswer { model: 0, sensor: 0, t: at(0), probability: 0.9 }, "front").is_none());
        for k in 0..16 {
            it.step(&ClipAnswer { model: 1, sensor: 0, t: at(k), probability: 0.9 }, "front");
        }
        let worse = Object { risk: Some(Risk::Critical), why: Some("w".to_owned()), ..Object::new(7, "car") };
        let mut seen = vec![worse.clone()];
        it.raise((0, at(15)), Some(7), &mut seen);
        assert_eq!(seen, [worse]);
    }
}
