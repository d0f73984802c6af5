//! The views that training draws from: a ring of the newest, filled a few at each step.
//!
//! What is in it at a step is a function of the step alone, so a resumed training draws what the first would have drawn.

use rayon::prelude::*;

use crate::data::augment::{Sample, augmented};
use crate::data::random::Random;
use crate::data::view::{Renderer, View};
use crate::recipe::{DataTable, Recipe};

/// Views there are before the first step.
const FIRST: usize = 96;

/// The ring.
#[derive(Debug, Default)]
pub struct Pool {
    views: Vec<View>,
    /// Views rendered so far: number `n` is in slot `n % pool`.
    rendered: usize,
}

/// Number of views there are at a step.
fn wanted(table: &DataTable, step: usize) -> usize {
    FIRST.min(table.pool) + step * table.fresh
}

impl Pool {
    /// A pool as it is at `step`.
    pub fn at(table: &DataTable, step: usize) -> Self {
        let mut pool = Self { views: Vec::new(), rendered: wanted(table, step).saturating_sub(table.pool) };
        // The ring's slots before its start are filled in as their numbers come.
        pool.views.resize(pool.rendered.min(table.pool), View::default());
        let fresh = pool.fresh(table, step);
        pool.add(table, fresh);
        pool
    }

    /// Renders what is missing for `step`.
    pub fn fresh(&self, table: &DataTable, step: usize) -> Vec<View> {
        let numbers = self.rendered..wanted(table, step).max(self.rendered);
        let render = |renderer: &mut Renderer, number| renderer.view(table, number as u64);
        numbers.into_par_iter().map_init(Renderer::default, render).collect()
    }

    /// Takes rendered views in.
    pub fn add(&mut self, table: &DataTable, views: Vec<View>) {
        for view in views {
            let slot = self.rendered % table.pool;
            if slot < self.views.len() {
                self.views[slot] = view;
            } else {
                self.views.push(view);
            }
            self.rendered += 1;
        }
    }

    /// The samples of a step.
    pub fn batch(&self, recipe: &Recipe, step: usize) -> Vec<Sample> {
        let one = |slot: usize| {
            let mut random = Random::new(recipe.seed, &[2, step as u64, slot as u64]);
            let view = random.below(self.views.len());
            augmented(&self.views[view], &mut random)
        };
        (0..recipe.train.batch).into_par_iter().map(one).collect()
    }
}
