//! From bytes to a session: the file is checked, providers are registered one by one, what fails is left out and
//! reported, the session is made, and `require` is held against what really runs.

use std::collections::BTreeMap;
use std::path::Path;

use ocellus_percept::model::IoInfo;
use ort::ep::ExecutionProviderDispatch;
use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::value::Outlet;

use super::io::{InputSlot, OutputSlot, info_of};
use super::memory::{GpuUse, Memory};
use super::{Network, SessionOptions};
use crate::assignment;
use crate::provider::{Provider, ProviderFailure, ProviderReport};
use crate::runtime::with_last_error;
use crate::{InferError, Runtime, digest, onnx};

/// Session option: the folder that files of weights beside the network are looked for in.
const WEIGHTS_FOLDER: &str = "session.model_external_initializers_file_folder_path";

/// Loads `bytes`, called `name`; `folder` is where weights kept in other files lie.
pub(super) fn load(
    runtime: &Runtime,
    name: &str,
    bytes: &[u8],
    folder: Option<&Path>,
    options: &SessionOptions,
) -> Result<Network, InferError> {
    onnx::check(name, bytes)?;
    check_options(options)?;
    let (session, mut report) = Attempt { runtime, name, bytes, folder, options }.until_it_loads()?;
    let assigned = assignment::nodes_per_provider(runtime.library(), &session);
    if let Some((nodes, assigned)) = assigned.map_err(|error| refused(runtime, name, error.message()))? {
        report.nodes = nodes;
        report.assigned = assigned;
        report.nodes_known = true;
    }
    if let Some(provider) = options.require
        && let Some(reason) = report.why_not(provider)
    {
        let ran = report.to_string();
        return Err(InferError::RequiredProvider { network: name.to_owned(), provider, reason, ran });
    }
    let gpu = GpuUse::of(&report.registered, &options.provider_options);
    let mut network = assemble(runtime, name, bytes, (session, gpu), report)?;
    network.profiled = options.profile.is_some();
    Ok(network)
}

/// Providers in the order they are registered: as asked for, without repetition, the required one there, and the CPU
/// last.
fn wanted(options: &SessionOptions) -> Vec<Provider> {
    let mut list: Vec<Provider> = Vec::new();
    let missing = options.require.filter(|required| !options.providers.contains(required));
    for provider in missing.into_iter().filter(|p| *p != Provider::Cpu).chain(options.providers.iter().copied()) {
        if !list.contains(&provider) {
            list.push(provider);
        }
    }
    list
}

fn check_options(options: &SessionOptions) -> Result<(), InferError> {
    for (provider, pairs) in &options.provider_options {
        for (key, value) in pairs {
            if key.is_empty() || key.contains('\0') || value.contains('\0') {
                let reason = "neither may hold a NUL byte, and the key may not be empty";
                return Err(InferError::BadOption {
                    provider: *provider,
                    key: key.clone(),
                    value: value.clone(),
                    reason,
                });
            }
        }
    }
    Ok(())
}

/// One network to be loaded with fewer and fewer providers, until it loads.
struct Attempt<'a> {
    runtime: &'a Runtime,
    name: &'a str,
    bytes: &'a [u8],
    folder: Option<&'a Path>,
    options: &'a SessionOptions,
}

impl Attempt<'_> {
    fn until_it_loads(&self) -> Result<(Session, ProviderReport), InferError> {
        let requested = wanted(self.options);
        let mut failed = Vec::new();
        let mut list = requested.clone();
        // The CPU takes every node that is left, so what follows it would never be asked.
        if let Some(cpu) = list.iter().position(|provider| *provider == Provider::Cpu) {
            let never = list.split_off(cpu + 1);
            let reason = "listed after cpu, which takes every node that is left";
            failed.extend(never.into_iter().map(|provider| ProviderFailure { provider, reason: reason.to_owned() }));
        }
        list.retain(|provider| *provider != Provider::Cpu);
        loop {
            let (builder, registered) = self.builder(&list, &mut failed)?;
            list.retain(|provider| registered.contains(provider));
            let (committed, logged) = with_last_error(|| commit(builder, self.bytes));
            match committed {
                Ok(session) => {
                    let registered = registered.into_iter().chain([Provider::Cpu]).collect();
                    let report = ProviderReport { requested, registered, failed, ..ProviderReport::default() };
                    return Ok((session, report));
                }
                // Some providers register and fail only now (no device, no kernels for this GPU).
                Err(error) if !list.is_empty() => {
                    let reason = reason_of(error.message(), logged);
                    let reason = format!("registered, but the network does not load with it: {reason}");
                    failed.push(ProviderFailure { provider: list.remove(0), reason });
                }
                Err(error) => return Err(refused(self.runtime, self.name, error.message())),
            }
        }
    }

    /// A builder with the options of every session and those of `list` that could be registered.
    fn builder(
        &self,
        list: &[Provider],
        failed: &mut Vec<ProviderFailure>,
    ) -> Result<(SessionBuilder, Vec<Provider>), InferError> {
        let mut builder = self.plain_builder().map_err(|error| refused(self.runtime, self.name, error.message()))?;
        let mut registered = Vec::new();
        let none = BTreeMap::new();
        for &provider in list {
            let pairs = self.options.provider_options.get(&provider).unwrap_or(&none);
            let Some(dispatch) = provider.dispatch(&provider.pairs(pairs, self.threads())) else { continue };
            let (returned, result) = register(builder, dispatch);
            builder = returned;
            match result {
                Ok(()) => registered.push(provider),
                Err(reason) => failed.push(ProviderFailure { provider, reason }),
            }
        }
        Ok((builder, registered))
    }

    fn plain_builder(&self) -> Result<SessionBuilder, ort::Error> {
        let mut builder = Session::builder(self.runtime.environment())?
            .with_intra_threads(self.threads())?
            .with_inter_threads(1)?
            .with_parallel_execution(false)?
            .with_intra_op_spinning(false)?
            .with_inter_op_spinning(false)?
            .with_optimization_level(GraphOptimizationLevel::All)?
            .with_deterministic_compute(true)?
            .with_log_id(self.name)?
            .with_log_level(ort::logging::LogLevel::Warning)?;
        if self.runtime.tells_nodes() {
            builder = builder.with_config_entry(assignment::RECORD, "1")?;
        }
        if let Some(profile) = &self.options.profile {
            builder = builder.with_profiling(profile)?;
        }
        if let Some(folder) = self.folder.and_then(Path::to_str).filter(|folder| !folder.is_empty()) {
            builder = builder.with_config_entry(WEIGHTS_FOLDER, folder)?;
        }
        Ok(builder)
    }

    fn threads(&self) -> usize {
        self.options.intra_threads.max(1)
    }
}

/// Whether `provider` can be registered with `pairs`; why not, where it cannot. Loads the provider's libraries, builds nothing.
pub(super) fn registers(runtime: &Runtime, provider: Provider, pairs: &BTreeMap<String, String>) -> Result<(), String> {
    let Some(dispatch) = provider.dispatch(pairs) else { return Ok(()) };
    let builder = Session::builder(runtime.environment()).map_err(|error| summary(error.message()))?;
    register(builder, dispatch).1
}

/// Registers one provider; the builder comes back in any case, and with it the reason of a failure.
fn register(builder: SessionBuilder, dispatch: ExecutionProviderDispatch) -> (SessionBuilder, Result<(), String>) {
    let attempt = || match builder.with_execution_providers([dispatch]) {
        Ok(builder) => (builder, None),
        Err(error) => {
            let returned = error.message().to_owned();
            (error.recover(), Some(returned))
        }
    };
    let ((builder, returned), logged) = with_last_error(attempt);
    (builder, returned.map_or(Ok(()), |returned| Err(reason_of(&returned, logged))))
}

fn commit(mut builder: SessionBuilder, bytes: &[u8]) -> Result<Session, ort::Error> {
    builder.commit_from_memory(bytes)
}

pub(super) fn assemble(
    runtime: &Runtime,
    name: &str,
    bytes: &[u8],
    (session, gpu): (Session, Option<GpuUse>),
    mut report: ProviderReport,
) -> Result<Network, InferError> {
    let memory = Memory::of(&session, gpu);
    report.memory = memory.told();
    let type_of = |outlet: &Outlet| outlet.dtype().to_string();
    let input_infos: Vec<IoInfo> = session.inputs().iter().map(info_of).collect();
    let output_infos: Vec<IoInfo> = session.outputs().iter().map(info_of).collect();
    let inputs = input_infos.iter().zip(session.inputs());
    let inputs = inputs
        .map(|(info, outlet)| InputSlot::new(name, info, &type_of(outlet), (&session, &memory)))
        .collect::<Result<_, _>>()?;
    let outputs = output_infos.iter().zip(session.outputs());
    let outputs =
        outputs.map(|(info, outlet)| OutputSlot::new(name, info, &type_of(outlet))).collect::<Result<_, _>>()?;
    let (metadata, producer) = metadata_of(&session);
    Ok(Network {
        name: name.to_owned(),
        session,
        memory,
        inputs,
        outputs,
        input_infos,
        output_infos,
        metadata,
        producer,
        digest: digest::sha256_of_bytes(bytes),
        report,
        profiled: false,
        bound: None,
        _runtime: runtime.clone(),
    })
}

/// The file's metadata and who wrote it. What cannot be read is as absent: nothing depends on it but guesses.
fn metadata_of(session: &Session) -> (BTreeMap<String, String>, Option<String>) {
    let Ok(metadata) = session.metadata() else { return (BTreeMap::new(), None) };
    let keys = metadata.custom_keys().unwrap_or_default();
    let pairs = keys.into_iter().filter_map(|key| metadata.custom(&key).map(|value| (key, value))).collect();
    (pairs, metadata.producer().filter(|name| !name.is_empty()))
}

fn refused(runtime: &Runtime, name: &str, message: &str) -> InferError {
    InferError::Refused {
        network: name.to_owned(),
        version: runtime.library().version(),
        summary: summary(message),
        advice: advice(message),
        detail: message.to_owned(),
    }
}

/// Why a provider failed: what it returned, and what it logged where that says more.
fn reason_of(returned: &str, logged: Option<String>) -> String {
    let returned = summary(returned);
    match logged.map(|message| summary(&message)) {
        Some(logged) if !logged.contains(&returned) && !returned.contains(&logged) => format!("{returned}: {logged}"),
        _ => returned,
    }
}

/// The gist of a message of ONNX Runtime: in one line, without the C++ file, line and function it came from.
pub(super) fn summary(message: &str) -> String {
    /// Longer messages list whole graphs.
    const LONGEST: usize = 300;
    let lines: Vec<&str> = message.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let line = lines.join(" ");
    let gist = match without_origin(&line) {
        "" => "no reason given",
        gist => gist,
    };
    if gist.chars().count() <= LONGEST {
        gist.to_owned()
    } else {
        gist.chars().take(LONGEST).chain("...".chars()).collect()
    }
}

/// What follows "/onnxruntime_src/.../model.cc:152 onnxruntime::Model::Model(onnx::ModelProto&&, ...) [with ...]".
fn without_origin(line: &str) -> &str {
    let Some((_, rest)) = line.rsplit_once(".cc:") else { return line };
    let end = [") ", ")> "].iter().filter_map(|end| rest.find(end).map(|at| at + end.len())).min();
    let gist = end.and_then(|end| rest.get(end..)).unwrap_or(line);
    if !gist.starts_with("[with ") {
        return gist;
    }
    let mut depth = 0usize;
    let close = gist.char_indices().find(|(_, letter)| {
        match letter {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0
    });
    close.and_then(|(at, _)| gist.get(at + 1..)).map_or(gist, str::trim)
}

/// What to do about the commonest refusals: a part of ONNX Runtime's message, and the advice.
const ADVICE: [(&str, &str); 9] = [
    (
        "IR version",
        "it is newer than this library: export it with an older onnx package, or take a newer library with `ocellus setup`",
    ),
    ("Missing opset", "it names no operator set: the file is damaged or unfinished, export it again"),
    ("opset", "export it with an operator set this library knows, or take a newer library with `ocellus setup`"),
    (
        "Could not find an implementation",
        "it uses an operator this library does not have: export it without, or take a newer library",
    ),
    ("No Op registered", "it uses an operator this library does not have: export it without, or take a newer library"),
    ("xternal data", "its weights are in another file: keep that file beside it"),
    ("external initializer", "its weights are in another file: keep that file beside it"),
    ("Protobuf parsing failed", "the file is damaged: copy or export it again"),
    ("", "check it with `python3 -c \"import onnx; onnx.checker.check_model('FILE')\"`, or export it again"),
];

fn advice(message: &str) -> &'static str {
    ADVICE.iter().find(|(part, _)| message.contains(part)).map_or("export it again", |(_, advice)| advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gist_of_a_message_is_its_first_line_without_its_origin() {
        let long = "/onnxruntime_src/onnxruntime/core/graph/model.cc:152 onnxruntime::Model::Model(onnx::ModelProto&&, const PathString&) Unsupported model IR version: 99, max supported IR version: 11\n";
        assert_eq!(summary(long), "Unsupported model IR version: 99, max supported IR version: 11");
        assert!(advice(long).contains("newer library"));
        let wrapped = format!("Failed to load model with error: {long}");
        assert_eq!(summary(&wrapped), summary(long));
        assert_eq!(summary("plain\n\nsecond"), "plain second");
        let template = "x.cc:28 auto F(Func&&) [with T = A[2]; Args = {int}] [EP] no such\nfolder";
        assert_eq!(summary(template), "[EP] no such folder");
        assert_eq!(summary("y.cc:2 P(const O&)::<lambda()> Invalid key: z"), "Invalid key: z");
        assert_eq!(summary(""), "no reason given");
        assert_eq!(summary(&"x".repeat(1000)).len(), 303);
    }

    #[test]
    fn providers_are_taken_once_in_order_with_the_required_one() {
        use Provider::{Cpu, Cuda, Tensorrt};
        let options = |providers: &[Provider], require| SessionOptions {
            providers: providers.to_vec(),
            require,
            ..SessionOptions::default()
        };
        assert_eq!(wanted(&options(&[Cuda, Cuda, Cpu], None)), [Cuda, Cpu]);
        assert_eq!(wanted(&options(&[Cpu], Some(Tensorrt))), [Tensorrt, Cpu]);
        assert_eq!(wanted(&options(&[Cuda], Some(Cuda))), [Cuda]);
        assert_eq!(wanted(&options(&[Cuda], Some(Cpu))), [Cuda]);
    }
}
