//! Inputs made for the bench where no drive is needed: pictures, crowds of candidates in the form of each head family, moving
//! boxes, reports. The same at every run.

use ocellus_percept::detection::BoxPx;
use ocellus_percept::image::{Image, ImageError, PixelFormat};
use ocellus_percept::model::{
    ChannelOrder, ElementType, HeadFamily, InputSpec, IoInfo, ModelSpec, Resize, ScoreActivation, Thresholds,
};
use ocellus_percept::report::{DistanceSource, FrameReport, Object, SensorState, Trigger};
use ocellus_percept::space::Point3;
use ocellus_percept::tensor::{TensorData, TensorView};
use ocellus_percept::time::Timestamp;
use ocellus_percept::track::{Observation, PositionMeasurement};

/// Side of the networks' input, pixels.
pub const SIDE: usize = 640;
/// Classes of the made networks: COCO's number.
const CLASSES: usize = 80;
/// Cells of strides 8, 16 and 32 of such an input.
const CELLS: usize = 8400;
/// Rows of YOLOv5, which has three anchors a cell.
const ANCHORED: usize = 3 * CELLS;
/// Answers of networks that need no suppression.
const QUERIES: usize = 300;
/// Objects in a crowd, and candidates that name each.
const OBJECTS: usize = 60;
const NEAR: usize = 8;
/// Candidates of a crowd.
pub const CANDIDATES: usize = OBJECTS * NEAR;
/// Mask prototypes: their number and side.
const PROTOTYPES: usize = 32;
const PROTO_SIDE: usize = 160;
/// Columns between two candidates, coprime to the columns' number, so that they lie scattered.
const SCATTER: usize = 17;
/// Scores of what is no object stay below.
const BACKGROUND: f32 = 0.05;

/// Numbers without a pattern (xorshift64*).
pub struct Noise(u64);

impl Noise {
    /// The sequence of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// The next number, 0 to 1.
    pub fn unit(&mut self) -> f32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 40) as f32 / (1_u32 << 24) as f32
    }
}

/// A picture of noise.
pub fn picture(width: usize, height: usize, format: PixelFormat) -> Result<Image, ImageError> {
    let mut noise = Noise::new(1);
    let bytes = format.image_bytes(width, height);
    Image::from_vec(width, height, format, (0..bytes).map(|_| (255.0 * noise.unit()) as u8).collect())
}

/// An output tensor of a made network.
pub struct Output {
    name: &'static str,
    shape: Vec<usize>,
    data: Vec<f32>,
}

impl Output {
    fn new(name: &'static str, shape: &[usize], value: impl FnMut(usize) -> f32) -> Self {
        let length = shape.iter().product();
        Self { name, shape: shape.to_vec(), data: (0..length).map(value).collect() }
    }

    /// As a network's file declares it.
    pub fn io(&self) -> IoInfo {
        let shape = self.shape.iter().map(|&d| Some(d)).collect();
        IoInfo { name: self.name.to_owned(), element: Some(ElementType::F32), shape }
    }

    /// As a network gives it.
    pub fn view(&self) -> TensorView<'_> {
        TensorView { name: self.name, shape: &self.shape, data: TensorData::F32(&self.data) }
    }
}

/// A made network's specification.
pub fn spec(head: HeadFamily) -> ModelSpec {
    let sigmoid = matches!(head, HeadFamily::Detr);
    ModelSpec {
        name: "made".to_owned(),
        head,
        input: InputSpec {
            name: "images".to_owned(),
            width: SIDE,
            height: SIDE,
            element: ElementType::F32,
            resize: Resize::LetterboxCentre,
            fill: 114,
            order: ChannelOrder::Rgb,
            mean: [0.0; 3],
            scale: [1.0 / 255.0; 3],
        },
        classes: (0..CLASSES).map(|class| class.to_string()).collect(),
        activation: if sigmoid { ScoreActivation::Sigmoid } else { ScoreActivation::None },
        depth: None,
        strides: vec![8, 16, 32],
        thresholds: Thresholds { score: 0.25, nms_iou: 0.45, max_detections: 300 },
        clip: None,
        guesses: Vec::new(),
    }
}

/// A candidate: centre, size, score, class.
struct Candidate {
    centre: [f32; 2],
    size: [f32; 2],
    score: f32,
    class: usize,
}

/// Objects all over the picture, each named by several boxes that differ by a few pixels.
fn crowd() -> impl Iterator<Item = Candidate> {
    let mut noise = Noise::new(2);
    (0..OBJECTS).flat_map(move |object| {
        let middle = [noise.unit(), noise.unit()].map(|u| SIDE as f32 * (0.05 + 0.9 * u));
        let size = [noise.unit(), noise.unit()].map(|u| 20.0 + 80.0 * u);
        let jitter: Vec<[f32; 3]> = (0..NEAR).map(|_| [noise.unit() - 0.5, noise.unit() - 0.5, noise.unit()]).collect();
        jitter.into_iter().map(move |[dx, dy, u]| Candidate {
            centre: [middle[0] + 0.1 * size[0] * dx, middle[1] + 0.1 * size[1] * dy],
            size,
            score: 0.3 + 0.6 * u,
            class: object % CLASSES,
        })
    })
}

/// The outputs of a made network of `head` that sees a crowd; `None` for families that real networks show better.
pub fn outputs(head: HeadFamily) -> Option<Vec<Output>> {
    let mut noise = Noise::new(3);
    let mut quiet = |_| BACKGROUND * noise.unit();
    Some(match head {
        HeadFamily::Yolov8 => vec![columns(4 + CLASSES, quiet)],
        HeadFamily::Yolov8Seg => {
            let boxes = columns(4 + CLASSES + PROTOTYPES, &mut quiet);
            let protos = Output::new("protos", &[1, PROTOTYPES, PROTO_SIDE, PROTO_SIDE], |i| quiet(i) - 0.02);
            vec![boxes, protos]
        }
        HeadFamily::Yolov5 => vec![rows(ANCHORED, quiet, |_, c| [c.centre, c.size])],
        HeadFamily::Yolox => vec![rows(CELLS, quiet, grid)],
        HeadFamily::EndToEnd => {
            let mut found = Output::new("output0", &[1, QUERIES, 6], |_| 0.0);
            for (row, c) in found.data.chunks_exact_mut(6).zip(crowd()) {
                let (half_w, half_h) = (c.size[0] / 2.0, c.size[1] / 2.0);
                let [x, y] = c.centre;
                row.copy_from_slice(&[x - half_w, y - half_h, x + half_w, y + half_h, c.score, c.class as f32]);
            }
            vec![found]
        }
        HeadFamily::Detr => {
            let mut logits = Output::new("logits", &[1, QUERIES, CLASSES], |i| quiet(i) - 5.0);
            let mut boxes = Output::new("pred_boxes", &[1, QUERIES, 4], |_| 0.5);
            let rows = logits.data.chunks_exact_mut(CLASSES).zip(boxes.data.chunks_exact_mut(4));
            for ((logit, bbox), c) in rows.zip(crowd()) {
                logit[c.class] = (c.score / (1.0 - c.score)).ln();
                bbox.copy_from_slice(&[c.centre[0], c.centre[1], c.size[0], c.size[1]].map(|v| v / SIDE as f32));
            }
            vec![logits, boxes]
        }
        _ => return None,
    })
}

/// (1, channels, N): YOLOv8's form.
fn columns(channels: usize, quiet: impl FnMut(usize) -> f32) -> Output {
    let mut output = Output::new("output0", &[1, channels, CELLS], quiet);
    for (k, c) in crowd().enumerate() {
        let column = k * SCATTER % CELLS;
        let values = [c.centre[0], c.centre[1], c.size[0], c.size[1]].into_iter().enumerate();
        for (channel, value) in values.chain([(4 + c.class, c.score)]) {
            output.data[channel * CELLS + column] = value;
        }
    }
    output
}

/// (1, N, 5 + C): objectness after the box, as YOLOv5 and YOLOX have it; `encode` gives what stands for the box.
fn rows(count: usize, quiet: impl FnMut(usize) -> f32, encode: impl Fn(usize, &Candidate) -> [[f32; 2]; 2]) -> Output {
    let width = 5 + CLASSES;
    let mut output = Output::new("output", &[1, count, width], quiet);
    for (k, c) in crowd().enumerate() {
        let row = k * SCATTER % count;
        let cells = &mut output.data[row * width..(row + 1) * width];
        let [centre, size] = encode(row, &c);
        cells[..5].copy_from_slice(&[centre[0], centre[1], size[0], size[1], 1.0]);
        cells[5 + c.class] = c.score;
    }
    output
}

/// YOLOX's offsets from its cell and logarithms of sizes, in strides.
fn grid(row: usize, c: &Candidate) -> [[f32; 2]; 2] {
    let mut first = 0;
    for stride in [8, 16, 32] {
        let side = SIDE / stride;
        if row < first + side * side {
            let (cell, stride) = (row - first, stride as f32);
            let corner = [(cell % side) as f32, (cell / side) as f32];
            let centre = [c.centre[0] / stride - corner[0], c.centre[1] / stride - corner[1]];
            return [centre, c.size.map(|s| (s / stride).ln())];
        }
        first += side * side;
    }
    [[0.0; 2]; 2]
}

/// `count` boxes in a picture of 1920x1080 that wander from frame to frame, with their positions where asked for.
pub fn observations(count: usize, frame: usize, with_positions: bool, out: &mut Vec<Observation>) {
    let mut noise = Noise::new(count as u64 * 7919);
    out.clear();
    for k in 0..count {
        let (x, y, side) = (1800.0 * noise.unit(), 950.0 * noise.unit(), 20.0 + 60.0 * noise.unit());
        let (dx, dy) = (4.0 * (noise.unit() - 0.5), 2.0 * (noise.unit() - 0.5));
        let (x0, y0) = (x + dx * frame as f32, y + dy * frame as f32);
        let bbox = BoxPx { x0, y0, x1: x0 + side, y1: y0 + side };
        let position = with_positions.then(|| {
            let point = Point3::new(5.0 + f64::from(y) / 20.0, 20.0 - f64::from(x0) / 50.0, 0.8);
            let origin = Point3::new(0.0, 0.0, 1.5);
            PositionMeasurement::along_ray(point, origin, (0.05, 0.1), DistanceSource::Lidar)
        });
        let class = (k % 3) as u32;
        out.push(Observation { bbox: Some(bbox), score: 0.5 + 0.4 * noise.unit(), listed: true, class, position });
    }
}

/// A report of `count` objects of which everything is known.
pub fn report(count: usize) -> FrameReport {
    let mut noise = Noise::new(5);
    let mut object = |track: usize| {
        let mut number = || f64::from(100.0 * noise.unit());
        Object {
            track: track as u64,
            class: "car".to_owned(),
            score: Some(0.9),
            box_px: Some(BoxPx { x0: 10.25, y0: 20.5, x1: 110.125, y1: 90.0 }),
            distance_m: Some(number()),
            distance_source: Some(DistanceSource::Lidar),
            distance_sigma_m: Some(number()),
            gap_m: Some(number()),
            position_m: Some([number(), number(), number()]),
            velocity_rel_mps: Some([number(), number(), number()]),
            velocity_ground_mps: Some([number(), number(), number()]),
            ttc_s: Some(number()),
            risk: None,
            why: None,
        }
    };
    FrameReport {
        trigger: Trigger::Camera,
        t: Timestamp::from_nanos(1_700_000_000_000_000_000),
        sensor: Some("front".to_owned()),
        seq: Some(7),
        state: SensorState::Fresh,
        objects: Some((0..count).map(&mut object).collect()),
    }
}
