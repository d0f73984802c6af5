//! Rigid poses in `f64` (the world is kilometres long) and their `f32` form for meshes near the camera.

use nalgebra::{Isometry3, Quaternion, Translation3, UnitQuaternion, Vector3};

use super::{Vec3, vec3};

/// A rigid motion that takes local coordinates to parent coordinates: rotation rows and translation in metres.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Pose {
    /// Row-major rotation.
    pub(crate) r: [[f64; 3]; 3],
    /// Translation in metres.
    pub(crate) t: [f64; 3],
}

impl Pose {
    /// No motion.
    pub(crate) const IDENTITY: Self = Self { r: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], t: [0.0; 3] };

    /// At `t`, turned by yaw about z, then pitch about the new y (positive: nose down), then roll about the new x; rad.
    pub(crate) fn from_angles(t: [f64; 3], yaw: f64, pitch: f64, roll: f64) -> Self {
        let (sy, cy) = (libm::sin(yaw), libm::cos(yaw));
        let (sp, cp) = (libm::sin(pitch), libm::cos(pitch));
        let (sr, cr) = (libm::sin(roll), libm::cos(roll));
        let r = [
            [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
            [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
            [-sp, cp * sr, cp * cr],
        ];
        Self { r, t }
    }

    /// From nalgebra's form.
    pub(crate) fn from_isometry(iso: &Isometry3<f64>) -> Self {
        let m = iso.rotation.to_rotation_matrix();
        let r = std::array::from_fn(|i| std::array::from_fn(|j| m[(i, j)]));
        Self { r, t: [iso.translation.x, iso.translation.y, iso.translation.z] }
    }

    /// To nalgebra's form (quaternion by Shepperd's method: square roots only).
    pub(crate) fn to_isometry(self) -> Isometry3<f64> {
        let m = &self.r;
        let trace = m[0][0] + m[1][1] + m[2][2];
        let q = if trace > 0.0 {
            let s = (trace + 1.0).sqrt() * 2.0;
            Quaternion::new(0.25 * s, (m[2][1] - m[1][2]) / s, (m[0][2] - m[2][0]) / s, (m[1][0] - m[0][1]) / s)
        } else if m[0][0] > m[1][1] && m[0][0] > m[2][2] {
            let s = (1.0 + m[0][0] - m[1][1] - m[2][2]).sqrt() * 2.0;
            Quaternion::new((m[2][1] - m[1][2]) / s, 0.25 * s, (m[0][1] + m[1][0]) / s, (m[0][2] + m[2][0]) / s)
        } else if m[1][1] > m[2][2] {
            let s = (1.0 + m[1][1] - m[0][0] - m[2][2]).sqrt() * 2.0;
            Quaternion::new((m[0][2] - m[2][0]) / s, (m[0][1] + m[1][0]) / s, 0.25 * s, (m[1][2] + m[2][1]) / s)
        } else {
            let s = (1.0 + m[2][2] - m[0][0] - m[1][1]).sqrt() * 2.0;
            Quaternion::new((m[1][0] - m[0][1]) / s, (m[0][2] + m[2][0]) / s, (m[1][2] + m[2][1]) / s, 0.25 * s)
        };
        let translation = Translation3::from(Vector3::new(self.t[0], self.t[1], self.t[2]));
        Isometry3::from_parts(translation, UnitQuaternion::new_normalize(q))
    }

    /// A local point in the parent frame.
    pub(crate) fn apply(&self, p: [f64; 3]) -> [f64; 3] {
        let v = self.rotate(p);
        [v[0] + self.t[0], v[1] + self.t[1], v[2] + self.t[2]]
    }

    /// A local direction in the parent frame.
    pub(crate) fn rotate(&self, p: [f64; 3]) -> [f64; 3] {
        std::array::from_fn(|i| self.r[i][0] * p[0] + self.r[i][1] * p[1] + self.r[i][2] * p[2])
    }

    /// The motion the other way.
    pub(crate) fn inverse(&self) -> Self {
        let r: [[f64; 3]; 3] = std::array::from_fn(|i| std::array::from_fn(|j| self.r[j][i]));
        let turned = Self { r, t: [0.0; 3] }.rotate(self.t);
        Self { r, t: [-turned[0], -turned[1], -turned[2]] }
    }

    /// `self` after `o`: takes `o`'s local coordinates to `self`'s parent.
    pub(crate) fn then(&self, o: &Self) -> Self {
        let r = std::array::from_fn(|i| {
            std::array::from_fn(|j| self.r[i][0] * o.r[0][j] + self.r[i][1] * o.r[1][j] + self.r[i][2] * o.r[2][j])
        });
        Self { r, t: self.apply(o.t) }
    }

    /// Heading about z in rad.
    pub(crate) fn yaw(&self) -> f64 {
        libm::atan2(self.r[1][0], self.r[0][0])
    }

    /// The same motion in single precision.
    pub(crate) fn to_affine(self) -> Affine {
        let row = |i: usize| vec3(self.r[i][0] as f32, self.r[i][1] as f32, self.r[i][2] as f32);
        Affine { rows: [row(0), row(1), row(2)], t: vec3(self.t[0] as f32, self.t[1] as f32, self.t[2] as f32) }
    }
}

/// A rigid motion in single precision.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Affine {
    /// Rotation rows.
    pub(crate) rows: [Vec3; 3],
    /// Translation in metres.
    pub(crate) t: Vec3,
}

impl Affine {
    /// A local point in the parent frame.
    #[inline(always)]
    pub(crate) fn apply(&self, p: Vec3) -> Vec3 {
        self.rotate(p) + self.t
    }

    /// A local direction in the parent frame.
    #[inline(always)]
    pub(crate) fn rotate(&self, p: Vec3) -> Vec3 {
        vec3(self.rows[0].dot(p), self.rows[1].dot(p), self.rows[2].dot(p))
    }

    /// A direction of the parent frame in local coordinates.
    #[inline(always)]
    pub(crate) fn rotate_back(&self, p: Vec3) -> Vec3 {
        self.rows[0] * p.x + self.rows[1] * p.y + self.rows[2] * p.z
    }

    /// A point of the parent frame in local coordinates.
    #[inline(always)]
    pub(crate) fn apply_back(&self, p: Vec3) -> Vec3 {
        self.rotate_back(p - self.t)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inverse_and_isometry_round_trip() {
        for k in 0..12 {
            let a = k as f64;
            let pose = Pose::from_angles([a, -2.0 * a, 0.3], 0.6 * a, 0.2 * a - 1.0, 1.1 * a);
            let p = [1.0, 2.0, -3.0];
            let back = pose.inverse().apply(pose.apply(p));
            let via = Pose::from_isometry(&pose.to_isometry()).apply(p);
            for i in 0..3 {
                assert!((back[i] - p[i]).abs() < 1e-12);
                assert!((via[i] - pose.apply(p)[i]).abs() < 1e-12);
            }
        }
    }
}
