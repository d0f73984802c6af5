//! Decoding of small tensors whose answer is known, at sizes that are not square; sick values; wrong shapes.

use super::*;
use crate::model::{ChannelOrder, ElementType, InputSpec, Resize, ScoreActivation, ScoreTable};
use crate::tensor::TensorData;

/// Network input: 64 columns, 32 rows; the source is twice that, so that boxes double.
const WIDTH: usize = 64;
const HEIGHT: usize = 32;
/// Cells of strides 8, 16, 32: 8x4 + 4x2 + 2x1.
const CELLS: usize = 42;
const KEEP: Thresholds = Thresholds { score: 0.3, nms_iou: 0.5, max_detections: 10 };

fn spec(head: HeadFamily, classes: usize) -> ModelSpec {
    let detr = head == HeadFamily::Detr;
    ModelSpec {
        name: "net".to_owned(),
        head,
        input: InputSpec {
            name: "images".to_owned(),
            width: WIDTH,
            height: HEIGHT,
            element: ElementType::F32,
            resize: Resize::LetterboxCentre,
            fill: 114,
            order: ChannelOrder::Rgb,
            mean: [0.0; 3],
            scale: [1.0; 3],
        },
        classes: (0..classes).map(|i| i.to_string()).collect(),
        activation: if detr { ScoreActivation::Sigmoid } else { ScoreActivation::None },
        depth: None,
        strides: vec![8, 16, 32],
        thresholds: KEEP,
        clip: None,
        guesses: Vec::new(),
    }
}

/// A named tensor; `integers` are used where there are any.
#[derive(Clone)]
struct Tensor {
    name: &'static str,
    shape: Vec<usize>,
    floats: Vec<f32>,
    integers: Vec<i64>,
}

impl Tensor {
    fn new(name: &'static str, shape: &[usize]) -> Self {
        let floats = vec![0.0; shape.iter().product()];
        Self { name, shape: shape.to_vec(), floats, integers: Vec::new() }
    }

    /// Writes `values` from the element at `index` on, `step` apart.
    fn with(mut self, index: &[usize], step: usize, values: &[f32]) -> Self {
        let at = index.iter().zip(&self.shape).fold(0, |at, (i, dim)| at * dim + i);
        for (i, &value) in values.iter().enumerate() {
            self.floats[at + i * step] = value;
        }
        self
    }

    fn io(&self) -> IoInfo {
        let element = if self.integers.is_empty() { ElementType::F32 } else { ElementType::I64 };
        let shape = self.shape.iter().map(|&d| Some(d)).collect();
        IoInfo { name: self.name.to_owned(), element: Some(element), shape }
    }

    fn view(&self) -> TensorView<'_> {
        let data =
            if self.integers.is_empty() { TensorData::F32(&self.floats) } else { TensorData::I64(&self.integers) };
        TensorView { name: self.name, shape: &self.shape, data }
    }
}

fn geometry() -> Letterbox {
    Letterbox::new(Resize::LetterboxCentre, (2 * WIDTH, 2 * HEIGHT), (WIDTH, HEIGHT))
}

fn decode_with(spec: &ModelSpec, tensors: &[Tensor], keep: &Thresholds) -> (Vec<Detection>, DecodeReport) {
    let declared: Vec<_> = tensors.iter().map(Tensor::io).collect();
    let views: Vec<_> = tensors.iter().map(Tensor::view).collect();
    let mut decoder = Decoder::new(spec, &declared).unwrap();
    let mut out = Vec::new();
    let report = decoder.decode(&views, &geometry(), keep, &mut out).unwrap();
    (out, report)
}

fn decode(head: HeadFamily, classes: usize, tensors: &[Tensor]) -> (Vec<Detection>, DecodeReport) {
    decode_with(&spec(head, classes), tensors, &KEEP)
}

/// Asserts one detection at `corners` (source pixels).
fn assert_one(found: &[Detection], corners: [f32; 4], score: f32, class: u32) {
    let [one] = found else { panic!("{found:?}") };
    let got = [one.bbox.x0, one.bbox.y0, one.bbox.x1, one.bbox.y1];
    let near = got.iter().zip(corners).all(|(a, b)| (a - b).abs() < 1e-4);
    assert!(near && (one.score - score).abs() < 1e-6 && one.class == class, "{one:?} for {corners:?}");
}

/// Every family's tensors with nothing in them, for two classes.
fn empty_tensors(head: HeadFamily) -> Vec<Tensor> {
    match head {
        HeadFamily::Yolov5 => vec![Tensor::new("o", &[1, 126, 7])],
        HeadFamily::Yolov8 => vec![Tensor::new("o", &[1, 6, CELLS])],
        HeadFamily::Yolov8Seg => vec![Tensor::new("o", &[1, 9, CELLS]), Tensor::new("p", &[1, 3, 8, 16])],
        HeadFamily::Yolox => vec![Tensor::new("o", &[1, CELLS, 7])],
        HeadFamily::EndToEnd => vec![Tensor::new("o", &[1, 5, 6])],
        HeadFamily::Detr => vec![Tensor::new("logits", &[1, 5, 2]), Tensor::new("boxes", &[1, 5, 4])],
        HeadFamily::DetrDecoded => {
            let labels = Tensor { integers: vec![0; 5], ..Tensor::new("labels", &[1, 5]) };
            vec![labels, Tensor::new("boxes", &[1, 5, 4]), Tensor::new("scores", &[1, 5])]
        }
        HeadFamily::Nanodet => {
            // Distances first and coarsest first: the order must not matter.
            let levels = [("reg_32", 2), ("reg_16", 8), ("reg_8", 32), ("cls_32", 2), ("cls_16", 8), ("cls_8", 32)];
            let width = |name: &str| if name.starts_with("cls") { 2 } else { 32 };
            levels.map(|(name, cells)| Tensor::new(name, &[1, cells, width(name)])).to_vec()
        }
        HeadFamily::Fastestdet => vec![Tensor::new("o", &[1, 7, 2, 4])],
        // A student has more outputs than these tests make; its own are beside its decoder.
        HeadFamily::Depth | HeadFamily::Student | HeadFamily::Anticipation => Vec::new(),
    }
}

const DETECTORS: [HeadFamily; 9] = [
    HeadFamily::Yolov5,
    HeadFamily::Yolov8,
    HeadFamily::Yolov8Seg,
    HeadFamily::Yolox,
    HeadFamily::EndToEnd,
    HeadFamily::Detr,
    HeadFamily::DetrDecoded,
    HeadFamily::Nanodet,
    HeadFamily::Fastestdet,
];

#[test]
fn yolov5_multiplies_objectness_and_class() {
    let rows = Tensor::new("o", &[1, 126, 7]).with(&[0, 60, 0], 1, &[20.0, 10.0, 8.0, 4.0, 0.5, 0.2, 0.8]);
    let rows = rows.with(&[0, 61, 0], 1, &[20.0, 10.0, 8.0, 4.0, 0.5, 0.2, 0.4]);
    assert_one(&decode(HeadFamily::Yolov5, 2, &[rows]).0, [32.0, 16.0, 48.0, 24.0], 0.4, 1);
}

#[test]
fn yolov8_reads_columns() {
    let columns = Tensor::new("o", &[1, 6, CELLS]).with(&[0, 0, 41], CELLS, &[20.0, 10.0, 8.0, 4.0, 0.1, 0.9]);
    let (found, report) = decode(HeadFamily::Yolov8, 2, &[columns]);
    assert_one(&found, [32.0, 16.0, 48.0, 24.0], 0.9, 1);
    assert_eq!(report, DecodeReport { candidates: 1, non_finite: 0 });
}

#[test]
fn yolox_adds_its_grid_at_any_aspect_ratio() {
    // Cell 32 + 5 is column 1, row 1 of the 4x2 grid of stride 16.
    let row = [0.25, 0.5, 0.0, (0.5f32).ln(), 1.0, 0.7, 0.0];
    let rows = Tensor::new("o", &[1, CELLS, 7]).with(&[0, 37, 0], 1, &row);
    let (x, y) = ((1.25 * 16.0) * 2.0, (1.5 * 16.0) * 2.0);
    assert_one(&decode(HeadFamily::Yolox, 2, &[rows]).0, [x - 16.0, y - 8.0, x + 16.0, y + 8.0], 0.7, 0);
}

#[test]
fn end_to_end_rows_are_taken_as_they_are() {
    let rows = Tensor::new("o", &[1, 5, 6]).with(&[0, 0, 0], 1, &[1.0, 2.0, 11.0, 12.0, 0.5, 1.0]).with(
        &[0, 1, 0],
        1,
        &[1.0, 2.0, 11.0, 12.0, 0.9, 1.0],
    );
    let (found, _) = decode(HeadFamily::EndToEnd, 2, std::slice::from_ref(&rows));
    // The same box twice: nothing is suppressed, the better comes first.
    assert_eq!(found.iter().map(|d| d.score).collect::<Vec<_>>(), [0.9, 0.5]);
    let stray = rows.with(&[0, 2, 0], 1, &[1.0, 2.0, 11.0, 12.0, 0.9, 7.0]);
    let mut decoder = Decoder::new(&spec(HeadFamily::EndToEnd, 2), &[stray.io()]).unwrap();
    let error = decoder.decode(&[stray.view()], &geometry(), &KEEP, &mut Vec::new()).unwrap_err();
    assert!(matches!(&error, DecodeError::Class { class, classes: 2, .. } if class == "7"), "{error}");
}

#[test]
fn a_detr_query_may_answer_twice() {
    let logits = Tensor::new("logits", &[1, 5, 2]).with(&[0, 0, 0], 1, &[-9.0; 10]).with(&[0, 3, 0], 1, &[1.0, 2.0]);
    let boxes = Tensor::new("boxes", &[1, 5, 4]).with(&[0, 3, 0], 1, &[0.5, 0.5, 0.25, 0.5]);
    let (found, _) = decode(HeadFamily::Detr, 2, &[boxes, logits]);
    assert_eq!(found.iter().map(|d| d.class).collect::<Vec<_>>(), [1, 0]);
    assert_one(&found[..1], [48.0, 16.0, 80.0, 48.0], 1.0 / (1.0 + (-2.0f32).exp()), 1);
}

#[test]
fn decoded_detr_boxes_are_in_network_pixels_with_or_without_a_batch() {
    let labels = Tensor { integers: vec![0, 1, 0, 0, 0], ..Tensor::new("labels", &[5]) };
    let boxes = Tensor::new("boxes", &[5, 4]).with(&[1, 0], 1, &[4.0, 8.0, 12.0, 16.0]);
    let scores = Tensor::new("scores", &[5]).with(&[1], 1, &[0.8]);
    assert_one(&decode(HeadFamily::DetrDecoded, 2, &[labels, boxes, scores]).0, [8.0, 16.0, 24.0, 32.0], 0.8, 1);
}

#[test]
fn nanodet_distances_are_means_of_distributions() {
    let mut tensors = empty_tensors(HeadFamily::Nanodet);
    // Stride 16, column 1, row 1: centre (24, 24). Sure distances 1, 0, 2 and an even split of 0 and 1.
    let mut sides = [-50.0f32; 32];
    for bin in [1, 8, 16 + 2, 24, 25] {
        sides[bin] = 50.0;
    }
    tensors[4] = tensors[4].clone().with(&[0, 5, 0], 1, &[0.0, 0.6]);
    tensors[1] = tensors[1].clone().with(&[0, 5, 0], 1, &sides);
    assert_one(&decode(HeadFamily::Nanodet, 2, &tensors).0, [16.0, 48.0, 112.0, 64.0], 0.6, 1);
}

#[test]
fn nanodet_plus_shares_one_output_and_counts_from_corners() {
    let mut sides = [-50.0f32; 34];
    sides[..2].copy_from_slice(&[0.6, 0.0]);
    for bin in [1, 9, 17, 25] {
        sides[2 + bin] = 50.0;
    }
    let shared = Tensor::new("o", &[1, CELLS, 34]).with(&[0, 37, 0], 1, &sides);
    assert_one(&decode(HeadFamily::Nanodet, 2, &[shared]).0, [0.0, 0.0, 64.0, 64.0], 0.6, 0);
}

#[test]
fn fastestdet_weighs_objectness_and_class() {
    let map = Tensor::new("o", &[1, 7, 2, 4]).with(&[0, 0, 1, 2], 8, &[0.8, 0.0, 0.0, 0.0, 0.0, 0.1, 0.9]);
    let score = 0.8f32.powf(0.6) * 0.9f32.powf(0.4);
    // Cell (2, 1) of 4x2 is at (32, 16) in the network; half its size each way.
    assert_one(&decode(HeadFamily::Fastestdet, 2, &[map]).0, [32.0, 16.0, 96.0, 48.0], score, 1);
}

#[test]
fn a_mask_is_the_sign_of_its_weighted_prototypes() {
    let mut protos = Tensor::new("p", &[1, 3, 8, 16]);
    for cell in 0..8 * 16 {
        // Prototype 1 is positive left of network column 32, which is source column 64.
        protos.floats[8 * 16 + cell] = if cell % 16 < 8 { 1.0 } else { -1.0 };
    }
    let column = [32.0, 16.0, 20.0, 10.0, 0.9, 0.0, 0.0, 2.0, 0.0];
    let boxes = Tensor::new("o", &[1, 9, CELLS]).with(&[0, 0, 7], CELLS, &column);
    let (found, _) = decode(HeadFamily::Yolov8Seg, 2, &[protos.clone(), boxes.clone()]);
    assert_one(&found, [44.0, 22.0, 84.0, 42.0], 0.9, 0);
    let mask = found[0].mask.as_ref().unwrap();
    assert_eq!((mask.x, mask.y, mask.width, mask.height), (44, 22, 40, 20));
    for (i, &inside) in mask.data.iter().enumerate() {
        assert_eq!(inside == 1, i % 40 < 20, "pixel {i}");
    }
    // A second frame reuses the mask's bytes.
    let declared = [protos.io(), boxes.io()];
    let mut decoder = Decoder::new(&spec(HeadFamily::Yolov8Seg, 2), &declared).unwrap();
    let (views, mut out) = ([protos.view(), boxes.view()], found);
    let bytes = out[0].mask.as_ref().unwrap().data.as_ptr();
    decoder.decode(&views, &geometry(), &KEEP, &mut out).unwrap();
    assert_eq!(out[0].mask.as_ref().unwrap().data.as_ptr(), bytes);
}

#[test]
fn overlaps_limits_and_class_floors_hold() {
    let column = |score: f32, class: usize, x: f32| {
        let mut values = [x, 16.0, 10.0, 10.0, 0.0, 0.0];
        values[4 + class] = score;
        values
    };
    let columns = Tensor::new("o", &[1, 6, CELLS])
        .with(&[0, 0, 0], CELLS, &column(0.9, 0, 20.0))
        .with(&[0, 0, 1], CELLS, &column(0.8, 0, 21.0))
        .with(&[0, 0, 2], CELLS, &column(0.7, 1, 21.0))
        .with(&[0, 0, 3], CELLS, &column(0.6, 0, 50.0))
        // Outside the picture: empty once clipped.
        .with(&[0, 0, 4], CELLS, &column(0.95, 0, -40.0));
    let scores = |found: &[Detection]| found.iter().map(|d| d.score).collect::<Vec<_>>();
    let (found, report) = decode(HeadFamily::Yolov8, 2, std::slice::from_ref(&columns));
    assert_eq!((scores(&found), report.candidates), (vec![0.9, 0.7, 0.6], 5));
    let two = Thresholds { max_detections: 2, ..KEEP };
    assert_eq!(scores(&decode_with(&spec(HeadFamily::Yolov8, 2), std::slice::from_ref(&columns), &two).0), [0.9, 0.7]);
    let decoder = Decoder::new(&spec(HeadFamily::Yolov8, 2), &[columns.io()]).unwrap();
    let mut decoder = decoder.with_class_scores(vec![0.85, 0.0]);
    let mut out = Vec::new();
    decoder.decode(&[columns.view()], &geometry(), &KEEP, &mut out).unwrap();
    assert_eq!(scores(&out), [0.9, 0.7]);
}

#[test]
fn honest_scores_are_reported_ranked_and_held_against_thresholds() {
    let cell = |score: f32, class: usize, x: f32| {
        let mut values = vec![x, 10.0, 8.0, 4.0, 0.0, 0.0];
        values[4 + class] = score;
        values
    };
    let columns = Tensor::new("o", &[1, 6, CELLS])
        .with(&[0, 0, 0], CELLS, &cell(0.9, 0, 20.0))
        .with(&[0, 0, 1], CELLS, &cell(0.8, 0, 21.0))
        .with(&[0, 0, 2], CELLS, &cell(0.2, 1, 21.0))
        .with(&[0, 0, 3], CELLS, &cell(0.5, 0, 50.0));
    // Class 0 is too sure and flat at the top, class 1 too modest.
    let table = |knots: &[[f32; 2]]| ScoreTable::new(knots.to_vec()).ok();
    let map =
        ScoreMap { all: table(&[[0.0, 0.0], [0.8, 0.4]]), per_class: vec![None, table(&[[0.0, 0.0], [0.2, 0.6]])] };
    let decoder = Decoder::new(&spec(HeadFamily::Yolov8, 2), &[columns.io()]).unwrap();
    let mut decoder = decoder.with_score_map(Some(map));
    let mut out = Vec::new();
    let mut at = |score: f32| -> Vec<(u32, f32)> {
        let keep = Thresholds { score, ..KEEP };
        decoder.decode(&[columns.view()], &geometry(), &keep, &mut out).unwrap();
        out.iter().map(|d| (d.class, (d.score * 100.0).round() / 100.0)).collect()
    };
    // The box of 0.8 gives way to that of 0.9 although their honest scores are equal.
    assert_eq!(at(0.3), [(1, 0.6), (0, 0.4)]);
    assert_eq!(at(0.2), [(1, 0.6), (0, 0.4), (0, 0.25)]);
    assert_eq!(at(0.5), [(1, 0.6)]);
}

#[test]
fn sick_values_are_counted_and_give_no_detections() {
    for head in DETECTORS {
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut tensors = empty_tensors(head);
            tensors.iter_mut().for_each(|t| t.floats.fill(value));
            let (found, report) = decode(head, 2, &tensors);
            assert!(found.is_empty() && report.non_finite > 0, "{head:?} {value}: {report:?}");
        }
        let (found, report) = decode(head, 2, &empty_tensors(head));
        // A sigmoid of 0 is a half: DETR's zeros are empty boxes, and those are dropped.
        assert!(found.is_empty() && report.non_finite == 0, "{head:?}: {found:?}");
    }
    // One bad score spoils neither its neighbours nor its own column's other classes.
    let columns = Tensor::new("o", &[1, 6, CELLS])
        .with(&[0, 0, 3], CELLS, &[20.0, 10.0, 8.0, 4.0, f32::NAN, 0.9])
        .with(&[0, 0, 4], CELLS, &[f32::NAN, 10.0, 8.0, 4.0, 0.0, 0.9]);
    let (found, report) = decode(HeadFamily::Yolov8, 2, &[columns]);
    assert_one(&found, [32.0, 16.0, 48.0, 24.0], 0.9, 1);
    assert_eq!(report.non_finite, 2);
}

#[test]
fn wrong_shapes_are_errors_that_say_both() {
    for head in DETECTORS {
        let good = empty_tensors(head);
        let declared: Vec<_> = good.iter().map(Tensor::io).collect();
        let mut decoder = Decoder::new(&spec(head, 2), &declared).unwrap();
        let mut out = vec![Detection { bbox: BoxPx::default(), score: 1.0, class: 0, mask: None }];
        let none = decoder.decode(&[], &geometry(), &KEEP, &mut out).unwrap_err();
        assert!(matches!(none, DecodeError::OutputCount { got: 0, .. }) && out.is_empty(), "{head:?}");
        let mut bad = good.clone();
        bad.iter_mut().for_each(|t| *t = Tensor { integers: t.integers.clone(), ..Tensor::new(t.name, &[1, 3]) });
        let views: Vec<_> = bad.iter().map(Tensor::view).collect();
        let error = decoder.decode(&views, &geometry(), &KEEP, &mut out).unwrap_err();
        assert!(matches!(error, DecodeError::Shape { .. } | DecodeError::Elements { .. }), "{head:?}: {error}");
        assert!(error.to_string().contains("(1, "), "{error}");
        let mut short = good.clone();
        short.iter_mut().for_each(|t| t.floats.truncate(1));
        let views: Vec<_> = short.iter().map(Tensor::view).collect();
        let error = decoder.decode(&views, &geometry(), &KEEP, &mut out).unwrap_err();
        assert!(matches!(error, DecodeError::Elements { .. }), "{head:?}: {error}");
        let contract = Decoder::new(&spec(head, 2), &[Tensor::new("odd", &[3, 3, 3, 3, 3]).io()]).unwrap_err();
        assert!(contract.to_string().contains("odd (3, 3, 3, 3, 3)"), "{contract}");
    }
    let depth = Decoder::new(&spec(HeadFamily::Depth, 0), &[]).unwrap_err();
    assert!(matches!(depth, DecodeError::NoDetector { .. }));
}

#[test]
fn only_known_inputs_are_fed() {
    let io = |name: &str, element, shape: &[Option<usize>]| IoInfo {
        name: name.to_owned(),
        element: Some(element),
        shape: shape.to_vec(),
    };
    let picture = io("images", ElementType::F32, &[None, Some(3), None, None]);
    let size = io("orig_target_sizes", ElementType::I64, &[None, Some(2)]);
    let fed = extra_inputs(&spec(HeadFamily::DetrDecoded, 2), &[picture.clone(), size]).unwrap();
    assert_eq!((fed[0].shape.as_slice(), fed[0].data.as_slice()), (&[1, 2][..], &[64, 32][..]));
    let odd = io("scale_factor", ElementType::F32, &[None, Some(2)]);
    let error = extra_inputs(&spec(HeadFamily::DetrDecoded, 2), &[picture, odd]).unwrap_err();
    assert!(error.to_string().contains("scale_factor"), "{error}");
}
