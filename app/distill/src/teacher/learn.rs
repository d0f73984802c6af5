//! What a batch learns from its teacher: the losses of `loss::teach`, laid over the maps of our networks.
//!
//! Classes are divided by the sum of the teacher's scores over all cells of the batch (at least 1), as the task's own are
//! by that of its targets; sides are a mean over cells weighed by those scores; depth and features a mean over pictures.
//! Teacher and student have the same cells, so no assignment is needed.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::table::{ClassLoss, ClassTable, DepthTable, FeatureLoss, FeatureTable, SidesTable, TeacherTable};
use super::{Answer, adapter_layer};
use crate::data::augment::Sample;
use crate::loss::depth::depth_loss;
use crate::loss::detect::quality_focal;
use crate::loss::grid::sigmoid;
use crate::loss::student::Seeds;
use crate::loss::teach::{Taught, features, logits, shape};
use crate::net::engine::Tape;
use crate::net::graph::{Graph, NodeId};
use crate::net::student::STRIDES;
use std::sync::Arc;

/// Exponent of the quality focal loss.
const QUALITY_FOCUS: f32 = 2.0;
/// Weights of DKD's two halves, and of DKL's.
const DKD_HALVES: [f64; 2] = [1.0, 2.0];
const DKL_HALVES: [f64; 2] = [1.0, 1.0];
/// Score from which a cell of the teacher counts as an object of its best class.
const SURE: f32 = 0.3;
/// Cells below this score teach no sides: their distributions were never trained.
const SIDES_SCORE_MIN: f32 = 0.05;
/// Added to the teacher's scores as weights of features, so that the background is not free.
const MASK_FLOOR: f64 = 0.05;
/// FGD's weights, of means over channels.
const FOCAL: features::Focal = features::Focal { foreground: 1.0, background: 0.5, attention: 1e-4 };

/// The losses of a batch, not weighed; 0 where the recipe does not ask for one.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Lesson {
    /// Classes.
    pub class: f64,
    /// Sides.
    pub sides: f64,
    /// Depth: scale-invariant logarithmic.
    pub depth: f64,
    /// Depth up to scale and shift.
    pub scale_shift: f64,
    /// Gradients of depth.
    pub depth_gradient: f64,
    /// Features.
    pub features: f64,
    /// What all were multiplied by at this step.
    pub strength: f64,
}

impl Lesson {
    /// The sum that is made small.
    pub fn total(&self, table: &TeacherTable) -> f64 {
        let class = table.class.as_ref().map_or(0.0, |t| f64::from(t.weight) * self.class);
        let sides = table.sides.as_ref().map_or(0.0, |t| f64::from(t.weight) * self.sides);
        let depth = table.depth.as_ref().map_or(0.0, |t| {
            let free = f64::from(t.scale_shift) * self.scale_shift;
            f64::from(t.metric) * self.depth + free + f64::from(t.gradient) * self.depth_gradient
        });
        let features = table.features.as_ref().map_or(0.0, |t| f64::from(t.weight) * self.features);
        self.strength * (class + sides + depth + features)
    }
}

/// A batch with its teacher's answers.
pub struct Batch<'a> {
    /// The student's network with its adapters.
    pub graph: &'a Graph,
    /// What it says.
    pub tape: &'a Tape,
    /// What it was shown.
    pub samples: &'a [Sample],
    /// What the teacher says.
    pub answers: &'a [Arc<Answer>],
}

/// The losses of a batch and the gradients of the student's outputs, at `strength` (0 to 1).
pub fn learn(batch: &Batch<'_>, table: &TeacherTable, strength: f64) -> (Lesson, Seeds) {
    let mut lesson = Lesson { strength, ..Lesson::default() };
    let mut seeds = Seeds::new();
    for (scale, stride) in STRIDES.into_iter().enumerate() {
        let mut add = |node: Option<NodeId>, weight: f32, sum: &mut f64, of: &dyn Fn(&[f32], usize) -> Vec<Taught>| {
            let Some(node) = node else { return };
            let parts = of(batch.tape.value(node), batch.graph.nodes[node].len());
            *sum += parts.iter().map(|p| p.0).sum::<f64>();
            let by = f64::from(weight) * strength;
            seeds.push((node, parts.iter().flat_map(|p| &p.1).map(|g| (by * g) as f32).collect()));
        };
        if let Some(t) = &table.class {
            let node = batch.graph.output(&format!("class_{stride}"));
            add(node, t.weight, &mut lesson.class, &|values, n| batch.classes(t, scale, (values, n)));
        }
        if let Some(t) = &table.sides {
            let node = batch.graph.output(&format!("box_{stride}"));
            add(node, t.weight, &mut lesson.sides, &|values, n| batch.sides(t, scale, (values, n)));
        }
        if let Some(t) = &table.features {
            let node = batch.graph.layer(&adapter_layer(stride));
            let columns = batch.graph.nodes[0].shape[2].div_ceil(stride);
            let cells = Cells { scale, stride, columns };
            add(node, t.weight, &mut lesson.features, &|values, n| batch.features(t, &cells, (values, n)));
        }
    }
    if let (Some(t), Some(node)) = (&table.depth, batch.graph.output("log_depth")) {
        let (parts, grads) = batch.depth(t, node, strength as f32);
        [lesson.depth, lesson.scale_shift, lesson.depth_gradient] = parts;
        seeds.push((node, grads));
    }
    (lesson, seeds)
}

/// A scale of features.
struct Cells {
    scale: usize,
    stride: usize,
    columns: usize,
}

fn doubles(values: &[f32]) -> Vec<f64> {
    values.iter().map(|v| f64::from(*v)).collect()
}

/// A loss times a number.
fn times((value, mut grad): Taught, by: f64) -> Taught {
    grad.iter_mut().for_each(|g| *g *= by);
    (value * by, grad)
}

impl Batch<'_> {
    /// Each picture's part of the loss of a map.
    fn each(
        &self,
        (values, n): (&[f32], usize),
        of: impl Fn(&[f64], &Answer, &Sample) -> Taught + Sync,
    ) -> Vec<Taught> {
        let pictures = values.par_chunks(n).zip(self.answers).zip(self.samples);
        pictures.map(|((student, answer), sample)| of(&doubles(student), answer, sample)).collect()
    }

    /// Sum of the teacher's scores from `least` on, over all scales and pictures; at least 1.
    fn mass(&self, least: f32) -> f64 {
        let scores = self.answers.iter().flat_map(|a| a.scores.iter().flatten());
        scores.filter(|s| **s >= least).map(|s| f64::from(*s)).sum::<f64>().max(1.0)
    }

    fn classes(&self, t: &ClassTable, scale: usize, map: (&[f32], usize)) -> Vec<Taught> {
        let share = 1.0 / self.mass(0.0);
        self.each(map, |student, answer, _| {
            let (teacher, scores) = (doubles(&answer.class[scale]), &answer.scores[scale]);
            let taught = match t.loss {
                ClassLoss::Kd => logits::kd_sigmoid(student, &teacher, t.temperature),
                ClassLoss::Quality => quality(student, &teacher),
                ClassLoss::Dkl => dkl(student, &teacher, t.temperature),
                ClassLoss::Dkd => at_objects((student, &teacher), scores, |s, t_, best| {
                    logits::dkd(s, t_, best, [DKD_HALVES[0], DKD_HALVES[1], t.temperature])
                }),
                ClassLoss::Cist => {
                    at_objects((student, &teacher), scores, |s, t_, _| logits::cist(s, t_, t.temperature))
                }
            };
            times(taught, share)
        })
    }

    fn sides(&self, t: &SidesTable, scale: usize, map: (&[f32], usize)) -> Vec<Taught> {
        let mass = self.mass(SIDES_SCORE_MIN);
        self.each(map, |student, answer, _| {
            let (teacher, scores) = (doubles(&answer.sides[scale]), &answer.scores[scale]);
            let bins = student.len() / (4 * scores.len()).max(1);
            let weigh = |score: f32| if score >= SIDES_SCORE_MIN { f64::from(score) / mass } else { 0.0 };
            at_cells((student, &teacher), scores, weigh, |s, t_| shape::sides(s, t_, bins, t.temperature))
        })
    }

    fn features(&self, t: &FeatureTable, cells: &Cells, (values, n): (&[f32], usize)) -> Vec<Taught> {
        let pictures = self.answers.len().max(1) as f64;
        let plane = n / t.channels.max(1);
        if t.loss == FeatureLoss::Pearson {
            // A channel's mean and spread are those of the batch.
            let teacher: Vec<f32> = self.answers.iter().flat_map(|a| a.features[cells.scale].iter().copied()).collect();
            return vec![features::pearson(
                &doubles(values),
                &doubles(&teacher),
                [self.answers.len(), t.channels, plane],
            )];
        }
        self.each((values, n), |student, answer, sample| {
            let teacher = doubles(&answer.features[cells.scale]);
            let taught = match t.loss {
                FeatureLoss::Plain => features::plain(student, &teacher),
                FeatureLoss::Cosine => features::cosine(student, &teacher, plane),
                FeatureLoss::Masked => {
                    let mask: Vec<f64> =
                        answer.scores[cells.scale].iter().map(|s| f64::from(*s) + MASK_FLOOR).collect();
                    times(features::masked(student, &teacher, &mask), 1.0 / t.channels as f64)
                }
                FeatureLoss::Focal => {
                    let boxes = boxes_in_cells(sample, cells, plane);
                    let (front, back) = features::focal_masks(plane, cells.columns, &boxes);
                    let taught = features::focal(student, &teacher, (&front, &back), FOCAL);
                    times(taught, 1.0 / t.channels as f64)
                }
                FeatureLoss::Channelwise | FeatureLoss::Pearson => {
                    features::channelwise(student, &teacher, plane, t.temperature)
                }
            };
            times(taught, 1.0 / pictures)
        })
    }

    fn depth(&self, t: &DepthTable, node: NodeId, strength: f32) -> ([f64; 3], Vec<f32>) {
        let [_, _, columns] = self.graph.nodes[node].shape;
        let n = self.graph.nodes[node].len();
        let values = self.tape.value(node);
        let share = strength / self.samples.len().max(1) as f32;
        let mut grads = vec![0.0; values.len()];
        let pictures = grads.par_chunks_mut(n).zip(values.par_chunks(n)).zip(self.answers.par_iter().zip(self.samples));
        let sums: Vec<[f64; 3]> = pictures
            .map(|((grad, found), (answer, sample))| {
                // The sky has no depth, and what a teacher says of it is nothing.
                let known: Vec<usize> = (0..n).filter(|&i| sample.log_depth[i].is_finite()).collect();
                let of = |map: &[f32]| -> Vec<f64> { known.iter().map(|&i| f64::from(map[i])).collect() };
                let mut free = 0.0;
                if t.scale_shift > 0.0 {
                    let (value, slopes) = shape::scale_and_shift(&of(found), &of(&answer.log_depth));
                    for (&i, slope) in known.iter().zip(slopes) {
                        grad[i] += t.scale_shift * share * slope as f32;
                    }
                    free = value;
                }
                let mut wanted = vec![f32::NAN; n];
                known.iter().for_each(|&i| wanted[i] = answer.log_depth[i]);
                let weights = [t.metric * share, t.gradient * share];
                let [metric, gradient] = depth_loss(found, &wanted, columns, weights, grad);
                [metric, free, gradient]
            })
            .collect();
        let pictures = sums.len().max(1) as f64;
        ([0, 1, 2].map(|part| sums.iter().map(|s| s[part]).sum::<f64>() / pictures), grads)
    }
}

/// Quality focal loss with the teacher's scores as targets.
fn quality(student: &[f64], teacher: &[f64]) -> Taught {
    let each = student.iter().zip(teacher).map(|(s, t)| quality_focal(*s as f32, sigmoid(*t as f32), QUALITY_FOCUS));
    let (values, grads): (Vec<f64>, Vec<f64>) = each.map(|(v, g)| (f64::from(v), f64::from(g))).unzip();
    (values.iter().sum(), grads)
}

/// DKL for sigmoids: the gap of logits weighed by the answer itself (a teacher's classes are known at few cells), and soft
/// cross-entropy without a factor T².
fn dkl(student: &[f64], teacher: &[f64], t: f64) -> Taught {
    let scores: Vec<f64> = teacher.iter().map(|z| 1.0 / (1.0 + (-z / t).exp())).collect();
    let (gap, gap_grad) = logits::sigmoid_gap(student, teacher, &scores);
    let (soft, soft_grad) = times(logits::kd_sigmoid(student, teacher, t), 1.0 / (t * t));
    let grad = soft_grad.iter().zip(gap_grad).map(|(a, b)| DKL_HALVES[0] * a + DKL_HALVES[1] * b).collect();
    (DKL_HALVES[0] * soft + DKL_HALVES[1] * gap, grad)
}

/// A loss at the cells whose score has a weight: `of` gets their channels of student and teacher.
fn at_cells(
    (student, teacher): (&[f64], &[f64]),
    scores: &[f32],
    weigh: impl Fn(f32) -> f64,
    of: impl Fn(&[f64], &[f64]) -> Taught,
) -> Taught {
    let plane = scores.len();
    let (mut value, mut grad) = (0.0, vec![0.0; student.len()]);
    let channels = |map: &[f64], cell: usize| -> Vec<f64> { map[cell..].iter().step_by(plane).copied().collect() };
    for (cell, weight) in scores.iter().map(|s| weigh(*s)).enumerate().filter(|(_, w)| *w > 0.0) {
        let (v, g) = times(of(&channels(student, cell), &channels(teacher, cell)), weight);
        value += v;
        grad[cell..].iter_mut().step_by(plane).zip(g).for_each(|(into, g)| *into = g);
    }
    (value, grad)
}

/// A loss at the cells where the teacher is sure: `of` gets the channels of both and the teacher's best.
fn at_objects(maps: (&[f64], &[f64]), scores: &[f32], of: impl Fn(&[f64], &[f64], usize) -> Taught) -> Taught {
    let weigh = |score: f32| if score >= SURE { f64::from(score) } else { 0.0 };
    at_cells(maps, scores, weigh, |s, t| {
        let best = t.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(i, _)| i);
        of(s, t, best)
    })
}

/// The true boxes in cells, both ends included.
fn boxes_in_cells(sample: &Sample, cells: &Cells, plane: usize) -> Vec<[usize; 4]> {
    let rows = plane / cells.columns.max(1);
    let cell = |at: f32, limit: usize| ((at / cells.stride as f32).max(0.0) as usize).min(limit.saturating_sub(1));
    let of = |b: ocellus_percept::detection::BoxPx| {
        [cell(b.x0, cells.columns), cell(b.y0, rows), cell(b.x1, cells.columns), cell(b.y1, rows)]
    };
    sample.objects.iter().map(|o| of(o.bbox)).collect()
}
