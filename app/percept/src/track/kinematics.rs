//! What the 3D filter says to the outside: position and velocity in the vehicle frame, with covariance.

use nalgebra::{Isometry3, Matrix3, Matrix6, Vector3};

use super::ego::VehicleTwist;
use super::motion::MotionFilter;
use crate::report::DistanceSource;
use crate::space::{Point3, Vehicle};

/// Filtered state of one object at the frame's time, in the vehicle frame of that time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Kinematics {
    /// The tracked surface point, metres.
    pub position: Point3<Vehicle>,
    /// Covariance of the position, m^2.
    pub position_covariance: Matrix3<f64>,
    /// The relative velocity and its covariances, once it is known well enough.
    pub velocity: Option<RelativeVelocity>,
    /// Velocity over ground in the vehicle's axes, m/s: only where ego motion is known, and the velocity well enough.
    pub velocity_ground_mps: Option<Vector3<f64>>,
    /// Covariance of the velocity over ground, (m/s)^2; meaningful beside `velocity_ground_mps` only.
    pub velocity_ground_covariance: Matrix3<f64>,
    /// What the newest measurement rested on.
    pub source: DistanceSource,
    /// Seconds since that measurement.
    pub since_measured_s: f64,
}

/// Velocity relative to the vehicle: the rate at which `position` changes, as one who rides (and turns) with the
/// vehicle sees it: `v_rel = v_ground - v_ego - omega x position`, all in the vehicle's axes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RelativeVelocity {
    /// The velocity, m/s.
    pub mps: Vector3<f64>,
    /// Its covariance, (m/s)^2.
    pub covariance: Matrix3<f64>,
    /// Covariance of position (rows) with velocity (columns), m^2/s.
    pub cross_covariance: Matrix3<f64>,
}

impl Kinematics {
    /// The joint covariance of position and relative velocity; `None` where the velocity is not known.
    pub fn joint_covariance(&self) -> Option<Matrix6<f64>> {
        let velocity = self.velocity?;
        let mut joint = Matrix6::zeros();
        joint.fixed_view_mut::<3, 3>(0, 0).copy_from(&self.position_covariance);
        joint.fixed_view_mut::<3, 3>(0, 3).copy_from(&velocity.cross_covariance);
        joint.fixed_view_mut::<3, 3>(3, 0).copy_from(&velocity.cross_covariance.transpose());
        joint.fixed_view_mut::<3, 3>(3, 3).copy_from(&velocity.covariance);
        Some(joint)
    }

    /// How far the object itself moves in `dt` seconds, metres in the vehicle's axes, and the covariance of that, m^2: over ground,
    /// where what it is added to was moved by ego motion, else relative to the vehicle. `None` where its velocity is not known.
    pub fn own_motion(&self, dt: f64) -> Option<(Vector3<f64>, Matrix3<f64>)> {
        let over_ground = self.velocity_ground_mps.map(|v| (v, self.velocity_ground_covariance));
        let (velocity, covariance) = over_ground.or(self.velocity.map(|v| (v.mps, v.covariance)))?;
        Some((velocity * dt, covariance * (dt * dt)))
    }

    /// From a filter kept in the vehicle frame.
    pub(super) fn from_relative(filter: &MotionFilter, velocity_known: bool) -> Self {
        Self {
            position: Point3::from_vector(filter.position),
            position_covariance: filter.pp,
            velocity: velocity_known.then_some(RelativeVelocity {
                mps: filter.velocity,
                covariance: filter.vv,
                cross_covariance: filter.pv,
            }),
            velocity_ground_mps: None,
            velocity_ground_covariance: Matrix3::zeros(),
            source: filter.source,
            since_measured_s: filter.since_measured_s,
        }
    }

    /// From a filter kept over ground. Without a twist (the very first pose) the relative velocity stays unknown.
    pub(super) fn from_ground(
        filter: &MotionFilter,
        odom_from_vehicle: &Isometry3<f64>,
        twist: Option<&VehicleTwist>,
        velocity_known: bool,
    ) -> Self {
        let mut relative = *filter;
        let vehicle_from_odom = odom_from_vehicle.inverse();
        relative.transform(&vehicle_from_odom);
        let (ground, ground_covariance) = (relative.velocity, relative.vv);
        if let Some(twist) = twist {
            relative.subtract_frame_velocity(twist);
        }
        Self {
            velocity_ground_mps: velocity_known.then_some(ground),
            velocity_ground_covariance: ground_covariance,
            ..Self::from_relative(&relative, velocity_known && twist.is_some())
        }
    }
}
