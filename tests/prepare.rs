//! `ocellus prepare`, what `run` makes of it, and `ocellus doctor`: the real program, the real CPU provider, and a second provider
//! that builds engines where `OCELLUS_TEST_ORT_LIB` names a library with OpenVINO.
//!
//! The second provider's library is 84 MB and not what users run, so it is fetched by hand:
//! `pip download --no-deps onnxruntime-openvino`, unpacked, `OCELLUS_TEST_ORT_LIB=.../onnxruntime/capi cargo test prepare`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Said, ocellus, real_data, root};

/// The folder of the second provider's library; `None`, said aloud, where nobody named one.
fn second_library() -> Option<PathBuf> {
    let told = std::env::var_os("OCELLUS_TEST_ORT_LIB").map(PathBuf::from);
    if told.is_none() {
        println!("not run: OCELLUS_TEST_ORT_LIB names no library with a second provider");
    }
    told
}

fn network(name: &str) -> PathBuf {
    root().join("tests/data/networks").join(name)
}

/// A launch file of one small detector on one street, with `more` in its `[[model]]` and after it.
fn launch(folder: &Path, of_model: &str, more: &str) -> PathBuf {
    let path = folder.join("launch.toml");
    let text = format!(
        "[source]\ndrive = \"{}\"\n[output]\ndir = \"{}\"\n[engines]\ncache = \"{}\"\nframes = 2\ngolden = \"world:random@3\"\n{more}\n\
         [[model]]\npath = \"{}\"\n{of_model}\n",
        root().join("tests/data/street.mcap").display(),
        folder.join("out").display(),
        folder.join("cache").display(),
        folder.join("net.onnx").display(),
    );
    fs::write(&path, text).unwrap();
    let net = folder.join("net.onnx");
    if !net.exists() {
        fs::copy(network("yolov8_nonsquare_fp32.onnx"), net).unwrap();
    }
    path
}

fn call(verb: &str, launch: &Path, more: &[&str]) -> Said {
    let arguments = [verb.as_ref(), launch.as_os_str()].into_iter().chain(more.iter().map(AsRef::as_ref));
    ocellus(arguments)
}

fn prepared(said: &Said) -> Value {
    serde_json::from_str(&said.out).unwrap_or_else(|e| panic!("{e}: {}\n{}", said.out, said.err))
}

/// Folders of engines, sorted.
fn engines(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.join("cache")).into_iter().flatten().flatten().map(|e| e.path());
    let mut all: Vec<PathBuf> = entries.filter(|p| p.is_dir() && !p.ends_with("aside")).collect();
    all.sort();
    all
}

fn whys(folder: &Path) -> Vec<String> {
    let aside = fs::read_dir(folder.join("cache/aside")).into_iter().flatten().flatten();
    aside.map(|e| fs::read_to_string(e.path().join("why.txt")).unwrap()).collect()
}

#[test]
fn the_cpu_is_prepared_checked_and_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let launch = launch(folder.path(), "providers = [\"cpu\"]", "");
    let said = call("prepare", &launch, &["--json"]);
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    let engine = &prepared(&said)["engines"][0];
    assert_eq!((engine["provider"].as_str(), engine["state"].as_str()), (Some("cpu"), Some("built")));
    let measured = &engine["measured"];
    // The CPU against itself: nothing may differ.
    assert_eq!(measured["check"]["faults"], serde_json::json!([]));
    assert_eq!(measured["check"]["frames"], 2);
    assert_eq!(measured["cold"]["providers"]["registered"], serde_json::json!(["cpu"]));
    for time in ["load_s", "first_run_ms", "p50_ms", "memory_mb"] {
        assert!(measured["warm"][time].as_f64().unwrap() > 0.0, "{time}: {measured:#}");
    }
    let said = call("prepare", &launch, &["--json"]);
    assert_eq!(prepared(&said)["engines"][0]["state"], "ready", "{}", said.err);

    // A model changed under the same name has another key, and the difference is said.
    fs::copy(network("yolov8_nonsquare_fp16.onnx"), folder.path().join("net.onnx")).unwrap();
    let said = call("prepare", &launch, &["--json"]);
    assert_eq!(prepared(&said)["engines"][0]["state"], "built");
    assert!(said.err.contains("model was"), "{}", said.err);
    assert_eq!(engines(folder.path()).len(), 2);

    // Broken off: without its manifest it was never finished.
    for engine in engines(folder.path()) {
        fs::remove_file(engine.join("manifest.json")).unwrap();
    }
    let said = call("prepare", &launch, &["--json"]);
    assert_eq!(prepared(&said)["engines"][0]["state"], "built");
    assert!(said.err.contains("moved aside") && whys(folder.path())[0].contains("never finished"), "{}", said.err);
    // What takes more than the launch file allows is refused.
    let said = call("prepare", &launch, &["--set", "engines.memory_mb=1"]);
    assert_eq!(said.code, 4, "{}", said.err);
    assert!(said.err.contains("engines.memory_mb"), "{}", said.err);
}

#[test]
fn a_cache_that_cannot_be_used_says_where_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let launch = launch(folder.path(), "", "");
    for cache in ["/proc/engines", "/dev/null/engines"] {
        let said = call("prepare", &launch, &["--cache", cache]);
        assert_eq!(said.code, 1, "{}", said.err);
        assert!(said.err.contains(cache) && said.err.contains("engines.cache"), "{}", said.err);
    }
    let said = call("prepare", &launch, &["--set", "model.0.providers=[\"tensort\"]"]);
    assert_eq!(said.code, 2, "{}", said.err);
    assert!(said.err.contains("did you mean tensorrt"), "{}", said.err);
    let said = ocellus(["prepare"]);
    assert_eq!(said.code, 2);
}

#[test]
fn a_second_process_is_told_who_builds_and_a_kill_leaves_nothing_that_counts() {
    let folder = tempfile::tempdir().unwrap();
    let launch = launch(folder.path(), "providers = [\"cpu\"]", "");
    let mut first = Command::new(env!("CARGO_BIN_EXE_ocellus"));
    first.arg("prepare").arg(&launch).current_dir(root()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut first = first.spawn().unwrap();
    let started = Instant::now();
    while engines(folder.path()).is_empty() && started.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(2));
    }
    let said = call("prepare", &launch, &[]);
    let still_at_it = first.try_wait().unwrap().is_none();
    assert!(!still_at_it || said.code == 1 && said.err.contains("is in use by process"), "{}", said.err);
    first.kill().unwrap();
    first.wait().unwrap();
    let said = call("prepare", &launch, &["--json"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let state = prepared(&said)["engines"][0]["state"].clone();
    assert!(state == "built" || !still_at_it, "{state}: {}", said.err);
}

#[test]
fn providers_that_the_library_does_not_have_are_said_and_only_required_ones_stop() {
    let folder = tempfile::tempdir().unwrap();
    let launch = launch(folder.path(), "providers = [\"tensorrt\", \"cpu\"]", "");
    let said = call("prepare", &launch, &[]);
    if said.out.contains("tensorrt  fp16       built") {
        return;
    }
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    assert!(said.out.contains("WARNING: it cannot be had"), "{}", said.out);
    let said = call("prepare", &launch, &["--set", "model.0.require=tensorrt"]);
    assert_eq!(said.code, 4, "{}\n{}", said.out, said.err);
    // The same launch file runs on a PC without any engine, and says what it runs on.
    let said = call("run", &launch, &[]);
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    assert!(said.err.contains("tensorrt does not run"), "{}", said.err);
}

#[test]
fn the_doctor_gives_each_provider_a_network_to_run_and_writes_a_bundle() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("report.json");
    let said = ocellus(["doctor".as_ref(), "--json".as_ref(), "--bundle".as_ref(), bundle.as_os_str()]);
    let page: Value = serde_json::from_str(&said.out).unwrap();
    let lines = page["lines"].as_array().unwrap();
    let text = |about: &str| -> Vec<&str> {
        lines.iter().filter(|l| l["about"] == about).map(|l| l["text"].as_str().unwrap()).collect()
    };
    assert!(text("provider").contains(&"cpu: runs"), "{page:#}");
    assert!(!text("ONNX Runtime").is_empty() && !text("memory").is_empty(), "{page:#}");
    let failed = lines.iter().any(|l| l["level"] == "fail");
    assert_eq!(said.code, i32::from(failed), "{page:#}");
    for line in lines.iter().filter(|l| l["level"] != "ok") {
        assert!(!line["remedy"].as_str().unwrap_or_default().is_empty(), "{line}");
    }
    let bundle: Value = serde_json::from_str(&fs::read_to_string(bundle).unwrap()).unwrap();
    assert!(bundle["variables"].as_object().unwrap().keys().all(|k| k != "HOME" && k != "PATH"));
    assert_eq!(bundle["lines"], page["lines"]);
}

#[test]
fn a_missing_library_and_a_jetsons_tree_are_on_the_doctors_page() {
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path();
    for (path, text) in [
        ("etc/nv_tegra_release", "# R36 (release), REVISION: 4.3, GCID: 1\n"),
        ("var/lib/nvpmodel/status", "pmode:0000"),
        ("sys/class/thermal/thermal_zone0/type", "cv0-thermal"),
        ("sys/class/thermal/thermal_zone0/temp", "-256000"),
        ("proc/meminfo", "MemTotal: 7802000 kB\nMemAvailable: 900000 kB\nSwapTotal: 0 kB\n"),
    ] {
        fs::create_dir_all(tree.join(path).parent().unwrap()).unwrap();
        fs::write(tree.join(path), text).unwrap();
    }
    let arguments = ["doctor", "--root", tree.to_str().unwrap(), "--ort-lib", "/nothing/libonnxruntime.so"];
    let said = ocellus(arguments);
    assert_eq!(said.code, 1, "{}", said.out);
    let expected = ["FAIL ONNX Runtime", "ocellus setup", "JetPack      6.2 or later (L4T 36.4.3)", "warn memory"];
    for text in expected {
        assert!(said.out.contains(text), "{text}: {}", said.out);
    }
    assert!(!said.out.contains("temperature"), "a part that is off has none: {}", said.out);
}

/// With OpenVINO: prepared, found again without a build, run with a self-check, refused where it is not to be trusted.
#[test]
fn a_second_provider_is_prepared_run_refused_and_stood_in_for() {
    let Some(library) = second_library() else { return };
    let folder = tempfile::tempdir().unwrap();
    let library = format!("runtime.ort_lib=\"{}\"", library.display());
    let with =
        |more: &[&str]| -> Vec<String> { ["--set", &library].iter().chain(more).map(|s| (*s).to_owned()).collect() };
    let launch = launch(folder.path(), "providers = [\"openvino\", \"cpu\"]", "");
    let go = |verb: &str, more: &[&str]| {
        let more = with(more);
        call(verb, &launch, &more.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let said = go("run", &[]);
    assert_eq!(said.code, 4, "{}\n{}", said.out, said.err);
    assert!(said.err.contains("ocellus prepare") && said.err.contains("no engine was prepared"), "{}", said.err);

    let said = go("prepare", &["--json"]);
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    let engine = &prepared(&said)["engines"][0];
    assert_eq!((engine["provider"].as_str(), engine["state"].as_str()), (Some("openvino"), Some("built")));
    assert!(
        engine["measured"]["warm"]["providers"]["nodes"]["OpenVINOExecutionProvider"]["share"].as_f64() > Some(0.5)
    );
    let said = go("run", &[]);
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    let run: Value = serde_json::from_str(&fs::read_to_string(folder.path().join("out/run.json")).unwrap()).unwrap();
    let in_use = &run["engines"][0];
    assert_eq!((in_use["provider"].as_str(), in_use["check"]["frames"].as_u64()), (Some("openvino"), Some(2)));
    assert!(in_use["check"]["seconds"].as_f64().unwrap() > 0.0 && in_use["instead_of"] == serde_json::json!([]));

    // Another option, another engine.
    let said = go("run", &["--set", "model.0.intra_threads=1"]);
    assert_eq!(said.code, 4, "{}", said.err);
    assert!(said.err.contains("option num_of_threads was 2, is 1"), "{}", said.err);
    let said = go("run", &["--set", "model.0.intra_threads=1", "--set", "model.0.fallback=[\"cpu\"]"]);
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    assert!(said.err.contains("fallback:") && said.err.contains("net on cpu"), "{}", said.err);

    // Cut short, and an answer that is not the CPU's.
    let openvino =
        || engines(folder.path()).into_iter().find(|p| p.display().to_string().contains("openvino")).unwrap();
    let answers = openvino().join("golden/answers.raw");
    let raw = fs::read(&answers).unwrap();
    fs::write(&answers, &raw[..raw.len() / 2]).unwrap();
    let said = go("run", &[]);
    assert_eq!(said.code, 4, "{}", said.err);
    assert!(said.err.contains("self-check failed"), "{}", said.err);
    // What a run refuses is built again by `prepare`; what it takes is not.
    let state = |said: &Said| prepared(said)["engines"][0]["state"].as_str().map(str::to_owned);
    let said = go("prepare", &["--json"]);
    assert_eq!(state(&said).as_deref(), Some("built"), "{}", said.err);
    assert!(whys(folder.path()).iter().any(|why| why.contains("self-check failed")), "{:?}", whys(folder.path()));
    assert_eq!(fs::read(&answers).unwrap().len(), raw.len());
    assert_eq!(state(&go("prepare", &["--json"])).as_deref(), Some("ready"));
    let blob = fs::read_dir(openvino().join("engine")).unwrap().next().unwrap().unwrap().path();
    let bytes = fs::read(&blob).unwrap();
    fs::write(&blob, &bytes[..bytes.len() / 2]).unwrap();
    let said = go("run", &[]);
    assert_eq!(said.code, 4, "{}", said.err);
    assert!(said.err.contains("cut short"), "{}", said.err);
    let said = go("run", &["--allow-build"]);
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    assert!(said.err.contains("moved aside"), "{}", said.err);
    // Half floats are not for this processor: whole ones stand in where the launch file allows.
    let half = ["--set", "model.0.precision=fp16", "--set", "model.0.fallback=[\"fp32\"]"];
    let said = go("run", &half);
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    assert!(said.err.contains("fallback:") && said.err.contains("openvino (fp32)"), "{}", said.err);
}

/// With OpenVINO: a network of which it takes a part alone. Both run their share, which `prepare` and `inspect` tell.
#[test]
fn a_provider_that_takes_a_part_of_a_network_leaves_the_rest_to_the_cpu_and_that_is_told() {
    let Some(library) = second_library() else { return };
    let folder = tempfile::tempdir().unwrap();
    let net = folder.path().join("net.onnx");
    fs::copy(network("yolov8_nonsquare_partly.onnx"), &net).unwrap();
    let launch = launch(folder.path(), "providers = [\"openvino\", \"cpu\"]", "");
    let library = library.display().to_string();
    let set = format!("runtime.ort_lib=\"{library}\"");
    let said = call("prepare", &launch, &["--json", "--set", &set]);
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    let nodes = &prepared(&said)["engines"][0]["measured"]["warm"]["providers"]["nodes"];
    let share = |name: &str| nodes[name]["share"].as_f64().unwrap();
    let (theirs, rest) = (share("OpenVINOExecutionProvider"), share("CPUExecutionProvider"));
    assert!(theirs > 0.0 && rest > 0.0 && (theirs + rest - 1.0).abs() < 1e-9, "{nodes:#}");
    let said = call("run", &launch, &["--set", &set]);
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    assert!(said.err.contains("net on openvino") && said.err.contains("self-check"), "{}", said.err);

    let arguments = ["inspect", net.to_str().unwrap(), "--provider", "openvino", "--ort-lib", &library, "--json"];
    let said = ocellus(arguments);
    let page: Value = serde_json::from_str(&said.out).unwrap_or_else(|e| panic!("{e}: {}\n{}", said.out, said.err));
    let shares = &page["shares"];
    let fell: Vec<&str> =
        shares["fell_off"].as_array().unwrap().iter().map(|n| n["operator"].as_str().unwrap()).collect();
    assert!(fell.contains(&"Hardmax"), "{shares:#}");
    let macs = shares["macs_share"].as_object().unwrap().values().map(|share| share.as_f64().unwrap());
    assert!((macs.sum::<f64>() + shares["macs_unknown"].as_f64().unwrap() - 1.0).abs() < 1e-9, "{shares:#}");
}

/// With OpenVINO: a network that it takes whole, loads, and fails to run, for it counts in 32 bits. Nothing of it is kept that
/// `run` would take.
#[test]
fn a_provider_that_loads_a_network_and_fails_at_its_first_run_is_refused_or_stood_in_for_aloud() {
    let Some(library) = second_library() else { return };
    let folder = tempfile::tempdir().unwrap();
    fs::copy(network("yolov8_nonsquare_wide.onnx"), folder.path().join("net.onnx")).unwrap();
    let launch = launch(folder.path(), "providers = [\"openvino\", \"cpu\"]", "");
    let library = format!("runtime.ort_lib=\"{}\"", library.display());
    let go = |verb: &str, more: &[&str]| call(verb, &launch, &[&["--set", &library], more].concat());

    let said = go("prepare", &["--json"]);
    assert_eq!(said.code, 4, "{}\n{}", said.out, said.err);
    let all = prepared(&said)["engines"].clone();
    assert_eq!((all[0]["provider"].as_str(), all[0]["state"].as_str()), (Some("openvino"), Some("failed")));
    let reason = all[0]["reason"].as_str().unwrap();
    assert!(reason.contains("fails at its first run") && reason.contains("OpenVINO"), "{reason}");
    assert_eq!((all[1]["provider"].as_str(), all[1]["state"].as_str()), (Some("cpu"), Some("built")));
    assert!(said.err.contains("not prepared: net on openvino (fp32)"), "{}", said.err);
    assert!(whys(folder.path())[0].contains("fails at its first run"), "{:?}", whys(folder.path()));
    let kept = engines(folder.path());
    assert!(kept.len() == 1 && kept[0].display().to_string().contains("net-cpu-"), "{kept:?}");

    for more in [&[][..], &["--allow-build"]] {
        let said = go("run", more);
        assert_eq!(said.code, 4, "{}\n{}", said.out, said.err);
        assert!(said.err.contains("net on openvino (fp32): no engine was prepared"), "{}", said.err);
        assert_eq!(said.err.contains("fails at its first run"), more.contains(&"--allow-build"), "{}", said.err);
    }
    let said = go("run", &["--set", "model.0.fallback=[\"cpu\"]"]);
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    assert!(said.err.contains("fallback:") && said.err.contains("net on cpu"), "{}", said.err);
    let run: Value = serde_json::from_str(&fs::read_to_string(folder.path().join("out/run.json")).unwrap()).unwrap();
    assert_eq!(run["engines"][0]["provider"], "cpu");
    assert!(run["engines"][0]["instead_of"][0].as_str().unwrap().contains("openvino"), "{run:#}");
}

/// With OpenVINO on a processor with half floats, asked for them behind the launch file's back: boxes differ, and it is not taken.
#[test]
fn an_engine_whose_boxes_differ_is_refused_with_a_table_and_its_pictures_kept() {
    let (Some(library), Some(pictures)) = (second_library(), real_data("coco_tiny/val2017")) else { return };
    let folder = tempfile::tempdir().unwrap();
    let options = "providers = [\"openvino\"]\n[model.options.openvino]\n\
                   load_config = '{\"CPU\": {\"INFERENCE_PRECISION_HINT\": \"bf16\"}}'";
    let launch = launch(folder.path(), options, "");
    let net = real_data("detectors/yolox_nano.onnx").unwrap();
    let set = [
        format!("runtime.ort_lib=\"{}\"", library.display()),
        format!("model.0.path=\"{}\"", net.display()),
        format!("engines.golden=\"{}\"", pictures.display()),
        "engines.frames=4".to_owned(),
    ];
    let more: Vec<&str> = set.iter().flat_map(|set| ["--set", set.as_str()]).collect();
    let said = call("prepare", &launch, &more);
    if said.code == 0 {
        println!("not run: this processor has no bfloat16");
        return;
    }
    assert_eq!(said.code, 4, "{}\n{}", said.out, said.err);
    assert!(said.out.contains("self-check failed") && said.out.contains("picture  boxes  matched"), "{}", said.out);
    assert!(whys(folder.path())[0].contains("of the CPU's"), "{:?}", whys(folder.path()));
    let aside = fs::read_dir(folder.path().join("cache/aside")).unwrap().next().unwrap().unwrap().path();
    assert!(fs::read_dir(aside.join("golden")).unwrap().count() >= 4, "the pictures are kept");
    assert!(aside.join("build").is_dir(), "and what it said of them");
}
