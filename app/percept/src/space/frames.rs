//! Coordinate frames as types, so that a transform in the wrong direction does not compile.
//!
//! A transform is named `a_from_b` and has the type `Transform<A, B>`: it takes points given in `B` to points given in
//! `A`. The frame table for people lives in `calib/README.md`.

use std::marker::PhantomData;
use std::ops::Mul;

use nalgebra::{Isometry3, Matrix3, Rotation3, Translation3, UnitQuaternion, Vector3};
use thiserror::Error;

/// A coordinate frame. Right-handed, metres.
pub trait Frame: Copy + std::fmt::Debug + Send + Sync + 'static {
    /// Name for messages.
    const NAME: &'static str;
}

/// `base_link` of REP-105: x forward, y left, z up, fixed to the vehicle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vehicle;
/// A camera's optical frame of REP-103: x right, y down, z forward along the optical axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Optical;
/// A LiDAR's own frame: x forward, y left, z up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lidar;
/// A frame fixed to the ground in which the vehicle moves; origin where the drive began or a map's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Odom;

impl Frame for Vehicle {
    const NAME: &'static str = "vehicle";
}
impl Frame for Optical {
    const NAME: &'static str = "optical";
}
impl Frame for Lidar {
    const NAME: &'static str = "lidar";
}
impl Frame for Odom {
    const NAME: &'static str = "odom";
}

/// A point in frame `F`, in metres.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point3<F: Frame> {
    /// The coordinates.
    pub xyz: Vector3<f64>,
    frame: PhantomData<F>,
}

impl<F: Frame> Point3<F> {
    /// The point (x, y, z) of frame `F`.
    pub fn new(x: f64, y: f64, z: f64) -> Self {
        Self::from_vector(Vector3::new(x, y, z))
    }

    /// The point at `xyz` of frame `F`.
    pub fn from_vector(xyz: Vector3<f64>) -> Self {
        Self { xyz, frame: PhantomData }
    }

    /// Distance from the frame's origin in metres.
    pub fn range_m(&self) -> f64 {
        self.xyz.norm()
    }
}

/// Why a matrix is no rigid transform.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum TransformError {
    /// The rotation part is not orthonormal with determinant +1.
    #[error(
        "{to}_from_{from} is no rotation: determinant {determinant:.4} (expected 1), largest |R*R^T - I| {residual:.4}"
    )]
    NotARotation {
        /// Target frame.
        to: &'static str,
        /// Source frame.
        from: &'static str,
        /// Determinant found.
        determinant: f64,
        /// Largest deviation of R*R^T from the identity.
        residual: f64,
    },
    /// A number is NaN or infinite.
    #[error("{to}_from_{from} holds a number that is not finite")]
    NotFinite {
        /// Target frame.
        to: &'static str,
        /// Source frame.
        from: &'static str,
    },
}

/// How far R*R^T may be from the identity: text files print rotations with few digits.
const ROTATION_RESIDUAL_MAX: f64 = 1e-2;

/// The rigid transform that takes points of `From` to `To`: named `to_from_from`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transform<To: Frame, From: Frame> {
    iso: Isometry3<f64>,
    frames: PhantomData<(To, From)>,
}

impl<To: Frame, From: Frame> Transform<To, From> {
    /// Both frames coincide.
    pub fn identity() -> Self {
        Self::from_isometry(Isometry3::identity())
    }

    /// Wraps an isometry whose direction the caller vouches for.
    pub fn from_isometry(iso: Isometry3<f64>) -> Self {
        Self { iso, frames: PhantomData }
    }

    /// From a row-major rotation matrix and a translation in metres. The nearest rotation is taken where the matrix is
    /// off by rounding; anything further off is refused.
    pub fn from_rotation_translation(
        rotation: Matrix3<f64>,
        translation: Vector3<f64>,
    ) -> Result<Self, TransformError> {
        if rotation.iter().chain(translation.iter()).any(|v| !v.is_finite()) {
            return Err(TransformError::NotFinite { to: To::NAME, from: From::NAME });
        }
        let determinant = rotation.determinant();
        let residual = (rotation * rotation.transpose() - Matrix3::identity()).abs().max();
        if residual > ROTATION_RESIDUAL_MAX || determinant < 0.0 {
            return Err(TransformError::NotARotation { to: To::NAME, from: From::NAME, determinant, residual });
        }
        let nearest = Rotation3::from_matrix_eps(&rotation, 1e-12, 100, Rotation3::from_matrix_unchecked(rotation));
        let quaternion = UnitQuaternion::from_rotation_matrix(&nearest);
        Ok(Self::from_isometry(Isometry3::from_parts(Translation3::from(translation), quaternion)))
    }

    /// The isometry itself.
    pub fn isometry(&self) -> &Isometry3<f64> {
        &self.iso
    }

    /// The transform the other way.
    pub fn inverse(&self) -> Transform<From, To> {
        Transform::from_isometry(self.iso.inverse())
    }

    /// Takes a point of `From` to `To`.
    pub fn apply(&self, point: &Point3<From>) -> Point3<To> {
        Point3::from_vector(self.iso.rotation * point.xyz + self.iso.translation.vector)
    }

    /// Rotates a direction or velocity of `From` into `To`.
    pub fn rotate(&self, vector: &Vector3<f64>) -> Vector3<f64> {
        self.iso.rotation * vector
    }
}

impl<A: Frame, B: Frame, C: Frame> Mul<Transform<B, C>> for Transform<A, B> {
    type Output = Transform<A, C>;

    fn mul(self, rhs: Transform<B, C>) -> Transform<A, C> {
        Transform::from_isometry(self.iso * rhs.iso)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inverse_undoes_apply_and_composition_chains() {
        let vehicle_from_lidar = Transform::<Vehicle, Lidar>::from_isometry(Isometry3::new(
            Vector3::new(1.0, 2.0, 3.0),
            Vector3::new(0.1, -0.2, 0.3),
        ));
        let p = Point3::<Lidar>::new(4.0, -5.0, 6.0);
        let back = vehicle_from_lidar.inverse().apply(&vehicle_from_lidar.apply(&p));
        assert!((back.xyz - p.xyz).norm() < 1e-12);
        let round = vehicle_from_lidar.inverse() * vehicle_from_lidar;
        assert!((round.apply(&p).xyz - p.xyz).norm() < 1e-12);
    }

    #[test]
    fn a_mirrored_or_scaled_matrix_is_refused() {
        let mirrored = Matrix3::from_diagonal(&Vector3::new(1.0, 1.0, -1.0));
        assert!(Transform::<Vehicle, Lidar>::from_rotation_translation(mirrored, Vector3::zeros()).is_err());
        let scaled = Matrix3::identity() * 1.1;
        assert!(Transform::<Vehicle, Lidar>::from_rotation_translation(scaled, Vector3::zeros()).is_err());
    }
}
