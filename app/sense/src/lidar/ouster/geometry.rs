//! From ranges to points: the makers' formula, prepared for each beam and each column.

use super::metadata::OusterMetadata;
use super::packet::OusterPacket;
use crate::lidar::frame::Frame;

/// Metres of a millimetre.
const M: f32 = 1e-3;

/// A column's turn and offset: `p = turn * direction_of_beam * (range - origin) + offset`.
#[derive(Debug, Clone, Copy)]
struct ColumnPose {
    turn: [[f32; 3]; 3],
    offset_m: [f32; 3],
}

/// Everything about a sensor's beams that does not change.
#[derive(Debug)]
pub(super) struct Geometry {
    /// By row, within the plane of the encoder's angle.
    directions: Vec<[f32; 3]>,
    columns: Vec<ColumnPose>,
    /// From the axis to where beams begin, millimetres: ranges count from the axis.
    origin_mm: f32,
}

impl Geometry {
    pub(super) fn new(metadata: &OusterMetadata) -> Self {
        let angles = metadata.altitudes_deg.iter().zip(&metadata.azimuths_deg);
        let direction = |(altitude, azimuth): (&f64, &f64)| {
            let ((sin_up, cos_up), (sin, cos)) = (altitude.to_radians().sin_cos(), (-azimuth).to_radians().sin_cos());
            [(cos_up * cos) as f32, (cos_up * sin) as f32, sin_up as f32]
        };
        let [along, up] = metadata.beam_origin_mm;
        Self {
            directions: angles.map(direction).collect(),
            columns: (0..metadata.columns_per_frame).map(|column| column_pose(metadata, column)).collect(),
            origin_mm: along.hypot(up) as f32,
        }
    }

    /// Adds a packet's points to `frame`.
    pub(super) fn add(&self, packet: &OusterPacket<'_>, frame: &mut Frame) {
        for column in packet.columns().filter(|c| c.is_valid()) {
            let Some(pose) = self.columns.get(column.measurement_id()) else { continue };
            let t_ns = column.timestamp_ns();
            let offset_s = frame.offset_s(t_ns);
            frame.last_ns = frame.last_ns.max(t_ns);
            for ((row, direction), pixel) in self.directions.iter().enumerate().zip(column.pixels()) {
                let mut last = 0;
                for of_return in 0..pixel.returns() {
                    let (range_mm, reflectivity) = pixel.range_and_reflectivity(of_return);
                    if range_mm != 0 && range_mm != last {
                        frame.add(self.point(pose, direction, range_mm), reflectivity, Some(row as u16), offset_s);
                    }
                    last = range_mm;
                }
            }
        }
    }

    fn point(&self, pose: &ColumnPose, direction: &[f32; 3], range_mm: u32) -> [f32; 3] {
        let along_m = (range_mm as f32 - self.origin_mm) * M;
        let [x, y, z] = *direction;
        let mut point = pose.offset_m;
        for (value, row) in point.iter_mut().zip(&pose.turn) {
            *value += along_m * (row[0] * x + row[1] * y + row[2] * z);
        }
        point
    }
}

/// The encoder counts against the sun's course: column 0 is the angle 0 of the optics, later ones turn clockwise from above.
fn column_pose(metadata: &OusterMetadata, column: usize) -> ColumnPose {
    let angle = std::f64::consts::TAU * (1.0 - column as f64 / metadata.columns_per_frame as f64);
    let (sin, cos) = angle.sin_cos();
    let m = &metadata.sensor_from_lidar;
    let [along, up] = metadata.beam_origin_mm;
    let origin = [along * cos, along * sin, up];
    let mut pose = ColumnPose { turn: [[0.0; 3]; 3], offset_m: [0.0; 3] };
    for (row, (turn, offset)) in m.chunks_exact(4).zip(pose.turn.iter_mut().zip(&mut pose.offset_m)) {
        *turn = [row[0] * cos + row[1] * sin, row[1] * cos - row[0] * sin, row[2]].map(|v| v as f32);
        let moved = row[0] * origin[0] + row[1] * origin[1] + row[2] * origin[2] + row[3];
        *offset = (moved * 1e-3) as f32;
    }
    pose
}
