//! All losses of a student on one batch: from the tape's outputs to the gradients the backward pass starts from.

use serde::{Deserialize, Serialize};

use crate::data::augment::Sample;
use crate::data::view::Labelled;
use crate::loss::assign::{Assignment, assign};
use crate::loss::depth::depth_loss;
use crate::loss::detect::{box_loss, class_loss};
use crate::loss::grid::{Grid, Maps};
use crate::loss::mask::{Prototypes, mask_loss};
use crate::net::engine::Tape;
use crate::net::graph::{Graph, NodeId};
use crate::net::student::STRIDES;
use crate::recipe::LossTable;
use rayon::prelude::*;

/// The parts of a batch's loss, not weighed.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Parts {
    /// Classes.
    pub class: f64,
    /// `1 - CIoU`.
    pub iou: f64,
    /// Distributions of sides.
    pub sides: f64,
    /// Masks.
    pub mask: f64,
    /// Scale-invariant log-depth.
    pub depth: f64,
    /// Gradients of log-depth.
    pub depth_gradient: f64,
}

impl Parts {
    /// The sum that is made small.
    pub fn total(&self, weights: &LossTable) -> f64 {
        let w = |w: f32| f64::from(w);
        w(weights.class) * self.class
            + w(weights.iou) * self.iou
            + w(weights.sides) * self.sides
            + w(weights.mask) * self.mask
            + w(weights.depth) * self.depth
            + w(weights.depth_gradient) * self.depth_gradient
    }
}

/// Gradients of some nodes' outputs.
pub type Seeds = Vec<(NodeId, Vec<f32>)>;

/// The outputs of all scales called `name`.
fn maps<'a>(graph: &Graph, tape: &'a Tape, name: &str) -> (Vec<NodeId>, Maps<'a>) {
    let nodes: Vec<NodeId> = STRIDES.iter().filter_map(|s| graph.output(&format!("{name}_{s}"))).collect();
    let channels = nodes.first().map_or(0, |&n| graph.nodes[n].shape[0]);
    let values = nodes.iter().map(|&n| tape.value(n)).collect();
    (nodes, Maps::new(values, channels))
}

/// The loss of a batch, and the gradients of the outputs.
pub fn loss(graph: &Graph, tape: &Tape, samples: &[Sample], weights: &LossTable) -> (Parts, Seeds) {
    let [_, height, width] = graph.nodes[0].shape;
    let grid = Grid::new([height, width]);
    let (class_nodes, mut classes) = maps(graph, tape, "class");
    let (box_nodes, mut boxes) = maps(graph, tape, "box");
    let (mask_nodes, mut coefficients) = maps(graph, tape, "mask");
    let assigned: Vec<Assignment> = samples
        .par_iter()
        .enumerate()
        .map(|(picture, s)| assign(&grid, (&classes, &boxes), picture, &s.objects, &s.ignore))
        .collect();
    let labelled: Vec<(&Assignment, &[Labelled])> =
        assigned.iter().zip(samples).map(|(a, s)| (a, &s.objects[..])).collect();
    let class = class_loss(&grid, &mut classes, &labelled, (weights.class, weights.class_focus));
    let [iou, sides] = box_loss(&grid, &mut boxes, &labelled, [weights.iou, weights.sides]);
    let mut parts = Parts { class, iou, sides, ..Parts::default() };
    let mut seeds = Seeds::new();
    if let Some(node) = graph.output("prototypes") {
        let [count, rows, columns] = graph.nodes[node].shape;
        let values = tape.value(node);
        let mut prototypes = Prototypes { values, grads: vec![0.0; values.len()], count, size: [rows, columns] };
        let truths: Vec<(&Assignment, &Sample)> = assigned.iter().zip(samples).collect();
        parts.mask = mask_loss(&grid, &mut coefficients, &mut prototypes, &truths, weights.mask);
        seeds.push((node, prototypes.grads));
    }
    if let Some(node) = graph.output("log_depth") {
        let values = tape.value(node);
        let (plane, columns) = (graph.nodes[node].len(), graph.nodes[node].shape[2]);
        let mut grads = vec![0.0; values.len()];
        let share = 1.0 / samples.len().max(1) as f32;
        let each = [weights.depth * share, weights.depth_gradient * share];
        let pictures = grads.par_chunks_mut(plane).zip(values.par_chunks(plane)).zip(samples);
        let sums: Vec<[f64; 2]> =
            pictures.map(|((grad, found), s)| depth_loss(found, &s.log_depth, columns, each, grad)).collect();
        parts.depth = sums.iter().map(|s| s[0]).sum::<f64>() * f64::from(share);
        parts.depth_gradient = sums.iter().map(|s| s[1]).sum::<f64>() * f64::from(share);
        seeds.push((node, grads));
    }
    for (nodes, maps) in [(class_nodes, classes), (box_nodes, boxes), (mask_nodes, coefficients)] {
        seeds.extend(nodes.into_iter().zip(maps.grads));
    }
    (parts, seeds)
}
