//! LiDAR points, coloured by range.

use ocellus_percept::cloud::Cloud;
use rerun::archetypes::Points3D;
use rerun::components::{Color, Position3D};
use rerun::{Radius, RecordingStream};

use super::ViewerError;
use super::colour::RangeColours;
use super::message::SweepView;
use super::scene::lidar_path;

/// Radius of a point, points of the screen: single points stay visible, near walls stay transparent.
const POINT_RADIUS: f32 = 1.1;

/// Logs sweeps; keeps the colour table and the buffers.
#[derive(Debug)]
pub(super) struct Sweeps {
    colours: RangeColours,
    positions: Vec<Position3D>,
    point_colours: Vec<Color>,
    points_max: usize,
}

impl Sweeps {
    /// Shows at most about `points_max` points of a sweep, evenly thinned.
    pub(super) fn new(points_max: usize) -> Self {
        let points_max = points_max.max(1);
        Self { colours: RangeColours::new(), positions: Vec::new(), point_colours: Vec::new(), points_max }
    }

    /// Logs one sweep.
    pub(super) fn log(&mut self, rec: &RecordingStream, sweep: &SweepView) -> Result<(), ViewerError> {
        self.fill(&sweep.cloud);
        let path = lidar_path(&sweep.lidar);
        let points = Points3D::new(self.positions.iter().copied())
            .with_colors(self.point_colours.iter().copied())
            .with_radii([Radius::new_ui_points(POINT_RADIUS)]);
        rec.log(path.as_str(), &points).map_err(ViewerError::rerun(&path))
    }

    /// Points that are finite, each with its colour.
    fn fill(&mut self, cloud: &Cloud) {
        self.positions.clear();
        self.point_colours.clear();
        let stride = cloud.len().div_ceil(self.points_max).max(1);
        for &[x, y, z] in cloud.xyz.iter().step_by(stride) {
            let square_m2 = x * x + y * y + z * z;
            if square_m2.is_finite() {
                self.positions.push(Position3D::new(x, y, z));
                self.point_colours.push(self.colours.of_square(square_m2));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_points_are_left_out_and_large_sweeps_thinned() {
        let mut sweeps = Sweeps::new(4);
        let mut cloud =
            Cloud { xyz: vec![[1.0, 0.0, 0.0], [f32::NAN, 0.0, 0.0], [0.0, f32::INFINITY, 0.0]], ..Cloud::default() };
        sweeps.fill(&cloud);
        assert_eq!((sweeps.positions.len(), sweeps.point_colours.len()), (1, 1));
        cloud.xyz = vec![[1.0, 2.0, 3.0]; 10];
        sweeps.fill(&cloud);
        assert_eq!(sweeps.positions.len(), 4);
        sweeps.fill(&Cloud::default());
        assert!(sweeps.positions.is_empty());
    }
}
