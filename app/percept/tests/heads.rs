//! Every head family on a real network against an independent decoder in Python (`tests/reference/heads.py`).
//!
//! Both sides decode the same raw output tensors; boxes (source pixels) and scores must agree within 1e-3 and in
//! number. The real files' declarations must also be recognised, and the input made of the same pictures must be OpenCV's,
//! and the exact one to a grey level.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use ocellus_percept::detection::{Detection, Mask};
use ocellus_percept::image::{ImageView, PixelFormat};
use ocellus_percept::model::{ElementType, HeadFamily, IoInfo, ModelSpec, Thresholds, recognise};
use ocellus_percept::tensor::{Decoder, Letterbox, Preprocessor, TensorData, TensorView, extra_inputs};
use serde_json::Value;

/// Largest difference allowed of a box edge (px) and of a score.
const TOLERANCE: f64 = 1e-3;
/// Largest difference of an input from OpenCV's, in grey levels: the float noise of normalising.
const NOISE: f64 = 1e-3;
/// Largest difference of an input from the exact resize, rounded: one level, and float noise.
const EXACT_MOST: f64 = 1.01;
/// The same on the mean: OpenCV's truncations come out 0.1 to 0.2 levels low.
const EXACT_MEAN: f64 = 0.2;
/// Networks that must be there.
const NETWORKS: usize = 10;

fn elements<const N: usize, T>(bytes: &[u8], convert: fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|&chunk| convert(chunk)).collect()
}

fn usizes(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as usize).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// An array the reference saved.
struct Saved {
    name: String,
    shape: Vec<usize>,
    floats: Vec<f32>,
    integers: Option<Vec<i64>>,
}

impl Saved {
    fn read(folder: &Path, entry: &Value) -> Self {
        let bytes = std::fs::read(folder.join(text(&entry["file"]))).unwrap();
        let is_integer = entry["type"] == "int64";
        Self {
            name: entry["name"].as_str().unwrap_or_default().to_owned(),
            shape: usizes(&entry["shape"]),
            floats: if is_integer { Vec::new() } else { elements(&bytes, f32::from_le_bytes) },
            integers: is_integer.then(|| elements(&bytes, i64::from_le_bytes)),
        }
    }

    fn view(&self) -> TensorView<'_> {
        let data = match &self.integers {
            Some(integers) => TensorData::I64(integers),
            None => TensorData::F32(&self.floats),
        };
        TensorView { name: &self.name, shape: &self.shape, data }
    }
}

fn declared(tensors: &Value) -> Vec<IoInfo> {
    let one = |t: &Value| IoInfo {
        name: text(&t["name"]),
        element: match t["type"].as_str().unwrap() {
            "tensor(float)" => Some(ElementType::F32),
            "tensor(int64)" => Some(ElementType::I64),
            other => panic!("{other}"),
        },
        shape: t["shape"].as_array().unwrap().iter().map(|d| d.as_u64().map(|d| d as usize)).collect(),
    };
    tensors.as_array().unwrap().iter().map(one).collect()
}

fn family_name(head: HeadFamily) -> String {
    text(&serde_json::to_value(head).unwrap())
}

/// Difference of two inputs in grey levels, largest of all runs.
#[derive(Debug, Default, Clone, Copy)]
struct Levels {
    most: f64,
    mean: f64,
}

/// Largest differences found in one network.
#[derive(Default)]
struct Differences {
    detections: usize,
    edge: f64,
    score: f64,
    exact: Levels,
    opencv: Levels,
    masks: usize,
    mask_iou_min: f64,
}

struct Reference {
    folder: tempfile::TempDir,
    index: Value,
}

impl Reference {
    /// Runs the Python side on three pictures of different shapes.
    fn make(data: &Path) -> Self {
        let here = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/reference"));
        let python = support::python::interpreter(&here.join("requirements.txt")).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let pictures = ["coco_tiny/val2017/000000253452.jpg", "photos/bus.jpg", "photos/carnd_vehicle/test1.jpg"];
        let mut command = Command::new(python);
        command.arg("-B").arg(here.join("heads.py")).arg(data.join("detectors")).arg(folder.path());
        command.args(pictures.map(|p| data.join(p)));
        support::python::run(&mut command).unwrap();
        let index = std::fs::read_to_string(folder.path().join("index.json")).unwrap();
        Self { folder, index: serde_json::from_str(&index).unwrap() }
    }

    fn thresholds(&self) -> Thresholds {
        Thresholds {
            score: self.index["score"].as_f64().unwrap() as f32,
            nms_iou: self.index["nms_iou"].as_f64().unwrap() as f32,
            max_detections: self.index["limit"].as_u64().unwrap() as usize,
        }
    }

    /// Columns, rows and bytes of a picture.
    fn picture(&self, index: usize) -> (usize, usize, Vec<u8>) {
        let entry = &self.index["pictures"][index];
        let shape = usizes(&entry["shape"]);
        (shape[1], shape[0], std::fs::read(self.folder.path().join(text(&entry["file"]))).unwrap())
    }
}

fn spec_of(network: &Value) -> ModelSpec {
    let metadata: BTreeMap<String, String> = serde_json::from_value(network["metadata"].clone()).unwrap();
    let (inputs, outputs) = (declared(&network["inputs"]), declared(&network["outputs"]));
    let spec = recognise(network["name"].as_str().unwrap(), &inputs, &outputs, &metadata).unwrap();
    assert_eq!(family_name(spec.head), text(&network["family"]), "{}", network["name"]);
    let extra = extra_inputs(&spec, &inputs).unwrap();
    assert_eq!(extra.len(), inputs.len() - 1, "{}", network["name"]);
    spec
}

/// The difference of two inputs, in grey levels.
fn levels_between(spec: &ModelSpec, input: &[f32], expected: &Saved) -> Levels {
    assert_eq!(expected.shape, [1, 3, spec.input.height, spec.input.width]);
    let plane = spec.input.width * spec.input.height;
    let mut found = Levels::default();
    for (i, (a, b)) in input.iter().zip(&expected.floats).enumerate() {
        let level = f64::from((a - b).abs()) / f64::from(spec.input.scale[i / plane]);
        assert!(level.is_finite(), "{} at {i}: {a} for {b}", spec.name);
        found.most = found.most.max(level);
        found.mean += level / input.len() as f64;
    }
    found
}

/// Makes the picture's input and compares it with OpenCV's and with the exact one.
fn compare_input(
    spec: &ModelSpec,
    picture: ImageView<'_>,
    [opencv, exact]: [&Saved; 2],
    found: &mut Differences,
) -> Letterbox {
    let mut preprocessor = Preprocessor::new(&spec.input).unwrap();
    let mut input = vec![f32::NAN; preprocessor.output_len()];
    let geometry = preprocessor.run(picture, &mut input).unwrap();
    for (worst, expected) in [(&mut found.opencv, opencv), (&mut found.exact, exact)] {
        let levels = levels_between(spec, &input, expected);
        worst.most = worst.most.max(levels.most);
        worst.mean = worst.mean.max(levels.mean);
    }
    geometry
}

/// Pairs each expected detection with the nearest one not yet taken of its class.
fn compare_detections(expected: &Value, got: &[Detection], name: &str, found: &mut Differences) -> Vec<usize> {
    let expected = expected.as_array().unwrap();
    assert_eq!(got.len(), expected.len(), "{name}: number of detections");
    let mut taken = vec![false; got.len()];
    let mut partner = Vec::new();
    for row in expected {
        let row: Vec<f64> = row.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
        let difference = |d: &Detection| {
            let b = [d.bbox.x0, d.bbox.y0, d.bbox.x1, d.bbox.y1];
            let edge = b.iter().zip(&row).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
            (edge, (f64::from(d.score) - row[4]).abs())
        };
        let free = (0..got.len()).filter(|&i| !taken[i] && f64::from(got[i].class) == row[5]);
        let nearest = free.min_by(|&a, &b| {
            let sum = |i: usize| difference(&got[i]).0 + difference(&got[i]).1;
            sum(a).total_cmp(&sum(b))
        });
        let nearest = nearest.unwrap_or_else(|| panic!("{name}: nothing for {row:?}"));
        taken[nearest] = true;
        partner.push(nearest);
        let (edge, score) = difference(&got[nearest]);
        assert!(edge <= TOLERANCE && score <= TOLERANCE, "{name}: {:?} for {row:?}", got[nearest]);
        found.edge = found.edge.max(edge);
        found.score = found.score.max(score);
    }
    found.detections += expected.len();
    partner
}

/// Intersection over union of a mask and a picture of 0 and 1.
fn mask_iou(mask: &Mask, picture: &[u8], width: usize) -> f64 {
    let (mut both, mut either) = (0usize, 0usize);
    for (i, &expected) in picture.iter().enumerate() {
        let got = mask.contains((i % width) as u32, (i / width) as u32);
        both += usize::from(got && expected == 1);
        either += usize::from(got || expected == 1);
    }
    if either == 0 { 1.0 } else { both as f64 / either as f64 }
}

fn compare_masks(folder: &Path, entry: &Value, got: &[Detection], partner: &[usize], found: &mut Differences) {
    if entry.is_null() {
        assert!(got.iter().all(|d| d.mask.is_none()));
        return;
    }
    let shape = usizes(&entry["shape"]);
    let bytes = std::fs::read(folder.join(text(&entry["file"]))).unwrap();
    for (picture, &index) in bytes.chunks_exact(shape[1] * shape[2]).zip(partner) {
        let mask = got[index].mask.as_ref().expect("a mask");
        let iou = mask_iou(mask, picture, shape[2]);
        assert!(iou >= 0.99, "{:?}: mask IoU {iou}", got[index].bbox);
        found.mask_iou_min = if found.masks == 0 { iou } else { found.mask_iou_min.min(iou) };
        found.masks += 1;
    }
}

fn compare_network(reference: &Reference, network: &Value) -> Differences {
    let folder = reference.folder.path();
    let spec = spec_of(network);
    let mut decoder = Decoder::new(&spec, &declared(&network["outputs"])).unwrap();
    let (mut found, mut got) = (Differences::default(), Vec::new());
    for run in network["runs"].as_array().unwrap() {
        let (width, height, bytes) = reference.picture(run["picture"].as_u64().unwrap() as usize);
        let picture = ImageView::new(width, height, PixelFormat::Rgb8, &bytes).unwrap();
        let inputs = ["input", "exact_input"].map(|key| Saved::read(folder, &run[key]));
        let geometry = compare_input(&spec, picture, [&inputs[0], &inputs[1]], &mut found);
        let outputs: Vec<Saved> = run["outputs"].as_array().unwrap().iter().map(|o| Saved::read(folder, o)).collect();
        let views: Vec<_> = outputs.iter().map(Saved::view).collect();
        let report = decoder.decode(&views, &geometry, &reference.thresholds(), &mut got).unwrap();
        assert_eq!(report.non_finite, 0);
        assert!(report.candidates >= got.len());
        let partner = compare_detections(&run["detections"], &got, &spec.name, &mut found);
        compare_masks(folder, &run["masks"], &got, &partner, &mut found);
    }
    found
}

#[test]
fn every_family_decodes_a_real_network_as_the_reference_does() {
    let Some(data) = support::real_data() else { return };
    let reference = Reference::make(&data);
    let networks = reference.index["networks"].as_array().unwrap();
    assert_eq!(networks.len(), NETWORKS);
    println!(
        "family       network                            n     box px   score    input: mean level off exact, OpenCV"
    );
    for network in networks {
        let d = compare_network(&reference, network);
        let masks = if d.masks > 0 { format!("{} IoU >= {:.4}", d.masks, d.mask_iou_min) } else { String::new() };
        println!(
            "{:12} {:34} {:4}  {:.1e}  {:.1e}  {:.4} {:.4}  {masks}",
            text(&network["family"]),
            text(&network["name"]),
            d.detections,
            d.edge,
            d.score,
            d.exact.mean,
            d.opencv.mean
        );
        assert!(d.detections > 20, "too few detections to prove anything");
        assert!(d.opencv.most <= NOISE, "{:?}", d.opencv);
        assert!(d.exact.most <= EXACT_MOST && d.exact.mean < EXACT_MEAN, "{:?}", d.exact);
    }
}
