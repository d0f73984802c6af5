//! Clips of known outcome for judging collision anticipation: 4 s and more around one event.

use super::street::{Knobs, plain, street};
use crate::actors::{EGO_CENTRE_AHEAD_M, EGO_SIZE_M};
use crate::math::Rng;
use crate::scenario::{ActorSpec, Kind, RoadStyle, Scenario, Step, TrafficSpec, usual_size};

/// What happens in a clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ClipKind {
    /// The ego vehicle collides: with a braking or standing vehicle, a crossing pedestrian or cyclist, an oncoming
    /// vehicle in its lane, one that cuts in, or an obstacle on the road.
    Collide,
    /// The same openings, but someone brakes or gets away in time.
    NearMiss,
    /// Two other vehicles collide in another lane.
    OtherLaneCrash,
    /// Traffic ahead is faster and recedes, or passes oncoming in its own lane.
    Receding,
    /// Parked cars are passed closely.
    ClosePass,
}

/// Front of the ego vehicle ahead of its origin.
const FRONT_M: f64 = EGO_CENTRE_AHEAD_M + EGO_SIZE_M[0] * 0.5;
/// Longest a clip lasts after its event.
const AFTER_S: f64 = 1.0;

/// A clip of the given seed and kind.
pub fn clip(seed: u64, kind: ClipKind) -> Scenario {
    let mut rng = Rng::new(seed, 0xc11b);
    let knobs = Knobs {
        style: [0.6, 0.4, 0.0, 0.0],
        crowd: 0.0,
        clutter: 0.0,
        weather: [0.6, 0.3, 0.06, 0.0, 0.04],
        time: [0.75, 0.15, 0.1],
        ..Knobs::default()
    };
    let mut s = street(rng.next_u64(), &knobs);
    s.name = format!("{kind:?} {seed}");
    s.seed = seed;
    s.road.style = RoadStyle::City;
    s.road.lanes_forward = if kind == ClipKind::OtherLaneCrash { 2 } else { s.road.lanes_forward };
    s.road.lanes_backward = s.road.lanes_backward.max(1);
    s.road.parking_right = true;
    s.road.sidewalk_m = s.road.sidewalk_m.max(2.0);
    s.road.hill_m = 0.0;
    s.road.curve.clear();
    s.road.crossings_m.clear();
    s.actors.clear();
    s.traffic = TrafficSpec {
        parked: rng.range_f64(0.2, 0.8),
        oncoming: 0,
        ahead: 0,
        pedestrians: rng.below(8) as u32,
        cyclists: 0,
    };
    s.ego.d_m = s.road.lane_centre_m(s.road.lanes_forward as i32).unwrap_or(0.0);
    s.ego.speed_mps = rng.range_f64(7.0, 13.0);
    let event_s = rng.range_f64(2.8, 4.2);
    s.duration_s = event_s + AFTER_S;
    match kind {
        ClipKind::Collide => threat(&mut rng, &mut s, event_s, true),
        ClipKind::NearMiss => threat(&mut rng, &mut s, event_s, false),
        ClipKind::OtherLaneCrash => other_lane_crash(&mut rng, &mut s, event_s),
        ClipKind::Receding => receding(&mut rng, &mut s),
        ClipKind::ClosePass => s.traffic.parked = 1.0,
    }
    s
}

fn threat(rng: &mut Rng, s: &mut Scenario, event_s: f64, hit: bool) {
    // Where the other one cannot get away, a near miss is the ego vehicle's doing.
    let (actor, gets_away) = match rng.below(6) {
        0 => (standing(rng, s, event_s), false),
        1 => (crossing(rng, s, event_s, Kind::Pedestrian, hit), true),
        2 => (crossing(rng, s, event_s, Kind::Cyclist, hit), true),
        3 => (oncoming(rng, s, event_s, hit), true),
        4 => (hard_brake(rng, s, event_s), false),
        _ => (cut_in(rng, s, event_s, hit), true),
    };
    s.actors.push(actor);
    if !hit && !gets_away {
        // The ego vehicle brakes so late that it stops one to three metres before the contact.
        let v = s.ego.speed_mps;
        let spare = rng.range_f64(1.0, 3.0);
        let over_s = rng.range_f64(1.3, 1.8);
        // Braking evenly to a stop takes v/2 * over_s metres; the way to the contact is v * event_s.
        let t_s = (event_s - spare / v - over_s * 0.5).max(0.1);
        s.ego.steps.push(Step { t_s, over_s, speed_mps: Some(0.0), d_m: None });
        s.duration_s = (t_s + over_s + 1.0).max(s.duration_s);
    }
}

/// Half the length of a kind's usual body.
fn half_length(kind: Kind) -> f64 {
    usual_size(kind)[0].0 * 0.5
}

fn sized(mut actor: ActorSpec) -> ActorSpec {
    actor.size_m = usual_size(actor.kind).map(|(mean, _)| Some(mean));
    actor
}

/// Where the ego vehicle's front is at the event.
fn front_at(s: &Scenario, event_s: f64) -> f64 {
    s.ego.speed_mps * event_s + FRONT_M
}

fn standing(rng: &mut Rng, s: &Scenario, event_s: f64) -> ActorSpec {
    let kinds = [Kind::Car, Kind::Truck, Kind::Wall, Kind::Crate, Kind::Van];
    let kind = kinds[rng.below(kinds.len())];
    let station_m = front_at(s, event_s) + half_length(kind);
    sized(ActorSpec { station_m, d_m: s.ego.d_m + rng.range_f64(-0.3, 0.3), ..plain("in the way".into(), kind) })
}

fn crossing(rng: &mut Rng, s: &Scenario, event_s: f64, kind: Kind, hit: bool) -> ActorSpec {
    let from_right = rng.chance(0.6);
    let speed = if kind == Kind::Cyclist { rng.range_f64(3.5, 5.0) } else { rng.range_f64(1.2, 2.4) };
    let sign = if from_right { 1.0 } else { -1.0 };
    let start = if from_right { s.road.kerb_right_m() - 0.6 } else { s.road.kerb_left_m() + 0.6 };
    let way = libm::fabs(s.ego.d_m - start);
    // The one who is missed gets across a second before the ego vehicle is there.
    let lead_s = if hit { 0.0 } else { rng.range_f64(1.1, 1.5) };
    let begin_s = (event_s - lead_s - way / speed).max(0.0);
    // Where there is not time enough to walk all the way, the start is nearer.
    let way = way.min((event_s - lead_s) * speed);
    let half_width = usual_size(kind)[1].0 * 0.5;
    let station_m = front_at(s, event_s) + half_width;
    let d_m = s.ego.d_m - sign * way;
    let heading_rad = sign * std::f64::consts::FRAC_PI_2;
    let steps = vec![Step { t_s: begin_s, over_s: 0.0, speed_mps: Some(speed), d_m: None }];
    sized(ActorSpec { station_m, d_m, heading_rad, steps, ..plain("crossing".into(), kind) })
}

fn oncoming(rng: &mut Rng, s: &Scenario, event_s: f64, hit: bool) -> ActorSpec {
    let kinds = [Kind::Car, Kind::Car, Kind::Van, Kind::Truck];
    let kind = kinds[rng.below(kinds.len())];
    let speed = rng.range_f64(6.0, 11.0);
    let own = s.road.lane_centre_m(-1).unwrap_or(0.0);
    let station_m = front_at(s, event_s) + half_length(kind) + speed * event_s;
    let (out_s, over_s) = (event_s - rng.range_f64(1.6, 2.2), 1.2);
    let mut steps = vec![Step { t_s: out_s.max(0.0), over_s, speed_mps: None, d_m: Some(s.ego.d_m) }];
    if !hit {
        // Drifts half way over the line and back.
        let over = own + (s.ego.d_m - own) * 0.22;
        steps = vec![
            Step { t_s: (event_s - 2.6).max(0.0), over_s: 1.0, speed_mps: None, d_m: Some(over) },
            Step { t_s: (event_s - 1.5).max(1.1), over_s: 0.9, speed_mps: None, d_m: Some(own) },
        ];
    }
    let heading_rad = std::f64::consts::PI;
    sized(ActorSpec { station_m, d_m: own, heading_rad, speed_mps: speed, steps, ..plain("oncoming".into(), kind) })
}

fn hard_brake(rng: &mut Rng, s: &Scenario, event_s: f64) -> ActorSpec {
    let v = s.ego.speed_mps;
    let decel = rng.range_f64(6.0, 8.0);
    let over_s = v / decel;
    let brake_s = (event_s - rng.range_f64(1.8, 2.4)).max(0.2);
    // Where it has come to rest, or is, at the event.
    let dt = (event_s - brake_s).min(over_s);
    let way = v * brake_s + v * dt - 0.5 * decel * dt * dt;
    let kind = if rng.chance(0.7) { Kind::Car } else { Kind::Van };
    let station_m = front_at(s, event_s) + half_length(kind) - way;
    let steps = vec![Step { t_s: brake_s, over_s, speed_mps: Some(0.0), d_m: None }];
    let mut actor =
        sized(ActorSpec { station_m, d_m: s.ego.d_m, speed_mps: v, steps, ..plain("braking".into(), kind) });
    // Never on top of the ego vehicle at the start.
    actor.station_m = actor.station_m.max(FRONT_M + half_length(kind) + 1.0);
    actor
}

fn cut_in(rng: &mut Rng, s: &Scenario, event_s: f64, hit: bool) -> ActorSpec {
    let kind = if rng.chance(0.7) { Kind::Car } else { Kind::Van };
    let from = s.road.lanes_right_m() - crate::scenario::PARKING_WIDTH_M * 0.52;
    let v = s.ego.speed_mps;
    let slow = v * rng.range_f64(0.25, 0.45);
    let out_s = (event_s - rng.range_f64(1.7, 2.3)).max(0.1);
    // Accelerates out of the parking strip from rest to `slow` within a second.
    let way = 0.5 * slow + slow * (event_s - out_s - 1.0).max(0.0);
    let ahead = if hit { 0.0 } else { rng.range_f64(1.5, 3.0) };
    let station_m = front_at(s, event_s) + half_length(kind) - way + ahead;
    let mut steps = vec![
        Step { t_s: out_s, over_s: 1.0, speed_mps: Some(slow), d_m: None },
        Step { t_s: out_s, over_s: 1.5, speed_mps: None, d_m: Some(s.ego.d_m) },
    ];
    if !hit {
        steps.push(Step { t_s: out_s + 1.0, over_s: 0.9, speed_mps: Some(v * 1.15), d_m: None });
    }
    let mut actor = sized(ActorSpec { station_m, d_m: from, steps, ..plain("pulling out".into(), kind) });
    if !hit {
        // It gets away by speeding up, and leaves far enough ahead for that to suffice.
        actor.station_m += (v - slow) * 1.2;
    }
    actor
}

fn other_lane_crash(rng: &mut Rng, s: &mut Scenario, event_s: f64) {
    let (back, fast) = (rng.chance(0.5), rng.range_f64(9.0, 14.0));
    let kind = if rng.chance(0.7) { Kind::Car } else { Kind::Truck };
    let (lane, heading_rad, sign) = if back { (-1, std::f64::consts::PI, -1.0) } else { (1, 0.0, 1.0) };
    let d_m = s.road.lane_centre_m(lane).unwrap_or(0.0);
    let at = s.ego.speed_mps * event_s + rng.range_f64(14.0, 30.0);
    let standing = sized(ActorSpec { station_m: at, d_m, heading_rad, ..plain("standing".into(), kind) });
    let gap = half_length(kind) + half_length(Kind::Car);
    let start = at - sign * (gap + fast * event_s);
    // On the ego vehicle's own side the one behind must start clear of it: it drives in the other lane, so it does.
    let runner = sized(ActorSpec {
        station_m: start,
        d_m,
        heading_rad,
        speed_mps: fast,
        ..plain("running into it".into(), Kind::Car)
    });
    s.actors.extend([standing, runner]);
}

fn receding(rng: &mut Rng, s: &mut Scenario) {
    let kinds = [Kind::Car, Kind::Van, Kind::Truck, Kind::Bus, Kind::Motorcyclist];
    let kind = kinds[rng.below(kinds.len())];
    let ahead = ActorSpec {
        station_m: rng.range_f64(14.0, 22.0),
        d_m: s.ego.d_m,
        speed_mps: s.ego.speed_mps * rng.range_f64(1.05, 1.4),
        ..plain("receding".into(), kind)
    };
    s.actors.push(sized(ahead));
    let own = s.road.lane_centre_m(-1).unwrap_or(0.0);
    for k in 0..1 + rng.below(3) {
        s.actors.push(sized(ActorSpec {
            station_m: 40.0 + 25.0 * k as f64 + rng.range_f64(0.0, 8.0),
            d_m: own,
            heading_rad: std::f64::consts::PI,
            speed_mps: 9.0,
            ..plain(format!("passing {k}"), Kind::Car)
        }));
    }
}
