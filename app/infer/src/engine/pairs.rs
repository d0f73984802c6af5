//! What a provider is told when it builds an engine: exact keys and values, as ONNX Runtime's own documentation names them.
//!
//! Defaults are for a board with 8 GB that its processor and its GPU share. Whatever the launch file says in
//! `[model.options.<provider>]` is handed on as it stands and wins over what stands here.

use std::collections::BTreeMap;
use std::path::Path;

use ocellus_percept::model::manifest::Precision;

use crate::library::Version;
use crate::provider::Provider;

/// What `provider` computes with unless told otherwise: half floats on a Jetson's GPU, whole ones elsewhere. [`Precision::Int8`] is
/// for networks that say so themselves by QuantizeLinear and DequantizeLinear.
pub fn default_precision(provider: Provider) -> Precision {
    if provider == Provider::Tensorrt { Precision::Fp16 } else { Precision::Fp32 }
}

/// Scratch memory that TensorRT's builder may take, bytes: 1 GiB of the 8 GB that all share.
const WORKSPACE_BYTES: u64 = 1 << 30;
/// Smaller parts of a graph stay with the next provider: one engine for every few nodes costs more than it saves.
const SUBGRAPH_NODES_MIN: u32 = 5;
/// TensorRT's own default; above it builds take many times longer for little.
const OPTIMIZATION_LEVEL: u32 = 3;
/// Operators with shapes that depend on data, slow in the TensorRT of JetPack 6 (10.3).
const EXCLUDED: &str = "NonMaxSuppression,NonZero,RoiAlign";
/// The first ONNX Runtime whose TensorRT provider knows `trt_op_types_to_exclude`; an unknown key fails the registration.
const EXCLUDES_FROM: Version = Version::new(1, 21, 0);
/// From this TensorRT on precision is the network's own (types and Q/DQ): the builder's flags are gone.
const STRONGLY_TYPED_FROM: u64 = 11;

/// What the pairs depend on.
#[derive(Debug, Clone, Copy)]
pub struct EngineOptions {
    /// What it computes with.
    pub precision: Precision,
    /// The ONNX Runtime in use.
    pub onnxruntime: Version,
    /// TensorRT's major version, where known.
    pub tensorrt_major: Option<u64>,
}

impl EngineOptions {
    /// The pairs for `provider`, without those that say where its files go; none for a provider that builds no engine.
    pub fn pairs(&self, provider: Provider) -> BTreeMap<String, String> {
        match provider {
            Provider::Tensorrt => self.tensorrt(),
            Provider::Openvino => self.openvino(),
            Provider::Cuda | Provider::Xnnpack | Provider::Cpu => BTreeMap::new(),
        }
    }

    fn tensorrt(&self) -> BTreeMap<String, String> {
        let mut pairs = BTreeMap::new();
        let mut put = |key: &str, value: String| pairs.insert(key.to_owned(), value);
        put("trt_max_workspace_size", WORKSPACE_BYTES.to_string());
        put("trt_builder_optimization_level", OPTIMIZATION_LEVEL.to_string());
        put("trt_min_subgraph_size", SUBGRAPH_NODES_MIN.to_string());
        // No streams besides the main one, and one scratch memory for all parts: least memory.
        put("trt_auxiliary_streams", "0".to_owned());
        put("trt_context_memory_sharing_enable", "1".to_owned());
        if self.onnxruntime >= EXCLUDES_FROM {
            put("trt_op_types_to_exclude", EXCLUDED.to_owned());
        }
        let flags = self.tensorrt_major.is_none_or(|major| major < STRONGLY_TYPED_FROM);
        if flags && self.precision != Precision::Fp32 {
            put("trt_fp16_enable", "1".to_owned());
            // Half floats overflow in the normalisation of transformers.
            put("trt_layer_norm_fp32_fallback", "1".to_owned());
        }
        if flags && self.precision == Precision::Int8 {
            put("trt_int8_enable", "1".to_owned());
        }
        pairs
    }

    fn openvino(&self) -> BTreeMap<String, String> {
        let mut pairs = BTreeMap::from([("device_type".to_owned(), "CPU".to_owned())]);
        if self.precision == Precision::Fp16 {
            pairs.insert("precision".to_owned(), "FP16".to_owned());
        }
        pairs
    }
}

/// The pairs that say where the provider's files go: engines into `engine`, what only speeds up building into `shared`.
pub fn places(provider: Provider, engine: &Path, shared: &Path) -> BTreeMap<String, String> {
    let text = |path: &Path| path.display().to_string();
    let pairs: Vec<(&str, String)> = match provider {
        Provider::Tensorrt => vec![
            ("trt_engine_cache_enable", "1".to_owned()),
            ("trt_engine_cache_path", text(engine)),
            ("trt_engine_cache_prefix", "ocellus".to_owned()),
            ("trt_timing_cache_enable", "1".to_owned()),
            ("trt_timing_cache_path", text(shared)),
        ],
        Provider::Openvino => vec![("cache_dir", text(engine))],
        Provider::Cuda | Provider::Xnnpack | Provider::Cpu => Vec::new(),
    };
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: Version = Version::new(1, 31, 1);

    fn told(options: EngineOptions) -> Vec<String> {
        options.pairs(Provider::Tensorrt).iter().map(|(key, value)| format!("{key}={value}")).collect()
    }

    #[test]
    fn tensorrt_10_is_told_exactly_this() {
        let options = EngineOptions { precision: Precision::Fp16, onnxruntime: NEW, tensorrt_major: Some(10) };
        let expected = [
            "trt_auxiliary_streams=0",
            "trt_builder_optimization_level=3",
            "trt_context_memory_sharing_enable=1",
            "trt_fp16_enable=1",
            "trt_layer_norm_fp32_fallback=1",
            "trt_max_workspace_size=1073741824",
            "trt_min_subgraph_size=5",
            "trt_op_types_to_exclude=NonMaxSuppression,NonZero,RoiAlign",
        ];
        assert_eq!(told(options), expected);
        let whole = told(EngineOptions { precision: Precision::Fp32, ..options });
        assert!(whole.iter().all(|pair| !pair.contains("fp16") && !pair.contains("int8")), "{whole:?}");
        let int8 = told(EngineOptions { precision: Precision::Int8, ..options });
        assert!(int8.contains(&"trt_int8_enable=1".to_owned()) && int8.contains(&"trt_fp16_enable=1".to_owned()));
    }

    #[test]
    fn flags_that_a_version_does_not_know_are_left_out() {
        let options =
            EngineOptions { precision: Precision::Int8, onnxruntime: Version::new(1, 20, 0), tensorrt_major: None };
        assert!(!told(options).iter().any(|pair| pair.contains("op_types")));
        let typed = told(EngineOptions { tensorrt_major: Some(11), ..options });
        assert!(!typed.iter().any(|pair| pair.contains("fp16") || pair.contains("int8")), "{typed:?}");
    }

    #[test]
    fn files_go_where_they_are_told_and_other_providers_are_told_nothing() {
        let places_of = |provider| places(provider, Path::new("/c/e"), Path::new("/c/t"));
        let tensorrt = places_of(Provider::Tensorrt);
        assert_eq!(tensorrt["trt_engine_cache_path"], "/c/e");
        assert_eq!(tensorrt["trt_timing_cache_path"], "/c/t");
        assert_eq!(places_of(Provider::Openvino), [("cache_dir".to_owned(), "/c/e".to_owned())].into());
        let options = EngineOptions { precision: Precision::Fp32, onnxruntime: NEW, tensorrt_major: None };
        for plain in [Provider::Cuda, Provider::Xnnpack, Provider::Cpu] {
            assert!(places_of(plain).is_empty() && options.pairs(plain).is_empty());
        }
    }
}
