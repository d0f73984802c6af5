//! Camera models: pinhole with plumb_bob, rational or equidistant (fisheye) distortion; optical frame to pixels and back.
//!
//! Two conventions for pixels meet here. A [`Camera`]'s principal point, and all of `project` and `unproject`, follow
//! OpenCV: the **centre** of the first pixel is (0, 0). Boxes, masks and depth maps use **continuous** coordinates in
//! which the first pixel covers 0 to 1, its centre being (0.5, 0.5). [`continuous_from_centred`] and
//! [`centred_from_continuous`] are the only way across; `project_continuous` and `unproject_continuous` go it for you.
//! No picture is resampled here.

use nalgebra::Vector3;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::lens::Lens;
use super::{Optical, Point3};

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

impl Distortion {
    /// The coefficients in OpenCV's order, none for a rectified picture.
    pub fn coefficients(&self) -> &[f64] {
        match self {
            Self::None => &[],
            Self::PlumbBob(k) => k,
            Self::Rational(k) => k,
            Self::Equidistant(k) => k,
        }
    }
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

/// Why intrinsics cannot be used.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum CameraError {
    /// A number is NaN or infinite.
    #[error("camera: {what} is {value}, expected a finite number; mend the calibration")]
    NotFinite {
        /// Which number.
        what: &'static str,
        /// What it is.
        value: f64,
    },
    /// A focal length is zero or negative: the camera matrix cannot be inverted.
    #[error("camera: {what} is {value}, expected more than 0 (the camera matrix is singular); mend the calibration")]
    Singular {
        /// Which focal length.
        what: &'static str,
        /// What it is.
        value: f64,
    },
    /// The picture has no pixels.
    #[error("camera: calibrated for a picture of {width} x {height}, expected at least 1 x 1")]
    EmptyPicture {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// The picture's shape is not the calibration's.
    #[error(
        "camera: calibrated for {width} x {height}, the picture is {picture_width} x {picture_height}: the aspect ratio is \
         off by {off_percent:.1} %, more than 1 %: the picture was cropped or the calibration is another camera's; give \
         the calibration of this picture size"
    )]
    OtherAspect {
        /// Calibrated columns.
        width: u32,
        /// Calibrated rows.
        height: u32,
        /// Columns found.
        picture_width: u32,
        /// Rows found.
        picture_height: u32,
        /// Difference of the aspect ratios in percent.
        off_percent: f64,
    },
}

/// Why a point has no pixel.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum ProjectError {
    /// A coordinate is NaN or infinite, or the point is the camera's centre itself.
    #[error("a point that is not finite, or is the camera's own centre, has no pixel")]
    NotFinite,
    /// The point lies behind the camera.
    #[error("the point lies behind the camera: {z_m:.3} m along the optical axis, expected more than 0")]
    BehindCamera {
        /// Along the optical axis.
        z_m: f64,
    },
    /// The distortion model does not reach that far out.
    #[error("the point lies {angle_deg:.1} degrees off the axis, the distortion model holds up to {limit_deg:.1}")]
    OutsideModel {
        /// Angle from the optical axis.
        angle_deg: f64,
        /// Where the model ends.
        limit_deg: f64,
    },
}

/// Why a pixel has no direction.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum UnprojectError {
    /// A coordinate is NaN or infinite.
    #[error("a pixel that is not finite has no direction")]
    NotFinite,
    /// No direction within the distortion model's range lands on that pixel.
    #[error(
        "no direction within the distortion model's range ({limit_deg:.1} degrees off the axis) lands on pixel \
         ({u:.1}, {v:.1})"
    )]
    OutsideModel {
        /// Column asked for.
        u: f64,
        /// Row asked for.
        v: f64,
        /// Where the model ends.
        limit_deg: f64,
    },
}

/// How far the aspect ratios of picture and calibration may differ: rounding of a resized picture, not a crop.
const ASPECT_TOLERANCE: f64 = 0.01;

/// Continuous coordinates (pixel (0, 0) covers 0 to 1) from pixel-centre coordinates (its centre is (0, 0)).
pub fn continuous_from_centred(uv: [f64; 2]) -> [f64; 2] {
    [uv[0] + 0.5, uv[1] + 0.5]
}

/// Pixel-centre coordinates (centre of the first pixel is (0, 0)) from continuous ones (it covers 0 to 1).
pub fn centred_from_continuous(xy: [f64; 2]) -> [f64; 2] {
    [xy[0] - 0.5, xy[1] - 0.5]
}

impl Camera {
    /// Whether the intrinsics can be used: finite, positive focal lengths, a picture with pixels.
    pub fn validate(&self) -> Result<(), CameraError> {
        if self.width == 0 || self.height == 0 {
            return Err(CameraError::EmptyPicture { width: self.width, height: self.height });
        }
        let named = [("fx", self.fx), ("fy", self.fy), ("cx", self.cx), ("cy", self.cy)];
        let coefficients = self.distortion.coefficients().iter().map(|&k| ("a distortion coefficient", k));
        if let Some((what, value)) = named.into_iter().chain(coefficients).find(|(_, v)| !v.is_finite()) {
            return Err(CameraError::NotFinite { what, value });
        }
        match named.into_iter().take(2).find(|(_, focal)| *focal <= 0.0) {
            Some((what, value)) => Err(CameraError::Singular { what, value }),
            None => Ok(()),
        }
    }

    /// The intrinsics of the same view resized to `width` x `height`. The outer edges of the picture stay where they
    /// are, so the principal point scales about the corner of the first pixel, not about its centre. A crop is refused.
    pub fn scaled_to(&self, width: u32, height: u32) -> Result<Self, CameraError> {
        self.validate()?;
        if width == 0 || height == 0 {
            return Err(CameraError::EmptyPicture { width, height });
        }
        let scale_x = f64::from(width) / f64::from(self.width);
        let scale_y = f64::from(height) / f64::from(self.height);
        let off = (scale_x / scale_y - 1.0).abs();
        if off > ASPECT_TOLERANCE {
            return Err(CameraError::OtherAspect {
                width: self.width,
                height: self.height,
                picture_width: width,
                picture_height: height,
                off_percent: off * 100.0,
            });
        }
        let principal = continuous_from_centred([self.cx, self.cy]);
        let [cx, cy] = centred_from_continuous([principal[0] * scale_x, principal[1] * scale_y]);
        Ok(Self { width, height, fx: self.fx * scale_x, fy: self.fy * scale_y, cx, cy, distortion: self.distortion })
    }

    /// The distortion prepared for many points; build it once per camera, not per point.
    pub fn lens(&self) -> Lens {
        Lens::new(self.distortion)
    }

    /// The pixel of a point, pixel-centre coordinates; it may lie outside the picture.
    pub fn project(&self, point: &Point3<Optical>) -> Result<[f64; 2], ProjectError> {
        self.project_with(&self.lens(), point)
    }

    /// As [`Self::project`], with the lens at hand.
    pub fn project_with(&self, lens: &Lens, point: &Point3<Optical>) -> Result<[f64; 2], ProjectError> {
        let ray = &point.xyz;
        if !ray.iter().all(|v| v.is_finite()) || ray.norm_squared() == 0.0 {
            return Err(ProjectError::NotFinite);
        }
        if let Some([x, y]) = lens.distort(ray) {
            return Ok([self.fx * x + self.cx, self.fy * y + self.cy]);
        }
        let fisheye = matches!(self.distortion, Distortion::Equidistant(_));
        if ray.z <= 0.0 && !fisheye {
            return Err(ProjectError::BehindCamera { z_m: ray.z });
        }
        let angle_deg = ray.x.hypot(ray.y).atan2(ray.z).to_degrees();
        Err(ProjectError::OutsideModel { angle_deg, limit_deg: lens.limit_rad().to_degrees() })
    }

    /// The unit direction in the optical frame that a pixel sees, pixel-centre coordinates.
    pub fn unproject(&self, uv: [f64; 2]) -> Result<Vector3<f64>, UnprojectError> {
        self.unproject_with(&self.lens(), uv)
    }

    /// As [`Self::unproject`], with the lens at hand.
    pub fn unproject_with(&self, lens: &Lens, uv: [f64; 2]) -> Result<Vector3<f64>, UnprojectError> {
        let (x, y) = ((uv[0] - self.cx) / self.fx, (uv[1] - self.cy) / self.fy);
        if !(x.is_finite() && y.is_finite()) {
            return Err(UnprojectError::NotFinite);
        }
        let limit_deg = lens.limit_rad().to_degrees();
        lens.undistort(x, y).ok_or(UnprojectError::OutsideModel { u: uv[0], v: uv[1], limit_deg })
    }

    /// As [`Self::project`], in the continuous coordinates of boxes, masks and depth maps.
    pub fn project_continuous(&self, point: &Point3<Optical>) -> Result<[f64; 2], ProjectError> {
        self.project(point).map(continuous_from_centred)
    }

    /// As [`Self::unproject`], from the continuous coordinates of boxes, masks and depth maps.
    pub fn unproject_continuous(&self, xy: [f64; 2]) -> Result<Vector3<f64>, UnprojectError> {
        self.unproject(centred_from_continuous(xy))
    }
}
