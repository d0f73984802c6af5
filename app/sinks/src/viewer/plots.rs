//! Figures over time: milliseconds by stage, waiting messages by queue, the nearest obstacle by class.

use std::collections::{BTreeMap, BTreeSet};

use ocellus_percept::report::Object;
use rerun::archetypes::{Scalars, SeriesLines, SeriesPoints};
use rerun::{AsComponents, RecordingStream};

use super::ViewerError;
use super::colour::{class_colour, series_colour};
use super::message::{MetricsView, TOTAL};
use super::scene::{LATENCY, NEAREST, QUEUES};

/// Width of a plotted line, points of the screen.
const LINE_WIDTH: f32 = 1.5;
/// Width of the line of the whole age.
const TOTAL_WIDTH: f32 = 3.0;
/// Size of a plotted point: points, not lines, since a class that is not there has no distance in between.
const MARKER_SIZE: f32 = 2.5;

/// Remembers which series have their style.
#[derive(Debug, Default)]
pub(super) struct Plots {
    styled: BTreeSet<String>,
}

impl Plots {
    /// Forgets the styles, for a viewer that is new.
    pub(super) fn reset(&mut self) {
        self.styled.clear();
    }

    /// Logs latencies and queue depths.
    pub(super) fn log_metrics(&mut self, rec: &RecordingStream, metrics: &MetricsView) -> Result<(), ViewerError> {
        for (root, series) in [(LATENCY, &metrics.latency_ms), (QUEUES, &metrics.queue_depth)] {
            for (index, (name, value)) in series.iter().enumerate().filter(|(_, (_, value))| value.is_finite()) {
                let total = name == TOTAL;
                let style = || {
                    let colour = if total { rerun::Color::from_rgb(255, 255, 255) } else { series_colour(index) };
                    let width = if total { TOTAL_WIDTH } else { LINE_WIDTH };
                    SeriesLines::new().with_names([name.as_str()]).with_colors([colour]).with_widths([width])
                };
                self.log_scalar(rec, &format!("{root}/{}", path_part(name)), *value, style)?;
            }
        }
        Ok(())
    }

    /// Logs the nearest distance of each class.
    pub(super) fn log_nearest(&mut self, rec: &RecordingStream, objects: &[Object]) -> Result<(), ViewerError> {
        for (class, distance_m) in nearest_by_class(objects) {
            let style = || {
                SeriesPoints::new()
                    .with_names([class])
                    .with_colors([class_colour(class)])
                    .with_marker_sizes([MARKER_SIZE])
            };
            self.log_scalar(rec, &format!("{NEAREST}/{}", path_part(class)), distance_m, style)?;
        }
        Ok(())
    }

    fn log_scalar<A: AsComponents>(
        &mut self,
        rec: &RecordingStream,
        path: &str,
        value: f64,
        style: impl FnOnce() -> A,
    ) -> Result<(), ViewerError> {
        if !self.styled.contains(path) {
            rec.log_static(path, &style()).map_err(ViewerError::rerun(path))?;
            self.styled.insert(path.to_owned());
        }
        rec.log(path, &Scalars::new([value])).map_err(ViewerError::rerun(path))
    }
}

/// Distance of the nearest object of each class that has one, by class.
fn nearest_by_class(objects: &[Object]) -> BTreeMap<&str, f64> {
    let mut nearest = BTreeMap::new();
    for object in objects {
        if let Some(distance_m) = object.distance_m.filter(|d| d.is_finite()) {
            let least = nearest.entry(object.class.as_str()).or_insert(distance_m);
            *least = distance_m.min(*least);
        }
    }
    nearest
}

/// A name as one part of an entity path.
fn path_part(name: &str) -> String {
    name.chars().map(|c| if c.is_alphanumeric() || c == '_' || c == '-' { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::samples::{bare_object, full_object};

    #[test]
    fn the_nearest_of_each_class_is_found() {
        let far = Object { distance_m: Some(30.0), ..full_object(1) };
        let odd = Object { distance_m: Some(f64::NAN), ..full_object(2) };
        let person = Object { class: "person".to_owned(), distance_m: Some(8.0), ..full_object(3) };
        let objects = [far, odd, person, full_object(4), bare_object(5)];
        let nearest: Vec<_> = nearest_by_class(&objects).into_iter().collect();
        assert_eq!(nearest, [("car", 14.2309), ("person", 8.0)]);
    }

    #[test]
    fn names_become_one_path_part() {
        assert_eq!(path_part("infer/yolo x"), "infer_yolo_x");
    }
}
