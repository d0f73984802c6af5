//! Where things are: coordinate frames as types, rigid transforms between them, cameras and the rig they sit on.

pub mod camera;
pub mod frames;
pub mod lens;
pub mod rig;

pub use camera::{Camera, CameraError, Distortion, ProjectError, UnprojectError};
pub use frames::{Frame, Lidar, Odom, Optical, Point3, Transform, Vehicle};
pub use lens::Lens;
pub use rig::{CameraMount, LidarMount, Rig};
