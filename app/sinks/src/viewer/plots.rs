//! Figures over time: milliseconds by stage, waiting messages by queue, the computer's temperature, power and clocks, the
//! nearest obstacle and the least time to collision by class.

use std::collections::{BTreeMap, BTreeSet};

use ocellus_percept::report::Object;
use rerun::archetypes::{Scalars, SeriesLines, SeriesPoints};
use rerun::{AsComponents, RecordingStream};

use super::ViewerError;
use super::colour::{class_colour, series_colour};
use super::message::{MetricsView, TOTAL};
use super::scene::{ANTICIPATION, LATENCY, MACHINE, NEAREST, QUEUES, TTC};
use crate::anticipation::Anticipation;

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

    /// Logs latencies, queue depths and the state of the computer.
    pub(super) fn log_metrics(&mut self, rec: &RecordingStream, metrics: &MetricsView) -> Result<(), ViewerError> {
        let plots = [(LATENCY, &metrics.latency_ms), (QUEUES, &metrics.queue_depth), (MACHINE, &metrics.machine)];
        for (root, series) in plots {
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

    /// Logs a network's answer to a clip, and the answers of late weighed.
    pub(super) fn log_anticipation(
        &mut self,
        rec: &RecordingStream,
        foreseen: &Anticipation,
    ) -> Result<(), ViewerError> {
        let root = format!("{ANTICIPATION}/{}", path_part(&foreseen.camera));
        let series =
            [("answer", foreseen.said.probability, LINE_WIDTH), ("smoothed", foreseen.said.smoothed, TOTAL_WIDTH)];
        for (index, (name, value, width)) in series.into_iter().enumerate() {
            let style = || {
                let name = format!("{} {name}", foreseen.model);
                SeriesLines::new().with_names([name]).with_colors([series_colour(index)]).with_widths([width])
            };
            self.log_scalar(rec, &format!("{root}/{}/{name}", path_part(&foreseen.model)), value, style)?;
        }
        Ok(())
    }

    /// Logs the nearest distance and the least time to collision of each class.
    pub(super) fn log_objects(&mut self, rec: &RecordingStream, objects: &[Object]) -> Result<(), ViewerError> {
        let nearest = least_by_class(objects, |o| o.distance_m).into_iter().map(|least| (NEAREST, least));
        let soonest = least_by_class(objects, |o| o.ttc_s).into_iter().map(|least| (TTC, least));
        for (root, (class, least)) in nearest.chain(soonest) {
            let style = || {
                SeriesPoints::new()
                    .with_names([class])
                    .with_colors([class_colour(class)])
                    .with_marker_sizes([MARKER_SIZE])
            };
            self.log_scalar(rec, &format!("{root}/{}", path_part(class)), least, style)?;
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

/// The least finite `figure` of each class's objects, by class.
fn least_by_class(objects: &[Object], figure: impl Fn(&Object) -> Option<f64>) -> BTreeMap<&str, f64> {
    let mut by_class = BTreeMap::new();
    for object in objects {
        if let Some(value) = figure(object).filter(|v| v.is_finite()) {
            let least = by_class.entry(object.class.as_str()).or_insert(value);
            *least = value.min(*least);
        }
    }
    by_class
}

/// A name as one part of an entity path.
pub(super) fn path_part(name: &str) -> String {
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
        let nearest: Vec<_> = least_by_class(&objects, |o| o.distance_m).into_iter().collect();
        assert_eq!(nearest, [("car", 14.2309), ("person", 8.0)]);
    }

    #[test]
    fn names_become_one_path_part() {
        assert_eq!(path_part("infer/yolo x"), "infer_yolo_x");
    }
}
