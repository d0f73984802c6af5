//! Names of topics and frames, by ROS's conventions (image_transport, REP-103, REP-105).

/// The vehicle's frame.
pub const VEHICLE_FRAME: &str = "base_link";
/// The frame the vehicle moves in.
pub const ODOM_FRAME: &str = "odom";
/// Fixed transforms.
pub const TF_STATIC: &str = "/tf_static";
/// Transforms over time.
pub const TF: &str = "/tf";
/// The vehicle's poses.
pub const ODOMETRY: &str = "/odom";
/// Turn rates and accelerations.
pub const IMU: &str = "/imu/data";
/// Ground truth of a simulated drive: JSON as text.
pub const TRUTH: &str = "/ocellus/truth";
/// What perception said: a line of `objects.jsonl` each, as text.
pub const OBJECTS: &str = "/ocellus/objects";

/// Pictures of `camera` as JPEG or PNG.
pub fn compressed_picture(camera: &str) -> String {
    format!("/{camera}/image_raw/compressed")
}

/// Pictures of `camera` as pixels.
pub fn raw_picture(camera: &str) -> String {
    format!("/{camera}/image_raw")
}

/// Intrinsics of `camera`.
pub fn camera_info(camera: &str) -> String {
    format!("/{camera}/camera_info")
}

/// Sweeps of `lidar`; a LiDAR named `points` has the usual `/points`.
pub fn points(lidar: &str) -> String {
    if lidar == "points" { "/points".into() } else { format!("/{lidar}/points") }
}

/// Something said of `sensor`'s frames, beside them.
pub fn beside(sensor: &str, what: &str) -> String {
    format!("/{sensor}/{what}")
}

/// The optical frame of `camera`.
pub fn optical_frame(camera: &str) -> String {
    format!("{camera}_optical_frame")
}

/// The frame of `lidar`.
pub fn lidar_frame(lidar: &str) -> String {
    lidar.to_owned()
}
