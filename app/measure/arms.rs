//! The arms of an experiment on the same pictures: what each reaches, and how much of the way to its teacher.
//!
//! Seeds of an arm are averaged before pictures are drawn, for all arms alike; an interval says what other pictures would
//! have said, not what other seeds would: those stand one by one in the table. What a teacher's lead leaves open is said.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use ocellus_distill::export::Exported;
use ocellus_distill::onnx;
use ocellus_distill::quantize::{Options, quantize};
use ocellus_infer::Runtime;
use ocellus_infer::digest::sha256_of_bytes;
use ocellus_judge::coco::{Evaluation, IouType, match_all};
use ocellus_judge::depth::DepthErrors;
use ocellus_judge::stats::{Bootstrap, Interval};
use serde::Serialize;

use super::asked::Asked;
use super::data::Data;
use super::depth::look;
use super::engine::PictureEngine;
use super::subject::{Subject, judged};
use super::vouch::Candidate;
use crate::models;

/// Draws for single classes and groups, of which there are many.
const FEWER_DRAWS: usize = 200;

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// Average precision over IoU .50 to .95.
    Ap,
    /// At IoU .50.
    Ap50,
    /// Mean relative error of depth; less is better.
    AbsRel,
}

impl Figure {
    /// All, in the order they are shown.
    pub const ALL: [Self; 3] = [Self::Ap, Self::Ap50, Self::AbsRel];

    /// As tables call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ap => "AP",
            Self::Ap50 => "AP50",
            Self::AbsRel => "depth AbsRel",
        }
    }

    /// 1 where more is better, -1 where less is.
    fn sense(self) -> f64 {
        if self == Self::AbsRel { -1.0 } else { 1.0 }
    }
}

/// One network on the pictures.
pub struct Looked {
    evaluation: Evaluation,
    depth: BTreeMap<usize, DepthErrors>,
}

impl Looked {
    /// Looks at all pictures with a network that was made here.
    pub fn new(asked: &Asked, runtime: &Runtime, data: &Data, made: &Exported) -> Result<Self> {
        let candidate = Candidate::new(&made.file, &made.onnx, &made.manifest)?;
        let model = models::load(runtime, &asked.loading.request(&candidate.file))?;
        let mut subject = Subject::new(model, &asked.loading)?;
        let (found, depth) = look(&mut subject, data)?;
        let (params, _) = judged(data, &[&found], &[&subject])?;
        let evaluation = match_all(&data.truth, &found.detections, IouType::Bbox, &params)?;
        let depth =
            depth.and_then(|d| d.raw).context("the pictures have no true depth: judge on world:random@SEEDS")?;
        Ok(Self { evaluation, depth: depth.pictures.into_iter().collect() })
    }

    /// A figure over weighted pictures, of one class or all.
    fn figure(&self, figure: Figure, class: Option<&str>, weights: &[u32]) -> Option<f64> {
        match (figure, class) {
            (Figure::Ap, None) => self.evaluation.ap_weighted(weights),
            (Figure::Ap, Some(class)) => self.evaluation.class_ap_weighted(class, weights),
            (Figure::Ap50, _) => self.evaluation.ap50_weighted(weights),
            (Figure::AbsRel, _) => {
                let (mut sum, mut n) = (0.0, 0.0);
                for (image, errors) in &self.depth {
                    let pixels = f64::from(weights.get(*image).copied().unwrap_or(0)) * errors.n as f64;
                    if let Some(abs_rel) = errors.abs_rel {
                        (sum, n) = (sum + pixels * abs_rel, n + pixels);
                    }
                }
                (n > 0.0).then(|| sum / n)
            }
        }
    }

    /// Names of the classes.
    pub fn classes(&self) -> Vec<String> {
        self.evaluation.classes().map(str::to_owned).collect()
    }

    /// A figure over all pictures.
    pub fn whole(&self, figure: Figure) -> Option<f64> {
        self.figure(figure, None, &self.evaluation.ones())
    }
}

/// The INT8 twin of a network that was made here, by the quantizer's defaults on the pictures of `calibration`.
pub fn twin(asked: &Asked, runtime: &Runtime, calibration: &Data, made: &Exported) -> Result<Exported> {
    let candidate = Candidate::new(&made.file, &made.onnx, &made.manifest)?;
    let float = models::load(runtime, &asked.loading.request(&candidate.file))?;
    let (mut engine, set) = PictureEngine::new(runtime, &float.spec, calibration)?;
    let done = quantize(onnx::read(&made.onnx)?, &mut engine, set.pictures, &Options::default())?;
    let bytes = onnx::write(&done.model);
    let renamed = made.manifest.replace(&sha256_of_bytes(&made.onnx), &sha256_of_bytes(&bytes));
    let manifest = renamed.replace("precision = \"fp32\"", "precision = \"int8\"");
    Ok(Exported { onnx: bytes, manifest, file: made.file.clone() })
}

/// Which pictures and which class a gain is of.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// Pictures; all where `None`.
    pub images: Option<Vec<usize>>,
    /// The class; all where `None`.
    pub class: Option<String>,
}

/// What an arm gained over the reference, on the way to the teacher.
#[derive(Debug, Clone, Serialize)]
pub struct Gain {
    /// Of what.
    pub figure: Figure,
    /// Pictures.
    pub n: usize,
    /// The teacher's figure.
    pub teacher: Option<f64>,
    /// The reference's, a mean over seeds.
    pub reference: Option<f64>,
    /// The arm's, likewise.
    pub arm: Option<f64>,
    /// Arm minus reference, 95 % interval.
    pub difference: Option<Interval>,
    /// (arm - reference) / (teacher - reference).
    pub recovered: Option<f64>,
    /// Its 95 % interval.
    pub recovered_interval: Option<Interval>,
    /// Why there is none.
    pub why_not: Option<String>,
}

/// Who is compared: the teacher, and the same seeds of reference and arm.
pub struct Sides<'a> {
    /// The teacher.
    pub teacher: &'a Looked,
    /// Trainings of the arm that others are compared with.
    pub reference: Vec<&'a Looked>,
    /// Trainings of an arm.
    pub arm: Vec<&'a Looked>,
}

/// Mean over seeds.
fn mean(list: &[&Looked], of: impl Fn(&Looked) -> Option<f64>) -> Option<f64> {
    let values: Option<Vec<f64>> = list.iter().map(|l| of(l)).collect();
    values.filter(|v| !v.is_empty()).map(|v| v.iter().sum::<f64>() / v.len() as f64)
}

impl Sides<'_> {
    /// The gain in `figure` over `scope`.
    pub fn gain(&self, figure: Figure, scope: &Scope) -> Gain {
        let evaluation = &self.teacher.evaluation;
        let images = scope.images.clone().unwrap_or_else(|| evaluation.images().to_vec());
        let class = scope.class.as_deref();
        let all = |weights: &[u32]| {
            let of = |l: &Looked| l.figure(figure, class, weights);
            [of(self.teacher), mean(&self.reference, of), mean(&self.arm, of)]
        };
        let minus = |a: Option<f64>, b: Option<f64>| Some(a? - b?);
        let share = |[teacher, reference, arm]: [Option<f64>; 3]| {
            let lead = minus(teacher, reference)?;
            (lead != 0.0).then_some(minus(arm, reference)? / lead)
        };
        let narrow = scope.images.is_some() || scope.class.is_some();
        let usual = Bootstrap::default();
        let bootstrap = if narrow { Bootstrap { resamples: FEWER_DRAWS, ..usual } } else { usual };
        let [difference, lead, recovered] = bootstrap.intervals(&images, evaluation.image_count(), |weights| {
            let figures = all(weights);
            [minus(figures[2], figures[1]), minus(figures[0], figures[1]), share(figures)]
        });
        let figures = all(&evaluation.only(&images));
        let why_not = match lead {
            None => Some("there is nothing to judge it by".to_owned()),
            Some(i) if figure.sense() * i.low <= 0.0 || figure.sense() * i.high <= 0.0 => {
                Some(format!("the teacher's lead is not sure: {:+.3} to {:+.3}", i.low, i.high))
            }
            Some(_) => None,
        };
        let known = why_not.is_none();
        Gain {
            figure,
            n: images.len(),
            teacher: figures[0],
            reference: figures[1],
            arm: figures[2],
            difference,
            recovered: share(figures).filter(|_| known),
            recovered_interval: recovered.filter(|_| known),
            why_not,
        }
    }
}

/// Pictures by tag (time of day, weather).
pub fn groups(data: &Data) -> BTreeMap<String, Vec<usize>> {
    let mut members: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, image) in data.truth.images.iter().enumerate() {
        for tag in &image.tags {
            members.entry(tag.clone()).or_default().push(index);
        }
    }
    members
}
