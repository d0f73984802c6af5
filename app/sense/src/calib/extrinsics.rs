//! Where a sensor sits, as calibration files say it: `{xyz, quaternion_xyzw}`, `{xyz, rpy}` or `{matrix}`.

use nalgebra::{Isometry3, Matrix3, Quaternion, Translation3, UnitQuaternion, Vector3};
use ocellus_percept::space::{Frame, Transform};

use super::CalibError;
use super::yaml::{Map, Value};

/// A quaternion this far from length 1 was mistyped; less is rounding.
const QUATERNION_ERROR_MAX: f64 = 1e-2;

/// The transform `to_from_from` at `key`, or the inverse of the one at `from_from_to`; `None` where neither is there.
pub(crate) fn transform<To: Frame, From: Frame>(map: &Map<'_>) -> Result<Option<Transform<To, From>>, CalibError> {
    let forward = format!("{}_from_{}", To::NAME, From::NAME);
    let backward = format!("{}_from_{}", From::NAME, To::NAME);
    match (map.get(&[&forward]), map.get(&[&backward])) {
        (Some(_), Some(_)) => Err(map.place(&backward).value(format!("{forward} or {backward}"), "both")),
        (Some(_), None) => at_key::<To, From>(map, &forward).map(Some),
        (None, Some(_)) => at_key::<From, To>(map, &backward).map(|t| Some(t.inverse())),
        (None, None) => Ok(None),
    }
}

/// The transform at `key`, whose direction the caller vouches for.
pub(crate) fn at_key<To: Frame, From: Frame>(map: &Map<'_>, key: &str) -> Result<Transform<To, From>, CalibError> {
    // A bare list, or a matrix of ROS or OpenCV (rows, cols, data), is 3x4 or 4x4 numbers.
    let bare = match map.get(&[key]).map(|(_, n)| &n.value) {
        Some(Value::List(_)) => true,
        Some(Value::Map(entries)) => entries.iter().any(|(k, _)| k == "data"),
        _ => false,
    };
    if bare {
        return from_matrix(map, key);
    }
    let Some(parts) = map.map(key)? else { return Err(map.missing(key)) };
    parts.only(&["xyz", "quaternion_xyzw", "rpy", "rpy_deg", "matrix"])?;
    if parts.get(&["matrix"]).is_some() {
        parts.only(&["matrix"])?;
        return from_matrix(&parts, "matrix");
    }
    let xyz: [f64; 3] = parts.array(&["xyz"])?.ok_or_else(|| parts.missing("xyz"))?;
    let translation = Vector3::from(xyz);
    if !translation.iter().all(|v| v.is_finite()) {
        return Err(parts.place("xyz").value("finite metres", format!("{xyz:?}")));
    }
    let rotation = rotation(&parts)?;
    Ok(Transform::from_isometry(Isometry3::from_parts(Translation3::from(translation), rotation)))
}

fn rotation(parts: &Map<'_>) -> Result<UnitQuaternion<f64>, CalibError> {
    let quaternion: Option<[f64; 4]> = parts.array(&["quaternion_xyzw"])?;
    let rpy: Option<[f64; 3]> = parts.array(&["rpy"])?;
    let rpy_deg: Option<[f64; 3]> = parts.array(&["rpy_deg"])?;
    let degrees = rpy_deg.map(|v| v.map(f64::to_radians));
    match (quaternion, rpy.or(degrees)) {
        (Some([x, y, z, w]), None) => {
            let q = Quaternion::new(w, x, y, z);
            // NaN fails the comparison too.
            if (q.norm() - 1.0).abs() < QUATERNION_ERROR_MAX {
                return Ok(UnitQuaternion::from_quaternion(q));
            }
            Err(parts.place("quaternion_xyzw").value("x y z w of length 1", format!("length {}", q.norm())))
        }
        (None, Some([roll, pitch, yaw])) if rpy.is_none() || rpy_deg.is_none() => {
            if [roll, pitch, yaw].iter().all(|v| v.is_finite()) {
                return Ok(UnitQuaternion::from_euler_angles(roll, pitch, yaw));
            }
            Err(parts.place("rpy").value("finite angles", format!("{roll} {pitch} {yaw}")))
        }
        _ => Err(parts.place("").value("one of quaternion_xyzw, rpy (radians), rpy_deg, matrix", "none or several")),
    }
}

/// 3x4 or 4x4 numbers, row-major, last row 0 0 0 1.
fn from_matrix<To: Frame, From: Frame>(map: &Map<'_>, key: &str) -> Result<Transform<To, From>, CalibError> {
    let Some((_, m)) = map.numbers(&[key])? else { return Err(map.missing(key)) };
    let wrong = |got: String| map.place(key).value("3x4 or 4x4 numbers, the last row 0 0 0 1", got);
    let rows: &[f64; 12] = match m.split_first_chunk::<12>() {
        Some((rows, [])) => rows,
        Some((rows, [0.0, 0.0, 0.0, 1.0])) => rows,
        _ => return Err(wrong(format!("{} numbers {m:?}", m.len()))),
    };
    let [r00, r01, r02, x, r10, r11, r12, y, r20, r21, r22, z] = *rows;
    let rotation = Matrix3::new(r00, r01, r02, r10, r11, r12, r20, r21, r22);
    Transform::from_rotation_translation(rotation, Vector3::new(x, y, z)).map_err(|source| CalibError::Transform {
        path: map.path().to_path_buf(),
        place: map.place(key).to_string(),
        source,
    })
}
