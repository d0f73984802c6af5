//! Numbers that carry their derivatives by four variables: a box's sides.

use std::ops::{Add, Div, Mul, Sub};

/// A value and its derivatives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dual {
    /// The value.
    pub value: f64,
    /// Its derivative by each variable.
    pub slope: [f64; 4],
}

impl Dual {
    /// A constant.
    pub fn constant(value: f64) -> Self {
        Self { value, slope: [0.0; 4] }
    }

    /// The `index`-th variable.
    pub fn variable(value: f64, index: usize) -> Self {
        let mut slope = [0.0; 4];
        slope[index] = 1.0;
        Self { value, slope }
    }

    fn map2(self, other: Self, value: f64, by_self: f64, by_other: f64) -> Self {
        let mut slope = [0.0; 4];
        for (s, (a, b)) in slope.iter_mut().zip(self.slope.iter().zip(other.slope)) {
            *s = a * by_self + b * by_other;
        }
        Self { value, slope }
    }

    /// The smaller.
    pub fn min(self, other: Self) -> Self {
        if other.value < self.value { other } else { self }
    }

    /// The larger.
    pub fn max(self, other: Self) -> Self {
        if other.value > self.value { other } else { self }
    }

    /// Arc tangent.
    pub fn atan(self) -> Self {
        self.map2(self, self.value.atan(), 1.0 / (1.0 + self.value * self.value), 0.0)
    }
}

impl Add for Dual {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        self.map2(other, self.value + other.value, 1.0, 1.0)
    }
}

impl Sub for Dual {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self.map2(other, self.value - other.value, 1.0, -1.0)
    }
}

impl Mul for Dual {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        self.map2(other, self.value * other.value, other.value, self.value)
    }
}

impl Div for Dual {
    type Output = Self;
    fn div(self, other: Self) -> Self {
        let value = self.value / other.value;
        self.map2(other, value, 1.0 / other.value, -value / other.value)
    }
}
