//! A calibration a user gives for a drive: its sensors against the drive's, by name.

use std::collections::BTreeMap;
use std::path::Path;

use ocellus_percept::space::{LidarMount, Rig, Transform};

use super::{CalibError, rig_file, suspect};
use crate::drive::SensorKind;

/// A sensor of the drive that may be calibrated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SensorSlot<'a> {
    /// Its name in the drive.
    pub(crate) name: &'a str,
    /// What it measures.
    pub(crate) kind: SensorKind,
    /// Columns and rows of its pictures, where known.
    pub(crate) size: Option<(u32, u32)>,
}

/// Reads the calibration at `path` for a drive with these sensors.
///
/// Names must agree; where the drive and the calibration have one camera (or LiDAR) each, they are taken for the same.
/// `own_lidar` is the LiDAR whose frame the drive defines as the vehicle's: it is placed so where the file says nothing.
pub(crate) fn read_for(
    path: &Path,
    sensors: &[SensorSlot<'_>],
    own_lidar: Option<&str>,
    notes: &mut Vec<String>,
) -> Result<Rig, CalibError> {
    let picture_size = sensors.iter().find_map(|s| s.size);
    let read = rig_file::read_path(path, picture_size)?;
    notes.push(format!("calibration from {} ({})", path.display(), read.form));
    notes.extend(read.notes);
    let names = |kind| sensors.iter().filter(move |s| s.kind == kind).map(|s| s.name).collect::<Vec<_>>();
    let (cameras, lidars) = (names(SensorKind::Camera), names(SensorKind::Lidar));
    let mut rig = Rig {
        cameras: matched(path, read.rig.cameras, &cameras, notes)?,
        lidars: matched(path, read.rig.lidars, &lidars, notes)?,
    };
    if let Some(name) = own_lidar.filter(|n| lidars.contains(n) && !rig.lidars.contains_key(*n)) {
        notes.push(format!("{name}: no vehicle_from_lidar given: the vehicle frame is taken to be this LiDAR's"));
        rig.lidars.insert(name.into(), LidarMount { vehicle_from_lidar: Transform::identity() });
    }
    for (name, mount) in &rig.cameras {
        if mount.optical_from_vehicle.is_none() {
            notes.push(format!("{name}: no optical_from_vehicle given: its place on the vehicle is unknown, LiDAR cannot be used with it"));
        }
    }
    for name in cameras
        .iter()
        .filter(|n| !rig.cameras.contains_key(**n))
        .chain(lidars.iter().filter(|n| !rig.lidars.contains_key(**n)))
    {
        notes.push(format!("{name}: not in the calibration"));
    }
    notes.extend(suspect::suspicions(&rig));
    Ok(rig)
}

/// The calibrated sensors that the drive has, under the drive's names.
fn matched<M: Copy>(
    path: &Path,
    calibrated: BTreeMap<String, M>,
    sensors: &[&str],
    notes: &mut Vec<String>,
) -> Result<BTreeMap<String, M>, CalibError> {
    let (known, others): (BTreeMap<String, M>, BTreeMap<String, M>) =
        calibrated.into_iter().partition(|(name, _)| sensors.contains(&name.as_str()));
    let list = |names: &mut dyn Iterator<Item = &str>| names.collect::<Vec<_>>().join(", ");
    if known.is_empty() && !others.is_empty() && !sensors.is_empty() {
        return match (others.first_key_value(), others.len(), sensors) {
            (Some((name, mount)), 1, [only]) => {
                notes.push(format!("{only}: the calibration calls it {name}"));
                Ok(BTreeMap::from([((*only).to_owned(), *mount)]))
            }
            _ => Err(CalibError::OtherSensors {
                path: path.into(),
                calibrated: list(&mut others.keys().map(String::as_str)),
                sensors: sensors.join(", "),
            }),
        };
    }
    if !others.is_empty() {
        notes.push(format!("calibrated and not in the drive: {}", list(&mut others.keys().map(String::as_str))));
    }
    Ok(known)
}
