//! Labels that come with a drive: what people marked in its pictures and sweeps.
//!
//! [`Label`] is the common form, cuboids in the vehicle frame; [`KittiLabel`] is one line of a KITTI `label_2` file as
//! written. Labels are for evaluation; nothing in the pipeline looks at them.

use std::collections::BTreeMap;
use std::path::Path;

use nalgebra::{Isometry3, Matrix3, Vector3};
use ocellus_percept::detection::BoxPx;
use ocellus_percept::space::{Frame, Optical, Point3, Transform, Vehicle};

use crate::error::SenseError;

/// An object's own frame: origin at the cuboid's centre, x along its length (forward), y along its width (left), z up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Body;

impl Frame for Body {
    const NAME: &'static str = "body";
}

/// A box in space.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cuboid {
    /// Where it is.
    pub vehicle_from_body: Transform<Vehicle, Body>,
    /// Length (x), width (y), height (z) in metres.
    pub size_m: [f64; 3],
}

impl Cuboid {
    /// The centre in the vehicle frame.
    pub fn centre(&self) -> Point3<Vehicle> {
        Point3::from_vector(self.vehicle_from_body.isometry().translation.vector)
    }

    /// Whether a point lies inside the box grown by `margin_m` on each side.
    pub fn contains(&self, point: &Point3<Vehicle>, margin_m: f64) -> bool {
        let p = self.vehicle_from_body.isometry().inverse_transform_point(&point.xyz.into());
        p.coords.iter().zip(self.size_m).all(|(v, size)| v.abs() <= size / 2.0 + margin_m)
    }
}

/// One labelled object.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// Class name as the data set has it.
    pub class: String,
    /// The object's identity over time, where given.
    pub track: Option<String>,
    /// Share of the object outside the picture, 0 to 1.
    pub truncated: Option<f32>,
    /// KITTI's grade: 0 visible, 1 partly, 2 largely occluded, 3 unknown.
    pub occluded: Option<u8>,
    /// Box in pixels of the picture.
    pub box_px: Option<BoxPx>,
    /// Box in space.
    pub cuboid: Option<Cuboid>,
    /// LiDAR points inside, where counted by the data set.
    pub points_inside: Option<u32>,
}

/// Labels of a whole drive, for `inspect`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LabelSummary {
    /// Frames that have labels (an empty list counts).
    pub frames: usize,
    /// Labels per class, by class name; of a simulated drive objects, each once.
    pub classes: BTreeMap<String, usize>,
}

impl LabelSummary {
    /// Counts the objects of each frame that has labels.
    pub(crate) fn count<'a>(frames: impl Iterator<Item = &'a [Label]>) -> Self {
        let mut summary = Self::default();
        for labels in frames {
            summary.frames += 1;
            for label in labels {
                *summary.classes.entry(label.class.clone()).or_default() += 1;
            }
        }
        summary
    }

    /// All objects.
    pub fn objects(&self) -> usize {
        self.classes.values().sum()
    }
}

/// One line of a KITTI `label_2` file, as written.
#[derive(Debug, Clone, PartialEq)]
pub struct KittiLabel {
    /// `Car`, `Van`, `Truck`, `Pedestrian`, `Person_sitting`, `Cyclist`, `Tram`, `Misc` or `DontCare`.
    pub class: String,
    /// Share outside the picture, 0 to 1; -1 for `DontCare`.
    pub truncated: f32,
    /// 0 visible, 1 partly, 2 largely occluded, 3 unknown; -1 for `DontCare`.
    pub occluded: i8,
    /// Observation angle, radians; -10 for `DontCare`.
    pub alpha: f64,
    /// Box in pixels.
    pub box_px: BoxPx,
    /// Height, width, length in metres; -1 for `DontCare`.
    pub size_hwl_m: [f64; 3],
    /// Middle of the bottom face in the rectified reference camera's frame, metres; -1000 for `DontCare`.
    pub location_m: [f64; 3],
    /// Turn about the camera's y axis (down), radians; -10 for `DontCare`.
    pub rotation_y: f64,
}

/// Reads a KITTI label file; `file` is for messages.
pub fn parse_kitti(file: &Path, text: &str) -> Result<Vec<KittiLabel>, SenseError> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(i, line)| {
            parse_kitti_line(line).ok_or_else(|| SenseError::Format {
                file: file.to_path_buf(),
                place: format!("line {}", i + 1),
                expected: "a class and 14 numbers (15 with a score)".into(),
                got: format!("{:?}", crate::stamps::clip(line)),
            })
        })
        .collect()
}

fn parse_kitti_line(line: &str) -> Option<KittiLabel> {
    let mut fields = line.split_whitespace();
    let class = fields.next()?.to_owned();
    let numbers: Vec<f64> = fields.map(|f| f.parse::<f64>().ok().filter(|v| v.is_finite())).collect::<Option<_>>()?;
    let (values, rest) = numbers.split_first_chunk::<14>()?;
    if rest.len() > 1 {
        return None;
    }
    let [truncated, occluded, alpha, x0, y0, x1, y1, height, width, length, x, y, z, rotation_y] = *values;
    Some(KittiLabel {
        class,
        truncated: truncated as f32,
        occluded: occluded as i8,
        alpha,
        box_px: BoxPx { x0: x0 as f32, y0: y0 as f32, x1: x1 as f32, y1: y1 as f32 },
        size_hwl_m: [height, width, length],
        location_m: [x, y, z],
        rotation_y,
    })
}

impl KittiLabel {
    /// The common form. `rectified_from_vehicle` takes vehicle points to the rectified reference camera (camera 0), the
    /// frame KITTI's labels are in; without it the label has no cuboid. `DontCare` regions never have one.
    pub fn to_label(&self, rectified_from_vehicle: Option<&Transform<Optical, Vehicle>>) -> Label {
        let known = self.class != "DontCare" && self.size_hwl_m.iter().all(|&v| v > 0.0);
        Label {
            class: self.class.clone(),
            track: None,
            truncated: (self.truncated >= 0.0).then_some(self.truncated),
            occluded: u8::try_from(self.occluded).ok(),
            box_px: Some(self.box_px),
            cuboid: rectified_from_vehicle.filter(|_| known).map(|t| self.cuboid(t)),
            points_inside: None,
        }
    }

    fn cuboid(&self, rectified_from_vehicle: &Transform<Optical, Vehicle>) -> Cuboid {
        let [height, width, length] = self.size_hwl_m;
        let [x, y, z] = self.location_m;
        // At rotation 0 the object faces the camera's x axis: its x is the camera's x, its y the camera's z (left of
        // it), its z the camera's -y. The turn is about the camera's y. The location is the bottom face's middle.
        let axes = Matrix3::new(1.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.0, 1.0, 0.0);
        let turn = nalgebra::Rotation3::from_axis_angle(&Vector3::y_axis(), self.rotation_y);
        let rotation = turn * nalgebra::Rotation3::from_matrix_unchecked(axes);
        let centre = Vector3::new(x, y - height / 2.0, z);
        let optical_from_body =
            Isometry3::from_parts(centre.into(), nalgebra::UnitQuaternion::from_rotation_matrix(&rotation));
        Cuboid {
            vehicle_from_body: rectified_from_vehicle.inverse()
                * Transform::<Optical, Body>::from_isometry(optical_from_body),
            size_m: [length, width, height],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "Pedestrian 0.00 0 -0.20 712.40 143.00 810.73 307.92 1.89 0.48 1.20 1.84 1.47 8.41 0.01";

    #[test]
    fn a_line_is_read_and_broken_ones_are_named() {
        let labels = parse_kitti(Path::new("000000.txt"), LINE).unwrap();
        assert_eq!(labels.len(), 1);
        assert_eq!(labels[0].size_hwl_m, [1.89, 0.48, 1.2]);
        assert!(parse_kitti(Path::new("f"), "").unwrap().is_empty());
        for bad in ["Car 1 2", "Car 0 0 0 0 0 0 0 0 0 0 0 0 0 nan", &format!("{LINE} 1 2")] {
            let error = parse_kitti(Path::new("f.txt"), &format!("{LINE}\n{bad}")).unwrap_err().to_string();
            assert!(error.contains("f.txt") && error.contains("line 2"), "{error}");
        }
    }

    #[test]
    fn the_cuboid_stands_on_its_location_and_is_turned() {
        // A camera looking along vehicle x: optical x = -y, y = -z, z = x.
        let rotation = Matrix3::new(0.0, -1.0, 0.0, 0.0, 0.0, -1.0, 1.0, 0.0, 0.0);
        let t = Transform::<Optical, Vehicle>::from_rotation_translation(rotation, Vector3::zeros()).unwrap();
        let cuboid = parse_kitti(Path::new("f"), LINE).unwrap()[0].to_label(Some(&t)).cuboid.unwrap();
        let centre = cuboid.centre().xyz;
        assert!((centre - Vector3::new(8.41, -1.84, -1.47 + 0.945)).norm() < 1e-9, "{centre}");
        // Rotation about 0: the length (1.2 m) runs along the camera's x, the vehicle's y.
        let beside = |x, y, z| Point3::<Vehicle>::new(8.41 + x, -1.84 + y, -0.525 + z);
        assert!(cuboid.contains(&beside(0.0, 0.59, 0.0), 0.0) && !cuboid.contains(&beside(0.0, 0.61, 0.0), 0.0));
        assert!(cuboid.contains(&beside(0.23, 0.0, 0.0), 0.0) && !cuboid.contains(&beside(0.26, 0.0, 0.0), 0.0));
        assert!(cuboid.contains(&beside(0.0, 0.0, 0.94), 0.0) && !cuboid.contains(&beside(0.0, 0.0, 0.96), 0.0));
        assert!(cuboid.contains(&beside(0.0, 0.61, 0.0), 0.1));
        // Facing the camera's x is facing the vehicle's right.
        let forward = cuboid.vehicle_from_body.rotate(&Vector3::x());
        assert!((forward - Vector3::new(0.0, -1.0, 0.0)).norm() < 0.02, "{forward}");
    }

    #[test]
    fn dont_care_has_no_cuboid() {
        let line = "DontCare -1 -1 -10 503.89 169.71 590.61 190.13 -1 -1 -1 -1000 -1000 -1000 -10";
        let label = parse_kitti(Path::new("f"), line).unwrap()[0].to_label(Some(&Transform::identity()));
        assert!(label.cuboid.is_none() && label.truncated.is_none() && label.occluded.is_none());
    }
}
