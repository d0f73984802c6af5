//! `ocellus experiment FILE --out DIR`: trains a teacher and the arms that learn from it, or not, and compares them.
//!
//! Each training has a folder in DIR and is taken up where it stands. Whatever is finished is judged on the same unseen
//! pictures; the table is written anew after each. The networks themselves are not written: `distill` does that, with a
//! statement.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use clap::Args;
use ocellus_distill::experiment::{Experiment as Plan, Training};
use ocellus_distill::export::{Exported, export};
use ocellus_distill::recipe::Recipe;
use ocellus_distill::train::run::{self, CHECKPOINT};
use ocellus_distill::train::{Trainer, network};
use ocellus_infer::Runtime;
use ocellus_judge::energy::EnergySource;

use super::training::{LOG, Log};
use crate::exit::{self, Outcome};
use crate::measure::arms::{Looked, twin};
use crate::measure::asked::Asked;
use crate::measure::cost::CORE_W;
use crate::measure::data::{Data, DataRequest};
use crate::measure::making::TrainingLog;
use crate::measure::outcomes::{Outcomes, Trained};

/// Train the arms of an experiment from several seeds, judge them on unseen streets, and say who gained what.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    ocellus experiment models/experiments/from_street.toml --out out/from_street\n  \
    ocellus experiment models/experiments/from_street.toml --out out/from_street --as-is\n\
    Interrupted, the same command goes on where it stood, to the same networks. The teacher is trained first (in DIR);\n\
    a finished training of its recipe that is put there serves as well. RESULTS.md and results.json in DIR have the table.")]
pub struct Experiment {
    /// An experiment (TOML); models/experiments/ has some.
    file: PathBuf,
    /// Where trainings and the table go.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Compare what is finished, without training on.
    #[arg(long)]
    as_is: bool,
    /// Power of a busy core, where no sensor can be read: energy is then an estimate, marked as such.
    #[arg(long, value_name = "W", default_value_t = CORE_W)]
    core_watts: f64,
    /// The ONNX Runtime library.
    #[arg(long, value_name = "FILE")]
    ort_lib: Option<PathBuf>,
}

/// What networks are judged with, made when the first is there.
struct Bench {
    asked: Asked,
    runtime: Runtime,
    data: Data,
    calibration: Option<Data>,
}

impl Experiment {
    pub(super) fn run(self) -> Result<Outcome> {
        let text = read(&self.file)?;
        let told = || self.file.display().to_string();
        let plan = Plan::parse(&text).with_context(told).map_err(exit::usage)?;
        let beside = |name: &str| self.file.with_file_name("").join(name);
        let trainings = plan.trainings(&read(&beside(&plan.base))?).with_context(told).map_err(exit::usage)?;
        let teacher_file = beside(&plan.teacher);
        let teacher = Recipe::parse(&read(&teacher_file)?);
        let teacher = teacher.with_context(|| teacher_file.display().to_string()).map_err(exit::usage)?;
        if let Some(t) = trainings.iter().find(|t| taught_by(t).is_some_and(|name| name != teacher.name)) {
            let other = taught_by(t).unwrap_or_default();
            let told = anyhow!("{} learns from {other:?}; the teacher here is {:?}", t.recipe.name, teacher.name);
            return Err(exit::usage(told));
        }
        let Some(first) = self.trained(&teacher)? else {
            return Err(exit::usage(anyhow!(
                "{}: the teacher is not finished",
                self.out.join(&teacher.name).display()
            )));
        };
        let bench = Bench::new(&plan, self.ort_lib.as_deref())?;
        let mut outcomes = Outcomes::new(&plan, self.judge(&bench, (None, &teacher), &first)?);
        for training in &trainings {
            let Some(trainer) = self.trained(&training.recipe)? else { continue };
            outcomes.add(self.judge(&bench, (Some(training.arm), &training.recipe), &trainer)?);
            if !self.as_is {
                outcomes.write(&self.out, &bench.data, false)?;
            }
        }
        let text = outcomes.write(&self.out, &bench.data, true)?;
        print!("{text}");
        let missing = trainings.len() - outcomes.trainings();
        if missing > 0 {
            eprintln!(
                "{missing} of {} trainings are not finished: the same command without --as-is goes on",
                trainings.len()
            );
        }
        Ok(Outcome::Done)
    }

    /// A training at its end: run to it, or with --as-is nothing where it has not got there.
    fn trained(&self, recipe: &Recipe) -> Result<Option<Trainer>> {
        let folder = self.out.join(&recipe.name);
        if self.as_is && !folder.join(CHECKPOINT).exists() {
            return Ok(None);
        }
        let mut trainer = run::open(recipe, &folder)?;
        if !trainer.is_done() {
            if self.as_is {
                return Ok(None);
            }
            eprintln!("{}: step {} of {}", recipe.name, trainer.state().step, recipe.train.steps);
            let mut log = Log::new(&folder, recipe, (trainer.state().step, self.core_watts))?;
            run::run(&folder, &mut trainer, |report| log.step(report))?;
            log.finish();
        }
        Ok(Some(trainer))
    }

    /// What a finished training's network sees, its INT8 twin too, and what it took.
    fn judge(&self, bench: &Bench, (arm, recipe): (Option<usize>, &Recipe), trainer: &Trainer) -> Result<Trained> {
        let (state, views) = (trainer.state(), recipe.train.steps * recipe.train.batch);
        let made = export(recipe, &network(recipe), &state.average, &state.average_running, state.step);
        let look = |made: &Exported| Looked::new(&bench.asked, &bench.runtime, &bench.data, made);
        let int8 = |calibration| {
            let looked = twin(&bench.asked, &bench.runtime, calibration, &made).and_then(|twin| look(&twin));
            looked.inspect_err(|error| eprintln!("{}: no INT8 twin: {error:#}", recipe.name)).ok()
        };
        let log = TrainingLog::read(&self.out.join(&recipe.name).join(LOG))?;
        let took = log.energy((recipe.train.batch, state.step), self.core_watts);
        Ok(Trained {
            name: recipe.name.clone(),
            arm,
            seed: recipe.seed,
            views,
            cpu_s: took
                .joules
                .filter(|_| took.source == Some(EnergySource::CpuSecondsEstimate))
                .map(|j| j / self.core_watts),
            took,
            looked: look(&made)?,
            int8: bench.calibration.as_ref().and_then(int8),
        })
    }
}

impl Bench {
    fn new(plan: &Plan, ort_lib: Option<&Path>) -> Result<Self> {
        let asked = Asked::on(plan.judge.clone(), ort_lib.map(Path::to_owned));
        let (runtime, data) = (asked.runtime()?, asked.open_labelled(true)?);
        let request = DataRequest { sources: plan.calibrate.clone(), gt: None, frames: None, maps: false };
        let calibration = (!plan.calibrate.is_empty()).then(|| Data::open(&request)).transpose()?;
        Ok(Self { asked, runtime, data, calibration })
    }
}

fn taught_by(training: &Training) -> Option<&str> {
    training.recipe.teacher.as_ref().map(|t| t.training.as_str())
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| path.display().to_string()).map_err(exit::usage)
}
