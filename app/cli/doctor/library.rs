//! The ONNX Runtime library, what providers it really has, and variables that change what they do.
//!
//! A list of providers compiled into a library says nothing: each one is given a network of one node to run.

use std::collections::BTreeMap;
use std::path::Path;

use ocellus_distill::onnx;
use ocellus_distill::onnx::proto::{GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, data_type};
use ocellus_infer::engine::{cuda, libraries};
use ocellus_infer::library::{LocateOptions, locate};
use ocellus_infer::{Network, Provider, Runtime, SessionOptions, registers};

use super::line::Line;

/// The operator set of the one-node network: old enough for every library that is accepted.
const OPSET: i64 = 13;

/// Looks for the library that a run would use.
pub fn look(told: Option<&Path>) -> Vec<Line> {
    let mut lines = Vec::new();
    match locate(&LocateOptions::from_environment(told)) {
        Err(error) => lines.push(Line::fail("ONNX Runtime", error.to_string(), "ocellus setup")),
        Ok(library) => {
            let text = format!("{} at {} ({})", library.version(), library.path().display(), library.origin());
            match Runtime::start(&library) {
                Err(error) => lines.push(Line::fail("ONNX Runtime", error.to_string(), "ocellus setup")),
                Ok(runtime) => {
                    lines.push(Line::ok("ONNX Runtime", text));
                    if !runtime.tells_nodes() {
                        lines.push(Line::warn(
                            "ONNX Runtime",
                            "it does not tell which provider runs which node",
                            "shares are taken from a profile of a run instead; 1.24 and later tell by themselves",
                        ));
                    }
                    lines.extend(Provider::ALL.iter().map(|provider| of_provider(&runtime, *provider)));
                    lines.extend(brought_in());
                }
            }
        }
    }
    if let Some(device) = cuda::device() {
        let text =
            format!("{}, compute capability {}, driver for CUDA {}", device.name, device.capability, device.cuda);
        lines.push(Line::ok("GPU", text));
    }
    lines.extend(variables(std::env::vars()));
    lines
}

/// Libraries that came with providers, by what they say of themselves.
fn brought_in() -> Option<Line> {
    let loaded = libraries::loaded();
    let list: Vec<String> = loaded.iter().map(|(name, version)| format!("{name} {version}")).collect();
    (!list.is_empty()).then(|| Line::ok("libraries", list.join(", ")))
}

fn of_provider(runtime: &Runtime, provider: Provider) -> Line {
    let about = "provider";
    if let Err(reason) = registers(runtime, provider, &BTreeMap::new()) {
        // This library was built without it, which is a choice and no fault.
        if reason.contains("not enabled in this build") || reason.contains("not supported in this build") {
            return Line::ok(about, format!("{provider}: not in this library"));
        }
        return Line::fail(
            about,
            format!("{provider}: in the library, but cannot be registered: {reason}"),
            remedy(provider),
        );
    }
    match runs(runtime, provider) {
        Ok(()) => Line::ok(about, format!("{provider}: runs")),
        Err(reason) => {
            Line::fail(about, format!("{provider}: registers, but does not run: {reason}"), remedy(provider))
        }
    }
}

fn remedy(provider: Provider) -> &'static str {
    match provider {
        Provider::Tensorrt | Provider::Cuda => {
            "install the CUDA, cuDNN and TensorRT that this library was built for (its release notes name them), put their \
             folders on LD_LIBRARY_PATH, or take a library built for this system: launch/JETSON.md"
        }
        Provider::Openvino => "keep the provider's own libraries beside libonnxruntime.so, as its wheel has them",
        Provider::Xnnpack | Provider::Cpu => "ocellus setup fetches a library that is known to work",
    }
}

/// Runs one 1x1 convolution on `provider`.
fn runs(runtime: &Runtime, provider: Provider) -> Result<(), String> {
    let bytes = onnx::write(&one_node());
    let options = SessionOptions { providers: vec![provider], ..SessionOptions::default() };
    let mut network = Network::from_bytes(runtime, "one node", &bytes, &options).map_err(|e| e.to_string())?;
    crate::engines::runs_on(network.providers(), provider)?;
    network.input_mut("x").map_err(|e| e.to_string())?.fill(1.0);
    network.run(|_| ()).map_err(|e| e.to_string())
}

fn one_node() -> ModelProto {
    let shape = [Some(1), Some(4), Some(8), Some(8)];
    let weights: Vec<f32> = (0..16).map(|i| i as f32 / 16.0).collect();
    let graph = GraphProto {
        name: Some("one node".to_owned()),
        node: vec![NodeProto::new("Conv", &["x", "w"], &["y"])],
        initializer: vec![TensorProto::from_f32("w", &[4, 4, 1, 1], &weights)],
        input: vec![ValueInfoProto::tensor("x", data_type::FLOAT, &shape)],
        output: vec![ValueInfoProto::tensor("y", data_type::FLOAT, &shape)],
        ..GraphProto::default()
    };
    ModelProto::new(graph, OPSET)
}

/// Variables of the environment by which providers are told things behind our back.
fn variables(all: impl Iterator<Item = (String, String)>) -> Vec<Line> {
    let of_ort = all.filter(|(name, _)| name.starts_with("ORT_"));
    let mut sorted: Vec<(String, String)> = of_ort.collect();
    sorted.sort();
    let line = |(name, value): (String, String)| {
        let text = format!("{name}={value}");
        if name == "ORT_DYLIB_PATH" {
            return Line::ok("environment", text);
        }
        let remedy = format!("it changes what providers do, whatever the launch file says: unset {name}");
        Line::warn("environment", text, remedy)
    };
    sorted.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::super::line::Level;
    use super::*;

    #[test]
    fn variables_that_change_behaviour_are_warned_of() {
        let all = [("ORT_TENSORRT_FP16_ENABLE", "1"), ("HOME", "/root"), ("ORT_DYLIB_PATH", "/opt/x.so")];
        let lines = variables(all.into_iter().map(|(n, v)| (n.to_owned(), v.to_owned())));
        let levels: Vec<Level> = lines.iter().map(|l| l.level).collect();
        assert_eq!(levels, [Level::Ok, Level::Warn]);
        assert!(lines[1].text.contains("ORT_TENSORRT_FP16_ENABLE=1") && lines[1].remedy.contains("unset"));
    }
}
