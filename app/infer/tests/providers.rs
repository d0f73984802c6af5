//! What is asked for and what runs: no provider fails in silence, and `require` means it.

use std::collections::BTreeMap;

use ocellus_infer::{InferError, Network, Provider, SessionOptions};

use ocellus_percept::tensor::TensorData;

use crate::support::{made_here, runtime};

fn load(options: &SessionOptions) -> Result<Network, InferError> {
    Network::load(runtime(), &made_here("yolov8_nonsquare_fp32"), options)
}

/// GPU libraries have these providers; the official CPU wheel has not.
fn library_is_cpu_only() -> bool {
    let folder = runtime().library().path().parent().unwrap();
    !folder.join("libonnxruntime_providers_cuda.so").exists()
}

#[test]
fn failed_registrations_are_reported_with_their_reasons() {
    if !library_is_cpu_only() {
        return;
    }
    let asked = vec![Provider::Tensorrt, Provider::Cuda, Provider::Cpu];
    let network = load(&SessionOptions { providers: asked.clone(), ..SessionOptions::default() }).unwrap();
    let report = network.providers();
    assert_eq!(report.requested, asked);
    assert_eq!(report.registered, [Provider::Cpu]);
    let failed: Vec<Provider> = report.failed.iter().map(|failure| failure.provider).collect();
    assert_eq!(failed, [Provider::Tensorrt, Provider::Cuda]);
    assert!(report.failed.iter().all(|failure| failure.reason.contains("not enabled in this build")), "{report}");
    assert_eq!(report.why_not(Provider::Cpu), None);
    assert!(report.to_string().contains("tensorrt failed"), "{report}");
}

#[test]
fn require_unmet_is_an_error_that_says_why_and_what_would_run() {
    if !library_is_cpu_only() {
        return;
    }
    let error = load(&SessionOptions { require: Some(Provider::Tensorrt), ..SessionOptions::default() }).unwrap_err();
    let InferError::RequiredProvider { provider, reason, ran, .. } = &error else { panic!("{error}") };
    assert_eq!(*provider, Provider::Tensorrt);
    assert!(reason.contains("not enabled in this build"), "{reason}");
    let runner = if runtime().tells_nodes() { "CPUExecutionProvider runs" } else { "registered: cpu" };
    assert!(ran.contains(runner), "{ran}");
}

#[test]
fn require_met_loads() {
    let network = load(&SessionOptions { require: Some(Provider::Cpu), ..SessionOptions::default() }).unwrap();
    assert_eq!(network.providers().why_not(Provider::Cpu), None);
}

#[test]
fn what_follows_the_cpu_is_never_asked_and_that_is_said() {
    let providers = vec![Provider::Cpu, Provider::Xnnpack];
    let network = load(&SessionOptions { providers, ..SessionOptions::default() }).unwrap();
    let reason = network.providers().why_not(Provider::Xnnpack).unwrap();
    assert!(reason.contains("after cpu"), "{reason}");
}

#[test]
fn a_nul_in_an_option_is_an_error() {
    let options = BTreeMap::from([("device_id".to_owned(), "0\0".to_owned())]);
    let provider_options = BTreeMap::from([(Provider::Cuda, options)]);
    let error = load(&SessionOptions { provider_options, ..SessionOptions::default() }).unwrap_err();
    assert!(matches!(error, InferError::BadOption { provider: Provider::Cuda, .. }), "{error}");
}

#[test]
fn a_network_moves_to_its_own_thread() {
    let mut network = load(&SessionOptions::default()).unwrap();
    let shape = std::thread::scope(|scope| {
        let runner = scope.spawn(move || {
            network.input_mut("images").unwrap().fill(0.0);
            network.run(|outputs| outputs[0].shape.to_vec()).unwrap()
        });
        runner.join().unwrap()
    });
    assert_eq!(shape, [1, 7, 240]);
}

/// With OpenVINO's own library (ORT_DYLIB_PATH into its wheel) a second provider is real: it takes nodes, its answer
/// is the CPU's, and `require` accepts it.
#[test]
fn openvino_takes_nodes_where_the_library_has_it() {
    if !library_has_openvino() {
        return;
    }
    let providers = vec![Provider::Openvino, Provider::Cpu];
    let require = Some(Provider::Openvino);
    let mut second = load(&SessionOptions { providers, require, ..SessionOptions::default() }).unwrap();
    let report = second.providers();
    println!("{report}");
    assert!(report.failed.is_empty() && report.share_of(Provider::Openvino).unwrap() > 0.5, "{report}");
    let mut cpu = load(&SessionOptions::default()).unwrap();
    let outputs = [&mut second, &mut cpu].map(|network| {
        network.input_mut("images").unwrap().fill(0.5);
        network
            .run(|outputs| match outputs[0].data {
                TensorData::F32(elements) => elements.to_vec(),
                TensorData::I64(_) => panic!("not of floats"),
            })
            .unwrap()
    });
    for (a, b) in outputs[0].iter().zip(&outputs[1]) {
        assert!((a - b).abs() < 1e-2, "{a} and {b}");
    }
}

fn library_has_openvino() -> bool {
    runtime().library().path().with_file_name("libonnxruntime_providers_openvino.so").exists()
}

/// Why OpenVINO, with one option, does not run a network that then loads without it.
fn why_openvino_fails(key: &str, value: &str) -> String {
    let options = BTreeMap::from([(key.to_owned(), value.to_owned())]);
    let provider_options = BTreeMap::from([(Provider::Openvino, options)]);
    let providers = vec![Provider::Openvino];
    let network = load(&SessionOptions { providers, provider_options, ..SessionOptions::default() }).unwrap();
    assert_eq!(network.providers().share_of(Provider::Cpu), Some(1.0));
    network.providers().why_not(Provider::Openvino).unwrap()
}

#[test]
fn a_provider_that_fails_tells_the_reason_it_logged() {
    if !library_has_openvino() {
        return;
    }
    let registering = why_openvino_fails("nonsense", "1");
    assert!(registering.ends_with("Invalid provider_option key: nonsense"), "{registering}");
    // This one registers, and fails only when it compiles the network.
    let loading = why_openvino_fails("cache_dir", "/dev/null/folder");
    assert!(loading.starts_with("registered, but") && loading.contains("Not a directory"), "{loading}");
}
