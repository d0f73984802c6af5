//! Risk of each listed object: the vehicle's outline and own motion from the plan and the drive, then percept's assessment.

use std::sync::Arc;

use ocellus_percept::assess::{
    AssessConfig, Assessor, ClosingMotion, Corridor, EgoMotion, Extent, Sides, Subject, TtcConfig, VehicleShape, Way,
};
use ocellus_percept::fuse::GroundPlane;
use ocellus_percept::report::Object;
use ocellus_percept::space::{Odom, Point3, Transform, Vehicle};
use ocellus_percept::time::Timestamp;
use ocellus_percept::track::{PositionUse, TrackOutput, TrackPhase};
use ocellus_sense::{Drive, DriveKind};
use ocellus_world::{EGO_CENTRE_AHEAD_M, EGO_SIZE_M, EGO_WHEELBASE_M};

use super::notes::Notes;
use crate::launch::AssessPlan;

/// KITTI's station wagon about its velodyne: 1.82 m wide, axles 2.71 m apart, the velodyne 0.76 m ahead of the rear axle (the
/// data set's drawing of its sensors), the front 0.95 m ahead of the front axle.
const KITTI: VehicleShape = VehicleShape { width_m: 1.82, wheelbase_m: 2.71, front_m: 2.9, rear_axle_m: -0.76 };
/// The simulated world's own car.
pub const SIMULATED: VehicleShape = VehicleShape {
    width_m: EGO_SIZE_M[1],
    wheelbase_m: EGO_WHEELBASE_M,
    front_m: EGO_CENTRE_AHEAD_M + 0.5 * EGO_SIZE_M[0],
    rear_axle_m: 0.0,
};
/// Speed and acceleration are differences of poses this far apart, seconds: shorter is noise, longer is late.
const SPEED_OVER_S: f64 = 0.1;
const ACCELERATION_OVER_S: f64 = 0.2;
/// Yaw rate likewise: a corridor that swings with every shake of the pose is none.
const YAW_OVER_S: f64 = 0.4;

/// An object's reach across where nothing measured it, metres: half a car's width.
const HALF_ACROSS_M: f64 = 0.9;

/// Assesses the objects of each report.
pub struct Assess {
    drive: Arc<dyn Drive>,
    assessor: Assessor,
    /// Whether the vehicle's outline is known, so that a gap before its front means something.
    outline_known: bool,
    /// Gap and track of the nearest object in the corridor so far in this report.
    nearest: Option<(f64, u64)>,
    /// The ground that this report's sweep shows.
    ground: Option<GroundPlane>,
}

/// What lies ahead in one report, beside its objects.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ahead {
    /// Track of the nearest obstacle in the corridor.
    pub nearest: Option<u64>,
    /// The corridor; none in a report that saw nothing.
    pub way: Option<Way>,
}

/// One listed object with what the tracker knows of it.
pub struct Listed<'a> {
    /// The track.
    pub tracked: &'a TrackOutput,
    /// How far what is seen of it reaches, where measured.
    pub extent: Option<Extent>,
    /// Its sides as its box shows them.
    pub sides: Option<Sides>,
    /// Growth of its box, for boxes straight ahead.
    pub growth: Option<ClosingMotion>,
}

impl Assess {
    /// For a drive; says what it assumes of the vehicle.
    pub fn new(plan: &AssessPlan, drive: Arc<dyn Drive>, notes: &Notes) -> Self {
        let known = shape(plan, drive.as_ref());
        if known.is_none() {
            let car = VehicleShape::CAR;
            notes.say(
                "vehicle",
                format!(
                    "its outline is not told: risk is assessed for a car {} m wide whose front is {} m ahead of the \
                     vehicle frame's origin, and no gap_m is given; tell it in [vehicle]",
                    car.width_m, car.front_m
                ),
            );
        }
        let shape = known.unwrap_or(VehicleShape::CAR);
        let assessor = Assessor::new(AssessConfig { shape, risk: plan.risk, ttc: TtcConfig::default() });
        Self { drive, assessor, outline_known: known.is_some(), nearest: None, ground: None }
    }

    /// The ground that the sweep of the frame shows which is begun next.
    pub fn see_ground(&mut self, ground: Option<GroundPlane>) {
        self.ground = ground;
    }

    /// Begins the report of a frame taken at `t`.
    pub fn begin(&mut self, t: Timestamp) {
        self.nearest = None;
        self.assessor.begin_frame(t, ego_motion(self.drive.as_ref(), t));
    }

    /// The way ahead of this report, and the nearest object on it.
    pub fn ahead(&self) -> Ahead {
        let nearest = self.nearest.map(|(_, track)| track);
        Ahead { nearest, way: Some(self.assessor.way(self.ground)) }
    }

    /// The swept path of this report.
    pub fn corridor(&self) -> &Corridor {
        self.assessor.corridor()
    }

    /// Whether something at `point` that reaches `across_m` right (negative) and left of it is ahead and not further than
    /// `margin_m` beside the corridor of this report.
    pub fn is_near_way(&self, point: &Point3<Vehicle>, across_m: [f64; 2], margin_m: f64) -> bool {
        let corridor = self.corridor();
        let Some(place) = corridor.place(point.xyz.x, point.xyz.y) else { return false };
        let ([right, left], [reach_right, reach_left]) = (corridor.reach_m(), across_m);
        place.gap_m >= 0.0
            && place.left_m + reach_left > -right - margin_m
            && place.left_m + reach_right < left + margin_m
    }

    /// Fills in time to collision, risk, reason and gap.
    pub fn apply(&mut self, object: &mut Object, listed: &Listed<'_>) {
        let distance = match (object.distance_m, object.distance_sigma_m, object.distance_source) {
            (Some(d), Some(sigma), Some(source)) => Some((d, sigma, source)),
            _ => None,
        };
        let tracked = listed.tracked;
        let confirmed = matches!(tracked.phase, Some(TrackPhase::Confirmed | TrackPhase::Lost))
            && tracked.position_use != PositionUse::Refused;
        let said = self.assessor.assess(&Subject {
            track: object.track,
            class: &object.class,
            distance,
            surface: object.position_m.map(|[x, y, z]| Point3::new(x, y, z)),
            kinematics: tracked.kinematics.as_ref(),
            extent: listed.extent.unwrap_or_else(|| Extent::face([-HALF_ACROSS_M, HALF_ACROSS_M])),
            sides: listed.sides,
            growth: listed.growth,
            confirmed,
        });
        if let Some(gap_m) = said.gap_m.filter(|_| said.in_corridor)
            && self.nearest.is_none_or(|(least, _)| gap_m < least)
        {
            self.nearest = Some((gap_m, object.track));
        }
        object.gap_m = said.gap_m.filter(|_| self.outline_known);
        object.ttc_s = said.ttc_s;
        object.risk = said.risk;
        object.why = said.why;
    }
}

/// The vehicle's outline, where the plan, the recording or the kind of drive tells it.
pub fn shape(plan: &AssessPlan, drive: &dyn Drive) -> Option<VehicleShape> {
    let told = || drive.events().first().map(|event| event.vehicle);
    plan.shape.or_else(told).or_else(|| known_shape(drive.info().kind))
}

fn known_shape(kind: DriveKind) -> Option<VehicleShape> {
    match kind {
        DriveKind::KittiRaw | DriveKind::KittiObject => Some(KITTI),
        DriveKind::Simulated => Some(SIMULATED),
        _ => None,
    }
}

/// Speed, yaw rate and acceleration from poses up to `t`: causal, so that live and replay say the same.
fn ego_motion(drive: &dyn Drive, t: Timestamp) -> Option<EgoMotion> {
    let pose = |back_s: f64| drive.odom_from_vehicle(t.plus_seconds(-back_s));
    let now = pose(0.0)?;
    let speed_mps = forward_m(&pose(SPEED_OVER_S)?, &now) / SPEED_OVER_S;
    let (a, b) = (pose(ACCELERATION_OVER_S), pose(ACCELERATION_OVER_S + SPEED_OVER_S));
    let earlier = a.zip(b).map(|(a, b)| forward_m(&b, &a) / SPEED_OVER_S);
    let yaw_rate_rps = pose(YAW_OVER_S).map_or(0.0, |then| {
        let turned = (then.inverse() * now).isometry().rotation.euler_angles().2;
        turned / YAW_OVER_S
    });
    let acceleration_mps2 = earlier.map_or(0.0, |v| (speed_mps - v) / ACCELERATION_OVER_S);
    Some(EgoMotion { speed_mps, yaw_rate_rps, acceleration_mps2 })
}

/// Way along the vehicle's own axis from one pose to a later one.
fn forward_m(then: &Transform<Odom, Vehicle>, now: &Transform<Odom, Vehicle>) -> f64 {
    (then.inverse() * *now).isometry().translation.vector.x
}
