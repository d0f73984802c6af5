//! Our own students: for each stride S of 8, 16, 32 the maps `class_S` (C), `box_S` (4*bins) and `mask_S` (M), and the
//! `prototypes` (M) that masks are made of. Their `log_depth` is read by [`crate::tensor::depth`].
//!
//! All are raw: class logits; for left, top, right, bottom a distribution over distances in strides, whose mean counts
//! (as in NanoDet), from the cell's centre; a mask as in YOLOv8. Outputs are found by name, in any order.

use crate::detection::{BoxPx, Mask};
use crate::model::{HeadFamily, IoInfo, ModelSpec, ScoreActivation};
use crate::tensor::TensorView;
use crate::tensor::decode::candidates::{Candidates, Floor};
use crate::tensor::decode::masks::{Canvas, Protos};
use crate::tensor::decode::nanodet::mean_of_softmax;
use crate::tensor::decode::scores::{activate, best_class, raw_floor};
use crate::tensor::decode::{DecodeError, Head, MaskWanted, contract};

/// Sides of a box.
const SIDES: usize = 4;

#[derive(Debug, Clone)]
pub(super) struct Student {
    classes: usize,
    activation: ScoreActivation,
    levels: Vec<Level>,
    protos: usize,
    sides: Vec<f32>,
    canvas: Canvas,
}

/// One stride's grid and the outputs with its values.
#[derive(Debug, Clone, Copy)]
struct Level {
    stride: f32,
    columns: usize,
    rows: usize,
    classes: usize,
    boxes: usize,
    masks: usize,
    /// Number of its first cell among those of all levels.
    first: usize,
}

impl Level {
    fn cells(&self) -> usize {
        self.rows * self.columns
    }
}

impl Student {
    pub(super) fn new(spec: &ModelSpec, outputs: &[IoInfo]) -> Result<Self, DecodeError> {
        let classes = spec.classes.len();
        let found = levels(spec, outputs).zip(outputs.iter().position(|o| o.name == "prototypes"));
        let fits = |levels: &[Level]| {
            let map = |at: usize, channels: Option<usize>, level: &Level| {
                let io = &outputs[at];
                contract::is_float(io) && contract::declares(io, &[channels, Some(level.rows), Some(level.columns)])
            };
            let level = |l: &Level| map(l.classes, Some(classes), l) && map(l.boxes, None, l) && map(l.masks, None, l);
            !levels.is_empty() && levels.iter().all(level)
        };
        let Some((levels, protos)) = found.filter(|(levels, _)| fits(levels)) else {
            let (w, h, strides) = (spec.input.width, spec.input.height, &spec.strides);
            let expected = format!(
                "for each stride S of {strides:?} maps class_S ({classes}), box_S (4*bins), mask_S (M) of a {w}x{h} input, \
                 and prototypes (M)"
            );
            return Err(contract::misfit(HeadFamily::Student, expected, outputs));
        };
        Ok(Self { classes, activation: spec.activation, levels, protos, sides: Vec::new(), canvas: Canvas::default() })
    }

    /// The box of a cell; not finite where its distributions are not.
    fn bbox(&mut self, level: &Level, cell: usize, boxes: &[f32]) -> BoxPx {
        let plane = level.cells();
        let bins = boxes.len() / (plane * SIDES);
        let mut distance = |side: usize| {
            self.sides.clear();
            self.sides.extend((0..bins).map(|bin| boxes[(side * bins + bin) * plane + cell]));
            mean_of_softmax(&self.sides) * level.stride
        };
        let [left, top, right, bottom] = [0, 1, 2, 3].map(&mut distance);
        let x = ((cell % level.columns) as f32 + 0.5) * level.stride;
        let y = ((cell / level.columns) as f32 + 0.5) * level.stride;
        BoxPx { x0: x - left, y0: y - top, x1: x + right, y1: y + bottom }
    }
}

/// The levels, finest first; `None` where an output is missing.
fn levels(spec: &ModelSpec, outputs: &[IoInfo]) -> Option<Vec<Level>> {
    let mut first = 0;
    let mut level = |&stride: &usize| {
        let named = |what: &str| outputs.iter().position(|o| o.name == format!("{what}_{stride}"));
        let (columns, rows) = contract::grid(spec.input.width, spec.input.height, stride);
        let (classes, boxes, masks) = (named("class")?, named("box")?, named("mask")?);
        let level = Level { stride: stride as f32, columns, rows, classes, boxes, masks, first };
        first += level.cells();
        Some(level)
    };
    spec.strides.iter().map(&mut level).collect()
}

impl Head for Student {
    fn collect(
        &mut self,
        outputs: &[TensorView<'_>],
        floor: &Floor,
        found: &mut Candidates,
    ) -> Result<(), DecodeError> {
        let lowest = raw_floor(self.activation, floor.common);
        for index in 0..self.levels.len() {
            let level = self.levels[index];
            let (plane, map) = (level.cells(), [Some(level.rows), Some(level.columns)]);
            let (_, scores) = contract::floats(&outputs[level.classes], [Some(self.classes), map[0], map[1]])?;
            let ([channels, ..], boxes) = contract::floats(&outputs[level.boxes], [None, map[0], map[1]])?;
            if channels < SIDES || channels % SIDES != 0 {
                return Err(DecodeError::Shape {
                    output: outputs[level.boxes].name.to_owned(),
                    expected: format!("(1, 4*bins, {}, {})", level.rows, level.columns),
                    got: format!("(1, {channels}, {}, {})", level.rows, level.columns),
                });
            }
            for cell in 0..plane {
                let row = (0..self.classes).map(|class| scores[class * plane + cell]);
                let Some((class, raw)) = best_class(row, found).filter(|(_, raw)| *raw >= lowest) else { continue };
                let score = activate(self.activation, raw);
                if floor.passes(class, score) {
                    let bbox = self.bbox(&level, cell, boxes);
                    found.push(bbox, score, class, level.first + cell);
                }
            }
        }
        Ok(())
    }

    fn mask(
        &mut self,
        outputs: &[TensorView<'_>],
        wanted: &MaskWanted<'_>,
        data: &mut Vec<u8>,
        non_finite: &mut usize,
    ) -> Result<Option<Mask>, DecodeError> {
        let Some(level) = self.levels.iter().rfind(|l| l.first <= wanted.anchor) else { return Ok(None) };
        let ([count, height, width], protos) = contract::floats(&outputs[self.protos], [None, None, None])?;
        let shape = [Some(count), Some(level.rows), Some(level.columns)];
        let (_, coefficients) = contract::floats(&outputs[level.masks], shape)?;
        let (cell, plane) = (wanted.anchor - level.first, level.cells());
        let weights = (0..count).map(|k| coefficients[k * plane + cell]);
        let protos = Protos { count, height, width, data: protos };
        Ok(self.canvas.mask(weights, &protos, wanted, data, non_finite))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::{ElementType, recognise};
    use crate::tensor::depth::{STUDENT_FOCAL, depth_from_student, empty_depth};
    use crate::tensor::{Decoder, Letterbox, TensorData};

    const CLASSES: usize = 3;
    const BINS: usize = 8;
    const MASKS: usize = 2;

    /// Names and shapes of a student for 64x64 pictures.
    fn outputs() -> Vec<(String, [usize; 4])> {
        let scale = |stride: usize| {
            let side = 64 / stride;
            [("box", 4 * BINS), ("class", CLASSES), ("mask", MASKS)]
                .map(|(name, channels)| (format!("{name}_{stride}"), [1, channels, side, side]))
        };
        let mut all: Vec<_> = [32, 8, 16].into_iter().flat_map(scale).collect();
        all.extend([("log_depth".to_owned(), [1, 1, 16, 16]), ("prototypes".to_owned(), [1, MASKS, 16, 16])]);
        all
    }

    fn io(name: &str, shape: &[usize]) -> IoInfo {
        let shape = shape.iter().map(|&d| Some(d)).collect();
        IoInfo { name: name.to_owned(), element: Some(ElementType::F32), shape }
    }

    fn declared() -> Vec<IoInfo> {
        outputs().iter().map(|(name, shape)| io(name, shape)).collect()
    }

    fn spec() -> ModelSpec {
        recognise("s", &[io("picture", &[1, 3, 64, 64])], &declared(), &BTreeMap::new()).unwrap()
    }

    /// Values that show one object of class 1 at cell (row 2, column 3) of stride 8: distances 1, 2, 3, 1 strides, the left
    /// half of it in the mask, everything 10 m away.
    fn values() -> Vec<Vec<f32>> {
        let at = 2 * 8 + 3;
        let fill = |(name, [_, channels, rows, columns]): &(String, [usize; 4])| {
            let mut v = vec![if name.starts_with("class") { -9.0 } else { 0.0 }; channels * rows * columns];
            match name.as_str() {
                "class_8" => v[64 + at] = 2.0,
                "box_8" => {
                    [1, 2, 3, 1].iter().enumerate().for_each(|(side, bin)| v[(side * BINS + bin) * 64 + at] = 50.0)
                }
                "mask_8" => v[64 + at] = 1.0,
                "log_depth" => v.fill(10.0f32.ln()),
                // The second prototype is positive left of pixel 28, negative right of it.
                "prototypes" => {
                    v[256..].iter_mut().enumerate().for_each(|(i, v)| *v = if i % 16 < 7 { 9.0 } else { -9.0 })
                }
                _ => {}
            }
            v
        };
        outputs().iter().map(fill).collect()
    }

    #[test]
    fn a_student_is_recognised_and_its_boxes_masks_and_depth_read() {
        let spec = spec();
        assert_eq!(
            (spec.head, spec.classes.len(), &spec.strides[..]),
            (HeadFamily::Student, CLASSES, &[8, 16, 32][..])
        );
        let (names, data) = (outputs(), values());
        let views: Vec<_> = names
            .iter()
            .zip(&data)
            .map(|((name, shape), data)| TensorView { name, shape, data: TensorData::F32(data) })
            .collect();
        let geometry = Letterbox::new(spec.input.resize, (64, 64), (64, 64));
        let mut decoder = Decoder::new(&spec, &declared()).unwrap();
        let mut found = Vec::new();
        let report = decoder.decode(&views, &geometry, &spec.thresholds, &mut found).unwrap();
        assert_eq!((found.len(), report.non_finite), (1, 0));
        let (d, b) = (&found[0], found[0].bbox);
        assert_eq!(d.class, 1);
        assert!((d.score - 0.8808).abs() < 1e-4, "{}", d.score);
        // Centre (28, 20), sides 8, 16, 24, 8 pixels.
        for (got, want) in [(b.x0, 20.0), (b.y0, 4.0), (b.x1, 52.0), (b.y1, 28.0)] {
            assert!((got - want).abs() < 1e-3, "{b:?}");
        }
        let mask = d.mask.as_ref().unwrap();
        assert!(mask.contains(22, 10) && !mask.contains(40, 10), "left of 28 only");
        let mut map = empty_depth(crate::model::DepthKind::RelativeInverse);
        depth_from_student(&views, &geometry, &mut map).unwrap();
        assert!((map.at_source(30.0, 30.0).unwrap() - 10.0).abs() < 1e-4);
        assert_eq!(map.focal, Some(STUDENT_FOCAL * 16.0));
    }

    #[test]
    fn missing_or_wrong_outputs_are_named() {
        let spec = spec();
        for missing in ["class_16", "mask_32", "prototypes"] {
            let rest: Vec<_> = declared().into_iter().filter(|o| o.name != missing).collect();
            let error = Decoder::new(&spec, &rest).unwrap_err().to_string();
            assert!(error.contains("class_S") && error.contains("64x64"), "{error}");
        }
        let mut wrong = declared();
        wrong[3].shape = vec![Some(1), Some(4 * BINS), Some(7), Some(8)];
        assert!(Decoder::new(&spec, &wrong).is_err());
    }

    #[test]
    fn bad_values_are_counted_not_listed() {
        let (spec, names) = (spec(), outputs());
        let mut data = values();
        let boxes = names.iter().position(|(n, _)| n == "box_8").unwrap();
        data[boxes].fill(f32::NAN);
        let views: Vec<_> = names
            .iter()
            .zip(&data)
            .map(|((name, shape), data)| TensorView { name, shape, data: TensorData::F32(data) })
            .collect();
        let geometry = Letterbox::new(spec.input.resize, (64, 64), (64, 64));
        let mut found = Vec::new();
        let mut decoder = Decoder::new(&spec, &declared()).unwrap();
        let report = decoder.decode(&views, &geometry, &spec.thresholds, &mut found).unwrap();
        assert_eq!((found.len(), report.non_finite), (0, 1));
    }
}
