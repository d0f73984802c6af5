//! Where things are: coordinate frames as types, rigid transforms between them, cameras and the rig they sit on.

pub mod camera;
pub mod frames;
pub mod rig;

pub use camera::{Camera, Distortion};
pub use frames::{Frame, Lidar, Odom, Optical, Point3, Transform, Vehicle};
pub use rig::{CameraMount, LidarMount, Rig};
