//! `ocellus distill RECIPE --out DIR`: trains one of our own networks and writes it as a model to be run.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use ocellus_distill::export::export;
use ocellus_distill::recipe::Recipe;
use ocellus_distill::train::StepReport;
use ocellus_distill::train::run::{self, CHECKPOINT};

use crate::exit::{self, Outcome};

/// Train a network on the simulated world and write it as ONNX with its manifest.
#[derive(Debug, Args)]
#[command(after_help = "Example: ocellus distill models/recipes/street.toml --out out/street\n\
                        Interrupted, the same command goes on at the last checkpoint, to the same result.\n\
                        Then: ocellus eval out/street/model.toml --data launch/worlds/street.toml")]
pub struct Distill {
    /// A recipe (TOML); models/recipes/ has some.
    recipe: PathBuf,
    /// Where checkpoint, log and the finished network go.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Write the network as it stands at the last checkpoint, without training on.
    #[arg(long)]
    as_is: bool,
}

impl Distill {
    pub(super) fn run(self) -> Result<Outcome> {
        let path = &self.recipe;
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string()).map_err(exit::usage)?;
        let recipe = Recipe::parse(&text).with_context(|| path.display().to_string()).map_err(exit::usage)?;
        let mut trainer = run::open(&recipe, &self.out)?;
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
            let mut log = Log::new(&self.out, &recipe, trainer.state().step)?;
            run::run(&recipe, &self.out, &mut trainer, |report| log.step(report))?;
            log.bar.finish();
        }
        let state = trainer.state();
        let made = export(&recipe, trainer.graph(), &state.average, &state.average_running, state.step);
        write(&self.out.join(&made.file), &made.onnx)?;
        write(&self.out.join("model.toml"), made.manifest.as_bytes())?;
        println!("{}", self.out.join("model.toml").display());
        Ok(Outcome::Done)
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).with_context(|| path.display().to_string())
}

/// Progress on the screen and, a line for every step, in `log.jsonl`.
struct Log {
    bar: ProgressBar,
    file: std::fs::File,
    started: Instant,
    first: usize,
    batch: usize,
}

impl Log {
    fn new(folder: &Path, recipe: &Recipe, step: usize) -> Result<Self> {
        let bar = ProgressBar::new(recipe.train.steps as u64).with_position(step as u64);
        bar.set_style(ProgressStyle::with_template("{bar:30} step {pos}/{len}, {eta} left  {msg}")?);
        let path = folder.join("log.jsonl");
        let file = std::fs::File::options().create(true).append(true).open(&path);
        let file = file.with_context(|| path.display().to_string())?;
        eprintln!("checkpoints: {}", folder.join(CHECKPOINT).display());
        Ok(Self { bar, file, started: Instant::now(), first: step, batch: recipe.train.batch })
    }

    /// Always true: nothing but the end stops the training.
    fn step(&mut self, report: &StepReport) -> bool {
        use std::io::Write as _;
        let p = &report.parts;
        let rate = (report.step - self.first) as f64 * self.batch as f64 / self.started.elapsed().as_secs_f64();
        let line = serde_json::json!({
            "step": report.step, "rate": report.rate, "gradient": report.gradient, "loss": p, "views_per_s": rate,
        });
        // A log that cannot be written is no reason to lose the training.
        let _ = writeln!(self.file, "{line}");
        self.bar.set_position(report.step as u64);
        self.bar.set_message(format!(
            "class {:.2} box {:.3} mask {:.3} depth {:.3}  {rate:.1} views/s",
            p.class, p.iou, p.mask, p.depth
        ));
        true
    }
}
