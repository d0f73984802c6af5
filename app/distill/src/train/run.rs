//! A whole training in a folder: begun, or taken up where its checkpoint stands.

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::recipe::{Recipe, RecipeError};
use crate::train::checkpoint::{self, CheckpointError};
use crate::train::optimiser::State;
use crate::train::{StepReport, TrainError, Trainer, network};

/// The checkpoint's name in the folder.
pub const CHECKPOINT: &str = "checkpoint.bin";

/// Why a training in a folder stopped or could not begin.
#[derive(Debug, Error)]
pub enum RunError {
    /// The recipe.
    #[error("{0}")]
    Recipe(#[from] RecipeError),
    /// A step.
    #[error("{0}")]
    Train(#[from] TrainError),
    /// The checkpoint.
    #[error("{0}")]
    Checkpoint(#[from] CheckpointError),
    /// The folder holds another training.
    #[error("{path}: a training of another recipe ({what}); give another --out, or delete it", path = path.display())]
    Another {
        /// The checkpoint.
        path: PathBuf,
        /// What differs.
        what: String,
    },
    /// The training to start from is not there, or of no use.
    #[error("{path}: the recipe starts from the training {name:?}, and {what}", path = path.display())]
    Start {
        /// Its folder.
        path: PathBuf,
        /// Its name.
        name: String,
        /// What is wrong, and what to do.
        what: String,
    },
    /// The folder.
    #[error("{path}: {source}", path = path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Opens the training of `recipe` in `folder`: at its checkpoint, or at its start where there is none. The number of steps
/// may differ from the checkpoint's, so that a training can be prolonged or ended early. A training that the recipe starts
/// from is looked for beside `folder`, by its name.
pub fn open(recipe: &Recipe, folder: &Path) -> Result<Trainer, RunError> {
    std::fs::create_dir_all(folder).map_err(|source| RunError::Folder { path: folder.to_owned(), source })?;
    let path = folder.join(CHECKPOINT);
    if !path.exists() {
        return Ok(Trainer::new(recipe.clone(), start(recipe, folder)?));
    }
    let (mut before, state) = read(&path)?;
    before.train.steps = recipe.train.steps;
    if before != *recipe {
        return Err(RunError::Another { path, what: format!("it is called {:?}", before.name) });
    }
    Ok(Trainer::new(recipe.clone(), Some(state)))
}

/// A checkpoint's recipe and state.
fn read(path: &Path) -> Result<(Recipe, State), RunError> {
    let (text, state) = checkpoint::read(path, |text| Recipe::parse(text).map(|r| network(&r)))??;
    Ok((Recipe::parse(&text)?, state))
}

/// The state to start from, where the recipe names one.
fn start(recipe: &Recipe, folder: &Path) -> Result<Option<State>, RunError> {
    let Some(name) = &recipe.train.start else {
        return Ok(None);
    };
    let other = folder.with_file_name(name);
    let refuse = |what: String| RunError::Start { path: other.clone(), name: name.clone(), what };
    let path = other.join(CHECKPOINT);
    if !path.exists() {
        return Err(refuse(format!("that folder has no {CHECKPOINT}: run its recipe with this --out first")));
    }
    let (before, state) = read(&path)?;
    if before.name != *name || before.network != recipe.network {
        return Err(refuse(format!(
            "the one there is {:?}, or its [network] is another: they must be equal",
            before.name
        )));
    }
    if state.step < before.train.steps {
        return Err(refuse(format!("that stands at step {} of {}: finish it first", state.step, before.train.steps)));
    }
    Ok(Some(State::from_averages(state)))
}

/// Trains to the end, a checkpoint every so many steps and at the end. `watch` is told of each step and may stop the
/// training by returning false; then, too, a checkpoint is written.
pub fn run(
    recipe: &Recipe,
    folder: &Path,
    trainer: &mut Trainer,
    mut watch: impl FnMut(&StepReport) -> bool,
) -> Result<(), RunError> {
    let text = toml::to_string(recipe).map_err(|e| RecipeError::Toml(e.to_string()))?;
    let path = folder.join(CHECKPOINT);
    let mut go_on = true;
    while go_on && !trainer.is_done() {
        let report = trainer.step()?;
        go_on = watch(&report);
        if !go_on || trainer.is_done() || report.step % recipe.train.checkpoint == 0 {
            checkpoint::write(&path, &text, trainer.state())?;
        }
    }
    Ok(())
}
