//! Network outputs to detections in source pixels: one decoder per head family.
//!
//! [`Decoder::new`] checks the declared outputs once; [`Decoder::decode`] checks the shapes of each run. Scores are
//! looked at before boxes; one class per box (the best). Suppression runs on the network's own boxes, before they are
//! moved to the source picture and clipped; end-to-end and DETR heads have none. A box that is empty after clipping is
//! no detection. Values that are not finite are counted and their candidate dropped. After warm-up nothing is
//! allocated; masks reuse the bytes of the detections passed in.

mod candidates;
mod contract;
mod detr;
mod detr_decoded;
mod end_to_end;
mod fastestdet;
mod inputs;
mod masks;
mod nanodet;
mod scores;
mod student;
mod yolov5;
mod yolov8;
mod yolox;

use thiserror::Error;

pub(crate) use contract::{depth_values, grid_cells, shape_text};
pub use inputs::{ExtraInput, extra_inputs};
pub(crate) use nanodet::names_distances;

use crate::detection::{BoxPx, Detection, Mask};
use crate::model::{HeadFamily, IoInfo, ModelSpec, ScoreMap, Thresholds};
use crate::tensor::{Letterbox, Nms, TensorView};
use candidates::{Candidates, Floor};

/// Mask buffers kept for the next picture: as many as detections are usually asked for at most.
const SPARE_MAX: usize = 300;

/// Why outputs cannot be decoded.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The model's declared outputs are not those of its head family.
    #[error(
        "a {head:?} head needs {expected}; the model declares {got}: is it another head family? (say which in the manifest)"
    )]
    Contract {
        /// The family the specification names.
        head: HeadFamily,
        /// What the family needs.
        expected: String,
        /// Names and shapes declared.
        got: String,
    },
    /// The head is no detector.
    #[error("a {head:?} head gives no detections; decode it with tensor::depth")]
    NoDetector {
        /// The family the specification names.
        head: HeadFamily,
    },
    /// A run gave another number of outputs than the model declared.
    #[error("the run gave {got} outputs, the model declares {expected}")]
    OutputCount {
        /// Outputs declared.
        expected: usize,
        /// Outputs given.
        got: usize,
    },
    /// A run's output has another shape than the head needs.
    #[error("output {output:?} must be {expected}, got {got}: is the input size or the number of classes right?")]
    Shape {
        /// The tensor's name.
        output: String,
        /// Shape needed.
        expected: String,
        /// Shape given.
        got: String,
    },
    /// A tensor's elements are of the wrong type.
    #[error("output {output:?} must hold {expected}, got {got}")]
    Element {
        /// The tensor's name.
        output: String,
        /// Type needed.
        expected: &'static str,
        /// Type given.
        got: &'static str,
    },
    /// A tensor holds another number of elements than its shape says.
    #[error("output {output:?} of shape {shape} must hold {expected} elements, got {got}")]
    Elements {
        /// The tensor's name.
        output: String,
        /// Its shape.
        shape: String,
        /// The shape's product.
        expected: usize,
        /// Elements there.
        got: usize,
    },
    /// A detection's class is not in the model's list.
    #[error("output {output:?} gives class {class}, but the model lists {classes} classes: is the class list right?")]
    Class {
        /// The tensor's name.
        output: String,
        /// The class given, as text since it may be any number.
        class: String,
        /// Classes listed.
        classes: usize,
    },
    /// An input of the network that no rule can feed.
    #[error(
        "the network wants input {name:?} {shape}, which no head family explains; inputs known: the picture and i64 [w, h] sizes such as orig_target_sizes"
    )]
    UnknownInput {
        /// The input's name.
        name: String,
        /// Its declared shape.
        shape: String,
    },
}

/// What decoding saw besides its detections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DecodeReport {
    /// Boxes that passed the score threshold, before suppression.
    pub candidates: usize,
    /// NaN or infinite values among those looked at: all scores (of heads with an objectness, those it lets through),
    /// and each candidate's box once. Anything but 0 is a sick network.
    pub non_finite: usize,
}

/// One head family's way from tensors to candidates.
trait Head: std::fmt::Debug + Send + Sync {
    /// Pushes every box whose score passes `floor`, in network pixels.
    fn collect(&mut self, outputs: &[TensorView<'_>], floor: &Floor, found: &mut Candidates)
    -> Result<(), DecodeError>;

    /// Whether overlapping boxes are still to be suppressed.
    fn needs_suppression(&self) -> bool {
        true
    }

    /// The mask asked for, in `data`'s allocation; values that are not finite are added to `non_finite`.
    fn mask(
        &mut self,
        _outputs: &[TensorView<'_>],
        _wanted: &MaskWanted<'_>,
        _data: &mut Vec<u8>,
        _non_finite: &mut usize,
    ) -> Result<Option<Mask>, DecodeError> {
        Ok(None)
    }
}

/// Which mask: that of candidate `anchor`, within `bbox` (source pixels).
struct MaskWanted<'a> {
    anchor: usize,
    bbox: &'a BoxPx,
    geometry: &'a Letterbox,
}

/// Decodes one network's outputs.
#[derive(Debug)]
pub struct Decoder {
    head: Box<dyn Head>,
    outputs: usize,
    classes: usize,
    /// What is asked of single classes, in scores as reported.
    class_scores: Vec<f32>,
    map: Option<ScoreMap>,
    /// Whether boxes may reach out of the picture.
    beyond: bool,
    /// The lowest raw scores, and the common threshold they were worked out for.
    floor: Floor,
    floor_for: Option<f32>,
    found: Candidates,
    nms: Nms,
    kept: Vec<u32>,
    honest: Vec<f32>,
    /// Mask buffers taken back from earlier detections.
    spare: Vec<Vec<u8>>,
}

impl Decoder {
    /// A decoder for `spec`, whose file declares `outputs`; they must fit the head family.
    pub fn new(spec: &ModelSpec, outputs: &[IoInfo]) -> Result<Self, DecodeError> {
        let head: Box<dyn Head> = match spec.head {
            HeadFamily::Yolov5 => Box::new(yolov5::Yolov5::new(spec, outputs)?),
            HeadFamily::Yolov8 => Box::new(yolov8::Yolov8::new(spec, outputs)?),
            HeadFamily::Yolov8Seg => Box::new(masks::Yolov8Seg::new(spec, outputs)?),
            HeadFamily::Yolox => Box::new(yolox::Yolox::new(spec, outputs)?),
            HeadFamily::EndToEnd => Box::new(end_to_end::EndToEnd::new(spec, outputs)?),
            HeadFamily::Detr => Box::new(detr::Detr::new(spec, outputs)?),
            HeadFamily::DetrDecoded => Box::new(detr_decoded::DetrDecoded::new(spec, outputs)?),
            HeadFamily::Nanodet => Box::new(nanodet::Nanodet::new(spec, outputs)?),
            HeadFamily::Fastestdet => Box::new(fastestdet::Fastestdet::new(spec, outputs)?),
            HeadFamily::Student => Box::new(student::Student::new(spec, outputs)?),
            HeadFamily::Depth | HeadFamily::Anticipation => return Err(DecodeError::NoDetector { head: spec.head }),
        };
        Ok(Self {
            head,
            outputs: outputs.len(),
            classes: spec.classes.len(),
            class_scores: Vec::new(),
            map: None,
            beyond: false,
            floor: Floor::default(),
            floor_for: None,
            found: Candidates::default(),
            nms: Nms::default(),
            kept: Vec::new(),
            honest: Vec::new(),
            spare: Vec::new(),
        })
    }

    /// Asks more of single classes than the common threshold: `scores[class]`, where the higher of both counts.
    #[must_use]
    pub fn with_class_scores(mut self, scores: Vec<f32>) -> Self {
        (self.class_scores, self.floor_for) = (scores, None);
        self
    }

    /// Reports scores as `map` makes them honest. Thresholds are held against those; boxes are suppressed by raw ones, so
    /// that a flat piece of a table does not decide which box stays.
    #[must_use]
    pub fn with_score_map(mut self, map: Option<ScoreMap>) -> Self {
        (self.map, self.floor_for) = (map, None);
        self
    }

    /// Reports boxes as the network gives them, also where they reach out of the picture or lie beside it: what most
    /// reference code writes. Without it they are clipped, and what lies beside the picture is left out: an obstacle's
    /// box is where it can be seen. Masks end at the picture's edge either way.
    #[must_use]
    pub fn with_boxes_beyond_the_picture(mut self) -> Self {
        self.beyond = true;
        self
    }

    /// Decodes one run's `outputs`, given in the order declared, for the picture placed by `geometry`. Replaces what
    /// `out` held with the detections, best score first, at most `thresholds.max_detections`. On an error `out` is
    /// empty.
    pub fn decode(
        &mut self,
        outputs: &[TensorView<'_>],
        geometry: &Letterbox,
        thresholds: &Thresholds,
        out: &mut Vec<Detection>,
    ) -> Result<DecodeReport, DecodeError> {
        self.spare.extend(out.drain(..).filter_map(|d| d.mask).map(|m| m.data));
        self.spare.truncate(SPARE_MAX);
        if outputs.len() != self.outputs {
            return Err(DecodeError::OutputCount { expected: self.outputs, got: outputs.len() });
        }
        if self.floor_for != Some(thresholds.score) {
            self.set_floor(thresholds.score);
        }
        self.found.clear();
        self.head.collect(outputs, &self.floor, &mut self.found)?;
        let found = &self.found;
        if self.head.needs_suppression() {
            self.nms.keep(&found.boxes, &found.scores, &found.classes, thresholds.nms_iou, &mut self.kept);
        } else {
            Nms::rank(&found.scores, &mut self.kept);
        }
        self.make_honest();
        if let Err(error) = self.emit(outputs, geometry, thresholds.max_detections, out) {
            out.clear();
            return Err(error);
        }
        Ok(DecodeReport { candidates: self.found.boxes.len(), non_finite: self.found.non_finite })
    }

    /// Works out which raw scores reach `common` and what is asked of single classes.
    fn set_floor(&mut self, common: f32) {
        self.floor_for = Some(common);
        let Some(map) = &self.map else {
            self.floor = Floor { common, per_class: self.class_scores.clone() };
            return;
        };
        let asked = |class: usize| self.class_scores.get(class).map_or(common, |own| common.max(*own));
        let per_class: Vec<f32> = (0..self.classes).map(|class| map.raw_floor(class, asked(class))).collect();
        let common = per_class.iter().copied().fold(f32::INFINITY, f32::min);
        self.floor = Floor { common, per_class };
    }

    /// Puts honest scores in place of raw ones and ranks the boxes kept by them, raw scores deciding between equals.
    fn make_honest(&mut self) {
        let Some(map) = &self.map else { return };
        let Candidates { scores, classes, .. } = &mut self.found;
        self.honest.clear();
        self.honest.extend(scores.iter().zip(classes.iter()).map(|(raw, class)| map.apply(*class as usize, *raw)));
        let (honest, raw) = (&self.honest, &*scores);
        self.kept.sort_unstable_by(|&a, &b| {
            let by = |scores: &[f32]| scores[b as usize].total_cmp(&scores[a as usize]);
            by(honest).then_with(|| by(raw)).then(a.cmp(&b))
        });
        scores.copy_from_slice(&self.honest);
    }

    /// Moves the boxes kept to the source picture and adds their masks.
    fn emit(
        &mut self,
        outputs: &[TensorView<'_>],
        geometry: &Letterbox,
        limit: usize,
        out: &mut Vec<Detection>,
    ) -> Result<(), DecodeError> {
        for &index in &self.kept {
            let index = index as usize;
            if out.len() >= limit {
                break;
            }
            let whole = geometry.source_box_from_network(&self.found.boxes[index]);
            let seen = geometry.clipped(&whole);
            let bbox = if self.beyond { whole } else { seen };
            // NaN is neither: such a box was never a candidate.
            if bbox.width() <= 0.0 || bbox.height() <= 0.0 {
                continue;
            }
            let mut data = self.spare.pop().unwrap_or_default();
            let wanted = MaskWanted { anchor: self.found.anchors[index] as usize, bbox: &seen, geometry };
            let mask = self.head.mask(outputs, &wanted, &mut data, &mut self.found.non_finite)?;
            if mask.is_none() {
                self.spare.push(data);
            }
            let (score, class) = (self.found.scores[index].min(1.0), self.found.classes[index]);
            out.push(Detection { bbox, score, class, mask });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
