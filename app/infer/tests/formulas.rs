//! The networks made here give the answers their formulas say (tests/reference/make_networks.py).

use ocellus_infer::{InferError, Network};
use ocellus_percept::model::ElementType;
use ocellus_percept::tensor::{TensorData, TensorView};

use crate::support::{load_made_here, seeded_pixels};

const ROWS: usize = 12;
const COLUMNS: usize = 20;
const CELL: usize = 16;
const PLANE: usize = ROWS * COLUMNS * CELL * CELL;

fn floats<'a>(view: &TensorView<'a>) -> &'a [f32] {
    match view.data {
        TensorData::F32(elements) => elements,
        TensorData::I64(_) => panic!("{} is not of floats", view.name),
    }
}

/// Runs on `picture` and gives the only output's shape and elements.
fn run(network: &mut Network, picture: &[f32]) -> (Vec<usize>, Vec<f32>) {
    network.input_mut("images").unwrap().copy_from_slice(picture);
    network
        .run(|outputs| {
            assert_eq!(outputs.len(), 1);
            (outputs[0].shape.to_vec(), floats(&outputs[0]).to_vec())
        })
        .unwrap()
}

fn mean_of_channels(picture: &[f32], pixel: usize) -> f64 {
    let plane = picture.len() / 3;
    (0..3).map(|c| f64::from(picture[c * plane + pixel])).sum::<f64>() / 3.0
}

#[test]
fn metric_depth_is_its_formula() {
    let (height, width) = (96, 160);
    let picture = seeded_pixels(1, 3 * height * width);
    let (shape, depth) = run(&mut load_made_here("depth_metric"), &picture);
    assert_eq!(shape, [1, 1, height, width]);
    for (pixel, got) in depth.iter().enumerate() {
        let want = 40.0 - 30.0 * mean_of_channels(&picture, pixel) + 0.0625 * (pixel % width) as f64;
        assert!((want - f64::from(*got)).abs() < 1e-4, "pixel {pixel}: expected {want}, got {got}");
    }
}

#[test]
fn relative_depth_is_its_formula_at_any_size() {
    let mut network = load_made_here("depth_relative");
    assert_eq!(network.inputs()[0].shape, [Some(1), Some(3), None, None]);
    assert!(matches!(network.input_mut("images"), Err(InferError::ShapeUnknown { .. })));
    for (height, width) in [(30, 52), (64, 64), (30, 52)] {
        network.set_input_shape("images", &[1, 3, height, width]).unwrap();
        let picture = seeded_pixels(2, 3 * height * width);
        let (shape, depth) = run(&mut network, &picture);
        assert_eq!(shape, [1, height, width]);
        for (pixel, got) in depth.iter().enumerate() {
            let row = (pixel / width + 1) as f64;
            let want = 2.0 * mean_of_channels(&picture, pixel) + 0.5 * row / height as f64;
            assert!((want - f64::from(*got)).abs() < 1e-5, "pixel {pixel}: expected {want}, got {got}");
        }
    }
}

/// The 7 values of every cell by the formula: cx, cy, w, h, scores of red, green, blue.
fn expected_cells(picture: &[f32]) -> Vec<[f64; 7]> {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    (0..ROWS * COLUMNS)
        .map(|n| {
            let (row, column) = (n / COLUMNS, n % COLUMNS);
            let mean = |channel: usize| {
                let pixels = (0..CELL * CELL).map(|i| {
                    let (y, x) = (row * CELL + i / CELL, column * CELL + i % CELL);
                    f64::from(picture[channel * PLANE + y * COLUMNS * CELL + x])
                });
                pixels.sum::<f64>() / (CELL * CELL) as f64
            };
            let (r, g, b) = (mean(0), mean(1), mean(2));
            let score = |own: f64, other: f64, third: f64| sigmoid(20.0 * (own - other - third) - 10.0);
            [
                (CELL * column + CELL / 2) as f64,
                (CELL * row + CELL / 2) as f64,
                32.0 * b + 64.0 * g + 48.0 * r,
                32.0 * b + 32.0 * g + 48.0 * r,
                score(r, g, b),
                score(g, r, b),
                score(b, r, g),
            ]
        })
        .collect()
}

/// Black but for filled cells: (row, column, channel).
fn picture_of_cells(cells: &[(usize, usize, usize)]) -> Vec<f32> {
    let mut picture = vec![0.0; 3 * PLANE];
    for &(row, column, channel) in cells {
        for i in 0..CELL * CELL {
            let (y, x) = (row * CELL + i / CELL, column * CELL + i % CELL);
            picture[channel * PLANE + y * COLUMNS * CELL + x] = 1.0;
        }
    }
    picture
}

/// Largest differences from the formula: of boxes in pixels, of scores.
fn differences(network: &mut Network, picture: &[f32]) -> (f64, f64) {
    let (shape, output) = run(network, picture);
    assert_eq!(shape, [1, 7, ROWS * COLUMNS]);
    let (mut boxes, mut scores) = (0.0f64, 0.0f64);
    for (n, want) in expected_cells(picture).iter().enumerate() {
        for (k, want) in want.iter().enumerate() {
            let difference = (want - f64::from(output[k * ROWS * COLUMNS + n])).abs();
            let worst = if k < 4 { &mut boxes } else { &mut scores };
            *worst = worst.max(difference);
        }
    }
    (boxes, scores)
}

#[test]
fn the_detector_and_its_twins_find_filled_cells() {
    let picture = picture_of_cells(&[(3, 5, 0), (7, 11, 1), (0, 0, 2), (11, 19, 1)]);
    // f32 is off by rounding alone; half precision holds 11 bits; the quantized twin is exact where cells are filled.
    for (name, boxes, scores) in [("fp32", 1e-4, 1e-6), ("fp16", 1e-2, 1e-3), ("int8", 1e-4, 1e-6)] {
        let mut network = load_made_here(&format!("yolov8_nonsquare_{name}"));
        let (off_boxes, off_scores) = differences(&mut network, &picture);
        println!("{name}: boxes off by {off_boxes:.2e} px, scores by {off_scores:.2e}");
        assert!(off_boxes < boxes && off_scores < scores, "{name}: {off_boxes} px, {off_scores}");
    }
}

#[test]
fn the_twins_follow_the_formula_on_any_picture() {
    let picture = seeded_pixels(3, 3 * PLANE);
    // Noise of 16 x 16 pixels: the quantized mean is off by half a step of 1/255, times 144 at most. Halves between 128 and 256
    // are 1/8 apart: an x86 computes with floats between them, an ARM with halves throughout (off by 0.23 there).
    let halves = if cfg!(target_arch = "aarch64") { 0.4 } else { 0.2 };
    for (name, boxes, scores) in [("fp32", 1e-3, 1e-5), ("fp16", halves, 1e-2), ("int8", 0.3, 1e-2)] {
        let mut network = load_made_here(&format!("yolov8_nonsquare_{name}"));
        let (off_boxes, off_scores) = differences(&mut network, &picture);
        println!("{name}: boxes off by {off_boxes:.2e} px, scores by {off_scores:.2e}");
        assert!(off_boxes < boxes && off_scores < scores, "{name}: {off_boxes} px, {off_scores}");
    }
}

#[test]
fn what_the_files_declare_is_told() {
    let network = load_made_here("yolov8_nonsquare_fp16");
    assert_eq!(network.inputs()[0].element, Some(ElementType::F16));
    assert_eq!(network.inputs()[0].shape, [Some(1), Some(3), Some(192), Some(320)]);
    assert_eq!(network.outputs()[0].shape, [Some(1), Some(7), Some(240)]);
    assert_eq!(network.metadata()["stride"], "16");
    assert_eq!(network.metadata()["names"], "{0: 'red', 1: 'green', 2: 'blue'}");
    assert_eq!(network.producer(), Some("ocellus make_networks"));
    assert_eq!(network.digest().len(), 64);
}

#[test]
fn masks_come_with_their_prototypes() {
    let mut network = load_made_here("seg_two_masks");
    let (height, width) = (64, 96);
    network.input_mut("images").unwrap().fill(0.0);
    network.input_mut("images").unwrap()[..height * width].fill(0.75);
    network
        .run(|outputs| {
            assert_eq!(outputs.iter().map(|o| o.name).collect::<Vec<_>>(), ["output0", "output1"]);
            assert_eq!((outputs[0].shape, outputs[1].shape), (&[1, 38, 2][..], &[1, 32, 16, 24][..]));
            let (candidates, prototypes) = (floats(&outputs[0]), floats(&outputs[1]));
            assert_eq!(candidates[..8], [24.0, 72.0, 32.0, 32.0, 40.0, 40.0, 48.0, 48.0]);
            assert!((candidates[8] - 0.75).abs() < 1e-6 && candidates[9..12].iter().all(|s| s.abs() < 1e-6));
            assert_eq!((prototypes[0], prototypes[23], prototypes[3 * 16 * 24]), (8.0, -8.0, 0.0));
        })
        .unwrap();
}

#[test]
fn nan_and_infinity_pass_through() {
    let mut network = load_made_here("depth_metric");
    let input = network.input_mut("images").unwrap();
    input.fill(0.5);
    input[0] = f32::NAN;
    input[1] = f32::INFINITY;
    network
        .run(|outputs| {
            let depth = floats(&outputs[0]);
            assert!(depth[0].is_nan() && depth[1] == f32::NEG_INFINITY && depth[2].is_finite());
        })
        .unwrap();
}

#[test]
fn wrong_inputs_are_named() {
    let mut network = load_made_here("yolov8_nonsquare_fp32");
    let unwritten = network.run(|_| ()).unwrap_err();
    assert!(matches!(&unwritten, InferError::InputNotWritten { name, .. } if name == "images"), "{unwritten}");
    let unknown = network.input_mut("image").unwrap_err().to_string();
    assert!(unknown.contains("images f32 [1, 3, 192, 320]"), "{unknown}");
    let kind = network.input_i64_mut("images").unwrap_err().to_string();
    assert!(kind.contains("i64") && kind.contains("f32"), "{kind}");
    let shape = network.set_input_shape("images", &[1, 3, 320, 320]).unwrap_err().to_string();
    assert!(shape.contains("[1, 3, 320, 320]") && shape.contains("[1, 3, 192, 320]"), "{shape}");
    assert!(network.set_input_shape("images", &[1, 3, usize::MAX, 2]).is_err());
    assert!(load_made_here("depth_relative").set_input_shape("images", &[1, 3, 0, 5]).is_err());
    assert!(load_made_here("depth_relative").set_input_shape("images", &[1, 3, usize::MAX, 2]).is_err());
}
