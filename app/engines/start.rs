//! The start of a run: an engine is taken only with its manifest and after a short self-check; else what the launch file allows
//! stands in, aloud, or the run does not start (exit code 4).

use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use ocellus_infer::engine::{Entry, Found, Store};
use ocellus_infer::{Provider, ProviderReport, Runtime};
use ocellus_percept::image::Image;
use serde::Serialize;

use super::answer::{Answer, Asking};
use super::ask::{Ask, Placed, asks, precision_name, store};
use super::check::{Check, Limits, compare};
use super::golden::Golden;
use super::prepare::{PrepareOptions, prepare};
use crate::exit;
use crate::launch::{EnginesPlan, Fallback, ModelPlan};
use crate::models::{self, Model};

/// What runs a network, where its provider builds engines.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EngineInUse {
    /// The network.
    pub model: String,
    /// The provider that runs it.
    pub provider: Provider,
    /// What it computes with.
    pub precision: &'static str,
    /// The engine's key; `None` for the CPU.
    pub key: Option<String>,
    /// The self-check at the start.
    pub check: Option<StartCheck>,
    /// What was asked for first and is not what runs, and why, in order; empty where nothing stands in.
    pub instead_of: Vec<String>,
}

/// The short self-check at the start of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StartCheck {
    /// Seconds it took.
    pub seconds: f64,
    /// What it came to.
    #[serde(flatten)]
    pub check: Check,
}

/// Why an engine is not taken.
enum Why {
    /// The library has no such provider, or it does not take these options.
    NotThere(String),
    /// There is no engine to be trusted.
    NotPrepared(String),
}

/// Loads a network for a run: on its engine where its first provider builds engines and can be had, else as it always was.
pub fn load(runtime: &Runtime, plan: &EnginesPlan, network: &ModelPlan) -> Result<(Model, Option<EngineInUse>)> {
    let asks = asks(network)?;
    let building = asks.iter().find(|ask| ask.provider.builds_engines() && ask.registers(runtime).is_ok());
    let Some(first) = building else { return plain(runtime, plan, network, &asks) };
    let provider = first.provider;
    let store = store(plan)?;
    if plan.allow_build {
        let options = PrepareOptions { again: false, ignore_memory: false, timeout: BUILD_LIMIT };
        for prepared in prepare(runtime, plan, std::slice::from_ref(network), &options)?.unmet() {
            eprintln!("{}: could not be built", prepared.ask.label());
        }
    }
    let mut whys = Vec::new();
    for ask in asks.iter().filter(|ask| ask.provider == provider) {
        match take(runtime, (plan, &store), ask)? {
            Ok((model, mut engine)) => {
                engine.instead_of = whys;
                return Ok((model, Some(engine)));
            }
            Err(Why::NotThere(why) | Why::NotPrepared(why)) => whys.push(format!("{}: {why}", ask.label())),
        }
    }
    if !cpu_may_stand_in(first, network) {
        return Err(exit::unmet(refusal(plan, network, provider, &whys)));
    }
    on_cpu(runtime, network, first, whys)
}

/// Loads a network none of whose providers builds engines. A provider that cannot be had at all is left out and reported, as
/// everywhere; one that is there must run the network once, before a frame depends on it: kernels that are not for this
/// device are only then found out.
fn plain(
    runtime: &Runtime,
    plan: &EnginesPlan,
    network: &ModelPlan,
    asks: &[Ask],
) -> Result<(Model, Option<EngineInUse>)> {
    let mut model = models::load(runtime, &network.request())?;
    let provider = model.network.providers().registered.first().copied().unwrap_or(Provider::Cpu);
    let Some(ask) = asks.iter().find(|ask| ask.provider == provider && provider != Provider::Cpu) else {
        return Ok((model, None));
    };
    let Err(why) = first_run(&mut model) else { return Ok((model, None)) };
    let whys = vec![format!("{} on {provider}: {why:#}", ask.name)];
    if !cpu_may_stand_in(ask, network) {
        return Err(exit::unmet(anyhow!(
            "{}; `ocellus doctor` gives each provider a network to run, and says what it lacks; `fallback = [\"cpu\"]` of the \
             model in the launch file lets the CPU stand in{}",
            whys.join("; "),
            plan.launch.as_ref().map_or_else(String::new, |launch| format!(" ({})", launch.display()))
        )));
    }
    drop(model);
    on_cpu(runtime, network, ask, whys)
}

/// Runs the network once, on a black picture.
pub fn first_run(model: &mut Model) -> Result<()> {
    model.network.input_mut(&model.spec.input.name)?.fill(0.0);
    model.network.run(|_| ()).context("it registers and loads the network, and fails at its first run")
}

fn cpu_may_stand_in(first: &Ask, network: &ModelPlan) -> bool {
    let required = first.require.is_some_and(|required| required != Provider::Cpu);
    !required && network.engine.fallback.contains(&Fallback::Cpu)
}

/// The network on the CPU, in the place of what `first` asked for.
fn on_cpu(
    runtime: &Runtime,
    network: &ModelPlan,
    first: &Ask,
    instead_of: Vec<String>,
) -> Result<(Model, Option<EngineInUse>)> {
    let request = models::ModelRequest { providers: vec![Provider::Cpu.name().to_owned()], ..network.request() };
    let model = models::load(runtime, &request)?;
    let precision = precision_name(ocellus_percept::model::manifest::Precision::Fp32);
    let (name, provider) = (first.name.clone(), Provider::Cpu);
    Ok((model, Some(EngineInUse { model: name, provider, precision, key: None, check: None, instead_of })))
}

/// A build at the start of a run is given up after this.
const BUILD_LIMIT: std::time::Duration = std::time::Duration::from_secs(3600);

fn refusal(plan: &EnginesPlan, network: &ModelPlan, provider: Provider, whys: &[String]) -> anyhow::Error {
    let command = match &plan.launch {
        Some(launch) => format!("ocellus prepare {}", launch.display()),
        None => format!("ocellus prepare --model {} --provider {provider}", network.path.display()),
    };
    anyhow!(
        "{}; run `{command}` first (with the same --set), or give --allow-build, which may take minutes; \
         `fallback` of the model in the launch file says what may stand in",
        whys.join("; ")
    )
}

/// The engine of `ask`, loaded and checked, or why not. An error is what no other engine would mend.
fn take(
    runtime: &Runtime,
    (plan, store): (&EnginesPlan, &Store),
    ask: &Ask,
) -> Result<Result<(Model, EngineInUse), Why>> {
    if let Err(reason) = ask.registers(runtime) {
        return Ok(Err(Why::NotThere(reason)));
    }
    let placed = ask.place(runtime, store)?;
    match placed.entry.look(&placed.key) {
        Found::Engine(_) => {}
        Found::Unfit(why) => return Ok(Err(Why::NotPrepared(format!("its engine is not to be trusted: {why}")))),
        Found::Nothing => {
            let why = store.why_another(&ask.name, ask.provider.name(), &placed.key);
            let why = why.map_or_else(
                || "no engine was prepared".to_owned(),
                |why| format!("no engine was prepared for this; the one there is differs: {why}"),
            );
            return Ok(Err(Why::NotPrepared(why)));
        }
    }
    let mut model = models::load(runtime, &ask.request(placed.pairs.clone()))?;
    if let Err(reason) = runs_on(model.network.providers(), ask.provider) {
        return Ok(Err(Why::NotPrepared(format!("its engine does not load: {reason}"))));
    }
    let check = match check(&mut model, &placed.entry, plan.start_frames, ask) {
        Ok(check) if check.check.faults.is_empty() => check,
        Ok(check) => {
            return Ok(Err(Why::NotPrepared(format!("self-check failed: {}", check.check.faults.join("; ")))));
        }
        Err(error) => return Ok(Err(Why::NotPrepared(format!("self-check failed: {error:#}")))),
    };
    placed.entry.touch();
    let Placed { key, .. } = placed;
    let engine = EngineInUse {
        model: ask.name.clone(),
        provider: ask.provider,
        precision: precision_name(ask.precision),
        key: Some(key.sha256),
        check: Some(check),
        instead_of: Vec::new(),
    };
    Ok(Ok((model, engine)))
}

/// Holds the network against what the CPU said of the first golden pictures when it was prepared.
fn check(model: &mut Model, entry: &Entry, frames: usize, ask: &Ask) -> Result<StartCheck> {
    let started = Instant::now();
    let golden = Golden::at(&entry.golden());
    let mut all: Vec<(usize, Answer)> = golden.answers()?.into_iter().enumerate().collect();
    // Pictures on which most is seen say most.
    all.sort_by_key(|(index, answer)| (std::cmp::Reverse(answer.boxes.len()), *index));
    all.truncate(frames);
    let mut asking = Asking::new(model)?;
    let (mut image, mut reference, mut answers) = (Image::empty(), Vec::new(), Vec::new());
    for (index, said) in all {
        golden.read(index, &mut image)?.ok_or_else(|| anyhow!("golden picture {index} is missing"))?;
        answers.push(asking.ask(&mut model.network, &image)?);
        reference.push(said);
    }
    let check = compare(&reference, &answers, Limits::of(ask.precision));
    Ok(StartCheck { seconds: started.elapsed().as_secs_f64(), check })
}

/// Whether `provider` runs at least one node, as far as the library tells; why not.
pub fn runs_on(report: &ProviderReport, provider: Provider) -> Result<(), String> {
    // A library that does not tell nodes is believed where the provider was registered and the network loaded with it.
    let untold = !report.nodes_known && report.registered.contains(&provider);
    match report.why_not(provider) {
        Some(reason) if !untold => Err(reason),
        _ => Ok(()),
    }
}

impl EngineInUse {
    /// One line for people.
    pub fn line(&self) -> String {
        let checked = self
            .check
            .as_ref()
            .map_or_else(String::new, |c| format!(": self-check of {:.1} s: {}", c.seconds, c.check.line()));
        format!("{} on {} ({}){checked}", self.model, self.provider, self.precision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch::{LaunchFile, NetworksPlan};

    /// A plan of a network that OpenVINO loads and cannot run, with `more` in its `[[model]]`.
    fn plan(more: &str) -> NetworksPlan {
        let network = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/networks/yolov8_nonsquare_wide.onnx");
        let text = format!("[[model]]\npath='{network}'\nproviders=['openvino','cpu']\n{more}");
        NetworksPlan::from_file(&LaunchFile::parse(&text, &[]).unwrap()).unwrap()
    }

    /// OpenVINO here as a provider that builds nothing: as CUDA without kernels for the GPU at hand.
    #[test]
    fn a_provider_that_fails_at_the_first_run_is_stood_in_for_only_where_that_is_allowed() {
        let Some(library) = std::env::var_os("OCELLUS_TEST_ORT_LIB") else {
            println!("not run: OCELLUS_TEST_ORT_LIB names no library with a second provider");
            return;
        };
        let runtime = models::start_runtime(Some(library.as_ref())).unwrap();
        let load = |more: &str| {
            let plan = plan(more);
            let network = &plan.models[0];
            plain(&runtime, &plan.engines, network, &asks(network).unwrap())
        };
        for more in ["", "require='openvino'\nfallback=['cpu']"] {
            let error = load(more).err().unwrap();
            assert_eq!(exit::code_of(&error), 4, "{error:#}");
            let text = exit::text_of(&error);
            let parts = ["yolov8_nonsquare_wide on openvino", "fails at its first run", "fallback"];
            assert!(parts.iter().all(|part| text.contains(part)), "{text}");
        }
        let (mut model, engine) = load("fallback=['cpu']").unwrap();
        let engine = engine.unwrap();
        assert!(engine.provider == Provider::Cpu && engine.instead_of[0].contains("first run"), "{engine:?}");
        first_run(&mut model).unwrap();
    }
}
