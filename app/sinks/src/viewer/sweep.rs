//! LiDAR points, coloured by range.

use std::sync::Arc;

use ocellus_percept::cloud::Cloud;
use rerun::archetypes::Points3D;
use rerun::external::arrow::array::{FixedSizeListArray, Float32Array, UInt32Array};
use rerun::external::arrow::datatypes::{DataType, Field};
use rerun::{Radius, RecordingStream, SerializedComponentBatch};

use super::ViewerError;
use super::colour::RangeColours;
use super::message::SweepView;
use super::scene::lidar_path;

/// Radius of a point, points of the screen: single points stay visible, near walls stay transparent.
const POINT_RADIUS: f32 = 1.0;

/// Logs sweeps; keeps the colour table.
#[derive(Debug)]
pub(super) struct Sweeps {
    colours: RangeColours,
    points_max: usize,
}

/// Points as the viewer wants them.
#[derive(Debug, Default)]
struct Points {
    /// x, y, z of one point after another.
    coordinates: Vec<f32>,
    /// Red, green, blue, alpha, from the highest byte down.
    rgba: Vec<u32>,
}

impl Sweeps {
    /// Shows at most about `points_max` points of a sweep, evenly thinned.
    pub(super) fn new(points_max: usize) -> Self {
        Self { colours: RangeColours::new(), points_max: points_max.max(1) }
    }

    /// Logs one sweep.
    pub(super) fn log(&self, rec: &RecordingStream, sweep: &SweepView) -> Result<(), ViewerError> {
        let path = lidar_path(&sweep.lidar);
        let points = self.points(&sweep.cloud);
        let mut archetype = Points3D::update_fields().with_radii([Radius::new_ui_points(POINT_RADIUS)]);
        // Whole arrays: point by point the conversion takes ten times as long.
        let coordinate = Arc::new(Field::new("item", DataType::Float32, false));
        let coordinates = Arc::new(Float32Array::from(points.coordinates));
        let positions = FixedSizeListArray::try_new(coordinate, 3, coordinates, None)
            .map_err(|e| ViewerError::rerun(&path)(rerun::RecordingStreamError::Chunk(e.into())))?;
        archetype.positions =
            Some(SerializedComponentBatch::new(Arc::new(positions), Points3D::descriptor_positions()));
        let colours = Arc::new(UInt32Array::from(points.rgba));
        archetype.colors = Some(SerializedComponentBatch::new(colours, Points3D::descriptor_colors()));
        rec.log(path.as_str(), &archetype).map_err(ViewerError::rerun(&path))
    }

    /// The points that are finite, each with its colour.
    fn points(&self, cloud: &Cloud) -> Points {
        let stride = cloud.len().div_ceil(self.points_max).max(1);
        let shown = cloud.len().div_ceil(stride);
        let mut points = Points { coordinates: Vec::with_capacity(3 * shown), rgba: Vec::with_capacity(shown) };
        for &[x, y, z] in cloud.xyz.iter().step_by(stride) {
            let square_m2 = x * x + y * y + z * z;
            if square_m2.is_finite() {
                points.coordinates.extend_from_slice(&[x, y, z]);
                points.rgba.push(self.colours.of_square(square_m2));
            }
        }
        points
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_points_are_left_out_and_large_sweeps_thinned() {
        let sweeps = Sweeps::new(4);
        let mut cloud =
            Cloud { xyz: vec![[1.0, 0.0, 0.0], [f32::NAN, 0.0, 0.0], [0.0, f32::INFINITY, 0.0]], ..Cloud::default() };
        let points = sweeps.points(&cloud);
        assert_eq!((points.coordinates, points.rgba.len()), (vec![1.0, 0.0, 0.0], 1));
        cloud.xyz = vec![[1.0, 2.0, 3.0]; 10];
        assert_eq!(sweeps.points(&cloud).rgba.len(), 4);
        assert!(sweeps.points(&Cloud::default()).rgba.is_empty());
    }
}
