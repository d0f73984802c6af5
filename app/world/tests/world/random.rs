//! Random scenarios are valid, varied and of the outcome they claim.

use ocellus_world::{ClipKind, FrameTags, Knobs, Scenario, World};

#[test]
fn random_streets_are_valid_and_reproducible() {
    let knobs = Knobs::default();
    let mut tags = std::collections::BTreeSet::new();
    for seed in 0..120 {
        let s = Scenario::random(seed, &knobs);
        s.check().unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        assert_eq!(s, Scenario::random(seed, &knobs));
        tags.extend(FrameTags::of(&s).names());
    }
    for tag in
        ["day", "dusk", "night", "clear", "cloudy", "rain", "fog", "snow", "city", "suburb", "country", "motorway"]
    {
        assert!(tags.contains(tag), "120 seeds without {tag}");
    }
}

#[test]
fn random_streets_make_worlds_with_something_to_see() {
    let mut objects = 0;
    for seed in 0..8 {
        let w = World::new(&Scenario::random(seed, &Knobs::default()), seed).expect("a world");
        objects += super::picture(&w, 1.0, 160).objects.iter().filter(|o| o.visible_px > 20).count();
    }
    assert!(objects > 24, "{objects} objects in 8 pictures");
}

#[test]
fn clips_end_as_their_kind_says() {
    let mut wrong = Vec::new();
    for kind in
        [ClipKind::Collide, ClipKind::NearMiss, ClipKind::OtherLaneCrash, ClipKind::Receding, ClipKind::ClosePass]
    {
        for seed in 0..30 {
            let s = Scenario::random_clip(seed, kind);
            let w = match World::new(&s, seed) {
                Ok(w) => w,
                Err(e) => {
                    wrong.push(format!("{kind:?} {seed}: {e}"));
                    continue;
                }
            };
            let hit = w.collision_label(0.0, 100.0).at_s.is_some_and(|t| t <= s.duration_s);
            if hit != (kind == ClipKind::Collide) {
                wrong.push(format!(
                    "{kind:?} {seed}: hit {hit} ({:?})",
                    s.actors.iter().map(|a| &a.name).collect::<Vec<_>>()
                ));
            }
            if kind == ClipKind::OtherLaneCrash && w.other_contact().is_none() {
                wrong.push(format!("{kind:?} {seed}: no crash"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of 150:\n{}", wrong.len(), wrong.join("\n"));
}
