//! One step of `prepare`, in a process of its own: a builder that is killed for memory, or crashes, takes nothing with it, and
//! what a process took at most is that step's own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use ocellus_infer::{Provider, ProviderReport};
use ocellus_judge::stats::quantile_sorted;
use ocellus_percept::image::Image;
use serde::{Deserialize, Serialize};

use super::answer::{Answer, Asking};
use super::golden::Golden;
use super::start::runs_on;
use crate::exit::Outcome;
use crate::measure::power::peak_memory_mb;
use crate::models::{self, Model, ModelRequest};

/// Runs before the clock starts, and runs that it times.
const WARM_UP: usize = 5;
const TIMED: usize = 30;

/// How often a step looks whether its parent is there.
const PARENT_LOOK: Duration = Duration::from_millis(100);

/// What a step does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Takes golden pictures and asks the CPU about them.
    Reference {
        /// Where pictures come from.
        source: String,
        /// How many.
        frames: usize,
    },
    /// Loads the network on the provider, which builds where nothing is built yet; runs, times, and asks it.
    Engine,
}

/// One step, as its process reads it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// What to do.
    pub step: Step,
    /// The model.
    pub model: PathBuf,
    /// Providers, in order.
    pub providers: Vec<String>,
    /// Options handed to them.
    pub options: BTreeMap<Provider, BTreeMap<String, String>>,
    /// ONNX Runtime's own threads.
    pub intra_threads: usize,
    /// The ONNX Runtime library.
    pub ort_lib: PathBuf,
    /// The folder of golden pictures.
    pub golden: PathBuf,
    /// Where the result goes.
    pub result: PathBuf,
}

/// What a step came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// Seconds from the file to a session that is ready.
    pub load_s: f64,
    /// The first run, milliseconds.
    pub first_run_ms: f64,
    /// Runs after it, milliseconds: half, 95 and 99 % are faster.
    pub p50_ms: Option<f64>,
    /// See `p50_ms`.
    pub p95_ms: Option<f64>,
    /// See `p50_ms`.
    pub p99_ms: Option<f64>,
    /// Runs timed.
    pub runs: usize,
    /// Largest resident memory of the process, megabytes.
    pub memory_mb: Option<f64>,
    /// Who runs which nodes.
    pub providers: ProviderReport,
    /// What ONNX Runtime warned of.
    pub warnings: Vec<String>,
    /// What it said of the golden pictures, but for raw outputs.
    #[serde(skip)]
    pub answers: Vec<Answer>,
}

/// Does the step in the file `job`; what `prepare` starts.
pub fn run_worker(job: &Path) -> Result<Outcome> {
    let job: Job = serde_json::from_str(&std::fs::read_to_string(job).with_context(|| job.display().to_string())?)?;
    end_with_parent()?;
    let golden = Golden::at(&job.golden);
    if let Step::Reference { source, frames } = &job.step {
        golden.take(source, *frames)?;
    }
    let mut done = run(&job, &golden)?;
    let answers = std::mem::take(&mut done.answers);
    // The engine's answers lie beside its result until they are compared.
    match job.step {
        Step::Reference { .. } => golden.write_answers(&answers)?,
        Step::Engine => Golden::at(job.result.parent().unwrap_or(Path::new("."))).write_answers(&answers)?,
    }
    std::fs::write(&job.result, serde_json::to_vec_pretty(&done)?).with_context(|| job.result.display().to_string())?;
    Ok(Outcome::Done)
}

/// Ends this process when the one that started it is gone: nobody would look at its result, and its folder may be another's.
fn end_with_parent() -> Result<()> {
    let parent = std::os::unix::process::parent_id();
    ocellus_flow::threads::detach("parent", move || {
        while std::os::unix::process::parent_id() == parent {
            std::thread::sleep(PARENT_LOOK);
        }
        std::process::exit(1);
    })?;
    Ok(())
}

fn run(job: &Job, golden: &Golden) -> Result<Done> {
    let runtime = models::start_runtime(Some(&job.ort_lib))?;
    let request = ModelRequest {
        path: job.model.clone(),
        providers: job.providers.clone(),
        require: None,
        intra_threads: job.intra_threads,
        options: job.options.clone(),
        // A library that tells nodes needs no profile, which costs time.
        profile: (!runtime.tells_nodes()).then(|| job.result.with_file_name("profile")),
    };
    let started = Instant::now();
    let mut model = models::load(&runtime, &request)?;
    let load_s = started.elapsed().as_secs_f64();
    if let Some(first) = model.network.providers().requested.first().copied() {
        runs_on(model.network.providers(), first).map_err(|reason| anyhow!("{first} does not run it: {reason}"))?;
    }
    let (first_run_ms, times) = timed(&mut model, golden)?;
    model.network.learn_nodes()?;
    let mut answers = Vec::new();
    let mut asking = Asking::new(&model)?;
    let mut image = Image::empty();
    while golden.read(answers.len(), &mut image)?.is_some() {
        answers.push(asking.ask(&mut model.network, &image)?);
    }
    Ok(Done {
        load_s,
        first_run_ms,
        p50_ms: quantile_sorted(&times, 0.5),
        p95_ms: quantile_sorted(&times, 0.95),
        p99_ms: quantile_sorted(&times, 0.99),
        runs: times.len(),
        memory_mb: peak_memory_mb(),
        providers: model.network.providers().clone(),
        warnings: runtime.take_log().iter().map(ToString::to_string).collect(),
        answers,
    })
}

/// The first run, and sorted times of later ones, on the first golden picture: the network alone.
fn timed(model: &mut Model, golden: &Golden) -> Result<(f64, Vec<f64>)> {
    let mut image = Image::empty();
    golden.read(0, &mut image)?.ok_or_else(|| anyhow!("there is no golden picture"))?;
    let mut preprocessor = ocellus_percept::tensor::Preprocessor::new(&model.spec.input)?;
    preprocessor.run(image.view(), model.network.input_mut(&model.spec.input.name)?)?;
    let mut once = || -> Result<f64> {
        let started = Instant::now();
        model.network.run(|_| ())?;
        Ok(started.elapsed().as_secs_f64() * 1e3)
    };
    let first = once().context("it registers and loads the network, and fails at its first run")?;
    for _ in 0..WARM_UP {
        once()?;
    }
    let mut times = (0..TIMED).map(|_| once()).collect::<Result<Vec<f64>>>()?;
    times.sort_by(f64::total_cmp);
    Ok((first, times))
}
