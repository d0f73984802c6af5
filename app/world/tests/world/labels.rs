//! Events, groups, and truths that follow an object through occlusion.

use ocellus_world::{
    CameraTruth, FrameTags, OcclusionLevel, Quality, RenderBuffers, Scenario, World, events_between, rig,
};

#[test]
fn events_come_from_what_moves_and_none_from_standing_still() {
    let text = "[light]\nweather = \"cloudy\"\n[ego]\nspeed_mps = 0\nsway = 0\n[[actor]]\nname = \"walker\"\nkind = \"pedestrian\"\nstation_m = 12\nd_m = -2\nheading_deg = 90\nspeed_mps = 1.5";
    let world = World::new(&Scenario::parse(text).expect("a scenario"), 2).expect("a world");
    let setup = rig::front_camera(160, 96);
    let (mut buffers, mut truth) = (RenderBuffers::new(), CameraTruth::default());
    let mut logs = [Vec::new(), Vec::new()];
    let mut near = vec![false; 160 * 96];
    for (k, log) in logs.iter_mut().enumerate() {
        world.snapshot(0.1 * k as f64).render(&setup, Quality::FAST, &mut buffers, &mut truth);
        buffers.log_luminance(log);
        for (i, id) in truth.instance.iter().enumerate() {
            near[i] |= *id > 0;
        }
    }
    let mut events = Vec::new();
    events_between(&logs[0], &logs[1], 160, (0.0, 0.1), 0.15, &mut events);
    assert!(events.len() > 10, "{} events", events.len());
    // Shadows on the ground move too; most events are on the walker or beside it.
    let on = |x: i32, y: i32| {
        (-4..=4).any(|dy| {
            (-4..=4).any(|dx| {
                let (x, y) = (x + dx, y + dy);
                (0..160).contains(&x) && (0..96).contains(&y) && near[(y * 160 + x) as usize]
            })
        })
    };
    let share = events.iter().filter(|e| on(i32::from(e.x), i32::from(e.y))).count() as f64 / events.len() as f64;
    assert!(share > 0.9, "{share}");
    events_between(&logs[0], &logs[0], 160, (0.0, 0.1), 0.15, &mut events);
    assert!(events.is_empty());
}

#[test]
fn someone_behind_a_van_is_hidden_and_then_not() {
    let text = "[light]\nweather = \"cloudy\"\n[road]\nparking_right = true\n[ego]\nspeed_mps = 0\nsway = 0\n[[actor]]\nname = \"van\"\nkind = \"van\"\nstation_m = 16\nd_m = -1.6\n[[actor]]\nname = \"walker\"\nkind = \"pedestrian\"\nstation_m = 22\nd_m = -1.6\nheading_deg = 90\nspeed_mps = 1.5";
    let world = World::new(&Scenario::parse(text).expect("a scenario"), 2).expect("a world");
    let occlusion = |t: f64| {
        let truth = super::picture(&world, t, 320);
        let walker = truth.objects.iter().find(|o| world.actor_name(o.actor) == Some("walker")).expect("in the field");
        (walker.occlusion, walker.occlusion_level(), walker.instance, walker.box_visible.is_some())
    };
    let (hidden, free) = (occlusion(0.0), occlusion(2.6));
    assert!(hidden.0 > 0.95 && hidden.1 == OcclusionLevel::Heavy);
    assert!(free.0 < 0.05 && free.1 == OcclusionLevel::Clear && free.3);
    assert_eq!(hidden.2, free.2);
}

#[test]
fn frames_know_their_groups() {
    let names = FrameTags::of(&super::shipped("night_rain")).names();
    assert_eq!(names, ["night", "rain", "city"]);
}
