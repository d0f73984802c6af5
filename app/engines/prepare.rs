//! `ocellus prepare`: every network of a plan on every provider it may run on, one after another, each checked before it counts.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use ocellus_infer::engine::{EngineManifest, Entry, Found, Pruned, Store};
use ocellus_infer::{Provider, Runtime};
use serde::{Deserialize, Serialize};

use super::ask::{Ask, Placed, asks, store};
use super::check::{Check, Limits, compare};
use super::stage::{Done, Job, Step};
use super::start::runs_on;
use super::worker::Work;
use crate::exit;
use crate::launch::{EnginesPlan, ModelPlan};
use crate::machine;

/// Megabytes that building takes besides the scratch memory: ONNX Runtime, the network, the builder itself.
const BUILD_MB: u64 = 1200;
/// The same for providers that compile for the processor.
const COMPILE_MB: u64 = 300;
/// The builder's option for its scratch memory.
const WORKSPACE: &str = "trt_max_workspace_size";
/// How often an engine is loaded again until nothing is built any more: some caches need two builds to settle.
const AGAIN_MAX: usize = 3;

/// How to prepare.
#[derive(Debug, Clone)]
pub struct PrepareOptions {
    /// Build what is there already, too.
    pub again: bool,
    /// Start although memory looks short.
    pub ignore_memory: bool,
    /// When a step is given up.
    pub timeout: Duration,
}

/// What was measured of an engine; in its manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The first load, which built.
    pub cold: Done,
    /// A load from the cache, in another process.
    pub warm: Done,
    /// The CPU on the same pictures.
    pub cpu: Done,
    /// The self-check.
    pub check: Check,
    /// Megabytes by which available memory fell while it was built, of the whole machine.
    pub machine_memory_mb: Option<u64>,
}

/// What became of one ask.
pub enum State {
    /// It was there already.
    Ready(Box<Measured>),
    /// It was built and checked.
    Built(Box<Measured>),
    /// Its provider cannot be had: it is not in the library, or what it needs is not on this computer.
    Absent(String),
    /// It is not to be trusted, and why.
    Failed(String),
}

/// One ask, answered.
pub struct Prepared {
    /// What was asked.
    pub ask: Ask,
    /// Where it lies.
    pub folder: Option<std::path::PathBuf>,
    /// What became of it.
    pub state: State,
}

/// Everything prepared, and what made room for it.
pub struct AllPrepared {
    /// By network and provider.
    pub engines: Vec<Prepared>,
    /// What was removed to keep the quota.
    pub pruned: Vec<Pruned>,
    /// Where engines lie.
    pub cache: std::path::PathBuf,
}

/// Prepares `networks`. What fails is in the result; an error is what stops all of it (exit code 2 for usage).
pub fn prepare(
    runtime: &Runtime,
    plan: &EnginesPlan,
    networks: &[ModelPlan],
    options: &PrepareOptions,
) -> Result<AllPrepared> {
    let store = store(plan)?;
    let _lock = store.lock()?;
    let shop = Shop { runtime, plan, store: &store, options };
    let mut engines = Vec::new();
    for network in networks {
        for ask in asks(network)? {
            let (state, folder) = match shop.one(&ask) {
                Ok((state, folder)) => (state, folder),
                // A cache that cannot be written will not get better with the next network.
                Err(error) if error.downcast_ref::<ocellus_infer::engine::StoreError>().is_some() => return Err(error),
                Err(error) if exit::code_of(&error) == 2 => return Err(error),
                Err(error) => {
                    // A full disk fails a build anywhere, and takes no word of why.
                    store.check_room()?;
                    (State::Failed(format!("{error:#}")), None)
                }
            };
            engines.push(Prepared { ask, folder, state });
        }
    }
    let keep: Vec<Entry> = engines.iter().filter_map(|p| Some(Entry { folder: p.folder.clone()? })).collect();
    let pruned = store.prune(plan.quota_bytes, &keep)?;
    Ok(AllPrepared { engines, pruned, cache: store.root().to_owned() })
}

struct Shop<'a> {
    runtime: &'a Runtime,
    plan: &'a EnginesPlan,
    store: &'a Store,
    options: &'a PrepareOptions,
}

impl Shop<'_> {
    fn one(&self, ask: &Ask) -> Result<(State, Option<std::path::PathBuf>)> {
        if let Err(reason) = ask.registers(self.runtime) {
            return Ok((State::Absent(reason), None));
        }
        let placed = ask.place(self.runtime, self.store)?;
        let folder = placed.entry.folder.clone();
        let mut expected = None;
        match placed.entry.look(&placed.key) {
            Found::Engine(manifest) => {
                let measured: Measured = serde_json::from_value(manifest.measured.clone())?;
                let why = match self.why_build_again(ask, &placed, &measured)? {
                    None => return Ok((State::Ready(Box::new(measured)), Some(folder))),
                    Some(why) => why,
                };
                expected = Some(measured.cold.load_s);
                self.aside(ask, &placed.entry, &why)?;
            }
            Found::Unfit(why) => self.aside(ask, &placed.entry, &why)?,
            Found::Nothing => {
                if let Some(why) = self.store.why_another(&ask.name, ask.provider.name(), &placed.key) {
                    eprintln!("{}: the engine that is there is not for this: {why}", ask.label());
                }
            }
        }
        self.check_memory(ask, &placed)?;
        match self.build(ask, &placed, expected) {
            Ok(measured) => Ok((State::Built(Box::new(measured)), Some(folder))),
            Err(error) => {
                if folder.exists() {
                    self.aside(ask, &placed.entry, &format!("{error:#}"))?;
                }
                Err(error)
            }
        }
    }

    /// Why an engine that is there with its manifest is not good enough; `None` where it is. What a provider builds must load
    /// in a process of its own, add nothing to its files, and pass its self-check, as it must at the start of a run.
    fn why_build_again(&self, ask: &Ask, placed: &Placed, measured: &Measured) -> Result<Option<String>> {
        if self.options.again {
            return Ok(Some("it was asked to be built again".to_owned()));
        }
        if !ask.provider.builds_engines() {
            return Ok(None);
        }
        let what = format!("{}: looking at the engine that is there", ask.label());
        let (folder, timeout) = (placed.entry.folder.as_path(), self.options.timeout);
        let work = Work { what: &what, folder, expected_s: Some(measured.warm.load_s), timeout };
        let files = EngineManifest::of_folder(&placed.entry.engine())?;
        let why = match work.run("look", &mut self.job(ask, placed, Step::Engine)) {
            // A full disk or a folder that cannot be written says nothing about the engine.
            Err(error) => {
                self.store.check_room()?;
                Some(format!("it does not load any more: {error:#}"))
            }
            Ok((done, _)) => {
                let reference = super::golden::Golden::at(&placed.entry.golden()).answers();
                match reference.map(|said| compare(&said, &done.answers, Limits::of(ask.precision)).faults) {
                    Err(error) => Some(format!("self-check failed: {error:#}")),
                    Ok(faults) if !faults.is_empty() => Some(format!("self-check failed: {}", faults.join("; "))),
                    Ok(_) if EngineManifest::of_folder(&placed.entry.engine())? != files => {
                        Some("it was built again when it was loaded".to_owned())
                    }
                    Ok(_) => runs_on(&done.providers, ask.provider).err(),
                }
            }
        };
        Ok(why)
    }

    fn aside(&self, ask: &Ask, entry: &Entry, why: &str) -> Result<()> {
        let place = self.store.set_aside(entry, why)?;
        eprintln!("{}: moved aside to {}: {why}", ask.label(), place.display());
        Ok(())
    }

    /// Refuses to begin what would be killed half way.
    fn check_memory(&self, ask: &Ask, placed: &Placed) -> Result<()> {
        let needed_mb = match ask.provider {
            Provider::Tensorrt => {
                let workspace = placed.pairs.get(WORKSPACE).and_then(|v| v.parse::<u64>().ok()).unwrap_or(0);
                BUILD_MB + workspace / 1_000_000
            }
            provider if provider.builds_engines() => COMPILE_MB,
            _ => return Ok(()),
        };
        let memory = machine::memory(Path::new("/"));
        let Some(available) = memory.available_mb else { return Ok(()) };
        let swap = memory.swap_free_mb.unwrap_or(0);
        if available >= needed_mb {
            return Ok(());
        }
        let text = format!(
            "building takes about {needed_mb} MB; {available} MB are available and {swap} MB of swap: stop the desktop \
             (sudo systemctl isolate multi-user.target) and other programs, or add swap on fast storage \
             (fallocate -l 8G /swap && chmod 600 /swap && mkswap /swap && swapon /swap)"
        );
        if available + swap >= needed_mb || self.options.ignore_memory {
            eprintln!("{}: WARNING: {text}", ask.label());
            return Ok(());
        }
        Err(anyhow!("{text}; --ignore-memory begins all the same"))
    }

    fn build(&self, ask: &Ask, placed: &Placed, expected_s: Option<f64>) -> Result<Measured> {
        self.store.make(&placed.entry)?;
        let started = Instant::now();
        let golden = Step::Reference { source: self.plan.golden.clone(), frames: self.plan.frames };
        let mut reference = self.job(ask, placed, golden);
        (reference.providers, reference.options) = (vec![Provider::Cpu.name().to_owned()], Default::default());
        let label = ask.label();
        let work = |what: &str, expected_s| {
            let what = format!("{label}: {what}");
            (what, expected_s)
        };
        let run = |name: &str, (what, expected_s): (String, Option<f64>), job: &mut Job| {
            let (folder, timeout) = (placed.entry.folder.as_path(), self.options.timeout);
            Work { what: &what, folder, expected_s, timeout }.run(name, job)
        };
        let (cpu, _) = run("reference", work("golden pictures on the CPU", None), &mut reference)
            .context("the CPU has nothing to hold it against")?;
        let reference = super::golden::Golden::at(&placed.entry.golden()).answers()?;
        let before_mb = machine::memory(Path::new("/")).available_mb;
        let mut job = self.job(ask, placed, Step::Engine);
        let (cold, least_mb) = run("build", work("building", expected_s), &mut job)?;
        runs_on(&cold.providers, ask.provider)
            .map_err(|reason| anyhow!("{} does not run it: {reason}", ask.provider))?;
        let check = compare(&reference, &cold.answers, Limits::of(ask.precision));
        if !check.faults.is_empty() {
            let (faults, line, table) = (check.faults.join("; "), check.line(), check.table());
            return Err(exit::unmet(anyhow!(
                "self-check failed: {faults} ({line}); pictures and answers are kept beside what was built\n{table}"
            )));
        }
        let warm = self.load_again(ask, placed, &mut |job| {
            run("again", work("loading it again", None), job).map(|(done, _)| done)
        })?;
        let check = compare(&reference, &warm.answers, Limits::of(ask.precision));
        if !check.faults.is_empty() {
            let faults = check.faults.join("; ");
            return Err(exit::unmet(anyhow!("self-check of the engine loaded again failed: {faults}")));
        }
        let machine_memory_mb = before_mb.zip(least_mb).map(|(before, least)| before.saturating_sub(least));
        let measured = Measured { cold, warm, cpu, check, machine_memory_mb };
        self.write(ask, placed, &measured)?;
        eprintln!("{}: prepared in {:.1} s", ask.label(), started.elapsed().as_secs_f64());
        Ok(measured)
    }

    /// Loads the engine in further processes until one of them writes nothing.
    fn load_again(&self, ask: &Ask, placed: &Placed, run: &mut dyn FnMut(&mut Job) -> Result<Done>) -> Result<Done> {
        let folder = placed.entry.engine();
        let mut files = EngineManifest::of_folder(&folder)?;
        for _ in 0..AGAIN_MAX {
            let done = run(&mut self.job(ask, placed, Step::Engine))?;
            let after = EngineManifest::of_folder(&folder)?;
            if after == files {
                return Ok(done);
            }
            files = after;
        }
        Err(anyhow!(
            "each of {AGAIN_MAX} loads built again: its provider does not find what it kept in {}",
            folder.display()
        ))
    }

    fn job(&self, ask: &Ask, placed: &Placed, step: Step) -> Job {
        let request = ask.request(placed.pairs.clone());
        Job {
            step,
            model: request.path,
            providers: request.providers,
            options: request.options,
            intra_threads: request.intra_threads,
            ort_lib: self.runtime.library().path().to_owned(),
            golden: placed.entry.golden(),
            result: placed.entry.folder.clone(),
        }
    }

    fn write(&self, ask: &Ask, placed: &Placed, measured: &Measured) -> Result<()> {
        let files = EngineManifest::of_folder(&placed.entry.engine())?;
        let mut manifest = EngineManifest::new(&ask.name, ask.provider.name(), &placed.key, files);
        manifest.measured = serde_json::to_value(measured)?;
        manifest.write(&placed.entry.folder).context("the engine is built and cannot be noted")
    }
}

impl AllPrepared {
    /// Megabytes that all networks take while they run, each on its first provider that is prepared; `None` where unknown.
    pub fn memory_mb(&self) -> Option<f64> {
        let mut names: Vec<&str> = self.engines.iter().map(|p| p.ask.name.as_str()).collect();
        names.dedup();
        let of = |name: &str| {
            let mut prepared = self.engines.iter().filter(|p| p.ask.name == name);
            prepared.find_map(|p| p.measured()?.warm.memory_mb)
        };
        names.into_iter().map(of).sum()
    }

    /// Networks and providers that are not prepared though the library has them, and nothing prepared stands in.
    pub fn unmet(&self) -> Vec<&Prepared> {
        let stands_in = |p: &Prepared| {
            let same = |o: &&Prepared| o.ask.name == p.ask.name && o.ask.provider == p.ask.provider;
            self.engines.iter().filter(same).any(|o| o.measured().is_some())
        };
        let failed = |p: &&Prepared| match &p.state {
            State::Failed(_) => !stands_in(p),
            State::Absent(_) => p.ask.require == Some(p.ask.provider),
            State::Ready(_) | State::Built(_) => false,
        };
        self.engines.iter().filter(failed).collect()
    }
}

impl Prepared {
    /// What was measured, where it is prepared.
    pub fn measured(&self) -> Option<&Measured> {
        match &self.state {
            State::Ready(measured) | State::Built(measured) => Some(measured),
            State::Absent(_) | State::Failed(_) => None,
        }
    }
}
