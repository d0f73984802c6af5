//! Where LiDARs sit that bring no calibration: by the file given, else the vehicle frame is the first one's.

use std::path::Path;

use ocellus_percept::space::{LidarMount, Rig, Transform};

use crate::calib::{self, CalibError, SensorSlot};
use crate::drive::SensorKind;

/// The rig of LiDARs called `names`, and where it comes from.
pub(super) fn rig(
    names: &[&str],
    calib: Option<&Path>,
    notes: &mut Vec<String>,
) -> Result<(Rig, Option<String>), CalibError> {
    let first = names.first().copied();
    if let Some(given) = calib {
        let slots: Vec<_> = names.iter().map(|name| SensorSlot { name, kind: SensorKind::Lidar, size: None }).collect();
        return Ok((calib::read_for(given, &slots, first, notes)?, Some(given.display().to_string())));
    }
    let mut rig = Rig::default();
    if let Some(name) = first {
        notes.push(format!("the vehicle frame is {name}'s: its axes and origin"));
        rig.lidars.insert(name.to_owned(), LidarMount { vehicle_from_lidar: Transform::identity() });
    }
    Ok((rig, first.map(|name| format!("none: the vehicle frame is {name}'s"))))
}
