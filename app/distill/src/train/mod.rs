//! Training: from a recipe, step by step, to a state that is exported.
//!
//! Same recipe, same bytes, with any number of threads, interrupted or not. Deliberately absent: clocks and printing (the
//! caller is told of each step), files other than the checkpoint.

pub mod checkpoint;
pub mod optimiser;
pub mod run;

use thiserror::Error;

use crate::data::augment::Sample;
use crate::data::pool::Pool;
use crate::data::view::class_names;
use crate::loss::student::{Parts, loss};
use crate::net::engine::{Tape, Values};
use crate::net::graph::Graph;
use crate::net::student::student;
use crate::recipe::Recipe;
use optimiser::State;

/// Why training stopped.
#[derive(Debug, Error)]
pub enum TrainError {
    /// A loss or gradient that is no number.
    #[error(
        "step {step}: {what} is not finite; the batch is that of seed {seed}, step {step} (views are numbered from {first_seed}); the last checkpoint is kept: lower train.rate or train.clip"
    )]
    NotFinite {
        /// The step.
        step: usize,
        /// Loss or gradient.
        what: &'static str,
        /// The recipe's seed.
        seed: u64,
        /// The recipe's first seed of streets.
        first_seed: u64,
    },
}

/// What is known of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// Number of the step, from 1.
    pub step: usize,
    /// Losses.
    pub parts: Parts,
    /// Length of the gradient.
    pub gradient: f32,
    /// Learning rate.
    pub rate: f32,
}

/// A training.
pub struct Trainer {
    recipe: Recipe,
    graph: Graph,
    state: State,
    pool: Pool,
    tape: Tape,
    grads: Values,
}

/// The network of a recipe.
pub fn network(recipe: &Recipe) -> Graph {
    student(&recipe.network, class_names().len(), recipe.data.size)
}

impl Trainer {
    /// A training from its start, or from a state.
    pub fn new(recipe: Recipe, state: Option<State>) -> Self {
        let graph = network(&recipe);
        let state = state.unwrap_or_else(|| State::new(&graph, recipe.seed));
        let pool = Pool::at(&recipe.data, state.step);
        let grads = state.values.iter().map(|v| vec![0.0; v.len()]).collect();
        Self { recipe, graph, state, pool, tape: Tape::default(), grads }
    }

    /// The network.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Where it stands.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Whether all steps are done.
    pub fn is_done(&self) -> bool {
        self.state.step >= self.recipe.train.steps
    }

    /// One step. After an error the state is as it was before.
    pub fn step(&mut self) -> Result<StepReport, TrainError> {
        let step = self.state.step;
        let samples = self.pool.batch(&self.recipe, step);
        let Self { recipe, graph, state, pool, tape, grads } = self;
        let (fresh, parts) = rayon::join(
            || pool.fresh(&recipe.data, step + 1),
            || differentiate(recipe, graph, state, (tape, grads), &samples),
        );
        let refuse = |what| TrainError::NotFinite { step, what, seed: recipe.seed, first_seed: recipe.data.first_seed };
        if !parts.total(&recipe.loss).is_finite() {
            return Err(refuse("the loss"));
        }
        if grads.iter().flatten().any(|g| !g.is_finite()) {
            return Err(refuse("a gradient"));
        }
        tape.update(&mut state.running);
        let rate = optimiser::rate(&recipe.train, step);
        let gradient = state.descend(graph, &recipe.train, grads);
        pool.add(&recipe.data, fresh);
        Ok(StepReport { step: step + 1, parts, gradient, rate })
    }
}

/// Loss and gradients of one batch.
fn differentiate(
    recipe: &Recipe,
    graph: &Graph,
    state: &State,
    (tape, grads): (&mut Tape, &mut Values),
    samples: &[Sample],
) -> Parts {
    let pictures: Vec<f32> = samples.iter().flat_map(|s| s.picture.iter().copied()).collect();
    tape.forward(graph, &state.values, None, &pictures);
    let (parts, seeds) = loss(graph, tape, samples, &recipe.loss);
    let seeds: Vec<_> = seeds.iter().map(|(node, seed)| (*node, &seed[..])).collect();
    tape.backward(graph, &state.values, &seeds, grads);
    parts
}

#[cfg(test)]
mod tests;
