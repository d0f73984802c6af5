//! LiDAR sweeps: owned [`Cloud`], points in the LiDAR's own frame.

/// One sweep, structure of arrays. `intensity` and `time_offset_s` are empty where the sensor gives none, else as long as `xyz`.
///
/// Coordinates are metres, x forward, y left, z up in the LiDAR's frame. Points may be NaN or infinite: consumers
/// skip them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cloud {
    /// Points in metres.
    pub xyz: Vec<[f32; 3]>,
    /// Return strength, 0 to 1.
    pub intensity: Vec<f32>,
    /// Seconds from the sweep's stamp to each point's own time.
    pub time_offset_s: Vec<f32>,
    /// Beam (ring) index, empty where unknown.
    pub ring: Vec<u16>,
}

impl Cloud {
    /// Number of points.
    pub fn len(&self) -> usize {
        self.xyz.len()
    }

    /// Whether there is no point at all.
    pub fn is_empty(&self) -> bool {
        self.xyz.is_empty()
    }

    /// Forgets the points and keeps the allocations.
    pub fn clear(&mut self) {
        self.xyz.clear();
        self.intensity.clear();
        self.time_offset_s.clear();
        self.ring.clear();
    }
}
