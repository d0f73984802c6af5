//! The part of a launch file about engines built ahead: `[engines]`, and of `[[model]]` what an engine is built with.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, Result, anyhow};
use ocellus_infer::Provider;
use ocellus_percept::model::manifest::Precision;
use serde::{Deserialize, Serialize};

use super::plan::in_range;

/// Megabytes that engines may take on disk: a dozen networks on one board.
const QUOTA_MB_DEFAULT: u64 = 4096;
/// Pictures that `prepare` checks an engine on, and a run at its start.
const FRAMES_DEFAULT: usize = 8;
const START_FRAMES_DEFAULT: usize = 2;
/// More pictures than this are an evaluation.
const FRAMES_MAX: usize = 1000;
/// What engines are checked on: a street of the simulated world, the same on every machine.
const GOLDEN_DEFAULT: &str = "world:random@1-4";

/// `[engines]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnginesTable {
    /// The folder engines are kept in; the user's cache where absent.
    pub cache: Option<PathBuf>,
    /// Megabytes they may take; what was used longest ago goes first.
    pub quota_mb: Option<u64>,
    /// Whether a run may build an engine that was not prepared. It takes minutes.
    pub allow_build: Option<bool>,
    /// What engines are checked on: a folder of pictures, a drive, or `world:SCENARIO@SEEDS`.
    pub golden: Option<String>,
    /// Pictures of it that `prepare` checks on.
    pub frames: Option<usize>,
    /// Pictures of it that a run checks on at its start.
    pub start_frames: Option<usize>,
    /// Megabytes that all networks together may take while they run; `prepare` refuses more.
    pub memory_mb: Option<u64>,
}

/// What a run does where an engine is not to be trusted, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fallback {
    /// The same provider with 16-bit floats.
    Fp16,
    /// The same provider with 32-bit floats.
    Fp32,
    /// ONNX Runtime's own kernels.
    Cpu,
}

/// How engines are kept and checked.
#[derive(Debug, Clone, PartialEq)]
pub struct EnginesPlan {
    /// The folder; the user's cache where `None`.
    pub cache: Option<PathBuf>,
    /// Bytes they may take.
    pub quota_bytes: u64,
    /// Whether a run may build.
    pub allow_build: bool,
    /// What they are checked on.
    pub golden: String,
    /// Pictures that `prepare` checks on.
    pub frames: usize,
    /// Pictures that a run checks on.
    pub start_frames: usize,
    /// Megabytes that all networks together may take.
    pub memory_mb: Option<u64>,
    /// The launch file, for messages that name the command which prepares it.
    pub launch: Option<PathBuf>,
}

/// What one network's engine is built with.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EnginePlan {
    /// What it computes with; by the provider where `None`.
    pub precision: Option<Precision>,
    /// What may stand in where it is not to be trusted.
    pub fallback: Vec<Fallback>,
    /// Options handed to providers as they are.
    pub options: BTreeMap<Provider, BTreeMap<String, String>>,
}

impl EnginesPlan {
    /// Validates the table.
    pub(super) fn new(table: &EnginesTable) -> Result<Self> {
        let frames = table.frames.unwrap_or(FRAMES_DEFAULT);
        in_range("engines.frames", frames as f64, 1.0, FRAMES_MAX as f64)?;
        let start_frames = table.start_frames.unwrap_or(START_FRAMES_DEFAULT);
        in_range("engines.start_frames", start_frames as f64, 1.0, FRAMES_MAX as f64)?;
        Ok(Self {
            cache: table.cache.clone(),
            quota_bytes: table.quota_mb.unwrap_or(QUOTA_MB_DEFAULT).saturating_mul(1_000_000),
            allow_build: table.allow_build.unwrap_or(false),
            golden: table.golden.clone().unwrap_or_else(|| GOLDEN_DEFAULT.to_owned()),
            frames,
            start_frames,
            memory_mb: table.memory_mb,
            launch: None,
        })
    }
}

impl EnginePlan {
    /// Validates what `[[model]]` number `index` says.
    pub(super) fn new(
        index: usize,
        precision: Option<Precision>,
        fallback: &[Fallback],
        options: &BTreeMap<String, toml::Table>,
    ) -> Result<Self> {
        let mut by_provider = BTreeMap::new();
        for (name, table) in options {
            let provider = Provider::from_str(name).with_context(|| format!("model.{index}.options"))?;
            let pairs = table.iter().map(|(key, value)| {
                let text = text_of(value).with_context(|| format!("model.{index}.options.{name}.{key}"))?;
                Ok((key.clone(), text))
            });
            by_provider.insert(provider, pairs.collect::<Result<_>>()?);
        }
        Ok(Self { precision, fallback: fallback.to_vec(), options: by_provider })
    }
}

/// An option's value as it is handed on: providers take text alone, and 1 and 0 for yes and no.
fn text_of(value: &toml::Value) -> Result<String> {
    Ok(match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Integer(number) => number.to_string(),
        toml::Value::Float(number) => number.to_string(),
        toml::Value::Boolean(yes) => i32::from(*yes).to_string(),
        other => return Err(anyhow!("expected text, a number, true or false, got a {}", other.type_str())),
    })
}

#[cfg(test)]
mod tests {
    use super::super::{LaunchFile, Plan};
    use super::*;

    fn plan(text: &str) -> Result<Plan> {
        Plan::from_file(&LaunchFile::parse(&format!("source.drive='d'\noutput.dir='o'\n{text}"), &[])?)
    }

    #[test]
    fn options_of_providers_are_kept_as_text_and_defaults_build_nothing() {
        let text = "[[model]]\npath='m.onnx'\nprecision='fp16'\nfallback=['fp32','cpu']\n\
                    [model.options.tensorrt]\ntrt_max_workspace_size=536870912\ntrt_cuda_graph_enable=true\nx='y'\n";
        let plan = plan(text).unwrap();
        let engine = &plan.models[0].engine;
        let pairs = &engine.options[&Provider::Tensorrt];
        assert_eq!(pairs["trt_max_workspace_size"], "536870912");
        assert_eq!((pairs["trt_cuda_graph_enable"].as_str(), pairs["x"].as_str()), ("1", "y"));
        assert_eq!(engine.fallback, [Fallback::Fp32, Fallback::Cpu]);
        assert!(!plan.engines.allow_build && plan.engines.memory_mb.is_none());
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, needle) in [
            ("engines={frames=0}", "engines.frames"),
            ("engines={quota=3}", "did you mean `quota_mb`"),
            ("model=[{path='m.onnx',options={tensort={a=1}}}]", "did you mean tensorrt"),
            ("model=[{path='m.onnx',options={tensorrt={a=[1]}}}]", "model.0.options.tensorrt.a"),
            ("model=[{path='m.onnx',fallback=['fp8']}]", "fp8"),
        ] {
            let error = format!("{:#}", plan(text).unwrap_err());
            assert!(error.contains(needle), "{error}");
        }
    }
}
