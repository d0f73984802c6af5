//! Three-component vectors in `f32` and the small scalar helpers of shading.

use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

/// A vector, point or linear colour.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Vec3 {
    /// First component (x or red).
    pub(crate) x: f32,
    /// Second component (y or green).
    pub(crate) y: f32,
    /// Third component (z or blue).
    pub(crate) z: f32,
}

/// A linear (not gamma-coded) colour.
pub(crate) type Rgb = Vec3;

/// Shorthand for a vector.
#[inline(always)]
pub(crate) const fn vec3(x: f32, y: f32, z: f32) -> Vec3 {
    Vec3 { x, y, z }
}

impl Vec3 {
    /// All zero.
    pub(crate) const ZERO: Self = vec3(0.0, 0.0, 0.0);
    /// Up in the world.
    pub(crate) const UP: Self = vec3(0.0, 0.0, 1.0);

    /// The same value three times.
    #[inline(always)]
    pub(crate) const fn splat(v: f32) -> Self {
        vec3(v, v, v)
    }

    /// Inner product.
    #[inline(always)]
    pub(crate) fn dot(self, o: Self) -> f32 {
        self.x * o.x + self.y * o.y + self.z * o.z
    }

    /// Outer product.
    #[inline(always)]
    pub(crate) fn cross(self, o: Self) -> Self {
        vec3(self.y * o.z - self.z * o.y, self.z * o.x - self.x * o.z, self.x * o.y - self.y * o.x)
    }

    /// Euclidean length.
    #[inline(always)]
    pub(crate) fn norm(self) -> f32 {
        self.dot(self).sqrt()
    }

    /// Unit vector; up where the length is zero.
    #[inline(always)]
    pub(crate) fn unit(self) -> Self {
        let n = self.norm();
        if n > 1e-20 { self * (1.0 / n) } else { Self::UP }
    }

    /// Component-wise product.
    #[inline(always)]
    pub(crate) fn times(self, o: Self) -> Self {
        vec3(self.x * o.x, self.y * o.y, self.z * o.z)
    }

    /// `self` moved to `o` by the fraction `t`.
    #[inline(always)]
    pub(crate) fn mix(self, o: Self, t: f32) -> Self {
        self + (o - self) * t
    }

    /// Relative luminance of a linear colour (Rec. 709).
    #[inline(always)]
    pub(crate) fn luma(self) -> f32 {
        0.2126 * self.x + 0.7152 * self.y + 0.0722 * self.z
    }

    /// Component-wise minimum.
    #[inline(always)]
    pub(crate) fn min(self, o: Self) -> Self {
        vec3(least(self.x, o.x), least(self.y, o.y), least(self.z, o.z))
    }

    /// Component-wise maximum.
    #[inline(always)]
    pub(crate) fn max(self, o: Self) -> Self {
        vec3(most(self.x, o.x), most(self.y, o.y), most(self.z, o.z))
    }

    /// As an array.
    #[inline(always)]
    pub(crate) fn array(self) -> [f32; 3] {
        [self.x, self.y, self.z]
    }
}

impl Add for Vec3 {
    type Output = Self;
    #[inline(always)]
    fn add(self, o: Self) -> Self {
        vec3(self.x + o.x, self.y + o.y, self.z + o.z)
    }
}

impl AddAssign for Vec3 {
    #[inline(always)]
    fn add_assign(&mut self, o: Self) {
        *self = *self + o;
    }
}

impl Sub for Vec3 {
    type Output = Self;
    #[inline(always)]
    fn sub(self, o: Self) -> Self {
        vec3(self.x - o.x, self.y - o.y, self.z - o.z)
    }
}

impl Mul<f32> for Vec3 {
    type Output = Self;
    #[inline(always)]
    fn mul(self, s: f32) -> Self {
        vec3(self.x * s, self.y * s, self.z * s)
    }
}

impl Div<f32> for Vec3 {
    type Output = Self;
    #[inline(always)]
    fn div(self, s: f32) -> Self {
        self * (1.0 / s)
    }
}

impl Neg for Vec3 {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        vec3(-self.x, -self.y, -self.z)
    }
}

/// The smaller of two numbers; the second where one is NaN. One instruction, unlike `f32::min`.
#[inline(always)]
pub(crate) fn least(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

/// The larger of two numbers; the second where one is NaN.
#[inline(always)]
pub(crate) fn most(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// `x` limited to 0..=1; NaN becomes 0.
#[inline(always)]
pub(crate) fn clamp01(x: f32) -> f32 {
    least(most(x, 0.0), 1.0)
}

/// `a` moved to `b` by the fraction `t`.
#[inline(always)]
pub(crate) fn lerp(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

/// 0 below `a`, 1 above `b`, a smooth cubic between.
#[inline(always)]
pub(crate) fn smoothstep(a: f32, b: f32, x: f32) -> f32 {
    let t = clamp01((x - a) / (b - a));
    t * t * (3.0 - 2.0 * t)
}
