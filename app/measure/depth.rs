//! Depth networks on rendered pictures, whose every pixel's depth is known; and two of them beside one another on any.

use anyhow::{Context, Result, anyhow};
use ocellus_judge::depth::{Alignment, DepthErrors, evaluate, evaluate_object, pool};
use ocellus_judge::kinematics::{Measured, ValueErrors, value_errors};
use ocellus_judge::statement::ModelCard;
use ocellus_percept::depth::DepthMap;
use ocellus_percept::image::Image;
use ocellus_percept::model::DepthKind;
use ocellus_percept::tensor::Preprocessor;
use ocellus_percept::tensor::depth::{depth_from_output, empty_depth};
use serde::Serialize;

use super::data::{Data, Rendered};
use super::worlds::VISIBLE_PX_MIN;
use crate::models::Model;

/// A depth network that is measured.
pub struct DepthSubject {
    /// Name and hash.
    pub card: ModelCard,
    model: Model,
    preprocessor: Preprocessor,
    map: DepthMap,
}

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

/// One picture: prediction at every pixel, truth, and the pixels of each object.
struct Plate {
    predicted: Vec<f32>,
    truth: Vec<f32>,
    objects: Vec<Vec<usize>>,
}

impl DepthSubject {
    /// Takes a loaded depth network.
    pub fn new(model: Model) -> Result<Self> {
        let kind = model.spec.depth.context("a depth network must say whether it is metric")?;
        let card = ModelCard {
            name: model.spec.name.clone(),
            sha256: model.network.digest().to_owned(),
            facts: vec![("depth".to_owned(), format!("{kind:?}").to_lowercase())],
        };
        let preprocessor = Preprocessor::new(&model.spec.input)?;
        Ok(Self { card, model, preprocessor, map: empty_depth(kind) })
    }

    /// Its map of one picture.
    fn see(&mut self, image: &Image) -> Result<&DepthMap> {
        let Self { model: Model { network, spec, .. }, preprocessor, map, .. } = self;
        let geometry = preprocessor.run(image.view(), network.input_mut(&spec.input.name)?)?;
        network.run(|outputs| {
            let output = outputs.first().context("the depth network gave no output")?;
            Ok::<_, anyhow::Error>(depth_from_output(output, &geometry, map)?)
        })??;
        Ok(&self.map)
    }

    /// Depth along the axis at each pixel of `image`, up to a factor where it is relative; not a number where unknown.
    fn at_pixels(&mut self, image: &Image) -> Result<Vec<f32>> {
        let map = self.see(image)?;
        let relative = map.kind == DepthKind::RelativeInverse;
        let at = |pixel: usize| {
            let (x, y) = ((pixel % image.width()) as f32 + 0.5, (pixel / image.width()) as f32 + 0.5);
            map.at_source(x, y).map_or(f32::NAN, |v| if relative { 1.0 / v } else { v })
        };
        Ok((0..image.width() * image.height()).map(at).collect())
    }

    /// Judges it on the rendered pictures of `data`.
    pub fn judge(&mut self, data: &Data) -> Result<DepthFigures> {
        let mut plates = Vec::new();
        let mut image = Image::empty();
        for frame in &data.frames {
            let Some(rendered) = frame.rendered.as_ref().filter(|r| !r.depth_m.is_empty()) else { continue };
            frame.read(&mut image)?;
            let predicted = self.at_pixels(&image)?;
            plates.push(Plate { predicted, truth: rendered.depth_m.clone(), objects: objects(rendered) });
        }
        if plates.is_empty() {
            return Err(anyhow!("true depth is known of rendered pictures alone: give --data world:SCENARIO@SEEDS"));
        }
        let metric = self.map.kind != DepthKind::RelativeInverse;
        Ok(DepthFigures {
            raw: metric.then(|| aligned(&plates, Alignment::Raw)).transpose()?,
            median_scaled: aligned(&plates, Alignment::MedianScale)?,
            pictures: plates.len(),
        })
    }
}

fn objects(rendered: &Rendered) -> Vec<Vec<usize>> {
    let visible = rendered.objects.iter().filter(|o| o.visible_px >= VISIBLE_PX_MIN);
    let pixels = |instance: u16| {
        rendered.instance.iter().enumerate().filter(|(_, i)| **i == instance).map(|(pixel, _)| pixel).collect()
    };
    visible.map(|o| pixels(o.instance)).collect()
}

fn aligned(plates: &[Plate], alignment: Alignment) -> Result<Aligned> {
    let (mut all, mut bands, mut medians) = (Vec::new(), Vec::new(), Vec::new());
    for plate in plates {
        let report = evaluate(&plate.predicted, &plate.truth, alignment)?;
        let Some((scale, shift)) = report.scale_shift else { continue };
        all.push(report.all);
        bands.push(report.bands);
        let scaled: Vec<f32> = plate.predicted.iter().map(|d| (scale * f64::from(*d) + shift) as f32).collect();
        for pixels in &plate.objects {
            let error = evaluate_object(&scaled, &plate.truth, pixels)?.median_error_m;
            medians.push(Measured { estimate: error, sigma: None, truth: 0.0 });
        }
    }
    let band = |i: usize| {
        let of: Vec<_> = bands.iter().filter_map(|b| b.get(i)).collect();
        let (from, to) = of.first().map_or((0.0, 0.0), |b| (b.from_m, b.to_m));
        (from, Some(to).filter(|to| to.is_finite()), pool(&of.iter().map(|b| b.errors).collect::<Vec<_>>()))
    };
    let count = bands.first().map_or(0, Vec::len);
    Ok(Aligned { alignment, all: pool(&all), bands: (0..count).map(band).collect(), objects_m: value_errors(&medians) })
}

/// Mean |student - teacher| / teacher of each picture, the student's brought to the teacher's scale; worst first.
pub fn apart(teacher: &mut DepthSubject, student: &mut DepthSubject, data: &Data) -> Result<Vec<(usize, DepthErrors)>> {
    let mut image = Image::empty();
    let mut list = Vec::new();
    for (index, frame) in data.frames.iter().enumerate() {
        frame.read(&mut image)?;
        let (t, s) = (teacher.at_pixels(&image)?, student.at_pixels(&image)?);
        list.push((index, evaluate(&s, &t, Alignment::MedianScale)?.all));
    }
    list.sort_by(|a, b| b.1.abs_rel.unwrap_or(0.0).total_cmp(&a.1.abs_rel.unwrap_or(0.0)).then(a.0.cmp(&b.0)));
    Ok(list)
}
