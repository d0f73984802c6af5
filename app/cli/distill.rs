//! `ocellus distill RECIPE --out DIR`: trains one of our own networks, judges it, and writes it as a model to be run.
//!
//! The network is exported only where its Distillation Statement says that nothing is lost: beside --teacher where one is
//! named, else by targets for students trained alone.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use clap::Args;
use ocellus_distill::export::{Exported, export};
use ocellus_distill::recipe::Recipe;
use ocellus_distill::train::run::{self, CHECKPOINT};
use ocellus_distill::train::{Trainer, network};
use ocellus_judge::energy::TeacherEnergy;
use ocellus_judge::statement::Targets;

use super::training::{LOG, Log};
use super::vouching::{Judging, let_out};
use crate::exit::{self, Outcome};
use crate::measure::cost::CORE_W;
use crate::measure::making::TrainingLog;
use crate::measure::stages::Stages;
use crate::measure::vouch::{Candidate, Case, state};
use crate::measure::{outcome, statement, training};

/// Streets on which a student is judged unless --judge says otherwise: seeds that no training sees.
const JUDGED_SEEDS: u64 = 24;

/// What this session took, by stage, in the folder.
const ACCOUNT: &str = "energy.json";

/// Train a network on the simulated world, judge it, and write it as ONNX with its manifest and its statement.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    ocellus distill models/recipes/street.toml --out out/street\n  \
    ocellus distill models/recipes/street.toml --out out/street --teacher big.onnx --judge labelled/\n\
    Interrupted, the same command goes on at the last checkpoint, to the same result.\n\
    The network is written only where nothing is lost (exit code 4 otherwise): out/street/statement.html says what.\n\
    out/street/energy.json says what opening, training, export and judging took, and whether they add up to the whole.\n\
    Scores that are too sure or too shy: accept d_ece, make them honest with `ocellus eval out/street --data world:random@25-36\n\
    --fit isotonic --into out/street/model.toml`, and write the statement anew with `ocellus eval out/street --statement out/street`.")]
pub struct Distill {
    /// A recipe (TOML); models/recipes/ has some.
    recipe: PathBuf,
    /// Where checkpoint, log, statement and the finished network go.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Write the network as it stands at the last checkpoint, without training on.
    #[arg(long)]
    as_is: bool,
    /// The network that the student is to replace: what is lost is measured against it. Without one, bounds alone count.
    #[arg(long, value_name = "MODEL")]
    teacher: Option<PathBuf>,
    #[command(flatten)]
    judging: Judging,
    /// Energy that making the teacher took, where it is not that of the log beside the teacher's training.
    #[arg(long, value_name = "J", value_parser = joules)]
    teacher_joules: Option<f64>,
    /// Energy of training such a network directly, for the break-even N*.
    #[arg(long, value_name = "J", value_parser = joules)]
    direct_joules: Option<f64>,
    /// Power of a busy core, where no sensor can be read: energy is then an estimate, marked as such.
    #[arg(long, value_name = "W", default_value_t = CORE_W)]
    core_watts: f64,
    /// The ONNX Runtime library.
    #[arg(long, value_name = "FILE")]
    ort_lib: Option<PathBuf>,
}

impl Distill {
    pub(super) fn run(self) -> Result<Outcome> {
        let path = &self.recipe;
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string()).map_err(exit::usage)?;
        let recipe = Recipe::parse(&text).with_context(|| path.display().to_string()).map_err(exit::usage)?;
        // Read before hours of training.
        let targets = self.judging.accepting.targets(Targets::shipped)?;
        let judged_on = self.judged_on(&recipe).map_err(exit::usage)?;
        let mut stages = Stages::start(self.core_watts);
        // Streets are rendered here already.
        let mut trainer = stages.run("opening", || run::open(&recipe, &self.out))?;
        let graph = trainer.graph();
        eprintln!(
            "{}: {} parameters, {} million multiplications a picture; step {} of {}",
            recipe.name,
            graph.parameter_count(),
            graph.macs() / 1_000_000,
            trainer.state().step,
            recipe.train.steps
        );
        if !self.as_is {
            stages.run("training", || self.train(&recipe, &mut trainer))?;
        }
        let state = trainer.state();
        let recipe = trainer.recipe();
        let made = stages
            .run("export", || export(recipe, &network(recipe), &state.average, &state.average_running, state.step));
        let judged = stages.run("judging", || self.judge(&made, (&targets, &judged_on), (recipe, state.step)));
        let account = stages.account();
        account.write(&self.out.join(ACCOUNT))?;
        eprintln!("{account}");
        judged
    }

    /// Trains to the recipe's last step.
    fn train(&self, recipe: &Recipe, trainer: &mut Trainer) -> Result<()> {
        let mut log = Log::new(&self.out, recipe, (trainer.state().step, self.core_watts))?;
        run::run(&self.out, trainer, |report| log.step(report))?;
        log.finish();
        Ok(())
    }

    /// Streets below the seeds of training, unless told otherwise.
    fn judged_on(&self, recipe: &Recipe) -> Result<Vec<String>> {
        if !self.judging.judge.is_empty() || recipe.data.first_seed > JUDGED_SEEDS {
            return Ok(vec![format!("world:random@1-{JUDGED_SEEDS}")]);
        }
        let first = recipe.data.first_seed;
        Err(anyhow!(
            "data.first_seed is {first}: streets 1 to {JUDGED_SEEDS}, on which a student is judged, would be trained on; give --judge or a higher seed"
        ))
    }

    /// Writes the statement, and the network where nothing is lost.
    fn judge(
        &self,
        made: &Exported,
        (targets, judged_on): (&Targets, &[String]),
        (recipe, step): (&Recipe, usize),
    ) -> Result<Outcome> {
        let batch = recipe.train.batch;
        let took = TrainingLog::read(&self.out.join(LOG))?.energy((batch, step), self.core_watts);
        let told = (self.asked(recipe)?, self.direct_joules);
        let text = format!("{}{}", made.manifest, training::section(&took, told)?);
        let candidate = Candidate::new(&made.file, &made.onnx, &text)?;
        let mut asked = self.judging.asked(judged_on, self.ort_lib.as_deref());
        asked.core_watts = self.core_watts;
        let mut provenance = vec![self.judging.accepting.provenance()];
        provenance
            .push(("student".to_owned(), format!("recipe {}, {step} steps of {batch} views", self.recipe.display())));
        let teacher = self.teacher.as_deref();
        if teacher.is_none() {
            let told = match &recipe.teacher {
                Some(t) => format!("taught by {}; judged by bounds, for no --teacher is named", t.training),
                None => "none: trained alone on truth, judged by bounds".to_owned(),
            };
            provenance.push(("teacher".to_owned(), told));
        }
        let case = Case { student: &candidate.file, teacher, targets, provenance };
        let stated = state(&asked, &case).context("the student cannot be judged: no network was written")?;
        statement::write(&stated.statement, &self.out)?;
        println!("{}", self.out.join(statement::PAGE).display());
        let manifest = self.out.join("model.toml");
        let_out(&stated.statement, &self.out.join(&made.file))?;
        write(&self.out.join(&made.file), &made.onnx)?;
        write(&manifest, text.as_bytes())?;
        println!("{}", manifest.display());
        Ok(outcome(&stated.lost))
    }

    /// Whether a teacher was asked, and what making it took: as told, else by the log of its training.
    fn asked(&self, recipe: &Recipe) -> Result<TeacherEnergy> {
        let Some(table) = &recipe.teacher else {
            return Ok(self.teacher_joules.map_or(TeacherEnergy::NotAsked, |j| TeacherEnergy::Asked(Some(j))));
        };
        let folder = self.out.with_file_name(&table.training);
        let (theirs, state) = run::read(&folder.join(CHECKPOINT))?;
        let took = TrainingLog::read(&folder.join(LOG))?.energy((theirs.train.batch, state.step), self.core_watts);
        Ok(TeacherEnergy::Asked(self.teacher_joules.or(took.joules_net.or(took.joules))))
    }
}

/// An energy that somebody knows.
fn joules(text: &str) -> Result<f64, String> {
    let value = text.parse::<f64>().map_err(|e| e.to_string())?;
    (value.is_finite() && value > 0.0)
        .then_some(value)
        .ok_or_else(|| "expected joules above 0; leave out what is not known".into())
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).with_context(|| path.display().to_string())
}
