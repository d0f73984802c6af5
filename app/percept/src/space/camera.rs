//! Camera models: pinhole with plumb_bob, rational or equidistant (fisheye) distortion.

use serde::{Deserialize, Serialize};

/// Lens distortion, coefficients in OpenCV's order.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Distortion {
    /// A rectified picture.
    None,
    /// k1 k2 p1 p2 k3.
    PlumbBob([f64; 5]),
    /// k1 k2 p1 p2 k3 k4 k5 k6.
    Rational([f64; 8]),
    /// k1 k2 k3 k4 of the fisheye model.
    Equidistant([f64; 4]),
}

/// Intrinsics of one camera, in pixels of a `width` x `height` picture.
///
/// Principal point in OpenCV's convention: the centre of the first pixel is (0, 0).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Camera {
    /// Columns of the calibrated picture.
    pub width: u32,
    /// Rows of the calibrated picture.
    pub height: u32,
    /// Focal length along x.
    pub fx: f64,
    /// Focal length along y.
    pub fy: f64,
    /// Principal point, column.
    pub cx: f64,
    /// Principal point, row.
    pub cy: f64,
    /// Lens distortion.
    pub distortion: Distortion,
}
