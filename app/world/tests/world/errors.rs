//! Bad scenarios are refused with errors that name what is wrong.

use ocellus_world::{Scenario, ScenarioError};

fn error(text: &str) -> ScenarioError {
    Scenario::parse(text).expect_err("a bad scenario")
}

#[test]
fn an_unknown_key_names_the_nearest() {
    let e = error("[road]\nlane_widht_m = 3.0");
    assert_eq!(e.to_string(), "unknown key 'lane_widht_m' in [road]; did you mean 'lane_width_m'?");
    let e = error("[[actor]]\nkind = \"car\"\nstation_m = 30\nspeed = 3");
    assert!(e.to_string().contains("[[actor]] number 1") && e.to_string().contains("'speed_mps'"), "{e}");
    let e = error("[ego]\ndo = [{ t_s = 1.0, ovr_s = 2.0 }]");
    assert!(e.to_string().contains("a step of [ego]") && e.to_string().contains("'over_s'"), "{e}");
}

#[test]
fn an_unknown_word_names_what_there_is() {
    let e = error("[[actor]]\nkind = \"trcuk\"");
    assert!(e.to_string().contains("did you mean 'truck'?"), "{e}");
    let e = error("[light]\nweather = \"sunny\"");
    assert!(e.to_string().contains("clear, cloudy, rain, fog, snow"), "{e}");
}

#[test]
fn overlapping_cars_are_named() {
    let two = "[[actor]]\nname = \"red\"\nkind = \"car\"\nstation_m = 20\n[[actor]]\nname = \"blue\"\nkind = \"car\"\nstation_m = 22";
    let e = error(two);
    assert!(matches!(&e, ScenarioError::Overlap { a, b, .. } if a == "red" && b == "blue"), "{e}");
    let e = error("[[actor]]\nname = \"red\"\nkind = \"car\"\nstation_m = 4");
    assert!(matches!(&e, ScenarioError::Overlap { a, b, .. } if a == "ego" && b == "red"), "{e}");
}

#[test]
fn an_actor_outside_the_road_is_named_at_the_start_and_after_a_step() {
    let e = error("[[actor]]\nname = \"lost\"\nkind = \"car\"\nstation_m = 30\nd_m = 30");
    assert!(matches!(&e, ScenarioError::OutsideRoad { who, .. } if who == "lost"), "{e}");
    let e =
        error("[[actor]]\nname = \"lost\"\nkind = \"car\"\nstation_m = 30\ndo = [{ t_s = 1, over_s = 1, d_m = -20 }]");
    assert!(e.to_string().contains("lost") && e.to_string().contains("after step 1"), "{e}");
}

#[test]
fn lanes_places_numbers_and_orders_are_checked() {
    assert!(matches!(error("[ego]\nlane = 4"), ScenarioError::NoSuchLane { lane: 4, .. }));
    let parked = error("[[actor]]\nkind = \"car\"\nstation_m = 30\nplace = \"parked_left\"");
    assert!(matches!(parked, ScenarioError::NoSuchPlace { .. }));
    assert!(matches!(error("duration_s = -1"), ScenarioError::Range { .. }));
    assert!(matches!(error("duration_s = nan"), ScenarioError::Range { .. }));
    let steps = "[ego]\ndo = [{ t_s = 3, over_s = 2, speed_mps = 1 }, { t_s = 4, speed_mps = 2 }]";
    assert!(matches!(error(steps), ScenarioError::StepOrder { step: 2, .. }));
    assert!(matches!(error("duration_s = \"long\""), ScenarioError::Toml(_)));
    assert!(matches!(error("[[["), ScenarioError::Toml(_)));
    assert!(matches!(error("[[actor]]\nkind = \"wall\"\nstation_m = 30\nspeed_mps = 2"), ScenarioError::Range { .. }));
}
