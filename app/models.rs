//! A model's path or name -> its bytes, specification and loaded network.
//!
//! A path may be an ONNX file (recognised, or told by a model.toml beside it), a folder with a model.toml, or the name of
//! a folder under models/. Errors carry their exit code: 2 for what the user gave, 4 for a provider or hash not met.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result};
use ocellus_infer::digest::check_digest;
use ocellus_infer::{InferError, Library, Network, Provider, ProviderReport, Runtime, SessionOptions, library};
use ocellus_percept::detection::Detection;
use ocellus_percept::image::ImageView;
use ocellus_percept::model::manifest::Precision;
use ocellus_percept::model::{HeadFamily, IoInfo, ManifestTraining, ModelManifest, ModelSpec, ScoreMap, recognise};
use ocellus_percept::tensor::{DecodeReport, Decoder, Letterbox, Preprocessor, TensorView, extra_inputs};
use serde_json::{Value, json};

use crate::exit;

mod located;
mod vouched;
pub mod written;

pub use located::{Located, is_shipped, locate};
pub use vouched::Vouched;

/// What of a model is asked for.
#[derive(Debug, Clone)]
pub struct ModelRequest {
    /// ONNX file, folder with model.toml, or name under models/.
    pub path: PathBuf,
    /// Provider names in order of preference; where empty, those of the manifest, else the CPU.
    pub providers: Vec<String>,
    /// The provider without which loading fails with exit code 4.
    pub require: Option<String>,
    /// ONNX Runtime's own threads.
    pub intra_threads: usize,
    /// Options handed to providers as they are.
    pub options: BTreeMap<Provider, BTreeMap<String, String>>,
    /// Where a profile is written, from which shares of providers are told where the library does not tell them.
    pub profile: Option<PathBuf>,
}

impl ModelRequest {
    /// The model at `path` on the providers its manifest names, else on the CPU.
    pub fn new(path: PathBuf) -> Self {
        let SessionOptions { intra_threads, provider_options: options, profile, .. } = SessionOptions::default();
        Self { path, providers: Vec::new(), require: None, intra_threads, options, profile }
    }
}

/// A loaded network with its specification.
pub struct Model {
    /// The ONNX file.
    pub file: PathBuf,
    /// How it is fed and read.
    pub spec: ModelSpec,
    /// Whether a model.toml said so; else it was recognised.
    pub manifest: Option<PathBuf>,
    /// Licence text of the manifest.
    pub licence: Option<String>,
    /// The lowest score its manifest lists detections from, where it says one.
    pub told_score: Option<f32>,
    /// How the weights are stored, where its manifest says.
    pub precision: Option<Precision>,
    /// The network it was distilled from, where its manifest says.
    pub teacher: Option<String>,
    /// The energy that making it took, where its manifest says.
    pub training: Option<ManifestTraining>,
    /// Whether a Distillation Statement vouches for it.
    pub statement: Vouched,
    /// What its manifest asks of scores and makes of them.
    pub scores: ScoreRules,
    /// The network, ready to run.
    pub network: Network,
    /// The same again, for as many pictures more at once as a run asks for.
    pub others: Vec<Network>,
    /// The ONNX Runtime that runs it.
    pub library: Library,
}

/// What a manifest asks of scores, and what it makes of them.
#[derive(Debug, Clone, Default)]
pub struct ScoreRules {
    /// The lowest score of each class; empty where nothing is asked of single classes.
    pub class_scores: Vec<f32>,
    /// The tables that make scores honest.
    pub map: Option<ScoreMap>,
}

impl ScoreRules {
    fn of(manifest: &ModelManifest, classes: &[String]) -> Result<Self> {
        let asked = !manifest.thresholds.per_class.is_empty();
        let class_scores = if asked { manifest.class_scores(classes)? } else { Vec::new() };
        Ok(Self { class_scores, map: manifest.score_map(classes)? })
    }

    /// A decoder that heeds them.
    pub fn decoder(self, spec: &ModelSpec, outputs: &[IoInfo]) -> Result<Decoder> {
        Ok(Decoder::new(spec, outputs)?.with_class_scores(self.class_scores).with_score_map(self.map))
    }
}

/// Finds ONNX Runtime, fetching it on first need (said on standard error), and starts it.
pub fn start_runtime(told: Option<&Path>) -> Result<Runtime> {
    let options = library::LocateOptions::from_environment(told);
    let library = library::ensure(&options, &mut |event| eprintln!("{event}")).map_err(exit::usage)?;
    Ok(Runtime::start(&library)?)
}

/// Fetches the pinned ONNX Runtime into the user's cache, where it is not there yet.
pub fn fetch_library() -> Result<Library> {
    Ok(library::setup(&mut |event| eprintln!("{event}"))?)
}

/// Loads a model.
pub fn load(runtime: &Runtime, request: &ModelRequest) -> Result<Model> {
    let located = locate(&request.path)?;
    let parsed = located.read_manifest()?;
    let Located { file, manifest } = located;
    let at = || manifest.as_ref().map_or_else(String::new, |path| path.display().to_string());
    if let Some(manifest) = &parsed {
        check_digest(&file, &manifest.sha256).map_err(exit::unmet)?;
    }
    let options = session_options(request, parsed.as_ref())?;
    let mut network = Network::load(runtime, &file, &options).map_err(|error| match error {
        InferError::RequiredProvider { .. } => exit::unmet(error),
        InferError::Missing { .. } => exit::usage(error),
        other => other.into(),
    })?;
    let mut spec = specification(&file, &network, parsed.as_ref())?;
    shape_inputs(&mut network, &spec)?;
    let mut scores = ScoreRules::default();
    if let Some(told) = &parsed {
        scores = ScoreRules::of(told, &spec.classes).with_context(at).map_err(exit::usage)?;
        let overruled = |wanted: &&Vec<String>| !request.providers.is_empty() && **wanted != request.providers;
        if let Some(wanted) = told.providers.as_ref().filter(overruled) {
            let (used, wanted) = (request.providers.join(", "), wanted.join(", "));
            spec.guesses.push(format!("providers {used}: the launch file decides; model.toml would have {wanted}"));
        }
    }
    let statement = Vouched::of(manifest.as_deref(), parsed.as_ref(), network.digest());
    let told = parsed.as_ref();
    Ok(Model {
        told_score: told.and_then(|m| m.thresholds.score),
        precision: told.and_then(|m| m.precision),
        teacher: told.and_then(|m| m.teacher.clone()),
        training: told.and_then(|m| m.training.clone()),
        licence: parsed.map(|m| m.licence),
        statement,
        scores,
        file,
        spec,
        manifest,
        network,
        others: Vec::new(),
        library: runtime.library().clone(),
    })
}

fn specification(file: &Path, network: &Network, manifest: Option<&ModelManifest>) -> Result<ModelSpec> {
    let stem = file.file_stem().map_or_else(|| "model".to_owned(), |s| s.to_string_lossy().into_owned());
    let (inputs, outputs) = (network.inputs(), network.outputs());
    match manifest {
        Some(manifest) => {
            manifest.to_spec(inputs, outputs, network.metadata()).with_context(|| format!("{stem}: model.toml"))
        }
        None => recognise(&stem, inputs, outputs, network.metadata()).with_context(|| file.display().to_string()),
    }
    .map_err(exit::usage)
}

/// Dynamic dimensions take the specification's size; inputs beside the picture are told what never changes.
fn shape_inputs(network: &mut Network, spec: &ModelSpec) -> Result<()> {
    let is_dynamic = |info: &&IoInfo| info.name == spec.input.name && info.shape.iter().skip(1).any(Option::is_none);
    if network.inputs().iter().any(|info| is_dynamic(&info)) {
        let (width, height) = (spec.input.width, spec.input.height);
        match &spec.clip {
            Some(clip) => network.set_input_shape(&spec.input.name, &clip.shape(width, height))?,
            None => network.set_input_shape(&spec.input.name, &[1, 3, height, width])?,
        }
    }
    for extra in extra_inputs(spec, network.inputs()).map_err(exit::usage)? {
        network.set_input_shape(&extra.name, &extra.shape)?;
        network.input_i64_mut(&extra.name)?.copy_from_slice(&extra.data);
    }
    Ok(())
}

/// Providers in the order they are asked, and the one that is required, by launch file and manifest.
pub fn providers_of(
    request: &ModelRequest,
    manifest: Option<&ModelManifest>,
) -> Result<(Vec<Provider>, Option<Provider>)> {
    let parse = |name: &String| Provider::from_str(name).map_err(exit::usage);
    let told = Some(&request.providers).filter(|told| !told.is_empty());
    let providers = told.or(manifest.and_then(|m| m.providers.as_ref()));
    let providers = providers.map(|names| names.iter().map(parse).collect()).transpose()?;
    let require = request.require.as_ref().or(manifest.and_then(|m| m.require.as_ref())).map(parse).transpose()?;
    Ok((providers.unwrap_or(SessionOptions::default().providers), require))
}

fn session_options(request: &ModelRequest, manifest: Option<&ModelManifest>) -> Result<SessionOptions> {
    let (providers, require) = providers_of(request, manifest)?;
    let (intra_threads, provider_options) = (request.intra_threads, request.options.clone());
    let profile = request.profile.clone();
    Ok(SessionOptions { providers, require, intra_threads, provider_options, profile })
}

impl Model {
    /// Whether it looks for depth only.
    pub fn is_depth(&self) -> bool {
        self.spec.head == HeadFamily::Depth
    }

    /// Whether it looks at clips.
    pub fn is_on_clips(&self) -> bool {
        self.spec.head == HeadFamily::Anticipation
    }

    /// Lines for people: what it is, what was guessed, who runs it.
    pub fn describe(&self) -> String {
        let mut text = String::new();
        let spec = &self.spec;
        let _ = writeln!(text, "model {}", self.file.display());
        let _ = writeln!(text, "  sha256     {}", self.network.digest());
        match &self.manifest {
            Some(path) => {
                let _ = writeln!(text, "  told by    {}", path.display());
            }
            None => text.push_str("  told by    its inputs, outputs and metadata\n"),
        }
        let _ = writeln!(text, "  head       {:?}, {} classes", spec.head, spec.classes.len());
        let _ = writeln!(
            text,
            "  input      {} {}x{} {:?}, {:?}, {:?}, fill {}, mean {:?}, scale {:?}",
            spec.input.name,
            spec.input.width,
            spec.input.height,
            spec.input.element,
            spec.input.order,
            spec.input.resize,
            spec.input.fill,
            spec.input.mean,
            spec.input.scale
        );
        if let Some(clip) = &spec.clip {
            let (frames, hz, layout) = (clip.frames, clip.hz, clip.layout);
            let _ = writeln!(text, "  clip       {frames} frames, {hz} a second, {layout:?}");
        }
        for (what, infos) in [("in", self.network.inputs()), ("out", self.network.outputs())] {
            for info in infos {
                let _ = writeln!(text, "  {what:<10} {}", io_text(info));
            }
        }
        for guess in &spec.guesses {
            let _ = writeln!(text, "  guessed    {guess}");
        }
        text.push_str(&providers_text(self.network.providers()));
        text
    }

    /// The same for a program, as it stands in run.json.
    pub fn to_json(&self) -> Value {
        let report = self.network.providers();
        let failed: Vec<Value> =
            report.failed.iter().map(|f| json!({"provider": f.provider.name(), "reason": f.reason})).collect();
        json!({
            "kind": "model",
            "name": self.spec.name,
            "file": self.file,
            "sha256": self.network.digest(),
            "manifest": self.manifest,
            "licence": self.licence,
            "head": self.spec.head,
            "input": self.spec.input,
            "classes": self.spec.classes,
            "guesses": self.spec.guesses,
            "clip": self.spec.clip.map(|c| json!({"frames": c.frames, "hz": c.hz, "layout": c.layout})),
            "providers_requested": report.requested.iter().map(|p| p.name()).collect::<Vec<_>>(),
            "providers_registered": report.registered.iter().map(|p| p.name()).collect::<Vec<_>>(),
            "providers_failed": failed,
            "nodes": report.nodes,
            "nodes_known": report.nodes_known,
            "precision": self.precision,
            "teacher": self.teacher,
            "calibrated": self.scores.map.is_some(),
            "statement": self.statement,
        })
    }
}

fn io_text(info: &IoInfo) -> String {
    let shape: Vec<String> = info.shape.iter().map(|d| d.map_or_else(|| "?".to_owned(), |d| d.to_string())).collect();
    let element = info.element.map_or_else(|| "unusable".to_owned(), |e| format!("{e:?}").to_lowercase());
    format!("{} [{}] {element}", info.name, shape.join(", "))
}

/// A line per provider: the share of nodes it runs, or why it does not run.
pub fn providers_text(report: &ProviderReport) -> String {
    let mut text = String::new();
    for (name, share) in &report.nodes {
        let _ = writeln!(text, "  provider   {name} runs {} of the nodes, {:.1} %", share.nodes, share.share * 100.0);
    }
    if !report.nodes_known {
        let registered: Vec<&str> = report.registered.iter().map(|p| p.name()).collect();
        let _ =
            writeln!(text, "  provider   {}; this library does not tell who runs which node", registered.join(", "));
    }
    for failure in &report.failed {
        let _ = writeln!(text, "  WARNING    provider {} does not run: {}", failure.provider.name(), failure.reason);
    }
    text
}

/// A network on single pictures, all in the calling thread: fed as its specification says, its outputs for the caller.
pub struct PictureRunner {
    network: Network,
    spec: ModelSpec,
    preprocessor: Preprocessor,
}

impl PictureRunner {
    /// Takes a loaded network.
    pub fn new(network: Network, spec: &ModelSpec) -> Result<Self> {
        Ok(Self { network, spec: spec.clone(), preprocessor: Preprocessor::new(&spec.input)? })
    }

    /// Another graph with the inputs of `spec`, on the CPU: a network's file changed so that it shows more of itself.
    pub fn of_bytes(runtime: &Runtime, spec: &ModelSpec, name: &str, bytes: &[u8]) -> Result<Self> {
        let mut network = Network::from_bytes(runtime, name, bytes, &SessionOptions::default())?;
        shape_inputs(&mut network, spec)?;
        Self::new(network, spec)
    }

    /// How it is fed and read.
    pub fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    /// Puts a picture into its input, whose values are returned with where the picture lies in them.
    pub fn feed(&mut self, image: ImageView<'_>) -> Result<(&[f32], Letterbox)> {
        let input = self.network.input_mut(&self.spec.input.name)?;
        let geometry = self.preprocessor.run(image, input)?;
        Ok((input, geometry))
    }

    /// Runs it on what it was fed and hands its outputs to `read`.
    pub fn run_fed<R>(&mut self, read: impl FnOnce(&[TensorView<'_>]) -> R) -> Result<R> {
        Ok(self.network.run(read)?)
    }

    /// Runs it on one picture and hands its outputs, and where the picture lies in its input, to `read`.
    pub fn run<R>(&mut self, image: ImageView<'_>, read: impl FnOnce(&[TensorView<'_>], &Letterbox) -> R) -> Result<R> {
        let (_, geometry) = self.feed(image)?;
        self.run_fed(|outputs| read(outputs, &geometry))
    }
}

/// A detector on single pictures.
pub struct PictureDetector {
    runner: PictureRunner,
    decoder: Decoder,
}

impl PictureDetector {
    /// Takes a loaded detector. Errors: a head that gives no detections, inputs that nothing explains.
    pub fn new(model: Model) -> Result<Self> {
        let decoder = model.scores.decoder(&model.spec, model.network.outputs())?;
        Ok(Self { runner: PictureRunner::new(model.network, &model.spec)?, decoder })
    }

    /// Reports boxes as the network gives them, also beyond the picture's edges.
    #[must_use]
    pub fn with_boxes_beyond_the_picture(self) -> Self {
        Self { decoder: self.decoder.with_boxes_beyond_the_picture(), ..self }
    }

    /// Names of its classes.
    pub fn classes(&self) -> &[String] {
        &self.spec().classes
    }

    /// How it is fed and read.
    pub fn spec(&self) -> &ModelSpec {
        self.runner.spec()
    }

    /// Replaces `found` with the detections of one picture, in its pixels.
    pub fn detect(&mut self, image: ImageView<'_>, found: &mut Vec<Detection>) -> Result<()> {
        self.detect_and(image, found, |_, _| Ok(()))
    }

    /// As [`Self::detect`]; the outputs of the same run go to `also`, too.
    pub fn detect_and(
        &mut self,
        image: ImageView<'_>,
        found: &mut Vec<Detection>,
        also: impl FnOnce(&[TensorView<'_>], &Letterbox) -> Result<()>,
    ) -> Result<()> {
        let (decoder, thresholds) = (&mut self.decoder, self.runner.spec.thresholds);
        let report = self.runner.run(image, |outputs, geometry| -> Result<DecodeReport> {
            also(outputs, geometry)?;
            Ok(decoder.decode(outputs, geometry, &thresholds, found)?)
        })??;
        if report.non_finite > 0 {
            eprintln!("not finite: {} output values of {}", report.non_finite, self.runner.spec.name);
        }
        Ok(())
    }
}
