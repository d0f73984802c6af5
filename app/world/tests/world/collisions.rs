//! Collision labels and times to collision are right where the script says what happens.

use ocellus_world::{EGO_CENTRE_AHEAD_M, EGO_SIZE_M, Scenario, World};

use super::{picture, world};

const FRONT_M: f64 = EGO_CENTRE_AHEAD_M + EGO_SIZE_M[0] * 0.5;

fn made(text: &str) -> World {
    World::new(&Scenario::parse(text).expect("a scenario"), 1).expect("a world")
}

const STANDING: &str = "duration_s = 6\n[ego]\nspeed_mps = 10\nsway = 0\n[[actor]]\nname = \"car\"\nkind = \"car\"\nstation_m = 40\nlength_m = 4.4\nwidth_m = 1.8\nheight_m = 1.5";

#[test]
fn a_standing_car_is_hit_when_arithmetic_says_so() {
    let w = made(STANDING);
    let expected = (40.0 - 2.2 - FRONT_M) / 10.0;
    let label = w.collision_label(1.0, 3.0);
    let at = label.at_s.expect("a contact");
    assert!((at - expected).abs() < 2e-3, "{at} against {expected}");
    assert!(label.within_horizon && !label.collided);
    assert!((label.time_to_s.expect("ahead") - (at - 1.0)).abs() < 1e-12);
    assert!(!w.collision_label(0.0, 2.0).within_horizon);
    assert!(w.collision_label(at + 0.1, 2.0).collided);
    assert_eq!(w.actor_name(label.actor.expect("an actor")), Some("car"));
    assert_eq!(w.ego(at + 1.0).speed_mps, 0.0);
}

#[test]
fn time_to_collision_of_a_constant_approach_is_exact_and_distance_agrees() {
    let w = made(STANDING);
    let truth = picture(&w, 1.0, 320);
    let car = truth.objects.iter().find(|o| w.actor_name(o.actor) == Some("car")).expect("in view");
    let gap = 40.0 - 2.2 - FRONT_M - 10.0;
    assert!((car.ttc_s.expect("closing") - gap / 10.0).abs() < 1e-6);
    // The camera looks at the rear of the car from its own place; bumpers curve a little.
    let range = 40.0 - 2.2 - 10.0 - 1.75;
    assert!((car.distance_m.expect("visible") - range).abs() < 0.25, "{:?} against {range}", car.distance_m);
    assert!((car.nearest_vehicle.expect("visible").xyz.x - (range + 1.75)).abs() < 0.25);
    assert!(car.velocity_odom_mps.iter().all(|v| *v == 0.0));
}

#[test]
fn scripted_outcomes_are_as_their_texts_say() {
    for (name, seed, hits) in [
        ("cut_in", 11, true),
        ("crossing_pedestrian", 12, true),
        ("oncoming", 14, true),
        ("hard_brake", 13, false),
        ("parked_pass", 15, false),
        ("other_lane_crash", 16, false),
        ("fog", 18, false),
        ("clutter", 22, false),
        ("empty_road", 21, false),
        ("motorway", 20, false),
        ("night_rain", 17, false),
        ("snow", 19, false),
    ] {
        for seed in [seed, seed + 100] {
            let w = world(name, seed);
            let label = w.collision_label(0.0, 100.0);
            let in_time = label.at_s.is_some_and(|t| t <= w.scenario().duration_s);
            assert_eq!(in_time, hits, "{name} with seed {seed}: {label:?}");
        }
    }
}

#[test]
fn two_others_collide_and_stand_still() {
    let w = world("other_lane_crash", 16);
    let (t, a, b) = w.other_contact().expect("a crash");
    assert!(t < w.scenario().duration_s);
    let names = [w.actor_name(a), w.actor_name(b)];
    assert!(names.contains(&Some("standing car")) && names.contains(&Some("runner")));
    let truth = picture(&w, t + 0.5, 320);
    let runner = truth.objects.iter().find(|o| w.actor_name(o.actor) == Some("runner")).expect("in view");
    assert_eq!(runner.velocity_odom_mps, [0.0; 3]);
}

#[test]
fn the_ego_pose_is_the_integral_of_its_velocity() {
    let w = world("street", 7);
    let (mut x, h) = (w.ego(0.0).odom_from_vehicle.isometry().translation.vector, 0.01);
    for k in 0..1500 {
        let v = w.ego((f64::from(k) + 0.5) * h).velocity_odom_mps;
        x += nalgebra::Vector3::new(v[0], v[1], v[2]) * h;
    }
    let end = w.ego(15.0).odom_from_vehicle.isometry().translation.vector;
    assert!((end - x).norm() < 0.3, "{end} against {x}");
}
