//! From numbers in a file to a [`Camera`]: the checks that every form shares.

use ocellus_percept::space::{Camera, Distortion};

use super::CalibError;
use super::place::Place;

/// Skew the camera model does not have: more than this share of fx moves a pixel visibly (0.2 px over 2000 px).
const SKEW_SHARE_MAX: f64 = 1e-4;

/// A camera from a row-major 3x3 matrix and the picture's size.
pub(crate) fn camera_from_matrix(
    place: &Place<'_>,
    k: &[f64; 9],
    (width, height): (u32, u32),
    distortion: Distortion,
) -> Result<Camera, CalibError> {
    let [fx, skew, cx, k10, fy, cy, k20, k21, k22] = *k;
    if !(fx.is_finite() && fy.is_finite() && fx > 0.0 && fy > 0.0) {
        return Err(CalibError::Singular { path: place.path.to_path_buf(), place: place.to_string(), fx, fy });
    }
    if !cx.is_finite() || !cy.is_finite() {
        return Err(place.value("a finite principal point", format!("{cx}, {cy}")));
    }
    if (k10, k20, k21) != (0.0, 0.0, 0.0) || (k22 - 1.0).abs() > 1e-9 {
        return Err(place.value("a camera matrix [fx 0 cx; 0 fy cy; 0 0 1]", format!("{k:?}")));
    }
    if skew.is_nan() || skew.abs() > SKEW_SHARE_MAX * fx {
        return Err(place.value("a camera without skew", format!("skew {skew}")));
    }
    if width == 0 || height == 0 {
        return Err(place.value("a picture of at least 1x1 px", format!("{width}x{height}")));
    }
    Ok(Camera { width, height, fx, fy, cx, cy, distortion })
}

/// Distortion from a model's name (any file form's) and its coefficients in OpenCV's order.
pub(crate) fn distortion_from(place: &Place<'_>, model: &str, d: &[f64]) -> Result<Distortion, CalibError> {
    if let Some(bad) = d.iter().find(|v| !v.is_finite()) {
        return Err(place.value("finite coefficients", bad.to_string()));
    }
    if d.iter().all(|&v| v == 0.0) {
        return Ok(Distortion::None);
    }
    let wrong = |expected: &str| Err(place.value(expected, format!("{} coefficients {d:?}", d.len())));
    match model {
        "equidistant" | "fisheye" | "kannala_brandt4" => match *d {
            [k1, k2, k3, k4] => Ok(Distortion::Equidistant([k1, k2, k3, k4])),
            _ => wrong("4 coefficients k1 k2 k3 k4"),
        },
        "plumb_bob" | "radtan" | "radial-tangential" | "rational_polynomial" | "opencv" => match *d {
            [k1, k2, p1, p2] => Ok(Distortion::PlumbBob([k1, k2, p1, p2, 0.0])),
            [k1, k2, p1, p2, k3] => Ok(Distortion::PlumbBob([k1, k2, p1, p2, k3])),
            // Coefficients 9 to 14 are the thin prism and tilt terms, which the camera model does not have.
            [k1, k2, p1, p2, k3, k4, k5, k6, ref rest @ ..] if rest.iter().all(|&v| v == 0.0) => {
                Ok(Distortion::Rational([k1, k2, p1, p2, k3, k4, k5, k6]))
            }
            _ => wrong("4, 5 or 8 coefficients k1 k2 p1 p2 [k3 [k4 k5 k6]]"),
        },
        "none" | "rectified" => wrong("no coefficients for a rectified picture"),
        other => Err(place.value(
            "a distortion model among plumb_bob (radtan), rational_polynomial, equidistant (fisheye), none",
            format!("{other:?}"),
        )),
    }
}
