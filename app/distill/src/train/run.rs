//! A whole training in a folder: begun, or taken up where its checkpoint stands.

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::net::graph::Graph;
use crate::recipe::{Recipe, RecipeError};
use crate::teacher::{Teacher, TeacherError, fingerprint};
use crate::train::checkpoint::{self, CheckpointError};
use crate::train::optimiser::State;
use crate::train::{StepReport, TrainError, Trainer, network, trained};

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
    /// The training to start or to learn from is not there, or of no use.
    #[error("{path}: the recipe {does} the training {name:?}, and {what}", path = path.display())]
    Start {
        /// Its folder.
        path: PathBuf,
        /// Its name.
        name: String,
        /// Starts from it, or learns from it.
        does: &'static str,
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
/// may differ from the checkpoint's, so that a training can be prolonged or ended early. Trainings that the recipe starts
/// or learns from are looked for beside `folder`, by their names.
pub fn open(recipe: &Recipe, folder: &Path) -> Result<Trainer, RunError> {
    std::fs::create_dir_all(folder).map_err(|source| RunError::Folder { path: folder.to_owned(), source })?;
    let mut recipe = recipe.clone();
    let teacher = teacher(&mut recipe, folder)?;
    let path = folder.join(CHECKPOINT);
    if !path.exists() {
        let state = start(&recipe, folder)?;
        return Ok(Trainer::new(recipe, state).taught_by(teacher));
    }
    let (mut before, state) = read(&path)?;
    before.train.steps = recipe.train.steps;
    let weights = |r: &Recipe| r.teacher.as_ref().and_then(|t| t.sha256.clone());
    let what = if weights(&before) == weights(&recipe) {
        format!("it is called {:?}", before.name)
    } else {
        "its teacher had other weights".to_owned()
    };
    if before != recipe {
        return Err(RunError::Another { path, what });
    }
    Ok(Trainer::new(recipe, Some(state)).taught_by(teacher))
}

/// A checkpoint's recipe and state.
pub fn read(path: &Path) -> Result<(Recipe, State), RunError> {
    let (text, state) = checkpoint::read(path, |text| Recipe::parse(text).map(|r| trained(&r)))??;
    Ok((Recipe::parse(&text)?, state))
}

/// A finished training beside `folder`.
fn finished(name: &str, does: &'static str, folder: &Path) -> Result<(Recipe, State), RunError> {
    let other = folder.with_file_name(name);
    let refuse = |what: String| refusal(&other, name, does, what);
    let path = other.join(CHECKPOINT);
    if !path.exists() {
        return Err(refuse(format!("that folder has no {CHECKPOINT}: run its recipe with this --out first")));
    }
    let (before, state) = read(&path)?;
    if before.name != *name {
        return Err(refuse(format!("the one there is {:?}", before.name)));
    }
    if state.step < before.train.steps {
        return Err(refuse(format!("that stands at step {} of {}: finish it first", state.step, before.train.steps)));
    }
    Ok((before, state))
}

fn refusal(path: &Path, name: &str, does: &'static str, what: String) -> RunError {
    RunError::Start { path: path.to_owned(), name: name.to_owned(), does, what }
}

/// The state to start from, where the recipe names one.
fn start(recipe: &Recipe, folder: &Path) -> Result<Option<State>, RunError> {
    let Some(name) = &recipe.train.start else {
        return Ok(None);
    };
    let does = "starts from";
    let (before, mut state) = finished(name, does, folder)?;
    if before.network != recipe.network {
        return Err(refusal(&folder.with_file_name(name), name, does, "its [network] is another".to_owned()));
    }
    let own = network(recipe);
    // Adapters, of either, are no part of the network and start anew.
    let fresh = State::new(&trained(recipe), recipe.seed);
    let count = own.parameters.len();
    state.average.truncate(count);
    state.average.extend(fresh.values.into_iter().skip(count));
    Ok(Some(State::from_averages(state)))
}

/// The teacher, where the recipe names one; the weights are named in the recipe then.
fn teacher(recipe: &mut Recipe, folder: &Path) -> Result<Option<Teacher>, RunError> {
    let student = trained(recipe);
    let Some(table) = &mut recipe.teacher else {
        return Ok(None);
    };
    let does = "learns from";
    let name = table.training.clone();
    let refuse = |what: String| refusal(&folder.with_file_name(&name), &name, does, what);
    let (theirs, state) = finished(&name, does, folder)?;
    let found = fingerprint(&state);
    if table.sha256.as_ref().is_some_and(|told| *told != found) {
        return Err(refuse(format!("its weights are {found}, not those of teacher.sha256")));
    }
    let graph: Graph = network(&theirs);
    let made: Result<Teacher, TeacherError> = Teacher::new(&name, (&graph, state), &student, table);
    table.sha256 = Some(found);
    made.map(Some).map_err(|error| refuse(error.to_string()))
}

/// Trains to the end, a checkpoint every so many steps and at the end. `watch` is told of each step and may stop the
/// training by returning false; then, too, a checkpoint is written.
pub fn run(folder: &Path, trainer: &mut Trainer, mut watch: impl FnMut(&StepReport) -> bool) -> Result<(), RunError> {
    let text = toml::to_string(trainer.recipe()).map_err(|e| RecipeError::Toml(e.to_string()))?;
    let path = folder.join(CHECKPOINT);
    let mut go_on = true;
    while go_on && !trainer.is_done() {
        let report = trainer.step()?;
        go_on = watch(&report);
        if !go_on || trainer.is_done() || report.step % trainer.recipe().train.checkpoint == 0 {
            checkpoint::write(&path, &text, trainer.state())?;
        }
    }
    Ok(())
}
