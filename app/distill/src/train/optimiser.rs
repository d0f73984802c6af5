//! AdamW with a cosine cool-down, a bound on the gradient's length, and averaged weights.

use crate::data::random::Random;
use crate::net::engine::{Running, Values};
use crate::net::graph::{Graph, Role};
use crate::recipe::TrainTable;

const BETA1: f32 = 0.9;
const BETA2: f32 = 0.999;
const EPSILON: f32 = 1e-8;
/// Spread of a head's first weights.
const HEAD_SPREAD: f32 = 0.01;

/// A network's values before any step.
pub fn initial(graph: &Graph, seed: u64) -> Values {
    let of = |(index, p): (usize, &crate::net::graph::Parameter)| {
        let mut random = Random::new(seed, &[3, index as u64]);
        let fan_in = p.shape.iter().skip(1).product::<usize>().max(1);
        match p.role {
            Role::Weights => {
                let spread = (2.0 / fan_in as f32).sqrt();
                (0..p.len()).map(|_| random.normal() * spread).collect()
            }
            Role::HeadWeights => (0..p.len()).map(|_| random.normal() * HEAD_SPREAD).collect(),
            Role::Scale(v) | Role::Offset(v) => vec![v; p.len()],
        }
    };
    graph.parameters.iter().enumerate().map(of).collect()
}

/// Everything that changes from step to step.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// Steps done.
    pub step: usize,
    /// Trained values.
    pub values: Values,
    /// Mean of the gradients.
    pub first: Values,
    /// Mean of their squares.
    pub second: Values,
    /// Averaged values: what is evaluated and exported.
    pub average: Values,
    /// Statistics of the norms.
    pub running: Vec<Running>,
    /// Averaged likewise.
    pub average_running: Vec<Running>,
}

impl State {
    /// Before any step.
    pub fn new(graph: &Graph, seed: u64) -> Self {
        let running = graph.norms.iter().map(|&channels| Running::new(channels)).collect();
        Self::at_start(initial(graph, seed), running)
    }

    /// Before any step of a training that goes on from what another one averaged.
    pub fn from_averages(other: Self) -> Self {
        Self::at_start(other.average, other.average_running)
    }

    fn at_start(values: Values, running: Vec<Running>) -> Self {
        let zeros: Values = values.iter().map(|v| vec![0.0; v.len()]).collect();
        Self {
            step: 0,
            first: zeros.clone(),
            second: zeros,
            average: values.clone(),
            average_running: running.clone(),
            values,
            running,
        }
    }

    /// One step down the gradient, which is shortened to `table.clip`. Returns its length before that.
    pub fn descend(&mut self, graph: &Graph, table: &TrainTable, grads: &mut Values) -> f32 {
        let square: f64 = grads.iter().map(|g| g.iter().map(|v| f64::from(v * v)).sum::<f64>()).sum();
        let length = square.sqrt() as f32;
        let shrink = if length > table.clip { table.clip / length } else { 1.0 };
        let rate = rate(table, self.step);
        self.step += 1;
        let (bias1, bias2) = (1.0 - BETA1.powi(self.step as i32), 1.0 - BETA2.powi(self.step as i32));
        for (index, parameter) in graph.parameters.iter().enumerate() {
            let decays = matches!(parameter.role, Role::Weights | Role::HeadWeights);
            let keep = if decays { 1.0 - rate * table.decay } else { 1.0 };
            let moments = self.first[index].iter_mut().zip(&mut self.second[index]);
            for ((value, grad), (m, v)) in self.values[index].iter_mut().zip(&grads[index]).zip(moments) {
                let grad = grad * shrink;
                *m += (1.0 - BETA1) * (grad - *m);
                *v += (1.0 - BETA2) * (grad * grad - *v);
                *value = *value * keep - rate * (*m / bias1) / ((*v / bias2).sqrt() + EPSILON);
            }
        }
        self.follow(table);
        length
    }

    /// Moves the averages towards the values.
    fn follow(&mut self, table: &TrainTable) {
        // Young averages forget faster, or they would hold on to the random start.
        let keep = table.average.min((1.0 + self.step as f32) / (10.0 + self.step as f32));
        let toward = |a: &mut [f32], v: &[f32]| a.iter_mut().zip(v).for_each(|(a, v)| *a += (1.0 - keep) * (v - *a));
        for (a, v) in self.average.iter_mut().zip(&self.values) {
            toward(a, v);
        }
        for (a, v) in self.average_running.iter_mut().zip(&self.running) {
            toward(&mut a.mean, &v.mean);
            toward(&mut a.variance, &v.variance);
        }
    }
}

/// The learning rate of a step: a rise, a plateau, then half a cosine over the last `cooldown` of all steps.
pub fn rate(table: &TrainTable, step: usize) -> f32 {
    let rise = (step as f32 + 1.0) / table.warmup.max(1) as f32;
    if rise < 1.0 {
        return table.rate * rise;
    }
    let cool = (table.steps as f32 * table.cooldown).max(1.0);
    let left = (table.steps.saturating_sub(step)) as f32;
    let share = (1.0 - left / cool).clamp(0.0, 1.0);
    let cosine = 0.5 * (1.0 + (std::f32::consts::PI * share).cos());
    table.rate * (table.rate_end + (1.0 - table.rate_end) * cosine)
}
