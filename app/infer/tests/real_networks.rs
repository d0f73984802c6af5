//! Every real detector loads and runs, gives the same bytes twice, and close numbers with one and two threads.

use std::path::Path;

use ocellus_infer::{Network, Provider, SessionOptions};
use ocellus_percept::tensor::{TensorData, TensorView};

use crate::support::{real_data, runtime, seeded_pixels};

type Shapes = &'static [&'static [usize]];

/// File, input shape, output shapes as the network gives them.
const NETWORKS: [(&str, [usize; 4], Shapes); 10] = [
    ("yolox_nano", [1, 3, 416, 416], &[&[1, 3549, 85]]),
    (
        "nanodet_m_320",
        [1, 3, 320, 320],
        &[&[1, 1600, 80], &[1, 400, 80], &[1, 100, 80], &[1, 1600, 32], &[1, 400, 32], &[1, 100, 32]],
    ),
    ("yolov8n_320_int8", [1, 3, 320, 320], &[&[1, 84, 2100]]),
    ("yolo26n_640_int8", [1, 3, 640, 640], &[&[1, 300, 6]]),
    ("yolov8n-seg_320_int8", [1, 3, 320, 320], &[&[1, 116, 2100], &[1, 32, 80, 80]]),
    ("v5Lite-e-320-decoded", [1, 3, 320, 320], &[&[1, 6300, 85]]),
    ("deimv2_hgnetv2_atto_coco", [1, 3, 320, 320], &[&[1, 300], &[1, 300, 4], &[1, 300]]),
    ("deimv2_hgnetv2_atto_coco_rawheads", [1, 3, 320, 320], &[&[1, 100, 80], &[1, 100, 4]]),
    ("deimv2_atto_coco_int8", [1, 3, 320, 320], &[&[300], &[300, 4], &[300]]),
    ("FastestDet", [1, 3, 352, 352], &[&[1, 85, 22, 22]]),
];

/// An output kept: name, shape, elements.
#[derive(Debug, Clone, PartialEq)]
struct Kept {
    name: String,
    shape: Vec<usize>,
    floats: Vec<f32>,
    integers: Vec<i64>,
}

fn keep(view: &TensorView<'_>) -> Kept {
    let (floats, integers) = match view.data {
        TensorData::F32(elements) => (elements.to_vec(), Vec::new()),
        TensorData::I64(elements) => (Vec::new(), elements.to_vec()),
    };
    assert_eq!(view.shape.iter().product::<usize>(), floats.len() + integers.len());
    Kept { name: view.name.to_owned(), shape: view.shape.to_vec(), floats, integers }
}

fn loaded(path: &Path, intra_threads: usize) -> Network {
    Network::load(runtime(), path, &SessionOptions { intra_threads, ..SessionOptions::default() }).unwrap()
}

fn run_once(network: &mut Network, shape: &[usize]) -> Vec<Kept> {
    let picture = network.inputs()[0].name.clone();
    network.set_input_shape(&picture, shape).unwrap();
    network.input_mut(&picture).unwrap().copy_from_slice(&seeded_pixels(7, shape.iter().product()));
    if network.inputs().len() > 1 {
        network.input_i64_mut("orig_target_sizes").unwrap().copy_from_slice(&[640, 480]);
    }
    network.run(|outputs| outputs.iter().map(keep).collect()).unwrap()
}

#[test]
fn every_real_network_runs_alike_twice_and_with_one_thread() {
    let Some(data) = real_data() else { return };
    for (name, shape, outputs) in NETWORKS {
        let path = data.join("detectors").join(format!("{name}.onnx"));
        let mut network = loaded(&path, 2);
        let report = network.providers();
        assert!(report.nodes_known || !runtime().tells_nodes(), "{name}");
        if report.nodes_known {
            assert_eq!(report.share_of(Provider::Cpu), Some(1.0), "{name}: {report}");
            assert!(report.nodes["CPUExecutionProvider"].nodes > 10, "{name}: {report}");
        }
        let first = run_once(&mut network, &shape);
        assert_eq!(first, run_once(&mut network, &shape), "{name}: the same session twice");
        assert_eq!(first, run_once(&mut loaded(&path, 2), &shape), "{name}: another session");
        let declared: Vec<&[usize]> = first.iter().map(|kept| kept.shape.as_slice()).collect();
        assert_eq!(declared, outputs, "{name}");
        println!("{name}: {declared:?}, {report}", report = network.providers());
        check_close(name, &first, &run_once(&mut loaded(&path, 1), &shape));
    }
}

/// One thread against two: sums are cut elsewhere, so the last bits may differ, by 1e-3 at most, relative.
fn check_close(name: &str, two: &[Kept], one: &[Kept]) {
    for (two, one) in two.iter().zip(one) {
        assert_eq!((&two.name, &two.shape, &two.integers), (&one.name, &one.shape, &one.integers), "{name}");
        for (i, (a, b)) in two.floats.iter().zip(&one.floats).enumerate() {
            assert!((a - b).abs() <= 1e-3 * a.abs().max(1.0), "{name} {} at {i}: {a} and {b}", two.name);
        }
    }
}
