//! What perception said, beside the frames it was said of: detections, drawings, and the line of `objects.jsonl` itself.
//!
//! All messages of one report have its time; those of a picture have the picture's header.

use nalgebra::{Isometry3, Vector3};
use ocellus_percept::report::FrameReport;
use ocellus_percept::space::Rig;

use super::error::RecordError;
use super::vision::{Placed, placed};
use super::writer::{At, McapWriter};
use super::{drawings, topics, vision};
use crate::objects::write_line;

impl McapWriter {
    /// Writes what `report` says: its line on [`topics::OBJECTS`], and for a frame that could be read the detections
    /// (`detections_2d`, `detections_3d`) and drawings (`image_annotations`, `scene`) beside the sensor's own topics.
    ///
    /// A frame that could not be read has its line only: an empty list of detections would say that the road is empty.
    pub fn report(&mut self, report: &FrameReport, rig: &Rig) -> Result<(), RecordError> {
        let mut line = String::new();
        write_line(report, &mut line);
        self.text(topics::OBJECTS, report.t, line.trim_end())?;
        let (Some(sensor), Some(objects)) = (&report.sensor, &report.objects) else { return Ok(()) };
        let mount = rig.cameras.get(sensor).and_then(|m| m.optical_from_vehicle);
        let is_camera = rig.cameras.contains_key(sensor) || !rig.lidars.contains_key(sensor);
        let optical_frame = topics::optical_frame(sensor);
        // With extrinsics all is said in the picture's own frame, as its header has it; else in the vehicle's.
        let (frame, frame_from_vehicle) = match &mount {
            Some(optical_from_vehicle) => (optical_frame.as_str(), *optical_from_vehicle.isometry()),
            None => (topics::VEHICLE_FRAME, Isometry3::identity()),
        };
        let places: Vec<Option<Placed>> =
            objects.iter().map(|o| placed(o, &frame_from_vehicle, &Vector3::zeros())).collect();
        if is_camera {
            let at = At::new(report.t, &optical_frame);
            let topic = topics::beside(sensor, "detections_2d");
            self.ros(&topic, "vision_msgs/msg/Detection2DArray", &at, |cdr| {
                vision::detections_2d(cdr, report.t, &optical_frame, objects, &places);
            })?;
            let topic = topics::beside(sensor, "image_annotations");
            self.ros(&topic, "foxglove_msgs/msg/ImageAnnotations", &at, |cdr| {
                drawings::image_annotations(cdr, report.t, objects);
            })?;
        }
        let at = At::new(report.t, frame);
        self.ros(&topics::beside(sensor, "detections_3d"), "vision_msgs/msg/Detection3DArray", &at, |cdr| {
            vision::detections_3d(cdr, report.t, frame, objects, &places);
        })?;
        self.ros(&topics::beside(sensor, "scene"), "foxglove_msgs/msg/SceneUpdate", &at, |cdr| {
            drawings::scene_update(cdr, report.t, frame, objects, &places);
        })
    }
}
