//! One network on one provider in one precision: what it is asked to be, and the key of its engine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use ocellus_distill::onnx;
use ocellus_infer::digest::sha256_of_file;
use ocellus_infer::engine::pairs::{EngineOptions, default_precision, places};
use ocellus_infer::engine::{EngineKey, Entry, Store, cuda, libraries};
use ocellus_infer::library::{Version, default_cache};
use ocellus_infer::{Provider, Runtime, registers};
use ocellus_percept::model::manifest::Precision;

use crate::exit;
use crate::launch::{EnginesPlan, Fallback, ModelPlan};
use crate::machine;
use crate::models;

/// Folder of what only speeds up building, shared by all engines.
const SHARED: &str = "timing";

/// One network on one provider in one precision.
#[derive(Debug, Clone)]
pub struct Ask {
    /// What the launch file says of the network.
    pub model: ModelPlan,
    /// Its name, for people and folders.
    pub name: String,
    /// The ONNX file.
    pub file: PathBuf,
    /// The provider.
    pub provider: Provider,
    /// It and those that take what it leaves, in order.
    pub providers: Vec<Provider>,
    /// The provider that is required, by launch file or manifest.
    pub require: Option<Provider>,
    /// What it computes with.
    pub precision: Precision,
    /// The input's size that the manifest tells, where it does.
    size: Option<String>,
}

/// An ask with its place in the cache.
pub struct Placed {
    /// The key of its engine.
    pub key: EngineKey,
    /// Where it lies, or would.
    pub entry: Entry,
    /// All that the provider is told.
    pub pairs: BTreeMap<String, String>,
}

/// The folder of engines of a plan.
pub fn store(plan: &EnginesPlan) -> Result<Store> {
    let root = match &plan.cache {
        Some(root) => root.clone(),
        None => default_cache().map_err(exit::usage)?.join("engines"),
    };
    Ok(Store::at(&root))
}

/// What a network is asked to be: each of its providers in order, those that build engines once for each precision that may
/// stand in.
pub fn asks(model: &ModelPlan) -> Result<Vec<Ask>> {
    let located = models::locate(&model.path)?;
    let manifest = located.read_manifest()?;
    let size = manifest.as_ref().and_then(|m| m.input.size).map(|[width, height]| format!("{width} x {height}"));
    let mut told = manifest.as_ref().and_then(|m| m.precision);
    let name = located.file.file_stem().map_or_else(|| "model".to_owned(), |s| s.to_string_lossy().into_owned());
    let (mut providers, require) = models::providers_of(&model.request(), manifest.as_ref())?;
    // What is required is asked first where it is not in the list, as when a session is made.
    if let Some(missing) = require.filter(|p| !providers.contains(p)) {
        providers.insert(0, missing);
    }
    if told.is_none() && providers.iter().any(|provider| provider.builds_engines()) {
        told = stored_precision(&located.file);
    }
    let mut asks = Vec::new();
    for (i, &provider) in providers.iter().enumerate() {
        for precision in precisions(model, provider, told) {
            let (name, file, size) = (name.clone(), located.file.clone(), size.clone());
            let providers = providers.get(i..).unwrap_or_default().to_vec();
            asks.push(Ask { model: model.clone(), name, file, provider, providers, require, precision, size });
        }
    }
    Ok(asks)
}

/// What a network is stored as where no manifest says: whole numbers of 8 bits where it is quantized by its own nodes. `None` for
/// any other, and for a file that cannot be read, which loading it will tell better.
fn stored_precision(file: &Path) -> Option<Precision> {
    let network = onnx::read(&std::fs::read(file).ok()?).ok()?;
    let is_quantized = network.graph?.node.iter().any(|node| node.is("DequantizeLinear"));
    is_quantized.then_some(Precision::Int8)
}

/// The precision asked for, then those that may stand in.
fn precisions(model: &ModelPlan, provider: Provider, told: Option<Precision>) -> Vec<Precision> {
    let stored = told.unwrap_or(Precision::Fp32);
    if !provider.builds_engines() {
        return vec![stored];
    }
    // A network of whole numbers must be built as one.
    let by_default = if stored == Precision::Int8 { stored } else { default_precision(provider) };
    let mut list = vec![model.engine.precision.unwrap_or(by_default)];
    for fallback in &model.engine.fallback {
        let precision = match fallback {
            Fallback::Fp16 => Precision::Fp16,
            Fallback::Fp32 => Precision::Fp32,
            Fallback::Cpu => continue,
        };
        if !list.contains(&precision) {
            list.push(precision);
        }
    }
    list
}

impl Ask {
    /// For people: `yolox_nano on tensorrt (fp16)`.
    pub fn label(&self) -> String {
        format!("{} on {} ({})", self.name, self.provider, precision_name(self.precision))
    }

    /// Whether its provider can be had at all; why not, where it cannot.
    pub fn registers(&self, runtime: &Runtime) -> Result<(), String> {
        registers(runtime, self.provider, &self.pairs(runtime.library().version(), None))
    }

    /// What its provider is told, but for places of files.
    fn pairs(&self, onnxruntime: Version, tensorrt_major: Option<u64>) -> BTreeMap<String, String> {
        let options = EngineOptions { precision: self.precision, onnxruntime, tensorrt_major };
        let mut pairs = options.pairs(self.provider);
        pairs.extend(self.model.engine.options.get(&self.provider).cloned().unwrap_or_default());
        self.provider.pairs(&pairs, self.model.intra_threads)
    }

    /// Its key and place. Its provider must have been registered in this process, so that its libraries are there to be asked.
    pub fn place(&self, runtime: &Runtime, store: &Store) -> Result<Placed> {
        let loaded = libraries::of_engines(self.provider);
        let pairs = self.pairs(runtime.library().version(), libraries::tensorrt_major(&loaded));
        let mut all = BTreeMap::new();
        let mut put = |name: String, value: String| all.insert(name, value);
        put("model".into(), sha256_of_file(&self.file).map_err(exit::usage)?);
        put("input size".into(), self.size.clone().unwrap_or_else(|| "as the file says".to_owned()));
        put("providers".into(), self.provider_names().join(", "));
        put("precision".into(), precision_name(self.precision).to_owned());
        put("onnxruntime".into(), runtime.library().version().to_string());
        put("onnxruntime library".into(), runtime.library().digest()?);
        loaded.into_iter().for_each(|(name, version)| drop(put(format!("library {name}"), version)));
        pairs.iter().for_each(|(key, value)| drop(put(format!("option {key}"), value.clone())));
        let board = machine::board(Path::new("/"));
        let device = (self.provider != Provider::Cpu).then(cuda::device).flatten();
        for (name, value) in [
            ("machine", Some(std::env::consts::ARCH.to_owned())),
            ("processor", board.cpu),
            ("board", board.model),
            ("L4T", board.l4t),
            ("driver", board.driver),
            ("device", device.as_ref().map(|d| d.name.clone())),
            ("compute capability", device.as_ref().map(|d| d.capability.clone())),
            ("driver's CUDA", device.map(|d| d.cuda)),
        ] {
            value.into_iter().for_each(|value| drop(put(name.to_owned(), value)));
        }
        let key = EngineKey::of(all);
        let entry = store.entry(&self.name, self.provider.name(), &key);
        let mut pairs = pairs;
        pairs.extend(places(self.provider, &entry.engine(), &store.root().join(SHARED)));
        Ok(Placed { key, entry, pairs })
    }

    /// The request that loads it, as `placed`.
    pub fn request(&self, pairs: BTreeMap<String, String>) -> models::ModelRequest {
        models::ModelRequest {
            providers: self.provider_names(),
            require: None,
            options: self.model.engine.options.clone().into_iter().chain([(self.provider, pairs)]).collect(),
            ..self.model.request()
        }
    }

    fn provider_names(&self) -> Vec<String> {
        self.providers.iter().map(|p| p.name().to_owned()).collect()
    }
}

/// A precision's name, as launch files have it.
pub fn precision_name(precision: Precision) -> &'static str {
    match precision {
        Precision::Fp32 => "fp32",
        Precision::Fp16 => "fp16",
        Precision::Int8 => "int8",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch::{LaunchFile, NetworksPlan};

    /// What is asked of a network of tests/data/networks on TensorRT and the CPU, with `more` in its `[[model]]`.
    fn all_of(network: &str, more: &str) -> Vec<Ask> {
        let network =
            format!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/networks/yolov8_nonsquare_{}.onnx"), network);
        let text = format!("[[model]]\npath='{network}'\nproviders=['tensorrt','cuda','cpu']\n{more}");
        let plan = NetworksPlan::from_file(&LaunchFile::parse(&text, &[]).unwrap()).unwrap();
        asks(&plan.models[0]).unwrap()
    }

    fn asked(network: &str, more: &str) -> Vec<(Provider, Precision)> {
        let all = all_of(network, more).into_iter().filter(|ask| ask.provider != Provider::Cuda);
        all.map(|ask| (ask.provider, ask.precision)).collect()
    }

    #[test]
    fn cuda_graphs_are_handed_on_where_the_launch_file_asks_for_them_and_nothing_says_a_word_of_them_else() {
        let told = |more: &str| -> Vec<Vec<String>> {
            let pairs = |ask: &Ask| ask.pairs(Version::new(1, 31, 1), Some(10));
            all_of("fp32", more)
                .iter()
                .map(|ask| pairs(ask).into_iter().map(|(key, value)| format!("{key}={value}")).collect())
                .collect()
        };
        let usual = [
            "trt_auxiliary_streams=0",
            "trt_builder_optimization_level=3",
            "trt_context_memory_sharing_enable=1",
            "trt_fp16_enable=1",
            "trt_layer_norm_fp32_fallback=1",
            "trt_max_workspace_size=1073741824",
            "trt_min_subgraph_size=5",
            "trt_op_types_to_exclude=NonMaxSuppression,NonZero,RoiAlign",
        ];
        assert_eq!(told(""), [usual.map(str::to_owned).to_vec(), vec![], vec![]]);
        let graphs = "[model.options.tensorrt]\ntrt_cuda_graph_enable=true\ntrt_max_workspace_size=536870912\n\
                      [model.options.cuda]\nenable_cuda_graph=true\n";
        let mut with_graph: Vec<String> = usual.map(str::to_owned).to_vec();
        with_graph[5] = "trt_max_workspace_size=536870912".to_owned();
        with_graph.insert(2, "trt_cuda_graph_enable=1".to_owned());
        with_graph[2..4].sort();
        assert_eq!(told(graphs), [with_graph, vec!["enable_cuda_graph=1".to_owned()], vec![]]);
    }

    #[test]
    fn a_network_that_is_quantized_by_its_own_nodes_is_built_as_one_and_others_as_the_provider_has_it() {
        use Precision::{Fp16, Fp32, Int8};
        use Provider::{Cpu, Tensorrt};
        assert_eq!(asked("fp32", ""), [(Tensorrt, Fp16), (Cpu, Fp32)]);
        assert_eq!(asked("int8", ""), [(Tensorrt, Int8), (Cpu, Int8)]);
        assert_eq!(asked("int8", "fallback=['fp16']"), [(Tensorrt, Int8), (Tensorrt, Fp16), (Cpu, Int8)]);
        assert_eq!(asked("fp32", "precision='fp32'"), [(Tensorrt, Fp32), (Cpu, Fp32)]);
    }
}
