//! One frame's obstacles to risks with reasons, from frame to frame.
//!
//! Keeps a [`RiskState`] per track. Deliberately absent: any clock, any word that sounds like a command, and any opinion on
//! what to do.

use std::collections::BTreeMap;

use super::corridor::{Corridor, EgoMotion, VehicleShape};
use super::extent::Extent;
use super::risk::{Evidence, Risen, RiskConfig, RiskState};
use super::side::{SideMotion, Sides};
use super::threat::Threat;
use super::ttc::{ClosingMotion, TimeToCollision, TtcConfig, time_to_collision};
use super::way::Way;
use super::why::{self, Reason};
use crate::fuse::GroundPlane;
use crate::report::{DistanceSource, Risk};
use crate::space::{Point3, Vehicle};
use crate::time::Timestamp;
use crate::track::Kinematics;

/// What an object's time to collision is given for: it is in the corridor then with at least this probability.
const IN_PATH_GIVEN: f64 = 0.3;
/// A track's state is forgotten this long after it was last seen, seconds: longer than trackers keep a lost track.
const FORGET_S: f64 = 3.0;
/// An obstacle whose closing speed is not known yet is watched when it stands in the corridor and the vehicle would reach it
/// within the watching time; its place is then this sure, metres.
const UNSURE_ACROSS_M: f64 = 0.3;
/// The way ahead is drawn as far as the vehicle goes within the watching time, within these bounds, metres; the last where its
/// speed is not known.
const WAY_MIN_M: f64 = 12.0;
const WAY_MAX_M: f64 = 80.0;
const WAY_UNKNOWN_M: f64 = 30.0;

/// One obstacle of a frame.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Its track.
    pub track: u64,
    /// Its class by name.
    pub class: &'a str,
    /// Distance as listed, metres, with one sigma and what it rests on.
    pub distance: Option<(f64, f64, DistanceSource)>,
    /// The surface point as measured in this frame, in the vehicle frame.
    pub surface: Option<Point3<Vehicle>>,
    /// Filtered state, where positions were measured.
    pub kinematics: Option<&'a Kinematics>,
    /// How far what is seen of it reaches.
    pub extent: Extent,
    /// Where its sides are and what they end at, where a camera that looks ahead shows them.
    pub sides: Option<Sides>,
    /// Growth of its box where there is no range, for boxes that lie straight ahead.
    pub growth: Option<ClosingMotion>,
    /// Whether the track is more than a first sight, and its filters agree with what was measured in this frame: no risk rises
    /// to a warning on what contradicts itself.
    pub confirmed: bool,
}

/// What is said of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Assessment {
    /// From the front along the path to its nearest surface, metres, for what lies ahead.
    pub gap_m: Option<f64>,
    /// Time to collision, seconds.
    pub ttc_s: Option<f64>,
    /// The risk; `None` where too little is known of it.
    pub risk: Option<Risk>,
    /// Whether the risk rose to a warning in this frame.
    pub alert: bool,
    /// Whether it reaches into the corridor now.
    pub in_corridor: bool,
    /// The reason, for everything but clear.
    pub why: Option<String>,
}

/// Settings of an [`Assessor`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AssessConfig {
    /// The vehicle.
    pub shape: VehicleShape,
    /// Levels and their bounds.
    pub risk: RiskConfig,
    /// What counts as a time to collision.
    pub ttc: TtcConfig,
}

impl Default for AssessConfig {
    fn default() -> Self {
        Self { shape: VehicleShape::CAR, risk: RiskConfig::default(), ttc: TtcConfig::default() }
    }
}

/// Assesses frame after frame.
#[derive(Debug, Clone)]
pub struct Assessor {
    config: AssessConfig,
    states: BTreeMap<u64, Tracked>,
    sides: BTreeMap<u64, SideMotion>,
    now: Timestamp,
    ego: Option<EgoMotion>,
    corridor: Corridor,
}

#[derive(Debug, Clone, Copy)]
struct Tracked {
    state: RiskState,
    seen: Timestamp,
}

impl Assessor {
    /// An assessor that has seen nothing yet.
    pub fn new(config: AssessConfig) -> Self {
        let corridor = Corridor::new(config.shape, None);
        let (states, sides) = (BTreeMap::new(), BTreeMap::new());
        Self { config, states, sides, now: Timestamp::default(), ego: None, corridor }
    }

    /// Begins a frame taken at `now` by a vehicle that moves as `ego` says, as far as that is known.
    pub fn begin_frame(&mut self, now: Timestamp, ego: Option<EgoMotion>) {
        self.now = now;
        self.ego = ego;
        self.corridor = Corridor::new(self.config.shape, ego.as_ref());
        // Sensor time may start again from earlier; what seems to come from the future is forgotten as well.
        let recent = |t: Timestamp| now.seconds_since(t).abs() <= FORGET_S;
        self.states.retain(|_, t| recent(t.seen));
        self.sides.retain(|_, sides| sides.seen().is_some_and(recent));
    }

    /// The corridor of this frame.
    pub fn corridor(&self) -> &Corridor {
        &self.corridor
    }

    /// This frame's corridor as it is drawn, on the ground where that is seen.
    pub fn way(&self, ground: Option<GroundPlane>) -> Way {
        let length_m = self.ego.map_or(WAY_UNKNOWN_M, |e| e.speed_mps * self.config.risk.watch_s);
        Way { corridor: self.corridor, length_m: length_m.clamp(WAY_MIN_M, WAY_MAX_M), ground }
    }

    /// Assesses one obstacle of the frame.
    pub fn assess(&mut self, subject: &Subject<'_>) -> Assessment {
        let free_side = self.by_free_side(subject);
        let kinematics = free_side.as_ref().or(subject.kinematics);
        let ego = self.ego.as_ref();
        let threat = kinematics.and_then(|k| Threat::new(k, &subject.extent, &self.corridor, ego, &self.config.ttc));
        let growth = subject.growth.filter(|_| subject.kinematics.is_none());
        let (evidence, time, reason) = match (&threat, growth) {
            (Some(threat), _) => {
                let time = threat.time.filter(|_| threat.in_path >= IN_PATH_GIVEN);
                (self.evidence(threat), time, Reason::Threat(threat))
            }
            (None, Some(motion)) => {
                let time = time_to_collision(&motion, 0.0, &self.config.ttc);
                (self.evidence_of_growth(&motion, time.as_ref()), time, Reason::Growth(time))
            }
            (None, None) => match self.unsure_gap_m(subject) {
                Some(gap_m) => {
                    let evidence = Evidence { watch: self.unsure_evidence(gap_m), ..Evidence::default() };
                    (evidence, None, Reason::SpeedUnknown { gap_m })
                }
                None => return self.unknown(subject),
            },
        };
        let evidence = if subject.confirmed { evidence } else { Evidence { warn: 0.0, critical: 0.0, ..evidence } };
        let (risk, alert) = self.step(subject.track, &evidence);
        let gap_m = self.gap_m(subject);
        let why = (risk > Risk::Clear).then(|| why::sentence(subject, risk, &reason, &evidence, &self.config.risk));
        let in_corridor = self.in_corridor(subject);
        Assessment { gap_m, ttc_s: time.map(|t: TimeToCollision| t.ttc_s), risk: Some(risk), alert, in_corridor, why }
    }

    /// What is known of it with its motion across by its free side, where a part of it is hidden or was so of late.
    fn by_free_side(&mut self, subject: &Subject<'_>) -> Option<Kinematics> {
        let motion = match &subject.sides {
            Some(sides) => {
                let motion = self.sides.entry(subject.track).or_default();
                motion.see(self.now, sides);
                motion
            }
            None => self.sides.get_mut(&subject.track)?,
        };
        motion.correct(self.now, subject.kinematics?, subject.surface, self.ego.as_ref())
    }

    fn step(&mut self, track: u64, evidence: &Evidence) -> (Risk, bool) {
        let (now, config) = (self.now, &self.config.risk);
        let tracked = self.states.entry(track).or_insert_with(|| Tracked { state: RiskState::new(now), seen: now });
        tracked.seen = now;
        let risen = tracked.state.step(now, evidence, config);
        let risk = tracked.state.level();
        (risk, risen == Risen::Up && risk >= Risk::Warn)
    }

    fn evidence(&self, threat: &Threat) -> Evidence {
        let c = &self.config.risk;
        let a = c.deceleration_mps2;
        let critical = threat.probability_within(c.critical_s).max(threat.probability_gap_too_short(a, c.latency_s));
        let warn =
            threat.probability_within(c.warn_s).max(threat.probability_gap_too_short(a, c.latency_s + c.reaction_s));
        // Each level contains the next: rounding must not say otherwise.
        let warn = warn.max(critical);
        // What the driver is already stopping for is worth watching all the same.
        Evidence { watch: threat.probability_as_is_within(c.watch_s).max(warn), warn, critical }
    }

    fn evidence_of_growth(&self, motion: &ClosingMotion, time: Option<&TimeToCollision>) -> Evidence {
        let c = &self.config.risk;
        let within = |bound: f64| time.map_or(0.0, |_| motion.probability_within(bound));
        Evidence { watch: within(c.watch_s), warn: within(c.warn_s), critical: within(c.critical_s) }
    }

    /// The gap to something of which only the place is known, where that is in the corridor.
    fn unsure_gap_m(&self, subject: &Subject<'_>) -> Option<f64> {
        let p = subject.surface?.xyz;
        let place = self.corridor.place(p.x, p.y)?;
        let [right, left] = self.corridor.reach_m();
        let inside = place.left_m > -right - UNSURE_ACROSS_M && place.left_m < left + UNSURE_ACROSS_M;
        (inside && place.gap_m >= 0.0).then_some(place.gap_m)
    }

    fn unsure_evidence(&self, gap_m: f64) -> f64 {
        let speed = self.ego.map_or(0.0, |e| e.speed_mps);
        f64::from(u8::from(speed > 0.0 && gap_m <= speed * self.config.risk.watch_s))
    }

    fn gap_m(&self, subject: &Subject<'_>) -> Option<f64> {
        let p = subject.surface?.xyz;
        self.corridor.place(p.x, p.y).map(|place| place.gap_m).filter(|gap| *gap >= 0.0)
    }

    fn in_corridor(&self, subject: &Subject<'_>) -> bool {
        let Some(place) = subject.surface.and_then(|s| self.corridor.place(s.xyz.x, s.xyz.y)) else { return false };
        let ([right, left], [reach_right, reach_left]) = (self.corridor.reach_m(), subject.extent.across_m());
        place.gap_m >= 0.0 && place.left_m + reach_left > -right && place.left_m + reach_right < left
    }

    /// Too little is known; a risk that was there is held by its machine.
    fn unknown(&mut self, subject: &Subject<'_>) -> Assessment {
        let (gap_m, in_corridor) = (self.gap_m(subject), self.in_corridor(subject));
        if !self.states.contains_key(&subject.track) {
            return Assessment { gap_m, ttc_s: None, risk: None, alert: false, in_corridor, why: None };
        }
        let (risk, alert) = self.step(subject.track, &Evidence::default());
        let why = (risk > Risk::Clear)
            .then(|| why::sentence(subject, risk, &Reason::NoLonger, &Evidence::default(), &self.config.risk));
        Assessment { gap_m, ttc_s: None, risk: Some(risk), alert, in_corridor, why }
    }
}

#[cfg(test)]
mod tests {
    use nalgebra::{Matrix3, Vector3};

    use super::*;
    use crate::space::Point3;
    use crate::track::RelativeVelocity;

    fn object(x: f64, speed: Option<f64>) -> Kinematics {
        Kinematics {
            position: Point3::new(x, 0.2, 0.5),
            position_covariance: Matrix3::identity() * 0.01,
            velocity: speed.map(|v| RelativeVelocity {
                mps: Vector3::new(v, 0.0, 0.0),
                covariance: Matrix3::identity() * 0.04,
                cross_covariance: Matrix3::zeros(),
            }),
            velocity_ground_mps: None,
            velocity_ground_covariance: Matrix3::zeros(),
            source: DistanceSource::Lidar,
            since_measured_s: 0.0,
        }
    }

    fn subject(kinematics: &Kinematics) -> Subject<'_> {
        Subject {
            track: 7,
            class: "car",
            distance: Some((14.2, 0.1, DistanceSource::Lidar)),
            surface: Some(kinematics.position),
            kinematics: Some(kinematics),
            extent: Extent::face([-0.9, 0.9]),
            sides: None,
            growth: None,
            confirmed: true,
        }
    }

    /// Approaches from 63.6 m at 10 m/s, 10 Hz; what is said each frame.
    fn approach(ego: Option<EgoMotion>, confirmed: bool) -> Vec<Assessment> {
        let mut assessor = Assessor::new(AssessConfig::default());
        (0..59)
            .map(|k| {
                assessor.begin_frame(Timestamp::default().plus_seconds(0.1 * f64::from(k)), ego);
                let it = object(63.6 - f64::from(k), Some(-10.0));
                assessor.assess(&Subject { confirmed, ..subject(&it) })
            })
            .collect()
    }

    #[test]
    fn an_approach_goes_through_all_levels_once_and_says_why() {
        let said = approach(None, true);
        let risks: Vec<Risk> = said.iter().filter_map(|a| a.risk).collect();
        assert!(risks.windows(2).all(|w| w[0] <= w[1]), "{risks:?}");
        for level in [Risk::Clear, Risk::Watch, Risk::Warn, Risk::Critical] {
            assert!(risks.contains(&level), "{level:?}");
        }
        assert_eq!(said.iter().filter(|a| a.alert).count(), 2, "to warn and to critical, once each");
        let first = said.iter().find(|a| a.alert).unwrap();
        assert!((2.0..=2.5).contains(&first.ttc_s.unwrap()), "{first:?}");
        let why = first.why.as_deref().unwrap();
        for word in ["car 7", "14.2 m", "lidar", "closing at 10.0", "m/s", "contact in 2.", "2.4 s", "path"] {
            assert!(why.contains(word), "{word}: {why}");
        }
        assert!(said.iter().all(|a| (a.risk > Some(Risk::Clear)) == a.why.is_some()));
        // Same input, same words.
        assert_eq!(said, approach(None, true));
    }

    #[test]
    fn no_word_sounds_like_a_command_and_first_sights_never_warn() {
        for a in approach(None, true) {
            let why = a.why.unwrap_or_default().to_lowercase();
            for word in ["brake", "stop!", "steer", "must", "should", "danger"] {
                assert!(!why.contains(word), "{word}: {why}");
            }
        }
        assert!(approach(None, false).iter().all(|a| a.risk <= Some(Risk::Watch)));
    }

    #[test]
    fn what_stands_in_the_way_before_its_speed_is_known_is_watched() {
        let mut assessor = Assessor::new(AssessConfig::default());
        let ego = EgoMotion { speed_mps: 10.0, yaw_rate_rps: 0.0, acceleration_mps2: 0.0 };
        assessor.begin_frame(Timestamp::default(), Some(ego));
        let it = object(23.6, None);
        let said = assessor.assess(&subject(&it));
        assert_eq!((said.risk, said.ttc_s, said.gap_m), (Some(Risk::Watch), None, Some(20.0)));
        let nothing = Subject { kinematics: None, surface: None, track: 8, ..subject(&it) };
        assert_eq!(assessor.assess(&nothing).risk, None);
    }

    #[test]
    fn a_growing_box_warns_without_any_range() {
        let mut assessor = Assessor::new(AssessConfig::default());
        let growth = ClosingMotion { range: 100.0, closing: 60.0, var_range: 1.0, covariance: 0.0, var_closing: 25.0 };
        let seen = object(1.0, None);
        let it = Subject { kinematics: None, growth: Some(growth), distance: None, ..subject(&seen) };
        let said: Vec<_> = (0..3)
            .map(|k| {
                assessor.begin_frame(Timestamp::default().plus_seconds(0.1 * f64::from(k)), None);
                assessor.assess(&it)
            })
            .collect();
        assert_eq!(said[2].risk, Some(Risk::Warn));
        assert!(said[2].why.as_deref().unwrap().contains("growth"), "{said:?}");
        assert!((said[2].ttc_s.unwrap() - 100.0 / 60.0).abs() < 1e-9);
    }
}
