//! Depth maps of networks against what is known: every pixel of a rendered picture, or another network's map.
//!
//! Metric maps of students hold for one focal length and are brought to the camera's own; relative ones are judged scaled.

use anyhow::{Result, anyhow};
use ocellus_judge::depth::{Alignment, DepthBand, DepthErrors, evaluate, evaluate_object, pool};
use ocellus_judge::kinematics::{Measured, ValueErrors, value_errors};
use ocellus_percept::depth::DepthMap;
use ocellus_percept::detection::BoxPx;
use ocellus_percept::image::Image;
use ocellus_percept::model::DepthKind;
use serde::Serialize;

use super::data::{Data, Rendered};
use super::subject::{Found, Subject};
use super::worlds::VISIBLE_PX_MIN;

/// Cells looked at across a box.
const BOX_CELLS: usize = 5;
/// Share of a box's sides that is looked at, around its middle: its edges hold the background.
const BOX_SHARE: f32 = 0.5;

/// Errors with one way of bringing predictions to scale.
#[derive(Debug, Clone, Serialize)]
pub struct Aligned {
    /// Which.
    pub alignment: Alignment,
    /// Over all pixels of all pictures.
    pub all: DepthErrors,
    /// By true depth: from, to (metres), errors.
    pub bands: Vec<(f64, Option<f64>, DepthErrors)>,
    /// Each object's median error, metres.
    pub objects_m: ValueErrors,
    /// By picture (index into the data).
    #[serde(skip)]
    pub pictures: Vec<(usize, DepthErrors)>,
}

/// Everything said of a depth network.
#[derive(Debug, Clone, Serialize)]
pub struct DepthFigures {
    /// As it is; absent for relative depth, which is never called metres.
    pub raw: Option<Aligned>,
    /// Times one factor a picture, that of the medians.
    pub median_scaled: Aligned,
    /// Pictures judged.
    pub pictures: usize,
}

/// Gathers errors picture by picture.
#[derive(Default)]
struct Tally {
    pictures: Vec<(usize, DepthErrors)>,
    bands: Vec<Vec<DepthBand>>,
    medians: Vec<Measured>,
}

/// Judges the depth of one network, picture by picture as it looks at them.
struct DepthJudge<'a> {
    data: &'a Data,
    metric: bool,
    raw: Tally,
    scaled: Tally,
}

impl<'a> DepthJudge<'a> {
    /// On the rendered pictures of `data`.
    fn new(data: &'a Data) -> Self {
        Self { data, metric: true, raw: Tally::default(), scaled: Tally::default() }
    }

    /// Judges the map of picture `index`, where its true depth is known.
    fn add(&mut self, index: usize, image: &Image, map: &DepthMap) -> Result<()> {
        let Some(frame) = self.data.frames.get(index) else { return Ok(()) };
        let Some(rendered) = frame.rendered.as_ref().filter(|r| !r.depth_m.is_empty()) else { return Ok(()) };
        let predicted = at_pixels(map, image, frame.focal_px());
        self.metric = map.kind != DepthKind::RelativeInverse;
        let objects = objects(rendered);
        if self.metric {
            self.raw.add(index, (&predicted, &rendered.depth_m), Alignment::Raw, &objects)?;
        }
        self.scaled.add(index, (&predicted, &rendered.depth_m), Alignment::MedianScale, &objects)
    }

    /// The figures; `None` where no picture's depth is known.
    fn figures(self) -> Option<DepthFigures> {
        let pictures = self.scaled.pictures.len();
        (pictures > 0).then(|| DepthFigures {
            raw: self.metric.then(|| self.raw.aligned(Alignment::Raw)),
            median_scaled: self.scaled.aligned(Alignment::MedianScale),
            pictures,
        })
    }
}

impl Tally {
    fn add(
        &mut self,
        index: usize,
        (predicted, truth): (&[f32], &[f32]),
        alignment: Alignment,
        objects: &[Vec<usize>],
    ) -> Result<()> {
        let report = evaluate(predicted, truth, alignment)?;
        let Some((scale, shift)) = report.scale_shift else { return Ok(()) };
        self.pictures.push((index, report.all));
        self.bands.push(report.bands);
        let scaled: Vec<f32> = predicted.iter().map(|d| (scale * f64::from(*d) + shift) as f32).collect();
        for pixels in objects {
            let error = evaluate_object(&scaled, truth, pixels)?.median_error_m;
            self.medians.push(Measured { estimate: error, sigma: None, truth: 0.0 });
        }
        Ok(())
    }

    fn aligned(self, alignment: Alignment) -> Aligned {
        let band = |i: usize| {
            let of: Vec<_> = self.bands.iter().filter_map(|b| b.get(i)).collect();
            let (from, to) = of.first().map_or((0.0, 0.0), |b| (b.from_m, b.to_m));
            (from, Some(to).filter(|to| to.is_finite()), pool(&of.iter().map(|b| b.errors).collect::<Vec<_>>()))
        };
        let count = self.bands.first().map_or(0, Vec::len);
        Aligned {
            alignment,
            all: pool(&self.pictures.iter().map(|p| p.1).collect::<Vec<_>>()),
            bands: (0..count).map(band).collect(),
            objects_m: value_errors(&self.medians),
            pictures: self.pictures,
        }
    }
}

/// What `subject` sees in the pictures of `data`, and what its depth is worth where that is known.
pub fn look(subject: &mut Subject, data: &Data) -> Result<(Found, Option<DepthFigures>)> {
    let mut judge = DepthJudge::new(data);
    let found = subject.detect_all(data, |_, _| Ok(None), |i, image, map| judge.add(i, image, map))?;
    Ok((found, judge.figures()))
}

/// What a network sees, and what its depth is worth.
pub type Sighting = (Found, Option<DepthFigures>);

/// By picture, how far two depths are apart.
pub type Apart = Vec<(usize, DepthErrors)>;

/// As [`look`] of both, and by picture how far their depths are apart; empty unless both see depth.
pub fn look_at_both(teacher: &mut Subject, student: &mut Subject, data: &Data) -> Result<(Sighting, Sighting, Apart)> {
    let both = teacher.depth().is_some() && student.depth().is_some();
    let (mut maps, mut depths): (Vec<(usize, DepthMap)>, Apart) = (Vec::new(), Vec::new());
    let mut judge = DepthJudge::new(data);
    let seen = teacher.detect_all(
        data,
        |_, _| Ok(None),
        |i, image, map| {
            if both {
                maps.push((i, map.clone()));
            }
            judge.add(i, image, map)
        },
    )?;
    let teacher = (seen, judge.figures());
    let mut judge = DepthJudge::new(data);
    let found = student.detect_all(
        data,
        |_, _| Ok(None),
        |i, image, map| {
            if let Some((_, theirs)) = maps.iter().find(|m| m.0 == i) {
                depths.push((i, apart(theirs, map, image)?));
            }
            judge.add(i, image, map)
        },
    )?;
    Ok((teacher, (found, judge.figures()), depths))
}

/// What is said where there is no true depth.
pub fn no_truth() -> anyhow::Error {
    anyhow!("true depth is known of rendered pictures alone: give --data world:SCENARIO@SEEDS")
}

/// Depth along the axis at each pixel of `image`, up to a factor where it is relative; not a number where unknown.
fn at_pixels(map: &DepthMap, image: &Image, focal_px: Option<f64>) -> Vec<f32> {
    let relative = map.kind == DepthKind::RelativeInverse;
    let zoom = zoom(map, focal_px);
    let at = |pixel: usize| {
        let (x, y) = ((pixel % image.width()) as f32 + 0.5, (pixel / image.width()) as f32 + 0.5);
        map.at_source(x, y).map_or(f32::NAN, |v| if relative { 1.0 / v } else { v * zoom })
    };
    (0..image.width() * image.height()).map(at).collect()
}

/// What metric values are multiplied by for a camera of this focal length.
fn zoom(map: &DepthMap, focal_px: Option<f64>) -> f32 {
    focal_px.zip(map.focal).map_or(1.0, |(camera, own)| camera as f32 * map.scale_x / own)
}

/// Median depth in the middle of a box, metres; `None` for relative depth.
pub fn box_distance(map: &DepthMap, bbox: &BoxPx, focal_px: Option<f64>) -> Option<f64> {
    if map.kind == DepthKind::RelativeInverse {
        return None;
    }
    let at =
        |from: f32, side: f32, i: usize| from + side * (0.5 + BOX_SHARE * (i as f32 / (BOX_CELLS - 1) as f32 - 0.5));
    let cells = (0..BOX_CELLS * BOX_CELLS).map(|i| (i % BOX_CELLS, i / BOX_CELLS));
    let value = |(i, j)| map.at_source(at(bbox.x0, bbox.width(), i), at(bbox.y0, bbox.height(), j));
    let mut values: Vec<f32> = cells.filter_map(value).collect();
    values.sort_by(f32::total_cmp);
    values.get(values.len() / 2).map(|v| f64::from(v * zoom(map, focal_px)))
}

fn objects(rendered: &Rendered) -> Vec<Vec<usize>> {
    let visible = rendered.objects.iter().filter(|o| o.visible_px >= VISIBLE_PX_MIN);
    let pixels = |instance: u16| {
        rendered.instance.iter().enumerate().filter(|(_, i)| **i == instance).map(|(pixel, _)| pixel).collect()
    };
    visible.map(|o| pixels(o.instance)).collect()
}

/// Errors of `student` against `teacher` on one picture, brought to the teacher's scale.
fn apart(teacher: &DepthMap, student: &DepthMap, image: &Image) -> Result<DepthErrors> {
    let (teacher, student) = (at_pixels(teacher, image, None), at_pixels(student, image, None));
    Ok(evaluate(&student, &teacher, Alignment::MedianScale)?.all)
}
