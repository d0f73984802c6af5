//! A depth map of one picture at the network's own resolution, with the way from source pixels to its cells.

use crate::model::DepthKind;

/// Depth of one picture. `column = x * scale_x + offset_x` takes a source pixel coordinate to a map coordinate (both
/// continuous, cell (0, 0) covers 0..1); rows alike. Values that are not finite or not positive are unknown.
#[derive(Debug, Clone, PartialEq)]
pub struct DepthMap {
    /// Columns of the map.
    pub width: usize,
    /// Rows of the map.
    pub height: usize,
    /// Row-major values: metres along the optical axis, or relative inverse depth, as `kind` says.
    pub values: Vec<f32>,
    /// What the values mean.
    pub kind: DepthKind,
    /// Focal length in map columns for which metric values are right; a camera of another one sees things proportionally
    /// farther (longer) or nearer (shorter). `None` where values hold for any camera.
    pub focal: Option<f32>,
    /// Map columns per source pixel.
    pub scale_x: f32,
    /// Map column of the source picture's left edge.
    pub offset_x: f32,
    /// Map rows per source pixel.
    pub scale_y: f32,
    /// Map row of the source picture's top edge.
    pub offset_y: f32,
}

impl DepthMap {
    /// The value of the cell that holds the source pixel coordinate (x, y); `None` outside the map or where unknown.
    pub fn at_source(&self, x: f32, y: f32) -> Option<f32> {
        let column = x * self.scale_x + self.offset_x;
        let row = y * self.scale_y + self.offset_y;
        if !(column >= 0.0 && row >= 0.0) {
            return None;
        }
        let (column, row) = (column as usize, row as usize);
        if column >= self.width || row >= self.height {
            return None;
        }
        self.values.get(row * self.width + column).copied().filter(|v| v.is_finite() && *v > 0.0)
    }
}
