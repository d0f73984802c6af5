//! Boxes, masks, depth and 3D agree with each other.

use ocellus_percept::space::{Distortion, Point3, Vehicle};
use ocellus_world::{CameraTruth, ObjectClass, Quality, RenderBuffers, rig};

use super::{picture, world};

#[test]
fn visible_boxes_are_tight_around_the_masks_and_inside_the_full_boxes() {
    for (name, seed, t) in [("street", 7, 4.0), ("snow", 3, 2.0), ("motorway", 20, 3.0)] {
        let truth = picture(&world(name, seed), t, 320);
        assert!(!truth.objects.is_empty());
        for object in &truth.objects {
            let pixels: Vec<(u32, u32)> = (0..truth.instance.len())
                .filter(|i| truth.instance[*i] == object.instance)
                .map(|i| (i as u32 % 320, i as u32 / 320))
                .collect();
            assert_eq!(pixels.len() as u32, object.visible_px);
            assert!(object.full_px >= object.visible_px);
            assert!((0.0..=1.0).contains(&object.occlusion) && (0.0..=1.0).contains(&object.truncation));
            let Some(visible) = object.box_visible else {
                assert!(pixels.is_empty() && object.distance_m.is_none());
                continue;
            };
            let x0 = pixels.iter().map(|p| p.0).min().unwrap_or(0) as f32;
            let y1 = pixels.iter().map(|p| p.1).max().unwrap_or(0) as f32 + 1.0;
            assert_eq!((visible.x0, visible.y1), (x0, y1));
            let full = object.box_full;
            assert!(visible.x0 >= full.x0 - 1.0 && visible.y0 >= full.y0 - 1.0, "{visible:?} {full:?}");
            assert!(visible.x1 <= full.x1 + 1.0 && visible.y1 <= full.y1 + 1.0, "{visible:?} {full:?}");
            // An object that nothing hides fills its full box.
            if object.occlusion == 0.0 && object.truncation == 0.0 && object.full_px > 200 {
                assert!(
                    (visible.x0 - full.x0).abs() < 1.5 && (visible.y1 - full.y1).abs() < 1.5,
                    "{visible:?} {full:?}"
                );
            }
        }
    }
}

#[test]
fn every_instance_of_the_mask_is_an_object_of_its_class() {
    let truth = picture(&world("street", 7), 4.0, 320);
    for (id, class) in truth.instance.iter().zip(&truth.class) {
        if *id > 0 {
            let object = truth.objects.iter().find(|o| o.instance == *id).expect("listed");
            assert_eq!(object.class as u8, *class);
        } else {
            assert!(*class >= 200, "class {class} without an instance");
        }
    }
}

#[test]
fn a_cyclist_is_a_person_and_a_bicycle_of_one_actor() {
    let w = world("street", 7);
    let found = (0..32).any(|k| {
        let truth = picture(&w, f64::from(k) * 0.5, 160);
        let bikes: Vec<_> = truth.objects.iter().filter(|o| o.class == ObjectClass::Bicycle).collect();
        bikes.iter().all(|b| truth.objects.iter().any(|p| p.class == ObjectClass::Person && p.actor == b.actor))
            && !bikes.is_empty()
    });
    assert!(found);
}

#[test]
fn the_nearest_point_lies_in_the_box_in_space() {
    let w = world("street", 7);
    for t in [1.0, 4.0, 9.0] {
        let truth = picture(&w, t, 320);
        for object in truth.objects.iter().filter(|o| o.visible_px > 0) {
            let p = object.nearest_vehicle.expect("visible").xyz - object.box_3d.centre_vehicle.xyz;
            let (s, c) = object.box_3d.yaw_vehicle.sin_cos();
            let (along, across) = (p.x * c + p.y * s, p.y * c - p.x * s);
            let [l, width, h] = object.box_3d.size_m;
            // The body's pitch and roll are not in the yaw: some centimetres at the ends of a long box.
            let slack = 0.05 + 0.02 * l;
            assert!(along.abs() < l * 0.5 + slack && across.abs() < width * 0.5 + slack, "{object:?}");
            assert!(p.z.abs() < h * 0.5 + 0.4, "{object:?}");
        }
    }
}

#[test]
fn boxes_in_space_project_onto_boxes_in_the_picture() {
    let w = world("street", 7);
    let mut setup = rig::front_camera(320, 192);
    setup.camera.distortion = Distortion::None;
    let mut truth = CameraTruth::default();
    w.snapshot(3.0).render(&setup, Quality::FAST, &mut RenderBuffers::new(), &mut truth);
    let mut checked = 0;
    for object in &truth.objects {
        let b = object.box_3d;
        if b.centre_vehicle.xyz.x < 12.0 {
            continue;
        }
        let p = setup.optical_from_vehicle.apply(&Point3::<Vehicle>::from_vector(b.centre_vehicle.xyz)).xyz;
        let (u, v) =
            (p.x / p.z * setup.camera.fx + setup.camera.cx + 0.5, p.y / p.z * setup.camera.fy + setup.camera.cy + 0.5);
        let full = object.box_full;
        assert!(f64::from(full.x0) < u && u < f64::from(full.x1), "{u} {full:?}");
        assert!(f64::from(full.y0) < v && v < f64::from(full.y1), "{v} {full:?}");
        let height = f64::from(full.height());
        let expected = b.size_m[2] / p.z * setup.camera.fy;
        assert!((height / expected - 1.0).abs() < 0.35, "{height} against {expected}: {object:?}");
        checked += 1;
    }
    assert!(checked > 5);
}

#[test]
fn the_ground_has_the_depth_of_a_plane() {
    let w = world("other_lane_crash", 16);
    let truth = picture(&w, 0.5, 320);
    let setup = rig::front_camera(320, 192);
    let ego = w.ego(0.5).odom_from_vehicle;
    let mut checked = 0;
    for (i, class) in truth.class.iter().enumerate() {
        if *class != ocellus_world::Semantic::Road as u8 || truth.depth_m[i] > 40.0 {
            continue;
        }
        let (u, v) = ((i % 320) as f64, (i / 320) as f64);
        // Undo the mild distortion by fixed-point steps.
        let (x, y) = ((u - setup.camera.cx) / setup.camera.fx, (v - setup.camera.cy) / setup.camera.fy);
        let Distortion::PlumbBob([k1, k2, p1, p2, _]) = setup.camera.distortion else { panic!("plumb_bob") };
        let (mut a, mut b) = (x, y);
        for _ in 0..30 {
            let r2 = a * a + b * b;
            let radial = 1.0 + r2 * (k1 + r2 * k2);
            (a, b) = (
                (x - 2.0 * p1 * a * b - p2 * (r2 + 2.0 * a * a)) / radial,
                (y - p1 * (r2 + 2.0 * b * b) - 2.0 * p2 * a * b) / radial,
            );
        }
        let z = f64::from(truth.depth_m[i]);
        let p = ego.apply(&setup.optical_from_vehicle.inverse().apply(&Point3::new(a * z, b * z, z)));
        assert!(p.xyz.z.abs() < 0.01, "pixel {u} {v}: ground at height {}", p.xyz.z);
        checked += 1;
    }
    assert!(checked > 3000, "{checked} road pixels");
}
