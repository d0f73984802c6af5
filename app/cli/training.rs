//! What a training says while it goes on: a bar on the screen, a line for every step in its folder.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use ocellus_distill::recipe::Recipe;
use ocellus_distill::train::StepReport;
use ocellus_distill::train::run::CHECKPOINT;

use crate::measure::making::Watt;

/// The log's name in the folder.
pub(super) const LOG: &str = "log.jsonl";

/// Progress on the screen and, a line for every step, in `log.jsonl`.
pub(super) struct Log {
    bar: ProgressBar,
    file: std::fs::File,
    started: Instant,
    first: usize,
    batch: usize,
    watt: Watt,
}

impl Log {
    /// For the steps after `step`; `core_w` is the declared power of a busy core.
    pub(super) fn new(folder: &Path, recipe: &Recipe, (step, core_w): (usize, f64)) -> Result<Self> {
        let bar = ProgressBar::new(recipe.train.steps as u64).with_position(step as u64);
        bar.set_style(ProgressStyle::with_template("{bar:30} step {pos}/{len}, {eta} left  {msg}")?);
        let path = folder.join(LOG);
        let file = std::fs::File::options().create(true).append(true).open(&path);
        let file = file.with_context(|| path.display().to_string())?;
        eprintln!("checkpoints: {}", folder.join(CHECKPOINT).display());
        let batch = recipe.train.batch;
        Ok(Self { bar, file, started: Instant::now(), first: step, batch, watt: Watt::start(core_w) })
    }

    /// Always true: nothing but the end stops the training.
    pub(super) fn step(&mut self, report: &StepReport) -> bool {
        use std::io::Write as _;
        let p = &report.parts;
        let views = (report.step - self.first) * self.batch;
        let rate = views as f64 / self.started.elapsed().as_secs_f64();
        let line = serde_json::json!({
            "step": report.step, "rate": report.rate, "gradient": report.gradient, "loss": p, "taught": report.taught,
            "views_per_s": rate,
            "energy": self.watt.spent(views as u64),
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

    /// At the end.
    pub(super) fn finish(&self) {
        self.bar.finish();
    }
}
