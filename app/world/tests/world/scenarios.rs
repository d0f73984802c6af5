//! Every scenario that ships loads, makes a world, and shows what its text promises.

use ocellus_world::World;

use super::{picture, shipped, world, worlds};

#[test]
fn every_shipped_scenario_makes_a_world_with_a_picture() {
    let mut count = 0;
    for entry in std::fs::read_dir(worlds()).expect("launch/worlds") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().and_then(|n| n.to_str()).expect("a name").to_owned();
        let scenario = shipped(&name);
        assert_eq!(scenario.name, name);
        assert!(!scenario.about.is_empty());
        let w = World::new(&scenario, scenario.seed).expect("a world");
        let truth = picture(&w, 1.0, 160);
        let (low, high) = truth.rgb.data().iter().fold((255, 0), |(l, h), v| (l.min(*v), h.max(*v)));
        assert!(high - low > 60, "{name}: the picture is flat ({low} to {high})");
        count += 1;
    }
    assert!(count >= 13);
}

#[test]
fn the_demo_street_shows_several_kinds_of_objects_and_no_collision() {
    let w = world("street", 7);
    let label = w.collision_label(0.0, 100.0);
    assert!(label.at_s.is_none(), "{label:?} {:?}", label.actor.and_then(|a| w.actor_name(a)));
    let mut classes = std::collections::BTreeSet::new();
    for k in 0..=20 {
        classes.extend(
            picture(&w, f64::from(k), 160).objects.iter().filter(|o| o.visible_px > 12).map(|o| o.class.name()),
        );
    }
    for class in ["car", "person", "truck", "bicycle", "bus"] {
        assert!(classes.contains(class), "no {class} in the demo drive: {classes:?}");
    }
}

#[test]
fn night_is_darker_than_day_and_fog_hides_the_distance() {
    let mean = |name: &str, seed| {
        let truth = picture(&world(name, seed), 1.0, 160);
        truth.rgb.data().iter().map(|v| f64::from(*v)).sum::<f64>() / truth.rgb.data().len() as f64
    };
    assert!(mean("night_rain", 17) < 0.75 * mean("street", 7));
    let fog = picture(&world("fog", 18), 0.0, 160);
    // Far pixels are all of one colour in fog.
    let far: Vec<f64> = fog
        .rgb
        .data()
        .chunks_exact(3)
        .zip(&fog.depth_m)
        .filter(|(_, z)| **z > 110.0)
        .map(|(p, _)| f64::from(p[1]))
        .collect();
    let mean = far.iter().sum::<f64>() / far.len() as f64;
    let spread = (far.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / far.len() as f64).sqrt();
    assert!(spread < 12.0, "spread {spread}");
}
