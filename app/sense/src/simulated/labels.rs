//! The world's truth about a picture, as the labels of a drive.

use std::collections::BTreeMap;

use nalgebra::{Isometry3, UnitQuaternion};
use ocellus_percept::space::Transform;
use ocellus_world::{Box3d, Kind, ObjectClass, ObjectTruth, OcclusionLevel, World};

use crate::labels::{Cuboid, Label, LabelSummary};

/// Fewer visible pixels than this are a speck (3 by 4), no object that a person would mark: no box in the picture.
const VISIBLE_PX_MIN: u32 = 12;
/// An object that others hide by more than this has no box in the picture.
const OCCLUSION_MAX: f32 = 0.9;

/// The label of an object: box around its visible pixels, cuboid, identity. What is not to be seen keeps its cuboid only.
pub(super) fn label(object: &ObjectTruth) -> Label {
    let seen = object.visible_px >= VISIBLE_PX_MIN && object.occlusion <= OCCLUSION_MAX;
    Label {
        class: object.class.name().to_owned(),
        track: Some(object.instance.to_string()),
        truncated: Some(object.truncation),
        occluded: Some(match object.occlusion_level() {
            OcclusionLevel::Clear => 0,
            OcclusionLevel::Part => 1,
            OcclusionLevel::Heavy => 2,
        }),
        box_px: object.box_visible.filter(|_| seen),
        cuboid: Some(cuboid(&object.box_3d)),
        points_inside: None,
    }
}

/// The world's boxes stand upright in the vehicle frame.
fn cuboid(around: &Box3d) -> Cuboid {
    let rotation = UnitQuaternion::from_euler_angles(0.0, 0.0, around.yaw_vehicle);
    let vehicle_from_body = Isometry3::from_parts(around.centre_vehicle.xyz.into(), rotation);
    Cuboid { vehicle_from_body: Transform::from_isometry(vehicle_from_body), size_m: around.size_m }
}

/// All objects of the world, each counted once whether it comes into view or not: to count those in pictures, every
/// picture would have to be rendered.
pub(super) fn summary(world: &World, frames: usize) -> LabelSummary {
    let mut classes = BTreeMap::new();
    for kind in (0..world.actor_count()).filter_map(|actor| world.actor_kind(actor)) {
        let rider = matches!(kind, Kind::Cyclist | Kind::Motorcyclist).then_some(ObjectClass::Person);
        for class in std::iter::once(kind.class()).chain(rider) {
            *classes.entry(class.name().to_owned()).or_default() += 1;
        }
    }
    LabelSummary { frames, classes }
}
