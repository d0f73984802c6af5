//! Training: from a recipe, step by step, to a state that is exported.
//!
//! Same recipe, same bytes, with any number of threads, interrupted or not. Deliberately absent: clocks and printing (the
//! caller is told of each step), files other than the checkpoint.

pub mod checkpoint;
pub mod optimiser;
pub mod run;

use std::sync::Arc;

use thiserror::Error;

use crate::data::augment::Sample;
use crate::data::pool::Pool;
use crate::data::view::class_names;
use crate::loss::student::{Parts, loss};
use crate::net::engine::{Tape, Values};
use crate::net::graph::Graph;
use crate::net::student::student;
use crate::recipe::Recipe;
use crate::teacher::learn::{Batch, Lesson, learn};
use crate::teacher::{Answer, Teacher, TeacherError, with_adapters};
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
    /// The teacher's answer.
    #[error("step {step}: {source}")]
    Teacher {
        /// The step.
        step: usize,
        /// What is wrong with it.
        source: TeacherError,
    },
}

/// What is known of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// Number of the step, from 1.
    pub step: usize,
    /// Losses.
    pub parts: Parts,
    /// Losses by the teacher, where there is one.
    pub taught: Option<Lesson>,
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
    teacher: Option<Teacher>,
    tape: Tape,
    grads: Values,
}

/// The network of a recipe: what is exported.
pub fn network(recipe: &Recipe) -> Graph {
    student(&recipe.network, class_names().len(), recipe.data.size)
}

/// What is trained: that network, and after it the adapters to its teacher's features.
pub fn trained(recipe: &Recipe) -> Graph {
    let graph = network(recipe);
    match &recipe.teacher {
        Some(table) => with_adapters(graph, table),
        None => graph,
    }
}

impl Trainer {
    /// A training from its start, or from a state, without a teacher.
    pub fn new(recipe: Recipe, state: Option<State>) -> Self {
        let graph = trained(&recipe);
        let state = state.unwrap_or_else(|| State::new(&graph, recipe.seed));
        let pool = Pool::at(&recipe.data, state.step);
        let grads = state.values.iter().map(|v| vec![0.0; v.len()]).collect();
        Self { recipe, graph, state, pool, teacher: None, tape: Tape::default(), grads }
    }

    /// The same, taught by `teacher` as the recipe says.
    #[must_use]
    pub fn taught_by(mut self, teacher: Option<Teacher>) -> Self {
        self.teacher = teacher;
        self
    }

    /// The recipe, its teacher's weights named where it has one.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// The network with its adapters.
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
        let Self { recipe, graph, state, pool, teacher, tape, grads } = self;
        let answers = teacher.as_mut().map(|t| t.answers(recipe, pool, &samples)).transpose();
        let answers = answers.map_err(|source| TrainError::Teacher { step, source })?;
        let (fresh, (parts, taught)) = rayon::join(
            || pool.fresh(&recipe.data, step + 1),
            || differentiate(recipe, (graph, state), (tape, grads), (&samples, answers.as_deref())),
        );
        let refuse = |what| TrainError::NotFinite { step, what, seed: recipe.seed, first_seed: recipe.data.first_seed };
        if !parts.total(&recipe.loss).is_finite() {
            return Err(refuse("the loss"));
        }
        if taught.is_some_and(|l| !recipe.teacher.as_ref().map_or(0.0, |t| l.total(t)).is_finite()) {
            return Err(refuse("the loss by the teacher"));
        }
        if grads.iter().flatten().any(|g| !g.is_finite()) {
            return Err(refuse("a gradient"));
        }
        tape.update(&mut state.running);
        let rate = optimiser::rate(&recipe.train, step);
        let gradient = state.descend(graph, &recipe.train, grads);
        pool.add(&recipe.data, fresh);
        Ok(StepReport { step: step + 1, parts, taught, gradient, rate })
    }
}

/// Loss and gradients of one batch, by its truth and by its teacher's answers where there are some.
fn differentiate(
    recipe: &Recipe,
    (graph, state): (&Graph, &State),
    (tape, grads): (&mut Tape, &mut Values),
    (samples, answers): (&[Sample], Option<&[Arc<Answer>]>),
) -> (Parts, Option<Lesson>) {
    let pictures: Vec<f32> = samples.iter().flat_map(|s| s.picture.iter().copied()).collect();
    tape.forward(graph, &state.values, None, &pictures);
    let (parts, mut seeds) = loss(graph, tape, samples, &recipe.loss);
    let taught = recipe.teacher.as_ref().zip(answers).map(|(table, answers)| {
        let strength = table.schedule().factor(state.step, recipe.train.steps);
        let (lesson, more) = learn(&Batch { graph, tape, samples, answers }, table, strength);
        seeds.extend(more);
        lesson
    });
    let seeds: Vec<_> = seeds.iter().map(|(node, seed)| (*node, &seed[..])).collect();
    tape.backward(graph, &state.values, &seeds, grads);
    (parts, taught)
}

#[cfg(test)]
mod tests;
