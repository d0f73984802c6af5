//! Which sensors sit where on the vehicle.

use std::collections::BTreeMap;

use super::{Camera, Lidar, Optical, Transform, Vehicle};

/// A camera and where it sits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CameraMount {
    /// Intrinsics.
    pub camera: Camera,
    /// Extrinsics: vehicle points to the camera's optical frame. `None` where only the intrinsics are known.
    pub optical_from_vehicle: Option<Transform<Optical, Vehicle>>,
}

/// Where a LiDAR sits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LidarMount {
    /// Extrinsics: LiDAR points to the vehicle frame.
    pub vehicle_from_lidar: Transform<Vehicle, Lidar>,
}

/// All calibrated sensors of a vehicle by name. A sensor that is absent here is uncalibrated.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rig {
    /// Cameras by sensor name.
    pub cameras: BTreeMap<String, CameraMount>,
    /// LiDARs by sensor name.
    pub lidars: BTreeMap<String, LidarMount>,
}
