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
    /// Seconds from the sweep's stamp to the moment at which each point's coordinates hold.
    pub time_offset_s: Vec<f32>,
    /// Seconds from the stamp to when each point was measured, where the sensor's own motion since was removed from it
    /// (`fuse::deskew`); empty elsewhere.
    pub measured_s: Vec<f32>,
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

    /// When point `index` was measured, seconds from the sweep's stamp; 0 where nothing is known of it.
    pub fn measured_at_s(&self, index: usize) -> f32 {
        let times = if self.measured_s.is_empty() { &self.time_offset_s } else { &self.measured_s };
        times.get(index).copied().filter(|t| t.is_finite()).unwrap_or(0.0)
    }

    /// Forgets the points and keeps the allocations.
    pub fn clear(&mut self) {
        self.xyz.clear();
        self.intensity.clear();
        self.time_offset_s.clear();
        self.measured_s.clear();
        self.ring.clear();
    }
}
