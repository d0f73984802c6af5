//! `ocellus prepare LAUNCH`: builds and checks engines ahead of a run.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, anyhow};
use clap::Args;

use crate::engines::{self, PrepareOptions};
use crate::exit::{self, Outcome};
use crate::launch::file::ModelTable;
use crate::launch::{LaunchFile, NetworksPlan};
use crate::models;

/// Build engines ahead of a run and check them against the CPU; exit code 4 if one is not to be trusted.
#[derive(Debug, Args)]
#[command(after_help = "Example: ocellus prepare launch/jetson-orin-nano.toml\n         \
                        ocellus prepare --model yolox_nano.onnx --provider openvino\n\
                        Each network is built, timed, held against the CPU on golden pictures, and loaded again, one after \
                        another, in processes of their own. `run` takes what is prepared and builds nothing.")]
pub struct Prepare {
    /// The launch file (TOML).
    #[arg(required_unless_present_any = ["models", "worker"], conflicts_with = "models")]
    launch: Option<PathBuf>,
    /// Override a key of the launch file; may be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// A network, in place of a launch file; may be given several times.
    #[arg(long = "model", value_name = "FILE|NAME")]
    models: Vec<PathBuf>,
    /// Providers in order of preference, with --model.
    #[arg(long = "provider", value_name = "LIST", value_delimiter = ',', requires = "models")]
    providers: Vec<String>,
    /// The ONNX Runtime library.
    #[arg(long, value_name = "FILE")]
    ort_lib: Option<PathBuf>,
    /// Where engines are kept; the user's cache unless told.
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Build again what is there already.
    #[arg(long)]
    again: bool,
    /// Begin although memory looks short.
    #[arg(long)]
    ignore_memory: bool,
    /// Seconds after which a step is given up.
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    timeout: u64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// One step, in a process of its own: what this verb starts itself.
    #[arg(long, value_name = "JOB", hide = true)]
    worker: Option<PathBuf>,
}

impl Prepare {
    pub(super) fn run(self) -> Result<Outcome> {
        if let Some(job) = &self.worker {
            return engines::run_worker(job);
        }
        let plan = NetworksPlan::from_file(&self.launch_file()?)?;
        if plan.models.is_empty() {
            return Err(exit::usage(anyhow!("there is no network to prepare")));
        }
        let runtime = models::start_runtime(plan.ort_lib.as_deref())?;
        let timeout = Duration::from_secs(self.timeout);
        let options = PrepareOptions { again: self.again, ignore_memory: self.ignore_memory, timeout };
        let all = engines::prepare(&runtime, &plan.engines, &plan.models, &options)?;
        if self.json {
            println!("{}", serde_json::to_string_pretty(&engines::to_json(&all))?);
        } else {
            engines::print(&all);
        }
        let unmet: Vec<String> = all.unmet().iter().map(|p| p.ask.label()).collect();
        if !unmet.is_empty() {
            return Err(exit::unmet(anyhow!("not prepared: {}", unmet.join(", "))));
        }
        if let (Some(budget), Some(taken)) = (plan.engines.memory_mb, all.memory_mb())
            && taken > budget as f64
        {
            return Err(exit::unmet(anyhow!(
                "all networks together take {taken:.0} MB, more than engines.memory_mb = {budget}: take smaller networks, \
                 or raise it"
            )));
        }
        Ok(Outcome::Done)
    }

    fn launch_file(&self) -> Result<LaunchFile> {
        let mut file = match &self.launch {
            Some(launch) => LaunchFile::read(launch, &self.set)?,
            None => {
                let mut file = LaunchFile::default();
                let providers = (!self.providers.is_empty()).then(|| self.providers.clone());
                let table = |path: &PathBuf| {
                    let (path, providers) = (Some(path.clone()), providers.clone());
                    ModelTable { path, providers, ..ModelTable::default() }
                };
                file.model = self.models.iter().map(table).collect();
                file.apply(&self.set)?;
                file
            }
        };
        file.runtime.ort_lib = self.ort_lib.clone().or(file.runtime.ort_lib);
        file.engines.cache = self.cache.clone().or(file.engines.cache);
        Ok(file)
    }
}
