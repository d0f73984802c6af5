//! The views that training draws from: a ring of the newest, filled a few at each step.
//!
//! What is in it at a step is a function of the step alone, so a resumed training draws what the first would have drawn.

use rayon::prelude::*;

use crate::data::augment::{Sample, Shown, Window, augmented, recoloured, sample};
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
            let place = random.below(self.views.len());
            let view = self.number(place);
            let windows = recipe.data.windows;
            if windows == 0 {
                let shown = Shown { view, window: 0 };
                return Sample { shown, ..augmented(&self.views[place], &mut random) };
            }
            let shown = Shown { view, window: random.below(windows) };
            let window = self.window(recipe, shown);
            Sample { shown, ..recoloured(&self.views[place], &window, &mut random) }
        };
        (0..recipe.train.batch).into_par_iter().map(one).collect()
    }

    /// What a sample shows, in the colours it was rendered in: what its teacher is asked about, where windows are few.
    pub fn unaltered(&self, recipe: &Recipe, shown: Shown) -> Vec<f32> {
        sample(&self.views[shown.view % recipe.data.pool], &self.window(recipe, shown)).picture
    }

    /// The number of the oldest view there is.
    pub fn oldest(&self) -> usize {
        self.rendered - self.views.len()
    }

    /// The number of the view at a place of the ring.
    fn number(&self, place: usize) -> usize {
        let n = self.views.len().max(1);
        let newest = self.rendered.saturating_sub(1);
        newest - (newest % n + n - place) % n
    }

    fn window(&self, recipe: &Recipe, shown: Shown) -> Window {
        let mut random = Random::new(recipe.seed, &[4, shown.view as u64, shown.window as u64]);
        Window::random(&self.views[shown.view % recipe.data.pool], &mut random)
    }
}
