//! A network on clips through the whole program: a small one whose answer is known, in both layouts, at several rates, in
//! replay and live, beside the drive's truth as detector.
//!
//! It answers how much the last frame of a clip differs from the first, which grows as a standing car comes nearer. What it must
//! have said is worked out here from the drive's pictures alone.

use std::path::{Path, PathBuf};

use ocellus_distill::onnx;
use ocellus_distill::onnx::proto::{GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, data_type};
use ocellus_percept::image::Image;
use ocellus_sense::{OpenOptions, Payload, decode_image};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::support::{Said, ocellus, root};

/// Pictures have the network's own size, so that nothing is resized.
const SIDE: usize = 256;
const FRAMES: usize = 16;
/// `P = 1 / (1 + exp(-(GAIN * d - OFFSET)))` of the mean difference `d`, pixels from 0 to 1.
const GAIN: f32 = 60.0;
const OFFSET: f32 = 5.0;

fn scalar(name: &str, value: f32) -> TensorProto {
    TensorProto { float_data: vec![value], ..tensor(name, data_type::FLOAT) }
}

fn tensor(name: &str, element: i32) -> TensorProto {
    TensorProto { data_type: Some(element), name: Some(name.to_owned()), ..TensorProto::default() }
}

/// Makes the network, whose frames lie along `axis`, with its manifest; `more` stands in `[clip]`.
fn network(folder: &Path, axis: usize, more: &str) -> PathBuf {
    network_of_work(folder, axis, more, 0)
}

/// As [`network`], with so many products of three matrices the picture's size on the way, which change nothing of the answer.
fn network_of_work(folder: &Path, axis: usize, more: &str, products: usize) -> PathBuf {
    let mut shape = [1, 3, 3, SIDE, SIDE];
    shape[axis] = FRAMES;
    let at =
        |name: &str, index: usize| TensorProto { int64_data: vec![index as i64], ..tensor(name, data_type::INT64) };
    let node = |op: &str, inputs: &[&str], output: &str| NodeProto::new(op, inputs, &[output]);
    let mut work = Vec::new();
    let mut worked = "size".to_owned();
    for k in 0..products {
        let (product, shrunk) = (format!("product{k}"), format!("shrunk{k}"));
        work.push(node("MatMul", &[&worked, "size"], &product));
        work.push(node("Mul", &[&product, "shrink"], &shrunk));
        worked = shrunk;
    }
    let begin = vec![
        node("Gather", &["clip", "newest"], "last").with_int("axis", axis as i64),
        node("Gather", &["clip", "oldest"], "first").with_int("axis", axis as i64),
        node("Sub", &["last", "first"], "difference"),
        node("Abs", &["difference"], "size"),
    ];
    // Of no weight, but not to be left out.
    let end = vec![
        node("Mul", &[&worked, "nothing"], "almost"),
        node("Add", &["size", "almost"], "sum"),
        node("ReduceMean", &["sum"], "mean").with_int("keepdims", 0),
        node("Mul", &["mean", "gain"], "scaled"),
        node("Sub", &["scaled", "offset"], "logit"),
        node("Sigmoid", &["logit"], "scalar"),
        node("Reshape", &["scalar", "one"], "probability"),
    ];
    let graph = GraphProto {
        name: Some("clip".to_owned()),
        input: vec![ValueInfoProto::tensor("clip", data_type::FLOAT, &shape.map(Some))],
        output: vec![ValueInfoProto::tensor("probability", data_type::FLOAT, &[Some(1), Some(1)])],
        initializer: vec![
            at("newest", FRAMES - 1),
            at("oldest", 0),
            scalar("gain", GAIN),
            scalar("offset", OFFSET),
            scalar("shrink", 1.0 / SIDE as f32),
            scalar("nothing", 1e-9),
            TensorProto { dims: vec![2], int64_data: vec![1, 1], ..tensor("one", data_type::INT64) },
        ],
        node: begin.into_iter().chain(work).chain(end).collect(),
        ..GraphProto::default()
    };
    std::fs::create_dir_all(folder).unwrap();
    let bytes = onnx::write(&ModelProto::new(graph, 17));
    std::fs::write(folder.join("clip.onnx"), &bytes).unwrap();
    let sha256: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let manifest = format!(
        "name = \"clipnet\"\nfile = \"clip.onnx\"\nsha256 = \"{sha256}\"\nlicence = \"MIT\"\nhead = \"anticipation\"\n\
         activation = \"none\"\n[input]\nresize = \"stretch\"\norder = \"rgb\"\nmean = [0.0, 0.0, 0.0]\n\
         scale = [0.0039215686, 0.0039215686, 0.0039215686]\n[clip]\nhz = 8.0\n{more}\n"
    );
    std::fs::write(folder.join("model.toml"), manifest).unwrap();
    folder.to_owned()
}

/// Renders the standing car at `hz` pictures a second.
fn drive(folder: &Path, hz: &str) -> PathBuf {
    let (scenario, out) = (root().join("tests/data/worlds/standing_car.toml"), folder.join(format!("drive_{hz}.mcap")));
    let size = format!("{SIDE}x{SIDE}");
    let words = ["--size", &size, "--beams", "16", "--columns", "256", "--camera-hz", hz, "--out"];
    let words = ["world".as_ref(), scenario.as_os_str()].into_iter().chain(words.map(std::ffi::OsStr::new));
    let said = ocellus(words.chain([out.as_os_str()]));
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    out
}

fn replay(drive: &Path, model: Option<&Path>, out: &Path, more: &[&str]) -> Said {
    let truth = ["--model", "truth", "--set", "vehicle.width_m=1.82", "--set", "vehicle.front_m=3.6"];
    let mut words: Vec<&std::ffi::OsStr> =
        vec!["replay".as_ref(), drive.as_os_str(), "--out".as_ref(), out.as_os_str()];
    words.extend(truth.iter().chain(more).map(std::ffi::OsStr::new));
    if let Some(model) = model {
        words.extend(["--model".as_ref(), model.as_os_str()]);
    }
    let said = ocellus(words);
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    said
}

fn lines(path: PathBuf) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Stamps and pixels of a drive's pictures.
fn pictures(drive: &Path) -> Vec<(i64, Vec<u8>)> {
    let drive = ocellus_sense::open(drive, &OpenOptions::default()).unwrap();
    let entries = drive.entries().iter().enumerate();
    let read = entries.filter_map(|(index, entry)| match drive.read(index).unwrap() {
        Payload::Image(encoded) => {
            let mut image = Image::empty();
            decode_image(&encoded, &mut image).unwrap();
            Some((entry.t.as_nanos(), image.data().to_vec()))
        }
        Payload::Cloud(_) => None,
    });
    read.collect()
}

/// What the network must have answered at `t_ns`: by the pictures nearest to moments an eighth of a second apart.
fn expected(pictures: &[(i64, Vec<u8>)], t_ns: i64) -> f64 {
    let begin = pictures[0].0;
    // The moment of the clip's end: the last that this picture is nearest to.
    let stride = 125_000_000;
    // Between two pictures as near the earlier stands for it: it is there first.
    let nearest = |moment: i64| pictures.iter().min_by_key(|(t, _)| ((t - moment).abs(), *t)).unwrap();
    let newest =
        (0..).take_while(|k| begin + (k - 1) * stride <= t_ns).filter(|k| nearest(begin + k * stride).0 == t_ns);
    let last = newest.last().unwrap_or_else(|| panic!("no moment is nearest to {t_ns}"));
    let first = nearest(begin + (last - (FRAMES as i64 - 1)) * stride);
    let pairs = nearest(begin + last * stride).1.iter().zip(&first.1);
    let sum: f64 = pairs.map(|(a, b)| f64::from(a.abs_diff(*b))).sum();
    let mean = sum / (3 * SIDE * SIDE) as f64 / 255.0;
    1.0 / (1.0 + (f64::from(OFFSET) - f64::from(GAIN) * mean).exp())
}

#[test]
fn answers_are_those_of_the_pictures_at_eight_a_second_whatever_the_cameras_rate() {
    let folder = tempfile::tempdir().unwrap();
    let nets = [(1, "frames"), (2, "channels")].map(|(axis, name)| network(&folder.path().join(name), axis, ""));
    for (hz, said_of_it) in [("5", Some("frames differ")), ("10", None), ("30", None)] {
        let drive = drive(folder.path(), hz);
        let outs = [0, 1].map(|k| folder.path().join(format!("out_{hz}_{k}")));
        let said = [0, 1].map(|k| replay(&drive, Some(&nets[k]), &outs[k], &[]));
        let told = said_of_it.is_none_or(|text| said[0].err.contains(text));
        assert!(told && said[0].err.contains("differ") == said_of_it.is_some(), "{hz} Hz: {}", said[0].err);
        let pictures = pictures(&drive);
        let answers = lines(outs[0].join("anticipation.jsonl"));
        // 5.5 s, of which the first two fill the clip.
        let rate: f64 = hz.parse().unwrap();
        let most = 3.6 * rate.min(8.0);
        assert!(
            (answers.len() as f64) > 0.8 * most && answers.len() as f64 <= most + 2.0,
            "{hz} Hz: {}",
            answers.len()
        );
        // Which moments the drive's last picture stands for depends on one that never came.
        let last = pictures.last().unwrap().0;
        for answer in answers.iter().filter(|a| a["t_ns"] != last) {
            let expected = expected(&pictures, answer["t_ns"].as_i64().unwrap());
            let got = answer["probability"].as_f64().unwrap();
            assert!((got - expected).abs() < 2e-4, "{hz} Hz: {answer}, expected {expected}");
        }
        let (low, high) = answers.iter().fold((1.0_f64, 0.0_f64), |(low, high), a| {
            let p = a["probability"].as_f64().unwrap();
            (low.min(p), high.max(p))
        });
        assert!(high - low > 0.2, "{hz} Hz: answers from {low} to {high} show nothing");
        let bytes = outs.map(|out| std::fs::read(out.join("anticipation.jsonl")).unwrap());
        assert!(bytes[0] == bytes[1], "{hz} Hz: the layout makes a difference");
    }
    // Three pictures a second are too few, which is said, and nothing else suffers.
    let slow = drive(folder.path(), "3");
    let said = replay(&slow, Some(&nets[0]), &folder.path().join("slow"), &[]);
    assert!(said.err.contains("was not asked") && said.err.contains("0.333 s"), "{}", said.err);
    assert!(lines(folder.path().join("slow/anticipation.jsonl")).is_empty());
}

#[test]
fn it_raises_the_nearest_on_the_way_as_far_as_it_may_and_replays_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let drive = drive(folder.path(), "10");
    let net = network(&folder.path().join("net"), 1, "enter = 0.05\nleave = 0.02\nsmooth_ms = 200");
    let run = |name: &str, model: Option<&Path>, more: &[&str]| {
        let out = folder.path().join(name);
        let said = replay(&drive, model, &out, more);
        (said, std::fs::read(out.join("objects.jsonl")).unwrap(), out)
    };
    let (_, plain, _) = run("plain", None, &[]);
    let (_, off, out) = run("off", Some(&net), &["--set", "risk.anticipation=off"]);
    assert!(plain == off, "a network that raises nothing changes nothing");
    assert!(!folder.path().join("plain/anticipation.jsonl").exists());
    let alerts = lines(out.join("anticipation.jsonl")).iter().filter(|a| a["alert"] == true).count();
    assert_eq!(alerts, 1, "one collision, one alert");

    let (said, warned, out) = run("warn", Some(&net), &["--set", "risk.anticipation=warn", "--threads", "1", "--save"]);
    assert!(
        said.err.contains("anticipation: ") && said.err.contains("clipnet sees a collision coming"),
        "{}",
        said.err
    );
    let raised = |out: &Path, risk: &str| {
        let all = lines(out.join("objects.jsonl"));
        let of_net =
            |o: &&Value| o["risk"] == risk && o["why"].as_str().is_some_and(|why| why.contains("; clipnet sees"));
        all.iter().flat_map(|l| l["objects"].as_array().into_iter().flatten().filter(of_net)).count()
    };
    assert!(raised(&out, "warn") >= 1, "{}", said.err);
    let (_, again, out) = run("again", Some(&net), &["--set", "risk.anticipation=warn", "--threads", "4"]);
    assert!(warned == again, "on any number of threads the same bytes");
    let both =
        ["warn", "again"].map(|name| std::fs::read(folder.path().join(name).join("anticipation.jsonl")).unwrap());
    assert!(both[0] == both[1] && raised(&out, "warn") >= 1);
    let (_, _, out) = run("watch", Some(&net), &[]);
    assert_eq!(raised(&out, "warn"), 0, "to watch and no further, unless told");
    assert!(raised(&out, "watch") >= 1);
}

#[test]
fn a_network_on_clips_alone_or_where_a_detector_belongs_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let net = network(&folder.path().join("net"), 1, "");
    let drive = root().join("tests/data/street.mcap");
    let said = ocellus([
        "replay".as_ref(),
        drive.as_os_str(),
        "--model".as_ref(),
        net.as_os_str(),
        "--out".as_ref(),
        folder.path().as_os_str(),
    ]);
    assert_eq!(said.code, 2, "{}", said.err);
    assert!(said.err.contains("clips alone finds no obstacles"), "{}", said.err);
    let said = ocellus(["inspect".as_ref(), net.as_os_str()]);
    assert!(said.out.contains("16 frames, 8 a second"), "{}{}", said.out, said.err);
    let said = ocellus([
        "replay".as_ref(),
        drive.as_os_str(),
        "--model".as_ref(),
        "truth".as_ref(),
        "--model".as_ref(),
        net.as_os_str(),
        "--set".as_ref(),
        "model.1.sessions=2".as_ref(),
        "--out".as_ref(),
        folder.path().join("twice").as_os_str(),
    ]);
    assert!(said.code == 2 && said.err.contains("expected 1 for a network on clips"), "{}", said.err);
    let wrong = network(&folder.path().join("wrong"), 1, "enter = 0.2\nleave = 0.5");
    let said = ocellus(["inspect".as_ref(), wrong.as_os_str()]);
    assert!(said.code == 2 && said.err.contains("clip.leave"), "{}", said.err);
}

#[test]
fn live_it_answers_beside_frames_that_do_not_wait_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let net = network(&folder.path().join("net"), 1, "");
    let launch = folder.path().join("live.toml");
    let text = format!(
        "[[camera]]\nworld = {:?}\nname = \"front\"\nsize = [64, 64]\nhz = 10\n[[model]]\npath = \"truth\"\n\
         [[model]]\npath = {:?}\n[output]\ndir = {:?}\n[live]\nseconds = 5\n",
        root().join("launch/worlds/street.toml"),
        net,
        folder.path().join("out")
    );
    std::fs::write(&launch, text).unwrap();
    let said = ocellus(["run".as_ref(), launch.as_os_str()]);
    assert!(said.code == 0, "{}\n{}", said.out, said.err);
    let answers = lines(folder.path().join("out/anticipation.jsonl"));
    let stamps: Vec<i64> = answers.iter().map(|a| a["t_ns"].as_i64().unwrap()).collect();
    assert!(stamps.len() >= 3 && stamps.windows(2).all(|w| w[0] < w[1]), "{stamps:?}");
    let frames = lines(folder.path().join("out/objects.jsonl"));
    assert!(frames.iter().filter(|l| l["trigger"] == "camera" && l.get("objects").is_some()).count() >= stamps.len());
}

/// The live run's frames and answers beside a network that does so many products a clip; its folder.
fn live_beside(folder: &Path, products: usize) -> (Vec<Value>, Vec<Value>, PathBuf) {
    let name = format!("work_{products}");
    let net = network_of_work(&folder.join(&name), 1, "", products);
    let (launch, out) = (folder.join(&name).with_extension("toml"), folder.join(&name).join("out"));
    let text = format!(
        "[[camera]]\nworld = {:?}\nname = \"front\"\nsize = [64, 64]\nhz = 10\n[[model]]\npath = \"truth\"\n\
         [[model]]\npath = {net:?}\nintra_threads = 1\n[output]\ndir = {out:?}\n[live]\nseconds = 7\n",
        root().join("launch/worlds/street.toml"),
    );
    std::fs::write(&launch, text).unwrap();
    let said = ocellus(["run".as_ref(), launch.as_os_str()]);
    assert!(said.code == 0, "{}\n{}", said.out, said.err);
    let frames = lines(out.join("objects.jsonl")).into_iter().filter(|l| l["trigger"] == "camera").collect();
    (frames, lines(out.join("anticipation.jsonl")), out)
}

#[test]
fn a_slow_network_on_clips_slows_no_frame() {
    let folder = tempfile::tempdir().unwrap();
    let stamps_of = |lines: &[Value]| -> Vec<i64> { lines.iter().filter_map(|l| l["t_ns"].as_i64()).collect() };
    // As much work as is much to this computer.
    let slow_enough = |products: usize| {
        let (frames, answers, out) = live_beside(folder.path(), products);
        let seen: Vec<Value> = frames.into_iter().filter(|l| l.get("objects").is_some()).collect();
        let (seen, stamps) = (stamps_of(&seen), stamps_of(&answers));
        (stamps.len() * 3 < seen.len()).then_some((seen, stamps, out))
    };
    let found = [120, 360, 1080].into_iter().find_map(slow_enough);
    let (seen, stamps, out) = found.expect("a network that answers a third of the frames at most");
    // It is slow indeed: of eight clips a second it answers few, and each about a newer moment.
    let apart_ms = |t: &[i64]| t.windows(2).map(|w| (w[1] - w[0]) / 1_000_000).min().unwrap_or(i64::MAX);
    assert!(stamps.len() >= 2 && apart_ms(&stamps) > 0, "{stamps:?}");
    let latency: Value = serde_json::from_slice(&std::fs::read(out.join("latency.json")).unwrap()).unwrap();
    println!("{} frames, {} answers; {}", seen.len(), stamps.len(), latency["end_to_end"]);
    let per_answer_ms = 1e-6 * (stamps[stamps.len() - 1] - stamps[0]) as f64 / (stamps.len() - 1) as f64;
    let p95_ms = latency["end_to_end"]["front"]["p95_ms"].as_f64().unwrap();
    assert!(p95_ms < 0.5 * per_answer_ms, "a frame takes {p95_ms:.0} ms, an answer {per_answer_ms:.0} ms");
}
