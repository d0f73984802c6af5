//! The head family, told from the names and shapes of a file's outputs.

use crate::model::recognise::metadata::Facts;
use crate::model::{ElementType, HeadFamily, IoInfo};
use crate::tensor::decode::{grid_cells, names_distances};

/// Strides of all common grid heads.
pub(super) const STRIDES: [usize; 3] = [8, 16, 32];
/// Those with one level more (PicoDet, NanoDet-Plus, the -P6 networks).
pub(super) const STRIDES_P6: [usize; 4] = [8, 16, 32, 64];
/// Bins per side of a box in NanoDet and PicoDet (reg_max 7).
const NANODET_BINS: usize = 8;
/// Anchors per cell in YOLOv5.
const YOLOV5_ANCHORS: usize = 3;
/// FastestDet's stride.
const FASTESTDET_STRIDE: usize = 16;

/// A family and the number of classes its outputs show (`None`: they do not show it).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) head: HeadFamily,
    pub(super) classes: Option<usize>,
    /// Whether only the likelier of two families was taken.
    pub(super) doubtful: bool,
}

impl Seen {
    fn sure(head: HeadFamily, classes: Option<usize>) -> Option<Self> {
        Some(Self { head, classes, doubtful: false })
    }
}

/// The dimensions after the batch, for tensors of floats.
fn inner(io: &IoInfo) -> Option<&[Option<usize>]> {
    let float = matches!(io.element, Some(ElementType::F32 | ElementType::F16));
    let batch = matches!(io.shape.first(), Some(None | Some(1)));
    (float && batch && io.shape.len() >= 2).then(|| &io.shape[1..])
}

/// Tells the family, for an input of `size` (columns, rows; `None` where dynamic).
pub(super) fn see(outputs: &[IoInfo], size: Option<(usize, usize)>, facts: &Facts) -> Option<Seen> {
    if let Some(seen) = see_student(outputs) {
        return Some(seen);
    }
    match outputs {
        [one] => see_one(one, size, facts),
        [a, b] => see_masks(a, b).or_else(|| see_masks(b, a)).or_else(|| see_detr(a, b)).or_else(|| see_detr(b, a)),
        _ => see_detr_decoded(outputs).or_else(|| see_nanodet(outputs)),
    }
}

/// How many classes `head` shows in these outputs.
pub(super) fn classes_of(head: HeadFamily, outputs: &[IoInfo]) -> Option<usize> {
    let first = outputs.first()?;
    let dim = |io: &IoInfo, at: usize| inner(io).and_then(|dims| dims.get(at).copied().flatten());
    match head {
        HeadFamily::Yolov5 | HeadFamily::Yolox => dim(first, 1)?.checked_sub(5),
        HeadFamily::Yolov8 => dim(first, 0)?.checked_sub(4),
        HeadFamily::Fastestdet => dim(first, 0)?.checked_sub(5),
        HeadFamily::Yolov8Seg => {
            let [a, b] = outputs else { return None };
            see_masks(a, b).or_else(|| see_masks(b, a)).and_then(|seen| seen.classes)
        }
        HeadFamily::Detr => {
            let [a, b] = outputs else { return None };
            see_detr(a, b).or_else(|| see_detr(b, a)).and_then(|seen| seen.classes)
        }
        HeadFamily::Nanodet if outputs.len() == 1 => dim(first, 1)?.checked_sub(4 * NANODET_BINS),
        HeadFamily::Nanodet => see_nanodet(outputs).and_then(|seen| seen.classes),
        HeadFamily::Student => see_student(outputs).and_then(|seen| seen.classes),
        HeadFamily::EndToEnd | HeadFamily::DetrDecoded | HeadFamily::Depth | HeadFamily::Anticipation => None,
    }
}

fn see_one(one: &IoInfo, size: Option<(usize, usize)>, facts: &Facts) -> Option<Seen> {
    match *inner(one)? {
        [a, b] if speaks_of_depth(&one.name) && !facts.ultralytics && is_map_of(a, b, size) => {
            Seen::sure(HeadFamily::Depth, None)
        }
        [a, b] => see_matrix(a, b, size, facts).or_else(|| {
            let static_map = a.is_some() && b.is_some() && is_map_of(a, b, size);
            if static_map { Seen::sure(HeadFamily::Depth, None) } else { None }
        }),
        [Some(1), a, b] if is_map_of(a, b, size) => Seen::sure(HeadFamily::Depth, None),
        [Some(channels), Some(rows), Some(columns)] if channels > 5 => {
            let cells = (columns * FASTESTDET_STRIDE, rows * FASTESTDET_STRIDE);
            if size == Some(cells) { Seen::sure(HeadFamily::Fastestdet, Some(channels - 5)) } else { None }
        }
        _ => None,
    }
}

/// One output (1, a, b).
fn see_matrix(a: Option<usize>, b: Option<usize>, size: Option<(usize, usize)>, facts: &Facts) -> Option<Seen> {
    let cells = |strides: &[usize]| size.map(|(width, height)| grid_cells(width, height, strides));
    let is = |dim: Option<usize>, cells: Option<usize>| dim.is_some() && dim == cells;
    let grids = [cells(&STRIDES), cells(&STRIDES_P6)];
    if facts.end_to_end == Some(true) {
        return if b == Some(6) { Seen::sure(HeadFamily::EndToEnd, None) } else { None };
    }
    if let (Some(row), true) = (b.filter(|&b| b > 5), a.is_some()) {
        if is(a, grids[0]) {
            return Seen::sure(HeadFamily::Yolox, Some(row - 5));
        }
        if grids.iter().any(|&g| is(a, g.map(|cells| cells * YOLOV5_ANCHORS))) {
            return Seen::sure(HeadFamily::Yolov5, Some(row - 5));
        }
        if is(a, grids[1]) && row > 4 * NANODET_BINS {
            return Seen::sure(HeadFamily::Nanodet, Some(row - 4 * NANODET_BINS));
        }
    }
    if let Some(channels) = a.filter(|&a| a > 4)
        && (grids.iter().any(|&g| is(b, g)) || (b.is_none() && channels != 6))
    {
        return Some(Seen { head: HeadFamily::Yolov8, classes: Some(channels - 4), doubtful: b.is_none() });
    }
    // Other strides than the common ones, but as many values a box as the file names classes.
    let named = facts.classes.as_ref().map(|names| names.len() + 4);
    if let (Some(channels), Some(boxes)) = (a, b)
        && named == Some(channels)
        && boxes > channels
    {
        return Seen::sure(HeadFamily::Yolov8, Some(channels - 4));
    }
    match (a, b) {
        (_, Some(6)) => Some(Seen { head: HeadFamily::EndToEnd, classes: None, doubtful: a.is_none() }),
        // Dynamic rows: YOLOv5's exporter writes its class names into the file, YOLOX's writes nothing.
        (None, Some(row)) if row > 5 => {
            let head = if facts.classes.is_some() { HeadFamily::Yolov5 } else { HeadFamily::Yolox };
            Some(Seen { head, classes: Some(row - 5), doubtful: true })
        }
        _ => None,
    }
}

/// Boxes (1, 4+C+M, N) and prototypes (1, M, h, w).
fn see_masks(boxes: &IoInfo, protos: &IoInfo) -> Option<Seen> {
    let (&[Some(channels), columns], &[Some(count), _, _]) = (inner(boxes)?, inner(protos)?) else { return None };
    let classes = channels.checked_sub(4 + count).filter(|&c| c > 0)?;
    // Rows of detections, more than their values: an end-to-end or a YOLOv5 head with masks, which are no families yet.
    if columns.is_some_and(|columns| columns < channels) {
        return None;
    }
    Seen::sure(HeadFamily::Yolov8Seg, Some(classes))
}

/// The names of our own networks' outputs.
fn see_student(outputs: &[IoInfo]) -> Option<Seen> {
    let named = |name: &str| outputs.iter().find(|o| o.name == name);
    let all = ["box_8", "mask_8", "prototypes", "log_depth"].into_iter().all(|name| named(name).is_some());
    let classes = inner(named("class_8")?)?.first().copied().flatten();
    if all { Seen::sure(HeadFamily::Student, classes) } else { None }
}

/// Logits (1, Q, C) and boxes (1, Q, 4).
fn see_detr(logits: &IoInfo, boxes: &IoInfo) -> Option<Seen> {
    let (&[q1, Some(classes)], &[q2, Some(4)]) = (inner(logits)?, inner(boxes)?) else { return None };
    let queries_agree = q1.is_none() || q2.is_none() || q1 == q2;
    if !queries_agree || (classes == 4 && !boxes.name.contains("box")) {
        return None;
    }
    Seen::sure(HeadFamily::Detr, Some(classes))
}

fn see_detr_decoded(outputs: &[IoInfo]) -> Option<Seen> {
    let named = |what: &str| outputs.iter().any(|o| o.name.contains(what));
    let all = outputs.len() == 3 && named("label") && named("box") && named("score");
    if all { Seen::sure(HeadFamily::DetrDecoded, None) } else { None }
}

/// Classes and distances per stride.
fn see_nanodet(outputs: &[IoInfo]) -> Option<Seen> {
    if outputs.len() % 2 == 1 {
        return None;
    }
    let width = |io: &IoInfo| match io.shape[..] {
        [Some(1) | None, _, width] | [_, width] => width,
        _ => None,
    };
    let widths: Vec<usize> = outputs.iter().map(width).collect::<Option<_>>()?;
    let is_distance = |i: &usize| {
        names_distances(&outputs[*i].name) || (widths[*i] == 4 * NANODET_BINS && !says_classes(&outputs[*i].name))
    };
    let (distances, scores): (Vec<usize>, Vec<usize>) = (0..outputs.len()).partition(is_distance);
    let one_width = |of: &[usize]| of.windows(2).all(|pair| widths[pair[0]] == widths[pair[1]]);
    let fits = distances.len() == scores.len() && one_width(&distances) && one_width(&scores);
    let bins = distances.first().is_some_and(|&d| widths[d].is_multiple_of(4));
    if fits && bins { Seen::sure(HeadFamily::Nanodet, scores.first().map(|&s| widths[s])) } else { None }
}

fn says_classes(name: &str) -> bool {
    ["cls", "class", "score", "conf"].iter().any(|part| name.to_ascii_lowercase().contains(part))
}

fn speaks_of_depth(name: &str) -> bool {
    ["depth", "disp", "inverse"].iter().any(|part| name.to_ascii_lowercase().contains(part))
}

/// Whether (rows, columns) can be a map of an input of `size`: the same aspect ratio, not larger.
fn is_map_of(rows: Option<usize>, columns: Option<usize>, size: Option<(usize, usize)>) -> bool {
    match (rows, columns, size) {
        (Some(rows), Some(columns), Some((width, height))) => {
            rows > 0 && rows <= height && columns <= width && rows * width == columns * height
        }
        _ => true,
    }
}
