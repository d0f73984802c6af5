//! What a scenario must obey: ranges, order of steps, places on the road, no overlap at the start.

use super::{ActorSpec, Kind, RoadStyle, Scenario, ScenarioError, Step, VERGE_M, usual_size};
use crate::actors::footprint::Footprint;
use crate::actors::{EGO_CENTRE_AHEAD_M, EGO_SIZE_M};

fn range(what: &str, got: f64, low: f64, high: f64, expected: &'static str) -> Result<(), ScenarioError> {
    if got >= low && got <= high {
        return Ok(());
    }
    Err(ScenarioError::Range { what: what.to_owned(), got, expected })
}

/// Checks everything that can be checked before a world is built.
pub(super) fn check(s: &Scenario) -> Result<(), ScenarioError> {
    check_numbers(s)?;
    check_steps("ego", &s.ego.steps)?;
    check_inside("ego", Kind::Car, s, (0.0, s.ego.d_m, 0.0, EGO_SIZE_M[1]), &s.ego.steps)?;
    for (i, actor) in s.actors.iter().enumerate() {
        if s.actors[..i].iter().any(|other| other.name == actor.name) {
            return Err(ScenarioError::TwoNames(actor.name.clone()));
        }
        check_actor(s, actor)?;
    }
    check_overlaps(s)
}

fn check_numbers(s: &Scenario) -> Result<(), ScenarioError> {
    range("duration_s", s.duration_s, 0.1, 600.0, "0.1 to 600 s")?;
    range("rate_hz", s.rate_hz, 0.5, 240.0, "0.5 to 240 Hz")?;
    range("[road] lanes_forward", f64::from(s.road.lanes_forward), 1.0, 6.0, "1 to 6")?;
    range("[road] lanes_backward", f64::from(s.road.lanes_backward), 0.0, 6.0, "0 to 6")?;
    range("[road] lane_width_m", s.road.lane_width_m, 2.3, 6.0, "2.3 to 6 m")?;
    range("[road] sidewalk_m", s.road.sidewalk_m, 0.0, 12.0, "0 to 12 m")?;
    range("[road] hill_m", s.road.hill_m, -20.0, 20.0, "-20 to 20 m")?;
    range("[road] hill_length_m", s.road.hill_length_m, 60.0, 5000.0, "60 to 5000 m")?;
    range("[road] bumps_m", s.road.bumps_m, 0.0, 1.0, "0 to 1 m")?;
    for [length, curvature] in &s.road.curve {
        range("[road] curve length", *length, 0.1, 20_000.0, "0.1 to 20000 m")?;
        // Tighter bends would fold the sidewalk and the houses onto themselves.
        range("[road] curve curvature", *curvature, -0.02, 0.02, "-0.02 to 0.02 1/m")?;
    }
    for &station in &s.road.crossings_m {
        range("[road] crossings_m", station, -1e4, 1e5, "-10000 to 100000 m")?;
    }
    range("[light] sun_elevation_deg", s.light.sun_elevation_deg.unwrap_or(30.0), -30.0, 90.0, "-30 to 90 degrees")?;
    range("[light] sun_azimuth_deg", s.light.sun_azimuth_deg.unwrap_or(0.0), -360.0, 360.0, "-360 to 360 degrees")?;
    range("[light] visibility_m", s.light.visibility_m.unwrap_or(100.0), 10.0, 1e5, "10 to 100000 m")?;
    range("[lens] exposure_ms", s.lens.exposure_ms.unwrap_or(5.0), 0.0, 100.0, "0 to 100 ms")?;
    range("[lens] noise", s.lens.noise, 0.0, 10.0, "0 to 10")?;
    range("[lens] exposure_stops", s.lens.exposure_stops, -6.0, 6.0, "-6 to 6")?;
    range("[scenery] buildings", s.scenery.buildings, 0.0, 1.0, "0 to 1")?;
    range("[scenery] trees", s.scenery.trees, 0.0, 1.0, "0 to 1")?;
    range("[scenery] furniture", s.scenery.furniture, 0.0, 1.0, "0 to 1")?;
    range("[traffic] parked", s.traffic.parked, 0.0, 1.0, "0 to 1")?;
    let made = s.traffic.oncoming.max(s.traffic.ahead).max(s.traffic.pedestrians).max(s.traffic.cyclists);
    range("[traffic] a number of actors", f64::from(made), 0.0, 200.0, "0 to 200 each")?;
    range("[ego] speed_mps", s.ego.speed_mps, 0.0, 70.0, "0 to 70 m/s")?;
    range("[ego] sway", s.ego.sway, 0.0, 5.0, "0 to 5")
}

fn check_steps(who: &str, steps: &[Step]) -> Result<(), ScenarioError> {
    let (mut speed_free_s, mut lateral_free_s) = (0.0, 0.0);
    for (i, step) in steps.iter().enumerate() {
        range(&format!("{who}: t_s of step {}", i + 1), step.t_s, 0.0, 1e4, "0 to 10000 s")?;
        range(&format!("{who}: over_s of step {}", i + 1), step.over_s, 0.0, 1e4, "0 to 10000 s")?;
        range(&format!("{who}: speed_mps of step {}", i + 1), step.speed_mps.unwrap_or(0.0), 0.0, 70.0, "0 to 70 m/s")?;
        range(&format!("{who}: d_m of step {}", i + 1), step.d_m.unwrap_or(0.0), -1e3, 1e3, "-1000 to 1000 m")?;
        for (changes, free_s) in
            [(step.speed_mps.is_some(), &mut speed_free_s), (step.d_m.is_some(), &mut lateral_free_s)]
        {
            if !changes {
                continue;
            }
            if step.t_s < *free_s {
                let (who, step_number) = (who.to_owned(), i + 1);
                return Err(ScenarioError::StepOrder { who, step: step_number, t_s: step.t_s, earliest_s: *free_s });
            }
            *free_s = step.t_s + step.over_s;
        }
    }
    Ok(())
}

fn check_actor(s: &Scenario, actor: &ActorSpec) -> Result<(), ScenarioError> {
    let who = &actor.name;
    range(&format!("{who}: station_m"), actor.station_m, -1e3, 1e5, "-1000 to 100000 m")?;
    range(&format!("{who}: d_m"), actor.d_m, -1e3, 1e3, "-1000 to 1000 m")?;
    range(&format!("{who}: speed_mps"), actor.speed_mps, 0.0, 70.0, "0 to 70 m/s")?;
    range(&format!("{who}: heading_deg"), actor.heading_rad.to_degrees(), -360.0, 360.0, "-360 to 360 degrees")?;
    for (name, size) in ["length_m", "width_m", "height_m"].iter().zip(actor.size_m) {
        range(&format!("{who}: {name}"), size.unwrap_or(1.0), 0.05, 30.0, "0.05 to 30 m")?;
    }
    if !actor.kind.can_move() {
        range(&format!("{who}: speed_mps of a thing that cannot move"), actor.speed_mps, 0.0, 0.0, "0")?;
    }
    check_steps(who, &actor.steps)?;
    check_inside(who, actor.kind, s, (actor.station_m, actor.d_m, actor.heading_rad, width(actor)), &actor.steps)
}

fn length(actor: &ActorSpec) -> f64 {
    actor.size_m[0].unwrap_or(usual_size(actor.kind)[0].0)
}

fn width(actor: &ActorSpec) -> f64 {
    actor.size_m[1].unwrap_or(usual_size(actor.kind)[1].0)
}

/// `at`: station, d, heading, width of the thing.
fn check_inside(
    who: &str,
    kind: Kind,
    s: &Scenario,
    at: (f64, f64, f64, f64),
    steps: &[Step],
) -> Result<(), ScenarioError> {
    let (station_m, d_m, heading, width_m) = at;
    // Motor vehicles keep to lanes, parking and shoulder; others may be on sidewalk and verge too.
    let beyond = if kind.is_vehicle() && kind != Kind::Cyclist { 0.0 } else { s.road.sidewalk_m + VERGE_M };
    let beside = if s.road.style == RoadStyle::Motorway { 0.5 } else { 0.0 };
    let (allowed_low_m, allowed_high_m) =
        (s.road.kerb_right_m() - beyond - beside, s.road.kerb_left_m() + beyond + beside);
    let half = if kind.is_vehicle() && libm::fabs(libm::cos(heading)) > 0.5 { width_m * 0.5 } else { 0.1 };
    let start = std::iter::once((d_m, "at the start".to_owned()));
    let later = steps.iter().enumerate().filter_map(|(i, st)| st.d_m.map(|d| (d, format!("after step {}", i + 1))));
    for (d, when) in start.chain(later) {
        let (low_m, high_m) = (d - half, d + half);
        if low_m < allowed_low_m || high_m > allowed_high_m {
            let who = who.to_owned();
            return Err(ScenarioError::OutsideRoad {
                who,
                station_m,
                low_m,
                high_m,
                allowed_low_m,
                allowed_high_m,
                when,
            });
        }
    }
    Ok(())
}

fn check_overlaps(s: &Scenario) -> Result<(), ScenarioError> {
    let ego = Footprint::new([EGO_CENTRE_AHEAD_M, s.ego.d_m], 0.0, EGO_SIZE_M[0], EGO_SIZE_M[1]);
    let mut placed = vec![("ego".to_owned(), ego)];
    for actor in &s.actors {
        let here = Footprint::new([actor.station_m, actor.d_m], actor.heading_rad, length(actor), width(actor));
        if let Some((other, _)) = placed.iter().find(|(_, there)| there.overlaps(&here)) {
            let (a, b) = (other.clone(), actor.name.clone());
            return Err(ScenarioError::Overlap { a, b, station_m: actor.station_m });
        }
        placed.push((actor.name.clone(), here));
    }
    Ok(())
}
