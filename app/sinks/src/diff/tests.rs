//! What counts as a difference, and what does not.

use ocellus_percept::detection::BoxPx;
use ocellus_percept::report::SensorState;

use super::*;
use crate::objects::samples::{bare_object, full_object, full_report};

fn run() -> Vec<FrameReport> {
    (0..4)
        .map(|seq| {
            let mut report = full_report();
            report.seq = Some(seq);
            report.t = report.t.plus_seconds(0.1 * seq as f64);
            report.objects = Some(vec![full_object(7), shifted(8, 400.0)]);
            report
        })
        .collect()
}

fn shifted(track: u64, dx: f32) -> Object {
    let mut object = full_object(track);
    object.box_px = object.box_px.map(|b| BoxPx { x0: b.x0 + dx, x1: b.x1 + dx, ..b });
    object
}

fn object_of(run: &mut [FrameReport], frame: usize, object: usize) -> &mut Object {
    &mut run[frame].objects.as_mut().unwrap()[object]
}

#[test]
fn a_run_equals_itself() {
    let report = compare_reports(&run(), &run(), &Tolerance::exact());
    assert!(report.is_equal());
    assert_eq!(report.classes["car"], ClassDiff { equal: 8, ..ClassDiff::default() });
    assert_eq!(report.to_string(), "equal: 4 frames, 8 objects\n");
}

#[test]
fn the_largest_changes_are_found_with_their_place() {
    let mut b = run();
    object_of(&mut b, 1, 0).distance_m = Some(14.7309);
    object_of(&mut b, 2, 0).distance_m = Some(14.3309);
    object_of(&mut b, 2, 1).box_px.as_mut().unwrap().x0 += 3.0;
    object_of(&mut b, 3, 1).score = Some(0.5);
    let report = compare_reports(&run(), &b, &Tolerance::exact());
    let car = &report.classes["car"];
    assert_eq!((car.equal, car.changed, car.added, car.lost), (4, 4, 0, 0));
    let distance = car.distance_m.as_ref().unwrap();
    assert!((distance.change - 0.5).abs() < 1e-9);
    assert_eq!((distance.frame.seq, distance.track), (1, 7));
    assert_eq!(car.box_px.as_ref().unwrap().change, 3.0);
    assert!((car.score.as_ref().unwrap().change - 0.41342).abs() < 1e-6);
    let text = report.to_string();
    assert!(text.contains("distance_m 14.2309 -> 14.7309"), "{text}");
    assert!(text.contains("box 3.00 px (#8 in image_02 #2)"), "{text}");
    assert_eq!(serde_json::to_value(&report).unwrap()["classes"]["car"]["changed"], 4);
}

#[test]
fn added_lost_and_reclassified_objects_are_told_apart() {
    let mut b = run();
    b[0].objects.as_mut().unwrap().pop();
    b[1].objects.as_mut().unwrap().push(shifted(9, 800.0));
    object_of(&mut b, 2, 0).class = "truck".to_owned();
    let report = compare_reports(&run(), &b, &Tolerance::exact());
    let car = &report.classes["car"];
    assert_eq!((car.equal, car.changed, car.added, car.lost), (6, 0, 1, 2));
    assert_eq!(report.classes["truck"].added, 1);
    assert_eq!(report.frames.iter().map(|f| f.frame.seq).collect::<Vec<_>>(), [0, 1, 2]);
}

#[test]
fn frames_of_one_run_alone_are_named() {
    let mut b = run();
    b.remove(1);
    b[0].seq = Some(99);
    let report = compare_reports(&run(), &b, &Tolerance::other_machine());
    assert_eq!(report.only_in_a.iter().map(|k| k.seq).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(report.only_in_b.iter().map(|k| k.seq).collect::<Vec<_>>(), [99]);
    assert!(!report.is_equal());
}

#[test]
fn a_tolerance_forgives_small_numbers_but_not_large_or_missing_ones() {
    let tolerance = Tolerance::other_machine();
    let mut b = run();
    object_of(&mut b, 0, 0).distance_m = Some(14.2709);
    object_of(&mut b, 0, 0).why = Some("in other words".to_owned());
    assert!(compare_reports(&run(), &b, &tolerance).is_equal());
    assert!(!compare_reports(&run(), &b, &Tolerance::exact()).is_equal());
    object_of(&mut b, 0, 0).distance_m = Some(14.3);
    assert!(!compare_reports(&run(), &b, &tolerance).is_equal());
    object_of(&mut b, 0, 0).distance_m = None;
    let report = compare_reports(&run(), &b, &tolerance);
    assert!(report.to_string().contains("distance_m 14.2309 -> absent"), "{report}");
}

#[test]
fn renamed_tracks_are_equal_within_a_tolerance_but_swapped_ones_are_not() {
    let mut b = run();
    (0..4).for_each(|frame| object_of(&mut b, frame, 0).track = 70);
    assert!(compare_reports(&run(), &b, &Tolerance::other_machine()).is_equal());
    assert!(!compare_reports(&run(), &b, &Tolerance::exact()).is_equal());
    object_of(&mut b, 3, 0).track = 8;
    object_of(&mut b, 3, 1).track = 70;
    let report = compare_reports(&run(), &b, &Tolerance::other_machine());
    assert_eq!(report.frames.len(), 1);
    assert_eq!(report.classes["car"].changed, 2);
}

#[test]
fn an_unreadable_frame_is_no_empty_road() {
    let mut a = run();
    let mut b = run();
    a[0].objects = Some(Vec::new());
    b[0].objects = None;
    b[0].state = SensorState::Blind;
    let report = compare_reports(&a, &b, &Tolerance::other_machine());
    assert_eq!(report.frames.len(), 1);
    assert!(report.frames[0].readable_in_one);
    assert_eq!(report.frames[0].state.as_deref(), Some("fresh -> blind"));
}

#[test]
fn exact_means_the_same_order_too() {
    let mut b = run();
    b[0].objects.as_mut().unwrap().reverse();
    assert!(!compare_reports(&run(), &b, &Tolerance::exact()).is_equal());
    assert!(compare_reports(&run(), &b, &Tolerance::other_machine()).is_equal());
}

#[test]
fn objects_without_boxes_are_matched_by_place_and_then_by_track() {
    let at = |track, x| Object { position_m: Some([x, 0.0, 0.0]), ..bare_object(track) };
    let mut a = vec![full_report()];
    let mut b = a.clone();
    a[0].objects = Some(vec![at(1, 10.0), at(2, 20.0), bare_object(3)]);
    b[0].objects = Some(vec![at(5, 20.5), at(6, 50.0), bare_object(3)]);
    let report = compare_reports(&a, &b, &Tolerance::other_machine());
    let car = &report.classes["car"];
    assert_eq!((car.equal, car.changed, car.added, car.lost), (1, 1, 1, 1));
}

#[test]
fn equal_boxes_without_area_and_repeated_stamps_are_equal() {
    let mut a = vec![full_report(), full_report()];
    object_of(&mut a, 0, 0).box_px = Some(BoxPx::default());
    let report = compare_reports(&a, &a.clone(), &Tolerance::exact());
    assert!(report.is_equal(), "{report}");
    assert_eq!(report.frames_a, 2);
}

#[test]
fn files_are_compared_through_their_folders_and_bad_lines_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    for folder in [&a, &b] {
        let mut writer = crate::objects::ObjectsWriter::create(folder).unwrap();
        run().iter().for_each(|report| writer.write(report).unwrap());
        writer.finish().unwrap();
    }
    assert!(compare(&a, &b, &Tolerance::exact()).unwrap().is_equal());
    std::fs::write(b.join("objects.jsonl"), "{}\n").unwrap();
    let error = compare(&a, &b, &Tolerance::exact()).unwrap_err().to_string();
    assert!(error.contains("line 1"), "{error}");
}
