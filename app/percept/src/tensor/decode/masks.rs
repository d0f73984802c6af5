//! YOLOv8 and YOLO11 with instance masks: (1, 4+C+M, N) and prototypes (1, M, h, w).
//!
//! A mask's logit is the sum of prototypes weighted by the box's M coefficients, interpolated bilinearly (half-pixel
//! centres) at the centre of each source pixel; the pixel belongs to the instance where it is above 0 (a sigmoid above
//! 1/2). Only the prototype cells under the box are summed. Pixels count whose centre lies in the box.

use std::ops::Range;

use crate::detection::Mask;
use crate::model::{HeadFamily, IoInfo, ModelSpec};
use crate::tensor::TensorView;
use crate::tensor::decode::candidates::{Candidates, Floor, count_non_finite};
use crate::tensor::decode::yolov8::{BOX, Scan};
use crate::tensor::decode::{DecodeError, Head, MaskWanted, contract};

#[derive(Debug, Clone)]
pub(super) struct Yolov8Seg {
    classes: usize,
    /// Index of the boxes' output and of the prototypes'.
    boxes: usize,
    protos: usize,
    scan: Scan,
    canvas: Canvas,
}

impl Yolov8Seg {
    pub(super) fn new(spec: &ModelSpec, outputs: &[IoInfo]) -> Result<Self, DecodeError> {
        let classes = spec.classes.len();
        let is_proto =
            |io: &IoInfo| contract::is_float(io) && contract::declares(io, &[None; 3]) && io.shape.len() == 4;
        let fits = |boxes: &IoInfo, protos: &IoInfo| {
            let coefficients = protos.shape[1];
            let channels = coefficients.map(|m| m + BOX + classes);
            contract::is_float(boxes) && contract::declares(boxes, &[channels, None])
        };
        let (boxes, protos) = match outputs {
            [a, b] if is_proto(b) && fits(a, b) => (0, 1),
            [a, b] if is_proto(a) && fits(b, a) => (1, 0),
            _ => {
                let expected = format!("(1, {}+M, N) for {classes} classes and (1, M, h, w)", BOX + classes);
                return Err(contract::misfit(HeadFamily::Yolov8Seg, expected, outputs));
            }
        };
        let scan = Scan::new(classes, spec.activation);
        Ok(Self { classes, boxes, protos, scan, canvas: Canvas::default() })
    }

    /// The boxes' values, the number of columns and the prototypes.
    fn tensors<'a>(&self, outputs: &[TensorView<'a>]) -> Result<(&'a [f32], usize, Protos<'a>), DecodeError> {
        let ([count, height, width], data) = contract::floats(&outputs[self.protos], [None, None, None])?;
        let channels = BOX + self.classes + count;
        let ([_, columns], values) = contract::floats(&outputs[self.boxes], [Some(channels), None])?;
        Ok((values, columns, Protos { count, height, width, data }))
    }
}

impl Head for Yolov8Seg {
    fn collect(
        &mut self,
        outputs: &[TensorView<'_>],
        floor: &Floor,
        found: &mut Candidates,
    ) -> Result<(), DecodeError> {
        let (values, columns, _) = self.tensors(outputs)?;
        self.scan.collect(values, columns, floor, found);
        Ok(())
    }

    fn mask(
        &mut self,
        outputs: &[TensorView<'_>],
        wanted: &MaskWanted<'_>,
        data: &mut Vec<u8>,
        non_finite: &mut usize,
    ) -> Result<Option<Mask>, DecodeError> {
        let (values, columns, protos) = self.tensors(outputs)?;
        let first = BOX + self.classes;
        let coefficients = (first..first + protos.count).map(|c| values[c * columns + wanted.anchor]);
        Ok(self.canvas.mask(coefficients, &protos, wanted, data, non_finite))
    }
}

/// Pixels of 0..limit whose centres lie between two edges.
fn pixels(low: f32, high: f32, limit: usize) -> Range<usize> {
    // Centre i + 0.5 >= low means i >= low - 0.5.
    let bound = |edge: f32| ((edge - 0.5).ceil().max(0.0) as usize).min(limit);
    bound(low)..bound(high)
}

/// The prototypes: `count` maps of `height` x `width`.
pub(super) struct Protos<'a> {
    pub(super) count: usize,
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) data: &'a [f32],
}

/// Two neighbouring cells and the weight of the second.
#[derive(Debug, Clone, Copy)]
struct Tap {
    low: usize,
    high: usize,
    weight: f32,
}

/// The cells at the centre of each of `pixels`, where `cell edge = pixel edge * scale + offset`.
fn taps(pixels: &Range<usize>, scale: f32, offset: f32, cells: usize, out: &mut Vec<Tap>) {
    let last = cells - 1;
    out.clear();
    out.extend(pixels.clone().map(|pixel| {
        let at = ((pixel as f32 + 0.5) * scale + offset - 0.5).clamp(0.0, last as f32);
        let low = at as usize;
        Tap { low, high: (low + 1).min(last), weight: at - low as f32 }
    }));
}

/// Scratch of one mask.
#[derive(Debug, Clone, Default)]
pub(super) struct Canvas {
    coefficients: Vec<f32>,
    columns: Vec<Tap>,
    rows: Vec<Tap>,
    /// Logits of the cells under the box.
    logits: Vec<f32>,
    /// One row of them, blended for a source row.
    line: Vec<f32>,
}

impl Canvas {
    /// The mask that `coefficients` make of the prototypes; `None` where they are not finite or no pixel lies in the box.
    pub(super) fn mask(
        &mut self,
        coefficients: impl Iterator<Item = f32>,
        protos: &Protos<'_>,
        wanted: &MaskWanted<'_>,
        data: &mut Vec<u8>,
        non_finite: &mut usize,
    ) -> Option<Mask> {
        self.coefficients.clear();
        self.coefficients.extend(coefficients);
        let across = pixels(wanted.bbox.x0, wanted.bbox.x1, wanted.geometry.source_width);
        let down = pixels(wanted.bbox.y0, wanted.bbox.y1, wanted.geometry.source_height);
        let broken = count_non_finite(&self.coefficients);
        *non_finite += broken;
        if broken > 0 || across.is_empty() || down.is_empty() || protos.width == 0 || protos.height == 0 {
            return None;
        }
        let g = wanted.geometry;
        let cells_x = protos.width as f32 / g.network_width as f32;
        let cells_y = protos.height as f32 / g.network_height as f32;
        taps(&across, g.scale_x * cells_x, g.pad_x * cells_x, protos.width, &mut self.columns);
        taps(&down, g.scale_y * cells_y, g.pad_y * cells_y, protos.height, &mut self.rows);
        *non_finite += self.sum(protos);
        self.paint(data);
        Some(Mask {
            x: across.start as u32,
            y: down.start as u32,
            width: across.len() as u32,
            height: down.len() as u32,
            data: std::mem::take(data),
        })
    }

    /// The first cell under the box and the number of cells.
    fn span(taps: &[Tap]) -> (usize, usize) {
        match (taps.first(), taps.last()) {
            (Some(first), Some(last)) => (first.low, last.high - first.low + 1),
            _ => (0, 0),
        }
    }

    /// Sums the prototypes under the box into `logits`; returns how many came out not finite.
    fn sum(&mut self, protos: &Protos<'_>) -> usize {
        let (left, width) = Self::span(&self.columns);
        let (top, height) = Self::span(&self.rows);
        self.logits.clear();
        self.logits.resize(width * height, 0.0);
        let plane = protos.width * protos.height;
        for (coefficient, map) in self.coefficients.iter().zip(protos.data.chunks_exact(plane)) {
            let lines = map.chunks_exact(protos.width).skip(top);
            for (out, line) in self.logits.chunks_exact_mut(width).zip(lines) {
                for (logit, &value) in out.iter_mut().zip(&line[left..left + width]) {
                    *logit += coefficient * value;
                }
            }
        }
        count_non_finite(&self.logits)
    }

    /// Interpolates the logits to source pixels and writes which are inside.
    fn paint(&mut self, data: &mut Vec<u8>) {
        let (left, width) = Self::span(&self.columns);
        let (top, _) = Self::span(&self.rows);
        data.clear();
        data.reserve(self.columns.len() * self.rows.len());
        for row in &self.rows {
            let upper = &self.logits[(row.low - top) * width..][..width];
            let lower = &self.logits[(row.high - top) * width..][..width];
            self.line.clear();
            self.line.extend(upper.iter().zip(lower).map(|(a, b)| a + (b - a) * row.weight));
            data.extend(self.columns.iter().map(|column| {
                let (a, b) = (self.line[column.low - left], self.line[column.high - left]);
                u8::from(a + (b - a) * column.weight > 0.0)
            }));
        }
    }
}
