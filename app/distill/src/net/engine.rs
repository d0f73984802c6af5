//! A graph computed and differentiated on the CPU.
//!
//! Pictures of a batch are shared out among threads; sums over pictures run in a fixed order (in [`GROUPS`] groups, then
//! over the groups), so results are the same bits with any number of threads. Buffers are kept from step to step.

use rayon::prelude::*;

use crate::net::conv::{Backward, Conv};
use crate::net::graph::{Graph, NORM_EPSILON, NORM_MOMENTUM, NodeId, Op};

/// Partial sums of weight gradients over a batch: as many as a small machine has cores, and a part of the result.
pub const GROUPS: usize = 4;

/// A network's trained values, a flat list for each of the graph's parameters.
pub type Values = Vec<Vec<f32>>;

/// A norm's statistics over the data so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Running {
    /// Mean of each channel.
    pub mean: Vec<f32>,
    /// Variance of each channel.
    pub variance: Vec<f32>,
}

impl Running {
    /// Before any data.
    pub fn new(channels: usize) -> Self {
        Self { mean: vec![0.0; channels], variance: vec![1.0; channels] }
    }
}

/// What a forward pass leaves behind for the backward pass; its buffers are used again.
#[derive(Debug, Default)]
pub struct Tape {
    batch: usize,
    /// Output of each node, for the whole batch.
    values: Vec<Vec<f32>>,
    /// Output of each convolution that has a norm, before it.
    raw: Vec<Vec<f32>>,
    /// Mean, variance of each norm's batch.
    batch_norms: Vec<Running>,
    grads: Vec<Vec<f32>>,
}

/// Sum in a fixed order that the compiler can do eight at a time.
fn sum_by(n: usize, value: impl Fn(usize) -> f32) -> f64 {
    let mut total = 0.0f64;
    let mut at = 0;
    while at < n {
        let end = (at + 1024).min(n);
        let mut lanes = [0.0f32; 8];
        let whole = at + (end - at) / 8 * 8;
        while at < whole {
            for (lane, sum) in lanes.iter_mut().enumerate() {
                *sum += value(at + lane);
            }
            at += 8;
        }
        while at < end {
            lanes[0] += value(at);
            at += 1;
        }
        total += f64::from(lanes.iter().sum::<f32>());
    }
    total
}

fn resize(buffer: &mut Vec<f32>, len: usize) {
    buffer.resize(len, 0.0);
}

impl Tape {
    /// A node's output for the whole batch, picture after picture.
    pub fn value(&self, node: NodeId) -> &[f32] {
        &self.values[node]
    }

    /// Pictures in the batch.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Runs `graph` on a batch of pictures. With `running` the norms use those statistics (as an exported network does),
    /// else the batch's own.
    pub fn forward(&mut self, graph: &Graph, values: &Values, running: Option<&[Running]>, pictures: &[f32]) {
        let nodes = graph.nodes.len();
        self.batch = pictures.len() / graph.nodes[0].len().max(1);
        self.values.resize(nodes, Vec::new());
        self.raw.resize(nodes, Vec::new());
        self.batch_norms.resize(graph.norms.len(), Running::new(0));
        for id in 0..nodes {
            let node = &graph.nodes[id];
            let mut out = std::mem::take(&mut self.values[id]);
            resize(&mut out, self.batch * node.len());
            match node.op {
                Op::Input => out.copy_from_slice(pictures),
                Op::Conv { conv, first } => {
                    convolve(&conv, &self.values[node.inputs[0]], &values[first], &mut out);
                    let bias = &values[first + 1];
                    let plane = conv.out_height() * conv.out_width();
                    out.par_chunks_mut(conv.output_len()).for_each(|y| {
                        y.chunks_exact_mut(plane).zip(bias).for_each(|(y, b)| y.iter_mut().for_each(|v| *v += b));
                    });
                }
                Op::ConvNorm { conv, first, norm, relu } => {
                    let mut raw = std::mem::take(&mut self.raw[id]);
                    resize(&mut raw, self.batch * node.len());
                    convolve(&conv, &self.values[node.inputs[0]], &values[first], &mut raw);
                    let plane = conv.out_height() * conv.out_width();
                    let statistics = match running {
                        Some(running) => running[norm].clone(),
                        None => statistics(&raw, conv.outputs, plane),
                    };
                    normalise(&raw, &statistics, (&values[first + 1], &values[first + 2]), relu, plane, &mut out);
                    self.batch_norms[norm] = statistics;
                    self.raw[id] = raw;
                }
                Op::Add { relu } => {
                    let (a, b) = (&self.values[node.inputs[0]], &self.values[node.inputs[1]]);
                    let floor = if relu { 0.0 } else { f32::NEG_INFINITY };
                    let n = node.len();
                    out.par_chunks_mut(n).zip(a.par_chunks(n).zip(b.par_chunks(n))).for_each(|(out, (a, b))| {
                        out.iter_mut().zip(a.iter().zip(b)).for_each(|(o, (a, b))| *o = (a + b).max(floor));
                    });
                }
                Op::Double => {
                    let width = node.shape[2] / 2;
                    let from = &self.values[node.inputs[0]];
                    for (rows, line) in out.chunks_exact_mut(4 * width).zip(from.chunks_exact(width)) {
                        let (upper, lower) = rows.split_at_mut(2 * width);
                        upper.chunks_exact_mut(2).zip(line).for_each(|(pair, &v)| pair.fill(v));
                        lower.copy_from_slice(upper);
                    }
                }
            }
            self.values[id] = out;
        }
    }

    /// Moves running statistics towards those of the last batch.
    pub fn update(&self, running: &mut [Running]) {
        for (running, batch) in running.iter_mut().zip(&self.batch_norms) {
            let follow = |r: &mut Vec<f32>, b: &[f32]| {
                r.iter_mut().zip(b).for_each(|(r, b)| *r += NORM_MOMENTUM * (b - *r));
            };
            follow(&mut running.mean, &batch.mean);
            follow(&mut running.variance, &batch.variance);
        }
    }

    /// Gradients of the parameters, given those of some nodes' outputs. `into` is overwritten.
    pub fn backward(&mut self, graph: &Graph, values: &Values, seeds: &[(NodeId, &[f32])], into: &mut Values) {
        self.grads.resize(graph.nodes.len(), Vec::new());
        for (grad, node) in self.grads.iter_mut().zip(&graph.nodes) {
            resize(grad, self.batch * node.len());
            grad.fill(0.0);
        }
        for (node, seed) in seeds {
            self.grads[*node].iter_mut().zip(*seed).for_each(|(g, s)| *g += s);
        }
        into.iter_mut().for_each(|g| g.fill(0.0));
        for id in (1..graph.nodes.len()).rev() {
            let node = &graph.nodes[id];
            let mut grad = std::mem::take(&mut self.grads[id]);
            match node.op {
                Op::Input => {}
                Op::Conv { conv, first } => {
                    let plane = conv.out_height() * conv.out_width();
                    for (channel, bias) in into[first + 1].iter_mut().enumerate() {
                        *bias = over_batch(self.batch, |n| {
                            let line = &grad[(n * conv.outputs + channel) * plane..][..plane];
                            sum_by(plane, |i| line[i])
                        }) as f32;
                    }
                    self.through_conv(graph, &conv, (node.inputs[0], &values[first]), &grad, &mut into[first]);
                }
                Op::ConvNorm { conv, first, norm, relu } => {
                    let (scale, offset) = (&values[first + 1], &values[first + 2]);
                    let plane = conv.out_height() * conv.out_width();
                    let sums =
                        through_norm(&self.raw[id], &self.batch_norms[norm], (scale, offset), relu, plane, &mut grad);
                    for (channel, [d_offset, d_scale]) in sums.into_iter().enumerate() {
                        into[first + 1][channel] = d_scale;
                        into[first + 2][channel] = d_offset;
                    }
                    self.through_conv(graph, &conv, (node.inputs[0], &values[first]), &grad, &mut into[first]);
                }
                Op::Add { relu } => {
                    if relu {
                        grad.iter_mut().zip(&self.values[id]).for_each(|(g, v)| *g = if *v > 0.0 { *g } else { 0.0 });
                    }
                    for &input in &node.inputs {
                        self.grads[input].iter_mut().zip(&grad).for_each(|(into, g)| *into += g);
                    }
                }
                Op::Double => {
                    let width = node.shape[2] / 2;
                    let into = &mut self.grads[node.inputs[0]];
                    for (rows, line) in grad.chunks_exact(4 * width).zip(into.chunks_exact_mut(width)) {
                        let (upper, lower) = rows.split_at(2 * width);
                        let pairs = upper.chunks_exact(2).zip(lower.chunks_exact(2));
                        line.iter_mut().zip(pairs).for_each(|(g, (a, b))| *g += (a[0] + a[1]) + (b[0] + b[1]));
                    }
                }
            }
            self.grads[id] = grad;
        }
    }

    /// Gradients of a convolution's weights and, where there is something before it, of its input.
    fn through_conv(
        &mut self,
        graph: &Graph,
        conv: &Conv,
        (from, weights): (NodeId, &[f32]),
        grad: &[f32],
        weights_grad: &mut [f32],
    ) {
        let (x_len, y_len) = (conv.input_len(), conv.output_len());
        let wanted = graph.nodes[from].op != Op::Input;
        let x = &self.values[from];
        let mut into = std::mem::take(&mut self.grads[from]);
        let per_group = self.batch.div_ceil(GROUPS).max(1);
        let lanes = into.par_chunks_mut(per_group * x_len).zip(x.par_chunks(per_group * x_len));
        let partial: Vec<Vec<f32>> = lanes
            .zip(grad.par_chunks(per_group * y_len))
            .map(|((into, x), grad)| {
                let (mut sum, mut patches) = (vec![0.0; weights_grad.len()], Vec::new());
                let mut x_grad = vec![0.0; if wanted { x_len } else { 0 }];
                let pictures = into.chunks_exact_mut(x_len).zip(x.chunks_exact(x_len)).zip(grad.chunks_exact(y_len));
                for ((into, x), y_grad) in pictures {
                    let target = wanted.then_some(&mut x_grad[..]);
                    let step = Backward { x, weights, y_grad, weights_grad: &mut sum, x_grad: target };
                    conv.backward(step, &mut patches);
                    into.iter_mut().zip(&x_grad).for_each(|(i, g)| *i += g);
                }
                sum
            })
            .collect();
        for part in &partial {
            weights_grad.iter_mut().zip(part).for_each(|(w, p)| *w += p);
        }
        self.grads[from] = into;
    }
}

fn over_batch(batch: usize, of: impl Fn(usize) -> f64) -> f64 {
    (0..batch).map(of).sum()
}

fn convolve(conv: &Conv, x: &[f32], weights: &[f32], y: &mut [f32]) {
    let pictures = y.par_chunks_mut(conv.output_len()).zip(x.par_chunks(conv.input_len()));
    pictures.for_each_init(Vec::new, |patches, (y, x)| conv.forward(x, weights, patches, y));
}

/// Mean and variance of each channel over a batch.
fn statistics(raw: &[f32], channels: usize, plane: usize) -> Running {
    let batch = raw.len() / (channels * plane).max(1);
    let count = (batch * plane) as f64;
    let of_channel = |channel: usize| {
        let line = |n: usize| &raw[(n * channels + channel) * plane..][..plane];
        let mean = over_batch(batch, |n| sum_by(plane, |i| line(n)[i])) / count;
        let m = mean as f32;
        let variance = over_batch(batch, |n| {
            let line = line(n);
            sum_by(plane, |i| (line[i] - m) * (line[i] - m))
        }) / count;
        (m, variance as f32)
    };
    let (mean, variance) = (0..channels).into_par_iter().map(of_channel).unzip();
    Running { mean, variance }
}

/// Slope and intercept of a norm, by channel: `slope * x + intercept`.
pub fn affine(statistics: &Running, scale: &[f32], offset: &[f32]) -> Vec<[f32; 2]> {
    let channels = statistics.mean.iter().zip(&statistics.variance).zip(scale.iter().zip(offset));
    let line = |((mean, variance), (scale, offset)): ((&f32, &f32), (&f32, &f32))| {
        let slope = scale / (variance + NORM_EPSILON).sqrt();
        [slope, offset - mean * slope]
    };
    channels.map(line).collect()
}

fn normalise(
    raw: &[f32],
    statistics: &Running,
    (scale, offset): (&[f32], &[f32]),
    relu: bool,
    plane: usize,
    out: &mut [f32],
) {
    let lines = affine(statistics, scale, offset);
    let floor = if relu { 0.0 } else { f32::NEG_INFINITY };
    let picture = lines.len() * plane;
    out.par_chunks_mut(picture).zip(raw.par_chunks(picture)).for_each(|(out, raw)| {
        let channels = out.chunks_exact_mut(plane).zip(raw.chunks_exact(plane));
        for ((out, raw), [slope, intercept]) in channels.zip(&lines) {
            out.iter_mut().zip(raw).for_each(|(o, r)| *o = (slope * r + intercept).max(floor));
        }
    });
}

/// Turns the gradient of a norm's output (in `grad`) into that of its input; returns by channel the gradients of offset
/// and scale.
fn through_norm(
    raw: &[f32],
    statistics: &Running,
    (scale, offset): (&[f32], &[f32]),
    relu: bool,
    plane: usize,
    grad: &mut [f32],
) -> Vec<[f32; 2]> {
    let channels = scale.len();
    let picture = channels * plane;
    let lines = affine(statistics, scale, offset);
    if relu {
        grad.par_chunks_mut(picture).zip(raw.par_chunks(picture)).for_each(|(grad, raw)| {
            let channels = grad.chunks_exact_mut(plane).zip(raw.chunks_exact(plane));
            for ((grad, raw), [slope, intercept]) in channels.zip(&lines) {
                grad.iter_mut().zip(raw).for_each(|(g, r)| *g = if slope * r + intercept > 0.0 { *g } else { 0.0 });
            }
        });
    }
    let batch = raw.len() / picture.max(1);
    let seen: &[f32] = grad;
    let of_channel = |channel: usize| {
        let (mean, inverse) = (statistics.mean[channel], 1.0 / (statistics.variance[channel] + NORM_EPSILON).sqrt());
        let at = |n: usize| (n * channels + channel) * plane;
        let offset = over_batch(batch, |n| {
            let g = &seen[at(n)..][..plane];
            sum_by(plane, |i| g[i])
        });
        let scale = over_batch(batch, |n| {
            let (g, r) = (&seen[at(n)..][..plane], &raw[at(n)..][..plane]);
            sum_by(plane, |i| g[i] * (r[i] - mean))
        });
        [offset as f32, scale as f32 * inverse]
    };
    let sums: Vec<[f32; 2]> = (0..channels).into_par_iter().map(of_channel).collect();
    let count = (batch * plane) as f32;
    grad.par_chunks_mut(picture).zip(raw.par_chunks(picture)).for_each(|(grad, raw)| {
        for (channel, (grad, raw)) in grad.chunks_exact_mut(plane).zip(raw.chunks_exact(plane)).enumerate() {
            let inverse = 1.0 / (statistics.variance[channel] + NORM_EPSILON).sqrt();
            let [d_offset, d_scale] = sums[channel];
            let slope = scale[channel] * inverse;
            let (mean_g, lean) = (d_offset / count, d_scale / count * inverse);
            let mean = statistics.mean[channel];
            grad.iter_mut().zip(raw).for_each(|(g, r)| *g = slope * (*g - mean_g - (r - mean) * lean));
        }
    });
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::random::Random;
    use crate::net::graph::ConvNorm;

    /// A small network with every kind of layer.
    fn small() -> Graph {
        let mut g = Graph::new([2, 6, 8]);
        let a = g.conv_norm("a", 0, ConvNorm::of(4, 1));
        let b = g.conv_norm("b", a, ConvNorm::of(3, 2));
        let c = g.conv_norm("c", a, ConvNorm::lateral(3));
        let up = g.double(b);
        let sum = g.add(c, up, true);
        g.head("out", sum, 2, 0.1);
        g.head("coarse", b, 1, 0.0);
        g
    }

    fn numbers(n: usize, seed: u64) -> Vec<f32> {
        let mut random = Random::new(seed, &[]);
        (0..n).map(|_| random.range(-1.0, 1.0)).collect()
    }

    fn values_of(g: &Graph) -> Values {
        let start = |(i, p): (usize, &crate::net::graph::Parameter)| {
            let base = if p.name.ends_with("scale") { 1.0 } else { 0.0 };
            numbers(p.len(), i as u64).into_iter().map(|v| base + 0.4 * v).collect()
        };
        g.parameters.iter().enumerate().map(start).collect()
    }

    /// A loss that weighs every output.
    fn weighed(g: &Graph, tape: &Tape, weights: &[Vec<f32>]) -> f64 {
        let of = |((_, node), w): (&(String, NodeId), &Vec<f32>)| -> f64 {
            tape.value(*node).iter().zip(w).map(|(v, w)| f64::from(v * v * w)).sum()
        };
        g.outputs.iter().zip(weights).map(of).sum()
    }

    #[test]
    fn gradients_are_those_of_finite_differences() {
        let (g, batch) = (small(), 3);
        let values = values_of(&g);
        let pictures = numbers(batch * g.nodes[0].len(), 99);
        let weights: Vec<Vec<f32>> =
            g.outputs.iter().map(|(_, n)| numbers(batch * g.nodes[*n].len(), 7 + *n as u64)).collect();
        let mut tape = Tape::default();
        tape.forward(&g, &values, None, &pictures);
        let seeds: Vec<(NodeId, Vec<f32>)> = g
            .outputs
            .iter()
            .zip(&weights)
            .map(|((_, n), w)| (*n, tape.value(*n).iter().zip(w).map(|(v, w)| 2.0 * v * w).collect()))
            .collect();
        let seeds: Vec<(NodeId, &[f32])> = seeds.iter().map(|(n, s)| (*n, &s[..])).collect();
        let mut grads = values.clone();
        tape.backward(&g, &values, &seeds, &mut grads);
        for (index, parameter) in g.parameters.iter().enumerate() {
            let largest = grads[index].iter().map(|v| v.abs()).fold(0.1, f32::max);
            for at in (0..parameter.len()).step_by(7) {
                let mut moved = |by: f32| {
                    let mut values = values.clone();
                    values[index][at] += by;
                    tape.forward(&g, &values, None, &pictures);
                    weighed(&g, &tape, &weights)
                };
                let slope = (moved(2e-3) - moved(-2e-3)) / 4e-3;
                let gap = (slope - f64::from(grads[index][at])).abs();
                // ReLUs that switch within the step and f32 leave a few thousandths.
                assert!(gap < 0.03 * f64::from(largest), "{} {at}: {} and {slope}", parameter.name, grads[index][at]);
            }
        }
    }

    #[test]
    fn pictures_do_not_depend_on_their_batch_when_norms_are_fixed() {
        let g = small();
        let values = values_of(&g);
        let running: Vec<Running> = g.norms.iter().map(|&n| Running::new(n)).collect();
        let pictures = numbers(5 * g.nodes[0].len(), 5);
        let (mut all, mut one) = (Tape::default(), Tape::default());
        all.forward(&g, &values, Some(&running), &pictures);
        one.forward(&g, &values, Some(&running), &pictures[3 * g.nodes[0].len()..4 * g.nodes[0].len()]);
        for (_, node) in &g.outputs {
            let n = g.nodes[*node].len();
            assert_eq!(&all.value(*node)[3 * n..4 * n], one.value(*node));
        }
    }
}
