//! What a tracker does with frames and observations that are not as they should be: late, repeated, far apart, not a
//! number, without boxes, without positions; and that it allocates nothing once warm.

#![allow(clippy::unwrap_used, reason = "a test that cannot read its input has failed")]

mod track_support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use nalgebra::{Isometry3, Matrix3, Vector3};
use ocellus_percept::assess::{TtcConfig, ttc_from_growth, ttc_from_kinematics};
use ocellus_percept::detection::BoxPx;
use ocellus_percept::report::DistanceSource;
use ocellus_percept::space::{Odom, Point3, Transform, Vehicle};
use ocellus_percept::track::{
    Observation, PositionMeasurement, PositionUse, StepSummary, TrackFrame, TrackIds, TrackOutput, TrackPhase, Tracker,
    TrackerConfig, VehicleTwist,
};
use track_support::{Random, stamp};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged; counting touches a thread-local without a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|n| n.set(n.get() + 1));
        // SAFETY: the caller's contract is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Bench {
    tracker: Tracker,
    ids: TrackIds,
    out: Vec<TrackOutput>,
}

impl Bench {
    fn new() -> Self {
        Self { tracker: Tracker::new(TrackerConfig::default()), ids: TrackIds::new(), out: Vec::new() }
    }

    fn step(&mut self, t: f64, observations: &[Observation]) -> StepSummary {
        self.frame(TrackFrame::at(stamp(t)), observations)
    }

    fn frame(&mut self, frame: TrackFrame<'_>, observations: &[Observation]) -> StepSummary {
        self.tracker.step(&mut self.ids, frame, observations, &mut self.out)
    }
}

fn boxed(x: f32, score: f32) -> Observation {
    let bbox = BoxPx { x0: x, y0: 100.0, x1: x + 50.0, y1: 200.0 };
    Observation { bbox: Some(bbox), score, listed: score >= 0.25, class: 0, position: None }
}

fn point(x: f64, y: f64) -> PositionMeasurement {
    let origin = Point3::new(0.0, 0.0, 0.0);
    PositionMeasurement::along_ray(Point3::new(x, y, 0.5), origin, (0.05, 0.1), DistanceSource::Lidar)
}

fn lidar_only(x: f64, y: f64) -> Observation {
    Observation { bbox: None, score: 0.9, listed: true, class: 9, position: Some(point(x, y)) }
}

#[test]
fn late_repeated_and_restarted_frames_are_ordinary() {
    let mut bench = Bench::new();
    for k in 0..10 {
        bench.step(f64::from(k) * 0.1, &[boxed(100.0 + 10.0 * k as f32, 0.9)]);
    }
    let id = bench.out[0].track;
    let before = bench.tracker.tracks().next().unwrap();
    let repeated = bench.step(0.9, &[boxed(190.0, 0.9)]);
    assert!(!repeated.late && bench.out[0].track == id);
    let late = bench.step(0.85, &[boxed(185.0, 0.9)]);
    assert!(late.late && bench.out[0].track == id);
    let after = bench.tracker.tracks().next().unwrap();
    assert!((after.bbox.unwrap().x0 - before.bbox.unwrap().x0).abs() < 2.0, "a late frame moved the box back");
    bench.step(1.0, &[boxed(200.0, 0.9)]);
    assert_eq!(bench.out[0].track, id);
    let restarted = bench.step(-100.0, &[boxed(200.0, 0.9)]);
    assert!(restarted.reset && restarted.removed == 1 && bench.out[0].track > id);
    let far = bench.step(-90.0, &[boxed(200.0, 0.9)]);
    assert!(far.reset, "ten seconds without a frame end every track");
}

#[test]
fn boxes_and_positions_that_are_no_numbers_are_counted_and_left_out() {
    let mut bench = Bench::new();
    let nan_box = BoxPx { x0: f32::NAN, y0: 0.0, x1: 10.0, y1: 10.0 };
    let empty_box = BoxPx { x0: 10.0, y0: 0.0, x1: 10.0, y1: 10.0 };
    let bad_point = PositionMeasurement { point: Point3::new(f64::NAN, 0.0, 0.0), ..point(5.0, 0.0) };
    let bad_covariance = PositionMeasurement { covariance: -Matrix3::identity(), ..point(5.0, 0.0) };
    let observations = [
        Observation { bbox: Some(nan_box), ..boxed(0.0, 0.9) },
        Observation { bbox: Some(empty_box), ..boxed(0.0, 0.9) },
        boxed(0.0, f32::NAN),
        Observation { bbox: None, ..boxed(0.0, 0.9) },
        Observation { position: Some(bad_point), ..boxed(300.0, 0.9) },
        Observation { position: Some(bad_covariance), ..boxed(600.0, 0.9) },
        Observation { bbox: Some(nan_box), position: Some(point(5.0, 0.0)), ..boxed(0.0, 0.9) },
    ];
    let summary = bench.step(0.0, &observations);
    assert_eq!((summary.unusable, summary.unusable_positions, summary.born), (4, 2, 3));
    let listed: Vec<bool> = bench.out.iter().map(|o| o.track.is_some()).collect();
    assert_eq!(listed, [false, false, false, false, true, true, true]);
    assert_eq!(bench.out[4].position_use, PositionUse::Absent);
    assert_eq!(bench.step(0.1, &[]), StepSummary::default());
    let nan_pose = Transform::<Odom, Vehicle>::from_isometry(Isometry3::translation(f64::NAN, 0.0, 0.0));
    let frame = TrackFrame { odom_from_vehicle: Some(&nan_pose), ..TrackFrame::at(stamp(0.2)) };
    bench.frame(frame, &observations);
    assert!(bench.out[6].kinematics.unwrap().position.xyz.iter().all(|v| v.is_finite()));
}

#[test]
fn faint_observations_keep_a_track_alive_but_begin_none() {
    let mut bench = Bench::new();
    bench.step(0.0, &[boxed(0.0, 0.2)]);
    assert_eq!(bench.out[0], TrackOutput::default());
    bench.step(0.1, &[boxed(0.0, 0.3)]);
    let id = bench.out[0].track;
    assert_eq!((id, bench.out[0].phase), (Some(1), Some(TrackPhase::Tentative)));
    bench.step(0.2, &[boxed(1.0, 0.15)]);
    assert_eq!(bench.out[0].track, id);
    bench.step(0.3, &[boxed(1.0, 0.05)]);
    assert_eq!(bench.out[0].track, None);
}

#[test]
fn what_only_a_lidar_sees_is_tracked_by_position_and_joins_a_box() {
    let mut bench = Bench::new();
    for k in 0..15 {
        let x = 30.0 - 0.5 * f64::from(k);
        bench.step(f64::from(k) * 0.1, &[lidar_only(x, -2.0), lidar_only(25.0, 3.0)]);
        assert_eq!(bench.out.iter().map(|o| o.track.unwrap()).max(), Some(2), "frame {k}");
    }
    let v = bench.out[0].kinematics.unwrap().velocity.unwrap().mps;
    assert!((v - Vector3::new(-5.0, 0.0, 0.0)).norm() < 0.1, "{v:?}");
    let id = bench.out[0].track;
    bench.step(1.5, &[Observation { position: Some(point(22.5, -2.0)), ..boxed(400.0, 0.9) }]);
    assert_eq!(bench.out[0].track, id);
    assert_eq!(bench.tracker.tracks().filter(|t| t.phase == TrackPhase::Lost).count(), 1);
}

#[test]
fn a_wrong_depth_is_refused_and_a_lasting_one_believed() {
    let mut bench = Bench::new();
    let seen = |x: f64| Observation { position: Some(point(x, 0.0)), ..boxed(300.0, 0.9) };
    for k in 0..10 {
        bench.step(f64::from(k) * 0.1, &[seen(20.0)]);
    }
    let id = bench.out[0].track;
    bench.step(1.0, &[seen(60.0)]);
    assert_eq!((bench.out[0].track, bench.out[0].position_use), (id, PositionUse::Refused));
    assert!((bench.out[0].kinematics.unwrap().position.xyz.x - 20.0).abs() < 0.2);
    bench.step(1.1, &[seen(20.0)]);
    assert_eq!(bench.out[0].position_use, PositionUse::Used);
    let uses: Vec<PositionUse> = (12..16)
        .map(|k| {
            bench.step(f64::from(k) * 0.1, &[seen(60.0)]);
            bench.out[0].position_use
        })
        .collect();
    assert_eq!(uses, [PositionUse::Refused, PositionUse::Refused, PositionUse::Began, PositionUse::Used]);
    assert_eq!(bench.out[0].track, id);
    assert!((bench.out[0].kinematics.unwrap().position.xyz.x - 60.0).abs() < 0.5);
}

#[test]
fn a_speed_that_one_wrong_depth_made_is_not_kept() {
    let mut bench = Bench::new();
    let seen = |x: f64, sigma: f64, age_s: f64, source| {
        let origin = Point3::new(0.0, 0.0, 0.0);
        let m = PositionMeasurement::along_ray(Point3::new(x, 0.0, 0.5), origin, (sigma, 0.1), source);
        Observation { position: Some(PositionMeasurement { age_s, ..m }), ..boxed(300.0, 0.9) }
    };
    let pose = Transform::from_isometry(Isometry3::identity());
    let place = |t: f64| 90.0 - 15.0 * t;
    for k in 0..54_u32 {
        let t = f64::from(k) * 0.1;
        let observation = match k {
            // Known by its size alone, then a beam meets what stands far in front of it.
            0..8 | 9 | 12 | 13 => seen(place(t) - 2.0, 12.0, 0.0, DistanceSource::SizePrior),
            8 => seen(38.0, 0.35, 0.1, DistanceSource::Lidar),
            _ => {
                let sweep = f64::from(k / 2) * 0.2 - 0.1;
                seen(place(sweep), 0.3, t - sweep, DistanceSource::Lidar)
            }
        };
        let frame = TrackFrame { odom_from_vehicle: Some(&pose), ..TrackFrame::at(stamp(t)) };
        bench.frame(frame, &[observation]);
        eprintln!(
            "{k} {:?} {:?}",
            bench.out[0].position_use,
            bench.out[0].kinematics.unwrap().velocity.map(|v| v.mps.x)
        );
        let velocity = bench.out[0].kinematics.unwrap().velocity;
        assert!(k < 26 || velocity.is_some(), "after {t} s there is no speed");
        if let Some(v) = velocity {
            assert!((v.mps.x + 15.0).abs() < 3.0, "after {t} s: {:?}", v.mps);
        }
    }
}

#[test]
fn one_sweep_under_three_pictures_counts_once_and_its_age_is_understood() {
    let mut bench = Bench::new();
    let mut uses = Vec::new();
    for k in 0..60_u32 {
        let (t, sweep) = (f64::from(k) / 30.0, f64::from(k / 3) / 10.0);
        let measured = PositionMeasurement { age_s: t - sweep, ..point(40.0 - 10.0 * sweep, 0.0) };
        bench.step(t, &[Observation { position: Some(measured), ..boxed(300.0, 0.9) }]);
        uses.push(bench.out[0].position_use);
    }
    assert_eq!(uses[30..33], [PositionUse::Used, PositionUse::NotNew, PositionUse::NotNew]);
    let k = bench.out[0].kinematics.unwrap();
    assert!((k.position.xyz.x - (40.0 - 10.0 * 59.0 / 30.0)).abs() < 0.05, "{:?}", k.position);
    assert!((k.velocity.unwrap().mps.x + 10.0).abs() < 0.1);
}

#[test]
fn a_change_of_source_neither_breaks_the_state_nor_feigns_a_speed() {
    let mut bench = Bench::new();
    let seen = |x: f64, sigma: f64, source| {
        let origin = Point3::new(0.0, 0.0, 0.0);
        let m = PositionMeasurement::along_ray(Point3::new(x, 0.0, 0.5), origin, (sigma, 0.1), source);
        Observation { position: Some(m), ..boxed(300.0, 0.9) }
    };
    for k in 0..20 {
        bench.step(f64::from(k) * 0.1, &[seen(20.0, 0.05, DistanceSource::Lidar)]);
    }
    for k in 20..40 {
        // Two metres too far, as a size prior may be.
        bench.step(f64::from(k) * 0.1, &[seen(22.0, 2.0, DistanceSource::SizePrior)]);
        let kinematics = bench.out[0].kinematics.unwrap();
        assert_eq!(kinematics.source, DistanceSource::SizePrior);
        if let Some(v) = kinematics.velocity {
            assert!(v.mps.norm() < 1.0, "frame {k}: {:?}", v.mps);
        }
    }
}

#[test]
fn what_lidar_told_stays_when_a_poorer_source_comes_between() {
    let mut bench = Bench::new();
    let seen = |x: f64, sigma: f64, source| {
        let origin = Point3::new(0.0, 0.0, 0.0);
        let m = PositionMeasurement::along_ray(Point3::new(x, 0.0, 0.5), origin, (sigma, 0.3), source);
        Observation { position: Some(m), ..boxed(300.0, 0.9) }
    };
    for k in 0..40_u32 {
        let t = f64::from(k) * 0.1;
        let x = 30.0 + t;
        // Two frames in five have only a depth map, 7 m too far, which says so of itself.
        let poor = matches!(k % 5, 2 | 3);
        let (x, sigma, source) =
            if poor { (x + 7.0, 4.0, DistanceSource::DepthScaled) } else { (x, 0.4, DistanceSource::Lidar) };
        bench.step(t, &[seen(x, sigma, source)]);
        let kinematics = bench.out[0].kinematics.unwrap();
        if k > 15 {
            let v = kinematics.velocity.map(|v| v.mps.x);
            assert!(v.is_some_and(|v| (v - 1.0).abs() < 0.6), "frame {k}: {v:?}");
            assert!((kinematics.position.xyz.x - (30.0 + t)).abs() < 0.6, "frame {k}: {:?}", kinematics.position);
        }
    }
}

#[test]
fn braking_ahead_is_followed() {
    // Deceleration, whether over ground, and the lag allowed meanwhile.
    for (deceleration, over_ground, allowed) in [(8.0, false, 1.5), (8.0, true, 2.3), (2.0, true, 0.8)] {
        let mut random = Random::new(11);
        let mut bench = Bench::new();
        let pose = Transform::identity();
        let (mut x, mut v, mut worst) = (60.0, 0.0_f64, 0.0_f64);
        for k in 0..40_u32 {
            let braking = (15..25).contains(&k);
            v -= if braking { 0.1 * deceleration } else { 0.0 };
            x += v * 0.1;
            let position = Some(point(x + 0.05 * random.normal(), 0.1 * random.normal()));
            let t = stamp(f64::from(k) * 0.1);
            let frame = TrackFrame { odom_from_vehicle: over_ground.then_some(&pose), ..TrackFrame::at(t) };
            bench.frame(frame, &[Observation { position, ..boxed(300.0, 0.9) }]);
            let given = bench.out[0].kinematics.unwrap().velocity;
            if let Some(given) = given.filter(|_| k > 10) {
                let lag = (given.mps.x - v).abs();
                worst = worst.max(lag);
                assert!(k < 32 || lag < 0.6, "frame {k}: {} for {v}", given.mps.x);
            }
        }
        println!("braking at {deceleration} m/s^2, over ground {over_ground}: lag up to {worst:.2} m/s");
        assert!(worst < allowed, "{deceleration} m/s^2: {worst}");
    }
}

#[test]
fn ego_motion_that_comes_goes_and_jumps_leaves_positions_where_they_are() {
    let mut bench = Bench::new();
    let mut worst = 0.0_f64;
    for k in 0..60_u32 {
        let t = f64::from(k) * 0.1;
        let travelled = 5.0 * t;
        // Known in the first two seconds, then by twist alone, then not at all, then again in a map a kilometre off.
        let pose = match k {
            0..20 => Some(Isometry3::translation(travelled, 0.0, 0.0)),
            45.. => Some(Isometry3::translation(1000.0, travelled, 0.0) * Isometry3::rotation(Vector3::z() * 1.57)),
            _ => None,
        };
        let pose = pose.map(Transform::from_isometry);
        let twist = VehicleTwist { linear_mps: Vector3::new(5.0, 0.0, 0.0), angular_radps: Vector3::zeros() };
        let frame = TrackFrame {
            odom_from_vehicle: pose.as_ref(),
            vehicle_twist: (20..30).contains(&k).then_some(twist),
            ..TrackFrame::at(stamp(t))
        };
        let real = Vector3::new(50.0 - travelled, 2.0, 0.5);
        bench.frame(frame, &[Observation { position: Some(point(real.x, real.y)), ..boxed(300.0, 0.9) }]);
        let kinematics = bench.out[0].kinematics.unwrap();
        assert_eq!(bench.out[0].track, Some(1));
        assert!((kinematics.position.xyz - real).norm() < 0.05, "frame {k}: {:?}", kinematics.position);
        assert_eq!(kinematics.velocity_ground_mps.is_some(), (2..32).contains(&k) || k >= 46, "frame {k}");
        if let Some(v) = kinematics.velocity {
            worst = worst.max((v.mps - Vector3::new(-5.0, 0.0, 0.0)).norm());
        }
    }
    assert!(worst < 0.3, "{worst}");
}

#[test]
fn time_to_collision_comes_from_range_or_from_growth() {
    let mut bench = Bench::new();
    let config = TtcConfig::default();
    for k in 0..20 {
        let distance = 30.0 - f64::from(k);
        let half = (700.0 * 1.5 / distance / 2.0) as f32;
        let bbox = BoxPx { x0: 640.0 - half, y0: 360.0 - half, x1: 640.0 + half, y1: 360.0 + half };
        let seen = Observation { bbox: Some(bbox), position: Some(point(distance, 0.0)), ..boxed(0.0, 0.9) };
        bench.step(f64::from(k) * 0.1, &[seen]);
        if k == 19 {
            let by_range = ttc_from_kinematics(&bench.out[0].kinematics.unwrap(), &config).unwrap();
            let by_growth = ttc_from_growth(&bench.out[0].growth.unwrap(), &bbox, (1280, 720), &config).unwrap();
            assert!((by_range.ttc_s - 1.1).abs() < 0.05, "{by_range:?}");
            assert!((by_growth.ttc_s - 1.1).abs() < 0.3, "{by_growth:?}");
            assert!(by_growth.sigma_s > by_range.sigma_s);
        }
    }
}

/// 200 objects in a grid whose boxes overlap their neighbours', jittered; with boxes only, points only, or both.
fn crowd(observations: &mut Vec<Observation>, random: &mut Random, boxes: bool, points: bool) {
    observations.clear();
    for i in 0..200 {
        let (column, row) = ((i % 20) as f32, (i / 20) as f32);
        let (x, y) = (column * 60.0 + random.normal() as f32, row * 70.0 + random.normal() as f32);
        let bbox = boxes.then_some(BoxPx { x0: x, y0: y, x1: x + 80.0, y1: y + 90.0 });
        let position = points.then(|| {
            let mut jitter = || 0.03 * random.normal();
            point(10.0 + 2.0 * f64::from(column) + jitter(), 2.0 * f64::from(row) + jitter())
        });
        observations.push(Observation { bbox, score: 0.9, listed: true, class: 0, position });
    }
}

#[test]
fn who_stands_where_expected_is_known_even_where_the_boxes_do_not_meet() {
    for (off_m, same) in [(0.0, true), (2.5, false)] {
        let mut bench = Bench::new();
        for k in 0..8 {
            let seen =
                Observation { position: Some(point(20.0, 0.3 * f64::from(k))), ..boxed(300.0 - 5.0 * k as f32, 0.9) };
            bench.step(0.1 * f64::from(k), &[seen]);
        }
        let moved = Observation { position: Some(point(20.0, 2.4 + off_m)), ..boxed(100.0, 0.9) };
        bench.step(0.8, &[moved]);
        assert_eq!(bench.out[0].track == Some(1), same, "{off_m} m from where it was expected");
    }
}

#[test]
fn a_sliver_from_behind_a_van_with_the_vans_range_is_who_went_behind_it() {
    let mut bench = Bench::new();
    let van_box = BoxPx { x0: 290.0, y0: 150.0, x1: 350.0, y1: 220.0 };
    let mut ids = Vec::new();
    let van = Observation { bbox: Some(van_box), position: Some(point(16.0, 0.0)), class: 1, ..boxed(0.0, 0.9) };
    for k in 0..=10 {
        let x0 = 400.0 - 11.6 * k as f32;
        let whole = BoxPx { x0, y0: 175.0, x1: x0 + 16.0, y1: 205.0 };
        let walker = |bbox, position| Observation { bbox: Some(bbox), position: Some(position), ..boxed(0.0, 0.9) };
        let mut seen = vec![van];
        match k {
            0..=4 => seen.push(walker(whole, point(25.0, 0.5 * f64::from(k) - 3.0))),
            // Out from behind the van, and what the LiDAR meets there is the van still.
            10 => seen.push(walker(BoxPx { x1: van_box.x0, ..whole }, point(16.0, 0.6))),
            _ => {}
        }
        bench.step(0.1 * f64::from(k), &seen);
        ids.extend(bench.out.get(1).map(|out| out.track));
    }
    assert_eq!(ids, [ids[0]; 6], "the walker before and after");
}

#[test]
fn a_warm_tracker_allocates_nothing() {
    let mut bench = Bench::new();
    let pose = Transform::identity();
    let mut observations = Vec::with_capacity(200);
    let mut random = Random::new(2);
    let mut grown = 0;
    for k in 0..60 {
        crowd(&mut observations, &mut random, true, true);
        let frame = TrackFrame { odom_from_vehicle: Some(&pose), ..TrackFrame::at(stamp(f64::from(k) * 0.1)) };
        let before = ALLOCATIONS.with(Cell::get);
        bench.frame(frame, &observations);
        if k >= 30 {
            grown += ALLOCATIONS.with(Cell::get) - before;
        }
    }
    assert_eq!(grown, 0, "allocations in 30 warm frames of 200 objects");
}

#[test]
fn time_of_a_step_with_200_objects() {
    for (name, boxes, points) in [("boxes", true, false), ("points", false, true), ("boxes and points", true, true)] {
        let (mut bench, mut random) = (Bench::new(), Random::new(2));
        let (mut observations, mut times) = (Vec::new(), Vec::new());
        let pose = Transform::identity();
        for k in 0..300 {
            crowd(&mut observations, &mut random, boxes, points);
            let frame = TrackFrame { odom_from_vehicle: Some(&pose), ..TrackFrame::at(stamp(f64::from(k) * 0.1)) };
            let start = std::time::Instant::now();
            let summary = bench.frame(frame, &observations);
            times.push(start.elapsed());
            assert_eq!(summary.matched + summary.born, 200);
        }
        times.sort();
        println!("{name}: p50 {:?} p95 {:?}, {} tracks", times[150], times[285], bench.tracker.tracks().count());
    }
}
