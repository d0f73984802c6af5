//! What a network says of one picture, in a form that can be written down and held against another's: boxes with masks,
//! depth on an even grid, a sample of the raw outputs.

use anyhow::{Context, Result};
use ocellus_infer::Network;
use ocellus_judge::agreement::Seen;
use ocellus_percept::detection::{BoxPx, Detection, Mask};
use ocellus_percept::image::Image;
use ocellus_percept::model::{DepthKind, HeadFamily, ModelSpec};
use ocellus_percept::tensor::depth::{depth_from_output, depth_from_student, empty_depth};
use ocellus_percept::tensor::{Decoder, Letterbox, Preprocessor, TensorData, TensorView};
use serde::{Deserialize, Serialize};

use crate::models::Model;

/// Boxes are looked at down to this score, so that one near the threshold of the comparison has its twin.
pub const SCORE_MIN: f32 = 0.1;
/// Columns and rows of the grid on which depth is compared.
const GRID: (usize, usize) = (40, 24);
/// Raw values kept of a picture, evenly spread: enough to tell noise of half floats from a network that broke.
const RAW_MAX: usize = 32_768;

/// One box.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeenBox {
    /// Class name.
    pub class: String,
    /// Score.
    pub score: f32,
    /// Edges, px: left, top, right, bottom.
    pub bbox: [f32; 4],
    /// Its mask, where the network gives one.
    pub mask: Option<SeenMask>,
}

/// A mask as runs of 0 and 1 in turn, row by row of its rectangle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenMask {
    /// Left, top, width, height, px.
    pub place: [u32; 4],
    /// Lengths, of zeros first.
    pub runs: Vec<u32>,
}

/// All that a network says of one picture.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Boxes.
    pub boxes: Vec<SeenBox>,
    /// Depth on the grid; empty for a network without.
    pub depth: Vec<Option<f32>>,
    /// Sampled raw outputs.
    #[serde(skip)]
    pub raw: Vec<f32>,
    /// Values that were not finite.
    pub non_finite: usize,
}

impl SeenBox {
    /// As the judge takes it.
    pub fn seen(&self) -> Seen {
        let [x0, y0, x1, y1] = self.bbox;
        Seen {
            class: self.class.clone(),
            score: f64::from(self.score),
            bbox: BoxPx { x0, y0, x1, y1 },
            distance_m: None,
        }
    }
}

impl SeenMask {
    fn of(mask: &Mask) -> Self {
        let (mut runs, mut value, mut length) = (Vec::new(), 0, 0);
        for &pixel in &mask.data {
            if pixel == value {
                length += 1;
            } else {
                runs.push(length);
                (value, length) = (pixel, 1);
            }
        }
        runs.push(length);
        Self { place: [mask.x, mask.y, mask.width, mask.height], runs }
    }

    /// The pixels of row-major picture coordinates that it covers, in order, as (first, end) pairs of one row each.
    fn spans(&self) -> Vec<(u64, u64)> {
        let [x, y, width, _] = self.place.map(u64::from);
        let (mut spans, mut at) = (Vec::new(), 0_u64);
        for (i, &run) in self.runs.iter().enumerate() {
            let end = at + u64::from(run);
            while i % 2 == 1 && at < end && width > 0 {
                let row_end = (at / width + 1) * width;
                let stop = end.min(row_end);
                // Rows of a picture are numbered far apart, so that spans of different rows never touch.
                let row = (y + at / width) << 32;
                spans.push((row + x + at % width, row + x + (stop - 1) % width + 1));
                at = stop;
            }
            at = end;
        }
        spans
    }

    /// Intersection over union; 1 for two empty ones.
    pub fn iou(&self, other: &Self) -> f64 {
        let (a, b) = (self.spans(), other.spans());
        let area = |spans: &[(u64, u64)]| spans.iter().map(|(first, end)| end - first).sum::<u64>();
        let (mut i, mut j, mut both) = (0, 0, 0);
        while let (Some(p), Some(q)) = (a.get(i), b.get(j)) {
            both += p.1.min(q.1).saturating_sub(p.0.max(q.0));
            if p.1 < q.1 { i += 1 } else { j += 1 }
        }
        let either = area(&a) + area(&b) - both;
        if either == 0 { 1.0 } else { both as f64 / either as f64 }
    }
}

/// Asks a network about pictures.
pub struct Asking {
    spec: ModelSpec,
    preprocessor: Preprocessor,
    decoder: Option<Decoder>,
    found: Vec<Detection>,
}

impl Asking {
    /// For networks like `model`. Errors: a head or inputs that nothing explains.
    pub fn new(model: &Model) -> Result<Self> {
        let mut spec = model.spec.clone();
        spec.thresholds.score = SCORE_MIN;
        let decoder = match spec.head {
            HeadFamily::Depth => None,
            _ => Some(model.scores.clone().decoder(&spec, model.network.outputs())?),
        };
        let preprocessor = Preprocessor::new(&spec.input)?;
        Ok(Self { spec, preprocessor, decoder, found: Vec::new() })
    }

    /// What `network` says of `image`.
    pub fn ask(&mut self, network: &mut Network, image: &Image) -> Result<Answer> {
        let geometry = self.preprocessor.run(image.view(), network.input_mut(&self.spec.input.name)?)?;
        let Self { spec, decoder, found, .. } = self;
        let picture = (image.width(), image.height());
        network.run(|outputs| read(outputs, &geometry, (spec, decoder.as_mut(), found), picture))?
    }
}

fn read(
    outputs: &[TensorView<'_>],
    geometry: &Letterbox,
    (spec, decoder, found): (&ModelSpec, Option<&mut Decoder>, &mut Vec<Detection>),
    picture: (usize, usize),
) -> Result<Answer> {
    let mut answer = Answer { raw: sample(outputs), ..Answer::default() };
    answer.non_finite = answer.raw.iter().filter(|v| !v.is_finite()).count();
    let mut map = empty_depth(spec.depth.unwrap_or(DepthKind::Metric));
    if let Some(decoder) = decoder {
        decoder.decode(outputs, geometry, &spec.thresholds, found)?;
        answer.boxes = found.iter().map(|d| seen_box(d, &spec.classes)).collect();
        if spec.head == HeadFamily::Student {
            depth_from_student(outputs, geometry, &mut map)?;
        }
    } else {
        let output = outputs.first().context("the depth network gave no output")?;
        depth_from_output(output, geometry, &mut map)?;
    }
    if !map.values.is_empty() {
        let at = |i: usize, n: usize, size: usize| (i as f32 + 0.5) * size as f32 / n as f32;
        let cells = (0..GRID.1).flat_map(|row| (0..GRID.0).map(move |column| (column, row)));
        answer.depth = cells.map(|(c, r)| map.at_source(at(c, GRID.0, picture.0), at(r, GRID.1, picture.1))).collect();
    }
    Ok(answer)
}

fn seen_box(detection: &Detection, classes: &[String]) -> SeenBox {
    let b = detection.bbox;
    SeenBox {
        class: classes.get(detection.class as usize).cloned().unwrap_or_default(),
        score: detection.score,
        bbox: [b.x0, b.y0, b.x1, b.y1],
        mask: detection.mask.as_ref().map(SeenMask::of),
    }
}

/// Every k-th value of all outputs, k such that [`RAW_MAX`] is not passed.
fn sample(outputs: &[TensorView<'_>]) -> Vec<f32> {
    let values = |view: &TensorView<'_>| match view.data {
        TensorData::F32(values) => values.len(),
        TensorData::I64(_) => 0,
    };
    let all: usize = outputs.iter().map(values).sum();
    let step = all.div_ceil(RAW_MAX).max(1);
    let mut raw = Vec::with_capacity(all / step + outputs.len());
    for view in outputs {
        if let TensorData::F32(values) = view.data {
            raw.extend(values.iter().step_by(step));
        }
    }
    raw
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(x: u32, y: u32, width: u32, data: &[u8]) -> SeenMask {
        SeenMask::of(&Mask { x, y, width, height: data.len() as u32 / width, data: data.to_vec() })
    }

    #[test]
    fn masks_keep_their_pixels_as_runs_and_overlap_as_pixels_do() {
        let a = mask(10, 20, 3, &[0, 1, 1, 1, 1, 0]);
        assert_eq!(a.runs, [1, 4, 1]);
        assert_eq!(a.iou(&a), 1.0);
        // The same pixels in a larger rectangle.
        let b = mask(9, 19, 4, &[0, 0, 0, 0, 0, 0, 1, 1, 0, 1, 1, 0]);
        assert_eq!(a.iou(&b), 1.0);
        // Two of four pixels shared, six in either.
        let c = mask(11, 20, 3, &[1, 1, 1, 0, 0, 1]);
        assert_eq!(a.iou(&c), 2.0 / 6.0);
        let empty = mask(0, 0, 1, &[0]);
        assert_eq!((empty.iou(&empty), empty.iou(&a)), (1.0, 0.0));
    }
}
